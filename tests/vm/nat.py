# SPDX-License-Identifier: GPL-2.0-only
"""espah and XFRM with a real NAT between them (RFC 3948), IPv4 and IPv6.

   s 10.1.1.2 -- a (espah) 192.0.2.1 ===== 192.0.2.254 nat 10.9.N.1 -- 10.9.N.2 x, y (XFRM)
                     2001:db8::1     2001:db8::fe       fd09:N::1 -- fd09:N::2

The NAT masquerades, so a sees x and y at one address and at ports that the NAT chose;
a learns them from datagrams that begin with the non-ESP marker, as an IKE daemon does.
"""
import json
import os
import select
import socket
import struct
import time

import ipsec
import lab
import traffic
from ipsec import Espah, Policy, SA, Xfrm

UDP_ENCAP, UDP_ENCAP_ESPINUDP, UDP_GRO = 100, 2, 104
IP_XFRM_POLICY, IPV6_XFRM_POLICY = 17, 35
HERE = {4: "192.0.2.1", 6: "2001:db8::1"}
NAT = {4: "192.0.2.254", 6: "2001:db8::fe"}
INSIDE = {4: "10.1.0.1", 6: "fd01::1"}
IKE = b"\0\0\0\0IKE"


def nft(ns, text):
    with ns:
        lab.run("nft", "-f", "-", stdin=text)


def bypass(sock, family):
    """Exempts a socket from XFRM's policies, as IKE daemons do."""
    level, option = ((socket.IPPROTO_IP, IP_XFRM_POLICY) if family == 4 else
                     (socket.IPPROTO_IPV6, IPV6_XFRM_POLICY))
    for direction in 0, 1:
        policy = bytearray(168)  # struct xfrm_userpolicy_info
        struct.pack_into("=H", policy, 40, sock.family)
        policy[160] = direction
        sock.setsockopt(level, option, bytes(policy))


def bits(address):
    return f"{address}/{128 if ':' in address else 32}"


class Site:
    """A host behind the NAT, which uses XFRM."""

    def __init__(self, lab_, number, name):
        self.number, self.netns = number, lab.Netns(name)
        nat = lab_.nat
        lab.link(nat, name, self.netns, "eth0")
        nat.ip(f"addr add 10.9.{number}.1/24 dev {name}\n"
               f"addr add fd09:{number}::1/64 dev {name} nodad\n")
        self.own = {4: f"10.9.{number}.2", 6: f"fd09:{number}::2"}
        self.inside = {4: f"10.2.{number}.1", 6: f"fd02::{number}:1"}
        self.netns.ip(f"""
            addr add {self.own[4]}/24 dev eth0
            addr add {self.own[6]}/64 dev eth0 nodad
            addr add {self.inside[4]}/32 dev lo
            addr add {self.inside[6]}/128 dev lo
            route add default via 10.9.{number}.1
            route add default via fd09:{number}::1
            """)
        Xfrm.flush(self.netns)  # loads the modules that bypass() needs
        self.sock = {}
        for family in 4, 6:
            self.sock[family] = traffic.udp(self.netns, self.own[family], 4500)
            self.sock[family].setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
            bypass(self.sock[family], family)

    def seen(self, ike, family):
        """Address and port under which the gateway sees this host."""
        self.sock[family].sendto(IKE, (HERE[family], 4500))
        message, sender = ike[family].recvfrom(100)
        lab.equal(message, IKE, "what the IKE socket got")
        return sender[:2]


class Lab:
    """The network drawn above; shared by all tests, and cleaned for each test."""

    only = None

    @classmethod
    def clean(cls):
        if not cls.only:
            lab.delete_all()
            cls.only = cls()
        here = cls.only
        Espah.batch(here.a, ["flush", "default in bypass"])
        for ns in here.a, here.x.netns, here.y.netns:
            Xfrm.flush(ns)
        Espah.flush(here.x.netns)
        here.ike[4].setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, 0)
        here.translate("masquerade to :20000-20099")
        here.before = Espah.drops(here.a)
        return here

    def dropped(self):
        """Packets that espah has dropped in this test."""
        return {name: count - self.before.get(name, 0)
                for name, count in Espah.drops(self.a).items() if count != self.before.get(name, 0)}

    def __init__(self):
        self.a, self.nat = lab.Netns("a", forward=True), lab.Netns("nat", forward=True)
        lab.link(self.a, "eth0", self.nat, "wan")
        self.a.ip("""
            addr add 192.0.2.1/24 dev eth0
            addr add 2001:db8::1/64 dev eth0 nodad
            addr add 10.1.0.1/32 dev lo
            addr add fd01::1/128 dev lo
            route add 10.2.0.0/16 via 192.0.2.254
            route add fd02::/16 via 2001:db8::fe
            """)
        self.nat.ip("""
            addr add 192.0.2.254/24 dev wan
            addr add 192.0.2.253/24 dev wan
            addr add 2001:db8::fe/64 dev wan nodad
            """)
        self.x, self.y = Site(self, 2, "x"), Site(self, 3, "y")
        self.ike = {family: traffic.udp(self.a, HERE[family], 4500) for family in (4, 6)}
        for family, sock in self.ike.items():
            bypass(sock, family)
        self.spi = 0x1000

    def translate(self, how):
        """Gives the NAT new rules, and clears its state."""
        nft(self.nat, f"""
            table inet nat
            delete table inet nat
            table inet nat {{
                chain post {{
                    type nat hook postrouting priority srcnat;
                    oifname "wan" meta l4proto udp {how}
                    oifname "wan" masquerade
                }}
            }}
            """)
        self.nat.run("conntrack", "-F")

    def connect(self, site, mode, outer, inner=None, stack=Xfrm):
        """A pair of SAs between a and a site; a's halves of it, outbound and inbound."""
        inner = inner or outer
        address, port = site.seen(self.ike, outer)
        lab.true(port != 4500 and address == NAT[outer], "the NAT does not translate")
        self.spi += 2
        common = {"mode": mode, "reqid": self.spi}
        out = SA(self.spi, HERE[outer], address, encap=(4500, port), **common)
        back = SA(self.spi + 1, address, HERE[outer], encap=(port, 4500), **common)
        if mode == "tunnel":
            ends = INSIDE[inner], site.inside[inner]
            policies = (Policy(bits(ends[0]), bits(ends[1]), (out.src, out.dst), out.reqid),
                        Policy(bits(ends[1]), bits(ends[0]), (out.dst, out.src), out.reqid))
        else:
            policies = (Policy(bits(out.src), bits(out.dst), None, out.reqid),
                        Policy(bits(out.dst), bits(out.src), None, out.reqid))
        Espah.configure(self.a, [out], [back], policies[:1], policies[1:])
        self.peer(stack, site, mode, outer, inner, out, back)
        return out, back

    @staticmethod
    def peer(stack, site, mode, outer, inner, out, back):
        """The site's own view, behind the NAT, of the gateway's SAs."""
        common = {"mode": mode, "reqid": out.reqid, "encap": (4500, 4500)}
        here, own = HERE[outer], site.own[outer]
        theirs = SA(back.spi, own, here, key=back.key, **common)
        ours = SA(out.spi, here, own, key=out.key, **common)
        ends = (INSIDE[inner], site.inside[inner]) if mode == "tunnel" else (here, own)
        tunnel = (own, here) if mode == "tunnel" else None
        stack.configure(site.netns, [theirs], [ours],
                        [Policy(bits(ends[1]), bits(ends[0]), tunnel, out.reqid)],
                        [Policy(bits(ends[0]), bits(ends[1]), tunnel and tunnel[::-1],
                                out.reqid)])


def exchange(lab_, site, mode, inner, bulk=64 << 10):
    """Datagrams and TCP both ways, and pings, between a and a site."""
    own = site.inside[inner] if mode == "tunnel" else site.own[inner]
    here = INSIDE[inner] if mode == "tunnel" else HERE[inner]
    with traffic.udp(lab_.a, here, 7000) as left, traffic.udp(site.netns, own, 7001) as right:
        for size in 0, 1, 1200:
            payload = os.urandom(size)
            right.sendto(payload, (here, 7000))
            got, sender = left.recvfrom(65536)
            lab.equal(got, payload, "what a got")
            left.sendto(payload + b"!", sender)
            lab.equal(right.recv(65536), payload + b"!", "what the site got")
    traffic.ping(site.netns, own, here, 700)
    with traffic.Transfer(site.netns, own, lab_.a, here, 7002) as connection:
        connection.move(os.urandom(bulk))
        connection.move(os.urandom(bulk), backward=True)


@lab.test("tunnel and transport through a NAT, IPv4 and IPv6")
def modes():
    for mode, inner, outer in (("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 6, 4),
                               ("tunnel", 4, 6), ("transport", 4, 4), ("transport", 6, 6)):
        with lab.verdict(f"{mode}, IPv{inner} in IPv{outer}: ping, datagrams and TCP"):
            here = Lab.clean()
            here.connect(here.x, mode, outer, inner)
            with traffic.Wire(here.nat, "wan") as wire:
                exchange(here, here.x, mode, inner)
                seen = {traffic.protocol_of(packet) for packet in wire.packets()
                        if packet[:1] in (b"\x45", b"\x60")} - {58}
            lab.equal(seen, {17}, "protocols on the wire")
            lab.equal(here.dropped(), {}, "drops")


@lab.test("transport mode: what is sent on behind the gateway has the right checksum again")
def forwarded():
    here = Lab.clean()
    s = lab.Netns("s")
    lab.link(here.a, "lan", s, "eth0")
    here.a.ip("addr add 10.1.1.1/24 dev lan\n")
    s.ip("addr add 10.1.1.2/24 dev eth0\nroute add default via 10.1.1.1\n")
    here.a.run("ethtool", "-K", "lan", "tx", "off")  # so the checksum is computed, not offloaded
    nft(here.a, """
        table ip nat {
            chain pre {
                type nat hook prerouting priority dstnat;
                iifname "eth0" meta l4proto { tcp, udp } th dport 8080 dnat to 10.1.1.2
            }
        }
        """)
    here.connect(here.x, "transport", 4)
    own = here.x.own[4]
    with traffic.udp(s, "10.1.1.2", 8080) as server, traffic.udp(here.x.netns, own, 7001) as client:
        for size in 0, 1, 999:
            client.sendto(bytes(size), (HERE[4], 8080))
            payload, sender = server.recvfrom(65536)
            lab.equal(payload, bytes(size), "datagram behind the gateway")
            server.sendto(b"back", sender)
            lab.equal(client.recv(100), b"back", "answer")
    with s:
        listener = socket.create_server(("10.1.1.2", 8080))
    listener.settimeout(lab.TIMEOUT)
    with here.x.netns:
        client = socket.socket()
    client.settimeout(lab.TIMEOUT)
    client.connect((HERE[4], 8080))
    with client, listener, listener.accept()[0] as server:
        data = os.urandom(100000)
        client.sendall(data)
        server.settimeout(lab.TIMEOUT)
        got = b""
        while len(got) < len(data):
            got += server.recv(1 << 18)
        lab.equal(got, data, "bytes behind the gateway")


@lab.test("two peers behind one NAT, and several SAs on one port pair")
def many():
    here = Lab.clean()
    pairs = {}
    for site in here.x, here.y:
        pairs[site] = [here.connect(site, "tunnel", 4, inner) for inner in (4, 6)]
    lab.equal([{out.encap for out, _ in pairs[site]} for site in pairs],
              [{pairs[here.x][0][0].encap}, {pairs[here.y][0][0].encap}], "port pairs")
    lab.true(pairs[here.x][0][0].encap != pairs[here.y][0][0].encap, "both got one port")
    for inner in 4, 6:
        for site in pairs:
            exchange(here, site, "tunnel", inner, 20000)
    counts = {sa["spi"]: sa["packets"] for sa in Espah.sas(here.a)}
    lab.equal(len(counts), 8, "SAs")
    lab.true(all(count > 20 for count in counts.values()), f"packets by SA: {counts}")
    lab.equal(here.dropped(), {}, "drops")


@lab.test("an XFRM socket on the same port: each stack takes its own SPIs, IKE passes")
def beside_xfrm():
    here = Lab.clean()
    here.connect(here.x, "tunnel", 4)
    address, port = here.y.seen(here.ike, 4)
    here.ike[4].setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    out = SA(0x5000, HERE[4], address, encap=(4500, port))
    back = SA(0x5001, address, HERE[4], encap=(port, 4500))
    ends = (out.src, out.dst)
    inside = bits(here.y.inside[4])
    Xfrm.configure(here.a, [out], [back], [Policy(bits(INSIDE[4]), inside, ends)],
                   [Policy(inside, bits(INSIDE[4]), ends[::-1])])
    here.peer(Xfrm, here.y, "tunnel", 4, 4, out, back)
    for site in here.x, here.y, here.x:
        exchange(here, site, "tunnel", 4, 20000)
    lab.equal(here.dropped(), {}, "drops")
    with lab.verdict("XFRM's SAs pass a default of discard, as bare ESP of XFRM does"):
        with here.a:
            lab.run(ipsec.CLI, "default", "in", "discard")
        Espah.batch(here.a, [f"policy add in {inside} {bits(INSIDE[4])} bypass"])
        traffic.ping(here.y.netns, here.y.inside[4], INSIDE[4])
        lab.equal(here.x.seen(here.ike, 4)[0], NAT[4], "peer of IKE")
        lab.equal(here.dropped(), {}, "drops")
        # packets that only look like ESP in UDP are treated as cleartext
        with traffic.udp(here.a, HERE[4], 4501) as other, \
                traffic.udp(here.nat, NAT[4], 4500) as sender:
            sender.sendto(struct.pack("!I", back.spi) + bytes(40), (HERE[4], 4501))
            lab.wait_for(lambda: here.dropped() == {"discard_in": 1}, "a drop")
            lab.true(traffic.silent(other), "it was delivered")


class Monitor:
    """The events of a running command."""

    def __init__(self, ns, *groups):
        self.process = ns.start(ipsec.CLI, "-j", "monitor", *groups, stdout=-1)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

    def events(self):
        """Events since the last call."""
        if select.select([self.process.stdout], [], [], 0)[0]:
            self.text += os.read(self.process.stdout.fileno(), 1 << 20).decode()
        *lines, self.text = self.text.split("\n")
        return [json.loads(line) for line in lines]


def mapping(here):
    """A monitor of mapping events that is known to listen."""
    monitor = Monitor(here.a, "sa", "mapping")

    def heard():
        with here.a:
            lab.run(ipsec.CLI, "sa", "set", "out", "spi", "0x7777", "dst", "192.0.2.7", "df", "set")
        return monitor.events()
    Espah.configure(here.a, [SA(0x7777, HERE[4], "192.0.2.7", reqid=77)])
    lab.wait_for(heard, "the monitor")
    return monitor


def move(here, direction, sa, words):
    with here.a:
        lab.run(ipsec.CLI, "sa", "set", direction, "spi", hex(sa.spi), "dst", sa.dst,
                *words.split())


def mapped(monitor, send):
    """Sends for a while. Return: the mapping events, at most one a second"""
    start, events = time.monotonic(), []
    for _ in range(30):
        send()
        events += [event for event in monitor.events() if event["event"] == "mapping"]
    lab.wait_for(lambda: events or events.extend(monitor.events()) or events, "a mapping event")
    lab.true(len(events) <= 1 + (time.monotonic() - start), f"{len(events)} events")
    return events[0]


@lab.test("the NAT gives another port: authentic packets raise an event, and the SA follows "
          "when told, without a gap in its numbers or window")
def port_changes():
    here = Lab.clean()
    out, back = here.connect(here.x, "tunnel", 4)
    monitor = mapping(here)
    injector = traffic.Injector(here.nat, "wan", here.a, "eth0")
    with traffic.udp(here.a, INSIDE[4], 7000) as left, \
            traffic.udp(here.x.netns, here.x.inside[4], 7001) as right, \
            traffic.Wire(here.a, "eth0") as wire:
        def arrives():
            right.sendto(b"news", (INSIDE[4], 7000))
            lab.equal(left.recv(100), b"news", "what a got")

        def sent():
            wire.frames()
            left.sendto(b"hello", (here.x.inside[4], 7001))
            packet = wire.next(17)
            return packet, struct.unpack("!HH", packet[20:24]), struct.unpack("!I", packet[32:36])[0]

        wire.frames()
        arrives()
        old = wire.next(17)
        number = sent()[2]
        lab.equal(right.recv(100), b"hello", "what the site got")
        here.translate("masquerade to :30000-30099")
        before = Espah.sas(here.a, "in")
        event = mapped(monitor, arrives)
        port = event["new_sport"]
        lab.true(30000 <= port <= 30099, f"new port {port}")
        lab.equal((event["new_src"], event["sa"]["spi"], event["sa"]["dst"], event["sa"]["reqid"],
                   event["sa"]["encap"]["sport"]),
                  (NAT[4], f"{back.spi:#010x}", HERE[4], back.reqid, back.encap[0]), "the event")
        lab.equal([sa["encap"] for sa in Espah.sas(here.a, "in")],
                  [sa["encap"] for sa in before], "ports of the SA after the event")
        lab.equal(sent()[1], (4500, back.encap[0]), "ports of what a sends until it is told")

        state = Espah.sas(here.a)
        move(here, "in", back, f"encap udp {port} 4500")
        move(here, "out", out, f"encap udp 4500 {port}")
        after = Espah.sas(here.a)
        for sas in state, after:
            for sa in sas:
                sa.pop("encap", None)
        lab.equal(after, state, "the SAs, but for their ports")
        _, ports, seq = sent()
        lab.equal((ports, seq), ((4500, port), number + 2), "ports and next sequence number")
        lab.equal(right.recv(100), b"hello", "what the site got")
        arrives()
        monitor.events()
        arrives()
        lab.true(all(event["event"] != "mapping" for event in monitor.events()), "another event")

        for packet in old, old[:20] + struct.pack("!H", port) + old[22:]:
            drops = Espah.drops(here.a).get("replay", 0)
            injector.send(packet)
            lab.wait_for(lambda: Espah.drops(here.a).get("replay", 0) == drops + 1, "a replay")
        lab.true(traffic.silent(left), "an old packet was delivered")
    exchange(here, here.x, "tunnel", 4)


@lab.test("packets that are not authentic raise no event, whatever address they come from")
def forged():
    here = Lab.clean()
    here.connect(here.x, "tunnel", 4)
    monitor = mapping(here)
    injector = traffic.Injector(here.nat, "wan", here.a, "eth0")
    with traffic.Wire(here.a, "eth0") as wire:
        traffic.ping(here.x.netns, here.x.inside[4], INSIDE[4])
        packet = wire.next(17)
    elsewhere = packet[:20] + struct.pack("!H", 6666) + packet[22:]
    fresh = struct.pack("!I", 1000)  # a number that was not seen yet
    injector.send(elsewhere)                                # replayed
    injector.send(elsewhere[:32] + fresh + elsewhere[36:])  # forged
    lab.wait_for(lambda: here.dropped() == {"replay": 1, "icv": 1}, "two drops")
    traffic.ping(here.x.netns, here.x.inside[4], INSIDE[4])
    lab.true(all(event["event"] != "mapping" for event in monitor.events()), "an event")


@lab.test("the NAT gives another address: SAs and policies follow, IPv4 in transport mode too")
def address_changes():
    for mode in "tunnel", "transport":
        with lab.verdict(f"{mode}: the NAT's other address"):
            here = Lab.clean()
            out, back = here.connect(here.x, mode, 4)
            monitor = mapping(here)
            own = here.x.inside[4] if mode == "tunnel" else here.x.own[4]
            target = INSIDE[4] if mode == "tunnel" else HERE[4]
            here.translate("snat ip to 192.0.2.253:40000-40099")
            with traffic.udp(here.x.netns, own, 7001) as right:
                event = mapped(monitor, lambda: right.sendto(b"news", (target, 7000)))
            lab.equal(event["new_src"], "192.0.2.253", "new address")
            port = event["new_sport"]
            move(here, "out", out, f"new-dst 192.0.2.253 encap udp 4500 {port}")
            move(here, "in", back, f"new-src 192.0.2.253 encap udp {port} 4500")
            ends = (HERE[4], "192.0.2.253")
            inside = ends if mode == "transport" else (INSIDE[4], here.x.inside[4])
            tunnel = ends if mode == "tunnel" else None
            lines = [Espah.policy_line("out", Policy(bits(inside[0]), bits(inside[1]), tunnel,
                                                     out.reqid)),
                     Espah.policy_line("in", Policy(bits(inside[1]), bits(inside[0]),
                                                    tunnel and tunnel[::-1], out.reqid))]
            Espah.batch(here.a, [line.replace("add", "replace", 1) for line in lines])
            exchange(here, here.x, mode, 4)


@lab.test("an SA that moves to and fro under load: no packet mixes the two ways, no number "
          "comes twice")
def torn():
    here = Lab.clean()
    out, _ = here.connect(here.x, "tunnel", 6)
    program = ("import socket,sys\n"
               "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
               f"s.bind(('{INSIDE[6]}',0))\n"
               f"while True: s.sendto(bytes(64),('{here.x.inside[6]}',9))\n")
    ways = [(NAT[6], out.encap[1]), ("2001:db8::fd", 33333)]
    packed = [socket.inet_pton(socket.AF_INET6, address) + struct.pack("!H", port)
              for address, port in ways]
    here.a.ip("neigh replace 2001:db8::fd lladdr 02:00:00:00:00:fd dev eth0\n")
    ways = [(address, port, Espah.policy_line("out", Policy(
        bits(INSIDE[6]), bits(here.x.inside[6]), (HERE[6], address), out.reqid)).replace(
            "add", "replace", 1)) for address, port in ways]
    sender = here.a.start("/usr/bin/python3", "-c", program)
    numbers, seen = [], set()
    with traffic.Wire(here.a, "eth0", outgoing=True) as wire:
        lab.wait_for(lambda: wire.packets(17), "the load")
        for turn in range(1, 13):
            address, port, line = ways[turn % 2]
            Espah.batch(here.a, [
                f"sa set out spi {out.spi:#x} dst {ways[(turn + 1) % 2][0]} new-dst {address} "
                f"encap udp 4500 {port}", line])
            for packet in wire.packets(17):
                numbers.append(struct.unpack("!I", packet[52:56])[0])
                seen.add(packet[24:40] + packet[42:44])
        sender.kill()
    lab.equal(seen, set(packed), "destinations and ports on the wire")
    lab.equal(len(set(numbers)), len(numbers), "distinct sequence numbers")
    lab.true(len(numbers) > 200, f"only {len(numbers)} packets were sent")


@lab.test("receive offloads that join UDP packets do no harm", None)
@lab.test("the same with lists of packets", "rx-gro-list")
def joined(feature):
    here = Lab.clean()
    here.connect(here.x, "tunnel", 6, 4, Espah)  # packets from XFRM are never merged
    here.a.run("ethtool", "-K", "eth0", "gro", "on", *([feature, "on"] if feature else []))
    here.ike[6].setsockopt(socket.IPPROTO_UDP, UDP_GRO, not feature)
    here.nat.run("ethtool", "-K", "wan", "tso", "off")  # otherwise its peer does no GRO
    here.nat.run("tc", "qdisc", "add", "dev", "wan", "root", "netem", "delay", "5ms")  # bursts
    try:
        with traffic.Wire(here.a, "eth0") as wire, traffic.Transfer(
                here.x.netns, here.x.inside[4], here.a, INSIDE[4], 7002) as flow:
            for _ in range(10):
                flow.move(os.urandom(256 << 10))
                if any(len(packet) > 1500 for packet in wire.packets(17)):
                    break
            else:
                raise lab.Skipped("no packets were joined")
            flow.move(os.urandom(64 << 10), backward=True)
        lab.equal(here.x.seen(here.ike, 6)[0], NAT[6], "peer of IKE")
    finally:
        here.nat.run("tc", "qdisc", "del", "dev", "wan", "root")
        here.nat.run("ethtool", "-K", "wan", "tso", "on")
        here.a.run("ethtool", "-K", "eth0", "gro", "off", *([feature, "off"] if feature else []))
        here.ike[6].setsockopt(socket.IPPROTO_UDP, UDP_GRO, 0)
    lab.equal(here.dropped(), {}, "drops")


@lab.test("a narrow link behind the NAT: its ICMP about ESP in UDP lowers the path MTU", 4)
@lab.test("the same over IPv6", 6)
def narrow(outer):
    here = Lab.clean()
    here.connect(here.x, "tunnel", outer, 4)
    here.nat.ip("link set x mtu 1300\n")
    here.x.netns.ip("link set eth0 mtu 1300\n")
    try:
        with traffic.Transfer(here.x.netns, here.x.inside[4], here.a, INSIDE[4], 7002) as flow:
            flow.move(os.urandom(200000), backward=True)
        with traffic.udp(here.a, INSIDE[4], 7000) as sock:
            sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_DO)

            def refused():
                try:
                    sock.sendto(bytes(1300), (here.x.inside[4], 7001))
                except OSError:
                    return True
                return False
            lab.wait_for(refused, "a datagram that is too big to be refused")
        lab.equal([sa["pmtu"] for sa in Espah.sas(here.a, "out")], [1300], "path MTU")
    finally:
        here.a.ip("route flush cache\n")  # path MTUs of cleartext routes are cached for ten minutes too
        here.nat.ip("link set x mtu 1500\n")
        here.x.netns.ip("link set eth0 mtu 1500\n")


if __name__ == "__main__":
    lab.main()
