# SPDX-License-Identifier: GPL-2.0-only
"""Memory use of the kernel, and whether namespaces have released the module."""
import glob
import os
import time

import lab

DEBUG = os.environ.get("ESPAH_KERNEL", "").startswith("debug")
GROWTH = (1 << 19) * (4 if DEBUG else 1)  # bytes; correct code was seen to end 190 KB higher
SLACK = 6 << 20  # bytes, after work that involves many other parts of the kernel


def in_slabs():
    """Bytes in objects of caches that are not reclaimable, after shrinking the caches."""
    total = 0
    for cache in glob.glob("/sys/kernel/slab/*"):
        def read(name, cache=cache):
            with open(f"{cache}/{name}", encoding="ascii") as file:
                return int(file.read().split()[0])
        if os.path.islink(cache) or read("reclaim_account"):
            continue
        with open(f"{cache}/shrink", "w", encoding="ascii") as file:
            file.write("1")
        total += read("objects") * read("object_size")
    return total


def memory():
    """Bytes in slab objects, per-CPU memory and vmalloc."""
    with open("/proc/meminfo", encoding="ascii") as file:
        seen = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
    return {"slabs": in_slabs(), **{name: seen[name] for name in ("Percpu", "VmallocUsed")}}


def references():
    """Users of espah, and of the modules that use it, which themselves do not count."""
    def of(module):
        with open(f"/sys/module/{module}/refcnt", encoding="ascii") as file:
            return int(file.read())
    users = os.listdir("/sys/module/espah/holders")
    return of("espah") - len(users) + sum(map(of, users))


def released():
    """Waits until no namespace uses the module any more."""
    lab.wait_for(lambda: references() == 0, "the namespaces to end", 180)


def settle():
    """Waits until memory that waits for grace periods and workers is freed."""
    before = None
    for _ in range(20):
        time.sleep(0.5)
        now = memory()
        if before and now["slabs"] >= before["slabs"] - 65536:
            break
        before = now
    return now
