#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Everything at once, for a minute: flows both ways on two processors, while SAs are rekeyed,
deleted and added, policies replaced, and namespaces with traffic of their own come and go.

    a (espah) 192.0.2.1 ----- veth ----- 192.0.2.2 (espah) b      c, d: the same, again and again

ESPAH_SOAK_SECONDS=600: ten minutes. At the end: sent = delivered + counted drops, each flow
in order, no memory growth, no references left. The kernel's log is read by scripts/vm.
"""
import contextlib
import mmap
import os
import signal
import socket
import struct
import time

import driver
import ipsec
import lab
import memory
import module
import traffic
from ipsec import ALGORITHMS, GCM, OURS, Policy, SA

SECONDS = int(os.environ.get("ESPAH_SOAK_SECONDS", "60"))
FLOWS = 4        # each way
WINDOW = 64      # maximum number of datagrams of a flow in flight, unless some were dropped
PAUSE = 0.02     # seconds after which missing datagrams count as dropped, for the window
SPARE = 300      # unused SAs, added and deleted in each round
TURN = 50        # datagrams after which a sender changes its processor
CPUS = sorted(os.sched_getaffinity(0))
# in turn for each SA: two asynchronous drivers, then a synchronous one, with CPUs that share
KINDS = 2 * ({"algorithm": GCM},) + ({"algorithm": ALGORITHMS["chacha20poly1305"],
                                      "extra": "cpus 2"},)
STAMP = struct.Struct("!II")  # flow, number


# drop reasons that the changes cause: no SA, no policy, or a full queue
EXPECTED = {"no_sa", "no_spi", "discard_out", "queue_full", "deliver", "device", "socket"}


# --- flows -------------------------------------------------------------------------------------

class Counts:
    """Counters that the processes of a flow share with us, 8 bytes each."""
    NAMES = ("sent", "delivered", "late", "stop", "missing", "turn")

    def __init__(self):
        self.page = mmap.mmap(-1, 4096)

    def __getitem__(self, name):
        return struct.unpack_from("Q", self.page, 8 * self.NAMES.index(name))[0]

    def __setitem__(self, name, value):
        struct.pack_into("Q", self.page, 8 * self.NAMES.index(name), value)


class Flow:
    """Numbered datagrams of all sizes from one process to another, some in GSO packets."""

    def __init__(self, source_ns, source, sink_ns, sink, number):
        self.number, self.counts = number, Counts()
        self.sink = traffic.udp(sink_ns, sink, 7000 + number)
        self.source = traffic.udp(source_ns, source)
        self.source.connect((sink, 7000 + number))
        self.processes = [self.fork(self.send, number), self.fork(self.receive, number + 1)]

    @staticmethod
    def fork(function, processor):
        process = os.fork()
        if not process:
            try:
                os.sched_setaffinity(0, {CPUS[processor % len(CPUS)]})
                function()
            finally:
                os._exit(0)
        return process

    def send(self):
        counts, number = self.counts, 0
        while not counts["stop"]:
            if number // TURN != counts["turn"]:
                counts["turn"] = number // TURN
                os.sched_setaffinity(0, {CPUS[(self.number + number // TURN) % len(CPUS)]})
            if number - counts["delivered"] >= WINDOW + counts["missing"]:
                time.sleep(PAUSE)
                counts["missing"] = max(counts["missing"], number - counts["delivered"])
            burst = 7 if number % 3 == 0 else 1
            size = 900 if burst > 1 else 20 + number * 37 % 1300
            datagrams = [STAMP.pack(self.number, number + i) + bytes(size) for i in range(burst)]
            control = [(socket.SOL_UDP, traffic.UDP_SEGMENT, struct.pack("H", size + STAMP.size))]
            with contextlib.suppress(PermissionError):  # discarded and counted by a policy
                self.source.sendmsg([b"".join(datagrams)], control if burst > 1 else [])
            number += burst
            counts["sent"] = number

    def receive(self):
        last, counts = -1, self.counts
        self.sink.settimeout(None)
        while True:
            flow, number = STAMP.unpack_from(self.sink.recv(65536))
            if flow != self.number or number <= last:
                counts["late"] = counts["late"] + 1
            last = max(last, number)
            counts["delivered"] = counts["delivered"] + 1

    def stop(self):
        self.counts["stop"] = 1
        os.waitpid(self.processes.pop(0), 0)

    def close(self):
        for process in self.processes:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        self.source.close()
        self.sink.close()


# --- changes of the SAs -----------------------------------------------------------------------

class Pair:
    """Two hosts with one SA each way, which are replaced in all possible ways."""

    def __init__(self, here, there, net=1):
        lab.link(here, "eth0", there, "eth0")
        self.here, self.there = here, there
        self.source, self.sink = f"10.{net}.1.1", f"10.{net}.2.1"
        self.ends = "192.0.2.1", "192.0.2.2"
        self.spi = 0x1000
        self.policy = Policy(f"10.{net}.1.0/24", f"10.{net}.2.0/24", self.ends)
        self.sas = self.new_sas()
        for ns, me, mine, theirs, other in ((here, 1, 1, 2, 2), (there, 2, 2, 1, 1)):
            ns.ip(f"addr add 192.0.2.{me}/24 dev eth0\n"
                  f"route add local 10.{net}.{mine}.0/24 dev lo\n"
                  f"route add 10.{net}.{theirs}.0/24 via 192.0.2.{other}\n")
            lab.offloads(ns, "eth0", True)
            ns.run("ethtool", "-K", "eth0", "tso", "off")  # one queue, which keeps the order on the wire
        ipsec.configure_pair(here, there, OURS, OURS, self.sas[:1], self.sas[1:], [self.policy])

    def new_sas(self):
        self.spi += 2
        options = {"window": 4096, "esn": self.spi % 8 < 4, **KINDS[self.spi // 2 % 3]}
        return [SA(self.spi, *self.ends, **options), SA(self.spi + 1, *self.ends[::-1], **options)]

    @staticmethod
    def del_line(direction, sa):
        return f"sa del {direction} spi {sa.spi:#x} dst {sa.dst}"

    def sides(self, sas):
        """(namespace, the SA that it sends by, the SA that it receives by)"""
        return ((self.here, *sas), (self.there, *sas[::-1]))

    def add(self, sas, direction, number):
        for ns, *two in self.sides(sas):
            OURS.batch(ns, [OURS.sa_line(direction, two[number])])

    def rekey(self):
        """Rekeys as IKE does: inbound SA first, then outbound; old SAs are deleted when unused."""
        old, self.sas = self.sas, self.new_sas()
        self.add(self.sas, "in", 1)
        self.add(self.sas, "out", 0)
        for ns, out, _ in self.sides(old):
            OURS.batch(ns, [self.del_line("out", out)])
        time.sleep(0.3)  # packets in flight arrive
        for ns, _, back in self.sides(old):
            OURS.batch(ns, [self.del_line("in", back)])

    def cut(self):
        """Deletes all SAs while they process packets, and adds others."""
        old, self.sas = self.sas, self.new_sas()
        for ns, out, back in self.sides(old):
            OURS.batch(ns, [self.del_line("in", back), self.del_line("out", out)])
        for ns, out, back in self.sides(self.sas):
            OURS.batch(ns, [OURS.sa_line("in", back), OURS.sa_line("out", out)])

    def policies(self):
        """Replaces each policy by itself, by one that discards, and by the original."""
        for ns, policy in ((self.here, self.policy),):
            line = OURS.policy_line("out", policy).replace("policy add", "policy replace")
            discard = f"policy replace out {policy.src} {policy.dst} discard"
            OURS.batch(ns, [line] * 10 + [discard, line])

    def spare(self):
        """Adds and deletes objects that match no packet, to make leaks visible."""
        for ns in self.here, self.there:
            sas = [SA(0x100000 + i, "192.0.2.9", "192.0.2.1", reqid=i + 9) for i in range(SPARE)]
            sides = [f"10.77.{i >> 4}.{i % 16 * 16}/28 10.78.0.0/16" for i in range(SPARE)]
            OURS.batch(ns, [OURS.sa_line("in", sa) for sa in sas]
                       + [f"policy add in {side} protect tunnel 192.0.2.9 192.0.2.1 reqid {i + 9}"
                          for i, side in enumerate(sides)]
                       + [f"policy del in {side}" for side in sides]
                       + [self.del_line("in", sa) for sa in sas])


def passers_by():
    """Creates two namespaces, and deletes them while packets pass between them."""
    pair = Pair(lab.Netns("c"), lab.Netns("d"), net=2)
    flow = Flow(pair.here, pair.source, pair.there, pair.sink, 90)
    try:
        lab.wait_for(lambda: flow.counts["delivered"] > 50, "packets between c and d")
        pair.here.delete()
        pair.there.delete()
    finally:
        flow.stop()
        flow.close()
    return flow.counts


# --- counters ----------------------------------------------------------------------------------

def counted(ns, device="eth0"):
    """Packets that a namespace has dropped, by where."""
    drops = dict(OURS.drops(ns))
    with ns:
        with open("/proc/thread-self/net/dev", encoding="ascii") as file:
            row = next(line.split() for line in file if line.lstrip().startswith(device))
        with open("/proc/thread-self/net/snmp", encoding="ascii") as file:
            names, values = [line.split()[1:] for line in file if line.startswith("Udp:")]
    udp = dict(zip(names, map(int, values)))
    drops["device"] = int(row[4]) + int(row[12])
    drops["socket"] = udp["RcvbufErrors"] + udp["MemErrors"] + udp["SndbufErrors"]
    return {name: count for name, count in drops.items() if count}


def churn(pair, seconds):
    """Runs all changes in turn until the time is over. Return: number of rounds"""
    until, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for step in pair.rekey, pair.policies, pair.spare, pair.cut, passers_by:
            step()
        rounds += 1
    return rounds


@contextlib.contextmanager
def flows_of(pair):
    a, b = pair.here, pair.there
    ends = [(a, pair.source, b, pair.sink), (b, pair.sink, a, pair.source)]
    flows = [Flow(*ends[number % 2], number) for number in range(2 * FLOWS)]
    try:
        yield flows
    finally:
        for flow in flows:
            flow.close()


def total(flows, name):
    return sum(flow.counts[name] for flow in flows)


def lost(pair):
    return sum(sum(counted(ns).values()) for ns in (pair.here, pair.there))


def check(pair, flows, before, rounds):
    sent = total(flows, "sent")
    with contextlib.suppress(lab.Failed):
        lab.wait_for(lambda: total(flows, "delivered") + lost(pair) - before >= sent,
                     "the last datagrams", 5)
    delivered, dropped = total(flows, "delivered"), lost(pair) - before
    print(f"# {rounds} rounds, {sent} sent, {delivered} delivered; a dropped "
          f"{counted(pair.here)}, b {counted(pair.there)}", flush=True)
    with lab.verdict("soak: sent = delivered + counted drops (promise 6)"):
        lab.equal(delivered + dropped, sent, f"{delivered} delivered and {dropped} dropped")
    with lab.verdict("soak: each flow arrives in order, nothing twice (promise 5)"):
        late = [flow.counts["late"] for flow in flows]
        lab.true(not any(late), f"out of order or twice: {late}")
    with lab.verdict("soak: there was a load, and most of it arrived"):
        lab.true(sent > 20 * SECONDS * FLOWS, f"only {sent} were sent")
        lab.true(delivered > sent / 2, f"only {delivered} of {sent} arrived")
        lab.true(all(flow.counts["delivered"] for flow in flows), "a flow starved")
        lab.true(rounds > 1, f"{rounds} rounds")
    with lab.verdict("soak: nothing is dropped for a reason that the changes do not give"):
        reasons = set(counted(pair.here)) | set(counted(pair.there))
        lab.equal(reasons - EXPECTED, set(), "other reasons")


def run(seconds, judge):
    """Runs the whole test, then deletes all our objects. Return: memory use of the rest of the kernel"""
    lab.delete_all()
    pair = Pair(lab.Netns("a"), lab.Netns("b"))
    dropped = lost(pair)
    with flows_of(pair) as flows:
        rounds = churn(pair, seconds)
        for flow in flows:
            flow.stop()
        judge(pair, flows, dropped, rounds)
    lab.delete_all()
    memory.released()
    module.unload()
    left = memory.settle()
    module.load()
    return left


@lab.test(f"for {SECONDS} seconds: rekeys, deletions, policies replaced, namespaces that go")
def soak():
    ipsec.need_espah()
    with contextlib.suppress(lab.Skipped):  # then all drivers answer at once
        driver.instantiate("pcrypt")
    before = run(1, lambda *_: None)  # fills the kernel's own caches first
    after = run(SECONDS, check)
    with lab.verdict("soak: memory does not grow"):
        grown = {name: after[name] - before[name] for name in after}
        print(f"# grown by {grown}", flush=True)
        lab.true(sum(grown.values()) < memory.GROWTH, f"grown by {grown} bytes")


if __name__ == "__main__":
    module.load()
    lab.main()
