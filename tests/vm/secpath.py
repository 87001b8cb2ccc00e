#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Packets from an SA count as IPsec in the rest of the kernel: rp_filter, rules, XFRM policies, redirects.

   h 10.1.0.2 -- 10.1.0.1 a wan 192.0.2.1 ===== 192.0.2.2 b (XFRM), 10.2.0.1, 10.4.0.1
     fd01::2     fd01::1                                             fd02::1

and, for redirects, three gateways on one segment: a between b and c.
"""
import contextlib
import json
import time

import ipsec
import lab
import traffic
from ipsec import ALGORITHMS, Espah, OURS, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
H, B = {4: "10.1.0.2", 6: "fd01::2"}, {4: "10.2.0.1", 6: "fd02::1"}
NETS = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("fd01::/64", "fd02::/64")}
STATES = (True, False) if OURS is Espah else (None,)  # of config secpath; XFRM has none


def topology():
    lab.delete_all()
    h, a, b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
    lab.link(h, "eth0", a, "lan")
    lab.link(a, "wan", b, "eth0")
    h.ip("addr add 10.1.0.2/24 dev eth0\naddr add fd01::2/64 dev eth0 nodad\n"
         "route add default via 10.1.0.1\nroute add default via fd01::1\n")
    a.ip("addr add 10.1.0.1/24 dev lan\naddr add fd01::1/64 dev lan nodad\n"
         "addr add 192.0.2.1/24 dev wan\naddr add 2001:db8::1/64 dev wan nodad\n"
         "link add wan2 up type dummy\naddr add 198.51.100.1/24 dev wan2\n"
         "route add 10.2.0.0/24 via 192.0.2.2\nroute add 10.4.0.0/24 via 192.0.2.2\n"
         "route add fd02::/64 via 2001:db8::2\n")
    b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 2001:db8::2/64 dev eth0 nodad\n"
         "addr add 10.2.0.1/32 dev lo\naddr add 10.4.0.1/32 dev lo\naddr add fd02::1/128 dev lo nodad\n"
         "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\nroute add fd01::/64 via 2001:db8::1 src fd02::1\n")
    return h, a, b


def tunnel(a, b):
    """One SA each way for both families; its reqid is 7, its SPIs 0x1000 and 0x1001."""
    ipsec.configure_pair(a, b, OURS, Xfrm, [SA(0x1000, *OUTER, reqid=7)], [SA(0x1001, *OUTER[::-1], reqid=7)],
                         [Policy(*NETS[family], OUTER, 7) for family in (4, 6)])


def secpath(ns, on):
    if on is not None:
        Espah.batch(ns, [f"config secpath {'on' if on else 'off'}"])


def nft(ns, text):
    with ns:
        lab.run("nft", "-f", "-", stdin=text)


def counters(ns):
    """{comment: packets} of the rules that count."""
    with ns:
        rules = json.loads(lab.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
    return {rule["comment"]: part["counter"]["packets"] for rule in (item.get("rule", {}) for item in rules)
            for part in rule.get("expr", ()) if "counter" in part}


def snmp(ns, name):
    with ns, open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        lines = file.read().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        if name in names.split():
            return int(values.split()[names.split().index(name)])
    raise lab.Failed(f"no counter {name}")


@contextlib.contextmanager
def datagrams(source_ns, source, target_ns, target, port=7000):
    """A function that sends a datagram and returns whether it arrived within a number of seconds."""
    with traffic.udp(source_ns, source, 7001) as sender, traffic.udp(target_ns, target, port) as sink:
        def arrives(wait):
            sender.sendto(b"secret datagram", (target, port))
            sink.settimeout(wait)
            try:
                return sink.recv(100) == b"secret datagram"
            except TimeoutError:
                return False
        yield arrives


# --- rp_filter ----------------------------------------------------------------------------------

def filter_all(a, value):
    a.sysctl("net.ipv4.conf.all.rp_filter", value)


def filter_device(a, value):
    a.sysctl("net.ipv4.conf.wan.rp_filter", value)


def spared(how):
    h, a, b = topology()
    tunnel(a, b)
    with (datagrams(b, "10.2.0.1", h, "10.1.0.2") as protected,
          datagrams(b, "10.4.0.1", h, "10.1.0.2", 7002) as clear):
        lab.true(protected(lab.TIMEOUT), "a datagram did not pass without rp_filter")
        a.ip("route replace 10.2.0.0/24 via 198.51.100.2 dev wan2\n"
             "route replace 10.4.0.0/24 via 198.51.100.2 dev wan2\n")
        for on in STATES:
            secpath(a, on)
            how(a, 1)
            lab.true(protected(lab.TIMEOUT), f"strict rp_filter dropped it, secpath {on}")
            how(a, 2)
            lab.true(protected(lab.TIMEOUT), f"loose rp_filter dropped it, secpath {on}")
            a.ip("route del 10.2.0.0/24\n")
            lab.true(protected(lab.TIMEOUT), f"loose rp_filter dropped it, which has no route, secpath {on}")
            a.ip("route add 10.2.0.0/24 via 198.51.100.2 dev wan2\n")
            lab.equal(snmp(a, "IPReversePathFilter"), 0, "drops by rp_filter")
            how(a, 0)
        how(a, 1)
        lab.true(not clear(0.5), "rp_filter does nothing here")
        lab.equal(snmp(a, "IPReversePathFilter"), 1, "drops by rp_filter")


lab.test("rp_filter, set for all devices, spares what came by an SA, strict and loose", filter_all)(spared)
lab.test("rp_filter, set for the device, spares what came by an SA, strict and loose", filter_device)(spared)


@lab.test("rp_filter of a VRF spares what came by an SA on a device of the VRF")
def vrf():
    h, a, b = topology()
    # a device that changes its table loses its routes
    a.ip("link add red up type vrf table 100\nlink set wan master red\nlink set lan master red\n"
         "addr replace fd01::1/64 dev lan nodad\n"
         "route add 10.2.0.0/24 dev wan2 table 100\n")
    tunnel(a, b)
    with datagrams(b, "10.2.0.1", h, "10.1.0.2") as protected:
        for on in STATES:
            secpath(a, on)
            a.sysctl("net.ipv4.conf.red.rp_filter", 1)
            lab.true(protected(lab.TIMEOUT), f"rp_filter of the VRF dropped it, secpath {on}")
            a.sysctl("net.ipv4.conf.red.rp_filter", 0)
        lab.equal(snmp(a, "IPReversePathFilter"), 0, "drops by rp_filter")


# --- rules of the firewall ------------------------------------------------------------------------

def seen_rules():
    hooks = {"prerouting": "pre", "input": "in", "forward": "on"}
    chains = ""
    for hook, short in hooks.items():
        rules = "".join(f'meta nfproto ipv{family} meta l4proto udp {match} counter comment "{short}{family}{name}"\n'
                        for family in (4, 6)
                        for name, match in (("", ""), (" ipsec", "meta ipsec exists"), (" reqid", "ipsec in reqid 7"),
                                            (" other", "ipsec in reqid 8"), (" spi", "ipsec in spi 0x1001")))
        chains += f"chain at_{short} {{ type filter hook {hook} priority 10; policy accept;\n{rules}}}\n"
    return f"table inet seen {{\n{chains}}}\n"


@lab.test("rules know by which SA a packet came, in PREROUTING, INPUT and FORWARD")
def rules():
    h, a, b = topology()
    tunnel(a, b)
    for on in STATES:
        secpath(a, on)
        nft(a, "flush ruleset\n" + seen_rules())
        for family in (4, 6):
            for ns, target in ((h, H[family]), (a, "10.1.0.1" if family == 4 else "fd01::1")):
                with datagrams(b, B[family], ns, target) as protected:
                    lab.true(protected(lab.TIMEOUT), f"a datagram to {target} did not arrive, secpath {on}")
        with datagrams(b, "10.4.0.1", h, "10.1.0.2") as clear:
            lab.true(clear(lab.TIMEOUT), "a datagram in clear did not arrive")
        got = counters(a)
        for family, clear in ((4, 1), (6, 0)):
            for chain, count in (("pre", 2), ("in", 1), ("on", 1)):
                lab.equal(got[f"{chain}{family}"], count + (chain != "in") * clear, f"datagrams in {chain}{family}")
                for name in "ipsec", "reqid", "spi":
                    lab.equal(got[f"{chain}{family} {name}"], 0 if on is False else count,
                              f"matches of {name} in {chain}{family}, secpath {on}")
                lab.equal(got[f"{chain}{family} other"], 0, "matches of another SA's reqid")


@lab.test("explain tells whether rules know it, and config takes on and off")
def told():
    ipsec.need_espah()
    h, a, b = topology()
    lab.equal(Espah.json(a, "config"), {"secpath": True, "direct": False}, "settings at first")
    tunnel(a, b)
    for on in (False, True):
        secpath(a, on)
        lab.equal(Espah.json(a, "config")["secpath"], on, "settings")
        lab.equal(Espah.json(a, "explain", "in", "10.2.0.1", "10.1.0.2")["secpath"], on, "what explain tells")
        with a:
            text = lab.run(ipsec.CLI, "explain", "in", "10.2.0.1", "10.1.0.2").stdout
        lab.true(("do not see the packet" in text) != on, f"explain says, secpath {on}: {text}")
    for words in (["secpath"], ["secpath", "maybe"], ["secpat", "on"]):
        with a:
            lab.equal(lab.run(ipsec.CLI, "config", *words, check=False).returncode, 2, f"exit status of {words}")


# --- XFRM ------------------------------------------------------------------------------------------

@lab.test("XFRM's policies drop what they block or want protected, and nothing that they do not name")
def judged():
    ipsec.need_espah()
    h, a, b = topology()
    tunnel(a, b)

    def both(expected, family, state, *targets):
        for ns, target in targets:
            with datagrams(b, B[family], ns, target) as protected:
                lab.equal(protected(lab.TIMEOUT if expected else 0.5), expected, f"arrived at {target}, {state}")
    here = {4: (a, "10.1.0.1"), 6: (a, "fd01::1")}
    for on in STATES:
        secpath(a, on)
        for family in (4, 6):
            there, state = (h, H[family]), f"secpath {on}"
            source, target = f"{B[family]}/{(32, 128)[family == 6]}", f"{H[family]}/{(32, 128)[family == 6]}"
            nowhere = "10.99.0.0/16" if family == 4 else "fd99::/64"
            a.ip("".join(f"xfrm policy add src {nowhere} dst {nowhere} dir {way}"
                         " tmpl src 192.0.2.9 dst 192.0.2.1 proto esp mode tunnel reqid 7\n" for way in ("in", "fwd")))
            both(True, family, state, there, here[family])
            before = sum(Xfrm.drops(a).values())
            a.ip(f"xfrm policy update src {source} dst {target} dir fwd action allow priority 9\n")
            both(True, family, state, there)
            # a packet decrypted by espah matches no template of XFRM, whatever its reqid and protocol
            a.ip(f"xfrm policy update src {source} dst {target} dir fwd priority 8 tmpl proto esp mode transport reqid 7\n")
            both(False, family, state, there)
            a.ip(f"xfrm policy update src {source} dst {target} dir fwd action block priority 7\n")
            both(False, family, state, there)
            lab.equal(sum(Xfrm.drops(a).values()), before + 2, "drops of XFRM")
            a.ip("xfrm policy flush\n")
            both(True, family, state, there)
    lab.equal(sum(Xfrm.drops(a).values()), 8, "drops of XFRM")


@lab.test("what came by an SA within a tunnel of XFRM's interface is not judged by the interface's policies")
def interface():
    ipsec.need_espah()
    h, a, b = topology()
    lab.run("modprobe", "xfrm_interface", check=False)
    near, far = ("10.9.0.1", "10.9.0.2")
    # an algorithm that no other suite has wrapped in pcrypt: with pcrypt, XFRM's interface loses a
    # reference to its device for each packet (6.1, also without espah)
    sas = [SA(0x3000 + way, *OUTER[::1 - 2 * way], reqid=9, algorithm=ALGORITHMS["null-sha256"])
           for way in (0, 1)]
    for ns, device, own in ((a, "wan", 0), (b, "eth0", 1)):
        lines = [Xfrm.state(sas[own], "out"), Xfrm.state(sas[1 - own], "in")]
        lines += [f"xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir {way} if_id 5 tmpl "
                  f"src {OUTER[end]} dst {OUTER[1 - end]} proto esp mode tunnel reqid 9"
                  for way, end in (("out", own), ("in", 1 - own), ("fwd", 1 - own))]
        ns.ip(f"link add xi up type xfrm dev {device} if_id 5\n"
              f"addr add {(near, far)[own]}/24 dev xi\n" +
              "\n".join(line.replace("flag", "if_id 5 flag") for line in lines) + "\n")
    a.ip("route replace 10.2.0.0/24 dev xi\n")
    b.ip("route replace 10.1.0.0/24 dev xi src 10.2.0.1\n")
    ends = (near, far)
    ipsec.configure_pair(a, b, Espah, Espah, [SA(0x1000, *ends)], [SA(0x1001, *ends[::-1])],
                         [Policy(*NETS[4], ends)])
    with datagrams(b, "10.2.0.1", h, "10.1.0.2") as protected:
        for on in STATES:
            secpath(a, on)
            lab.true(protected(lab.TIMEOUT), f"it did not arrive, secpath {on}: {Xfrm.drops(a)}")
    lab.equal([sa["packets"] for sa in Espah.sas(a, "in")], [len(STATES)], "packets of the SA")


# --- redirects ---------------------------------------------------------------------------------------

def segment():
    """a, b and c on one segment; for a, the networks of b and c are on the link."""
    lab.delete_all()
    sw, a, b, c = lab.Netns("sw"), lab.Netns("a", forward=True), lab.Netns("b"), lab.Netns("c")
    for number, ns in enumerate((a, b, c), 1):
        lab.link(ns, "eth0", sw, f"p{number}")
        ns.ip(f"addr add 192.0.2.{number}/24 dev eth0\naddr add 2001:db8::{number}/64 dev eth0 nodad\n")
    sw.ip("link add br0 up type bridge\n" + "".join(f"link set p{number} master br0\n" for number in (1, 2, 3)))
    for device in "all", "eth0":
        a.sysctl(f"net.ipv4.conf.{device}.send_redirects", 1)
    for number, ns in (2, b), (3, c):
        ns.ip(f"addr add 10.{number}.0.1/32 dev lo\naddr add fd0{number}::1/128 dev lo nodad\n"
              f"route add 10.0.0.0/8 via 192.0.2.1 src 10.{number}.0.1\n"
              f"route add fd00::/8 via 2001:db8::1 src fd0{number}::1\n")
        for device in "all", "eth0":
            ns.sysctl(f"net.ipv4.conf.{device}.accept_redirects", 0)
            ns.sysctl(f"net.ipv6.conf.{device}.accept_redirects", 0)
        with ns:
            address = ":".join(f"{byte:02x}" for byte in traffic.mac("eth0"))
        a.ip(f"route add 10.{number}.0.0/16 dev eth0\nroute add fd0{number}::/64 dev eth0\n"
             f"neigh add 10.{number}.0.1 lladdr {address} dev eth0\nneigh add fd0{number}::1 lladdr {address} dev eth0\n")
    return a, b, c


def spoke(a, ns, number):
    """SAs between a and one of the others, for traffic to the third."""
    peer, other = f"192.0.2.{number}", 5 - number
    out = SA(0x1000 * number, "192.0.2.1", peer, reqid=number)
    back = SA(0x1000 * number + 1, peer, "192.0.2.1", reqid=number)
    pairs = ((f"10.{other}.0.0/16", f"10.{number}.0.0/16"), (f"fd0{other}::/64", f"fd0{number}::/64"))
    ipsec.configure_pair(a, ns, OURS, Xfrm, [out], [back],
                         [Policy(*pair, (out.src, out.dst), number) for pair in pairs])


def is_redirect(packet):
    if packet[0] >> 4 == 4:
        return packet[9] == 1 and packet[(packet[0] & 15) * 4] == 5
    return packet[6] == 58 and packet[40] == 137


def redirects(a, b, c, family):
    """Datagrams from b to c through a: the redirects that a sent, and the packets with plaintext."""
    source, target = ("10.2.0.1", "10.3.0.1") if family == 4 else ("fd02::1", "fd03::1")
    with traffic.Wire(a, "eth0", outgoing=True) as wire, datagrams(b, source, c, target) as arrives:
        for _ in range(2):
            lab.true(arrives(lab.TIMEOUT), f"a datagram to {target} did not arrive")
        time.sleep(0.2)
        packets = wire.packets()
    return ([packet for packet in packets if is_redirect(packet)],
            [packet for packet in packets if b"secret" in packet and not is_redirect(packet)])


@lab.test("a host without an SA is told of a shorter way, in both families")
def control():
    a, b, c = segment()
    if OURS is Espah:
        Espah.batch(a, ["policy add out 10.99.0.0/16 any4 discard"])
    for family in (4, 6):
        lab.true(redirects(a, b, c, family)[0], f"no redirect of IPv{family}")


@lab.test("no redirect leaves that quotes what came by an SA and goes on by another")
def quotes():
    for on in STATES:
        a, b, c = segment()
        spoke(a, b, 2)
        spoke(a, c, 3)
        secpath(a, on)
        for family in (4, 6):
            lab.equal(redirects(a, b, c, family), ([], []), f"redirects and plaintext, IPv{family}, secpath {on}")
            if OURS is Espah and family == 4:
                lab.equal(set(Espah.drops(a)), set() if on else {"redirect"}, f"reasons of drops, secpath {on}")
        if OURS is Espah:
            lab.equal(set(Espah.drops(a)), {"redirect"}, f"reasons of drops, secpath {on}")


def one_sided(which):
    ipsec.need_espah()  # XFRM sends redirects that bypass an SA
    a, b, c = segment()
    spoke(a, *((b, 2), (c, 3))[which])
    secpath(a, False)
    for family in (4, 6):
        lab.equal(redirects(a, b, c, family)[0], [], f"redirects of IPv{family}")
        lab.true(Espah.drops(a).get("redirect", 0) >= (1, 2)[family == 6], f"drops: {Espah.drops(a)}")


lab.test("no redirect leaves that quotes what came by an SA and goes on in clear", 0)(one_sided)
lab.test("no redirect leaves that would lead a host round the SA that its packets go on by", 1)(one_sided)


def by_one_policy(way):
    ipsec.need_espah()
    a, b, c = segment()
    if way == "in":
        spoke(a, b, 2)
        Espah.batch(a, ["policy flush out"])
    else:
        Espah.batch(a, [f"policy add out {nets} protect tunnel 192.0.2.1 192.0.2.2 reqid 2"
                        for nets in ("10.3.0.0/16 10.2.0.0/16", "fd03::/64 fd02::/64")])
    secpath(a, False)
    for family in (4, 6):
        lab.equal(redirects(a, b, c, family)[0], [], f"redirects of IPv{family}")
        lab.true(Espah.drops(a).get("redirect", 0) >= (1, 2)[family == 6], f"drops: {Espah.drops(a)}")


lab.test("no redirect leaves where a policy protects what comes, and none what goes", "in")(by_one_policy)
lab.test("no redirect leaves to a host to which a policy protects the answers, and nothing else", "out")(by_one_policy)


# --- masquerading --------------------------------------------------------------------------------------

NAT = "table ip nat {{\nchain post {{\ntype nat hook postrouting priority srcnat\n{}\noifname wan masquerade\n}}\n}}\n"


@lab.test("an exemption by address keeps masquerading from what a policy protects; explain tells what else it meets")
def masquerade():
    h, a, b = topology()
    nft(a, NAT.format("ip daddr 10.2.0.0/24 accept"))
    tunnel(a, b)
    with traffic.Wire(a, "wan", outgoing=True) as wire:
        traffic.ping(h, "10.1.0.2", "10.2.0.1", count=2)
        lab.equal({packet[9] for packet in wire.packets() if packet[0] >> 4 == 4}, {50}, "protocols on the wire")
    if OURS is Espah:
        with a:
            text = lab.run(ipsec.CLI, "explain", "192.0.2.1", "10.2.0.1").stdout
        lab.true("If source NAT changed the source" in text, f"explain says: {text}")


if __name__ == "__main__":
    lab.main()
