#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan and espah with changing addresses: NAT traversal and MOBIKE.

See sites.py for the topology; a is over espah, b over XFRM.
"""
import lab
import traffic
from charon import Charon
from ipsec import OURS
from sites import A, B, LONG, S, T, Lab, carry, monitored, no_nat, roam, sides, translate


@lab.test("NAT traversal: espah's end behind a NAT, ESP in UDP both ways")
def behind():
    here = Lab.clean()
    try:
        translate(here, "east", "20000-20099")
        Charon(here.b, "xfrm", sides(LONG, LONG)[1].replace(f"remote_addrs = {A[4]}",
                                                            "remote_addrs = %any"))
        a = Charon(here.a, OURS.name, sides(LONG, LONG)[0])
        a.initiate()
        lab.equal({sa["encap"]["sport" if sa["dir"] == "out" else "dport"]
                   for sa in here.sas()}, {4500}, "espah's own UDP port")
        carry(here)
    finally:
        no_nat(here)


@lab.test("NAT traversal: the NAT gives the peer another port in flight; charon is told, the flow goes on")
def mapping():
    here = Lab.clean()
    try:
        translate(here, "west", "20000-20099")
        a = Charon(here.a, OURS.name, sides(LONG, LONG)[0].replace(f"remote_addrs = {B[4]}",
                                                                 "remote_addrs = %any"))
        b = Charon(here.b, "xfrm", sides(LONG, LONG)[1])
        b.initiate()
        carry(here)
        spis = {sa["spi"] for sa in here.sas()}
        translate(here, "west", "30000-30099")

        def moved():
            here.t.run("ping", "-n", "-c", "1", "-W", "1", S[4], check=False)
            return all(30000 <= port <= 30099 for sa in here.sas()
                       for port in (sa["encap"]["dport" if sa["dir"] == "out" else "sport"],))
        with monitored(here, "mapping"):
            lab.wait_for(moved, "the SAs to have the new port", 60)
        lab.equal({sa["spi"] for sa in here.sas()}, spis, "SPIs, before and after")
        lab.true("changed to" in a.log(), "no mapping in charon's log")
        traffic.ping(here.s, S[4], T[4], count=3)
        traffic.ping(here.t, T[4], S[4], count=3)
        lab.equal(here.in_clear(), 0, "packets in clear")
    finally:
        no_nat(here)


for family_, what in (4, "another address"), (6, "IPv6 alone"):
    @lab.test(f"MOBIKE: espah's end is left with {what}; the SAs move with their replay state",
              family_)
    def mobike(family):
        here = Lab.clean()
        conf = sides(LONG, LONG)
        Charon(here.b, "xfrm", conf[1].replace(f"remote_addrs = {A[4]}", "remote_addrs = %any"))
        a = Charon(here.a, OURS.name, conf[0].replace(f"local_addrs = {A[4]}",
                                                    "local_addrs = %any"))
        a.initiate()
        roam(here, a, here.a, B[family], family)


@lab.test("MOBIKE: XFRM's end gets another address; espah's SAs follow with their replay state")
def followed():
    here = Lab.clean()
    conf = sides(LONG, LONG)
    Charon(here.a, OURS.name, conf[0].replace(f"remote_addrs = {B[4]}", "remote_addrs = %any"))
    b = Charon(here.b, "xfrm", conf[1].replace(f"local_addrs = {B[4]}", "local_addrs = %any"))
    b.initiate()
    roam(here, b, here.b, A[4])


if __name__ == "__main__":
    lab.main()
