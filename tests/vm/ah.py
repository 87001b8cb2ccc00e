# SPDX-License-Identifier: GPL-2.0-only
"""AH packet by packet (RFC 4302), against scapy's IPsec layer; AES-GMAC (RFC 4543) by hand."""
import contextlib
import os
import socket
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)

import ipsec
import lab
import scapy_peer
import traffic
from ipsec import AH, Espah, SA
from scapy_peer import (HEADER, IP, UDP, Peer, Raw, association, raw, scapy_ipsec, scapy_names)

FORMS = [("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 4, 6), ("tunnel", 6, 4),
         ("transport", 4, 4), ("transport", 6, 6)]
SHA256 = AH["sha256"]


class Gmac:
    """AUTH_AES_GMAC of RFC 4543 section 4 for scapy, which does not implement it."""
    icv_size = 24  # IV and tag

    def __init__(self, bits):
        self.name = f"AES-{bits}-GMAC"
        self.check_key = lambda key: lab.equal(len(key), bits // 8 + 4, "bytes of key and salt")

    @staticmethod
    def covered(packet, esn_en, esn, sending):
        clone = scapy_ipsec.zero_mutable_fields(packet.copy(), sending=sending)
        return raw(clone) + (struct.pack("!I", esn) if esn_en else b"")

    def sign(self, packet, key, esn_en=False, esn=0):
        iv = os.urandom(8)
        packet[scapy_ipsec.AH].icv = iv + AESGCM(key[:-4]).encrypt(
            key[-4:] + iv, b"", self.covered(packet, esn_en, esn, True))
        return packet

    def verify(self, packet, key, esn_en=False, esn=0):
        ah = packet[scapy_ipsec.AH]
        ah.padding, ah.icv = ah.icv[24:], ah.icv[:24]
        try:
            AESGCM(key[:-4]).decrypt(key[-4:] + ah.icv[:8], ah.icv[8:],
                                     self.covered(packet, esn_en, esn, False))
        except InvalidTag:
            raise lab.Failed("the tag is wrong") from None


for BITS in 128, 192, 256:
    scapy_ipsec.AUTH_ALGOS[f"AES-{BITS}-GMAC"] = Gmac(BITS)
    scapy_peer.AUTHS[f"aes{BITS}gmac"] = f"AES-{BITS}-GMAC"


def start_of(packet):
    """Offset of AH in a packet without extension headers."""
    return 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4


def checksum(packet):
    """The packet with its IPv4 header checksum recomputed, as each router does."""
    if packet[0] >> 4 == 6:
        return bytes(packet)
    packet, size = bytearray(packet), (packet[0] & 15) * 4
    packet[10:12] = bytes(2)
    total = sum(struct.unpack(f"!{size // 2}H", packet[:size]))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    packet[10:12] = struct.pack("!H", ~total & 0xffff)
    return bytes(packet)


def flipped(packet, byte, mask):
    copy = bytearray(packet)
    copy[byte] ^= mask
    return checksum(copy)


# --- each side accepts the packets of the other side ----------------------------------------

def both_ways(peer, sizes):
    icv = 24 if "gmac" in peer.out.algorithm.name else peer.out.algorithm.icv
    unit = 8 if ":" in peer.out.src else 4
    length = -(-(12 + icv) // unit) * unit
    for seq, size in enumerate(sizes, 1):
        peer.accepts(seq, os.urandom(size))
    for seq, size in enumerate(sizes, 1):
        payload = os.urandom(size)
        packet = peer.take(payload)
        start = start_of(packet)
        _, words, reserved, spi, number = struct.unpack("!BBHII", packet[start:start + 12])
        lab.equal((reserved, spi, number), (0, 0x2001, seq), "reserved, SPI, sequence number")
        lab.equal((words + 2) * 4, length, "bytes of AH (RFC 4302 2.2, 2.6)")
        lab.equal(packet[start + 12 + icv:start + length], bytes(length - 12 - icv), "padding")
        inner = peer.open(packet)
        header = HEADER[peer.inner](inner)
        lab.equal((header.src, header.dst), (peer.here, peer.there), "inner addresses")
        lab.equal(raw(header[UDP].payload), payload, "payload")


@lab.test("AH: each algorithm, both ways")
def algorithms():
    for algorithm in AH.values():
        with lab.verdict(f"AH {algorithm.name}: from scapy, and to scapy"):
            if not scapy_names(algorithm):
                raise lab.Skipped("scapy does not know it")
            both_ways(Peer("transport", algorithm=algorithm), [0, 1, 7, 1000])


@lab.test("AH: each mode and family, both ways, ICV padded to 4 and 8 bytes (RFC 4302 2.6, 3.1)")
def forms():
    for mode, inner, outer in FORMS:
        for name in "sha1", "sha256", "sha384", "aes128gmac":
            with lab.verdict(f"AH {name}: {mode}, IPv{inner} in IPv{outer}"):
                both_ways(Peer(mode, inner, outer, AH[name]), [0, 3, 64, 1300])


@lab.test("AH ESN: the upper half is covered behind the payload, not sent (RFC 4302 2.5.1)",
          SHA256)
@lab.test("AH ESN: the same with AES-GMAC", AH["aes256gmac"])
def esn(algorithm):
    peer = Peer("transport", algorithm=algorithm, esn=True, seq=(1 << 32) - 4, window=64)
    peer.accepts((1 << 32) - 1)
    for low in 2, 1, 3:
        peer.accepts(low, esn=1)
    lab.equal(peer.state()["seq"], (1 << 32) + 3, "highest number accepted")
    # not esn=0, which scapy takes for its own default
    peer.dropped([peer.esp(seq=4, esn=3), peer.esp(seq=5, esn=2)], {"icv": 2})
    peer.encoder.esn = 0
    peer.accepts((1 << 32) - 3)  # within the window, before the edge
    for want in range((1 << 32) - 3, (1 << 32) + 2):
        packet = peer.take()
        lab.equal(struct.unpack("!I", packet[28:32])[0], want & 0xffffffff, "number sent")
        peer.decoder.esn = want >> 32
        lab.true(b"hello" in peer.open(packet), "scapy does not find the payload")


@lab.test("AH: IVs of AES-GMAC never repeat (RFC 4543 3.1)")
def ivs():
    peer = Peer("transport", algorithm=AH["aes128gmac"])
    seen = {peer.take()[32:40] for _ in range(20)}
    lab.equal(len(seen), 20, "distinct IVs")


@lab.test("AH: the overhead that is told is what packets grow by")
def overhead():
    for mode, inner, outer in FORMS:
        for name in "sha1", "sha512", "aes128gmac":
            peer = Peer(mode, inner, outer, AH[name])
            told = Espah.json(peer.a, "explain", peer.here, peer.there, "udp")
            packet = peer.take(bytes(100))
            lab.equal(len(packet) - len(raw(peer.plain(bytes(100)))), told["overhead"],
                      f"{mode} {inner} in {outer}, {name}: overhead")
            lab.equal(told["mtu"] + told["overhead"], 1500, "MTU and overhead")


# --- altered in flight: mutable fields ---------------------------------------------------------

@lab.test("AH, IPv4: altered in flight in each mutable field, accepted (RFC 4302 3.3.3.1.1.1)")
def mutable4():
    peer = Peer("transport", algorithm=SHA256)
    fields = {"DSCP": [(1, 1 << bit) for bit in range(2, 8)], "ECN": [(1, 1), (1, 2)],
              "flags": [(6, 0x40), (6, 0x80)], "TTL": [(8, 1 << bit) for bit in range(8)]}
    seq = 0
    for name, bits in fields.items():
        with lab.verdict(f"AH, IPv4: {name} altered in flight, accepted"):
            for byte, mask in bits:
                seq += 1
                peer.send(flipped(peer.esp(b"hello", seq=seq), byte, mask))
                peer.received()


@lab.test("AH, IPv6: altered in flight in each mutable field, accepted (RFC 4302 3.3.3.1.2.1)")
def mutable6():
    peer = Peer("transport", 6, 6, algorithm=SHA256)
    fields = {"class": [(0, 1 << bit) for bit in range(4)] + [(1, 1 << bit) for bit in (4, 5, 6, 7)],
              "flow label": [(1, 1), (1, 2), (1, 4), (1, 8), (2, 0xff), (3, 0xff)],
              "hop limit": [(7, 1 << bit) for bit in range(8)]}
    seq = 0
    for name, bits in fields.items():
        with lab.verdict(f"AH, IPv6: {name} altered in flight, accepted"):
            for byte, mask in bits:
                seq += 1
                peer.send(flipped(peer.esp(b"hello", seq=seq), byte, mask))
                peer.received()


# --- altered in flight: everything else ----------------------------------------------------------

@lab.test("AH: altered in flight in any other field: dropped, SA and window stay", 4, SHA256)
@lab.test("AH: the same over IPv6, with padding behind the ICV", 6, SHA256)
@lab.test("AH: the same with AES-GMAC", 4, AH["aes128gmac"])
@lab.test("AH: the same with AES-GMAC over IPv6", 6, AH["aes128gmac"])
def immutable(family, algorithm):
    peer = Peer("transport", family, family, algorithm)
    peer.accepts(1)
    packet = peer.esp(b"x" * 20, seq=0x00100000)
    start = start_of(packet)
    words = packet[start + 1]
    end = start + (words + 2) * 4
    forged = [flipped(packet, start, 1 << bit) for bit in range(8)]               # next header
    forged += [flipped(packet, start + byte, 1 << bit) for byte in (2, 3) for bit in range(8)]
    forged += [flipped(packet, start + 8 + bit // 8, 0x80 >> bit % 8)             # number, up
               for bit in range(32) if bit != 11]
    forged += [flipped(packet, byte, 1 << byte % 8) for byte in range(start + 12, end)]
    forged += [flipped(packet, byte, 1 << byte % 8) for byte in range(end, len(packet))]
    if family == 4:
        forged += [flipped(packet, byte, 1 << bit) for byte in (4, 5) for bit in range(8)]  # id
        forged += [flipped(packet, 15, mask) for mask in (1, 4, 8, 16)]           # source
    else:
        forged += [flipped(packet, byte, 1 << byte % 7) for byte in range(9, 24)]  # source
    peer.dropped(forged, {"icv": len(forged)})
    lab.equal(peer.drops_of_sa().get("icv"), len(forged), "drops counted at the SA")
    lengths = [flipped(packet, start + 1, words ^ value) for value in range(256) if value != words]
    peer.dropped(lengths, {"length": len(lengths)})
    spis = [flipped(packet, start + 4 + bit // 8, 0x80 >> bit % 8) for bit in range(16)]
    peer.dropped(spis, {"no_spi": len(spis)})
    peer.accepts(2)
    peer.send(packet)
    peer.received(b"x" * 20)


def resized(packet, size, insert=b""):
    """The packet with other bytes after its first `size' bytes, and matching length fields."""
    packet = bytearray(packet[:size] + insert + packet[size:])
    if packet[0] >> 4 == 4:
        packet[2:4] = struct.pack("!H", len(packet))
    else:
        packet[4:6] = struct.pack("!H", len(packet) - 40)
    return packet


def cut(packet, size):
    return checksum(resized(packet[:size], size))


@lab.test("AH: truncated at each length: short, or icv (RFC 4302 3.4)", 4, SHA256)
@lab.test("AH: the same over IPv6 with AES-GMAC", 6, AH["aes256gmac"])
def truncated(family, algorithm):
    peer = Peer("transport", family, family, algorithm)
    packet = peer.esp(b"y" * 20, seq=5)
    start = start_of(packet)
    end = start + (packet[start + 1] + 2) * 4
    peer.dropped([cut(packet, size) for size in range(start, end)], {"short": end - start})
    peer.dropped([cut(packet, size) for size in range(end, len(packet))],
                 {"icv": len(packet) - end})
    longer = [checksum(resized(packet, len(packet), bytes(more))) for more in (1, 4, 100)]
    peer.dropped(longer, {"icv": 3})
    peer.accepts(5)


@lab.test("AH, IPv4: bytes put into the header in flight: icv; the length of options is covered")
def inserted():
    peer = Peer("transport", algorithm=SHA256)
    packet = resized(peer.esp(seq=1), 20, b"\1\1\1\1")
    packet[0] = 0x46
    peer.dropped([checksum(packet)], {"icv": 1})
    peer.accepts(1)


@lab.test("AH: more padding than alignment needs: length (RFC 4302 3.3.3.2.1)")
def overpadded():
    peer = Peer("transport", algorithm=SHA256)
    packet = HEADER[4](raw(peer.plain(b"hello")))
    ah = scapy_ipsec.AH(spi=0x1001, seq=1, nh=17, payloadlen=6, icv=bytes(16), padding=bytes(4))
    packet = HEADER[4](src=packet.src, dst=packet.dst, proto=51) / ah / packet.payload
    packet = peer.encoder.auth_algo.sign(IP(raw(packet)), peer.into.key)
    packet[scapy_ipsec.AH].padding = bytes(4)
    peer.dropped([raw(packet)], {"length": 1})
    peer.accepts(1)


@lab.test("AH: replayed: replay; left of the window: too_old (RFC 4302 3.4.3)")
def replayed():
    peer = Peer("transport", algorithm=SHA256, window=64)
    packets = [peer.esp(seq=1), peer.esp(seq=1000)]
    for packet in packets:
        peer.send(packet)
        peer.received()
    peer.dropped([packets[1]] * 3, {"replay": 3})
    peer.dropped([packets[0], peer.esp(seq=1000 - 64)], {"too_old": 2})
    peer.accepts(1000 - 63)


# --- IPv4 options ----------------------------------------------------------------------------------

# (name, bytes, whether it is immutable); options that the receiving stack accepts
OPTIONS4 = [
    ("security", b"\x82\x0b\xab\xcd\x12\x34\x56\x78\x9a\xbc\xde", True),
    ("extended security", b"\x85\x04\x12\x34", True),
    ("router alert", b"\x94\x04\x00\x00", True),
    ("multi-destination delivery", b"\x95\x06\x0a\x01\x02\x03", True),
    ("time stamp, to be filled in", b"\x44\x0c\x05\x00" + bytes(8), False),
    ("record route, to be filled in", b"\x07\x0b\x04" + bytes(8), False),
    ("traceroute", b"\x52\x0c\x12\x34\x00\x00\x00\x00\x0a\x01\x02\x03", False),
    ("stream id", b"\x88\x04\x12\x34", False),
    ("MTU probe", b"\x0b\x04\x05\xdc", False),
    ("an unknown one", b"\x9e\x06\x01\x02\x03\x04", False),
    ("loose source route, used up", b"\x83\x0b\x0c\x0a\x01\x02\x03\x0a\x01\x02\x04", False),
    ("strict source route, used up", b"\x89\x07\x08\x0a\x01\x02\x03", False),
    ("no operation", b"\x01\x01\x01\x01", None),
]


def with_options(peer, options, payload=b"hello"):
    plain = raw(peer.plain(payload))
    options += bytes(-len(options) % 4)
    packet = resized(plain, 20, options)
    packet[0] = 0x45 + len(options) // 4
    return IP(checksum(packet))


@lab.test("AH, IPv4: options of each class (RFC 4302 appendix A1)")
def options4():
    peer = Peer("transport", algorithm=SHA256)
    for where in "all", "eth0":
        peer.a.sysctl(f"net.ipv4.conf.{where}.accept_source_route", 1)
    seq = 0
    for name, option, keeps in OPTIONS4:
        with lab.verdict(f"AH, IPv4 option {name}: accepted as sent"):
            seq += 1
            peer.send(peer.esp(seq=seq, packet=with_options(peer, option)))
            peer.received()
        if keeps is None:
            continue
        if keeps:
            with lab.verdict(f"AH, IPv4 option {name}: altered in flight: icv"):
                packet = peer.esp(seq=seq + 1, packet=with_options(peer, option))
                peer.dropped([flipped(packet, 20 + byte, 1) for byte in range(2, len(option))],
                             {"icv": len(option) - 2})
        else:
            with lab.verdict(f"AH, IPv4 option {name}: altered in flight, accepted"):
                for byte in range(4 if option[0] in (7, 0x44) else 3, len(option)):
                    seq += 1
                    packet = peer.esp(seq=seq, packet=with_options(peer, option))
                    peer.send(flipped(packet, 20 + byte, 1))
                    peer.received()


@lab.test("AH, IPv4: several options, and what lies behind the end of the list")
def many_options4():
    peer = Peer("transport", algorithm=SHA256)
    options = b"\x07\x07\x04" + bytes(4) + b"\x01\x85\x04\xab\xcd\x44\x08\x05\x00" + bytes(5)
    peer.send(peer.esp(seq=1, packet=with_options(peer, options)))
    peer.received()
    packet = peer.esp(seq=2, packet=with_options(peer, options))
    peer.dropped([flipped(packet, 20 + byte, 0x80) for byte in (10, 11)], {"icv": 2})


@lab.test("AH, IPv4: a source route is sent with the final destination covered "
          "(RFC 4302 3.3.3.1.1.1)")
def source_route():
    peer = Peer("transport", algorithm=SHA256)
    final = "198.51.100.9"
    for kind, name in ((0x83, "loose"), (0x89, "strict")):
        with lab.verdict(f"AH, IPv4: a {name} source route is sent with the final destination"):
            with traffic.udp(peer.a, peer.here) as sock:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS,
                                bytes([kind, 7, 4]) + socket.inet_aton(peer.there) + b"\0")
                peer.wire.frames()
                sock.sendto(b"by the way", (final, 7001))
                packet = bytearray(peer.wire.next(51))
            lab.equal(socket.inet_ntoa(bytes(packet[16:20])), peer.there, "first hop")
            lab.equal(packet[20:23], bytes([kind, 7, 4]), "the route on the wire")
            lab.equal(packet[23:27], socket.inet_aton(final), "the route's last address")
            # as the router passes it on: RFC 791 3.1
            packet[16:20], packet[23:27] = packet[23:27], socket.inet_aton("192.0.2.2")
            packet[22] = 8
            got = peer.open(checksum(packet))
            lab.true(b"by the way" in got, "scapy does not find the payload")


# --- IPv6 extension headers --------------------------------------------------------------------------

def option6(kind, data):
    """An option, padded so that the header has a multiple of 8 bytes."""
    return [HBHOptUnknown(otype=kind, optlen=len(data), optdata=data),
            PadN(optdata=bytes(-(len(data) + 6) % 8))]


def with_headers(peer, *headers, payload=b"hello"):
    packet = IPv6(src=peer.there, dst=peer.here)
    for header in headers:
        packet = packet / header
    return packet / UDP(sport=7001, dport=7000) / Raw(payload)


@lab.test("AH, IPv6: hop-by-hop and destination options by their mutable bit "
          "(RFC 4302 3.3.3.1.2.2)")
def options6():
    peer = Peer("transport", 6, 6, SHA256)
    seq = 0
    for kind, header in (("hop-by-hop", IPv6ExtHdrHopByHop), ("destination", IPv6ExtHdrDestOpt)):
        with lab.verdict(f"AH, IPv6: {kind} options altered in flight, mutable bit set: accepted"):
            for byte in range(44, 50):
                seq += 1
                packet = peer.esp(seq=seq, packet=with_headers(
                    peer, header(options=option6(0x3e, b"abcdef"))))
                lab.equal(packet[42:50], b"\x3e\x06abcdef", "the option")
                peer.send(flipped(packet, byte, 1))
                peer.received()
        with lab.verdict(f"AH, IPv6: {kind} options altered in flight, mutable bit clear: icv"):
            packet = peer.esp(seq=seq + 1, packet=with_headers(
                peer, header(options=option6(0x1e, b"abcdef"))))
            peer.dropped([flipped(packet, byte, 1) for byte in range(44, 50)], {"icv": 6})
            seq += 1
            peer.send(packet)
            peer.received()
    with lab.verdict("AH, IPv6: type and length of a mutable option are covered"):
        packet = peer.esp(seq=seq + 1, packet=with_headers(
            peer, IPv6ExtHdrDestOpt(options=option6(0x3e, b"abcdef"))))
        peer.dropped([flipped(packet, 42, 1)], {"icv": 1})


@contextlib.contextmanager
def as_it_stands():
    """Stops scapy from rotating the addresses of a routing header that is used up."""
    original = scapy_ipsec.zero_mutable_fields
    scapy_ipsec.zero_mutable_fields = lambda packet, sending=False: original(packet)
    yield
    scapy_ipsec.zero_mutable_fields = original


@lab.test("AH, IPv6: a chain of extension headers, and a routing header that is used up "
          "(RFC 4302 appendix A2)")
def chain6():
    peer = Peer("transport", 6, 6, SHA256)
    hops = ["2001:db8:1::1", "2001:db8:1::2"]

    def packet(seq):
        headers = [IPv6ExtHdrHopByHop(options=option6(0x3e, b"ab")),
                   IPv6ExtHdrDestOpt(options=option6(0x1e, b"cd")),
                   IPv6ExtHdrRouting(type=0, segleft=0, addresses=hops)]
        with as_it_stands():
            return peer.esp(seq=seq, packet=with_headers(peer, *headers))
    good = packet(1)
    lab.equal(good[48:50], b"\x2b\x00", "destination options before the route")
    peer.send(good)
    peer.received()
    packet2 = packet(2)
    route = 56
    forged = [flipped(packet2, route + byte, 1) for byte in (4, 5, 6, 7, 8, 23, 24, 39)]
    peer.dropped(forged, {"icv": len(forged)})
    peer.send(packet2)
    peer.received()


@lab.test("AH and ESP, IPv6: on a route that is not at its end nothing is taken off "
          "(RFC 8200 4.1)")
def on_the_way():
    for algorithm in SHA256, ipsec.GCM:
        peer = Peer("transport", 6, 6, algorithm)
        packet = bytearray(peer.esp(seq=1))
        route = bytes([packet[6], 2, 0, 1]) + bytes(4) + socket.inet_pton(socket.AF_INET6, peer.there)
        packet = resized(packet, 40, route)
        packet[6] = 43
        before, state = Espah.drops(peer.a), peer.state()

        def problems():  # counted by the stack, which handles such packets
            with peer.a, open("/proc/net/snmp6", encoding="ascii") as file:
                return int(dict(line.split() for line in file)["Icmp6OutParmProblems"])
        reported = problems()
        peer.send(bytes(packet))
        lab.wait_for(lambda: problems() == reported + 1, "an ICMPv6 parameter problem")
        lab.true(traffic.silent(peer.socket), "it was delivered")
        lab.equal((Espah.drops(peer.a), peer.state()), (before, state), "drops and SA")
        peer.accepts(1)


@lab.test("AH, IPv6: extension headers that overrun or are too long: ah_headers")
def broken6():
    peer = Peer("transport", 6, 6, SHA256)

    def forged(option):
        packet = bytearray(peer.esp(seq=1, packet=with_headers(
            peer, IPv6ExtHdrDestOpt(options=option6(0x1e, b"abcdef")))))
        packet[42:42 + len(option)] = option
        return bytes(packet)
    bad = [forged(b"\x1e\x0d"), forged(b"\x1e\xff"), forged(b"\x3e\x0e"),
           forged(b"\x01\x0b" + bytes(11) + b"\x1e"), forged(b"\x01\x0d" + bytes(11))]
    size = bytearray(forged(b""))
    peer.dropped(bad, {"ah_headers": 5})

    def long(size):
        options = [HBHOptUnknown(otype=0x1e, optlen=part, optdata=bytes(part))
                   for part in (200, 200, size - 408)]
        return with_headers(peer, IPv6ExtHdrDestOpt(options=options))
    packet = peer.esp(seq=1, packet=long(472))
    lab.equal((packet[40], packet[41]), (51, 58), "472 bytes of options, 512 with the header")
    peer.send(packet)
    peer.received()
    peer.dropped([peer.esp(seq=2, packet=long(480))], {"ah_headers": 1})
    # a header that is longer than the packet hides AH, so this host does not see AH
    size[41] = 255
    state = peer.state()
    peer.send(bytes(size))
    peer.accepts(2)
    lab.equal(peer.state()["packets"], state["packets"] + 1, "packets of the SA")


def take_with(peer, options, payload=b"with headers"):
    """The AH packet of a datagram that a socket sends with options: (level, name, value)..."""
    with traffic.udp(peer.a, peer.here) as sock:
        for name, value in options:
            sock.setsockopt(socket.IPPROTO_IPV6, name, value)
        peer.wire.frames()
        sock.sendto(payload, (peer.there, 7001))
        while True:  # of any upper protocol, with extension headers
            packet = peer.wire.next()
            if packet[0] >> 4 == 6 and packet[6] != 58:
                return bytearray(packet)


IPV6_HOPOPTS, IPV6_RTHDR, IPV6_DSTOPTS = 54, 57, 59


@lab.test("AH, IPv6: what is sent with hop-by-hop and destination options (RFC 4302 3.1.1)")
def sent_options6():
    peer = Peer("transport", 6, 6, SHA256)
    for kind in 0x1e, 0x3e:
        options = bytes([0, 0, kind, 4]) + b"data"
        packet = take_with(peer, [(IPV6_HOPOPTS, options), (IPV6_DSTOPTS, options)])
        lab.equal((packet[6], packet[40], packet[48], packet[56]), (0, 60, 51, 17),
                  "headers: hop-by-hop, destination, AH, UDP")
        lab.true(b"with headers" in peer.open(bytes(packet)), "scapy does not find the payload")
        packet[44] ^= 1  # in the hop-by-hop option's data
        try:
            peer.open(bytes(packet))
            accepted = True
        except scapy_ipsec.IPSecIntegrityError:
            accepted = False
        lab.equal(accepted, kind == 0x3e, f"altered data of option {kind:#x} is accepted")


@lab.test("AH, IPv6: a routing header is sent with its final form covered (RFC 4302 appendix A2)")
def sent_route6():
    peer = Peer("transport", 6, 6, SHA256)
    home = socket.inet_pton(socket.AF_INET6, "2001:db8:9::9")
    hop = socket.inet_pton(socket.AF_INET6, peer.there)
    # type 2 (RFC 6275 6.4): the socket's address is the first hop, the header holds the last
    header = bytes([0, 2, 2, 1]) + bytes(4) + hop
    with traffic.udp(peer.a, peer.here) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, header)
        peer.wire.frames()
        sock.sendto(b"by the way", ("2001:db8:9::9", 7001))
        packet = peer.wire.next(43)
    packet = bytearray(packet)
    lab.equal((packet[24:40], packet[48:64], packet[43]), (hop, home, 1), "the route on the wire")
    lab.equal(packet[40], 51, "AH behind the routing header")
    # as the first hop passes it on
    packet[24:40], packet[48:64], packet[43] = home, hop, 0
    lab.true(b"by the way" in peer.open(bytes(packet)), "scapy does not find the payload")


@lab.test("AH, IPv6: a segment routing header is not foreseen: ah_headers, nothing leaves")
def sent_segments6():
    peer = Peer("transport", 6, 6, SHA256)
    hop = socket.inet_pton(socket.AF_INET6, peer.there)
    last = socket.inet_pton(socket.AF_INET6, "2001:db8:9::9")
    header = bytes([0, 4, 4, 1, 1, 0, 0, 0]) + last + hop
    before = Espah.drops(peer.a).get("ah_headers", 0)
    with traffic.udp(peer.a, peer.here) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, header)
        peer.wire.frames()
        sock.sendto(b"by the way", ("2001:db8:9::9", 7001))
    lab.wait_for(lambda: Espah.drops(peer.a).get("ah_headers", 0) == before + 1, "a drop")
    lab.equal([packet for packet in peer.wire.packets() if b"by the way" in packet], [],
              "packets on the wire")


# --- fragments -------------------------------------------------------------------------------------

@lab.test("AH: a packet in fragments is reassembled first (RFC 4302 3.4.1)")
def fragments():
    for family in 4, 6:
        with lab.verdict(f"AH, IPv{family}: a packet in fragments is reassembled first"):
            peer = Peer("transport", family, family, SHA256)
            payload = os.urandom(200)
            packet = peer.esp(payload, seq=1)
            start = start_of(packet)
            body = packet[start:]
            if family == 4:  # fragments have the identification of the whole
                number = struct.unpack("!H", packet[4:6])[0]
                parts = [IP(src=peer.there, dst=peer.here, proto=51, id=number, flags="MF")
                         / Raw(body[:80]),
                         IP(src=peer.there, dst=peer.here, proto=51, id=number, frag=10)
                         / Raw(body[80:])]
            else:
                parts = [IPv6(src=peer.there, dst=peer.here)
                         / IPv6ExtHdrFragment(nh=51, id=7, m=1) / Raw(body[:80]),
                         IPv6(src=peer.there, dst=peer.here)
                         / IPv6ExtHdrFragment(nh=51, id=7, offset=10) / Raw(body[80:])]
            state = peer.state()
            peer.send(raw(parts[0]))
            lab.equal(peer.state(), state, "the SA after the first fragment")
            peer.send(raw(parts[1]))
            peer.received(payload)
    with lab.verdict("AH, IPv6: a fragment header around a whole packet does not count "
                     "(RFC 4302 appendix A2)"):
        packet = peer.esp(payload, seq=2)
        peer.send(raw(IPv6(src=peer.there, dst=peer.here) / IPv6ExtHdrFragment(nh=51, id=8)
                      / Raw(packet[40:])))
        peer.received(payload)


# --- policy -------------------------------------------------------------------------------------------

@lab.test("AH: plaintext where a policy asks for AH: plaintext; ESP instead of AH: policy")
def policy():
    peer = Peer("transport", algorithm=SHA256)
    peer.dropped([raw(peer.plain(b"hello"))] * 2, {"plaintext": 2})
    other = SA(0x3001, peer.into.src, peer.into.dst, "transport", reqid=7)
    Espah.configure(peer.a, inbound=[other])
    packet = raw(association(other).encrypt(IP(raw(peer.plain(b"hello"))), seq_num=1))
    before = Espah.drops(peer.a).get("policy", 0)
    peer.send(packet)
    lab.wait_for(lambda: Espah.drops(peer.a).get("policy", 0) == before + 1, "a drop")
    lab.true(traffic.silent(peer.socket), "it was delivered")


@lab.test("AH: a next header that a tunnel does not carry: next_header")
def next_header():
    peer = Peer(algorithm=SHA256)
    inner = raw(peer.plain(b"hello"))
    forged = []
    for seq, kind in enumerate((17, 41, 59), 1):
        packet = IP(src=peer.into.src, dst=peer.into.dst, proto=51) / scapy_ipsec.AH(
            spi=0x1001, seq=seq, nh=kind, payloadlen=5, icv=bytes(16)) / Raw(inner)
        forged.append(raw(peer.encoder.auth_algo.sign(IP(raw(packet)), peer.into.key)))
    peer.dropped([forged[0], forged[2]], {"next_header": 2}, moved=True)
    peer.dropped([forged[1]], {"inner": 1}, moved=True)


@lab.test("AH: the SA of XFRM in the same namespace gets its packets")
def beside_xfrm():
    peer = Peer("transport", algorithm=SHA256)
    peer.a.ip("addr replace 192.0.2.5/32 dev lo\n")
    theirs = SA(0x4001, "192.0.2.2", "192.0.2.5", "transport", SHA256)
    ipsec.Xfrm.configure(peer.a, inbound=[theirs])
    datagram = raw(IP(src="192.0.2.2", dst="192.0.2.5") / UDP(sport=1, dport=2) / Raw(b"hello"))
    before = Espah.drops(peer.a)
    peer.send(raw(association(theirs).encrypt(IP(datagram), seq_num=1)))

    def counted():
        text = peer.a.run("ip", "-s", "xfrm", "state", "list", "spi", "0x4001").stdout
        return " 1(packets)" in text
    lab.wait_for(counted, "the packet at XFRM's SA")
    lab.equal(Espah.drops(peer.a), before, "drops")
    ipsec.Xfrm.flush(peer.a)


if __name__ == "__main__":
    lab.main()
