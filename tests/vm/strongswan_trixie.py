#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Debian 13's strongSwan 6.0 keys espah; its peer is strongSwan 5.9 over XFRM.

See sites.py for the topology. The daemon runs in its own root file system, with its own libraries.
"""
import os
import re
import shutil

import lab
import traffic
from charon import RUN, Charon, PLUGIN
from ipsec import CLI, OURS, Espah, need_plugin
from sites import LONG, NET_B, S, T, Lab, quiet, reply, sides

ROOT = os.environ.get("ESPAH_STRONGSWAN_TRIXIE", "")


def install():
    """Completes trixie's root: with the plugin built for trixie, if it is used, and what a root needs."""
    if not ROOT:
        raise lab.Skipped("ESPAH_STRONGSWAN_TRIXIE does not name what scripts/strongswan trixie "
                          "prints")
    root = f"{ROOT}/root"
    if OURS is Espah:
        plugin = f"{PLUGIN}/trixie/libstrongswan-kernel-espah.so"
        lab.true(os.path.exists(plugin), f"no plugin: make -C {PLUGIN} trixie")
        shutil.copy(plugin, f"{root}/usr/lib/ipsec/plugins/")
        shutil.copy(f"{PLUGIN}/kernel-espah.conf", f"{root}/etc/strongswan.d/charon/")
    os.makedirs(RUN, exist_ok=True)
    if not os.path.ismount(f"{root}/run"):
        for folder in "dev", "proc", "run", "sys":
            os.makedirs(f"{root}/{folder}", exist_ok=True)
            lab.run("mount", "--rbind", f"/{folder}", f"{root}/{folder}")
    return f"chroot {root} /usr/sbin/charon-systemd"


@lab.test("strongSwan 6.0: a tunnel carries pings and TCP, --list-sas counts it, rekeying and a "
          "trap work, nothing is left")
def trixie():
    here = Lab.clean()
    program = install()
    conf = sides(LONG + "start_action = trap\n", LONG)
    Charon(here.b, "xfrm", conf[1])
    a = Charon(here.a, OURS.name, conf[0], program=program)
    lab.equal("loaded plugins: charon-systemd kernel-espah" in a.log(), OURS is Espah, "the plugin is loaded")
    version = a.swanctl("--version", "--daemon")
    lab.true(re.search(r"\b6\.0\.\d", version), f"it is not 6.0: {version}")
    lab.wait_for(lambda: reply(here), "an answer", 60)
    carried = here.dropped()
    # this charon makes a device of kind xfrm to see whether it can, and IPv6 reports to it
    lab.true(set(carried) - {"device_no_policy"} <= OURS.TRAPPED, f"drops: {carried}")
    traffic.ping(here.s, S[4], T[4], count=3)
    first = {sa["spi"] for sa in here.sas()}
    a.swanctl("--rekey", "--child", "net")
    lab.wait_for(lambda: {sa["spi"] for sa in here.sas()} - first and
                 not first & {sa["spi"] for sa in here.sas()}, "other SAs")
    traffic.ping(here.t, T[4], S[4], count=3)
    lab.true(min(a.counters()) >= 3 * 84, f"bytes in and out: {a.counters()}")
    lab.true(re.search(r"\buse-in=\d", a.sas()), "no time of use")
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(set(here.dropped()) - set(carried) - {"device_no_policy"}, set(), "drops once the SAs are there")
    a.swanctl("--terminate", "--ike", "gw")
    lab.wait_for(lambda: not here.sas(), "all SAs to go")


@lab.test("strongSwan 6.0: a CHILD_SA with an if_id and set_mark_in carries through its device")
def device():
    need_plugin()
    here = Lab.clean()
    program = install()
    conf = sides("if_id_in = %unique\nif_id_out = %unique\nset_mark_in = 0x20/0xf0\n" + LONG,
                 LONG)
    Charon(here.b, "xfrm", conf[1])
    a = Charon(here.a, OURS.name, conf[0], program=program)
    a.initiate()
    if_id = int(re.search(r"\bif-id-out=(\w+)", a.sas())[1], 16)
    quiet(here.a)
    try:
        here.a.run(CLI, "link", "add", "ipsec0", "if-id", str(if_id), "up")
        here.a.ip(f"route replace {NET_B[4]} dev ipsec0\n")
        traffic.ping(here.s, S[4], T[4], count=3)
        traffic.ping(here.t, T[4], S[4], count=3)
        lab.equal(here.in_clear(), 0, "packets in clear")
        lab.equal(here.dropped(), {}, "drops")
        a.swanctl("--terminate", "--ike", "gw")
        lab.wait_for(lambda: here.left() == ([], []), "all SAs and policies to go")
    finally:
        here.a.run("ip", "link", "del", "ipsec0", check=False)


@lab.test("strongSwan 6.0: mark_out and interface: what has the mark and leaves by the interface "
          "is protected, and nothing else")
def conditions():
    here = Lab.clean()
    program = install()
    conf = sides("mark_out = 7\ninterface = wan\n" + LONG, LONG)
    Charon(here.b, "xfrm", conf[1])
    a = Charon(here.a, OURS.name, conf[0], program=program)
    a.initiate()
    lab.true(not reply(here), "an answer without the mark")
    before = here.in_clear()
    lab.equal(before, 1, "packets in clear without the mark")
    here.a.run("nft", "add table ip six; add chain ip six pre { type filter hook prerouting "
               "priority mangle; }; add rule ip six pre iifname lan meta mark set 7")
    try:
        traffic.ping(here.s, S[4], T[4], count=3)
        lab.equal(here.in_clear(), before, "packets in clear")
    finally:
        here.a.run("nft", "delete table ip six")


@lab.test("strongSwan 6.0 with the plugin of 5.9: its log says so, and XFRM is not used instead")
def other():
    need_plugin()
    here = Lab.clean()
    program = install()
    shutil.copy(f"{PLUGIN}/libstrongswan-kernel-espah.so", f"{ROOT}/root/usr/lib/ipsec/plugins/")
    a = Charon(here.a, OURS.name, program=program)
    a.wait_log("kernel-espah: the plugin is built for strongSwan 5.9")
    Charon(here.b, "xfrm", sides(LONG, LONG)[1])
    a.load(sides(LONG, LONG)[0])
    a.initiate(check=False)
    lab.true("no SA or policy can be installed" in a.log(), "no complaint in charon's log")
    lab.equal(here.a.run("ip", "xfrm", "state").stdout, "", "XFRM's SAs")


if __name__ == "__main__":
    lab.main()
