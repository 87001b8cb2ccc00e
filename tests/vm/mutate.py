# SPDX-License-Identifier: GPL-2.0-only
"""A hundred thousand real packets, mutated at random, and the module's reaction.

Each is a forgery: a byte that its ICV covers differs from scapy's packet. None may be
accepted, none may prevent the acceptance of the original packet afterwards, and each must
be counted in exactly one counter. Another seed: MUTATE_SEED=7; fewer: MUTATE_COUNT=5000.
"""
import collections
import json
import os
import random
import struct

SEED = int(os.environ.get("MUTATE_SEED", "4303"))
COUNT = int(os.environ.get("MUTATE_COUNT", "100000"))
rng = random.Random(SEED)
os.urandom = rng.randbytes  # keys, payloads and scapy's IVs come from the seed too

import ipsec  # noqa: E402
import lab  # noqa: E402
import traffic  # noqa: E402
from ipsec import AH, ALGORITHMS, GCM, SA, Espah, Policy  # noqa: E402
from scapy_peer import HERE, INSIDE, Peer, association, esp_offset  # noqa: E402

ROUNDS = 10  # good packets of each flow
PORTS = (4500, 4500)
CBC, NULL = ALGORITHMS["aes128-sha256"], ALGORITHMS["null-sha256"]
# mode, inner and outer family, algorithm, in UDP, in fragments
FLOWS = [("tunnel", 4, 4, GCM, False, False), ("tunnel", 6, 6, CBC, False, False),
         ("tunnel", 6, 4, NULL, False, False), ("tunnel", 4, 6, GCM, False, False),
         ("transport", 4, 4, CBC, False, False), ("transport", 6, 6, GCM, False, False),
         ("transport", 4, 4, AH["sha256"], False, False),
         ("transport", 6, 6, AH["sha1"], False, False),
         ("tunnel", 4, 4, AH["sha512"], False, False),
         ("tunnel", 4, 4, GCM, True, False), ("transport", 4, 4, CBC, True, False),
         ("tunnel", 6, 6, CBC, True, False),
         ("tunnel", 4, 4, CBC, False, True), ("tunnel", 6, 6, GCM, False, True),
         ("transport", 4, 4, AH["sha256"], False, True)]
BEFORE_HOOKS = ("plaintext", "icmp_plaintext", "discard_in", "opaque_in", "malformed_in")
# reasons that are possible only after a valid ICV, and reasons that mean overload
NEVER = ("padding", "dummy", "next_header", "inner", "ecn", "policy", "expired", "deliver",
         "queue_full", "nomem", "crypto")


class Flow(Peer):
    """One inbound SA with its policy, with its own source address."""

    def __init__(self, number, mode, inner, outer, algorithm, in_udp, in_fragments):
        # pylint: disable=super-init-not-called; that would flush the flows before it
        family = outer if mode == "tunnel" else inner
        source = f"192.0.2.{10 + number}" if family == 4 else f"2001:db8::1:{number}"
        self.mode, self.inner, self.in_fragments = mode, inner, in_fragments
        self.there, self.here = source, HERE[inner]
        if mode == "tunnel":
            self.here = INSIDE[inner]
            self.there = f"10.2.0.{10 + number}" if inner == 4 else f"fd02::1:{number}"
        self.into = SA(0x1001 + number, source, HERE[family], mode, algorithm, reqid=number + 1,
                       encap=PORTS if in_udp else None)
        self.encoder = association(self.into)
        bits = 32 if inner == 4 else 128
        tunnel = (source, HERE[family]) if mode == "tunnel" else None
        self.lines = [Espah.sa_line("in", self.into),
                      Espah.policy_line("in", Policy(f"{self.there}/{bits}", f"{self.here}/{bits}",
                                                     tunnel, number + 1, "", algorithm.proto))]

    def good(self, payload, seq):
        packet = self.esp(payload, seq)
        start = esp_offset(packet) + (8 if self.into.encap else 0)
        self.covered = packet[start:]
        self.header = self.fixed(packet)
        return packet

    def fixed(self, packet):
        """Bytes of the IP header that AH covers (RFC 4302 3.3.3.1); none for ESP."""
        if self.into.algorithm.proto == "esp":
            return b""
        if packet[0] >> 4 == 4:
            return packet[:1] + packet[2:6] + packet[9:10] + packet[12:20]
        return bytes([packet[0] >> 4]) + packet[4:7] + packet[8:40]

    def forged(self, packet):
        return self.covered not in packet or self.fixed(packet) != self.header

    def frames(self, packet, ident):
        """The packets on the wire: one whole packet, or two fragments."""
        if not self.in_fragments:
            return [packet]
        return fragments4(packet, ident) if packet[0] >> 4 == 4 else fragments6(packet, ident)


def fragments4(packet, ident):
    # not the good packet's identification: one fragment of a forgery would break its reassembly
    head = packet[:4] + struct.pack("!H", ident & 0xffff)
    if len(packet) < 44 or packet[0] & 15 != 5:
        return [checksum(head + packet[6:])]
    cut = 20 + rng.randrange(8, len(packet) - 20, 8)
    first = head + b"\x20\0" + packet[8:cut]
    last = head + struct.pack("!H", (cut - 20) // 8) + packet[8:20] + packet[cut:]
    return [checksum(with_length4(part)) for part in (first, last)]


def fragments6(packet, ident):
    if len(packet) < 64:
        return [packet]
    cut = 40 + rng.randrange(8, len(packet) - 40, 8)
    result = []
    for start, end, more in (40, cut, 1), (cut, len(packet), 0):
        header = struct.pack("!BBHI", packet[6], 0, start - 40 | more, ident)
        result.append(packet[:4] + struct.pack("!HB", 8 + end - start, 44) + packet[7:40]
                      + header + packet[start:end])
    return result


def with_length4(packet):
    return packet[:2] + struct.pack("!H", len(packet)) + packet[4:]


def checksum(packet):
    """The packet with its IPv4 header checksum recomputed, so that IP does not drop it."""
    size = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or not 20 <= size <= len(packet):
        return packet
    header = packet[:10] + b"\0\0" + packet[12:size]
    total = sum(struct.unpack(f"!{size // 2}H", header)) % 0xffff or 0xffff
    return header[:10] + struct.pack("!H", 0xffff - total) + packet[12:]


# --- mutations: each takes a bytearray and changes it ------------------------------------------

def flip(data):
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_early(data):
    """Changes the headers, where each byte has a meaning."""
    data[rng.randrange(min(len(data), 72))] ^= 1 << rng.randrange(8)


def extreme(data):
    data[rng.randrange(min(len(data), 72))] = rng.choice((0, 1, 4, 7, 8, 127, 128, 254, 255))


def cut(data):
    del data[rng.randrange(1, len(data)):]


def grow(data):
    data += rng.randbytes(rng.choice((1, 2, 4, 8, 16, 100)))


def overwrite(data):
    start = rng.randrange(len(data))
    size = min(rng.choice((2, 4, 8, 16)), len(data) - start)
    data[start:start + size] = rng.randbytes(size)


def remove(data):
    start = rng.randrange(20, len(data))
    del data[start:start + rng.choice((1, 2, 4, 8, 16))]


def repeat(data):
    start = rng.randrange(20, len(data))
    data[start:start] = data[start:start + rng.choice((1, 2, 4, 8, 16))]


def swap(data):
    one, other = rng.randrange(len(data)), rng.randrange(len(data))
    data[one], data[other] = data[other], data[one]


def protocol(data):
    data[9 if data[0] >> 4 == 4 else 6] = rng.choice((0, 1, 4, 17, 41, 43, 44, 50, 51, 58, 59, 60))


MUTATIONS = [flip, flip, flip_early, flip_early, extreme, cut, grow, overwrite, remove, repeat,
             swap, protocol]


def mutate(packet, forged):
    """A forgery made of a packet; most have lengths and checksum that let IP pass them on."""
    while True:
        data = bytearray(packet)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if len(data) > 24:
                rng.choice(MUTATIONS)(data)
        if len(data) < 24:
            continue
        data[0] = data[0] & 15 | packet[0] & 0xf0 if rng.random() < .95 else data[0]
        result = bytes(data)
        if len(result) != len(packet) and rng.random() < .8:
            if result[0] >> 4 == 4:
                result = with_length4(result)
            elif len(result) > 40:
                result = result[:4] + struct.pack("!H", len(result) - 40) + result[6:]
        if rng.random() < .95:
            result = checksum(result)
        if forged(result):
            return result


# --- counting ------------------------------------------------------------------------------------

CHAINS = {"pre_before": ("prerouting", -402), "pre_after": ("prerouting", -400),
          "in_before": ("input", 200), "in_after": ("input", 2147483647)}


def count_hooks(ns):
    """Counters right before and after each of espah's hooks; of equal priority, the newest is first."""
    rules = "\n".join(f"chain {name} {{ type filter hook {hook} priority {priority}; counter; }}"
                      for name, (hook, priority) in CHAINS.items())
    ns.run("nft", "-f", "-", stdin=f"table inet count {{\n{rules}\n}}\n")


def may_be_fragment(packet):
    if packet[0] >> 4 == 4:
        return struct.unpack_from("!H", packet, 6)[0] & 0x3fff != 0
    return packet[6] in (0, 43, 44, 51, 59, 60)  # after extension headers


def hooks(ns):
    data = json.loads(ns.run("nft", "-j", "list", "table", "inet", "count").stdout)
    return {entry["rule"]["chain"]: entry["rule"]["expr"][0]["counter"]["packets"]
            for entry in data["nftables"] if "rule" in entry}


def received(ns):
    """Packets that IPv4 and IPv6 received from the device."""
    with ns, open("/proc/net/snmp", encoding="ascii") as file4, \
            open("/proc/net/snmp6", encoding="ascii") as file6:
        names, values = [line.split() for line in file4 if line.startswith("Ip:")]
        return (int(values[names.index("InReceives")])
                + next(int(line.split()[1]) for line in file6 if line.startswith("Ip6InReceives")))


def drain(sockets):
    return [data for sock in sockets for data in traffic.drain(sock)]


@lab.test(f"{COUNT} mutated packets, seed {SEED}: no forgery is accepted, the good ones are, and "
          "the counters add up")
def everything():
    Peer.topology()
    flows = [Flow(number, *form) for number, form in enumerate(FLOWS)]
    a, header = Peer.a, Peer.injector.header
    Espah.batch(a, ["flush", "default in bypass out bypass",
                    *(line for flow in flows for line in flow.lines)])
    count_hooks(a)
    sockets = [traffic.udp(a, address, 7000) for address in {flow.here for flow in flows}]
    lab.run("sysctl", "-qw", "net.core.netdev_max_backlog=20000")
    drops, stack = Espah.drops(a), received(a)
    start, sent, fragments, ident = hooks(a), 0, 0, 1000
    send = Peer.injector.sock.send
    each = -(-COUNT // (ROUNDS * len(flows)))
    for seq in range(1, ROUNDS + 1):
        wanted, good = [], []
        for flow in flows:
            payload = rng.randbytes(rng.randrange(16, 160))
            wanted.append(payload)
            packet = flow.good(payload, seq)
            ethernet = {4: header + b"\x08\0", 6: header + b"\x86\xdd"}[packet[0] >> 4]
            ident += 1
            # AH covers the identification, so a good packet keeps its own
            good.append([ethernet + frame for frame in flow.frames(
                packet, struct.unpack("!H", packet[4:6])[0] if flow.header else ident)])
            for _ in range(each):
                ident += 1
                for frame in flow.frames(mutate(packet, flow.forged), ident):
                    send(ethernet + frame)
                    sent += 1
                    fragments += may_be_fragment(frame)
        lab.equal(drain(sockets), [], f"round {seq}: a forgery was delivered")
        for frames in good:
            for frame in frames:
                send(frame)
                sent += 1
                fragments += may_be_fragment(frame[len(header) + 2:])
        got = []
        lab.wait_for(lambda: got.extend(drain(sockets)) or len(got) >= len(wanted),
                     f"the good packets of round {seq}; drops: {Espah.drops(a)}")
        lab.equal(collections.Counter(got), collections.Counter(wanted), "what was delivered")

    lab.true(sent >= COUNT, f"only {sent} were sent")
    sas = Espah.sas(a)
    lab.equal({(sa["packets"], sa["seq"]) for sa in sas}, {(ROUNDS, ROUNDS)},
              "packets and number of each SA")
    accepted = ROUNDS * len(flows)
    now = Espah.drops(a)
    drops = {name: number - drops.get(name, 0) for name, number in now.items()}
    end = hooks(a)
    passed = {name: end[name] - start[name] for name in start}
    print(f"# seed {SEED}: {sent} packets, {accepted} accepted, dropped {drops}, hooks {passed}")
    lab.equal({name: number for name, number in drops.items() if name in NEVER}, {},
              "drops after authentication, or for overload")
    lab.true(drops.get("icv", 0) > COUNT // 10, f"few reached the ICV: {drops}")
    # extra packets: neighbour discovery
    extra = received(a) - stack - sent - accepted
    lab.true(0 <= extra <= 20, f"IP took {extra} packets more than were sent and came out of SAs")
    before = sum(drops.get(name, 0) for name in BEFORE_HOOKS)
    taken = passed["pre_before"] - passed["pre_after"] - before
    lab.true(0 <= taken <= fragments, f"PRE_ROUTING took {taken} packets without a reason; "
             f"{fragments} may have been fragments to be reassembled")
    lab.equal(passed["in_before"] - passed["in_after"],
              accepted + sum(drops.values()) - before, "accepted or dropped in LOCAL_IN")
    in_sas = sum(sum(ipsec.drop_counts(sa).values()) for sa in sas)
    lab.true(in_sas <= sum(drops.values()), f"SAs count {in_sas} drops, the namespace fewer")


if __name__ == "__main__":
    lab.main()
