# SPDX-License-Identifier: GPL-2.0-only
"""ICMP (RFC 4301 section 6), and the path MTUs that are accepted from it (8.2).

    h 10.3.0.2 -- 10.3.0.1 a (espah) 192.0.2.1 ---- 192.0.2.2 b: scapy, or XFRM

The flow from h to 10.2.0.1 is protected. Errors about it come from routers whose own
addresses match no policy.
"""
import dataclasses
import os
import select
import socket
import struct
import time

import ipsec
import lab
import traffic
from ipsec import Espah, Policy, SA, Xfrm
from scapy_peer import (BEHIND, HEADER, HERE, IP, OUTSIDE, THERE, Gateway, IPv6, Peer, Raw, UDP,
                        association, raw)

ROUTER = {4: "203.0.113.9", 6: "2001:db8:9::9"}
ELSEWHERE = {4: "198.51.100.77", 6: "2001:db8:7::7"}
# type and code by RFC 792 and RFC 4443: errors, and messages that are none (5 is a redirect)
ERRORS = {4: ((3, 1), (3, 3), (3, 13), (11, 0), (12, 0)), 6: ((1, 0), (1, 4), (3, 0), (4, 1))}
OTHERS = {4: ((8, 0), (0, 0), (13, 0)), 6: ((128, 0), (129, 0))}
UNREACHABLE = {4: (3, 1), 6: (1, 0)}
TOO_BIG = {4: (3, 4), 6: (2, 0)}
ICMP = {4: 1, 6: 58}
NAME = {4: "icmp", 6: "icmpv6"}
HEAD = {4: 20, 6: 40}
FORMS = ((4, 4), (6, 6), (4, 6), (6, 4))  # inner, outer
SENTINEL = b"what came before it is through"


# --- packets --------------------------------------------------------------------------------------

def datagram(version, source, target, sport=7000, dport=7001, payload=bytes(range(60)), ttl=64):
    packet = HEADER[version](src=source, dst=target)
    setattr(packet, "ttl" if version == 4 else "hlim", ttl)
    return packet / UDP(sport=sport, dport=dport) / Raw(payload)


def rfc1071(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def message(version, source, target, kind, quoted, word=0):
    """An ICMP message (RFC 792, RFC 4443) that quotes bytes."""
    body = struct.pack("!BBHI", *kind, 0, word) + quoted
    pseudo = b""
    if version == 6:
        pseudo = (socket.inet_pton(socket.AF_INET6, source)
                  + socket.inet_pton(socket.AF_INET6, target) + struct.pack("!II", len(body), 58))
    body = body[:2] + struct.pack("!H", rfc1071(pseudo + body)) + body[4:]
    if version == 4:
        return IP(src=source, dst=target, proto=1) / Raw(body)
    return IPv6(src=source, dst=target, nh=58) / Raw(body)


def icmp_of(packet):
    """The ICMP message in an IP packet, or None; neighbour discovery does not count."""
    version = packet[0] >> 4
    body = packet[HEAD[version]:]
    if traffic.protocol_of(packet) != ICMP[version] or version == 6 and 133 <= body[0] <= 137:
        return None
    return body


class Lab(Gateway):
    """A gateway, with functions that report the path of a packet."""

    def outward(self, packet):
        """Lets h send it: ("SA", packet) and ("clear", packet) for each ICMP that leaves."""
        self.wire.frames()
        self.lan.send(raw(packet))
        self.send_sentinel()
        return self.until_sentinel()

    def send_sentinel(self):
        self.lan.send(raw(datagram(self.inner, BEHIND[self.inner], OUTSIDE[self.inner],
                                   payload=SENTINEL)))

    def until_sentinel(self, awaited=0):
        """Packets before the sentinel, which is sent only after `awaited' ICMP messages."""
        found = []
        while True:
            if awaited and len(found) == awaited:
                awaited = 0
                self.send_sentinel()
            seen = self.wire.next()
            way = "clear"
            if traffic.protocol_of(seen) == 50:
                if seen[HEAD[seen[0] >> 4]:][:4] != struct.pack("!I", self.out.spi):
                    continue  # a packet sent to a
                way, seen = "SA", self.open(seen)
            if SENTINEL in seen and icmp_of(seen) is None:
                return found
            if icmp_of(seen) is not None:
                found.append((way, seen))

    def inward(self, packet, clear=False):
        """Sends a packet to a, through the SA or in clear. Return: the ICMP packets that reach h"""
        self.sight.frames()
        if clear:
            self.injector.send(raw(packet))
        else:
            self.enter(packet)
        self.enter(datagram(self.inner, OUTSIDE[self.inner], BEHIND[self.inner], 7001, 7000,
                            SENTINEL))
        found = []
        while True:
            seen = self.sight.next()
            if SENTINEL in seen and icmp_of(seen) is None:
                return found
            if icmp_of(seen) is not None:
                found.append(seen)

    def drops(self, action):
        """The result of an action, and the drops that it caused."""
        before = Espah.drops(self.a)
        result = action()
        after = Espah.drops(self.a)
        return result, {name: count - before.get(name, 0) for name, count in after.items()
                        if count != before.get(name, 0)}

    # errors about the protected flow

    def forth(self, kind, source=None, **words):
        """An error from a router on h's side, about a packet from the other side."""
        quoted = raw(datagram(self.inner, OUTSIDE[self.inner], BEHIND[self.inner], **words))
        return message(self.inner, source or ROUTER[self.inner], OUTSIDE[self.inner], kind, quoted)

    def back(self, kind, source=None, **words):
        """An error from a router on the other side, about a packet of h."""
        quoted = raw(datagram(self.inner, BEHIND[self.inner], OUTSIDE[self.inner], **words))
        return message(self.inner, source or ROUTER[self.inner], BEHIND[self.inner], kind, quoted)


def ways(found):
    return [way for way, _ in found]


def both(version, extra, action=None):
    """A policy line for the flow from h, with more words before the action."""
    return (f"policy add both {BEHIND[version]} {OUTSIDE[version]} {extra} "
            + (action or "{tmpl}"))


# --- outbound -------------------------------------------------------------------------------------

@lab.test("an ICMP error of the gateway travels the SA of the flow that caused it (RFC 4301 6.2)")
def own_errors():
    for inner, outer in FORMS:
        one = Lab(inner, outer)
        with lab.verdict(f"{inner}-in-{outer}: time exceeded, from the gateway itself"):
            packet = datagram(inner, OUTSIDE[inner], BEHIND[inner], 7001, 7000, ttl=1)
            one.wire.frames()
            one.enter(packet)
            # not at once: on another CPU the sentinel could overtake the gateway's answer
            found = one.until_sentinel(1)
            lab.equal(ways(found), ["SA"], "ways of ICMP messages")
            body = icmp_of(found[0][1])
            lab.equal(body[0], {4: 11, 6: 3}[inner], "ICMP type")
            lab.equal(body[8 + HEAD[inner]:][:8], raw(packet)[HEAD[inner]:][:8], "what it quotes")


@lab.test("a forwarded ICMP error travels the SA of the flow that caused it (RFC 4301 6.2)")
def forwarded_errors():
    for inner, outer in FORMS:
        one = Lab(inner, outer)
        for kind in ERRORS[inner]:
            with lab.verdict(f"{inner}-in-{outer}: ICMP type {kind[0]} code {kind[1]} about the "
                             "protected flow goes into the SA, unchanged but for the hop"):
                packet = one.forth(kind)
                found = one.outward(packet)
                lab.equal(ways(found), ["SA"], "ways")
                lab.equal(found[0][1][HEAD[inner]:], raw(packet)[HEAD[inner]:], "the message")
        for kind in OTHERS[inner]:
            with lab.verdict(f"{inner}-in-{outer}: ICMP type {kind[0]} is no error: its own header "
                             "counts"):
                lab.equal(ways(one.outward(one.forth(kind))), ["clear"], "ways")
        with lab.verdict(f"{inner}-in-{outer}: an error about another flow goes its own way"):
            other = message(inner, ROUTER[inner], OUTSIDE[inner], UNREACHABLE[inner],
                            raw(datagram(inner, OUTSIDE[inner], ELSEWHERE[inner])))
            lab.equal(ways(one.outward(other)), ["clear"], "ways")
        with lab.verdict(f"{inner}-in-{outer}: so does one whose quotation is cut short"):
            for length in 0, 1, HEAD[inner] - 1:
                packet = message(inner, ROUTER[inner], OUTSIDE[inner], UNREACHABLE[inner],
                                 raw(datagram(inner, OUTSIDE[inner], BEHIND[inner]))[:length])
                lab.equal(ways(one.outward(packet)), ["clear"], f"ways with {length} bytes")


@lab.test("the quoted ports count, reversed, and so does what a policy says of ICMP itself")
def outbound_policies():
    for inner in 4, 6:
        error = UNREACHABLE[inner]
        one = Lab(inner, inner, policies=[both(inner, "proto udp sport 7000 dport 7001")])
        with lab.verdict(f"IPv{inner}: ports of the selector: the error about them goes into the "
                         "SA, no other"):
            lab.equal(ways(one.outward(one.forth(error, sport=7001, dport=7000))), ["SA"], "same")
            lab.equal(ways(one.outward(one.forth(error, sport=7000, dport=7001))), ["clear"],
                      "not reversed")
            lab.equal(ways(one.outward(one.forth(error, sport=7001, dport=7002))), ["clear"],
                      "other port")
        family = {4: "any4", 6: "any6"}[inner]
        one = Lab(inner, inner, policies=[both(inner, ""),
                                          f"policy add out {family} {family} priority 5000 bypass"])
        with lab.verdict(f"IPv{inner}: a bypass policy for everything does not let it out in clear"):
            lab.equal(ways(one.outward(one.forth(error))), ["SA"], "ways")
        one = Lab(inner, inner, policies=[
            both(inner, ""),
            f"policy add out {family} {family} proto {NAME[inner]} priority 5000 bypass"])
        with lab.verdict(f"IPv{inner}: a bypass policy that names ICMP does"):
            lab.equal(ways(one.outward(one.forth(error))), ["clear"], "ways")
        one = Lab(inner, inner, policies=[both(inner, ""), "default out discard"])
        with lab.verdict(f"IPv{inner}: it goes into the SA where the default is discard"):
            lab.equal(ways(one.outward(one.forth(error))), ["SA"], "ways")
            found, drops = one.drops(lambda: one.outward(one.forth(OTHERS[inner][0])))
            # the gateway's own multicast listener reports are discarded too, at any time
            lab.equal((found, set(drops)), ([], {"discard_out"}), "what is no error")
        one = Lab(inner, inner, policies=[
            both(inner, ""), f"policy add out {ROUTER[inner]} {family} discard"])
        with lab.verdict(f"IPv{inner}: a discard policy for the router's address is heeded"):
            found, drops = one.drops(lambda: one.outward(one.forth(error)))
            lab.equal((found, drops), ([], {"discard_out": 1}), "ways and drops")


@lab.test("without an SA the error is dropped, and none is asked for (RFC 4301 6.2)")
def no_sa():
    one = Lab()
    Espah.batch(one.a, ["sa flush"])
    with one.a:
        monitor = one.a.start(ipsec.CLI, "monitor", "acquire", stdout=-1)
    plain = datagram(4, BEHIND[4], OUTSIDE[4])
    lab.wait_for(lambda: one.lan.send(raw(plain)) or
                 select.select([monitor.stdout], [], [], 0.3)[0], "the monitor")
    time.sleep(1.2)  # a policy sends an acquire at most once a second
    os.read(monitor.stdout.fileno(), 1 << 16)
    before = Espah.drops(one.a)
    for _ in range(3):
        one.lan.send(raw(one.forth((3, 1))))
    lab.wait_for(lambda: Espah.drops(one.a).get("icmp_no_sa") == 3, "three drops of icmp_no_sa")
    lab.equal(Espah.drops(one.a).get("no_sa"), before["no_sa"], "drops as no_sa")
    lab.true(not select.select([monitor.stdout], [], [], 1.2)[0], "an SA was asked for")


# --- inbound through an SA ------------------------------------------------------------------------

@lab.test("an ICMP error through an SA is held against the packet that it quotes (RFC 4301 6.2)")
def inbound():
    for inner, outer in FORMS:
        one, form = Lab(inner, outer), f"{inner}-in-{outer}"
        error = UNREACHABLE[inner]
        for kind in ERRORS[inner]:
            with lab.verdict(f"{form}: type {kind[0]} code {kind[1]} of a foreign router about the "
                             "SA's flow is let in"):
                packet = one.back(kind)
                lab.equal([got[HEAD[inner]:] for got in one.inward(packet)],
                          [raw(packet)[HEAD[inner]:]], "what h got")
        elsewhere = message(inner, ROUTER[inner], BEHIND[inner], error,
                            raw(datagram(inner, BEHIND[inner], ELSEWHERE[inner])))
        reverse = message(inner, ROUTER[inner], BEHIND[inner], error,
                          raw(datagram(inner, OUTSIDE[inner], BEHIND[inner])))
        refused = {"about a flow with somebody else": elsewhere,
                   "about the flow, not reversed": reverse,
                   "that is no error": one.back(OTHERS[inner][0])}
        for length in 0, 1, HEAD[inner] - 1:
            refused[f"that quotes {length} bytes"] = message(
                inner, ROUTER[inner], BEHIND[inner], error,
                raw(datagram(inner, BEHIND[inner], OUTSIDE[inner]))[:length])
        for what, packet in refused.items():
            with lab.verdict(f"{form}: one {what} is dropped as policy"):
                found, drops = one.drops(lambda packet=packet: one.inward(packet))
                lab.equal((found, drops), ([], {"policy": 1}), "what h got, and drops")
        with lab.verdict(f"{form}: one whose own header the SA is for is not looked into"):
            own = message(inner, OUTSIDE[inner], BEHIND[inner], error,
                          raw(datagram(inner, BEHIND[inner], ELSEWHERE[inner])))
            lab.equal(len(one.inward(own)), 1, "messages")


@lab.test("ports, other SAs and policies on ICMP, for errors that come through an SA")
def inbound_policies():
    for inner in 4, 6:
        error, family = UNREACHABLE[inner], {4: "any4", 6: "any6"}[inner]
        one = Lab(inner, inner, policies=[both(inner, "proto udp sport 7000 dport 7001")])
        with lab.verdict(f"IPv{inner}: the quoted ports have to be those of the SA's selector"):
            lab.equal(len(one.inward(one.back(error))), 1, "messages about these ports")
            found, drops = one.drops(lambda: one.inward(one.back(error, dport=7002)))
            lab.equal((found, drops), ([], {"policy": 1}), "about other ports")
        cut = message(inner, ROUTER[inner], BEHIND[inner], error,
                      raw(datagram(inner, BEHIND[inner], OUTSIDE[inner]))[:HEAD[inner] + 2])
        one = Lab(inner, inner)
        with lab.verdict(f"IPv{inner}: quoted without ports: let in by a policy that asks for none"):
            lab.equal(len(one.inward(cut)), 1, "messages")
        for action in "discard", None:
            one = Lab(inner, inner, policies=[both(inner, ""), both(
                inner, "proto udp sport 7100 dport 7101 priority 10", action)])
            with lab.verdict(f"IPv{inner}: quoted without ports: not where one comes first that may "
                             f"be meant ({action or 'the same SA'})"):
                found, drops = one.drops(lambda: one.inward(cut))
                lab.equal((found, drops), ([], {"policy": 1}), "what h got, and drops")
        one = Lab(inner, inner, policies=[
            both(inner, ""), f"policy add in {family} {family} proto {NAME[inner]} discard"])
        with lab.verdict(f"IPv{inner}: a policy that discards ICMP is heeded in the SA too"):
            found, drops = one.drops(lambda: one.inward(one.back(error)))
            lab.equal((found, drops), ([], {"policy": 1}), "what h got, and drops")
        one = Lab(inner, inner)
        other = dataclasses.replace(one.into, spi=0x3001, reqid=8, key=os.urandom(20))
        Espah.configure(one.a, inbound=[other])
        with lab.verdict(f"IPv{inner}: it has to come through the SA of that flow, not another"):
            esp = raw(association(other).encrypt(HEADER[inner](raw(one.back(error))), seq_num=1))
            found, drops = one.drops(lambda: one.injector.send(esp) or one.inward(
                datagram(inner, OUTSIDE[inner], BEHIND[inner], 7001, 7000)))
            lab.equal((found, drops), ([], {"policy": 1}), "what h got, and drops")


@lab.test("transport mode: a peer may speak of its own flows, not of another's with this reqid")
def transport_peers():
    for version in 4, 6:
        peer = Peer("transport", version)
        net = {4: "192.0.2.0/24", 6: "2001:db8::/64"}[version]
        third = {4: "192.0.2.3", 6: "2001:db8::3"}[version]
        Espah.batch(peer.a, ["policy flush", f"policy add both {HERE[version]} {net} proto udp "
                             "protect transport reqid 7"])

        def about(target, version=version):
            return message(version, THERE[version], HERE[version], UNREACHABLE[version],
                           raw(datagram(version, HERE[version], target)))
        with lab.verdict(f"IPv{version}: about its own flow: accepted"):
            peer.send(peer.esp(seq=1, packet=about(THERE[version])))
            lab.wait_for(lambda peer=peer: peer.state()["packets"] == 1, "the SA's counter")
        with lab.verdict(f"IPv{version}: about the flow with a third host: policy"):
            peer.dropped([peer.esp(seq=2, packet=about(third))], {"policy": 1}, moved=True)


# --- in clear -------------------------------------------------------------------------------------

@lab.test("an ICMP error in clear about a protected flow does what the configuration says "
          "(RFC 4301 6.1.1)")
def in_clear():
    for inner in 4, 6:
        error, family = UNREACHABLE[inner], {4: "any4", 6: "any6"}[inner]
        one = Lab(inner, inner)
        for kind in ERRORS[inner]:
            with lab.verdict(f"IPv{inner}: type {kind[0]} code {kind[1]}: dropped as "
                             "icmp_plaintext"):
                found, drops = one.drops(lambda kind=kind: one.inward(one.back(kind), True))
                lab.equal((found, drops), ([], {"icmp_plaintext": 1}), "what h got, and drops")
        with lab.verdict(f"IPv{inner}: about a flow that no policy protects: let in"):
            packet = message(inner, ROUTER[inner], BEHIND[inner], error,
                             raw(datagram(inner, BEHIND[inner], ELSEWHERE[inner])))
            lab.equal(len(one.inward(packet, True)), 1, "messages")
        with lab.verdict(f"IPv{inner}: what is no error: let in"):
            for kind in OTHERS[inner]:
                if kind[0] != 5:
                    lab.equal(len(one.inward(one.back(kind), True)), 1, f"of type {kind[0]}")
        with lab.verdict(f"IPv{inner}: with 'default icmp bypass' all are let in"):
            Espah.batch(one.a, ["default icmp bypass"])
            lab.equal(Espah.json(one.a, "default")["icmp"], "bypass", "what is shown")
            for kind in ERRORS[inner]:
                lab.equal(len(one.inward(one.back(kind), True)), 1, f"of type {kind[0]}")
        one = Lab(inner, inner, policies=[
            both(inner, ""), f"policy add in {family} {family} proto {NAME[inner]} bypass"])
        with lab.verdict(f"IPv{inner}: a policy that lets ICMP in by name is heeded"):
            lab.equal(len(one.inward(one.back(error), True)), 1, "messages")
    one = Lab(policies=[both(4, "proto udp sport 7000 dport 7001")])
    with lab.verdict("a quotation that claims to be a later fragment has ports nevertheless"):
        quoted = raw(datagram(4, BEHIND[4], OUTSIDE[4]))
        fragment = quoted[:6] + b"\0\5" + quoted[8:]
        packet = message(4, ROUTER[4], BEHIND[4], (3, 3), fragment)
        found, drops = one.drops(lambda: one.inward(packet, True))
        lab.equal((found, drops), ([], {"icmp_plaintext": 1}), "what h got, and drops")


# --- path MTU -------------------------------------------------------------------------------------

class Path(Lab):
    """A gateway whose path MTU is the target of ICMP errors."""

    def sent(self):
        """An ESP packet that a has just sent."""
        self.wire.frames()
        self.lan.send(raw(datagram(self.inner, BEHIND[self.inner], OUTSIDE[self.inner])))
        return self.wire.next(50)

    def told(self, esp, mtu, kind=None):
        """The SA's path MTU after a router has reported that this packet is too big."""
        version = esp[0] >> 4
        self.injector.send(raw(message(version, ROUTER[version], HERE[version],
                                       kind or TOO_BIG[version], esp, mtu)))
        return self.pmtu()

    def pmtu(self):
        return next(sa for sa in Espah.sas(self.a) if sa["dir"] == "out")["pmtu"]


class Hosts(Path):
    """The same in transport mode, between a and b."""

    def __init__(self, version):  # pylint: disable=super-init-not-called
        if Gateway.h is None:
            Gateway.build()
        Peer.__init__(self, "transport", version)

    def sent(self):
        return self.take()


def cut(esp):
    """The minimum that a router may quote (RFC 792): IP header and 8 bytes."""
    return esp[:HEAD[esp[0] >> 4] + 8]


def forged(esp):
    """Quotations of packets that were never sent: {what is wrong: bytes}."""
    head = HEAD[esp[0] >> 4]
    size = 4 if head == 20 else 16
    source, target = (12, 16) if head == 20 else (8, 24)
    spi, seq = struct.unpack("!II", esp[head:head + 8])

    def put(at, data):
        return esp[:at] + data + esp[at + len(data):]
    assert size in (4, 16)
    return {
        "of an unknown SPI": put(head, struct.pack("!I", spi ^ 1)),
        "of the inbound SPI": put(head, struct.pack("!I", 0x1001)),
        "of a number not yet sent": put(head + 4, struct.pack("!I", seq + 1)),
        "of a number far ahead": put(head + 4, struct.pack("!I", (seq + (1 << 31)) & 0xffffffff)),
        "of a number 2^20 ago": put(head + 4, struct.pack("!I", (seq - (1 << 20)) & 0xffffffff)),
        "from another source": put(source + size - 1, bytes([esp[source + size - 1] ^ 8])),
        "to another destination": put(target + size - 1, bytes([esp[target + size - 1] ^ 8])),
        "as AH": put(9 if head == 20 else 6, b"\x33"),
        "as UDP": put(9 if head == 20 else 6, b"\x11"),
        "without the number's last byte": cut(esp)[:-1],
        "without SPI": esp[:head],
    }


@lab.test("path MTU: what is not about a packet sent lately is not believed (RFC 4301 6.1.1)")
def pmtu_forged():
    cases = [("4-in-4", Path(extra_out="seq 2000000")), ("6-in-6", None), ("IPv4 transport", None),
             ("IPv6 transport", None)]
    for name, one in cases:
        version = 6 if "6" in name else 4
        if one is None:
            one = Path(6, 6, extra_out="seq 2000000") if "-in-" in name else Hosts(version)
        esp = one.sent()
        for what, quoted in forged(esp).items():
            if "2^20" in what and "transport" in name:
                what = "of a number before the first"
            with lab.verdict(f"{name}: a quotation {what} changes nothing"):
                lab.equal(one.told(quoted, 1400), 1500, "path MTU")
        for kind in [kind for kind in ERRORS[version] if kind != TOO_BIG[version]][:2]:
            with lab.verdict(f"{name}: ICMP type {kind[0]} code {kind[1]} changes nothing"):
                lab.equal(one.told(esp, 1400, kind), 1500, "path MTU")
        with lab.verdict(f"{name}: the same, unaltered, is believed (or this proved nothing)"):
            lab.equal(one.told(cut(esp), 1400), 1400, "path MTU")
    one = Path(extra_out="seq 2000000")
    head = HEAD[4]
    with lab.verdict("4-in-4: of a number 2^20 - 1 ago is believed"):
        esp = one.sent()
        seq, = struct.unpack("!I", esp[head + 4:head + 8])
        old = esp[:head + 4] + struct.pack("!I", seq - (1 << 20) + 1) + esp[head + 8:]
        lab.equal(one.told(old, 1400), 1400, "path MTU")


@lab.test("path MTU: not below the least, not above the present (RFC 4301 6.1.1, 8.2)")
def pmtu_bounds():
    for name, build in (("4-in-4", Path), ("IPv4 transport", lambda: Hosts(4))):
        one = build()
        for said, want in ((0, 1500), (1500, 1500), (1600, 1500), (65535, 1500), (1499, 1499),
                           (1400, 1400), (1450, 1400), (553, 553), (552, 552)):
            with lab.verdict(f"{name}: {said} makes {want} of what there is"):
                lab.equal(one.told(cut(one.sent()), said), want, "path MTU")
        for said in 551, 68, 1:
            one = build()
            with lab.verdict(f"{name}: of 1500, {said} makes 552"):
                lab.equal(one.told(cut(one.sent()), said), 552, "path MTU")
        one = build()
        with lab.verdict(f"{name}: net.ipv4.route.min_pmtu is heeded"):
            one.a.sysctl("net.ipv4.route.min_pmtu", 1000)
            try:
                lab.equal(one.told(cut(one.sent()), 600), 1000, "path MTU")
            finally:
                one.a.sysctl("net.ipv4.route.min_pmtu", 552)
    for name, build in (("6-in-6", lambda: Path(6, 6)), ("IPv6 transport", lambda: Hosts(6))):
        one = build()
        before = one.pmtu()
        with lab.verdict(f"{name}: 0, 1279 and more than now change nothing; then 1400, 1280"):
            for said, want in ((0, before), (68, before), (1279, before), (before + 1, before),
                               (before - 10, before - 10), (before, before - 10), (1280, 1280),
                               (1279, 1280)):
                lab.equal(one.told(cut(one.sent()), said), want, f"path MTU after {said}")


@lab.test("path MTU: it ages, and what does not fit is told to the sender (RFC 4301 8.2.1, 8.2.2)")
def pmtu_ages():
    one = Path()
    with lab.verdict("4-in-4: 1400 outside lets 1346 bytes in, which h is told"):
        lab.equal(one.told(cut(one.sent()), 1400), 1400, "path MTU")
        big = datagram(4, BEHIND[4], OUTSIDE[4], payload=bytes(1347 - 28))
        big.flags = "DF"
        one.sight.frames()
        one.lan.send(raw(big))
        answer = icmp_of(one.sight.next(1))
        # 1400 less outer header, SPI, number, IV and ICV, in blocks of 4, less the trailer's 2
        fit = (1400 - 20 - 8 - 8 - 16) // 4 * 4 - 2
        lab.equal((answer[:2], struct.unpack("!H", answer[6:8])[0]), (b"\3\4", fit), "answer")
    for name, build, setting in (
            ("4-in-4", Path, "net.ipv4.route.mtu_expires"),
            ("IPv4 transport", lambda: Hosts(4), "net.ipv4.route.mtu_expires"),
            ("6-in-6", lambda: Path(6, 6), "net.ipv6.route.mtu_expires"),
            ("IPv6 transport", lambda: Hosts(6), "net.ipv6.route.mtu_expires")):
        one = build()
        old = one.a.sysctl(setting)
        with lab.verdict(f"{name}: it is believed for as long as {setting} says"):
            one.a.sysctl(setting, 3)
            before = one.pmtu()
            try:
                lab.equal(one.told(cut(one.sent()), 1290), 1290, "path MTU")
                lab.wait_for(lambda one=one, before=before: one.pmtu() == before,
                             f"a path MTU of {before} again")
            finally:
                one.a.sysctl(setting, old)


@lab.test("path MTU: policies against ICMP (RFC 4301 6.1.1)")
def pmtu_policies():
    for lines, words, want in (
            (["default in discard"], "the default discards what comes in", 1400),
            ([f"policy add in any4 {HERE[4]} discard"], "a policy discards all to the gateway", 1400),
            ([f"policy add in any4 {HERE[4]} {{tmpl}}"], "a policy protects all to the gateway",
             1400),
            ([f"policy add in any4 {HERE[4]} proto icmp discard"], "a policy discards ICMP by name",
             1500)):
        one = Path(policies=[both(4, ""), f"policy add in {BEHIND[4]} any bypass", *lines])
        with lab.verdict(f"{words}: one that was not sent changes nothing"):
            lab.equal(one.told(forged(one.sent())["of an unknown SPI"], 1400), 1500, "path MTU")
        with lab.verdict(f"{words}: a path MTU of 1400 makes {want}"):
            lab.equal(one.told(cut(one.sent()), 1400), want, "path MTU")


@lab.test("an ICMP error in clear about an SA's own packet is let in to this host alone")
def about_esp():
    for version in 4, 6:
        for line in ("default in discard", f"policy add in any{version} {BEHIND[version]} {{tmpl}}",
                     f"policy add in {THERE[version]} {HERE[version]} {{tmpl}}"):
            own = f"policy add in {BEHIND[version]} {OUTSIDE[version]} priority 1 bypass"
            one = Path(version, version, policies=[both(version, ""), own, line])
            esp = one.sent()
            packet = message(version, ROUTER[version], BEHIND[version], UNREACHABLE[version],
                             cut(esp) + b"INJECTED" * 20)
            words = " ".join(line.split()[:5])
            with lab.verdict(f"IPv{version}, {words}: to a host behind us it is dropped"):
                found, drops = one.drops(lambda one=one, packet=packet: one.inward(packet, True))
                lab.equal((found, drops), ([], {"icmp_plaintext": 1}), "what h got, and drops")
            with lab.verdict(f"IPv{version}, {words}: to us it is let in"):
                lab.equal(one.told(cut(esp), 1400), 1400, "path MTU")


# --- against XFRM ---------------------------------------------------------------------------------

@lab.test("ICMP errors through SAs to and from XFRM, in its own way of RFC 4301 6.2 (flag icmp)")
def xfrm():
    for version in 4, 6:
        x, y = lab.Netns(f"x{version}", forward=True), lab.Netns(f"y{version}", forward=True)
        lab.link(x, "eth0", y, "eth0")
        bits, nodad = (32, "") if version == 4 else (128, " nodad")
        mine, far, net = (("10.1.0.1", "10.2.0.1", "10.{}.0.0/24") if version == 4 else
                          ("fd01::1", "fd02::1", "fd0{}::/64"))
        ends = HERE[version], THERE[version]
        for ns, own, inside, via, here, there in ((x, ends[0], mine, ends[1], 1, 2),
                                                  (y, ends[1], far, ends[0], 2, 1)):
            ns.ip(f"addr add {own}/{24 if version == 4 else 64} dev eth0{nodad}\n"
                  f"addr add {inside}/{bits} dev lo{nodad}\n"
                  f"route add unreachable {net.format(here)}\n"
                  f"route add {net.format(there)} via {via} src {inside}\n")
        out, back = SA(0x2001, *ends, reqid=7), SA(0x1001, *ends[::-1], reqid=7)
        policy = Policy(net.format(1), net.format(2), ends, 7)
        reverse = Policy(net.format(2), net.format(1), ends[::-1], 7)
        Espah.configure(x, [out], [back], [policy], [reverse])
        y.ip("\n".join([Xfrm.state(back, "out") + " flag icmp", Xfrm.state(out, "in") + " flag icmp"]
                       ).replace("flag af-unspec flag icmp", "flag af-unspec icmp") + "\n")
        y.ip("\n".join(Xfrm.policy(one, way).replace(" tmpl", " flag icmp tmpl")
                       for one, way in ((reverse, "out"), (policy, "in"), (policy, "fwd"))) + "\n")
        level, option = ((socket.IPPROTO_IP, 11) if version == 4 else (socket.IPPROTO_IPV6, 25))
        nobody = {4: ("10.1.0.99", "10.2.0.99"), 6: ("fd01::99", "fd02::99")}[version]
        for name, ns, address, target in (("espah's gateway to an XFRM host", y, far, nobody[0]),
                                          ("XFRM's gateway to an espah host", x, mine, nobody[1])):
            with lab.verdict(f"IPv{version}: unreachable, from {name}"):
                with traffic.udp(ns, address) as sock, \
                        traffic.Wire(x, "eth0", cleartext=True) as wire:
                    sock.setsockopt(level, option, 1)  # IP_RECVERR, IPV6_RECVERR
                    sock.connect((target, 9))
                    sock.send(b"hello")
                    try:
                        sock.recv(100)
                    except TimeoutError:
                        raise lab.Failed(f"no error; drops: {Espah.drops(x)}") from None
                    except OSError:
                        pass
                    lab.equal(wire.frames(), [], "what left in clear")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
