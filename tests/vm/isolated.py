#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""CPUs that the administrator has isolated do no work for other CPUs.

Needs three CPUs and a kernel with `isolcpus=2 nohz_full=2`. The work of a CPU shows as its NET_RX softirqs.
"""
import os
import socket

import lab
from ipsec import Espah

ISOLATED = 2
PACKETS = 3000


def softirqs():
    with open("/proc/softirqs", encoding="ascii") as file:
        line, = [line for line in file if "NET_RX" in line]
    return [int(word) for word in line.split()[1:]]


def spent(cpus):
    """NET_RX softirqs of each CPU while CPU 0 sends packets by an SA with this number of CPUs."""
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    a.ip("addr add 10.9.0.1/24 dev eth0\nneigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev eth0\n")
    Espah.batch(a, ["sa add out spi 0x1001 src 10.9.0.1 dst 10.9.0.2 tunnel aes256gcm16 key "
                    f"{os.urandom(36).hex()} {cpus}",
                    "policy add out 10.9.0.1/32 10.9.0.2/32 protect tunnel 10.9.0.1 10.9.0.2"])
    before = softirqs()
    with a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(PACKETS):
            sock.sendto(bytes(1000), ("10.9.0.2", 9))
    spent_ = [now - then for now, then in zip(softirqs(), before)]
    Espah.flush(a)
    lab.delete_all()
    print(f"log {cpus or 'automatic'}: NET_RX {spent_}", flush=True)
    return spent_


@lab.test("an isolated CPU gets no packets of others, however many CPUs an SA asks for")
def helpers():
    with open("/sys/devices/system/cpu/isolated", encoding="ascii") as file:
        if file.read().strip() != str(ISOLATED):
            raise lab.Skipped("needs a kernel with isolcpus=2")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    try:
        for cpus in "cpus 2", "cpus 3", "":
            others = spent(cpus)
            # the CPU may handle a few packets of its own, such as IPv6 ones at the beginning
            lab.true(others[ISOLATED] <= 5, f"{cpus}: {others}")
            if cpus:
                lab.true(others[1] >= 50, f"{cpus}: the other CPU does not help either: {others}")
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    lab.main()
