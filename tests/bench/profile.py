#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Instructions per packet and function, from the files of scripts/profile in a folder.

Inlined functions count as part of their callers. A block that extends past the end
of a function counts for the function in which it begins.
"""
import bisect
import collections
import json
import sys

TOP = 400


def symbols(path):
    seen = {}
    with open(path) as f:
        for line in f:
            addr, kind, name, *module = line.split()
            if kind in "tTwW" and not name.startswith(("__pfx_", "__cfi_")):
                seen.setdefault(int(addr, 16), name + (" " + module[0] if module else ""))
    return sorted(seen.items())


def periods(path):
    """The counts up to each mark."""
    with open(path) as f:
        for line in f:
            if line == "mark\n":
                yield (counts := [])
            else:
                addr, insns = line.split()
                counts.append((int(addr, 16), int(insns)))


def by_function(counts, table, packets):
    addresses = [addr for addr, _ in table]
    sums = collections.Counter()
    for addr, insns in counts:
        i = bisect.bisect(addresses, addr) - 1
        name = table[i][1] if addr >> 63 and i >= 0 else "(user space)"
        sums[name] += insns / packets
    return sums


def main():
    folder = sys.argv[1]
    table = symbols(folder + "/kallsyms")
    with open(folder + "/phases.json") as f:
        said = json.load(f)
    # each phase lies between two marks; the generator fills a list after it yields it
    found = list(periods(folder + "/blocks"))
    functions = {mode: by_function(found[2 * i + 1], table, said["packets"])
                 for i, mode in enumerate(said["modes"])}
    plain = functions["plain"]
    top = {}
    print(f"{said['kernel']}, {said['algorithm']}, payload {said['size']}, instructions per "
          f"packet, both gateways; plain forwarding has {sum(plain.values()):,.0f}")
    for mode in said["modes"][1:]:
        added = functions[mode].copy()
        added.subtract(plain)
        print(f"\n{mode} adds {sum(added.values()):,.0f}:")
        top[mode] = sorted(added.items(), key=lambda item: -item[1])[:TOP]
        for name, n in top[mode]:
            print(f"{n:9,.0f}  {name}")
    with open(folder + "/functions.json", "w") as f:
        json.dump({**said, "added": top}, f, indent=1)


main()
