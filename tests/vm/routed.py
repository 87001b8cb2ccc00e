# SPDX-License-Identifier: GPL-2.0-only
"""Two gateways with devices to route into: ipsec0 of espah, and xfrm0 of XFRM.

    h 10.1.0.2 -- lan a wan 192.0.2.1 ==== 192.0.2.2 wan b lan -- t 10.2.0.2     (fd01::, 2001:db8::, fd02::)

a has espah and ipsec0 with if_id 42, b has XFRM and an XFRM interface, xfrm0, with if_id 7.
"""
import itertools
import json
import os

import lab
import traffic
from ipsec import CLI, SA, Espah, Policy, Xfrm

A, B = {4: "192.0.2.1", 6: "2001:db8::1"}, {4: "192.0.2.2", 6: "2001:db8::2"}
H, T = {4: "10.1.0.2", 6: "fd01::2"}, {4: "10.2.0.2", 6: "fd02::2"}
A_LAN, B_LAN = {4: "10.1.0.1", 6: "fd01::1"}, {4: "10.2.0.1", 6: "fd02::1"}
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
        """SAs, and policies for any traffic of both families."""
        out = SA(spi, A[self.outer], B[self.outer], **more)
        back = SA(spi + 1, B[self.outer], A[self.outer], **more)
        Espah.configure(self.a, [self.number(out, ID)], [self.number(back, ID)])
        Xfrm.configure(self.b, [self.number(back, PEER_ID)], [self.number(out, PEER_ID)])
        if policies:
            self.policies()

    def policies(self, at_a=True, at_b=True):
        ends = A[self.outer], B[self.outer]

        def both(if_id):
            return ([Policy(ANY[v], ANY[v], ends, if_id=if_id) for v in FAMILIES],
                    [Policy(ANY[v], ANY[v], ends[::-1], if_id=if_id) for v in FAMILIES])
        if at_a:
            Espah.configure(self.a, (), (), *both(ID))
        if at_b:
            Xfrm.configure(self.b, (), (), *both(PEER_ID)[::-1])

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
    # IPv6 routers do not fragment: the first long packet only tells h the path MTU
    exchange(here.h, H[v], here.t, T[v], [bytes(n) for n in (1, 100, 1300)] + [bytes(2800)] * (v == 4))
    with traffic.Transfer(here.h, H[v], here.t, T[v], next(ports)) as tcp:
        tcp.move(os.urandom(1 << 20))
        tcp.move(os.urandom(1 << 20), backward=True)


def show(ns, name="ipsec0"):
    """What ip(8) knows of a device."""
    return json.loads(ns.run("ip", "-s", "-j", "-d", "link", "show", "dev", name).stdout)[0]


def refused(ns, line, *words):
    """The CLI's sentence about a refused command; it contains the words."""
    with ns:
        result = lab.run(CLI, *line.split(), check=False)
    lab.true(result.returncode == 1, f"{line}: exit {result.returncode}: {result.stderr}")
    for word in words:
        lab.true(word in result.stderr, f"{line}: {result.stderr}")


class Drops:
    """Drops of a since the object was made."""

    def __init__(self, here):
        self.here, self.before = here, here.drops()

    def now(self):
        return {name: count - self.before.get(name, 0) for name, count in self.here.drops().items()
                if count != self.before.get(name, 0)}

    def wait(self, name, count):
        lab.wait_for(lambda: self.now().get(name, 0) >= count, f"{count} drops: {name}, got {self.now()}")
