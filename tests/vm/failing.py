#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Packets while allocations fail: none leaves in clear, none gets lost uncounted, and the next one passes.

   h 10.1.0.2 -- 10.1.0.1 a (espah) 192.0.2.1 ===== 192.0.2.2 b (XFRM) 10.2.0.1

Needs a kernel that can make allocations fail: scripts/vm debug -- tests/vm/run failing
"""
import collections
import contextlib
import dataclasses
import errno
import threading
import time

import faults
import ipsec
import lab
import traffic
from ipsec import AH, ALGORITHMS, GCM, SA, Espah, Policy, Xfrm

MOST = 200  # allocations of a packet
WAN = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
HERE = {4: "10.1.0.1", 6: "fd01::1"}
THERE = {4: "10.2.0.1", 6: "fd02::1"}
HOST = {4: "10.1.0.2", 6: "fd01::2"}
NETS = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("fd01::/64", "fd02::/64")}
CLEAR = b"in clear "
SHORT, LONG = [CLEAR * 8], [CLEAR * 333]  # the second one leaves in fragments
MEMORY = {errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN}
# reasons for which espah may drop a packet when memory runs out
DROPS = {"nomem", "queue_full", "deliver", "malformed_in"}


@dataclasses.dataclass
class Way:
    """How packets are protected. gso: datagrams that are sent as one GSO packet."""
    name: str
    algorithm: ipsec.Algorithm = GCM
    mode: str = "tunnel"
    encap: tuple = None
    device: bool = False
    gso: int = 0


WAYS = (Way("tunnel"), Way("transport", mode="transport"), Way("CBC and HMAC", ALGORITHMS["aes128-sha1"]),
        Way("AH", AH["sha256"]), Way("in UDP", encap=(4500, 4500)), Way("GSO", gso=4), Way("a device", device=True))


def topology(v, way):
    """a and b are configured; Return: h, a, b."""
    lab.delete_all()
    h, a, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
    lab.link(h, "eth0", a, "lan")
    lab.link(a, "wan", b, "eth0")
    near, far = WAN[v]
    plain, six = ("24", "") if v == 4 else ("64", " nodad")
    h.ip(f"addr add {HOST[v]}/{plain} dev eth0{six}\nroute add default via {HERE[v]}\n")
    a.ip(f"addr add {HERE[v]}/{plain} dev lan{six}\naddr add {near}/{plain} dev wan{six}\n")
    b.ip(f"addr add {far}/{plain} dev eth0{six}\naddr add {THERE[v]} dev lo{six}\n"
         f"route add {NETS[v][0]} via {near} src {THERE[v]}\n")
    ends = (near, far) if way.mode == "tunnel" else (HERE[v], THERE[v])
    options = {"algorithm": way.algorithm, "mode": way.mode, "encap": way.encap, "window": 256}
    there, back = SA(0x1001, *ends, **options), SA(0x1002, *ends[::-1], **options)
    if way.encap:
        sock = traffic.udp(b, far, 4500)
        sock.setsockopt(17, 100, 2)  # UDP_ENCAP: XFRM opens ESP in UDP
        b.kept = sock
    nets = NETS[v] if way.mode == "tunnel" else (f"{HERE[v]}/{32 if v == 4 else 128}",
                                                 f"{THERE[v]}/{32 if v == 4 else 128}")
    policy = Policy(*nets, (near, far) if way.mode == "tunnel" else None, proto=way.algorithm.proto)
    reverse = dataclasses.replace(policy, src=policy.dst, dst=policy.src, tunnel=policy.tunnel and policy.tunnel[::-1])
    Xfrm.configure(b, [back], [there], [reverse], [policy])
    if way.device:
        there, back = (dataclasses.replace(sa, if_id=7) for sa in (there, back))
        policy, reverse = (dataclasses.replace(one, if_id=7) for one in (policy, reverse))
        Espah.batch(a, ["link add ipsec0 if-id 7 dev wan up"])
        a.ip(f"route add {NETS[v][1]} dev ipsec0 src {HERE[v]}\n")
    else:
        a.ip(f"route add {NETS[v][1]} via {far} src {HERE[v]}\n")
    Espah.configure(a, [there], [back], [policy], [reverse])
    return h, a, b


def need_faults():
    if not faults.can_fail():
        raise lab.Skipped("this kernel cannot make allocations fail: scripts/vm debug has one that can")


def drops_of(a):
    """Drops, but for what the device sends by itself, such as router solicitations."""
    return {name: count for name, count in Espah.drops(a).items() if name != "device_no_policy"}


def in_clear(wire):
    return [frame for frame in wire.frames() if CLEAR in frame]


def each_fails(sock, sink, payload, wire, a):
    """Sends a datagram with each allocation of the sender failing in turn. Return: what became of them."""
    became = collections.Counter()
    for number in range(1, MOST):
        before = drops_of(a)
        with faults.Fault(number) as fault:
            try:
                sock.sendto(payload, sink.getsockname()[:2])
                refused = None
            except OSError as error:
                refused = error.errno
        lab.true(refused is None or refused in MEMORY, f"allocation {number} failed, and the sender got {refused}")
        time.sleep(0.01)
        drops = {name: count - before.get(name, 0) for name, count in drops_of(a).items()
                 if count != before.get(name, 0)}
        lab.true(set(drops) <= DROPS, f"allocation {number} failed: drops {drops}")
        lab.equal(in_clear(wire), [], f"allocation {number} failed: frames in clear")
        arrived = traffic.drain(sink)
        became["refused" if refused else "dropped" if drops else "arrived" if arrived else "lost elsewhere"] += 1
        if not fault.failed:
            lab.true(arrived and not drops, f"no allocation failed, but: {drops}, {len(arrived)} arrived")
            return number - 1, became
        sock.sendto(payload, sink.getsockname()[:2])
        try:
            lab.true(sink.recv(65536) in payload, "another datagram")
        except TimeoutError:
            raise lab.Failed(f"after allocation {number} failed, the next datagram did not arrive") from None
        traffic.drain(sink)
    raise lab.Failed(f"a packet that makes {MOST} allocations")


@lab.test("each allocation of a packet that this host sends fails once: none leaves in clear, the next one arrives")
def local():
    need_faults()
    faults.prepare()
    seen = collections.Counter()
    for v in 4, 6:
        for way in WAYS:
            for payload in SHORT + LONG * (way.gso == 0):
                _, a, b = topology(v, way)
                with traffic.udp(a, HERE[v]) as sock, traffic.udp(b, THERE[v], 9000) as sink, \
                        traffic.Wire(a, "wan", cleartext=True) as wire:
                    if way.gso:
                        sock.setsockopt(17, traffic.UDP_SEGMENT, len(payload))
                        payload *= way.gso
                    sock.sendto(payload, (THERE[v], 9000))  # neighbours are resolved
                    sink.recv(65536)
                    time.sleep(0.05)
                    traffic.drain(sink)
                    allocations, became = each_fails(sock, sink, payload, wire, a)
                    seen += became
                    print(f"# {way.name}, IPv{v}, {len(payload)} bytes: {allocations} allocations; {dict(became)}")
    lab.true(seen["dropped"] and seen["refused"], f"no allocation of espah's failed: {dict(seen)}")


class Load:
    """Numbered datagrams both ways between two hosts, until the end of the statement."""

    def __init__(self, ends):
        self.ends, self.stop, self.sent = ends, threading.Event(), 0
        self.threads = [threading.Thread(target=self.run, args=pair) for pair in (ends, ends[::-1])]

    def run(self, source, target):
        while not self.stop.is_set():
            with contextlib.suppress(OSError):  # the sender's own allocations fail, too
                source.sendto(self.sent.to_bytes(4, "big") + CLEAR * (11, 222)[self.sent % 8 == 0],
                              target.getsockname()[:2])
                self.sent += 1
            time.sleep(0.001)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


@lab.test("one of twelve allocations fails while packets are forwarded both ways: none leaves in clear, later ones arrive")
def forwarded():
    need_faults()
    drops = collections.Counter()
    for v in 4, 6:
        for way in WAYS:
            if way.mode == "transport" or way.gso:
                continue
            h, a, b = topology(v, way)
            with traffic.udp(h, HOST[v], 9000) as near, traffic.udp(b, THERE[v], 9000) as far, \
                    traffic.Wire(a, "wan", cleartext=True) as wire:
                traffic.deliver(near, far, [b"before"])
                traffic.deliver(far, near, [b"before"])
                with Load((near, far)) as load, faults.often(8):
                    time.sleep(4)
                time.sleep(0.5)
                here = drops_of(a)
                drops.update(here)
                got = len(traffic.drain(far)), len(traffic.drain(near))
                print(f"# {way.name}, IPv{v}: {load.sent} sent, {got} arrived, drops {here}")
                lab.true(min(got) > 20 and sum(got) <= load.sent, f"{got} of {load.sent} arrived")
                lab.equal(in_clear(wire), [], "frames in clear")
                # fragments that lack one, and a neighbour that could not be resolved, are forgotten first
                lab.wait_for(lambda: answered(near, far) and answered(far, near), "datagrams to pass again", 60)
                traffic.deliver(near, far, [bytes([n]) * 100 for n in range(20)])
                traffic.deliver(far, near, [bytes([n]) * 100 for n in range(20)])
    lab.true(drops["nomem"], f"no allocation of espah's failed: {dict(drops)}")


def answered(source, sink):
    source.sendto(b"again", sink.getsockname()[:2])
    time.sleep(0.05)
    return traffic.drain(sink)


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
