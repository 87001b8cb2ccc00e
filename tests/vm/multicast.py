#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""SAs to multicast groups with manual keys, as OSPF uses them (RFC 4552).

a has espah; b and c, on the same link, have XFRM. All share keys and SPIs.
"""
import os
import socket
import struct

import lab
import traffic
from ipsec import AH, ALGORITHMS, Espah, SA, Xfrm

OSPF = 89
SPI = 0x5000
GROUP = {4: "224.0.0.5", 6: "ff02::5"}
HOST = {4: {"a": "192.0.2.1", "b": "192.0.2.2", "c": "192.0.2.3"},
        6: {"a": "fe80::a", "b": "fe80::b", "c": "fe80::c"}}
ANY = {4: "0.0.0.0", 6: "::"}
BITS = {4: 32, 6: 128}
HELLO = bytes(range(40))


class Link:
    """a, b and c at a bridge."""

    def __init__(self):
        lab.delete_all()
        self.bridge = lab.Netns("bridge")
        self.bridge.ip("link add br0 type bridge mcast_snooping 0\nlink set br0 up\n")
        for name in "abc":
            ns = lab.Netns(name)
            setattr(self, name, ns)
            # a device with a lower index: link-local addresses do not distinguish the devices
            ns.ip("link add dum type dummy\nlink set dum up\naddr add fe80::1/64 dev dum nodad\n")
            lab.link(ns, "wan", self.bridge, f"to-{name}")
            self.bridge.ip(f"link set to-{name} master br0\n")
            ns.ip(f"addr add {HOST[4][name]}/24 dev wan\naddr add {HOST[6][name]}/64 dev wan nodad\n"
                  "route add 224.0.0.0/4 dev wan\n")


def xfrm(ns, v, me, algorithm, key):
    """One state for each destination, for any sender."""
    lines = []
    others = [HOST[v][name] for name in "abc" if name != me]
    for dst in (GROUP[v], HOST[v][me], *others):
        lines.append(Xfrm.state(SA(SPI, ANY[v], dst, "transport", algorithm, reqid=50, key=key),
                                "out"))
    for direction, dst in (("out", GROUP[v]), ("in", GROUP[v]), ("in", HOST[v][me]),
                           *(("out", other) for other in others)):
        lines.append(f"xfrm policy add src {ANY[v]}/0 dst {dst}/{BITS[v]} proto ospf "
                     f"dir {direction} tmpl src {ANY[v]} dst {dst} proto {algorithm.proto} "
                     "mode transport reqid 50")
    ns.ip("\n".join(lines) + "\n")


def espah(ns, v, algorithm, key, any_source):
    """The same, or with source addresses; then only those of b."""
    me, other, group = HOST[v]["a"], HOST[v]["b"], GROUP[v]
    src, peer = (ANY[v], ANY[v]) if any_source else (me, other)

    def line(direction, source, dst):
        return Espah.sa_line(direction, SA(SPI, source, dst, "transport", algorithm, reqid=50,
                                           key=key))
    lines = [line("out", src, group), line("out", src, other), line("in", peer, group),
             line("in", peer, me)]
    if any_source:
        lines.append(line("out", src, HOST[v]["c"]))
    anybody = f"{ANY[v]}/0"
    for direction, dst in (("out", group), ("in", group), ("out", other), ("in", me),
                           ("out", HOST[v]["c"])):
        lines.append(f"policy add {direction} {anybody} {dst} proto {OSPF} protect "
                     f"{algorithm.proto} transport reqid 50")
    Espah.batch(ns, lines)


def ospf(ns, v):
    """A raw socket of the group on wan, which does not receive its own packets."""
    with ns:
        sock = socket.socket(socket.AF_INET if v == 4 else socket.AF_INET6, socket.SOCK_RAW, OSPF)
        index = socket.if_nametoindex("wan")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wan")
    group = socket.inet_pton(sock.family, GROUP[v])
    if v == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        struct.pack("=4s4si", group, bytes(4), index))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                        struct.pack("=4s4si", bytes(4), bytes(4), index))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("=I", index))
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    sock.settimeout(lab.TIMEOUT)
    return sock, index


def send(sender, v, dst, *receivers):
    """Sends a packet of OSPF to a group or a host, and checks that it arrives unchanged."""
    sock, index = sender
    sock.sendto(HELLO, (dst, 0) if v == 4 else (dst, 0, 0, index))
    for receiver, _ in receivers:
        try:
            got = receiver.recv(200)
        except TimeoutError:
            raise lab.Failed(f"nothing came to {dst}") from None
        lab.equal(got[20:] if v == 4 else got, HELLO, "what came")
        lab.true(traffic.silent(receiver), "more than one came")


def on_the_wire(wire):
    return {traffic.protocol_of(p) for p in wire.packets() if p[0] >> 4 in (4, 6)} & {50, 51, OSPF}


@lab.test("SAs to a group and to its members carry OSPF between espah and XFRM, with ESP and AH, over "
          "IPv4 and IPv6, and with two neighbours that share keys and SPI (RFC 4552)")
def ospf_packets():
    link = Link()
    for v in (4, 6):
        sockets = {name: ospf(getattr(link, name), v) for name in "abc"}
        for algorithm, any_source in ((ALGORITHMS["null-sha256"], False),
                                      (ALGORITHMS["null-sha256"], True), (AH["sha256"], True)):
            with lab.verdict(f"IPv{v} {algorithm.proto}, any source: {any_source}"), \
                    traffic.Wire(link.bridge, "to-a") as wire:
                key = os.urandom(algorithm.key_len)
                espah(link.a, v, algorithm, key, any_source)
                for name in "bc":
                    xfrm(getattr(link, name), v, name, algorithm, key)
                a, b, c = (sockets[name] for name in "abc")
                for _ in range(3):
                    send(a, v, GROUP[v], b, c)
                    send(b, v, GROUP[v], a, c)
                    send(a, v, HOST[v]["b"], b)
                    send(b, v, HOST[v]["a"], a)
                    if any_source:
                        send(c, v, GROUP[v], a, b)
                        send(c, v, HOST[v]["a"], a)
                        send(a, v, HOST[v]["c"], c)
                lab.equal(Espah.drops(link.a), {}, "drops")
                lab.equal(on_the_wire(wire), {51 if algorithm.proto == "ah" else 50}, "protocols")
            Espah.flush(link.a)
            for name in "bc":
                Xfrm.flush(getattr(link, name))
        for sock, _ in sockets.values():
            sock.close()


@lab.test("what comes by an SA to a group is multicast to rules, too, and what comes to a host is not")
def kinds():
    link = Link()
    with link.a:
        lab.run("nft", "-f", "-", stdin="table inet t {\nchain c {\ntype filter hook input priority 0\n"
                f"meta l4proto {OSPF} meta pkttype multicast counter\n"
                f"meta l4proto {OSPF} meta pkttype host counter\n}}\n}}\n")
    algorithm = ALGORITHMS["null-sha256"]
    for v in (4, 6):
        key = os.urandom(algorithm.key_len)
        espah(link.a, v, algorithm, key, False)
        xfrm(link.b, v, "b", algorithm, key)
        a, b = ospf(link.a, v), ospf(link.b, v)
        for dst in GROUP[v], HOST[v]["a"], GROUP[v]:
            send(b, v, dst, a)
    rules = link.a.run("nft", "list", "chain", "inet", "t", "c").stdout
    lab.equal([int(words.split()[0]) for words in rules.split("counter packets ")[1:]], [4, 2],
              "packets of multicast, and to the host")


@lab.test("an SA to a group that names no VRF takes what comes in one")
def in_vrf():
    link = Link()
    lab.run("modprobe", "vrf", check=False)
    link.a.sysctl("net.ipv6.conf.all.keep_addr_on_down", 1)
    link.a.ip("link add red up type vrf table 10\nlink set wan master red\n"
              f"addr replace {HOST[4]['a']}/24 dev wan\n")
    algorithm = ALGORITHMS["null-sha256"]
    for v in (4, 6):
        key = os.urandom(algorithm.key_len)
        espah(link.a, v, algorithm, key, True)
        xfrm(link.b, v, "b", algorithm, key)
        send(ospf(link.b, v), v, GROUP[v], ospf(link.a, v))
    lab.equal(Espah.drops(link.a), {}, "drops")


@lab.test("a template that names both ends takes what comes by an SA of any source")
def named():
    link = Link()
    algorithm = ALGORITHMS["null-sha256"]
    for v in (4, 6):
        key = os.urandom(algorithm.key_len)
        Espah.batch(link.a, [
            Espah.sa_line("in", SA(SPI, ANY[v], GROUP[v], "transport", algorithm, reqid=50, key=key)),
            f"policy add in {HOST[v]['b']} {GROUP[v]} proto {OSPF} protect transport "
            f"{HOST[v]['b']} {GROUP[v]} reqid 50"])
        xfrm(link.b, v, "b", algorithm, key)
        send(ospf(link.b, v), v, GROUP[v], ospf(link.a, v))
    lab.equal(Espah.drops(link.a), {}, "drops")


@lab.test("a datagram of the host itself to an IPv4 group that it has joined, or to broadcast, goes into an "
          "SA once, and to the host's own socket once, in clear")
def loopback():
    link = Link()
    me, other = HOST[4]["a"], HOST[4]["b"]
    for mode, dst in (("tunnel", "239.1.1.1"), ("transport", "239.1.1.1"),
                      ("tunnel", "192.0.2.255")):
        with lab.verdict(f"{mode} to {dst}"), traffic.Wire(link.b, "wan") as wire:
            how = f"tunnel {me} {other}" if mode == "tunnel" else "transport"
            sa = SA(SPI, me, other if mode == "tunnel" else dst, mode, reqid=7)
            Espah.batch(link.a, [Espah.sa_line("out", sa),
                                 f"policy add out any4 {dst} udp protect {how} reqid 7"])
            with link.a:
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                sock.settimeout(lab.TIMEOUT)
                sock.bind(("", 5555))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                mreq = socket.inet_aton("239.1.1.1") + socket.inet_aton(me)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(me))
                for _ in range(3):
                    sock.sendto(HELLO, (dst, 5555))
                    lab.equal(sock.recv(100), HELLO, "what the host itself hears")
                lab.equal([sa["packets"] for sa in Espah.sas(link.a)], [3], "packets of the SA")
                lab.true(traffic.silent(sock), "the host hears it twice")
            seen = [traffic.protocol_of(p) for p in wire.packets() if p[0] >> 4 == 4]
            lab.equal([p for p in seen if p in (17, 50)], [50] * 3, "protocols on the wire")
            lab.equal(Espah.drops(link.a), {}, "drops")
        Espah.flush(link.a)


@lab.test("what comes from another source than the SA names is dropped")
def other_source():
    link = Link()
    key = os.urandom(32)
    espah(link.a, 6, ALGORITHMS["null-sha256"], key, False)
    xfrm(link.c, 6, "c", ALGORITHMS["null-sha256"], key)
    a, c = ospf(link.a, 6), ospf(link.c, 6)
    send(c, 6, GROUP[6])
    lab.wait_for(lambda: Espah.drops(link.a) == {"policy": 1}, "the drop policy")
    lab.true(traffic.silent(a[0]), "it came")


@lab.test("an SA of any source is for transport mode without UDP, and has no replay window; neither "
          "source is a group nor destination a broadcast address")
def refusals():
    link = Link()
    sa = SA(SPI, "::", "ff02::5", "transport", ALGORITHMS["null-sha256"])
    start = Espah.sa_line("in", sa)
    for line, why in (
            (f"{start} window 64", "neither replay window nor ESN"),
            (f"{start} esn", "neither replay window nor ESN"),
            (f"{start} encap udp 4500 4500", "must be a host's address"),
            (start.replace("transport", "tunnel"), "transport mode"),
            (start.replace("src ::", "src ff02::1"), "must be a host's address"),
            (Espah.sa_line("in", SA(SPI, "192.0.2.1", "255.255.255.255", "transport")),
             "multicast group"),
            (Espah.sa_line("out", sa) + " dummy steady 10/s", "with a source")):
        try:
            Espah.batch(link.a, [line])
        except lab.Failed as failed:
            lab.true(why in str(failed), str(failed))
        else:
            raise lab.Failed(f"taken: {line}")
    Espah.batch(link.a, [start])
    lab.equal([sa["window"] for sa in Espah.sas(link.a)], [0], "window")


if __name__ == "__main__":
    lab.main()
