#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a packet in three settings: bare gateways, with conntrack and a stateful firewall, and
with a flowtable, too; by policies (xfrm, espah) and by devices (xfrm_device, espah_device, and
espah_direct with 'espah config direct on').

The cost of plain forwarding in the same setting is subtracted. `ratio' is the best of espah's
costs divided by the best of XFRM's.
"""
import contextlib
import statistics
import sys

import gateways
import instructions
import module
import traffic
from gateways import GW1, GW2, QUICK, UNIT, Espah, Gateways, Plain, Stream, Xfrm, figure, say
from ipsec import GCM, SA, Policy

PACKETS = 1000 if QUICK else 4000
REPETITIONS = 2 if QUICK else 3  # the first is dropped
SIZES = (64, 1300)
ANY, IF_ID = "0.0.0.0/0", 7
WAN = {GW1: "c0", GW2: "d0"}


class Device:
    """A tunnel by a device that the gateways route into."""
    base = None

    @classmethod
    def on(cls, lab, alg):
        options = {"algorithm": GCM, "window": 64, "if_id": IF_ID}
        there, back = SA(0x3001, GW1, GW2, **options), SA(0x3002, GW2, GW1, **options)
        for ns, here, peer, out, into in ((lab.gw1, GW1, GW2, there, back), (lab.gw2, GW2, GW1, back, there)):
            cls.make(ns, WAN[here])
            cls.base.stack.configure(ns, [out], [into], [Policy(ANY, ANY, (here, peer), if_id=IF_ID)],
                                     [Policy(ANY, ANY, (peer, here), if_id=IF_ID)])
        lab.route("dev ipsec0", "dev ipsec0")

    @classmethod
    def off(cls, lab, alg):
        lab.route(f"via {GW2}", f"via {GW1}")
        cls.base.off(lab, alg)
        for ns in (lab.gw1, lab.gw2):
            ns.ip("link del ipsec0\n")


class XfrmDevice(Device):
    base = Xfrm

    @staticmethod
    def make(ns, wan):
        ns.ip(f"link add ipsec0 mtu 1438 type xfrm dev {wan} if_id {IF_ID}\nlink set ipsec0 up\n")


class EspahDevice(Device):
    base = Espah

    @staticmethod
    def make(ns, wan):
        Espah.stack.batch(ns, [f"link add ipsec0 if-id {IF_ID} dev {wan} up"])


class EspahDirect(EspahDevice):
    """With ESP packets past conntrack and the firewall."""

    @classmethod
    def make(cls, ns, wan):
        super().make(ns, wan)
        Espah.stack.batch(ns, ["config direct on"])

    @classmethod
    def off(cls, lab, alg):
        super().off(lab, alg)
        for ns in (lab.gw1, lab.gw2):
            Espah.stack.batch(ns, ["config direct off"])


STACKS = {"plain": Plain, "xfrm": Xfrm, "xfrm_device": XfrmDevice, "espah": Espah,
          "espah_device": EspahDevice, "espah_direct": EspahDirect}


def rules(ns, setting, lan, wan, device):
    """A stateful firewall; with a flowtable that takes established flows of UDP."""
    text = "flush ruleset\n"
    devices = ", ".join([lan, wan] + ["ipsec0"] * device)
    if setting != "bare":
        table = f"flowtable fast {{ hook ingress priority 0; devices = {{ {devices} }}; }}" if setting == "flowtable" else ""
        add = "ip protocol udp ct state established flow add @fast" if setting == "flowtable" else ""
        text += f"""table inet wall {{
            {table}
            chain forward {{
                type filter hook forward priority 0; policy drop;
                {add}
                ct state established,related accept
                ip protocol {{ udp, icmp }} accept
            }}
            chain input {{
                type filter hook input priority 0; policy drop;
                iifname lo accept
                ip protocol {{ esp, icmp, udp }} accept
            }}
        }}\n"""
    ns.run("nft", "-f", "-", stdin=text)


def establish(stream):
    """Answers a datagram, so that the flow is established, and the flowtable takes it."""
    sock = stream.flows(1)[0]
    for _ in range(3):
        sock.send(b"ask")
        peer = stream.sink.recvfrom(64)[1]
        stream.sink.sendto(b"answer", peer)
        sock.recv(64)


@contextlib.contextmanager
def running(topology, stream, setting, stack):
    """A stack in a setting, with an established flow."""
    stack.on(topology, "aesgcm")
    device = issubclass(stack, Device)
    rules(topology.gw1, setting, "b0", "c0", device)
    rules(topology.gw2, setting, "e0", "d0", device)
    traffic.ping(topology.src, gateways.SRC, gateways.DST)
    establish(stream)
    yield
    for ns in (topology.gw1, topology.gw2):
        ns.run("nft", "flush", "ruleset")
        ns.run("conntrack", "-F", check=False)
    stack.off(topology, "aesgcm")


def measure(topology, stream, setting, seen):
    for name, stack in STACKS.items():
        with running(topology, stream, setting, stack):
            for size in SIZES:
                costs = seen.setdefault((setting, size), {}).setdefault(name, [])
                costs.append(stream.cost(size, PACKETS))


def profile(topology, stream, setting, size):
    """As instructions.profile()."""
    mark = instructions.marker()
    for stack in STACKS.values():
        with running(topology, stream, setting, stack):
            stream.cost(size, PACKETS)
            mark()
            stream.cost(size, PACKETS, warm_up=0)
            mark()
    instructions.write_phases(STACKS, size, "aesgcm")


def figures_of(seen):
    for (setting, size), runs in seen.items():
        runs = {name: values[1:] for name, values in runs.items()}
        plain = statistics.median(runs.pop("plain"))
        made = figure(f"{setting}_{size}", UNIT,
                      **{name: [value - plain for value in values] for name, values in runs.items()})
        for key in ("low", "high"):
            made.pop(key, None)
        made["plain"] = plain
        made["ratio"] = min(made[name] for name in STACKS if name.startswith("espah"))
        made["ratio"] /= min(made["xfrm"], made["xfrm_device"])
        yield made


def main():
    gateways.prepare()
    topology = Gateways()
    for name in ("xfrm_interface", "nf_flow_table", "nf_flow_table_inet", "nft_flow_offload"):
        topology.src.run("modprobe", name, check=False)
    stream = Stream(topology)
    module.load()
    if sys.argv[1:2] == ["--profile"]:
        profile(topology, stream, sys.argv[3], int(sys.argv[2]))
        return
    seen = {}
    for repetition in range(REPETITIONS):
        for setting in sys.argv[1:] or ("bare", "firewall", "flowtable"):
            measure(topology, stream, setting, seen)
        say(f"repetition {repetition + 1} of {REPETITIONS}")
    gateways.write("settings", list(figures_of(seen)))


if __name__ == "__main__":
    main()
