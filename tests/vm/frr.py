#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""FRR routes between two sites, over a tunnel device on each of two uplinks.

                       wan1 192.0.2.1 ==== 192.0.2.2 wan1
    h 10.1.0.2 -- lan a                                  b lan -- 10.2.0.2 t      (fd01::2, fd02::2)
                       wan2 2001:db8:2::1 == 2001:db8:2::2 wan2

The tunnels' own networks are 169.254.N.0/30 and fd99:N::/126 on the devices ipsecN, with if_id N.
The default routes of a and b lead to each other in clear, as those of gateways lead into the
Internet. a has espah, b has XFRM. (ESPAH_LAB_OURS=xfrm: both have XFRM.)
"""
import ipaddress
import json
import os
import struct
import time

import lab
import traffic
from ipsec import OURS, Espah, Policy, SA, Xfrm
from router import Router

TUNNELS = (1, 2)
WANS = {1: ("192.0.2.{}/24", "2001:db8:1::{}/64"), 2: ("198.51.100.{}/24", "2001:db8:2::{}/64")}
OUTER = {1: ("192.0.2.1", "192.0.2.2"), 2: ("2001:db8:2::1", "2001:db8:2::2")}
NETS = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("fd01::/64", "fd02::/64")}
HOSTS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("fd01::2", "fd02::2")}
EVERY = {4: "0.0.0.0/0", 6: "::/0"}
FAMILIES = (4, 6)
MTU = 1400  # of the devices: OSPF's neighbours must agree
HOLD = 6    # s: BGP's hold time
DEAD = 4    # s: OSPF's dead interval
DETECT = 0.9  # s: BFD's 3 packets, one in 300 ms


# --- gateways -------------------------------------------------------------------------------

class Gateway:
    """side: 0 is a, 1 is b."""

    def __init__(self, name, side, stack):
        self.ns, self.side, self.stack = lab.Netns(name, forward=True), side, stack
        self.guarded, self.router = False, None
        for key in "net.ipv4.fib_multipath_hash_policy", "net.ipv6.fib_multipath_hash_policy":
            self.ns.sysctl(key, 1)  # ports, too

    def near(self, v):
        return NETS[v][self.side]

    def far(self, v):
        return NETS[v][1 - self.side]

    def tunnel(self, number, sas):
        """A device with the SAs (a to b, b to a) and policies for everything."""
        out, back = sas[self.side], sas[1 - self.side]
        self.stack.device(self.ns, number, f"wan{number}")

        def policies(sa):
            return [Policy(every, every, (sa.src, sa.dst), number, if_id=number)
                    for every in EVERY.values()]
        self.stack.stack.configure(self.ns, [out], [back], policies(out), policies(back))
        mine = self.side + 1
        self.ns.ip(f"link set ipsec{number} up\n"
                   f"addr add 169.254.{number}.{mine}/30 dev ipsec{number}\n"
                   f"addr add fd99:{number}::{mine}/126 dev ipsec{number} nodad\n")

    def defaults(self, verb, *numbers):
        """Default routes by these uplinks, of which the first one is preferred, for ip(8)."""
        other = 2 - self.side
        return [f"route {verb} default via {net.format(other).split('/')[0]} dev wan{number} "
                f"metric {number}" for number in numbers for net in WANS[number]]

    def guard(self, on):
        """Policies without if_id: nothing passes to or from the other site by the uplinks in clear."""
        if on != self.guarded:
            self.stack.guard(self.ns, on, {v: self.far(v) for v in FAMILIES})
        self.guarded = on

    def routes(self):
        """{family: number of ways to the far network}, without the default route"""
        found = {}
        for v in FAMILIES:
            routes = json.loads(self.ns.run("ip", "-j", f"-{v}", "route", "show",
                                            self.far(v)).stdout or "[]")
            found[v] = sum(len(route.get("nexthops", [route])) for route in routes)
        return found

    def sent(self):
        """Packets sent by each tunnel."""
        links = json.loads(self.ns.run("ip", "-j", "-s", "link").stdout)
        counts = {link["ifname"]: link["stats64"]["tx"]["packets"] for link in links}
        return [counts[f"ipsec{number}"] for number in TUNNELS]


class OnXfrm:
    stack = Xfrm

    @staticmethod
    def device(ns, number, dev):
        ns.ip(f"link add ipsec{number} mtu {MTU} type xfrm dev {dev} if_id {number}\n"
              f"link set ipsec{number} multicast on\n")  # espah's have it

    @staticmethod
    def guard(ns, on, nets):
        """XFRM's policies of kind fwd see the device by which a packet leaves, so they name none."""
        lines = []
        for v, net in nets.items():
            selectors = [f"src {EVERY[v]} dst {net} dev wan{number} dir out" for number in TUNNELS]
            selectors += [f"src {net} dst {EVERY[v]} dir {way}" for way in ("in", "fwd")]
            lines += [f"xfrm policy add {selector} action block" if on else
                      f"xfrm policy delete {selector}" for selector in selectors]
        ns.ip("\n".join(lines) + "\n")


class OnEspah:
    stack = Espah

    @staticmethod
    def device(ns, number, dev):
        Espah.batch(ns, [f"link add ipsec{number} if-id {number} dev {dev} mtu {MTU}"])

    @staticmethod
    def guard(ns, on, nets):
        lines = []
        for v, net in nets.items():
            for number in TUNNELS:
                for selector in f"out {EVERY[v]} {net}", f"in {net} {EVERY[v]}":
                    lines.append(f"policy add {selector} dev wan{number} discard" if on else
                                 f"policy del {selector} dev wan{number}")
        Espah.batch(ns, lines)


# --- the laboratory ---------------------------------------------------------------------------

def bgp_conf(gateway):
    me, peer = 65001 + gateway.side, 65002 - gateway.side
    neighbours = [f"169.254.{number}.{2 - gateway.side}" for number in TUNNELS]
    lines = [f"router bgp {me}", f"bgp router-id 10.{gateway.side + 1}.0.1",
             "no bgp ebgp-requires-policy", "bgp log-neighbor-changes", "no bgp network import-check"]
    for peer_address in neighbours:
        lines += [f"neighbor {peer_address} remote-as {peer}",
                  f"neighbor {peer_address} timers {HOLD // 3} {HOLD}",
                  f"neighbor {peer_address} timers connect 1"]
        if gateway.side == 1:
            lines.append(f"neighbor {peer_address} passive")  # so their connections do not collide
    lines.append(f"neighbor {neighbours[0]} bfd")  # the other session has the hold time alone
    for v, name in (4, "ipv4"), (6, "ipv6"):
        lines += [f"address-family {name} unicast", f"network {gateway.near(v)}", "maximum-paths 2",
                  *(f"neighbor {peer_address} activate" for peer_address in neighbours),
                  "exit-address-family"]
    return "\n".join(lines) + "\n"


def ospf_conf(gateway, six):
    ip, version = ("ipv6 ospf6", "6") if six else ("ip ospf", "")
    lines = []
    for number in TUNNELS:
        lines += [f"interface ipsec{number}", f"{ip} area 0", f"{ip} network point-to-point",
                  f"{ip} hello-interval 1", f"{ip} dead-interval {DEAD}",
                  f"{ip} retransmit-interval 3"]
    lines += ["interface lan", f"{ip} area 0", f"{ip} passive", f"router ospf{version}",
              f"ospf{version} router-id 10.{gateway.side + 1}.0.1", "timers throttle spf 0 50 500"]
    return "\n".join(lines) + "\n"


class Lab:
    """The network drawn above, made once, and the daemons."""

    only = None

    @classmethod
    def get(cls):
        """The network, all of it alive."""
        if not cls.only:
            cls.only = cls()
        cls.only.mend(*cls.only.dead)  # if an earlier test failed
        return cls.only

    @classmethod
    def with_bgp(cls):
        """The network, with sessions over both tunnels."""
        here = cls.get()
        here.start_bgp()
        here.ways(2)
        return here

    @classmethod
    def without_bgp(cls):
        """The network, without routes to the other site but the default ones."""
        here = cls.get()
        for gateway in here.gateways:
            if "bgpd" in gateway.router.processes:
                gateway.router.stop("bgpd")
        here.ways(0)
        return here

    def __init__(self):
        lab.delete_all()
        lab.run("modprobe", "xfrm_interface")
        self.dead = set()
        ours = {Espah: OnEspah, Xfrm: OnXfrm}[OURS]
        self.h, self.t = lab.Netns("h"), lab.Netns("t")
        self.a, self.b = self.gateways = Gateway("a", 0, ours), Gateway("b", 1, OnXfrm)
        for number in TUNNELS:
            lab.link(self.a.ns, f"wan{number}", self.b.ns, f"wan{number}")
        for gateway, host in zip(self.gateways, (self.h, self.t)):
            lab.link(gateway.ns, "lan", host, "eth0")
            self.connect(gateway, host)
        # keeps the kernel's code for such hooks patched, as lab.keep_hooks() does for others
        self.a.ns.run("nft", "add table netdev keep; add chain netdev keep c "
                      "{ type filter hook ingress device lan priority 0; }")
        for gateway in self.gateways:
            # not before: zebra sometimes misses addresses that come while it reads those that are there
            gateway.router = Router(gateway.ns)
        self.each("wait")
        self.start_bgp()
        for number in TUNNELS:
            a, b = OUTER[number]
            sas = (SA(0x1000 * number + 1, a, b, reqid=number, if_id=number),
                   SA(0x1000 * number + 2, b, a, reqid=number, if_id=number))
            for gateway in self.gateways:
                gateway.tunnel(number, sas)
        self.each("wait")

    @staticmethod
    def connect(gateway, host):
        """Addresses, and default routes: the host's to the gateway, the gateway's to the other one."""
        mine = gateway.side + 1
        near, far = [], []
        for router, v in (f"10.{mine}.0.1", 4), (f"fd0{mine}::1", 6):
            bits = gateway.near(v).split("/")[1]
            near += [f"addr add {router}/{bits} dev lan"]
            far += [f"addr add {HOSTS[v][gateway.side]}/{bits} dev eth0",
                    f"route add default via {router}"]
        for number in TUNNELS:
            near += [f"addr add {net.format(mine)} dev wan{number}" for net in WANS[number]]
        near += gateway.defaults("add", *TUNNELS)
        gateway.ns.ip("\n".join(near) + "\n")
        host.ip("\n".join(far) + "\n")

    def start_bgp(self):
        """Starts BGP where it does not run."""
        for gateway in self.gateways:
            for daemon, conf in ("bfdd", ""), ("bgpd", bgp_conf(gateway)):
                if daemon not in gateway.router.processes:
                    gateway.router.start(daemon, conf)

    def each(self, verb, *words):
        for gateway in self.gateways:
            getattr(gateway.router, verb)(*words)

    def cut(self, number, what="", meanwhile=lambda: time.sleep(0.01)):
        """A wire drops everything (of a kind) silently, until mend()."""
        self.dead.add(number)
        table = f"netdev cut{number}"
        rules = (f"add table {table}; add chain {table} c "
                 f"{{ type filter hook ingress device wan{number} priority 0; }}; "
                 f"add rule {table} c {what} drop")
        started = [gateway.ns.start("nft", rules) for gateway in self.gateways]
        while any(process.poll() is None for process in started):
            meanwhile()
        lab.true(not any(process.returncode for process in started), f"wan{number} was not cut")

    def mend(self, *numbers):
        self.dead -= set(numbers)
        for gateway in self.gateways:
            for number in numbers:
                gateway.ns.run("nft", "delete", "table", "netdev", f"cut{number}")

    def ways(self, number, timeout=40, meanwhile=lambda: None):
        """Waits until each gateway has so many ways to the far network in each family."""
        want = [{v: number for v in FAMILIES}] * 2

        def found():
            meanwhile()
            return [gateway.routes() for gateway in self.gateways]
        try:
            lab.wait_for(lambda: found() == want, f"{number} ways", timeout)
        except lab.Failed as failed:
            raise lab.Failed(f"{failed}: a and b have {found()}") from None

    def outage(self, number):
        """Cuts a wire. Return: seconds during which some flow did not pass"""
        with Flows(self, 4) as flows:
            flows.settle()
            start = flows.round + 1
            self.cut(number, meanwhile=flows.step)
            return flows.settle(start, broken=True)

    def refused(self):
        """Packets that a's guard has discarded on their way out."""
        return OURS.drops(self.a.ns).get({Espah: "discard_out", Xfrm: "XfrmOutPolBlock"}[OURS], 0)


class Flows(traffic.Closing):
    """Datagrams in both directions between h and t, on many ports in each family."""

    PAUSE = 0.025  # s between rounds

    def __init__(self, here, count, families=FAMILIES):
        self.pairs = []
        for v in families:
            for port in range(20000, 20000 + count):
                pair = [traffic.udp(ns, address, port)
                        for ns, address in zip((here.h, here.t), HOSTS[v])]
                for one, other in pair, pair[::-1]:
                    one.connect(other.getsockname()[:2])
                    one.setblocking(False)
                self.pairs.append(pair)
        self.round, self.missing, self.sent = 0, {}, {}

    def step(self):
        """One datagram in each direction of each flow."""
        self.round += 1
        self.sent[self.round] = time.monotonic()
        self.missing[self.round] = 2 * len(self.pairs)
        for pair in self.pairs:
            for sock in pair:
                try:
                    sock.send(struct.pack("!I", self.round) + b"plaintext" * 10)
                except OSError:
                    pass  # an ICMP error about an earlier one
        time.sleep(self.PAUSE)
        for pair in self.pairs:
            for sock in pair:
                try:
                    while True:
                        self.missing[struct.unpack_from("!I", sock.recv(2000))[0]] -= 1
                except OSError:
                    pass

    def settle(self, start=None, broken=False, rounds=12, timeout=40):
        """Steps until all datagrams of many rounds arrive.

        broken: waits for rounds with missing datagrams first, counted from the round start.
        Return: seconds from the first of these rounds to the first one after them
        """
        start = start or self.round + 1
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.step()
            # the newest rounds may be on their way
            last = self.round - 3
            holes = [number for number in range(start, last + 1) if self.missing[number]]
            good = max(holes, default=start - 1) + 1
            if last - good >= rounds and (holes or not broken):
                return self.sent[good] - self.sent[holes[0]] if holes else 0
        raise lab.Failed(f"datagrams are missing in the rounds {holes[-5:]} of {self.round}"
                         if holes else "nothing was interrupted")

    def close(self):
        for pair in self.pairs:
            for sock in pair:
                sock.close()


class Clear(traffic.Closing):
    """Captures all that a and b send in clear by their uplinks."""

    def __init__(self, here):
        self.wires = {f"{gateway.ns} {device}": traffic.Wire(gateway.ns, device, cleartext=True)
                      for gateway in here.gateways for device in ("wan1", "wan2")}
        self.seen = []

    def look(self):
        """[(place, source, destination, protocol)] of all so far"""
        for place, wire in self.wires.items():
            for packet in wire.packets():
                first, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
                ends = [str(ipaddress.ip_address(packet[first + i * size:][:size])) for i in (0, 1)]
                self.seen.append((place, *ends, traffic.protocol_of(packet)))
        return self.seen

    def close(self):
        for wire in self.wires.values():
            wire.close()


def show(gateway, *commands, words):
    """Prints the lines of vtysh's answers that contain one of the words."""
    print(f"log {gateway.ns}# {'; '.join(commands)}", flush=True)
    for line in gateway.router.vtysh(*commands).splitlines():
        if any(word in line for word in words):
            print(f"log   {line}", flush=True)


def established(gateway):
    peers = gateway.router.json("bgpd", "show bgp ipv4 unicast summary")["peers"]
    return [peer["state"] for peer in peers.values()] == ["Established"] * 2


def carry(here):
    """Pings and TCP in both families; then many flows, which the routes spread over both tunnels."""
    for v in FAMILIES:
        traffic.ping(here.h, *HOSTS[v], count=2)
        traffic.ping(here.t, *HOSTS[v][::-1], count=2)
        with traffic.Transfer(here.h, HOSTS[v][0], here.t, HOSTS[v][1], 5001) as transfer:
            transfer.move(os.urandom(100_000))
            transfer.move(os.urandom(100_000), backward=True)
    for v in FAMILIES:
        before = [gateway.sent() for gateway in here.gateways]
        with Flows(here, 12, [v]) as flows:
            flows.settle(rounds=5)
        spread = [[new - old for new, old in zip(gateway.sent(), counts)]
                  for gateway, counts in zip(here.gateways, before)]
        print(f"log packets of IPv{v} by each tunnel: a {spread[0]}, b {spread[1]}", flush=True)
        lab.true(all(count >= flows.round for counts in spread for count in counts),
                 f"a tunnel did not carry its share: {spread}")


# --- BGP ----------------------------------------------------------------------------------------

@lab.test("BGP: a session comes up over each tunnel, both sites learn each other's networks, pings "
          "and TCP pass, and the flows use both tunnels")
def bgp():
    start = time.monotonic()
    here = Lab.get()
    print(f"log {time.monotonic() - start:.1f} s until all runs", flush=True)
    with Clear(here) as clear:
        here.ways(2)
        lab.true(all(map(established, here.gateways)), "a session is not established")
        print(f"log {time.monotonic() - start:.1f} s until all is learned", flush=True)
        carry(here)
        lab.equal(clear.look(), [], "in clear")
        lab.equal(OURS.drops(here.a.ns), {}, "drops")
    show(here.a, "show bgp ipv4 summary", "show ip route bgp", words=("169.254", "10.2.0.0"))


@lab.test("BGP with BFD: when a tunnel dies silently, all flows pass by the other one before the hold "
          "time has passed; when the tunnel lives again, both are used")
def bfd():
    here = Lab.with_bgp()
    lab.wait_for(lambda: here.a.router.ask("bfdd", "show bfd peers brief").count(" up ") == 1,
                 "BFD's session")
    took = here.outage(1)
    print(f"log BFD, {DETECT} s: {took:.2f} s without some of the flows", flush=True)
    here.ways(1)
    lab.true(took < HOLD - 1, f"it took {took:.2f} s")
    here.mend(1)
    here.ways(2)


@lab.test("BGP without BFD: when a tunnel dies silently, all flows pass by the other one after the "
          "hold time")
def hold():
    here = Lab.with_bgp()
    took = here.outage(2)
    print(f"log hold time, {HOLD} s: {took:.2f} s without some of the flows", flush=True)
    lab.true(took < HOLD + 4, f"it took {took:.2f} s")
    here.mend(2)
    here.ways(2)


# --- what routes do not protect -------------------------------------------------------------------

ESP = "meta protocol {ip, ip6} meta l4proto esp"


@lab.test("with a guard on the uplinks no plaintext leaves while tunnels die and come back, and after "
          "the daemon died")
def guarded():
    here = Lab.with_bgp()
    for gateway in here.gateways:
        gateway.guard(True)
    with Clear(here) as clear, Flows(here, 2) as flows:
        def wait(ways):
            here.ways(ways, meanwhile=flows.step)
            before = here.refused()
            if ways:
                flows.settle(rounds=5)
            else:
                for _ in range(10):
                    flows.step()
                lab.true(here.refused() >= before + 10, "the guard refused nothing")
            lab.equal(clear.look(), [], f"in clear, with {ways} ways")
        here.cut(1, ESP, flows.step)
        wait(1)
        here.cut(2, ESP, flows.step)
        wait(0)
        here.mend(1)
        wait(1)
        here.mend(2)
        wait(2)
        here.a.router.stop("bgpd")
        wait(0)
        for gateway in here.gateways:  # the other uplink is next
            gateway.ns.ip("\n".join(gateway.defaults("del", 1)) + "\n")
        wait(0)
        for gateway in here.gateways:
            gateway.ns.ip("\n".join(gateway.defaults("add", 1)) + "\n")


@lab.test("without the guard plaintext leaves: the default routes carry it")
def unguarded():
    here = Lab.without_bgp()
    for gateway in here.gateways:
        gateway.guard(False)
    with Clear(here) as clear, Flows(here, 1) as flows:
        flows.settle(rounds=3)
        lab.equal({packet[1] for packet in clear.look()}, {host for v in FAMILIES for host in HOSTS[v]},
                  "sources of what is in clear")


@lab.test("the guard discards plaintext that comes by the uplinks, too")
def guarded_in():
    here = Lab.without_bgp()
    here.a.guard(True)
    here.b.guard(False)
    with Clear(here) as clear, Flows(here, 1) as flows:
        for _ in range(10):
            flows.step()
        lab.equal({packet[0].split()[0] for packet in clear.look()}, {"b"}, "who sends in clear")
        lab.equal(set(flows.missing.values()), {2 * len(flows.pairs)}, "missing of each round")


# --- OSPF ------------------------------------------------------------------------------------------

@lab.test("OSPF and OSPFv3 find their neighbours over the tunnels, by multicast and link-local "
          "addresses; the flows use both tunnels, or one when the other dies")
def ospf():
    here = Lab.without_bgp()
    for gateway in here.gateways:
        # zebra deletes an IPv6 route before it adds the new one, and then the default route is next
        gateway.guard(True)
        gateway.router.start("ospfd", ospf_conf(gateway, six=False))
        gateway.router.start("ospf6d", ospf_conf(gateway, six=True))
    start = time.monotonic()
    with Clear(here) as clear:
        here.each("wait")
        here.ways(2, timeout=60)
        print(f"log {time.monotonic() - start:.1f} s until all is learned", flush=True)
        carry(here)
        took = here.outage(1)
        print(f"log dead interval, {DEAD} s: {took:.2f} s without some of the flows", flush=True)
        lab.true(took < DEAD + 4, f"it took {took:.2f} s")
        here.ways(1)
        show(here.a, "show ip ospf neighbor", "show ip route ospf", "show ipv6 ospf6 neighbor",
             "show ipv6 route ospf6", words=("Full", "10.2.0.0", "fd02::"))
        here.mend(1)
        here.ways(2)
        lab.equal(clear.look(), [], "in clear")


if __name__ == "__main__":
    lab.main()
