#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Configuration files: check, apply, save.

   a (espah) 192.0.2.1 ---- 192.0.2.2 b

Behind b are 10.2.0.0/16 and 2001:db8:2::/48.
"""
import itertools
import json
import os
import random
import re
import socket
import threading

import ipsec
import lab
import traffic
from ipsec import CLI, SA, Espah

A, B = "192.0.2.1", "192.0.2.2"
FOLDER = "/tmp/apply"
FILE = f"{FOLDER}/espah.conf"
TUNNEL = f"protect esp tunnel {A} {B}"
COUNTS = ("id", "packets", "bytes", "added", "drops", "seq", "first_used", "last_used", "driver",
          "owner", "dummies", "pmtu", "soft", "hard")


def topology():
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    a.ip(f"addr add {A}/24 dev eth0\naddr add 10.1.0.1/32 dev lo\nroute add 10.0.0.0/8 via {B}\n")
    b.ip(f"addr add {B}/24 dev eth0\naddr add 10.2.0.9/32 dev lo\n")
    os.makedirs(FOLDER, exist_ok=True)
    return a, b


def write(lines, file=FILE):
    with open(file, "w", encoding="utf-8") as stream:
        os.chmod(file, 0o600)
        stream.write("\n".join(lines) + "\n")


def key_file(name, size=36):
    with open(f"{FOLDER}/{name}", "w", encoding="ascii") as file:
        os.chmod(f"{FOLDER}/{name}", 0o600)
        file.write(os.urandom(size).hex())
    return name


def apply(ns, *words, lines=None, status=0):
    """Returns what it says: on standard output, or with a status, on standard error."""
    if lines is not None:
        write(lines)
    result = ns.run(CLI, "apply", *words, FILE, check=False, timeout=300)
    lab.equal(result.returncode, status, f"status of apply {words}: {result.stdout}{result.stderr}")
    return result.stderr if status in (1, 2) else result.stdout


def signs(ns):
    """The lines of a dry run, without their signs, by sign."""
    result = ns.run(CLI, "apply", "--dry-run", FILE, check=False)
    lines = [line for line in result.stdout.splitlines() if line[1:2] == " "]
    lab.equal(result.returncode, 3 if lines else 0, f"status: {result.stderr}")
    return {sign: [line[2:] for line in lines if line[0] == sign] for sign in "+-~"}


def everything(ns):
    """SAs, policies, devices and settings, without what the kernel counts and numbers."""
    things = [Espah.json(ns, *words) for words in (("sa", "list"), ("policy", "list"))]
    for thing in itertools.chain(*things):
        for count in COUNTS:
            thing.pop(count, None)
    # an MTU that was not set by hand follows the SAs, a moment later
    links = [(link["name"], link["if_id"], link["mtu"] == 1300, link["up"], link.get("dev"))
             for link in Espah.json(ns, "link", "list")]
    return *things[0], *things[1], links, Espah.json(ns, "default"), Espah.json(ns, "config")


SITE = ["default out discard", "config direct on",
        f"sa add in spi 0x1001 src {B} dst {A} tunnel aes256gcm16 key-file in.key reqid 7",
        f"sa add out spi 0x2001 src {A} dst {B} tunnel aes256gcm16 key-file out.key reqid 7 "
        "soft time 50m hard time 1h label 'site b'",
        f"policy add both 10.1.0.0/16 10.2.0.0/16 {TUNNEL} reqid 7",
        "policy add out any4 any4 icmp priority 2000 bypass",
        "policy add in any4 any4 dev ipsec0 priority 2000 bypass",
        "link add ipsec0 if-id 42 up"]


@lab.test("a file is applied as a whole; once more, nothing changes and counters stay; what is not in the file "
          "any more goes, what was made by hand stays")
def whole():
    a, b = topology()
    key_file("in.key"), key_file("out.key")
    said = apply(a, lines=SITE)
    lab.true("added 7, changed 2, removed 0" in said, said)
    Espah.json(a, "link", "show", "ipsec0")
    lab.equal(Espah.json(a, "default")["out"], "discard", "default")
    with traffic.udp(a, "10.1.0.1") as sender:
        for _ in range(5):
            sender.sendto(b"x", ("10.2.0.9", 9))
    packets = [sa["packets"] for sa in Espah.sas(a)]
    lab.equal(packets, [0, 5], "packets")
    lab.equal(signs(a), {"+": [], "-": [], "~": []}, "differences")
    before = Espah.json(a, "policy", "list")
    lab.equal({thing["owner"] for thing in (*before, *Espah.sas(a))}, {"file"}, "owners")
    apply(a)
    lab.equal(Espah.json(a, "policy", "list"), before, "policies, with counters and numbers")
    lab.equal([sa["packets"] for sa in Espah.sas(a)], packets, "packets")

    a.run(CLI, "policy", "add", "out", "10.77.0.0/16", "any4", "bypass")
    fewer = [line.replace("10.2.0.0/16", "10.3.0.0/16").replace("1h", "2h for-dscp le,8-15") for line in SITE
             if not re.match("config|link|.*dev ipsec0", line)]
    write(fewer)
    planned = signs(a)
    lab.equal([len(planned[sign]) for sign in "+-~"], [2, 4, 2], f"lines of {planned}")
    said = apply(a)
    lab.true("added 2, changed 2, removed 4" in said and "1 policies" in said, said)
    lab.equal([sa["packets"] for sa in Espah.sas(a)], packets, "packets after a limit has changed")
    sa = Espah.sas(a, "out")[0]
    lab.equal((sa["hard"]["time"]["limit"], sa["for_dscp"]), (7200, "le,8-15"), "the limit, and the DSCPs")
    lab.equal(len(Espah.json(a, "link", "list")), 0, "devices")
    lab.equal(Espah.json(a, "config")["direct"], False, "a setting that the file has no more")
    there = [(policy["dir"], policy["src"], policy["dst"]) for policy in Espah.json(a, "policy", "list")]
    lab.equal(sorted(there), [("in", "10.3.0.0/16", "10.1.0.0/16"), ("out", "10.1.0.0/16", "10.3.0.0/16"),
                              ("out", "10.77.0.0/16", "any"), ("out", "any", "any")], "policies")


@lab.test("all errors of a file are told with line and column, before anything changes")
def errors():
    a, _ = topology()
    key_file("in.key")
    os.makedirs(f"{FOLDER}/conf.d", exist_ok=True)
    write(["policy add out 10.5.0.0/99 any bypass"], f"{FOLDER}/conf.d/b.conf")
    write(["include espah.conf"], f"{FOLDER}/circle.conf")
    write(["policy add out 10.8.0.0/16 any bypass",
           f"sa add in spi 0x1001 src {B} dst {A} tunel aes256gcm16 key-file in.key",
           "policy del out 10.8.0.0/16 any", "polcy add", "sa flush", "include none.conf",
           "include conf.d/*.conf", "policy add out 10.8.0.0/16 any discard",
           f"sa add in spi 0x1002 src {B} dst {A} tunnel aes256gcm16 key-file no.key", "explain 10.1.1.1 10.2.2.2",
           "policy add 'out", "default out", "default in discard", "default in bypass", "policy --help"])
    with a:
        checked = lab.run(CLI, "check", FILE, check=False)
    applied = apply(a, status=1)
    lab.equal(checked.stderr, applied, "errors of check and of apply")
    places = re.findall(r"^espah: (\S+?):(\d+):(?:(\d+):)? ", applied, re.M)
    expected = [(2, 50), (3, 8), (4, 1), (5, 4), (6, 9), ("b.conf", 16), (9, 78), (10, 1), (11, None),
                (12, 9), (14, 12), (15, 8)]
    got = [(int(line) if file == FILE else os.path.basename(file), int(column) if column else None)
           for file, line, column in places]
    lab.equal(got, expected, f"places of\n{applied}")
    lab.equal(Espah.json(a, "policy", "list"), [], "policies")
    write([f"include {FOLDER}/circle.conf"])
    lab.true("circle" in apply(a, status=2), "a circle of files is not told")
    # check needs no device, no module and no privilege
    write([f"policy add out any4 any4 {TUNNEL} vrf red7", "link add ipsec7 if-id 7 dev ppp8"])
    lab.true("1 policies" in lab.run(CLI, "check", FILE).stdout, "check wants the device")
    said = apply(a, status=1)
    lab.true("ppp8" in said and "red7" in said, said)
    lab.equal(Espah.json(a, "link", "list"), [], "devices")


@lab.test("what is in the way, or what the kernel refuses, changes nothing")
def refused():
    a, _ = topology()
    key_file("in.key"), key_file("out.key"), key_file("more.key")
    apply(a, lines=SITE)
    a.run(CLI, "policy", "add", "out", "10.77.0.0/16", "any4", "bypass")
    before = everything(a)
    more = [*SITE, f"sa add out spi 0x2002 src {A} dst {B} tunnel aes256gcm16 key-file more.key",
            "policy add out 10.9.0.0/16 any4 bypass", "link add ipsec1 if-id 43"]
    for words, line in (("policy add out 10.77.0.0/16 any4 discard", 12),
                        ("policy add out 10.1.0.0/16 any4 tcp protect transport mss 63", 12),
                        ("policy add out 10.1.0.0/16 any4 sport 99 bypass", 12),
                        (f"sa add out spi 0x2003 src {A} dst {B} tunnel aes256gcm15 key-file in.key", 12),
                        (f"sa add out spi 0x2003 src {A} dst {B} tunnel aes256gcm16 key-file in.key", 12),
                        ("link add ipsec2 if-id 42", 12)):
        with lab.verdict(f"refused, and nothing has changed: {words}"):
            # what would change in place, too
            lines = [each.replace("hard time 1h", "hard time 3h").replace("ipsec0 if-id 42 up", "ipsec0 if-id 42")
                     .replace("direct on", "direct off") for each in more]
            said = apply(a, lines=[*lines, words], status=1)
            lab.true(f"{FILE}:{line}:" in said, said)
            lab.equal(everything(a), before, "what there is")


def random_ranges(dice, six):
    if six:
        return dice.choice(["any", f"2001:db8:{dice.randrange(99)}::/48", f"2001:db8::{dice.randrange(1, 99)}",
                            "2001:db8::5-2001:db8::9,2001:db8:7::/48"])
    return dice.choice(["any", f"10.{dice.randrange(99)}.0.0/16", f"10.1.0.{dice.randrange(255)}",
                        "10.9.0.5-10.9.0.77", "10.4.0.0/16,10.6.1.1,10.7.0.3-10.7.0.9",
                        ",".join(f"10.50.0.{2 * n}" for n in range(12))])


def random_policy(dice, number):
    six = dice.random() < 0.3
    words = [dice.choice(("in", "out")), random_ranges(dice, six), random_ranges(dice, six),
             "inet6" if six else "inet", f"priority {number}"]
    proto = dice.choice(["", "tcp", "udp", "icmpv6" if six else "icmp", "proto 47", "proto 50", "sctp"])
    words.append(proto)
    if proto in ("tcp", "udp", "sctp"):
        words.append(dice.choice(["", "dport 443", "sport 1024-65535", "dport 80,443", "opaque"]))
    if proto == "icmp":
        words.append(dice.choice(["", "type 8", "type 3 code 4", "type 0,8"]))
    words.append(dice.choice(["", "", "", "mark 7", "mark 0x20/0xf0", "dev eth0"]))
    action = dice.choice(["bypass", "discard", "protect", "protect", "protect"])
    if words[0] == "out" and action == "discard":
        action += dice.choice(["", " unreach"])
    if action == "protect":
        ends = ("2001:db8::1 2001:db8::2" if dice.random() < 0.3 else f"{A} {B}")
        action += dice.choice([f" esp tunnel {ends}", f" ah tunnel {ends}", " esp transport",
                               " esp transport reqid 3 ah transport reqid 4", f" esp tunnel {ends} reqid 1 ah transport"])
        action += dice.choice(["", f" reqid {dice.randrange(1, 9)}"] if "reqid" not in action[-8:] else [""])
        action += dice.choice(["", " mss off", " mss 1200"])
        if words[0] == "out":
            action += dice.choice(["", "", " queue 5", " pfp src,dst", " unreach"])
    words += [action, dice.choice(["", "", "label x", "label 'it is \"so\", # and\\'"])]
    if dice.random() < 0.1 and "dev eth0" not in words and not action.startswith("bypass"):
        words.append("if-id 42")
    return "policy add " + " ".join(filter(None, words))


def random_sa(dice, number):
    out, six = dice.random() < 0.5, dice.random() < 0.3
    mode, alg, size = dice.choice(("tunnel", "transport")), *dice.choice((("aes256gcm16", 36), ("aes128-sha256", 48)))
    ends = ["2001:db8::1", "2001:db8::2"] if six else [A, B]
    src, dst = ends if out else reversed(ends)
    words = [f"sa add {'out' if out else 'in'} spi {0x3000 + number} src {src} dst {dst} {mode} {alg}",
             f"key-file {key_file(f'{number}.key', size)}", dice.choice(["", "reqid 5"]), dice.choice(["", "esn"]),
             dice.choice(["", "", "label 'a b'", "cpus 1"]), dice.choice(["", "soft packets 5k bytes 9G"]),
             dice.choice(["", "hard time 1h use 2h idle 90s"]), dice.choice(["", "set-mark 0x5/0xff"]),
             dice.choice(["", "mark 3"]), dice.choice(["", "", "encap udp 4500 4500"]), dice.choice(["", "if-id 42"])]
    if not out:
        words.append(dice.choice(["", "window 64"]))
    if out and mode == "tunnel":
        words += [dice.choice(["", "df set", "df clear"]), dice.choice(["", "tfc 600", "tfc mtu"]),
                  dice.choice(["", "ttl 9"]), dice.choice(["", "dscp ef", "dscp ef=cs5,else=cs0"])]
    if out:
        words.append(dice.choice(["", "", "for-dscp ef", "for-dscp le,cs1-10,af41", "for-dscp 0-63"]))
        words.append(dice.choice(["", "", "dummy steady 1/h", "dummy random 7/h"]))
    if mode == "tunnel":
        words.append(dice.choice(["", "noecn"]))
    return " ".join(filter(None, words))


@lab.test("save and apply: at random, over all that the command can make, nothing differs, and what was saved "
          "makes the same again")
def round_trip():
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    a, _ = topology()
    for round_ in range(6):
        lines = ["default " + " ".join(f"{way} {dice.choice(['bypass', 'discard'])}" for way in ("in", "out", "icmp")),
                 f"config secpath {dice.choice(['on', 'off'])} direct {dice.choice(['on', 'off'])}",
                 "link add ipsec0 if-id 42" + dice.choice(["", " up"]) + dice.choice(["", " mtu 1300"])
                 + dice.choice(["", " dev eth0"])]
        lines += [random_sa(dice, number) for number in range(15)]
        lines += [random_policy(dice, number) for number in range(60)]
        apply(a, lines=lines)
        lab.equal(signs(a), {"+": [], "-": [], "~": []}, f"differences after apply, seed {seed}, round {round_}")
        before, saved = everything(a), a.run(CLI, "save").stdout
        lab.true("key-present" in saved and not re.search("key-file|[0-9a-f]{40}", saved), "keys were saved")
        write(saved.splitlines())
        lab.equal(signs(a), {"+": [], "-": [], "~": []}, f"differences after save, seed {seed}")
        # what words are for, says the kernel: policies, settings and devices made from what was saved
        a.run(CLI, "policy", "flush")
        a.run(CLI, "link", "del", "ipsec0")
        a.run(CLI, "default", "in", "bypass", "out", "bypass", "icmp", "discard")
        a.run(CLI, "config", "secpath", "on", "direct", "off")
        apply(a)
        for was, now in zip(before, everything(a)):
            lab.equal(now, was, f"what there is, seed {seed}, round {round_}")


@lab.test("an SA that cannot change in place is made anew with another key, not with its own; if the kernel "
          "refuses the new one, the old one is there again")
def anew():
    a, _ = topology()
    key_file("out.key"), key_file("new.key"), key_file("short.key", 35)
    line = f"sa add out spi 0x2001 src {A} dst {B} tunnel aes256gcm16 key-file out.key reqid 7"
    apply(a, lines=[line, f"policy add out any4 10.2.0.0/16 {TUNNEL} reqid 7"])
    with traffic.udp(a, "10.1.0.1") as sender:
        for _ in range(5):
            sender.sendto(b"x", ("10.2.0.9", 9))
    before = Espah.sas(a)
    for refused in (line.replace("reqid 7", "reqid 8"), line.replace("out.key", "short.key"),
                    line.replace("key-file out.key", "key-present label x")):
        said = apply(a, lines=[refused, f"policy add out any4 10.2.0.0/16 {TUNNEL} reqid 7"], status=1)
        lab.true(f"{FILE}:1: " in said, said)
        now = Espah.sas(a)
        # one that the kernel has refused costs numbers
        lab.true(now[0]["seq"] in (5, 5 + (1 << 20)) and now[0]["reqid"] == 7, f"after {refused}: {now}")
    lab.equal(before[0]["seq"], 5, "sequence number")
    apply(a, lines=[line.replace("out.key", "new.key reqid 9").removesuffix(" reqid 7")])
    lab.equal([(sa["seq"], sa["reqid"]) for sa in Espah.sas(a)], [(0, 9)], "sequence number and reqid of the new SA")


@lab.test("policies of one priority stand in the order of the file, also after a change of it")
def order():
    a, _ = topology()
    any_way = "policy add out 10.1.0.0/16 any4 bypass"
    lines = ["policy add out 10.1.0.0/16 10.2.0.0/16 discard", any_way,
             "policy add out 10.9.0.0/16 any4 bypass"]

    def first():
        return Espah.json(a, "explain", "10.1.0.1", "10.2.0.9")["action"]
    apply(a, lines=lines)
    lab.equal(first(), "discard", "the first of the file")
    ids = {policy["src"] + policy["dst"]: policy["id"] for policy in Espah.json(a, "policy", "list")}
    apply(a, lines=[any_way, lines[0], lines[2]])
    lab.equal(first(), "bypass", "the first of the file, turned round")
    apply(a, lines=["policy add out 10.1.0.1 any4 discard", any_way, lines[0], lines[2]])
    lab.equal(first(), "discard", "what was put before")
    now = {policy["src"] + policy["dst"]: policy["id"] for policy in Espah.json(a, "policy", "list")}
    lab.equal(now["10.9.0.0/16any"], ids["10.9.0.0/16any"], "number of one that meets no other")


class Wire:
    """SPIs of the ESP packets that leave a namespace, in order; 0: a packet in clear."""

    def __init__(self, ns):
        self.sock = ns.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(traffic.ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, 256 << 20)
        self.sock.bind(("eth0", traffic.ETH_P_ALL))
        self.sock.settimeout(1)

    def spis(self):
        spis = []
        while True:
            try:
                packet, about = self.sock.recvfrom(2048)
            except TimeoutError:
                return spis
            if about[1:3] == (traffic.ETH_P_IP, traffic.PACKET_OUTGOING):
                spis.append(int.from_bytes(packet[20:24], "big") if packet[9] == 50 else 0)


@lab.test("while 500 of 1,000 policies change under full load, each packet meets all old ones or all new ones")
def one_step():
    a, _ = topology()
    # on one processor, so that packets of different SAs stay in order, too
    Espah.configure(a, [SA(0x1000 * way + end, A, B, reqid=10 * way + end, extra="cpus 1")
                        for way in (1, 2) for end in (1, 2)])

    def lines(way):
        # the policies of the two flows are far apart, and those between them change, too
        changing = [f"policy add out 10.1.0.1 10.2.{n >> 8}.{n & 255} {TUNNEL} reqid {10 * way + (1 if n < 250 else 2)}"
                    for n in range(500)]
        return changing + [f"policy add out 10.3.0.1 10.4.{n >> 8}.{n & 255} bypass" for n in range(500)]
    apply(a, lines=lines(1))
    wire, stop, sent = Wire(a), threading.Event(), 0
    for way in (2, 1, 2):
        stop.clear()

        def load():
            nonlocal sent
            with traffic.udp(a, "10.1.0.1") as sock:
                while not stop.is_set():
                    for address in ("10.2.0.0", "10.2.1.243"):
                        sock.sendto(b"x", (address, 9))
                        sent += 1
        thread = threading.Thread(target=load)
        thread.start()
        said = apply(a, lines=lines(way))
        stop.set()
        thread.join()
        lab.true("changed 500" in said, said)
        spis = wire.spis()
        lab.true(len(spis) > 50 and 0 not in spis, f"{spis.count(0)} of {len(spis)} packets in clear")
        ways = [spi >> 12 for spi in spis]
        switches = sum(x != y for x, y in zip(ways, ways[1:]))
        lab.equal((switches, ways[-1]), (1, way), f"switches among {len(spis)} packets, and the last")
        ends = [spi & 3 for spi in spis]
        lab.equal(ends, [1, 2] * (len(ends) // 2), "the two flows by turns: none was lost")
    lab.true(not Espah.drops(a), f"drops: {Espah.drops(a)}")


@lab.test("a policy follows the name of its device, which may be made, renamed, deleted and made again")
def names():
    a, b = topology()
    sock = traffic.udp(a, A)
    answer = b.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answer.bind(("0.0.0.0", 9))

    def passes(target):
        sock.sendto(b"?", (target, 9))
        return traffic.drain(answer) == [b"?"]
    apply(a, lines=["default out discard", "policy add out any4 any4 dev eth0 bypass",
                    "policy add out any4 any4 dev later priority 10 discard",
                    "policy add out any4 any4 dev later2 priority 10 bypass"])
    lab.true(passes(B), "by eth0")
    lab.equal(signs(a), {"+": [], "-": [], "~": []}, "differences, while a device is not there")
    numbers = {policy["dev"]: policy["id"] for policy in Espah.json(a, "policy", "list")}
    for round_ in range(2):
        lab.link(a, "later", b, f"eth{round_ + 1}")
        a.ip("addr add 203.0.113.1/24 dev later\n")
        b.ip(f"addr add 203.0.113.2/24 dev eth{round_ + 1}\n")
        lab.true(not passes("203.0.113.2"), "a packet passed by a device whose policy discards")
        drops = {policy["dev"]: policy["drops"] for policy in Espah.json(a, "policy", "list")}
        lab.equal(drops["later"], [{"name": "discard_out", "count": round_ + 1}], "drops of the policy")
        a.ip("link set later down\nlink set later name later2\nlink set later2 up\n")
        lab.true(passes("203.0.113.2"), "by the new name")
        a.ip("link set later2 down\nlink set later2 name third\nlink set third up\n")
        lab.true(not passes("203.0.113.2"), "by a name that no policy has")
        a.ip("link del third\n")
        lab.true(passes(B), "by eth0")
    lab.equal({policy["dev"]: policy["id"] for policy in Espah.json(a, "policy", "list")}, numbers, "numbers")
    a.run(CLI, "policy", "del", "out", "any4", "any4", "dev", "eth0")
    lab.true(not passes(B), "after its end")


@lab.test("a policy follows an alternative name of a device, too: on a device that is up, and on one that is down")
def other_names():
    a, b = topology()
    sock = traffic.udp(a, A)
    answer = b.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answer.bind(("0.0.0.0", 9))

    def passes():
        sock.sendto(b"?", (B, 9))
        return traffic.drain(answer) == [b"?"]
    apply(a, lines=["policy add out any4 any4 dev uplink-to-b discard"])
    lab.true(passes(), "before the device has the name")
    a.ip("link property add dev eth0 altname uplink-to-b\n")
    lab.wait_for(lambda: not passes(), "the policy to apply")
    a.ip("link property del dev eth0 altname uplink-to-b\n")
    lab.wait_for(passes, "the policy to apply no more")
    a.ip("link set eth0 down\nlink property add dev eth0 altname uplink-to-b\nlink set eth0 up\n")
    lab.true(not passes(), "the first packet after the device came up passed")
    a.ip("link set eth0 down\nlink property del dev eth0 altname uplink-to-b\nlink set eth0 up\n")
    lab.wait_for(passes, "the policy to apply no more")


@lab.test("4,000 policies in one step, and nothing remains of 4,000 that were refused")
def many():
    a, _ = topology()
    lines = [f"policy add out 10.{n >> 8}.{n & 255}.0/24 any4 bypass" for n in range(4000)]
    apply(a, lines=[*lines, "policy add out 10.1.0.0/16 any4 sport 99 bypass"], status=1)
    lab.equal(Espah.json(a, "policy", "list"), [], "policies")
    apply(a, lines=lines)
    lab.equal(len(Espah.json(a, "policy", "list")), 4000, "policies")
    apply(a, lines=[])
    lab.equal(Espah.json(a, "policy", "list"), [], "policies")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
