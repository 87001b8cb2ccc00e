# SPDX-License-Identifier: GPL-2.0-only
"""Hostile packets: forged ESP, AH and ICMP errors, fragments, broken headers."""
import socket
import struct

ESP, AH = 50, 51
# other protocols that a receiver of the stack decapsulates, without a function here
OTHERS = (0, 2, 4, 6, 17, 33, 41, 43, 44, 46, 47, 60, 89, 94, 98, 103, 108, 112, 115, 132, 135, 136, 137, 255)
SIZES = (0, 1, 7, 8, 9, 12, 16, 20, 24, 28, 32, 40, 64, 100, 300, 1200, 1400)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(src, dst, protocol, payload, fragment=0, ident=0, options=b"", ttl=64, tos=0):
    """fragment: flags and offset in the format of the header."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, tos,
                       min(20 + len(options) + len(payload), 65535), ident, fragment, ttl, protocol, 0,
                       socket.inet_aton(src), socket.inet_aton(dst)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, protocol, payload, flow=0, hops=64):
    return struct.pack("!IHBB", 6 << 28 | flow, min(len(payload), 65535), protocol, hops) + \
        socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def ip(src, dst, protocol, payload, **more):
    return (ipv6 if ":" in src else ipv4)(src, dst, protocol, payload, **more)


class Forger:
    """Makes random packets, with the SPIs and ports that are in use."""

    def __init__(self, dice, spis, ports):
        self.dice, self.spis, self.ports = dice, spis, ports

    def spi(self):
        return self.dice.choice(self.spis) if self.spis and self.dice.random() < 0.8 else \
            self.dice.choice((0, 1, 255, 256, self.dice.getrandbits(32)))

    def sequence(self):
        return self.dice.choice((0, 1, 2, 40, 1000, 0x7fffffff, 0xffffffff, self.dice.getrandbits(32)))

    def body(self):
        return self.dice.randbytes(self.dice.choice(SIZES))

    def esp(self):
        return struct.pack("!II", self.spi(), self.sequence()) + self.body()

    def ah(self):
        words = self.dice.choice((0, 1, 2, 4, 5, 6, 8, 10, 255))
        return struct.pack("!BBHII", self.dice.choice((4, 6, 17, 41, 50, 51, 59)), words, 0, self.spi(),
                           self.sequence()) + self.body()

    def port(self):
        return self.dice.choice((500, 4500, 4500, 7, 4789, 5555, *self.ports, self.dice.getrandbits(16)))

    def udp(self):
        data = self.dice.choice((self.esp, self.ah, self.body, lambda: bytes(4) + self.body(),
                                 lambda: b"\xff"))()
        length = self.dice.choice((8 + len(data),) * 8 + (0, 7, 8, 65535))
        return struct.pack("!HHHH", self.port(), self.port(), min(length, 65535), 0) + data

    def tcp(self):
        options = self.dice.choice((b"", struct.pack("!BBH", 2, 4, self.dice.choice((0, 1, 88, 1460, 65535))),
                                    b"\2\3\5\0", b"\1\1\2\4", self.dice.randbytes(8)))
        options += bytes(-len(options) % 4)
        flags = self.dice.choice((2, 2, 0x12, 0x10, 4, 0x3f, 0xc2))
        return struct.pack("!HHIIBBHHH", self.port(), self.port(), self.sequence(), 0,
                           (20 + len(options)) << 2, flags, 1000, 0, 0) + options

    def gre(self):
        flags = self.dice.choice((0, 0x2000, 0x8000, 0x3000, 0x1000, self.dice.getrandbits(16)))
        return struct.pack("!HH", flags, self.dice.choice((0x0800, 0x86dd, 0x6558, 0x88be, 0x22eb, 0x8847))) + \
            self.body()

    def extensions(self, next_header, payload):
        """IPv6 extension headers before a payload: (the first one's number, all of them)"""
        for _ in range(self.dice.randrange(4)):
            kind = self.dice.choice((0, 60, 43, 43, 44, 135))
            if kind == 44:
                head = struct.pack("!BBHI", next_header, 0, self.dice.choice((0, 1, 8, 0xfff8, 0xfff9)),
                                   self.dice.randrange(4))
            else:
                length = self.dice.choice((0, 0, 1, 2, 4, 255))
                fill = self.dice.choice((b"\1\4" + bytes(4), self.dice.randbytes(6),
                                         bytes([self.dice.choice((0, 2, 3, 4)), 1]) + bytes(4)))
                head = bytes([next_header, length]) + fill + self.dice.randbytes(8 * min(length, 4))
            next_header, payload = kind, head + payload
        return next_header, payload

    def upper(self, family):
        """(protocol, payload) of a random kind"""
        kind = self.dice.randrange(10)
        if kind < 3:
            return ESP, self.esp()
        if kind == 3:
            return AH, self.ah()
        if kind < 6:
            return 17, self.udp()
        if kind == 6:
            return 6, self.tcp()
        if kind == 7:
            return 47, self.gre()
        if kind == 8:
            return (1 if family == 4 else 58), self.dice.choice((8, 13, 128, 133, 135)).to_bytes(1, "big") + \
                self.body()
        return self.dice.choice(OTHERS), self.body()

    def error(self, src, dst, quoted):
        """An ICMP error from src to dst that quotes a packet, whole or in part."""
        quoted = quoted[:self.dice.choice((0, 7, 20, 27, 28, 40, 48, 56, 100, 548, 1200))]
        mtu = self.dice.choice((0, 1, 67, 68, 576, 1279, 1280, 1400, 65535))
        if ":" in src:
            kind, code = self.dice.choice(((2, 0), (2, 0), (1, 0), (1, 4), (3, 0), (4, 1), (137, 0)))
            body = struct.pack("!BBHI", kind, code, 0, mtu) + quoted
            pseudo = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + \
                struct.pack("!II", len(body), 58)
            body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
            return ipv6(src, dst, 58, body)
        kind, code = self.dice.choice(((3, 4), (3, 4), (3, 1), (3, 3), (3, 13), (5, 1), (11, 0), (12, 0)))
        body = struct.pack("!BBHHH", kind, code, 0, 0, mtu) + quoted
        return ipv4(src, dst, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])

    def packet(self, src, dst):
        family = 6 if ":" in src else 4
        protocol, payload = self.upper(family)
        if self.dice.random() < 0.25:
            back = ip(dst, src, protocol, payload)
            return self.error(src, dst, back)
        if family == 6:
            if self.dice.random() < 0.3:
                protocol, payload = self.extensions(protocol, payload)
            return ipv6(src, dst, protocol, payload, hops=self.dice.choice((64, 64, 64, 1, 255)))
        fragment = self.dice.choice((0,) * 8 + (0x4000, 0x2000, 0x2001, 0x0001, 0x00b9, 0x1fff))
        options = self.dice.choice((b"",) * 8 + (b"\1\1\1\0", b"\x94\4\0\0", b"\7\7\4\0\0\0\0\0", b"\x83\3\4\0"))
        return ipv4(src, dst, protocol, payload, fragment, self.dice.randrange(4), options,
                    ttl=self.dice.choice((64, 64, 64, 1, 0)), tos=self.dice.getrandbits(8))

    def fragments(self, packet):
        """The packet in fragments, in random order; a fragment may be missing, duplicated or overlap."""
        size = self.dice.choice((8, 16, 64, 512))
        version = packet[0] >> 4 if packet else 0
        if version == 4 and len(packet) > 28:
            src, dst = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
            payload, ident = packet[(packet[0] & 15) * 4:], self.dice.getrandbits(16)
            pieces = [ipv4(src, dst, packet[9], payload[at:at + size],
                           at // 8 | (0x2000 if at + size < len(payload) else 0), ident)
                      for at in range(0, len(payload), size)]
        elif version == 6 and len(packet) > 48:
            src = socket.inet_ntop(socket.AF_INET6, packet[8:24])
            dst = socket.inet_ntop(socket.AF_INET6, packet[24:40])
            payload, ident = packet[40:], self.dice.getrandbits(32)
            pieces = [ipv6(src, dst, 44, struct.pack("!BBHI", packet[6], 0, at | (at + size < len(payload)),
                                                     ident) + payload[at:at + size])
                      for at in range(0, len(payload), size)]
        else:
            return [packet]
        pieces = pieces[:40] or [packet]
        how = self.dice.randrange(6)
        if how == 0:
            self.dice.shuffle(pieces)
        elif how == 1:
            del pieces[self.dice.randrange(len(pieces))]
        elif how == 2:
            pieces.append(self.dice.choice(pieces))
        return pieces

    def mutate(self, packet):
        """A captured packet, changed or unchanged."""
        if not packet:
            return packet
        packet = bytearray(packet)
        how = self.dice.randrange(6)
        if how == 0:
            return bytes(packet[:self.dice.randrange(len(packet) + 1)])
        if how == 1:
            return bytes(packet) + self.dice.randbytes(self.dice.choice((1, 4, 16, 100)))
        for _ in range((0, 1, 4, 1)[how - 2]):
            at = self.dice.randrange(min(len(packet), 64) if how == 5 else len(packet))
            packet[at] ^= 1 << self.dice.randrange(8)
        if how == 3 and packet[0] >> 4 == 4 and len(packet) >= 20:
            head = bytes(packet[:10]) + b"\0\0" + bytes(packet[12:20])
            packet[10:12] = struct.pack("!H", checksum(head))
        return bytes(packet)
