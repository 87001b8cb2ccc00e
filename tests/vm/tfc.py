#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Traffic flow confidentiality: TFC padding (RFC 4303 2.7) and dummy packets (2.6).

      a (espah) 192.0.2.1 ---- veth ---- 192.0.2.2  b (XFRM)
      10.1.0.1  2001:db8::1              2001:db8::2  10.2.0.1

With NULL encryption the trailer can be read on the wire.
"""
import os
import struct
import time

import ipsec
import lab
import traffic
from ipsec import ALGORITHMS, Espah, Policy, SA, Xfrm
from scapy_peer import HEADER, Peer, UDP, raw

NULL = ALGORITHMS["null-sha256"]
HERE = {4: "10.1.0.1", 6: "fd01::1"}
THERE = {4: "10.2.0.1", 6: "fd02::1"}
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}


class Pair:
    """Both ends with an SA each way; extra: espah's options for the outbound one."""

    def __init__(self, extra="", algorithm=NULL, inner=4, outer=4, mode="tunnel"):
        lab.delete_all()
        self.a, self.b = lab.Netns("a"), lab.Netns("b")
        lab.link(self.a, "eth0", self.b, "eth0")
        for ns, me, other, mine, theirs in ((self.a, 1, 2, HERE, THERE),
                                            (self.b, 2, 1, THERE, HERE)):
            ns.ip(f"addr add 192.0.2.{me}/24 dev eth0\naddr add 2001:db8::{me}/64 dev eth0 nodad\n"
                  f"addr add {mine[4]}/32 dev lo\naddr add {mine[6]}/128 dev lo\n"
                  f"route add {theirs[4]}/32 via 192.0.2.{other} src {mine[4]}\n"
                  f"route add {theirs[6]}/128 via 2001:db8::{other}\n")
        traffic.ping(self.a, *OUTER[outer])  # resolves the neighbours
        self.wire = traffic.Wire(self.a, "eth0", outgoing=True)
        self.clear = traffic.Wire(self.a, "eth0", cleartext=True)
        ends = OUTER[outer]
        self.here, self.there = (HERE[inner], THERE[inner]) if mode == "tunnel" else ends
        self.mode, self.outer = mode, outer
        self.out = SA(0x1001, *ends, mode, algorithm, extra=extra)
        self.into = SA(0x1002, *ends[::-1], mode, algorithm)
        bits = 32 if inner == 4 else 128
        policy = Policy(f"{self.here}/{bits}", f"{self.there}/{bits}",
                        ends if mode == "tunnel" else None)
        ipsec.configure_pair(self.a, self.b, Espah, Xfrm, [self.out], [self.into], [policy])
        self.left = traffic.udp(self.a, self.here, 7000)
        self.right = traffic.udp(self.b, self.there, 7000)

    def sa(self):
        return next(sa for sa in Espah.sas(self.a) if sa["dir"] == "out")

    def set(self, words):
        Espah.batch(self.a, [f"sa set out spi {self.out.spi:#x} dst {self.out.dst} {words}"])

    def esp(self):
        """ESP packets on the wire so far, from the ESP header on."""
        return [packet[20 if self.outer == 4 else 40:] for packet in self.wire.packets(50)]


def next_header(esp):
    return esp[-NULL.icv - 1]


def dummies(packets):
    return [esp for esp in packets if next_header(esp) == 59]


# --- padding ------------------------------------------------------------------------------------

SIZES = [0, 1, 2, 3, 50, 199, 271, 272, 273, 500, 1000]


@lab.test("tfc N: what is shorter has one length on the wire, and arrives as sent (RFC 4303 2.7)")
def padded():
    for name, inner, outer in (("null-sha256", 4, 4), ("aes128gcm16", 4, 6), ("aes128-sha1", 6, 6),
                               ("chacha20poly1305", 6, 4)):
        with lab.verdict(f"tfc 300, {name}, IPv{inner} in IPv{outer}"):
            algorithm = ALGORITHMS[name]
            pair = Pair("tfc 300", algorithm, inner, outer)
            traffic.deliver(pair.left, pair.right, [os.urandom(size) for size in SIZES])
            header = 28 if inner == 4 else 48
            want = []
            for size in SIZES:
                plain = max(header + size, 300) + 2
                want.append(8 + algorithm.iv + -(-plain // algorithm.block) * algorithm.block
                            + algorithm.icv)
            lab.equal([len(esp) for esp in pair.esp()], want, "lengths of the ESP packets")
            lab.equal(Xfrm.drops(pair.b), {}, "errors of XFRM")


@lab.test("the padding stands between inner packet and ESP padding; the inner length tells it off")
def layout():
    lab.delete_all()
    peer = Peer(algorithm=ALGORITHMS["aes256gcm16"])
    Espah.batch(peer.a, ["sa set out spi 0x2001 dst 192.0.2.2 tfc 200"])
    packet = peer.take(b"x" * 10)
    lab.equal(len(packet), 20 + 8 + 8 + 204 + 16, "length")
    inner = peer.open(packet)
    lab.equal(struct.unpack("!H", inner[2:4])[0], 38, "total length of the inner packet")
    header = HEADER[4](inner[:38])
    lab.equal(raw(header[UDP].payload), b"x" * 10, "payload")
    lab.equal(inner[38:], bytes(162), "TFC padding")
    for sock in Peer.socket, Peer.wire, Peer.injector.sock:  # otherwise its namespaces stay
        sock.close()


@lab.test("tfc mtu: all packets are as long as fits, batches of segments too; none is fragmented")
def to_mtu():
    pair = Pair("tfc mtu", ALGORITHMS["aes128gcm16"])
    traffic.deliver(pair.left, pair.right, [os.urandom(size) for size in (0, 10, 700, 1400)])
    with traffic.Transfer(pair.a, pair.here, pair.b, pair.there, 7001) as connection:
        connection.move(os.urandom(100000))
    packets = [packet for packet in pair.wire.packets() if packet[9] == 50]
    lab.equal({len(packet) for packet in packets}, {1500}, "lengths on the wire")
    lab.true(len(packets) > 60, f"only {len(packets)} packets")
    lab.equal({struct.unpack("!H", packet[6:8])[0] & 0x3fff for packet in packets}, {0},
              "fragment fields")
    pair.a.ip(f"route replace {pair.out.dst}/32 dev eth0 mtu 1000\n")
    pair.wire.frames()
    traffic.deliver(pair.left, pair.right, [b"x"])
    # 1000 bytes are possible: the ciphertext is a multiple of 4 bytes
    lab.equal([len(packet) for packet in pair.wire.packets(50)], [1000], "with a path MTU of 1000")
    pair.set("tfc 5000")
    traffic.deliver(pair.left, pair.right, [b"x"])
    lab.equal([len(packet) for packet in pair.wire.packets(50)], [1000], "with more than fits")
    pair.set("tfc off")
    traffic.deliver(pair.left, pair.right, [b"x"])
    lab.equal([len(packet) for packet in pair.wire.packets(50)], [20 + 8 + 8 + 32 + 16], "off")


@lab.test("TFC padding of the peer is discarded (RFC 4303 2.7)")
def received():
    pair = Pair()
    pair.b.ip("xfrm state flush\n" + Xfrm.state(pair.into, "out") + " tfcpad 600\n")
    with traffic.Wire(pair.b, "eth0", outgoing=True) as wire:
        traffic.deliver(pair.right, pair.left, [os.urandom(size) for size in (0, 5, 100, 300)])
        lengths = {len(packet) for packet in wire.packets(50)}
    lab.true(min(lengths) >= 600, f"XFRM did not pad: {lengths}")
    lab.equal(Espah.drops(pair.a), {}, "drops")


# --- dummies ------------------------------------------------------------------------------------

@lab.test("dummies: next header 59, numbers of the SA, random lengths, dropped by XFRM in silence "
          "(RFC 4303 2.6)")
def steady():
    for mode, family in (("tunnel", 4), ("tunnel", 6), ("transport", 4), ("transport", 6)):
        with lab.verdict(f"dummy steady 50/s, {mode}, IPv{family}"):
            pair = Pair(inner=family, outer=family, mode=mode)
            start, packets = time.monotonic(), []
            pair.set("dummy steady 50/s")
            payloads = [os.urandom(30) for _ in range(20)]
            for payload in payloads:
                traffic.deliver(pair.left, pair.right, [payload])
                time.sleep(0.05)
            lab.wait_for(lambda pair=pair, packets=packets:
                         packets.extend(pair.esp()) or len(dummies(packets)) >= 40, "dummies")
            pair.set("dummy off")
            packets += pair.esp()
            took = time.monotonic() - start
            sent = dummies(packets)
            lab.true(len(sent) <= took * 50 + 2, f"{len(sent)} dummies in {took:.1f} s")
            lab.equal(len(packets) - len(sent), 20, "packets with traffic")
            lab.equal(sorted(struct.unpack("!I", esp[4:8])[0] for esp in packets),
                      list(range(1, len(packets) + 1)), "sequence numbers")
            lab.true(len({len(esp) for esp in sent}) > len(sent) * 2 / 3, "few distinct lengths")
            lab.true(max(len(esp) for esp in sent) <= 1500 - 20, "longer than the MTU")
            sa = pair.sa()
            lab.equal((sa["packets"], sa["dummies"]), (20, len(sent)), "packets and dummies")
            lab.true(traffic.silent(pair.right), "a dummy was delivered")
            lab.equal(set(Xfrm.drops(pair.b)) - {"XfrmInStateProtoError"}, set(), "XFRM's errors")
            lab.equal(len(pair.clear.frames()), 0, "packets in clear")
            pair.wire.frames()
            time.sleep(0.3)
            lab.equal(pair.esp(), [], "packets after 'dummy off'")


@lab.test("dummies of an SA with TFC padding have the length of its traffic")
def alike():
    pair = Pair("dummy random 100/s tfc mtu", ALGORITHMS["aes128gcm16"])
    packets = []
    traffic.deliver(pair.left, pair.right, [os.urandom(size) for size in (1, 100, 1000)])
    lab.wait_for(lambda: packets.extend(pair.esp()) or len(packets) > 50, "dummies")
    lab.equal({len(esp) for esp in packets}, {1480}, "lengths")


@lab.test("the outer tunnel of a bundle pads as well")
def outer_tunnel():
    pair = Pair("tfc mtu")
    ends = f"{pair.here} {pair.there}"
    Espah.configure(pair.a, [SA(0x1003, pair.here, pair.there, "transport", NULL, reqid=3)])
    Espah.batch(pair.a, ["policy flush", f"policy add out {ends} protect transport reqid 3 "
                         f"tunnel {pair.out.src} {pair.out.dst} reqid 1"])
    for size in (1, 100, 1000):
        pair.left.sendto(bytes(size), (pair.there, 7000))
    packets = []
    lab.wait_for(lambda: packets.extend(pair.esp()) or len(packets) == 3, "three packets")
    lab.equal([len(esp) for esp in packets], [1480] * 3, "lengths")


@lab.test("dummy random: intervals vary from none to twice the mean")
def random_intervals():
    pair = Pair("dummy random 20/s")
    seen = []
    while len(seen) < 60:
        pair.wire.next(50)
        seen.append(time.monotonic())
    steps = sorted(after - before for before, after in zip(seen, seen[1:]))
    lab.true(seen[-1] - seen[0] > 60 / 20 / 2, "more often than was asked for")
    lab.true(steps[-10] - steps[10] > 0.02, f"the steps are alike: {steps[10]} to {steps[-10]} s")


@lab.test("dummies use limits up, but are no use: an idle SA ends")
def limits():
    pair = Pair("dummy steady 100/s hard packets 12")
    lab.wait_for(lambda: len(Espah.sas(pair.a)) == 1, "the SA to end")
    lab.equal(len(pair.esp()), 12, "dummies")
    pair = Pair("dummy steady 20/s hard idle 2")
    lab.wait_for(lambda: len(Espah.sas(pair.a)) == 1, "the idle SA to end")
    time.sleep(0.3)
    pair.esp()
    time.sleep(0.3)
    lab.equal(pair.esp(), [], "dummies of an SA that ended")


@lab.test("sa set and sa del start, change and stop them; the namespace and the module go")
def stopped():
    pair = Pair()
    pair.set("dummy steady 1/h")
    lab.equal(pair.sa()["dummy"], "steady 1/h", "what is shown")
    pair.set("dummy random 100/s")
    lab.wait_for(pair.esp, "dummies")
    text = pair.a.run(ipsec.CLI, "sa", "list", "out").stdout
    lab.true("dummy random 100/s  dummies sent " in text, text)
    Espah.batch(pair.a, [f"sa del out spi {pair.out.spi:#x} dst {pair.out.dst}"])
    pair.esp()
    time.sleep(0.2)
    lab.equal(pair.esp(), [], "dummies of a deleted SA")
    Espah.configure(pair.a, [SA(0x1003, pair.out.src, pair.out.dst, extra="dummy steady 1/h"),
                             SA(0x1005, pair.out.src, pair.out.dst, extra="dummy steady 1000/s")])
    lab.wait_for(pair.esp, "dummies")
    for sock in pair.left, pair.right, pair.wire, pair.clear:
        sock.close()
    del pair
    lab.delete_all()
    lab.wait_for(lambda: not lab.run("rmmod", "espah", check=False).returncode,
                 "the module to be unloaded")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
