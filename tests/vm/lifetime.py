#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Lifetimes of SAs (RFC 4301 4.4.2.1): packets, bytes, time, use, idle; soft and hard.

      a (espah) 192.0.2.1 ---- veth ---- 192.0.2.2  b (XFRM)
                 10.1.0.1                 10.2.0.1

Packets are counted on the wire and by XFRM, and limits are compared with these counts.
"""
import contextlib
import os
import re
import socket
import struct
import time

import ipsec
import lab
import netlink
import traffic
from ipsec import Espah, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
HERE, THERE = "10.1.0.1", "10.2.0.1"
OUT = Policy(HERE + "/32", THERE + "/32", OUTER)
IN = Policy(THERE + "/32", HERE + "/32", OUTER[::-1])


class Pair:
    """Both ends, with one SA each way; the limits apply to espah's side."""

    def __init__(self, out="", into="", peer=True):
        lab.delete_all()
        self.a, self.b = lab.Netns("a"), lab.Netns("b")
        lab.link(self.a, "eth0", self.b, "eth0")
        for ns, me, other, mine, theirs in ((self.a, 1, 2, HERE, THERE),
                                            (self.b, 2, 1, THERE, HERE)):
            ns.ip(f"addr add 192.0.2.{me}/24 dev eth0\naddr add {mine}/32 dev lo\n"
                  f"route add {theirs}/32 via 192.0.2.{other} src {mine}\n")
        with self.a:
            self.ear = netlink.Link()
        self.ear.join("expire")
        self.ear.join("acquire")
        self.out = SA(0x1001, *OUTER, extra=out)
        self.into = SA(0x1002, *OUTER[::-1], extra=into)
        Espah.configure(self.a, [self.out], [self.into], [OUT], [IN])
        if peer:
            Xfrm.configure(self.b, [self.into], [self.out], [IN], [OUT])
        self.left, self.right = traffic.udp(self.a, HERE, 7000), traffic.udp(self.b, THERE, 7000)
        traffic.ping(self.a, *OUTER)  # resolves the neighbours
        self.clear = traffic.Wire(self.a, "eth0", cleartext=True)
        self.wire = traffic.Wire(self.a, "eth0", outgoing=True)

    def send(self, count, size=100, backward=False):
        sender, target = (self.right, HERE) if backward else (self.left, THERE)
        for _ in range(count):
            sender.sendto(bytes(size), (target, 7000))

    def left_as_esp(self, count):
        """Checks that exactly count packets went over the wire; softirqs may be late."""
        found = []
        lab.wait_for(lambda: found.extend(self.wire.packets(50)) or len(found) >= count,
                     f"{count} ESP packets on the wire")
        lab.equal(len(found), count, "ESP packets on the wire")

    def flood(self, count, backward=False):
        """Sends from two processors at the same time, as far as two processes can."""
        sender, target = (self.right, HERE) if backward else (self.left, THERE)
        read, write = os.pipe()
        children = []
        for processor in sorted(os.sched_getaffinity(0))[:2]:
            child = os.fork()
            if not child:
                os.sched_setaffinity(0, {processor})
                os.read(read, 1)
                for _ in range(count):
                    with contextlib.suppress(OSError):  # drops may be reported as errors
                        sender.sendto(bytes(40), (target, 7000))
                os._exit(0)
            children.append(child)
        os.write(write, b"go")
        for child in children:
            os.waitpid(child, 0)
        os.close(read)
        os.close(write)

    def sas(self, direction="out"):
        return [sa for sa in Espah.sas(self.a) if sa["dir"] == direction]

    def gone(self, direction="out"):
        lab.wait_for(lambda: not self.sas(direction), "the SA to end")

    def xfrm_packets(self, sa):
        """Packets that XFRM's side of an SA has accepted."""
        text = self.b.run("ip", "-s", "xfrm", "state", "get", "src", sa.src, "dst", sa.dst,
                          "proto", "esp", "spi", hex(sa.spi)).stdout
        return int(re.search(r"lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)", text)[1])

    def expired(self):
        """(SPI, limit, hard) of the events so far."""
        found = []
        for cmd, attrs in self.ear.events():
            if cmd == netlink.EXPIRE:
                sa = dict(netlink.parse(attrs[netlink.X_EXPIRE_SA]))
                found.append((struct.unpack("!I", sa[netlink.SPI])[0],
                              attrs[netlink.X_EXPIRE_LIMIT][0], attrs[netlink.X_EXPIRE_HARD][0]))
        return found

    def wait_events(self, count):
        got = []
        lab.wait_for(lambda: got.extend(self.expired()) or len(got) >= count,
                     f"{count} expire events")
        return got


# --- packets ------------------------------------------------------------------------------------

@lab.test("hard packets N: exactly N go out, from two processors, then none, none in clear")
def packets_out():
    for limit in 1, 33, 100:
        pair = Pair(out=f"hard packets {limit}")
        pair.flood(150)
        pair.gone()
        pair.left_as_esp(limit)
        lab.equal(pair.xfrm_packets(pair.out), limit, "packets that XFRM took")
        lab.equal(len(pair.clear.frames()), 0, "packets in clear")
        drops = Espah.drops(pair.a)
        lab.equal(set(drops) - {"expired", "no_sa"}, set(), "other drops")
        lab.equal(sum(drops.values()), 300 - limit, "packets dropped")
        lab.equal(pair.expired(), [(0x1001, netlink.L_PACKETS, 1)], "events")


@lab.test("hard packets N, inbound: exactly N are delivered, by two processors")
def packets_in():
    for limit in 1, 33, 100:
        pair = Pair(into=f"hard packets {limit}")
        pair.flood(150, backward=True)
        pair.gone("in")
        lab.wait_for(lambda pair=pair: sum(Espah.drops(pair.a).values()) == 300 - limit, "drops")
        lab.equal(set(Espah.drops(pair.a)) - {"expired", "no_spi"}, set(), "other drops")
        lab.equal(len(traffic.drain(pair.left)), limit, "datagrams delivered")
        lab.equal(pair.expired(), [(0x1002, netlink.L_PACKETS, 1)], "events")


@lab.test("a batch of segments is cut off at the limit, not let through as a whole")
def packets_gso():
    pair = Pair(out="hard packets 25")
    for _ in range(4):
        pair.left.sendmsg([bytes(10 * 200)], [(socket.IPPROTO_UDP, traffic.UDP_SEGMENT,
                                               struct.pack("=H", 200))], 0, (THERE, 7000))
    pair.gone()
    pair.left_as_esp(25)
    lab.equal(sum(Espah.drops(pair.a).values()), 15, "packets dropped")


# --- bytes --------------------------------------------------------------------------------------

def ciphertext(packet):
    """Bytes that the cipher processed: all but ESP header, IV and ICV of AES-GCM."""
    return len(packet) - 20 - 8 - 8 - 16


@lab.test("hard bytes: what the cipher works on, padding included, is never exceeded")
def bytes_out():
    size = 101 + 28 + 2       # datagram, UDP and IP headers; pad length and next header
    each = (size + 3) // 4 * 4
    for limit, sent in ((10 * each, 10), (10 * each - 1, 9), (11 * each - 1, 10), (each - 1, 0)):
        pair = Pair(out=f"hard bytes {limit}")
        pair.send(15, size=101)
        pair.gone()
        packets = pair.wire.packets(50)
        lab.equal([ciphertext(packet) for packet in packets], [each] * sent,
                  f"ciphertext with a limit of {limit}")
        lab.equal(len(pair.clear.frames()), 0, "packets in clear")
        lab.equal(pair.expired(), [(0x1001, netlink.L_BYTES, 1)], "events")


@lab.test("a packet that does not fit takes the rest: no smaller one slips in behind it")
def bytes_rest():
    pair = Pair(out="hard bytes 1000")
    with pair.a:  # the SA must not be deleted meanwhile
        pair.send(1, size=800)
        pair.left.sendto(bytes(800), (THERE, 7000))
        pair.left.sendto(bytes(10), (THERE, 7000))
    pair.gone()
    pair.left_as_esp(1)


@lab.test("hard bytes, inbound: counted as by the sender")
def bytes_in():
    each = (100 + 28 + 2 + 3) // 4 * 4
    pair = Pair(into=f"hard bytes {7 * each}")
    pair.send(12, backward=True)
    pair.gone("in")
    lab.wait_for(lambda: sum(Espah.drops(pair.a).values()) == 5, "drops")
    lab.equal(len(traffic.drain(pair.left)), 7, "datagrams delivered")


# --- only authenticated packets count ------------------------------------------------------------

@lab.test("forged and replayed packets use nothing up (promise 3)")
def forged():
    pair = Pair(into="hard packets 6 bytes 100k soft use 1h idle 1h")
    before = pair.sas("in")[0]
    lab.true("first_used" not in before, "used before the first packet")
    with traffic.Wire(pair.b, "eth0", outgoing=True) as wire:
        pair.send(1, backward=True)
        good = wire.next(50)
    lab.wait_for(lambda: pair.sas("in")[0]["packets"] == 1, "the packet")
    state = pair.sas("in")[0]
    lab.equal(state["hard"]["packets"]["left"], 5, "packets left")
    injector = traffic.Injector(pair.b, "eth0", pair.a, "eth0")
    bad = bytearray(good)
    bad[27] += 1  # a new sequence number, so that the ICV decides
    for _ in range(20):
        injector.send(bytes(bad))
        injector.send(good)
    lab.wait_for(lambda: Espah.drops(pair.a) == {"icv": 20, "replay": 20}, "the drops")
    after = pair.sas("in")[0]
    for name in "packets", "bytes", "hard", "first_used", "last_used":
        if name == "last_used":
            lab.true(abs(after[name] - state[name]) <= 1, "time of last use moved")
        else:
            lab.equal(after[name], state[name], name)
    pair.send(9, backward=True)
    pair.gone("in")
    lab.equal(len(traffic.drain(pair.left)), 6, "datagrams delivered in all")


@lab.test("an SA that nobody authenticated is unused, however many forgeries came")
def unused():
    pair = Pair(into="hard use 1", peer=False)
    injector = traffic.Injector(pair.b, "eth0", pair.a, "eth0")
    packet = bytearray(bytes.fromhex("45000060000040004032") + bytes(2)
                       + socket.inet_aton(OUTER[1]) + socket.inet_aton(OUTER[0])
                       + struct.pack("!II", 0x1002, 1) + bytes(68))
    total = sum(struct.unpack("!10H", packet[:20]))
    packet[10:12] = struct.pack("!H", 0xffff - (total % 0xffff))
    for _ in range(10):
        injector.send(bytes(packet))
    lab.wait_for(lambda: Espah.drops(pair.a) == {"icv": 10}, "the drops")
    time.sleep(2.5)
    lab.equal(len(pair.sas("in")), 1, "inbound SAs")
    lab.true("first_used" not in pair.sas("in")[0], "the SA counts as used")


# --- time ---------------------------------------------------------------------------------------

@lab.test("soft and hard time: an event each, never early; then no_sa and an acquire event")
def timed():
    start = time.monotonic()
    pair = Pair(out="soft time 2 hard time 4", into="hard time 1h")
    events = pair.wait_events(1)
    lab.true(time.monotonic() - start >= 2, "the soft limit came early")
    lab.equal(events, [(0x1001, netlink.L_TIME, 0)], "events")
    pair.send(1)
    pair.wire.next(50)  # still sent after the soft limit
    lab.equal(pair.wait_events(1), [(0x1001, netlink.L_TIME, 1)], "events")
    lab.true(time.monotonic() - start >= 4, "the hard limit came early")
    pair.gone()
    lab.equal(len(pair.sas("in")), 1, "inbound SAs, whose hour is not over")
    pair.send(5)
    lab.equal(Espah.drops(pair.a), {"no_sa": 5}, "drops")
    lab.equal(len(pair.wire.packets(50)) + len(pair.clear.frames()), 0, "packets on the wire")
    lab.true(netlink.ACQUIRE in [cmd for cmd, _ in pair.ear.events()], "no acquire event")


@lab.test("use: the time runs from the first packet on")
def use():
    pair = Pair(out="hard use 1")
    time.sleep(3)
    lab.equal(len(pair.sas()), 1, "SAs before the first packet")
    start = time.monotonic()
    pair.send(1)
    pair.gone()
    lab.true(time.monotonic() - start >= 1, "it ended early")
    lab.equal(pair.expired(), [(0x1001, netlink.L_USE, 1)], "events")


@lab.test("idle: traffic keeps an SA, silence ends it; one that was never used too")
def idle():
    pair = Pair(out="hard idle 4", into="hard idle 4")
    start = time.monotonic()
    while time.monotonic() < start + 9:
        pair.send(1)
        time.sleep(0.2)
    lab.equal(len(pair.sas()), 1, "SAs in use")
    lab.equal(len(pair.sas("in")), 0, "SAs never used")
    quiet = time.monotonic()
    pair.gone()
    lab.true(time.monotonic() - quiet >= 3, "it ended early")
    lab.equal(sorted(pair.expired()), [(0x1001, netlink.L_IDLE, 1), (0x1002, netlink.L_IDLE, 1)],
              "events")


# --- several, changed in flight -----------------------------------------------------------------

@lab.test("of several limits the first that is reached counts; soft ones are told once each")
def several():
    pair = Pair(out="soft packets 3 bytes 1k time 1h hard packets 20 bytes 1M time 2h")
    pair.send(3)
    lab.equal(pair.wait_events(1), [(0x1001, netlink.L_PACKETS, 0)], "after 3 packets")
    pair.send(10)
    lab.equal(pair.wait_events(1), [(0x1001, netlink.L_BYTES, 0)], "after 13 packets")
    pair.send(10)
    pair.gone()
    lab.equal(pair.expired(), [(0x1001, netlink.L_PACKETS, 1)], "after 23 packets")
    pair.left_as_esp(20)


@lab.test("sa set changes limits of an SA in use, and takes them away")
def changed():
    pair = Pair(out="soft packets 2 hard packets 1M")
    name = f"sa set out spi {pair.out.spi:#x} dst {pair.out.dst}"
    pair.send(4)
    lab.equal(pair.wait_events(1), [(0x1001, netlink.L_PACKETS, 0)], "events")
    Espah.batch(pair.a, [f"{name} soft packets 3"])  # already exceeded, and reported again
    lab.equal(pair.wait_events(1), [(0x1001, netlink.L_PACKETS, 0)], "events")
    Espah.batch(pair.a, [f"{name} soft packets off hard packets off"])
    lab.true("hard" not in pair.sas()[0] and "soft" not in pair.sas()[0], "limits are shown")
    pair.send(4)
    Espah.batch(pair.a, [f"{name} hard packets 10"])  # 8 of these are used
    lab.equal(pair.sas()[0]["hard"], {"packets": {"limit": 10, "left": 2}}, "what is left")
    pair.send(4)
    pair.gone()
    pair.left_as_esp(10)
    pair.expired()
    Espah.configure(pair.a, [SA(0x1005, *OUTER, key=pair.out.key)])
    pair.send(5)
    Espah.batch(pair.a, [f"sa set out spi 0x1005 dst {OUTER[1]} hard packets 3"])
    pair.gone()
    lab.equal(pair.expired(), [(0x1005, netlink.L_PACKETS, 1)], "a limit set below what has gone")


@lab.test("soft limits drive a rekey: nothing is lost, nothing in clear, old SAs end")
def rekey():
    pair = Pair(out="soft packets 40 hard packets 400")
    spi, sent, rekeys = 0x2000, 0, 0
    for _ in range(60):
        pair.send(10)
        sent += 10
        for name, _, hard in pair.expired() if sent % 30 == 0 else ():
            lab.equal((name, hard), (pair.out.spi, 0), "which SA asks for a successor")
            old, pair.out = pair.out, SA(spi, *OUTER, extra=pair.out.extra)
            Xfrm.configure(pair.b, [], [pair.out])
            Espah.configure(pair.a, [pair.out])
            Espah.batch(pair.a, [f"sa del out spi {old.spi:#x} dst {OUTER[1]}"])
            spi, rekeys = spi + 2, rekeys + 1
    lab.true(rekeys > 5, f"{rekeys} rekeys")
    lab.wait_for(lambda: len(pair.wire.packets(50)) + sent, "packets")
    lab.equal(len(traffic.drain(pair.right)), sent, "datagrams received")
    lab.equal(Espah.drops(pair.a), {}, "drops")
    lab.equal(len(pair.clear.frames()), 0, "packets in clear")


@lab.test("what the command shows: limits, what is left, first and last use; and the monitor")
def shown():
    pair = Pair(into="soft bytes 1k hard bytes 10k time 1h")
    with pair.a, open("/tmp/monitor", "w", encoding="utf-8") as file:
        pair.a.start(ipsec.CLI, "monitor", "expire", stdout=file)
    lab.wait_for(lambda: len([line for line in pair.a.run("cat", "/proc/net/netlink").stdout
                              .splitlines()[1:] if line.split()[3] != "00000000"]) > 1,
                 "the monitor")
    pair.send(8, backward=True)
    lab.wait_for(lambda: pair.sas("in")[0]["packets"] == 8, "packets")
    sa = pair.sas("in")[0]
    each = (100 + 28 + 2 + 3) // 4 * 4
    lab.equal(sa["soft"], {"bytes": {"limit": 1000, "left": 0}}, "soft")
    lab.equal(sa["hard"]["bytes"], {"limit": 10000, "left": 10000 - 8 * each}, "hard bytes")
    lab.true(3500 < sa["hard"]["time"]["left"] <= 3600, "hard time left")
    lab.true(sa["added"] <= sa["first_used"] <= sa["last_used"] + 1, "times of use")
    lab.true(abs(sa["last_used"] - time.time()) < 100, "time of last use")
    text = pair.a.run(ipsec.CLI, "sa", "list", "in").stdout
    lab.true(f"hard: bytes 10.0 kB ({10000 - 8 * each} B left), time 1h00m (" in text, text)
    text = pair.a.run(ipsec.CLI, "show").stdout
    # within the first second the full hour may remain
    lab.true(any(left in text for left in ("time 1h00m", "time 59m")), text)
    lab.wait_for(lambda: os.path.getsize("/tmp/monitor"), "a line of the monitor")
    with open("/tmp/monitor", encoding="utf-8") as file:
        line = file.read()
    lab.true("expire" in line and "soft bytes: in esp 0x00001002" in line, line)


# --- many -----------------------------------------------------------------------------------------

TRACE = "/sys/kernel/tracing/"


@contextlib.contextmanager
def timers_started():
    """Counts how often the module's timer is set, with the kernel's trace event."""
    if not os.path.exists(TRACE + "events"):
        lab.run("mount", "-t", "tracefs", "tracefs", TRACE)
    count = []

    def write(name, text):
        with open(TRACE + name, "w", encoding="utf-8") as file:
            file.write(text)
    write("buffer_size_kb", "20000")
    write("trace", "")
    write("events/timer/timer_start/enable", "1")
    yield count
    write("events/timer/timer_start/enable", "0")
    with open(TRACE + "trace", encoding="utf-8") as file:
        count.append(sum("delayed_work_timer_fn" in line for line in file))


@lab.test("5,000 SAs with time limits set the timer a few times, and end all")
def many():
    pair = Pair()
    with timers_started() as count:
        Espah.batch(pair.a, [Espah.sa_line("in", SA(0x10000 + number, *OUTER[::-1],
                                                    extra="hard time 30 soft time 25"))
                             for number in range(5000)])
    lab.true(count[0] < 250, f"{count[0]} timers for 5,000 SAs")
    lab.equal(len(pair.sas("in")), 5001, "SAs")
    pair.send(3)
    lab.wait_for(lambda: len(pair.sas("in")) == 1, "5,000 SAs to end", 120)
    pair.send(3)
    pair.left_as_esp(6)
    lab.equal(Espah.drops(pair.a), {}, "drops")


@lab.test("a namespace goes away with limits armed, and lets the module go")
def namespace():
    pair = Pair(out="hard time 2 packets 10", into="hard idle 2")
    pair.send(10)
    for sock in pair.left, pair.right, pair.clear, pair.wire, pair.ear.sock:
        sock.close()
    del pair
    lab.delete_all()
    lab.wait_for(lambda: not lab.run("rmmod", "espah", check=False).returncode,
                 "the module to be unloaded")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
