#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""espah beside a stateful firewall, source and destination NAT on the same gateway.

   h 172.16.0.2 -- 172.16.0.1 a (espah, nft) 192.0.2.1 ===== 192.0.2.2 b (XFRM), 10.2.0.1
     10.1.0.2      10.1.0.1

Conntrack confirms a connection in a hook with the last possible priority, which espah uses
too, so the order of registration must not matter: both orders are tested.
"""
import json
import struct
import time

import ipsec
import lab
import module
import netlink
import nfqueue
import traffic
from ipsec import Espah, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
OUT = Policy("10.1.0.0/24", "10.2.0.0/24", OUTER)
IN = Policy("10.2.0.0/24", "10.1.0.0/24", OUTER[::-1])

STATEFUL = """
table inet wall {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related counter accept comment "established"
        iifname "lan" ct state new counter accept comment "new"
    }
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        meta l4proto { esp, icmp, icmpv6 } counter accept comment "esp-in"
        ct state established accept
    }
    chain output {
        type filter hook output priority 0;
        meta l4proto esp counter comment "esp-out"
    }
}
"""


def topology():
    lab.delete_all()
    h, a, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
    lab.link(h, "eth0", a, "lan")
    lab.link(a, "wan", b, "eth0")
    h.ip("addr add 10.1.0.2/24 dev eth0\naddr add 172.16.0.2/24 dev eth0\n"
         "route add default via 10.1.0.1\n")
    a.ip("addr add 10.1.0.1/24 dev lan\naddr add 172.16.0.1/24 dev lan\n"
         "addr add 192.0.2.1/24 dev wan\nroute add 10.2.0.0/24 via 192.0.2.2\n")
    b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 10.2.0.1/32 dev lo\n"
         "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n")
    return h, a, b


def tunnel(a, b):
    out, back = SA(0x1000, *OUTER), SA(0x1001, *OUTER[::-1])
    Espah.configure(a, [out], [back], [OUT], [IN])
    Xfrm.configure(b, [back], [out], [IN], [OUT])


def nft(ns, text):
    with ns:
        lab.run("nft", "-f", "-", stdin=text)


def counter(ns, comment):
    with ns:
        rules = json.loads(lab.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
    for item in rules:
        rule = item.get("rule", {})
        if rule.get("comment") == comment:
            return next(e["counter"]["packets"] for e in rule["expr"] if "counter" in e)
    raise lab.Failed(f"no rule {comment}")


def passes(h, b):
    """TCP and datagrams from h; the answers need conntrack to know the connection."""
    with traffic.udp(h, "10.1.0.2", 7000) as left, traffic.udp(b, "10.2.0.1", 7000) as right:
        for number in range(20):
            traffic.deliver(left, right, [b"ask %d" % number])
            traffic.deliver(right, left, [b"answer %d" % number])
    with traffic.Transfer(h, "10.1.0.2", b, "10.2.0.1", 7001) as connection:
        connection.move(bytes(300_000))
        connection.move(bytes(300_000), backward=True)
    traffic.ping(h, "10.1.0.2", "10.2.0.1", count=5)


def stateful(order):
    h, a, b = topology()
    if order == "conntrack first":
        nft(a, STATEFUL)
        module.load()
        tunnel(a, b)
    else:
        module.load()
        tunnel(a, b)
        nft(a, STATEFUL)
    passes(h, b)
    lab.true(counter(a, "established") > 50, "the firewall saw no established connection")
    lab.true(counter(a, "esp-in") > 50, "INPUT rules did not see ESP")
    lab.true(counter(a, "esp-out") > 50, "OUTPUT rules did not see ESP")
    lab.equal(Espah.drops(a), {}, "drops")
    with a:
        entries = lab.run("conntrack", "-L").stdout
    lab.true("dport=7001" in entries, "conntrack did not confirm the TCP connection")
    lab.true("unknown  50" in entries or " 50 " in entries, "conntrack did not confirm ESP")
    with traffic.udp(b, "10.2.0.1", 7002) as sender, traffic.udp(h, "10.1.0.2", 7003) as sink:
        sender.sendto(b"not asked for", ("10.1.0.2", 7003))
        traffic.ping(h, "10.1.0.2", "10.2.0.1")
        lab.true(traffic.silent(sink), "what nobody asked for passed the firewall")
    lab.delete_all()
    lab.wait_for(lambda: not lab.run("rmmod", "espah", check=False).returncode, "rmmod")


lab.test("stateful firewall, conntrack active before the module's hooks",
         "conntrack first")(stateful)
lab.test("stateful firewall, the module's hooks before conntrack", "espah first")(stateful)


@lab.test("a route with a realm, by which ESP arrives, does not keep a namespace from going")
def realm():
    module.load()
    h, a, b = topology()
    tunnel(a, b)
    a.ip("route add 192.0.2.2/32 dev wan realm 5\n")
    with traffic.udp(b, "10.2.0.1", 7000) as sender, traffic.udp(h, "10.1.0.2", 7000) as sink:
        traffic.deliver(sender, sink, [b"%d" % number for number in range(10)])
    lab.delete_all()
    lab.wait_for(lambda: not lab.run("rmmod", "espah", check=False).returncode, "rmmod")


@lab.test("source NAT comes first: policies see the addresses of the wire")
def snat():
    module.load()
    h, a, b = topology()
    h.ip("route replace 10.2.0.0/24 via 172.16.0.1 src 172.16.0.2\n")
    nft(a, 'table ip nat { chain post { type nat hook postrouting priority 100; '
           'ip saddr 172.16.0.0/24 oifname "wan" snat to 10.1.0.77; }; }')
    tunnel(a, b)
    with traffic.Wire(a, "wan", cleartext=True) as wire:
        traffic.ping(h, "172.16.0.2", "10.2.0.1", count=3)
        with traffic.Transfer(h, "172.16.0.2", b, "10.2.0.1", 7001) as connection:
            lab.equal(connection.server.getpeername()[0], "10.1.0.77", "source that b sees")
            connection.move(bytes(300_000))
            connection.move(bytes(300_000), backward=True)
        lab.equal(len(wire.frames()), 0, "packets in clear")
    lab.equal(Espah.drops(a), {}, "drops")


@lab.test("destination NAT of what comes out of the tunnel")
def dnat():
    h, a, b = topology()
    nft(a, 'table ip nat { chain pre { type nat hook prerouting priority -100; '
           'ip daddr 10.1.0.88 tcp dport 80 dnat to 10.1.0.2:7001; }; }')
    tunnel(a, b)
    with h:
        listener = traffic.socket.create_server(("10.1.0.2", 7001))
    with b:
        client = traffic.socket.socket()
    client.settimeout(lab.TIMEOUT)
    client.bind(("10.2.0.1", 0))
    client.connect(("10.1.0.88", 80))
    server = listener.accept()[0]
    client.sendall(b"x" * 5000)
    got = b""
    while len(got) < 5000:
        got += server.recv(5000)
    server.sendall(b"y" * 5000)
    got = b""
    while len(got) < 5000:
        got += client.recv(5000)
    for sock in (listener, client, server):
        sock.close()
    lab.equal(Espah.drops(a), {}, "drops")


@lab.test("an INPUT rule that drops ESP: nothing passes, and espah sees none of it")
def drop_esp():
    h, a, b = topology()
    tunnel(a, b)
    nft(a, 'table inet wall { chain input { type filter hook input priority 0; '
           'meta l4proto esp counter drop comment "esp"; }; }')
    with traffic.udp(b, "10.2.0.1", 7000) as sender, traffic.udp(h, "10.1.0.2", 7000) as sink:
        for _ in range(5):
            sender.sendto(b"x", ("10.1.0.2", 7000))
        lab.wait_for(lambda: counter(a, "esp") == 5, "five packets at the rule")
        lab.true(traffic.silent(sink), "a datagram passed")
    lab.equal(Espah.json(a, "stats")["in_packets"], 0, "packets in")
    lab.equal(Espah.drops(a), {}, "drops")


QUEUED = "\n".join(
    f"table inet queued_{hook} {{ chain through {{ type filter hook {hook} priority {priority}; "
    "queue to 0; }; }" for hook, priority in
    (("prerouting", -450), ("input", 0), ("postrouting", 0)))


@lab.test("all packets go through a program (NFQUEUE) before each hook")
def queued():
    module.load()
    h, a, b = topology()
    tunnel(a, b)
    queue = nfqueue.Queue(a)
    with traffic.Wire(a, "wan", cleartext=True) as wire:
        nft(a, QUEUED)
        passes(h, b)
        # PRE_ROUTING, LOCAL_IN, POST_ROUTING
        lab.true(all(queue.seen[hook] > 50 for hook in (0, 1, 4)), f"queued: {queue.seen}")
        lab.equal(len(wire.frames()), 0, "packets in clear")
    lab.equal(Espah.drops(a), {}, "drops")


NETFILTER, CTHELPER, HELPER_NEW = 12, 9, 0
HELPED = "\n".join(f"""table inet helped{v} {{
    ct helper deep {{ type "deep{v}" protocol udp; l3proto {"ip6" if v == 6 else "ip"}; }}
    chain pre {{ type filter hook prerouting priority -150;
                meta nfproto ipv{v} udp dport 7007 ct helper set "deep"; }}
}}""" for v in (4, 6))


def user_helper(v):
    """Creates the conntrack helper deepV for UDP, a user program that reads queue 0."""
    def text(kind, value):
        return netlink.attr(kind, value.encode() + b"\0")

    def number(kind, value):
        return netlink.attr(kind, netlink.be32(value))
    expect = text(1, "any") + number(2, 1) + number(3, 60)
    body = text(1, f"deep{v}")
    body += netlink.attr(2, netlink.attr(1, struct.pack("!H", 10 if v == 6 else 2))
                         + netlink.attr(2, b"\x11"))
    body += number(3, 0) + netlink.attr(4, number(1, 1) + netlink.attr(2, expect))
    body += number(5, 0) + number(6, 1)
    message = struct.pack("=IHHIIBBH", 20 + len(body), CTHELPER << 8 | HELPER_NEW, 0x405, 1, 0,
                          0, 0, 0) + body
    with traffic.socket.socket(traffic.socket.AF_NETLINK, traffic.socket.SOCK_RAW, NETFILTER) as sock:
        sock.send(message)
        code, = struct.unpack("=i", sock.recv(4096)[16:20])
    lab.true(code in (0, -17), f"nfnetlink_cthelper: {code}")


@lab.test("what a conntrack helper in user space queues comes back to the policies: into the SA, or "
          "dropped, never out in clear")
def helper():
    module.load()
    lab.run("modprobe", "-a", "nfnetlink_cthelper", "nfnetlink_queue", "nft_ct")
    h, a, b = topology()
    for ns, lines in ((h, "addr add 2001:db8:1::2/64 dev eth0 nodad\n"
                          "route add default via 2001:db8:1::1\n"),
                      (a, "addr add 2001:db8:1::1/64 dev lan nodad\n"
                          "addr add 2001:db8::1/64 dev wan nodad\n"
                          "route add 2001:db8:2::/64 via 2001:db8::2\n"),
                      (b, "addr add 2001:db8::2/64 dev eth0 nodad\naddr add 2001:db8:2::1 dev lo nodad\n"
                          "route add 2001:db8:1::/64 via 2001:db8::1 src 2001:db8:2::1\n")):
        ns.ip(lines)
    tunnel(a, b)
    out6 = Policy("2001:db8:1::/64", "2001:db8:2::/64", OUTER)
    Espah.configure(a, out=[out6])
    Xfrm.configure(b, in_=[out6])
    for v in (4, 6):
        user_helper(v)
    nft(a, HELPED)
    pairs = [(traffic.udp(h, near), traffic.udp(b, far, 7007))
             for near, far in (("10.1.0.2", "10.2.0.1"), ("2001:db8:1::2", "2001:db8:2::1"))]
    with traffic.Wire(a, "wan", cleartext=True) as wire:
        for left, right in pairs:  # no program reads the queue
            traffic.deliver(left, right, [b"%d" % number for number in range(5)])
        queue = nfqueue.Queue(a)
        for count, (left, right) in enumerate(pairs, 1):
            traffic.deliver(left, right, [b"%d" % number for number in range(10)])
            lab.equal(queue.seen[4], 10 * count, "packets that the helper saw")
        lab.equal(Espah.drops(a), {}, "drops")
        queue.hold = True
        for left, right in pairs:
            left.sendto(b"too late", right.getsockname()[:2])
        lab.wait_for(lambda: len(queue.held) == 2, "the helper's packets")
        Espah.batch(a, ["policy flush out"])
        queue.release()
        lab.wait_for(lambda: Espah.drops(a) == {"confirm": 2}, "drops")
        Espah.batch(a, [Espah.policy_line("out", OUT)])
        pairs[0][0].sendto(b"never", ("10.2.0.1", 7007))
        lab.wait_for(lambda: len(queue.held) == 1, "the helper's packet")
        Espah.batch(a, ["flush"])
        queue.release()
        time.sleep(0.1)
        lab.true(all(traffic.silent(right) for _, right in pairs), "a datagram arrived")
        lab.true(not any(word in frame for frame in wire.frames() for word in (b"late", b"never")),
                 "a packet was sent in clear")


@lab.test("an espah tunnel within an XFRM tunnel that ends on the same host")
def within_xfrm():
    module.load()
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "wan", b, "eth0")
    for ns, device, me, other, inside, far in ((a, "wan", 1, 2, "10.1.0.1", "10.2.0.1"),
                                               (b, "eth0", 2, 1, "10.2.0.1", "10.1.0.1")):
        ns.ip(f"addr add 192.0.2.{me}/24 dev {device}\naddr add {inside}/32 dev lo\n"
              f"addr add 198.18.0.{me}/32 dev lo\nroute add 198.18.0.{other}/32 via 192.0.2.{other}\n"
              f"route add {far}/32 via 192.0.2.{other} src {inside}\n")
    inner, outer = SA(0x1001, "198.18.0.2", "198.18.0.1"), SA(0x1002, *OUTER[::-1], reqid=2)
    Espah.configure(a, [], [inner], [], [Policy("10.2.0.1/32", "10.1.0.1/32", (inner.src, inner.dst))])
    Xfrm.configure(a, [], [outer], [], [Policy("198.18.0.2/32", "198.18.0.1/32", OUTER[::-1], reqid=2)])
    Xfrm.configure(b, [inner, outer])
    b.ip("xfrm policy add src 10.2.0.1 dst 10.1.0.1 dir out"
         f" tmpl src {inner.src} dst {inner.dst} proto esp mode tunnel reqid 1"
         f" tmpl src {outer.src} dst {outer.dst} proto esp mode tunnel reqid 2\n")
    with traffic.udp(b, "10.2.0.1", 7000) as sender, traffic.udp(a, "10.1.0.1", 7000) as sink:
        traffic.deliver(sender, sink, [b"%d" % number for number in range(10)])
    lab.equal(Espah.drops(a), {}, "drops")


FAST = """table ip fast {
    flowtable ft { hook ingress priority 0; devices = { lan, wan }; }
    chain forward { type filter hook forward priority 0; ct state established flow add @ft; }
}"""


def offloaded(ns):
    with ns:
        return [line for line in lab.run("conntrack", "-L").stdout.splitlines() if "OFFLOAD" in line]


@lab.test("a flowtable gets connections that pass in clear, and none that a policy protects one way")
def flowtable():
    module.load()
    h, a, b = topology()
    tunnel(a, b)
    b.ip("addr add 10.4.0.1/32 dev lo\n")
    a.ip("route add 10.4.0.0/24 via 192.0.2.2\n")
    nft(a, FAST)
    with traffic.Wire(a, "wan", cleartext=True) as wire:
        passes(h, b)
        with traffic.udp(h, "10.1.0.2", 7004) as left, traffic.udp(b, "10.2.0.1", 7004) as right:
            for number in range(20):  # connections opened by the far end
                traffic.deliver(right, left, [b"ask %d" % number])
                traffic.deliver(left, right, [b"answer %d" % number])
        with traffic.Transfer(b, "10.2.0.1", h, "10.1.0.2", 7005) as connection:
            connection.move(bytes(300_000))
            connection.move(bytes(300_000), backward=True)
        lab.equal(offloaded(a), [], "connections in the flowtable")
        lab.equal(len(wire.frames()), 0, "packets in clear")
    with traffic.udp(h, "10.1.0.2", 7006) as left, traffic.udp(b, "10.4.0.1", 7006) as right:
        for number in range(20):
            traffic.deliver(left, right, [b"ask %d" % number])
            traffic.deliver(right, left, [b"answer %d" % number])
        lab.equal(len(offloaded(a)), 1, "connections in the flowtable")
        lab.equal(Espah.drops(a), {}, "drops")
        Espah.batch(a, ["policy add out any 10.4.0.0/24 discard"])
        left.sendto(b"no more", ("10.4.0.1", 7006))
        lab.wait_for(lambda: Espah.drops(a) == {"discard_out": 1}, "a drop")
        lab.true(traffic.silent(right), "it passed in clear")


@lab.test("the route by which ESP arrives is kept, but not longer than it is right")
def arrival():
    module.load()
    h, a, b = topology()
    tunnel(a, b)
    with a:
        address = ":".join(f"{byte:02x}" for byte in traffic.mac("wan"))
    b.ip(f"neigh replace 192.0.2.1 lladdr {address} dev eth0 nud permanent\n")
    nft(h, 'table inet seen { chain input { type filter hook input priority 0; '
           'meta l4proto esp counter comment "moved"; }; }')
    nft(a, 'table inet seen { chain pre { type filter hook prerouting priority 0; '
           'meta l4proto esp counter comment "arrived"; }; }')
    with traffic.udp(b, "10.2.0.1", 7000) as sender, traffic.udp(h, "10.1.0.2", 7000) as sink:
        def lost():
            """Sends a packet that must not leave by the SA any more."""
            before = counter(a, "arrived")
            for _ in range(5):
                sender.sendto(b"lost", ("10.1.0.2", 7000))
            lab.wait_for(lambda: counter(a, "arrived") == before + 5, "five packets")
            lab.true(traffic.silent(sink), "a datagram passed")
        traffic.deliver(sender, sink, [b"%d" % number for number in range(10)])
        a.ip("addr del 192.0.2.1/24 dev wan\n")
        lost()
        a.ip("addr add 192.0.2.1/24 dev wan\n")
        traffic.deliver(sender, sink, [b"%d" % number for number in range(10)])
        nft(a, 'table ip nat { chain pre { type nat hook prerouting priority -100; '
               'meta l4proto esp dnat to 10.1.0.2; }; }')
        lost()
        lab.wait_for(lambda: counter(h, "moved") == 5, "five packets at their new destination")
    lab.equal(Espah.drops(a), {}, "drops")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
