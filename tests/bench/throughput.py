#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Throughput of one SA each way: TCP, one flow and eight, on one processor and on all.

    scripts/bench throughput        scripts/bench --native throughput

Hosts and gateways share the processors, so plain forwarding shows the cost of everything else.
For `1cpu', the other processors are taken offline in a virtual machine, but not elsewhere.
"""
import json
import os
import subprocess
import sys

import gateways
import ipsec
import lab
from gateways import DST, QUICK, figure, say

FLOWS = (1, 8)
SECONDS = 2 if QUICK else 6
REPETITIONS = 1 if QUICK else 3
ALG = "aesgcm"


def others_online(online):
    for number in range(1, os.cpu_count() or 1):
        path = f"/sys/devices/system/cpu/cpu{number}/online"
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write("1" if online else "0")


def iperf(topology, flows, seconds, *more):
    """Starts a transfer from src to dst. Return: the process, whose output is JSON."""
    with topology.src:
        return subprocess.Popen(["iperf3", "-J", "-c", DST, "-P", str(flows), "-t", str(seconds),
                                 "-O", "1", *more], text=True, stdout=subprocess.PIPE)


def rate(topology, flows):
    """Megabits of payload a second."""
    process = iperf(topology, flows, SECONDS)
    answer = json.loads(process.communicate(timeout=120 + SECONDS)[0])
    if "error" in answer:
        raise lab.Failed("iperf3: " + answer["error"])
    return answer["end"]["sum_received"]["bits_per_second"] / 1e6


class OneCpu(gateways.Espah):
    """An SA that is restricted to one processor."""
    extra = "cpus 1"


def knows_cpus():
    return "cpus" in lab.run(ipsec.CLI, "sa", "add", "--help").stdout


def measure(topology, seen, cpus):
    stacks = dict(gateways.STACKS)
    if knows_cpus() and cpus > 1:
        stacks["espah_cpus_1"] = OneCpu
    for name, stack in stacks.items():
        stack.on(topology, ALG)
        for flows in FLOWS:
            seen.setdefault((cpus, flows), {}).setdefault(name, []).append(rate(topology, flows))
            say(f"{cpus} processors, {name}, {flows} flows: {seen[cpus, flows][name][-1]:.1f} Mbit/s")
        stack.off(topology, ALG)


def main():
    topology = gateways.with_server()
    cpus = os.cpu_count()
    virtual = "native" not in sys.argv[1:] and gateways.machine()["virtual"]
    seen = {}
    for _ in range(REPETITIONS):
        measure(topology, seen, cpus)
    if virtual and cpus > 1:
        # last, because processes do not return to a processor that was offline
        others_online(False)
        for _ in range(REPETITIONS):
            measure(topology, seen, 1)
    lab.delete_all()
    figures = []
    for (count, flows), runs in seen.items():
        figures.append(figure(f"throughput_{count}cpu_{flows}_flows", "Mbit/s", "higher", **runs))
    for flows in FLOWS if (1, 1) in seen and cpus > 1 else ():
        one, all_of_them = seen[1, flows], seen[cpus, flows]
        figures.append(figure(f"gain_{cpus}cpu_{flows}_flows", "times 1 processor", "higher",
                              **{name: [more / less for more, less in
                                        zip(all_of_them[name], one[name])] for name in one}))
    gateways.write("throughput", figures)


if __name__ == "__main__":
    main()
