#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a packet: plain forwarding, XFRM, espah and WireGuard, in one boot.

If the clock counts instructions (one per nanosecond), the unit is instructions, otherwise time:

    scripts/bench instructions          scripts/bench --native time

A UDP socket in one host sends a datagram, a socket in the other host reads it, thousands of
times. The total time divided by their number is the cost of a packet. The cost of plain
forwarding is subtracted. `out' ends on the wire between the gateways, `in' is the rest.
"""
import ctypes
import json
import mmap
import os
import re
import shutil
import statistics
import sys

import gateways
import lab
import module
from gateways import AH, NAMES, OUT, QUICK, UNIT, Gateways, Stream, figure, say, stacks

PACKETS = 1000 if QUICK else 4000
REPETITIONS = 2 if QUICK else 4  # the first is dropped
SIZES = (64, 512, 1300)
MARK = 0x5e5a0000  # address; scripts/profile.c uses the same
PREFIX = {"instructions": "instructions", "ns": "time"}[UNIT]
libc = ctypes.CDLL(None, use_errno=True)


# --- instructions by function ------------------------------------------------------------------

def marker():
    """A function that does nothing, at the address that scripts/profile.c watches."""
    map_fixed = 0x10
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int,
                          ctypes.c_int, ctypes.c_long)
    if libc.mmap(MARK, 4096, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC,
                 mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | map_fixed, -1, 0) != MARK:
        raise OSError(ctypes.get_errno(), "mmap")
    ctypes.memmove(MARK, b"\xc3", 1)  # ret
    return ctypes.CFUNCTYPE(None)(MARK)


def profile(topology, stream, size, alg):
    """Writes the files that tests/bench/profile.py needs besides those of the plugin."""
    mark = marker()
    for stack in stacks(alg).values():
        stack.on(topology, alg)
        stream.cost(size, PACKETS)
        mark()
        stream.cost(size, PACKETS, warm_up=0)
        mark()
        stack.off(topology, alg)
    write_phases(stacks(alg), size, alg)


def write_phases(modes, size, alg):
    """Says what was measured between the marks."""
    shutil.copy("/proc/kallsyms", OUT + "/kallsyms")
    with open(OUT + "/phases.json", "w", encoding="ascii") as file:
        json.dump({"modes": list(modes), "packets": PACKETS, "size": size, "algorithm": alg,
                   "kernel": os.uname().release}, file)


# --- the cryptography alone --------------------------------------------------------------------

# Modes of the kernel's tcrypt, which measures the encryption of buffers of these sizes
TCRYPT = {"aesgcm": (211, "rfc4106(gcm(aes))"), "chacha20poly1305": (213, "rfc7539esp(chacha20,poly1305)")}
TESTED = re.compile(r"test \d+ \((\d+) bit key, (\d+) byte blocks\): 1 operation in (\d+) cycles")


def tcrypt(alg):
    """{bytes: clock ticks of one encryption}, by the kernel's own benchmark."""
    mode, name = TCRYPT[alg]
    before = len(lab.run("dmesg").stdout)
    lab.run("modprobe", "tcrypt", f"mode={mode}", check=False)  # never stays loaded
    seen, ours = {}, False
    for line in lab.run("dmesg").stdout[before:].splitlines():
        if "testing speed of" in line:
            ours = f"speed of {name} (" in line and line.endswith("encryption")
        found = TESTED.search(line)
        if ours and found:
            seen.setdefault(int(found[2]), int(found[3]))  # the shortest key comes first
    return seen


def crypto_floor(alg):
    """Cost of encryption and decryption of the ESP payload of each size, interpolated between measured sizes."""
    seen = tcrypt(alg)
    for size in SIZES:
        length = (size + 28 + 2 + 3) & ~3  # IPv4 and UDP header, ESP trailer, padding
        below = max((known for known in seen if known <= length), default=None)
        above = min((known for known in seen if known >= length), default=None)
        if below is None or above is None:
            continue
        share = (length - below) / (above - below) if above > below else 0
        ticks = seen[below] + share * (seen[above] - seen[below])
        yield figure(f"crypto_{PREFIX}_{size}_{alg}", UNIT, alone=[2 * ticks])


# --- figures -------------------------------------------------------------------------------------

def measure(topology, stream, alg, seen):
    for name, stack in stacks(alg).items():
        stack.on(topology, alg)
        for size in SIZES:
            whole, out = stream.cost(size, PACKETS), stream.cost_out(size, PACKETS)
            for part, value in (("", whole), ("_out", out), ("_in", whole - out)):
                seen.setdefault((alg, size, part), {}).setdefault(name, []).append(value)
        stack.off(topology, alg)


def figures_of(seen):
    for (alg, size, part), runs in seen.items():
        runs = {name: values[1:] for name, values in runs.items()}
        plain = statistics.median(runs.pop("plain"))
        made = figure(f"added_{PREFIX}{part}_{size}_{alg}", UNIT,
                      **{name: [value - plain for value in values]
                         for name, values in runs.items()})
        made["plain"] = plain
        yield made


def main():
    gateways.prepare()
    topology = Gateways()
    stream = Stream(topology)
    if sys.argv[1:2] == ["--profile"]:
        module.load()
        profile(topology, stream, int(sys.argv[2]), sys.argv[3])
        return
    unloaded = []
    if not module.loaded():
        unloaded = [stream.cost(64, PACKETS) for _ in range(REPETITIONS)][1:]
    module.load()
    seen = {}
    for repetition in range(REPETITIONS):
        for alg in (*NAMES, *AH):
            measure(topology, stream, alg, seen)
        say(f"repetition {repetition + 1} of {REPETITIONS}")
    figures = list(figures_of(seen))
    if unloaded:
        figures.append(figure(f"plain_{PREFIX}_64_loaded", UNIT, without=unloaded,
                              espah=seen["aesgcm", 64, ""]["plain"][1:]))
        figures[-1]["ratio"] = figures[-1]["espah"] / figures[-1]["without"]
    if UNIT == "instructions":
        for alg in NAMES:
            figures += crypto_floor(alg)
    gateways.write(PREFIX, figures)


if __name__ == "__main__":
    main()
