# SPDX-License-Identifier: GPL-2.0-only
"""Several SAs for one packet (RFC 4301 4.5), against XFRM with the same number of templates.

      a (espah)  192.0.2.1, 192.0.2.11  ----- veth -----  192.0.2.2, 192.0.2.12  (XFRM) b
               2001:db8::1, ::11                        2001:db8::2, ::12
      10.1.0.1, fd01::1 behind a                        10.2.0.1, fd02::1 behind b
"""
import dataclasses
import os
import socket

import ipsec
import lab
import scapy_peer
import traffic
from ipsec import AH, ALGORITHMS, GCM, Espah, SA, Xfrm

SIZES = [0, 1, 2, 3, 7, 64, 500, 1399, 1400]
BULK = os.urandom(24 << 10)
HOSTS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
OTHERS = {4: ("192.0.2.11", "192.0.2.12"), 6: ("2001:db8::11", "2001:db8::12")}
SITES = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}
CBC, SHA256 = ALGORITHMS["aes256-sha256"], AH["sha256"]


@dataclasses.dataclass
class Layer:
    """One SA of a bundle, in both directions: ends None is transport mode."""
    algorithm: ipsec.Algorithm
    ends: tuple = None
    options: dict = dataclasses.field(default_factory=dict)


class Pair:
    """a and b, each with a bundle in both directions between two addresses."""
    made = None

    def __init__(self, here, there, layers, base=0x1000, extra=""):
        if Pair.made is None or Pair.made[0] not in lab.Netns.alive:
            Pair.made = topology()
        self.a, self.b = Pair.made
        Espah.flush(self.a)
        Xfrm.flush(self.b)
        self.here, self.there, self.layers, self.extra = here, there, layers, extra
        self.prefix = "/128" if ":" in here else "/32"
        at = (here, there)
        self.out, self.back = [], []
        for number, layer in enumerate(layers):
            at = layer.ends or at
            mode = "tunnel" if layer.ends else "transport"
            for sas, spi, ends in ((self.out, base, at), (self.back, base + 0x100, at[::-1])):
                sas.append(SA(spi + number, *ends, mode, layer.algorithm, reqid=number + 1,
                              **layer.options))
        Espah.configure(self.a, self.out, self.back)
        Espah.batch(self.a, [self.line()])
        self.lines = [Xfrm.state(sa, "in") for sa in self.out] \
            + [Xfrm.state(sa, "out") for sa in self.back]
        self.b.ip("\n".join(self.lines) + "\n")
        self.xfrm(self.back, "out")
        self.xfrm(self.out, "in")
        self.before = Espah.drops(self.a)

    def drops(self):
        """{reason: packets} that a dropped since the last call."""
        before, self.before = self.before, Espah.drops(self.a)
        return {name: number - before.get(name, 0) for name, number in self.before.items()
                if number != before.get(name, 0)}

    def words(self, sas):
        """Templates in espah's words."""
        return " ".join(
            f"{sa.algorithm.proto} {sa.mode} "
            + (f"{sa.src} {sa.dst} " if sa.mode == "tunnel" else "") + f"reqid {sa.reqid}"
            for sa in sas)

    def line(self, verb="add"):
        return (f"policy {verb} both {self.here}{self.prefix} {self.there}{self.prefix} "
                f"protect {self.words(self.out)} {self.extra}")

    def xfrm(self, sas, direction):
        """Sets the policy of b."""
        src, dst = (self.there, self.here) if direction == "out" else (self.here, self.there)
        templates = " ".join(
            "tmpl " + (f"src {sa.src} dst {sa.dst} " if sa.mode == "tunnel" else "")
            + f"proto {sa.algorithm.proto} reqid {sa.reqid} mode {sa.mode}" for sa in sas)
        self.b.ip(f"xfrm policy update src {src}{self.prefix} dst {dst}{self.prefix} "
                  f"dir {direction} {templates}\n")

    def sockets(self):
        return traffic.udp(self.a, self.here, 7000), traffic.udp(self.b, self.there, 7000)

    def exchange(self, sizes=SIZES):
        left, right = self.sockets()
        with left, right:
            traffic.deliver(left, right, [os.urandom(size) for size in sizes])
            traffic.deliver(right, left, [os.urandom(size) for size in sizes])
        traffic.ping(self.a, self.here, self.there, 100)
        traffic.ping(self.b, self.there, self.here, 1399)

    def dropped(self, want):
        """Lets b send three datagrams, of which none may arrive; want: {reason: packets} dropped by a."""
        start, got = self.drops(), {}
        left, right = self.sockets()
        with left, right:
            for _ in range(3):
                right.sendto(b"hello", (self.here, 7000))

            def count():
                for name, number in self.drops().items():
                    got[name] = got.get(name, 0) + number
                return sum(got.values()) >= 3
            try:
                lab.wait_for(count, "drops")
            except lab.Failed:
                pass
            lab.equal(got, want, f"drops (before: {start})")
            lab.true(traffic.silent(left), "something was delivered")


def topology():
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    for ns, me, other in ((a, 0, 1), (b, 1, 0)):
        lines = []
        for family, bits in ((4, 24), (6, 64)):
            lines += [f"addr add {HOSTS[family][me]}/{bits} dev eth0",
                      f"addr add {OTHERS[family][me]}/{bits} dev eth0",
                      f"addr add {SITES[family][me]}/{32 if family == 4 else 128} dev lo",
                      f"route add {SITES[family][other]} via {HOSTS[family][other]}"]
        ns.ip("\n".join(lines) + "\n")
    for ns, other, me in ((a, b, 1), (b, a, 0)):
        with other:  # XFRM treats neighbour discovery like any packet
            address = ":".join(f"{byte:02x}" for byte in traffic.mac("eth0"))
        ns.ip("".join(f"neigh replace {ends[6][me]} lladdr {address} dev eth0\n"
                      for ends in (HOSTS, OTHERS)))
    return a, b


def forms(family):
    """(name, addresses, layers): the innermost layer first."""
    hosts, others, sites = HOSTS[family], OTHERS[family], SITES[family]
    cross = HOSTS[10 - family]
    return [
        ("AH over ESP, both transport", hosts, [Layer(GCM), Layer(SHA256)]),
        ("AH over ESP with ESN", hosts,
         [Layer(CBC, options={"esn": True}), Layer(SHA256, options={"esn": True})]),
        ("AH transport over an ESP tunnel", sites, [Layer(GCM, hosts), Layer(SHA256)]),
        ("an ESP tunnel over ESP transport", sites, [Layer(GCM), Layer(CBC, hosts)]),
        ("an AH tunnel over ESP transport", sites, [Layer(CBC), Layer(SHA256, hosts)]),
        ("an ESP tunnel over an ESP tunnel", sites, [Layer(CBC, others), Layer(GCM, hosts)]),
        ("an ESP tunnel over an AH tunnel", sites, [Layer(SHA256, others), Layer(GCM, hosts)]),
        ("a tunnel of the other family over a tunnel", sites,
         [Layer(GCM, hosts), Layer(CBC, cross)]),
        ("four: ESP, AH, an ESP tunnel, AH", sites,
         [Layer(GCM), Layer(SHA256), Layer(CBC, hosts), Layer(AH["sha512"])]),
    ]


def exchange(pair, ends):
    with traffic.Wire(pair.a, "eth0", True) as wire:
        pair.exchange()
        with traffic.Transfer(pair.a, ends[0], pair.b, ends[1], 7001) as connection:
            connection.move(BULK)
            connection.move(BULK, backward=True)
        lab.equal(len(wire.frames()), 0, "packets in clear")
    lab.equal(pair.drops(), {}, "drops")
    for direction in "out", "in":
        counts = {sa["packets"] for sa in Espah.sas(pair.a, direction)}
        lab.equal(len(counts), 1, f"different packet counts of the SAs {direction}")


def mtu(pair, family, ends):
    """The largest packet according to explain passes unfragmented; one byte more does not."""
    said = Espah.json(pair.a, "explain", *ends)
    lab.equal(1 + len(said["outer_sas"]), len(pair.layers), "SAs")
    largest = said["mtu"] - (20 if family == 4 else 40) - 8
    level, option = (socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER) if family == 4 else \
        (socket.IPPROTO_IPV6, traffic.IPV6_MTU_DISCOVER)
    left, right = pair.sockets()
    with left, right, traffic.Wire(pair.a, "eth0", outgoing=True) as wire:
        left.setsockopt(level, option, traffic.IP_PMTUDISC_PROBE)
        traffic.deliver(left, right, [os.urandom(largest)])
        size = max(len(frame) - 14 for frame in wire.frames())
        blocks = sum(layer.algorithm.block for layer in pair.layers)
        lab.true(1500 - blocks < size <= 1500, f"{size} bytes on the wire")
        left.sendto(os.urandom(largest + 1), (pair.there, 7000))
        lab.equal(pair.drops(), {"too_big": 1}, "drops")


def fragments(pair):
    left, right = pair.sockets()
    with left, right:
        left.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_DONT)
        traffic.deliver(left, right, [os.urandom(1472), os.urandom(4000)])


@lab.test("bundles: XFRM with the same templates understands each, and is understood")
def interop():
    for family in 4, 6:
        # both families only where the outer header matters
        for name, ends, layers in forms(family) if family == 4 else forms(family)[::2]:
            name = f"bundle IPv{family}: {name}: "
            with lab.verdict(name + "datagrams, ping and TCP both ways"):
                pair = Pair(*ends, layers)
                exchange(pair, ends)
            with lab.verdict(name + "the MTU is what fits through all, and explain tells it"):
                mtu(pair, family, ends)
            if family == 4:
                with lab.verdict(name + "what may be fragmented is, after the last SA"):
                    fragments(pair)


@lab.test("bundles: packets that came by some SAs only, or in another order, are dropped")
def violations():
    for family in 4, 6:
        hosts = HOSTS[family]
        pair = Pair(*hosts, [Layer(GCM), Layer(SHA256)])
        esp, ah = pair.back
        for name, sas, want in (
                ("without AH", [esp], {"bundle": 3}), ("without ESP", [ah], {"bundle": 3}),
                ("ESP over AH", [ah, esp], {"bundle": 3}),
                ("ESP twice", [esp, esp], {"bundle": 3}),
                ("ESP, AH, and ESP again", [esp, ah, esp], {"bundle": 3})):
            with lab.verdict(f"bundle IPv{family}: ESP and AH are asked for: {name}"):
                pair.xfrm(sas, "out")
                pair.dropped(want)
        with lab.verdict(f"bundle IPv{family}: in clear"):
            pair.b.ip(f"xfrm policy del src {hosts[1]}{pair.prefix} dst {hosts[0]}{pair.prefix} "
                      "dir out\n")
            pair.dropped({"plaintext": 3})
        with lab.verdict(f"bundle IPv{family}: one SA is asked for, two were used"):
            pair = Pair(*hosts, [Layer(GCM)])
            more = SA(0x1200, *hosts[::-1], "transport", SHA256, reqid=9)
            Espah.configure(pair.a, [], [more])
            pair.b.ip(Xfrm.state(more, "out") + "\n")
            pair.exchange([5])
            pair.xfrm([*pair.back, more], "out")
            pair.dropped({"bundle": 3})


@lab.test("bundles: a tunnel's own policy for the ESP inside of it is as good as a bundle")
def two_policies():
    sites, hosts = SITES[4], HOSTS[4]
    pair = Pair(*sites, [Layer(GCM), Layer(CBC, hosts)])
    alone = f"{sites[1]} {sites[0]} protect transport reqid 1"
    Espah.batch(pair.a, [f"policy replace in {alone}"])
    pair.dropped({"bundle": 3})
    Espah.batch(pair.a, [f"policy add in {sites[1]} {sites[0]} proto 50 priority 10 "
                         f"protect tunnel {hosts[1]} {hosts[0]} reqid 2"])
    pair.exchange([5])
    pair.xfrm(pair.back[:1], "out")
    left, right = pair.sockets()
    with left, right:  # ESP alone, as the other policy requires, is dropped too
        traffic.deliver(right, left, [b"hello"])


@lab.test("bundles: without one of the SAs nothing leaves, and the acquire names all")
def missing():
    for family in 4, 6:
        pair = Pair(*SITES[family], [Layer(GCM), Layer(CBC, HOSTS[family])])
        for sa in pair.out:
            with lab.verdict(f"bundle IPv{family}: without the SA {sa.spi:#x}"):
                Espah.batch(pair.a, [f"sa del out spi {sa.spi:#x} dst {sa.dst}"])
                before = Espah.drops(pair.a).get("no_sa", 0)
                left, right = pair.sockets()
                with left, right, traffic.Wire(pair.a, "eth0", outgoing=True) as wire:
                    left.sendto(b"hello", (pair.there, 7000))
                    lab.equal(Espah.drops(pair.a).get("no_sa", 0), before + 1, "no_sa")
                    lab.equal(wire.packets(17) + wire.packets(50), [], "packets on the wire")
                said = Espah.json(pair.a, "explain", pair.here, pair.there)
                lab.equal((said["sa"], said["drop"]), (None, "no_sa"), "explain")
                Espah.configure(pair.a, [sa])
                sa.seq = 0
        tmpl = Espah.json(pair.a, "policy", "list", "out")[0]["template"]
        want = [(sa.algorithm.proto, sa.mode, sa.reqid) for sa in pair.out]
        got = [(t["proto"], t["mode"], t["reqid"]) for t in (tmpl, tmpl["outer"])]
        lab.equal(got, want, "templates")


@lab.test("bundles: each SA has numbers and a window of its own; replays of the outer one end there")
def replay():
    pair = Pair(*HOSTS[4], [Layer(GCM), Layer(SHA256)])
    replays = pair.before.get("replay", 0)
    left, right = pair.sockets()
    with left, right, traffic.Wire(pair.a, "eth0") as wire:
        traffic.deliver(right, left, [b"hello"] * 3)
        frames = [packet for packet in wire.packets(51) if packet[12:16] == bytes([192, 0, 2, 2])]
        lab.equal(len(frames), 3, "AH packets")
        injector = traffic.Injector(pair.b, "eth0", pair.a, "eth0")
        for packet in frames:
            injector.send(packet)
        lab.wait_for(lambda: Espah.drops(pair.a).get("replay") == replays + 3, "replays to be dropped")
        lab.true(traffic.silent(left), "a replay was delivered")
        # a packet of the inner SA alone, as an attacker cuts it out: dropped, and its number used up
        cut = bytearray(frames[0])
        length = (cut[21] + 2) * 4
        inner = cut[:20] + cut[20 + length:]
        inner[9], inner[2:4] = 50, len(inner).to_bytes(2, "big")
        inner[10:12] = bytes(2)
        total = sum(int.from_bytes(inner[i:i + 2], "big") for i in range(0, 20, 2))
        inner[10:12] = (~(total % 0xffff) & 0xffff).to_bytes(2, "big")
        injector.send(bytes(inner))
        lab.wait_for(lambda: Espah.drops(pair.a).get("replay") == replays + 4, "the fourth replay")
    lab.equal({sa["seq"] for sa in Espah.sas(pair.a, "in")}, {3}, "highest numbers")


@lab.test("bundles: ESP over AH in transport mode, which XFRM does not understand, with scapy")
def scapy():
    for family in 4, 6:
        with lab.verdict(f"bundle IPv{family}: ESP over AH: both ways"):
            pair = Pair(*HOSTS[family], [Layer(SHA256), Layer(GCM)])
            Xfrm.flush(pair.b)
            kind = scapy_peer.HEADER[family]
            left, right = pair.sockets()
            with left, right, traffic.Wire(pair.b, "eth0") as wire:
                injector = traffic.Injector(pair.b, "eth0", pair.a, "eth0")
                for number in range(1, 4):
                    packet = kind(src=pair.there, dst=pair.here) / \
                        scapy_peer.UDP(sport=7000, dport=7000) / (b"from scapy %d" % number)
                    for sa in pair.back:
                        packet = kind(scapy_peer.raw(scapy_peer.association(sa).encrypt(
                            kind(scapy_peer.raw(packet)), seq_num=number)))
                    injector.send(scapy_peer.raw(packet))
                    lab.equal(left.recv(100), b"from scapy %d" % number, "payload")
                wire.frames()
                left.sendto(b"to scapy", (pair.there, 7000))
                packet = wire.next(50)
                for sa in pair.out[::-1]:
                    packet = scapy_peer.raw(scapy_peer.association(sa).decrypt(kind(packet)))
                lab.equal(packet[-8:], b"to scapy", "payload")


@lab.test("bundles: deleting policy and SAs while packets are under way harms nothing")
def churn():
    pair = Pair(*SITES[4], [Layer(CBC), Layer(GCM, HOSTS[4])])
    left, right = pair.sockets()
    lines = [Espah.sa_line("out", sa) for sa in pair.out]
    with left, right:
        for number in range(30):
            for _ in range(20):
                left.sendto(b"x" * 200, (pair.there, 7000))
            Espah.batch(pair.a, [f"policy del both {pair.here} {pair.there}", pair.line(),
                                 "sa flush out", *lines] if number % 2 else
                        [pair.line("replace")])
        right.settimeout(lab.TIMEOUT)
    out = [sa for sa in Espah.sas(pair.a, "out")]
    lab.equal(len(out), 2, "SAs")


if __name__ == "__main__":
    lab.main()
