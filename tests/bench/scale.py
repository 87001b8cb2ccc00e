#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Many SAs and policies: adding, memory, SPI allocation, dumps, deletion, and the cost of a packet.

    scripts/bench scale        scripts/bench --native --objects 1000 crowd

Three parts: policies, sas, crowd (cost of a packet among many). With -icount a second is 10^9 instructions.
An XFRM batch that takes longer than two minutes is stopped; its rate is computed from the finished part.
"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import gateways
import ipsec
import lab
import module
from gateways import GW1, GW2, NET1, QUICK, Gateways, Stream, figure, say

OBJECTS = int(os.environ.get("ESPAH_BENCH_OBJECTS") or (1000 if QUICK else 100000))
COUNTS = [count for count in (100, 1000, 10000) if count < OBJECTS] + [OBJECTS]
MANY_SAS = 10 * OBJECTS  # only in espah
LIMIT = 120  # seconds: time limit of XFRM for one batch
SHAPES = 50
FLOWS = 1000
PACKETS = 1000 if QUICK else 4000
REPETITIONS = 2 if QUICK else 4
BATCH = "/batch"


def key(number, half=0):
    """A different key for each SA; half: direction, 0 or 1."""
    return f"{bytes(range(1, 16)).hex()}{half:02x}{number:08x}"


def xfrm_alg(number, half=0):
    return f"aead 'rfc4106(gcm(aes))' 0x{key(number, half)} 128"


# --- contents of the batches --------------------------------------------------------------------

def pairs(count):
    """Pairs of /30 prefixes, as in the kernel's xfrm_policy_add_speed.sh."""
    made = 0
    for net in range(1, 101):
        for sub in range(1, 256):
            ends = [(f"10.{net}.{sub}.0/30", f"10.{net + 100}.{sub}.{host}/30")
                    for host in range(4, 256, 8)]
            ends += [(f"10.{net}.{sub}.{host}/30", f"10.{net + 100}.{sub}.0/30")
                     for host in range(4, 256, 8)]
            for pair in ends:
                if made == count:
                    return
                made += 1
                yield pair


def addresses(count):
    """The peer addresses of count separate tunnels."""
    for number in range(count):
        yield number, f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def xfrm_sas(count):
    for number, peer in addresses(count):
        yield (f"xfrm state add src {peer} dst {GW1} proto esp spi {0x10000 + number:#x} reqid 5 "
               f"mode tunnel replay-window 64 {xfrm_alg(number)}")


def espah_sas(count):
    for number, peer in addresses(count):
        yield (f"sa add in spi {0x10000 + number:#x} src {peer} dst {GW1} tunnel aes128gcm16 "
               f"key {key(number)} reqid 5 window 64")


def spis(count):
    return ([f"xfrm state allocspi src {GW2} dst {GW1} proto esp mode tunnel reqid 9 "
             "min 0xd0000000 max 0xdfffffff"] * count,
            [f"sa alloc src {GW2} dst {GW1} tunnel reqid 9 min 0xd0000000 max 0xdfffffff"] * count)


# --- measurements -------------------------------------------------------------------------------

ROOT = "/run/espah-bench"


def bring(*programs):
    """Copies programs and their libraries into memory: reading files of the host takes no
    instructions, but the guest's clock jumps while the guest waits for them."""
    for program in programs:
        needs = re.findall(r"/\S+", lab.run("ldd", program).stdout)
        for path in [program, *needs]:
            os.makedirs(ROOT + os.path.dirname(path), exist_ok=True)
            shutil.copy(path, ROOT + path)


def seconds(ns, *words, timeout=None):
    """Runs a program. Return: its run time in seconds, and whether it finished"""
    with ns:
        started = time.monotonic()
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env={"LC_ALL": "C"},
                              preexec_fn=lambda: os.chroot(ROOT)) as process:
            try:
                errors = process.communicate(timeout=timeout)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                return time.monotonic() - started, False
        if process.returncode:
            raise lab.Failed(f"{' '.join(words)}: {errors[:300]}")
        return time.monotonic() - started, True


def batch(ns, program, lines, timeout=None):
    with open(ROOT + BATCH, "w", encoding="ascii") as file:
        file.writelines(line + "\n" for line in lines)
    took = seconds(ns, *program, BATCH, timeout=timeout)
    os.unlink(ROOT + BATCH)
    return took


def memory():
    """Bytes in use that cannot be reclaimed, after pending grace periods."""
    before = None
    while True:
        time.sleep(0.5)
        with open("/proc/meminfo", encoding="ascii") as file:
            seen = {line.split(":")[0]: int(line.split()[1]) for line in file}
        free = sum(seen[name] for name in ("MemFree", "Buffers", "Cached", "SReclaimable"))
        if before is not None and abs(free - before) < 256:
            return (seen["MemTotal"] - free) * 1024
        before = free


IP_PROGRAM = os.path.realpath(shutil.which("ip") or "/sbin/ip")
IP = (IP_PROGRAM, "-batch")


def espah(*words):
    return (ipsec.CLI, *words)


class Table:
    def __init__(self):
        self.figures, self.notes, self.series = [], [], {}

    def add(self, name, unit, better="lower", **values):
        made = figure(name, unit, better, **{stack: [value] for stack, value in values.items()
                                             if value is not None})
        self.figures.append(made)
        say(f"{name}: " + ", ".join(f"{stack} {value:.6g}" for stack, value in values.items()
                                    if value is not None) + f" {unit}"
            + (f", ratio {made['ratio']:.3f}" if "ratio" in made else ""))


def count_xfrm(ns, what):
    with ns:
        return lab.run("ip", "xfrm", what, "list", "nokeys").stdout.count("\nsrc ") + 1


def policies(table, ns):
    """Adds and deletes 100 to 100,000 policies."""
    points = {"xfrm": [], "espah": []}
    slow = False
    for count in COUNTS:
        xfrm = None
        if not slow:
            took, done = batch(ns, IP, (f"xfrm policy add src {src} dst {dst} dir out action block"
                                        for src, dst in pairs(count)), LIMIT)
            there = count if done else count_xfrm(ns, "policy")
            if not done:
                slow = True
                table.notes.append(f"XFRM had added {there:,} of {count:,} policies when its "
                                   f"{LIMIT} seconds were over.")
            xfrm = took / there * 1e6
            points["xfrm"].append((there, xfrm))
            xfrm_dump = seconds(ns, IP_PROGRAM, "xfrm", "policy", "list")[0] / there * 1e6
            xfrm_flush = seconds(ns, IP_PROGRAM, "xfrm", "policy", "flush")[0] / there * 1e6
        took, _ = batch(ns, espah("-b"), (f"policy add out {src} {dst} discard"
                                          for src, dst in pairs(count)))
        points["espah"].append((count, took / count * 1e6))
        table.add(f"add_{count}_policies", "us each", xfrm=xfrm, espah=took / count * 1e6)
        dump = seconds(ns, *espah("policy", "list"))[0] / count * 1e6
        flush = seconds(ns, *espah("policy", "flush"))[0] / count * 1e6
        if count == OBJECTS:
            table.add(f"dump_{count}_policies", "us each", xfrm=xfrm_dump if xfrm else None,
                      espah=dump)
            table.add(f"flush_{count}_policies", "us each", xfrm=xfrm_flush if xfrm else None,
                      espah=flush)
    table.series["add_policies"] = {"title": "Adding policies, microseconds each",
                                    "points": points}


def sas(table, ns):
    """Measures the same number of SAs in both stacks, then very many in espah."""
    cost = {"xfrm": {}, "espah": {}}
    alloc = spis(100 if QUICK else 1000)
    for stack, count in (("xfrm", OBJECTS), ("espah", OBJECTS), ("espah", MANY_SAS)):
        add, program = ((xfrm_sas, IP) if stack == "xfrm" else (espah_sas, espah("-b")))
        before = memory()
        took, done = batch(ns, program, add(count), LIMIT if stack == "xfrm" else None)
        there = count if done else count_xfrm(ns, "state")
        if not done:
            table.notes.append(f"XFRM had added {there:,} of {count:,} SAs when its "
                               f"{LIMIT} seconds were over.")
        seen = cost[stack].setdefault(count, {})
        seen["add"] = took / there * 1e6
        seen["memory"] = (memory() - before) / there
        lines = alloc[stack == "espah"]
        seen["alloc"] = batch(ns, program, lines)[0] / len(lines) * 1e6
        lister = (IP_PROGRAM, "xfrm", "state", "list") if stack == "xfrm" else espah("sa", "list")
        seen["dump"] = seconds(ns, *lister)[0] / there * 1e6
        flusher = (IP_PROGRAM, "xfrm", "state", "flush") if stack == "xfrm" else espah("sa", "flush")
        seen["flush"] = seconds(ns, *flusher)[0] / there * 1e6
        say(f"{stack}, {there} SAs: {seen}, {memory() - before} bytes are kept afterwards")
    for count in (OBJECTS, MANY_SAS):
        for what, name, unit in (("add", "add_{}_sas", "us each"), ("memory", "memory_{}_sas", "bytes each"),
                                 ("alloc", "alloc_spi_beside_{}_sas", "us each"),
                                 ("dump", "dump_{}_sas", "us each"),
                                 ("flush", "flush_{}_sas", "us each")):
            table.add(name.format(count), unit, xfrm=cost["xfrm"].get(count, {}).get(what),
                      espah=cost["espah"][count][what])


# --- cost of a packet among many ------------------------------------------------------------------

def crowd_of(topology, count):
    """Gateway, its address, its peer's, and the number and network of each tunnel."""
    for ns, local, remote in ((topology.gw1, GW1, GW2), (topology.gw2, GW2, GW1)):
        yield ns, local, remote, [(number, f"11.{number >> 8 & 255}.{number & 255}.0/24")
                                  for number in range(count // 2)]


def crowd_xfrm(topology, count):
    for ns, local, remote, tunnels in crowd_of(topology, count):
        lines = []
        for number, net in tunnels:
            reqid = 10 + number
            state = f"proto esp spi {0x20000 + number:#x} reqid {reqid} mode tunnel"
            first = local > remote
            tmpl = f"proto esp reqid {reqid} mode tunnel"
            lines += [f"xfrm state add src {local} dst {remote} {state} {xfrm_alg(number, first)}",
                      f"xfrm state add src {remote} dst {local} {state} {xfrm_alg(number, not first)}",
                      f"xfrm policy add src {NET1} dst {net} dir out tmpl src {local} dst {remote} {tmpl}",
                      f"xfrm policy add src {net} dst {NET1} dir in tmpl src {remote} dst {local} {tmpl}",
                      f"xfrm policy add src {net} dst {NET1} dir fwd tmpl src {remote} dst {local} {tmpl}"]
        if not batch(ns, IP, lines, 3 * LIMIT)[1]:
            return False
    return True


def crowd_espah(topology, count):
    for ns, local, remote, tunnels in crowd_of(topology, count):
        lines = []
        for number, net in tunnels:
            reqid = 10 + number
            spi = f"spi {0x20000 + number:#x}"
            first = local > remote
            lines += [f"sa add out {spi} src {local} dst {remote} tunnel aes128gcm16 "
                      f"key {key(number, first)} reqid {reqid}",
                      f"sa add in {spi} src {remote} dst {local} tunnel aes128gcm16 "
                      f"key {key(number, not first)} reqid {reqid}",
                      f"policy add both {NET1} {net} protect tunnel {local} {remote} reqid {reqid}"]
        batch(ns, espah("-b"), lines)
    return True


def shapes_lines(count):
    """Selectors with unique pairs of prefix lengths; none matches, and all come before the matching one."""
    for number in range(count):
        yield f"20.0.0.0/{8 + number % 25}", f"30.0.0.0/{8 + number // 25}"


def crowd_shapes(topology, stack):
    for ns in (topology.gw1, topology.gw2):
        if stack == "xfrm":
            batch(ns, IP, (f"xfrm policy add src {src} dst {dst} dir {way} priority 0 action block"
                           for way in ("in", "out", "fwd") for src, dst in shapes_lines(SHAPES)))
        else:
            batch(ns, espah("-b"), (f"policy add {way} {src} {dst} priority 1 discard"
                                    for way in ("in", "out") for src, dst in shapes_lines(SHAPES)))


def crowd(table, topology):
    stream, seen = Stream(topology), {}

    def measure(stack, among):
        """Measures one flow, and more flows than a CPU caches."""
        for flows in 1, FLOWS:
            name = among + (f"_{flows}_flows" if flows > 1 else "")
            seen.setdefault(name, {})[stack] = [stream.cost(64, PACKETS, flows=flows)
                                                for _ in range(REPETITIONS)][1:]
    measure("plain", "1")
    for stack, fill in (("xfrm", crowd_xfrm), ("espah", crowd_espah)):
        of = gateways.STACKS[stack]
        of.on(topology, "aesgcm")
        measure(stack, "1")
        crowd_shapes(topology, stack)
        measure(stack, f"{SHAPES}_shapes")
        of.off(topology, "aesgcm")
        of.on(topology, "aesgcm")
        if fill(topology, OBJECTS):
            measure(stack, f"{OBJECTS}")
        else:
            table.notes.append(f"XFRM could not be given {OBJECTS:,} policies and SAs in "
                               f"{3 * LIMIT} seconds, so packets were not sent through so many.")
        of.off(topology, "aesgcm")
    plain = {name.endswith("flows"): statistics.median(stacks.pop("plain"))
             for name, stacks in seen.items() if "plain" in stacks}
    added = {name: {stack: [value - plain[name.endswith("flows")] for value in values]
                    for stack, values in stacks.items()} for name, stacks in seen.items()}
    for name, stacks in added.items():
        made = figure(f"packet_among_{name}", gateways.UNIT, **stacks)
        for stack, values in stacks.items():
            made[f"{stack}_against_1"] = statistics.median(values) / statistics.median(added["1"][stack])
        table.figures.append(made)
        say(str(made))


def main():
    gateways.prepare()
    module.load()
    bring(IP_PROGRAM, ipsec.CLI)
    topology = Gateways()
    for part in sys.argv[1:]:
        if part in PARTS:
            table = Table()
            PARTS[part](table, topology)
            gateways.write(part, table.figures, notes=table.notes, series=table.series)


PARTS = {"policies": lambda table, topology: policies(table, topology.gw1),
         "sas": lambda table, topology: sas(table, topology.gw1), "crowd": crowd}

if __name__ == "__main__":
    main()
