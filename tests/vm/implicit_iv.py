#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Implicit IVs (RFC 8750), against scapy, which knows the same algorithms with explicit ones.

The nonce is that of RFC 4106, 4309 and 7634 for an IV that equals the sequence number; the
additional data is the same. So inserting that IV into our packet makes a packet with an explicit
IV, and removing it from scapy's packet makes a packet with an implicit one.
"""
import copy
import os
import struct

import ipsec
import lab
from ipsec import ALGORITHMS, Espah, IMPLICIT_IV, SA
from scapy_peer import HEADER, Peer, UDP, association, esp_offset, raw

SIZES = [*range(0, 9), 100, 1300]
IVLEN = 8


class ImplicitPeer(Peer):
    """scapy's side has the algorithm with an explicit IV."""

    def iv(self, seq, esn):
        return struct.pack("!II", esn, seq)

    def esp(self, payload=b"hello", seq=1, esn=0, packet=None):
        algorithm = copy.copy(self.encoder.crypt_algo)
        algorithm.generate_iv = lambda: self.iv(seq, esn)
        self.encoder.crypt_algo = algorithm
        explicit = super().esp(payload, seq, esn, packet)
        start = esp_offset(explicit)
        lab.equal(explicit[start + 8:start + 8 + IVLEN], self.iv(seq, esn), "scapy's IV")
        return self.outer(explicit[start:start + 8] + explicit[start + 8 + IVLEN:])

    def open(self, packet, esn=0):
        start = esp_offset(packet)
        seq, = struct.unpack("!I", packet[start + 4:start + 8])
        body = packet[start:start + 8] + self.iv(seq, esn) + packet[start + 8:]
        header = HEADER[packet[0] >> 4](packet[:start])
        if start == 40:
            header.plen = len(body)
        else:
            header.len, header.chksum = start + len(body), None
        self.decoder.esn = esn
        return super().open(raw(header) + body)


def both_ways(peer, sizes=SIZES):
    for seq, size in enumerate(sizes, 1):
        peer.accepts(seq, os.urandom(size))
    for size in sizes:
        payload = os.urandom(size)
        packet = peer.take(payload)
        start = esp_offset(packet)
        inner = 8 + (peer.mode == "tunnel") * (20 if peer.inner == 4 else 40)
        lab.equal(len(packet) - start, 8 + (inner + size + 2 + 3) // 4 * 4 + peer.out.algorithm.icv,
                  "bytes of ESP: none of an IV")
        header = HEADER[peer.inner](peer.open(packet))
        lab.equal(raw(header[UDP].payload), payload, "payload")


@lab.test("each algorithm of RFC 8750, both ways")
def algorithms():
    for algorithm in IMPLICIT_IV:
        with lab.verdict(f"{algorithm.name}: from scapy, and to scapy"):
            both_ways(ImplicitPeer(algorithm=algorithm))


@lab.test("each family, tunnel mode and transport mode")
def forms():
    for form in (("tunnel", 6, 6), ("tunnel", 4, 6), ("transport", 4, 4), ("transport", 6, 6)):
        with lab.verdict("implicit IV, {}, IPv{} in IPv{}".format(*form)):
            both_ways(ImplicitPeer(*form, IMPLICIT_IV[0]), [0, 1, 100])


@lab.test("with ESN the IV is all 64 bits of the number (RFC 8750 section 4)")
def esn():
    for algorithm in IMPLICIT_IV[0], IMPLICIT_IV[3], IMPLICIT_IV[6]:
        with lab.verdict(f"{algorithm.name} with ESN"):
            peer = ImplicitPeer(algorithm=algorithm, esn=True, seq=(7 << 32) - 3, window=64)
            peer.accepts((1 << 32) - 1, esn=6)
            for low in 2, 1:
                peer.accepts(low, esn=7)
            peer.dropped([peer.esp(seq=3, esn=6), peer.esp(seq=4, esn=0)], {"icv": 2})
            for want in range((7 << 32) - 2, (7 << 32) + 3):
                packet = peer.take()
                lab.equal(struct.unpack("!I", packet[24:28])[0], want & 0xffffffff, "number sent")
                lab.true(b"hello" in peer.open(packet, want >> 32), "scapy finds no payload")


@lab.test("without ESN zeros stand before the number: an IV of random bytes is not understood")
def random_iv():
    peer = ImplicitPeer(algorithm=IMPLICIT_IV[0])
    peer.accepts(1)
    peer.iv = lambda seq, esn: struct.pack("!II", 1, seq)
    peer.dropped([peer.esp(seq=2)], {"icv": 1})
    peer.iv = lambda seq, esn: struct.pack("!II", seq, 0)
    peer.dropped([peer.esp(seq=3)], {"icv": 1})


@lab.test("a flipped bit anywhere, each length, an explicit IV: dropped, and nothing changes")
def forged():
    for algorithm in IMPLICIT_IV[0], IMPLICIT_IV[3], IMPLICIT_IV[6]:
        with lab.verdict(f"{algorithm.name}: forgeries"):
            peer = ImplicitPeer(algorithm=algorithm)
            peer.accepts(1)
            packet = bytearray(peer.esp(b"x" * 9, seq=0x100))
            start, flips = esp_offset(packet), []
            for byte in range(start + 4, len(packet)):
                flips.append(bytearray(packet))
                flips[-1][byte] ^= 1 << byte % 8
            peer.dropped([bytes(flip) for flip in flips], {"icv": len(flips)})
            explicit = association(SA(0x1001, peer.into.src, peer.into.dst, key=peer.into.key,
                                      algorithm=ALGORITHMS[algorithm.name[:-3]]))
            peer.dropped([raw(explicit.encrypt(HEADER[4](raw(peer.plain(b"hello"))), seq_num=2))],
                         {"icv": 1})
            peer.accepts(2)


@lab.test("too short for header and ICV: short; not a multiple of 4: length")
def lengths():
    peer = ImplicitPeer(algorithm=IMPLICIT_IV[0])
    packet = peer.esp(seq=1)
    start = esp_offset(packet)
    want = {}
    for length in range(4, 40):
        reason = "short" if length < 8 + 2 + 16 else "length" if length % 4 else "icv"
        want[reason] = want.get(reason, 0) + 1
    peer.dropped([peer.outer(packet[start:start + length]) for length in range(4, 40)], want)
    peer.accepts(1)


@lab.test("espah algo and explain say that no IV is sent")
def shown():
    listed = {algorithm["name"]: algorithm for algorithm in Espah.json(
        ImplicitPeer(algorithm=IMPLICIT_IV[0]).a, "algo")}
    for algorithm in IMPLICIT_IV:
        lab.equal(listed[algorithm.name]["iv_bytes"], 0, f"IV of {algorithm.name}")
        lab.equal(listed[algorithm.name]["key_bytes"], algorithm.key_len, "key and salt")
    answer = Espah.json(Peer.a, "explain", "out", "10.1.0.1", "10.2.0.1", "udp", "5")
    # outer header, ESP header, ICV, 2 bytes of trailer and up to 3 of padding
    lab.equal(answer["overhead"], 20 + 8 + 16 + 2 + 3, "overhead")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
