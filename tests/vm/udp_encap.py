# SPDX-License-Identifier: GPL-2.0-only
"""ESP in UDP packet by packet (RFC 3948), against scapy's IPsec layer."""
import os
import struct

import ipsec
import lab
import traffic
from ipsec import GCM, Espah, Policy, SA
from scapy_peer import HEADER, HERE, IP, THERE, UDP, IPv6, Peer, Raw, association, raw

PORTS = (4500, 4500)
FORMS = [("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 4, 6), ("tunnel", 6, 4),
         ("transport", 4, 4), ("transport", 6, 6)]


def udp_offset(packet):
    return 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4


def datagram(payload, length=None, checksum=0, six=False, ports=PORTS):
    """An outer UDP datagram to espah, with any payload."""
    kind = 6 if six else 4
    header = struct.pack("!HHHH", *ports, 8 + len(payload) if length is None else length, checksum)
    if six:
        return raw(IPv6(src=THERE[6], dst=HERE[6], nh=17) / Raw(header + payload))
    return raw(HEADER[kind](src=THERE[4], dst=HERE[4], proto=17) / Raw(header + payload))


def esp_of(packet):
    """The ESP packet inside a packet from scapy."""
    return packet[udp_offset(packet) + 8:]


def summed(packet):
    """The packet with the UDP checksum that scapy computes."""
    layer = HEADER[packet[0] >> 4](packet)
    del layer[UDP].chksum
    return raw(layer)


class Socket:
    """An IKE daemon's socket on UDP port 4500."""

    def __init__(self, peer, six=False):
        self.sock = traffic.udp(peer.a, HERE[6 if six else 4], 4500)

    def __enter__(self):
        return self.sock

    def __exit__(self, *_):
        self.sock.close()


# --- the formats of section 2 ------------------------------------------------------------------

@lab.test("each mode and family, both ways (RFC 3948 2.1, 3.1, 3.2)")
def forms():
    for mode, inner, outer in FORMS:
        with lab.verdict(f"{mode}, IPv{inner} in IPv{outer}: UDP header as it has to be"):
            peer = Peer(mode, inner, outer, encap=(4500, 34567))
            peer.a.run("ethtool", "-K", "eth0", "tx", "off")  # checksums as on a real wire
            for seq, size in enumerate([0, 1, 2, 3, 100, 1000], 1):
                peer.accepts(seq, os.urandom(size))
                payload = os.urandom(size)
                packet = peer.take(payload)
                start = udp_offset(packet)
                lab.equal(packet[9 if outer == 4 else 6], 17, "protocol")
                sport, dport, length, checksum = struct.unpack("!HHHH", packet[start:start + 8])
                lab.equal((sport, dport), (4500, 34567), "ports")
                lab.equal(length, len(packet) - start, "UDP length")
                if outer == 4:
                    lab.equal(checksum, 0, "UDP checksum over IPv4 (2.1: SHOULD be zero)")
                else:
                    lab.equal(packet, summed(packet), "packet with UDP checksum over IPv6")
                inner_packet = peer.open(packet)
                lab.equal(raw(HEADER[inner](inner_packet)[UDP].payload), payload, "payload")


@lab.test("ESN in UDP: the borrowed word of the UDP header comes back (RFC 4303 2.2.1)")
def esn():
    peer = Peer(esn=True, seq=(1 << 32) - 2, window=64, encap=PORTS)
    peer.accepts((1 << 32) - 1)
    peer.accepts(1, esn=1)
    peer.take()
    packet = peer.take()
    length = struct.unpack("!H", packet[24:26])[0]
    lab.equal((length, packet[26:28]), (len(packet) - 20, b"\0\0"), "UDP length and checksum")
    peer.decoder.esn, peer.decoder.esn_en = 1, True
    lab.true(b"hello" in peer.open(packet), "scapy does not find the payload")


@lab.test("a checksum that is not zero: accepted if right, else udp (RFC 3948 2.1)", 4)
@lab.test("the same over IPv6, where zero is accepted too (RFC 6935 5)", 6)
def checksum(outer):
    peer = Peer("tunnel", 4, outer, encap=PORTS)
    peer.accepts(1)
    good = summed(peer.esp(seq=2))
    lab.true(good[udp_offset(good) + 6:][:2] != b"\0\0", "scapy computed no checksum")
    bad = bytearray(good)
    bad[udp_offset(good) + 7] ^= 1
    peer.dropped([bytes(bad)], {"udp": 1})
    peer.send(good)
    peer.received()


@lab.test("a keepalive is absorbed and counted; other single bytes are short (RFC 3948 2.3, 4)")
def keepalive():
    for six in False, True:
        peer = Peer("tunnel", 4, 6 if six else 4, encap=PORTS)
        with Socket(peer, six) as ike:
            peer.dropped([datagram(b"\xff", six=six)] * 3, {"keepalive": 3})
            peer.dropped([datagram(b"\xfe", six=six), datagram(b"\0", six=six)], {"short": 2})
            lab.true(traffic.silent(ike), "the socket saw one")


@lab.test("IKE with the non-ESP marker goes to the socket, whole (RFC 3948 2.2)")
def ike_passes():
    for six in False, True:
        peer = Peer("tunnel", 4, 6 if six else 4, encap=PORTS)
        before = Espah.drops(peer.a)
        with Socket(peer, six) as ike:
            for message in (b"\0\0\0\0IKE", b"\0\0\0\0" + os.urandom(1000), bytes(4)):
                packet = datagram(message, six=six)
                peer.send(summed(packet))
                lab.equal(ike.recv(65536), message, "what the socket got")
        lab.equal(Espah.drops(peer.a), before, "drops")


@lab.test("IKE and keepalives of this host pass a policy that protects everything")
def exempt():
    peer = Peer(encap=PORTS)
    ends = (HERE[4], THERE[4])
    Espah.batch(peer.a, [
        Espah.policy_line("out", Policy("0.0.0.0/0", "0.0.0.0/0", ends, 7, "priority 9000")),
        Espah.policy_line("in", Policy("0.0.0.0/0", "0.0.0.0/0", ends[::-1], 7,
                                       "priority 9000"))])
    with Socket(peer) as ike:
        for message in b"\0\0\0\0IKE", b"\xff":
            peer.wire.frames()
            ike.sendto(message, (THERE[4], 4500))
            lab.equal(peer.wire.next(17)[28:], message, "what was sent in clear")
        peer.send(datagram(b"\0\0\0\0IKE"))
        lab.equal(ike.recv(100), b"\0\0\0\0IKE", "what the socket got")
        peer.dropped([datagram(b"\xff")], {"keepalive": 1})
        peer.accepts(1)
        before = Espah.drops(peer.a)
        for message in b"\1\0\0\0xxxxxxxx", b"\xfe", b"\xff\xff":  # not IKE messages, so they are protected
            peer.wire.frames()
            ike.sendto(message, (THERE[4], 4500))
            inner = peer.open(peer.wire.next(17))
            lab.equal(raw(IP(inner)[UDP].payload), message, "what the tunnel carried")
        lab.equal(Espah.drops(peer.a), before, "drops")


# --- malformed packets ---------------------------------------------------------------------------

@lab.test("UDP lengths that lie: udp; what lies behind the length does not count")
def lengths():
    peer = Peer(encap=PORTS)
    esp = esp_of(peer.esp(seq=1))
    wrong = [0, 1, 7, 8 + len(esp) + 1, 0xffff]
    peer.dropped([datagram(esp, length) for length in wrong], {"udp": len(wrong)})
    peer.dropped([datagram(esp, 8), datagram(b"", 8)], {"short": 2})
    peer.send(datagram(esp + b"surplus", 8 + len(esp)))
    peer.received()


@lab.test("UDP to our port cut at each length: short, no_spi, length or icv; never more")
def cut():
    for six in False, True:
        peer = Peer("tunnel", 4, 6 if six else 4, encap=PORTS)
        esp = esp_of(peer.esp(b"y" * 20, seq=5))
        want, forged = {}, []
        for length in range(len(esp)):
            reason = ("short" if length < 8 + 8 + 16 + 2 else "length" if length % 4 else "icv")
            want[reason] = want.get(reason, 0) + 1
            forged.append(datagram(esp[:length], six=six))
        peer.dropped(forged, want)
        peer.accepts(5)


@lab.test("a header of UDP that is not all there changes nothing")
def stubs():
    peer = Peer(encap=PORTS)
    state, drops = peer.state(), Espah.drops(peer.a)
    for size in range(8):
        peer.send(raw(IP(src=THERE[4], dst=HERE[4], proto=17)
                      / Raw(struct.pack("!HHHH", *PORTS, 8, 0)[:size])))
    peer.accepts(1)
    lab.equal(Espah.drops(peer.a), drops, "drops")
    lab.equal(state["packets"] + 1, peer.state()["packets"], "packets of the SA")


@lab.test("unknown SPIs: no_spi, reserved_spi; other ports are nobody's business of ours")
def spis():
    peer = Peer(encap=PORTS)
    esp = esp_of(peer.esp(seq=1))
    peer.dropped([datagram(struct.pack("!I", spi) + esp[4:]) for spi in (0x1002, 0xffffffff)],
                 {"no_spi": 2})
    peer.dropped([datagram(struct.pack("!I", spi) + esp[4:]) for spi in (1, 255)],
                 {"reserved_spi": 2})
    with traffic.udp(peer.a, HERE[4], 4501) as other:
        peer.send(datagram(esp, ports=(4500, 4501)))
        lab.equal(other.recv(65536), esp, "what the other socket got")
    with lab.verdict("the last inbound SA of a port gives the port back"):
        Espah.configure(peer.a, inbound=[SA(0x1009, THERE[4], HERE[4], encap=PORTS)])
        with Socket(peer) as ike:
            for spi, want in ((0x1001, {"no_spi": 1}), (0x1009, None)):
                with peer.a:
                    lab.run(ipsec.CLI, "sa", "del", "in", "spi", hex(spi), "dst", HERE[4])
                if want:
                    before = Espah.drops(peer.a)
                    peer.send(datagram(esp))
                    lab.wait_for(lambda: Espah.drops(peer.a) != before, "a drop")
            peer.send(datagram(esp))
            lab.equal(ike.recv(65536), esp, "what the socket got")


@lab.test("bare ESP to an SA in UDP, and ESP in UDP to an SA without it: encap")
def mixed():
    peer = Peer(encap=PORTS)
    esp = esp_of(peer.esp(seq=1))
    peer.dropped([raw(IP(src=THERE[4], dst=HERE[4], proto=50) / Raw(esp))] * 2, {"encap": 2})
    bare = SA(0x1003, THERE[4], HERE[4], reqid=7)
    Espah.configure(peer.a, inbound=[bare])
    packet = raw(association(bare).encrypt(IP(raw(peer.plain(b"hello"))), seq_num=1))
    peer.dropped([datagram(packet[20:])] * 2, {"encap": 2})
    peer.send(packet)
    peer.received()
    peer.accepts(1)


@lab.test("UDP fragments are reassembled first; a flipped bit is an icv, a repeated packet a replay")
def fragments():
    for six in False, True:
        peer = Peer("tunnel", 4, 6 if six else 4, encap=PORTS)
        payload = os.urandom(300)
        packet = peer.esp(payload, seq=1)
        body = packet[udp_offset(packet):]
        for offset, more in ((0, 1), (80, 0)):
            part = body[:80] if more else body[80:]
            if six:
                fragment = struct.pack("!BBHI", 17, 0, offset | more, 4242)
                peer.send(raw(IPv6(src=THERE[6], dst=HERE[6], nh=44) / Raw(fragment + part)))
            else:
                peer.send(raw(IP(src=THERE[4], dst=HERE[4], proto=17, id=77, frag=offset // 8,
                                 flags="MF" if more else 0) / Raw(part)))
        peer.received(payload)
        peer.dropped([packet], {"replay": 1})
        flipped = bytearray(peer.esp(seq=2))
        flipped[-20] ^= 4
        peer.dropped([bytes(flipped)], {"icv": 1})


# --- transport mode: checksums (3.1.2) -------------------------------------------------------------

def through_nat(peer, upper):
    """A packet whose transport checksum was computed for other addresses than those at arrival."""
    there = "10.99.0.1" if peer.inner == 4 else "fd99::1"
    inside = HEADER[peer.inner](raw(HEADER[peer.inner](src=there, dst=peer.here) / upper))
    body = raw(inside)[20 if peer.inner == 4 else 40:]
    number = 17 if UDP in upper else 58
    outer = HEADER[peer.inner](src=peer.there, dst=peer.here)
    if peer.inner == 4:
        outer.proto = number
    else:
        outer.nh = number
    return HEADER[peer.inner](raw(outer / Raw(body)))


@lab.test("transport mode: an upper checksum made for other addresses is mended (RFC 3948 3.1.2)")
def mended():
    for family in 4, 6:
        with lab.verdict(f"UDP over IPv{family}: mended in UDP encapsulation, refused without"):
            peer = Peer("transport", family, family, encap=PORTS)
            packet = through_nat(peer, UDP(sport=7001, dport=7000) / Raw(b"natted"))
            peer.send(peer.esp(packet=packet, seq=1))
            peer.received(b"natted")
            plain = Peer("transport", family, family)
            plain.send(plain.esp(packet=packet, seq=1))
            plain.accepts(2)
    with lab.verdict("UDP without a checksum stays without"):
        peer = Peer("transport", encap=PORTS)
        packet = HEADER[4](src=peer.there, dst=peer.here) / UDP(sport=7001, dport=7000,
                                                                chksum=0) / Raw(b"none")
        peer.send(peer.esp(packet=packet, seq=1))
        peer.received(b"none")
    with lab.verdict("tunnel mode verifies checksums (3.1.2: MUST)"):
        peer = Peer(encap=PORTS)
        wrong = HEADER[4](src=peer.there, dst=peer.here) / UDP(sport=7001, dport=7000,
                                                               chksum=1) / Raw(b"wrong")
        peer.send(peer.esp(packet=wrong, seq=1))
        peer.accepts(2)


@lab.test("upper layers of each length in transport mode: delivered or refused, never more")
def tiny():
    peer = Peer("transport", encap=PORTS)
    for seq, (proto, size) in enumerate(((p, s) for p in (6, 17, 58, 132) for s in range(20)), 1):
        packet = HEADER[4](src=peer.there, dst=peer.here, proto=proto) / Raw(os.urandom(size))
        peer.send(peer.esp(packet=packet, seq=seq))
    peer.accepts(100)


# --- an SA that moves ------------------------------------------------------------------------------

def change(peer, direction, sa, words):
    with peer.a:
        lab.run(ipsec.CLI, "sa", "set", direction, "spi", hex(sa.spi), "dst", sa.dst,
                *words.split())


@lab.test("an SA that gets other ports keeps window, numbers and counters")
def moved_ports():
    peer = Peer(encap=PORTS)
    old = peer.esp(seq=5)
    peer.send(old)
    peer.received()
    peer.accepts(9)
    for _ in range(3):
        peer.take()
    before = Espah.sas(peer.a)
    change(peer, "out", peer.out, "encap udp 4500 33333")
    change(peer, "in", peer.into, "encap udp 33333 4500")
    after = Espah.sas(peer.a)
    lab.equal([sa["encap"] for sa in after], [{"type": "udp", "sport": 4500, "dport": 33333},
                                              {"type": "udp", "sport": 33333, "dport": 4500}],
              "ports")
    for sas in before, after:
        for sa in sas:
            del sa["encap"]
    lab.equal(after, before, "all else of the SAs")
    peer.dropped([old], {"replay": 1})
    peer.accepts(8)
    packet = peer.take()
    lab.equal(struct.unpack("!HH", packet[20:24]), (4500, 33333), "ports")
    lab.equal(struct.unpack("!II", packet[28:36]), (0x2001, 4), "SPI and sequence number")


@lab.test("an SA moves between UDP and bare ESP, IPv4 and IPv6, and back (as MOBIKE asks for)")
def moved_family():
    peer = Peer(encap=PORTS)
    number = 0
    with traffic.Wire(peer.b, "eth0") as wire:
        for family, encap in ((4, False), (6, False), (6, True), (4, True)):
            here, there = HERE[family], THERE[family]
            words = "encap udp 4500 4500" if encap else "encap off"
            change(peer, "out", peer.out, f"new-src {here} new-dst {there} {words}")
            change(peer, "in", peer.into, f"new-src {there} new-dst {here} {words}")
            peer.out = SA(0x2001, here, there, key=peer.out.key, encap=encap and PORTS)
            peer.into = SA(0x1001, there, here, key=peer.into.key, encap=encap and PORTS)
            peer.encoder, peer.decoder = association(peer.into), association(peer.out)
            lines = []
            for direction, source, target, ends in (("out", peer.here, peer.there, (here, there)),
                                                    ("in", peer.there, peer.here, (there, here))):
                lines.append(Espah.policy_line(direction, Policy(
                    f"{source}/32", f"{target}/32", ends, 7)).replace("add", "replace", 1))
            Espah.batch(peer.a, lines)
            number += 1
            old = peer.esp(seq=number)
            peer.send(old)
            peer.received()
            peer.dropped([old], {"replay": 1})
            wire.frames()
            packet = peer.take()
            lab.equal((packet[0] >> 4, traffic.protocol_of(packet)),
                      (family, 17 if encap else 50), "IP version and protocol")
            start = udp_offset(packet) + 8 * encap
            lab.equal(struct.unpack("!II", packet[start:start + 8]), (0x2001, number),
                      "SPI and sequence number")
            lab.true(b"hello" in peer.open(packet), "scapy does not find the payload")
    lab.equal([(sa["packets"], sa["seq"]) for sa in Espah.sas(peer.a)], [(4, 4), (4, 4)],
              "packets and last numbers")


@lab.test("what SA_SET cannot do is refused, and changes nothing")
def refused():
    peer = Peer(encap=PORTS)
    Espah.configure(peer.a, [SA(0x2001, HERE[4], "192.0.2.77", reqid=9)])
    before = Espah.sas(peer.a)
    for words, text in ((f"new-dst 192.0.2.77", "exists at the new destination"),
                        ("new-dst 2001:db8::7", "both be IPv4 or both be IPv6"),
                        ("new-dst 224.0.0.1", "must be a host's address")):
        with peer.a:
            result = lab.run(ipsec.CLI, "sa", "set", "out", "spi", "0x2001", "dst", THERE[4],
                             *words.split(), check=False)
        lab.equal(result.returncode, 1, f"exit status of {words}")
        lab.true(text in result.stderr, f"{words}: {result.stderr}")
    lab.equal(Espah.sas(peer.a), before, "the SAs")


@lab.test("a datagram that no IP packet can hold with its headers: too_big, not a broken packet")
def longest():
    for encap in None, PORTS:
        peer = Peer("transport", encap=encap)  # a tunnel would fragment the packet
        before = Espah.drops(peer.a).get("too_big", 0)
        peer.wire.frames()
        peer.socket.sendto(bytes(65507), (peer.there, 7001))
        lab.wait_for(lambda: Espah.drops(peer.a).get("too_big", 0) == before + 1, "a drop")
        lab.true(all(protocol not in (17, 50) for protocol in
                     map(traffic.protocol_of, peer.wire.packets())), "something was sent")
        peer.take()


# --- path MTU ----------------------------------------------------------------------------------------

def too_big(peer, packet, mtu, outer):
    """A packet-too-big error of a router about our packet."""
    from scapy.layers.inet import ICMP
    from scapy.layers.inet6 import ICMPv6PacketTooBig
    if outer == 4:
        return raw(IP(src="192.0.2.9", dst=HERE[4]) / ICMP(type=3, code=4, nexthopmtu=mtu)
                   / Raw(packet[:60]))
    return raw(IPv6(src="2001:db8::9", dst=HERE[6]) / ICMPv6PacketTooBig(mtu=mtu)
               / Raw(packet[:200]))


# not for tunnels: the kernel itself accepts any ICMP about UDP, and tunnels follow its routes
@lab.test("ICMP that quotes ESP in UDP lowers the path MTU, if all of it is ours", 4)
@lab.test("the same over IPv6", 6)
def path_mtu(outer):
    peer = Peer("transport", outer, outer, encap=PORTS)
    packet = peer.take(bytes(1000))
    start = udp_offset(packet)

    def mtu():
        return next(sa["pmtu"] for sa in Espah.sas(peer.a) if sa["dir"] == "out")
    lab.equal(mtu(), 1500, "path MTU before")
    for at, what in ((start, "source port"), (start + 2, "destination port"), (start + 9, "SPI")):
        other = bytearray(packet)
        other[at] ^= 1
        peer.send(too_big(peer, bytes(other), 1400, outer))
        peer.accepts(at)
        lab.equal(mtu(), 1500, f"path MTU after a wrong {what}")
    peer.send(too_big(peer, packet, 1400, outer))
    lab.wait_for(lambda: mtu() == 1400, "the path MTU")


@lab.test("ICMP that quotes no more than the UDP header lowers it too, within bounds, for a time", 4)
@lab.test("the same over IPv6, as some may quote", 6)
def short_quotation(outer):
    least = 552 if outer == 4 else 1280
    setting = f"net.ipv{outer}.route.mtu_expires"
    for mode in "tunnel", "transport":
        peer = Peer(mode, outer, outer, encap=PORTS)
        packet = peer.take(bytes(1000))
        start = udp_offset(packet)

        def mtu(peer=peer):
            return next(sa["pmtu"] for sa in Espah.sas(peer.a) if sa["dir"] == "out")

        def told(size, change=None, peer=peer, packet=packet, end=start + 8):
            quoted = bytearray(packet[:end])
            if change is not None:
                quoted[change] ^= 1
            peer.send(too_big(peer, bytes(quoted), size, outer))
        old = peer.a.sysctl(setting)
        peer.a.sysctl(setting, 6)
        Espah.batch(peer.a, ["default in discard"])  # except errors about our ESP
        try:
            with lab.verdict(f"IPv{outer} {mode}: a quotation of the UDP header"):
                for change in start, start + 2, start - 1:  # ports, and the peer's address
                    told(1400, change)
                peer.accepts(1)
                lab.equal(mtu(), 1500, "path MTU after what was about other flows")
                told(1400)
                lab.wait_for(lambda: mtu() == 1400, "1400")
                told(1450)
                peer.accepts(2)
                lab.equal(mtu(), 1400, "path MTU after a larger one")
                told(least - 100)
                want = least if outer == 4 else 1400  # IPv6 ignores impossible values
                peer.accepts(3)
                lab.equal(mtu(), want, "path MTU after less than the least")
                lab.wait_for(lambda: mtu() == 1500, "its end")
        finally:
            peer.a.sysctl(setting, old)
            Espah.batch(peer.a, ["default in bypass"])


if __name__ == "__main__":
    lab.main()
