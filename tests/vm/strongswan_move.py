#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan, espah, and addresses that change: NAT traversal and MOBIKE.

See sites.py for the topology; a is over espah, b over XFRM.
"""
import lab
import traffic
from charon import Charon
from ipsec import Espah
from sites import A, B, LONG, S, T, Lab, carry, monitored, reply, sides


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
    """Lets m translate what leaves by a device, and forget what it knew."""
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


def roam(here, mover, ns, other, number):
    """Takes the address of a gateway away while a flow passes; it has another one."""
    carry(here)
    before = {sa["spi"]: sa for sa in Espah.sas(here.a)}
    address = f"198.51.100.{number}" if ns is here.b else f"192.0.2.{number}"
    first = (B if ns is here.b else A)[4]
    try:
        ns.ip(f"addr add {address}/24 dev wan\n")
        mover.wait_log(address)
        ns.ip(f"addr del {first}/24 dev wan\n")
        with ns:
            lab.run("ip", "addr", "replace", f"{address}/24", "dev", "wan")
            lab.run("ip", "route", "replace", "default", "via",
                    "198.51.100.254" if ns is here.b else "192.0.2.254")
        here.m.run("ip", "route", "replace", "10.2.0.0/24" if ns is here.b else "10.1.0.0/24",
                   "via", address)
        lab.wait_for(lambda: all(address in (sa["src"], sa["dst"])
                                 for sa in Espah.sas(here.a)), "the SAs to move", 60)
        lab.wait_for(lambda: reply(here), "an answer", 60)
        traffic.ping(here.s, S[4], T[4], count=3)
        traffic.ping(here.t, T[4], S[4], count=3)
        after = {sa["spi"]: sa for sa in Espah.sas(here.a)}
        lab.equal(set(after), set(before), "SPIs, before and after")
        for spi, sa in after.items():
            lab.true(sa["seq"] > before[spi]["seq"] > 0, "a sequence number that began anew")
        lab.equal(here.in_clear(), 0, "packets in clear")
    finally:
        with ns:
            lab.run("ip", "addr", "replace", f"{first}/24", "dev", "wan", check=False)
            lab.run("ip", "addr", "del", f"{address}/24", "dev", "wan", check=False)
            lab.run("ip", "addr", "replace", f"{first}/24", "dev", "wan", check=False)
            lab.run("ip", "route", "replace", "default", "via",
                    "198.51.100.254" if ns is here.b else "192.0.2.254", check=False)
        here.m.run("ip", "route", "replace", "10.2.0.0/24" if ns is here.b else "10.1.0.0/24",
                   "via", first)


@lab.test("MOBIKE: espah's end gets another address; the SAs move with their replay state")
def mobike():
    here = Lab.clean()
    conf = sides(LONG, LONG)
    b = Charon(here.b, "xfrm", conf[1].replace(f"remote_addrs = {A[4]}", "remote_addrs = %any"))
    a = Charon(here.a, "espah", conf[0].replace(f"local_addrs = {A[4]}", "local_addrs = %any"))
    a.initiate()
    roam(here, a, here.a, b, 9)


@lab.test("MOBIKE: XFRM's end gets another address; espah's SAs follow with their replay state")
def followed():
    here = Lab.clean()
    conf = sides(LONG, LONG)
    a = Charon(here.a, "espah", conf[0].replace(f"remote_addrs = {B[4]}", "remote_addrs = %any"))
    b = Charon(here.b, "xfrm", conf[1].replace(f"local_addrs = {B[4]}", "local_addrs = %any"))
    b.initiate()
    roam(here, b, here.b, a, 9)


if __name__ == "__main__":
    lab.main()
