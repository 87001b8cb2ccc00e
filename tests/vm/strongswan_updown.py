#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""_updown_espah: charon opens a firewall that drops by default, in nft and in iptables.

See sites.py for the topology; a is over espah and has the firewall, b is over XFRM.
"""
import contextlib

import ipsec
import lab
import traffic
from charon import Charon, connection
from ipsec import CLI, OURS, Xfrm
from sites import A, B, GCM, LONG, NET_A, NET_B, S, T, Lab

SCRIPT = f"{ipsec.ROOT}/userspace-tools/strongswan/_updown_espah"
THEIRS = "/usr/lib/ipsec/_updown iptables"
IF_ID = 42
NFT = """
table inet filter
delete table inet filter
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        udp dport { 500, 4500 } accept
        meta l4proto { esp, icmpv6 } accept
    }
    chain forward { type filter hook forward priority 0; policy drop; }
    chain output {
        type filter hook output priority 0; policy drop;
        udp sport { 500, 4500 } accept
        meta l4proto { esp, icmpv6 } accept
    }
}
"""
IPTABLES = """*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT DROP
-A INPUT -p udp -m multiport --dports 500,4500 -j ACCEPT
-A INPUT -p esp -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A OUTPUT -p udp -m multiport --sports 500,4500 -j ACCEPT
-A OUTPUT -p esp -j ACCEPT
-A OUTPUT -p ipv6-icmp -j ACCEPT
COMMIT
"""


def flush(here):
    here.a.run("nft", "flush", "ruleset")
    here.a.run("ip", "link", "del", "ipsec42", check=False)


@contextlib.contextmanager
def firewall(here, kind):
    flush(here)
    if kind == "nft":
        here.a.run("nft", "-f", "-", stdin=NFT)
    else:
        for program, rules in (("iptables-restore", IPTABLES.replace("-A INPUT -p ipv6-icmp -j ACCEPT\n", "")
                                .replace("-A OUTPUT -p ipv6-icmp -j ACCEPT\n", "")),
                               ("ip6tables-restore", IPTABLES)):
            here.a.run(program, stdin=rules)
    try:
        yield
    finally:
        flush(here)


def rules(here):
    """Number of rules of a's firewall."""
    return here.a.run("nft", "list", "ruleset").stdout.count(" accept")


def opened(here, count):
    """Waits for the script, which runs when the CHILD_SA is up."""
    lab.wait_for(lambda: rules(here) == count, f"{count} rules")


def pinged(ns, *words):
    return ns.run("ping", "-n", "-c", "1", "-W", "1", *words, check=False).returncode == 0


def bring_up(here, updown, more=""):
    """Tunnels of both families. Return: a"""
    def side(mine, theirs, near, far, text):
        return connection(mine, theirs, {f"net{v}": f"local_ts = {near[v]}\nremote_ts = {far[v]}\n{GCM}"
                                         f"{LONG}{text}" for v in (4, 6)})
    Charon(here.b, "xfrm", side(B[4], A[4], NET_B, NET_A, ""))
    a = Charon(here.a, OURS.name, side(A[4], B[4], NET_A, NET_B, f"updown = {updown}\n{more}"))
    for v in (4, 6):
        a.initiate(f"net{v}")
    return a


for kind_ in "nft", "iptables":
    @lab.test(f"_updown_espah {kind_}: tunnels of both families pass a firewall that drops, both ways and from "
              "the gateway itself; only while they are up, and not in clear", kind_)
    def by_address(kind):
        here = Lab.clean()
        with firewall(here, kind):
            before = rules(here)
            a = bring_up(here, f"{SCRIPT} {kind}", "hostaccess = yes\n")
            opened(here, before + 8)
            for v in (4, 6):
                traffic.ping(here.s, S[v], T[v])
                traffic.ping(here.t, T[v], S[v])
            traffic.ping(here.a, "10.1.0.1", T[4])
            lab.equal(here.in_clear(), 0, "packets in clear")
            lab.true(not pinged(here.s, "192.0.2.254"), "the rules let others pass")
            a.swanctl("--rekey", "--child", "net4")
            a.wait_log("inbound CHILD_SA net4")
            traffic.ping(here.s, S[4], T[4])
            a.swanctl("--terminate", "--ike", "gw")
            lab.wait_for(lambda: rules(here) == before, "the rules to go")


for kind_ in "nft", "iptables":
    @lab.test(f"_updown_espah {kind_} device: what passes a device of kind espah passes the firewall", kind_)
    def by_device(kind):
        here = Lab.clean()
        with firewall(here, kind):
            here.a.run(*((CLI, "link", "add", "ipsec42", "if-id", str(IF_ID), "dev", "wan", "up")
                         if OURS is not Xfrm else
                         ("ip", "link", "add", "ipsec42", "type", "xfrm", "dev", "wan", "if_id", str(IF_ID))))
            here.a.ip(f"link set ipsec42 up\nroute replace {NET_B[4]} dev ipsec42\n"
                      f"route replace {NET_B[6]} dev ipsec42\n")
            before = rules(here)
            a = bring_up(here, f"{SCRIPT} {kind} device ipsec%",
                         f"if_id_in = {IF_ID}\nif_id_out = {IF_ID}\n")
            opened(here, before + 4)
            for v in (4, 6):
                traffic.ping(here.s, S[v], T[v])
                traffic.ping(here.t, T[v], S[v])
            lab.equal(here.in_clear(), 0, "packets in clear")
            a.swanctl("--terminate", "--ike", "gw")
            lab.wait_for(lambda: rules(here) == before, "the rules to go")


@lab.test("_updown_espah: a port and a protocol are in the rules; another table of nftables")
def narrow():
    here = Lab.clean()
    with firewall(here, "nft"):
        here.a.run("nft", "-f", "-", stdin=NFT.replace("inet filter", "inet mine").replace("drop", "accept"))
        texts = {"tcp": (NET_A[4] + "[tcp]", NET_B[4] + "[tcp/7000]", GCM + LONG)}
        b = Charon(here.b, "xfrm", connection(B[4], A[4], {
            "tcp": f"local_ts = {texts['tcp'][1]}\nremote_ts = {texts['tcp'][0]}\n{GCM}{LONG}"}))
        a = Charon(here.a, OURS.name, connection(A[4], B[4], {
            "tcp": f"local_ts = {texts['tcp'][0]}\nremote_ts = {texts['tcp'][1]}\n{GCM}{LONG}"
                   f"updown = {SCRIPT} nft table inet mine\n"}))
        a.initiate("tcp")
        lab.equal(b.children(), 1, "CHILD_SAs")

        def listed():
            chain = here.a.run("nft", "list", "chain", "inet", "mine", "forward").stdout
            return all(part in chain for part in (f"ip saddr {NET_B[4]} ip daddr {NET_A[4]}",
                                                  f"ip saddr {NET_A[4]} ip daddr {NET_B[4]}", "tcp",
                                                  "sport 7000", "dport 7000"))
        lab.wait_for(listed, "the rules")


@lab.test("strongSwan's own '_updown iptables': inbound rules match as over XFRM, outbound rules never do")
def theirs():
    here = Lab.clean()
    with firewall(here, "iptables"):
        before = rules(here)
        bring_up(here, THEIRS)
        opened(here, before + 4)
        lab.equal(pinged(here.s, T[4]), OURS is Xfrm, "an answer")
        text = here.a.run("iptables", "-L", "FORWARD", "-v", "-n", "-x").stdout
        counts = {way: int(line.split()[0]) for line in text.splitlines() for way in ("in", "out")
                  if f"dir {way}" in line}
        lab.equal(counts["out"] > 0, OURS is Xfrm, "the outbound rule matches")
        here.a.run("iptables", "-P", "FORWARD", "ACCEPT")
        traffic.ping(here.s, S[4], T[4])
        text = here.a.run("iptables", "-L", "FORWARD", "-v", "-n", "-x").stdout
        lab.true(any("dir in" in line and int(line.split()[0]) > 0 for line in text.splitlines()),
                 "the inbound rule does not match")


@lab.test("masquerading: an exemption by address, and a device, keep what is protected from being masqueraded; "
          "'rt ipsec exists' matches nothing")
def masquerade():
    here = Lab.clean()
    flush(here)
    rule = "table ip nat {{ chain post {{ type nat hook postrouting priority srcnat; {} }}; }}"
    try:
        here.a.run("nft", "-f", "-", stdin=rule.format(
            f"rt ipsec exists counter accept; ip daddr {NET_B[4]} accept; oifname wan masquerade;"))
        bring_up(here, "/bin/true")
        traffic.ping(here.s, S[4], T[4], count=3)
        lab.equal(here.in_clear(), 0, "packets in clear")
        text = here.a.run("nft", "list", "table", "ip", "nat").stdout
        lab.equal("counter packets 0 " in text, OURS is not Xfrm, "'rt ipsec exists' matches nothing")
        if OURS is Xfrm:
            return
        here = Lab.clean()
        flush(here)
        here.a.run("nft", "-f", "-", stdin=rule.format("oifname wan masquerade;"))
        here.a.run(CLI, "link", "add", "ipsec42", "if-id", str(IF_ID), "dev", "wan", "up")
        here.a.ip(f"route replace {NET_B[4]} dev ipsec42\n")
        bring_up(here, "/bin/true", f"if_id_in = {IF_ID}\nif_id_out = {IF_ID}\n")
        traffic.ping(here.s, S[4], T[4], count=3)
        lab.equal(here.in_clear(), 0, "packets in clear")
    finally:
        flush(here)


if __name__ == "__main__":
    lab.main()
