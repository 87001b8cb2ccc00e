# SPDX-License-Identifier: GPL-2.0-only
"""A gateway with espah, packets of any kind on its devices, and the fate of each packet.

   h 10.1.0.2 -- lan a (espah) wan 192.0.2.1 ===== 192.0.2.2 b
     fd01::2           10.1.0.1, fd01::1           2001:db8::1

h and b have no stack: packets are put on their devices. Each packet carries a unique mark, which
is visible in ESP too, because the SAs do not encrypt.
"""
import dataclasses
import hashlib
import hmac
import ipaddress
import itertools
import json
import socket
import struct

import lab
import netlink
import traffic
from ipsec import ALGORITHMS, CLI, Espah, SA

TCP, UDP, ICMP, ICMPV6, SCTP, ESP, AH = 6, 17, 1, 58, 132, 50, 51
PORTS = (TCP, UDP, SCTP, 33, 136)
NULL = ALGORITHMS["null-sha256"]
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
LAN = {4: "10.1.0.2", 6: "fd01::2"}      # h
OWN = {4: "10.1.0.1", 6: "fd01::1"}      # a
FAR = {4: "10.2.0.9", 6: "fd02::9"}      # behind b
EVERYBODY = {4: "any4 any4", 6: "any6 any6"}
SITES = {4: "10.1.0.0/16 10.2.0.0/16", 6: "fd01::/16 fd02::/16"}
marks = itertools.count(1)


# --- packets -------------------------------------------------------------------------------

def binary(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def header(src, dst, proto, size, hops=64, df=False):
    """An IP header for a payload of size bytes."""
    src, dst = binary(src), binary(dst)
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, size, proto, hops) + src + dst
    parts = [0x45, 0, 20 + size, 0, df << 14, hops, proto, 0]
    head = struct.pack("!BBHHHBBH", *parts) + src + dst
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]


@dataclasses.dataclass
class Flow:
    src: str
    dst: str
    proto: int = UDP
    sport: int = 7000
    dport: int = 7001
    kind: int = 0           # ICMP type
    hops: int = 64
    body: bytes = b""       # bytes before the mark
    size: int = 0           # bytes of the whole packet; 0: as needed
    options: bytes = b""    # of a TCP SYN
    df: bool = False
    told: str = ""          # additional words for `espah explain': mark, dev

    def packet(self):
        """The packet and its mark. Checksums are wrong, so that local receivers do not answer."""
        mark = struct.pack("!QQ", 0xfeedc0de5afe4301, next(marks))
        ports = struct.pack("!HH", self.sport, self.dport)
        body = self.body + mark
        fixed = {TCP: 20 + len(self.options), UDP: 8, ICMP: 8, ICMPV6: 8, SCTP: 12, 33: 16,
                 136: 8}
        ip = 40 if ":" in self.src else 20
        body += bytes(max(self.size - ip - fixed.get(self.proto, 0) - len(body), 0))
        if self.proto == TCP:
            flags = (20 + len(self.options)) // 4 << 12 | (2 if self.options else 16)
            body = ports + struct.pack("!IIHHHH", 1, 1, flags, 512, 1, 0) + self.options + body
        elif self.proto in (UDP, 136):
            body = ports + struct.pack("!HH", 8 + len(body), 1) + body
        elif self.proto in PORTS:
            body = ports + bytes(fixed[self.proto] - 4) + body
        elif self.proto == ICMP:
            body = struct.pack("!BBHI", self.kind, 0, 0, 0) + body
        elif self.proto == ICMPV6:
            pseudo = binary(self.src) + binary(self.dst)
            body = struct.pack("!BBHI", self.kind, 0, 0, 0) + body
            pseudo += struct.pack("!II", len(body), ICMPV6)
            body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
        return header(self.src, self.dst, self.proto, len(body), self.hops, self.df) + body, mark

    def words(self):
        """The flow as arguments of `espah explain'."""
        words = f"{self.src} {self.dst} {self.proto}"
        words += f" sport {self.sport} dport {self.dport}" * (self.proto in PORTS)
        return f"{words} {self.told}".strip()

    def reverse(self):
        return dataclasses.replace(self, src=self.dst, dst=self.src, sport=self.dport,
                                   dport=self.sport)


def is_error(packet):
    """Whether it is an ICMP error."""
    if packet[0] >> 4 == 4:
        return packet[9] == ICMP and packet[20] in (3, 11, 12)
    return packet[6] == ICMPV6 and packet[40] < 128


def protected(sa, packet, seq):
    """A packet in the SA's tunnel (RFC 4303, NULL encryption with HMAC-SHA-256-128)."""
    pad = -(len(packet) + 2) % 4
    body = (struct.pack("!II", sa.spi, seq) + packet + bytes(range(1, pad + 1))
            + bytes([pad, 4 if packet[0] >> 4 == 4 else 41]))
    body += hmac.digest(sa.key, body, hashlib.sha256)[:16]
    return header(sa.src, sa.dst, ESP, len(body)) + body


# --- the gateway -----------------------------------------------------------------------------

class Gateway:
    """a, and sockets that see all packets around it."""
    the = None

    def __init__(self):
        self.h, self.a, self.b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
        lab.link(self.h, "eth0", self.a, "lan")
        lab.link(self.b, "eth0", self.a, "wan")
        lines = ["addr add 10.1.0.1/24 dev lan", "addr add fd01::1/64 dev lan nodad",
                 "addr add 192.0.2.1/24 dev wan", "addr add 2001:db8::1/64 dev wan nodad"]
        for ns, device, *near in ((self.h, "lan", LAN[4], LAN[6]),
                                  (self.b, "wan", OUTER[4][1], OUTER[6][1])):
            ns.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
            ns.ip("link set eth0 arp off\n")
            with ns:
                address = ":".join(f"{byte:02x}" for byte in traffic.mac("eth0"))
            lines += [f"neigh add {ip} lladdr {address} dev {device}" for ip in near]
        lines += ["route add 10.1.0.0/16 via 10.1.0.2", "route add fd01::/16 via fd01::2",
                  "route add default via 192.0.2.2", "route add default via 2001:db8::2"]
        self.a.ip("\n".join(lines) + "\n")
        self.inside = traffic.Injector(self.h, "eth0", self.a, "lan")
        self.outside = traffic.Injector(self.b, "eth0", self.a, "wan")
        self.wan = traffic.Wire(self.a, "wan", outgoing=True)
        self.lan = traffic.Wire(self.a, "lan", outgoing=True)
        self.sockets = {}
        with self.a:
            self.link = netlink.Link()
            self.raw = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                        6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}

    @classmethod
    def get(cls, lines=()):
        """The gateway, configured with nothing but these lines."""
        if not cls.the:
            cls.the = cls()
        Espah.batch(cls.the.a, ["flush", "default in bypass out bypass", *lines])
        return cls.the

    def drops(self):
        nest = dict(self.link.ask(netlink.STATS_GET)[0])[7]
        entries = [dict(netlink.parse(entry)) for _, entry in netlink.parse(nest)]
        return {entry[2][:-1].decode(): struct.unpack("=Q", entry[3])[0] for entry in entries}

    def dropped_since(self, before):
        return {name: count - before[name] for name, count in self.drops().items()
                if count != before[name]}

    def receiver(self, address, proto):
        """A socket that receives all packets of a protocol to a itself."""
        key = (traffic.family_of(address), proto)
        if key not in self.sockets:
            with self.a:
                self.sockets[key] = socket.socket(key[0], socket.SOCK_RAW, proto)
        return self.sockets[key]

    def send_out(self, flow, packet):
        """From h, or from a itself."""
        if flow.src in local_addresses():
            six = ":" in flow.src
            self.raw[6 if six else 4].sendto(packet, (flow.dst, 0))
        else:
            self.inside.send(packet)

    def seen(self):
        """Packets that were sent or delivered: (how, bytes)."""
        found = []
        for packet in self.wan.packets() + self.lan.packets():
            if is_error(packet):
                continue  # an error quotes the packet, with its mark
            how = "clear"
            if traffic.protocol_of(packet) == ESP:
                start = 20 if packet[0] >> 4 == 4 else 40
                how = f"esp {struct.unpack('!I', packet[start:start + 4])[0]:#x}"
            found.append((how, packet))
        for sock in self.sockets.values():
            found += [("clear", packet) for packet in traffic.drain(sock)]
        return found

    def fate(self, direction, flow, through=None):
        """Sends a packet: "clear", "esp SPI", or "drop REASON". through: an SA and a number."""
        packet, mark = flow.packet()
        if direction == "in" and flow.dst in local_addresses():
            self.receiver(flow.dst, flow.proto)
        self.seen()
        before = self.drops()
        if direction == "out":
            self.send_out(flow, packet)
        else:
            self.outside.send(protected(through[0], packet, through[1]) if through else packet)

        def came():
            for how, found in self.seen():
                if mark in found:
                    return how
            drops = self.dropped_since(before)
            return drops and "drop " + ", ".join(f"{name} {count}" if count > 1 else name
                                                 for name, count in drops.items())
        return lab.wait_for(came, f"what becomes of {flow}")

    def explain(self, *questions):
        """Answers to (direction, flow)..., from one process."""
        lines = [f"explain {direction} {flow.words()}" for direction, flow in questions]
        with self.a:
            answers = lab.run(CLI, "-j", "-b", "-", stdin="\n".join(lines) + "\n").stdout
        return [json.loads(line) for line in answers.splitlines()]

    def foretell(self, *cases):
        """The fates of (direction, flow)... by explain: a forwarded packet comes in, then goes out."""
        questions = [(direction, flow) for _, flow in cases for direction in ("in", "out")]
        answers = iter(self.explain(*questions))
        for direction, flow in cases:
            into, out = (foretold(next(answers)) for _ in range(2))
            if local_addresses() & {flow.src, flow.dst}:
                yield into if direction == "in" else out
            else:
                yield into if into.startswith("drop") else out

    def agree(self, *cases):
        """Each case is (direction, flow, fate): explain predicts the fate, and the packet confirms it."""
        fates = self.foretell(*(case[:2] for case in cases))
        for (direction, flow, want), fate in zip(cases, fates, strict=True):
            what = f"{direction} {flow.words()}"
            lab.equal(fate, want, f"explain {what}")
            lab.equal(self.fate(direction, flow), want, f"a packet {what}")


def local_addresses():
    return {*OWN.values(), OUTER[4][0], OUTER[6][0]}


def foretold(answer):
    """The answer of explain for a packet in clear, in the words of fate()."""
    if "drop" in answer:
        return "drop " + answer["drop"]
    if "exempt" in answer or answer["action"] == "bypass":
        return "clear"
    return f"esp {int(answer['sa']['spi'], 16):#x}"


def sa_pair(spi, outer=4, reqid=1, algorithm=NULL, **options):
    """SAs of a tunnel: out with this SPI, in with the next."""
    return (SA(spi, *OUTER[outer], algorithm=algorithm, reqid=reqid, **options),
            SA(spi + 1, *OUTER[outer][::-1], algorithm=algorithm, reqid=reqid, **options))


def tunnel(outer=4, reqid=1):
    return f"protect tunnel {' '.join(OUTER[outer])} reqid {reqid}"


def lines_of(out, into):
    return [Espah.sa_line("out", out), Espah.sa_line("in", into)]
