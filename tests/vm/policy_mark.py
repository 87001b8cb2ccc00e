#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Selectors by mark and by device, for outbound packets, and inbound packets in clear and by an SA."""
import dataclasses
import itertools
import json
import socket
import struct

import lab
import traffic
from gateway import EVERYBODY, FAR, Flow, Gateway, LAN, OUTER, OWN, foretold, lines_of, sa_pair, tunnel
from ipsec import CLI, Espah

SO_MARK = 36
PLACES = (  # table, chain: where a mark can be set
    ("inet", "type filter hook output priority 0"), ("inet", "type filter hook forward priority 0"),
    ("netdev", "type filter hook ingress device wan priority 0"))


def set_marks(gateway, marks):
    """Datagrams to port N get the mark marks[N], whichever way they go; ESP: marks[None]."""
    elements = ", ".join(f"{port} : {mark:#x}" for port, mark in marks.items() if port is not None)
    lines = []
    for number, (family, hook) in enumerate(PLACES):
        lines += [f"table {family} marks{number}", f"delete table {family} marks{number}",
                  f"add table {family} marks{number}",
                  f"add chain {family} marks{number} c {{ {hook}; }}"]
        if elements:
            lines.append(f"add rule {family} marks{number} c meta mark set udp dport map "
                         f"{{ {elements} }}")
    lines += ["table inet marksesp", "delete table inet marksesp",
              "add table inet marksesp",
              "add chain inet marksesp c { type filter hook input priority 0; }"]
    if None in marks:
        lines.append(f"add rule inet marksesp c meta l4proto esp meta mark set {marks[None]:#x}")
    gateway.a.run("nft", "-f", "-", stdin="\n".join(lines) + "\n")


# policies in order: words, fate of a matching packet, and a model of the selector
RULES = [("mark 0x1", "discard", lambda mark: mark == 1),
         ("mark 0x10/0xf0", "protect", lambda mark: mark >> 4 & 15 == 1),
         ("mark 0/0x80000000", "discard", lambda mark: mark < 1 << 31)]
MARKS = (0, 1, 2, 0x10, 0x11, 0x1f, 0x110, 0x20, 0x80000000, 0x80000010, 0x80000001, 0xffffffff)


def model(mark, protected, dropped):
    for _, action, matches in RULES:
        if matches(mark):
            return {"discard": f"drop {dropped}", "protect": protected}[action]
    return "clear"


@lab.test("a mark decides within its mask, forwarded and local, in and out, of both families "
          "(RFC 4301 4.4.1.1)")
def marks():
    ports = {8000 + number: mark for number, mark in enumerate(MARKS)}
    for v in (4, 6):
        out, into = sa_pair(0x3000, v)
        actions = {"discard": "discard", "protect": tunnel(v)}
        lines = lines_of(out, into)
        for number, (words, action, _) in enumerate(RULES):
            lines.append(f"policy add both {EVERYBODY[v]} udp {words} priority {number} "
                         f"{actions[action]}")
        gateway = Gateway.get(lines)
        set_marks(gateway, ports)
        wrong = []
        for port, mark in ports.items():
            for src in (LAN[v], OWN[v]):
                # forwarded packets also meet the inbound policies, before they get a mark: only explain is tested
                out_ = Flow(src, FAR[v], dport=port, told=f"mark {mark:#x}")
                back = Flow(FAR[v], src, dport=port, told=f"mark {mark:#x}")
                for direction, flow, want in (
                        ("out", out_, model(mark, "esp 0x3000", "discard_out")),
                        ("in", back, model(mark, "drop plaintext", "discard_in"))):
                    answer, = gateway.explain((direction, flow))
                    got = foretold(answer)
                    if got != want:
                        wrong.append(f"explain {direction} {flow.words()}: {got}, not {want}")
                if src == OWN[v]:
                    for direction, flow, want in (
                            ("out", out_, model(mark, "esp 0x3000", "discard_out")),
                            ("in", back, model(mark, "drop plaintext", "discard_in"))):
                        got = gateway.fate(direction, flow)
                        if got != want:
                            wrong.append(f"{direction} {flow.words()}: {got}, not {want}")
        lab.true(not wrong, f"{len(wrong)} wrong: {wrong[:3]}")
        # forwarded: packets from the LAN are not marked until FORWARD
        Espah.batch(gateway.a, [f"policy del in {EVERYBODY[v]} udp {words} priority {number}"
                                for number, (words, _, _) in enumerate(RULES)])
        for port, mark in ports.items():
            lab.equal(gateway.fate("out", Flow(LAN[v], FAR[v], dport=port)),
                      model(mark, "esp 0x3000", "discard_out"), f"forwarded with mark {mark:#x}")
        set_marks(gateway, {})


@lab.test("what came by an SA has the mark of its ESP packet, and its device")
def through_sa():
    for inner, outer in ((4, 4), (6, 6), (4, 6), (6, 4)):
        out, into = sa_pair(0x3100, outer)
        numbers = itertools.count(1)
        for words, mark, want in (
                ("mark 0x7", 7, "clear"), ("mark 0x7", 8, "drop policy"),
                ("mark 0x7", None, "drop policy"), ("mark 0x3/0x3", 7, "clear"),
                ("dev wan", None, "clear"), ("dev lan", None, "drop policy"),
                ("dev wan mark 0x7", 7, "clear"), ("dev wan mark 0x7", 6, "drop policy"),
                ("dev lan mark 0x7", 7, "drop policy")):
            gateway = Gateway.get(lines_of(out, dataclasses.replace(into, window=0))
                                  + [f"policy add in {EVERYBODY[inner]} udp {words} "
                                     f"{tunnel(outer)}".replace(
                                         " ".join(OUTER[outer]), " ".join(OUTER[outer][::-1]))])
            set_marks(gateway, {} if mark is None else {None: mark})
            lab.equal(gateway.fate("in", Flow(FAR[inner], OWN[inner]), (into, next(numbers))),
                      want, f"{words}, mark {mark}, IPv{inner} in IPv{outer}")
        set_marks(gateway, {})


@lab.test("an SA with a mark carries packets with it, and no others: outbound as the packet in clear is marked, "
          "inbound as the ESP packet is")
def of_sa():
    for v in (4, 6):
        out, into = sa_pair(0x3300, v)
        lines = [f"{line} mark 0x10/0xf0" for line in lines_of(out, dataclasses.replace(into, window=0))]
        ports = {8100 + number: mark for number, mark in enumerate(MARKS)}
        into_us = tunnel(v).replace(" ".join(OUTER[v]), " ".join(OUTER[v][::-1]))
        gateway = Gateway.get(lines + [f"policy add out {EVERYBODY[v]} {tunnel(v)}"])
        lab.equal({sa["mark"] for sa in Espah.sas(gateway.a)}, {"0x10/0xf0"}, "marks")
        set_marks(gateway, ports)
        for port, mark in ports.items():
            want = "esp 0x3300" if mark >> 4 & 15 == 1 else "drop sa_mark"
            for src in LAN[v], OWN[v]:
                flow = Flow(src, FAR[v], dport=port, told=f"mark {mark:#x}")
                lab.equal(gateway.fate("out", flow), want, f"from {src} with mark {mark:#x}")
                lab.equal(foretold(gateway.explain(("out", flow))[0]), want, f"explain {mark:#x}")
        gateway = Gateway.get(lines + [f"policy add in {EVERYBODY[v]} {into_us}"])
        numbers = itertools.count(1)
        for mark in None, *MARKS:
            set_marks(gateway, {} if mark is None else {None: mark})
            want = "clear" if (mark or 0) >> 4 & 15 == 1 else "drop sa_mark"
            lab.equal(gateway.fate("in", Flow(FAR[v], OWN[v]), (into, next(numbers))), want, f"ESP with mark {mark}")
        set_marks(gateway, {})


@lab.test("a device decides: that by which a packet leaves, or by which it came")
def devices():
    for v in (4, 6):
        gateway = Gateway.get([
            f"policy add out {EVERYBODY[v]} udp dport 1 dev wan discard",
            f"policy add out {EVERYBODY[v]} udp dport 2 dev lan discard",
            f"policy add in {EVERYBODY[v]} udp dport 3 dev wan discard",
            f"policy add in {EVERYBODY[v]} udp dport 4 dev lan discard"])
        # a packet from h comes by lan and leaves by wan, one from b the other way round
        for port, from_h, from_b in ((1, "drop discard_out", "clear"),
                                     (2, "clear", "drop discard_out"),
                                     (3, "clear", "drop discard_in"),
                                     (4, "drop discard_in", "clear")):
            lab.equal(gateway.fate("out", Flow(LAN[v], FAR[v], dport=port)), from_h,
                      f"from h to port {port}, IPv{v}")
            lab.equal(gateway.fate("in", Flow(FAR[v], LAN[v], dport=port)), from_b,
                      f"from b to port {port}, IPv{v}")
        for direction, dev, port, want in (("out", "wan", 1, "drop discard_out"),
                                           ("out", "lan", 1, "clear"), ("in", "wan", 3,
                                           "drop discard_in"), ("in", "lan", 3, "clear")):
            answer, = gateway.explain((direction, Flow(LAN[v], FAR[v], dport=port,
                                                       told=f"dev {dev}")))
            lab.equal((foretold(answer), answer["dev"]), (want, dev), f"explain {direction} {dev}")
        answer, = gateway.explain(("out", Flow(LAN[v], FAR[v], dport=1)))
        lab.equal(answer["policy"], None, "without a device")


@lab.test("a policy with a mark and a device is shown, found, replaced and deleted by them")
def by_words():
    gateway = Gateway.get(["policy add out any4 any mark 0x20/0xf0 dev wan discard",
                           "policy add out any4 any mark 32/0xff dev wan discard",
                           "policy add out any4 any mark 0x20/0xf0 dev lan discard",
                           "policy add out any4 any mark 0x20/0xf0 discard",
                           "policy add out any4 any dev wan discard", "policy add out any4 any discard"])
    a = gateway.a
    shown = [(policy.get("mark"), policy.get("dev")) for policy in Espah.json(a, "policy", "list")]
    lab.equal(shown, [("0x20/0xf0", "wan"), ("0x20/0xff", "wan"), ("0x20/0xf0", "lan"),
                      ("0x20/0xf0", None), (None, "wan"), (None, None)], "marks and devices")
    lab.true("any mark 0x20/0xf0 dev wan" in a.run(CLI, "policy", "list").stdout, "the table")
    for number, words in enumerate(("mark 0x20/0xf0 dev wan", "dev wan mark 0x20/0xff",
                                    "mark 0x20/0xf0 dev lan", "mark 32/240", "dev wan", ""),
                                   Espah.json(a, "policy", "list")[0]["id"]):
        lab.equal(Espah.json(a, "policy", "get", "out", "any4", "any", *words.split())["id"],
                  number, words)
    a.run(CLI, "policy", "replace", *"out any4 any dev wan mark 0x20/0xf0 bypass".split())
    lab.equal(Espah.json(a, "policy", "list")[0]["action"], "bypass", "the first, replaced")
    a.run(CLI, "policy", "del", *"out any4 any dev wan".split())
    lab.equal(len(Espah.json(a, "policy", "list")), 5, "policies afterwards")
    for words, status, why in (("dev nodev", 2, "no network device 'nodev'"),
                               ("mark 5/4", 2, "beyond its mask"), ("mark 5/0", 2, "with a mask"),
                               ("mark 0x100000000", 2, "'mark' cannot be"), ("dev 0", 2, "from 1"),
                               ("mark", 2, "mark")):
        result = a.run(CLI, "policy", "add", "out", "any4", "any", *words.split(), "bypass",
                       check=False)
        lab.equal(result.returncode, status, f"status of {words}")
        lab.true(why in result.stderr, f"{words}: {result.stderr}")


@lab.test("a device that goes takes no policy with it; a new one of its name has the policy of the name, not "
          "that of the number")
def device_gone():
    gateway = Gateway.get()
    a = gateway.a

    def met(device):
        policy = Espah.json(a, "explain", "10.1.0.1", "10.9.9.9", "dev", device)["policy"]
        return policy and policy["id"]
    for name in ("x0", "x1"):
        a.ip(f"link add {name} type dummy\nlink set {name} up\n")
    index = str(json.loads(a.run("ip", "-j", "link", "show", "x1").stdout)[0]["ifindex"])
    a.run(CLI, "policy", "add", *"out any4 any dev x0 discard".split())
    a.run(CLI, "policy", "add", "out", "any4", "any", "dev", index, "discard")
    by_name, by_number = met("x0"), met("x1")
    lab.true(by_name and by_number and by_name != by_number, f"policies {by_name}, {by_number}")
    for name in ("x0", "x1"):
        a.ip(f"link del {name}\n")
    shown = [Espah.json(a, "policy", "get", "id", str(number))["dev"] for number in (by_name, by_number)]
    lab.equal(shown, ["x0", index], "devices of the policies")
    for name in ("x0", "x1"):
        a.ip(f"link add {name} type dummy\nlink set {name} up\n")
    lab.equal((met("x0"), met("x1"), met(index)), (by_name, None, by_number), "policies of the new devices")
    for name in ("x0", "x1"):
        a.ip(f"link del {name}\n")


@lab.test("a socket has a way round the policies by its mark, and no other has (RFC 4301 5)")
def per_socket():
    for v in (4, 6):
        out, into = sa_pair(0x3200, v)
        gateway = Gateway.get([
            *lines_of(out, into), f"policy add both {EVERYBODY[v]} {tunnel(v)}",
            f"policy add out {EVERYBODY[v]} mark 0x1ce priority 1 bypass",
            f"policy add in {EVERYBODY[v]} udp sport 5500 dport 5500 priority 1 bypass"])
        for sport, mark, want in ((5500, 0x1ce, "clear"), (5500, 0, "esp 0x3200"),
                                  (5501, 0x1ce, "clear"), (5501, 0x1cf, "esp 0x3200"),
                                  (500, 0, "clear"), (500, 0x1cf, "clear")):
            sock = traffic.udp(gateway.a, OWN[v], sport)
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
            gateway.seen()
            body = struct.pack("!QQ", 0x50c4e7, sport << 32 | mark)
            sock.sendto(body, (FAR[v], 5500))
            ways = lab.wait_for(lambda: [how for how, packet in gateway.seen()
                                         if body in packet], "the datagram")
            lab.equal(ways, [want], f"from port {sport} with mark {mark:#x}, IPv{v}")
            sock.close()
        lab.equal(gateway.fate("in", Flow(FAR[v], OWN[v], sport=5500, dport=5500)), "clear",
                  "the answer, by its ports")
        lab.equal(gateway.fate("in", Flow(FAR[v], OWN[v], sport=5500, dport=5501)),
                  "drop plaintext", "what is no answer")
        # an unprivileged process cannot set such a mark
        with gateway.a:
            result = lab.run("setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3",
                             "-c", "import socket; socket.socket().setsockopt(1, 36, 0x1ce)",
                             check=False)
        lab.true("PermissionError" in result.stderr, f"without privilege: {result.stderr[-200:]}")


if __name__ == "__main__":
    lab.main()
