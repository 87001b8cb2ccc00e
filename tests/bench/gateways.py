# SPDX-License-Identifier: GPL-2.0-only
"""Two gateways between two hosts, which can run different stacks one after the other.

   src 10.1.0.1 -- 10.1.0.254 gw1 10.9.0.1 ===== 10.9.0.2 gw2 10.2.0.254 -- 10.2.0.1 dst
       a0          b0             c0             d0           e0            f0

All of them are namespaces of one kernel, so that all stacks use the same kernel, drivers
and neighbours. Neighbour entries are permanent, so that no measurement includes resolution.
"""
import gc
import json
import os
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vm"))
sys.dont_write_bytecode = True

import ipsec  # noqa: E402
import lab  # noqa: E402
import module  # noqa: E402
import traffic  # noqa: E402
from ipsec import ALGORITHMS, Policy, SA  # noqa: E402

OUT = os.environ.get("ESPAH_BENCH_OUT", "/out")
QUICK = bool(os.environ.get("ESPAH_BENCH_QUICK"))
UNIT = os.environ.get("ESPAH_BENCH_UNIT", "ns")  # unit of the clock: ns or instructions
if UNIT == "instructions":
    # large timeouts: the guest's clock jumps while the guest waits for files of the host
    lab.TIMEOUT = lab.run.__kwdefaults__["timeout"] = 1000000
SRC, DST = "10.1.0.1", "10.2.0.1"
GW1, GW2 = "10.9.0.1", "10.9.0.2"
NET1, NET2 = "10.1.0.0/24", "10.2.0.0/24"
NAMES = {"aesgcm": "aes128gcm16", "chacha20poly1305": "chacha20poly1305"}
AH = {"ah-sha256": ipsec.AH["sha256"]}  # measured only in instructions
CABLES = (("src", "a0", SRC, "gw1", "b0", "10.1.0.254"), ("gw1", "c0", GW1, "gw2", "d0", GW2),
          ("gw2", "e0", "10.2.0.254", "dst", "f0", DST))
# with those of the crypto: a request for a module has a time limit, and this clock jumps meanwhile
MODULES = ("nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack", "xfrm_user", "esp4", "ah4",
           "gcm", "ctr", "seqiv", "echainiv",
           "wireguard",
           "chacha20poly1305", "chacha-x86_64", "poly1305-x86_64")
WIREGUARD_PORT = 51820


def mac(device):
    return f"02:00:00:00:00:{device}"


class Gateways:
    """The topology, without any stack."""

    def __init__(self):
        self.src, self.gw1, self.gw2, self.dst = (
            lab.Netns(f"bench-{name}", forward=True) for name in ("src", "gw1", "gw2", "dst"))
        for left, left_dev, left_addr, right, right_dev, right_addr in CABLES:
            a, b = getattr(self, left), getattr(self, right)
            lab.run("ip", "link", "add", left_dev, "netns", str(a), "address", mac(left_dev),
                    "type", "veth", "peer", "name", right_dev, "netns", str(b),
                    "address", mac(right_dev))
            for ns, dev, addr, peer, peer_dev in ((a, left_dev, left_addr, right_addr, right_dev),
                                                  (b, right_dev, right_addr, left_addr, left_dev)):
                ns.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
                ns.ip(f"link set lo up\naddr add {addr}/24 dev {dev}\nlink set {dev} up\n"
                      f"neigh replace {peer} lladdr {mac(peer_dev)} dev {dev} nud permanent\n")
        self.src.ip("route add default via 10.1.0.254\n")
        self.dst.ip("route add default via 10.2.0.254\n")
        self.route(f"via {GW2}", f"via {GW1}")

    def route(self, forth, back):
        self.gw1.ip(f"route replace {NET2} {forth}\n")
        self.gw2.ip(f"route replace {NET1} {back}\n")

    def cut(self, yes):
        """Sets whether gw2 drops the packets of gw1, because they have another link-layer address."""
        self.gw1.ip(f"neigh replace {GW2} lladdr {mac('ff' if yes else 'd0')} dev c0 "
                    "nud permanent\n")


# --- stacks --------------------------------------------------------------------------------

class Plain:
    """No stack: gateways that only forward."""

    @staticmethod
    def on(_lab, _alg):
        pass

    off = on


class Ipsec:
    """ESP or AH tunnel between the gateways, with one SA each way for all traffic."""
    stack = None
    extra = ""

    @classmethod
    def on(cls, gateways, alg):
        cls.protect(gateways, alg, cls.extra, "priority 2")

    @classmethod
    def pings_apart(cls, gateways, alg):
        """Gives pings their own SAs; in espah these SAs use no other CPU."""
        cls.protect(gateways, alg, "cpus 1", "proto icmp priority 1", reqid=2)

    @classmethod
    def protect(cls, gateways, alg, extra, match, reqid=1):
        algorithm = AH.get(alg) or ALGORITHMS[NAMES[alg]]
        options = {"algorithm": algorithm, "window": 64, "extra": extra, "reqid": reqid}
        there = SA(0x1000 * reqid + 1, GW1, GW2, **options)
        back = SA(0x1000 * reqid + 2, GW2, GW1, **options)
        ipsec.configure_pair(gateways.gw1, gateways.gw2, cls.stack, cls.stack, [there], [back],
                             [Policy(NET1, NET2, (GW1, GW2), proto=algorithm.proto, match=match,
                                     reqid=reqid)])

    @classmethod
    def off(cls, gateways, _alg):
        cls.stack.flush(gateways.gw1)
        cls.stack.flush(gateways.gw2)


class Xfrm(Ipsec):
    stack = ipsec.Xfrm


class Espah(Ipsec):
    stack = ipsec.Espah


class WireGuard:
    """WireGuard always uses ChaCha20-Poly1305. A ping triggers the handshake before measurements."""

    @staticmethod
    def on(gateways, _alg):
        keys = [lab.run("wg", "genkey").stdout for _ in range(2)]
        public = [lab.run("wg", "pubkey", stdin=key).stdout.strip() for key in keys]
        for ns, key, peer, address in ((gateways.gw1, keys[0], public[1], GW2),
                                       (gateways.gw2, keys[1], public[0], GW1)):
            ns.ip("link add wg0 mtu 1420 type wireguard\n")
            ns.run("wg", "set", "wg0", "private-key", "/dev/stdin", "listen-port",
                   str(WIREGUARD_PORT), "peer", peer, "endpoint", f"{address}:{WIREGUARD_PORT}",
                   "allowed-ips", "0.0.0.0/0", stdin=key)
            ns.ip("link set wg0 up\n")
        gateways.route("dev wg0", "dev wg0")
        traffic.ping(gateways.src, SRC, DST)

    @staticmethod
    def off(gateways, _alg):
        gateways.route(f"via {GW2}", f"via {GW1}")
        for ns in (gateways.gw1, gateways.gw2):
            ns.ip("link del wg0\n")


STACKS = {"plain": Plain, "xfrm": Xfrm, "espah": Espah, "wireguard": WireGuard}


def stacks(alg):
    """The stacks that support an algorithm."""
    return {name: stack for name, stack in STACKS.items()
            if name != "wireguard" or alg == "chacha20poly1305"}


# --- cost of a packet ------------------------------------------------------------------------

def no_poll(sock):
    """Sets a socket timeout in the kernel: Python's own timeout costs a system call for each packet."""
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", lab.TIMEOUT, 0))


class Stream:
    """Datagrams from src to dst, one at a time: each is sent after the previous one has arrived."""

    def __init__(self, gateways):
        self.gateways = gateways
        self.sink = traffic.udp(gateways.dst, DST, 5000)
        no_poll(self.sink)
        self.sources = []

    def flows(self, count):
        """The sockets of count flows, one port each."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        while len(self.sources) < count:
            sock = traffic.udp(self.gateways.src, SRC)
            sock.connect((DST, 5000))
            no_poll(sock)
            self.sources.append(sock)
        return self.sources[:count]

    def cost(self, size, packets, warm_up=50, sink=None, flows=1):
        """Nanoseconds (with -icount: instructions) of a packet from src to dst; the flows
        take turns."""
        payload = bytes(size)
        recv, clock = (sink or self.sink).recv, time.clock_gettime_ns
        sends = [sock.send for sock in self.flows(flows)] * -(-packets // flows)
        gc.disable()
        for send in sends[:max(warm_up, flows)]:
            send(payload)
            recv(64)
        started = clock(time.CLOCK_MONOTONIC)
        for send in sends[:packets]:
            send(payload)
            recv(64)
        return (clock(time.CLOCK_MONOTONIC) - started) / packets

    def cost_out(self, size, packets):
        """The same up to the wire between the gateways, where a socket reads the packet and gw2 drops it."""
        with self.gateways.gw2:
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(traffic.ETH_P_IP))
            tap.bind(("d0", traffic.ETH_P_IP))
        no_poll(tap)
        self.gateways.cut(True)
        try:
            return self.cost(size, packets, sink=tap)
        finally:
            self.gateways.cut(False)
            tap.close()


# --- figures -----------------------------------------------------------------------------------

def figure(name, unit, better="lower", **values):
    """One figure: for each stack a list of measurements, whose median counts."""
    made = {"name": name, "unit": unit, "better": better}
    medians = {stack: statistics.median(seen) for stack, seen in values.items() if seen}
    made.update(medians)
    if "espah" in medians and medians.get("xfrm"):
        reference = medians["xfrm"]
        made["ratio"] = medians["espah"] / reference
        made["low"] = min(values["espah"]) / reference
        made["high"] = max(values["espah"]) / reference
    made["spread"] = {stack: [min(seen), max(seen)] for stack, seen in values.items() if seen}
    return made


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        told = dict(map(str.strip, line.split(":", 1)) for line in file if ":" in line)
    return {"kernel": os.uname().release, "processors": os.cpu_count(),
            "processor": told.get("model name", "unknown"),
            "virtual": "hypervisor" in told.get("flags", ""), "quick": QUICK}


def write(part, figures, **more):
    """Writes the results of a part for tests/bench/report.py."""
    with open(f"{OUT}/{part}.json", "w", encoding="ascii") as file:
        json.dump({"part": part, "machine": machine(), "figures": figures, **more}, file, indent=1)


def prepare():
    """Loads files before measurements: the guest's clock runs fast while it waits for the host's files."""
    for name in MODULES:
        lab.run("modprobe", name, check=False)  # newer kernels include some in other modules
    shutil.copy(ipsec.CLI, "/run/espah-cli")
    ipsec.CLI = "/run/espah-cli"


def with_server():
    """The topology, ready for measurements: the module is loaded, and iperf3 waits in dst."""
    prepare()
    module.load()
    topology = Gateways()
    topology.dst.start("iperf3", "-s", stdout=subprocess.DEVNULL)
    return topology


def say(text):
    print(text, flush=True)
