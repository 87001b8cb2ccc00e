#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""No packet leaves in clear if a policy says protect, whatever happens to the SAs.

   h 10.1.0.2 -- 10.1.0.1 a (espah) 192.0.2.1 ===== 192.0.2.2 b (XFRM), 10.2.0.1

Both h and a itself send to b. Packets from a on the wire between the gateways that are
neither ESP nor neighbour discovery count as plaintext.
"""
import dataclasses
import threading
import time

import ipsec
import lab
import module
import traffic
from ipsec import Espah, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
HERE, THERE = "10.1.0.0/24", "10.2.0.0/24"
OUT = Policy(HERE, THERE, OUTER)
IN = Policy(THERE, HERE, OUTER[::-1])


def topology():
    lab.delete_all()
    h, a, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
    lab.link(h, "eth0", a, "lan")
    lab.link(a, "wan", b, "eth0")
    h.ip("addr add 10.1.0.2/24 dev eth0\nroute add default via 10.1.0.1\n")
    a.ip("addr add 10.1.0.1/24 dev lan\naddr add 192.0.2.1/24 dev wan\n"
         "route add 10.2.0.0/24 via 192.0.2.2 src 10.1.0.1\n")
    b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 10.2.0.1/32 dev lo\n"
         "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n")
    return h, a, b


def pair(spi, **options):
    return (SA(spi, *OUTER, **options), SA(spi + 1, *OUTER[::-1], **options))


class Load:
    """Datagrams from h and from a to b, numbered, until stopped."""

    def __init__(self, h, a, b):
        self.sockets = [traffic.udp(h, "10.1.0.2"), traffic.udp(a, "10.1.0.1")]
        self.sink = traffic.udp(b, "10.2.0.1", 9000)
        self.stop = threading.Event()
        self.sent = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            for sock in self.sockets:
                try:
                    sock.sendto(b"plain text " * 9, ("10.2.0.1", 9000))
                    self.sent += 1
                except OSError:
                    pass  # the namespace may be in deletion
            time.sleep(0.0005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        time.sleep(0.2)  # the last packets are in flight
        self.received = len(traffic.drain(self.sink))
        for sock in (*self.sockets, self.sink):
            sock.close()


def esp_sent(wire):
    return len(wire.packets(50))


@lab.test("the capture sees plaintext where no policy asks for protection")
def control():
    h, a, b = topology()
    with traffic.Wire(a, "wan", cleartext=True) as wire, Load(h, a, b):
        lab.wait_for(wire.frames, "plaintext")


@lab.test("a policy without an SA: every packet dropped as no_sa, none in clear (promise 1)")
def missing():
    h, a, b = topology()
    Espah.configure(a, out=[OUT], in_=[IN])
    with traffic.Wire(a, "wan", cleartext=True) as wire:
        with Load(h, a, b) as load:
            lab.wait_for(lambda: load.sent > 200, "load")
        lab.equal(len(wire.frames()), 0, "packets in clear")
    lab.equal(load.received, 0, "packets received")
    lab.equal(Espah.drops(a), {"no_sa": load.sent}, "drops")


@lab.test("SAs added, doubled, replaced, deleted and flushed under load: none in clear (promise 1)")
def churn():
    h, a, b = topology()
    Espah.configure(a, out=[OUT], in_=[IN])
    Xfrm.configure(b, in_=[OUT], out=[IN])
    with traffic.Wire(a, "wan", cleartext=True) as wire, \
            traffic.Wire(a, "wan", outgoing=True) as all_of_it:
        with Load(h, a, b):
            for number in range(20):
                first, second = pair(0x1000 + 4 * number), pair(0x1002 + 4 * number)
                Espah.configure(a, first[:1], first[1:])
                Espah.configure(a, second[:1], second[1:])
                Espah.batch(a, [f"policy replace out {HERE} {THERE} protect tunnel "
                                f"{OUTER[0]} {OUTER[1]} reqid 1",
                                f"sa del out spi {first[0].spi:#x} dst {OUTER[1]}",
                                f"sa del out spi {second[0].spi:#x} dst {OUTER[1]}"
                                if number % 2 else "sa flush"])
        esp = esp_sent(all_of_it)
        lab.true(esp > 50, f"only {esp} ESP packets went out")
        lab.equal(len(wire.frames()), 0, "packets in clear")
    lab.equal(set(Espah.drops(a)) - {"no_sa"}, set(), "other drops")


@lab.test("a rekey: both inbound SAs are taken, the outbound one switches, no packet is lost")
def rekey():
    h, a, b = topology()
    Espah.configure(a, out=[OUT], in_=[IN])
    Xfrm.configure(b, in_=[OUT], out=[IN])
    old = pair(0x1000)
    Espah.configure(a, old[:1], old[1:])
    Xfrm.configure(b, old[1:], old[:1])
    with traffic.Wire(a, "wan", cleartext=True) as wire:
        with Load(h, a, b) as load:
            for number in range(1, 8):
                new = pair(0x1000 + 2 * number)
                Xfrm.configure(b, [], new[:1])  # the receiver gets the SA before the sender uses it
                Espah.configure(a, [], new[1:])
                Espah.configure(a, new[:1])
                Espah.batch(a, [f"sa del out spi {old[0].spi:#x} dst {OUTER[1]}"])
                old = new
            time.sleep(0.2)
        lab.equal(len(wire.frames()), 0, "packets in clear")
    lab.equal(Espah.drops(a), {}, "drops")
    lab.equal(load.received, load.sent, "packets received of those sent")
    lab.equal(Espah.json(a, "stats")["out_packets"], load.sent, "packets counted")


@lab.test("without ESN the last number is 2^32 - 1, then seq_overflow (RFC 4303 3.3.3)")
def overflow():
    h, a, b = topology()
    out, back = pair(0x1000, seq=(1 << 32) - 6)
    Espah.configure(a, [out], [back], [OUT], [IN])
    Xfrm.configure(b, [dataclasses.replace(back, seq=0)], [dataclasses.replace(out, seq=0)],
                   [IN], [OUT])
    with traffic.Wire(a, "wan", cleartext=True) as wire, \
            traffic.Wire(a, "wan", outgoing=True) as all_of_it:
        with Load(h, a, b) as load:
            lab.wait_for(lambda: load.sent > 50, "load")
        numbers = [int.from_bytes(packet[24:28], "big") for packet in all_of_it.packets(50)]
        lab.equal(numbers, list(range((1 << 32) - 5, 1 << 32)), "numbers sent")
        lab.equal(len(wire.frames()), 0, "packets in clear")
    lab.equal(Espah.drops(a), {"seq_overflow": load.sent - 5}, "drops")


@lab.test("sent = delivered + dropped, while half of the packets lack an SA (promise 6)")
def sums():
    h, a, b = topology()
    Espah.configure(a, out=[OUT], in_=[IN])
    Xfrm.configure(b, in_=[OUT], out=[IN])
    one = pair(0x1000)
    Xfrm.configure(b, one[1:], one[:1])
    with Load(h, a, b) as load:
        lab.wait_for(lambda: load.sent > 100, "load")
        Espah.configure(a, one[:1], one[1:])
        before = load.sent
        lab.wait_for(lambda: load.sent > before + 100, "load")
    time.sleep(0.2)
    drops = Espah.drops(a)
    lab.equal(list(drops), ["no_sa"], "reasons")
    lab.equal(Espah.json(a, "stats")["out_packets"] + drops["no_sa"], load.sent, "sum")


@lab.test("the module stays while a policy exists, goes when none does, and comes back")
def unload():
    _, a, _ = topology()
    Espah.configure(a, out=[OUT])
    lab.true(lab.run("rmmod", "espah", check=False).returncode, "rmmod succeeded")
    lab.equal(len(Espah.json(a, "policy", "list")), 1, "policies")
    Espah.batch(a, ["policy flush", "default out discard"])
    lab.true(lab.run("rmmod", "espah", check=False).returncode, "rmmod with default discard")
    Espah.batch(a, ["default out bypass"])
    out, back = pair(0x1000)
    Espah.configure(a, [out], [back])  # SAs alone protect nothing
    module.unload()
    module.load()
    lab.equal(Espah.json(a, "sa", "list"), [], "SAs after a reload")


@lab.test("a namespace is deleted with SAs and policies, under load")
def namespace():
    for number in range(5):
        h, a, b = topology()
        one = pair(0x1000 + number)
        Espah.configure(a, one[:1], one[1:], [OUT], [IN])
        Xfrm.configure(b, one[1:], one[:1], [IN], [OUT])
        with Load(h, a, b) as load:
            lab.wait_for(lambda: load.sent > 50, "load")
            a.delete()
    lab.delete_all()
    lab.wait_for(lambda: not lab.run("rmmod", "espah", check=False).returncode,
                 "the namespaces to let the module go")
    module.load()


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
