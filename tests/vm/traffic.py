# SPDX-License-Identifier: GPL-2.0-only
"""Sockets in namespaces: datagrams, pings, TCP transfers, and captures of a wire."""
import ctypes
import hashlib
import select
import socket
import struct
import threading
import time

import lab
import peer

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86dd
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
PACKET_OUTGOING = 4
PACKET_IGNORE_OUTGOING = 23
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_DO, IP_PMTUDISC_PROBE = 10, 0, 2, 3
IPV6_MTU_DISCOVER = 23
UDP_SEGMENT = 103  # makes GSO packets of equal datagrams


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp(ns, address, port=0):
    """A datagram socket of a namespace, bound."""
    sock = ns.socket(family_of(address), socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.bind((address, port))
    sock.settimeout(lab.TIMEOUT)
    return sock


def deliver(sender, receiver, payloads, window=16):
    """Sends datagrams from one socket to the other; each must arrive, once and unchanged.

    Not necessarily in order: the scheduler may move us to another processor in between.
    """
    target = receiver.getsockname()[:2]
    for first in range(0, len(payloads), window):
        batch = payloads[first:first + window]
        for payload in batch:
            sender.sendto(payload, target)
        missing = list(batch)
        while missing:
            try:
                got = receiver.recv(65536)
            except TimeoutError:
                raise lab.Failed("datagrams did not arrive, of bytes: "
                                 f"{[len(payload) for payload in missing]}") from None
            lab.true(got in missing, f"a datagram of {len(got)} bytes arrived that was not sent")
            missing.remove(got)


def silent(sock):
    """Whether no packet waits in a socket."""
    return not select.select([sock], [], [], 0)[0]


def drain(sock):
    """All packets that wait in a socket."""
    got = []
    while not silent(sock):
        got.append(sock.recv(65536))
    return got


class Closing:
    """An object that is closed at the end of a `with' statement."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- ICMP echo ----------------------------------------------------------------------------

@peer.there
def ping(ns, source, target, size=56, count=1):
    """Echo requests, one after the other; each must be answered with equal data."""
    six = ":" in target
    with ns:
        sock = socket.socket(family_of(target), socket.SOCK_DGRAM,
                             socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    with sock:
        sock.bind((source, 0))
        sock.settimeout(lab.TIMEOUT)
        for number in range(1, count + 1):
            data = bytes((number + i) & 255 for i in range(size))
            sock.sendto(struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, number) + data,
                        (target, 0))
            try:
                got = sock.recv(65536)
            except TimeoutError:
                raise lab.Failed(f"no echo reply from {target} ({size} bytes)") from None
            lab.equal(got[0], 129 if six else 0, "ICMP type")
            lab.equal(got[8:], data, "data of the echo reply")


# --- TCP ------------------------------------------------------------------------------------

class Transfer(Closing):
    """A TCP connection whose bytes are hashed at both ends."""

    def __init__(self, client_ns, client, server_ns, server, port):
        listener = server_ns.socket(family_of(server))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((server, port))
        listener.listen()
        listener.settimeout(lab.TIMEOUT)
        self.client = client_ns.socket(family_of(client))
        self.client.settimeout(lab.TIMEOUT)
        self.client.bind((client, 0))
        try:
            self.client.connect((server, port))
            self.server = listener.accept()[0]
        except TimeoutError:
            raise lab.Failed(f"no TCP connection from {client} to {server}") from None
        finally:
            listener.close()
        self.server.settimeout(lab.TIMEOUT)

    def move(self, data, backward=False):
        """Carries data from client to server or backward; it must arrive unchanged."""
        source, sink = (self.server, self.client) if backward else (self.client, self.server)
        failure = []

        def feed():
            try:
                source.sendall(data)
            except OSError as error:
                failure.append(error)
        thread = threading.Thread(target=feed)
        thread.start()
        digest, left = hashlib.sha1(), len(data)
        try:
            while left:
                part = sink.recv(min(left, 1 << 18))
                lab.true(part, f"the connection ended {left} bytes early")
                digest.update(part)
                left -= len(part)
        except TimeoutError:
            raise lab.Failed(f"the transfer stalled with {left} of {len(data)} bytes "
                             "missing") from None
        finally:
            thread.join()
        lab.true(not failure, f"sending failed: {failure}")
        lab.equal(digest.hexdigest(), hashlib.sha1(data).hexdigest(), "SHA-1 of what arrived")

    def rate(self, seconds, backward=False):
        """Bytes that arrive during the given seconds of continuous sending."""
        source, sink = (self.server, self.client) if backward else (self.client, self.server)
        stop = time.monotonic() + seconds
        block = bytes(1 << 17)

        def feed():
            source.settimeout(0.5)
            while time.monotonic() < stop:
                try:
                    source.send(block)
                except TimeoutError:
                    pass
        thread = threading.Thread(target=feed)
        thread.start()
        total = 0
        sink.settimeout(0.2)
        while time.monotonic() < stop:
            try:
                total += len(sink.recv(1 << 18))
            except TimeoutError:
                pass
        thread.join()
        return total

    def close(self):
        self.client.close()
        self.server.close()


# --- the wire ---------------------------------------------------------------------------------

def bpf(instructions):
    """A classic BPF program as the socket option wants it; the buffer must outlive the call."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code)
    return struct.pack("HL", len(instructions), ctypes.addressof(buffer)), buffer


# All but ESP, AH, neighbour discovery, MLD and ARP: ldh [12]; IPv4: ldb [23]; IPv6: ldb [20],
# and the ICMPv6 type at [54]. An IPv4 fragment of ESP has protocol 50 as well.
CLEARTEXT = [
    (0x28, 0, 0, 12), (0x15, 0, 3, ETH_P_IP), (0x30, 0, 0, 23), (0x15, 14, 0, 50),
    (0x15, 13, 12, 51), (0x15, 0, 12, ETH_P_IPV6), (0x30, 0, 0, 20), (0x15, 10, 0, 50),
    (0x15, 9, 0, 51), (0x15, 8, 0, 44), (0x15, 7, 0, 0), (0x15, 0, 5, 58), (0x30, 0, 0, 54),
    (0x35, 0, 3, 128), (0x15, 2, 0, 128), (0x15, 1, 0, 129), (0x35, 1, 0, 133),
    (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]
# Only packets that the device sends: a packet socket also sees each decapsulated packet again,
# in clear, on the device that received it
OUTGOING = [(0x20, 0, 0, 0xfffff004), (0x15, 1, 0, PACKET_OUTGOING), (0x06, 0, 0, 0)]


class PacketSocket(Closing):
    """A packet socket on a device, for all packets or those that pass a filter."""

    def __init__(self, ns, device, kind, instructions=None, buffer=64 << 20):
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, kind, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
        if instructions:
            program, self.buffer = bpf(instructions)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        with ns:
            self.sock.bind((device, ETH_P_ALL))
        self.sock.settimeout(lab.TIMEOUT)

    def close(self):
        self.sock.close()


class Wire(PacketSocket):
    """Frames of a device; cleartext: only unprotected frames that the device sends."""

    def __init__(self, ns, device, cleartext=False, outgoing=False, buffer=64 << 20):
        instructions = OUTGOING + (CLEARTEXT if cleartext else [(0x06, 0, 0, 0x40000)])
        super().__init__(ns, device, socket.SOCK_RAW,
                         instructions if outgoing or cleartext else None, buffer)

    def frames(self):
        return drain(self.sock)

    def packets(self, protocol=None):
        """IP packets without their Ethernet header, of one upper protocol if given."""
        return [frame[14:] for frame in self.frames()
                if protocol is None or protocol_of(frame[14:]) == protocol]

    def next(self, protocol=None):
        """The next packet (of a protocol)."""
        while True:
            try:
                packet = self.sock.recv(65536)[14:]
            except TimeoutError:
                raise lab.Failed("no packet on the wire") from None
            if protocol is None or protocol_of(packet) == protocol:
                return packet


class Tap(PacketSocket):
    """A packet socket on a device of kind espah-tap: packets as the kernel delivers them."""

    def __init__(self, ns, device="espah0"):
        super().__init__(ns, device, socket.SOCK_DGRAM)

    def next(self):
        """(packet, packet type, SPI, low 16 bits of the sequence number)"""
        try:
            packet, (_, protocol, kind, _, address) = self.sock.recvfrom(65536)
        except TimeoutError:
            raise lab.Failed("nothing was shown") from None
        lab.equal(protocol, 0x0800 if packet[0] >> 4 == 4 else 0x86dd, "protocol")
        lab.equal(len(address), 6, "bytes of the link-layer address")
        return packet, kind, *struct.unpack("!IH", address)

    def silent(self):
        return silent(self.sock)


def add_tap(ns, name="espah0"):
    ns.ip(f"link add {name} up type espah-tap\n")


def protocol_of(packet):
    return packet[9] if packet[0] >> 4 == 4 else packet[6]


class Injector:
    """Puts packets on a device as if a neighbour had sent them."""

    def __init__(self, ns, device, peer_ns, peer_device):
        with peer_ns:
            target = mac(peer_device)
        with ns:
            source = mac(device)
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind((device, 0))
        self.header = target + source

    def send(self, packet):
        kind = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6
        self.sock.send(self.header + struct.pack("!H", kind) + packet)


def mac(device):
    """The device's address in the namespace of the caller."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((device, 0))
        return sock.getsockname()[4]
