# SPDX-License-Identifier: GPL-2.0-only
"""The driver that the kernel's crypto API selects for an algorithm."""
import socket

import lab
from ipsec import GCM


def drivers(name):
    """(priority, name) of all drivers for an algorithm."""
    with open("/proc/crypto", encoding="ascii") as file:
        entries = [dict(map(str.strip, line.split(":", 1)) for line in entry.splitlines())
                   for entry in file.read().strip().split("\n\n")]
    return sorted((int(entry["priority"]), entry["driver"]) for entry in entries
                  if entry["name"] == name and entry["internal"] == "no")


def instantiate(template, algorithm=GCM):
    """Wraps the best driver of an algorithm in pcrypt or cryptd, which becomes the new best driver."""
    def bind(name):
        with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as sock:
            sock.bind(("aead", name))
    try:
        bind(algorithm.aead)
        best = drivers(algorithm.aead)[-1][1]
        if best.startswith(template):
            return
        lab.run("modprobe", template, check=False)
        bind(f"{template}({best})")
    except FileNotFoundError:
        raise lab.Skipped(f"this kernel makes no {template} of the cipher") from None
    lab.equal(drivers(algorithm.aead)[-1][1], f"{template}({best})", "best driver")


def remove(template):
    """Takes the template's drivers away again, once nothing uses them: through pcrypt, XFRM's interface
    loses a reference to its device for each packet (6.1, also without espah)."""
    lab.wait_for(lambda: lab.run("modprobe", "-r", template, check=False).returncode == 0,
                 f"{template} to be unused", timeout=60)
