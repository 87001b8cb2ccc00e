# SPDX-License-Identifier: GPL-2.0-only
"""A standby gateway carries on with the SAs of the active one (espah sa export and import).

   s 10.1.0.2 -- lan -- g1, g2 (10.1.0.254) -- wan -- p 192.0.2.100, behind it 10.2.0.9
     fd01::2          virtual: 192.0.2.1, 2001:db8::1     2001:db8::100

p uses XFRM. The virtual addresses are on one of g1 and g2. sw holds the two switches.
"""
import contextlib
import os
import re
import socket
import struct
import time

import ipsec
import keepalived
import lab
import module
import netlink
import nlx
import stacks
import traffic
from ipsec import ALGORITHMS, CLI, SA, Espah, Policy, Xfrm

V = {4: "192.0.2.1", 6: "2001:db8::1"}
P = {4: "192.0.2.100", 6: "2001:db8::100"}
S, T, DOOR = "10.1.0.2", "10.2.0.9", "10.1.0.254"
AHEAD = 1 << 24  # numbers: the default of 'sa import'
ROUND = 8        # datagrams each way


class Site:
    """The network drawn above."""

    def __init__(self, outer, algorithm, esn=False, start=0, stack=Espah):
        lab.delete_all()
        self.outer = outer
        self.sw, self.s, self.p = (lab.Netns(name) for name in ("sw", "s", "p"))
        self.gates = [lab.Netns(name, forward=True) for name in ("g1", "g2")]
        self.sw.ip("link add lan type bridge forward_delay 0\nlink set lan up\n"
                   "link add wan type bridge forward_delay 0\nlink set wan up\n")
        for ns, device in ((self.s, "lan"), (self.p, "wan"),
                           *((gate, device) for gate in self.gates for device in ("lan", "wan"))):
            lab.link(self.sw, f"{ns}.{device}", ns, device)
            self.sw.ip(f"link set {ns}.{device} master {device}\n")
        self.s.ip(f"addr add {S}/24 dev lan\nroute add default via {DOOR}\n")
        for number, gate in enumerate(self.gates, 1):
            gate.ip(f"addr add 10.1.0.{number}0/24 dev lan\naddr add 192.0.2.1{number}/24 dev wan\n"
                    f"addr add 2001:db8::1{number}/64 dev wan nodad\nroute add 10.2.0.0/24 via {P[4]}\n")
        self.p.ip(f"addr add {P[4]}/24 dev wan\naddr add {P[6]}/64 dev wan nodad\n"
                  f"link add inside type dummy\nlink set inside up\naddr add {T}/24 dev inside\n"
                  f"route add 10.1.0.0/24 via {V[4]} src {T}\n")
        self.out = SA(0x2001, V[outer], P[outer], algorithm=algorithm, esn=esn, seq=start, window=1024)
        self.back = SA(0x1001, P[outer], V[outer], algorithm=algorithm, esn=esn, seq=start, window=1024)
        policy = Policy("10.1.0.0/24", "10.2.0.0/24", (V[outer], P[outer]))
        reverse = Policy("10.2.0.0/24", "10.1.0.0/24", (P[outer], V[outer]))
        stack.configure(self.gates[0], [self.out], [self.back], [policy], [reverse])
        # by NETLINK_XFRM the standby has the SAs, by the command it gets them
        there = ([self.out], [self.back]) if stack is Xfrm else ([], [])
        stack.configure(self.gates[1], *there, [policy], [reverse])
        Xfrm.configure(self.p, [self.back], [self.out], [reverse], [policy])
        self.wire = traffic.Wire(self.p, "wan")
        self.ends = {"s to p": (traffic.udp(self.s, S, 9000), traffic.udp(self.p, T, 9000))}
        self.ends["p to s"] = self.ends["s to p"][::-1]
        self.sent = {way: 0 for way in self.ends}
        self.got = {way: [] for way in self.ends}
        self.esp = []  # (SPI, sequence number, IV, packet) on p's wire, in both directions

    # --- the two gateways ------------------------------------------------------------------

    def take_over(self, gate):
        """The virtual addresses move to a gateway, as keepalived does it."""
        gate.ip(f"addr add {DOOR}/24 dev lan\naddr add {V[4]}/24 dev wan\naddr add {V[6]}/64 dev wan nodad\n")
        announce(gate, "lan", DOOR)
        announce(gate, "wan", V[4])
        announce(gate, "wan", V[6])

    def cut(self, gate, state="down"):
        """A gateway loses both cables, or gets them back."""
        self.sw.ip("".join(f"link set {gate}.{device} {state}\n" for device in ("wan", "lan")))

    @staticmethod
    def retire(gate):
        gate.ip(f"addr del {DOOR}/24 dev lan\naddr del {V[4]}/24 dev wan\naddr del {V[6]}/64 dev wan\n")

    @staticmethod
    def carry(active, standby, *words):
        """The file that was exported"""
        text = active.run(CLI, "sa", "export", "-", "--show-keys").stdout
        standby.run(CLI, "sa", "import", "-", *words, stdin=text)
        return text

    # --- traffic ---------------------------------------------------------------------------

    def run(self, rounds):
        """Sends numbered datagrams both ways. Return: first numbers, by way"""
        first = dict(self.sent)
        for _ in range(rounds):
            for way, (source, sink) in self.ends.items():
                for number in range(self.sent[way], self.sent[way] + ROUND):
                    source.sendto(b"%012d" % number * 8, sink.getsockname())
                self.sent[way] += ROUND
            self.settle(0.05)
        self.settle(0.3)
        return first

    def settle(self, quiet):
        """Reads what arrives, until nothing has arrived for a time."""
        end = time.monotonic() + quiet
        while time.monotonic() < end:
            new = self.collect()
            if all(len(set(self.got[way])) == self.sent[way] for way in self.ends) and not new:
                return
            if new:
                end = time.monotonic() + quiet
            time.sleep(0.005)

    def collect(self):
        found = 0
        for way, (_, sink) in self.ends.items():
            new = [int(data[:12]) for data in traffic.drain(sink)]
            self.got[way] += new
            found += len(new)
        for packet in self.wire.packets(50):
            head = 20 if packet[0] >> 4 == 4 else 40
            spi, number = struct.unpack("!II", packet[head:head + 8])
            self.esp.append((spi, number, packet[head + 8:head + 8 + self.out.algorithm.iv], packet))
        return found

    def lost(self, first, last=None):
        """Numbers that did not arrive, by way."""
        return {way: sorted(set(range(first[way], (last or self.sent)[way])) - set(self.got[way]))
                for way in self.ends}

    def numbers(self, sa):
        return [number for spi, number, _, _ in self.esp if spi == sa.spi]

    def nothing_twice(self):
        """No sequence number and no IV of an SA was on the wire twice, and no datagram arrived twice."""
        self.collect()
        for sa in self.out, self.back:
            numbers = self.numbers(sa)
            lab.true(numbers, f"no packets of SPI {sa.spi:#x} were captured")
            lab.equal(repeated(numbers), [], f"sequence numbers of SPI {sa.spi:#x} that came twice")
            ivs = [iv for spi, _, iv, _ in self.esp if spi == sa.spi]
            lab.equal(repeated(ivs), [], f"IVs of SPI {sa.spi:#x} that came twice")
        for way, got in self.got.items():
            lab.equal(repeated(got), [], f"datagrams that arrived twice, {way}")

    def close(self):
        self.wire.close()
        for sock in self.ends["s to p"]:
            sock.close()


def repeated(things):
    seen, twice = set(), []
    for thing in things:
        if thing in seen:
            twice.append(thing)
        seen.add(thing)
    return twice


def announce(ns, device, address):
    """A gratuitous ARP packet or an unsolicited neighbour advertisement."""
    with ns:
        mac = traffic.mac(device)
        if ":" not in address:
            ip = socket.inet_aton(address)
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
                sock.bind((device, 0))
                sock.send(b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
                          + mac + ip + bytes(6) + ip)
            return
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.bind((address, 0))
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(device))
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            sock.sendto(struct.pack("!BBHI", 136, 0, 0, 0x20000000) + socket.inet_pton(socket.AF_INET6, address)
                        + b"\2\1" + mac, ("ff02::1", 0))


def exported(text, direction, word="seq"):
    """A number in the exported line of an SA."""
    line, = re.findall(rf"^sa add {direction} .*$", text, re.M)
    return int(re.search(rf" {word} (\S+)", line)[1], 0)


def sas(ns):
    """All of the SAs of a gateway, without what moves by itself."""
    moving = ("id", "added", "pmtu", "first_used", "last_used", "packets", "bytes", "drops")
    return [{word: value for word, value in sa.items() if word not in moving}
            for sa in Espah.sas(ns, "--show-keys")]


# --- failover ---------------------------------------------------------------------------------

def tell(what, lost):
    print(f"# {what}: lost " + ", ".join(f"{len(numbers)} {way}" for way, numbers in lost.items()), flush=True)


def fail_over(site, dies, takes, carry, take_over=None):
    """One gateway dies in mid-traffic, the other takes over. Return: what was carried last"""
    for _ in range(2):
        site.run(1)
        state = carry(dies, takes)
    first = site.run(2)  # packets that the standby does not know of
    lab.equal(site.lost(first), {way: [] for way in site.ends}, f"lost while {dies} was active")
    first = dict(site.sent)
    site.cut(dies)
    if take_over:
        take_over(takes)
    else:
        site.run(2)  # no gateway is there
        site.take_over(takes)
    last = dict(site.sent)
    after = site.run(3)
    tell(f"{dies} died, {takes} took over", site.lost(first, last))
    site.nothing_twice()
    lab.equal(site.lost(after), {way: [] for way in site.ends}, f"lost once {takes} had taken over")
    return state


def over_and_back(outer, name, esn, start):
    algorithm = ALGORITHMS[name]
    site = Site(outer, algorithm, esn, start)
    g1, g2 = site.gates
    site.take_over(g1)
    text = fail_over(site, g1, g2, site.carry)
    first = (exported(text, "out") + AHEAD + 1) & 0xffffffff
    lab.true(first in site.numbers(site.out), f"g2 did not begin with number {first}")
    if not esn:  # back: g1 is repaired, and carries on from where g2 is
        site.retire(g1)
        site.cut(g1, "up")
        fail_over(site, g2, g1, site.carry)
    if algorithm.iv == 8:
        mask = exported(text, "out", "iv-mask")
        numbers = {int.from_bytes(iv, "big") ^ mask for spi, _, iv, _ in site.esp if spi == site.out.spi}
        lab.true(all(start < number < start + 3 * AHEAD for number in numbers),
                 "the IVs of both gateways are numbers XOR the exported mask")
    site.close()


# of the third, the jump crosses 2^32: the peer has to find the upper half
for case in (4, "aes128gcm16", False, 0), (6, "aes256-sha256", True, 5), \
        (6, "chacha20poly1305", True, (7 << 32) - AHEAD // 2):
    lab.test(f"over{', with ESN' if case[2] else ' and back'}, outer IPv{case[0]}, {case[1]}: no number and no IV "
             "comes twice, and traffic goes on", *case)(over_and_back)


@lab.test("keepalived moves the addresses: no number and no IV comes twice, and traffic goes on")
def by_keepalived():
    site = Site(6, ALGORITHMS["aes128gcm16"])
    g1, g2 = site.gates

    def traffic_until(gate):
        """Sends until keepalived has moved the virtual addresses to a gateway, and traffic goes on."""
        def there():
            lost = site.lost(site.run(1))
            return f"{V[6]}/" in gate.run("ip", "-6", "addr", "show", "dev", "wan").stdout and not any(lost.values())
        lab.wait_for(there, f"the virtual addresses on {gate}")
    daemons = []
    for gate, priority in (g1, 200), (g2, 100):
        daemons.append(keepalived.start(gate, priority, ((f"{V[4]}/24", "wan"),),
                                        ((f"{V[6]}/64", "wan"), (f"{DOOR}/24", "lan"))))
        if gate is g1:  # before another one could take over
            traffic_until(g1)
    fail_over(site, g1, g2, site.carry, traffic_until)
    site.cut(g1, "up")
    lab.true(f"{V[6]}/" not in g1.run("ip", "-6", "addr", "show", "dev", "wan").stdout, "g1 took the address back")
    fail_over(site, g2, g1, site.carry, traffic_until)
    for daemon in daemons:
        daemon.terminate()
    site.close()


@lab.test("without a jump, numbers would come twice, which the tests above would see")
def no_jump():
    site = Site(4, ALGORITHMS["aes128gcm16"])
    site.take_over(site.gates[0])
    try:
        fail_over(site, *site.gates, lambda active, standby: site.carry(active, standby, "ahead", "0"))
    except lab.Failed as why:
        lab.true("that came twice" in str(why), f"it failed otherwise: {why}")
    else:
        raise lab.Failed("nothing came twice")
    site.close()


@lab.test("the window that is carried refuses what came before the export, and lets pass what came after it, once")
def old_packets():
    site = Site(4, ALGORITHMS["aes128gcm16"])
    g1, g2 = site.gates
    site.take_over(g1)
    site.run(2)
    before = max(site.numbers(site.back))
    site.carry(g1, g2)
    site.run(1)
    site.cut(g1)
    site.take_over(g2)
    packets = {number: packet for spi, number, _, packet in site.esp if spi == site.back.spi}
    injector = traffic.Injector(site.p, "wan", g2, "wan")

    def arrive():
        site.got = {way: [] for way in site.ends}
        for number in sorted(packets):
            injector.send(packets[number])
        site.settle(0.3)
        return len(site.got["p to s"])
    drops = Espah.drops(g2).get("replay", 0)
    lab.equal(len(packets), before + ROUND, "packets of p")
    lab.equal(arrive(), ROUND, "old packets that were accepted: those after the export")
    lab.equal(Espah.drops(g2)["replay"] - drops, before, "replays that were refused")
    lab.equal(arrive(), 0, "old packets that were accepted a second time")
    site.close()


# --- files and refusals -------------------------------------------------------------------------

OUT, IN, LONG = (SA(0x2001, V[4], P[4]), SA(0x1001, P[4], V[4], window=96, extra="hard time 1h packets 5000"),
                 SA(0x1002, P[4], V[4], esn=True, seq=1 << 33, window=32768))


@contextlib.contextmanager
def two():
    """An active gateway, and a standby one without SAs."""
    lab.delete_all()
    active, standby = lab.Netns("g1"), lab.Netns("g2")
    Espah.configure(active, [OUT], [IN, LONG])
    yield active, standby


def importing(ns, text, *words):
    return ns.run(CLI, "sa", "import", "-", *words, stdin=text, check=False)


@lab.test("what is exported is imported unchanged and ahead; the same file again, or an older one, changes nothing")
def whole():
    with two() as (active, standby):
        active.run(CLI, "sa", "set", "in", "spi", "0x1001", "dst", V[4], "seq", "100", "seen", "0x" + "5a" * 16,
                   "used", "time", "600", "packets", "1234")
        old = active.run(CLI, "sa", "export", "-", "--show-keys").stdout
        lab.true(f"seq 100 seen 0x{'5a' * 12}ffffffff used" in old, old)  # of 96 numbers
        answer = importing(standby, old)
        lab.equal((answer.returncode, answer.stdout, answer.stderr),
                  (0, "-: added 3, moved ahead 0, unchanged 0\n", ""), "answer")

        def same(active_sas, standby_sas):
            for one, other in zip(active_sas, standby_sas):
                jump = AHEAD if one["dir"] == "out" else 0
                if "hard" in one:
                    left, its = (sa["hard"]["time"].pop("left") for sa in (one, other))
                    lab.true(2900 < its <= left <= 3000, f"seconds left: {left}, on the standby {its}")
                lab.equal(other, one | {"seq": one["seq"] + jump}, "SA of the standby")
        same(sas(active), sas(standby))
        lab.equal(1234, 5000 - [sa for sa in Espah.sas(standby, "in")][0]["hard"]["packets"]["left"], "packets used")
        lab.equal(importing(standby, old).stdout, "-: added 0, moved ahead 0, unchanged 3\n", "once more")
        # ahead, without the keys
        active.run(CLI, "-b", "-", stdin=f"sa set out spi 0x2001 dst {P[4]} seq 5000 df set\n"
                   f"sa set in spi 0x1001 dst {V[4]} seq 101\n")
        new = active.run(CLI, "sa", "export", "-").stdout
        lab.true("key-present" in new and OUT.key.hex() not in new, new)
        lab.equal(importing(standby, new).stdout, "-: added 0, moved ahead 2, unchanged 1\n", "ahead")
        same(sas(active), sas(standby))
        now = sas(standby)
        answer = importing(standby, old)
        lab.equal((answer.returncode, answer.stdout), (0, "-: added 0, moved ahead 0, unchanged 3\n"), "older")
        lab.true("older than 2 of the SAs here" in answer.stderr, answer.stderr)
        lab.equal(sas(standby), now, "SAs after an older file")
        # a file: for its owner alone, and as good as standard input
        active.run(CLI, "sa", "export", "/tmp/sas", "--show-keys", "in", "reqid", "1")
        lab.equal(os.stat("/tmp/sas").st_mode & 0o777, 0o600, "mode of the file")
        lab.equal(standby.run(CLI, "-j", "sa", "import", "/tmp/sas", "ahead", "0").stdout.count(": 0"), 3, "JSON")
        # close to overtaking the standby
        active.run(CLI, "sa", "set", "out", "spi", "0x2001", "dst", P[4], "seq", str(AHEAD))
        answer = importing(standby, active.run(CLI, "sa", "export", "-", "out").stdout)
        lab.true("more than half of ahead" in answer.stderr and not answer.returncode, answer.stderr)


def bad_files(text):
    """{name: (file, part of the sentence)}"""
    lines = text.splitlines(keepends=True)
    out = next(line for line in lines if line.startswith("sa add out"))
    key = re.search(r"key 0x(\w+)", out)[1]

    def other(old, new):
        return text.replace(out, out.replace(old, new))
    return {
        "empty": ("", "ends early"), "cut off after a line": ("".join(lines[:-1]), "ends early"),
        "cut off in a line": (text[:len(text) // 2], ""), "cut off in the last line": (text[:-3], ""),
        "a line is missing": (text.replace(out, ""), "had 3 SAs, but has 2"),
        "a line is there twice": (text.replace(out, 2 * out).replace("end 3", "end 4"), "twice"),
        "more after the end": (text + out, "goes on after"),
        "another format": (text.replace("format 1", "format 2"), "format 2"),
        "no format": (text.replace("format 1\n", ""), "does not begin with a format"),
        "a configuration file": ("policy add out any any bypass\n", "does not begin with a format"),
        "another command": (text.replace(out, "sa flush\n"), "begins with 'sa add'"),
        "no number": (other(" seq 0", ""), "also needs seq"),
        "bytes": ("\0\1\2" * 99, ""),
        "a key of another length": (other(key, key[2:]), "salt"),
        "bits of an outbound SA": (other(" seq 0", " seq 0 seen 0x" + "ff" * 8), "is for inbound SAs"),
        "an IV mask of an inbound SA": (text.replace(" seen 0x", " iv-mask 0x0123456789abcdef seen 0x", 1),
                                        "is for outbound SAs"),
        "bits of an odd length": (text.replace(" seen 0x", " seen 0xf", 1), "16 for each 64"),
        "a number beyond 32 bits": (other(" seq 0", f" seq {1 << 32}"), "no number is left"),
        "a number at the end": (other(" seq 0", f" seq {(1 << 32) - AHEAD - 1}"), "no number is left"),
        "no key": (re.sub("key 0x\\w+", "key-present", text), "is not here"),
    }


@lab.test("a file that is cut off, damaged, of another format or for other SAs is refused with a sentence")
def bad():
    with two() as (active, standby):
        text = active.run(CLI, "sa", "export", "-", "--show-keys").stdout
        for name, (file, sentence) in bad_files(text).items():
            answer = importing(standby, file)
            told = answer.stderr
            lab.true(answer.returncode in (1, 2) and sentence in told and told.startswith("espah: "),
                     f"{name}: {answer.returncode} {told!r}")
            Espah.batch(standby, ["sa flush"])
        # SAs that are there
        importing(standby, text)
        moved = text.replace(" seq 0", " seq 77")
        for name, way, file, sentence in (
                ("another key", "out", moved.replace(OUT.key.hex(), os.urandom(20).hex()), "the SA has another key"),
                ("another algorithm", "out", moved.replace("aes128gcm16", "aes128gcm12"), "is another one here"),
                ("another window", "in", moved.replace("window 96", "window 128"), "is another one here")):
            now = Espah.sas(standby, way, "spi", "0x2001" if way == "out" else "0x1001")[0]["seq"]
            answer = importing(standby, file)
            lab.true(answer.returncode == 1 and sentence in answer.stderr, f"{name}: {answer.stderr!r}")
            lab.equal(Espah.sas(standby, way, "spi", "0x2001" if way == "out" else "0x1001")[0]["seq"], now,
                      f"{name}: the number")
        for words, sentence in (("out spi 0x2001 dst 192.0.2.100 seq 5", "the SA has sent"),
                                ("in spi 0x1002 dst 192.0.2.1 seq 5", "the SA has accepted"),
                                ("out spi 0x2001 dst 192.0.2.100 iv-mask 0x0123456789abcdef", "need seq"),
                                ("out spi 0x2001 dst 192.0.2.100 seq 4294967296", "at most 4294967295")):
            answer = standby.run(CLI, "sa", "set", *words.split(), check=False)
            lab.true(answer.returncode == 1 and sentence in answer.stderr, f"{words}: {answer.stderr!r}")
        # without privilege
        active.run(CLI, "sa", "export", "/tmp/sas")
        for words in ("export", "-"), ("import", "/tmp/sas"):
            answer = active.run("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", CLI, "sa", *words,
                                check=False)
            lab.true(answer.returncode == 1 and "CAP_NET_ADMIN" in answer.stderr, f"{words}: {answer.stderr!r}")
        for words, sentence in ((("import", "-", "ahead", "2147483649"), "'ahead' cannot be"),
                                (("import",), "a value must follow"), (("import", "-x"), "is not a file"),
                                (("import", "-", "behind"), "one word too many"),
                                (("export", "-", "ahead", "5"), "is not a word of sa export")):
            answer = active.run(CLI, "sa", *words, check=False)
            lab.true(answer.returncode == 2 and sentence in answer.stderr, f"{words}: {answer.stderr!r}")


@lab.test("requests of netlink: what does not fit the SA is refused, and the numbers stay")
def requests():
    with two() as (active, _), active:
        link = netlink.Link()
        out, inbound = (netlink.identity(sa.spi, number, sa.dst) for sa, number in ((OUT, 1), (IN, 0)))
        seq, seen, mask = (lambda n: (netlink.SEQ, netlink.u64(n))), (netlink.SEEN, bytes(16)), (netlink.IV_MASK, bytes(8))
        link.ask(netlink.SA_SET, out + [seq(50), mask])
        link.ask(netlink.SA_SET, inbound + [seq(50), seen])
        before = link.dump(netlink.SA_GET, [(netlink.SHOW_KEYS, b""), (netlink.SHOW_STATE, b"")])
        for name, pairs, sentence in (
                ("bits without a number", inbound + [seen], "need ESPAH_SA_SEQ"),
                ("back", inbound + [seq(49), seen], "has accepted number 50"),
                ("back, outbound", out + [seq(49)], "has sent number 50"),
                ("used more than there is", out + [(netlink.USED | netlink.NESTED, netlink.nest(
                    (netlink.L_PACKETS, netlink.u64(1 << 63))))], "may be used"),
                ("another mask", out + [seq(60), (netlink.IV_MASK, bytes(7) + b"1")], "has used another IV mask"),
                ("a short mask", out + [seq(60), (netlink.IV_MASK, bytes(7))], "out of range"),
                ("another key", out + [seq(60), (netlink.KEY, os.urandom(20))], "the SA has another key"),
                ("a longer key", out + [seq(60), (netlink.KEY, OUT.key + b"0")], "the SA has another key")):
            try:
                link.ask(netlink.SA_SET, pairs)
            except netlink.Refused as refusal:
                lab.true(netlink.sayable(sentence) in refusal.text, f"{name}: {refusal}")
            else:
                raise lab.Failed(f"{name}: taken")
            lab.equal(link.dump(netlink.SA_GET, [(netlink.SHOW_KEYS, b""), (netlink.SHOW_STATE, b"")]), before, name)
        # what was seen stays seen, and its own key is taken
        link.ask(netlink.SA_SET, inbound + [seq(50), (netlink.SEEN, b"\x80" + bytes(15)), (netlink.KEY, IN.key)])
        link.ask(netlink.SA_SET, inbound + [seq(50), (netlink.SEEN, b"\x20" + bytes(15))])
        got = dict(link.ask(netlink.SA_GET, inbound + [(netlink.SHOW_STATE, b"")])[0])
        lab.equal(got[netlink.SEEN], b"\xa0" + bytes(5) + b"\x3f" + b"\xff" * 9, "what was seen, by both")
        lab.true(netlink.KEY not in got, "the key is shown")
        link.sock.close()


# --- by NETLINK_XFRM ----------------------------------------------------------------------------

def carry_ae(active, standby):
    """What GETAE tells of a gateway's SAs, given to the other by NEWAE."""
    for spi, dst, jump in ((0x2001, P[4], AHEAD), (0x1001, V[4], 0)):
        with active:
            link = nlx.Link()
        (_, body), = link.ask(nlx.GETAE, nlx.ae(spi, dst))
        link.sock.close()
        state = bytearray(dict(netlink.parse(body[len(nlx.ae()):]))[nlx.A_REPLAY_ESN])
        sent, = struct.unpack_from("=I", state, 4)
        struct.pack_into("=I", state, 4, sent + jump if sent else 0)
        with standby:
            link = nlx.Link()
        link.ask(nlx.NEWAE, nlx.ae(spi, dst), [(nlx.A_REPLAY_ESN, bytes(state))],
                 netlink.REQUEST | netlink.ACK | netlink.REPLACE)
        link.sock.close()


@lab.test("by NETLINK_XFRM, with GETAE and NEWAE: no number and no IV comes twice, and traffic goes on")
def by_xfrm():
    lab.delete_all()
    stacks.espah()
    site = Site(4, ALGORITHMS["aes128gcm16"], stack=Xfrm)
    g1, g2 = site.gates
    site.take_over(g1)
    fail_over(site, g1, g2, carry_ae)
    site.close()
    lab.delete_all()
    stacks.xfrm()
    module.load()


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
