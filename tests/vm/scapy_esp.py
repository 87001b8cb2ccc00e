# SPDX-License-Identifier: GPL-2.0-only
"""ESP packet by packet (RFC 4303), against scapy's IPsec layer."""
import os
import struct
import time

import ipsec
import lab
import traffic
from ipsec import ALGORITHMS, GCM, Espah
from scapy_peer import (HEADER, IP, UDP, Peer, Raw, association, esp_offset, raw, scapy_names,
                        with_length)

SIZES = [*range(0, 17), 100, 1000]
FORMS = [("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 4, 6), ("tunnel", 6, 4),
         ("transport", 4, 4), ("transport", 6, 6)]


# --- each side accepts the packets of the other side ----------------------------------------

def both_ways(peer, sizes):
    for seq, size in enumerate(sizes, 1):
        peer.accepts(seq, os.urandom(size))
    for seq, size in enumerate(sizes, 1):
        payload = os.urandom(size)
        packet = peer.take(payload)
        start = esp_offset(packet)
        spi, number = struct.unpack("!II", packet[start:start + 8])
        lab.equal(spi, 0x2001, "SPI")
        lab.equal(number, seq, "sequence number (RFC 4303 3.3.3: the first is 1)")
        inner = peer.open(packet)
        header = HEADER[peer.inner](inner)
        lab.equal((header.src, header.dst), (peer.here, peer.there), "inner addresses")
        lab.equal(raw(header[UDP].payload), payload, "payload")
        lab.equal((header[UDP].sport, header[UDP].dport), (7000, 7001), "ports")
        # scapy recomputes the packet from its fields: the bytes must be equal
        again = HEADER[peer.inner](inner)
        del again[UDP].chksum
        if peer.inner == 4:
            del again.chksum
        lab.equal(raw(again), inner, "inner packet with its checksums")


@lab.test("each algorithm that scapy knows, both ways")
def algorithms():
    for algorithm in ALGORITHMS.values():
        # other tests run all algorithms with XFRM; scapy is slow, so skip some key sizes and pairs
        alone = algorithm.aead or algorithm.enc_key in (0, 32) and "ctr" not in algorithm.name
        if alone and algorithm.enc_key != 24 or algorithm.name in ("aes128-sha1", "aes128ctr-sha1"):
            with lab.verdict(f"{algorithm.name}: from scapy, and to scapy"):
                if not scapy_names(algorithm):
                    raise lab.Skipped("scapy does not know it")
                peer = Peer(algorithm=algorithm)
                both_ways(peer, [0, 1, 7, 10, 1000])
            if not scapy_names(algorithm):
                continue
            with lab.verdict(f"{algorithm.name}: a forged ICV is refused"):
                good = bytearray(peer.esp(seq=9))
                for byte in -algorithm.icv, -1:  # the ICV is not truncated
                    forged = bytearray(good)
                    forged[byte] ^= 1
                    peer.dropped([bytes(forged)], {"icv": 1})
                peer.send(bytes(good))
                peer.received()


@lab.test("each mode and family, both ways (RFC 4303 3.1)")
def forms():
    for mode, inner, outer in FORMS:
        with lab.verdict(f"{mode}, IPv{inner} in IPv{outer}, {len(SIZES)} sizes"):
            both_ways(Peer(mode, inner, outer, ALGORITHMS["aes256-sha256"]), SIZES)


@lab.test("ESN: the upper half is authenticated, not sent (RFC 4303 2.2.1)")
def esn():
    peer = Peer(esn=True, seq=(1 << 32) - 4, window=64)
    peer.accepts((1 << 32) - 1)
    for low in 2, 1, 3:
        peer.accepts(low, esn=1)
    lab.equal(peer.state()["seq"], (1 << 32) + 3, "highest number accepted")
    peer.dropped([peer.esp(seq=4, esn=0), peer.esp(seq=5, esn=2)], {"icv": 2})
    peer.accepts((1 << 32) - 3, esn=0)  # within the window, before the edge
    for want in range((1 << 32) - 3, (1 << 32) + 2):
        packet = peer.take()
        lab.equal(struct.unpack("!I", packet[24:28])[0], want & 0xffffffff, "number sent")
        peer.decoder.esn = want >> 32
        peer.decoder.esn_en = True
        lab.true(b"hello" in peer.open(packet), "scapy does not find the payload")


@lab.test("ESN: after a loss of 2^33 packets the numbers are found again (RFC 4303 A3)")
def esn_lost():
    peer = Peer(esn=True, window=64)
    peer.accepts(1)
    peer.dropped([peer.esp(seq=number, esn=2) for number in range(2, 72)], {"icv": 70})
    time.sleep(6)
    for number in range(100, 3000):  # one in 64 is tried with the right number
        peer.send(peer.esp(seq=number, esn=2))
        if not number % 20 and peer.state()["seq"] >> 32:
            break
    lab.wait_for(lambda: peer.state()["seq"] == (2 << 32) + number, "the last number")
    lab.true(traffic.drain(peer.socket), "nothing of it was delivered")
    peer.accepts(number + 1, esn=2)
    lab.equal(peer.state()["seq"], (2 << 32) + number + 1, "highest number accepted")
    peer.dropped([peer.esp(seq=number + 2, esn=1)], {"icv": 1})


@lab.test("ESN: forged packets are refused all the same, and do not disturb authentic ones")
def esn_forged():
    peer = Peer(esn=True, window=64)
    peer.accepts(1)

    def forged(numbers):
        return [packet[:-1] + bytes([packet[-1] ^ 1])
                for packet in (peer.esp(seq=number, esn=1) for number in numbers)]
    peer.dropped(forged(range(2, 72)), {"icv": 70})
    peer.accepts(2, esn=0)
    time.sleep(6)
    peer.dropped(forged(range(3, 7)), {"icv": 4})
    # a packet that is taken for a later one is lost; after the first that is not, all is as before
    peer.send(*(peer.esp(seq=number, esn=0) for number in range(3, 13)))
    lab.wait_for(lambda: peer.state()["seq"] == 12, "the last number")
    lab.true(peer.state()["packets"] >= 12 - 4, f"accepted: {peer.state()['packets']} of 12")


@lab.test("IVs of one SA never repeat; CBC's cannot be foretold (RFC 3602 3, RFC 4106 3.1)")
def ivs():
    for name in "aes128gcm16", "aes128-sha256", "aes128ctr-sha256", "chacha20poly1305":
        peer = Peer(algorithm=ALGORITHMS[name])
        seen = [peer.take()[28:28 + ALGORITHMS[name].iv] for _ in range(20)]
        lab.equal(len(set(seen)), 20, f"distinct IVs of {name}")
        if name == "aes128-sha256":
            steps = {int.from_bytes(y, "big") - int.from_bytes(x, "big")
                     for x, y in zip(seen, seen[1:])}
            lab.equal(len(steps), 19, "distinct steps between IVs")


@lab.test("padding is 1, 2, 3 ... and aligns next header (RFC 4303 2.4)")
def padding():
    peer = Peer(algorithm=ALGORITHMS["null-sha1"])
    for size in range(20):
        body = peer.take(bytes(size))[28:-12]  # after the ESP header, before the ICV
        padlen, next_header = body[-2:]
        lab.equal(next_header, 4, "next header")
        lab.equal(len(body) % 4, 0, "alignment")
        lab.true(padlen < 4, f"{padlen} bytes of padding, for an alignment of 4")
        lab.equal(body[-2 - padlen:-2], bytes(range(1, padlen + 1)), "padding")


# --- forged packets change nothing -------------------------------------------------------------

@lab.test("a flipped bit in any field: dropped as icv, and SA, window and counters stay", GCM)
@lab.test("the same with CBC and HMAC", ALGORITHMS["aes128-sha256"])
def flipped(algorithm):
    peer = Peer(algorithm=algorithm)
    peer.accepts(1)
    packet = bytearray(peer.esp(b"x" * 20, seq=0x00100000))
    forged = []
    start = esp_offset(packet)
    bits = [8 * (start + 4) + bit for bit in range(32) if bit != 11]  # a higher number each
    bits += [8 * byte + (byte % 8) for byte in range(start + 8, len(packet))]
    for bit in bits:
        copy = bytearray(packet)
        copy[bit // 8] ^= 0x80 >> bit % 8
        forged.append(bytes(copy))
    peer.dropped(forged, {"icv": len(forged)})
    lab.equal(peer.drops_of_sa().get("icv"), len(forged), "drops counted at the SA")
    peer.accepts(2)
    peer.accepts(0x00100000)


@lab.test("a wrong SPI: no_spi; SPI 0 and others below 256: reserved_spi (RFC 4303 2.1)")
def wrong_spi():
    peer = Peer()
    packet = peer.esp(seq=1)
    start = esp_offset(packet)

    def with_spi(spi):
        return packet[:start] + struct.pack("!I", spi) + packet[start + 4:]
    wrong = [with_spi(0x1001 ^ 1 << bit) for bit in range(32)
             if 0x1001 ^ 1 << bit >= 256] + [with_spi(0x2001), with_spi(0xffffffff)]
    peer.dropped(wrong, {"no_spi": len(wrong)})
    peer.dropped([with_spi(spi) for spi in (0, 1, 255)], {"reserved_spi": 3})
    peer.send(packet)
    peer.received()


@lab.test("the moment an SA is deleted, its packets are no_spi; one in its place has its own key, window and counters")
def deleted():
    peer = Peer()
    for seq in 1, 2, 3:  # so that it is the SA that was found last
        peer.accepts(seq)
    after = [peer.esp(seq=seq) for seq in (4, 5)]
    before = Espah.drops(peer.a)
    Espah.batch(peer.a, [f"sa del in spi {peer.into.spi:#x} dst {peer.into.dst}"])
    peer.send(*after)
    lab.wait_for(lambda: Espah.drops(peer.a).get("no_spi", 0) == before.get("no_spi", 0) + 2, "drops as no_spi")
    peer.into.key = os.urandom(len(peer.into.key))
    Espah.batch(peer.a, [Espah.sa_line("in", peer.into)])
    lab.equal(peer.state(), {"seq": 0, "packets": 0, "bytes": 0}, "state of a new SA")
    peer.dropped(after, {"icv": 2})
    peer.encoder = association(peer.into)
    peer.accepts(1)


@lab.test("truncated at each length: short, length or icv", GCM)
@lab.test("the same with CBC and HMAC", ALGORITHMS["aes128-sha256"])
@lab.test("the same with null encryption", ALGORITHMS["null-sha512"])
def truncated(algorithm):
    peer = Peer(algorithm=algorithm)
    packet = peer.esp(b"y" * 20, seq=5)
    whole = len(packet) - esp_offset(packet)
    fixed = 8 + algorithm.iv + algorithm.icv
    want, forged = {}, []
    for length in range(whole):
        reason = ("short" if length < fixed + 2 else
                  "length" if (length - fixed) % algorithm.block else "icv")
        want[reason] = want.get(reason, 0) + 1
        forged.append(with_length(packet, length))
    peer.dropped(forged, want)
    peer.accepts(5)


@lab.test("replayed: dropped as replay; left of the window: too_old (RFC 4303 3.4.3)", 64)
@lab.test("the same with a window of 32", 32)
@lab.test("the same with a window of 4096", 4096)
@lab.test("the same with a window of 1000, no power of two", 1000)
def replayed(window):
    peer = Peer(window=window)
    top = 10000
    packets = [peer.esp(seq=1), peer.esp(seq=top)]
    for packet in packets:
        peer.send(packet)
        peer.received()
    peer.dropped([packets[1]] * 3, {"replay": 3})
    peer.dropped([packets[0], peer.esp(seq=top - window)], {"too_old": 2})
    peer.accepts(top - window + 1)
    peer.dropped([peer.esp(seq=top - window + 1)], {"replay": 1})
    peer.dropped([peer.esp(seq=0xffff0000)[:-1] + b"\0"], {"icv": 1})  # a forged jump ahead
    peer.accepts(top - window + 2)
    peer.accepts(top + 1)
    peer.dropped([peer.esp(seq=top - window + 1)], {"too_old": 1})


@lab.test("sequence number 0 is never accepted without ESN (RFC 4303 3.3.3)")
def zero():
    peer = Peer(window=64)
    packet = peer.esp(seq=1)
    forged = packet[:24] + bytes(4) + packet[28:]
    before = sum(Espah.drops(peer.a).values())
    peer.send(forged)
    lab.wait_for(lambda: sum(Espah.drops(peer.a).values()) == before + 1, "a drop")
    lab.true(traffic.silent(peer.socket), "it was delivered")
    peer.accepts(1)


# --- authentic packets that are wrong ----------------------------------------------------------

@lab.test("wrong padding bytes and pad lengths that overrun: padding (RFC 4303 2.4, 3.4.4.1)")
def bad_padding():
    peer = Peer(algorithm=ALGORITHMS["null-sha256"])
    inner = raw(peer.plain(b"abc"))   # 31 bytes
    forged = [peer.forge(inner, 1, 4, padding=bytes([1, 2, 4])),
              peer.forge(inner, 2, 4, padding=bytes(3)),
              peer.forge(inner, 3, 4, padding=bytes([1, 2, 3, 4, 5, 6, 0])),
              peer.forge(inner, 4, 4, padlen=250)]
    peer.dropped(forged, {"padding": 4}, moved=True)
    peer.send(peer.forge(inner, 5, 4, padding=bytes(range(1, 252))))  # the maximum
    peer.received(b"abc")


@lab.test("padding of any length is accepted (RFC 4303 2.4, RFC 7634 3)")
def any_padding():
    for name in "chacha20poly1305", "aes128-sha256":
        peer = Peer(algorithm=ALGORITHMS[name])
        for length in (*range(0, 255, 6), 255):
            inner = raw(peer.plain(bytes((-length - 30) % 16)))
            peer.send(peer.forge(inner, length + 1, 4, padding=bytes(range(1, length + 1))))
            peer.received(bytes((-length - 30) % 16))


@lab.test("next header 59 is a dummy: dropped silently, counted (RFC 4303 2.6)")
def dummy():
    peer = Peer()
    peer.dropped([peer.forge(os.urandom(50), 1, 59), peer.forge(b"", 2, 59)], {"dummy": 2},
                 moved=True)
    peer.accepts(3)
    peer.dropped([peer.esp(seq=3)], {"replay": 1})


@lab.test("a next header that a tunnel does not carry: next_header")
def next_header():
    peer = Peer()
    datagram = raw(peer.plain(b"hello")[UDP])
    peer.dropped([peer.forge(datagram, 1, 17), peer.forge(datagram, 2, 6),
                  peer.forge(raw(peer.plain(b"hello")), 3, 255)], {"next_header": 3}, moved=True)


@lab.test("broken headers inside a tunnel: inner (RFC 4301 5.2)")
def inner_broken():
    peer = Peer()
    good = raw(peer.plain(b"hello"))
    forged = {"nothing": b"", "one byte": b"\x45", "19 bytes": good[:19],
              "version 6": b"\x65" + good[1:], "a header of 16 bytes": b"\x44" + good[1:],
              "a header beyond the end": b"\x4f" + good[1:],
              "a length beyond the end": good[:2] + struct.pack("!H", 500) + good[4:],
              "a length within the header": good[:2] + struct.pack("!H", 19) + good[4:]}
    for seq, (what, data) in enumerate(forged.items(), 1):
        with lab.verdict(f"inner packet broken, {what}: inner (RFC 4301 5.2)"):
            peer.dropped([peer.forge(data, seq, 4)], {"inner": 1}, moved=True)
    with lab.verdict("IPv4 where the next header says IPv6: inner"):
        peer.dropped([peer.forge(good, 50, 41)], {"inner": 1}, moved=True)


@lab.test("an inner packet outside the selectors: policy (RFC 4301 5.2 step 4)")
def selectors():
    peer = Peer(match=("proto udp sport 7000 dport 7001", "proto udp sport 7001 dport 7000"))
    peer.accepts(1)
    other = [HEADER[4](src="10.2.0.2", dst=peer.here) / UDP(sport=7001, dport=7000) / Raw(b"s"),
             HEADER[4](src=peer.there, dst="192.0.2.1") / UDP(sport=7001, dport=7000) / Raw(b"s"),
             HEADER[4](src=peer.there, dst=peer.here) / UDP(sport=7002, dport=7000) / Raw(b"s"),
             HEADER[4](src=peer.there, dst=peer.here, proto=6) / Raw(bytes(40))]
    peer.dropped([peer.esp(seq=seq, packet=packet) for seq, packet in enumerate(other, 2)],
                 {"policy": len(other)}, moved=True)


@lab.test("another SA than the policy's: policy, although it is a good one (promise 2)")
def other_sa():
    peer = Peer()
    other = ipsec.SA(0x3001, peer.into.src, peer.into.dst, reqid=8)
    Espah.configure(peer.a, inbound=[other])
    packet = raw(association(other).encrypt(IP(raw(peer.plain(b"hello"))), seq_num=1))
    before = Espah.drops(peer.a)
    peer.send(packet)
    lab.wait_for(lambda: Espah.drops(peer.a) != before, "a drop")
    after = Espah.drops(peer.a)
    lab.equal({name: number - before.get(name, 0) for name, number in after.items()
               if number != before.get(name, 0)}, {"policy": 1}, "drops")
    lab.true(traffic.silent(peer.socket), "it was delivered")


@lab.test("transport mode: an SA's peer speaks for itself alone: policy (RFC 4301 5.2 step 4)")
def impersonated():
    peer = Peer("transport")
    Espah.batch(peer.a, ["policy add in 192.0.2.0/24 192.0.2.1 protect transport reqid 7"])
    other = IP(src="192.0.2.77", dst=peer.here) / UDP(sport=7001, dport=7000) / Raw(b"s")
    peer.dropped([peer.esp(seq=1, packet=other)], {"policy": 1}, moved=True)
    peer.accepts(2)


@lab.test("plaintext that should have been protected: plaintext (RFC 4301 5.2)")
def plaintext():
    for mode, inner, outer in (("tunnel", 4, 4), ("tunnel", 6, 6), ("transport", 4, 4)):
        peer = Peer(mode, inner, outer)
        peer.dropped([raw(peer.plain(b"hello"))] * 3, {"plaintext": 3})
        peer.accepts(1)


# --- fragments -----------------------------------------------------------------------------------

def halves(packet, at):
    """An IPv4 packet as two fragments."""
    start = esp_offset(packet)
    body, header = packet[start:], IP(packet[:start])
    parts = []
    for offset, more, data in ((0, 1, body[:at]), (at // 8, 0, body[at:])):
        part = IP(src=header.src, dst=header.dst, proto=50, id=4242, flags="MF" if more else 0,
                  frag=offset) / Raw(data)
        parts.append(raw(part))
    return parts


@lab.test("an ESP packet in fragments is reassembled first; one alone changes nothing "
          "(RFC 4303 3.4.1)")
def fragments():
    peer = Peer()
    payload = os.urandom(200)
    first, last = halves(peer.esp(payload, seq=1), 80)
    state = peer.state()
    peer.send(first)
    lab.equal(peer.state(), state, "the SA after the first fragment")
    lab.true(traffic.silent(peer.socket), "a fragment was delivered")
    peer.send(last)
    peer.received(payload)
    peer.dropped([peer.esp(payload, seq=1)], {"replay": 1})


@lab.test("what came in fragments of ESP is not fragmented against its DF bit (RFC 4301 8.2.1)")
def reassembled_df():
    peer = Peer()
    next_hop = lab.Netns("next")
    lab.link(peer.a, "narrow", next_hop, "eth0")
    peer.a.ip("link set narrow mtu 600\naddr add 10.3.0.254/24 dev narrow\n"
              "neigh add 10.3.0.1 lladdr 02:00:00:00:00:01 dev narrow\n")
    peer.a.sysctl("net.ipv4.ip_forward", 1)
    Espah.batch(peer.a, [f"policy add in {peer.there} 10.3.0.0/24 "
                         f"protect tunnel {peer.into.src} {peer.into.dst} reqid 7"])
    with traffic.Wire(peer.a, "narrow", outgoing=True) as wire:
        for seq, (flags, fragments) in enumerate((("DF", 0), (0, 2)), 1):
            inner = IP(src=peer.there, dst="10.3.0.1", flags=flags) / UDP() / Raw(bytes(1000))
            peer.send(*halves(peer.esp(seq=seq, packet=inner), 504))
            lab.wait_for(lambda seq=seq: peer.state()["packets"] == seq, "the packet")
            seen = []
            lab.wait_for(lambda seen=seen, want=fragments: seen.extend(wire.packets(17)) or
                         len(seen) >= want, "fragments")
            time.sleep(0.2)
            lab.equal(len(seen + wire.packets(17)), fragments, "packets at the next hop")
    next_hop.delete()


@lab.test("fragments inside a tunnel pass it one by one, and are put together behind it")
def inner_fragments():
    peer = Peer()
    datagram = raw(peer.plain(bytes(range(200))))
    for seq, part in enumerate((IP(src=peer.there, dst=peer.here, proto=17, id=9, flags="MF")
                                / Raw(datagram[20:100]),
                                IP(src=peer.there, dst=peer.here, proto=17, id=9, frag=10)
                                / Raw(datagram[100:])), 1):
        peer.send(peer.esp(seq=seq, packet=part))
    peer.received(bytes(range(200)))


if __name__ == "__main__":
    lab.main()
