#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan as Debian ships it keys espah, without our plugin: espah_xfrm answers its kernel-netlink.

espah_xfrm answers in all namespaces of a machine, so the peer over XFRM is on a machine of its own:
see sites.py. The tests are those of the suites imported here. ESPAH_PAIR=all: all of them that
do not need the plugin, otherwise a few of each. ESPAH_LAB_OURS=xfrm: XFRM on both machines.
"""
import os

import lab
import peer
import strongswan  # noqa: F401; importing a suite registers its tests
import strongswan_device  # noqa: F401
import strongswan_field  # noqa: F401
import strongswan_move  # noqa: F401
import strongswan_rekey  # noqa: F401
import strongswan_road  # noqa: F401
import strongswan_stop  # noqa: F401
import strongswan_trixie  # noqa: F401

FEW = ("net2net, IPv4", "net2net: IPv6 in IPv6", "host2host, IPv4", "a trap policy",
       "rekeying of CHILD_SA and IKE_SA by espah's end", "NAT traversal: espah's end",
       "MOBIKE: espah's end is left with another", "if_id, IPv4 outside", "mark_in and mark_out: two",
       "strongSwan 6.0: a tunnel", "policies = no", "keep_traps = no")

if __name__ == "__main__":
    lab.true(peer.PORT, "no peer machine: scripts/vm --peer tests/vm/peer.py boots one")
    if os.environ.get("ESPAH_PAIR") != "all":
        lab.tests[:] = [test for test in lab.tests if test[0].startswith(FEW)]
        os.environ["ESPAH_REKEY"] = "12"
    lab.main()
