#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan with if_ids, marks and interfaces.

See sites.py for the topology; a is over espah, with devices, b over XFRM, with XFRM interfaces.
Some tests have a second link between a and m:

   a wan2 203.0.113.1 ===== 203.0.113.254 west2 m        (2001:db8:3::1, 2001:db8:3::fe)

ESPAH_STACK=xfrm: a is over XFRM and its interfaces, too. A failure is then an error of the tests.
With a peer machine, what is west of m is read at a, and the second link is a VLAN of the first.
"""
import collections
import contextlib
import json
import os
import re
import struct

import lab
import peer
import traffic
from charon import RUN, Charon
from ipsec import CLI, OURS
from sites import (A, B, GCM, LONG, NET_A, NET_B, NEVER, S, T, Flow, Lab, carry, check_flow, quiet,
                   reply, roam, two_networks)

STACK = os.environ.get("ESPAH_STACK", OURS.name)
BOTH = "0.0.0.0/0,::/0"
ONE, TWO = 7, 8      # if_ids of a
FAR_ONE, FAR_TWO = 9, 10  # of b


# --- the network --------------------------------------------------------------------------


def clean(lab_of=Lab.clean):
    """The lab without the devices, rules and marks of earlier tests."""
    here = lab_of()
    for ns in here.a, here.b:
        for link in json.loads(ns.run("ip", "-j", "link").stdout):
            if re.match("(ipsec|xfrm|wan)[0-9]", link["ifname"]):
                ns.run("ip", "link", "del", link["ifname"])
        ns.run("nft", "delete", "table", "inet", "marks", check=False)
    quiet(here.a)
    for family in "-4", "-6":
        here.a.run("ip", family, "rule", "del", "table", "33", check=False)
    return here


def add_device(ns, name, if_id, dev="dev wan"):
    """A device of the stack of a namespace."""
    if str(ns) == "a" and STACK == "espah":
        ns.run(CLI, "link", "add", name, "if-id", str(if_id), *dev.split())
    else:
        ns.ip(f"link add {name} type xfrm {dev} if_id {if_id}\n")
    ns.ip(f"link set {name} up\n")


def route(here, near="ipsec7", far="xfrm9"):
    """Routes from site to site into a device at each gateway."""
    for ns, device, nets in (here.a, near, NET_B), (here.b, far, NET_A):
        ns.ip("".join(f"route replace {net} dev {device}\n" for net in nets.values()))


def devices(here, dev="dev wan"):
    add_device(here.a, "ipsec7", ONE, dev)
    add_device(here.b, "xfrm9", FAR_ONE)
    route(here)


def passed(ns, device):
    """Packets that a device has received and sent."""
    stats, = json.loads(ns.run("ip", "-j", "-s", "link", "show", device).stdout)
    return stats["stats64"]["rx"]["packets"], stats["stats64"]["tx"]["packets"]


@contextlib.contextmanager
def wire(here, device="west"):
    """The ESP packets on a device of m meanwhile: {SPI: number}."""
    counts = collections.Counter()
    place = (here.a, device.replace("west", "wan")) if peer.PORT else (here.m, device)
    with traffic.Wire(*place) as tap:
        yield counts
        for packet in tap.packets(50):
            at = 20 if packet[0] >> 4 == 4 else 40
            counts[struct.unpack_from("!I", packet, at)[0]] += 1


def second_path(here):
    """Another link from a to m."""
    if peer.PORT:
        for ns, device in (here.a, "wan"), (here.m, "west"):
            ns.run("ip", "link", "del", f"{device}2", check=False)
            ns.ip(f"link add link {device} name {device}2 up type vlan id 2\n")
    else:
        lab.link(here.a, "wan2", here.m, "west2")
    for ns, device, host4, host6 in (here.a, "wan2", 1, 1), (here.m, "west2", 254, "fe"):
        ns.ip(f"addr replace 203.0.113.{host4}/24 dev {device}\n"
              f"addr replace 2001:db8:3::{host6}/64 dev {device} nodad\n")


def nft(ns, text):
    ns.run("nft", "-f", "-", stdin="table inet marks\ndelete table inet marks\n"
                                   f"table inet marks {{\n{text}\n}}\n")


def counter(ns, name):
    text = ns.run("nft", "list", "counter", "inet", "marks", name).stdout
    return int(text.split("packets ")[1].split()[0])


# --- charon -------------------------------------------------------------------------------

def ids(into, out=None):
    return f"if_id_in = {into}\nif_id_out = {into if out is None else out}\n"


def selectors(flip, near=BOTH, far=BOTH):
    return "local_ts = {}\nremote_ts = {}\n".format(*((near, far), (far, near))[flip])


def configuration(side, mine, theirs, children, near, far):
    """A connection for each child, told apart by IKE identities; children: {name: (text, text)}."""
    sections = []
    for name, texts in children.items():
        sections.append(f"""{name} {{
            version = 2
            local_addrs = {mine}
            remote_addrs = {theirs}
            proposals = aes128-sha256-x25519
            local {{
                auth = psk
                id = {name}.{"ab"[side]}
            }}
            remote {{
                auth = psk
                id = {name}.{"ba"[side]}
            }}
            children {{ {name} {{
                {selectors(side, near, far)}{GCM}{texts[side]}
            }} }}
        }}""")
    return "connections {\n" + "\n".join(sections) + "\n}\n"


def pair(here, outer, children, near=BOTH, far=BOTH, a_addrs=None, b_addrs=None, **options):
    """A charon at each gateway; near, far: the nets of all children."""
    b = Charon(here.b, "xfrm", configuration(1, b_addrs or B[outer], a_addrs or A[outer], children,
                                             near, far))
    a = Charon(here.a, STACK, configuration(0, a_addrs or A[outer], b_addrs or B[outer], children,
                                            near, far), **options)
    return a, b


def child(charon, name="one"):
    """What swanctl tells of the installed CHILD_SA with that name, when no rekeying is under way."""
    def installed():
        found = re.findall(rf"\b{name}-\d+ {{(name={name} [^}}]*state=INSTALLED[^}}]*)}}", charon.sas())
        return found[0] if len(found) == 1 else None
    return dict(re.findall(r"([\w-]+)=(\S+)", lab.wait_for(installed, f"one installed CHILD_SA {name}")))


def numbers(charon, *keys, name="one"):
    """Numbers of a CHILD_SA that swanctl tells in hexadecimal."""
    told = child(charon, name)
    return tuple(int(told[key], 16) if key in told else None for key in keys)


def spis(charon, name="one"):
    return numbers(charon, "spi-in", "spi-out", name=name)


def clear(here, dropped=()):
    lab.equal(here.in_clear(), 0, "packets in clear")
    if STACK == "espah":
        lab.equal(set(here.dropped()), set(dropped), "drops")


# --- devices ------------------------------------------------------------------------------

for outer_ in 4, 6:
    @lab.test(f"if_id, IPv{outer_} outside: what is routed into the device passes both ways, pings "
              "and TCP of both families, through the device; the gateway's other packets do not",
              outer_)
    def fixed(outer):
        here = clean()
        devices(here)
        a, b = pair(here, outer, {"one": (ids(ONE) + LONG, ids(FAR_ONE) + LONG)})
        a.initiate("one")
        lab.equal(numbers(a, "if-id-in", "if-id-out"), (ONE, ONE), "if_ids at a")
        lab.equal(numbers(b, "if-id-in", "if-id-out"), (FAR_ONE, FAR_ONE), "if_ids at b")
        into, out = spis(a)
        before = passed(here.a, "ipsec7")
        with wire(here) as seen:
            for inner in 4, 6:
                traffic.ping(here.s, S[inner], T[inner], count=2)
                traffic.ping(here.t, T[inner], S[inner], count=2)
        lab.equal(dict(seen), {into: 8, out: 8}, "ESP packets by SPI")
        lab.equal(tuple(now - then for now, then in zip(passed(here.a, "ipsec7"), before)), (8, 8),
                  "packets that the device received and sent")
        for inner in 4, 6:
            carry(here, inner)
        with wire(here) as seen:
            for family, router in (4, "192.0.2.254"), (6, "2001:db8:1::fe"):
                traffic.ping(here.a, A[family], router)
        lab.equal(dict(seen), {}, "ESP packets of pings to the router")
        lab.equal(here.a.run("ip", "route", "show", "table", "220", check=False).stdout, "",
                  "routes of charon")
        a.swanctl("--terminate", "--ike", "one")
        if STACK == "espah":
            lab.wait_for(lambda: here.left() == ([], []), "all SAs and policies to go")
        lab.true(not reply(here), "a ping was answered without a CHILD_SA")
        lab.equal(here.in_clear(), 0, "packets in clear")


@lab.test("if_id: a second child with the same selectors and another if_id carries beside the "
          "first, and the first carries on without the second")
def beside():
    here = clean(two_networks)
    devices(here)
    add_device(here.a, "ipsec8", TWO)
    add_device(here.b, "xfrm10", FAR_TWO)
    here.a.ip("route replace 10.2.1.0/24 dev ipsec8\n")
    here.b.ip("route replace 10.1.1.0/24 dev xfrm10\n")
    a, _ = pair(here, 4, {"one": (ids(ONE) + LONG, ids(FAR_ONE) + LONG),
                          "two": (ids(TWO) + LONG, ids(FAR_TWO) + LONG)})
    a.initiate("one")
    a.initiate("two")
    lab.true(child(a)["reqid"] != child(a, "two")["reqid"], "the same reqid")
    for _ in range(2):
        with wire(here) as seen:
            traffic.ping(here.s, S[4], T[4], count=2)
            traffic.ping(here.s, "10.1.1.2", "10.2.1.2", count=3)
            traffic.ping(here.t, "10.2.1.2", "10.1.1.2")
        lab.equal(dict(seen), {**dict.fromkeys(spis(a), 2), **dict.fromkeys(spis(a, "two"), 4)},
                  "ESP packets by SPI")
    clear(here)
    # by the other's SA a packet arrives at the other device, and at the same address
    here.b.ip("route replace 10.1.0.0/24 dev xfrm10\n")
    before = passed(here.a, "ipsec8")[0]
    traffic.ping(here.s, S[4], T[4])
    lab.equal(passed(here.a, "ipsec8")[0], before + 1, "packets that the second device received")
    route(here)
    a.swanctl("--terminate", "--ike", "two")
    traffic.ping(here.s, S[4], T[4])
    traffic.ping(here.t, T[4], S[4])
    lab.true(not reply(here, "10.1.1.2", "10.2.1.2"), "a ping was answered without its CHILD_SA")
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(child(a)["state"], "INSTALLED", "the first child")


@lab.test("if_id: two traps with the same selectors: a packet brings up the child of its device, "
          "and no other")
def traps():
    here = clean()
    devices(here)
    add_device(here.a, "ipsec8", TWO)
    add_device(here.b, "xfrm10", FAR_TWO)
    trap = "start_action = trap\n" + LONG
    a, _ = pair(here, 4, {"one": (ids(ONE) + trap, ids(FAR_ONE) + LONG),
                          "two": (ids(TWO) + trap, ids(FAR_TWO) + LONG)})
    if STACK == "espah":
        lab.wait_for(lambda: len(here.left()[1]) == 8, "the trap policies")
    for name, near, far in ("two", "ipsec8", "xfrm10"), ("one", "ipsec7", "xfrm9"):
        lab.true(f"name={name} " not in a.sas(), f"CHILD_SA {name} before its first packet")
        route(here, near, far)
        lab.wait_for(lambda: reply(here), f"an answer by {name}", 60)
        with wire(here) as seen:
            traffic.ping(here.s, S[4], T[4], count=3)
            traffic.ping(here.t, T[6], S[6], count=3)
        lab.equal(dict(seen), dict.fromkeys(spis(a, name), 6), "ESP packets by SPI")
        lab.equal(numbers(a, "if-id-out", name=name), ((ONE, TWO)[name == "two"],), "if_id")
    clear(here, ["no_sa"])


UPDOWN = """#!/bin/sh
exec >>{run}/updown.log 2>&1
echo "$PLUTO_VERB $PLUTO_IF_ID_IN $PLUTO_IF_ID_OUT $PLUTO_PEER_CLIENT"
for id in $PLUTO_IF_ID_IN $PLUTO_IF_ID_OUT; do
    case $PLUTO_VERB in
    up-client*) {add} && ip link set "ipsec$id" up ;;
    down-client*) ip link del "ipsec$id" ;;
    esac
done
case $PLUTO_VERB in
up-client*) ip route replace "$PLUTO_PEER_CLIENT" dev "ipsec$PLUTO_IF_ID_OUT" ;;
esac
exit 0
"""

for word, different in ("%unique", False), ("%unique-dir", True):
    @lab.test(f"if_id {word}: swanctl tells the ids, and an updown script makes the device"
              f"{'s, one for each direction' if different else ''}", word, different)
    def unique(ids_, two):
        here = clean()
        script = f"{RUN}/updown"
        with open(script, "w") as file:
            file.write(UPDOWN.format(run=RUN, add=(
                f'{CLI} link add "ipsec$id" if-id "$id" dev wan' if STACK == "espah" else
                'ip link add "ipsec$id" type xfrm dev wan if_id "$id"')))
        os.chmod(script, 0o755)
        add_device(here.b, "xfrm9", FAR_ONE)
        here.b.ip(f"route replace {NET_A[4]} dev xfrm9\n")
        a, _ = pair(here, 4, {"one": (f"{ids(ids_)}updown = {script}\n" + LONG,
                                      ids(FAR_ONE) + LONG)}, NET_A[4], NET_B[4])
        for _ in range(2):  # the second time with other ids
            a.initiate("one")
            into, out = numbers(a, "if-id-in", "if-id-out")
            lab.true((into != out) == two, f"if_ids {into} and {out}")
            lab.wait_for(lambda out=out: f"dev ipsec{out} " in here.a.run("ip", "route").stdout,
                         "the route of the script")
            before = passed(here.a, f"ipsec{into}")[0], passed(here.a, f"ipsec{out}")[1]
            traffic.ping(here.s, S[4], T[4], count=3)
            traffic.ping(here.t, T[4], S[4], count=3)
            lab.equal((passed(here.a, f"ipsec{into}")[0] - before[0],
                       passed(here.a, f"ipsec{out}")[1] - before[1]), (6, 6),
                      "packets received and sent by the devices")
            clear(here)
            a.swanctl("--terminate", "--ike", "one")
            lab.wait_for(lambda: "ipsec" not in here.a.run("ip", "link").stdout,
                         "the devices to go")


# --- rekeying and moving ------------------------------------------------------------------

for who, texts_ in (("by espah's end, which is told of 2000 packets",
                     ("rekey_packets = 2000\nlife_packets = 1000000000\nrand_packets = 0\n", "")),
                    ("by XFRM's end after seconds", ("", "rekey_time = 4s\nlife_time = 10m\n"
                                                         "rand_time = 0\n"))):
    @lab.test(f"if_id: rekeying {who}, under a flow both ways: none lost, none twice, none in "
              "clear, and the if_ids stay", *texts_)
    def rekey(mine, theirs):
        here = clean()
        devices(here)
        a, b = pair(here, 4, {"one": (ids("%unique") + (mine or "") + NEVER,
                                      ids(FAR_ONE) + (theirs or NEVER))})
        a.initiate("one")
        if_ids = numbers(a, "if-id-in", "if-id-out")
        add_device(here.a, "ipsec30", if_ids[0])
        route(here, "ipsec30")
        carry(here)

        def established():
            return len(set(re.findall(r"CHILD_SA one\{(\d+)\} established", a.log())))
        with Flow(here) as flow:
            lab.wait_for(lambda: established() >= 4, "three rekeyings", 90)
        if STACK == "espah":
            check_flow(here, flow)
        lab.wait_for(lambda: a.children() == 1, "the replaced CHILD_SAs to go")
        lab.equal(numbers(a, "if-id-in", "if-id-out"), if_ids, "if_ids, after and before")
        lab.equal(numbers(b, "if-id-in", "if-id-out"), (FAR_ONE, FAR_ONE), "if_ids at b")
        lab.equal(here.in_clear(), 0, "packets in clear")


if STACK == "espah":
    @lab.test("if_id and MOBIKE: the gateway gets another address; SAs and policies move, with "
              "their replay state, and the device carries on")
    def mobike():
        here = clean()
        devices(here)
        a, _ = pair(here, 4, {"one": (ids(ONE) + LONG, ids(FAR_ONE) + LONG)},
                    a_addrs="%any")
        a.initiate("one")
        roam(here, a, here.a, B[4])
        lab.equal(numbers(a, "if-id-in", "if-id-out"), (ONE, ONE), "if_ids")

    @lab.test("if_id: charon killed: nothing leaves the device in clear; started again, it clears "
              "the SAs that it finds, and takes the policies over")
    def killed():
        here = clean()
        devices(here)
        a, _ = pair(here, 4, {"one": (ids(ONE) + LONG + "start_action = trap\n",
                                      ids(FAR_ONE) + LONG)})
        lab.wait_for(lambda: reply(here), "an answer", 60)
        a.stop(kill=True)
        lab.equal([len(what) for what in here.left()], [2, 8], "SAs and policies without charon")
        a.start()
        lab.wait_for(lambda: not here.left()[0], "charon to clear the SAs that it finds")
        lab.equal(len(here.left()[1]), 8, "policies until the new charon has its own")
        lab.true(not reply(here), "a ping was answered without a CHILD_SA")
        lab.equal(here.in_clear(), 0, "packets in clear")
        a.swanctl("--load-all", "--noprompt")
        lab.wait_for(lambda: reply(here), "an answer", 60)


# --- marks --------------------------------------------------------------------------------

BY_PORT = """
    chain pre {{
        type filter hook prerouting priority mangle;
        iifname lan udp dport 7001 meta mark set 0x11
        iifname lan udp dport 7002 meta mark set 0x22
    }}
    {more}
"""


def exchange(here, port, back=True):
    """A datagram to the port each way."""
    with traffic.udp(here.s, S[4], port) as near, traffic.udp(here.t, T[4], port) as far:
        traffic.deliver(near, far, [b"there"])
        if back:
            traffic.deliver(far, near, [b"back"])


def marked(here, text=""):
    """Two children with the same selectors and different marks; b's SAs mark what they carry."""
    def marks(mark, more):
        return f"mark_in = {mark:#x}\nmark_out = {mark:#x}\n{more}{LONG}"
    nft(here.b, BY_PORT.format(more=""))
    return pair(here, 4, {name: (marks(mark, text), marks(mark, "set_mark_in = %same\n"))
                          for name, mark in (("one", 0x11), ("two", 0x22))}, NET_A[4], NET_B[4])


def by_port(here, a):
    """Checks that each port passes by its child, and that an unmarked packet passes in clear."""
    for port, name in (7001, "one"), (7002, "two"):
        with wire(here) as seen:
            exchange(here, port)
        lab.equal(dict(seen), dict.fromkeys(spis(a, name), 1), f"ESP packets of port {port} by SPI")
    clear(here)
    with wire(here) as seen:
        exchange(here, 7003)
    lab.equal((dict(seen), here.in_clear()), ({}, 2),
              "ESP packets and packets in clear without a mark")


@lab.test("mark_in and mark_out: two children with the same selectors: packets, and ESP packets "
          "that a firewall marks, meet the child with their mark; with another mark ESP is dropped")
def marks_of_packets():
    here = clean()
    a, _ = marked(here)
    a.initiate("one")
    a.initiate("two")
    lab.equal(numbers(a, "mark-in", "mark-out"), (0x11, 0x11), "marks of one")
    lab.equal(numbers(a, "mark-in", "mark-out", name="two"), (0x22, 0x22), "marks of two")

    def set_marks(marks):
        lines = "".join(f"esp spi {spis(a, name)[0]:#x} meta mark set {mark:#x}\n"
                        for name, mark in marks.items())
        nft(here.a, BY_PORT.format(
            more=f"chain input {{ type filter hook input priority mangle;\n{lines}}}"))
    set_marks({"one": 0x11, "two": 0x22})
    by_port(here, a)
    set_marks({"one": 0x22, "two": 0x11})
    with traffic.udp(here.t, T[4], 7001) as far, traffic.udp(here.s, S[4], 7001) as near:
        far.sendto(b"back", near.getsockname())
        if STACK == "espah":
            lab.wait_for(here.dropped, "a drop")
            lab.equal(here.dropped(), {"policy": 1}, "drops")
        lab.true(traffic.silent(near), "a packet of an SA with another mark arrived")
    a.swanctl("--terminate", "--ike", "two")
    set_marks({"one": 0x11})
    exchange(here, 7001)


@lab.test("set_mark_in = %same: two children with the same selectors and different marks carry, "
          "though no firewall marks the ESP packets")
def marks_of_sas():
    here = clean()
    a, _ = marked(here, "set_mark_in = %same\n")
    nft(here.a, BY_PORT.format(more=""))
    a.initiate("one")
    a.initiate("two")
    by_port(here, a)


@lab.test("mark %unique: swanctl tells the marks, and what the firewall marks so passes")
def unique_marks():
    here = clean()
    text = "mark_in = %unique\nmark_out = %unique/0xff\nset_mark_in = %same\n" + LONG
    a, _ = pair(here, 4, {"one": (text, LONG)}, NET_A[4], NET_B[4])
    a.initiate("one")
    mark_in, mark_out, mask = numbers(a, "mark-in", "mark-out", "mark-mask-out")
    lab.true(mark_in == mark_out and mask == 0xff, f"marks {mark_in} and {mark_out}/{mask:#x}")
    nft(here.a, "chain pre { type filter hook prerouting priority mangle;\n"
                f"iifname lan meta mark set {mark_out | 0x500:#x}\n}}")
    with wire(here) as seen:
        traffic.ping(here.s, S[4], T[4], count=2)
    lab.equal(dict(seen), dict.fromkeys(spis(a), 2), "ESP packets by SPI")
    clear(here)


if STACK == "espah":
    @lab.test("mark_out: a child with a mark precedes a child without that has the same selectors and "
              "came first")
    def precedence():
        here = clean()
        # b's children have the same reqid, so it takes packets of either
        a, _ = pair(here, 4, {"one": (LONG, LONG),
                              "two": ("mark_in = 0x22\nmark_out = 0x22\n" + LONG, LONG)},
                    NET_A[4], NET_B[4])
        nft(here.a, BY_PORT.format(more=""))
        a.initiate("one")
        a.initiate("two")
        for port, name in (7001, "one"), (7002, "two"):
            with wire(here) as seen:
                exchange(here, port, back=False)
            lab.equal(dict(seen), {spis(a, name)[1]: 1}, f"ESP packets of port {port} by SPI")


for family_ in 4, 6:
    @lab.test(f"set_mark_out, IPv{family_}: ESP packets take the route of their mark, with a "
              "device too; set_mark_in: decrypted packets have the mark in the bits of the mask",
              family_)
    def set_marks_of(family):
        for if_id in None, ONE:
            here = clean()
            second_path(here)
            here.a.ip("".join(f"route replace default via {gateway} dev wan2 table 33\n"
                              for gateway in ("203.0.113.254", "2001:db8:3::fe")))
            for version in "-4", "-6":
                here.a.run("ip", version, "rule", "add", "fwmark", "0x33/0xff", "table", "33")
            if if_id:
                devices(here, dev="")
            mine, theirs = (ids(ONE), ids(FAR_ONE)) if if_id else ("", "")
            a, _ = pair(here, family, {"one": (
                f"{mine}set_mark_in = 0x440/0xff0\nset_mark_out = 0x33/0xff\n{LONG}",
                theirs + LONG)}, NET_A[family], NET_B[family])
            nft(here.a, """
                counter right { }
                counter both { }
                chain input {
                    type filter hook input priority mangle;
                    meta l4proto esp meta mark set 0x1003
                }
                chain forward {
                    type filter hook forward priority 0;
                    oifname lan meta mark 0x1443 counter name right
                    oifname lan counter name both
                }""")
            a.initiate("one")
            into, out = spis(a)
            with wire(here) as west, wire(here, "west2") as west2:
                traffic.ping(here.s, S[family], T[family], count=2)
                traffic.ping(here.t, T[family], S[family], count=2)
            lab.equal((dict(west), dict(west2)), ({into: 4}, {out: 4}),
                      f"ESP packets by SPI on both paths, if_id {if_id}")
            lab.equal((counter(here.a, "right"), counter(here.a, "both")), (4, 4),
                      f"packets that have the mark, and all, if_id {if_id}")
            clear(here)


# --- interfaces ---------------------------------------------------------------------------

@lab.test("interface: what leaves by it is protected, and what leaves by another one is not; if it "
          "is made again, the policy follows with the next rekeying")
def interface():
    here = clean()
    second_path(here)
    a, _ = pair(here, 4, {"one": ("interface = wan2\n" + LONG, LONG)}, NET_A[4], NET_B[4],
                options="install_routes = no")
    a.initiate("one")

    def sent(device):
        """ESP packets of an echo request by a device, packets in clear, and whether b took it."""
        gateway = {"wan": "192.0.2.254", "wan2": "203.0.113.254"}[device]
        here.a.ip(f"route replace {NET_B[4]} via {gateway} dev {device}\n")
        before = here.in_clear()
        with wire(here) as seen:
            took = reply(here)
        return seen[spis(a)[1]], here.in_clear() - before, took
    lab.equal(sent("wan2"), (1, 0, True), "by wan2")
    lab.equal(sent("wan"), (0, 1, False), "by wan")
    if STACK == "espah":
        here.a.ip("link del wan2\n")
        second_path(here)
        lab.equal(sent("wan2"), (0, 1, False), "by another wan2")
        old = spis(a)
        a.swanctl("--rekey", "--child", "one")
        lab.wait_for(lambda: a.children() == 1 and spis(a) != old, "a rekeying")
        lab.equal(sent("wan2"), (1, 0, True), "by another wan2, after a rekeying")
    a.swanctl("--terminate", "--ike", "one")
    if STACK == "espah":
        lab.wait_for(lambda: here.left() == ([], []), "all SAs and policies to go")


if __name__ == "__main__":
    lab.main()
