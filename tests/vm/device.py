#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Devices of kind espah: what is routed into them, and what arrives by them.

    h 10.1.0.2 -- lan a wan 192.0.2.1 ==== 192.0.2.2 wan b lan -- t 10.2.0.2     (fd01::, 2001:db8::, fd02::)

a has espah and ipsec0 with if_id 42, b has XFRM and an XFRM interface, xfrm0, with if_id 7.
"""
import contextlib
import itertools
import os
import socket
import struct
import time

import lab
import netlink
import traffic
from ipsec import ALGORITHMS, SA, Espah, Policy, Xfrm

A, B = {4: "192.0.2.1", 6: "2001:db8::1"}, {4: "192.0.2.2", 6: "2001:db8::2"}
H, T = {4: "10.1.0.2", 6: "fd01::2"}, {4: "10.2.0.2", 6: "fd02::2"}
NEAR, FAR = {4: "10.1.0.0/24", 6: "fd01::/64"}, {4: "10.2.0.0/24", 6: "fd02::/64"}
ANY = {4: "0.0.0.0/0", 6: "::/0"}
FAMILIES = (4, 6)
ID, PEER_ID = 42, 7


class Lab:
    """h, a, b and t, with routes into ipsec0 and xfrm0."""

    def __init__(self, outer=4, keys=True, device="dev wan", more=""):
        lab.delete_all()
        lab.run("modprobe", "-a", "vrf", "xfrm_interface", check=False)
        self.outer = outer
        self.h, self.t = lab.Netns("h"), lab.Netns("t")
        self.a, self.b = lab.Netns("a", forward=True), lab.Netns("b", forward=True)
        lab.link(self.h, "eth0", self.a, "lan")
        lab.link(self.a, "wan", self.b, "wan")
        lab.link(self.b, "lan", self.t, "eth0")
        for host, gateway, n in ((self.h, self.a, 1), (self.t, self.b, 2)):
            host.ip(f"addr add 10.{n}.0.2/24 dev eth0\naddr add fd0{n}::2/64 dev eth0 nodad\n"
                    f"route add default via 10.{n}.0.1\nroute add default via fd0{n}::1\n")
            gateway.ip(f"addr add 10.{n}.0.1/24 dev lan\naddr add fd0{n}::1/64 dev lan nodad\n"
                       f"addr add 192.0.2.{n}/24 dev wan\naddr add 2001:db8::{n}/64 dev wan nodad\n")
        self.b.ip(f"link add xfrm0 up type xfrm dev wan if_id {PEER_ID}\n"
                  f"route add {NEAR[4]} dev xfrm0\nroute add {NEAR[6]} dev xfrm0\n")
        Espah.batch(self.a, [f"link add ipsec0 if-id {ID} {device} up {more}"])
        self.a.ip(f"route add {FAR[4]} dev ipsec0\nroute add {FAR[6]} dev ipsec0\n")
        if keys:
            self.keys()

    def keys(self, spi=0x1000, policies=True, **more):
        """SAs of both families' traffic, and policies for any."""
        a, b = A[self.outer], B[self.outer]
        out, back = SA(spi, a, b, reqid=1, **more), SA(spi + 1, b, a, reqid=1, **more)
        at_a = [self.number(sa, ID) for sa in (out, back)]
        at_b = [self.number(sa, PEER_ID) for sa in (out, back)]
        def both(if_id, ends):
            return [Policy(ANY[v], ANY[v], ends, 1, if_id=if_id) for v in FAMILIES]
        Espah.configure(self.a, at_a[:1], at_a[1:],
                        both(ID, (a, b)) if policies else (), both(ID, (b, a)) if policies else ())
        Xfrm.configure(self.b, at_b[1:], at_b[:1],
                       both(PEER_ID, (b, a)) if policies else (),
                       both(PEER_ID, (a, b)) if policies else ())

    @staticmethod
    def number(sa, if_id):
        twin = SA(**{**vars(sa)})
        twin.if_id = if_id
        return twin

    def drops(self):
        return Espah.drops(self.a)


def clear(here):
    """Frames in clear that a sends on wan."""
    return traffic.Wire(here.a, "wan", cleartext=True)


ports = itertools.count(7000)


def exchange(near, near_address, far, far_address, payloads=(b"hello" * 20,)):
    """Datagrams each way between two hosts."""
    port = next(ports)
    with traffic.udp(near, near_address, port) as one, traffic.udp(far, far_address, port) as other:
        traffic.deliver(one, other, list(payloads))
        traffic.deliver(other, one, list(payloads))


def flows(here, v):
    """Pings, datagrams and TCP between h and t."""
    traffic.ping(here.h, H[v], T[v], count=2)
    exchange(here.h, H[v], here.t, T[v], [bytes(n) for n in (1, 100, 1300, 2800)])
    with traffic.Transfer(here.h, H[v], here.t, T[v], next(ports)) as tcp:
        tcp.move(os.urandom(1 << 20))
        tcp.move(os.urandom(1 << 20), backward=True)


@lab.test("what is routed into the device goes through its SAs, and comes back by it, in IPv4", 4)
@lab.test("what is routed into the device goes through its SAs, and comes back by it, in IPv6", 6)
def carries(outer):
    here = Lab(outer)
    with clear(here) as wire:
        for v in FAMILIES:
            flows(here, v)
        lab.equal(wire.frames(), [], "frames in clear")
    lab.equal(here.drops(), {}, "drops")


if __name__ == "__main__":
    lab.main()
