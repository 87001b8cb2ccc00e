#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Connections that are in a flowtable before a policy is added: they are removed before the policy's
request is answered, and none of their packets is sent or accepted in clear afterwards.

   h 10.1.0.2 ------ 10.1.0.1 a (espah, nft) 192.0.2.1 ------ 192.0.2.2 b, 10.2.0.1, 10.2.0.9
     2001:db8:1::2   2001:db8:1::1           2001:db8::1      2001:db8::2, 2001:db8:2::1, ::9
"""
import contextlib
import os
import re
import struct
import threading
import time

import ipsec
import lab
import netlink
import traffic
from ipsec import Espah

HOST = {4: "10.1.0.2", 6: "2001:db8:1::2"}
FAR = {4: "10.2.0.1", 6: "2001:db8:2::1"}
OTHER = {4: "10.2.0.9", 6: "2001:db8:2::9"}
OUTER = {4: "192.0.2.1 192.0.2.2", 6: "2001:db8::1 2001:db8::2"}
BACK = {4: "192.0.2.2 192.0.2.1", 6: "2001:db8::2 2001:db8::1"}
TRACING = "/sys/kernel/tracing"
FAST = """table inet fast {
    flowtable ft { hook ingress priority 0; devices = { lan, wan }; }
    chain forward { type filter hook forward priority 0; ct state established flow add @ft; }
}"""
NAT = """table inet nat {
    chain post { type nat hook postrouting priority 100; oifname "wan" masquerade; }
}"""


class Gateway:
    the = None

    def __init__(self):
        lab.delete_all()
        self.h, self.a, self.b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
        lab.link(self.h, "eth0", self.a, "lan")
        lab.link(self.a, "wan", self.b, "eth0")
        self.h.ip("addr add 10.1.0.2/24 dev eth0\naddr add 2001:db8:1::2/64 dev eth0 nodad\n"
                  "route add default via 10.1.0.1\nroute add default via 2001:db8:1::1\n")
        self.a.ip("addr add 10.1.0.1/24 dev lan\naddr add 2001:db8:1::1/64 dev lan nodad\n"
                  "addr add 192.0.2.1/24 dev wan\naddr add 2001:db8::1/64 dev wan nodad\n"
                  "route add 10.2.0.0/24 via 192.0.2.2\nroute add 2001:db8:2::/64 via 2001:db8::2\n")
        lines = ["addr add 192.0.2.2/24 dev eth0", "addr add 2001:db8::2/64 dev eth0 nodad",
                 "route add 10.1.0.0/24 via 192.0.2.1",
                 "route add 2001:db8:1::/64 via 2001:db8::1"]
        lines += [f"addr add {address} dev lo" for v in (4, 6) for address in (FAR[v], OTHER[v])]
        self.b.ip("\n".join(lines) + "\n")
        self.wan = traffic.Wire(self.a, "wan", cleartext=True)
        self.lan = traffic.Wire(self.a, "lan", cleartext=True)
        with self.a:
            self.link = netlink.Link()

    @classmethod
    def get(cls, rules=FAST):
        if not cls.the:
            cls.the = cls()
        Espah.batch(cls.the.a, ["flush", "default in bypass out bypass"])
        with cls.the.a:
            lab.run("nft", "-f", "-", stdin="flush ruleset\n" + rules)
        cls.the.a.run("conntrack", "-F", check=False)
        return cls.the

    def offloaded(self, sock):
        """Whether the flowtable contains the connection of a socket of h."""
        port = f"sport={sock.getsockname()[1]} "
        with self.a:
            lines = [line for v in ("ipv4", "ipv6")
                     for line in lab.run("conntrack", "-L", "-f", v).stdout.splitlines()]
        return any("OFFLOAD" in line and port in line for line in lines)

    def drops(self):
        nest = dict(self.link.ask(netlink.STATS_GET)[0])[7]
        entries = [dict(netlink.parse(entry)) for _, entry in netlink.parse(nest)]
        return sum(struct.unpack("=Q", entry[3])[0] for entry in entries)

    @contextlib.contextmanager
    def flow(self, v, far=None):
        """Two UDP sockets whose flow is in the flowtable."""
        with traffic.udp(self.h, HOST[v]) as left, traffic.udp(self.b, far or FAR[v]) as right:
            left.sendto(b"begin", right.getsockname()[:2])
            peer = right.recvfrom(100)[1]
            for _ in range(3):
                right.sendto(b"answer", peer[:2])
                left.recv(100)
                left.sendto(b"ask", right.getsockname()[:2])
                right.recv(100)
            lab.true(self.offloaded(left), "the flowtable does not have it")
            yield left, right, peer[:2]

    def ended(self, left, right, peer, out=True, back=True, what=""):
        """Checks that no packet of a flow that was offloaded passes in clear."""
        for sock in left, right:
            traffic.drain(sock)
        self.wan.frames(), self.lan.frames()
        before = self.drops()
        for _ in range(10):
            if out:
                left.sendto(b"late", right.getsockname()[:2])
            if back:
                right.sendto(b"late", peer)
        lab.wait_for(lambda: self.drops() >= before + 10 * (out + back), f"drops {what}")
        lab.true(traffic.silent(left) and traffic.silent(right), f"{what}: a datagram passed")
        lab.true(not any(b"late" in frame for frame in self.wan.frames() + self.lan.frames()),
                 f"{what}: a packet was sent in clear")


def protect(v, far=None):
    nets = f"{HOST[v]} {far or FAR[v]}"
    return [f"policy add both {nets} protect tunnel {OUTER[v]} reqid 1"]


@lab.test("a connection that is offloaded ends with the policy that protects it, and no other does")
def protected():
    here = Gateway.get()
    for v in (4, 6):
        with here.flow(v) as (left, right, peer), here.flow(v, OTHER[v]) as (mine, other, _):
            stop = threading.Event()

            def send(left=left, right=right, stop=stop):
                while not stop.is_set():
                    left.sendto(b"before", right.getsockname()[:2])
                    time.sleep(0.001)
            thread = threading.Thread(target=send)
            thread.start()
            try:
                Espah.batch(here.a, protect(v))
                time.sleep(0.02)  # packets sent before the answer reach the tap
                here.wan.frames()
                traffic.drain(right)
                time.sleep(0.3)
                lab.true(not any(b"before" in frame for frame in here.wan.frames()),
                         "a packet was sent in clear after the answer")
                lab.true(traffic.silent(right), "a datagram arrived in clear after the answer")
            finally:
                stop.set()
                thread.join()
            here.ended(left, right, peer, what="protected")
            lab.true(here.offloaded(mine), "another connection ended, too")
            traffic.deliver(mine, other, [b"still"])


@lab.test("so does a TCP connection, and one that is translated, by the addresses of the wire")
def translated():
    here = Gateway.get(FAST + "\n" + NAT)
    for v in (4, 6):
        wire = OUTER[v].split()[0]
        with here.flow(v) as (left, right, peer):
            lab.equal(peer[0], wire, "source that b sees")
            Espah.batch(here.a, protect(v))
            lab.true(here.offloaded(left), "ended by a policy for other addresses than the wire's")
            traffic.deliver(left, right, [b"still"])
            Espah.batch(here.a, [f"policy add out {wire} {FAR[v]} discard"])
            here.ended(left, right, peer, back=False, what="translated")
            lab.true(not here.offloaded(left), "the flowtable has it again")
        Espah.batch(here.a, ["flush"])
        with traffic.Transfer(here.h, HOST[v], here.b, FAR[v], 7001) as connection:
            connection.move(bytes(20000))
            connection.move(bytes(20000), backward=True)
            lab.true(here.offloaded(connection.client), "the flowtable does not have it")
            Espah.batch(here.a, [f"policy add out {wire} {FAR[v]} proto tcp discard"])
            here.wan.frames()
            before = here.drops()
            connection.client.send(b"late" * 100)
            lab.wait_for(lambda: here.drops() > before, "a drop")
            lab.true(not any(b"late" in frame for frame in here.wan.frames()), "sent in clear")
        Espah.batch(here.a, ["flush"])


@lab.test("one direction is enough: what may not come in clear ends what goes out in clear")
def one_way():
    here = Gateway.get()
    for v in (4, 6):
        for line in (f"policy add in {FAR[v]} {HOST[v]} protect tunnel {BACK[v]} reqid 1",
                     f"policy add in {FAR[v]} {HOST[v]} proto udp discard"):
            with here.flow(v) as (left, right, peer):
                Espah.batch(here.a, [line])
                here.ended(left, right, peer, out=False, what=line)
                # and the flow does not return to the flowtable
                traffic.deliver(left, right, [b"out"] * 3)
                here.ended(left, right, peer, out=False, what=line)
                lab.true(not here.offloaded(left), "the flowtable has it again")
            Espah.batch(here.a, ["flush"])


@lab.test("replaced and deleted policies, flushes and defaults end what they uncover")
def uncovered():
    here = Gateway.get()
    for v in (4, 6):
        nets = f"{HOST[v]} {FAR[v]}"
        anybody = "any6 any6" if v == 6 else "any4 any4"
        over = [f"policy add out {nets} priority 5 bypass",
                f"policy add out {FAR[v]} {HOST[v]} priority 5 bypass"]
        for first, change in (
                ([f"policy add out {nets} bypass"], f"policy replace out {nets} discard"),
                ([*over, f"policy add out {anybody} priority 6 discard"],
                 f"policy del out {nets} priority 5"),
                ([*over, "default in bypass out discard"], "policy flush"),
                ([], "default in bypass out discard"),
                ([], f"policy add out {nets} dev wan discard"),
                ([], f"policy add out {anybody} mark 0/0xff discard")):
            Espah.batch(here.a, first)
            with here.flow(v) as (left, right, peer):
                Espah.batch(here.a, [change])
                here.ended(left, right, peer, back=False, what=change)
            Espah.batch(here.a, ["flush", "default in bypass out bypass"])


@contextlib.contextmanager
def walks():
    """Yields a function that returns when walks through conntrack's entries began, in seconds of
    the monotonic clock."""
    def write(name, text):
        with open(f"{TRACING}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def begun():
        with open(f"{TRACING}/trace", encoding="ascii") as file:
            return [float(time) for time in
                    re.findall(r"(\d+\.\d+): nf_ct_iterate_cleanup_net", file.read())]
    if not os.path.exists(f"{TRACING}/trace"):
        lab.run("mount", "-t", "tracefs", "nodev", TRACING)
    write("trace_clock", "mono")
    write("set_ftrace_filter", "nf_ct_iterate_cleanup_net")
    write("current_tracer", "function")
    try:
        yield begun
    finally:
        write("current_tracer", "nop")
        write("set_ftrace_filter", "")


@lab.test("a thousand policies in one batch cost one walk, those that only let pass none; a "
          "requester that seems to have more, and sends none, gets it a second later")
def batches():
    here = Gateway.get()
    with walks() as begun, here.flow(4) as (left, right, peer):
        def cost(lines):
            before, start = len(begun()), time.monotonic()
            Espah.batch(here.a, lines)
            # a slow machine may need more than a second between two parts of a batch
            slow = int(time.monotonic() - start)
            return max(len(begun()) - before - slow, min(len(begun()) - before, 1))
        thousand = [f"policy add out 10.9.{n >> 8}.{n & 255} any4 protect tunnel {OUTER[4]} reqid 1"
                    for n in range(1000)]
        lab.equal(cost(thousand), 1, "walks for a thousand policies")
        lab.equal(cost(["policy add out 10.8.0.1 any4 bypass"]), 0, "walks for a bypass")
        lab.equal(cost(["policy del out 10.8.0.1 any4"]), 1, "walks for its end")
        lab.equal(cost(["policy flush"]), 0, "walks for a flush of protect policies")
        lab.equal(cost([*thousand[:600], "explain 10.9.0.1 10.9.0.2", *thousand[600:]]), 2,
                  "walks for a batch that wants an answer between")
        lab.true(here.offloaded(left), "the connection ended")
        discard = netlink.attrs([(netlink.C_OUT, netlink.u8(netlink.DISCARD))])
        noop = struct.pack("=IHHII", 16, 1, netlink.REQUEST | netlink.ACK, 0, 0)
        before, start = len(begun()), time.monotonic()
        answer = here.link.exchange(
            here.link.message(netlink.CONFIG_SET, discard, netlink.REQUEST) + noop)
        lab.equal(answer[1], 0, "the answer to the end")
        lab.wait_for(lambda: len(begun()) > before, "a walk")
        later = [when - start for when in begun()[before:]]
        lab.true(len(later) == 1 and later[0] > 0.95, f"walks after {later} s, not one after 1 s")
        here.ended(left, right, peer, back=False)


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
