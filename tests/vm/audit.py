# SPDX-License-Identifier: GPL-2.0-only
"""The auditable events of RFC 4301 to 4303, the events of all drops, and the meaning of reasons."""
import json
import os
import select
import time

import ipsec
import lab
import traffic
from ipsec import AH, CLI, Espah
from scapy_peer import Peer, raw

LABEL = 0x12345


class Monitor:
    """Events of a running command that is known to listen; kind: kind of events."""

    def __init__(self, peer, kind="audit", words=None):
        self.kind = kind
        self.process = peer.a.start(CLI, "-j", "monitor", *(words or ("sa", kind)), stdout=-1)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

        def heard():
            peer.a.run(CLI, "sa", "set", "out", peer.out.algorithm.proto, "spi", hex(peer.out.spi),
                       "dst", peer.out.dst, "df", "copy")
            return self.read()
        lab.wait_for(heard, "the monitor")

    def read(self):
        if select.select([self.process.stdout], [], [], 0)[0]:
            self.text += os.read(self.process.stdout.fileno(), 1 << 20).decode()
        *lines, self.text = self.text.split("\n")
        return [json.loads(line) for line in lines]

    def events(self):
        return [event for event in self.read() if event["event"] == self.kind]

    def next(self):
        got = lab.wait_for(self.events, f"an event: {self.kind}")
        lab.equal(len(got), 1, f"events: {got}")
        return got[0]

    def close(self):
        self.process.kill()
        self.process.wait()


def labelled(packet):
    """An IPv6 packet with a flow label, which is mutable for AH and not covered by ESP."""
    if packet[0] >> 4 == 4:
        return packet
    return (6 << 28 | LABEL).to_bytes(4, "big") + packet[4:]


def check(event, peer, reason, **want):
    """Compares an event with the packet on the wire."""
    lab.equal(event["reason"], reason, "reason")
    lab.true(abs(event["time_ns"] / 1e9 - time.time()) < 120, "the time is not that of now")
    for name, value in want.items():
        if value is None:
            lab.true(name not in event, f"{name}: {event.get(name)}")
        else:
            lab.equal(event.get(name), value, name)


def ends(src, dst):
    """The printed form of a flow's addresses."""
    bits = "/128" if ":" in src else "/32"
    return src + bits, dst + bits


def flow(event):
    return tuple(side if "/" in side else side + ("/128" if ":" in side else "/32")
                 for side in (event["flow"]["src"], event["flow"]["dst"]))


@lab.test("audit: what comes from the wire (RFC 4303 3.4.2 to 3.4.4)")
def wire():
    for outer, algorithm, proto in ((4, ipsec.GCM, "esp"), (6, ipsec.GCM, "esp"),
                                    (4, AH["sha256"], "ah"), (6, AH["sha256"], "ah")):
        peer = Peer("tunnel", outer, outer, algorithm)
        monitor = Monitor(peer)
        outside = ends(peer.into.src, peer.into.dst)
        name = f"audit, {proto} over IPv{outer}: "
        about = {"proto": proto, "spi": f"{peer.into.spi:#010x}",
                 "flow_label": LABEL if outer == 6 else None}
        for number in 1, 2:
            peer.accepts(number)
        lab.equal(monitor.events(), [], "events of good packets")
        start = 40 if outer == 6 else 20
        at = start + (4 if proto == "ah" else 0)
        with lab.verdict(name + "an unknown SPI"):
            packet = bytearray(labelled(peer.esp(seq=77)))
            packet[at:at + 4] = (0x1234).to_bytes(4, "big")
            peer.send(bytes(packet))
            event = monitor.next()
            check(event, peer, "no_spi", **{**about, "spi": "0x00001234"}, seq=77)
            lab.equal(flow(event), outside, "addresses")
        with lab.verdict(name + "a replay"):
            peer.send(labelled(peer.esp(seq=2)))
            event = monitor.next()
            check(event, peer, "replay", **about, seq=2)
            lab.equal(flow(event), outside, "addresses")
        with lab.verdict(name + "a wrong ICV"):
            packet = bytearray(labelled(peer.esp(seq=9)))
            packet[-1] ^= 1
            peer.send(bytes(packet))
            event = monitor.next()
            check(event, peer, "icv", **about, seq=9)
            lab.equal(flow(event), outside, "addresses")
        with lab.verdict(name + "an inner packet that the policy does not let in by this SA"):
            inner = peer.plain(b"hello")
            inner.src = "10.2.9.9" if outer == 4 else "fd02::99"
            peer.send(peer.esp(seq=3, packet=inner))
            event = monitor.next()
            check(event, peer, "policy", proto=proto, spi=about["spi"])
            lab.equal(flow(event), ends(inner.src, inner.dst), "inner addresses")
            lab.equal((event["flow"]["proto"], event["flow"]["dport"]), ("udp", 7000), "selectors")
        with lab.verdict(name + "in clear"):
            peer.send(labelled(raw(peer.plain(b"hello"))))
            event = monitor.next()
            check(event, peer, "plaintext", spi=None, seq=None, flow_label=about["flow_label"])
            lab.true("policy" in event, "no policy")
            lab.equal(flow(event), ends(peer.there, peer.here), "addresses")
        monitor.close()


@lab.test("audit: a wrong ICV with ESN, where the header was moved for the check")
def esn():
    peer = Peer("tunnel", algorithm=ipsec.GCM, esn=True, window=64)
    monitor = Monitor(peer)
    packet = bytearray(peer.esp(seq=5))
    packet[-1] ^= 1
    peer.send(bytes(packet))
    event = monitor.next()
    check(event, peer, "icv", spi="0x00001001", seq=5)
    lab.equal(flow(event), ends(peer.into.src, peer.into.dst), "addresses")
    monitor.close()


@lab.test("audit: on the way out: no SA, and numbers that ran out (RFC 4303 3.3.3)")
def output():
    for family in 4, 6:
        peer = Peer("tunnel", family, family, seq=(1 << 32) - 2, window=32)
        monitor = Monitor(peer)
        name = f"audit IPv{family}: "
        for number in range(3):
            peer.socket.sendto(b"hello", (peer.there, 7001))
        with lab.verdict(name + "numbers that ran out"):
            event = lab.wait_for(monitor.events, "an event")[0]
            check(event, peer, "seq_overflow", spi="0x00002001", proto="esp", seq=None)
            lab.equal(flow(event), ends(peer.here, peer.there), "addresses")
            lab.equal("flow_label" in event, family == 6, "a flow label")
        with lab.verdict(name + "no SA"):
            Espah.batch(peer.a, ["sa flush out"])
            peer.socket.sendto(b"hello", (peer.there, 7001))
            event = monitor.next()
            check(event, peer, "no_sa", spi=None, seq=None)
            lab.equal(flow(event), ends(peer.here, peer.there), "addresses")
        monitor.close()


for kind_, proto_ in ("audit", "replay"), ("drop", "discard_in"):
    @lab.test(f"{kind_}: at most ten a second for each reason, and what was left out is counted",
              kind_, proto_)
    def rate(kind, other):
        peer = Peer("tunnel")
        Espah.batch(peer.a, ["policy add in 10.3.0.0/16 10.1.0.0/16 discard"])
        monitor = Monitor(peer, kind)
        packet = bytearray(peer.esp())
        packet[20:24] = (0x4321).to_bytes(4, "big")
        start, before = time.monotonic(), Espah.drops(peer.a).get("no_spi", 0)
        for _ in range(500):
            peer.send(bytes(packet))
        lab.wait_for(lambda: Espah.drops(peer.a).get("no_spi", 0) == before + 500, "the drops")
        took = time.monotonic() - start
        # another reason has its own rate limit
        plain = peer.plain(b"hello")
        plain.src = "10.3.0.1"
        peer.send(peer.esp(seq=1), peer.esp(seq=1), raw(plain))
        time.sleep(0.3)
        peer.send(bytes(packet))
        events = []
        lab.wait_for(lambda: events.extend(monitor.events()) or
                     any(e["reason"] == other for e in events) and
                     sum(1 + e.get("missed", 0) for e in events if e["reason"] == "no_spi") == 501,
                     "501 packets in events")
        told = sum(e["reason"] == "no_spi" for e in events)
        lab.true(told <= 10 * took + 3, f"{told} events in {took:.1f} s")
        monitor.close()


@lab.test("drop: reasons on the way in and out, with what is known of the packet; no dummies")
def drops():
    for family in 4, 6:
        peer = Peer("tunnel", family, family)
        other = "10.9.0.1" if family == 4 else "fd09::1"
        net = "0.0.0.0/0" if family == 4 else "::/0"
        number = len(Espah.json(peer.a, "policy", "list"))
        Espah.batch(peer.a, [f"policy add out {net} {other} discard",
                             f"policy add in {other} {net} discard"])
        ids = [policy["id"] for policy in Espah.json(peer.a, "policy", "list")][number:]
        monitor = Monitor(peer, "drop")
        name = f"drop, IPv{family}: "
        with lab.verdict(name + "discarded on the way out"):
            with peer.a:
                peer.a.run("ip", "route", "replace", other, "via",
                           "192.0.2.2" if family == 4 else "2001:db8::2")
            traffic.udp(peer.a, peer.here).sendto(b"hello", (other, 7002))
            event = monitor.next()
            check(event, peer, "discard_out", spi=None, seq=None)
            lab.true(event["policy"] in ids, f"policy {event['policy']}")
            lab.equal(flow(event), ends(peer.here, other), "addresses")
            lab.equal((event["flow"]["proto"], event["flow"]["dport"]), ("udp", 7002), "selectors")
        with lab.verdict(name + "discarded on the way in"):
            plain = peer.plain(b"hello")
            plain.src = other
            peer.send(raw(plain))
            event = monitor.next()
            check(event, peer, "discard_in", spi=None, seq=None)
            lab.equal(flow(event), ends(other, peer.here), "addresses")
        with lab.verdict(name + "a length that no packet has, with SPI and number"):
            peer.send(peer.outer(peer.esp(seq=7)[20 if family == 4 else 40:-1]))
            event = monitor.next()
            check(event, peer, "length", proto="esp", spi=f"{peer.into.spi:#010x}", seq=7)
            lab.equal(flow(event), ends(peer.into.src, peer.into.dst), "addresses")
        with lab.verdict(name + "a packet without a sound header, by its SA alone"):
            peer.send(peer.forge(bytes(60), 8, 4 if family == 4 else 41))
            event = monitor.next()
            check(event, peer, "inner", proto="esp", spi=f"{peer.into.spi:#010x}", seq=None)
            lab.true("flow" not in event, "a flow")
        with lab.verdict(name + "a dummy is none, and what is audited is one"):
            peer.send(peer.forge(b"", 9, 59), peer.esp(seq=9))
            event = monitor.next()
            check(event, peer, "replay", spi=f"{peer.into.spi:#010x}", seq=9)
        monitor.close()


@lab.test("drop: espah monitor alone prints drops; a line of text has reason, flow and SPI")
def line():
    peer = Peer("tunnel")
    monitor = Monitor(peer, "drop", ["sa", "policy", "acquire", "expire", "mapping", "drop"])
    text = peer.a.start(CLI, "monitor", stdout=-1)
    os.set_blocking(text.stdout.fileno(), False)
    got = ""

    def read():
        nonlocal got
        if select.select([text.stdout], [], [], 0)[0]:
            got += os.read(text.stdout.fileno(), 1 << 20).decode()
        return got

    def heard():
        Espah.batch(peer.a, ["policy add out 10.9.0.0/16 any bypass", "policy flush out"])
        return read()
    lab.wait_for(heard, "the monitor")
    peer.send(peer.esp(seq=1), peer.esp(seq=1))
    lab.wait_for(lambda: "drop " in read(), "a line")
    lines = [entry for entry in got.splitlines() if "  drop " in entry]
    lab.equal(len(lines), 1, "lines")
    lab.true(all(word in lines[0] for word in (
        "  replay: ", peer.into.src, peer.into.dst, f"esp spi {peer.into.spi:#010x}", "seq 1")),
        lines[0])
    lab.equal(monitor.next()["reason"], "replay", "reason")
    text.kill()
    text.wait()
    monitor.close()


@lab.test("audit: without the word, monitor prints no audit events")
def unasked():
    peer = Peer("tunnel")
    monitor = Monitor(peer)
    quiet = peer.a.start(CLI, "-j", "monitor", stdout=-1)
    os.set_blocking(quiet.stdout.fileno(), False)

    def heard():
        peer.a.run(CLI, "sa", "set", "out", "spi", hex(peer.out.spi), "dst", peer.out.dst, "df",
                   "copy")
        return select.select([quiet.stdout], [], [], 0)[0]
    lab.wait_for(heard, "the other monitor")
    peer.send(peer.esp(seq=1), peer.esp(seq=1))
    lab.wait_for(monitor.events, "the event")
    lab.true(b"audit" not in os.read(quiet.stdout.fileno(), 1 << 20), "an event")
    quiet.kill()
    quiet.wait()
    monitor.close()


@lab.test("explain reason: each reason that the kernel knows has a meaning and something to check")
def reasons():
    peer = Peer("tunnel")
    names = list(ipsec.drop_counts(Espah.json(peer.a, "stats", "--all")))
    lab.true(len(names) > 40, f"{len(names)} reasons")
    lines = "\n".join(f"explain reason {name}" for name in names)
    with peer.a:
        said = lab.run(CLI, "-b", "-", stdin=lines + "\n").stdout.splitlines()
    lab.equal(len(said), 2 * len(names), "lines")
    for name, meaning, what in zip(names, said[::2], said[1::2]):
        lab.true(meaning.startswith(name + ": ") and len(meaning) > len(name) + 8, meaning)
        lab.true(len(what) > 20, what)
    got = Espah.json(peer.a, "explain", "reason", "no_spi")
    lab.equal(sorted(got), ["check", "reason", "text"], "members")
    with peer.a:
        bad = lab.run(CLI, "explain", "reason", "no_sip", check=False)
    lab.equal((bad.returncode, "did you mean 'no_spi'" in bad.stderr), (2, True), bad.stderr)


if __name__ == "__main__":
    lab.main()
