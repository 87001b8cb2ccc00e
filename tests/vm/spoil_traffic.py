# SPDX-License-Identifier: GPL-2.0-only
"""Traffic of a world (see chaos.py): datagrams, segments, streams, forged and repeated packets."""
import contextlib
import errno
import socket
import struct

import forge
from place import INNER, MAC, OUTER

UDP_SEGMENT = 103
GROUPS = ("224.0.0.5", "239.1.2.3", "255.255.255.255", "10.1.0.255", "ff02::1", "ff02::5", "ff0e::77")


class Traffic:
    """The part of a world that sends and receives."""

    def stream(self, sock):
        """Makes close() reset a TCP connection; otherwise it keeps its namespace for minutes."""
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.streams.append(sock)
        if len(self.streams) > 12:
            self.streams.pop(0).close()

    def target(self, place, i):
        """A target address, IPv4 (0) or IPv6 (1)."""
        other = self.other(place).title
        kind = self.dice.randrange(12)
        if kind == 0:
            return self.dice.choice([group for group in GROUPS if (":" in group) == bool(i)])
        if kind == 1:
            return (f"fd08:{self.dice.randrange(4)}::{1 + 'abm'.index(other)}" if i else
                    f"10.8.{self.dice.randrange(4)}.{1 + 'abm'.index(other)}")
        if kind == 2:
            return (OUTER, INNER)[self.dice.randrange(2)][place.title][i]
        return (INNER if kind < 8 else OUTER)[other][i]

    def scope(self, address):
        return (address, self.dice.choice(self.ports))

    def datagrams(self):
        place, dice, i = self.place(), self.dice, self.dice.randrange(2)
        sock = place.socket((socket.AF_INET, socket.AF_INET6)[i], socket.SOCK_DGRAM)
        if self.chance(0.1):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, dice.randrange(3))
        if self.chance(0.1):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if self.chance(0.1):
            sock.setsockopt(socket.IPPROTO_IPV6 if i else socket.IPPROTO_IP, 23 if i else 10, dice.randrange(6))
        target = self.target(place, i)
        for _ in range(dice.choice((1, 1, 3, 10, 40))):
            size = dice.choice((0, 1, 40, 500, 1200, 1372, 1400, 1472, 1473, 3000, 9000, 65507))
            self.send(lambda: sock.sendto(bytes(size), self.scope(target)))

    def segments(self):
        """Sends datagrams that the stack must segment."""
        place, dice, i = self.place(), self.dice, self.dice.randrange(2)
        sock = place.socket((socket.AF_INET, socket.AF_INET6)[i], socket.SOCK_DGRAM)
        size, count = dice.choice(((100, 5), (100, 60), (500, 40), (1200, 50), (1300, 7), (1472, 40), (1, 60)))
        control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", size))]
        target = self.scope(self.target(place, i))
        for _ in range(dice.choice((1, 3, 8))):
            self.send(lambda: sock.sendmsg([bytes(size * count - dice.randrange(size))], control, 0, target))

    def send(self, function):
        self.count("sent")
        try:
            function()
        except (BlockingIOError, OSError) as error:
            self.count(f"not sent: {errno.errorcode.get(error.errno, error.errno)}")

    def pings(self):
        place, dice, i = self.place(), self.dice, self.dice.randrange(2)
        family, protocol = ((socket.AF_INET, 1), (socket.AF_INET6, 58))[i]
        sock = place.socket(family, socket.SOCK_RAW, protocol)
        size = dice.choice((0, 8, 56, 1000, 1452, 1473, 5000, 65000))
        message = struct.pack("!BBHHH", 128 if i else 8, 0, 0, 7, dice.randrange(9)) + bytes(size)
        message = message[:2] + struct.pack("!H", forge.checksum(message)) + message[4:]
        self.send(lambda: sock.sendto(message, (self.target(place, i), 0)))

    def connect(self):
        place, i = self.place(), self.dice.randrange(2)
        with place:
            sock = socket.socket((socket.AF_INET, socket.AF_INET6)[i])
        self.stream(sock)
        if self.chance(0.2):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        self.send(lambda: sock.connect_ex((self.target(place, i), self.ports[0])))

    def forged(self):
        """Sends forged packets: from the wire, or by a raw socket of the host itself."""
        place, i = self.place(), self.dice.randrange(2)
        other, table = self.other(place), self.dice.choice((OUTER, OUTER, INNER))
        for _ in range(self.dice.choice((1, 4, 16))):
            packet = self.forger.packet(table[place.title][i], table[other.title][i])
            pieces = self.forger.fragments(packet) if self.chance(0.15) else [packet]
            for piece in pieces:
                if self.chance(0.3):
                    self.raw(place, piece)
                else:
                    self.inject(place, piece)

    def raw(self, place, packet):
        if packet[:1] and packet[0] >> 4 == 4 and len(packet) >= 20:
            sock = place.socket(socket.AF_INET, socket.SOCK_RAW, 255)
            self.send(lambda: sock.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0)))
        elif len(packet) >= 40:
            sock = place.socket(socket.AF_INET6, socket.SOCK_RAW, 255)
            self.send(lambda: sock.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0)))

    def inject(self, place, packet):
        """Sends a frame to the host at the other end of the wire."""
        if place == self.sealed:
            place = self.places["b"]
        device = self.dice.choice(place.devices)
        if place.device and self.chance(0.9):
            device = place.device
        sock = place.socket(socket.AF_PACKET, socket.SOCK_RAW)
        kind = 0x86dd if packet[:1] and packet[0] >> 4 == 6 else 0x0800
        head = b""
        if self.chance(0.1):
            head = self.dice.choice((struct.pack("!HH", 0x8100, 5), struct.pack("!HH", 0x8100, 0),
                                     struct.pack("!HBBHHH", 0x8864, 0x11, 0, 5, len(packet) + 2,
                                                 0x57 if kind == 0x86dd else 0x21),
                                     struct.pack("!HI", 0x8847, self.dice.choice((100, 101, 200)) << 12 | 0x1ff)))
            if head[:2] != b"\x81\0":
                kind = None
        tail = (b"" if kind is None else struct.pack("!H", kind)) + packet
        target = self.dice.choice(self.macs(place))
        self.send(lambda: sock.sendto(target + b"\2\0\0\0\0\x99" + head + tail, (device, 0)))

    def macs(self, place):
        """Possible link-layer addresses of receivers of this place's frames."""
        return [bytes.fromhex((MAC % (ord(title) + 16 * n)).replace(":", ""))
                for title in "abm" if title != place.title for n in (1, 2)] + [b"\xff" * 6]

    def capture(self):
        """Repeats packets of the wire, changed or unchanged."""
        place = self.place()
        if not place.device:
            return
        if len(place.taps) < 3:
            with place:
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.setblocking(False)
            self.send(lambda: sock.bind((place.device, 3)))
            place.taps.append(sock)
        for sock in place.taps:
            with contextlib.suppress(OSError):
                for _ in range(8):
                    frame = sock.recv(1 << 16)
                    if len(frame) > 34 and frame[12:14] in (b"\x08\0", b"\x86\xdd"):
                        self.seen.append((place.title, frame[:14], frame[14:]))
        del self.seen[:-64]
        for _ in range(self.dice.choice((1, 5, 20))):
            if not self.seen:
                return
            title, head, packet = self.dice.choice(self.seen)
            packet = self.forger.mutate(packet)
            pieces = self.forger.fragments(packet) if self.chance(0.1) else [packet]
            place = self.places[title]
            for other in (self.places.values() if self.chance(0.2) else (self.other(place),)):
                sock = other.socket(socket.AF_PACKET, socket.SOCK_RAW)
                for piece in pieces:
                    if other.device and other != self.sealed:
                        self.send(lambda: sock.sendto(head + piece, (other.device, 0)))

    def pump(self):
        """Reads, answers or leaves packets that wait in sockets and queues."""
        for place in self.places.values():
            for sock in list(place.listeners):
                with contextlib.suppress(OSError):
                    if sock.type == socket.SOCK_STREAM:
                        self.stream(sock.accept()[0])
                        self.count("connections")
                        continue
                    for _ in range(40):
                        data, sender = sock.recvfrom(1 << 16)
                        self.count("received")
                        if self.chance(0.2) and len(data) < 2000:
                            sock.sendto(data, sender)
            for sock in place.sockets.values():
                with contextlib.suppress(OSError):
                    for _ in range(40):
                        sock.recv(1 << 16)
            for queue in place.queues:
                with contextlib.suppress(OSError):
                    queue.pump()
        for sock in self.streams:
            with contextlib.suppress(OSError):
                self.count("stream bytes", sock.send(bytes(60000)))
            with contextlib.suppress(OSError):
                sock.recv(1 << 18)
