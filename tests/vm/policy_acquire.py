#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Policies without an SA: acquire events, packets that wait, and errors for senders."""
import collections
import dataclasses
import errno
import os
import socket
import struct
import threading
import time

import ipsec
import lab
import netlink
import traffic
from gateway import (EVERYBODY, FAR, Flow, Gateway, ICMP, ICMPV6, LAN, NULL, OUTER, OWN, SITES, TCP,
                     UDP, binary, is_error, lines_of, sa_pair, tunnel)
from ipsec import SA, Espah

LATE = 30  # seconds after which packets with a waiting time of 5 s must have been dropped
A_FLOW, A_SELECTOR = 3, 4


def hear(gateway):
    """A socket that receives acquire events."""
    with gateway.a:
        link = netlink.Link()
    link.join("acquire")
    return link


def asked(link):
    """The selectors of the received acquire events, as {attribute: value}."""
    found = [netlink.parse(attrs[A_SELECTOR]) for cmd, attrs in link.events()
             if cmd == netlink.ACQUIRE]
    for pairs in found:
        lab.equal(len(dict(pairs)), len(pairs), f"attributes, each once, of {pairs}")
    return [dict(pairs) for pairs in found]


# --- populate from packet -----------------------------------------------------------------------

def ports(low, number):
    return {low: netlink.be16(number), low + 1: netlink.be16(number)}


def pair(attribute, number):
    return {attribute: bytes([number, number])}


def fields_of(flow):
    """The attributes of each field, with the values of the packet."""
    bits = netlink.u8(128 if ":" in flow.src else 32)
    types = flow.proto in (ICMP, ICMPV6)
    return {"src": {netlink.S_SRC: binary(flow.src), netlink.S_SRC_LEN: bits},
            "dst": {netlink.S_DST: binary(flow.dst), netlink.S_DST_LEN: bits},
            "proto": {netlink.S_PROTO: netlink.u8(flow.proto)},
            "sport": pair(netlink.S_ICMP_TYPES, flow.kind) if types else
            ports(netlink.S_SPORT_MIN, flow.sport),
            "dport": pair(netlink.S_ICMP_CODES, 0) if types else
            ports(netlink.S_DPORT_MIN, flow.dport)}


def given(v, proto):
    """The same, with the values of the policy."""
    near, far = (part.split("/") for part in SITES[v].split())
    return {"src": {netlink.S_SRC: binary(near[0]), netlink.S_SRC_LEN: netlink.u8(int(near[1]))},
            "dst": {netlink.S_DST: binary(far[0]), netlink.S_DST_LEN: netlink.u8(int(far[1]))},
            "proto": {netlink.S_PROTO: netlink.u8(proto)} if proto else {}, "sport": {}, "dport": {}}


@lab.test("an acquire event tells what the SA is to be for: the policy's values, and the packet's "
          "where its flags say so (RFC 4301 4.4.1.2)")
def asked_for():
    fields = ("src", "dst", "proto", "sport", "dport")
    for v in (4, 6):
        icmp = ICMP if v == 4 else ICMPV6
        for proto, pfp, words in ((0, (), ""), (UDP, ("src",), ""), (UDP, ("dst",), ""),
                                  (UDP, ("sport",), ""), (TCP, ("dport",), ""), (0, ("proto",), ""),
                                  (0, fields, ""), (icmp, ("sport", "dst"), "type,dst"),
                                  (icmp, ("dport",), "code"), (UDP, ("src", "dst"), "")):
            words = f"pfp {words or ','.join(pfp)}" if pfp else ""
            gateway = Gateway.get([
                f"policy add out {SITES[v]} proto {proto} {tunnel(v)} {words}"])
            link = hear(gateway)
            flow = Flow(LAN[v], FAR[v], proto or UDP, 7123, 7456, kind=128)
            lab.equal(gateway.fate("out", flow), "drop no_sa", "without an SA")
            want = {}
            for field, attributes in given(v, proto).items():
                want |= fields_of(flow)[field] if field in pfp else attributes
            lab.equal(asked(link), [want], f"IPv{v}, protocol {proto}, {words}")


@lab.test("lists, a mark and a device stay as the policy has them; a fragment's ports are opaque")
def asked_for_lists():
    gateway = Gateway.get(["policy add out 10.1.0.1-10.1.0.6 10.2.0.0/24,10.2.2.0/24 udp dport "
                           f"7000-7009,7100 mark 0/1 dev wan {tunnel()} pfp src,dport"])
    link = hear(gateway)
    lab.equal(gateway.fate("out", Flow(LAN[4], FAR[4], UDP, 1, 7001)), "drop no_sa", "fate")
    got, = asked(link)
    lab.equal(got[netlink.S_DST_RANGES], binary("10.2.0.0") + binary("10.2.0.255") +
              binary("10.2.2.0") + binary("10.2.2.255"), "destinations")
    lab.equal({key: got.get(key) for key in (netlink.S_SRC, netlink.S_DPORT_MIN,
                                             netlink.S_DPORT_RANGES, netlink.S_SRC_RANGES)},
              {netlink.S_SRC: binary(LAN[4]), netlink.S_DPORT_MIN: netlink.be16(7001),
               netlink.S_DPORT_RANGES: None, netlink.S_SRC_RANGES: None}, "from the packet")
    lab.equal((got[netlink.S_MARK], got[netlink.S_MARK_MASK]), (netlink.u32(0), netlink.u32(1)),
              "mark")
    lab.equal(got.get(netlink.S_IFNAME), netlink.name("wan"), "device")
    gateway = Gateway.get([f"policy add out {SITES[4]} udp {tunnel()} pfp sport,dport"])
    link = hear(gateway)
    packet, _ = Flow(OWN[4], FAR[4], UDP).packet()
    gateway.send_out(Flow(OWN[4], FAR[4]), fragment(packet))
    got, = lab.wait_for(lambda: asked(link), "the event")
    lab.true(netlink.S_OPAQUE in got and netlink.S_SPORT_MIN not in got, f"a fragment: {got}")


def fragment(packet):
    """The same as a fragment at offset 64 of some packet."""
    head = bytearray(packet[:20])
    head[6:8], head[10:12] = b"\0\x08", b"\0\0"
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    head[10:12] = struct.pack("!H", ~(total + (total >> 16)) & 0xffff)
    return bytes(head) + packet[20:]


@lab.test("with populate from packet each flow gets a policy and an SA of its own, and no other "
          "flow travels by it")
def narrower():
    for v in (4, 6):
        out, into = sa_pair(0x4000, v, reqid=1)
        own_out, own_in = sa_pair(0x4100, v, reqid=2)
        gateway = Gateway.get([*lines_of(out, into), f"policy add both {SITES[v]} udp "
                               f"{tunnel(v)} pfp dst,dport"])
        policies = {policy["dir"]: policy for policy in Espah.json(gateway.a, "policy", "list")}
        lab.equal((policies["out"]["pfp"], policies["in"]["pfp"]),
                  (["dst", "dport"], ["src", "sport"]), "flags of both")
        flow = Flow(LAN[v], FAR[v], UDP, 7000, 443)
        others = [dataclasses.replace(flow, dport=444),
                  dataclasses.replace(flow, dst=FAR[v].replace("9", "8"))]
        link = hear(gateway)
        # the policy itself uses no SA, although one with its reqid exists
        for each in (flow, *others):
            lab.equal(gateway.fate("out", each), "drop no_sa", each.words())
        lab.equal(gateway.fate("in", flow.reverse(), (into, 1)), "drop policy", "inward")
        wanted = sorted(fields_of(each)["dst"][netlink.S_DST] +
                        fields_of(each)["dport"][netlink.S_DPORT_MIN] for each in (flow, *others))
        lab.equal(sorted(selector[netlink.S_DST] + selector[netlink.S_DPORT_MIN]
                         for selector in asked(link)), wanted, "each flow asks")
        near = SITES[v].split()[0]
        Espah.batch(gateway.a, lines_of(own_out, own_in) + [
            f"policy add both {near} {flow.dst} udp dport {flow.dport} priority 10 "
            f"{tunnel(v, 2)}"])
        gateway.agree(("out", flow, "esp 0x4100"), ("out", dataclasses.replace(flow, sport=7),
                                                    "esp 0x4100"),
                      *(("out", other, "drop no_sa") for other in others))
        lab.equal(gateway.fate("in", flow.reverse(), (own_in, 1)), "clear", "the answer")
        lab.equal(gateway.fate("in", others[0].reverse(), (own_in, 2)), "drop policy",
                  "another flow by its SA")


def destinations(link):
    """The destinations of the flows of the received acquire events."""
    return [dict(netlink.parse(attrs[A_FLOW]))[netlink.S_DST] for cmd, attrs in link.events()
            if cmd == netlink.ACQUIRE]


@lab.test("a policy that may ask for many SAs asks for each of them at once, and once a second for "
          "each; a policy that asks for one asks once")
def rates():
    for v in (4, 6):
        far = SITES[v].split()[1]
        many = [("10.2.1.", "fd02::1:")[v == 6] + str(number) for number in range(1, 61)]
        for source, words in ((LAN[v], f"{SITES[v]} udp {tunnel(v)} pfp dst"),
                              (OWN[v], f"any {far} udp protect transport reqid 1"),
                              (LAN[v], f"{SITES[v]} udp {tunnel(v)}")):
            gateway = Gateway.get([f"policy add out {words}"])
            link, before, start = hear(gateway), gateway.drops(), time.monotonic()
            for destination in many * 3:
                flow = Flow(source, destination)
                gateway.send_out(flow, flow.packet()[0])
            lab.wait_for(lambda: gateway.dropped_since(before) == {"no_sa": 3 * len(many)}, "drops")
            most = 1 + int(time.monotonic() - start)
            got = collections.Counter(destinations(link))
            if "pfp" in words or "transport" in words:
                lab.equal(set(got), {binary(each) for each in many}, f"who was asked for: {words}")
                lab.true(max(got.values()) <= most, f"{words}: {got}, at most {most} of each")
            else:
                lab.true(1 <= sum(got.values()) <= most, f"{words}: {got}, at most {most}")


# --- packets that wait ------------------------------------------------------------------------

def numbered(gateway, how, numbers):
    """Sends a packet with each number from h; number_of() reads the number."""
    for number in numbers:
        packet, _ = dataclasses.replace(how, body=struct.pack("!QQ", 0x4e756d626572, number)).packet()
        gateway.inside.send(packet)


def number_of(packet):
    at = packet.find(struct.pack("!Q", 0x4e756d626572))
    return struct.unpack("!Q", packet[at + 8:at + 16])[0] if at >= 0 else None


def came(gateway, found):
    """Adds (how, number, ESP sequence number) of the packets sent to a list."""
    for how, packet in gateway.seen():
        if number_of(packet) is not None:
            start = 20 if packet[0] >> 4 == 4 else 40
            found.append((how, number_of(packet), struct.unpack("!I", packet[start + 4:start + 8])[0]))
    return found


@lab.test("as many packets as the policy says wait for the SA, and leave in their order; more are "
          "dropped; nothing leaves in clear")
def waiting():
    for inner, outer in ((4, 4), (6, 6), (4, 6)):
        out, into = sa_pair(0x5000, outer)
        gateway = Gateway.get([f"policy add both {SITES[inner]} {tunnel(outer)} queue 5"])
        lab.equal([policy.get("queue") for policy in Espah.json(gateway.a, "policy", "list")],
                  [5, None], "queues of both")
        link, before, flow = hear(gateway), gateway.drops(), Flow(LAN[inner], FAR[inner])
        answer, = gateway.explain(("out", flow))
        lab.equal(answer["drop"], "acquire_late", "what explain foretells, if no SA comes")
        gateway.seen()
        numbered(gateway, flow, range(8))
        lab.wait_for(lambda: gateway.dropped_since(before) == {"acquire_full": 3}, "three drops")
        lab.equal(came(gateway, []), [], "what left before the SA was there")
        lab.equal(len(asked(link)), 1, "acquire events")
        Espah.batch(gateway.a, lines_of(out, into))
        found = []
        lab.wait_for(lambda: len(came(gateway, found)) >= 5, "five packets")
        numbered(gateway, flow, [8])
        lab.wait_for(lambda: len(came(gateway, found)) >= 6, "the next")
        lab.equal(found, [("esp 0x5000", number, place) for place, number in
                          enumerate([0, 1, 2, 3, 4, 8], 1)], "what left")
        lab.equal(gateway.dropped_since(before), {"acquire_full": 3}, "drops")
        policy = Espah.json(gateway.a, "policy", "list", "out")[0]
        lab.equal(policy["packets"], 6, "packets of the policy")


@lab.test("what waits in vain is dropped after five seconds, and its sender told if the policy "
          "says so (RFC 4301 5.1.1)")
def in_vain():
    for v in (4, 6):
        for word in ("", "unreach"):
            gateway = Gateway.get([f"policy add out {SITES[v]} {tunnel(v)} queue 4 {word}"])
            gateway.lan.packets()
            before, start = gateway.drops(), time.monotonic()
            numbered(gateway, Flow(LAN[v], FAR[v]), range(3))
            lab.wait_for(lambda: gateway.dropped_since(before) == {"acquire_late": 3},
                         f"three drops, got {gateway.dropped_since(before)}", LATE)
            lab.true(time.monotonic() - start > 2, "dropped at once")
            told = [code_of(packet) for packet in gateway.lan.packets() if is_error(packet)]
            lab.equal(told, [HOST[v]] * 3 if word else [], f"what h was told, IPv{v} {word}")
            lab.equal(came(gateway, []), [], "what left")
            # and later packets are held again, with a new waiting time
            out, into = sa_pair(0x5100, v)
            numbered(gateway, Flow(LAN[v], FAR[v]), [7])
            time.sleep(0.5)
            Espah.batch(gateway.a, lines_of(out, into))
            found = []
            lab.wait_for(lambda: came(gateway, found), "the packet that was held")
            lab.equal(found, [("esp 0x5100", 7, 1)], "what left then")


@lab.test("with the policy goes what waits for its SA: deleted, replaced, flushed")
def policy_goes():
    for words in ("policy del out {sites}", "policy flush out", "flush",
                  "policy replace out {sites} discard",
                  "policy replace out {sites} {tunnel} queue 9"):
        words = words.format(sites=SITES[4], tunnel=tunnel())
        gateway = Gateway.get([f"policy add out {SITES[4]} {tunnel()} queue 9"])
        before = gateway.drops()
        numbered(gateway, Flow(LAN[4], FAR[4]), range(4))
        time.sleep(0.5)  # no event shows that they wait
        Espah.batch(gateway.a, [words])
        lab.wait_for(lambda: gateway.dropped_since(before) == {"acquire_late": 4}, words)
        out, into = sa_pair(0x5200)
        Espah.batch(gateway.a, lines_of(out, into))
        time.sleep(0.3)
        lab.equal(came(gateway, []), [], f"what left after {words}")


@lab.test("a bundle's packets wait for the last of its SAs; a transport policy without addresses "
          "for that of each pair of hosts")
def bundles():
    v = 4
    near, far = OUTER[v]
    esp = SA(0x5300, near, far, "transport", NULL, reqid=1)
    ah = SA(0x5301, near, far, "transport", ipsec.AH["sha256"], reqid=2)
    gateway = Gateway.get([f"policy add out {near} 192.0.2.0/24 protect esp transport reqid 1 ah "
                           "transport reqid 2 queue 3"])
    gateway.a.ip("neigh replace 192.0.2.3 lladdr 02:00:00:00:00:03 dev wan\n")
    before = gateway.drops()
    gateway.seen()
    for dst in (far, "192.0.2.3"):
        packet, mark = Flow(near, dst).packet()
        gateway.send_out(Flow(near, dst), packet)
    time.sleep(0.3)
    Espah.batch(gateway.a, [Espah.sa_line("out", esp)])
    time.sleep(0.5)
    lab.equal((gateway.seen(), gateway.dropped_since(before)), ([], {}), "with one of two SAs")
    Espah.batch(gateway.a, [Espah.sa_line("out", ah)])
    packets = []
    lab.wait_for(lambda: packets.extend(gateway.wan.packets()) or packets, "the packet")
    lab.equal([(packet[9], packet[20], packet[16:20]) for packet in packets],
              [(51, 50, binary(far))], "AH, and ESP within, to the host that has SAs")
    lab.wait_for(lambda: gateway.dropped_since(before) == {"acquire_late": 1}, "the other", LATE)


@lab.test("a packet that waits outlives its socket and the device by which it was to leave")
def outlives():
    out, into = sa_pair(0x5400)
    gateway = Gateway.get([f"policy add out any4 10.9.0.0/16 {tunnel()} queue 8"])
    a = gateway.a
    with a:
        link = netlink.Link()
    link.join("drop")  # drop events read the device of the packet

    def wait_by_device(first):
        a.ip("link add x0 type dummy\nlink set x0 up\naddr add 10.8.0.1/24 dev x0\n"
             "route add 10.9.0.0/16 dev x0\nneigh add 10.9.0.1 lladdr 02:00:00:00:00:09 dev x0\n")
        sock = traffic.udp(a, "10.1.0.1", 7700)
        sock.sendto(struct.pack("!QQ", 0x4e756d626572, first), ("10.9.0.1", 7000))
        sock.close()
        numbered(gateway, Flow(LAN[4], "10.9.0.1"), [first + 1])
        time.sleep(0.3)
        a.ip("link del x0\n")
        time.sleep(0.5)
    before = gateway.drops()
    wait_by_device(1)
    Espah.batch(a, lines_of(out, into))
    found = []
    lab.wait_for(lambda: len(came(gateway, found)) >= 2, "two packets")
    lab.equal(found, [("esp 0x5400", 1, 1), ("esp 0x5400", 2, 2)], "what left")
    Espah.batch(a, ["sa flush"])
    wait_by_device(3)
    Espah.batch(a, ["policy flush"])
    lab.equal(gateway.dropped_since(before), {"acquire_late": 2}, "drops")
    lab.equal(came(gateway, []), [], "what left then")


@lab.test("a namespace that ends frees what waits in it, and lets go of the module")
def namespace_ends():
    Gateway.get()
    counted = "/sys/module/espah/refcnt"
    for round_ in range(3):
        ns = lab.Netns(f"w{round_}")
        ns.ip("link add x0 type dummy\nlink set x0 up\naddr add 10.8.0.1/24 dev x0\n"
              "neigh add 10.8.0.9 lladdr 02:00:00:00:00:09 dev x0\n")
        with ns:
            Espah.batch(ns, [f"policy add out any4 any {tunnel()} queue 64"])
        sock = traffic.udp(ns, "10.8.0.1", 7700)
        for number in range(9):
            sock.sendto(bytes(1000 + number), ("10.8.0.9", 7000))
        sock.close()
        lab.true(int(open(counted, encoding="ascii").read()) > 0, "the module is not held")
        ns.delete()
    lab.wait_for(lambda: int(open(counted, encoding="ascii").read()) == 0, "the module's release",
                 LATE)


@lab.test("while an SA comes and goes under load, packets leave in order and all are counted")
def in_order():
    out, into = sa_pair(0x5500)
    gateway = Gateway.get([f"policy add out 10.1.0.1 10.2.0.0/16 {tunnel()} queue 64"])
    sock = traffic.udp(gateway.a, OWN[4], 7700)
    before, stop, sent = gateway.drops(), threading.Event(), [0]

    def load():
        while not stop.is_set():
            sock.sendto(struct.pack("!QQ", 0x4e756d626572, sent[0]), (FAR[4], 7000))
            sent[0] += 1
    gateway.seen()
    thread = threading.Thread(target=load)
    thread.start()
    found = []
    for spi in range(0x5500, 0x5500 + 30):
        time.sleep(0.02)
        Espah.batch(gateway.a, [Espah.sa_line("out", dataclasses.replace(out, spi=spi))])
        time.sleep(0.03)
        came(gateway, found)
        Espah.batch(gateway.a, ["sa flush out"])
        came(gateway, found)
    stop.set()
    thread.join()
    lab.wait_for(lambda: came(gateway, found) and False or
                 len(found) + sum(gateway.dropped_since(before).values()) == sent[0],
                 f"{sent[0]} packets sent, {len(found)} seen, {gateway.dropped_since(before)}", LATE)
    drops = gateway.dropped_since(before)
    lab.true(set(drops) <= {"acquire_full", "acquire_late"}, f"drops {drops}")
    numbers = [number for _, number, _ in found]
    wrong = [pair for pair in zip(numbers, numbers[1:]) if pair[0] >= pair[1]]
    lab.true(not wrong, f"{len(wrong)} of {len(numbers)} out of order: {wrong[:3]}")
    lab.true({how for how, *_ in found} <= {f"esp {spi:#x}" for spi in range(0x5500, 0x551e)},
             "something left in clear")
    lab.true(len(found) > 100, f"only {len(found)} packets left")


# --- errors for senders -------------------------------------------------------------------------

PROHIBITED = {4: (3, 13), 6: (1, 1)}
HOST = {4: (3, 1), 6: (1, 3)}


def code_of(packet):
    start = 20 if packet[0] >> 4 == 4 else 40
    return packet[start], packet[start + 1]


@lab.test("ICMP about discarded packets: only where the policy says so, outbound, and with a bound "
          "(RFC 4301 5.1.1)")
def unreach():
    for v in (4, 6):
        gateway = Gateway.get([f"policy add both {EVERYBODY[v]} udp dport 1 discard unreach",
                               f"policy add both {EVERYBODY[v]} udp dport 2 discard",
                               f"policy add out {EVERYBODY[v]} udp dport 3 {tunnel(v)} unreach",
                               f"policy add out {EVERYBODY[v]} udp dport 4 {tunnel(v)}",
                               f"policy add in {EVERYBODY[v]} udp dport 5 discard"])
        lab.equal([policy.get("unreach") for policy in Espah.json(gateway.a, "policy", "list")],
                  [True, None, None, None, True, None, None], "flags")
        for port, drop, want in ((1, "discard_out", [PROHIBITED[v]]), (2, "discard_out", []),
                                 (3, "no_sa", [HOST[v]]), (4, "no_sa", []),
                                 (5, "discard_in", [])):
            gateway.lan.packets()
            flow = Flow(LAN[v], FAR[v], dport=port)
            packet, mark = flow.packet()
            before = gateway.drops()
            gateway.inside.send(packet)
            lab.wait_for(lambda: gateway.dropped_since(before) == {drop: 1}, f"the drop, port {port}")
            answers = [packet for packet in gateway.lan.packets() if is_error(packet)]
            lab.equal([code_of(packet) for packet in answers], want, f"answers, port {port}, IPv{v}")
            for answer in answers:
                lab.true(mark in answer and binary(LAN[v]) in answer[12:40], "to its sender")
        # a local socket gets the error at once
        with gateway.a:
            sock = socket.socket(traffic.family_of(OWN[v]), socket.SOCK_DGRAM)
        sock.bind((OWN[v], 7700))
        sock.connect((FAR[v], 1))
        sock.send(b"x")
        told = []

        def error():
            told.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            return told[-1]
        lab.wait_for(error, "an error of the socket")
        lab.true(told[-1] in (errno.EHOSTUNREACH, errno.EACCES), f"error {os.strerror(told[-1])}")
        sock.close()


@lab.test("ICMP about discarded packets heeds the IP layer's limits")
def unreach_limits():
    for v, name in ((4, "net.ipv4.icmp_ratelimit"), (6, "net.ipv6.icmp.ratelimit")):
        gateway = Gateway.get([f"policy add out {EVERYBODY[v]} udp discard unreach"])
        gateway.a.sysctl(name, 60000)
        try:
            gateway.lan.packets()
            before = gateway.drops()
            numbered(gateway, Flow(LAN[v], FAR[v]), range(50))
            lab.wait_for(lambda: gateway.dropped_since(before) == {"discard_out": 50}, "50 drops")
            answers = [packet for packet in gateway.lan.packets() if is_error(packet)]
            lab.true(len(answers) < 12, f"{len(answers)} answers to 50 packets, IPv{v}")
        finally:
            gateway.a.sysctl(name, 0)


if __name__ == "__main__":
    lab.main()
