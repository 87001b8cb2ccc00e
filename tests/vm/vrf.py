#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""VRFs: outer packets, inner packets, IKE and policies in routing domains of their own.

    h 10.1.0.2 -- lan a wan 192.0.2.1 ==== 192.0.2.2 wan b 10.2.0.2     (fd01::, 2001:db8::, fd02::)

a has espah, b has XFRM. In the tests of two VRFs, c is like b, with the same addresses, on a's cee.
"""
import dataclasses
import itertools
import socket
import struct

import lab
import traffic
from ipsec import Espah, Policy, SA, Xfrm

A, B = {4: "192.0.2.1", 6: "2001:db8::1"}, {4: "192.0.2.2", 6: "2001:db8::2"}
H, T = {4: "10.1.0.2", 6: "fd01::2"}, {4: "10.2.0.2", 6: "fd02::2"}
NEAR, FAR = {4: "10.1.0.0/24", 6: "fd01::/64"}, {4: "10.2.0.0/24", 6: "fd02::/64"}
BITS = {4: 32, 6: 128}
FAMILIES = (4, 6)


class Lab:
    """h, a and b; nothing is in a VRF yet."""

    def __init__(self):
        lab.delete_all()
        lab.run("modprobe", "vrf", check=False)
        self.h, self.a, self.b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
        lab.link(self.h, "eth0", self.a, "lan")
        lab.link(self.a, "wan", self.b, "wan")
        self.h.ip("addr add 10.1.0.2/24 dev eth0\naddr add fd01::2/64 dev eth0 nodad\n"
                  "route add default via 10.1.0.1\nroute add default via fd01::1\n")
        self.peer(self.b)
        self.a.sysctl("net.ipv6.conf.all.keep_addr_on_down", 1)
        self.a.ip("link add red up type vrf table 10\nlink add blue up type vrf table 20\n"
                  "addr add 10.1.0.1/24 dev lan\naddr add fd01::1/64 dev lan nodad\n")
        self.address("wan")

    def peer(self, ns):
        ns.ip("addr add 192.0.2.2/24 dev wan\naddr add 2001:db8::2/64 dev wan nodad\n"
              "addr add 10.2.0.2/24 dev lo\naddr add fd02::2/64 dev lo nodad\n"
              "route add 10.1.0.0/24 via 192.0.2.1\nroute add fd01::/64 via 2001:db8::1\n")

    def address(self, device):
        self.a.ip(f"addr replace 192.0.2.1/24 dev {device}\n"
                  f"addr replace 2001:db8::1/64 dev {device} nodad\n")

    def put(self, device, vrf):
        """A device into a VRF, or out of any (None), with its addresses."""
        self.a.ip(f"link set {device} " + (f"master {vrf}\n" if vrf else "nomaster\n"))
        if device == "wan":
            self.address("wan")
        else:
            self.a.ip("addr replace 10.1.0.1/24 dev lan\naddr replace fd01::1/64 dev lan nodad\n")

    def routes(self, lan, wan):
        """What a needs to reach h and b's inside from the domains of lan and of wan."""
        table = {None: "main", "red": "10", "blue": "20"}
        lines = []
        for table_of in sorted({table[lan], table[wan]}):
            for v in FAMILIES:
                lines.append(f"route replace {FAR[v]} via {B[v]} dev wan table {table_of}")
                if table_of != table[lan]:
                    lines.append(f"route replace {NEAR[v]} dev lan table {table_of}")
        self.a.ip("\n".join(lines) + "\n")


def sas(spi, v, mode="tunnel", **more):
    return (SA(spi, A[v], B[v], mode, reqid=spi, **more),
            SA(spi + 1, B[v], A[v], mode, reqid=spi, **more))


def said(sa, words):
    return dataclasses.replace(sa, extra=words)


def policies(spi, near, far, v, mode="tunnel"):
    ends = (A[v], B[v]) if mode == "tunnel" else None
    return (Policy(near, far, ends, spi), Policy(far, near, ends and ends[::-1], spi))


def udp(ns, address, port, device=None):
    """A socket in the VRF of that name."""
    with ns:
        sock = socket.socket(traffic.family_of(address), socket.SOCK_DGRAM)
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    sock.bind((address, port))
    sock.settimeout(lab.TIMEOUT)
    return sock


PAYLOAD = bytes(range(256)) * 4
ports = itertools.count(7000)


def exchange(near, near_address, far, far_address, vrf=None):
    """A datagram each way between two hosts."""
    port = next(ports)
    with udp(near, near_address, port, vrf) as one, udp(far, far_address, port) as other:
        traffic.deliver(one, other, [PAYLOAD])
        traffic.deliver(other, one, [PAYLOAD])


def carried(ns):
    """Packets of each SA, and that nothing was dropped."""
    lab.equal(Espah.drops(ns), {}, "drops")
    return {(sa["dir"], sa["spi"], sa.get("vrf")): sa["packets"] for sa in Espah.sas(ns)}


def sent_in_clear(ns):
    """What leaves by wan in clear: see none()."""
    return traffic.Wire(ns, "wan", cleartext=True)


def none(wire):
    """Not even one datagram; neighbour discovery and the like do not count."""
    lab.equal([p for p in wire.packets() if traffic.protocol_of(p) == 17], [], "in clear")


@lab.test("what is forwarded passes with lan, wan or both in a VRF, and with one in each, over "
          "IPv4 and IPv6; each packet is protected once")
def domains():
    here = Lab()
    spi = 0x1000
    for v in FAMILIES:
        out, back = sas(spi, v)
        to, fro = policies(spi, NEAR[v], FAR[v], v)
        Espah.configure(here.a, [out], [back], [to], [fro])
        Xfrm.configure(here.b, [back], [out], [fro], [to])
        spi += 2
    sent = 0
    # the SAs stay as they are, while the addresses move from domain to domain
    for lan, wan in ((None, None), ("red", "red"), (None, "red"), ("red", None), ("red", "blue")):
        here.put("lan", lan)
        here.put("wan", wan)
        here.routes(lan, wan)
        with lab.verdict(f"lan in {lan or 'no VRF'}, wan in {wan or 'no VRF'}"), \
                sent_in_clear(here.a) as wire:
            for v in FAMILIES:
                exchange(here.h, H[v], here.b, T[v])
            sent += 1
            lab.equal(set(carried(here.a).values()), {sent}, "packets of each SA")
            none(wire)


@lab.test("a's own datagrams in a VRF pass in tunnel and transport mode, and are protected once, "
          "with a queue on the VRF device too")
def own():
    here = Lab()
    here.put("lan", "red")
    here.put("wan", "red")
    here.routes("red", "red")
    for queue in False, True:
        if queue:
            here.a.run("tc", "qdisc", "add", "dev", "red", "root", "pfifo")
        for v, mode in itertools.product(FAMILIES, ("tunnel", "transport")):
            with lab.verdict(f"IPv{v} {mode}, queue {queue}"), \
                    sent_in_clear(here.a) as wire:
                out, back = sas(0x2000, v, mode)
                near, far = (f"{A[v]}/{BITS[v]}", f"{B[v]}/{BITS[v]}")
                to, fro = (dataclasses.replace(policy, match="proto udp") for policy in
                           policies(0x2000, near, far, v, mode))
                Espah.configure(here.a, [out], [back], [to], [fro])
                Xfrm.configure(here.b, [back], [out], [fro], [to])
                exchange(here.a, A[v], here.b, B[v], "red")
                lab.equal(set(carried(here.a).values()), {1}, "packets of each SA")
                none(wire)
                # it comes by wan, to which a socket may be bound
                port = next(ports)
                with udp(here.a, A[v], port, "wan") as one, udp(here.b, B[v], port) as other:
                    traffic.deliver(other, one, [PAYLOAD])
            Espah.flush(here.a)
            Xfrm.flush(here.b)


def two_tenants():
    """wan in red and cee in blue, the same addresses, SPIs and reqids in both."""
    here = Lab()
    here.c = lab.Netns("c")
    lab.link(here.a, "cee", here.c, "wan")
    here.peer(here.c)
    here.put("wan", "red")
    here.a.ip("link set cee master blue\n")
    here.address("cee")
    for vrf, device, table in (("red", "wan", 10), ("blue", "cee", 20)):
        here.a.ip("".join(f"route replace {FAR[v]} via {B[v]} dev {device} table {table}\n"
                          for v in FAMILIES))
    for vrf, peer in (("red", here.b), ("blue", here.c)):
        for v in FAMILIES:
            out, back = sas(0x3000 + v, v)
            near = f"{A[v]}/{BITS[v]}"
            to, fro = policies(0x3000 + v, near, FAR[v], v)
            ours = [dataclasses.replace(policy, match=f"dev {vrf}", extra=f"vrf {vrf}")
                    for policy in (to, fro)]
            Espah.configure(here.a, [said(out, f"vrf {vrf}")], [said(back, f"vrf {vrf}")],
                            [ours[0]], [ours[1]])
            Xfrm.configure(peer, [back], [out], [fro], [to])
    return here


@lab.test("SAs and policies of the same addresses, SPI and reqid in two VRFs do not meet")
def tenants():
    here = two_tenants()
    count = {"red": 0, "blue": 0}
    # by turns in each family, as the SA that was found last is the first that is looked at
    for v, (vrf, peer) in itertools.product(FAMILIES, (("red", here.b), ("blue", here.c),
                                                       ("red", here.b))):
        exchange(here.a, A[v], peer, T[v], vrf)
        count[vrf] += 2
        lab.equal({name: sum(n for key, n in carried(here.a).items() if key[2] == name)
                   for name in count}, count, "packets")


@lab.test("a packet that comes in red is not for the SA of blue with its address and SPI")
def stranger():
    here = two_tenants()
    Espah.batch(here.a, [f"sa del in spi {0x3005:#x} dst {A[4]} vrf red"])
    port = next(ports)
    with udp(here.b, T[4], port) as sock:
        sock.sendto(PAYLOAD, (A[4], port))
    lab.wait_for(lambda: Espah.drops(here.a) == {"no_spi": 1}, "the drop no_spi")


@lab.test("nor is one for another host of red that has the address and SPI of an SA whose address is "
          "in blue: it is what comes in clear")
def namesake():
    here = Lab()
    here.put("lan", "red")
    here.put("wan", "red")
    here.a.ip(f"link add own up master blue type dummy\naddr add {H[4]}/32 dev own\n")
    Espah.batch(here.a, [f"policy add in {B[4]} {H[4]} discard",
                         Espah.sa_line("in", SA(0x8000, B[4], H[4])),
                         Espah.sa_line("in", SA(0x8001, B[4], A[4]))])
    with here.b:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ESP)
    with sock:
        for spi, dst, drops in ((0x8001, A[4], {"icv": 1}),
                                (0x8000, H[4], {"icv": 1, "discard_in": 1})):
            sock.sendto(struct.pack("!II", spi, 1) + bytes(80), (dst, 0))
            lab.wait_for(lambda drops=drops: Espah.drops(here.a) == drops, f"the drops {drops}")


@lab.test("an SA that names the VRF of its address and a template that names none meet, and the "
          "other way round")
def mixed():
    here = Lab()
    here.put("wan", "red")
    here.routes("red", "red")
    for words in ("", "vrf red"), ("vrf red", ""):
        with lab.verdict(f"SA '{words[0]}', template '{words[1]}'"):
            out, back = sas(0x4000, 4)
            to, fro = policies(0x4000, f"{A[4]}/32", FAR[4], 4)
            Espah.configure(here.a, [said(out, words[0])], [said(back, words[0])],
                            [said(to, words[1])], [said(fro, words[1])])
            Xfrm.configure(here.b, [back], [out], [fro], [to])
            exchange(here.a, A[4], here.b, T[4], "red")
            lab.equal(set(carried(here.a).values()), {1}, "packets of each SA")
        Espah.flush(here.a)
        Xfrm.flush(here.b)


@lab.test("a VRF that SAs and policies name can be deleted: then packets are dropped, never sent "
          "in another domain, and the SA can be deleted")
def deleted():
    here = Lab()
    here.put("wan", "red")
    here.routes("red", "red")
    out, back = sas(0x5000, 4)
    to, fro = policies(0x5000, f"{A[4]}/32", FAR[4], 4)
    Espah.configure(here.a, [said(out, "vrf red")], [said(back, "vrf red")],
                    [said(to, "vrf red")], [said(fro, "vrf red")])
    Xfrm.configure(here.b, [back], [out], [fro], [to])
    exchange(here.a, A[4], here.b, T[4], "red")
    index = here.a.run("ip", "-o", "link", "show", "red").stdout.split(":")[0]
    here.a.ip("link del red\n")  # waits for all that refer to it
    here.address("wan")
    here.a.ip(f"route replace {FAR[4]} via {B[4]} dev wan\n")
    with traffic.Wire(here.b, "wan") as wire, udp(here.a, A[4], next(ports)) as sock:
        sock.sendto(PAYLOAD, (T[4], 9))
        lab.wait_for(lambda: Espah.drops(here.a).get("no_route") == 1, "the drop no_route")
        lab.equal([p for p in wire.packets() if traffic.protocol_of(p) in (17, 50)], [],
                  "what crossed the wire")
    lab.equal([sa["vrf"] for sa in Espah.sas(here.a)], [index] * 2, "VRF of the SAs")
    Espah.batch(here.a, [f"sa del out spi 0x5000 dst {B[4]} vrf {index}"])


@lab.test("what a sends to itself in a VRF passes, whatever the policies say")
def itself():
    here = Lab()
    here.put("wan", "red")
    Espah.batch(here.a, ["default in discard out discard"])
    for v in FAMILIES:
        with udp(here.a, A[v], next(ports), "red") as one, \
                udp(here.a, A[v], next(ports), "red") as other:
            traffic.deliver(one, other, [PAYLOAD])
            traffic.deliver(other, one, [PAYLOAD])


@lab.test("IKE passes in clear to and from an address in a VRF, where all else is discarded")
def ike():
    here = Lab()
    here.put("wan", "red")
    Espah.batch(here.a, ["default in discard out discard"])
    for v in FAMILIES:
        with udp(here.a, A[v], 500, "red") as one, udp(here.b, B[v], 500) as other:
            traffic.deliver(other, one, [b"an IKE message"])
            traffic.deliver(one, other, [b"another one"])
        port = next(ports)
        with udp(here.a, A[v], port, "red") as one, udp(here.b, B[v], port) as other:
            other.sendto(PAYLOAD, (A[v], port))
            lab.wait_for(lambda: Espah.drops(here.a).get("discard_in"), "the drop")
            lab.true(traffic.silent(one), "a datagram passed")


def explained(ns):
    return Espah.json(ns, "explain", "out", H[4], T[4], "udp", "dev", "wan")["action"]


@lab.test("a selector names a VRF, or a device in it, for packets that leave, that come in clear "
          "and by an SA; explain knows")
def devices():
    for device in ("red", "wan"):
        with lab.verdict(f"dev {device}"):
            here = Lab()
            here.put("lan", "red")
            here.put("wan", "red")
            here.routes("red", "red")
            out, back = sas(0x6000, 4)
            to, fro = policies(0x6000, NEAR[4], FAR[4], 4)
            Xfrm.configure(here.b, [back], [out], [fro], [to])
            Espah.configure(here.a, [out], [back],
                            [dataclasses.replace(to, match=f"dev {device}")],
                            [dataclasses.replace(fro, match=f"dev {device}")])
            exchange(here.h, H[4], here.b, T[4])
            lab.equal(set(carried(here.a).values()), {1}, "packets of each SA")
            lab.equal(explained(here.a), "protect", "what explain says")
            Xfrm.flush(here.b)  # in clear
            port = next(ports)
            with udp(here.b, T[4], port) as sock:
                sock.sendto(PAYLOAD, (H[4], port))
            lab.wait_for(lambda: Espah.drops(here.a).get("plaintext"), "the drop plaintext")
    with lab.verdict("dev blue is not meant"):
        Espah.flush(here.a)
        Espah.batch(here.a, [f"policy add out {NEAR[4]} {FAR[4]} dev blue discard"])
        lab.equal(explained(here.a), "bypass", "what explain says")


@lab.test("a device that comes into a VRF is meant by what names the VRF, for packets of a known flow, too")
def joins():
    here = Lab()
    here.routes(None, None)
    Espah.batch(here.a, [f"policy add in {FAR[4]} {NEAR[4]} dev red discard"])
    port = next(ports)
    with udp(here.h, H[4], port) as one, udp(here.b, T[4], port) as other:
        traffic.deliver(other, one, [PAYLOAD])
        here.put("wan", "red")
        here.put("lan", "red")
        lab.wait_for(lambda: other.sendto(PAYLOAD, (H[4], port)) and
                     Espah.drops(here.a).get("discard_in"), "the drop discard_in")
        lab.true(traffic.silent(one), "it passed")


@lab.test("what is no VRF is refused, with a sentence; lists say and select VRFs")
def words():
    here = Lab()
    out, _ = sas(0x7000, 4)
    for line in (Espah.sa_line("out", said(out, "vrf lan")),
                 f"policy add out any4 any protect tunnel {A[4]} {B[4]} vrf lan"):
        try:
            Espah.batch(here.a, [line])
            raise lab.Failed(f"taken: {line}")
        except lab.Failed as failed:
            lab.true("no VRF has the index" in str(failed), str(failed))
    other, _ = sas(0x7000, 4)  # with a key of its own
    Espah.batch(here.a, [Espah.sa_line("out", said(out, "vrf red")), Espah.sa_line("out", other),
                         f"policy add out any4 any protect tunnel {A[4]} {B[4]} vrf red"])
    lab.equal([sa.get("vrf") for sa in Espah.sas(here.a)], ["red", None], "VRFs of the SAs")
    lab.equal([sa["vrf"] for sa in Espah.sas(here.a, "vrf", "red")], ["red"], "of those in red")
    lab.equal(Espah.json(here.a, "policy", "list")[0]["template"]["vrf"], "red", "of the policy")
    Espah.batch(here.a, ["sa flush vrf red"])
    lab.equal([sa.get("vrf") for sa in Espah.sas(here.a)], [None], "VRFs after a flush of red")


if __name__ == "__main__":
    lab.main()
