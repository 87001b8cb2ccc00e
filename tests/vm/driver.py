# SPDX-License-Identifier: GPL-2.0-only
"""Which driver the kernel's crypto API takes for an algorithm."""
import socket

import lab
from ipsec import GCM


def drivers(name):
    """(priority, name) of the drivers that there are for an algorithm."""
    with open("/proc/crypto", encoding="ascii") as file:
        entries = [dict(map(str.strip, line.split(":", 1)) for line in entry.splitlines())
                   for entry in file.read().strip().split("\n\n")]
    return sorted((int(entry["priority"]), entry["driver"]) for entry in entries
                  if entry["name"] == name and entry["internal"] == "no")


def instantiate(template, algorithm=GCM):
    """Puts pcrypt or cryptd over the best driver of an algorithm, as the new best."""
    def bind(name):
        with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as sock:
            sock.bind(("aead", name))
    bind(algorithm.aead)
    best = drivers(algorithm.aead)[-1][1]
    if best.startswith(template):
        return
    lab.run("modprobe", template)
    bind(f"{template}({best})")
    lab.equal(drivers(algorithm.aead)[-1][1], f"{template}({best})", "best driver")
