# SPDX-License-Identifier: GPL-2.0-only
"""Two sites behind two gateways, keyed by strongSwan: a over espah (ipsec.OURS), b over XFRM.

   s 10.1.0.2 -- a 192.0.2.1 ===== 192.0.2.254 m 198.51.100.254 ===== b 198.51.100.1 -- t 10.2.0.2
     fd01::2    2001:db8:1::1                             2001:db8:2::1    fd02::2

m is a router. Packets that cross it and are neither ESP, AH nor IKE count as plaintext.
With a peer machine, m and b are there, so a's wan and t's eth0 are devices of a virtio driver.
"""
import contextlib
import os
import re
import socket
import struct
import threading
import time

import lab
import peer
import traffic
from charon import RUN, Charon, connection
from ipsec import CLI, OURS, Espah, Xfrm

A = {4: "192.0.2.1", 6: "2001:db8:1::1"}
B = {4: "198.51.100.1", 6: "2001:db8:2::1"}
S = {4: "10.1.0.2", 6: "fd01::2"}
T = {4: "10.2.0.2", 6: "fd02::2"}
NET_A = {4: "10.1.0.0/24", 6: "fd01::/64"}
NET_B = {4: "10.2.0.0/24", 6: "fd02::/64"}

WIRE = """
table inet wire {
    counter clear { }
    chain forward {
        type filter hook forward priority 0;
        meta l4proto { esp, ah } accept
        udp dport { 500, 4500 } accept
        udp sport { 500, 4500 } accept
        icmp type { destination-unreachable } accept
        counter name clear
    }
}
"""


class Lab:
    """The network drawn above; created once, and cleaned for each test."""

    only = None

    @classmethod
    def clean(cls):
        if not cls.only:
            lab.delete_all()
            cls.only = cls()
        here = cls.only
        Charon.stop_all()
        for ns in here.a, here.b:
            if OURS is not Xfrm and not isinstance(ns, peer.Remote):
                Espah.flush(ns)
            Xfrm.flush(ns)
            for family in "-4", "-6":
                ns.run("ip", family, "route", "flush", "table", "220", check=False)
        here.m.run("nft", "reset", "counters", "table", "inet", "wire")
        here.before = OURS.drops(here.a)
        return here

    def __init__(self):
        self.s, self.t = lab.Netns("s"), lab.Netns("t")
        self.a = lab.Netns("a", forward=True)
        self.b, self.m = (peer.make("lab", "Netns", name, forward=True) if peer.PORT else
                          lab.Netns(name, forward=True) for name in "bm")
        for ns in self.a, self.b:
            # a second address stays when the first one is deleted
            ns.sysctl("net.ipv4.conf.all.promote_secondaries", 1)
        if peer.PORT:  # first: a device eth0 must not be outside the namespaces when lab.link() makes one
            peer.wire(0, self.a, "wan", self.m, "west")
            peer.make("lab", "link", self.m, "east", self.b, "wan")
            peer.wire(1, self.t, "eth0", self.b, "lan")
        else:
            lab.link(self.a, "wan", self.m, "west")
            lab.link(self.m, "east", self.b, "wan")
            lab.link(self.b, "lan", self.t, "eth0")
        lab.link(self.s, "eth0", self.a, "lan")
        for ns, number in (self.s, 1), (self.t, 2):
            ns.ip(f"addr add 10.{number}.0.2/24 dev eth0\n"
                  f"addr add fd0{number}::2/64 dev eth0 nodad\n"
                  f"route add default via 10.{number}.0.1\n"
                  f"route add default via fd0{number}::1\n")
        for ns, number, net in (self.a, 1, "192.0.2"), (self.b, 2, "198.51.100"):
            ns.ip(f"addr add 10.{number}.0.1/24 dev lan\n"
                  f"addr add fd0{number}::1/64 dev lan nodad\n"
                  f"addr add {net}.1/24 dev wan\n"
                  f"addr add 2001:db8:{number}::1/64 dev wan nodad\n"
                  f"route add default via {net}.254\n"
                  f"route add default via 2001:db8:{number}::fe\n")
        self.m.ip("addr add 192.0.2.254/24 dev west\naddr add 2001:db8:1::fe/64 dev west nodad\n"
                  "addr add 198.51.100.254/24 dev east\naddr add 2001:db8:2::fe/64 dev east nodad\n"
                  "route add 10.1.0.0/24 via 192.0.2.1\nroute add 10.2.0.0/24 via 198.51.100.1\n"
                  "route add fd01::/64 via 2001:db8:1::1\nroute add fd02::/64 via 2001:db8:2::1\n")
        self.m.run("nft", "-f", "-", stdin=WIRE)

    def in_clear(self):
        """Packets that have crossed the router in clear."""
        text = self.m.run("nft", "list", "counter", "inet", "wire", "clear").stdout
        return int(text.split("packets ")[1].split()[0])

    def sas(self):
        """SAs of a."""
        return OURS.sas(self.a)

    def policies(self):
        """Policies of a."""
        return OURS.policies(self.a)

    def left(self):
        return self.sas(), self.policies()

    def dropped(self):
        """Drops of a. XFRM counts a packet that it answers with a smaller path MTU as a mode error."""
        return {name: count - self.before.get(name, 0)
                for name, count in OURS.drops(self.a).items()
                if count != self.before.get(name, 0) and name != "XfrmOutStateModeError"}

    def pair(self, outer, children, a_stack=OURS.name, b_stack="xfrm", options="", **more):
        """A charon at each gateway. children: {name: (nets of a, nets of b, more)}."""
        def side(mine, theirs, flip):
            sections = {name: f"local_ts = {nets[flip]}\nremote_ts = {nets[1 - flip]}\n{nets[2]}"
                        for name, nets in children.items()}
            return connection(mine, theirs, sections, **more)
        b = Charon(self.b, b_stack, side(B[outer], A[outer], 1))
        return Charon(self.a, a_stack, side(A[outer], B[outer], 0), options=options), b


def two_networks():
    """A lab in which each site has a second network."""
    here = Lab.clean()
    for ns, net in (here.s, "10.1.1"), (here.t, "10.2.1"):
        ns.ip(f"addr replace {net}.2/24 dev eth0\n")
    here.a.ip("route replace 10.1.1.0/24 dev lan\n")
    here.b.ip("route replace 10.2.1.0/24 dev lan\n")
    return here


QUIET = """
table inet quiet
delete table inet quiet
table inet quiet {
    chain out {
        type filter hook output priority 0;
        oifname "ipsec*" icmpv6 type { mld2-listener-report, mld-listener-report } drop
        oifname "ipsec*" icmpv6 type nd-router-solicit drop
    }
}
"""


def quiet(ns):
    """Keeps IPv6's own messages from devices ipsec*, which would send and count them, too."""
    ns.run("nft", "-f", "-", stdin=QUIET)


def esp(proposal, more=""):
    return f"esp_proposals = {proposal}\n{more}"


GCM = esp("aes128gcm16")


def tunnel(here, name, outer, inner, text=GCM, **options):
    """Checks that a tunnel carries pings and TCP both ways, and nothing passes in clear."""
    a, _ = here.pair(outer, {name: (NET_A[inner], NET_B[inner], text)}, **options)
    a.initiate(name)
    carry(here, inner)
    return a


def carry(here, inner=4):
    traffic.ping(here.s, S[inner], T[inner])
    traffic.ping(here.t, T[inner], S[inner])
    with traffic.Transfer(here.s, S[inner], here.t, T[inner], 7000) as transfer:
        transfer.move(bytes(range(256)) * 400)
        transfer.move(bytes(range(256)) * 400, backward=True)
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(here.dropped(), {}, "drops")


def reply(here, source=S[4], target=T[4]):
    """Whether a ping is answered soon."""
    return here.s.run("ping", "-n", "-c", "1", "-W", "1", "-I", source, target,
                      check=False).returncode == 0


# the default limits are long, because test machines are slow
LONG = "life_time = 1h\nrekey_time = 50m\n"
NEVER = "rekey_time = 0\nlife_time = 0\n"


def carries_on(here):
    """Checks that a trap has brought a tunnel up: only packets before the SAs were dropped, none in clear."""
    carried = here.dropped()
    lab.true(set(carried) <= OURS.TRAPPED, f"drops: {carried}")
    traffic.ping(here.s, S[4], T[4], count=5)
    lab.equal(here.dropped(), carried, "drops once the SAs are there")
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(len(here.sas()), 2, "SAs")


def net(more="", rekey=LONG):
    return {"net": (NET_A[4], NET_B[4], GCM + rekey + more)}


def sides(text_a, text_b, a_addrs=A[4], b_addrs=B[4], **options):
    """The configurations of both sides, each with its own text for the child."""
    return (connection(a_addrs, B[4], {"net": f"local_ts = {NET_A[4]}\nremote_ts = {NET_B[4]}\n"
                                              f"{GCM}{text_a}"}, **options),
            connection(b_addrs, a_addrs, {"net": f"local_ts = {NET_B[4]}\nremote_ts = {NET_A[4]}\n"
                                                 f"{GCM}{text_b}"}, **options))


class Flow:
    """Numbered datagrams between s and t both ways, at a given rate or as fast as the machine can.

    Datagrams that are due at the same time leave as one GSO packet, which costs less to send.
    """

    RATE = int(os.environ.get("ESPAH_RATE", "1000"))
    ROOM = 64 << 20  # bytes: the sockets can queue ten seconds of datagrams, 5 KB each from a driver

    BURST = 16

    def __init__(self, here):
        self.here = here
        self.ends = {"s to t": (traffic.udp(here.s, S[4], 9000), traffic.udp(here.t, T[4], 9000))}
        self.ends["t to s"] = self.ends["s to t"][::-1]
        for sock in self.ends["s to t"]:
            sock.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, self.ROOM)
        self.sent = {name: 0 for name in self.ends}
        self.got = {name: [] for name in self.ends}
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(name,)) for name in self.ends]

    def read(self, name):
        """Takes over what has arrived. Return: whether there was anything."""
        numbers = [int(data[:12]) for data in traffic.drain(self.ends[name][1])]
        self.got[name] += numbers
        return numbers

    def run(self, name):
        source, sink = self.ends[name]
        target = sink.getsockname()
        start = time.monotonic()
        while not self.stop.is_set():
            owed = int((time.monotonic() - start) * self.RATE) - self.sent[name]
            due = min(owed, self.BURST)  # a slow machine does not catch up
            if due > 0:
                numbers = range(self.sent[name], self.sent[name] + due)
                control = [(socket.SOL_UDP, traffic.UDP_SEGMENT, struct.pack("H", 96))]
                source.sendmsg([b"%012d" % number * 8 for number in numbers], control, 0, target)
                self.sent[name] += due
            if owed > self.BURST:
                start = time.monotonic() - self.sent[name] / self.RATE
            if self.sent[name] % 256 < self.BURST:
                self.read(name)
            time.sleep(0.002)

    def refused(self):
        """Packets that XFRM has dropped instead of sending them, for each way."""
        return {name: sum(count for reason, count in stack.drops(ns).items()
                          if reason.startswith("XfrmOut"))
                for name, stack, ns in (("s to t", OURS, self.here.a), ("t to s", Xfrm, self.here.b))}

    def __enter__(self):
        self.began = time.monotonic()
        self.refused_before = self.refused()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.began
        self.lost, self.twice = {}, {}
        for name, got in self.got.items():
            quiet_since = time.monotonic()
            while len(got) < self.sent[name] and time.monotonic() < quiet_since + 2:
                if self.read(name):  # the last packets may be in flight
                    quiet_since = time.monotonic()
                time.sleep(0.01)
            time.sleep(0.1)
            self.read(name)  # those that came twice
            missing = set(range(self.sent[name])) - set(got)
            self.lost[name] = len(missing)
            if missing:
                first = [n for n in sorted(missing) if n - 1 not in missing]
                print(f"# {name}: {self.sent[name]} sent, lost from {first[:10]} on")
            self.twice[name] = len(got) - len(set(got))
        for sock in self.ends["s to t"]:
            sock.close()


def check_flow(here, flow):
    rate = sum(flow.sent.values()) / flow.seconds / 2
    print(f"# {sum(flow.sent.values())} datagrams, {rate:.0f} a second each way: lost {flow.lost}, "
          f"twice {flow.twice}, in clear {here.in_clear()}, drops {here.dropped()} and over XFRM "
          f"{Xfrm.drops(here.b)}")
    nothing = {name: 0 for name in flow.sent}
    # XFRM drops a packet if another processor deletes its SA meanwhile
    for way, before in flow.refused_before.items():
        refused = flow.refused()[way] - before
        lab.true(flow.lost[way] <= refused * flow.BURST,
                 f"lost from {way}: {flow.lost[way]}, and XFRM dropped {refused} packets")
    lab.equal(flow.twice, nothing, "arrived twice")
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(here.dropped(), {}, "drops")


def established(charon):
    """Number of CHILD_SAs established so far. For a rekeyed one charon logs each direction."""
    return len(set(re.findall(r"CHILD_SA net\{(\d+)\} established", charon.log())))


@contextlib.contextmanager
def monitored(here, event):
    """Checks that `espah monitor` printed the event meanwhile, in a separate line, with the time."""
    if OURS is Xfrm:
        yield
        return
    path = f"{RUN}/monitor"
    policy = "out 203.0.113.0/24 203.0.113.0/24"

    def told(kind):
        """Lines about a kind of event. Lines about policies show that the monitor listens."""
        with open(path) as file:
            return re.findall(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}}  {kind} +\S.*$",
                              file.read(), re.MULTILINE)

    def listens():
        Espah.batch(here.a, [f"policy add {policy} bypass", f"policy del {policy}"])
        return told("policy")
    with open(path, "w") as file:
        monitor = here.a.start(CLI, "monitor", "policy", event, stdout=file)
    lab.wait_for(listens, "the monitor")
    yield
    lab.wait_for(lambda: told(event), f"espah monitor to tell of the {event}")
    monitor.kill()
    monitor.wait()
    with open(path) as file:
        lab.equal(len(file.read().splitlines()), len(told("policy")) + len(told(event)), "lines")


NAT = """
table ip nat
delete table ip nat
table ip nat {{
    chain post {{
        type nat hook postrouting priority srcnat;
        oifname "{out}" meta l4proto udp masquerade to :{ports}
    }}
}}
"""


def translate(here, out, ports):
    """Lets m translate packets that leave by a device, and clears its state."""
    here.m.run("nft", "-f", "-", stdin=NAT.format(out=out, ports=ports))
    here.m.run("conntrack", "-F", check=False)


def no_nat(here):
    here.m.run("nft", "delete", "table", "ip", "nat", check=False)
    here.m.run("conntrack", "-F", check=False)


# charon probes each path to each peer address that it has a route to, and uses the path of
# the first answer. So m lets IKE pass on one path only
ONE_PATH = """
table inet path {{
    chain forward {{
        type filter hook forward priority filter - 1;
        {family} daddr {{ {to} }} accept
        udp dport {{ 500, 4500 }} drop
    }}
}}
"""


def roam(here, mover, ns, other, family=4):
    """
    Deletes the address of a gateway during a flow; the gateway has another one, of that family.
    other: the only address of the peer that is reachable.
    """
    carry(here)
    before = {sa["spi"]: sa for sa in here.sas()}
    first = (B if ns is here.b else A)[4]
    second = first.rpartition(".")[0] + ".9"
    gateway = first.rpartition(".")[0] + ".254"
    inner = NET_B[4] if ns is here.b else NET_A[4]
    moved = second if family == 4 else (B if ns is here.b else A)[6]
    try:
        ns.ip(f"addr add {second}/24 dev wan\n")
        mover.wait_log(second)
        here.m.run("nft", "-f", "-", stdin=ONE_PATH.format(
            family="ip" if family == 4 else "ip6", to=f"{moved}, {other}"))
        ns.ip(f"addr del {first}/24 dev wan\nroute replace default via {gateway}\n")
        here.m.ip(f"route replace {inner} via {second}\n")
        lab.wait_for(lambda: {frozenset((sa["src"], sa["dst"])) for sa in here.sas()}
                     == {frozenset((moved, other))}, f"the SAs to move to {moved} and {other}", 60)
        lab.wait_for(lambda: reply(here), "an answer", 60)
        traffic.ping(here.s, S[4], T[4], count=3)
        traffic.ping(here.t, T[4], S[4], count=3)
        after = {sa["spi"]: sa for sa in here.sas()}
        lab.equal(set(after), set(before), "SPIs, before and after")
        for spi, sa in after.items():
            lab.true(sa["seq"] > before[spi]["seq"] > 0, "a sequence number that began anew")
        lab.equal(here.in_clear(), 0, "packets in clear")
    finally:
        here.m.run("nft", "delete", "table", "inet", "path", check=False)
        # after the other address is deleted, the first one is the primary again
        for words in (f"addr replace {first}/24 dev wan", f"addr del {second}/24 dev wan",
                      f"route replace default via {gateway}"):
            ns.run("ip", *words.split(), check=False)
        here.m.run("ip", "route", "replace", inner, "via", first)
