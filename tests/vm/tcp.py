# SPDX-License-Identifier: GPL-2.0-only
"""TCP and sizes: bulk transfers, path MTU, don't-fragment, MSS.

    left -- ga ==== r ==== s ==== gb -- right        ga, gb: gateways; r, s: routers

The sizes that fit are computed here from the layout of RFC 4303 section 2, independently of espah.
"""
import dataclasses
import errno
import itertools
import os
import socket
import struct
import time

import ipsec
import lab
import traffic
from ipsec import ALGORITHMS, GCM, OURS, Policy, SA, Xfrm

GATEWAYS = {4: ("192.0.2.1", "198.51.100.1"), 6: ("2001:db8:1::1", "2001:db8:3::1")}
HOSTS = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}
INSIDE = {4: ("10.1.0.254", "10.2.0.254"), 6: ("fd01::fe", "fd02::fe")}  # of the gateways
NETWORKS = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("fd01::/64", "fd02::/64")}
HEADER = {4: 20, 6: 40}
UDP, TCP = 8, 20
SECONDS = 0.8  # seconds of sending for one rate


def largest(algorithm, mtu, outer):
    """Bytes of the largest payload in ESP packets of at most mtu bytes (RFC 4303 2, 2.4)."""
    room = mtu - outer - 4 - 4 - algorithm.iv - algorithm.icv  # SPI, sequence number
    return room // algorithm.block * algorithm.block - 2       # pad length, next header


class Lab:
    """The five links and the two gateways, configured for tunnels."""

    def __init__(self, name, stack_a, stack_b):
        if not name:
            lab.delete_all()
        self.hosts = [lab.Netns(name + part, forward=True)
                      for part in ("left", "ga", "r", "s", "gb", "right")]
        self.left, self.ga, self.r, self.s, self.gb, self.right = self.hosts
        self.stacks = stack_a, stack_b
        for one, two in zip(self.hosts, self.hosts[1:]):
            lab.link(one, "east", two, "west")
        self.links = [(ns, device) for ns in self.hosts for device in ("west", "east")
                      if (ns, device) not in ((self.left, "west"), (self.right, "east"))]
        self.left.ip("addr add 10.1.0.1/24 dev east\naddr add fd01::1/64 dev east\n"
                     "route add default via 10.1.0.254\nroute add default via fd01::fe\n")
        self.right.ip("addr add 10.2.0.1/24 dev west\naddr add fd02::1/64 dev west\n"
                      "route add default via 10.2.0.254\nroute add default via fd02::fe\n")
        self.ga.ip("addr add 10.1.0.254/24 dev west\naddr add fd01::fe/64 dev west\n"
                   "addr add 192.0.2.1/24 dev east\naddr add 2001:db8:1::1/64 dev east\n"
                   "route add default via 192.0.2.2\nroute add default via 2001:db8:1::2\n")
        self.gb.ip("addr add 10.2.0.254/24 dev east\naddr add fd02::fe/64 dev east\n"
                   "addr add 198.51.100.1/24 dev west\naddr add 2001:db8:3::1/64 dev west\n"
                   "route add default via 198.51.100.2\nroute add default via 2001:db8:3::2\n")
        self.r.ip("addr add 192.0.2.2/24 dev west\naddr add 2001:db8:1::2/64 dev west\n"
                  "addr add 203.0.113.1/24 dev east\naddr add 2001:db8:2::1/64 dev east\n"
                  "route add default via 203.0.113.2\nroute add default via 2001:db8:2::2\n")
        self.s.ip("addr add 198.51.100.2/24 dev east\naddr add 2001:db8:3::2/64 dev east\n"
                  "addr add 203.0.113.2/24 dev west\naddr add 2001:db8:2::2/64 dev west\n"
                  "route add default via 203.0.113.1\nroute add default via 2001:db8:2::1\n")

    def protect(self, forms=((4, 4), (6, 6)), algorithm=GCM, extra="", mss=""):
        """Tunnels: forms are (inner family, outer family); replaces those that there are."""
        out, back, policies = [], [], []
        for inner, outer in forms:
            spi = 0x1000 + 0x100 * inner + 2 * outer
            ends = GATEWAYS[outer]
            out.append(SA(spi, *ends, algorithm=algorithm, reqid=spi, window=4096))
            back.append(SA(spi + 1, *ends[::-1], algorithm=algorithm, reqid=spi, window=4096))
            policies.append(Policy(*NETWORKS[inner], ends, spi, extra=mss))
        for ns, stack in ((self.ga, self.stacks[0]), (self.gb, self.stacks[1])):
            stack.flush(ns)
        for ns in self.hosts:
            ns.sysctl("net.ipv4.route.flush", 1)  # learned path MTUs
        ours, theirs = ([dataclasses.replace(sa, extra=extra) for sa in sas] for sas in (out, back))
        reverse = [dataclasses.replace(policy, src=policy.dst, dst=policy.src,
                                       tunnel=policy.tunnel[::-1]) for policy in policies]
        self.stacks[0].configure(self.ga, ours, back, policies, reverse)
        self.stacks[1].configure(self.gb, theirs, out, reverse, policies)

    def mtu(self, mtu):
        for ns, device in self.links:
            ns.run("ip", "link", "set", device, "mtu", str(mtu))

    def middle(self, mtu):
        """The MTU of the link between the routers."""
        self.r.run("ip", "link", "set", "east", "mtu", str(mtu))
        self.s.run("ip", "link", "set", "west", "mtu", str(mtu))

    def mute(self, quiet):
        """Sets whether the routers suppress their packet-too-big errors."""
        for ns in (self.r, self.s):
            ns.run("nft", "-f", "-", stdin="table inet mute\ndelete table inet mute\n" + (
                "table inet mute { chain output { type filter hook output priority 0;\n"
                "icmp type destination-unreachable drop\nicmpv6 type packet-too-big drop\n}\n}\n"
                if quiet else ""))

    def offloads(self, on):
        for ns, device in self.links:
            lab.offloads(ns, device, on)

    def transfer(self, family, port=7000):
        return traffic.Transfer(self.left, HOSTS[family][0], self.right, HOSTS[family][1], port)


BULK = os.urandom(384 << 10)


@lab.test("bulk TCP through the tunnel, beside XFRM on both ends")
def bulk():
    ours, reference = Lab("", OURS, Xfrm), Lab("x", Xfrm, Xfrm)
    ours.protect()
    reference.protect()
    for mtu, on in itertools.product((9000, 1500), (True, False)):
        for one in ours, reference:
            one.mtu(mtu)
            one.offloads(on)
        for family, backward in itertools.product((4, 6), (False, True)):
            name = (f"IPv{family}, MTU {mtu}, GRO, GSO and TSO {'on' if on else 'off'}, "
                    f"{'XFRM to espah' if backward else 'espah to XFRM'}")
            with lab.verdict(f"bulk TCP, {name}: all bytes arrive, no fewer than a fifth of "
                             "XFRM's rate"):
                rates = []
                for one in ours, reference:
                    with one.transfer(family) as connection:
                        if one is ours:
                            connection.move(BULK, backward)
                        rates.append(connection.rate(SECONDS, backward))
                print(f"# {name}: {rates[0] >> 10} KiB, XFRM {rates[1] >> 10} KiB, "
                      f"ratio {rates[0] / max(rates[1], 1):.2f}", flush=True)
                lab.true(rates[0] * 5 >= rates[1] > 0,
                         f"{rates[0]} bytes, XFRM {rates[1]} in the same time")
    if OURS is ipsec.Espah:
        with lab.verdict("bulk TCP: packets were dropped for no reason but their size"):
            drops = OURS.drops(ours.ga)
            drops.pop("too_big", None)
            lab.equal(drops, {}, "drops")
    lab.delete_all()


def carries(one, family, name):
    """A transfer each way, on separate connections."""
    for backward in False, True:
        with lab.verdict(f"{name}, IPv{family}, {'to' if backward else 'from'} espah: "
                         "TCP carries all bytes"):
            start = time.monotonic()
            with one.transfer(family) as connection:
                connection.move(BULK, backward)
            print(f"# {name} IPv{family}: {time.monotonic() - start:.1f} s", flush=True)


@lab.test("a link of 1400 bytes in the middle is no black hole")
def narrow():
    one = Lab("", OURS, Xfrm)
    one.offloads(True)
    one.middle(1400)
    one.protect()
    for family in 4, 6:
        carries(one, family, "1400 bytes in the middle")
    if OURS is ipsec.Espah:
        with lab.verdict("ICMP about ESP lowers the path MTU of the SA to 1400"):
            mtus = {sa["spi"]: sa.get("pmtu") for sa in OURS.sas(one.ga) if sa["dir"] == "out"}
            lab.equal(set(mtus.values()), {1400}, "path MTUs")
    with lab.verdict("after that, what would not fit into 1400 bytes is refused at the gateway"):
        for family in 4, 6:
            refused(one, family, largest(GCM, 1400, HEADER[family]))
    lab.delete_all()


@lab.test("a link of 1400 bytes in the middle whose routers send no ICMP")
def black_hole():
    ipsec.need_espah()
    one = Lab("", OURS, OURS)
    one.offloads(True)
    one.middle(1400)
    one.mute(True)
    with lab.verdict("without df clear or MSS clamp it is a black hole (or this would prove "
                     "nothing)"):
        one.protect(mss="mss off")
        try:
            with one.transfer(4) as connection:
                for end in connection.client, connection.server:
                    end.settimeout(2)
                connection.move(BULK)
        except (lab.Failed, TimeoutError):
            pass
        else:
            raise lab.Failed("the transfer went through")
    one.protect(((4, 4), (6, 4)), extra="df clear", mss="mss off")
    carries(one, 4, "no ICMP, df clear")
    fit = {family: largest(GCM, 1400, HEADER[family]) - HEADER[family] - TCP for family in (4, 6)}
    for family in 4, 6:
        one.protect(mss=f"mss {fit[family]}")
        carries(one, family, f"no ICMP, mss {fit[family]}")
    lab.delete_all()


def datagram(ns, source, target, size, family, df=True):
    """Sends a UDP datagram whose IP packet has size bytes."""
    with traffic.udp(ns, source) as sock:
        if df and family == 4:
            sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_PROBE)
        if family == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, traffic.IPV6_MTU_DISCOVER,
                            traffic.IP_PMTUDISC_PROBE)
        sock.sendto(bytes(size - HEADER[family] - UDP), (target, 9))


def refused(one, family, fit):
    """Checks that ICMP with the MTU fit answers a forwarded datagram that is one byte longer."""
    with traffic.Wire(one.left, "east") as wire, traffic.Wire(one.right, "west") as far:
        datagram(one.left, *HOSTS[family], fit + 1, family)
        while True:
            answer = wire.next(1 if family == 4 else 58)
            if family == 6 and answer[40] != 2:  # neighbour discovery
                continue
            break
        head = HEADER[family]
        if family == 4:
            lab.equal(answer[head:head + 2], b"\3\4", "ICMP type and code")
            told = struct.unpack("!H", answer[head + 6:head + 8])[0]
        else:
            told = struct.unpack("!I", answer[head + 4:head + 8])[0]
        lab.equal(told, fit, "MTU in the ICMP message")
        lab.equal(far.packets(17), [], "what arrived nevertheless")


@lab.test("UDP that may not be fragmented")
def sizes():
    one = Lab("", OURS, Xfrm)
    one.offloads(True)
    forms = ((4, 4), (6, 6), (4, 6), (6, 4))
    names = ("aes128gcm16", "aes256gcm8", "chacha20poly1305", "aes128-sha256", "aes256ctr-sha512",
             "null-sha1")
    for algorithm, (inner, outer) in itertools.product(map(ALGORITHMS.get, names), forms):
        fit = largest(algorithm, 1500, HEADER[outer])
        one.protect(((inner, outer),), algorithm)
        form = f"{algorithm.name}, {inner}-in-{outer}"
        with lab.verdict(f"{form}: {fit} bytes pass unfragmented in at most 1500"):
            with traffic.Wire(one.right, "west") as far, \
                    traffic.Wire(one.ga, "east", outgoing=True) as wire:
                datagram(one.left, *HOSTS[inner], fit, inner)
                lab.equal(len(far.next(17)), fit, "bytes that arrived")
                esp = [len(packet) for packet in wire.packets(50)]
                lab.true(len(esp) == 1 and 1500 - algorithm.block < esp[0] <= 1500,
                         f"ESP packets of {esp} bytes")
        with lab.verdict(f"{form}: {fit + 1} bytes are answered by ICMP with MTU {fit}"):
            refused(one, inner, fit)
    lab.delete_all()


@lab.test("IPv6 over a link on which 1280 bytes do not fit into one ESP packet (RFC 8200 5)")
def least():
    ipsec.need_espah()
    one = Lab("", OURS, Xfrm)
    for ns, device in ((one.ga, "east"), (one.r, "west")):
        ns.run("ip", "link", "set", device, "mtu", "1300")
    for outer in 4, 6:
        one.protect(((6, outer),))
        with lab.verdict(f"6-in-{outer}, link of 1300: 1280 bytes arrive, in two fragments outside"):
            with traffic.Wire(one.right, "west") as far, \
                    traffic.Wire(one.ga, "east", outgoing=True) as wire:
                datagram(one.left, *HOSTS[6], 1280, 6)
                lab.equal(len(far.next(17)), 1280, "bytes that arrived")
                lab.equal(len(wire.packets(50 if outer == 4 else 44)), 2, "fragments")
        with lab.verdict(f"6-in-{outer}, link of 1300: 1281 bytes are answered by ICMP with MTU 1280"):
            refused(one, 6, 1280)
    lab.delete_all()


@lab.test("a local socket that sends too much")
def local():
    one = Lab("", OURS, Xfrm)
    one.protect()
    for family in 4, 6:
        fit = largest(GCM, 1500, HEADER[family]) - HEADER[family] - UDP
        with lab.verdict(f"a local IPv{family} socket gets EMSGSIZE at the second try, "
                         f"and {fit} bytes of data pass"):
            level, option = ((socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER) if family == 4 else
                             (socket.IPPROTO_IPV6, traffic.IPV6_MTU_DISCOVER))
            with traffic.udp(one.ga, INSIDE[family][0]) as sock, \
                    traffic.udp(one.right, HOSTS[family][1], 7000) as sink:
                sock.setsockopt(level, option, traffic.IP_PMTUDISC_DO)
                target = sink.getsockname()[:2]
                sock.sendto(bytes(fit + 1), target)
                try:
                    sock.sendto(bytes(fit + 1), target)
                    raise lab.Failed("the second try was accepted")
                except OSError as error:
                    lab.equal(error.errno, errno.EMSGSIZE, "errno")
                traffic.deliver(sock, sink, [os.urandom(fit)])
    lab.delete_all()


@lab.test("the DF bit of the outer header")
def dont_fragment():
    ipsec.need_espah()
    one = Lab("", OURS, Xfrm)
    for how, wanted in (("copy", {4: (False, True), 6: (True, True)}),
                        ("set", {4: (True, True), 6: (True, True)}),
                        ("clear", {4: (False, False), 6: (False, False)})):
        with lab.verdict(f"df {how} is what the wire shows"):
            one.protect(((4, 4), (6, 4)), extra=f"df {how}")
            with traffic.Wire(one.ga, "east", outgoing=True) as wire:
                for family, df in itertools.product((4, 6), (False, True)):
                    if family == 4:
                        with traffic.udp(one.left, HOSTS[4][0]) as sock:
                            sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER,
                                            traffic.IP_PMTUDISC_DO if df else
                                            traffic.IP_PMTUDISC_DONT)
                            sock.sendto(b"x", (HOSTS[4][1], 9))
                    else:
                        datagram(one.left, *HOSTS[6], 100, 6)
                    packet = wire.next(50)
                    lab.equal(bool(packet[6] & 0x40), wanted[family][df],
                              f"outer DF of IPv{family}{' with DF' if df else ''}")
    with lab.verdict("df clear: 1500 bytes with DF arrive, in fragments"):
        with traffic.Wire(one.right, "west") as far, \
                traffic.Wire(one.ga, "east", outgoing=True) as wire:
            datagram(one.left, *HOSTS[4], 1500, 4)
            lab.equal(len(far.next(17)), 1500, "bytes that arrived")
            lab.equal(len(wire.packets(50)), 2, "fragments")
    lab.delete_all()


def mss_of(syn, family):
    """The MSS option of a TCP packet."""
    options = syn[HEADER[family] + 20:]
    while options and options[0] != 2:
        options = options[1:] if options[0] == 1 else options[options[1]:]
    return struct.unpack("!H", options[2:4])[0]


@lab.test("the MSS of SYNs")
def mss():
    ipsec.need_espah()
    one = Lab("", OURS, Xfrm)
    for words in "", "mss auto", "mss off", "mss 1000":
        for inner, outer in ((4, 4), (6, 6), (4, 6), (6, 4)):
            native = 1500 - HEADER[inner] - TCP
            auto = largest(GCM, 1500, HEADER[outer]) - HEADER[inner] - TCP
            wanted = {"mss off": native, "mss 1000": 1000}.get(words, auto)
            with lab.verdict(f"{words or 'by default'}, {inner}-in-{outer}: a SYN arrives with "
                             f"MSS {wanted}, and is valid"):
                one.protect(((inner, outer),), mss=words)
                with traffic.Wire(one.right, "west") as far, one.transfer(inner) as connection:
                    lab.equal(mss_of(far.next(6), inner), wanted, "MSS")
                    connection.move(bytes(1000))
    lab.delete_all()


@lab.test("transport mode over the MTU")
def transport():
    one = Lab("", OURS, Xfrm)
    one.offloads(True)
    ends, policies, out, back = GATEWAYS, [], [], []
    for family in 4, 6:
        spi = 0x2000 + 2 * family
        out.append(SA(spi, *ends[family], mode="transport", reqid=spi, window=4096))
        back.append(SA(spi + 1, *ends[family][::-1], mode="transport", reqid=spi, window=4096))
        bits = 32 if family == 4 else 128
        policies += [Policy(f"{ends[family][0]}/{bits}", f"{ends[family][1]}/{bits}", reqid=spi,
                            match=f"proto {proto}") for proto in ("udp", "tcp")]
    ipsec.configure_pair(one.ga, one.gb, OURS, Xfrm, out, back, policies)
    for middle, family in itertools.product((1500, 1400), (4, 6)):
        one.middle(middle)
        here, there = ends[family]
        name = f"transport IPv{family}, {middle} bytes in the middle"
        with lab.verdict(f"{name}: UDP of more than the MTU arrives both ways"):
            with traffic.udp(one.ga, here, 7000) as left, traffic.udp(one.gb, there, 7000) as right:
                for sock in left, right:  # fragments as the kernel would by default
                    if family == 4:
                        sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER,
                                        traffic.IP_PMTUDISC_DONT)
                for sender, receiver in ((left, right), (right, left)):
                    for size in 1400, 1430, 1450, 1472, 3000, 9000:
                        if middle < 1500 and family == 6:
                            learn(sender, receiver, size)
                        else:
                            traffic.deliver(sender, receiver, [os.urandom(size)])
        for backward in False, True:
            with lab.verdict(f"{name}: TCP carries all bytes "
                             f"{'to' if backward else 'from'} espah"):
                with traffic.Transfer(one.ga, here, one.gb, there, 7001) as connection:
                    connection.move(BULK, backward)
    lab.delete_all()


def learn(sender, receiver, size):
    """Checks that the datagram arrives in one of the first tries, after ICMP has reported the size."""
    payload = os.urandom(size)
    receiver.settimeout(1)
    for _ in range(4):
        sender.sendto(payload, receiver.getsockname()[:2])
        try:
            lab.equal(receiver.recv(65536), payload, "the datagram")
            break
        except TimeoutError:
            continue
    else:
        raise lab.Failed(f"{size} bytes did not arrive in 4 tries")
    traffic.drain(receiver)
    receiver.settimeout(lab.TIMEOUT)


if __name__ == "__main__":
    lab.main()
