#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Devices of kind espah among other parts of Linux: tenants in VRFs and conntrack zones, a bridge, bundles,
and what ip shows of a device that has moved. See routed.py for the topology.
"""
import json
import os
import re
import socket

import lab
import traffic
from ipsec import AH, SA, Espah, Policy, Xfrm
from routed import A, ANY, B, FAMILIES, H, ID, PEER_ID, T, Drops, Lab, clear, exchange, flows, ports

TENANTS = (1, 2)
SAME = 7777  # the port of each side of both tenants' flows


def tenant(a, n):
    """A customer of gateway a: h, behind a; b, the other gateway, with XFRM; t, behind b. All tenants have
    the same inner addresses. The outer addresses are 192.0.2.1 and .2, or 198.51.100.1 and .2.
    """
    h, b, t = lab.Netns(f"h{n}"), lab.Netns(f"b{n}", forward=True), lab.Netns(f"t{n}")
    net = ("192.0.2.", "198.51.100.")[n - 1]
    lab.link(h, "eth0", a, f"lan{n}")
    lab.link(a, f"wan{n}", b, "wan")
    lab.link(b, "lan", t, "eth0")
    h.ip("addr add 10.1.0.2/24 dev eth0\nroute add default via 10.1.0.1\n")
    t.ip("addr add 10.2.0.2/24 dev eth0\nroute add default via 10.2.0.1\n")
    a.ip(f"link add vrf{n} up type vrf table {n}\nlink set lan{n} master vrf{n}\n"
         f"addr add 10.1.0.1/24 dev lan{n}\naddr add {net}1/24 dev wan{n}\n")
    b.ip(f"addr add {net}2/24 dev wan\naddr add 10.2.0.1/24 dev lan\nlink add xfrm0 up type xfrm dev wan if_id 7\n"
         "route add 10.1.0.0/24 dev xfrm0\n")
    ends = f"{net}1", f"{net}2"
    out, back = SA(0x1000 * n, *ends), SA(0x1000 * n + 1, *ends[::-1])
    Espah.configure(a, [Lab.number(out, n)], [Lab.number(back, n)],
                    [Policy(ANY[v], ANY[v], ends, if_id=n) for v in FAMILIES],
                    [Policy(ANY[v], ANY[v], ends[::-1], if_id=n) for v in FAMILIES])
    Espah.batch(a, [f"link add ipsec{n} if-id {n} dev wan{n} up"])
    a.ip(f"link set ipsec{n} master vrf{n}\nroute add 10.2.0.0/24 dev ipsec{n} table {n}\n")
    Xfrm.configure(b, [Lab.number(back, 7)], [Lab.number(out, 7)], [Policy(ANY[4], ANY[4], ends[::-1], if_id=7)],
                   [Policy(ANY[4], ANY[4], ends, if_id=7)])
    return h, t


@lab.test("two tenants with the same addresses and ports, each in a VRF and a conntrack zone with a device: "
          "no packet reaches the other")
def zones():
    lab.delete_all()
    lab.run("modprobe", "-a", "vrf", "xfrm_interface", check=False)
    a = lab.Netns("a", forward=True)
    with a:
        lab.run("nft", "-f", "-", stdin="""table inet t {
            chain zone { type filter hook prerouting priority raw;
                iifname { "lan1", "ipsec1", "vrf1" } ct zone set 1
                iifname { "lan2", "ipsec2", "vrf2" } ct zone set 2
            }
            chain f { type filter hook forward priority 0; policy drop;
                iifname "vrf*" oifname "ipsec*" counter accept
                iifname "vrf*" oifname "lan*" ct state established,related counter accept
            }
        }""")
    here = {n: tenant(a, n) for n in TENANTS}
    for n, (h, t) in here.items():
        traffic.ping(h, H[4], T[4], count=2)
    sockets = {n: (traffic.udp(h, H[4], SAME), traffic.udp(t, T[4], SAME)) for n, (h, t) in here.items()}
    for round_ in range(5):
        for n, (one, other) in sockets.items():
            traffic.deliver(one, other, [f"to {n}, {round_}".encode()])
            traffic.deliver(other, one, [f"from {n}, {round_}".encode()])
    for n, pair in sockets.items():
        lab.true(all(traffic.silent(sock) for sock in pair), f"tenant {n} got what is the other's")
    lines = [line for line in a.run("conntrack", "-L", "-p", "udp").stdout.splitlines() if f"sport={SAME}" in line]
    lab.equal(sorted(re.search(r" zone=(\d)", line)[1] for line in lines), ["1", "2"], f"zones of {lines}")
    lab.equal(Espah.drops(a), {}, "drops")


@lab.test("a bridge with an address (IRB) routes into the device, with br_netfilter on, and switches beside it")
def irb():
    here = Lab()
    a, second = here.a, lab.Netns("h2")
    lab.run("modprobe", "br_netfilter")
    a.ip("link add br0 up type bridge\n")
    lab.link(second, "eth0", a, "lan2")
    a.ip("addr flush dev lan\nlink set lan master br0\nlink set lan2 master br0\n"
         "addr add 10.1.0.1/24 dev br0\naddr add fd01::1/64 dev br0 nodad\n")
    second.ip("addr add 10.1.0.3/24 dev eth0\naddr add fd01::3/64 dev eth0 nodad\n"
              "route add default via 10.1.0.1\nroute add default via fd01::1\n")
    for name in ("iptables", "ip6tables"):
        a.sysctl(f"net.bridge.bridge-nf-call-{name}", 1)
    drops = Drops(here)
    with clear(here) as wire:
        for v in FAMILIES:
            flows(here, v)
            traffic.ping(second, H[v].replace("2", "3"), T[v], count=2)
            traffic.ping(here.t, T[v], H[v].replace("2", "3"), count=2)
            exchange(here.h, H[v], second, H[v].replace("2", "3"))  # is switched
        lab.equal(wire.frames(), [], "frames in clear")
    lab.equal(drops.now(), {}, "drops")


@lab.test("a policy of the device may ask for several SAs")
def bundle():
    for v in FAMILIES:
        here = Lab(v, keys=False)
        ends = A[v], B[v]
        esp = [SA(0x1000, *ends, reqid=1), SA(0x1001, *ends[::-1], reqid=1)]
        ah = [SA(0x2000, *ends, "transport", AH["sha256"], reqid=2),
              SA(0x2001, *ends[::-1], "transport", AH["sha256"], reqid=2)]
        Espah.configure(here.a, [Lab.number(sas[0], ID) for sas in (esp, ah)],
                        [Lab.number(sas[1], ID) for sas in (esp, ah)])
        Xfrm.configure(here.b, [Lab.number(sas[1], PEER_ID) for sas in (esp, ah)],
                       [Lab.number(sas[0], PEER_ID) for sas in (esp, ah)])
        # XFRM compares the family of an SA in transport mode with that of the innermost packet
        Espah.batch(here.a, [f"policy add both any{v} any{v} if-id {ID} protect esp tunnel {' '.join(ends)} "
                             "reqid 1 ah transport reqid 2"])
        here.b.ip("".join(
            f"xfrm policy add src {ANY[v]} dst {ANY[v]} dir {direction} if_id {PEER_ID} "
            f"tmpl src {way[0]} dst {way[1]} proto esp reqid 1 mode tunnel tmpl proto ah reqid 2 mode transport\n"
            for direction, way in (("out", ends[::-1]), ("in", ends), ("fwd", ends))))
        if v == 4:  # otherwise the device sends packets of its own, which no policy is for
            here.a.sysctl("net.ipv6.conf.ipsec0.disable_ipv6", 1)
        drops = Drops(here)
        with clear(here) as wire, traffic.Wire(here.a, "wan") as sent:
            traffic.ping(here.h, H[v], T[v], count=2)
            with traffic.Transfer(here.h, H[v], here.t, T[v], next(ports)) as tcp:
                tcp.move(os.urandom(1 << 18))
                tcp.move(os.urandom(1 << 18), backward=True)
            lab.equal(wire.frames(), [], "frames in clear")
            protocols = {traffic.protocol_of(packet) for packet in sent.packets() if packet[0] >> 4 in (4, 6)}
            # besides neighbour discovery and MLD
            lab.equal(protocols - {socket.IPPROTO_ICMPV6, 0}, {socket.IPPROTO_AH}, "protocols on the wire")
        lab.equal(drops.now(), {}, "drops")


@lab.test("ip shows where the link of a moved device is")
def link_netnsid():
    here = Lab()
    box = lab.Netns("box")

    def shown(ns):
        link = json.loads(ns.run("ip", "-j", "-d", "link", "show", "dev", "ipsec0").stdout)[0]
        return link.get("link"), "link_netnsid" in link
    lab.equal(shown(here.a), ("wan", False), "where it was made")
    here.a.ip("link set ipsec0 netns box\n")
    name, elsewhere = shown(box)
    lab.true(elsewhere and name is None, f"in another namespace: link {name}, with a netnsid: {elsewhere}")


if __name__ == "__main__":
    lab.main()
