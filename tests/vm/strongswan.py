#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan keys espah; its peer is strongSwan over XFRM. See sites.py for the topology."""
import re

import lab
import traffic
from charon import Charon, connection
from ipsec import OURS, Espah, need_plugin
from sites import A, B, GCM, NET_A, NET_B, S, T, Lab, esp, tunnel, two_networks


@lab.test("net2net, IPv4: strongSwan brings up a tunnel, traffic passes both ways, --list-sas counts it")
def net2net():
    here = Lab.clean()
    a, b = here.pair(4, {"net": (NET_A[4], NET_B[4], GCM)})
    a.initiate()
    if OURS is Espah:  # by the plugin
        lab.equal([thing["owner"] for thing in (*here.sas(), *here.policies())],
                  ["daemon"] * len([*here.sas(), *here.policies()]), "owners")
        lab.equal([sa["label"] for sa in here.sas()], [f"charon {B[4]}"] * 2,
                  "labels of the SAs: whose they are, and the peer's identity")
        lab.equal([policy["label"] for policy in here.policies()],
                  [f"charon {B[4]}"] * 2, "labels of the policies")
    traffic.ping(here.s, S[4], T[4], count=3)
    traffic.ping(here.t, T[4], S[4], count=3)
    # 84 bytes an inner packet: 56 of data, 8 of ICMP, 20 of IPv4
    lab.equal(a.counters(), (6 * 84, 6 * 84), "bytes in and out that a's swanctl shows")
    lab.equal(a.counters(), b.counters(), "bytes in and out, as both ends see them")
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(here.dropped(), {}, "drops")
    a.swanctl("--terminate", "--ike", "gw")
    lab.wait_for(lambda: here.left() == ([], []), "all SAs and policies to go")


@lab.test("routes: table 220 has what charon installs for XFRM, while the tunnel is up; none with "
          "install_routes = no")
def routes():
    need_plugin()
    here = Lab.clean()
    children = {"net": (NET_A[4], NET_B[4], GCM), "six": (NET_A[6], NET_B[6], GCM),
                "host": (A[4], B[4], GCM + "mode = transport\n"),
                "tcp": (NET_A[4] + "[tcp]", "10.2.1.0/24[tcp]", GCM)}

    def table():
        return [here.a.run("ip", family, "route", "show", "table", "220", check=False).stdout
                for family in ("-4", "-6")]
    seen = {}
    for stack, options in ("xfrm", ""), ("espah", ""), ("espah", "install_routes = no"):
        here = Lab.clean()
        a, _ = here.pair(4, children, a_stack=stack, options=options)
        for child in children:
            a.initiate(child)
        seen[stack + options] = table()
        if stack == "espah" and not options:
            with here.a:  # with the source address of the route
                lab.run("ping", "-n", "-c", "1", "-W", "10", T[4])
            lab.equal(here.in_clear(), 0, "packets in clear")
        a.swanctl("--terminate", "--ike", "gw")
        lab.wait_for(lambda: not any(table()), "the routes to go")
    lab.true(all(seen["xfrm"]), f"no routes over XFRM: {seen}")
    lab.equal(seen["espah"], seen["xfrm"], "table 220, IPv4 and IPv6")
    lab.equal(seen["espahinstall_routes = no"], ["", ""], "table 220 with install_routes = no")


for outer_, inner_ in (6, 6), (4, 6), (6, 4):
    lab.test(f"net2net: IPv{inner_} in IPv{outer_} carries pings and TCP both ways")(
        lambda outer=outer_, inner=inner_: tunnel(Lab.clean(), "net", outer, inner))


@lab.test("two sites with two networks each: all four pairs of networks pass")
def several():
    here = two_networks()
    a, _ = here.pair(4, {"net": ("10.1.0.0/24,10.1.1.0/24", "10.2.0.0/24,10.2.1.0/24", GCM)})
    a.initiate()
    for left in "10.1.0.2", "10.1.1.2":
        for right in "10.2.0.2", "10.2.1.2":
            traffic.ping(here.s, left, right)
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(len(here.policies()), 8, "policies")


for family_ in 4, 6:
    @lab.test(f"host2host, IPv{family_}: transport mode carries pings and TCP", family_)
    def transport(family):
        here = Lab.clean()
        a, b = here.pair(family, {"host": (A[family], B[family], GCM + "mode = transport\n")})
        a.initiate("host")
        lab.equal({sa["mode"] for sa in here.sas()}, {"transport"}, "modes")
        traffic.ping(here.a, A[family], B[family])
        with traffic.Transfer(here.b, B[family], here.a, A[family], 7000) as transfer:
            transfer.move(bytes(100000))
        lab.equal(here.in_clear(), 0, "packets in clear")
        # XFRM counts other bytes in transport mode
        lab.equal(a.counters("packets"), b.counters("packets")[::-1], "packets at both ends")


@lab.test("a policy for TCP port 7000 alone: that goes through the tunnel, ping does not")
def port():
    here = Lab.clean()
    a, _ = here.pair(4, {"net": (NET_A[4] + "[tcp]", NET_B[4] + "[tcp/7000]", GCM)})
    a.initiate()
    with traffic.Transfer(here.s, S[4], here.t, T[4], 7000) as transfer:
        transfer.move(bytes(100000))
    lab.equal(here.in_clear(), 0, "packets in clear")
    traffic.ping(here.s, S[4], T[4])
    lab.equal(here.in_clear(), 2, "packets in clear with a ping")


@lab.test("a policy for UDP ports 7000 to 7010: they go through the tunnel, port 7500 does not")
def port_range():
    here = Lab.clean()
    a, _ = here.pair(4, {"net": (NET_A[4] + "[udp]", NET_B[4] + "[udp/7000-7010]", GCM)})
    a.initiate()
    with traffic.udp(here.s, S[4]) as sender:
        for number, clear in (7000, 0), (7010, 0), (7500, 1):
            with traffic.udp(here.t, T[4], number) as receiver:
                traffic.deliver(sender, receiver, [b"hello"])
            lab.equal(here.in_clear(), clear, f"packets in clear after port {number}")
    lab.equal(here.dropped(), {}, "drops")


@lab.test("one IKE_SA with two CHILD_SAs: both carry, and one carries on when the other is ended")
def two():
    here = two_networks()
    a, _ = here.pair(4, {"net": (NET_A[4], NET_B[4], GCM),
                         "more": ("10.1.1.0/24", "10.2.1.0/24", GCM)})
    a.initiate()
    first = {sa["spi"] for sa in here.sas()}
    a.initiate("more")
    lab.equal(len(re.findall(r"\bstate=ESTABLISHED\b", a.sas())), 1, "IKE_SAs")
    lab.equal((len(here.sas()), len(here.policies())), (4, 4),
              "SAs and policies")
    traffic.ping(here.s, S[4], T[4])
    traffic.ping(here.s, "10.1.1.2", "10.2.1.2")
    a.swanctl("--terminate", "--child", "more")
    lab.wait_for(lambda: {sa["spi"] for sa in here.sas()} == first, "the second one to go")
    lab.equal(len(here.policies()), 2, "policies")
    traffic.ping(here.t, T[4], S[4])
    lab.equal(here.in_clear(), 0, "packets in clear")
    lab.equal(here.dropped(), {}, "drops")


@lab.test("algorithms: each proposal is negotiated with XFRM and carries pings")
def algorithms():
    here = Lab.clean()
    proposals = {
        "aes128gcm16": "aes128gcm16", "aes192gcm12": "aes192gcm12", "aes256gcm8": "aes256gcm8",
        "aes128ccm16": "aes128ccm16", "aes256ccm8": "aes256ccm8",
        "chacha20poly1305": "chacha20poly1305", "aes128gmac": "aes128gmac",
        "aes256gmac": "aes256gmac", "aes128-sha256": "aes128-sha256",
        "aes256-sha512": "aes256-sha512", "aes192-sha384": "aes192-sha384",
        "aes128-sha1": "aes128-sha1", "aes128-aesxcbc": "aes128-aesxcbc",
        "aes128-aescmac": "aes128-aescmac", "aes128ctr-sha256": "aes128ctr-sha256",
        "aes256ctr-sha512": "aes256ctr-sha512", "null-sha256": "null-sha256",
        "aes128gcm16-esn": "aes128gcm16", "aes256-sha256-esn": "aes256-sha256"}
    ends = f"local_ts = {NET_A[4]}\nremote_ts = {NET_B[4]}\nreplay_window = 64\n"
    # a responder chooses by the selectors only, so b has one child, which accepts all
    Charon(here.b, "xfrm", connection(B[4], A[4], {
        "all": f"local_ts = {NET_B[4]}\nremote_ts = {NET_A[4]}\nreplay_window = 64\n"
               + esp(",".join(proposals))}))
    a = Charon(here.a, OURS.name, connection(A[4], B[4], {
        name: ends + esp(name) for name in proposals}))
    for name, algorithm in proposals.items():
        with lab.verdict(f"algorithms: {name}"):
            a.initiate(name)
            sas = here.sas()
            lab.equal([sa["alg"] for sa in sas], [algorithm] * 2, "algorithms of the SAs")
            lab.equal([bool(sa.get("esn")) for sa in sas], [name.endswith("esn")] * 2, "ESN")
            before = here.in_clear()
            traffic.ping(here.s, S[4], T[4], count=2)
            traffic.ping(here.t, T[4], S[4])
            lab.equal(here.in_clear(), before, "packets in clear")
            lab.equal(here.dropped(), {}, "drops")
        a.swanctl("--terminate", "--child", name, check=False)
        lab.wait_for(lambda: here.left() == ([], []), "all SAs and policies to go")


for family_ in 4, 6:
    @lab.test(f"AH, IPv{family_}: sha256 and sha1 with ESN, tunnel and transport", family_)
    def ah(family):
        here = Lab.clean()
        window = "replay_window = 64\n"
        a, _ = here.pair(family, {
            "tunnel": (NET_A[family], NET_B[family], "ah_proposals = sha256\n" + window),
            "host": (A[family], B[family], "ah_proposals = sha1-esn\nmode = transport\n" + window)})
        for name, ends in (("tunnel", (here.s, S, T)), ("host", (here.a, A, B))):
            a.initiate(name)
            traffic.ping(ends[0], ends[1][family], ends[2][family], count=2)
        lab.equal({sa["proto"] for sa in here.sas()}, {"ah"}, "protocols")
        lab.equal(here.in_clear(), 0, "packets in clear")
        lab.equal(here.dropped(), {}, "drops")


@lab.test("espah on both ends: a tunnel over IPv6 carries pings and TCP")
def both():
    need_plugin()
    tunnel(Lab.clean(), "net", 6, 4, b_stack="espah")


if __name__ == "__main__":
    lab.main()
