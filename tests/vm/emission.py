# SPDX-License-Identifier: GPL-2.0-only
"""Packets of an SA that meet a policy again on their way out: tunnels in tunnels in SAs.

      a (espah)  192.0.2.1, 2001:db8::1  ----- veth -----  192.0.2.2, 2001:db8::2  (XFRM) b

The peer of the first SA is behind a tunnel device. A second SA protects the packets of that device,
with a peer behind another device, and so on; or the route leads back to the first SA.
"""
import os
import subprocess
import time

import driver
import lab
import memory
import traffic
from ipsec import ALGORITHMS, Espah, Policy, SA, Xfrm

ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
BITS = {4: 32, 6: 128}
LEVELS = 3  # maximum number of nested emissions


def pair():
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "wan", b, "wan", mtu=4000)
    for ns, own in ((a, 0), (b, 1)):
        ns.ip(f"addr add {ENDS[4][own]}/24 dev wan\naddr add {ENDS[6][own]}/64 dev wan nodad\n")
    return a, b


def address(family, level, end):
    return f"10.{level}.0.{end + 1}" if family == 4 else f"fd0{level}::{end + 1}"


class Nest:
    """SAs within tunnel devices within SAs; the innermost addresses are those of level 0."""

    def __init__(self, kind, family, levels, algorithm=ALGORITHMS["aes128gcm16"]):
        self.a, self.b = pair()
        self.family, self.levels = family, levels
        self.ends = [tuple(address(family, level, end) for end in (0, 1))
                     for level in range(2 * levels)]
        self.ends.append(ENDS[family])
        out, back, there, here = [], [], [], []
        for level in range(levels):
            inner, outer = self.ends[2 * level], self.ends[2 * level + 1]
            if level == levels - 1:
                outer = self.ends[-1]
            sas = [SA(0x1000 + 16 * level + end, *outer[::1 - 2 * end], reqid=level + 1,
                      algorithm=algorithm) for end in (0, 1)]
            out.append(sas[0])
            back.append(sas[1])
            bits = BITS[family]
            there.append(Policy(f"{inner[0]}/{bits}", f"{inner[1]}/{bits}", outer, level + 1))
            here.append(Policy(f"{inner[1]}/{bits}", f"{inner[0]}/{bits}", outer[::-1], level + 1))
            if level < levels - 1:
                self.device(kind, level, outer, self.ends[2 * level + 2])
        for ns, own in ((self.a, 0), (self.b, 1)):
            for level in range(0, 2 * levels, 2):
                inner = self.ends[level]
                ns.ip(f"addr add {inner[own]}/{BITS[family]} dev lo\n")
                if level:
                    ns.ip(f"route add {inner[1 - own]} via {ENDS[family][1 - own]} src {inner[own]}\n")
            ns.ip(f"route add {self.ends[0][1 - own]} via {ENDS[family][1 - own]} "
                  f"src {self.ends[0][own]}\n")
        Espah.configure(self.a, out, back, there, here)
        Xfrm.configure(self.b, back, out, here, there)
        # multicast reports of b from before it had its policies
        self.before = Espah.drops(self.a)

    def device(self, kind, level, inside, outside):
        """A tunnel from outside[0] to outside[1] for traffic between the inside addresses."""
        bits = 24 if self.family == 4 else 64
        for ns, own in ((self.a, 0), (self.b, 1)):
            words = f"local {outside[own]} remote {outside[1 - own]}"
            if kind == "vxlan":
                words = f"id {level + 1} {words} dstport 4789"
            elif kind == "gre":
                words += " ttl 64"
            ns.ip(f"link add t{level} mtu {2000 + 300 * level} type {kind} {words}\n"
                  f"addr add {inside[own]}/{bits} dev t{level} {'nodad' if bits == 64 else ''}\n"
                  f"link set t{level} addrgenmode none up\n")

    def works(self):
        traffic.ping(self.a, self.ends[0][0], self.ends[0][1], count=2)
        left = traffic.udp(self.a, self.ends[0][0], 7000)
        right = traffic.udp(self.b, self.ends[0][1], 7000)
        payloads = [os.urandom(size) for size in (1, 100, 500, 900)]
        with left, right:
            traffic.deliver(left, right, payloads)
            traffic.deliver(right, left, payloads)


for kind, family in (("gre", 4), ("vxlan", 4), ("ipip", 4), ("ip6gre", 6), ("vxlan", 6)):
    @lab.test(f"emission: {LEVELS} SAs within one another, with {kind} over IPv{family} between, carry",
              kind, family)
    def carries(kind, family):
        nest = Nest(kind, family, LEVELS)
        nest.works()
        lab.equal(Espah.drops(nest.a), nest.before, "drops")
        lab.equal(len([sa for sa in Espah.sas(nest.a, "out") if sa["packets"]]), LEVELS, "SAs used")


@lab.test(f"emission: a packet that needs {LEVELS + 1} of them is dropped as nesting, by all that it "
          "went through, and nothing of it is on the wire in clear")
def beyond():
    nest = Nest("gre", 4, LEVELS + 1)
    with traffic.Wire(nest.a, "wan", outgoing=True) as wire, \
            traffic.udp(nest.a, nest.ends[0][0], 7000) as sock:
        for _ in range(5):
            sock.sendto(b"x" * 100, (nest.ends[0][1], 7000))
        lab.equal(Espah.drops(nest.a), {"nesting": 5}, "drops")
        lab.equal([packet for packet in wire.packets() if packet[0] >> 4 == 4], [], "on the wire")
    lab.equal([sa["packets"] for sa in Espah.sas(nest.a, "out")], [5] * LEVELS + [0],
              "packets of each SA")


LOOPS = {
    "gre": (4, "type gre local {0} remote {1} ttl 64"),
    "gre without DF": (4, "type gre local {0} remote {1} ttl 64 nopmtudisc"),
    "ipip": (4, "type ipip local {0} remote {1} ttl 64"),
    "sit": (64, "type sit local {0} remote {1} ttl 64"),
    "vxlan": (4, "type vxlan id 7 local {0} remote {1} dstport 4789"),
    "geneve": (4, "type geneve id 7 remote {1}"),
    "fou": (4, "type ipip local {0} remote {1} ttl 64 encap fou encap-sport auto encap-dport 5555"),
    "ip6gre": (6, "type ip6gre local {0} remote {1}"),
    "ip6tnl": (6, "type ip6tnl local {0} remote {1}"),
    "vxlan over IPv6": (6, "type vxlan id 7 local {0} remote {1} dstport 4789"),
}


def loop(name, df="clear", words="", queue=""):
    """a, where all packets use an SA whose peer is behind a tunnel, including the SA's own packets."""
    kinds, device = LOOPS[name]
    inner = 6 if kinds in (6, 64) else 4
    outer = 6 if kinds == 6 else 4
    a, _ = pair()
    near, far = ENDS[outer]
    peer = (address(inner, 8, 0), address(inner, 8, 1))
    a.ip(f"link add tun9 mtu 1400 {device.format(near, far)}\n"
         f"addr add {peer[0]}/{24 if inner == 4 else 64} dev tun9 {'nodad' if inner == 6 else ''}\n"
         f"link set tun9 up\n")
    if "vxlan" in name or "geneve" in name:
        a.ip(f"neigh add {peer[1]} lladdr 02:00:00:00:00:01 dev tun9\n")
    if not queue:
        Espah.configure(a, [SA(0x1001, *peer, extra=f"df {df} {words}")])
    lines = [f"policy add out any{inner} any{inner} protect esp tunnel {peer[0]} {peer[1]} reqid 1 {queue}"]
    if outer != inner:
        lines.append(f"policy add out any{outer} any{outer} protect esp tunnel {peer[0]} {peer[1]} "
                     f"reqid 1")
    Espah.batch(a, lines)
    return a, peer, inner


def send(a, inner, sizes):
    with traffic.udp(a, ENDS[inner][0]) as sock:
        sock.setsockopt(41 if inner == 6 else 0, 23 if inner == 6 else 10, 0)
        for size in sizes:
            sock.sendto(bytes(size), (ENDS[inner][1], 9))


def quiet(a):
    """Waits until a stops sending. Return: {reason: packets}"""
    def numbers():
        return sum(sa["seq"] for sa in Espah.sas(a, "out")), Espah.drops(a)
    before = numbers()
    end = time.monotonic() + lab.TIMEOUT
    while True:
        time.sleep(0.3)
        now = numbers()
        if now == before:
            return now[1]
        lab.true(time.monotonic() < end, f"it goes on: {before} {now}")
        before = now


def tell_loop(name):
    """Loads the modules of a device; iproute2 loads most of them itself."""
    lab.run("modprobe", "-a", "fou", "geneve", check=False)
    try:
        return loop(name)
    except lab.Failed as error:
        if "Unknown device type" in str(error) or "not supported" in str(error):
            raise lab.Skipped(str(error)) from None
        raise


for name in LOOPS:
    @lab.test(f"emission: a route to the peer that leads back through {name} ends in nesting", name)
    def circle(name):
        a, _, inner = tell_loop(name)
        send(a, inner, (10, 500, 1000))
        drops = quiet(a)
        lab.true(drops.get("nesting", 0) >= 2, f"drops: {drops}")  # the packets with the most headers may be too big
        lab.equal(set(drops) - {"nesting", "too_big"}, set(), "other drops")


@lab.test("emission: a circle through a driver that answers later ends too, and so do its fragments")
def later():
    driver.instantiate("pcrypt")
    for name in ("gre without DF", "ip6gre"):
        with lab.verdict(f"emission: a circle through pcrypt and {name}"):
            a, _, inner = loop(name)
            send(a, inner, (10, 500, 1000, 1300))
            # the packets with the most headers may be too big, once a smaller path MTU is known
            lab.wait_for(lambda a=a: Espah.drops(a).get("nesting", 0) >= 2, "two drops: nesting")
            quiet(a)
            lab.true(sum(sa["seq"] for sa in Espah.sas(a, "out")) < 1000, "it went round too often")
        lab.delete_all()
    driver.remove("pcrypt")


@lab.test("emission: a packet that waits for its SA keeps its level")
def held():
    a, peer, inner = loop("gre", queue="queue 8")
    send(a, inner, (100,))
    Espah.configure(a, [SA(0x1001, *peer, extra="df clear")])
    lab.wait_for(lambda: Espah.drops(a).get("nesting"), "nesting")
    lab.equal(quiet(a), {"nesting": 1}, "drops")
    lab.equal([sa["seq"] for sa in Espah.sas(a, "out")], [LEVELS], "packets of the SA")


@lab.test("emission: one that has been through SAs before it waits keeps that level, too")
def held_within():
    nest = Nest("gre", 4, LEVELS + 1)
    inner, outer = nest.ends[2 * LEVELS - 2:2 * LEVELS]
    Espah.batch(nest.a, [f"sa flush out reqid {LEVELS}", f"policy del out {inner[0]} {inner[1]}",
                         Espah.policy_line("out", Policy(*inner, outer, LEVELS, extra="queue 8"))])
    with traffic.udp(nest.a, nest.ends[0][0], 7000) as sock:
        sock.sendto(b"x" * 100, (nest.ends[0][1], 7000))
    lab.equal(Espah.drops(nest.a), {}, "drops before the SA is there")
    Espah.configure(nest.a, [SA(0x2000, *outer, reqid=LEVELS)])
    lab.wait_for(lambda: Espah.drops(nest.a).get("nesting"), "nesting")
    lab.equal(quiet(nest.a), {"nesting": 1}, "drops")
    lab.equal({sa["reqid"]: sa["packets"] for sa in Espah.sas(nest.a, "out")},
              {level: int(level <= LEVELS) for level in range(1, LEVELS + 2)},
              "packets of the SA of each level")


@lab.test("emission: four SAs of one policy count as one")
def bundle():
    a, b = pair()
    ends = ENDS[4]
    out = [SA(0x1000 + i, *ends, reqid=i + 1) for i in range(4)]
    back = [SA(0x1100 + i, *ends[::-1], reqid=i + 1) for i in range(4)]
    for ns, own in ((a, 0), (b, 1)):
        ns.ip(f"addr add 10.1.0.{own + 1}/32 dev lo\nroute add 10.1.0.{2 - own} via {ends[1 - own]} "
              f"src 10.1.0.{own + 1}\n")
    Espah.configure(a, out, back)
    Espah.batch(a, ["policy add both 10.1.0.1 10.1.0.2 protect " + " ".join(
        f"esp tunnel {ends[0]} {ends[1]} reqid {i + 1}" for i in range(4))])
    with traffic.Wire(a, "wan", outgoing=True) as wire, traffic.udp(a, "10.1.0.1") as sock:
        sock.sendto(b"hello", ("10.1.0.2", 9))
        wire.next(50)
    lab.equal(Espah.drops(a), {}, "drops")


@lab.test("emission: a namespace ends, though XFRM, with a policy and no SA, made black holes of the routes of "
          "what an SA sent", 4)
@lab.test("emission: a namespace ends, though XFRM has a policy and no SA for what an SA sent (IPv6)", 6)
def black_hole(family):
    lab.delete_all()
    memory.released()
    a, _ = pair()
    near, far = ENDS[family]
    Espah.configure(a, [SA(0x1000, near, far)])
    inner = ("10.1.0.1", "10.1.0.2") if family == 4 else ("fd01::1", "fd01::2")
    a.ip(f"addr add {inner[0]}/{BITS[family]} dev lo{' nodad' * (family == 6)}\n"
         f"route add {inner[1]} via {far} src {inner[0]}\n"
         f"xfrm policy add src {near} dst {far} proto esp dir out tmpl src {near} dst {far} proto esp mode tunnel\n")
    Espah.batch(a, [Espah.policy_line("out", Policy(*inner, (near, far)))])
    # without a listener XFRM gives up at once
    a.start("ip", "xfrm", "monitor", "acquire", stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    with traffic.udp(a, inner[0]) as sock:
        for _ in range(3):
            sock.sendto(b"hello", (inner[1], 9))
    lab.equal([sa["packets"] for sa in Espah.sas(a, "out")], [3], "packets of the SA")
    lab.delete_all()
    lab.wait_for(lambda: memory.references() == 0, "the namespace to end", 60)


if __name__ == "__main__":
    lab.main()
