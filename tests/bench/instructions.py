#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Instructions that a packet costs: plain forwarding, XFRM and espah, in one boot.

Run it where the clock counts instructions, one a nanosecond:

    scripts/vm --icount 6.12 -- tests/bench/instructions.py [aesgcm] [chacha20poly1305] [ah-sha256]

   src 10.1.0.1 -- 10.1.0.254 gw1 10.9.0.1 ===== 10.9.0.2 gw2 10.2.0.254 -- 10.2.0.1 dst

A UDP socket in src sends a datagram, one in dst reads it, thousands of times;
the time that took, divided by their number, is what one packet costs on its
whole way. What plain forwarding costs is subtracted. The figures cover both
gateways together: encryption in the one and decryption in the other.
"""
import ctypes
import gc
import json
import mmap
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time

PACKETS = 4000
REPETITIONS = 3  # the first is dropped
SIZES = (64, 512, 1300)
# espah's name, XFRM's, key
AH = {"ah-sha256": ("sha256", "hmac(sha256)", bytes(range(32)))}
KEYS = {
    "aesgcm": ("aes128gcm16", "rfc4106(gcm(aes))", bytes(range(16)) + b"\1\2\3\4"),
    "chacha20poly1305": ("chacha20poly1305", "rfc7539esp(chacha20,poly1305)",
                         bytes(range(32)) + b"\1\2\3\4"),
}
MARK = 0x5e5a0000  # scripts/profile.c knows it
ESPAH = "userspace-tools/espah/espah"
libc = ctypes.CDLL(None, use_errno=True)


def run(*command, text=None):
    subprocess.run(command, check=True, input=text, text=True)


def ip(netns, text):
    run("ip", *(("-n", netns) if netns else ()), "-batch", "-", text=text)


def enter(netns):
    with open(f"/run/netns/{netns}") as ns:
        if libc.setns(ns.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"setns {netns}")


def sysctl(name, value):
    with open("/proc/sys/" + name, "w") as f:
        f.write(value)


def topology():
    for ns in ("src", "gw1", "gw2", "dst"):
        ip(None, f"netns add {ns}")
        enter(ns)
        sysctl("net/ipv4/ip_forward", "1")
        sysctl("net/ipv6/conf/all/disable_ipv6", "1")
    ip(None, """
        link add a0 netns src address 02:00:00:00:00:a0 type veth peer name b0 netns gw1 address 02:00:00:00:00:b0
        link add c0 netns gw1 address 02:00:00:00:00:c0 type veth peer name d0 netns gw2 address 02:00:00:00:00:d0
        link add e0 netns gw2 address 02:00:00:00:00:e0 type veth peer name f0 netns dst address 02:00:00:00:00:f0
        """.strip())
    for ns, dev, addr in (("src", "a0", "10.1.0.1"), ("gw1", "b0", "10.1.0.254"),
                          ("gw1", "c0", "10.9.0.1"), ("gw2", "d0", "10.9.0.2"),
                          ("gw2", "e0", "10.2.0.254"), ("dst", "f0", "10.2.0.1")):
        ip(ns, f"addr add {addr}/24 dev {dev}\nlink set {dev} up\n")
    for ns, addr, mac, dev in (("src", "10.1.0.254", "b0", "a0"), ("gw1", "10.1.0.1", "a0", "b0"),
                               ("gw1", "10.9.0.2", "d0", "c0"), ("gw2", "10.9.0.1", "c0", "d0"),
                               ("gw2", "10.2.0.1", "f0", "e0"), ("dst", "10.2.0.254", "e0", "f0")):
        ip(ns, f"neigh replace {addr} lladdr 02:00:00:00:00:{mac} dev {dev} nud permanent")
    ip("src", "route add default via 10.1.0.254")
    ip("dst", "route add default via 10.2.0.254")
    ip("gw1", "route add 10.2.0.0/24 via 10.9.0.2")
    ip("gw2", "route add 10.1.0.0/24 via 10.9.0.1")


GATEWAYS = (("gw1", "10.9.0.1", "10.9.0.2", "10.1.0.0/24", "10.2.0.0/24", 0x1001, 0x1002),
            ("gw2", "10.9.0.2", "10.9.0.1", "10.2.0.0/24", "10.1.0.0/24", 0x1002, 0x1001))


def xfrm(alg):
    proto = "ah" if alg in AH else "esp"
    _, name, key = (AH | KEYS)[alg]
    how = (f"auth-trunc {name} 0x{key.hex()} 128 flag align4" if alg in AH else
           f"aead {name} 0x{key.hex()} 128")
    for ns, local, remote, lnet, rnet, spi_out, spi_in in GATEWAYS:
        sa = f"proto {proto} spi %d reqid 1 mode tunnel replay-window 64 {how}"
        tmpl = f"tmpl src {{}} dst {{}} proto {proto} reqid 1 mode tunnel"
        ip(ns, "\n".join((
            f"xfrm state add src {local} dst {remote} {sa % spi_out}",
            f"xfrm state add src {remote} dst {local} {sa % spi_in}",
            f"xfrm policy add src {lnet} dst {rnet} dir out {tmpl.format(local, remote)}",
            f"xfrm policy add src {rnet} dst {lnet} dir fwd {tmpl.format(remote, local)}",
            f"xfrm policy add src {rnet} dst {lnet} dir in {tmpl.format(remote, local)}")))


def xfrm_off(_):
    for ns, *_ in GATEWAYS:
        ip(ns, "xfrm policy flush\nxfrm state flush")


def espah(alg):
    proto = "ah" if alg in AH else "esp"
    name, _, key = (AH | KEYS)[alg]
    for ns, local, remote, lnet, rnet, spi_out, spi_in in GATEWAYS:
        sa = f"tunnel {name} key {key.hex()} reqid 1"
        subprocess.run((ESPAH, "-n", ns, "-b", "-"), check=True, text=True,
                       stderr=subprocess.DEVNULL, input=f"""
            sa add out {proto} spi {spi_out} src {local} dst {remote} {sa}
            sa add in {proto} spi {spi_in} src {remote} dst {local} {sa} window 64
            policy add both {lnet} {rnet} protect {proto} tunnel {local} {remote} reqid 1
            """)


def espah_off(_):
    for ns, *_ in GATEWAYS:
        run(ESPAH, "-n", ns, "flush")


MODES = {"plain": (lambda _: None, lambda _: None), "xfrm": (xfrm, xfrm_off),
         "espah": (espah, espah_off)}


def cost(out, inn, size, warm_up=50):
    """Instructions per packet, over the whole path."""
    payload = bytes(size)
    send, recv, clock = out.send, inn.recv, time.clock_gettime_ns
    for _ in range(warm_up):
        send(payload)
        recv(65536)
    started = clock(time.CLOCK_MONOTONIC)
    for _ in range(PACKETS):
        send(payload)
        recv(65536)
    return (clock(time.CLOCK_MONOTONIC) - started) / PACKETS


def marker():
    """A function that does nothing, at the address for which scripts/profile.c waits."""
    map_fixed = 0x10
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int,
                          ctypes.c_int, ctypes.c_long)
    if libc.mmap(MARK, 4096, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC,
                 mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | map_fixed, -1, 0) != MARK:
        raise OSError(ctypes.get_errno(), "mmap")
    ctypes.memmove(MARK, b"\xc3", 1)  # ret
    return ctypes.CFUNCTYPE(None)(MARK)


def profile(out, inn, size, alg):
    """Leaves what tests/bench/profile.py needs, beside what the plugin writes."""
    mark = marker()
    for mode, (on, off) in MODES.items():
        on(alg)
        cost(out, inn, size)
        mark()
        cost(out, inn, size, warm_up=0)
        mark()
        off(alg)
    shutil.copy("/proc/kallsyms", "/out/kallsyms")
    with open("/out/phases.json", "w") as f:
        json.dump({"modes": list(MODES), "packets": PACKETS, "size": size, "algorithm": alg,
                   "kernel": os.uname().release}, f)


def main():
    if sys.argv[1:2] == ["--profile"]:
        size, algs = int(sys.argv[2]), sys.argv[3:]
    else:
        size, algs = None, sys.argv[1:] or ["aesgcm"]
    global ESPAH
    # guest time races while it waits for the host's files: work from memory
    shutil.copy(ESPAH, "/run/espah-cli")
    ESPAH = "/run/espah-cli"
    topology()
    run("modprobe", "-a", "nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack", "xfrm_user", "esp4", "ah4",
        "chacha20poly1305")
    unloaded = None
    enter("dst")
    inn = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inn.bind(("10.2.0.1", 5000))
    inn.settimeout(10)
    enter("src")
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("10.2.0.1", 5000))
    gc.disable()
    unloaded = [cost(out, inn, 64) for _ in range(REPETITIONS)][1:]
    run("insmod", os.environ["ESPAH_KO"])
    if size is not None:
        profile(out, inn, size, algs[0])
        return

    seen = {}
    for _ in range(REPETITIONS):
        for alg in algs:
            for mode, (on, off) in MODES.items():
                on(alg)
                for size in SIZES:
                    seen.setdefault((alg, mode, size), []).append(cost(out, inn, size))
                off(alg)
    figures = []
    print(f"{os.uname().release}: instructions per packet, both gateways together, "
          f"median of {REPETITIONS - 1} runs of {PACKETS} packets\n")
    print("| algorithm | payload | plain | XFRM adds | espah adds | espah / XFRM |")
    print("| --- | --- | --- | --- | --- | --- |")
    for alg in algs:
        for size in SIZES:
            runs = {mode: seen[alg, mode, size][1:] for mode in MODES}
            plain = statistics.median(runs["plain"])
            added = {m: statistics.median(runs[m]) - plain for m in ("xfrm", "espah")}
            ratio = added["espah"] / added["xfrm"]
            print(f"| {alg} | {size} | {plain:,.0f} | {added['xfrm']:,.0f} "
                  f"| {added['espah']:,.0f} | {ratio:.2f} |")
            figures.append({"name": f"added_instructions_{size}_{alg}", "espah": added["espah"],
                            "xfrm": added["xfrm"], "ratio": ratio,
                            "low": (min(runs["espah"]) - plain) / added["xfrm"],
                            "high": (max(runs["espah"]) - plain) / added["xfrm"]})
    loaded = statistics.median(seen[algs[0], "plain", 64][1:])
    before = statistics.median(unloaded)
    print(f"\nplain forwarding, module loaded and no SA or policy / not loaded: "
          f"{loaded:,.0f} / {before:,.0f} = {loaded / before:.3f}")
    figures.append({"name": "plain_64_loaded", "espah": loaded, "plain": before,
                    "ratio": loaded / before})
    if os.path.isdir("/out"):
        with open("/out/instructions.json", "w") as f:
            json.dump({"figures": figures}, f, indent=1)


main()
