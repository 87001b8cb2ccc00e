#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Packets that come in bursts: espah gathers forwarded packets, to number them together.

   h 10.1.0.2 -- 10.1.0.1 a (espah) 192.0.2.1 ===== 192.0.2.2 b (XFRM), 10.2.0.1

The sender's device keeps packets back for a while, and then lets all of them go at once.
"""
import dataclasses
import itertools
import os
import socket

import ipsec
import lab
import module
import trace
import traffic
from ipsec import AH, ALGORITHMS, Espah, GCM, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
HOST, SECOND, THIRD = "10.1.0.2", "10.2.0.1", "10.2.0.2"
COUNT = 100
SIZE = 120


def ways(there, **options):
    """The policies of a for an address of b, out and in."""
    return (Policy("10.1.0.0/24", there + "/32", OUTER, **options),
            Policy(there + "/32", "10.1.0.0/24", OUTER[::-1], **options))


def pair(spi, window=128, **options):
    return SA(spi, *OUTER, window=window, **options), SA(spi + 1, *OUTER[::-1], window=window, **options)


class Lab:
    """The gateways, and a socket in h and in b."""

    def __init__(self, one, **options):
        lab.delete_all()
        self.h, self.a, self.b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
        lab.link(self.h, "eth0", self.a, "lan")
        lab.link(self.a, "wan", self.b, "eth0")
        self.h.ip(f"addr add {HOST}/24 dev eth0\nroute add default via 10.1.0.1\n")
        self.a.ip("addr add 10.1.0.1/24 dev lan\naddr add 192.0.2.1/24 dev wan\n"
                  "route add 10.2.0.0/24 via 192.0.2.2\n")
        self.b.ip(f"addr add 192.0.2.2/24 dev eth0\naddr add {SECOND}/32 dev lo\n"
                  f"addr add {THIRD}/32 dev lo\nroute add 10.1.0.0/24 via 192.0.2.1 src {SECOND}\n")
        self.connect(one, one, ways(SECOND, **options))
        self.here, self.there = traffic.udp(self.h, HOST, 9000), traffic.udp(self.b, SECOND, 9000)
        traffic.ping(self.h, HOST, SECOND)

    def connect(self, ours, theirs, policies):
        """Configures pairs of SAs; ours and theirs differ only if the ends must not match."""
        Espah.configure(self.a, ours[:1], ours[1:], policies[:1], policies[1:])
        Xfrm.configure(self.b, theirs[1:], theirs[:1], policies[1:], policies[:1])


class Card(Lab):
    """Packets of h reach a in lists, as from the driver of a network card."""

    def __init__(self, one, **options):
        super().__init__(one, **options)
        self.a.run("ethtool", "-K", "lan", "gro", "on")
        self.h.run("ethtool", "-K", "eth0", "tso", "off")


class Card6(Card):
    """The same for IPv6, beside IPv4."""

    def __init__(self, one):
        super().__init__(one)
        outer = ("fd09::1", "fd09::2")
        self.h.ip("addr add fd01::2/64 dev eth0 nodad\nroute add default via fd01::1\n")
        self.a.ip("addr add fd01::1/64 dev lan nodad\naddr add fd09::1/64 dev wan nodad\n"
                  "route add fd02::/64 via fd09::2\n")
        self.b.ip("addr add fd09::2/64 dev eth0 nodad\naddr add fd02::1/128 dev lo\n"
                  "route add fd01::/64 via fd09::1\n")
        sas = (SA(0x3000, *outer, reqid=6, window=128), SA(0x3001, *outer[::-1], reqid=6, window=128))
        self.connect(sas, sas, (Policy("fd01::/64", "fd02::1/128", outer, reqid=6),
                                Policy("fd02::1/128", "fd01::/64", outer[::-1], reqid=6)))
        self.here, self.there = traffic.udp(self.h, "fd01::2", 9000), traffic.udp(self.b, "fd02::1", 9000)
        traffic.ping(self.h, "fd01::2", "fd02::1")


def hold_back(ns):
    ns.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", "slot", "200ms", "200ms",
           "limit", "5000")


def burst(source, sink, numbers=range(COUNT)):
    for number in numbers:
        source.sendto(number.to_bytes(4, "big") + bytes(SIZE), sink.getsockname())


def drain(sink):
    return [int.from_bytes(datagram[:4], "big") for datagram in traffic.drain(sink)]


def in_order(sink, count=COUNT):
    """Checks that count datagrams arrive, and no more for now."""
    seen = []

    def complete():
        seen.extend(drain(sink))
        return len(seen) >= count
    lab.wait_for(complete, f"{count} datagrams")
    lab.equal(seen, list(range(count)), "datagrams")


def numbers(wire, spi):
    """The sequence numbers of the packets of an SA, as they were sent."""
    seen = []
    for packet in wire.packets():
        at = {50: 20, 51: 24}.get(traffic.protocol_of(packet))  # IPv4; the SPI, then the number
        if at and int.from_bytes(packet[at:at + 4], "big") == spi:
            seen.append(int.from_bytes(packet[at + 4:at + 8], "big"))
    return seen


def gathered(action, at_least=COUNT // 2):
    """Runs action, and checks that it made espah gather at_least packets; otherwise nothing is tested."""
    count = trace.calls("espah_gather", action)
    lab.true(count >= at_least, f"only {count} packets were gathered")


@lab.test("a burst is sent in order, under ascending numbers without a gap", GCM, False)
@lab.test("the same with ESN, and cipher and ICV apart", ALGORITHMS["aes256-sha256"], True)
@lab.test("the same with AH, which is not gathered", AH["sha256"], False)
@lab.test("the same with what a card brings in lists", GCM, False, Card)
def sent(algorithm, esn, topology=Lab):
    one = topology(pair(0x1000, algorithm=algorithm, esn=esn), proto=algorithm.proto)
    hold_back(one.h)
    with traffic.Wire(one.a, "wan", outgoing=True) as wire:
        def both():
            burst(one.here, one.there)
            in_order(one.there)
        if algorithm.proto == "ah":
            both()
        else:
            gathered(both)
        lab.equal(numbers(wire, 0x1000), list(range(2, COUNT + 2)), "sequence numbers")
    lab.equal(Espah.json(one.a, "stats")["out_packets"], COUNT + 1, "packets counted")
    lab.equal(Espah.drops(one.a), {}, "drops")


@lab.test("each of a card's lists is sent before the next one comes", Card)
@lab.test("the same with IPv6", Card6)
def brought_whole(topology):
    one = topology(pair(0x1000))
    hold_back(one.h)

    def both():
        burst(one.here, one.there)
        in_order(one.there)
    names = trace.sequence(["espah_gather", "espah_seal"], both)
    lists = [len(list(group)) for name, group in itertools.groupby(names) if name == "espah_gather"]
    lab.true(sum(lists) >= COUNT // 2 and max(lists) <= 8, f"gathered at once: {lists}")


@lab.test("packets that a card brings alone are not gathered")
def brought_alone():
    one = Card(pair(0x1000))

    def both():
        for number in range(COUNT):
            burst(one.here, one.there, [number])
            lab.wait_for(lambda number=number: drain(one.there) == [number], "the datagram")
    count = trace.calls("espah_gather", both)
    lab.true(count <= COUNT // 10, f"{count} of {COUNT} packets were gathered")


@lab.test("none waits for the last packet of a card's list, which a rule drops")
def brought_dropped():
    one = Card(pair(0x1000))
    one.a.run("nft", "-f", "-", stdin="""table ip rules {
        chain forward { type filter hook forward priority 0; mark 1 drop; }
        chain each_second { type filter hook prerouting priority 0;
            udp dport 9000 numgen inc mod 2 1 meta mark set 1; }
    }""")
    hold_back(one.h)
    seen = []

    def both():
        burst(one.here, one.there)
        lab.wait_for(lambda: seen.extend(drain(one.there)) or len(seen) >= COUNT // 2, "datagrams")
    gathered(both, COUNT // 4)
    lab.equal(seen, list(range(0, COUNT, 2)), "datagrams")


@lab.test("a burst is received in order", GCM)
@lab.test("the same with AH", AH["sha256"])
def received(algorithm):
    one = Lab(pair(0x1000, algorithm=algorithm), proto=algorithm.proto)
    hold_back(one.b)
    burst(one.there, one.here)
    in_order(one.here)
    lab.equal(Espah.json(one.a, "stats")["in_packets"], COUNT + 1, "packets counted")
    lab.equal(Espah.drops(one.a), {}, "drops")


@lab.test("packets of two SAs by turns stay in order, and those with a wrong ICV are dropped")
def two():
    one = Lab(pair(0x1000))
    theirs = pair(0x2000, reqid=2)
    ours = theirs[0], dataclasses.replace(theirs[1], key=os.urandom(GCM.key_len))
    one.connect(ours, theirs, ways(THIRD, reqid=2))
    third = traffic.udp(one.b, THIRD, 9000)
    hold_back(one.h)
    hold_back(one.b)

    def out():
        for number in range(COUNT // 2):
            for sink in one.there, third:
                burst(one.here, sink, [number])
        for sink in one.there, third:
            in_order(sink, COUNT // 2)

    def back():
        for number in range(COUNT // 2):
            for source in one.there, third:
                burst(source, one.here, [number])
        in_order(one.here, COUNT // 2)
        lab.wait_for(lambda: Espah.drops(one.a) == {"icv": COUNT // 2}, "drops")
    with traffic.Wire(one.a, "wan", outgoing=True) as wire:
        gathered(out)
        seen = numbers(wire, 0x2000)
    lab.equal(seen, list(range(1, COUNT // 2 + 1)), "sequence numbers")
    back()


@lab.test("GSO packets and others by turns stay in order")
def mixed():
    one = Lab(pair(0x1000))
    lab.offloads(one.h, "eth0", True)
    hold_back(one.h)

    def both():
        for first in range(0, COUNT, 10):
            one.here.setsockopt(socket.SOL_UDP, traffic.UDP_SEGMENT, 4 + SIZE)
            one.here.sendto(b"".join(number.to_bytes(4, "big") + bytes(SIZE)
                                     for number in range(first, first + 7)),
                            one.there.getsockname())
            one.here.setsockopt(socket.SOL_UDP, traffic.UDP_SEGMENT, 0)
            burst(one.here, one.there, range(first + 7, first + 10))
        in_order(one.there)
    gathered(both, COUNT // 5)  # three of ten are not part of a GSO packet
    lab.equal(Espah.drops(one.a), {}, "drops")


@lab.test("what the gateway itself sends amid a burst leaves behind what was gathered before it")
def answered():
    one = Lab(pair(0x1000))
    # h also has an address on b's side: replies to it use the SA, requests come in clear
    Espah.configure(one.a, [], [], ways(THIRD)[:1])
    one.h.ip(f"addr add {THIRD}/32 dev lo\n")
    with one.h:
        icmp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    icmp.bind((THIRD, 0))
    hold_back(one.h)
    turn = COUNT // 10
    with icmp, traffic.Wire(one.a, "wan", outgoing=True) as wire:
        def both():
            for first in range(0, COUNT, turn):
                icmp.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 1]) + bytes(4 * SIZE), ("10.1.0.1", 0))
                burst(one.here, one.there, range(first, first + turn))
            in_order(one.there)
        gathered(both)
        seen = [packet for packet in wire.packets() if traffic.protocol_of(packet) == 50]
    lab.equal(["answer" if len(packet) > 4 * SIZE else "datagram" for packet in seen],
              (["answer"] + ["datagram"] * turn) * 10, "order")
    lab.equal([int.from_bytes(packet[24:28], "big") for packet in seen],
              list(range(2, len(seen) + 2)), "sequence numbers")


@lab.test("a hard limit ends a burst exactly", {"extra": "hard packets 51"}, {"expired", "no_sa"})
@lab.test("so does the last sequence number", {"seq": (1 << 32) - 52}, {"seq_overflow"})
def ended(options, reasons):
    ours = pair(0x1000, **options)
    one = Lab(ours)
    hold_back(one.h)
    with traffic.Wire(one.a, "wan", cleartext=True) as clear:
        def both():
            burst(one.here, one.there)
            in_order(one.there, 50)
            lab.wait_for(lambda: sum(Espah.drops(one.a).values()) == COUNT - 50, "drops")
        gathered(both)
        lab.equal(len(clear.frames()), 0, "packets in clear")
    lab.true(traffic.silent(one.there), "more were sent")
    lab.true(set(Espah.drops(one.a)) <= reasons, f"dropped: {Espah.drops(one.a)}")


@lab.test("a tap shows each packet of a burst once, in order, with its number")
def shown():
    one = Lab(pair(0x1000))
    traffic.add_tap(one.a)
    hold_back(one.h)
    with traffic.Tap(one.a) as tap:
        burst(one.here, one.there)
        in_order(one.there)
        seen = [tap.next() for _ in range(COUNT)]
        lab.true(tap.silent(), "something is shown twice")
    lab.equal([(kind, spi, seq, packet[28:32]) for packet, kind, spi, seq in seen],
              [(traffic.PACKET_OUTGOING, 0x1000, number + 2, number.to_bytes(4, "big"))
               for number in range(COUNT)], "what is shown")
    one.a.ip("link del espah0\n")


@lab.test("bursts while SAs are replaced and deleted: all arrive, in order")
def replaced():
    old = pair(0x1000)
    one = Lab(old)
    hold_back(one.h)
    seen, count = [], 40 * 30

    def complete():
        seen.extend(drain(one.there))
        return len(seen) >= count

    def both():
        before = old
        for first in range(0, count, 40):
            after = pair(before[0].spi + 2)
            Xfrm.configure(one.b, [], after[:1])
            burst(one.here, one.there, range(first, first + 40))
            Espah.configure(one.a, after[:1], after[1:])
            Espah.batch(one.a, [f"sa del out spi {before[0].spi:#x} dst {OUTER[1]}"])
            before = after
            complete()
        lab.wait_for(complete, f"{count} datagrams")
    gathered(both)
    lab.equal(seen, list(range(count)), "datagrams")
    lab.equal(Espah.drops(one.a), {}, "drops")


if __name__ == "__main__":
    ipsec.need_espah()
    module.load()
    lab.main()
