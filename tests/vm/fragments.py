# SPDX-License-Identifier: GPL-2.0-only
"""Fragments inside and outside of SAs (RFC 4301 section 7), against scapy as a peer."""
import os
import socket
import struct

import ipsec
import lab
import scapy_peer
import traffic
from ipsec import Espah
from scapy_peer import HERE, INSIDE, OUTSIDE, THERE, HEADER, Peer
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, fragment6
from scapy.packet import Raw, raw

IP_NODEFRAG = 22
DATA = bytes(range(256)) * 8


def datagram(peer, payload=DATA, port=7000):
    """A datagram of the peer as bytes, with all checksums."""
    return HEADER[peer.inner](raw(peer.plain(payload, port)))


def pieces(packet, ident=7):
    """Two or three fragments of it."""
    if packet.version == 4:
        packet = packet.copy()
        packet.id = ident
        return [IP(raw(piece)) for piece in fragment(packet, 1024)]
    head = IPv6(src=packet.src, dst=packet.dst) / IPv6ExtHdrFragment(id=ident) / packet.payload
    return [IPv6(raw(piece)) for piece in fragment6(head, 1280)]


class Drops:
    """Packets dropped since the creation of this object."""

    def __init__(self):
        self.before = Espah.drops(Peer.a)

    def __call__(self):
        now = Espah.drops(Peer.a)
        return {name: count - self.before.get(name, 0) for name, count in now.items()
                if count != self.before.get(name, 0)}

    def become(self, **want):
        """Waits until exactly these drops are counted."""
        try:
            lab.wait_for(lambda: sum(self().values()) >= sum(want.values()), "drops")
        except lab.Failed:
            pass
        lab.equal(self(), want, "drops")


class Sequence:
    """Sequence numbers of one peer."""

    def __init__(self, peer):
        self.peer, self.seq = peer, 0

    def send(self, packets):
        for packet in packets:
            self.seq += 1
            self.peer.send(self.peer.esp(packet=packet, seq=self.seq))


def batch(*lines):
    Espah.batch(Peer.a, lines)


for inner in 4, 6:
    @lab.test(f"IPv{inner} fragments come by a tunnel SA with ANY ports, in any order, and are "
              "reassembled (RFC 4301 7.1)", inner)
    def carried(family):
        peer = Peer(inner=family)
        drops = Drops()
        sequence = Sequence(peer)
        for order in (1, -1):
            payload = os.urandom(2000)
            parts = pieces(datagram(peer, payload), ident=order + 10)
            lab.true(len(parts) > 1, "nothing to reassemble")
            sequence.send(parts[::order])
            peer.received(payload)
        drops.become()

    @lab.test(f"IPv{inner} fragments are dropped where a policy with ports that may be meant "
              "comes first, and only there (RFC 4301 7)", inner)
    def hidden(family):
        peer = Peer(inner=family)
        drops = Drops()
        sequence = Sequence(peer)
        payload = os.urandom(2000)
        parts = pieces(datagram(peer, payload))
        bits = 32 if family == 4 else 128
        other = "10.9.0.0/16" if family == 4 else "fd09::/16"
        # none of these can match: other addresses, another protocol, or a later policy
        batch(f"policy add in {other} {peer.here} udp dport 9 priority 5 discard",
              f"policy add in {peer.there} {peer.here} tcp dport 9 priority 5 discard",
              f"policy add in {peer.there} {peer.here} udp dport 9 priority 2000 discard",
              f"policy add out {peer.there} {peer.here} udp dport 9 priority 5 discard")
        sequence.send(parts)
        peer.received(payload)
        batch(f"policy add in {peer.there}/{bits} {peer.here} udp dport 9 priority 5 discard")
        drops.become()
        sequence.send(pieces(datagram(peer, payload), ident=8)[1:])
        drops.become(opaque_in=len(parts) - 1)
        answer = Espah.json(Peer.a, "explain", "in", peer.there, peer.here, "udp", "fragment")
        lab.equal((answer["drop"], answer["policy"]["priority"]), ("opaque_in", 5), "explained")

    @lab.test(f"IPv{inner}: an OPAQUE policy takes the fragments other than the first, a policy "
              "with ports the first, by an SA each (RFC 4301 7.2)", inner)
    def separate(family):
        peer = Peer(inner=family)
        drops = Drops()
        peer2 = ipsec.SA(0x1002, peer.into.src, peer.into.dst, "tunnel", peer.into.algorithm,
                         reqid=8)
        batch("policy flush in", Espah.sa_line("in", peer2),
              *(f"policy add in {peer.there} {peer.here} udp {match} priority {priority} protect "
                f"esp tunnel {peer.into.src} {peer.into.dst} reqid {reqid}"
                for match, priority, reqid in (("opaque", 1, 8), ("dport 7000", 2, 7))))
        encoder = scapy_peer.association(peer2)
        payload = os.urandom(2000)
        parts = pieces(datagram(peer, payload))
        peer.send(peer.esp(packet=parts[0], seq=1))
        for number, part in enumerate(parts[1:]):
            peer.send(raw(encoder.encrypt(HEADER[family](raw(part)), seq_num=number + 1)))
        peer.received(payload)
        drops.become()
        # and not the other way round
        peer.send(raw(encoder.encrypt(HEADER[family](raw(parts[0])), seq_num=10)))
        peer.send(peer.esp(packet=parts[1], seq=2))
        drops.become(policy=2)

    @lab.test(f"an IPv{inner} fragment in clear is not mixed with those of an SA", inner)
    def mixed(family):
        peer = Peer(inner=family)
        drops = Drops()
        sequence = Sequence(peer)
        for first in (True, False):
            payload = os.urandom(2000)
            parts = pieces(datagram(peer, payload), ident=20 + first)
            evil = pieces(datagram(peer, bytes(2000)), ident=20 + first)
            if first:  # it arrives before its place in the queue is taken
                peer.send(*(raw(part) for part in evil[1:]))
                sequence.send(parts[:1])
            else:
                sequence.send(parts[:1])
                peer.send(*(raw(part) for part in evil[1:]))
            # a stack that accepts cleartext fragments as the rest would deliver now
            peer.send(*(raw(part) for part in evil[1:]))
            sequence.send([])
            with traffic.udp(Peer.a, peer.here, 7009) as probe:
                plain = os.urandom(10)
                sequence.send([datagram(peer, plain, 7009)])
                lab.equal(probe.recv(100), plain, "probe")
            lab.true(traffic.silent(Peer.socket), "authenticated and plain fragments were mixed")
            sequence.send(parts[1:])
            peer.received(payload)

    @lab.test(f"fragments of an ESP packet are reassembled before it is decrypted (IPv{inner} "
              "outside; RFC 4303 3.4.1)", inner)
    def outer(family):
        peer = Peer(inner=4, outer=family)
        drops = Drops()
        payload = os.urandom(2000)
        packet = HEADER[family](peer.esp(payload))
        peer.send(*(raw(part) for part in pieces(packet)))
        peer.received(payload)
        drops.become()


@lab.test("an IPv6 fragment whose protocol is behind extension headers is dropped where a policy "
          "names a protocol (RFC 4301 4.4.1.1, OPAQUE)")
def unknown_protocol():
    peer = Peer(inner=6)
    drops = Drops()
    sequence = Sequence(peer)

    def part():
        return IPv6(src=peer.there, dst=peer.here) / IPv6ExtHdrFragment(
            nh=60, offset=100, m=0, id=sequence.seq) / Raw(bytes(16))
    sequence.send([part()])
    lab.wait_for(lambda: Peer.counted() == 1, "the SA to count it")
    drops.become()
    batch(f"policy add in {peer.there} {peer.here} tcp priority 5 discard")
    sequence.send([part()])
    drops.become(opaque_in=1)


def counted():
    return next(sa for sa in Espah.sas(Peer.a) if sa["dir"] == "in")["packets"]


Peer.counted = staticmethod(counted)


def raw_fragment(peer, offset, more, data):
    """Sends a fragment that is not reassembled on the way out."""
    with Peer.a:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with sock:
        sock.setsockopt(socket.SOL_IP, IP_NODEFRAG, 1)
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 77,
                             offset // 8 | more << 13, 64, 17, 0,
                             socket.inet_aton(peer.here), socket.inet_aton(peer.there))
        sock.sendto(header + data, (peer.there, 0))


@lab.test("a fragment that leaves meets ANY and OPAQUE as one that comes does (RFC 4301 7)")
def leaving():
    peer = Peer()
    drops = Drops()
    Peer.wire.frames()
    raw_fragment(peer, 800, 0, bytes(range(64)))
    packet = IP(peer.wire.next(50))
    inner = peer.decoder.decrypt(packet)
    lab.equal((inner.frag, inner.flags.MF, raw(inner.payload)), (100, False, bytes(range(64))),
              "the fragment inside")
    batch(f"policy add out {peer.here} {peer.there} udp dport 9 priority 5 bypass")
    raw_fragment(peer, 800, 0, bytes(64))
    drops.become(opaque_out=1)
    batch(f"policy add out {peer.here} {peer.there} udp opaque priority 4 discard")
    raw_fragment(peer, 800, 0, bytes(64))
    drops.become(opaque_out=1, discard_out=1)
    # the first fragment has its ports: 0 and 0
    raw_fragment(peer, 0, 1, bytes(64))
    inner = peer.decoder.decrypt(IP(peer.wire.next(50)))
    lab.equal((inner.frag, bool(inner.flags.MF)), (0, True), "the first fragment")
    lab.equal([packet for packet in peer.wire.packets(17)], [], "datagrams in clear")


@lab.test("transport mode takes no fragments (RFC 4303 3.3.4)")
def transport():
    peer = Peer(mode="transport")
    drops = Drops()
    Peer.wire.frames()
    raw_fragment(peer, 800, 0, bytes(64))
    raw_fragment(peer, 0, 1, bytes(64))
    drops.become(fragment_out=2)
    lab.equal(peer.wire.packets(17) + peer.wire.packets(50), [], "packets on the wire")


if __name__ == "__main__":
    lab.main()
