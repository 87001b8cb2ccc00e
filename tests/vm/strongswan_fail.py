#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Failures with strongSwan: peers that vanish, crashes, a plugin that cannot work.

See sites.py for the topology; a is over espah, b over XFRM.
"""
import os
import re

import lab
import module
from charon import RUN, Charon, connection
from ipsec import OURS, Espah
from sites import A, B, GCM, LONG, NET_A, NET_B, T, Lab, carry, net, reply, sides


# --- peers and daemons that vanish ------------------------------------------------------------

@lab.test("dead peer detection: the peer vanishes, its SAs and policies go, nothing is left")
def vanished():
    here = Lab.clean()
    a, b = here.pair(4, net("dpd_action = clear\n"), extra="dpd_delay = 2s")
    a.initiate()
    carry(here)
    b.stop(kill=True)
    lab.wait_for(lambda: here.left() == ([], []), "all SAs and policies to go", 120)


@lab.test("charon killed: nothing in clear while it is away; started again, it deletes its SAs at once, and "
          "takes its policies over")
def killed():
    here = Lab.clean()
    a, _ = here.pair(4, net("start_action = trap\n"))
    lab.wait_for(lambda: reply(here), "an answer", 60)
    Espah.batch(here.a, [
        "sa add out spi 0x4242 src 203.0.113.1 dst 203.0.113.2 tunnel aes128gcm16 key "
        + "ab" * 20, "policy add out 10.77.0.0/16 10.78.0.0/16 discard"])
    a.stop(kill=True)
    for _ in range(20):
        here.s.run("ping", "-n", "-c", "1", "-W", "0.05", T[4], check=False)
    lab.equal(here.in_clear(), 0, "packets in clear while charon was away")
    stale = {sa["spi"] for sa in here.sas()}
    lab.equal(len(stale), 3, "SAs while charon was away")
    policies = len(here.policies())
    a.start()
    lab.wait_for(lambda: len(here.sas()) == 1, "charon to delete its own SAs, and no others")
    lab.equal(len(here.policies()), policies, "policies before charon has its configuration")
    here.s.run("ping", "-n", "-c", "1", "-W", "0.05", T[4], check=False)
    lab.equal(here.in_clear(), 0, "packets in clear before charon has its configuration")
    a.swanctl("--load-all", "--noprompt")
    lab.wait_for(lambda: reply(here), "an answer", 60)
    lab.equal(len(here.policies()), policies, "policies after the restart")
    lab.equal(len(here.sas()), 3, "SAs after the restart")
    lab.equal(stale & {sa["spi"] for sa in here.sas()}, {"0x00004242"},
              "SAs from before the crash")


# --- failures that charon's log explains --------------------------------------------------------

def refused(here, why, **options):
    """Checks that charon starts, and does not silently use XFRM."""
    a = Charon(here.a, OURS.name, **options)
    a.wait_log(f"kernel-espah: {why}")
    Charon(here.b, "xfrm", sides(LONG, LONG)[1])
    a.load(sides(LONG, LONG)[0])
    a.initiate(check=False)
    lab.true("no SA or policy can be installed" in a.log(), "no complaint in charon's log")
    lab.equal(here.a.run("ip", "xfrm", "state").stdout, "", "XFRM's SAs")


@lab.test("the plugin is of another version than charon: its log says so, and XFRM is not used instead")
def version():
    here = Lab.clean()
    with open("/usr/sbin/charon-systemd", "rb") as file:
        program = file.read()
    lab.true(b"5.9.8" in program, "this charon is not 5.9.8")
    with open(f"{RUN}/other-charon", "wb") as file:
        file.write(program.replace(b"5.9.8", b"5.9.7"))
    os.chmod(f"{RUN}/other-charon", 0o755)
    refused(here, "the plugin is built for strongSwan 5.9.8", program=f"{RUN}/other-charon")


@lab.test("what XFRM can and espah cannot is refused, charon's log names it, and nothing is left")
def lacking():
    here = Lab.clean()
    options = {"hw_offload = yes": "hardware offload are not supported",
               "interface = nosuch": "there is no device 'nosuch'",
               "interface = wan\nif_id_out = 5":
               "policies with both an if_id and an interface are not supported"}
    Charon(here.b, "xfrm", sides(LONG, LONG)[1])
    a = Charon(here.a, OURS.name, connection(A[4], B[4], {
        f"n{number}": f"local_ts = {NET_A[4]}\nremote_ts = {NET_B[4]}\n{GCM}{LONG}{option}\n"
        for number, option in enumerate(options)}))
    for number, (option, why) in enumerate(options.items()):
        with lab.verdict(f"refused, and said so: {option}"):
            before = len(a.log())
            a.initiate(f"n{number}", check=False)
            lab.true(re.search(f"kernel-espah: .*{why}", a.log()[before:]),
                     "the log does not name it")
            lab.wait_for(lambda: (a.children(), here.left()) == (0, ([], [])),
                         "what was begun to go")
            lab.equal(here.a.run("ip", "xfrm", "state").stdout, "", "XFRM's SAs")


@lab.test("the module is not loaded: charon's log says so, and XFRM is not used instead")
def unloaded():
    here = Lab.clean()
    module.unload()
    try:
        refused(here, "the kernel module espah is not loaded")
    finally:
        Charon.stop_all()
        module.load()


@lab.test("charon lacks CAP_NET_ADMIN: its log says so")
def privilege():
    here = Lab.clean()
    path = f"{RUN}/a.log"
    try:
        Charon(here.a, OURS.name, program="setpriv --bounding-set -net_admin --inh-caps -net_admin "
               "/usr/sbin/charon-systemd", start_timeout=10)
    except lab.Failed:
        pass  # kernel-netlink needs it too, for addresses, so charon exits
    with open(path) as file:
        log = file.read()
    lab.true("kernel-espah: charon lacks CAP_NET_ADMIN" in log, f"the log says: {log[-400:]}")


if __name__ == "__main__":
    lab.main()
