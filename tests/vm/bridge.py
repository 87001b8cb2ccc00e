#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bridge netfilter, which Docker and Kubernetes switch on: espah ignores packets that a bridge
forwards, but handles packets that it delivers to the host or gets from the host.

    h 10.1.0.2 -- p1 [br0 of a, 10.1.0.1] p2 -- t 10.1.0.3        (fd01::1, 2, 3)
                                a wan ===== wan b                   (192.0.2.1, 192.0.2.2)
"""
import socket

import lab
import module
import traffic
from ipsec import SA, Espah, Xfrm

H, A, T = {4: "10.1.0.2", 6: "fd01::2"}, {4: "10.1.0.1", 6: "fd01::1"}, {4: "10.1.0.3", 6: "fd01::3"}
OUTER = ("192.0.2.1", "192.0.2.2")
FAR = {4: "10.2.0.9", 6: "fd02::9"}
SWITCHED = {
    "tunnel": ["policy add out any any protect tunnel 192.0.2.1 192.0.2.2 reqid 1 queue 10 unreach",
               "policy add in any any protect tunnel 192.0.2.2 192.0.2.1 reqid 1"],
    "transport": ["policy add out {h} {t} protect transport reqid 1",
                  "policy add out {t} {h} protect transport reqid 1",
                  "policy add in {h} {t} protect transport reqid 1"],
    "discard": ["policy add out any any discard unreach", "policy add in any any discard"],
}


def topology():
    lab.delete_all()
    h, a, t, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("t"), lab.Netns("b")
    lab.link(h, "eth0", a, "p1")
    lab.link(t, "eth0", a, "p2")
    lab.link(a, "wan", b, "wan")
    a.ip("link add br0 up type bridge mcast_snooping 0\nlink set p1 master br0\nlink set p2 master br0\n"
         f"addr add 10.1.0.1/16 dev br0\naddr add fd01::1/64 dev br0 nodad\n"
         "addr add 192.0.2.1/24 dev wan\nroute add 10.2.0.0/16 via 192.0.2.2\n"
         "route add fd02::/64 dev wan\nneigh add fd02::9 lladdr 02:00:00:00:00:09 dev wan\n")
    for ns, n in ((h, 2), (t, 3)):
        ns.ip(f"addr add 10.1.0.{n}/16 dev eth0\naddr add fd01::{n}/64 dev eth0 nodad\n"
              "route add default via 10.1.0.1\nroute add default via fd01::1\n")
    b.ip("addr add 192.0.2.2/24 dev wan\n")
    for name in "iptables", "ip6tables":
        a.sysctl(f"net.bridge.bridge-nf-call-{name}", 1)
    for port in "p1", "p2":  # otherwise the first frames are lost
        lab.wait_for(lambda: "forwarding" in a.run("bridge", "link", "show", "dev", port).stdout, port)
    return h, a, t, b


def configure(a, family, lines):
    wide = "10.0.0.0/8" if family == 4 else "fd00::/8"  # excludes a's own multicast reports
    Espah.batch(a, [line.replace("any ", wide + " ").format(h=H[family], t=T[family]) for line in lines])


def pass_through(kind, family):
    h, a, t, _ = topology()
    configure(a, family, SWITCHED[kind])
    Espah.batch(a, [Espah.sa_line("out", SA(0x1000, H[family], T[family], mode="transport"))])
    with traffic.Wire(t, "eth0") as wire:
        traffic.ping(h, H[family], T[family])
        traffic.ping(h, H[family], T[family], size=3000)
        lab.equal(wire.packets(50), [], "ESP")
    lab.equal(Espah.drops(a), {}, "drops")
    lab.true(all(not policy.get("packets") for policy in Espah.json(a, "policy", "list")),
             "a policy has counted what was switched")
    a.ip("link del br0\n")  # completes only if nothing refers to it


for kind in SWITCHED:
    for family in 4, 6:
        lab.test(f"a switched IPv{family} packet passes as it is under a policy that says {kind}",
                 kind, family)(pass_through)


@lab.test("a switched packet with a VLAN tag, which bridge netfilter looks into, passes as it is")
def _():
    h, a, t, _ = topology()
    a.sysctl("net.bridge.bridge-nf-filter-vlan-tagged", 1)
    for ns, n in ((h, 2), (t, 3)):
        ns.ip(f"link add link eth0 name v up type vlan id 5\naddr add 10.5.0.{n}/24 dev v\n")
    configure(a, 4, SWITCHED["tunnel"])
    traffic.ping(h, "10.5.0.2", "10.5.0.3")
    lab.equal(Espah.drops(a), {}, "drops")


def routed(family):
    h, a, _, b = topology()
    near, far = ("10.1.0.0/16", "10.2.0.0/16") if family == 4 else ("fd01::/64", "fd02::/64")
    Espah.batch(a, [Espah.sa_line("out", SA(0x1000, *OUTER)),
                    f"policy add out {near} {far} protect tunnel {OUTER[0]} {OUTER[1]} reqid 1"])
    with traffic.Wire(b, "wan") as wire, traffic.udp(h, H[family]) as sock:
        sock.sendto(b"needle", (FAR[family], 99))
        frames = lab.wait_for(wire.frames, "a packet")
    lab.true(not any(b"needle" in frame for frame in frames), "a packet left in clear")
    lab.true(any(traffic.protocol_of(frame[14:]) == 50 for frame in frames), "no ESP left")


def refused(family):
    h, a, _, b = topology()
    far, near = (FAR[family], A[family])
    with traffic.Wire(b, "wan") as wire, traffic.udp(h, H[family]) as sock, \
            traffic.udp(a, near, 4242) as own:
        def send():
            for size in 20, 3000:  # one of them in fragments
                sock.sendto(b"needle" * size, (far, 99))
                sock.sendto(b"needle" * size, (near, 4242))
        send()
        lab.wait_for(lambda: own.recv(65536) and own.recv(65536), "the datagrams to a")
        lab.wait_for(wire.frames, "the datagrams to the other side")
        Espah.batch(a, [f"policy add in {H[family]} any{family} proto udp dport {port} protect tunnel "
                        f"{OUTER[1]} {OUTER[0]} reqid 1" for port in (99, 4242)])
        wire.frames()
        send()
        lab.wait_for(lambda: Espah.drops(a).get("plaintext", 0) >= 4, "four drops")
        lab.equal(Espah.drops(a), {"plaintext": 4}, "drops")
        lab.true(traffic.silent(own), "a datagram to a came in clear")
        lab.true(not any(b"needle" in frame for frame in wire.frames()), "a packet was forwarded")


for family in 4, 6:
    lab.test(f"an IPv{family} packet that a bridge received and the host routes is protected",
             family)(routed)
    lab.test(f"what a bridge received for the host or for hosts behind it is dropped in clear "
             f"(RFC 4301 5.2), IPv{family}", family)(refused)


@lab.test("what a bridge received is judged by the address that it had before DNAT")
def _():
    h, a, _, b = topology()
    with a:
        lab.run("nft", "-f", "-", stdin="table ip n { chain c { type nat hook prerouting priority dstnat;\n"
                "udp dport 7777 dnat to 10.2.0.9:99\n}\n}\n")
    protect = "protect tunnel 192.0.2.2 192.0.2.1 reqid 1"
    with traffic.Wire(b, "wan") as wire, traffic.udp(h, H[4]) as sock:
        Espah.batch(a, [f"policy add in 10.1.0.2/32 10.2.0.9/32 {protect}"])
        sock.sendto(b"needle", (A[4], 7777))
        lab.wait_for(lambda: any(b"needle" in frame for frame in wire.frames()), "the packet")
        lab.equal(Espah.drops(a), {}, "drops")
        Espah.batch(a, ["policy flush", f"policy add in 10.1.0.2/32 10.1.0.1/32 {protect}"])
        sock.sendto(b"needle", (A[4], 7777))
        lab.wait_for(lambda: Espah.drops(a), "a drop")
        lab.equal(Espah.drops(a), {"plaintext": 1}, "drops")


@lab.test("so is an ICMP error about a connection whose source the host has translated")
def _():
    h, a, _, b = topology()
    b.ip("route add 10.1.0.0/16 via 192.0.2.1\n")
    with a:
        lab.run("nft", "-f", "-", stdin="table ip n { chain c { type nat hook postrouting priority srcnat;\n"
                "oifname br0 masquerade\n}\n}\n")

    def told(wait):
        """Whether b receives an ICMP error that no socket listens at h."""
        with traffic.udp(b, OUTER[1]) as sock:
            sock.connect((H[4], 99))
            sock.settimeout(wait)
            try:
                sock.send(b"needle")
                sock.recv(100)
            except ConnectionRefusedError:
                return True
            except TimeoutError:
                return False
    lab.true(told(lab.TIMEOUT), "no error comes this way")
    protect = "proto icmp protect tunnel 192.0.2.2 192.0.2.1 reqid 1"
    Espah.batch(a, [f"policy add in 10.1.0.2/32 192.0.2.2/32 {protect}"])
    lab.true(told(lab.TIMEOUT), "it was judged by another address than it came with")
    Espah.batch(a, ["policy flush", f"policy add in 10.1.0.2/32 10.1.0.1/32 {protect}"])
    lab.true(not told(1), "it came in clear")
    lab.equal(Espah.drops(a), {"plaintext": 1}, "drops")


@lab.test("what a bridge switches on to where DNAT sends it passes as it is")
def _():
    h, a, t, _ = topology()
    with a:
        lab.run("nft", "-f", "-", stdin="table ip n { chain c { type nat hook prerouting priority dstnat;\n"
                "ip daddr 10.1.0.9 dnat to 10.1.0.3\n}\n}\n")
    with t:
        mac = traffic.mac("eth0").hex(":")
    h.ip(f"neigh add 10.1.0.9 lladdr {mac} dev eth0\n")
    a.ip(f"neigh add 10.1.0.3 lladdr {mac} dev br0\n")
    traffic.ping(h, H[4], T[4])  # the bridge learns the port
    with traffic.udp(h, H[4]) as sock, traffic.udp(t, T[4], 4242) as sink:
        for kind in None, "tunnel", "discard":
            if kind:
                Espah.batch(a, ["policy flush"])
                configure(a, 4, SWITCHED[kind])
            sock.sendto(b"needle", ("10.1.0.9", 4242))
            lab.equal(sink.recv(100), b"needle", "what came")
    lab.equal(Espah.drops(a), {}, "drops")


@lab.test("an SA whose packets come through a bridge works, and resets go back through one")
def _():
    h, a, _, _ = topology()
    ends = (H[4], A[4])
    there, back = SA(0x1000, *ends, mode="transport"), SA(0x1001, *ends[::-1], mode="transport")
    Xfrm.configure(h, [there], [back])
    h.ip("".join(f"xfrm policy add src {src} dst {dst} dir {way} tmpl proto esp mode transport reqid 1\n"
                 for src, dst, way in ((*ends, "out"), (*ends[::-1], "in"))))
    Espah.batch(a, [Espah.sa_line("in", there), Espah.sa_line("out", back),
                    "policy add in 10.1.0.2 10.1.0.1 protect transport reqid 1",
                    "policy add out 10.1.0.1 10.1.0.2 protect transport reqid 1"])
    traffic.ping(h, *ends, count=2)
    traffic.ping(h, *ends, size=3000)
    with a:
        lab.run("nft", "-f", "-", stdin="table ip f { chain c { type filter hook input priority 0;\n"
                "tcp dport 81 reject with tcp reset\n}\n}\n")
    with traffic.Wire(h, "eth0") as wire, h:
        with socket.socket() as sock:
            sock.settimeout(lab.TIMEOUT)
            sock.bind((H[4], 0))
            try:
                sock.connect((A[4], 81))
                raise lab.Failed("connected")
            except ConnectionRefusedError:
                pass
        lab.equal(wire.packets(6), [], "TCP in clear")
    lab.equal(Espah.drops(a), {}, "drops")


lab.TIMEOUT = 5
module.load()
lab.run("modprobe", "br_netfilter")
lab.main()
