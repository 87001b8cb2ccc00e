#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Ways in and out that go round a netfilter hook; WAYS.md lists all that were looked at.

    h 10.1.0.2 -- lan a wan ===== wan b       (fd01::2; behind b: 10.2.0.0/16, fd02::/64)

a protects all between the two sides. b is asked what it sees, and sends in clear what a must
not let in. Each way is first seen to work where there is no policy.
"""
import socket
import struct

import ipsec
import lab
import module
import traffic
from ipsec import SA, Espah

A4, B4, A6, B6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
NEEDLE = b"in clear"
LOCAL = {4: "10.1.0.1", 6: "fd01::1"}
HOST = {4: "10.1.0.2", 6: "fd01::2"}
FAR = {4: "10.2.0.9", 6: "fd02::9"}
NETS = {4: ("10.1.0.0/16", "10.2.0.0/16", A4, B4), 6: ("fd01::/64", "fd02::/64", A6, B6)}
POLICIES = [f"policy add {way} {src} {dst} protect tunnel {ends} reqid 1"
            for near, far, a, b in NETS.values()
            for way, src, dst, ends in (("out", near, far, f"{a} {b}"), ("in", far, near, f"{b} {a}"))]
SAS = [Espah.sa_line("out", SA(0x1000 + family, *NETS[family][2:])) for family in NETS]


def topology(routes=""):
    lab.delete_all()
    h, a, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
    lab.link(h, "eth0", a, "lan")
    lab.link(a, "wan", b, "wan")
    h.ip("addr add 10.1.0.2/24 dev eth0\naddr add fd01::2/64 dev eth0 nodad\n"
         "route add default via 10.1.0.1\nroute add default via fd01::1\n")
    a.ip(f"addr add 10.1.0.1/24 dev lan\naddr add fd01::1/64 dev lan nodad\n"
         f"addr add {A4}/24 dev wan\naddr add {A6}/64 dev wan nodad\nroute add fc00::/16 via {B6}\n" + routes)
    b.ip(f"addr add {B4}/24 dev wan\naddr add {B6}/64 dev wan nodad\n")
    for ns, dev, mac_of, addresses in ((a, "wan", (b, "wan"), (B4, B6)),
                                       (a, "lan", (h, "eth0"), (HOST[4], HOST[6])),
                                       (h, "eth0", (a, "lan"), (LOCAL[4], LOCAL[6]))):
        with mac_of[0]:
            mac = traffic.mac(mac_of[1]).hex(":")
        ns.ip("".join(f"neigh replace {address} lladdr {mac} nud permanent dev {dev}\n"
                      for address in addresses))
    return h, a, b


def skip_unless(works, why):
    if works.returncode:
        raise lab.Skipped(f"{why}: {works.stderr.strip()}")


# --- out ------------------------------------------------------------------------------------

def route(words):
    return f"route add {FAR[4 if words[0] == '4' else 6]} {words[1:]}\n"


ILA = "6 encap ila 2001:0:0:1 csum-mode no-action ident-type luid"
OUT = {
    "segment routing of IPv4": "4 encap seg6 mode encap segs fc00::1 dev wan",
    "segment routing of IPv6": "6 encap seg6 mode encap segs fc00::1 dev wan",
    "segment routing of IPv6 with reduced headers": "6 encap seg6 mode encap.red segs fc00::1,fc00::2 dev wan",
    "segment routing without a header": "4 encap seg6 mode encap.red segs fc00::1 dev wan",
    "segment routing of frames": "6 encap seg6 mode l2encap segs fc00::1 dev wan",
    "segment routing by an inserted header": "6 encap seg6 mode inline segs fc00::1 dev wan",
    "RPL source routing": "6 encap rpl segs fc00::1 dev wan",
    "ILA of what is forwarded": f"{ILA} hook-type input via {B6} dev wan",
    "ILA of what is sent": f"{ILA} hook-type output via {B6} dev wan",
    "MPLS": "4 encap mpls 100 via 192.0.2.2 dev wan",
}


def try_out(name, words):
    family, words = int(words[0]), words[2:]
    if "ila" in words:
        lab.run("modprobe", "ila", check=False)
    if "mpls" in words:
        lab.run("modprobe", "-a", "mpls_router", "mpls_iptunnel")
    h, a, b = topology()
    with a:
        skip_unless(lab.run("ip", "route", "add", FAR[family], *words.split(), check=False), name)
    with traffic.Wire(b, "wan") as wire, traffic.udp(h, HOST[family]) as host, \
            traffic.udp(a, LOCAL[family]) as local:

        def leaked(sock):
            sock.sendto(NEEDLE, (FAR[family], 99))
            frames = wire.frames()
            return sum(NEEDLE in frame for frame in frames), \
                sum(protected(frame) for frame in frames)
        if "l2encap" not in words:  # of what this host sends there is no frame yet
            lab.true(leaked(local)[0], "what a sends does not go this way")
        lab.true(leaked(host)[0], "what a forwards does not go this way")
        Espah.batch(a, SAS + POLICIES)
        if "l2encap" not in words:
            lab.equal(leaked(local), (0, 1), "packets of a in clear, and protected")
        clear, closed = leaked(host)
        lab.equal(clear, 0, "forwarded packets in clear")
        lab.equal(closed + Espah.drops(a).get("lwtunnel", 0), 1, "those protected or dropped")


def protected(frame):
    """Whether ESP is in it, in segment routing or not."""
    packet = frame[14:]
    return frame[12:14] in (b"\x08\x00", b"\x86\xdd") and traffic.protocol_of(packet) == 50


for way, line in OUT.items():
    lab.test(f"out: {way} does not take away what is to be protected", way, line)(try_out)


@lab.test("out: headers that segment routing puts before what may come are the host's own, and did not come")
def _():
    for family in 4, 6:
        h, a, b = topology()
        a.ip(f"route add {FAR[family]} encap seg6 mode encap segs fc00::1 dev wan\n")
        near, far = NETS[family][:2]
        Espah.batch(a, ["default in discard", f"policy add in {near} {far} bypass"])
        with traffic.Wire(b, "wan") as wire, traffic.udp(h, HOST[family]) as host:
            host.sendto(NEEDLE, (FAR[family], 99))
            lab.wait_for(lambda wire=wire: any(NEEDLE in frame for frame in wire.frames()),
                         f"a packet of IPv{family} in segment routing; drops {Espah.drops(a)}")


# --- in --------------------------------------------------------------------------------------

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def address(text):
    return socket.inet_pton(traffic.family_of(text), text)


def ip(src, dst, proto, payload):
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + address(src) + \
            address(dst) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0) + \
        address(src) + address(dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def datagram(src, dst):
    payload = struct.pack("!HHHH", 9, 4242, 8 + len(NEEDLE), 0) + NEEDLE
    pseudo = address(src) + address(dst) + struct.pack("!IHBB", len(payload), 0, 0, 17)
    return ip(src, dst, 17, payload[:6] + struct.pack("!H", checksum(pseudo + payload)) + payload[8:])


def in_segments(family):
    """In IPv6 to the segment that unpacks it."""
    return lambda packet: (0x86dd, ip(B6, "fc01::1", 4 if family == 4 else 41, packet))


def segments_left(packet):
    """The packet's destination behind a segment of a."""
    hdr = bytes([17, 2, 4, 1, 0, 0, 0, 0]) + packet[24:40]
    return 0x86dd, packet[:4] + struct.pack("!HB", len(packet) - 40 + len(hdr), 43) + packet[7:24] + \
        address("fc01::1") + hdr + packet[40:]


def in_mpls(packet):
    return 0x8847, struct.pack("!I", 100 << 12 | 1 << 8 | 64) + packet


def in_ip(packet):
    return 0x800, ip(B4, A4, 4 if packet[0] >> 4 == 4 else 41, packet)


def in_gre(packet):
    return 0x800, ip(B4, A4, 47, struct.pack("!HH", 0, 0x800) + packet)


SEGMENT = "-6 route add fc01::1 encap seg6local action"
MPLS = "/proc/sys/net/mpls/"
IN = {
    "segment routing that unpacks IPv4 (End.DX4)": (4, in_segments(4), [f"{SEGMENT} End.DX4 nh4 0.0.0.0 dev lan"]),
    "segment routing that unpacks IPv6 (End.DX6)": (6, in_segments(6), [f"{SEGMENT} End.DX6 nh6 :: dev lan"]),
    "segment routing that unpacks IPv6 into a table (End.DT6)":
        (6, in_segments(6), [f"{SEGMENT} End.DT6 table main dev lan"]),
    "segment routing that only changes the destination (End)": (6, segments_left, [f"{SEGMENT} End dev lan"]),
    "MPLS that unpacks to the loopback device": (4, in_mpls, ["-f mpls route add 100 dev lo"]),
    "MPLS that unpacks to a VRF": (4, in_mpls, [
        "link add red up type vrf table 10", "link set lan master red", "-f mpls route add 100 dev red"]),
    "a tunnel (IPIP)": (4, in_ip, [f"link add t0 up type ipip local {A4} remote {B4}"]),
    "a tunnel (SIT)": (6, in_ip, [f"link add t0 up type sit local {A4} remote {B4}"]),
    "a tunnel (GRE)": (4, in_gre, [f"link add t0 up type gre local {A4} remote {B4}"]),
}


def try_in(name, how):
    family, wrap, lines = how
    h, a, b = topology()
    if "mpls" in lines[-1]:
        lab.run("modprobe", "mpls_router")
        a.sysctl("net.mpls.platform_labels", 1000)
        a.sysctl("net.mpls.conf.wan.input", 1)
        a.sysctl("net.ipv4.conf.lo.rp_filter", 0)
    for line in lines:
        with a:
            skip_unless(lab.run("ip", *line.split(), check=False), name)
    if "seg6local" in lines[0]:
        a.sysctl("net.ipv6.conf.all.seg6_enabled", 1)
        a.sysctl("net.ipv6.conf.wan.seg6_enabled", 1)
    with b:
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        out.bind(("wan", 0))
    with a:
        mac = traffic.mac("wan")

    with traffic.Wire(h, "eth0") as wire:
        def arrives(dst):
            kind, packet = wrap(datagram(FAR[family], dst))
            before = sum(Espah.drops(a).values())
            out.send(mac + b"\2\0\0\0\0\1" + struct.pack("!H", kind) + packet)
            lab.wait_for(lambda: any(NEEDLE in frame for frame in wire.frames()) or
                         sum(Espah.drops(a).values()) > before, "a packet or a drop")
            return sum(Espah.drops(a).values()) == before
        lab.true(arrives(HOST[family]), "nothing comes by this way")
        Espah.batch(a, SAS + POLICIES)
        lab.true(not arrives(HOST[family]), "a packet came in clear")
        lab.equal(Espah.drops(a), {"plaintext": 1}, "drops")
    # ways on which Linux delivers nothing to the host itself
    if any(word in lines[0] + lines[-1] for word in ("End dev", "End.DX6", "dev red")):
        return
    with traffic.udp(a, LOCAL[family], 4242) as own:
        kind, packet = wrap(datagram(FAR[family], LOCAL[family]))
        out.send(mac + b"\2\0\0\0\0\1" + struct.pack("!H", kind) + packet)
        lab.wait_for(lambda: not traffic.silent(own) or Espah.drops(a)["plaintext"] == 2,
                     "a datagram to a, or a drop")
        lab.true(traffic.silent(own), "a datagram to a itself came in clear")


for way, how in IN.items():
    lab.test(f"in: {way} brings nothing in clear that is to be protected", way, how)(try_in)


@lab.test("what this host sends to itself passes under a policy that wants all protected")
def _():
    _, a, _ = topology()
    Espah.batch(a, [f"policy add in {NETS[family][0]} {NETS[family][0]} protect tunnel {B4} {A4} reqid 1"
                    for family in NETS])  # not neighbours' reports of groups
    for family in 4, 6:
        traffic.ping(a, LOCAL[family], LOCAL[family])
    lab.equal(Espah.drops(a), {}, "drops")


def netfilter_in_tunnels():
    """Once on, it stays so; the tests before this one have seen it off."""
    lab.run("modprobe", "nf_conntrack")
    try:
        with open("/proc/sys/net/netfilter/nf_hooks_lwtunnel", "w") as file:
            file.write("1")
    except OSError as error:
        raise lab.Skipped(f"nf_hooks_lwtunnel: {error}") from None


@lab.test("out: with netfilter in lightweight tunnels, what is forwarded is protected, too")
def _():
    h, a, b = topology()
    a.ip(f"route add {FAR[4]} encap seg6 mode encap segs fc00::1 dev wan\n")
    netfilter_in_tunnels()
    Espah.batch(a, SAS + POLICIES)
    with traffic.Wire(b, "wan") as wire, traffic.udp(h, HOST[4]) as host, \
            traffic.udp(a, LOCAL[4]) as local:
        for sock in host, local:
            sock.sendto(NEEDLE, (FAR[4], 99))
        frames = wire.frames()
    lab.equal(sum(NEEDLE in frame for frame in frames), 0, "packets in clear")
    lab.equal(sum(map(protected, frames)), 2, "packets protected")


@lab.test("in: with netfilter in lightweight tunnels, too, they bring nothing in clear")
def _():
    netfilter_in_tunnels()
    for name, how in IN.items():
        if "seg6local" in how[2][0]:
            try_in(name, how)


lab.TIMEOUT = 5
module.load()
lab.main()
