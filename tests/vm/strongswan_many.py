#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The time that strongSwan needs to bring up many SAs over espah, and over XFRM.

See sites.py for the topology. ESPAH_CHILDREN: number of CHILD_SAs (default 500).
"""
import os
import re
import time

import lab
from charon import Charon, connection
from ipsec import Espah
from sites import A, B, GCM, LONG, Lab


def bring_up(here, stack, count):
    """Seconds until count CHILD_SAs are installed at both ends."""
    children = {f"n{n}": (f"10.1.{n // 250}.{n % 250 + 1}/32", f"10.2.{n // 250}.{n % 250 + 1}/32",
                          GCM + LONG) for n in range(count)}
    Lab.clean()
    b = Charon(here.b, "xfrm", timeout=20, log=-1)
    a = Charon(here.a, stack, timeout=20, log=-1)

    def side(mine, theirs, flip, more):
        return connection(mine, theirs, {
            name: f"local_ts = {nets[flip]}\nremote_ts = {nets[1 - flip]}\n{nets[2]}{more}"
            for name, nets in children.items()})
    b.load(side(B[4], A[4], 1, ""))
    start = time.monotonic()
    a.load(side(A[4], B[4], 0, "start_action = start\n"))

    def done():
        text = here.b.run("ip", "xfrm", "state", "count").stdout
        return int(re.search(r"count (\d+)", text)[1]) >= 2 * count and (
            stack != "espah" or Espah.json(here.a, "stats")["sas"] >= 2 * count)
    lab.wait_for(done, f"{count} CHILD_SAs over {stack}", 270)
    return time.monotonic() - start


@lab.test("500 CHILD_SAs come up; the time beside that of XFRM on both ends")
def many():
    here = Lab.clean()
    count = int(os.environ.get("ESPAH_CHILDREN", "500"))
    times = {stack: bring_up(here, stack, count) for stack in ("xfrm", "espah")}
    print(f"# {count} CHILD_SAs: XFRM {times['xfrm']:.1f} s, espah {times['espah']:.1f} s")
    lab.equal(here.in_clear(), 0, "packets in clear")


if __name__ == "__main__":
    lab.main()
