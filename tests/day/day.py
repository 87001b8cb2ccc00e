#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A day of two gateways that strongSwan keys, one of which moves (tests/day/run).

   s 10.1.N.2 -- a 192.168.7.2 -- 192.168.7.254 n 192.0.2.1 --- 192.0.2.254 m 198.51.100.254 -- b 198.51.100.1
                   192.168.7.9    (NAT)                                     |                     |
                 a 203.0.113.2 ------------------------------ 203.0.113.254 m                 t 10.2.N.2

n translates a's addresses; m is a router with a delay of 20 ms each way. Among a's three addresses only one is
there at a time, but for two seconds ahead of a move. Each hour:

   minute 2   the IKE_SA is rekeyed by a           minute 10, 40  a moves to the next address (MOBIKE)
   minute 20  CHILD_SA `two' is rekeyed by b       minute 25, 55  n gives a another port, if a is behind it
   minute 32  the IKE_SA is rekeyed by b           minute 47      the idle tunnel is used
   minute 36  CHILD_SA `one' is rekeyed by a       minute 58      memory is counted

The CHILD_SAs are rekeyed because their lifetimes of an hour in the kernel end. Numbered datagrams go both ways
through each of them: one a second, 20 a second around all that happens. IKE_SA `idle' has one CHILD_SA, which
carries a datagram each way once an hour, so DPD keeps it alive.
"""
import bisect
import heapq
import json
import os
import re
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vm"))
sys.dont_write_bytecode = True

import ipsec  # noqa: E402
import lab  # noqa: E402
import memory  # noqa: E402
import module  # noqa: E402
import traffic  # noqa: E402
from charon import Charon, connection  # noqa: E402
from ipsec import Espah, Xfrm  # noqa: E402
from sites import NAT  # noqa: E402

HOURS = int(os.environ.get("ESPAH_HOURS", "24"))
HOUR, MINUTE = 3600, 60
DELAY = 0.02  # seconds on the way from one gateway to the other
AWAY = 1.0    # seconds for which packets may be lost after an address or a mapping went
DENSE = 0.05  # seconds between datagrams around an event
PLACES = [("wan", "192.168.7.2", "192.168.7.254"), ("wan", "192.168.7.9", "192.168.7.254"),
          ("pub", "203.0.113.2", "203.0.113.254")]
B = "198.51.100.1"
CHILDREN = {"one": 0, "two": 1, "idle": 2}
LEVEL_FROM = 4       # hours until all caches have been filled
GROWTH = 32 << 10    # bytes of kernel memory afterwards
STACKS = {"espah": Espah, "xfrm": Xfrm, "face": Espah}

WIRE = """
table inet wire {
    counter clear { }
    chain arrived {
        type filter hook prerouting priority raw;
        meta l4proto esp accept
        udp dport { 500, 4500 } accept
        udp sport { 500, 4500 } accept
        icmp type destination-unreachable accept
        meta l4proto { icmp, udp, tcp } counter name clear
    }
}
"""
USUAL = "retransmit_timeout = 4\nretransmit_base = 1.8\nretransmit_tries = 5"  # strongSwan's own defaults


class Flow:
    """Numbered datagrams one way between two addresses."""

    def __init__(self, name, source, sink):
        self.name, self.source, self.sink = name, source, sink
        self.target = sink.getsockname()
        sink.setblocking(False)
        self.sent = []           # when
        self.got = bytearray()   # how often
        self.last, self.behind, self.slowest = -1, 0, 0

    def send(self):
        self.source.sendto(struct.pack("!Q", len(self.sent)) + bytes(56), self.target)
        self.sent.append(time.monotonic())
        self.got.append(0)

    def read(self):
        while True:
            try:
                number, = struct.unpack_from("!Q", self.sink.recv(2048))
            except BlockingIOError:
                return
            self.got[number] += 1
            self.behind += number < self.last
            self.last = max(self.last, number)
            self.slowest = max(self.slowest, time.monotonic() - self.sent[number])

    def lost(self):
        return [self.sent[number] for number, count in enumerate(self.got) if not count]

    def twice(self):
        return sum(count > 1 for count in self.got)


class Lab:
    """The network drawn above."""

    def __init__(self):
        self.s, self.t = lab.Netns("s"), lab.Netns("t")
        self.a, self.n, self.m, self.b = (lab.Netns(name, forward=True) for name in "anmb")
        for ends in ((self.s, "eth0", self.a, "lan"), (self.a, "wan", self.n, "in"), (self.a, "pub", self.m, "pub"),
                     (self.n, "out", self.m, "west"), (self.m, "east", self.b, "wan"),
                     (self.b, "lan", self.t, "eth0")):
            lab.link(*ends)
        for ns, number in (self.s, 1), (self.t, 2):
            ns.ip("".join(f"addr add 10.{number}.{net}.2/24 dev eth0\n" for net in range(3))
                  + f"route add default via 10.{number}.0.1\n")
        for ns, number in (self.a, 1), (self.b, 2):
            ns.ip("".join(f"addr add 10.{number}.{net}.1/24 dev lan\n" for net in range(3)))
        self.a.sysctl("net.ipv4.conf.all.promote_secondaries", 1)
        self.n.ip("addr add 192.168.7.254/24 dev in\naddr add 192.0.2.1/24 dev out\n"
                  "route add default via 192.0.2.254\n")
        self.m.ip("addr add 192.0.2.254/24 dev west\naddr add 203.0.113.254/24 dev pub\n"
                  "addr add 198.51.100.254/24 dev east\n")
        self.b.ip(f"addr add {B}/24 dev wan\nroute add default via 198.51.100.254\n")
        for ns in self.n, self.m:
            ns.run("nft", "-f", "-", stdin=WIRE)
        self.place, self.ports = 0, 0
        device, address, router = PLACES[0]
        self.a.ip(f"addr add {address}/24 dev {device}\nroute add default via {router}\n")
        self.translate()
        self.check_wire()
        for device in "east", "west", "pub":
            self.m.run("tc", "qdisc", "add", "dev", device, "root", "netem", "limit", "10000", "delay",
                       f"{DELAY * 1000:.0f}ms")

    def check_wire(self):
        """There is no tunnel yet, so what s and t send must be counted as plaintext."""
        for ns, source, target, counts in ((self.s, "10.1.0.2", "10.2.0.2", 2), (self.t, "10.2.0.2", "10.1.0.2", 1)):
            with traffic.udp(ns, source) as sock:
                before = self.in_clear()
                sock.sendto(b"clear", (target, 9))
                lab.equal(self.in_clear() - before, counts, "packets in clear where there is no tunnel")
        for ns in self.n, self.m:
            ns.run("nft", "reset", "counters", "table", "inet", "wire")

    def in_clear(self):
        """Packets that have arrived at the NAT and the router in clear."""
        return sum(int(ns.run("nft", "list", "counter", "inet", "wire", "clear").stdout.split("packets ")[1].split()[0])
                   for ns in (self.n, self.m))

    def translate(self):
        """The NAT forgets its mappings and takes other ports from now on."""
        first = 20000 + 100 * self.ports
        self.n.run("nft", "-f", "-", stdin=NAT.format(out="out", ports=f"{first}-{first + 99}"))
        self.n.run("conntrack", "-F", check=False)

    def rebind(self):
        self.ports = (self.ports + 1) % 400
        self.translate()

    def behind_nat(self):
        return PLACES[self.place][0] == "wan"

    def announce(self):
        """The next address is there besides the present one."""
        device, address, _ = PLACES[(self.place + 1) % len(PLACES)]
        self.a.ip(f"addr add {address}/24 dev {device}\n")

    def move(self):
        """The present address goes."""
        device, address, _ = PLACES[self.place]
        self.place = (self.place + 1) % len(PLACES)
        to, _, router = PLACES[self.place]
        self.a.ip(f"addr del {address}/24 dev {device}\nroute replace default via {router} dev {to}\n")


class Day:
    def __init__(self, setup):
        self.stacks = setup.split("-")
        self.here = Lab()
        self.agenda, self.number = [], 0
        self.went = []    # (when, `address' or `mapping')
        self.levels = []  # (hour, memory, SAs of a, of b)
        self.wrong = []
        self.dense = []   # beginnings and ends of times with many datagrams
        names = {"face": "xfrm_face"}
        names = [names.get(stack, stack) for stack in self.stacks]
        os.environ["LD_PRELOAD"] = f"{ipsec.ROOT}/build/day/pause.so"  # for the daemons: see pause.c
        self.b = Charon(self.here.b, names[1], self.conf(B, "%any", 2, "two"), USUAL)
        self.a = Charon(self.here.a, names[0], self.conf("%any", B, 1, "one"), USUAL)
        del os.environ["LD_PRELOAD"]
        self.flows, self.idle = [], []
        for child, net in CHILDREN.items():
            ends = [traffic.udp(ns, f"10.{number}.{net}.2", 9000 + net)
                    for ns, number in ((self.here.s, 1), (self.here.t, 2))]
            flows = [Flow(f"{child}, a to b", *ends), Flow(f"{child}, b to a", *ends[::-1])]
            (self.idle if child == "idle" else self.flows).extend(flows)
        self.poll = select.epoll()
        self.sinks = {}
        for flow in self.flows + self.idle:
            self.sinks[flow.sink.fileno()] = flow
            self.poll.register(flow.sink, select.EPOLLIN)

    @staticmethod
    def conf(local, remote, end, rekeyed):
        """end: 1 or 2, the side of the networks; rekeyed: the CHILD_SA whose end this is to rekey"""
        def child(name):
            net = CHILDREN[name]
            return (f"local_ts = 10.{end}.{net}.0/24\nremote_ts = 10.{3 - end}.{net}.0/24\nrand_time = 0\n"
                    f"esp_proposals = aes128gcm16-x25519\nlife_time = {0 if name == 'idle' else '90m'}\n"
                    f"rekey_time = {'1h' if name == rekeyed else 0}\n")
        text = ""
        for name, children in ("gw", ("one", "two")), ("quiet", ("idle",)):
            ends = ("a", "b")[::3 - 2 * end]
            section = connection(local, remote, {name_: child(name_) for name_ in children}, name=name,
                                 extra="rekey_time = 0\ndpd_delay = 30s\nmobike = yes\n")
            for whose, who in zip(("local", "remote"), ends):  # otherwise the two would share one IKE_SA
                section = section.replace(f"{whose} {{ auth = psk }}", f"{whose} {{ auth = psk\nid = {name}-{who} }}")
            text += section
        return text

    # --- time -----------------------------------------------------------------------------

    def at(self, when, function, *arguments):
        self.number += 1
        heapq.heappush(self.agenda, (when, self.number, function, arguments))

    def run(self, until):
        """Does what is due, and reads what arrives."""
        while True:
            now = time.monotonic()
            due = self.agenda[0][0] if self.agenda else until
            due = min(due, until)
            for number, _ in self.poll.poll(max(due - now, 0)):
                self.sinks[number].read()
            if time.monotonic() < due:
                continue
            if due >= until:
                return
            _, _, function, arguments = heapq.heappop(self.agenda)
            function(*arguments)

    def tick(self, flow):
        flow.send()
        now = flow.sent[-1]
        index = bisect.bisect(self.dense, now)
        if index & 1:
            self.at(now + DENSE, self.tick, flow)
        elif now < self.end:
            following = self.dense[index] if index < len(self.dense) else self.end
            self.at(min(now + 1, following + 0.001), self.tick, flow)

    # --- what happens ---------------------------------------------------------------------

    def rekey(self, charon, *what):
        charon.swanctl("--rekey", *what)

    def move(self):
        self.went.append((time.monotonic(), "address"))
        self.here.move()
        self.at(time.monotonic() + 5, self.check_sas)

    def rebind(self):
        if not self.here.behind_nat():
            return
        self.went.append((time.monotonic(), "mapping"))
        self.here.rebind()
        self.at(time.monotonic() + 5, self.check_sas)

    def check_sas(self):
        """The SAs that carry datagrams are where a is, at both ends."""
        _, address, _ = PLACES[self.here.place]
        behind = self.here.behind_nat()
        for name, stack, ns, there in (("a", self.stacks[0], self.here.a, address),
                                       ("b", self.stacks[1], self.here.b, "192.0.2.1" if behind else address)):
            sas = STACKS[stack].sas(ns)
            ends = {frozenset((sa["src"], sa["dst"])) for sa in sas}
            if name == "b" and behind:
                # the idle tunnel learns a new port by DPD
                ports = [sa["encap"]["dport" if sa["src"] == B else "sport"] for sa in sas if sa.get("encap")]
                first = 20000 + 100 * self.here.ports
                if sum(first <= port < first + 100 for port in ports) < 4:
                    self.wrong.append(f"{self.when()}: b's SAs have the ports {ports}, and n uses {first} on")
            if ends != {frozenset((there, B))}:
                self.wrong.append(f"{self.when()}: SAs of {name} between {[*map(sorted, ends)]}, a is at {there}")
            if any(bool(sa.get("encap")) != behind for sa in sas):
                self.wrong.append(f"{self.when()}: SAs of {name} and UDP, behind a NAT: {behind}")

    def when(self, moment=None):
        seconds = (moment or time.monotonic()) - self.start
        return f"{int(seconds // 3600):02d}:{int(seconds // 60) % 60:02d}:{seconds % 60:06.3f}"

    def count(self, hour):
        sas = [len(STACKS[stack].sas(ns)) for stack, ns in zip(self.stacks, (self.here.a, self.here.b))]
        rss = []
        for charon in self.a, self.b:
            with open(f"/proc/{charon.process.pid}/status", encoding="ascii") as file:
                rss.append(int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]))
        seen = memory.memory()
        self.levels.append((hour, seen, sas, rss))
        print(f"level {self.when()} {seen} SAs {sas} charon {rss} KB", flush=True)

    def plan(self):
        start = self.start
        events = []
        for hour in range(HOURS):
            def on(minute, function, *arguments, ahead=1, after=5, hour=hour):
                moment = start + hour * HOUR + minute * MINUTE
                self.at(moment, function, *arguments)
                events.append((moment - ahead, moment + after))
            on(2, self.rekey, self.a, "--ike", "gw")
            on(32, self.rekey, self.b, "--ike", "gw")
            for minute in 10, 40:
                self.at(start + hour * HOUR + minute * MINUTE - 2, self.here.announce)
                on(minute, self.move)
            for minute in 25, 55:
                on(minute, self.rebind)
            for minute in 20, 36:  # by themselves, later each hour: an expiry is late by up to a second
                on(minute, lambda: None, ahead=5, after=60)
            for flow in self.idle:
                self.at(start + hour * HOUR + 47 * MINUTE, flow.send)
            self.at(start + hour * HOUR + 58 * MINUTE, self.count, hour)
        self.dense = [moment for event in sorted(events) for moment in event]
        for number, flow in enumerate(self.flows):
            self.at(start + 0.2 + number * 0.01, self.tick, flow)

    def live(self):
        for child in CHILDREN:
            self.a.initiate(child)
        # the hour before: each end's CHILD_SA begins its hour at its minute
        begin = time.monotonic() + 1
        self.at(begin + 20 * MINUTE, self.rekey, self.b, "--child", "two")
        self.at(begin + 36 * MINUTE, self.rekey, self.a, "--child", "one")
        self.run(begin + HOUR)
        self.start, self.end = time.monotonic(), time.monotonic() + HOURS * HOUR
        self.logs = [charon.log().count("\n") for charon in (self.a, self.b)]
        self.drops = [STACKS[stack].drops(ns) for stack, ns in zip(self.stacks, (self.here.a, self.here.b))]
        self.plan()
        self.run(self.end + 5)

    # --- figures ----------------------------------------------------------------------------

    def log(self, charon):
        """Lines of the day."""
        return "\n".join(charon.log().splitlines()[self.logs[charon is self.b]:])

    def figures(self):
        text = {"a": self.log(self.a), "b": self.log(self.b)}
        drops = []
        for stack, ns, before in zip(self.stacks, (self.here.a, self.here.b), self.drops):
            now = STACKS[stack].drops(ns)
            drops.append({name: count - before.get(name, 0) for name, count in now.items()
                          if count != before.get(name, 0)})
        lost = {"address": {"a to b": [], "b to a": []}, "mapping": {"a to b": [], "b to a": []}}
        stray = []
        moments = [moment for moment, _ in self.went]
        for flow in self.flows + self.idle:
            for sent in flow.lost():
                # what was on its way when the address went counts as lost after that
                index = bisect.bisect(moments, sent + 2 * DELAY) - 1
                after = sent - moments[index] if index >= 0 else None
                if after is None or after > AWAY:
                    stray.append(f"{flow.name} at {self.when(sent)}")
                else:
                    lost[self.went[index][1]][flow.name.partition(", ")[2]].append((index, after))
        began = int(time.time() - time.monotonic() + self.start)
        alone = []  # rekeyings that no dense datagrams saw
        for end, what in (("a", "CHILD_SA one"), ("b", "CHILD_SA two"), ("a", "IKE_SA gw"), ("b", "IKE_SA gw")):
            for clock in re.findall(rf"^(\S+) .*(?:establishing|initiating) {what}", text[end], re.M):
                hours, minutes, seconds = map(int, clock.split(":"))
                after = ((hours * 60 + minutes) * 60 + seconds - began) % (24 * HOUR) + 0.5
                if not bisect.bisect(self.dense, self.start + after) & 1:
                    alone.append(f"{what} by {end} at {self.when(self.start + after)}")
        # the initiator's log says `establishing' and `initiating', both ends' logs that it is done
        rekeyed, done = {}, {}
        for child, end in ("one", "a"), ("two", "b"):
            rekeyed[f"CHILD_SA {child} by {end}"] = text[end].count(f"establishing CHILD_SA {child}{{")
            done[child] = len(set(re.findall(rf"CHILD_SA {child}{{(\d+)}} established", text["a"])))
        for end in text:
            rekeyed[f"IKE_SA by {end}"] = text[end].count("initiating IKE_SA gw[")
        done["IKE_SA"] = len(re.findall(r"IKE_SA gw\[\d+\] rekeyed", text["a"]))
        return {
            "sent": {flow.name: len(flow.sent) for flow in self.flows},
            "lost": {kind: {way: len(found) for way, found in ways.items()} for kind, ways in lost.items()},
            "longest": {kind: round(max((after for found in ways.values() for _, after in found), default=0), 3)
                        for kind, ways in lost.items()},
            "events": {kind: sum(kind_ == kind for _, kind_ in self.went) for kind in lost},
            # when, what went, and the seconds after which datagrams were sent that were lost, by way
            "each": [[self.when(moment), kind,
                      *([round(after, 2) for number, after in ways if number == index]
                        for ways in lost[kind].values())]
                     for index, (moment, kind) in enumerate(self.went)],
            "stray": stray, "twice": sum(flow.twice() for flow in self.flows + self.idle),
            "behind": sum(flow.behind for flow in self.flows), "in clear": self.here.in_clear(),
            "slowest": round(max(flow.slowest for flow in self.flows), 3),
            "idle": [sum(map(bool, flow.got)) for flow in self.idle],
            "rekeyed": rekeyed, "done": done, "drops": drops, "wrong": self.wrong, "alone": alone,
            "DPD": {end: len(re.findall("sending DPD request", text[end])) for end in text},
            "retransmits": {end: len(re.findall(r"retransmit \d+ of request", text[end])) for end in text},
            "levels": self.levels,
        }


def level(levels):
    """Bytes of kernel memory by which the last hour is above hour LEVEL_FROM."""
    if len(levels) <= LEVEL_FROM:
        return 0
    return {name: levels[-1][1][name] - levels[LEVEL_FROM][1][name] for name in levels[-1][1]}


def judge(setup, seen):
    def check(sentence, *conditions):
        with lab.verdict(f"{setup}: {sentence}"):
            for condition, why in conditions:
                lab.true(condition, why)
    check("numbered datagrams went each way, one a second and more",
          *((count >= HOURS * HOUR, f"{name}: {count}") for name, count in seen["sent"].items()))
    check("none arrived twice", (not seen["twice"], f"{seen['twice']}"))
    check("none was seen in clear", (not seen["in clear"], f"{seen['in clear']}"))
    check("none was lost but within a second after an address or a mapping went",
          (not seen["stray"], f"{len(seen['stray'])}: {seen['stray'][:8]}"))
    check("the SAs of both ends followed each move and each mapping",
          (seen["events"]["address"] == 2 * HOURS and seen["events"]["mapping"], f"{seen['events']}"),
          (not seen["wrong"], f"{seen['wrong'][:4]}"))
    check("CHILD_SAs and IKE_SAs were rekeyed by both ends each hour, once",
          *((count in (HOURS - 1, HOURS), f"{what}: {count}") for what, count in seen["rekeyed"].items()),
          (sum(seen["rekeyed"].values()) == sum(seen["done"].values()), f"{seen['rekeyed']}, done {seen['done']}"))
    check("each rekeying had 20 datagrams a second in each flow around it", (not seen["alone"], f"{seen['alone']}"))
    check("DPD kept a tunnel alive that was used once an hour",
          (seen["idle"] == [HOURS, HOURS], f"arrived: {seen['idle']}"),
          (sum(seen["DPD"].values()) > 100 * HOURS, f"requests: {seen['DPD']}"))
    check("there are six SAs at each end at each hour",
          *((sas == [6, 6], f"hour {hour}: {sas}") for hour, _, sas, _ in seen["levels"]))
    if HOURS > LEVEL_FROM + 1:
        grown = level(seen["levels"])
        check(f"kernel memory is level from hour {LEVEL_FROM + 1} on",
              *((count <= GROWTH, f"{name}: {count} bytes more") for name, count in grown.items()))


def main():
    setup = sys.argv[1]
    if "face" in setup:
        module.load_face()
    elif "espah" in setup:
        module.load()
    try:
        day = Day(setup)
        day.live()
    except Exception as error:  # pylint: disable=broad-except; the daemons' logs are shown
        lab.report(f"{setup}: a day of {HOURS} hours", lab.explain(error))
        sys.exit(1)
    seen = day.figures()
    print("figures " + json.dumps(seen), flush=True)
    judge(setup, seen)
    if os.environ.get("DAY_LOG"):
        Charon.tell()
    sys.exit(1 if lab.Results.failed else 0)


if __name__ == "__main__":
    main()
