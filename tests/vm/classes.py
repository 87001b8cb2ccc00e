# SPDX-License-Identifier: GPL-2.0-only
"""Several SAs for the same selectors, chosen by the DSCP of the packet (RFC 4301 4.1). The peer is XFRM.

    h 10.1.0.2 ----- 10.1.0.1 a (espah) 192.0.2.1 ===== 192.0.2.2 (XFRM) b 10.2.0.1
      fd01::2         fd01::1         2001:db8::1       2001:db8::2        fd02::1
"""
import contextlib
import dataclasses
import itertools
import json
import os
import socket
import struct

import ipsec
import lab
import trace
import traffic
from ipsec import CLI, Espah, Policy, SA, Xfrm

OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}
BEHIND = {4: "10.1.0.2", 6: "fd01::2"}
SITES = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("fd01::/64", "fd02::/64")}
EF, VA, AF41, CS1, BE = 46, 44, 34, 8, 0
# RFC 8622: what a network may delay without limit
LE = 1
# SPI: the DSCPs of the SA, in the words of the command and as a set; none: the rest
PLAIN, VOICE, VIDEO, BULK = 0x2000, 0x2001, 0x2002, 0x2003
SETS = {PLAIN: ("any", set()), VOICE: ("ef,va", {EF, VA}), VIDEO: ("34-36,38", {34, 35, 36, 38}),
        BULK: ("le,cs1,9-15,63", {LE, *range(8, 16), 63})}
BACK = 0x3000
REQID = 7


def expected(dscp, sets=None):
    """The SPI that a packet leaves with."""
    return next((spi for spi, (_, dscps) in (sets or SETS).items() if dscp in dscps), PLAIN)


def topology():
    lab.delete_all()
    h, a, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
    lab.link(h, "eth0", a, "lan")
    lab.link(a, "eth0", b, "eth0")
    h.ip("addr add 10.1.0.2/24 dev eth0\naddr add fd01::2/64 dev eth0\n"
         "route add default via 10.1.0.1\nroute add default via fd01::1\n")
    a.ip("addr add 10.1.0.1/24 dev lan\naddr add fd01::1/64 dev lan\naddr add 192.0.2.11/24 dev eth0\n")
    b.ip("addr add 10.2.0.1/32 dev lo\naddr add fd02::1/128 dev lo\n")
    for ns, me, other, there in ((a, 0, 1, 2), (b, 1, 0, 1)):
        ns.ip("".join(f"addr add {OUTER[family][me]}/{bits} dev eth0\n"
                      f"route add {SITES[family][there - 1]} via {OUTER[family][other]}\n"
                      for family, bits in ((4, 24), (6, 64))))
    for family in 4, 6:
        traffic.ping(a, *OUTER[family])
        traffic.ping(h, BEHIND[family], INNER[family][0])
    return h, a, b


def voice(spi, ends, mode="tunnel", **options):
    return SA(spi, *ends, mode, reqid=REQID, extra=f"for-dscp {SETS[VOICE][0]}", **options)


def associate(a, b, family, mode="tunnel", sets=None, window=0):
    """Outbound SAs of a for each class, and one back; and the policies."""
    for stack, ns in ((Espah, a), (Xfrm, b)):
        stack.flush(ns)
    ends = OUTER[family]
    out = [SA(spi, *ends, mode, reqid=REQID, window=window,
              extra="" if words == "any" else f"for-dscp {words}") for spi, (words, _) in (sets or SETS).items()]
    bits = 32 if family == 4 else 128
    nets = SITES[family] if mode == "tunnel" else [f"{end}/{bits}" for end in ends]
    # of IPv6 only UDP and TCP: XFRM treats neighbour discovery like any packet
    for proto in "proto udp", "proto tcp":
        ipsec.configure_pair(a, b, Espah, Xfrm, out if "udp" in proto else [],
                             [SA(BACK, *ends[::-1], mode, reqid=REQID)] if "udp" in proto else [],
                             [Policy(*nets, ends if mode == "tunnel" else None, REQID, proto)])


@dataclasses.dataclass
class Flow:
    """Datagrams from a host to b; the DSCP is chosen for each."""
    ns: lab.Netns
    source: str
    b: lab.Netns
    target: str
    port: int = 7000

    def __post_init__(self):
        self.six = ":" in self.target
        self.sink = traffic.udp(self.b, self.target, self.port)
        self.sock = traffic.udp(self.ns, self.source)
        self.sock.connect((self.target, self.port))

    def send(self, payload, dscp, ecn=0):
        level, kind = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if self.six else (socket.IPPROTO_IP, socket.IP_TOS)
        self.sock.setsockopt(level, kind, dscp << 2 | ecn)
        self.sock.send(payload)

    def receive(self, count):
        """That many datagrams, each of which has to come."""
        try:
            return [self.sink.recv(65536) for _ in range(count)]
        except TimeoutError:
            raise lab.Failed(f"not all of {count} datagrams arrived") from None

    def close(self):
        self.sock.close()
        self.sink.close()


def flow_of(h, a, b, family, mode="tunnel", local=True):
    if mode == "transport":
        return Flow(a, OUTER[family][0], b, OUTER[family][1])
    return Flow(a if local else h, INNER[family][0] if local else BEHIND[family], b, INNER[family][1])


def spi_seq(packet):
    return struct.unpack_from("!II", packet, 20 if packet[0] >> 4 == 4 else 40)


def dscp_of(packet):
    return (packet[1] if packet[0] >> 4 == 4 else (packet[0] & 15) << 4 | packet[1] >> 4) >> 2


def explained(a, source, target, dscps, more="udp dport 7000"):
    """The answers of explain, by DSCP; one process, because emulated processors start programs slowly."""
    text = "".join(f"explain {source} {target} {more} dscp {dscp}\n" for dscp in dscps)
    with a:
        left = lab.run(CLI, "-j", "-b", "-", stdin=text).stdout.strip()
    answers = []
    while left:
        answer, end = json.JSONDecoder().raw_decode(left)
        answers.append(answer)
        left = left[end:].lstrip()
    lab.equal(len(answers), len(dscps), "answers")
    return dict(zip(dscps, answers))


def told_spi(answer):
    return answer["sa"] and int(str(answer["sa"]["spi"]), 0)


def ascending(packets):
    """Checks that the numbers of each SA ascend. Return: the SPIs"""
    last = {}
    for packet in packets:
        spi, seq = spi_seq(packet)
        lab.true(seq > last.get(spi, 0), f"SA {spi:#x}: {seq} after {last.get(spi)}")
        last[spi] = seq
    return [spi_seq(packet)[0] for packet in packets]


@lab.test("each DSCP takes its SA")
def each():
    h, a, b = topology()
    for family, mode, local in itertools.product((4, 6), ("tunnel", "transport"), (True, False)):
        if mode == "transport" and not local:
            continue
        name = f"IPv{family} {mode}, {'of this host' if local else 'forwarded'}"
        with lab.verdict(f"{name}: a datagram of each DSCP leaves by the SA of its class, and arrives"):
            associate(a, b, family, mode)
            with contextlib.closing(flow_of(h, a, b, family, mode, local)) as flow, \
                    traffic.Wire(a, "eth0", outgoing=True) as wire:
                for dscp in range(64):
                    flow.send(bytes([dscp]) * 50, dscp, ecn=dscp % 4 and 1)
                lab.equal(sorted(data[0] for data in flow.receive(64)), list(range(64)), "arrived")
                packets = wire.packets(50)
                lab.equal([(dscp_of(packet), spi_seq(packet)[0]) for packet in packets],
                          [(dscp, expected(dscp)) for dscp in range(64)], "DSCP and SPI of the packets")
                ascending(packets)
        with lab.verdict(f"{name}: explain names the same SAs"):
            answers = explained(a, flow.source, flow.target, [BE, LE, CS1, 16, AF41, 37, EF, 63])
            lab.equal({dscp: told_spi(answer) for dscp, answer in answers.items()},
                      {dscp: expected(dscp) for dscp in answers}, "SPIs")
            lab.true(all(answer.get("classes") for answer in answers.values()), "others are not told")
    lab.equal(Espah.drops(a), {}, "drops of a")


@lab.test("GSO packets and TCP take the SA of their DSCP, each segment")
def segments():
    h, a, b = topology()
    for family, local in itertools.product((4, 6), (True, False)):
        source = h if not local else a
        name = f"IPv{family}, {'of this host' if local else 'forwarded'}"
        associate(a, b, family)
        with lab.verdict(f"{name}: datagrams that one GSO packet carries"), \
                contextlib.closing(flow_of(h, a, b, family, local=local)) as flow, \
                traffic.Wire(a, "eth0", outgoing=True) as wire:
            flow.sock.setsockopt(socket.SOL_UDP, traffic.UDP_SEGMENT, 500)
            flow.send(os.urandom(500 * 20), EF)
            flow.send(os.urandom(500 * 20), LE)
            lab.equal([len(data) for data in flow.receive(40)], [500] * 40, "bytes of the datagrams")
            lab.equal(ascending(wire.packets(50)), [VOICE] * 20 + [BULK] * 20, "SPIs")
        with lab.verdict(f"{name}: TCP"), \
                traffic.Transfer(source, INNER[family][0] if local else BEHIND[family], b, INNER[family][1],
                                 8000) as connection:
            level, kind = (socket.IPPROTO_IP, socket.IP_TOS) if family == 4 else \
                (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
            connection.client.setsockopt(level, kind, AF41 << 2)
            with traffic.Wire(a, "eth0", outgoing=True) as wire:
                connection.move(os.urandom(200000))
                connection.move(os.urandom(50000), backward=True)
                lab.equal(set(ascending(wire.packets(50))), {VIDEO}, "SPIs")
    lab.equal(Espah.drops(a), {}, "drops of a")


def keyed_at_both(a, b, sa):
    """Adds an SA, at the receiver first."""
    b.ip(Xfrm.state(sa, "in") + "\n")
    Espah.batch(a, [Espah.sa_line("out", sa)])


def by_class(h, a, b, events, rounds=60):
    """Forwards datagrams of four classes by turns; events: {round: function}. All have to arrive, those of a class
    in order. Return: {DSCP: [(SPI, packets in a row)]}"""
    dscps, got = (BE, EF, AF41, LE), []
    with contextlib.closing(flow_of(h, a, b, 4, local=False)) as flow, \
            traffic.Wire(a, "eth0", outgoing=True) as wire:
        for number in range(rounds):
            if number in events:
                got += flow.receive(number * len(dscps) - len(got))
                events[number]()
            for dscp in dscps:
                flow.send(struct.pack("!BI", dscp, number) + bytes(100), dscp)
        got += flow.receive(rounds * len(dscps) - len(got))
        packets = wire.packets(50)
    stamps = [struct.unpack_from("!BI", data) for data in got]
    for dscp in dscps:
        lab.equal([number for of, number in stamps if of == dscp], list(range(rounds)), f"DSCP {dscp}: what arrived")
    ascending(packets)
    return {dscp: [(spi, len(list(row))) for spi, row in itertools.groupby(
        spi_seq(packet)[0] for packet in packets if dscp_of(packet) == dscp)] for dscp in dscps}


@lab.test("a rekey of one class moves its packets, once and at once, and no others; none is lost")
def rekey():
    h, a, b = topology()
    associate(a, b, 4)
    new = voice(VOICE + 0x100, OUTER[4])
    seen = by_class(h, a, b, {20: lambda: keyed_at_both(a, b, new),
                              40: lambda: Espah.batch(a, [f"sa del out spi {VOICE:#x} dst {OUTER[4][1]}"])})
    lab.equal(seen, {BE: [(PLAIN, 60)], EF: [(VOICE, 20), (new.spi, 40)], AF41: [(VIDEO, 60)], LE: [(BULK, 60)]},
              "SPIs by DSCP")
    lab.equal(Espah.drops(a), {}, "drops of a")


@lab.test("without the newest SA, a class falls back to its older SA, then to the SA of the rest")
def fallback():
    h, a, b = topology()
    associate(a, b, 4)
    newer, plain = voice(VOICE + 0x100, OUTER[4]), SA(PLAIN + 0x100, *OUTER[4], reqid=REQID)
    gone = [f"sa del out spi {spi:#x} dst {OUTER[4][1]}" for spi in (newer.spi, VOICE)]
    seen = by_class(h, a, b, {10: lambda: keyed_at_both(a, b, newer), 20: lambda: keyed_at_both(a, b, plain),
                              30: lambda: Espah.batch(a, gone[:1]), 40: lambda: Espah.batch(a, gone[1:])})
    lab.equal(seen, {BE: [(PLAIN, 20), (plain.spi, 40)], AF41: [(VIDEO, 60)], LE: [(BULK, 60)],
                     EF: [(VOICE, 10), (newer.spi, 20), (VOICE, 10), (plain.spi, 20)]}, "SPIs by DSCP")


@lab.test("an SA with another set replaces an older one only for the DSCPs that both have")
def overlap():
    h, a, b = topology()
    sets = {PLAIN: SETS[PLAIN], VOICE: ("ef,af41", {EF, AF41})}
    associate(a, b, 4, sets=sets)
    new = SA(VIDEO, *OUTER[4], reqid=REQID, extra="for-dscp le,af41")
    seen = by_class(h, a, b, {20: lambda: keyed_at_both(a, b, new)}, 40)
    lab.equal(seen, {BE: [(PLAIN, 40)], EF: [(VOICE, 40)], AF41: [(VOICE, 20), (VIDEO, 20)],
                     LE: [(PLAIN, 20), (VIDEO, 20)]}, "SPIs by DSCP")


@lab.test("an SA gets, changes and loses its DSCPs in place, and takes them along to other addresses")
def change():
    h, a, b = topology()
    sets = {PLAIN: SETS[PLAIN], VOICE: ("ef", {EF})}
    associate(a, b, 4, sets=sets)
    name, other = (f"sa set out spi {spi:#x} dst {OUTER[4][1]}" for spi in (VOICE, PLAIN))
    seen = by_class(h, a, b, {10: lambda: Espah.batch(a, [f"{name} for-dscp le,af41"]),
                              20: lambda: Espah.batch(a, [f"{name} for-dscp any"]),
                              30: lambda: Espah.batch(a, [f"{other} for-dscp af41"])}, 40)
    lab.equal(seen, {BE: [(PLAIN, 20), (VOICE, 20)], EF: [(VOICE, 10), (PLAIN, 10), (VOICE, 20)],
                     AF41: [(PLAIN, 10), (VOICE, 20), (PLAIN, 10)], LE: [(PLAIN, 10), (VOICE, 30)]}, "SPIs by DSCP")
    shown = {int(str(sa["spi"]), 0): sa.get("for_dscp") for sa in Espah.sas(a, "out")}
    lab.equal(shown, {PLAIN: "af41", VOICE: None}, "shown")
    Espah.batch(a, [f"{name} for-dscp ef,va new-src 192.0.2.11"])
    answers = explained(a, BEHIND[4], INNER[4][1], [EF])
    lab.equal((told_spi(answers[EF]), answers[EF].get("drop")), (None, "no_sa"), "with another source")
    Espah.batch(a, [f"{name} new-src {OUTER[4][0]}", f"{other} for-dscp any"])
    answers = explained(a, BEHIND[4], INNER[4][1], [EF, AF41])
    lab.equal([told_spi(answers[dscp]) for dscp in (EF, AF41)], [VOICE, PLAIN], "with its own source again")
    lab.equal([sa.get("for_dscp") for sa in Espah.sas(a, "out", "spi", f"{VOICE:#x}")], ["va,ef"], "shown")


@lab.test("a DSCP that no SA is for has no SA: packets are dropped, others pass, and explain names the SA")
def none():
    h, a, b = topology()
    associate(a, b, 4, sets={VOICE: SETS[VOICE]})
    with contextlib.closing(flow_of(h, a, b, 4)) as flow:
        for _ in range(3):
            flow.send(b"rest", BE)
            flow.send(b"voice", EF)
        lab.equal(flow.receive(3), [b"voice"] * 3, "arrived")
        lab.equal(Espah.drops(a), {"no_sa": 3}, "drops of a")
    answers = explained(a, INNER[4][0], INNER[4][1], [BE, EF])
    lab.equal((answers[BE]["drop"], answers[BE]["near"]["differs"], told_spi(answers[BE]["near"])),
              ("no_sa", ["dscp"], VOICE), "explained")
    lab.equal((told_spi(answers[EF]), answers[EF].get("drop")), (VOICE, None), "explained")


@lab.test("packets that wait for the SA of their class keep no other class waiting, and leave in order")
def held():
    h, a, b = topology()
    associate(a, b, 4, sets={VOICE: SETS[VOICE]})
    holds = Espah.policy_line("out", Policy(*SITES[4], OUTER[4], REQID, "proto udp", extra="queue 8"))
    Espah.batch(a, [holds.replace("add", "replace")])
    plain = SA(PLAIN, *OUTER[4], reqid=REQID)
    for local in True, False:
        with contextlib.closing(flow_of(h, a, b, 4, local=local)) as flow:
            before = Espah.drops(a)
            for number in range(10):
                flow.send(b"rest %d" % number, BE)
            for number in range(20):
                flow.send(b"voice %d" % number, EF)
            lab.equal(flow.receive(20), [b"voice %d" % number for number in range(20)], "arrived first")
            lab.equal(Espah.drops(a).get("acquire_full", 0) - before.get("acquire_full", 0), 2,
                      "packets without room")
            answers = explained(a, flow.source, flow.target, [EF, BE])
            lab.equal([told_spi(answers[dscp]) for dscp in (EF, BE)], [VOICE, None], "explained meanwhile")
            keyed_at_both(a, b, plain)
            for number in range(8, 20):
                flow.send(b"rest %d" % number, BE)
            lab.equal(flow.receive(20), [b"rest %d" % number for number in range(20)], "arrived then")
        Espah.batch(a, [f"sa del out spi {plain.spi:#x} dst {plain.dst}"])
        plain = SA(plain.spi + 0x100, *OUTER[4], reqid=REQID)


@lab.test("if a policy requires several SAs, each is chosen by the DSCP of the header that it protects")
def bundle():
    _, a, b = topology()
    inner = [SA(0x2000, *OUTER[4], reqid=1, extra="dscp ef=cs1,else=af41"),
             SA(0x2001, *OUTER[4], reqid=1, extra="dscp cs6 for-dscp va")]
    outer = [SA(0x2100, *OUTER[6], reqid=2), SA(0x2101, *OUTER[6], reqid=2, extra="for-dscp cs1"),
             SA(0x2102, *OUTER[6], reqid=2, extra="for-dscp cs6,ef")]
    Espah.configure(a, outbound=inner + outer)
    tunnels = [f"esp tunnel {' '.join(OUTER[family])} reqid {reqid}" for family, reqid in ((4, 1), (6, 2))]
    Espah.batch(a, [f"policy add out {' '.join(SITES[4])} protect {' '.join(tunnels)}"])
    want = {EF: (0x2000, 0x2101, CS1), BE: (0x2000, 0x2100, AF41), VA: (0x2001, 0x2102, 48)}
    b.ip("\n".join(Xfrm.state(sa, "in") for sa in inner + outer) + "\n")
    templates = " ".join(f"tmpl src {ends[0]} dst {ends[1]} proto esp reqid {reqid} mode tunnel"
                         for ends, reqid in ((OUTER[4], 1), (OUTER[6], 2)))
    b.ip(f"xfrm policy add src {SITES[4][0]} dst {SITES[4][1]} dir in {templates}\n")
    with contextlib.closing(Flow(a, INNER[4][0], b, INNER[4][1])) as flow, \
            traffic.Wire(a, "eth0", outgoing=True) as wire:
        for dscp in want:
            flow.send(b"a datagram", dscp)
        flow.receive(len(want))
        lab.equal([(spi_seq(packet)[0], dscp_of(packet)) for packet in wire.packets(50)],
                  [row[1:] for row in want.values()], "outer SPI and DSCP")
    lab.equal({int(str(sa["spi"]), 0): sa["packets"] for sa in Espah.sas(a)},
              {0x2000: 2, 0x2001: 1, 0x2100: 1, 0x2101: 1, 0x2102: 1}, "packets of the SAs")
    answers = explained(a, INNER[4][0], INNER[4][1], list(want))
    lab.equal({dscp: (told_spi(answer), *(int(str(sa["spi"]), 0) for sa in answer["outer_sas"]))
               for dscp, answer in answers.items()}, {dscp: row[:2] for dscp, row in want.items()}, "explained")
    Espah.batch(a, ["sa del out spi 0x2100 dst 2001:db8::2"])
    answer = explained(a, INNER[4][0], INNER[4][1], [BE])[BE]
    lab.equal((answer["drop"], answer["near"]["differs"]), ("no_sa", ["dscp"]), "explained without an outer SA")


@lab.test("packets that were gathered leave by the SAs of their classes, and the tap shows them")
def gathered():
    h, a, b = topology()
    associate(a, b, 4)
    calls = []
    h.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", "slot", "200ms", "200ms", "limit", "5000")

    def send():
        calls.append(by_class(h, a, b, {}, 100))
    lab.true(trace.calls("espah_gather", send) > 200, "too few packets were gathered")
    lab.equal(calls, [{BE: [(PLAIN, 100)], EF: [(VOICE, 100)], AF41: [(VIDEO, 100)], LE: [(BULK, 100)]}],
              "SPIs by DSCP")
    traffic.add_tap(a)
    with contextlib.closing(flow_of(h, a, b, 4)) as flow, traffic.Tap(a) as tap:
        for dscp in EF, BE:
            flow.send(b"shown", dscp)
        lab.equal([tap.next()[2] for _ in range(2)], [VOICE, PLAIN], "SPIs on the tap")


def overtaken(a, b, flow):
    """Sends bulk, and voice that overtakes it on the way. Return: (datagrams that arrived, too late for XFRM)"""
    tc = "tc -n a"
    for line in (f"{tc} qdisc add dev eth0 root handle 1: tbf rate 8kbit burst 1600 limit 1000000",
                 f"{tc} qdisc add dev eth0 parent 1:1 handle 10: prio bands 3 priomap 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2",
                 f"{tc} filter add dev eth0 parent 10: protocol ip u32 match ip tos {EF << 2:#x} 0xfc flowid 10:1"):
        lab.run(*line.split())
    before = Xfrm.drops(b).get("XfrmInStateSeqError", 0)
    for number in range(120):
        flow.send(b"%d" % number + bytes(200), EF if number % 40 == 39 else BE)
    # only now the queue moves
    lab.run(*f"{tc} qdisc change dev eth0 root handle 1: tbf rate 100mbit burst 160000 limit 1000000".split())

    def late():
        return Xfrm.drops(b).get("XfrmInStateSeqError", 0) - before
    got = []

    def complete():
        got.extend(traffic.drain(flow.sink))
        return len(got) + late() >= 120
    lab.wait_for(complete, "the datagrams")
    lab.run(*f"{tc} qdisc del dev eth0 root".split())
    return len(got), late()


@lab.test("voice that overtakes bulk costs a window of 32 packets of bulk if they share an SA, and none with classes")
def windows():
    h, a, b = topology()
    with contextlib.closing(flow_of(h, a, b, 4)) as flow:
        associate(a, b, 4, sets={PLAIN: SETS[PLAIN]}, window=32)
        arrived, late = overtaken(a, b, flow)
        lab.true(late > 20, f"one SA: only {late} of {arrived + late} packets were too late, so the test shows nothing")
        associate(a, b, 4, window=32)
        lab.equal(overtaken(a, b, flow), (120, 0), "classes: arrived and too late")


if __name__ == "__main__":
    lab.main()
