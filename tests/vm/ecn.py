# SPDX-License-Identifier: GPL-2.0-only
"""ECN (RFC 6040), DSCP (RFC 2983, RFC 4301 5.1.2.1), TTL and flow label of tunnels.

    h 10.3.0.2 -- 10.3.0.1 a (espah) 192.0.2.1 ---- 192.0.2.2 b: scapy, or XFRM

scapy makes packets and puts them on h's link, so that any field can have any value, or makes
ESP packets that contain them. The tables are those of the RFC, written out here.
"""
import itertools
import socket
import struct
import sys

import ipsec
import lab
import traffic
from ipsec import Espah, Policy, SA, Xfrm
from scapy_peer import BEHIND, HERE, OUTSIDE, THERE, Gateway, IP, IPv6, Raw, UDP, raw

NOT_ECT, ECT1, ECT0, CE = range(4)  # RFC 3168 section 5
NAME = {NOT_ECT: "Not-ECT", ECT1: "ECT(1)", ECT0: "ECT(0)", CE: "CE"}
DROP = "drop"

# RFC 6040 figure 4: (inner, outer): what leaves the tunnel
EGRESS = {
    (NOT_ECT, NOT_ECT): NOT_ECT, (NOT_ECT, ECT0): NOT_ECT, (NOT_ECT, ECT1): NOT_ECT,
    (NOT_ECT, CE): DROP,
    (ECT0, NOT_ECT): ECT0, (ECT0, ECT0): ECT0, (ECT0, ECT1): ECT1, (ECT0, CE): CE,
    (ECT1, NOT_ECT): ECT1, (ECT1, ECT0): ECT1, (ECT1, ECT1): ECT1, (ECT1, CE): CE,
    (CE, NOT_ECT): CE, (CE, ECT0): CE, (CE, ECT1): CE, (CE, CE): CE,
}
# combinations that figure 4 marks with (!!!) or (!), currently unused
UNUSED = {(NOT_ECT, ECT0), (NOT_ECT, ECT1), (NOT_ECT, CE), (ECT1, ECT0), (CE, ECT1)}
# RFC 6040 figure 3: inner: outer, in normal and in compatibility mode
INGRESS = {"": {NOT_ECT: NOT_ECT, ECT0: ECT0, ECT1: ECT1, CE: CE},
           "noecn": {NOT_ECT: NOT_ECT, ECT0: NOT_ECT, ECT1: NOT_ECT, CE: NOT_ECT}}

FORMS = ((4, 4), (6, 6), (4, 6), (6, 4))  # inner, outer


# --- packets --------------------------------------------------------------------------------------

def tos_of(packet):
    return packet[1] if packet[0] >> 4 == 4 else (packet[0] << 4 | packet[1] >> 4) & 255


def ttl_of(packet):
    return packet[8] if packet[0] >> 4 == 4 else packet[7]


def label_of(packet):
    return struct.unpack("!I", packet[:4])[0] & 0xfffff


def header(version, source, target, tos, ttl=64, label=0):
    if version == 4:
        return IP(src=source, dst=target, tos=tos, ttl=ttl, id=0x4242)
    return IPv6(src=source, dst=target, tc=tos, hlim=ttl, fl=label)


def with_tos(packet, tos):
    """The packet with another traffic class in its first header, and a recomputed checksum."""
    if packet[0] >> 4 == 6:
        return bytes([0x60 | tos >> 4, (tos & 15) << 4 | packet[1] & 15]) + packet[2:]
    changed = IP(packet)
    changed.tos = tos
    del changed.chksum
    return raw(changed)


def checksum_good(packet):
    """RFC 1071 over an IPv4 header."""
    words = sum(struct.unpack("!10H", packet[:20]))
    return packet[0] >> 4 == 6 or (words & 0xffff) + (words >> 16) == 0xffff


class Lab(Gateway):
    """A gateway that forwards packets with chosen headers between its sides."""

    def outward(self, **fields):
        """Lets a forward a packet of h; returns the ESP packet and the packet that scapy finds in it."""
        packet = header(self.inner, BEHIND[self.inner], OUTSIDE[self.inner], **fields)
        self.wire.frames()
        self.lan.send(raw(packet / UDP(sport=7000, dport=7001) / Raw(b"outward")))
        esp = self.wire.next(50)
        return esp, self.open(esp)

    def seal(self, outer_tos, payload=b"inward", **fields):
        """An ESP packet for h."""
        self.seq += 1
        packet = header(self.inner, OUTSIDE[self.inner], BEHIND[self.inner], **fields)
        plain = packet / UDP(sport=7001, dport=7000) / Raw(payload)
        return with_tos(self.esp(seq=self.seq, packet=plain), outer_tos)

    def inward(self, outer_tos, **fields):
        """The packet that h receives from an ESP packet."""
        self.sight.frames()
        self.injector.send(self.seal(outer_tos, **fields))
        return self.sight.next(17)

    def odd(self):
        return next(sa for sa in Espah.sas(self.a) if sa["dir"] == "in")["ecn_odd"]


def form(inner, outer):
    return f"{inner}-in-{outer}"


# --- ECN ------------------------------------------------------------------------------------------

@lab.test("decapsulation: each of the 16 cells of RFC 6040 figure 4")
def egress():
    for inner, outer in FORMS:
        one = Lab(inner, outer)
        for (inside, outside), want in EGRESS.items():
            name = (f"RFC 6040 4.2, {form(inner, outer)}: inner {NAME[inside]}, outer "
                    f"{NAME[outside]}: {NAME.get(want, want)}")
            with lab.verdict(name):
                odd = one.odd()
                fields = {"tos": 0xb8 | inside, "ttl": 33, "label": 0x54321}
                if want == DROP:
                    one.sight.frames()
                    one.dropped([one.seal(0x28 | outside, **fields)], {"ecn": 1}, moved=True)
                    lab.equal(one.sight.packets(17), [], "what arrived")
                else:
                    got = one.inward(0x28 | outside, **fields)
                    lab.equal(tos_of(got), 0xb8 | want, "inner traffic class")
                    lab.true(checksum_good(got), "the IPv4 checksum is wrong")
                    lab.equal(ttl_of(got), 32, "TTL after one hop")
                    lab.true(inner == 4 or label_of(got) == 0x54321, "the flow label changed")
                lab.equal(one.odd() - odd, int((inside, outside) in UNUSED),
                          "unused combinations counted")


@lab.test("decapsulation in an SA with noecn leaves the inner field as it came")
def egress_noecn():
    for inner, outer in ((4, 4), (6, 6)):
        one = Lab(inner, outer, extra_in="noecn")
        with lab.verdict(f"noecn inbound, {form(inner, outer)}: inner ECN stays, nothing dropped"):
            for inside, outside in itertools.product(range(4), repeat=2):
                lab.equal(tos_of(one.inward(outside, tos=inside)), inside,
                          f"inner ECN of {NAME[inside]} in {NAME[outside]}")
            lab.equal(one.odd(), 0, "unused combinations counted")


@lab.test("encapsulation: RFC 6040 figure 3")
def ingress():
    for (inner, outer), (mode, table) in itertools.product(FORMS, INGRESS.items()):
        one = Lab(inner, outer, extra_out=mode)
        title = "compatibility mode (noecn)" if mode else "normal mode"
        with lab.verdict(f"RFC 6040 4.1, {form(inner, outer)}, {title}: the outer ECN field"):
            for inside, want in table.items():
                esp, plain = one.outward(tos=0xb8 | inside)
                lab.equal(tos_of(esp), 0xb8 | want, f"outer traffic class for {NAME[inside]}")
                lab.equal(tos_of(plain), 0xb8 | inside, "inner traffic class")
                lab.true(checksum_good(esp) and checksum_good(plain), "an IPv4 checksum is wrong")


# --- against XFRM -----------------------------------------------------------------------------------

def receive_tos(sock):
    """Payload and traffic class of a datagram."""
    data, control, _, _ = sock.recvmsg(2048, 64)
    for _, kind, value in control:
        if kind in (socket.IP_TOS, socket.IPV6_TCLASS):
            return data, int.from_bytes(value, sys.byteorder)  # a byte (IPv4) or an int
    raise lab.Failed("no traffic class")


def marked(ns, family, ecn):
    """Changes the ECN field of ESP packets that enter a namespace, as a router would."""
    proto = "ip protocol esp ip" if family == 4 else "ip6 nexthdr esp ip6"
    rule = "" if ecn is None else f"{proto} ecn set {['not-ect', 'ect1', 'ect0', 'ce'][ecn]}\n"
    ns.run("nft", "-f", "-", stdin="table inet router\ndelete table inet router\n"
           "table inet router { chain pre { type filter hook prerouting priority -500;\n"
           f"{rule}}}\n}}\n")


def both_stacks(family):
    """Two namespaces with a tunnel, espah at one end and XFRM at the other, and a socket each."""
    x, y = lab.Netns(f"x{family}"), lab.Netns(f"y{family}")
    lab.link(x, "eth0", y, "eth0")
    bits, mine, far = (32, "10.1.0.1", "10.2.0.1") if family == 4 else (128, "fd01::1", "fd02::1")
    ends, nodad = (HERE[family], THERE[family]), " nodad" if family == 6 else ""
    for ns, own, inside, other, via in ((x, ends[0], mine, far, ends[1]),
                                        (y, ends[1], far, mine, ends[0])):
        ns.ip(f"addr add {own}/{24 if family == 4 else 64} dev eth0{nodad}\n"
              f"addr add {inside}/{bits} dev lo{nodad}\nroute add {other} via {via} src {inside}\n")
    out, back = SA(0x2001, *ends, reqid=7), SA(0x1001, *ends[::-1], reqid=7)
    ipsec.configure_pair(x, y, Espah, Xfrm, [out], [back],
                         [Policy(f"{mine}/{bits}", f"{far}/{bits}", ends, 7)])
    socks = []
    for ns, address in ((x, mine), (y, far)):
        sock = traffic.udp(ns, address, 7000)
        level, option = ((socket.IPPROTO_IP, socket.IP_RECVTOS) if family == 4 else
                         (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS))
        sock.setsockopt(level, option, 1)
        socks.append(sock)
    return x, y, *socks


def send_tos(sock, target, family, tos):
    level, option = ((socket.IPPROTO_IP, socket.IP_TOS) if family == 4 else
                     (socket.IPPROTO_IPV6, socket.IPV6_TCLASS))
    sock.setsockopt(level, option, tos)
    sock.sendto(b"%d" % tos, target.getsockname()[:2])


@lab.test("ECN to and from XFRM, with routers that mark")
def xfrm():
    for family in 4, 6:
        x, y, ours, theirs = both_stacks(family)
        for outside in None, NOT_ECT, ECT0, ECT1, CE:
            marked(x, family, outside)
            marked(y, family, outside)
            way = "unmarked" if outside is None else f"marked {NAME[outside]}"
            with lab.verdict(f"IPv{family}, XFRM to espah, {way}: RFC 6040 figure 4"):
                for inside in range(4):
                    # XFRM encapsulates by RFC 3168: its outer field for CE is ECT(0)
                    outer = outside if outside is not None else ECT0 if inside == CE else inside
                    want = EGRESS[inside, outer]
                    if want == DROP:
                        continue  # tested above with the table and scapy's packets
                    send_tos(theirs, ours, family, 0x40 | inside)
                    data, tos = receive_tos(ours)
                    lab.equal(data, b"%d" % (0x40 | inside), "payload")
                    lab.equal(tos, 0x40 | want, f"traffic class for {NAME[inside]}")
            if outside == ECT1:
                continue  # XFRM decapsulates by RFC 4301, which ignores ECT(1)
            with lab.verdict(f"IPv{family}, espah to XFRM, {way}: RFC 6040 figure 4"):
                for inside in range(4):
                    outer = inside if outside is None else outside
                    want = EGRESS[inside, outer]
                    if want == DROP:
                        continue
                    send_tos(ours, theirs, family, 0x40 | inside)
                    lab.equal(receive_tos(theirs)[1], 0x40 | want,
                              f"traffic class for {NAME[inside]}")
        for sock in ours, theirs:
            sock.close()


# --- DSCP -----------------------------------------------------------------------------------------

@lab.test("the DSCP of the outer header (RFC 4301 5.1.2.1, RFC 2983)")
def dscp_out():
    values = range(64)
    ways = (("", "copied", list(values)),
            ("dscp 46", "fixed to EF", [46] * 64),
            ("dscp cs0", "fixed to 0", [0] * 64),
            ("dscp ef=cs5,af41=af42,0=63", "mapped, the rest copied",
             [{46: 40, 34: 36, 0: 63}.get(n, n) for n in values]),
            ("dscp ef=ef,af11=1,else=cs1", "mapped, with an else",
             [{46: 46, 10: 1}.get(n, 8) for n in values]))
    for (inner, outer), (extra, title, table) in itertools.product(((4, 4), (6, 6), (6, 4)), ways):
        one = Lab(inner, outer, extra_out=extra)
        with lab.verdict(f"{form(inner, outer)}: the DSCP is {title}, the inner one stays"):
            for value in (0, 1, 8, 10, 34, 46, 63):
                esp, plain = one.outward(tos=value << 2 | ECT0)
                lab.equal(tos_of(esp), table[value] << 2 | ECT0, f"traffic class for {value}")
                lab.equal(tos_of(plain), value << 2 | ECT0, "inner traffic class")
    one = Lab(extra_out="dscp ef=cs5,else=0 noecn")
    with lab.verdict("a DSCP map and noecn go together"):
        for inside, want in ((46 << 2 | CE, 40 << 2), (63 << 2 | ECT1, 0)):
            lab.equal(tos_of(one.outward(tos=inside)[0]), want, "traffic class")
    with lab.verdict("what was given is what is shown"):
        shown = next(sa for sa in Espah.sas(one.a) if sa["dir"] == "out")
        lab.equal((shown["dscp"], shown["noecn"]), ("ef=cs5,else=cs0", True), "dscp and noecn")


@lab.test("the DSCP of the inner header (RFC 4301 5.1.2.1 note 5, RFC 2983 section 3)")
def dscp_in():
    for inner, outer in FORMS:
        one = Lab(inner, outer)
        with lab.verdict(f"{form(inner, outer)}: by default an outer DSCP changes nothing inside"):
            lab.equal(tos_of(one.inward(46 << 2 | ECT0, tos=10 << 2 | ECT0)), 10 << 2 | ECT0,
                      "traffic class")
        one = Lab(inner, outer, extra_in="dscp-in")
        with lab.verdict(f"{form(inner, outer)}: with dscp-in it does, ECN still by RFC 6040"):
            for inside, outside, want in ((10 << 2, 46 << 2, 46 << 2),
                                          (10 << 2 | ECT0, 46 << 2 | CE, 46 << 2 | CE),
                                          (63 << 2 | ECT1, NOT_ECT, ECT1),
                                          (5 << 2 | ECT0, 5 << 2 | ECT1, 5 << 2 | ECT1)):
                got = one.inward(outside, tos=inside)
                lab.equal(tos_of(got), want, f"traffic class of {inside:#x} in {outside:#x}")
                lab.true(checksum_good(got), "the IPv4 checksum is wrong")
        with lab.verdict(f"{form(inner, outer)}: with dscp-in, CE in Not-ECT is still dropped"):
            one.dropped([one.seal(46 << 2 | CE, tos=NOT_ECT)], {"ecn": 1}, moved=True)
        one = Lab(inner, outer, extra_in="dscp-in noecn")
        with lab.verdict(f"{form(inner, outer)}: dscp-in with noecn takes the DSCP alone"):
            lab.equal(tos_of(one.inward(46 << 2 | CE, tos=1 << 2)), 46 << 2, "traffic class")


# --- TTL and flow label -----------------------------------------------------------------------------

@lab.test("TTL and hop limit (RFC 4301 5.1.2.1)")
def ttl():
    for inner, outer in FORMS:
        one = Lab(inner, outer)
        own = int(one.a.sysctl("net.ipv4.ip_default_ttl" if outer == 4 else
                               "net.ipv6.conf.eth0.hop_limit"))
        with lab.verdict(f"{form(inner, outer)}: outer TTL is the host's own, {own}; the inner one "
                         "is decremented once"):
            for given in 2, 33, 255:
                esp, plain = one.outward(tos=0, ttl=given)
                lab.equal((ttl_of(esp), ttl_of(plain)), (own, given - 1), "outer and inner TTL")
        with lab.verdict(f"{form(inner, outer)}: a packet of the gateway itself keeps its TTL"):
            lab.equal(ttl_of(one.open(one.take())),
                      int(one.a.sysctl("net.ipv4.ip_default_ttl" if inner == 4 else
                                       "net.ipv6.conf.eth0.hop_limit")), "inner TTL")
        with lab.verdict(f"{form(inner, outer)}: a packet that comes with TTL 1 is not forwarded"):
            one.sight.frames()
            one.injector.send(one.seal(0, tos=0, ttl=1))
            lab.equal(ttl_of(one.inward(0, tos=0, ttl=2)), 1, "TTL of the next")
            lab.equal(one.sight.packets(17), [], "what else arrived")
        one = Lab(inner, outer, extra_out="ttl 9")
        with lab.verdict(f"{form(inner, outer)}: ttl 9"):
            esp, plain = one.outward(tos=0, ttl=33)
            lab.equal((ttl_of(esp), ttl_of(plain)), (9, 32), "outer and inner TTL")


@lab.test("flow labels (RFC 4301 5.1.2.2 note 8)")
def flow_label():
    for outer in 6, 4:
        one = Lab(6, outer)
        with lab.verdict(f"{form(6, outer)}: the inner flow label stays inside"):
            esp, plain = one.outward(tos=0xff, label=0xabcde)
            lab.equal(label_of(plain), 0xabcde, "inner flow label")
            lab.true(outer == 4 or label_of(esp) == 0, "the outer flow label is not 0")


@lab.test("words that do not fit an SA are refused, with a sentence")
def refusals():
    a = Lab().a
    sa = SA(0x3001, HERE[4], THERE[4])
    for direction, mode, extra, words in (
            ("in", "tunnel", "dscp ef", "outbound tunnels"),
            ("in", "tunnel", "ttl 5", "outbound tunnels"),
            ("out", "transport", "dscp ef=0", "outbound tunnels"),
            ("out", "transport", "ttl 5", "outbound tunnels"),
            ("out", "tunnel", "dscp-in", "inbound tunnels"),
            ("in", "transport", "dscp-in", "inbound tunnels")):
        with lab.verdict(f"{extra} in an {direction}bound SA in {mode} mode is refused"):
            sa.mode, sa.extra = mode, extra
            result = a.run(ipsec.CLI, *Espah.sa_line(direction, sa).split(), check=False)
            lab.equal(result.returncode, 1, "exit status")
            lab.true(words in result.stderr, result.stderr)


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
