#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The command with the module, as users type it.

   h 10.1.0.5 -- a (espah) 192.0.2.1 ---- 192.0.2.2 r 198.51.100.1 ---- 198.51.100.7 b (XFRM)

Behind b is 10.2.0.9.
"""
import json
import os
import re
import shlex
import time

import ipsec
import lab
import traffic
from ipsec import CLI, Espah, Policy, SA, Xfrm

A, B = "192.0.2.1", "198.51.100.7"
ALGORITHM = ipsec.ALGORITHMS["aes256gcm16"]
TRACE = "/sys/kernel/tracing/"
MAX_LINE = 120  # columns: about one sentence on a terminal line


def topology():
    lab.delete_all()
    h, a, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
    r = lab.Netns("r", forward=True)
    lab.link(h, "eth0", a, "lan")
    lab.link(a, "wan", r, "left")
    lab.link(r, "right", b, "eth0")
    h.ip("addr add 10.1.0.5/24 dev eth0\nroute add default via 10.1.0.1\n")
    a.ip(f"addr add 10.1.0.1/24 dev lan\naddr add {A}/24 dev wan\n"
         "route add default via 192.0.2.2\n")
    r.ip("addr add 192.0.2.2/24 dev left\naddr add 198.51.100.1/24 dev right\n")
    b.ip(f"addr add {B}/24 dev eth0\naddr add 10.2.0.9/32 dev lo\n"
         "route add default via 198.51.100.1 src 10.2.0.9\n")
    return h, a, b


def espah(ns, *words, **options):
    return ns.run(CLI, *words, **options)


def key_files(folder, keys):
    """Creates a folder with key files, and makes it the current folder."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    for name, key in keys.items():
        with open(name, "w", encoding="ascii") as file:
            os.chmod(name, 0o600)
            file.write(key.hex() + "\n")


def lines_of_readme():
    """The command's lines under "On a gateway", without the command itself."""
    with open(f"{ipsec.ROOT}/README.md", encoding="utf-8") as file:
        section = file.read().split("## On a gateway")[1].split("\n## ")[0]
    return [line.split("#")[0].split()[1:] for line in section.splitlines()
            if line.strip().startswith("$espah ")]


@lab.test("what the README says to type at a gateway makes a tunnel with XFRM at the other end")
def readme():
    h, a, b = topology()
    lines = lines_of_readme()
    lab.true(len(lines) >= 6, f"the README has {len(lines)} lines")
    keys = {name: os.urandom(ALGORITHM.key_len) for name in ("out.key", "in.key")}
    key_files("/tmp/readme", keys)
    there = SA(0x1001, A, B, algorithm=ALGORITHM, reqid=7, key=keys["out.key"])
    back = SA(0x1002, B, A, algorithm=ALGORITHM, reqid=7, key=keys["in.key"])
    Xfrm.configure(b, [back], [there], [Policy("10.2.0.0/16", "10.1.0.0/16", (B, A), 7)],
                   [Policy("10.1.0.0/16", "10.2.0.0/16", (A, B), 7)])
    said = {}
    for words in lines:
        result = espah(a, *words)
        lab.equal(result.stderr, "", " ".join(words))
        said[words[0]] = result.stdout
        if words[0] == "policy":
            traffic.ping(h, "10.1.0.5", "10.2.0.9", count=5)
    lab.true("0x00001001" in said["show"] and "0x00001002" in said["show"], said["show"])
    lab.true("nothing was dropped" in said["stats"], said["stats"])
    lab.true("0x00001001" in said["explain"], said["explain"])

    # XFRM counted the same packets
    states = b.run("ip", "-s", "xfrm", "state").stdout
    theirs = [int(number) for number in re.findall(r"(\d+)\(packets\)", states)
              if int(number) < 1 << 62]
    ours = [sa["packets"] for sa in Espah.sas(a)]
    lab.equal(ours, [5, 5], "packets by SA")
    lab.true(set(theirs) >= {5}, states)


@lab.test("everything that prints prints JSON with -j")
def prints_json():
    _, a, _ = topology()
    Espah.configure(a, [SA(0x1001, A, B)], [SA(0x1002, B, A)],
                    [Policy("10.1.0.0/16", "10.2.0.0/16", (A, B))],
                    [Policy("10.2.0.0/16", "10.1.0.0/16", (B, A))])
    for words in ("sa list", "sa list in", f"sa get in spi 0x1002 dst {A}", "policy list",
                  "policy get id 1", "show", "stats", "stats --all", "algo", "default", "version",
                  "explain 10.1.0.5 10.2.0.9 tcp 443", "explain in 10.2.0.9 10.1.0.5 udp 53",
                  f"sa alloc src {B} dst {A} tunnel"):
        with lab.verdict(f"espah -j {words}"):
            lab.true(json.loads(espah(a, "-j", *words.split()).stdout), "empty")


@lab.test("lists fit a terminal of 80 columns and of 140, with all that they say elsewhere; stats --watch counts "
          "from its start")
def narrow():
    h, a, _ = topology()
    Espah.configure(a, [SA(0x1001, A, B, reqid=7)], [SA(0x1002, B, A, reqid=7)],
                    [Policy("10.1.0.0/16", "10.2.0.0/16", (A, B), 7, match="tcp dport 443")],
                    [Policy("2001:db8:1:2::/64", "2001:db8:3:4::/64", ("2001:db8::1", "2001:db8::2"), 7)])
    whole = espah(a, "show").stdout
    for columns in (80, 140):
        lines = a.run("env", f"COLUMNS={columns}", CLI, "show").stdout.splitlines()
        lab.true(max(map(len, lines)) <= columns, f"{columns} columns: {lines}")
        for word in ("0x00001001", f"{A} -> {B}", "reqid 7", "tcp dport 443", "aes128gcm16", "2001:db8::1"):
            lab.true(word in whole and any(word in line for line in lines), f"no {word} in {lines}")
    lab.equal(a.run("env", "COLUMNS=80", CLI, "-w", "show").stdout, whole, "with -w")
    a.run(CLI, "policy", "add", "out", "any4", "10.3.0.0/16", "discard")
    with a:
        a.run("ping", "-c", "3", "-i", "0.2", "-W", "1", "10.3.0.1", check=False)
        watch = a.start(CLI, "stats", "--watch", "1", stdout=open("/tmp/watch", "w", encoding="ascii"))
        time.sleep(0.5)
        a.run("ping", "-c", "5", "-i", "0.2", "-W", "1", "10.3.0.1", check=False)

    def said():
        with open("/tmp/watch", encoding="ascii") as file:
            return [line.split() for line in file if line.startswith("discard_out")]
    lab.wait_for(lambda: said() and said()[-1][2:] == ["5", "8"], "what was dropped since the start, and in all")
    watch.terminate()


# exit status; command line; a word of the error message
REFUSED = [
    (1, f"sa add in spi 0x1002 src {B} dst {A} tunnel aes128gcm16 key-file key", "exists"),
    (1, f"sa del in spi 0x9999 dst {A}", "0x9999"),
    (1, "policy del id 999", "999"),
    (1, "policy add out 10.1.0.0/16 10.2.0.0/16 bypass", "exists"),
    (1, f"sa add in spi 0x1003 src {B} dst {A} tunnel aes128gcm16 key-file no-such", "no-such"),
    (1, "-n no-such-namespace show", "no-such-namespace"),
    (2, f"sa add in spi 5 src {B} dst {A} tunnel aes128gcm16 key-file key", "256"),
    (1, f"sa add in spi 0x1003 src {B} dst {A} tunnel aes129gcm16 key-file key", "aes129gcm16"),
    (1, f"sa add in spi 0x1003 src {B} dst {A} tunnel aes256gcm16 key-file key", "36"),
    (2, f"sa add in spi 0x1003 src {B} dst 2001:db8::1 tunnel aes128gcm16 key-file key",
     "IPv6"),
    (2, f"sa add in spi 0x1003 src {B} dst {A} sideways aes128gcm16 key-file key", "sideways"),
    (1, "policy add out 10.1.0.0/16 10.2.0.0/16 sport 80 bypass", "ports need a protocol"),
    (2, "policy add out 10.1.0.0/33 10.2.0.0/16 bypass", "10.1.0.0/33"),
    (2, "policy add out 10.1.0.1/16 10.2.0.0/16 bypass", "10.1.0.1/16"),
    (2, "sa", "espah sa --help"),
    (2, "shwo", "shwo"),
]


@lab.test("a refusal is one sentence on stderr, with exit status 1 or 2, and changes nothing")
def refusals():
    _, a, _ = topology()
    key_files("/tmp/refusals", {"key": os.urandom(20)})
    Espah.configure(a, inbound=[SA(0x1002, B, A)],
                    out=[Policy("10.1.0.0/16", "10.2.0.0/16", (A, B))])
    before = Espah.json(a, "sa", "list"), Espah.json(a, "policy", "list")
    for status, words, word in REFUSED:
        with lab.verdict(f"{status} for espah {words}"):
            result = espah(a, *shlex.split(words), check=False)
            lab.equal(result.returncode, status, f"exit status ({result.stderr.strip()})")
            lab.equal(result.stdout, "", "stdout")
            lab.equal(len(result.stderr.splitlines()), 1, f"lines of '{result.stderr}'")
            lab.true(result.stderr.startswith("espah: ") and word in result.stderr, result.stderr)
    lab.equal((Espah.json(a, "sa", "list"), Espah.json(a, "policy", "list")), before,
              "SAs and policies afterwards")


@lab.test("a batch of 10,000 SAs and as many policies in one process; keys only when asked for")
def batch():
    _, a, _ = topology()
    count = 10000
    key = os.urandom(16)
    start = time.monotonic()
    Espah.batch(a, [Espah.sa_line("out", SA(0x1000 + n, A, B, reqid=n,
                                            key=key + n.to_bytes(4, "big")))
                    for n in range(count)]
                + [f"policy add out 10.{n >> 8}.{n & 255}.0/24 10.200.0.0/16 protect tunnel {A} {B} "
                   f"reqid {n}" for n in range(count)])
    print(f"added {count} SAs and {count} policies in {time.monotonic() - start:.1f} s")
    listed = espah(a, "sa", "list").stdout
    shown = espah(a, "sa", "list", "--show-keys").stdout
    lab.equal(sum("0x0000" in line for line in listed.splitlines()), count, "SAs listed")
    lab.equal(len(Espah.json(a, "policy", "list")), count, "policies listed")
    lab.true(key.hex() not in listed + json.dumps(Espah.json(a, "show")), "a key was printed")
    lab.equal(shown.count(key.hex()), count, "keys with --show-keys")


@lab.test("an error in a batch names its line, what follows waits no longer, and -f goes on")
def batch_error():
    _, a, _ = topology()
    lines = (Espah.sa_line("out", SA(0x1001, A, B)), "", "# a comment",
             f"sa del out spi 0x7777 dst {B}", "sa list", Espah.sa_line("out", SA(0x1002, A, B)))
    result = espah(a, "-b", "-", stdin="\n".join(lines) + "\n", check=False)
    lab.equal(result.returncode, 1, "exit status")
    lab.true(re.search(r"\b4\b", result.stderr), result.stderr)
    lab.equal(result.stdout, "", "what a list behind the error prints")
    lab.equal([sa["spi"] for sa in Espah.sas(a)], ["0x00001001"], "SPIs after an error")
    result = espah(a, "-f", "-b", "-", stdin="\n".join(lines[3:]) + "\n", check=False)
    lab.equal(result.returncode, 1, "exit status with -f")
    lab.equal([sa["spi"] for sa in Espah.sas(a)], ["0x00001001", "0x00001002"], "SPIs with -f")


@lab.test("both: if one policy of the two is refused, the other one is taken back")
def both():
    _, a, _ = topology()
    words = "10.1.0.0/16 10.2.0.0/16 tcp dport 1-9 priority 5 discard"
    for there, kept in (("in 10.2.0.0/16 10.1.0.0/16 tcp sport 1-9 priority 5 bypass", "in"),
                        (f"out {words}", "out")):
        Espah.batch(a, [f"policy add {there}"])
        result = espah(a, *f"policy add both {words}".split(), check=False)
        lab.equal(result.returncode, 1, "exit status")
        lab.equal([policy["dir"] for policy in Espah.json(a, "policy", "list")], [kept],
                  "policies afterwards")
        Espah.flush(a)
    result = espah(a, "-j", *f"policy add both {words}".split())
    lab.equal([policy["dir"] for policy in json.loads(result.stdout)], ["out", "in"],
              "what -j prints of both")


@lab.test("an error in the middle of a batch names its line, and all before it is done")
def batch_middle():
    _, a, _ = topology()
    lines = [f"policy add out 10.1.{n}.0/24 any bypass" for n in range(100)]
    lines[40] = lines[39]
    result = espah(a, "-b", "-", stdin="\n".join(lines) + "\n", check=False)
    lab.equal(result.returncode, 1, "exit status")
    lab.true("standard input:41:" in result.stderr and "exists" in result.stderr, result.stderr)
    lab.true(len(Espah.json(a, "policy", "list")) >= 40, "what stood before the error is missing")


@lab.test("-n takes a name, a path and a process id")
def namespaces():
    _, a, b = topology()
    Espah.configure(a, [SA(0x1001, A, B)])
    process = a.start("sleep", "1000")
    for where in ("a", "/run/netns/a", str(process.pid)):
        lab.equal(len(Espah.json(b, "-n", where, "sa", "list")), 1, f"SAs with -n {where}")
    lab.equal(Espah.json(b, "sa", "list"), [], "SAs of another namespace")


@lab.test("the tracepoint espah:drop names each drop that the counters hold, with its SPI")
def tracepoint():
    h, a, b = topology()
    Espah.configure(a, inbound=[SA(0x1002, B, A)],
                    out=[Policy("10.1.0.0/16", "10.2.0.0/16", (A, B))],
                    in_=[Policy("10.2.0.0/16", "10.1.0.0/16", (B, A))])
    # the same SPI with another key
    Xfrm.configure(b, [SA(0x1002, B, A)], (), [Policy("10.2.0.0/16", "10.1.0.0/16", (B, A))])
    with open(TRACE + "events/espah/drop/enable", "w", encoding="ascii") as file:
        file.write("1")
    with open(TRACE + "trace", "w", encoding="ascii"):
        pass  # empties it
    with traffic.udp(h, "10.1.0.5") as sock, traffic.udp(b, "10.2.0.9") as other:
        for _ in range(3):
            sock.sendto(b"no SA for me", ("10.2.0.9", 9))
        for _ in range(2):
            other.sendto(b"wrong key", ("10.1.0.5", 9))
    lab.wait_for(lambda: Espah.drops(a) == {"no_sa": 3, "icv": 2}, "drops")
    with open(TRACE + "trace", encoding="ascii") as file:
        text = file.read()
    with open(TRACE + "events/espah/drop/enable", "w", encoding="ascii") as file:
        file.write("0")
    found = re.findall(r"drop: reason=(\w+) spi=(0x\w+) policy=(\d+) packets=1", text)
    lab.equal(sorted(found), [("icv", "0x00001002", "0")] * 2 + [("no_sa", "0x00000000", "1")] * 3,
              "events")


if __name__ == "__main__":
    lab.main()
