#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The command with the module, as users type it.

   h 10.1.0.5 -- a (espah) 192.0.2.1 ---- 192.0.2.2 r 198.51.100.1 ---- 198.51.100.7 b (XFRM)

Behind b is 10.2.0.9.
"""
import fcntl
import json
import os
import pty
import re
import shlex
import struct
import termios
import time

import lab
import netlink
import traffic
from ipsec import CLI, Espah, Policy, SA, Xfrm

A, B = "192.0.2.1", "198.51.100.7"
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


def plain(text):
    """A text without the codes of colours."""
    return re.sub("\033\\[[0-9;]*m", "", text)


def ageless(text):
    """The words of a text, without ages, such as 3m12s or (5s ago)."""
    return re.sub(r"\S+\s+ago|(?<!\S)(\d+[dhm])*\d+[hms](?!\S)", "", plain(text)).split()


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
    lab.equal(ageless(a.run("env", "COLUMNS=80", CLI, "-w", "show").stdout), ageless(whole), "with -w")
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


class Terminal:
    """A terminal of 80 columns and 24 rows, in which the command runs."""

    def __init__(self, ns, *words, colours=True):
        self.host, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self.host, False)
        self.text = ""
        self.process = ns.start("env", "TERM=xterm", *([] if colours else ["NO_COLOR=1"]), CLI, *words,
                                stdout=terminal)
        os.close(terminal)

    def read(self):
        """All that was printed so far."""
        try:
            self.text += os.read(self.host, 65536).decode().replace("\r\n", "\n")
        except BlockingIOError:
            pass
        except OSError:  # the command has ended
            pass
        return self.text

    def end(self):
        """Waits for a command that ends by itself. Returns what it printed."""
        self.process.wait(30)
        return self.close()

    def close(self):
        self.read()
        self.process.terminate()
        os.close(self.host)
        return self.text


RED = "\033[1;31m"


def troubled():
    """A gateway that has dropped three packets, by a discard policy and without an SA."""
    h, a, b = topology()
    Espah.configure(a, [SA(0x1001, A, B, reqid=7)], [SA(0x1002, B, A, reqid=7)],
                    [Policy("10.1.0.0/16", "10.2.0.0/16", (A, B), 7)],
                    [Policy("10.2.0.0/16", "10.1.0.0/16", (B, A), 7)])
    a.run(CLI, "policy", "add", "out", "any4", "10.3.0.0/16", "discard")
    a.run("ping", "-c", "3", "-i", "0.2", "-W", "1", "10.3.0.1", check=False)
    return h, a, b


@lab.test("in a terminal of 80 columns and 24 rows: lines fit, drops are red, NO_COLOR and -j have no colours")
def terminal():
    _, a, _ = troubled()
    for words in ("show", "stats", "stats --all", "sa list", "policy list", "algo", "algo gcm", "algo ah",
                  "explain 10.1.0.5 10.2.0.9", "explain 10.1.0.5 10.3.0.9 tcp 443",
                  "explain in 10.2.0.9 10.1.0.5 udp 53", "explain reason no_spi"):
        text = Terminal(a, *words.split()).end()
        longest = max(map(len, plain(text).splitlines()))
        with lab.verdict(f"espah {words} in a terminal"):
            lab.true(0 < longest <= 80, f"a line of {longest} columns: {text}")
            # what is said is the same as elsewhere, whatever the lines are
            if words.startswith(("explain", "sa")):
                lab.equal(ageless(text), ageless(espah(a, *words.split()).stdout), "words")
    lab.true(f"{RED}discard_out 3" in Terminal(a, "show").end(), "what was dropped is not red in show")
    lab.true(f"{RED}DROPPED, reason discard_out" in Terminal(a, "explain", "10.1.0.5", "10.3.0.9").end(),
             "DROPPED is not red")
    for words, colours in (("show", False), ("explain 10.1.0.5 10.3.0.9", False), ("-j show", True)):
        text = Terminal(a, *words.split(), colours=colours).end()
        lab.true("discard" in text and "\033" not in text, f"colours in {words}: {text!r}")
    lab.true("\033" not in espah(a, "show").stdout, "colours in a pipe")


@lab.test("monitor in a terminal says what it does, names ESP once, and fits; stats --watch fits, with what counts "
          "now on top")
def watchers():
    _, a, b = troubled()
    # the same SPI with another key
    Xfrm.configure(b, [SA(0x1002, B, A)], (), [Policy("10.2.0.0/16", "10.1.0.0/16", (B, A))])
    monitor = Terminal(a, "monitor")
    lab.wait_for(lambda: "until Ctrl-C" in monitor.read(), "what monitor says at its start")
    watch = Terminal(a, "stats", "--watch", "1")
    with traffic.udp(b, "10.2.0.9") as other:
        def counted():
            other.sendto(b"wrong key", ("10.1.0.5", 9))
            screens = watch.read().split("\033[H\033[2J")[1:-1]
            return [text for text in screens if re.search(r"^icv +\S*[1-9]", text, re.M)]
        screen = lab.wait_for(counted, "drops that are counted")[-1]
        lab.wait_for(lambda: "drop" in monitor.read(), "an event")
    lines = plain(screen).splitlines()
    lab.true(len(lines) < 24 and max(map(len, lines)) <= 80, f"a screen: {lines}")
    names = [line.split()[0] for line in lines[lines.index(next(
        line for line in lines if line.startswith("DROPPED"))) + 1:] if line]
    lab.equal(names, ["icv", "discard_out"], "first what counts now")
    lab.true(re.search(f"^icv +{re.escape(RED)}[1-9]", screen, re.M), f"a rate that is not red: {screen!r}")
    watch.close()
    text = plain(monitor.close())
    lab.true(max(map(len, text.splitlines())) <= 80, text)
    event = " ".join(text.split()).partition("icv: ")[2]
    lab.true(event.startswith(f"{B} -> {A} esp spi 0x00001002 seq "), event)


@lab.test("explain --check tells a script whether a packet is protected, dropped or in clear")
def check():
    _, a, _ = troubled()
    for status, words in ((0, "10.1.0.5 10.2.0.9 tcp 443"), (3, "10.1.0.5 10.3.0.9"), (4, "10.1.0.5 10.4.0.9"),
                          (0, "in 10.2.0.9 10.1.0.5"), (4, "in 10.4.0.9 10.1.0.5"), (1, "10.1.0.5 10.2.0.9 dev none"),
                          (2, "10.1.0.5")):
        result = espah(a, "explain", "--check", *words.split(), check=False)
        lab.equal(result.returncode, status, f"exit status for {words}")
        if status not in (1, 2):
            lab.equal(result.stdout, espah(a, "explain", *words.split()).stdout, "what is printed")
    a.run(CLI, "sa", "flush")
    for words in ("10.1.0.5 10.2.0.9", "in 10.2.0.9 10.1.0.5"):
        result = espah(a, "explain", "--check", *words.split(), check=False)
        lab.equal(result.returncode, 3, f"exit status without an SA for {words}")


@lab.test("algo: every algorithm of the module has its level of RFC 8221; words filter; version and explain reason "
          "need no privilege")
def algorithms():
    _, a, _ = topology()
    every = Espah.json(a, "algo")
    lab.equal([one["name"] for one in every if "rfc8221" not in one], [], "algorithms that the command does not know")
    names = {(one["name"], one["proto"]) for one in every}
    lab.equal({(one["name"], one["proto"]) for one in Espah.json(a, "algo", "esp")},
              {one for one in names if one[1] == "esp"}, "those of ESP")
    lab.equal({one["name"] for one in Espah.json(a, "algo", "GCM8")}, {f"aes{n}gcm8" for n in (128, 192, 256)},
              "GCM8")
    # RFC 8221 5 and 6: MUST and SHOULD, and pairs of these, but not ESP without encryption
    lab.equal({one["name"] for one in Espah.json(a, "algo", "recommended")},
              {"aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha256", "aes128-sha512",
               "aes256-sha512", "sha256", "sha512"}, "recommended ones")
    text = espah(a, "algo", "aes256gcm16").stdout
    lab.true("rfc4106(gcm(aes))" in text and "MUST" in text, text)
    for words in ("version", "-j version", "explain reason icv"):
        for user in ([], ["setpriv", "--reuid", "65534", "--clear-groups"]):
            result = a.run(*user, CLI, *words.split())
            lab.equal(result.stderr, "", words)
            lab.true("0.1.0" in result.stdout or "integrity" in result.stdout, result.stdout)
    result = a.run("setpriv", "--reuid", "65534", "--clear-groups", CLI, "show", check=False)
    lab.true(result.returncode == 1 and result.stderr.startswith("espah: show needs"), result.stderr)


COMPLETE = """PATH={folder}:$PATH; . {folder}/espah.bash-completion
read -r -a COMP_WORDS <<<"$0"; COMP_WORDS+=(""); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_espah; printf '%s\\n' "${{COMPREPLY[@]}}" | grep -v -e --help"""


@lab.test("bash completes the SPIs, destinations, ids and algorithms that there are, also behind -n")
def completion():
    _, a, b = troubled()
    script = COMPLETE.format(folder=os.path.dirname(CLI))
    for ns, line, wanted in ((a, "espah sa del spi", {"0x00001001", "0x00001002"}),
                             (a, "espah sa d in spi", {"0x00001002"}), (a, "espah sa get out dst", {B}),
                             (a, "espah pol del id", {"1", "2", "3"}), (a, "espah sa list reqid", {"7"}),
                             (b, "espah -n a sa del out spi", {"0x00001001"})):
        lab.equal(set(ns.run("bash", "-c", script, line).stdout.split()), wanted, line)
    names = {one["name"] for one in Espah.json(a, "algo") if one["proto"] == "esp"}
    lab.equal(set(a.run("bash", "-c", script, "espah sa add out tunnel").stdout.split()), names, "algorithms")


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
    (1, f"sa add in spi 0x1003 src {B} dst {A} tunnel AES-256-GCM key-file key", "did you mean 'aes256gcm16'?"),
    (1, f"sa add in spi 0x1003 src {B} dst {A} tunnel null key-file key", "did you mean 'null-sha256'?"),
    (1, f"sa add in ah spi 0x1003 src {B} dst {A} tunnel sha-256 key-file key", "did you mean 'sha256'?"),
    (1, "algo blowfish", "'espah algo' lists all"),
    (1, "algo aes-256-gcm", "did you mean 'aes256gcm16'?"),
    (1, "policy add out any4 10.9.0.0/16 protect tunnel 192.0.2.1 192.0.2.9 vrf none", "no network device 'none'"),
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


@lab.test("a dump of SAs or policies says that it was interrupted if one was added or deleted meanwhile, else not")
def interrupted():
    lab.delete_all()
    a = lab.Netns("a")
    sas = [SA(0x10000 + i, A, B) for i in range(1000)]
    Espah.batch(a, [Espah.sa_line("out", sa) for sa in sas]
                + [f"policy add out 10.{i // 250}.{i % 250}.0/24 10.9.0.0/16 discard" for i in range(1000)])
    changes = {netlink.SA_GET: (f"sa del out spi {sas[-1].spi:#x} dst {B}", Espah.sa_line("out", sas[-1])),
               netlink.POLICY_GET: ("policy del out 10.3.249.0/24 10.9.0.0/16",
                                    "policy add out 10.3.249.0/24 10.9.0.0/16 discard")}
    with a:
        link = netlink.Link()
    link.sock.settimeout(lab.TIMEOUT)

    def dump(command, line=None):
        """Whether a dump has the flag NLM_F_DUMP_INTR. A line is executed after its first part."""
        link.sock.send(link.message(command, b"", netlink.REQUEST | netlink.DUMP))
        flagged, parts = False, 0
        while True:
            data = link.sock.recv(1 << 16)
            parts += 1
            while data:
                length, kind, flags = struct.unpack("=IHH", data[:8])
                flagged = flagged or bool(flags & 0x10)
                if kind == 3:  # NLMSG_DONE
                    lab.true(parts > 3, f"{parts} parts")
                    return flagged
                data = data[(length + 3) & ~3:]
            if line and parts == 1:
                Espah.batch(a, [line])

    for command, lines in changes.items():
        with lab.verdict(f"command {command}: undisturbed"):
            lab.equal(dump(command), False, "interrupted")
        for line in lines:
            with lab.verdict(f"command {command}: {' '.join(line.split()[:2])}"):
                lab.equal(dump(command, line), True, "interrupted")
    link.sock.close()


if __name__ == "__main__":
    lab.main()
