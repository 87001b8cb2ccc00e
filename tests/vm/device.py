#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Devices of kind espah: what is routed into them, and what arrives by them. See routed.py for the topology."""
import contextlib
import os
import socket
import struct
import subprocess
import threading
import time

import lab
import traffic
from ipsec import ALGORITHMS, CLI, ROOT, SA, Espah, Policy, Xfrm
from routed import (A, A_LAN, ANY, B, B_LAN, FAMILIES, FAR, H, ID, NEAR, T, Drops, Lab, clear, exchange,
                    flows, ports, refused, show)


# --- traffic ------------------------------------------------------------------------------------

@lab.test("what is routed into the device goes through its SAs, and comes back by it, in IPv4", 4)
@lab.test("what is routed into the device goes through its SAs, and comes back by it, in IPv6", 6)
def carries(outer):
    here = Lab(outer)
    drops = Drops(here)
    with clear(here) as wire:
        for v in FAMILIES:
            flows(here, v)
            traffic.ping(here.a, A_LAN[v], T[v])  # and the gateways themselves
            traffic.ping(here.b, B_LAN[v], H[v])
        lab.equal(wire.frames(), [], "frames in clear")
    lab.equal(drops.now(), {}, "drops")


@lab.test("in UDP and with other algorithms, too")
def kinds():
    here = Lab(keys=False)
    for spi, more in ((0x2000, {"encap": (4500, 4500)}),
                      (0x3000, {"algorithm": ALGORITHMS["aes256-sha256"], "esn": True, "window": 128})):
        Espah.flush(here.a)
        Xfrm.flush(here.b)
        if "encap" in more:  # the socket that makes XFRM take ESP in UDP
            with here.b:
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((B[4], 4500))
            sock.setsockopt(socket.IPPROTO_UDP, 100, 2)
        here.keys(spi, **more)
        for v in FAMILIES:
            traffic.ping(here.h, H[v], T[v], count=2)
            exchange(here.h, H[v], here.t, T[v], [bytes(1200)])


@lab.test("in transport mode the outer packet takes the SA's own route")
def transport():
    here = Lab(keys=False)
    out, back = SA(0x4000, A[4], B[4], "transport"), SA(0x4001, B[4], A[4], "transport")
    Espah.configure(here.a, [here.number(out, ID)], [here.number(back, ID)],
                    [Policy(A[4], B[4], if_id=ID)], [Policy(B[4], A[4], if_id=ID)])
    Xfrm.configure(here.b, [back], [out], [Policy(B[4], A[4])], [Policy(A[4], B[4])])
    here.a.ip(f"route add {B[4]}/32 dev ipsec0 src {A[4]}\n")
    here.a.sysctl("net.ipv6.conf.ipsec0.disable_ipv6", 1)  # or it solicits routers, without a policy
    drops = Drops(here)
    with clear(here) as wire:
        exchange(here.a, A[4], here.b, B[4])
        lab.equal(wire.frames(), [], "frames in clear")
    lab.equal(drops.now(), {}, "drops")
    lab.true(show(here.a)["stats64"]["rx"]["packets"], "packets that came by the device")


@lab.test("several devices have policies and SAs of their own with the same selectors and reqid")
def several():
    here = Lab()
    c = lab.Netns("c")
    lab.link(here.a, "cee", c, "wan")
    here.a.ip("addr add 198.51.100.1/24 dev cee\n")
    c.ip(f"addr add 198.51.100.2/24 dev wan\naddr add {T[4]}/24 dev lo\n"
         f"link add xfrm0 up type xfrm dev wan if_id 9\nroute add {NEAR[4]} dev xfrm0\n")
    Espah.batch(here.a, ["link add ipsec1 if-id 43 dev cee up"])
    ends = "198.51.100.1", "198.51.100.2"
    out, back = SA(0x5000, *ends, if_id=43), SA(0x5001, *ends[::-1], if_id=43)
    mine = [Policy(ANY[4], ANY[4], ends, if_id=43)], [Policy(ANY[4], ANY[4], ends[::-1], if_id=43)]
    Espah.configure(here.a, [out], [back], *mine)
    theirs = [Policy(ANY[4], ANY[4], ends[::-1], if_id=9)], [Policy(ANY[4], ANY[4], ends, if_id=9)]
    Xfrm.configure(c, [here.number(back, 9)], [here.number(out, 9)], *theirs)
    exchange(here.h, H[4], here.t, T[4])
    here.a.ip(f"route replace {FAR[4]} dev ipsec1\n")
    exchange(here.h, H[4], c, T[4])
    lab.true(show(here.a, "ipsec1")["stats64"]["tx"]["packets"] >= 1, "packets of the other device")
    lab.equal([sa["packets"] > 0 for sa in Espah.sas(here.a, "if-id", "43")], [True, True], "its SAs")


# --- the device judges --------------------------------------------------------------------------

@lab.test("policies without its if_id, and defaults, do not look at what passes by the device")
def judges():
    here = Lab()
    Espah.batch(here.a, [f"policy add out any {FAR[v]} priority 1 discard" for v in FAMILIES]
                + [f"policy add in {FAR[v]} any priority 1 discard" for v in FAMILIES])
    drops = Drops(here)
    for v in FAMILIES:
        exchange(here.h, H[v], here.t, T[v])
        traffic.ping(here.a, A_LAN[v], T[v])
    lab.equal(drops.now(), {}, "drops")
    # the same flow by another device meets them
    here.a.ip(f"route replace {FAR[4]} via {B[4]}\n")
    with clear(here) as wire, traffic.udp(here.h, H[4]) as sock:
        sock.sendto(b"guarded", (T[4], 9))
        drops.wait("discard_out", 1)
        lab.equal([frame for frame in wire.frames() if b"guarded" in frame], [], "frames in clear")
    here.a.ip(f"route replace {FAR[4]} dev ipsec0\n")
    Espah.batch(here.a, ["policy flush", "default in discard out discard"])
    here.policies(at_b=False)
    lines = [f"policy add both {NEAR[v]} any dev lan bypass" for v in FAMILIES]
    Espah.batch(here.a, lines + [f"policy add in {NEAR[v]} any dev lan bypass" for v in FAMILIES]
                + [f"policy add out any {NEAR[v]} dev lan bypass" for v in FAMILIES])
    for v in FAMILIES:
        exchange(here.h, H[v], here.t, T[v])


@lab.test("without a policy of its if_id a packet is dropped as device_no_policy, on the device, too")
def no_policy():
    here = Lab()
    Espah.batch(here.a, ["policy flush"])
    before, drops = show(here.a)["stats64"]["tx"]["dropped"], Drops(here)
    with clear(here) as wire, traffic.udp(here.h, H[4]) as sock:
        for _ in range(5):
            sock.sendto(b"no policy", (T[4], 9))
        drops.wait("device_no_policy", 5)
        lab.equal([frame for frame in wire.frames() if b"no policy" in frame], [], "frames in clear")
    lab.true(show(here.a)["stats64"]["tx"]["dropped"] >= before + 5, "drops of the device")


@lab.test("a policy without the SA's if_id does not admit its packets, nor the reverse")
def admits():
    here = Lab(keys=False)
    ends = A[4], B[4]
    here.keys(0x6000, policies=False)
    here.policies(at_a=False)
    drops = Drops(here)
    with traffic.udp(here.t, T[4]) as sock:
        Espah.configure(here.a, (), (), (), [Policy(ANY[4], ANY[4], ends[::-1], 1)])
        sock.sendto(b"not by this", (H[4], 9))
        drops.wait("policy", 1)
        Espah.configure(here.a, (), (), (), [Policy(ANY[4], ANY[4], ends[::-1], 1, if_id=43)])
        sock.sendto(b"nor by this", (H[4], 9))
        drops.wait("policy", 2)


@lab.test("without a device, or with one that is down, packets of its SAs are dropped with that reason")
def missing():
    here = Lab()
    drops = Drops(here)
    with traffic.udp(here.t, T[4]) as sock:
        here.a.ip("link set ipsec0 down\n")
        sock.sendto(b"down", (H[4], 9))
        drops.wait("device_down", 1)
        here.a.ip("link del ipsec0\n")
        sock.sendto(b"gone", (H[4], 9))
        drops.wait("device_missing", 1)
        Espah.batch(here.a, [f"link add ipsec0 if-id {ID} up"])
        here.a.ip(f"route add {FAR[4]} dev ipsec0\n")
    exchange(here.h, H[4], here.t, T[4])


@lab.test("bad input gets a sentence, and changes nothing")
def bad():
    here = Lab()
    a = here.a
    refused(a, f"link add other if-id {ID}", "another device of this namespace has this if_id")
    refused(a, "link set ipsec0 dev ipsec0", "cannot leave by the device itself")
    refused(a, f"policy add out any4 any4 if-id {ID} dev wan discard", "cannot be combined")
    with a:
        result = lab.run(CLI, *f"policy add out any4 any4 if-id {ID} bypass".split(), check=False)
    lab.true("discard" in result.stderr and result.returncode, result.stderr)
    result = a.run("ip", "link", "add", "other", "type", "espah", check=False)
    lab.true("needs an if_id" in result.stderr, result.stderr)
    lab.equal([link["name"] for link in Espah.json(a, "link")], ["ipsec0"], "devices")
    exchange(here.h, H[4], here.t, T[4])


# --- routes, sizes and carrier --------------------------------------------------------------------

@lab.test("with a link, a default route may lead into the device; without, the loop is seen and named")
def default_route():
    here = Lab()
    here.a.ip(f"route del {FAR[4]}\nroute add default via {B[4]} dev wan metric 500\n"
              "route add default dev ipsec0 metric 10\n")
    here.b.ip("addr add 203.0.113.9/32 dev lo\n")
    exchange(here.h, H[4], here.b, "203.0.113.9")
    # a peer that is not on the link's own network is reached by the route of the link
    Espah.batch(here.a, ["link set ipsec0 nodev"])
    exchange(here.h, H[4], here.b, "203.0.113.9")  # 192.0.2.2 is on wan's own network
    here.a.ip("addr del 192.0.2.1/24 dev wan\naddr add 192.0.2.1/32 dev wan\n")
    drops = Drops(here)
    with traffic.udp(here.h, H[4]) as sock:
        sock.sendto(b"round and round", ("203.0.113.9", 9))
        drops.wait("device_loop", 1)


@lab.test("its MTU follows SAs and the link, is never below 1280, and stays as set by hand")
def mtu():
    here = Lab(keys=False)
    lab.equal(show(here.a)["mtu"], 1406, "MTU without SAs")
    here.keys()
    # 1500 - IPv4 20 - ESP 8 - IV 8 - ICV 16 = 1448, to 4 bytes, - trailer 2
    lab.wait_for(lambda: show(here.a)["mtu"] == 1446, "the MTU of GCM in IPv4")
    here.a.ip("link set wan mtu 1400\n")
    lab.wait_for(lambda: show(here.a)["mtu"] == 1346, "the MTU of another link MTU")
    here.a.ip("link set wan mtu 1300\n")
    lab.wait_for(lambda: show(here.a)["mtu"] == 1280, "the least MTU")
    here.a.ip("link set ipsec0 mtu 1380\nlink set wan mtu 1500\n")
    time.sleep(0.3)
    lab.equal(show(here.a)["mtu"], 1380, "MTU set by hand")
    Espah.batch(here.a, ["link add other if-id 9 up"])
    here.a.ip("link set other mtu 1400\n")
    Espah.configure(here.a, [SA(0x8000, A[4], B[4], if_id=9)])
    time.sleep(0.3)
    lab.equal(show(here.a, "other")["mtu"], 1400, "MTU set by hand before the first SA")


@lab.test("a packet over the learned path MTU is refused with its size, or goes in fragments")
def path_mtu():
    here = Lab()
    here.b.ip("link set wan mtu 1400\n")  # the far end of the wire
    here.a.ip(f"route replace {B[4]} dev wan src {A[4]} mtu lock 1400\n")
    for v in FAMILIES:
        with traffic.udp(here.h, H[v]) as one, traffic.udp(here.t, T[v]) as other:
            one.setsockopt(*((socket.IPPROTO_IP, 10) if v == 4 else (socket.IPPROTO_IPV6, 23)), 2)
            one.sendto(bytes(1380), other.getsockname()[:2])
            lab.wait_for(lambda: too_big(one, other), "the answer that it is too big")
            size = one.getsockopt(*((socket.IPPROTO_IP, 14) if v == 4 else (socket.IPPROTO_IPV6, 24)))
            lab.equal(size, 1346, "path MTU that the sender learned")
    with traffic.udp(here.h, H[4]) as one, traffic.udp(here.t, T[4]) as other:
        for sock in one, other:  # without DF
            sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_DONT)
        traffic.deliver(one, other, [bytes(1460)])
        traffic.deliver(other, one, [bytes(1460)])


def too_big(sock, other):
    try:
        sock.connect(other.getsockname()[:2])
        sock.send(bytes(1380))
        return False
    except OSError as error:
        return error.errno == 90


@lab.test("if asked for, the carrier follows the SAs, and with it the routes")
def carrier():
    here = Lab(keys=False, more="carrier")
    a = here.a
    a.sysctl("net.ipv4.conf.ipsec0.ignore_routes_with_linkdown", 1)
    lab.wait_for(lambda: "NO-CARRIER" in show(a)["flags"], "no carrier without SA")
    here.keys()
    lab.wait_for(lambda: "LOWER_UP" in show(a)["flags"], "a carrier")
    exchange(here.h, H[4], here.t, T[4])
    Espah.batch(a, ["sa flush"])
    lab.wait_for(lambda: "NO-CARRIER" in show(a)["flags"], "no carrier after the last SA")
    route = a.run("ip", "-4", "route", "get", T[4], check=False)
    lab.true("ipsec0" not in route.stdout, route.stdout)
    refused(a, f"policy replace out any4 any4 if-id {ID} protect tunnel {A[4]} {B[4]} reqid 1 queue 4",
            "carrier")
    Espah.batch(a, ["link set ipsec0 nocarrier",
                    f"policy replace out any4 any4 if-id {ID} protect tunnel {A[4]} {B[4]} reqid 1 queue 4"])
    refused(a, "link set ipsec0 carrier", "asks for SAs")
    lab.wait_for(lambda: "LOWER_UP" in show(a)["flags"], "a carrier again")


# --- other namespaces -----------------------------------------------------------------------------

@lab.test("moved into another namespace, it leaves SAs, policies and outer packets where it was made")
def moved():
    here = Lab()
    box = lab.Netns("box", forward=True)
    here.a.ip("link set ipsec0 netns box\n")
    box.ip(f"link set lo up\nlink set ipsec0 up\naddr add {H[4]}/32 dev ipsec0\naddr add {H[6]}/128 dev ipsec0 nodad\n"
           "route add default dev ipsec0\nroute add ::/0 dev ipsec0\n")
    drops = Drops(here)
    with clear(here) as wire:
        for v in FAMILIES:
            exchange(box, H[v], here.t, T[v], [bytes(100), bytes(1300)])
            traffic.ping(here.t, T[v], H[v])
            with traffic.Transfer(box, H[v], here.t, T[v], next(ports)) as tcp:
                tcp.move(os.urandom(1 << 19))
                tcp.move(os.urandom(1 << 19), backward=True)
        lab.equal(wire.frames(), [], "frames in clear")
    lab.equal(drops.now(), {}, "drops")
    Espah.batch(box, ["sa list"])
    lab.equal(Espah.sas(box), [], "SAs of the other namespace")
    # policies of the other namespace do not judge it either
    Espah.batch(box, ["default in discard out discard"])
    exchange(box, H[4], here.t, T[4])
    Espah.batch(box, ["default in bypass out bypass"])


@lab.test("namespaces end in any order: that of the device, that of its SAs")
def ends():
    for first in ("a", "box"):
        here = Lab()
        box = lab.Netns("box")
        here.a.ip("link set ipsec0 netns box\n")
        box.ip(f"link set ipsec0 up\naddr add {H[4]}/32 dev ipsec0\nroute add default dev ipsec0\n")
        exchange(box, H[4], here.t, T[4])
        if first == "a":
            here.a.delete()
            lab.wait_for(lambda box=box: "ipsec0" not in box.run("ip", "link").stdout, "the device to go",
                         timeout=90)  # namespaces of earlier tests go first
        else:
            drops = Drops(here)
            box.delete()
            lab.wait_for(lambda here=here: not Espah.json(here.a, "link"), "the device to go", timeout=90)
            with traffic.udp(here.t, T[4]) as sock:
                def gone(sock=sock, drops=drops):
                    sock.sendto(b"gone", (H[4], 9))
                    return drops.now().get("device_missing")
                lab.wait_for(gone, "drops for want of the device")


# --- the rest of Linux ------------------------------------------------------------------------------

@lab.test("nft sees it by its name, and NAT, a qdisc, clsact, tcpdump and strict rp_filter work with it")
def citizen():
    here = Lab()
    a = here.a
    with a:
        lab.run("nft", "-f", "-", stdin="""table inet t {
            chain f { type filter hook forward priority 0; policy drop;
                iifname "lan" oifname "ipsec0" counter accept
                iifname "ipsec0" oifname "lan" ct state established,related counter accept
            }
            chain n { type nat hook postrouting priority 100; oifname "ipsec0" masquerade; }
        }""")
    a.ip("addr add 10.9.9.1/32 dev ipsec0\n")
    here.b.ip("route add 10.9.9.1 dev xfrm0\n")
    a.run("tc", "qdisc", "add", "dev", "ipsec0", "root", "handle", "1:", "htb", "default", "10")
    a.run("tc", "class", "add", "dev", "ipsec0", "parent", "1:", "classid", "1:10", "htb", "rate", "100mbit")
    a.run("tc", "qdisc", "add", "dev", "ipsec0", "parent", "1:10", "fq_codel")
    a.run("tc", "qdisc", "add", "dev", "ipsec0", "clsact")
    for side in ("ingress", "egress"):
        a.run("tc", "filter", "add", "dev", "ipsec0", side, "protocol", "ip", "matchall", "action", "pass")
    a.sysctl("net.ipv4.conf.all.rp_filter", 1)
    a.sysctl("net.ipv4.conf.ipsec0.rp_filter", 1)
    drops = Drops(here)
    with traffic.PacketSocket(a, "ipsec0", socket.SOCK_RAW) as seen, \
            traffic.udp(here.h, H[4]) as one, traffic.udp(here.t, T[4]) as other:
        one.sendto(b"outbound in clear", other.getsockname()[:2])
        _, peer = other.recvfrom(100)
        lab.equal(peer[0], "10.9.9.1", "source after masquerading")
        other.sendto(b"inbound in clear", peer)
        lab.equal(one.recv(100), b"inbound in clear", "answer")
        got = traffic.drain(seen.sock)
        for text in (b"outbound in clear", b"inbound in clear"):
            lab.true(any(text in packet and packet[0] == 0x45 for packet in got), f"tcpdump misses {text}")
    with traffic.Transfer(here.h, H[4], here.t, T[4], next(ports)) as tcp:
        tcp.move(os.urandom(1 << 20))
        tcp.move(os.urandom(1 << 20), backward=True)
    lab.equal(drops.now(), {}, "drops")
    lab.true("Sent 0 bytes" not in a.run("tc", "-s", "qdisc", "show", "dev", "ipsec0").stdout.split("htb")[1]
             .split("qdisc")[0], "the qdisc saw nothing")


@lab.test("a flowtable takes its flows; no packet of them is lost, leaves in clear, or ends with a policy")
def flowtable():
    here = Lab()
    a = here.a
    with a:
        lab.run("nft", "-f", "-", stdin="""table inet fast {
            flowtable ft { hook ingress priority 0; devices = { lan, wan, ipsec0 }; }
            chain forward { type filter hook forward priority 0;
                meta l4proto { tcp, udp } ct state established flow add @ft
                counter
            }
        }""")
    Espah.batch(a, [f"policy add out any {FAR[v]} priority 1 discard" for v in FAMILIES])
    drops = Drops(here)
    with clear(here) as wire:
        for v in FAMILIES:
            with traffic.udp(here.h, H[v]) as one, traffic.udp(here.t, T[v]) as other:
                for _ in range(3):
                    traffic.deliver(one, other, [b"open"])
                    traffic.deliver(other, one, [b"open"])
                passed = forwarded(a)
                traffic.deliver(one, other, [bytes(n) for n in range(100, 1300, 60)])
                traffic.deliver(other, one, [bytes(n) for n in range(100, 1300, 60)])
                lab.equal(forwarded(a), passed, "packets that the forward chain saw")
                lab.true(offloaded(a, one), "the flowtable does not have the flow")
                # a change of other policies leaves it there
                Espah.batch(a, ["policy add out any4 10.77.0.0/16 discard"])
                lab.true(offloaded(a, one), "the flow ended with a policy that is not the device's")
                traffic.deliver(one, other, [b"still"])
                Espah.batch(a, ["policy del out any4 10.77.0.0/16"])
            with traffic.Transfer(here.h, H[v], here.t, T[v], next(ports)) as tcp:
                tcp.move(os.urandom(1 << 21))
                tcp.move(os.urandom(1 << 21), backward=True)
        lab.equal(wire.frames(), [], "frames in clear")
    lab.equal(drops.now(), {}, "drops")


def forwarded(ns):
    text = ns.run("nft", "list", "ruleset").stdout
    return int(text.split("counter packets ")[1].split()[0])


def offloaded(ns, sock):
    port = f"sport={sock.getsockname()[1]} "
    with ns:
        lines = [line for v in ("ipv4", "ipv6")
                 for line in lab.run("conntrack", "-L", "-f", v).stdout.splitlines()]
    return any("OFFLOAD" in line and port in line for line in lines)


@lab.test("with config direct, ESP passes neither conntrack nor rules, in either direction", 4)
@lab.test("with config direct, ESP over IPv6 passes neither conntrack nor rules, in either direction", 6)
def direct(outer):
    here = Lab(outer)
    a = here.a
    with a:
        lab.run("nft", "-f", "-", stdin="""table inet wall {
            counter outer { }
            chain pre { type filter hook prerouting priority raw; meta l4proto { esp, udp } iifname "wan" counter name outer drop; }
            chain in { type filter hook input priority 0; meta l4proto esp drop; }
            chain out { type filter hook output priority 0; meta l4proto esp counter name outer drop; }
            chain post { type filter hook postrouting priority 200; meta l4proto esp counter name outer drop; }
            chain f { type filter hook forward priority 0; policy drop; ct state established accept
                iifname { "lan", "ipsec0" } accept
            }
        }""")
    with traffic.udp(here.h, H[4]) as one, traffic.udp(here.t, T[4]) as other:
        one.sendto(b"stopped by the rules", other.getsockname()[:2])
        time.sleep(0.2)
        lab.true(traffic.silent(other), "the rules do not stop ESP")
    Espah.batch(a, ["config direct on"])
    a.run("conntrack", "-F", check=False)
    before, drops = a.run("nft", "list", "counters").stdout, Drops(here)
    for v in FAMILIES:
        flows(here, v)
        traffic.ping(here.t, T[v], H[v])
    lab.equal(a.run("nft", "list", "counters").stdout, before, "packets that the rules saw")
    tracked = a.run("conntrack", "-L", "-p", "esp", check=False).stdout
    lab.true("esp" not in tracked, f"a tracked ESP packet: {tracked}")
    lab.equal(drops.now(), {}, "drops")
    # what has no SA takes the usual way
    peer = traffic.Injector(here.b, "wan", a, "wan")
    if outer == 4:
        packet = struct.pack("!BBHHHBBH4s4sII", 0x45, 0, 60, 0, 0, 64, 50, 0, socket.inet_aton(B[4]),
                             socket.inet_aton(A[4]), 0x9999, 1) + bytes(32)
        packet = packet[:10] + struct.pack("!H", checksum(packet[:20])) + packet[12:]
        peer.send(packet)
        lab.wait_for(lambda: a.run("nft", "list", "counters").stdout != before, "an ESP packet without SA at the rules")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


@lab.test("config direct serves ESP in UDP and policies without a device, too; others' UDP is left alone")
def direct_udp():
    here = Lab(keys=False)
    a = here.a
    with here.b:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((B[4], 4500))
    sock.setsockopt(socket.IPPROTO_UDP, 100, 2)
    with a:
        lab.run("nft", "-f", "-", stdin="""table inet wall {
            chain pre { type filter hook prerouting priority raw; udp dport 4500 udp length > 40 drop; }
        }""")
    Espah.batch(a, ["config direct on"])
    here.keys(0x2000, encap=(4500, 4500))
    for v in FAMILIES:
        exchange(here.h, H[v], here.t, T[v], [bytes(100), bytes(1300)])
    with traffic.udp(a, A[4], 4500) as ike:  # IKE in UDP: four zero bytes
        sock.sendto(bytes(4) + b"IKE", (A[4], 4500))
        lab.equal(ike.recv(100), bytes(4) + b"IKE", "an IKE message")
    here.a.ip(f"route replace {FAR[4]} via {B[4]}\n")
    here.b.ip(f"route replace {NEAR[4]} via {A[4]}\n")
    ends = A[4], B[4]
    out, back = SA(0x7000, *ends, reqid=9), SA(0x7001, *ends[::-1], reqid=9)
    Espah.configure(a, [out], [back], [Policy(NEAR[4], FAR[4], ends, 9)], [Policy(FAR[4], NEAR[4], ends[::-1], 9)])
    Xfrm.configure(here.b, [back], [out], [Policy(FAR[4], NEAR[4], ends[::-1], 9)], [Policy(NEAR[4], FAR[4], ends, 9)])
    with a:
        lab.run("nft", "-f", "-", stdin="""table inet more {
            chain pre { type filter hook prerouting priority raw; meta l4proto esp drop; }
        }""")
    exchange(here.h, H[4], here.t, T[4], [bytes(100), bytes(1300)])


@lab.test("multicast and link-local packets, as of OSPF, pass by it")
def multicast():
    here = Lab()
    for ns, device in ((here.a, "ipsec0"), (here.b, "xfrm0")):
        ns.ip(f"addr add fe80::{1 if ns is here.a else 2}/64 dev {device}\n"
              f"addr add 169.254.9.{1 if ns is here.a else 2}/30 dev {device}\n")
    out = here.a.run("ping", "-6", "-c", "2", "-W", "5", "fe80::2%ipsec0").stdout
    lab.true(" 0% packet loss" in out, out)
    with here.b:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 89)
        sock.setsockopt(socket.IPPROTO_IP, 35, struct.pack("4s4si", socket.inet_aton("224.0.0.5"),
                        socket.inet_aton("169.254.9.2"), 0))
    sock.settimeout(lab.TIMEOUT)
    with here.a:
        hello = socket.socket(socket.AF_INET, socket.SOCK_RAW, 89)
        hello.setsockopt(socket.IPPROTO_IP, 32, socket.inet_aton("169.254.9.1"))
    hello.sendto(b"hello OSPF", ("224.0.0.5", 0))
    lab.true(b"hello OSPF" in sock.recv(1000), "the hello")


@lab.test("GRE and VXLAN go over it")
def tunnels():
    here = Lab()
    for ns, mine, theirs, n in ((here.a, "10.1.0.1", "10.2.0.1", 1), (here.b, "10.2.0.1", "10.1.0.1", 2)):
        ns.ip(f"link add gre1 type gre local {mine} remote {theirs}\nlink set gre1 up\naddr add 10.80.0.{n}/24 dev gre1\n"
              f"link add vx1 type vxlan id 5 dstport 4789 local {mine} remote {theirs}\nlink set vx1 up mtu 1300\n"
              f"addr add 10.81.0.{n}/24 dev vx1\n")
    for net in ("80", "81"):
        exchange(here.a, f"10.{net}.0.1", here.b, f"10.{net}.0.2", [bytes(1000)])
        with traffic.Transfer(here.a, f"10.{net}.0.1", here.b, f"10.{net}.0.2", next(ports)) as tcp:
            tcp.move(os.urandom(1 << 19))
            tcp.move(os.urandom(1 << 19), backward=True)


@lab.test("a device may lead into another, and into itself no deeper than the limit")
def nested():
    here = Lab()
    a, t = here.a, here.t
    inner = "10.7.7.2"
    ends = A_LAN[4], T[4]
    t.ip(f"link add xfrm0 up type xfrm dev eth0 if_id 9\naddr add {inner}/32 dev lo\nroute add {NEAR[4]} dev xfrm0 metric 5\n"
         f"route add {A_LAN[4]}/32 via {B_LAN[4]} dev eth0\n")
    Espah.batch(a, ["link add ipsec1 if-id 43 up"])
    a.ip(f"route add {inner} dev ipsec1\n")
    out, back = SA(0x5000, *ends, if_id=43), SA(0x5001, *ends[::-1], if_id=43)
    Espah.configure(a, [out], [back], [Policy(ANY[4], ANY[4], ends, if_id=43)],
                    [Policy(ANY[4], ANY[4], ends[::-1], if_id=43)])
    Xfrm.configure(t, [here.number(back, 9)], [here.number(out, 9)],
                   [Policy(ANY[4], ANY[4], ends[::-1], if_id=9)], [Policy(ANY[4], ANY[4], ends, if_id=9)])
    exchange(here.h, H[4], t, inner, [bytes(100), bytes(1000)])
    a.ip(f"route replace {B[4]} dev ipsec1\nroute replace {T[4]} dev ipsec0\n")  # each leads into the other
    Espah.batch(a, ["link set ipsec0 nodev"])
    drops = Drops(here)
    with traffic.udp(here.h, H[4]) as sock:
        sock.sendto(b"round and round", (inner, 9))
        lab.wait_for(lambda: {"nesting", "no_route", "device_loop"} & set(drops.now()), "the end of the loop")


def programs():
    """iproute2 as installed here, and that of Debian 13 with its own libraries: the words that run ip."""
    newer = os.environ.get("ESPAH_IPROUTE2")
    if not newer:
        raise lab.Skipped("ESPAH_IPROUTE2 does not name what scripts/iproute2 prints")
    root = f"{newer}/root/usr"
    return ("ip",), (f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", f"{root}/lib/x86_64-linux-gnu",
                     f"{root}/bin/ip")


@lab.test("iproute2 makes and shows it by our plugin, that of Debian 12 and that of Debian 13")
def iproute2():
    seen = set()
    for program in programs():
        here = Lab(keys=False)
        with here.a:
            env = dict(os.environ, IP_LIB_DIR=ROOT + "/userspace-tools/iproute2")

            def ip(*words, program=program, env=env):
                return subprocess.run((*program, *words), env=env, text=True, capture_output=True, check=False)
            seen.add(ip("-V").stdout)
            made = ip("link", "add", "ipsec9", "type", "espah", "if_id", "77", "dev", "wan")
            lab.equal(made.returncode, 0, made.stderr)
            shown = ip("-d", "link", "show", "dev", "ipsec9").stdout
            lab.true("espah if_id 77" in shown or "espah if_id 0x4d" in shown, shown)
            taken = ip("link", "add", "ipsec8", "type", "espah", "if_id", "77")
            lab.true(taken.returncode and "Error: " in taken.stderr, f"a number that is taken: {taken.stderr}")
    lab.equal(len(seen), 2, f"versions of iproute2: {seen}")


@lab.test("the device may belong to a VRF, and its link to another")
def vrf():
    for inner, outer in (("red", None), (None, "blue"), ("red", "blue")):
        here = Lab(keys=False)
        a = here.a
        a.ip("link add red up type vrf table 10\nlink add blue up type vrf table 20\n")
        if inner:
            a.ip("link set lan master red\nlink set ipsec0 master red\n")
            a.ip(f"addr replace fd01::1/64 dev lan nodad\n"
                 f"route replace {FAR[4]} dev ipsec0 table 10\nroute replace {FAR[6]} dev ipsec0 table 10\n")
        if outer:
            a.ip("link set wan master blue\naddr replace 2001:db8::1/64 dev wan nodad\n")
        here.keys()
        drops = Drops(here)
        for v in FAMILIES:
            exchange(here.h, H[v], here.t, T[v], [bytes(100), bytes(1300)])
            traffic.ping(here.t, T[v], H[v])
        lab.equal(drops.now(), {}, f"drops with {inner} and {outer}")


@lab.test("explain knows the device, in both directions")
def explains():
    here = Lab()
    out = Espah.json(here.a, "explain", "out", H[4], T[4], "udp", "9", "dev", "ipsec0")
    lab.equal((out["action"], out["policy"]["if_id"], out["sa"][0]["if_id"] if isinstance(out["sa"], list)
               else out["sa"]["if_id"]), ("protect", ID, ID), "outbound")
    other = Espah.json(here.a, "explain", "out", H[4], T[4], "udp", "9", "dev", "wan")
    lab.true("policy" not in other or not other["policy"], f"{other}")
    Espah.batch(here.a, ["policy flush"])
    gone = Espah.json(here.a, "explain", "out", H[4], T[4], "udp", "9", "dev", "ipsec0")
    lab.equal(gone["drop"], "device_no_policy", "drop reason")


@lab.test("SAs give their packets a mark, by which the outer route is chosen, and marks that come inward")
def marks():
    here = Lab(device="", keys=False)
    a = here.a
    here.keys(0x1000, extra="set-mark 0x20/0xf0")
    a.ip(f"rule add fwmark 0x20/0xf0 table 77\nroute add {B[4]} via {B[4]} dev wan onlink table 77\n"
         f"route add unreachable {B[4]}/32\n")
    with a:
        lab.run("nft", "-f", "-", stdin="""table inet t {
            chain f { type filter hook forward priority 0;
                iifname "ipsec0" meta mark & 0xf0 == 0x20 counter
            }
        }""")
    exchange(here.h, H[4], here.t, T[4])
    lab.true(forwarded(a) >= 1, "no decrypted packet had the mark")


@lab.test("it can be deleted, moved and made again under load on two processors")
def load():
    here = Lab()
    stop = []

    def send(near, source, target):
        with traffic.udp(near, source) as sock:
            while not stop:
                with contextlib.suppress(OSError):
                    sock.sendto(bytes(500), (target, 9))
    threads = [threading.Thread(target=send, args=arguments) for arguments in
               ((here.h, H[4], T[4]), (here.t, T[4], H[4]), (here.h, H[6], T[6]), (here.t, T[6], H[6]))]
    for thread in threads:
        thread.start()
    try:
        box = lab.Netns("box")
        for turn in range(6):
            time.sleep(0.3)
            if turn % 2:
                here.a.ip("link set ipsec0 netns box\n")
                box.ip("link set ipsec0 up\n")
                time.sleep(0.1)
                box.ip("link del ipsec0\n")
            else:
                here.a.ip("link del ipsec0\n")
            Espah.batch(here.a, [f"link add ipsec0 if-id {ID} dev wan up"])
            here.a.ip(f"route replace {FAR[4]} dev ipsec0\nroute replace {FAR[6]} dev ipsec0\n")
    finally:
        stop.append(1)
        for thread in threads:
            thread.join()
    exchange(here.h, H[4], here.t, T[4])


if __name__ == "__main__":
    lab.main()
