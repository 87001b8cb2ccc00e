#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Round trips through the gateways, of pings: while nothing else passes, and beside eight TCP flows.

    scripts/bench latency        scripts/bench --native latency
"""
import re
import statistics
import time

import gateways
import lab
from gateways import DST, QUICK, figure, say
from throughput import ALG, iperf

PINGS = 100 if QUICK else 400
INTERVAL = 0.01
REPETITIONS = 1 if QUICK else 3
FLOWS = 8


def ping(ns):
    """Round-trip times, sorted, in microseconds."""
    out = ns.run("ping", "-n", "-i", str(INTERVAL), "-c", str(PINGS), "-W", "5", DST, check=False)
    times = sorted(float(ms) * 1000 for ms in re.findall(r"time=([\d.]+) ms", out.stdout))
    if len(times) < PINGS / 2:
        raise lab.Failed(f"only {len(times)} of {PINGS} pings came back")
    return times


def measure(topology, seen):
    for name, stack in gateways.STACKS.items():
        stack.on(topology, ALG)
        for load in ("idle", "load"):
            process = iperf(topology, FLOWS, PINGS * INTERVAL + 30) if load == "load" else None
            try:
                time.sleep(2 if process else 0.2)
                times = ping(topology.src)
            finally:
                if process:
                    process.kill()
                    process.wait()
            for what, value in (("median", statistics.median(times)),
                                ("99th", times[len(times) * 99 // 100])):
                seen.setdefault(f"{load}_{what}", {}).setdefault(name, []).append(value)
            say(f"{name}, {load}: median {statistics.median(times):.0f} us")
        stack.off(topology, ALG)


def main():
    topology = gateways.with_server()
    seen = {}
    for _ in range(REPETITIONS):
        measure(topology, seen)
    lab.delete_all()
    gateways.write("latency", [figure(f"latency_{name}", "us", **runs)
                               for name, runs in seen.items()])


if __name__ == "__main__":
    main()
