#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The SPD: the action of a policy, the prediction of `espah explain', and the fate of a packet."""
import contextlib
import dataclasses
import ipaddress
import itertools
import random
import struct
import threading
import time

import ipsec
import lab
import traffic
from gateway import (AH, ESP, EVERYBODY, FAR, Flow, Gateway, ICMP, ICMPV6, LAN, NULL, OUTER,
                     OWN, PORTS, SCTP, SITES, TCP, UDP, foretold, header, lines_of,
                     protected, sa_pair, tunnel)
from ipsec import ALGORITHMS, CLI, Espah, SA


# --- the tests -------------------------------------------------------------------------------

@lab.test("without policies all is clear, and explain says so")
def nothing():
    gateway = Gateway.get()
    flows = [Flow(LAN[v], FAR[v]) for v in (4, 6)] + [Flow(OWN[v], FAR[v]) for v in (4, 6)]
    gateway.agree(*(("out", flow, "clear") for flow in flows),
                  *(("in", flow.reverse(), "clear") for flow in flows))
    for answer in gateway.explain(("out", flows[0]), ("in", flows[1].reverse())):
        lab.equal((answer["action"], answer["policy"], answer["sa"]), ("bypass", None, None),
                  "explain")


@lab.test("the lowest priority number counts, then the older policy, whatever is more specific")
def priorities():
    for v, wide, mid, host in ((4, "10.2.0.0/16", "10.2.0.0/24", FAR[4]),
                               (6, "fd02::/16", "fd02::/112", FAR[6])):
        flow, other = Flow(LAN[v], FAR[v]), Flow(LAN[v], FAR[v], TCP)
        where = "any6" if v == 6 else "any4"
        gateway = Gateway.get([
            f"policy add out {where} {host} priority 30 bypass",
            f"policy add out {where} {wide} priority 20 discard",
            f"policy add out {where} {mid} priority 20 bypass",
            f"policy add out {where} {host} proto udp priority 20 bypass"])
        lab.equal([policy["priority"] for policy in Espah.json(gateway.a, "policy", "list")],
                  [30, 20, 20, 20], "priorities in the order of insertion")
        gateway.agree(("out", flow, "drop discard_out"), ("out", other, "drop discard_out"))
        Espah.batch(gateway.a, [f"policy del out {where} {wide} priority 20"])
        gateway.agree(("out", flow, "clear"))
        Espah.batch(gateway.a, [f"policy add out {where} {wide} priority 20 discard"])
        gateway.agree(("out", flow, "clear"))  # this policy is the newest now
        Espah.batch(gateway.a, [f"policy add out {where} {wide} priority 19 discard"])
        gateway.agree(("out", flow, "drop discard_out"))
        Espah.batch(gateway.a, [f"policy replace out {where} {wide} priority 19 bypass",
                                f"policy add out {where} {host} proto udp priority 0 discard"])
        gateway.agree(("out", flow, "drop discard_out"), ("out", other, "clear"))


@lab.test("prefixes hold both of their ends and nothing beside them, of both families")
def prefixes():
    nets = [ipaddress.ip_network(prefix) for prefix in (
        "10.2.0.128/25", "10.2.4.0/22", "10.2.0.77/32", "10.2.0.74/31", "172.16.0.0/12",
        "fd02:0:0:8000::/49", "fd02::1:0/112", "fd02::77/128", "fd02:1:8000::/33", "fd02:4::/63")]
    gateway = Gateway.get([*(f"policy add out any {net} discard" for net in nets),
                           "policy add out 10.1.7.0/24 any discard",
                           "policy add out fd01:7::/32 any discard"])
    cases = []
    for net in nets:
        for address, want in ((net[0], "drop discard_out"), (net[-1], "drop discard_out"),
                              (net[0] - 1, "clear"), (net[-1] + 1, "clear")):
            cases.append(("out", Flow(LAN[net.version], str(address)), want))
    for src, want in (("10.1.7.0", "drop discard_out"), ("10.1.7.255", "drop discard_out"),
                      ("10.1.8.0", "clear"), ("fd01:7::1", "drop discard_out"),
                      ("fd01:8::1", "clear")):
        cases.append(("out", Flow(src, FAR[6 if ":" in src else 4]), want))
    gateway.agree(*cases)


@lab.test("explain names the policies that come first and do not match, the nearest first")
def passed_over():
    """Policies of one host and port each, in which some fields differ from the flow."""
    for v in (4, 6):
        rng = random.Random(v)
        flow = Flow(LAN[v], FAR[v], TCP, 1000, 443)
        other = {4: "198.51.100.7", 6: "2001:db8:77::7"}[v]
        fields = ("src", "dst", "proto", "sport", "dport", "mark", "dev")
        lines, want = [f"policy add in {EVERYBODY[v]} priority 1 discard"], []
        for number in range(40):
            # the last one has the matching policy's priority but is newer, the one before has a worse priority
            priority = {38: 31, 39: 30}.get(number, rng.choice((10, 20, 30)))
            why = [field for field in fields if rng.random() < 0.3] or ["dport"]
            if number == 20:
                why, priority = [], 30  # this policy matches
            proto = "udp" if "proto" in why else "tcp"
            lines.append(
                f"policy add out {other if 'src' in why else flow.src} "
                f"{other if 'dst' in why else flow.dst} {proto} "
                f"sport {9 if 'sport' in why else 1000} dport {9 if 'dport' in why else 443} "
                f"mark {number + 1 if 'mark' in why else 0}/{number + 1} "  # all selectors differ
                + "dev lan " * ("dev" in why) + f"priority {priority} "
                + ("discard" if number != 20 else "bypass"))
            if number != 20 and (priority, number) < (30, 20):
                want.append((len(why), priority, number, why))
        gateway = Gateway.get(lines)
        first = Espah.json(gateway.a, "policy", "list", "out")[0]["id"]
        answer, = gateway.explain(("out", dataclasses.replace(flow, told="dev wan")))
        lab.equal(answer["policy"]["id"], first + 20, "the policy that matches")
        lab.equal(answer["passed_count"], len(want), "how many come first")
        lab.equal([(policy["id"] - first, policy["priority"], policy["why"])
                   for policy in answer["passed"]],
                  [(number, priority, why) for _, priority, number, why in sorted(want)[:8]],
                  "those that are named")
        text = gateway.a.run(ipsec.CLI, "explain", *dataclasses.replace(
            flow, told="dev wan").words().split()).stdout
        lab.true(f"not listed: {len(want) - 8}." in text and "asked earlier, but it wants" in text, text)
    gateway = Gateway.get(["policy add out 10.7.0.0/16,10.8.0.0/16 any tcp dport 1-9,80 discard",
                           "policy add out any4 any icmp type 3 discard",
                           "policy add out any4 any tcp opaque discard"])
    answer, = gateway.explain(("out", Flow("10.8.1.1", FAR[4], TCP, 1, 79)))
    lab.equal([policy["why"] for policy in answer["passed"]],
              [["dport"], ["opaque"], ["proto", "sport"]], "of lists the nearest")
    lab.equal(answer["policy"], None, "the policy that matches")


def said(gateway, direction, flow):
    """What explain says of a flow, in text."""
    return gateway.a.run(CLI, "explain", direction, *flow.words().split()).stdout


@lab.test("of policies that are asked earlier, explain says what they want and what the packet has")
def wanted():
    for v, icmp in ((4, ICMP), (6, ICMPV6)):
        gateway = Gateway.get([f"policy add out {EVERYBODY[v]} tcp sport 5432 priority 10 discard",
                               f"policy add out {EVERYBODY[v]} {'icmp' if v == 4 else 'icmpv6'} type 3,4 "
                               "priority 11 discard",
                               f"policy add out any {FAR[v]} udp dport 7-9 mark 0x2/0xf priority 12 discard"])
        flow = Flow(LAN[v], FAR[v], TCP, 5433, 443)
        text = said(gateway, "out", flow)
        lab.true("it wants source port 5432, the packet has 5433." in text, text)
        lab.true("it wants protocol udp, the packet has tcp; it wants mark 0x2/0xf, the packet has 0x0." in text,
                 text)
        lab.true(" type" not in text and "comes first" not in text, text)
        text = gateway.a.run(CLI, "explain", LAN[v], FAR[v], "tcp", "443").stdout
        lab.true("it wants source port 5432, the packet has any." in text, text)
        gateway.agree(("out", flow, "clear"),
                      ("out", dataclasses.replace(flow, sport=5432), "drop discard_out"))
        echo = Flow(LAN[v], "10.3.0.9" if v == 4 else "fd03::9", icmp, kind=8 if v == 4 else 128)
        text = said(gateway, "out", dataclasses.replace(echo, told=f"type {echo.kind}"))
        lab.true(f"it wants type 3-4, the packet has {echo.kind}." in text, text)
        lab.true(f"it wants destination {FAR[v]}, the packet has {echo.dst}; it wants protocol udp" in text, text)
        lab.true("port" not in text.split("asked earlier", 1)[1], text)
        lab.equal(gateway.fate("out", echo), "clear", "a type that no policy wants")
        lab.equal(gateway.fate("out", dataclasses.replace(echo, kind=3)), "drop discard_out", "type 3")


NAT = """table inet nat {{
chain post {{
type nat hook postrouting priority srcnat
{}
oifname wan masquerade
}}
chain pre {{
type nat hook prerouting priority dstnat
iifname wan meta nfproto ipv4 udp dport 8000 dnat ip to 10.1.0.2
iifname wan meta nfproto ipv6 udp dport 8000 dnat ip6 to fd01::2
}}
}}
"""


@contextlib.contextmanager
def translation(gateway, rule=""):
    """NAT at the gateway: @rule, then masquerading; forwarded packets to port 8000 go to h."""
    with gateway.a:
        lab.run("nft", "-f", "-", stdin=NAT.format(rule))
    gateway.a.sysctl("net.netfilter.nf_conntrack_checksum", 0)  # Flow.packet() has none that is right
    try:
        yield
    finally:
        with gateway.a:
            lab.run("nft", "delete", "table", "inet", "nat")


@lab.test("explain knows of source NAT ahead of the policy, and which source a connection gets")
def source_nat():
    out, into = sa_pair(0x5000)
    for v in (4, 6):
        gateway = Gateway.get([*lines_of(out, into), f"policy add out {SITES[v]} {tunnel()}"])
        flow = Flow(LAN[v], FAR[v], UDP, 7100 + v, 7200)
        answer, = gateway.explain(("out", flow))
        lab.equal([key for key in ("nat", "tracked") if key in answer], [], "without NAT")
        lab.true("may change the source" not in said(gateway, "out", flow), "without NAT")
        lab.equal(gateway.fate("out", flow), "esp 0x5000", "without NAT")
        flow = dataclasses.replace(flow, dport=7201)
        with translation(gateway):
            answer, = gateway.explain(("out", flow))
            lab.equal((answer["nat"], "tracked" in answer), (True, False), "before the first packet")
            text = said(gateway, "out", flow)
            lab.true("may change the source and the destination before the policy sees them, so ask again" in text, text)
            made = dataclasses.replace(flow, src=OUTER[v][0])  # what the sentence tells to ask
            lab.equal(list(gateway.foretell(("out", made))), ["clear"], "asked with the address of the rule")
            lab.equal(gateway.fate("out", flow), "clear", "a masqueraded packet")
            answer, = gateway.explain(("out", flow))
            lab.equal((answer["tracked"]["src"], answer["tracked"]["dst"], answer["tracked"]["dport"]),
                      (OUTER[v][0], FAR[v], answer["dport"]), "what conntrack makes of it")
            lab.equal(foretold(answer), "clear", "explain after the first packet")
            text = said(gateway, "out", flow)
            lab.true(f"translates this flow: the policies see {OUTER[v][0]} -> {FAR[v]} udp sport" in text
                     and f"the packet has {OUTER[v][0]}" in text and "ask again" not in text, text)
            lab.equal(gateway.fate("out", flow), "clear", "another packet")
            text = gateway.a.run(CLI, "explain", LAN[v], FAR[v], "udp", "7201").stdout
            lab.true("ask again" in text, f"one port does not name a connection: {text}")
        flow = dataclasses.replace(flow, dport=7202)
        with translation(gateway, f"ip{'6' * (v == 6)} daddr {FAR[v]} accept"):
            lab.equal(gateway.fate("out", flow), "esp 0x5000", "an exempt packet")
            answer, = gateway.explain(("out", flow))
            lab.equal((answer["tracked"]["src"], foretold(answer)), (LAN[v], "esp 0x5000"), "an exempt flow")
            text = said(gateway, "out", flow)
            lab.true("without address translation" in text and "ask again" not in text, text)


@lab.test("explain in speaks of destination NAT only where there is some, and it comes after the policy")
def destination_nat():
    for v in (4, 6):
        gateway = Gateway.get([f"policy add in any {LAN[v]} udp dport 8000 discard"])
        flow = Flow(FAR[v], OWN[v], UDP, 7300, 8000)
        lab.true("destination NAT" not in said(gateway, "in", flow), "without NAT")
        with translation(gateway):
            text = said(gateway, "in", flow)
            lab.true("before destination NAT" in text, text)
            # the policy of the address behind does not count, that of the address asked for does
            gateway.agree(("in", flow, "clear"))
            Espah.batch(gateway.a, [f"policy add in any {OWN[v]} udp dport 8000 discard"])
            gateway.agree(("in", dataclasses.replace(flow, sport=7301), "drop discard_in"))


@lab.test("explain in says that rules at INPUT see the ESP packet first, where there are some")
def input_rules():
    for v in (4, 6):
        source, destination = OUTER[v]
        gateway = Gateway.get([f"policy add in {FAR[v]} {LAN[v]} protect tunnel {destination} {source} reqid 1",
                               Espah.sa_line("in", SA(0x5100, destination, source, algorithm=NULL, reqid=1))])
        flow = Flow(FAR[v], LAN[v], UDP, 7400, 7401)
        words = f"have to accept ESP from {destination} to {source}."
        lab.true("INPUT:" not in said(gateway, "in", flow), "without rules")
        with gateway.a:
            for family in ("inet", f"ip{'6' * (v == 6)}"):
                lab.run("nft", "-f", "-", stdin=f"table {family} input {{ chain in {{ type filter hook input "
                        f"priority -7; ip{'6' * (v == 6)} {'nexthdr' if v == 6 else 'protocol'} esp drop; }}; }}\n")
                text = said(gateway, "in", flow)
                lab.true(words in text, text)
                answer, = gateway.explain(("in", flow))
                lab.equal(answer["input_rules"], True, "JSON")
                gateway.a.run(CLI, "config", "direct", "on")
                lab.true(words not in said(gateway, "in", flow), "with 'direct', rules do not see it")
                gateway.a.run(CLI, "config", "direct", "off")
                lab.run("nft", "delete", "table", family, "input")
            # a chain elsewhere, or of the other family, says nothing
            lab.run("nft", "-f", "-", stdin=f"table ip{'6' * (v == 4)} input {{ chain in {{ type filter hook input "
                    "priority 0; }; }\ntable inet forward { chain through { type filter hook forward priority 0; }; }\n")
            lab.true("INPUT:" not in said(gateway, "in", flow), "rules for others")
            lab.run("nft", "delete", "table", f"ip{'6' * (v == 4)}", "input")
            lab.run("nft", "delete", "table", "inet", "forward")


# what an SA has instead of what the policy wants: words for SA(), what explain says
A4, B4 = OUTER[4]
NEARLY = [({"reqid": 7}, ["reqid"], "its reqid is 7, not 1."),
          ({"src": B4, "dst": A4}, ["swapped"], "its source and destination are swapped."),
          ({"dst": "192.0.2.9"}, ["dst"], f"its destination is 192.0.2.9, not {B4}."),
          ({"src": "10.1.0.1"}, ["src"], f"its source is 10.1.0.1, not {A4}."),
          ({"mode": "transport"}, ["mode"], "its mode is transport, not tunnel."),
          ({"if_id": 9}, ["if_id"], "its if-id is 9, not none."),
          ({"algorithm": ipsec.AH["sha256"]}, ["proto"], "its protocol is ah, not esp."),
          ({"reqid": 7, "mode": "transport"}, ["reqid", "mode"],
           "its reqid is 7, not 1, and its mode is transport, not tunnel.")]


@lab.test("without an SA for a policy, explain names the one that nearly fits, and what differs")
def nearly():
    wants = {"spi": 0x6001, "src": A4, "dst": B4, "algorithm": NULL}
    flow = Flow(LAN[4], FAR[4])
    policy = f"policy add out {SITES[4]} {tunnel()}"
    others = [Espah.sa_line("out", SA(0x6100 + n, A4, f"192.0.2.{n + 20}", algorithm=NULL, reqid=n + 20))
              for n in range(5)]  # of other peers
    gateway = Gateway.get([*others, policy])
    answer, = gateway.explain(("out", flow))
    lab.equal((answer["drop"], answer.get("near")), ("no_sa", None), "only SAs of other peers")
    for has, differs, words in NEARLY:
        far_off = Espah.sa_line("out", SA(0x6002, **{key: value for key, value in wants.items() if key != "spi"}
                                          | {"mode": "transport", "reqid": 9, "if_id": 3}))
        nearest = Espah.sa_line("out", SA(**wants | has))
        gateway = Gateway.get([*others, nearest, far_off, policy])
        answer, = gateway.explain(("out", flow))
        lab.equal((answer["drop"], answer["near"]["sa"]["spi"], answer["near"]["differs"]),
                  ("no_sa", "0x00006001", differs), f"{has}")
        text = said(gateway, "out", flow)
        lab.true("An SA nearly fits: out " in text and f", but {words}" in text, text)
        lab.equal(gateway.fate("out", flow), "drop no_sa", f"a packet, {has}")
        Espah.batch(gateway.a, [Espah.sa_line("out", SA(0x6003, A4, B4, algorithm=NULL))])
        answer, = gateway.explain(("out", flow))
        lab.true("near" not in answer, "a near SA, although one fits")
        gateway.agree(("out", flow, "esp 0x6003"))


@lab.test("inbound, explain names the SA that nearly fits, also if it has no keys yet")
def nearly_in():
    flow = Flow(FAR[4], LAN[4])
    policy = f"policy add in 10.2.0.0/16 10.1.0.0/16 protect tunnel {B4} {A4} reqid 8"
    into = SA(0x6201, B4, A4, algorithm=NULL, reqid=7)
    gateway = Gateway.get([Espah.sa_line("in", into), policy])
    text = said(gateway, "in", flow)
    lab.true("No SA exists yet" in text and "nearly fits: in esp 0x00006201" in text and "its reqid is 7, not 8." in text,
             text)
    lab.equal(gateway.fate("in", flow, (into, 1)), "drop policy", "a packet through the SA")
    right = dataclasses.replace(into, spi=0x6202, reqid=8)
    Espah.batch(gateway.a, [Espah.sa_line("in", right)])
    answer, = gateway.explain(("in", flow))
    lab.equal((answer["sa"]["spi"], "near" in answer), ("0x00006202", False), "with an SA that fits")
    lab.equal(gateway.fate("in", flow, (right, 1)), "clear", "a packet through that SA")
    gateway = Gateway.get([policy, f"sa alloc src {B4} dst {A4} tunnel reqid 8"])
    answer, = gateway.explain(("in", flow))
    lab.equal(answer["near"]["differs"], ["larval"], "a reserved SPI")
    larval = dataclasses.replace(right, spi=int(answer["near"]["sa"]["spi"], 16))
    lab.equal(gateway.fate("in", flow, (larval, 1)), "drop larval", "a packet with that SPI")


def in_udp(packet):
    """An ESP packet of IPv4 in UDP, from port 4500 to port 4500."""
    esp = packet[20:]
    body = struct.pack("!HHHH", 4500, 4500, 8 + len(esp), 0) + esp
    return header(B4, A4, UDP, len(body)) + body


@lab.test("explain and show tell of UDP encapsulation, and explain of an SA of the other direction without it")
def encapsulation():
    out, into = sa_pair(0x6300, encap=(4500, 4500))
    bare = dataclasses.replace(into, encap=None)
    flow = Flow(LAN[4], FAR[4])
    policy = f"policy add both {SITES[4]} {tunnel()}"
    missing = "The SA of the other direction has no UDP encapsulation."
    for other, at_fault in ((bare, True), (into, False)):
        gateway = Gateway.get([*lines_of(out, other), policy])
        text = said(gateway, "out", flow)
        lab.true("It goes as UDP from port 4500 to port 4500." in text, text)
        lab.equal(missing in text, at_fault, f"explain out says: {text}")
        answer, = gateway.explain(("out", flow))
        lab.equal(answer["opposite_encap"], not at_fault, "JSON")
        text = said(gateway, "in", flow.reverse())
        lab.equal("The SA of the other direction has UDP encapsulation, but this one has none." in text, at_fault,
                  f"explain in says: {text}")
        shown = gateway.a.run(CLI, "show").stdout
        lab.equal(shown.count("udp 4500 4500"), 2 - at_fault, f"show: {shown}")
        # what leaves is in UDP; what comes in UDP passes if explain found no fault
        gateway.seen()
        packet, mark = flow.packet()
        gateway.inside.send(packet)
        sent = lab.wait_for(lambda: [one for one in gateway.wan.packets() if mark in one], "the packet")
        lab.equal(struct.unpack("!HH", sent[0][20:24]), (4500, 4500), "its ports")
        packet, mark = flow.reverse().packet()
        gateway.outside.send(in_udp(protected(into, packet, 1)))
        time.sleep(0.3)
        lab.equal(any(mark in one for one in gateway.lan.packets()), not at_fault, "what arrives in UDP")


@lab.test("any4 and any6 are families apart")
def families():
    gateway = Gateway.get(["policy add out any6 any6 discard", "policy add in any4 any4 discard"])
    gateway.agree(("out", Flow(OWN[4], FAR[4]), "clear"),
                  ("out", Flow(OWN[6], FAR[6]), "drop discard_out"),
                  ("in", Flow(FAR[4], OWN[4]), "drop discard_in"),
                  ("in", Flow(FAR[6], OWN[6]), "clear"))


@lab.test("protocols and port ranges, with their ends")
def ports():
    for v in (4, 6):
        gateway = Gateway.get([
            f"policy add out {EVERYBODY[v]} proto udp dport 100-200 discard",
            f"policy add out {EVERYBODY[v]} proto tcp sport 0-9 dport 65535 discard",
            f"policy add out {EVERYBODY[v]} proto sctp sport 50 discard",
            f"policy add out {EVERYBODY[v]} proto 99 discard",
            f"policy add in {FAR[v]} any proto udp sport 100-200 discard"])

        def flow(proto, sport=1, dport=1, v=v):
            return Flow(LAN[v], FAR[v], proto, sport, dport)
        gone = [flow(UDP, 1, 100), flow(UDP, 1, 200), flow(UDP, 65535, 150), flow(TCP, 0, 65535),
                flow(TCP, 9, 65535), flow(SCTP, 50, 7), flow(99)]
        stay = [flow(UDP, 150, 99), flow(UDP, 150, 201), flow(TCP, 1, 150), flow(TCP, 10, 65535),
                flow(TCP, 9, 65534), flow(SCTP, 7, 50), flow(98),
                dataclasses.replace(flow(ICMP if v == 4 else ICMPV6), kind=129)]
        gateway.agree(*(("out", each, "drop discard_out") for each in gone),
                      *(("out", each, "clear") for each in stay))
        gateway.agree(("in", Flow(FAR[v], LAN[v], UDP, 100, 7), "drop discard_in"),
                      ("in", Flow(FAR[v], LAN[v], UDP, 7, 99), "clear"))


@lab.test("bypass, discard and protect, both ways, forwarded and local, of both families")
def actions():
    for inner, outer in ((4, 4), (6, 6), (4, 6), (6, 4)):
        with lab.verdict(f"bypass, discard and protect, IPv{inner} in IPv{outer}"):
            out, into = sa_pair(0x2000, outer)
            near = f"{LAN[inner]} {FAR[inner]}", f"{OWN[inner]} {FAR[inner]}"
            lines = lines_of(out, into)
            for flow in near:
                lines += [f"policy add both {flow} proto udp dport 1 discard",
                          f"policy add both {flow} proto udp dport 2 bypass",
                          f"policy add both {flow} {tunnel(outer)}"]
            gateway = Gateway.get(lines)
            cases = []
            for src in (LAN[inner], OWN[inner]):
                flows = [Flow(src, FAR[inner], UDP, 7, port) for port in (1, 2, 3)]
                cases += [("out", flows[0], "drop discard_out"), ("out", flows[1], "clear"),
                          ("out", flows[2], "esp 0x2000"),
                          ("in", flows[0].reverse(), "drop discard_in"),
                          ("in", flows[1].reverse(), "clear"),
                          ("in", flows[2].reverse(), "drop plaintext")]
            gateway.agree(*cases)
            # and through the SA, which only the third policy requires
            numbers = itertools.count(1)
            for _, flow, want in cases[3:6] + cases[9:12]:
                lab.equal(gateway.fate("in", flow, (into, next(numbers))),
                          "clear" if want == "drop plaintext" else "drop policy",
                          f"through the SA: {flow.words()}")
            answer, = gateway.explain(cases[5][:2])
            lab.equal(answer["sa"]["spi"], "0x00002001", "the SA that would bring it in")


@lab.test("what no policy matches: discarded if the default says so, in and out")
def default():
    out, into = sa_pair(0x2000)
    for v in (4, 6):
        flow, local = Flow(LAN[v], FAR[v]), Flow(OWN[v], FAR[v])
        passing, inner = (dataclasses.replace(local, dport=port) for port in (22, 23))
        gateway = Gateway.get([
            *lines_of(out, into), f"policy add both {SITES[v]} proto udp dport 22 bypass",
            f"policy add both {SITES[v]} proto udp dport 23 {tunnel()}"])
        for into_, out_ in itertools.product(("discard", "bypass"), repeat=2):
            Espah.batch(gateway.a, [f"default in {into_} out {out_}"])
            gone_in, gone_out = into_ == "discard", out_ == "discard"
            # a forwarded packet comes in, then goes out
            forwarded = ("drop discard_in" if gone_in else
                         "drop discard_out" if gone_out else "clear")
            gateway.agree(("out", flow, forwarded), ("in", flow.reverse(), forwarded),
                          ("out", local, "drop discard_out" if gone_out else "clear"),
                          ("in", local.reverse(), "drop discard_in" if gone_in else "clear"),
                          ("out", passing, "clear"), ("in", passing.reverse(), "clear"),
                          ("out", inner, "esp 0x2000"),
                          ("in", inner.reverse(), "drop plaintext"))
        answer, = gateway.explain(("out", flow))
        lab.equal(answer["policy"], None, "policy")
        lab.equal(gateway.fate("in", inner.reverse(), (into, v)), "clear", "through the SA")


@lab.test("IKE of others than the host is not exempt, nor what nobody's socket sends or gets")
def ike():
    marker = bytes(4)
    for v in (4, 6):
        gateway = Gateway.get([f"policy add both {SITES[v]} discard"])
        own, far, host = OWN[v], FAR[v], LAN[v]
        # from raw sockets, and to none
        others = [Flow(own, far, UDP, 500, 500), Flow(own, far, UDP, 4500, 4500, body=marker),
                  Flow(host, far, UDP, 500, 500), Flow(own, far, TCP, 500, 500),
                  Flow(own, far, UDP, 501, 499), Flow(host, far, UDP, 4500, 4500, body=marker),
                  # anybody can choose such a port of the peer
                  Flow(own, far, UDP, 7, 500), Flow(own, far, UDP, 7, 4500, body=marker)]
        gateway.agree(*(("out", flow, "drop discard_out") for flow in others),
                      *(("in", flow.reverse(), "drop discard_in") for flow in others))
        for flow in others[:2]:
            for direction, each in (("out", flow), ("in", flow.reverse())):
                answer, = gateway.explain((direction, each))
                lab.true("CAP_NET_ADMIN" in answer["exempt"], "explain does not say who is exempt")


@lab.test("neighbour discovery is exempt, other ICMPv6 and a hop limit below 255 are not")
def discovery():
    gateway = Gateway.get(["policy add in any6 any6 discard", "policy add out any6 any6 discard"])
    on_link = Flow(OUTER[6][0], OUTER[6][1], ICMPV6, hops=255)
    for kind in (133, 134, 135, 136, 137):
        flow = dataclasses.replace(on_link, kind=kind)
        lab.true("neighbour discovery" in gateway.explain(("out", dataclasses.replace(flow, told=f"type {kind}")))[0]["exempt"], f"explain is silent of type {kind}")
        lab.equal(gateway.fate("out", flow), "clear", f"type {kind} out")
        lab.equal(gateway.fate("in", flow.reverse()), "clear", f"type {kind} in")
        low = dataclasses.replace(flow, hops=254)
        lab.equal(gateway.fate("out", low), "drop discard_out", f"type {kind}, hop limit 254, out")
        lab.equal(gateway.fate("in", low.reverse()), "drop discard_in",
                  f"type {kind}, hop limit 254, in")
    for kind in (129, 132, 138):
        flow = dataclasses.replace(on_link, kind=kind)
        lab.true("neighbour discovery" in gateway.explain(("out", flow))[0]["exempt"], "explain is silent without a type")
        for direction, each in (("out", flow), ("in", flow.reverse())):
            answer, = gateway.explain((direction, dataclasses.replace(each, told=f"type {kind}")))
            lab.equal(answer.get("exempt"), None, f"what explain says of type {kind}")
            lab.equal(gateway.fate(direction, each), "drop " + answer["drop"], f"type {kind}")


@lab.test("explain says what an SA has dropped, and that without a policy nothing arrives through one")
def told():
    out, into = sa_pair(0x3400, 4)
    gateway = Gateway.get([f"{line} mark 0x10" for line in lines_of(out, into)] +
                          [f"policy add out {EVERYBODY[4]} {tunnel(4)}"])
    text = gateway.a.run(CLI, "explain", OWN[4], FAR[4]).stdout
    lab.true("has dropped" not in text, text)
    lab.equal(gateway.fate("out", Flow(OWN[4], FAR[4])), "drop sa_mark", "a packet without the mark")
    text = gateway.a.run(CLI, "explain", OWN[4], FAR[4]).stdout
    lab.true("So far this SA has dropped: sa_mark" in text, text)
    text = gateway.a.run(CLI, "explain", "in", FAR[4], OWN[4]).stdout
    lab.true("Through an SA it would be DROPPED, reason policy" in text, text)
    flow = Flow(FAR[4], OWN[4])
    gateway = Gateway.get(lines_of(out, into))
    lab.equal(gateway.fate("in", flow, (into, 1)), "drop policy", "a packet through the SA")


@lab.test("ESP and AH to the host pass the policies and meet the SAD; through the host they do not")
def esp():
    spi_seq = struct.pack("!II", 0x4444, 1)
    for v, (name, proto, body) in itertools.product((4, 6), (
            ("ESP", ESP, spi_seq + bytes(40)),
            ("AH", AH, struct.pack("!BBH", UDP, 4, 0) + spi_seq + bytes(40)))):
        gateway = Gateway.get([f"policy add both {SITES[v]} discard"])
        flow = Flow(FAR[v], OWN[v], proto, body=body)
        answer, = gateway.explain(("in", flow))
        lab.true(name in answer.get("exempt", "") and "drop" not in answer, f"explain: {answer}")
        lab.equal(gateway.fate("in", flow), "drop no_spi", f"{name} to the host")
        gateway.agree(("in", dataclasses.replace(flow, dst=LAN[v]), "drop discard_in"),
                      ("out", dataclasses.replace(flow, src=LAN[v], dst=FAR[v]),
                       "drop discard_out"))
        flow = dataclasses.replace(flow, src=OWN[v], dst=FAR[v])
        answer, = gateway.explain(("out", flow))
        lab.true(f"{name} of other programs" in answer["exempt"], f"explain: {answer}")
        lab.equal(gateway.fate("out", flow), "drop " + answer["drop"], f"a program's own {name}")


@lab.test("what stays in the host meets no policy")
def loopback():
    gateway = Gateway.get(["policy add both any4 any4 discard", "policy add both any6 any6 discard"])
    for src, dst in (("127.0.0.1", "127.0.0.1"), (OWN[4], OUTER[4][0]), ("::1", "::1"),
                     (OWN[6], OUTER[6][0])):
        receiver, sender = traffic.udp(gateway.a, dst), traffic.udp(gateway.a, src)
        with receiver, sender:
            traffic.deliver(sender, receiver, [b"to myself"])
        for answer in gateway.explain(("out", Flow(src, dst)), ("in", Flow(src, dst))):
            lab.equal(foretold(answer), "clear", f"explain {src} {dst}")


@lab.test("a protect policy whose SA lacks, ran out, has no route or other addresses")
def refusals():
    out, into = sa_pair(0x2000, seq=(1 << 32) - 3)
    endless, _ = sa_pair(0x2002, reqid=2, seq=(1 << 64) - (1 << 32) - 3, esn=True)
    nowhere = SA(0x2004, "192.0.2.1", "198.51.100.1", algorithm=NULL, reqid=3)
    elsewhere = SA(0x2006, "192.0.2.99", "192.0.2.2", algorithm=NULL, reqid=4)
    nowhere6 = SA(0x2008, OUTER[6][0], "2001:db9::1", algorithm=NULL, reqid=5)
    host = SA(0x200a, LAN[4], FAR[4], "transport", NULL, 6)
    protect = {1: tunnel(), 2: tunnel(4, 2),
               3: "protect tunnel 192.0.2.1 198.51.100.1 reqid 3",
               4: "protect tunnel 192.0.2.99 192.0.2.2 reqid 4",
               5: f"protect tunnel {OUTER[6][0]} 2001:db9::1 reqid 5",
               6: f"protect transport {LAN[4]} {FAR[4]} reqid 6", 7: tunnel(4, 7),
               8: "protect transport reqid 8"}
    gateway = Gateway.get([
        *lines_of(out, into),
        *(Espah.sa_line("out", sa) for sa in (endless, nowhere, elsewhere, nowhere6, host)),
        *(f"policy add both any4 any4 proto udp dport {n} {word}" for n, word in protect.items())])
    gateway.a.ip("route add unreachable 198.51.100.1\nroute add unreachable 2001:db9::1\n")
    try:
        flow = {n: Flow(LAN[4], FAR[4], dport=n) for n in protect}
        gateway.agree(("out", flow[1], "esp 0x2000"))
        gateway.agree(("out", flow[1], "esp 0x2000"))
        gateway.agree(("out", flow[1], "drop seq_overflow"))
        gateway.agree(("out", flow[2], "esp 0x2002"))
        gateway.agree(("out", flow[2], "esp 0x2002"))
        gateway.agree(("out", flow[2], "drop seq_overflow"), ("out", flow[3], "drop no_route"),
                      ("out", flow[4], "drop no_route"), ("out", flow[5], "drop no_route"),
                      ("out", flow[6], "esp 0x200a"),
                      ("out", dataclasses.replace(flow[6], src="10.1.0.7"), "drop family"),
                      ("out", dataclasses.replace(flow[6], dst="10.2.0.7"), "drop family"),
                      ("out", flow[7], "drop no_sa"), ("out", flow[8], "drop no_sa"))
    finally:
        gateway.a.ip("route del unreachable 198.51.100.1\nroute del unreachable 2001:db9::1\n")
    gateway.agree(("out", flow[3], "esp 0x2004"), ("out", flow[5], "esp 0x2008"))
    # a reserved SPI is not an SA
    Espah.batch(gateway.a, ["sa flush"])
    answer, = gateway.explain(("in", flow[1].reverse()))
    lab.equal(answer["sa"], None, "the SA of what comes in")
    gateway.agree(("out", flow[1], "drop no_sa"))


SIZES = [("null-sha256", "tunnel", 4, 4, 1500), ("aes128gcm16", "tunnel", 6, 6, 1500),
         ("aes256-sha512", "tunnel", 4, 6, 1400), ("null-sha1", "tunnel", 6, 4, 1450),
         ("null-sha256", "transport", 4, 4, 1500), ("aes256-sha1", "transport", 6, 6, 1400)]


@lab.test("the MTU and the MSS that explain names are what fits, to the byte")
def sizes():
    for name, mode, inner, outer, link in SIZES:
        with lab.verdict(f"{name} {mode} {inner}-in-{outer}, link of {link} bytes: MTU and MSS"):
            ends = OUTER[outer] if mode == "tunnel" else (LAN[inner], FAR[inner])
            out = SA(0x2000, *ends, mode, ALGORITHMS[name])
            how = tunnel(outer) if mode == "tunnel" else "protect transport reqid 1"
            gateway = Gateway.get([Espah.sa_line("out", out),
                                   f"policy add out {LAN[inner]} {FAR[inner]} {how}"])
            gateway.a.ip(f"link set wan mtu {link}\n")
            try:
                exact(gateway, Flow(LAN[inner], FAR[inner], df=True), out, link)
            finally:
                gateway.a.ip("link set wan mtu 1500\n")


def exact(gateway, flow, sa, link):
    answer, = gateway.explain(("out", flow))  # before anything was sent
    lab.true("mtu" in answer and "mss" in answer, f"no MTU or MSS: {answer}")
    mtu, headers = answer["mtu"], 60 if ":" in flow.src else 40
    lab.equal(answer["mss"], mtu - headers, "MSS")
    gateway.seen()
    gateway.send_out(flow, dataclasses.replace(flow, size=mtu).packet()[0])
    frame = gateway.wan.next(ESP)
    lab.true(len(frame) <= link < len(frame) + sa.algorithm.block,
             f"a packet of {mtu} bytes became one of {len(frame)}")
    payload = mtu if sa.mode == "tunnel" else mtu - headers + 20
    lab.equal((payload + 2) % sa.algorithm.block, 0, f"padding of a packet of {mtu} bytes")
    lab.true(len(frame) <= mtu + answer["overhead"], f"overhead of {len(frame) - mtu} bytes")
    lab.equal(gateway.fate("out", dataclasses.replace(flow, size=mtu + 1)), "drop too_big",
              f"a packet of {mtu + 1} bytes")
    if sa.algorithm.name.startswith("null"):
        option = struct.pack("!BBH", 2, 4, 8960)
        gateway.send_out(flow, dataclasses.replace(flow, proto=TCP, options=option).packet()[0])
        lab.true(struct.pack("!BBH", 2, 4, answer["mss"]) in gateway.wan.next(ESP),
                 "a SYN does not have this MSS")


# --- against a naive reference -----------------------------------------------------------------

@dataclasses.dataclass
class Rule:
    """A policy, and a naive function that matches it."""
    direction: str
    src: ipaddress.ip_network
    dst: ipaddress.ip_network
    proto: int
    sport: tuple
    dport: tuple
    priority: int
    action: str
    number: int

    def matches(self, flow):
        return (ipaddress.ip_address(flow.src) in self.src
                and ipaddress.ip_address(flow.dst) in self.dst
                and self.proto in (0, flow.proto)
                and self.sport[0] <= flow.sport <= self.sport[1]
                and self.dport[0] <= flow.dport <= self.dport[1])

    def selector(self):
        words = f"{self.src} {self.dst}" + f" proto {self.proto}" * (self.proto != 0)
        for name, ports_ in (("sport", self.sport), ("dport", self.dport)):
            words += f" {name} {ports_[0]}-{ports_[1]}" * (ports_ != (0, 65535))
        return f"{words} priority {self.priority}"

    def line(self):
        action = tunnel(self.src.version, self.number) if self.action == "protect" else self.action
        return f"policy add {self.direction} {self.selector()} {action}"


NEAR = {4: "10.1.7.0", 6: "fd01:7::"}
AWAY = {4: "10.2.7.0", 6: "fd02:7::"}


def draw_rules(dice, v, count):
    rules, taken = [], set()
    bits = 32 if v == 4 else 128
    near, far = NEAR[v], AWAY[v]
    while len(rules) < count:
        direction = dice.choice(("in", "out"))
        lengths = (16, bits - 16, bits - 4, bits - 3, bits - 2, bits - 1, bits, bits)
        sides = [ipaddress.ip_network((str(ipaddress.ip_address(base) + dice.randrange(16)),
                                       dice.choice(lengths)), strict=False)
                 for base in (near, far)]
        if direction == "in":
            sides.reverse()
        proto = dice.choice((0, UDP, UDP, TCP, SCTP, 99))
        spans = [(0, 65535), (0, 65535)]
        if proto in PORTS:
            spans = [dice.choice(((0, 65535), (0, 65535), (low, low), (low, low + 3)))
                     for low in (dice.randrange(8), dice.randrange(8))]
        rule = Rule(direction, *sides, proto, *spans, dice.randrange(6),
                    dice.choice(("bypass", "discard", "protect")), len(rules) + 1)
        if (direction, rule.selector()) not in taken:
            taken.add((direction, rule.selector()))
            rules.append(rule)
    return rules


def draw_flow(dice, v):
    proto = dice.choice((UDP, UDP, TCP, SCTP, 99))
    numbers = [dice.randrange(11) if proto in PORTS else 0 for _ in range(2)]
    return Flow(*(str(ipaddress.ip_address(base) + dice.randrange(18))
                  for base in (NEAR[v], AWAY[v])), proto, *numbers)


@lab.test("150 random policies, 600 random packets forwarded both ways: explain, packets, counters "
          "and a naive reference agree")
def reference():
    for v in (4, 6):
        dice = random.Random(4301 + v)
        rules = draw_rules(dice, v, 150)
        flows = [draw_flow(dice, v) for _ in range(300)]
        with lab.verdict(f"150 random policies of IPv{v}, 600 random packets: explain, packets, "
                         "counters and a naive reference agree"):
            compare(rules, [*flows, *(flow.reverse() for flow in flows)], v)


def expected(rules, flow, counts):
    """The fate of a forwarded packet by a naive search; counts: {rule: [passed, dropped]}."""
    for direction in ("in", "out"):
        found = [rule for rule in rules if rule.direction == direction and rule.matches(flow)]
        rule = min(found, key=lambda rule: (rule.priority, rule.number), default=None)
        if not rule:
            continue
        count = counts.setdefault(rule.number, [0, 0])
        if rule.action == "discard" or rule.action == "protect" and direction == "in":
            count[1] += 1
            return "drop plaintext" if rule.action == "protect" else f"drop discard_{direction}"
        count[0] += 1
        if rule.action == "protect":
            return f"esp {0x10000 + rule.number:#x}"
    return "clear"


def compare(rules, flows, v):
    sas = [SA(0x10000 + rule.number, *OUTER[v], algorithm=NULL, reqid=rule.number)
           for rule in rules if rule.action == "protect" and rule.direction == "out"]
    gateway = Gateway.get([*(Espah.sa_line("out", sa) for sa in sas),
                           *(rule.line() for rule in rules)])
    fates = gateway.foretell(*(("out", flow) for flow in flows))
    wants, counts, drops, before = {}, {}, {}, gateway.drops()
    gateway.seen()
    for flow, fate in zip(flows, fates, strict=True):
        want = expected(rules, flow, counts)
        lab.equal(fate, want, f"explain {flow.words()}")
        if want.startswith("drop"):
            drops[want[5:]] = drops.get(want[5:], 0) + 1
        packet, mark = flow.packet()
        wants[mark] = "drop" if want.startswith("drop") else want, flow.words()
        (gateway.inside if flow.src.startswith(NEAR[v][:4]) else gateway.outside).send(packet)
    arrived = collect(gateway, wants, before)
    for mark, (want, what) in wants.items():
        lab.equal(arrived.get(mark, "drop"), want, what)
    lab.equal(gateway.dropped_since(before), drops, "drops")
    got = {number: [policy["packets"], sum(ipsec.drop_counts(policy).values())]
           for number, policy in enumerate(Espah.json(gateway.a, "policy", "list"), 1)
           if policy["packets"] or policy["drops"]}
    lab.equal(got, counts, "packets and drops that the policies counted")
    lab.true(set(drops) == {"plaintext", "discard_in", "discard_out"} and len(counts) > 40
             and {want.split()[0] for want, _ in wants.values()} == {"drop", "clear", "esp"},
             "the dice left out something")


def collect(gateway, wants, before):
    """{mark: fate}, after all packets have passed or were dropped."""
    arrived = {}

    def all_gone():
        for how, packet in gateway.seen():
            mark = next((mark for mark in wants if mark in packet), None)
            if mark:
                arrived[mark] = how
        return len(arrived) + sum(gateway.dropped_since(before).values()) >= len(wants)
    lab.wait_for(all_gone, "all packets to be sent or dropped")
    return arrived


# --- replacing -----------------------------------------------------------------------------------

class Stream:
    """Packets of one flow from both sides, sent continuously."""

    def __init__(self, gateway, flow):
        self.gateway, self.flow, self.sent = gateway, flow, 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        there, back = self.flow.packet()[0], self.flow.reverse().packet()[0]
        while not self.stop.is_set():
            self.gateway.inside.send(there)
            self.gateway.outside.send(back)
            self.sent += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        time.sleep(0.1)  # the last packets are in flight


def in_clear(gateway):
    return sum(how == "clear" for how, _ in gateway.seen())


@lab.test("replacing a policy leaves no gap, while deleting and adding it does")
def replacing():
    out, into = sa_pair(0x2000)
    selector = f"{LAN[4]} {FAR[4]}"
    gateway = Gateway.get([*lines_of(out, into), f"policy add both {selector} {tunnel()}"])
    ids = [policy["id"] for policy in Espah.json(gateway.a, "policy", "list")]
    gateway.seen()
    before = gateway.drops()
    with Stream(gateway, Flow(LAN[4], FAR[4])) as stream:
        for number in range(8):  # each time, the other action stays for a while
            Espah.batch(gateway.a, [f"policy replace both {selector} "
                                    f"{'discard' if (number + n) % 2 else tunnel()}"
                                    for n in range(41)])
            start = stream.sent
            lab.wait_for(lambda: stream.sent > start + 10, "packets behind the last replacement")
    lab.equal(in_clear(gateway), 0, "packets in clear while policies were replaced")
    lab.equal([policy["id"] for policy in Espah.json(gateway.a, "policy", "list")], ids, "ids")
    drops = gateway.dropped_since(before)
    carried = sum(sa["packets"] for sa in Espah.sas(gateway.a, "out"))
    lab.equal(drops.get("discard_out", 0) + carried, stream.sent, "packets out")
    lab.equal(drops.get("discard_in", 0) + drops.get("plaintext", 0), stream.sent, "packets in")
    lab.true(drops.get("discard_out") and drops.get("discard_in"), f"drops: {drops}")
    with Stream(gateway, Flow(LAN[4], FAR[4])):
        Espah.batch(gateway.a, [f"policy del both {selector}"])
        lab.wait_for(lambda: in_clear(gateway), "packets in clear")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
