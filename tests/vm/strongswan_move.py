#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan and espah with changing addresses: NAT traversal and MOBIKE.

See sites.py for the topology; a is over espah, b over XFRM.
"""
import lab
import traffic
from charon import Charon
from ipsec import Espah
from sites import A, B, LONG, NET_A, NET_B, S, T, Lab, carry, monitored, reply, sides


# --- NAT and moving -------------------------------------------------------------------------

NAT = """
table ip nat
delete table ip nat
table ip nat {{
    chain post {{
        type nat hook postrouting priority srcnat;
        oifname "{out}" meta l4proto udp masquerade to :{ports}
    }}
}}
"""


def translate(here, out, ports):
    """Lets m translate packets that leave by a device, and clears its state."""
    with here.m:
        lab.run("nft", "-f", "-", stdin=NAT.format(out=out, ports=ports))
        lab.run("conntrack", "-F", check=False)


def no_nat(here):
    here.m.run("nft", "delete", "table", "ip", "nat", check=False)
    here.m.run("conntrack", "-F", check=False)


@lab.test("NAT traversal: espah's end behind a NAT, ESP in UDP both ways")
def behind():
    here = Lab.clean()
    try:
        translate(here, "east", "20000-20099")
        Charon(here.b, "xfrm", sides(LONG, LONG)[1].replace(f"remote_addrs = {A[4]}",
                                                            "remote_addrs = %any"))
        a = Charon(here.a, "espah", sides(LONG, LONG)[0])
        a.initiate()
        lab.equal({sa["encap"]["sport" if sa["dir"] == "out" else "dport"]
                   for sa in Espah.sas(here.a)}, {4500}, "espah's own UDP port")
        carry(here)
    finally:
        no_nat(here)


@lab.test("NAT traversal: the NAT gives the peer another port in flight; charon is told, the flow goes on")
def mapping():
    here = Lab.clean()
    try:
        translate(here, "west", "20000-20099")
        a = Charon(here.a, "espah", sides(LONG, LONG)[0].replace(f"remote_addrs = {B[4]}",
                                                                 "remote_addrs = %any"))
        b = Charon(here.b, "xfrm", sides(LONG, LONG)[1])
        b.initiate()
        carry(here)
        spis = {sa["spi"] for sa in Espah.sas(here.a)}
        translate(here, "west", "30000-30099")

        def moved():
            here.t.run("ping", "-n", "-c", "1", "-W", "1", S[4], check=False)
            return all(30000 <= port <= 30099 for sa in Espah.sas(here.a)
                       for port in (sa["encap"]["dport" if sa["dir"] == "out" else "sport"],))
        with monitored(here, "mapping"):
            lab.wait_for(moved, "the SAs to have the new port", 60)
        lab.equal({sa["spi"] for sa in Espah.sas(here.a)}, spis, "SPIs, before and after")
        lab.true("changed to" in a.log(), "no mapping in charon's log")
        traffic.ping(here.s, S[4], T[4], count=3)
        traffic.ping(here.t, T[4], S[4], count=3)
        lab.equal(here.in_clear(), 0, "packets in clear")
    finally:
        no_nat(here)


# charon probes each path to each peer address that it has a route to, and uses the path of
# the first answer. So m lets IKE pass on one path only
ONE_PATH = """
table inet path {{
    chain forward {{
        type filter hook forward priority filter - 1;
        {family} daddr {{ {to} }} accept
        udp dport {{ 500, 4500 }} drop
    }}
}}
"""


def roam(here, mover, ns, other, family=4):
    """
    Deletes the address of a gateway during a flow; the gateway has another one, of that family.
    other: the only address of the peer that is reachable.
    """
    carry(here)
    before = {sa["spi"]: sa for sa in Espah.sas(here.a)}
    first = (B if ns is here.b else A)[4]
    second = first.rpartition(".")[0] + ".9"
    gateway = first.rpartition(".")[0] + ".254"
    inner = NET_B[4] if ns is here.b else NET_A[4]
    moved = second if family == 4 else (B if ns is here.b else A)[6]
    try:
        ns.ip(f"addr add {second}/24 dev wan\n")
        mover.wait_log(second)
        here.m.run("nft", "-f", "-", stdin=ONE_PATH.format(
            family="ip" if family == 4 else "ip6", to=f"{moved}, {other}"))
        ns.ip(f"addr del {first}/24 dev wan\nroute replace default via {gateway}\n")
        here.m.ip(f"route replace {inner} via {second}\n")
        lab.wait_for(lambda: {frozenset((sa["src"], sa["dst"])) for sa in Espah.sas(here.a)}
                     == {frozenset((moved, other))}, f"the SAs to move to {moved} and {other}", 60)
        lab.wait_for(lambda: reply(here), "an answer", 60)
        traffic.ping(here.s, S[4], T[4], count=3)
        traffic.ping(here.t, T[4], S[4], count=3)
        after = {sa["spi"]: sa for sa in Espah.sas(here.a)}
        lab.equal(set(after), set(before), "SPIs, before and after")
        for spi, sa in after.items():
            lab.true(sa["seq"] > before[spi]["seq"] > 0, "a sequence number that began anew")
        lab.equal(here.in_clear(), 0, "packets in clear")
    finally:
        here.m.run("nft", "delete", "table", "inet", "path", check=False)
        # after the other address is deleted, the first one is the primary again
        for words in (f"addr replace {first}/24 dev wan", f"addr del {second}/24 dev wan",
                      f"route replace default via {gateway}"):
            ns.run("ip", *words.split(), check=False)
        here.m.run("ip", "route", "replace", inner, "via", first)


for family_, what in (4, "another address"), (6, "IPv6 alone"):
    @lab.test(f"MOBIKE: espah's end is left with {what}; the SAs move with their replay state",
              family_)
    def mobike(family):
        here = Lab.clean()
        conf = sides(LONG, LONG)
        Charon(here.b, "xfrm", conf[1].replace(f"remote_addrs = {A[4]}", "remote_addrs = %any"))
        a = Charon(here.a, "espah", conf[0].replace(f"local_addrs = {A[4]}",
                                                    "local_addrs = %any"))
        a.initiate()
        roam(here, a, here.a, B[family], family)


@lab.test("MOBIKE: XFRM's end gets another address; espah's SAs follow with their replay state")
def followed():
    here = Lab.clean()
    conf = sides(LONG, LONG)
    Charon(here.a, "espah", conf[0].replace(f"remote_addrs = {B[4]}", "remote_addrs = %any"))
    b = Charon(here.b, "xfrm", conf[1].replace(f"local_addrs = {B[4]}", "local_addrs = %any"))
    b.initiate()
    roam(here, b, here.b, A[4])


if __name__ == "__main__":
    lab.main()
