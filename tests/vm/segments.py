# SPDX-License-Identifier: GPL-2.0-only
"""One packet that becomes several before an SA protects it: GSO, BIG TCP, packets too long for ESP.

      a (espah)  192.0.2.1, 2001:db8::1  ----- veth -----  192.0.2.2, 2001:db8::2  (XFRM) b
      10.1.0.1, fd01::1 behind a                           10.2.0.1, fd02::1 behind b
"""
import fcntl
import os
import socket
import struct

import lab
import traffic
from ipsec import ALGORITHMS, OURS, Espah, Policy, SA, Xfrm, configure_pair, need_espah

ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
SITES = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}
BITS = {4: 32, 6: 128}
NULL = ALGORITHMS["null-sha256"]
BULK = os.urandom(512 << 10)


def pair(mtu=1500):
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "wan", b, "wan", mtu=mtu)
    for ns, own in ((a, 0), (b, 1)):
        ns.ip("".join(
            f"addr add {ENDS[v][own]}/{24 if v == 4 else 64} dev wan {'nodad' * (v == 6)}\n"
            f"addr add {SITES[v][own]}/{BITS[v]} dev lo {'nodad' * (v == 6)}\n"
            f"route add {SITES[v][1 - own]} via {ENDS[v][1 - own]} src {SITES[v][own]}\n"
            for v in (4, 6)))
    return a, b


def sas(ends, mode, algorithm=ALGORITHMS["aes128gcm16"], base=0x1000, extra=""):
    return [SA(base + way, *ends[::1 - 2 * way], mode, algorithm, reqid=base, window=1024,
               extra=extra) for way in (0, 1)]


def protect(a, b, inner, outer=None, match="", algorithm=ALGORITHMS["aes128gcm16"], extra=""):
    """Protects traffic between the inner addresses, by a tunnel between the outer ones or in transport mode."""
    out, back = sas(outer or inner, "tunnel" if outer else "transport", algorithm)
    out.extra = extra if OURS is Espah else ""
    bits = 128 if ":" in inner[0] else 32
    policy = Policy(f"{inner[0]}/{bits}", f"{inner[1]}/{bits}", outer, out.reqid, match=match)
    configure_pair(a, b, OURS, Xfrm, [out], [back], [policy])


def errors(ns):
    """Datagrams and TCP segments with a wrong checksum."""
    total = 0
    with ns:
        with open("/proc/thread-self/net/snmp", encoding="ascii") as file:
            lines = file.read().splitlines()
        for head, values in zip(lines[::2], lines[1::2]):
            total += sum(int(value) for name, value in zip(head.split(), values.split())
                         if name == "InCsumErrors")
        with open("/proc/thread-self/net/snmp6", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if "InCsumErrors" in line)
    links = lab.run("ip", "-n", str(ns), "-s", "-s", "link").stdout.split("\n")
    for number, line in enumerate(links):
        if "RX errors:" in line and "crc" in line:
            total += int(links[number + 1].split()[line.split("errors:")[1].split().index("crc")])
    return total


TUNNELS = {
    "VXLAN with checksums": ("type vxlan id 7 {0} dstport 4789 udpcsum", "proto udp dport 4789"),
    "VXLAN without checksums": ("type vxlan id 7 {0} dstport 4789 noudpcsum",
                                "proto udp dport 4789"),
    "GRE with checksums": ("type gre {0} csum", "proto 47"),
    "Ethernet in GRE with checksums": ("type gretap {0} csum", "proto 47"),
}
CASES = [(name, 4, mode) for name in TUNNELS for mode in ("transport", "tunnel")
         if mode == "transport" or name in ("VXLAN with checksums", "GRE with checksums")]
CASES += [("VXLAN with checksums", 6, "transport")]


def overlay(a, b, name, ends, level=0, mtu=1300):
    """Adds a tunnel device at both ends. Return: its own addresses"""
    inner = tuple(f"10.{77 + level}.0.{end}" for end in (1, 2))
    for ns, own in ((a, 0), (b, 1)):
        words = TUNNELS[name][0].format(f"local {ends[own]} remote {ends[1 - own]}")
        ns.ip(f"link add over{level} mtu {mtu} {words}\n"
              f"addr add {inner[own]}/24 dev over{level}\n"
              f"link set over{level} addrgenmode none up\n")
    return inner


def transfer(a, inner, b, port=7001):
    before = errors(b)
    traffic.ping(a, *inner)
    # b's devices sent packets in clear before b had its policies
    dropped = Espah.drops(a) if OURS is Espah else None
    with traffic.Transfer(a, inner[0], b, inner[1], port) as connection:
        connection.move(BULK)
        connection.move(BULK[:1 << 17], backward=True)
    lab.equal(errors(b) - before, 0, "wrong checksums at the peer")
    if OURS is Espah:
        lab.equal(Espah.drops(a), dropped, "drops")


for name, family, mode in CASES:
    @lab.test(f"segments of {name} over IPv{family} in {mode} mode have right checksums",
              name, family, mode)
    def checksums(name, family, mode):
        a, b = pair()
        ends = ENDS[family] if mode == "transport" else SITES[family]
        inner = overlay(a, b, name, ends)
        protect(a, b, ends, None if mode == "transport" else ENDS[family],
                TUNNELS[name][1] if mode == "transport" else "")
        transfer(a, inner, b)


@lab.test("segments of VXLAN in VXLAN, and in GRE, have right checksums at each level")
def nested():
    for outer in ("VXLAN with checksums", "GRE with checksums"):
        with lab.verdict(f"segments: VXLAN in {outer}"):
            a, b = pair()
            middle = overlay(a, b, outer, ENDS[4], 0, 1400)
            for ns in a, b:  # one port cannot serve two devices with the same ID
                ns.run("ip", "link", "set", "over0", "up")
            for ns, own in ((a, 0), (b, 1)):
                ns.ip(f"link add over1 mtu 1300 type vxlan id 8 local {middle[own]} "
                      f"remote {middle[1 - own]} dstport 4790 udpcsum\n"
                      f"addr add 10.78.0.{own + 1}/24 dev over1\nlink set over1 up\n")
            protect(a, b, ENDS[4], None, TUNNELS[outer][1])
            transfer(a, ("10.78.0.1", "10.78.0.2"), b)


def grow(ns, size):
    """Lets TCP make packets of this size on the wire's device, for both families."""
    ns.run("ip", "link", "set", "dev", "wan", "gso_max_size", str(size), "gro_max_size", str(size))
    with ns, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        # IFLA_GSO_IPV4_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE, unknown to older iproute2
        body = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex("wan"), 0, 0)
        body += struct.pack("=HHIHHI", 8, 63, size, 8, 64, size)
        sock.send(struct.pack("=IHHII", 16 + len(body), 19, 5, 1, 0) + body)
        sock.recv(4096)
    ns.sysctl("net.ipv4.tcp_wmem", "4096 4000000 8000000")
    ns.sysctl("net.ipv4.tcp_min_tso_segs", 100)  # otherwise a slow machine makes short packets
    ns.sysctl("net.ipv4.tcp_rmem", "4096 4000000 8000000")


def is_mld(packet):
    return packet[0] >> 4 == 6 and packet[6] == 0 and packet[40] == 58


for family in 4, 6:
    for mode in "transport", "tunnel":
        @lab.test(f"each segment of BIG TCP over IPv{family} is ESP in {mode} mode", family, mode)
        def big(family, mode):
            a, b = pair()
            for ns in a, b:
                grow(ns, 180000)
            inner = ENDS[family] if mode == "transport" else SITES[family]
            protect(a, b, inner, None if mode == "transport" else ENDS[family],
                    "proto tcp" if mode == "transport" else "", NULL)
            with a:
                lab.run("nft", "-f", "-", stdin="table inet w {\nchain p {\ntype filter hook "
                        "postrouting priority -300\nmeta length > 66000 counter\n}\n}\n")
            with traffic.Wire(a, "wan", outgoing=True) as wire:
                with traffic.Transfer(a, inner[0], b, inner[1], 7001) as connection:
                    connection.move(BULK * 8)
                kinds = {traffic.protocol_of(packet) for packet in wire.packets()
                         if packet[0] >> 4 in (4, 6) and not is_mld(packet)}
            lab.equal(kinds - {58}, {50}, "protocols on the wire")
            if OURS is Espah:
                lab.equal(Espah.drops(a), {}, "drops")
            lab.equal(errors(b), 0, "wrong checksums at the peer")
            seen = int(a.run("nft", "list", "table", "inet", "w").stdout
                       .split("counter packets ")[1].split()[0])
            if not seen:
                raise lab.Skipped("this kernel made no packet beyond 64 KiB")


@lab.test("a GSO packet whose segments would be too long for IP as ESP is refused, and none is sent")
def too_long():
    need_espah()
    a, b = pair()
    a.ip("link add big mtu 65535 type dummy\naddr add 10.9.0.1/24 dev big\nlink set big up\n")
    traffic.ping(a, *ENDS[4])  # resolves the neighbour, so that packets are on the wire at once
    out = sas(ENDS[4], "tunnel", extra="df clear")[0]
    Espah.configure(a, [out], [], [Policy("10.9.0.0/24", "10.9.0.0/24", ENDS[4], out.reqid)])
    with traffic.Wire(a, "wan", outgoing=True) as wire, traffic.udp(a, "10.9.0.1") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_DONT)
        sock.setsockopt(socket.IPPROTO_UDP, traffic.UDP_SEGMENT, 65480)
        try:
            sock.sendto(bytes(65490), ("10.9.0.7", 9))
        except OSError as error:
            raise lab.Skipped(f"this kernel makes no such packet: {error}") from None
        lab.equal(set(Espah.drops(a)), {"too_big"}, "drops")
        lab.equal(wire.packets(50), [], "packets on the wire")
        sock.setsockopt(socket.IPPROTO_UDP, traffic.UDP_SEGMENT, 65300)
        sock.sendto(bytes(65490), ("10.9.0.8", 9))  # the first packet was too big, and has updated the other route
        ends = []

        def arrived():
            ends.extend((struct.unpack("!H", packet[6:8])[0] & 0x1fff) * 8
                        + struct.unpack("!H", packet[2:4])[0] for packet in wire.packets(50))
            return ends and max(ends) > 65300
        try:
            lab.wait_for(arrived, "the fragments", 10)
        except lab.Failed:
            raise lab.Failed(f"ends of fragments: {ends[-3:]}, drops {Espah.drops(a)}") from None
        lab.true(max(ends) <= 65535, f"ends of fragments: {ends[-3:]}")


def tun(ns, name):
    """A tun device that accepts GSO packets, including UDP."""
    with ns:
        file = os.open("/dev/net/tun", os.O_RDWR)
        # TUNSETIFF with IFF_TUN, IFF_NO_PI, IFF_VNET_HDR; TUNSETOFFLOAD with checksums and UFO
        fcntl.ioctl(file, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x5001))
        fcntl.ioctl(file, 0x400454d0, 0x11)
    return file


@lab.test("a UDP datagram of GSO that becomes IP fragments passes a tunnel, and transport mode refuses it")
def ufo():
    need_espah()
    for mode, drops in ("tunnel", {}), ("transport", {"fragment_out": 3}):
        with lab.verdict(f"segments: IP fragments, {mode} mode"):
            a, b = pair()
            a.sysctl("net.ipv4.ip_forward", 1)
            lab.run("modprobe", "tun", check=False)
            file = tun(a, "guest")
            a.ip("link set guest addrgenmode none up\nroute add 10.5.0.1 dev guest\n")
            inner = ("10.5.0.1", ENDS[4][1])
            protect(a, b, inner, ENDS[4] if mode == "tunnel" else None)
            if mode == "transport":
                # a packet from b's own address, which b cannot distinguish from a's
                b.ip(f"route add {inner[0]} via {ENDS[4][0]}\n")
            payload = os.urandom(2500)
            udp = struct.pack("!HHHH", 9, 7000, 8 + len(payload), 0)
            pseudo = socket.inet_aton(inner[0]) + socket.inet_aton(inner[1]) + \
                struct.pack("!HH", 17, 8 + len(payload))
            udp = udp[:6] + struct.pack("!H", fold(pseudo)) + payload
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + pseudo[:8]
            head = head[:10] + struct.pack("!H", 0xffff ^ fold(head)) + head[12:]
            with traffic.udp(b, inner[1], 7000) as sink, \
                    traffic.Wire(a, "wan", outgoing=True) as wire:
                # struct virtio_net_hdr: checksum needed, UDP, header, fragment, start and offset
                os.write(file, struct.pack("=BBHHHH", 1, 3, 28, 1000, 20, 6) + head + udp)
                if mode == "tunnel":
                    lab.equal(sink.recv(65536), payload, "what came")
                lab.equal(Espah.drops(a), drops, "drops")
                lab.equal(len(wire.packets(50)), 3 if mode == "tunnel" else 0, "ESP packets")
            os.close(file)


def fold(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


LONGEST = {4: 65507, 6: 65487}


def is_whole(packet):
    """Whether a packet is ESP and not a fragment."""
    return traffic.protocol_of(packet) == 50 and \
        (packet[0] >> 4 == 6 or not struct.unpack("!H", packet[6:8])[0] & 0x3fff)


for inner, outer in ((4, 4), (6, 6), (4, 6), (6, 4)):
    @lab.test(f"the longest datagrams of IPv{inner} pass a tunnel over IPv{outer}", inner, outer)
    def longest(inner, outer):
        a, b = pair()
        protect(a, b, SITES[inner], ENDS[outer])
        left = traffic.udp(a, SITES[inner][0], 7000)
        right = traffic.udp(b, SITES[inner][1], 7000)
        level, option = (41, traffic.IPV6_MTU_DISCOVER) if inner == 6 else \
            (0, traffic.IP_MTU_DISCOVER)
        for sock in left, right:
            sock.setsockopt(level, option, traffic.IP_PMTUDISC_DONT)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sizes = [LONGEST[inner], LONGEST[inner] - 40, LONGEST[inner] - 100, 60000]
        with left, right, traffic.Wire(a, "wan", outgoing=True) as wire:
            traffic.deliver(left, right, [os.urandom(size) for size in sizes[:2]], window=1)
            if OURS is Espah:  # espah segments them so that no ESP packet needs fragmentation
                # ICMPv6 of the link itself has no extension header, or (MLD) a hop-by-hop header
                lab.equal({is_whole(packet) for packet in wire.packets() if packet[0] >> 4 in (4, 6)
                           and traffic.protocol_of(packet) not in (0, 58)}, {True}, "whole ESP packets")
            traffic.deliver(left, right, [os.urandom(size) for size in sizes[2:]], window=1)
        if OURS is Espah:
            lab.equal(Espah.drops(a), {}, "drops")


@lab.test("the longest datagrams with DF, and those in transport mode, are refused")
def refused():
    need_espah()
    for mode in "tunnel", "transport":
        with lab.verdict(f"the longest datagrams: refused, {mode} mode"):
            a, b = pair(65535)
            inner = SITES[4] if mode == "tunnel" else ENDS[4]
            protect(a, b, inner, ENDS[4] if mode == "tunnel" else None,
                    extra="df clear" if mode == "tunnel" else "")
            with traffic.udp(a, inner[0]) as sock, traffic.Wire(a, "wan", outgoing=True) as wire:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                how = traffic.IP_PMTUDISC_PROBE if mode == "tunnel" else traffic.IP_PMTUDISC_DONT
                sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, how)
                sock.sendto(bytes(LONGEST[4]), (inner[1], 9))
                lab.equal(Espah.drops(a), {"too_big": 1}, "drops")
                lab.equal(wire.packets(50) + wire.packets(17), [], "packets on the wire")


@lab.test("a bundle whose outer SA has no route: no_route, and no path MTU is told or learned")
def no_route():
    need_espah()
    a, _ = pair()
    first, second = sas(ENDS[4], "tunnel")[0], sas((ENDS[4][0], "203.0.113.9"), "tunnel",
                                                 base=0x2000)[0]
    Espah.configure(a, [first, second])
    Espah.batch(a, [f"policy add out {SITES[4][0]} {SITES[4][1]} protect "
                    f"esp tunnel {first.src} {first.dst} reqid {first.reqid} "
                    f"esp tunnel {second.src} {second.dst} reqid {second.reqid}"])
    with traffic.udp(a, SITES[4][0]) as sock:
        sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_DO)
        for _ in range(2):  # twice: the second run uses what the first has learned
            sock.sendto(bytes(1000), (SITES[4][1], 9))
    lab.equal(Espah.drops(a), {"no_route": 2}, "drops")
    lab.true("mtu" not in a.run("ip", "route", "get", SITES[4][1]).stdout, "a path MTU was learned")


if __name__ == "__main__":
    lab.main()
