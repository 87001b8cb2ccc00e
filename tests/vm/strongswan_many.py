#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What many SAs by strongSwan cost over espah, and over XFRM: time, and memory of their gateway.

See sites.py for the topology. ESPAH_CHILDREN: number of CHILD_SAs (default 500). With a peer machine
espah is keyed by charon as it is, and memory is that of a machine which has the gateway alone.
"""
import os
import re
import time

import lab
import peer
import stacks
from charon import Charon, connection
from ipsec import OURS, Espah
from sites import A, B, GCM, LONG, Lab

KERNEL = ("Slab", "Percpu", "VmallocUsed", "KernelStack", "PageTables")
LIMIT = 270 if not peer.PORT else 600  # seconds


def kilobytes(path, *names):
    """The sum of some fields of a file of /proc."""
    with open(path, encoding="ascii") as file:
        return sum(map(int, re.findall(rf"^(?:{'|'.join(names)}):\s+(\d+) kB$", file.read(), re.M)))


def bring_up(here, stack, count):
    """Brings up CHILD_SAs. Return: seconds, KB of the kernel's memory, KB of charon's."""
    children = {f"n{n}": (f"10.1.{n // 250}.{n % 250 + 1}/32", f"10.2.{n // 250}.{n % 250 + 1}/32",
                          GCM + LONG) for n in range(count)}
    b = Charon(here.b, "xfrm", timeout=20, log=-1)
    a = Charon(here.a, stack, timeout=20, log=-1)

    def side(mine, theirs, flip, more):
        return connection(mine, theirs, {
            name: f"local_ts = {nets[flip]}\nremote_ts = {nets[1 - flip]}\n{nets[2]}{more}"
            for name, nets in children.items()})
    b.load(side(B[4], A[4], 1, ""))
    before = kilobytes("/proc/meminfo", *KERNEL)
    start = time.monotonic()
    a.load(side(A[4], B[4], 0, "start_action = start\n"))

    def done():
        text = here.b.run("ip", "xfrm", "state", "count").stdout
        return int(re.search(r"count (\d+)", text)[1]) >= 2 * count and (
            stack == "xfrm" or Espah.json(here.a, "stats")["sas"] >= 2 * count)
    lab.wait_for(done, f"{count} CHILD_SAs over {stack}", LIMIT)
    seconds = time.monotonic() - start
    used = (kilobytes("/proc/meminfo", *KERNEL) - before,
            kilobytes(f"/proc/{a.process.pid}/status", "VmRSS"))
    lab.equal(here.in_clear(), 0, "packets in clear")
    return seconds, *used


count_ = int(os.environ.get("ESPAH_CHILDREN", "500"))


@lab.test(f"{count_} CHILD_SAs come up; time and memory beside those of XFRM", count_)
def many(count):
    for stack in OURS.name, "xfrm":
        here = Lab.clean()
        stacks.use(stack)
        seconds, kernel, charon = bring_up(here, stack, count)
        print(f"# {count} CHILD_SAs over {stack}: {seconds:.1f} s, kernel {kernel} KB, charon {charon} KB")
        Charon.stop_all()
        here.a.ip("xfrm state flush\nxfrm policy flush\n")
    stacks.use(OURS.name)


if __name__ == "__main__":
    lab.main()
