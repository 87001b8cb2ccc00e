#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Round-trip times of pings through the gateways: without other traffic, and beside eight TCP flows.
The flows together send half of XFRM's capacity, or as much as they can, in packets of 64 KB, in packets
of 4 KB (a ping waits for whole packets of its SA), and while pings have their own SAs.

    scripts/bench latency        scripts/bench --native latency
"""
import re
import statistics
import time

import gateways
import lab
from gateways import DST, QUICK, figure, say
from throughput import ALG, iperf, rate

PINGS = 100 if QUICK else 400
INTERVAL = 0.01
REPETITIONS = 1 if QUICK else 3
FLOWS = 8
APART = "load_apart"  # the last one, because it adds SAs to the stack
GSO_MAX, GSO_SMALL = 65536, 4096  # bytes


def ping(ns):
    """Round-trip times, sorted, in microseconds."""
    out = ns.run("ping", "-n", "-i", str(INTERVAL), "-c", str(PINGS), "-W", "5", DST, check=False)
    times = sorted(float(ms) * 1000 for ms in re.findall(r"time=([\d.]+) ms", out.stdout))
    if len(times) < PINGS / 2:
        raise lab.Failed(f"only {len(times)} of {PINGS} pings came back")
    return times


def half_of_xfrms(topology):
    """The rate of each flow for half of XFRM's throughput, as an option of iperf3."""
    xfrm = gateways.STACKS["xfrm"]
    xfrm.on(topology, ALG)
    most = rate(topology, FLOWS)
    xfrm.off(topology, ALG)
    say(f"half of XFRM's rate: {most / 2:.1f} Mbit/s")
    return "-b", f"{most / 2 / FLOWS * 1e6:.0f}"


def measure(topology, seen, loads):
    for name, stack in gateways.STACKS.items():
        stack.on(topology, ALG)
        for load, (gso_max, options) in loads.items():
            if load == APART:
                if not issubclass(stack, gateways.Ipsec):
                    continue
                stack.pings_apart(topology, ALG)
            process = None
            topology.src.ip(f"link set a0 gso_max_size {gso_max}\n")
            if load != "idle":
                process = iperf(topology, FLOWS, PINGS * INTERVAL + 30, *options)
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
    lab.keep_timestamps()
    seen = {}
    loads = {"idle": (GSO_MAX, ()), "half": (GSO_MAX, half_of_xfrms(topology)),
             "load": (GSO_MAX, ()), "load_4k": (GSO_SMALL, ()), APART: (GSO_MAX, ())}
    for _ in range(REPETITIONS):
        measure(topology, seen, loads)
    lab.delete_all()
    gateways.write("latency", [figure(f"latency_{name}", "us", **runs)
                               for name, runs in seen.items()])


if __name__ == "__main__":
    main()
