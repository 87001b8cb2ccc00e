# SPDX-License-Identifier: GPL-2.0-only
"""A small world of network namespaces that an unprivileged user creates, then disturbs step by step.

Two hosts, a and b, and m between or beside them, are connected in one of several ways and have SAs
and policies with which traffic passes. Then devices, routes, rules, SAs and policies are added and
removed at random, with traffic of all kinds, until the world ends with packets in flight. The seed of
the world determines all actions, but not the times at which the kernel executes them.
"""
import contextlib
import os
import random
import signal
import socket
import time

import forge
import lab
import netlink
import traffic
from place import INNER, MAC, OUTER, Place
from spoil_keys import Keys
from spoil_net import Network
from spoil_traffic import Traffic


class World(Keys, Network, Traffic):
    """without: features to leave out: "bridge", "tunnel", or names of functions of this class."""

    def __init__(self, seed, without=()):
        self.seed, self.dice, self.without = seed, random.Random(seed), without
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.complaints = os.memfd_create("complaints")
        self.tally = {}
        self.ports = (7, *self.dice.sample(range(1024, 65535), 2))
        self.spis = [256 + self.dice.randrange(8) for _ in range(3)]
        self.seen = []       # packets that were captured
        self.streams = []    # TCP connections
        self.serial = 0
        self.sealed = self.wire = None  # see seal()
        self.forger = forge.Forger(self.dice, self.spis, self.ports)
        self.places = {title: Place(self, title) for title in "abm"}
        self.actions = self.all_actions()

    def count(self, what, number=1):
        self.tally[what] = self.tally.get(what, 0) + number

    def chance(self, probability):
        return self.dice.random() < probability

    def place(self):
        return self.dice.choice([self.places["a"]] * 3 + [self.places["b"]] * 2 + [self.places["m"]])

    # --- how a, b and m are connected ----------------------------------------------------------

    def build(self):
        kinds = [self.direct, self.vrf, self.router, self.slaves]
        if "bridge" not in self.without:
            kinds += [self.bridge, self.bridge]
        kind = self.dice.choice(kinds)
        self.layout = kind.__name__
        for place in self.places.values():
            place.ip("link set lo up")
            for path in ("net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter"):
                place.sysctl(path, self.dice.choice((0, 0, 0, 1, 2)))
            for version in "ipv4/ip_forward", "ipv6/conf/all/forwarding":
                place.sysctl("net/" + version, int(place.title == "m" or self.chance(0.5)))
            for word in "ipv6/conf/all/seg6_enabled", "ipv6/conf/default/seg6_enabled", "mpls/platform_labels":
                place.sysctl("net/" + word, 1000 if "labels" in word else 1)
        kind()
        for title, place in self.places.items():
            place.ip(*(f"addr add {address} dev lo" for address in INNER[title]))
            for other in "abm":
                if other != title:
                    for i in range(2):
                        place.ip(f"route add {INNER[other][i]} via {self.next_hop(title, other)[i]}")
        for place in self.places.values():
            place.fence()
            place.listen()
        if self.layout in ("direct", "vrf", "router") and self.chance(0.4) and "seal" not in self.without:
            self.seal()
        for _ in range(0 if "protect" in self.without else self.dice.randrange(1, 4)):
            self.protect()

    def seal(self):
        """From now on nothing may leave a in clear, whatever happens. All packets on its wire are checked."""
        self.sealed = self.places["a"]
        for family in 2, 10:
            self.ask(self.sealed, netlink.POLICY_NEW, netlink.plain(
                ACTION=netlink.u8(netlink.DISCARD), PRIORITY=netlink.u32(1000),
                SELECTOR=netlink.nest((netlink.S_FAMILY, netlink.u8(family)))))
        with self.sealed:
            self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        program, _buffer = traffic.bpf(traffic.OUTGOING + traffic.CLEARTEXT)
        self.wire.setsockopt(socket.SOL_SOCKET, traffic.SO_ATTACH_FILTER, program)
        self.wire.bind(("eth0", traffic.ETH_P_ALL))
        self.count("sealed worlds")

    def next_hop(self, title, other):
        return OUTER[other if self.layout != "router" or "m" in (title, other) else "m"]

    def veth(self, one, other, device_one, device_other):
        mtu = self.dice.choice((1500,) * 6 + (1280, 9000, 576))
        mac = [MAC % (ord(place.title) + 16 * len(place.devices)) for place in (one, other)]
        one.ip(f"link add {device_one} address {mac[0]} mtu {mtu} type veth peer name {device_other} "
               f"address {mac[1]} mtu {mtu} netns {other.shell.pid}", f"link set {device_one} up")
        one.fence()
        other.ip(f"link set {device_other} up")
        other.fence()
        for place, device in ((one, device_one), (other, device_other)):
            place.devices.append(device)
            place.device = place.device or device

    def address(self, title, device, more=""):
        v4, v6 = OUTER[title]
        self.places[title].ip(f"addr add {v4}/24 dev {device}{more}", f"addr add {v6}/64 dev {device} nodad{more}")

    def direct(self):
        a, b, m = (self.places[title] for title in "abm")
        self.veth(a, b, "eth0", "eth0")
        self.veth(b, m, "eth1", "eth0")
        for title in "ab":
            self.address(title, "eth0")
        self.address("m", "eth0")

    def vrf(self):
        self.direct()
        for title in self.dice.choice(("a", "b", "ab")):
            place = self.places[title]
            # IPv6 addresses are lost when a device changes its master
            place.ip("link add red type vrf table 10", "link set red up", "link set eth0 master red",
                     f"addr add {OUTER[title][1]}/64 dev eth0 nodad", *(
                         f"route add {address} dev red" for address in INNER[title] if self.chance(0.5)))
            place.devices.append("red")

    def bridge(self):
        a, b, m = (self.places[title] for title in "abm")
        self.veth(a, m, "eth0", "p0")
        self.veth(b, m, "eth0", "p1")
        filtering = self.dice.choice(("", "", " vlan_filtering 1", " nf_call_iptables 1 nf_call_ip6tables 1"))
        m.ip(f"link add br0 type bridge{filtering}", "link set br0 up", "link set p0 master br0",
             "link set p1 master br0")
        m.devices.append("br0")
        for word, likely in (("iptables", 0.9), ("ip6tables", 0.9), ("arptables", 0.5),
                             ("filter-vlan-tagged", 0.5), ("filter-pppoe-tagged", 0.5)):
            m.sysctl(f"net/bridge/bridge-nf-{'call-' if 'tables' in word else ''}{word}", int(self.chance(likely)))
        vlan = self.chance(0.2)
        for title, device in (("a", "eth0"), ("b", "eth0"), ("m", "br0")):
            if vlan:
                self.places[title].ip(f"link add link {device} name {device}.5 type vlan id 5",
                                      f"link set {device}.5 up")
                self.places[title].devices.append(device + ".5")
            self.address(title, device + ".5" * vlan)

    def router(self):
        a, b, m = (self.places[title] for title in "abm")
        self.veth(a, m, "eth0", "eth0")
        self.veth(b, m, "eth0", "eth1")
        for title, other, device in (("a", "b", "eth0"), ("b", "a", "eth1")):
            near, far = self.places[title], OUTER[other]
            near.ip(*(f"addr add {address}/{bits} dev eth0 nodad" for address, bits in
                      zip(OUTER[title], (32, 128))),
                    *(f"route add {address} dev eth0" for address in OUTER["m"]),
                    *(f"route add {far[i]} via {OUTER['m'][i]}" for i in range(2)))
            m.ip(*(f"route add {address} dev {device}" for address in OUTER[title]))
        m.ip(*(f"addr add {address} dev lo nodad" for address in OUTER["m"]))

    def slaves(self):
        """a and b have their own devices on top of one device of m."""
        m = self.places["m"]
        m.ip("link add par type dummy", "link set par up")
        m.devices.append("par")
        kind = self.dice.choice(("macvlan mode bridge", "ipvlan mode l2", "ipvlan mode l3", "ipvlan mode l3s",
                                 "ipvlan mode l3s private", "ipvtap mode l2", "macvtap mode bridge"))
        for title in "abm":
            place = self.places[title]
            m.ip(f"link add link par name s{title} type {kind}")
            if title != "m":
                m.ip(f"link set s{title} netns {place.shell.pid}")
        m.fence()
        for title in "abm":
            place = self.places[title]
            place.ip(f"link set s{title} up")
            place.devices.append("s" + title)
            place.device = "s" + title
            self.address(title, "s" + title)

    # --- a world's course ----------------------------------------------------------------------

    def reborn(self):
        """Deletes a place with its contents; an empty one takes its name."""
        title = self.dice.choice("bm")
        self.places[title].close()
        place = self.places[title] = Place(self, title)
        place.ip("link set lo up")
        if title == "b" and self.layout in ("direct", "vrf"):
            self.veth(self.places["a"], place, f"eth{self.serial + 2}", "eth0")
            self.address("b", "eth0")
            self.places["a"].ip(*(f"route replace {address} dev eth{self.serial + 2}" for address in OUTER["b"]))
            self.serial += 1
        place.listen()
        self.count("places reborn")

    def all_actions(self):
        table = ((self.datagrams, 14), (self.segments, 5), (self.pings, 5), (self.connect, 3), (self.forged, 12),
                 (self.capture, 10), (self.protect, 4), (self.rekey, 6), (self.administer, 2), (self.add_device, 6),
                 (self.change_device, 4), (self.settings, 2), (self.rules, 5), (self.xfrm, 2))
        return [action for action, weight in (*table, (self.reborn, 1), (self.light_tunnel, 5)) for _ in range(weight)
                if action.__name__ not in self.without and
                not (action == self.light_tunnel and "tunnel" in self.without)]

    def run(self, until):
        self.build()
        for _ in range(self.dice.randrange(60, 200)):
            if time.monotonic() > until:
                break
            with contextlib.suppress(OSError):  # the kernel refused it
                self.dice.choice(self.actions)()
            self.pump()
        self.count("worlds")
        self.count(f"worlds: {self.layout}")
        self.gather()

    def gather(self):
        """Collects espah's counters at the end."""
        for place in self.places.values():
            with contextlib.suppress(netlink.Refused, OSError):
                out, into, drops = place.counters()
                self.count("protected", out)
                self.count("accepted from SAs", into)
                for reason, number in drops.items():
                    self.count(f"drop: {reason}", number)
        if self.wire:
            try:
                frames = traffic.drain(self.wire)
            except OSError:  # its device has gone down
                frames = ()
            for frame in frames:
                self.count(f"in clear, world {self.seed} ({self.layout}): {frame[14:70].hex()}")
        os.lseek(self.complaints, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self.complaints), "rb") as file:
            text = file.read()
        self.count("ip refused", text.count(b"Command failed"))
        if os.environ.get("ESPAH_HOSTILE_VERBOSE"):
            for line in text.decode(errors="replace").splitlines():
                if not line.startswith("Command failed"):
                    self.count("ip: " + line[:150])

    def close(self):
        for sock in (*self.streams, *filter(None, [self.wire])):
            sock.close()
        for place in self.places.values():
            place.close()
        os.close(self.home)
        os.close(self.complaints)


def become_nobody():
    """Becomes an unprivileged user, creates a user namespace and is root there."""
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    lab.libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: otherwise /proc/self belongs to root
    lab.libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    lab.syscall(lab.libc.unshare, netlink.CLONE_NEWUSER | lab.CLONE_NEWNET)
    for file, text in (("setgroups", "deny"), ("gid_map", "0 65534 1"), ("uid_map", "0 65534 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as mapping:
            mapping.write(text)
