# SPDX-License-Identifier: GPL-2.0-only
"""Actions of a world (see chaos.py) on devices, routes, settings and rules."""
import ctypes
import os
import subprocess

from place import INNER, OUTER, Queue

MTUS = (68, 576, 1280, 1281, 1400, 1500, 1500, 1500, 9000, 65535)


class Network:
    """The part of a world that adds, changes and removes objects outside espah."""

    def other(self, place):
        return self.places[self.dice.choice([title for title in "abm" if title != place.title])]

    def add_device(self):
        """Adds a device that encapsulates packets, or that combines other devices."""
        place, dice = self.place(), self.dice
        other = self.other(place)
        table = dice.choice((OUTER, OUTER, INNER))
        (local, local6), (remote, remote6) = table[place.title], table[other.title]
        lower, number, mtu = dice.choice(place.devices), dice.randrange(4), dice.choice(MTUS)
        ends, ends6 = f"local {local} remote {remote}", f"local {local6} remote {remote6}"
        some, some6 = dice.choice(((ends, ends6), (f"local {local}", f"local {local6}"), (f"remote {remote}",
                                                                                         f"remote {remote6}")))
        table = dice.choice((10, 11, 254))
        kinds = ["dummy", f"vrf table {table}", f"LINK macvlan mode {dice.choice(('bridge', 'private', 'vepa'))}",
                 f"LINK ipvlan mode {dice.choice(('l2', 'l3', 'l3s'))}", f"LINK vlan id {number}",
                 f"LINK macvtap mode {dice.choice(('bridge', 'passthru'))}", f"veth peer name x{self.serial}",
                 f"xfrm dev {lower} if_id {number + 1}", "espah", "bond mode active-backup", "ifb", "LINK macsec"]
        if "tunnel" not in self.without:
            word = dice.choice(("", "", " ttl 64", " ttl inherit", " nopmtudisc", " tos inherit"))
            kinds += 2 * [
                f"gre {some}{word}", f"gre {ends} key {number} csum seq", f"gretap {ends}{word}",
                f"ip6gre {ends6}", f"ip6gretap {ends6}", f"ip6gre {some6} key 5 encaplimit none",
                f"erspan {ends} seq key 5 erspan_ver {1 + number % 2}", f"ipip {some}{word}", f"sit {some}{word}",
                f"ipip {ends} mode any", f"sit {ends} mode any", f"ip6tnl mode any {ends6}",
                f"ip6tnl mode ipip6 {some6} encaplimit none", f"vxlan id {number} remote {remote} local {local} "
                f"dstport 4789", f"vxlan id {number} remote {remote6} local {local6} dstport 4790",
                f"vxlan id 9 group 239.1.2.3 dev {lower} dstport 4791", "vxlan external dstport 4792",
                f"geneve id {number} remote {remote}", f"geneve id {number} remote {remote6}",
                "bareudp dstport 6635 ethertype ipv4", f"vti {ends} key {number + 1}", f"vti6 {ends6} key 5",
                f"ipip {ends} encap fou encap-sport auto encap-dport 5555",
                f"sit {ends} encap gue encap-sport auto encap-dport 5556 encap-csum",
                f"ip6tnl mode any {ends6} encap fou encap-sport 5555 encap-dport 5557", "gre external",
                "gtp role sgsn"]
        if self.sealed:  # a device that shares a wire also sends packets of others
            kinds = [kind for kind in kinds if not kind.startswith("LINK ")]
        kind = dice.choice(kinds)
        self.serial += 1
        device, over = f"d{self.serial % 40}", ""
        if kind.startswith("LINK "):
            kind, over = kind[5:], f"link {lower} "
        if "encap fou" in kind or "encap gue" in kind:
            place.ip(f"fou add port 5555 ipproto {dice.choice((4, 41))}", "fou add port 5556 gue",
                     "fou add port 5557 ipproto 4 -6")
        place.ip(f"link del {device}", f"link add {over}name {device} type {kind}",
                 f"link set {device} mtu {mtu}" if self.chance(0.5) else "link set lo up", f"link set {device} up",
                 f"addr add 10.8.{number}.{1 + 'abm'.index(place.title)}/24 dev {device}",
                 f"addr add fd08:{number}::{1 + 'abm'.index(place.title)}/64 dev {device} nodad")
        place.devices.append(device)
        if kind.startswith("veth"):
            if self.chance(0.5):
                place.ip(f"link set x{self.serial - 1} netns {other.shell.pid}")
            place.ip(f"link set x{self.serial - 1} up")
        if self.chance(0.6):
            self.detour(place, device)
        self.count("devices")

    def detour(self, place, device):
        """Adds routes by a device, also for the peers of the SAs."""
        other = self.other(place)
        for table in self.dice.sample((OUTER, INNER), self.dice.choice((1, 1, 2))):
            i = self.dice.randrange(2)
            target = self.dice.choice((table[other.title][i], "default" if not i else "fd08:1::/64"))
            place.ip(f"route replace {target} dev {device}"
                     + self.dice.choice(("", "", " mtu 1280", " mtu lock 600", " onlink", " table 10")))

    def change_device(self):
        place, dice = self.place(), self.dice
        device = dice.choice(place.devices)
        how = dice.randrange(9)
        if how == 0 and device not in ("lo", place.device):
            place.ip(f"link del {device}")
        elif how == 1:
            place.ip(f"link set {device} down", f"link set {device} up")
        elif how == 2:
            place.ip(f"link set {device} mtu {dice.choice(MTUS)}")
        elif how == 3 and device != "lo":
            place.ip(f"link set {device} master {dice.choice(('red', 'd1', 'd2', 'd3', *place.devices))}")
        elif how == 4:
            place.ip(f"link set {device} nomaster")
        elif how == 5 and device.startswith("d") and not self.sealed:
            place.ip(f"link set {device} netns {self.other(place).shell.pid}")
        elif how == 6:
            place.ip(f"link set {device} arp {dice.choice(('on', 'off'))}",
                     f"link set {device} promisc {dice.choice(('on', 'off'))}")
        elif how == 7:
            table = dice.choice((OUTER, INNER))
            place.ip(f"addr {dice.choice(('add', 'del'))} {table[dice.choice('abm')][0]}/32 dev {device}")
        else:
            self.detour(place, device)

    def light_tunnel(self):
        """Adds routes that encapsulate or decapsulate packets."""
        place, dice = self.place(), self.dice
        other = self.other(place)
        (_, outer6), (inner4, inner6) = OUTER[other.title], INNER[other.title]
        device = dice.choice(place.devices)
        via4, via6 = self.next_hop(place.title, other.title)
        mine6 = INNER[place.title][1]
        segments = dice.choice((outer6, inner6, f"{outer6},{inner6}", f"fd10::7:{dice.randrange(3)},{inner6}"))
        number = dice.randrange(3)
        place.ip(dice.choice((
            f"route replace {inner6} encap seg6 mode {dice.choice(('inline', 'encap', 'encap.red'))} segs "
            f"{segments} dev {device}",
            f"route replace {inner4} encap seg6 mode {dice.choice(('encap', 'encap.red'))} segs {segments} "
            f"dev {device}",
            f"route replace {inner6} encap seg6 mode encap segs {segments} via {via6}",
            f"route replace fd10::7:{number} encap seg6local action End dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.X nh6 {via6} dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.T table 254 dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.DT6 table 254 dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.DT4 vrftable 10 dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.DT46 vrftable 10 dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.DX4 nh4 {via4} dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.DX6 nh6 {via6} dev {device}",
            f"route replace fd10::7:{number} encap seg6local action End.B6.Encaps srh segs {inner6} dev {device}",
            f"route replace {mine6} encap seg6local action End.DX6 nh6 :: dev {device}",
            f"route replace {inner6} encap rpl segs {segments} dev {device}",
            f"route replace {inner6} encap ioam6 mode {dice.choice(('inline', 'encap tundst ' + outer6))} trace "
            f"prealloc type 0x800000 ns 1 size 12 dev {device}",
            f"route replace {inner6} encap ila 1:2:3:4 csum-mode {dice.choice(('adj-transport', 'neutral-map'))} "
            f"ident-type luid hook-type {dice.choice(('output', 'input'))} via {via6}",
            f"route replace {inner4} encap mpls {dice.choice(('100', '101', '100/200'))} via {via4}",
            f"route replace {inner6} encap mpls 100 via {via6}",
            f"route replace {inner4} encap ip id 5 dst {via4} dev {device}",
            f"route replace {inner6} encap ip6 id 5 dst {via6} dev {device}",
            f"route replace {inner4} encap xfrm if_id {number + 1} dev {device}",
            f"sr tunsrc set {mine6}",
            f"nexthop replace id {number + 1} via {via4} dev {device}",
            f"nexthop replace id 9 group {number + 1}/{(number + 1) % 3 + 1}",
            f"route replace {inner4} nhid {dice.choice((number + 1, 9))}",
            f"route replace {inner4} nexthop via {via4} nexthop dev {device}",
            f"rule add {dice.choice(('fwmark 1', f'to {inner4}', f'iif {device}'))} table {dice.choice((10, 11))}",
        )))
        if self.chance(0.1) and place != self.sealed:  # MPLS passes no hook of IP
            with place:
                lines = "".join(line + "\n" for line in (
                    f"route replace 100 dev {device}", f"route replace 101 via inet {via4} dev {device}",
                    f"route replace 200 dev lo", f"route replace 100 via inet6 {via6}"))
                subprocess.run(["ip", "-f", "mpls", "-force", "-batch", "-"], input=lines.encode(), check=False,
                               capture_output=True)
            place.sysctl(f"net/mpls/conf/{device}/input", 1)
        self.count("routes")

    def settings(self):
        place, dice = self.place(), self.dice
        device = dice.choice(("all", "default", *place.devices)).replace(".", "/")
        path, values = dice.choice((
            ("net/ipv4/ip_forward", (0, 1)), ("net/ipv6/conf/all/forwarding", (0, 1)),
            (f"net/ipv4/conf/{device}/rp_filter", (0, 1, 2)), (f"net/ipv4/conf/{device}/accept_local", (0, 1)),
            (f"net/ipv4/conf/{device}/route_localnet", (0, 1)), (f"net/ipv4/conf/{device}/send_redirects", (0, 1)),
            (f"net/ipv4/conf/{device}/disable_xfrm", (0, 1)), (f"net/ipv4/conf/{device}/disable_policy", (0, 1)),
            (f"net/ipv6/conf/{device}/disable_ipv6", (0, 1)), (f"net/ipv6/conf/{device}/seg6_enabled", (0, 1)),
            ("net/netfilter/nf_hooks_lwtunnel", (1,)), ("net/ipv4/ip_early_demux", (0, 1)),
            ("net/ipv4/ip_no_pmtu_disc", (0, 1, 3)), ("net/ipv4/fwmark_reflect", (0, 1)),
            ("net/netfilter/nf_conntrack_tcp_be_liberal", (0, 1)), ("net/ipv4/ping_group_range", ("0 0", "1 0")),
            ("net/bridge/bridge-nf-call-iptables", (0, 1)), ("net/bridge/bridge-nf-filter-vlan-tagged", (0, 1)),
            ("net/ipv4/ip_forward_use_pmtu", (0, 1)), ("net/ipv6/flowlabel_reflect", (0, 1, 3))))
        place.sysctl(path, dice.choice(values))

    def rules(self):
        place, dice = self.place(), self.dice
        other = self.other(place)
        inner, inner6 = INNER[other.title]
        devices = ", ".join(f'"{device}"' for device in dict.fromkeys((place.device or "lo", "lo")))
        device = place.device or "lo"
        family = dice.choice(("inet", "inet", "ip", "ip6"))
        port = self.ports[0]
        hook = dice.choice(("prerouting", "input", "forward", "output", "postrouting"))
        priority = dice.choice((-400, -300, -200, -150, 0, 100, 300, 2147483647))
        rule = dice.choice((
            f"queue num {dice.randrange(2)}", f"queue num {dice.randrange(2)} bypass", "reject", "notrack",
            f"meta mark set {dice.randrange(2)}", "ct mark set 1", "meta ipsec exists counter",
            "rt ipsec missing counter", "meta l4proto esp counter", "ipsec in reqid 1 counter",
            "fib daddr type local counter", "fib saddr . iif oif missing drop", "ct state invalid drop", "ct helper \"x\" counter",
            "reject with tcp reset", "meta nftrace set 1", "meta priority set 1:1", "meta secmark set 1",
            f"dup to {inner}", "meta pkttype set other", "socket transparent 1 counter", "tcp option maxseg size set 500",
            "ip ttl set 1", "ip6 hoplimit set 1", "ip dscp set 3", "exthdr dst exists drop", "numgen random mod 3 0 drop",
            "limit rate 5/second drop", "udp dport set 4500", "udp sport set 4500", "th dport set 500"))
        nat = dice.choice(("masquerade", "masquerade random", f"snat ip to {inner}", f"snat ip6 to {inner6}",
                           f"dnat ip to {inner}", f"dnat ip6 to {inner6}", f"redirect to :{port}",
                           f"dnat ip to {inner}:4500"))
        side = "postrouting" if nat.startswith(("masq", "snat")) else dice.choice(("prerouting", "output"))
        table = f"t{dice.randrange(4)}"
        text = dice.choice((
            f"table {family} {table} {{ chain c{hook} {{ type filter hook {hook} priority {priority}; {rule} }} }}",
            f"table {family} {table} {{ chain c{hook} {{ type filter hook {hook} priority {priority}; {rule} }} }}",
            f"table inet n{table} {{ chain n {{ type nat hook {side} priority 0; {nat} }} }}",
            f"table inet f {{ flowtable f {{ hook ingress priority 0; devices = {{ {devices} }}; }}\n"
            "chain c { type filter hook forward priority 0; meta l4proto { tcp, udp } flow add @f } }",
            f"table netdev e {{ chain i {{ type filter hook ingress device \"{device}\" priority 0; "
            + dice.choice((f"fwd to \"{dice.choice(place.devices)}\"", f"dup to \"{dice.choice(place.devices)}\"",
                           "meta mark set 1", "meta l4proto esp limit rate 20/second accept", "ip ttl set 3"))
            + " } }",
            f"table netdev e {{ chain o {{ type filter hook egress device \"{device}\" priority 0; "
            + dice.choice((f"dup to \"{dice.choice(place.devices)}\"", "meta mark set 1", "counter")) + " } }",
            "table bridge b { chain c { type filter hook "
            + dice.choice(("prerouting", "forward", "input", "output", "postrouting")) + " priority 0; "
            + dice.choice(("ct state new,established accept", "queue num 0 bypass", "reject", "meta mark set 1",
                           "meta broute set 1", "ether type vlan drop")) + " } }",
            "table inet y { chain c { type filter hook prerouting priority -300; tcp flags syn notrack }\n"
            "chain d { type filter hook input priority 0; ct state invalid,untracked synproxy mss 1400 } }",
            "table inet p { chain c { type filter hook prerouting priority -150; meta l4proto udp tproxy to :7 } }",
            "table inet h { ct helper ftp { type \"ftp\" protocol tcp; }\n"
            "chain c { type filter hook prerouting priority -200; tcp dport 7 ct helper set \"ftp\" } }",
            "flush ruleset", "flush ruleset", f"delete table inet f", f"delete table {family} {table}"))
        if "bridge" in self.without and "table bridge" in text or \
                place == self.sealed and "table netdev" in text:  # netdev hooks come after the hooks of IP
            return
        self.count("rulesets")
        if place.firewall.run(text.replace(" } }", "\n}\n}").replace(" }\n", "\n}\n")):
            self.count("rulesets taken")
        elif os.environ.get("ESPAH_HOSTILE_VERBOSE"):
            place.firewall.library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
            self.count("nft: " + place.firewall.library.nft_ctx_get_error_buffer(
                place.firewall.context).decode()[:150])
        if "queue num" in text and len(place.queues) < 2:
            place.queues.append(Queue(place, len(place.queues), dice))

    def xfrm(self):
        """Configures the kernel's own IPsec beside ours, with the same addresses."""
        place, dice = self.place(), self.dice
        other = self.other(place)
        i = dice.randrange(2)
        src, dst = OUTER[place.title][i], OUTER[other.title][i]
        mode, key = dice.choice(("tunnel", "transport")), dice.randbytes(20).hex()
        place.ip(dice.choice((
            f"xfrm state add src {src} dst {dst} proto esp spi {dice.choice(self.spis):#x} mode {mode} "
            f"aead rfc4106(gcm(aes)) 0x{key} 128" + dice.choice(("", " if_id 1", " flag af-unspec")),
            f"xfrm state add src {dst} dst {src} proto esp spi {dice.choice(self.spis):#x} mode {mode} "
            f"aead rfc4106(gcm(aes)) 0x{key} 128",
            f"xfrm policy add src {src} dst {dst} dir out tmpl src {src} dst {dst} proto esp mode {mode}",
            f"xfrm policy add src {INNER[place.title][i]} dst {INNER[other.title][i]} dir out "
            f"tmpl src {src} dst {dst} proto esp mode tunnel" + dice.choice(("", " level use")),
            f"xfrm policy add dst {dst} dir out if_id 1 tmpl src {src} dst {dst} proto esp mode tunnel",
            f"xfrm policy add src {dst} dst {src} dir in tmpl src {dst} dst {src} proto esp mode {mode} level use",
            "xfrm state flush", "xfrm policy flush", "xfrm policy flush")))
