# SPDX-License-Identifier: GPL-2.0-only
"""Selectors with lists and ranges: the policy that a packet matches, by counters of policies.

      a (espah)  eth0 ----- veth ----- eth0  b: packets of any kind are put on the wire

All policies of a are inbound and discard, so each packet that PRE_ROUTING sees is counted by
one of them, or by none. A model in Python computes the expected match: it treats addresses as
numbers and searches all policies from the first to the last.
"""
import dataclasses
import ipaddress
import json
import os
import random
import struct

import ipsec
import lab
import traffic
from ipsec import Espah

SEED = int(os.environ.get("SEED", "4301"))
TCP, UDP, ICMP, ICMPV6, MH, GRE = 6, 17, 1, 58, 135, 47
PORTS = (TCP, UDP)


# --- the model ------------------------------------------------------------------------------

@dataclasses.dataclass
class Flow:
    src: int
    dst: int
    six: bool
    proto: int
    sport: int = None  # or the type
    dport: int = None  # or the code
    fragment: bool = False  # not the first, so without ports


@dataclasses.dataclass
class Selector:
    """Each field is a list of (lowest, highest), or None: any."""
    six: bool
    src: list = None
    dst: list = None
    proto: int = None
    sport: list = None
    dport: list = None
    priority: int = 1000
    opaque: bool = False

    def matches(self, flow):
        """Whether the flow matches; for a fragment: whether it may match."""
        pairs = [(self.src, flow.src), (self.dst, flow.dst)]
        if flow.fragment:
            ports = True
        else:
            ports = not self.opaque
            pairs += [(self.sport, flow.sport), (self.dport, flow.dport)]
        return (ports and self.six == flow.six and self.proto in (None, flow.proto) and
                all(ranges is None or value is not None and
                    any(low <= value <= high for low, high in ranges)
                    for ranges, value in pairs))

    @property
    def has_ports(self):
        return self.sport is not None or self.dport is not None

    def words(self):
        """The selector in the words of the command."""
        words = [self.addresses(self.src), self.addresses(self.dst), f"inet{'6' * self.six}"]
        if self.proto is not None:
            words.append(f"proto {self.proto}")
        names = ("sport", "dport") if self.proto in PORTS else ("type", "code")
        for name, ranges in zip(names, (self.sport, self.dport)):
            if ranges is not None:
                words.append(f"{name} " + ",".join(
                    f"{low}-{high}" if low != high else f"{low}" for low, high in ranges))
        return " ".join(words) + f" priority {self.priority}" + " opaque" * self.opaque

    def addresses(self, ranges):
        kind = ipaddress.IPv6Address if self.six else ipaddress.IPv4Address
        if ranges is None:
            return "any"
        return ",".join(f"{kind(low)}-{kind(high)}" for low, high in ranges)


def expected(selectors, flow):
    """Index of the selector that decides, or None, and the fate of the packet."""
    matching = [(selector.priority, i) for i, selector in enumerate(selectors)
                if selector.matches(flow)]
    if not matching:
        return None, None
    index = min(matching)[1]
    hidden = flow.fragment and selectors[index].has_ports
    return index, "opaque_in" if hidden else "discard_in"


# --- packets --------------------------------------------------------------------------------

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def upper(flow):
    if flow.proto in PORTS:
        return struct.pack("!HH", flow.sport, flow.dport) + bytes(20)
    if flow.proto in (ICMP, ICMPV6):
        return struct.pack("!BB", flow.sport, flow.dport) + bytes(22)
    if flow.proto == MH:
        return struct.pack("!BBB", 59, 1, flow.sport) + bytes(13)
    return bytes(24)


def packet(flow):
    data = upper(flow)
    proto = flow.proto
    if flow.six and flow.fragment:
        data = struct.pack("!BBHI", proto, 0, 8, random.getrandbits(32)) + data
        proto = 44
    if flow.six:
        return (struct.pack("!IHBB", 6 << 28, len(data), proto, 64) +
                flow.src.to_bytes(16, "big") + flow.dst.to_bytes(16, "big") + data)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), random.getrandbits(16),
                         1 if flow.fragment else 0, 64, flow.proto, 0)
    ends = struct.pack("!II", flow.src, flow.dst)
    return header[:10] + struct.pack("!H", checksum(header + ends)) + ends + data


# --- the laboratory --------------------------------------------------------------------------

class Lab:
    def __init__(self):
        self.a, self.b = lab.Netns("a", forward=True), lab.Netns("b")
        lab.link(self.a, "eth0", self.b, "eth0")
        self.a.ip("addr add 192.0.2.1/24 dev eth0\naddr add 2001:db8::1/64 dev eth0 nodad\n")
        self.injector = traffic.Injector(self.b, "eth0", self.a, "eth0")
        # untracked packets are not reassembled, so PRE_ROUTING sees fragments
        self.a.run("nft", "-f", "-", stdin="""
            add table inet raw
            add chain inet raw prerouting { type filter hook prerouting priority -450; }
            add rule inet raw prerouting notrack
            """)

    def install(self, selectors):
        Espah.batch(self.a, ["flush"] + [f"policy add in {selector.words()} discard"
                                         for selector in selectors])

    def counts(self):
        """{reason: packets} of each policy, in the order of addition."""
        listed = sorted(Espah.json(self.a, "policy", "list", "in"), key=lambda p: p["id"])
        return [ipsec.drop_counts(policy) for policy in listed]

    def total(self):
        return sum(Espah.drops(self.a).values())

    def send(self, flows):
        for flow in flows:
            self.injector.send(packet(flow))


def compare(lab_, selectors, flows, what):
    want = [{} for _ in selectors]
    for flow in flows:
        index, reason = expected(selectors, flow)
        if index is not None:
            want[index][reason] = want[index].get(reason, 0) + 1
    total = sum(sum(reasons.values()) for reasons in want)
    before = lab_.total()
    lab_.send(flows)
    lab.wait_for(lambda: lab_.total() - before >= total,
                 f"{total} packets to be counted, {what}")
    got = lab_.counts()
    wrong = [f"{selectors[i].words()}: {got[i]}, expected {want[i]}"
             for i in range(len(want)) if got[i] != want[i]]
    lab.true(not wrong, f"{what}: {len(wrong)} policies; {wrong[:2]}")


def one(number):
    return [(number, number)]


V4, V6 = int(ipaddress.ip_address("10.1.0.0")), int(ipaddress.ip_address("fd01::fff0"))


def random_ranges(base, spread, count, width):
    """Disjoint ranges in any order; the command sorts them."""
    points = random.sample(range(spread), 2 * random.randint(1, count))
    points.sort()
    pairs = [(base + low, base + min(high, low + width))
             for low, high in zip(points[::2], points[1::2])]
    random.shuffle(pairs)
    return pairs


def random_selector():
    six = random.random() < 0.4
    base = V6 if six else V4
    selector = Selector(six, priority=random.choice((10, 20, 30)))
    if random.random() < 0.8:
        selector.src = random_ranges(base, 64, 3, 20)
    if random.random() < 0.5:
        selector.dst = random_ranges(base, 64, 2, 40)
    if random.random() < 0.8:
        selector.proto = random.choice((TCP, UDP, GRE, ICMPV6, MH) if six else
                                       (TCP, UDP, GRE, ICMP))
    if selector.proto in (TCP, UDP, ICMP, ICMPV6, MH):
        if random.random() < 0.6:
            selector.sport = random_ranges(0, 12, 2, 3)
        if random.random() < 0.6 and selector.proto != MH:
            selector.dport = random_ranges(0, 12, 3, 2)
    if not selector.has_ports and random.random() < 0.3:
        selector.opaque = True
    return selector


def random_flow(selectors):
    near = random.choice(selectors)
    base = V6 if near.six else V4
    flow = Flow(base + random.randrange(64), base + random.randrange(64), near.six,
                near.proto or random.choice((TCP, UDP, GRE)))
    if random.random() < 0.2:
        flow.proto = random.choice((TCP, UDP, ICMPV6, MH) if near.six else (TCP, UDP, ICMP))
    if flow.proto in (TCP, UDP, ICMP, ICMPV6, MH):
        flow.sport = random.randrange(13)
    if flow.proto in (TCP, UDP, ICMP, ICMPV6):
        flow.dport = random.randrange(13)
    if random.random() < 0.3:
        flow.fragment, flow.sport, flow.dport = True, 0, 0
    # at the limits, where errors are likely
    for side in "src", "dst":
        ranges = getattr(near, side)
        if ranges and random.random() < 0.6:
            value = random.choice(random.choice(ranges)) + random.choice((-1, 0, 0, 0, 1))
            setattr(flow, side, value)
    return flow


@lab.test("selectors with lists of addresses, ports and types, ANY and OPAQUE decide as a model "
          "does (RFC 4301 4.4.1.1, 4.4.1.2, 7)")
def model():
    random.seed(SEED)
    lab_ = Lab()
    for number in range(6):
        selectors = []
        for _ in range(40):
            selector = random_selector()
            # a selector without any field would match everything and hide the rest
            if selector.src or selector.proto:
                selectors.append(selector)
        lab_.install(unique(selectors))
        selectors = unique(selectors)
        compare(lab_, selectors, [random_flow(selectors) for _ in range(1500)],
                f"seed {SEED}, set {number}")
    lab.delete_all()


def unique(selectors):
    seen = {}
    for selector in selectors:
        key = dataclasses.astuple(dataclasses.replace(
            selector, **{name: sorted(getattr(selector, name) or [])
                         for name in ("src", "dst", "sport", "dport")}))
        seen.setdefault(repr(key), selector)
    return list(seen.values())


@lab.test("a policy of many rules is added, found, replaced and deleted as one")
def whole():
    a = lab.Netns("a")
    many = ("10.1.0.1-10.1.0.14,10.3.0.5-10.3.0.9 10.2.0.0/16,10.4.0.0/16 tcp "
            "dport 80,443,1024-2047 sport 1000-2000")
    same = ("10.3.0.5,10.3.0.6,10.3.0.7-10.3.0.9,10.1.0.1-10.1.0.14 10.4.0.0/16,10.2.0.0/16 "
            "proto 6 sport 1000-2000 dport 1024-2047,443,80-80")
    Espah.batch(a, [f"policy add out {many} discard", "policy add out any4 any bypass"])
    policy = Espah.json(a, "policy", "get", "id", "1")
    lab.equal((policy["src"], policy["dst"], policy["dport"], policy["sport"], policy["proto"]),
              (["10.1.0.1-10.1.0.14", "10.3.0.5-10.3.0.9"], ["10.2.0.0/16", "10.4.0.0/16"],
               [80, 443, "1024-2047"], "1000-2000", "tcp"), "the selector that is listed")
    result = a.run(ipsec.CLI, "policy", "add", "out", *same.split(), "bypass", check=False)
    lab.true(result.returncode == 1 and "exists" in result.stderr,
             f"the same policy in other words: {result.stderr}")
    lab.equal(Espah.json(a, "policy", "get", "out", *same.split())["id"], 1, "found as id")

    def action(src, dst, sport, dport):
        return Espah.json(a, "explain", "out", src, dst, "tcp", "sport", str(sport), "dport",
                          str(dport))["policy"]
    lab.equal(action("10.3.0.9", "10.4.1.1", 2000, 2047)["id"], 1, "policy of the last rule")
    a.run(ipsec.CLI, "policy", "replace", "out", *same.split(), "bypass")
    for src, dst, sport, dport in (("10.3.0.9", "10.4.1.1", 2000, 2047),
                                   ("10.1.0.1", "10.2.0.0", 1000, 80)):
        policy = action(src, dst, sport, dport)
        lab.equal((policy["id"], policy["action"]), (1, "bypass"), "after the replacement")
    a.run(ipsec.CLI, "policy", "del", "id", "1")
    for src, dst, sport, dport in (("10.3.0.9", "10.4.1.1", 2000, 2047),
                                   ("10.1.0.1", "10.2.0.0", 1000, 80)):
        lab.equal(action(src, dst, sport, dport)["id"], 2, "after the deletion")
    lab.delete_all()


@lab.test("policies that share a selector among theirs are told apart")
def shared():
    a = lab.Netns("a")
    Espah.batch(a, ["policy add in 10.1.0.1,10.1.0.4 any discard",
                    "policy add in 10.1.0.1,10.1.0.9 any discard",
                    "policy add in 10.1.0.1 any discard"])
    for words, number in (("10.1.0.1,10.1.0.4", 1), ("10.1.0.1,10.1.0.9", 2), ("10.1.0.1", 3)):
        lab.equal(Espah.json(a, "policy", "get", "in", words, "any")["id"], number, words)
    result = a.run(ipsec.CLI, "policy", "get", "in", "10.1.0.1,10.1.0.7", "any", check=False)
    lab.equal(result.returncode, 1, "status for one that is not there")
    lab.delete_all()


@lab.test("the longest lists are taken, shown in full and dumped; longer ones refused")
def longest():
    a = lab.Netns("a")
    addresses = ",".join(f"2001:db8:{number:x}::5-2001:db8:{number:x}::6" for number in range(64))
    few = "2001:db8::1-2001:db8::6,2001:db8::9"
    with a:
        def add(*words):
            return lab.run(ipsec.CLI, "policy", "add", "out", *words, check=False)
        lab.equal(add(addresses, "any6", "bypass").returncode, 0, "64 ranges")
        lab.equal(len(json.loads(lab.run(ipsec.CLI, "-j", "policy", "list").stdout)[0]["src"]),
                  64, "ranges in the answer")
        lab.equal(add(addresses, few, "bypass").returncode, 0, "128 times 5 is below 1,024")
        result = add(addresses, few + ",2001:db8::11-2001:db8::1e", "bypass")
        lab.true(result.returncode == 1 and "1024" in result.stderr, f"1,408: {result.stderr}")
        ports = ",".join(str(number) for number in range(0, 128, 2))
        lab.equal(add("10.0.0.0/30,10.1.0.0/24", "any", "udp", "sport", ports, "dport",
                      "1,3,5,7,9,11,13,15", "bypass").returncode, 0, "1,024 rules")
        result = add("10.0.0.0/30,10.1.0.0/24", "any", "udp", "sport", ports, "dport",
                     "1,3,5,7,9,11,13,15,17", "bypass")
        lab.true(result.returncode == 1 and "1024" in result.stderr, f"1,152: {result.stderr}")
        listed = json.loads(lab.run(ipsec.CLI, "-j", "policy", "list").stdout)
        lab.equal(len(listed), 3, "policies")
        for policy in listed:
            lab.equal(lab.run(ipsec.CLI, "policy", "del", "id", str(policy["id"])).returncode, 0,
                      "deletion")
    lab.delete_all()


if __name__ == "__main__":
    lab.main()
