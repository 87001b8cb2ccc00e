#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What `espah explain' says of the firewall, of ICMP errors, and of what a question does not give."""
import contextlib
import dataclasses

import gateway
import ipsec
import lab
from gateway import (EVERYBODY, FAR, ICMP, ICMPV6, LAN, NULL, OUTER, OWN, SITES, TCP, UDP, Flow, Gateway, lines_of,
                     sa_pair, tunnel)
from ipsec import CLI, SA, Espah


def text_of(here, direction, flow):
    return here.a.run(CLI, "explain", direction, *flow.words().split()).stdout


def answer_of(here, direction, flow):
    answer, = here.explain((direction, flow))
    return answer


@contextlib.contextmanager
def rules(here, text):
    here.a.run("nft", "-f", "-", stdin=f"table inet t {{\n{text}\n}}\n")
    here.a.sysctl("net.netfilter.nf_conntrack_checksum", 0)  # Flow.packet() has none that is right
    try:
        yield
    finally:
        here.a.run("nft", "delete", "table", "inet", "t")


def gone(here, direction, flow):
    """Sends a packet that a rule drops, and one behind it that arrives."""
    packet, mark = flow.packet()
    here.seen()
    before = here.drops()
    (here.inside if direction == "out" else here.outside).send(packet)
    other = dataclasses.replace(flow, sport=flow.sport + 1, dport=9)
    packet, last = other.packet()
    (here.inside if direction == "out" else here.outside).send(packet)
    found = []
    lab.wait_for(lambda: found.extend(here.seen()) or any(last in one for _, one in found), "the packet behind it")
    lab.true(not any(mark in one for _, one in found), "the rule did not drop it")
    lab.equal(here.dropped_since(before), {}, "drops of espah")


DROP = "chain c {{ type filter hook {} priority 0; udp dport 7001 drop; }}"


@lab.test("where the firewall has chains, explain says that they may drop a packet, and when")
def filters():
    for v in (4, 6):
        here = Gateway.get([f"policy add out {SITES[v]} bypass"])
        flow = Flow(LAN[v], FAR[v])
        for direction, one in (("out", flow), ("in", flow.reverse())):
            lab.true("firewall" not in answer_of(here, direction, one), "without a firewall")
            lab.true("Rules of the firewall" not in text_of(here, direction, one), "without a firewall")
        with rules(here, DROP.format("forward")):
            lab.true(answer_of(here, "out", flow)["firewall"], "a chain that drops it")
            lab.true("see the packet earlier: they may drop it" in text_of(here, "out", flow), "out")
            lab.true("see the packet later, and may drop it" in text_of(here, "in", flow), "in")
            gone(here, "out", flow)
        with rules(here, DROP.format("input")):
            lab.true("firewall" not in answer_of(here, "out", flow), "INPUT rules do not see what leaves")
            lab.true(answer_of(here, "in", flow.reverse())["firewall"], "INPUT rules see what comes in")


@lab.test("a mark that a rule makes changes the policy: explain says so, and is right if asked with that mark")
def marks():
    for v in (4, 6):
        here = Gateway.get([f"policy add out {SITES[v]} mark 5 discard"])
        flow = Flow(LAN[v], FAR[v])
        with rules(here, "chain c { type filter hook prerouting priority mangle; udp dport 7001 meta mark set 5; }"):
            answer = answer_of(here, "out", flow)
            lab.equal((gateway.foretold(answer), answer["firewall"]), ("clear", True), "without the mark")
            lab.true("change its mark, so ask with the mark" in text_of(here, "out", flow), "text")
            lab.equal(gateway.foretold(answer_of(here, "out", dataclasses.replace(flow, told="mark 5"))),
                      "drop discard_out", "with the mark")
            lab.equal(here.fate("out", flow), "drop discard_out", "a packet")


@lab.test("destination NAT precedes outbound policies: explain says so, and conntrack's destination counts")
def destination():
    for v in (4, 6):
        kind, other = ("ip", "10.3.0.9") if v == 4 else ("ip6", "fd03::9")
        here = Gateway.get([f"policy add out any {other} discard", f"policy add out {SITES[v]} bypass"])
        flow = Flow(LAN[v], FAR[v], UDP, 7400, 7401)
        with rules(here, "chain c { type nat hook prerouting priority dstnat; "
                   f"meta nfproto ipv{v} udp dport 7401 dnat {kind} to {other}; }}"):
            answer = answer_of(here, "out", flow)
            lab.equal((gateway.foretold(answer), answer["nat"]), ("clear", True), "with the first destination")
            lab.true("may change the source and the destination" in text_of(here, "out", flow), "text")
            made = dataclasses.replace(flow, dst=other)
            lab.equal(gateway.foretold(answer_of(here, "out", made)), "drop discard_out", "with the other one")
            lab.equal(here.fate("out", flow), "drop discard_out", "a packet")
            Espah.batch(here.a, [f"policy del out any {other}"])
            lab.equal(here.fate("out", flow), "clear", "a packet without the policy")
            answer = answer_of(here, "out", flow)
            lab.equal(answer["tracked"]["dst"], other, "what conntrack makes of it")


def error(src, dst, of, kind):
    return Flow(src, dst, ICMP if kind in (3, 8, 11) else ICMPV6, kind=kind, body=of.packet()[0], told=f"type {kind}")


@lab.test("ICMP errors follow the flow that they quote: explain says so, and of no other ICMP")
def quotes():
    for v, kind, echo in ((4, 3, 8), (6, 1, 128)):
        out, into = sa_pair(0x7100)
        here = Gateway.get([*lines_of(out, into), f"policy add both {SITES[v]} udp {tunnel()}"])
        router, flow = OUTER[v][0], Flow(FAR[v], LAN[v])  # an error of a about a packet of the flow
        wrong = error(router, FAR[v], flow, kind)
        answer = answer_of(here, "out", wrong)
        lab.equal((gateway.foretold(answer), answer["quotes"]), ("clear", True), "out")
        lab.true("judged by the packet that they quote" in text_of(here, "out", wrong), "text")
        back = flow.reverse()  # what the sentence tells to ask
        lab.equal(gateway.foretold(answer_of(here, "out", back)), "esp 0x7100", "the flow that is quoted")
        here.seen()
        packet, mark = wrong.packet()
        here.raw[v].sendto(packet, (FAR[v], 0))
        found = []
        lab.wait_for(lambda: found.extend(how for how, one in here.seen() if mark in one) or found, "the error")
        lab.equal(found, ["esp 0x7100"], "an error")
        into = error("10.3.0.9" if v == 4 else "fd03::9", LAN[v], back, kind)
        answer = answer_of(here, "in", into)
        lab.equal((gateway.foretold(answer), answer["quotes"]), ("clear", True), "in")
        before = here.drops()
        here.outside.send(into.packet()[0])
        lab.wait_for(lambda: here.dropped_since(before), "a drop")
        lab.equal(here.dropped_since(before), {"icmp_plaintext": 1}, "an error in clear")
        for direction in "out", "in":
            ping = dataclasses.replace(wrong, kind=echo, told=f"type {echo}")
            lab.true("quotes" not in answer_of(here, direction, ping), "an echo request")
        Espah.batch(here.a, [f"policy add out any any inet{'6' * (v == 6)} icmp{'v6' * (v == 6)} bypass"])
        lab.true("quotes" not in answer_of(here, "out", wrong), "a policy that names ICMP decides")


@lab.test("explain says by which ports a policy selects that the question does not give")
def assumed():
    for v in (4, 6):
        here = Gateway.get([f"policy add out {SITES[v]} tcp sport 0-1023 discard"])
        brief = here.a.run(CLI, "-j", "explain", LAN[v], FAR[v], "tcp", "443").stdout
        lab.true('"assumed":["sport"]' in brief.replace(" ", "").replace("\n", ""), brief)
        text = here.a.run(CLI, "explain", LAN[v], FAR[v], "tcp", "443").stdout
        lab.true("selects by source port or type, which the question does not give" in text, text)
        flow = Flow(LAN[v], FAR[v], TCP, 40000, 443)
        lab.true("assumed" not in answer_of(here, "out", flow), "with both ports")
        here.agree(("out", flow, "clear"), ("out", dataclasses.replace(flow, sport=1000), "drop discard_out"))


@lab.test("what is exempt passes, and explain says 'otherwise' of the rest; nothing is exempt from bypass")
def otherwise():
    out, into = sa_pair(0x7200, outer=6)
    here = Gateway.get([*lines_of(out, into), f"policy add out {EVERYBODY[6]} {tunnel(6)}"])
    flow = Flow(OUTER[6][0], OUTER[6][1], ICMPV6, kind=135, hops=255, told="type 135")
    text = text_of(here, "out", flow)
    lab.true("It passes regardless" in text and "Otherwise it leaves through this SA" in text, text)
    lab.equal(here.fate("out", flow), "clear", "neighbour discovery")
    here = Gateway.get([f"policy add out {EVERYBODY[6]} bypass"])
    text = text_of(here, "out", dataclasses.replace(flow, told=""))
    lab.true("It leaves in the clear" in text and "regardless" not in text, text)


@lab.test("explain says what happens to a packet by an SA whatever the policy is, and how many SAs may bring it")
def by_sa():
    flow = Flow(FAR[4], LAN[4])
    into = SA(0x7301, *OUTER[4][::-1], algorithm=NULL)
    for lines in ([f"policy add in {EVERYBODY[4]} discard"], ["default in discard"], []):
        here = Gateway.get([*lines, Espah.sa_line("in", into)])
        lab.equal(answer_of(here, "in", flow)["by_sa"], "policy", f"with {lines}")
        lab.true("Through an SA it would be DROPPED, reason policy" in text_of(here, "in", flow), f"{lines}")
        lab.equal(here.fate("in", flow, (into, 1)), "drop policy", f"a packet with {lines}")
    older = [SA(0x7310 + n, *OUTER[4][::-1], algorithm=NULL) for n in range(3)]
    protect = f"policy add in any4 any4 protect tunnel {' '.join(OUTER[4][::-1])} reqid 1"
    here = Gateway.get([protect, *(Espah.sa_line("in", sa) for sa in (*older, into))])
    lab.equal((answer_of(here, "in", flow)["sa"]["spi"], answer_of(here, "in", flow)["others"]), ("0x00007301", 3),
              "the newest, and older ones")
    lab.true("Further SAs through which it is accepted, such as older ones: 3." in text_of(here, "in", flow), "text")
    for sa in (*older, into):
        lab.equal(here.fate("in", flow, (sa, 1)), "clear", f"a packet by {sa.spi:#x}")
    # a transport SA brings nothing but packets of its own ends
    ends = OUTER[4][::-1]
    here = Gateway.get([f"policy add in any4 any4 protect transport {' '.join(ends)} reqid 1",
                        Espah.sa_line("in", SA(0x7320, *ends, "transport", NULL))])
    lab.equal(answer_of(here, "in", flow)["sa"], None, "an SA with other ends")
    lab.equal(answer_of(here, "in", Flow(*ends))["sa"]["spi"], "0x00007320", "an SA with these ends")


@lab.test("a packet from outside is judged although it claims an address of this host")
def claimed():
    for v in (4, 6):
        here = Gateway.get([f"policy add in {EVERYBODY[v]} discard"])
        flow = Flow(OWN[v], OUTER[v][0], told="dev wan")
        here.agree(("in", flow, "drop discard_in"))
        lab.true("does not leave this host" in text_of(here, "in", dataclasses.replace(flow, told="dev lo")), "on lo")


@lab.test("with 'config direct' explain does not speak of INPUT rules")
def direct():
    here = Gateway.get([f"policy add in {SITES[4]} bypass"])
    flow = Flow(FAR[4], LAN[4])
    lab.true("in LOCAL_IN, after INPUT rules" in text_of(here, "in", flow), "off")
    Espah.batch(here.a, ["config direct on"])
    text = text_of(here, "in", flow)
    Espah.batch(here.a, ["config direct off"])
    lab.true("INPUT" not in text and "'espah config direct' is on" in text, text)


@lab.test("UDP to a port of SAs is taken for ESP after the policies, and explain says so")
def port():
    into = SA(0x7401, *OUTER[4][::-1], algorithm=NULL, encap=(4500, 4500))
    for v in (4, 6):
        here = Gateway.get([Espah.sa_line("in", into)])
        flow = Flow(FAR[v], OWN[v], UDP, 7000, 4500)
        lab.true(answer_of(here, "in", flow)["encap"], "JSON")
        lab.true("it is then taken for ESP in UDP" in text_of(here, "in", flow), "text")
        lab.equal(here.fate("in", flow), "drop udp", "a datagram with a wrong checksum, which a socket would not get either")
        for other in (dataclasses.replace(flow, dport=4501), dataclasses.replace(flow, dst=LAN[v])):
            lab.true("encap" not in answer_of(here, "in", other), f"{other.dst} {other.dport}")
            lab.equal(here.fate("in", other), "clear", f"{other.dst} {other.dport}")


@lab.test("explain knows that a device's SA has no route, or one that leads into the device itself")
def loop():
    here = Gateway.get()
    here.a.run(CLI, "link", "add", "ipsec7", "if-id", "7")
    here.a.sysctl("net.ipv6.conf.ipsec7.disable_ipv6", 1)  # it sends nothing of its own
    here.a.ip("link set ipsec7 up\n")
    try:
        for peer, route, want in (("192.0.7.7", "route add unreachable 192.0.7.7", "no_route"),
                                  ("192.0.7.8", "route add 192.0.7.8 dev ipsec7", "device_loop")):
            here.a.ip(route + "\nroute replace 10.7.0.0/24 dev ipsec7\n")
            for mode in ("tunnel", "transport"):
                sa = SA(0x7500, OUTER[4][0], peer, mode, NULL, if_id=7)
                Espah.batch(here.a, ["flush", Espah.sa_line("out", sa), f"policy add out any4 any4 if-id 7 protect {mode} "
                                     f"{OUTER[4][0]} {peer} reqid 1"])
                dst = "10.7.0.1" if mode == "tunnel" else peer
                flow = Flow(OUTER[4][0], dst, told="dev ipsec7")
                lab.equal(gateway.foretold(answer_of(here, "out", flow)), f"drop {want}", f"{mode}, {want}")
                if mode == "transport" and want == "no_route":
                    continue  # nothing to the peer gets into the device
                lab.equal(here.fate("out", flow), f"drop {want}", f"a packet, {mode}, {want}")
    finally:
        here.a.run("ip", "link", "del", "ipsec7")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
