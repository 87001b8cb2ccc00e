#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Libreswan's pluto keys espah by espah_xfrm; its peer on another machine is over XFRM.

See sites.py for the topology. ESPAH_PAIR=all: all tests, otherwise a few; ESPAH_LAB_OURS=xfrm: XFRM on both machines.
"""
import os

import lab
import peer
import traffic
from charon import Charon
from ipsec import OURS, Espah
from pluto import Pluto, conn
from sites import A, B, GCM, LONG, NET_A, NET_B, S, T, Flow, Lab, carries_on, carry, check_flow, no_nat, quiet, \
    reply, sides, translate

ADD, TRAP = "auto = add\n", "auto = ondemand\n"
ESP = "esp = aes_gcm128\n"


class Site(Lab):
    """A lab whose a has pluto; its policies that let neighbour discovery pass are there from its start."""

    def pluto(self, more=ADD + ESP, outer=4, inner=4, b="charon", text=GCM + LONG, host=False,
              local=None):
        """pluto at a, and at b pluto or charon with that text for the child."""
        nets = (None, None) if host else (NET_A[inner], NET_B[inner])
        if b == "pluto":
            self.far = Pluto(self.b, "xfrm", conn(B[outer], A[outer], *nets[::-1], more=ADD + ESP))
        else:
            far = sides("", text.replace(GCM, ""), A[outer], B[outer])[1] \
                .replace(f"remote_addrs = {A[outer]}", "remote_addrs = %any")
            if host or inner == 6:
                far = far.replace(f"local_ts = {NET_B[4]}", f"local_ts = {nets[1] or B[outer]}")
                far = far.replace(f"remote_ts = {NET_A[4]}", f"remote_ts = {nets[0] or A[outer]}")
            self.far = Charon(self.b, "xfrm", far)
        self.near = Pluto(self.a, OURS.name, conn(local or A[outer], B[outer], *nets, more=more))
        self.standing = 0 if "ondemand" in more else len(self.policies())
        return self.near

    def ended(self, policies=0):
        lab.wait_for(lambda: not self.sas() and len(self.policies()) == self.standing + policies,
                     "the SAs and policies to go")


def clean():
    here = Site.clean()
    here.a.run("ip", "link", "del", "ipsec7", check=False)
    quiet(here.a)
    return here


@lab.test("Libreswan: a tunnel with strongSwan carries pings and TCP, --trafficstatus counts it, nothing is left")
def net2net():
    here = clean()
    a = here.pluto()
    a.initiate()
    traffic.ping(here.s, S[4], T[4], count=3)
    lab.equal(a.counters(), (3 * 84, 3 * 84), "bytes in and out that pluto shows")
    carry(here)
    a.whack("--name", "net", "--delete")
    here.ended()


@lab.test("Libreswan on both ends: IPv6 in IPv6 carries pings and TCP")
def six():
    here = clean()
    here.pluto(outer=6, inner=6, b="pluto").initiate()
    carry(here, 6)


@lab.test("Libreswan: transport mode carries pings and TCP")
def transport():
    here = clean()
    a = here.pluto(ADD + ESP + "type = transport\n", text="mode = transport\n" + LONG, host=True)
    a.initiate()
    lab.equal({sa["mode"] for sa in here.sas()}, {"transport"}, "modes")
    traffic.ping(here.a, A[4], B[4], count=2)
    with traffic.Transfer(here.b, B[4], here.a, A[4], 7000) as transfer:
        transfer.move(bytes(100000))
    lab.equal(here.in_clear(), 0, "packets in clear")
    a.whack("--name", "net", "--delete")
    here.ended()


@lab.test("Libreswan: a trap; the first packet raises the acquire, then traffic passes, none in clear")
def trap():
    here = clean()
    a = here.pluto(TRAP + ESP)
    lab.wait_for(lambda: 'added' in a.log() and here.policies(), "the trap")
    before = len(here.policies())
    lab.equal(here.sas(), [], "SAs before the first packet")
    lab.wait_for(lambda: reply(here), "an answer", 60)
    carries_on(here)
    lab.true(len(here.policies()) >= before, "policies went")


@lab.test("Libreswan: the CHILD_SA and the IKE_SA are rekeyed under a flow both ways: none lost, none twice, "
          "none in clear")
def rekey():
    here = clean()
    a = here.pluto()
    a.initiate()
    carry(here)
    with Flow(here) as flow:
        for _ in range(3):
            before = {sa["spi"] for sa in here.sas()}
            a.whack("--name", "net", "--rekey-ipsec")
            lab.wait_for(lambda: not before & {sa["spi"] for sa in here.sas()}, "other SAs", 30)
        a.whack("--name", "net", "--rekey-ike")
    check_flow(here, flow)
    lab.equal(len(here.sas()), 2, "SAs")


@lab.test("Libreswan with ESN and a window of 256, AES-CBC and HMAC-SHA-2: pings and TCP pass")
def esn():
    here = clean()
    a = here.pluto(ADD + "esp = aes128-sha2_256\nesn = yes\nreplay-window = 256\n",
                   text=LONG + "esp_proposals = aes128-sha256-esn\n")
    a.initiate()
    lab.equal([bool(sa.get("esn")) for sa in here.sas()], [True] * 2, "ESN")
    carry(here)


@lab.test("Libreswan behind a NAT: ESP in UDP both ways")
def behind():
    here = clean()
    try:
        translate(here, "east", "20000-20099")
        here.pluto(ADD + ESP + f"leftid = {A[4]}\n").initiate()
        lab.equal({sa["encap"]["sport" if sa["dir"] == "out" else "dport"] for sa in here.sas()}, {4500},
                  "espah's own UDP port")
        carry(here)
    finally:
        no_nat(here)


@lab.test("Libreswan with MOBIKE: its gateway is left with another address; the SAs move there (MIGRATE), and carry")
def moves():
    here = clean()
    second = "192.0.2.9"
    try:
        a = here.pluto(ADD + ESP + f"leftid = {A[4]}\nmobike = yes\n", local="%defaultroute")
        a.initiate()
        carry(here)
        before = {sa["spi"] for sa in here.sas()}
        here.a.ip(f"addr add {second}/24 dev wan\naddr del {A[4]}/24 dev wan\n"
                  "route replace default via 192.0.2.254\n")
        here.m.ip(f"route replace {NET_A[4]} via {second}\n")
        lab.wait_for(lambda: {sa["src"] for sa in here.sas() if sa["dir"] == "out"} == {second}, "SAs that have moved", 60)
        lab.equal({sa["spi"] for sa in here.sas()}, before, "SPIs")
        carry(here)
    finally:
        here.a.ip(f"addr replace {A[4]}/24 dev wan\n")
        here.a.run("ip", "addr", "del", f"{second}/24", "dev", "wan", check=False)
        here.a.ip("route replace default via 192.0.2.254\n")
        here.m.ip(f"route replace {NET_A[4]} via {A[4]}\n")


@lab.test("Libreswan with ipsec-interface: it makes a device of kind xfrm, which carries what is routed into it")
def interface():
    here = clean()
    a = here.pluto(ADD + ESP + "ipsec-interface = 7\n")
    a.initiate()
    devices = Espah.json(here.a, "link")
    lab.equal([(device["name"], device["if_id"], device["up"]) for device in devices], [("ipsec7", 7, True)], "devices")
    lab.equal({sa["if_id"] for sa in here.sas()}, {7}, "if_ids")
    here.a.ip(f"route replace {NET_B[4]} dev ipsec7\n")
    carry(here)
    after, = Espah.json(here.a, "link")
    lab.true(after["tx"]["packets"] > 2 and after["rx"]["packets"] > 2, f"the device carried {after}")
    a.whack("--name", "net", "--delete")
    here.ended()


@lab.test("Libreswan killed and started again: nothing in clear meanwhile, then the tunnel works")
def killed():
    here = clean()
    a = here.pluto(TRAP + ESP)
    lab.wait_for(lambda: reply(here), "an answer", 60)
    a.stop(kill=True)
    for _ in range(10):
        here.s.run("ping", "-n", "-c", "1", "-W", "0.05", T[4], check=False)
    lab.equal(here.in_clear(), 0, "packets in clear while pluto was away")
    a.start()
    a.tool("addconn", "--autoall")
    a.initiate()
    traffic.ping(here.s, S[4], T[4], count=3)
    lab.equal(here.in_clear(), 0, "packets in clear")


if __name__ == "__main__":
    lab.true(peer.PORT, "no peer machine: scripts/vm --peer tests/vm/peer.py boots one")
    if os.environ.get("ESPAH_PAIR") != "all":
        lab.tests[:] = [test for test in lab.tests if test[1] in (net2net, trap, rekey)]
    lab.main()
