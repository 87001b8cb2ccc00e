#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The gain from an otherwise idle second processor: a process on the first processor sends datagrams
as fast as it can through one SA. Round trips of pings are measured at the same time.

    scripts/bench sharing        scripts/bench --native sharing
"""
import contextlib
import os
import signal
import socket
import statistics
import time

import gateways
import lab
import latency
import throughput
import traffic
from gateways import DST, QUICK, figure, say

REPETITIONS = 1 if QUICK else 3
SECONDS = 2
KINDS = {"64": (64, 1), "1400": (1400, 1), "1400_gso": (1400, 16)}  # bytes, datagrams a packet


@contextlib.contextmanager
def flood(topology, size, number):
    process = os.fork()
    if not process:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        with topology.src:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if number > 1:
            sock.setsockopt(socket.SOL_UDP, traffic.UDP_SEGMENT, size)
        while True:
            with contextlib.suppress(OSError):
                sock.sendto(bytes(size * number), (DST, 9))
    try:
        yield
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def received(topology):
    with topology.dst, open("/proc/thread-self/net/dev", encoding="ascii") as file:
        return next(int(line.split()[2]) for line in file if line.lstrip().startswith("f0:"))


def measure(topology, stacks, seen):
    for name, stack in stacks.items():
        for kind, (size, number) in KINDS.items():
            stack.on(topology, throughput.ALG)
            with flood(topology, size, number):
                time.sleep(1.5)  # until the second processor helps
                before, start = received(topology), time.monotonic()
                time.sleep(SECONDS)
                rate = (received(topology) - before) / (time.monotonic() - start)
                times = latency.ping(topology.src)
            stack.off(topology, throughput.ALG)
            for what, value in (("packets", rate), ("median", statistics.median(times)),
                                ("99th", times[len(times) * 99 // 100])):
                seen.setdefault((kind, what), {}).setdefault(name, []).append(value)
            say(f"{name}, {kind}: {rate:.0f} packets/s, median {statistics.median(times):.0f} us")


def main():
    topology = gateways.with_server()
    lab.keep_timestamps()
    stacks = {name: gateways.STACKS[name] for name in ("plain", "xfrm", "espah")}
    stacks["espah_cpus_1"] = throughput.OneCpu
    seen = {}
    with traffic.udp(topology.dst, DST, 9):
        for _ in range(REPETITIONS):
            measure(topology, stacks, seen)
    lab.delete_all()
    gateways.write("sharing", [
        figure(f"sharing_{kind}_{what}", *(("packets/s", "higher") if what == "packets" else ("us",)), **runs)
        for (kind, what), runs in seen.items()])


if __name__ == "__main__":
    main()
