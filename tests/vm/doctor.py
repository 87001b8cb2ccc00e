#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""espah doctor: it finds what breaks a tunnel, its cure mends it, and it says nothing of a tunnel that works.

   h 10.1.0.2 -- 10.1.0.1 a 192.0.2.1 ===== 192.0.2.2 b (XFRM), 10.2.0.1
     fd01::2      fd01::1   2001:db8::1     2001:db8::2           fd02::1

a protects by policies, or with the device ipsec0 by routes. Each fault is made, and a ping shows that it breaks
the tunnel. The commands that doctor gives are run as they are.
"""
import json
import os

import ipsec
import lab
import traffic
from ipsec import CLI, Espah, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
NEAR, FAR = {4: "10.1.0.0/24", 6: "fd01::/64"}, {4: "10.2.0.0/24", 6: "fd02::/64"}
H, B = {4: "10.1.0.2", 6: "fd01::2"}, {4: "10.2.0.1", 6: "fd02::1"}
ID = 42

# a firewall and NAT as a gateway has them, which let the tunnel pass
WALL = """
table inet wall {
    set peers { type ipv4_addr; elements = { 192.0.2.2 }; }
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        ct state vmap { established : accept, related : accept, invalid : drop }
        icmpv6 type { 133, 134, 135, 136 } accept
        ip saddr @peers meta l4proto { esp, ah } accept
        ip saddr @peers udp dport { 500, 4500 } accept
        limit rate over 1000/second counter drop
        tcp dport 22 accept
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "lan" accept
        meta ipsec exists accept
        iifname "ipsec0" accept
    }
    chain postrouting {
        type nat hook postrouting priority 100;
        ip daddr 10.2.0.0/24 accept
        ip6 daddr fd02::/64 accept
        oifname "wan" masquerade
    }
}
"""


class Lab:
    """The three hosts."""
    only = None
    device = False  # ipsec0 is there

    def __init__(self):
        lab.delete_all()
        self.h, self.a, self.b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
        lab.link(self.h, "eth0", self.a, "lan")
        lab.link(self.a, "wan", self.b, "eth0")
        self.h.ip("addr add 10.1.0.2/24 dev eth0\naddr add fd01::2/64 dev eth0 nodad\n"
                  "route add default via 10.1.0.1\nroute add default via fd01::1\n")
        self.a.ip("addr add 10.1.0.1/24 dev lan\naddr add fd01::1/64 dev lan nodad\n"
                  "addr add 192.0.2.1/24 dev wan\naddr add 2001:db8::1/64 dev wan nodad\n"
                  "route add default via 192.0.2.2\nroute add default via 2001:db8::2\n")
        self.b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 2001:db8::2/64 dev eth0 nodad\n"
                  "addr add 10.2.0.1/32 dev lo\naddr add fd02::1/128 dev lo nodad\n"
                  "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n"
                  "route add fd01::/64 via 2001:db8::1 src fd02::1\n")
        installed()

    @classmethod
    def get(cls, device=False, policies=True, **options):
        """The hosts with a tunnel; device: by ipsec0; a packet has passed."""
        for _ in range(2):  # an earlier test may have failed, and left what it broke
            cls.only = cls.only or cls()
            cls.only.tunnel(device, policies, **options)
            if not policies or cls.only.passes(wait="2"):
                return cls.only
            cls.only = None
        raise lab.Failed("no ping through the tunnel at the start")

    def tunnel(self, device, policies, **options):
        """Few programs, which take a tenth of a second each on an emulated processor."""
        out, back = SA(0x1000, *OUTER, **options), SA(0x1001, *OUTER[::-1], **options)
        pairs = [(Policy(NEAR[v], FAR[v], OUTER), Policy(FAR[v], NEAR[v], OUTER[::-1])) for v in (4, 6)]
        self.a.run("nft", "flush", "ruleset")
        self.b.ip("\n".join([
            "xfrm state flush", "xfrm policy flush", Xfrm.state(back, "out"), Xfrm.state(out, "in"),
            *(Xfrm.policy(policy[1], "out") for policy in pairs), *(Xfrm.policy(policy[0], "in") for policy in pairs)])
            + "\n")
        lines = ["flush", "config direct off"] + ["link del ipsec0"] * self.device
        if device:
            lines += [f"link add ipsec0 if-id {ID} dev wan up"]
            out.if_id = back.if_id = ID
        if policies:
            more = {"if_id": out.if_id}
            lines += [Espah.sa_line("out", out), Espah.sa_line("in", back)]
            lines += [Espah.policy_line("out", Policy(NEAR[v], FAR[v], OUTER, **more)) for v in (4, 6)]
            lines += [Espah.policy_line("in", Policy(FAR[v], NEAR[v], OUTER[::-1], **more)) for v in (4, 6)]
        Espah.batch(self.a, lines)
        self.device = device
        if device:
            self.a.ip(f"route add {FAR[4]} dev ipsec0\nroute add {FAR[6]} dev ipsec0\n")

    def passes(self, v=4, wait="5"):
        return not self.h.run("ping", "-n", "-c", "1", "-W", wait, "-I", H[v], B[v], check=False).returncode

    def fails(self, v=4):
        lab.true(not self.passes(v, "0.2"), "the fault does not break the tunnel")

    def nft(self, text):
        self.a.run("nft", "-f", "-", stdin=text)


def installed(on=True):
    """espah in the list of modules of this kernel, or not: it was loaded by insmod."""
    path = f"/lib/modules/{os.uname().release}/modules.dep"
    with open(path, encoding="ascii") as file:
        lines = [line for line in file if "/espah.ko" not in line]
    with open(path, "w", encoding="ascii") as file:
        file.writelines(lines + ["updates/espah.ko:\n"] * on)
    if not os.path.exists("/usr/local/sbin/espah"):  # the command as it stands in the cures
        os.makedirs("/usr/local/sbin", exist_ok=True)
        os.symlink(CLI, "/usr/local/sbin/espah")


def doctor(ns, *checks):
    """The findings, without notes. The exit status must agree with them."""
    result = ns.run(CLI, "-j", "doctor", *checks, check=False)
    findings = json.loads(result.stdout)
    severities = {finding["severity"] for finding in findings}
    want = 3 if severities & {"fault", "warning"} else 1 if "skipped" in severities else 0
    lab.equal(result.returncode, want, f"exit status with {severities}")
    lab.equal(result.stderr, "", "on stderr")
    return [finding for finding in findings if finding["severity"] != "note"]


def told(finding):
    return f"{finding['severity']} {finding['check']}: {finding['text']}"


def finds(ns, check, *words, severity="fault", **members):
    """The only finding of a check, whose text has the words."""
    findings = doctor(ns, check)
    lab.true(len(findings) == 1, f"findings: {[told(finding) for finding in findings]}")
    finding = findings[0]
    lab.equal((finding["severity"], finding["check"]), (severity, check), "kind of the finding")
    for word in words:
        lab.true(word in finding["text"], f"'{word}' is not in: {finding['text']}")
    for name, value in members.items():
        lab.equal(finding[name], value, f"{name} of the finding")
    return finding


def quiet(ns, *checks):
    lab.equal([told(finding) for finding in doctor(ns, *checks)], [], "findings")


def cure(ns, finding):
    """Runs the command of a finding as it stands; then the check has no findings."""
    ns.run("sh", "-c", finding["command"])
    quiet(ns, finding["check"])


@lab.test("a gateway with a firewall, NAT and traffic, by policies and by a device: nothing wrong, status 0")
def healthy():
    for device in False, True:
        here = Lab.get(device)
        here.nft(WALL)
        lab.true(here.passes(4) and here.passes(6), "no ping through the firewall")
        quiet(here.a)
        result = here.a.run(CLI, "doctor")
        lines = result.stdout.splitlines()
        lab.equal(lines[-1], "nothing wrong was found (18 checks)", "last line")
        # an earlier suite may have installed the plugin
        lab.true(all(line.startswith(("note drops: ", "note charon: ")) for line in lines[:-1]), f"it says: {lines}")
    # the peer may be among the protected addresses: ESP of this host is exempt
    here = Lab.get()
    both = "policy add both any4 any4 %s protect tunnel " + " ".join(OUTER) + " reqid 1"
    Espah.batch(here.a, ["policy flush", both % "dev wan"])
    lab.true(here.passes(), "no ping with policies for any address")
    quiet(here.a)


@lab.test("forwarding that is off is found, for each family, also of one device; the cure mends it")
def forwarding():
    here = Lab.get()
    for v, name, value, word in ((4, "net.ipv4.ip_forward", 0, "IPv4"),
                                 (4, "net.ipv4.conf.lan.forwarding", 0, "come by lan"),
                                 (4, "net.ipv4.conf.wan.forwarding", 0, "come by wan"),
                                 (6, "net.ipv6.conf.all.forwarding", 0, "IPv6")):
        here.a.sysctl(name, value)
        here.fails(v)
        findings = [finding for finding in doctor(here.a, "forwarding") if word in finding["text"]]
        lab.true(findings, f"not found: {name}")
        here.a.run("sh", "-c", findings[0]["command"])
        quiet(here.a, "forwarding")
        if v == 6:  # a default route of IPv6 goes with forwarding
            here.a.ip("route replace default via 2001:db8::2\n")
        lab.true(here.passes(v), f"no ping after the cure of {name}")


@lab.test("strict rp_filter drops ESP only where the route to the peer leads into the device; the cure mends it")
def rp_filter():
    here = Lab.get(device=True)
    here.a.sysctl("net.ipv4.conf.all.rp_filter", 1)
    quiet(here.a, "rp_filter", "routes")
    lab.true(here.passes(), "no ping with strict rp_filter")
    here.a.ip("route add 192.0.2.2/32 dev ipsec0\n")
    here.fails()
    cure(here.a, finds(here.a, "rp_filter", "strict on wan", "192.0.2.2", "ipsec0", device="wan"))
    lab.true(here.passes(), "no ping after the cure")
    here.a.ip("route del 192.0.2.2/32 dev ipsec0\n")
    here.a.sysctl("net.ipv4.conf.all.rp_filter", 0)
    here.a.sysctl("net.ipv4.conf.wan.rp_filter", 0)


def chain(hook, policy, *rules, table="wall", kind="inet", priority=0):
    lines = "\n".join(rules)
    return (f"table {kind} {table} {{ chain {hook} {{ type filter hook {hook} priority {priority}; "
            f"policy {policy};\n{lines}\n}}\n}}\n")


@lab.test("rules that drop ESP are found in each hook, by policy and by rule; the cure lets it pass")
def firewall():
    here = Lab.get()
    icmp = "meta l4proto { icmp, icmpv6 } accept"
    for text, words in (
            (chain("input", "drop", icmp), ("policy of the chain input (table inet wall)", "ESP from 192.0.2.2")),
            (chain("input", "accept", "ip protocol esp counter drop", kind="ip"), ("rule with handle", "table ip wall")),
            (chain("output", "drop", icmp), ("chain output", "ESP to 192.0.2.2")),
            (chain("prerouting", "accept", "ip saddr 192.0.2.0/24 meta l4proto esp drop", priority=-300),
             ("chain prerouting",)),
            (chain("postrouting", "accept", "meta l4proto { esp, ah } drop"), ("chain postrouting", "to 192.0.2.2")),
            ("table netdev edge { chain first { type filter hook ingress device wan priority 0; ip protocol esp drop; }; }",
             ("chain first (table netdev edge)",))):
        here.nft("flush ruleset\n" + text)
        here.fails()
        # nft 1.0.6 does not list the device of a chain, so that it may be about another one
        sure = "netdev" not in text
        cure(here.a, finds(here.a, "firewall", "drops" if sure else "may drop", *words,
                           severity="fault" if sure else "warning"))
        lab.true(here.passes(), f"no ping after the cure of {words}")


@lab.test("forward rules that drop all packets of a policy, or all answers, or all new connections, are found")
def forward():
    here = Lab.get()
    for rules, words in ((('iifname "wan" accept',), "all packets of policy"),
                         (('iifname "lan" accept',), "all answers to packets of policy"),
                         (("ct state established accept",), "all new connections, both ways, of policy")):
        here.nft("flush ruleset\n" + chain("forward", "drop", *rules, kind="ip"))
        here.a.run("conntrack", "-F", check=False)
        here.fails()
        finds(here.a, "firewall", "policy of the chain forward (table ip wall)", words, "10.1.0.0/24")
    for rules in (('iifname "lan" accept', "meta ipsec exists accept"),
                  ('iifname "lan" accept', "ct state established accept"),
                  ('oifname "lan" accept', "ct state established accept")):  # only the far end may begin
        here.nft("flush ruleset\n" + chain("forward", "drop", *rules, kind="ip"))
        quiet(here.a, "firewall")
        if "iifname" in rules[0]:
            lab.true(here.passes(), f"no ping with {rules}")


@lab.test("rules that spare known flows are a warning; what cannot be judged may drop; a wall past which ESP goes is "
          "none")
def doubtful():
    here = Lab.get()
    here.nft(chain("input", "drop", "ct state established accept"))
    finds(here.a, "firewall", "unless this host has sent some first", severity="warning")
    lab.true(here.passes(), "no ping though this host sends first")
    here.nft("flush ruleset\n" + chain("input", "drop", "meta mark 7 accept"))
    finds(here.a, "firewall", "may drop ESP", severity="warning")
    here.nft("flush ruleset\n" + chain("input", "drop", "meta l4proto icmp accept"))
    here.fails()
    Espah.batch(here.a, ["config direct on"])
    quiet(here.a, "firewall")
    lab.true(here.passes(), "no ping by the direct way")
    Espah.batch(here.a, ["config direct off"])


@lab.test("ESP in UDP: the port of the SA is asked for, not ESP")
def udp():
    here = Lab.get()
    with traffic.udp(here.b, "0.0.0.0", 4500) as sock:
        sock.setsockopt(17, 100, 2)  # UDP_ENCAP, UDP_ENCAP_ESPINUDP
        here.tunnel(False, True, encap=(4500, 4500))
        lab.true(here.passes(), "no ping in UDP")
        here.nft(chain("input", "drop", "meta l4proto { icmp, esp } accept", "udp dport 500 accept"))
        here.fails()
        cure(here.a, finds(here.a, "firewall", "UDP port 4500 from 192.0.2.2"))
        lab.true(here.passes(), "no ping after the cure")


@lab.test("a guard that was left is found; the cure removes it")
def guard():
    here = Lab.get()
    with open("/tmp/doctor.conf", "w", encoding="ascii") as file:
        file.write(f"policy add both {NEAR[4]} {FAR[4]} protect tunnel {' '.join(OUTER)}\n")
    here.nft(here.a.run(CLI, "guard", "/tmp/doctor.conf").stdout)
    here.fails()
    cure(here.a, finds(here.a, "firewall", "guard (table inet espah_guard)"))
    lab.true(here.passes(), "no ping after the cure")


NAT = "table ip nat { chain post { type nat hook postrouting priority 100;\n%s\n}; }"


@lab.test("source NAT ahead of policies is found, and packets leave in clear; exempt or harmless NAT is not")
def nat():
    here = Lab.get()
    here.b.ip("route replace 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n")
    for rules, how in (('oifname "wan" masquerade', "translates"),
                       ("ip saddr 10.0.0.0/8 snat to 192.0.2.77", "translates"),
                       ('rt ipsec exists accept\noifname "wan" masquerade', "translates"),
                       ('ip saddr 10.1.0.0/30 oifname "wan" masquerade', "some packets")):
        here.nft("flush ruleset\n" + NAT % rules)
        here.a.run("conntrack", "-F")
        with traffic.Wire(here.a, "wan", cleartext=True) as wire:
            here.passes(wait="0.2")
            lab.true(wire.frames(), f"nothing leaves in clear with {rules}")
        finding = finds(here.a, "nat", how, "chain post (table ip nat)", "leave in the clear", "leave by wan")
        cure(here.a, finding)
        here.a.run("conntrack", "-F")
        lab.true(here.passes(), f"no ping after the cure of {rules}")
    here.nft("flush ruleset\n" + NAT % 'meta mark 7 masquerade')
    finds(here.a, "nat", "may translate", severity="warning")
    here.nft("flush ruleset\n" + NAT % "meta l4proto esp snat to 192.0.2.77")
    here.a.run("conntrack", "-F")
    here.fails()
    cure(here.a, finds(here.a, "nat", "source of ESP to 192.0.2.2", "192.0.2.77"))
    here.a.run("conntrack", "-F")
    lab.true(here.passes(), "no ping after the cure of NAT of ESP")
    for rules in ('oifname "lan" masquerade', "ip daddr 10.2.0.0/16 return\nmasquerade",
                  "ip saddr 10.0.0.0/8 snat to 10.1.0.77",
                  "ip daddr != 10.2.0.0/24 masquerade"):
        here.nft("flush ruleset\n" + NAT % rules)
        quiet(here.a, "nat")


@lab.test("a policy that never applies, and one whose way back is missing; the cure adds that")
def policies():
    here = Lab.get()
    Espah.batch(here.a, [f"policy add out 10.0.0.0/8 any priority 5 bypass"])
    with traffic.Wire(here.a, "wan", cleartext=True) as wire:
        here.passes(wait="0.2")
        lab.true(wire.frames(), "nothing leaves in clear")
    finds(here.a, "policies", "never applies", "10.0.0.0/8 -> any", "10.1.0.0/24 -> 10.2.0.0/24",
          "lower priority number", severity="warning")
    Espah.batch(here.a, ["policy del out 10.0.0.0/8 any priority 5",
                         # a narrower one first, on a device that is not there, or of a mark: all apply
                         "policy add out 10.1.0.0/24 10.2.0.9 priority 5 bypass",
                         "policy add out any4 any4 mark 7 priority 4 bypass",
                         "policy add in 10.2.0.9 10.1.0.0/24 priority 5 bypass"])
    quiet(here.a, "policies")
    here.a.ip("link add ppp0 type dummy\n")
    Espah.batch(here.a, ["policy add out any4 any4 dev ppp0 priority 3 discard"])
    here.a.ip("link del ppp0\n")
    quiet(here.a, "policies")
    finds(here.a, "devices", "ppp0, which is not there", severity="warning", device="ppp0")
    Espah.batch(here.a, ["policy del out any4 any4 dev ppp0 priority 3"])
    quiet(here.a, "devices")
    for direction, src, dst, word in (("in", FAR, NEAR, "dropped (reason policy)"),
                                      ("out", NEAR, FAR, "leave in the clear")):
        Espah.batch(here.a, ["policy flush", *(Espah.policy_line(*line) for line in (
            ("out", Policy(NEAR[4], FAR[4], OUTER)), ("in", Policy(FAR[4], NEAR[4], OUTER[::-1])))),
                             f"policy del {direction} {src[4]} {dst[4]}"])
        here.fails()
        cure(here.a, finds(here.a, "policies", word))
        lab.true(here.passes(), f"no ping after the cure of the {direction} policy")


@lab.test("an in policy that is also for what other hosts send here in clear, to be protected")
def inward():
    here = Lab.get()
    Espah.batch(here.a, [f"policy add in 10.0.0.0/8 10.0.0.0/8 priority 5 protect tunnel {' '.join(OUTER[::-1])}"])
    here.fails()
    faults = [finding["text"] for finding in doctor(here.a, "policies") if finding["severity"] == "fault"]
    lab.true(len(faults) == 1 and "come by lan in clear are dropped (plaintext)" in faults[0] and
             "10.0.0.0/8 -> 10.0.0.0/8" in faults[0], f"faults: {faults}")


@lab.test("a policy without an SA, unless something listens for requests; an SA without a policy")
def sas():
    here = Lab.get()
    Espah.batch(here.a, [f"sa del out spi 0x1000 dst {OUTER[1]}"])
    here.fails()
    findings = doctor(here.a, "sas")
    lab.equal([("has no SA" in finding["text"], finding["severity"]) for finding in findings],
              [(True, "fault")] * 2, "findings")
    monitor = here.a.start(CLI, "monitor", "acquire", stdout=-3)
    lab.wait_for(lambda: not doctor(here.a, "sas"), "a listener")
    monitor.kill()
    monitor.wait()
    Espah.batch(here.a, [Espah.sa_line("out", SA(0x1002, *OUTER, reqid=1)),
                         Espah.sa_line("in", SA(0x1003, *OUTER[::-1], reqid=9))])
    finds(here.a, "sas", "no policy is for the SA", "0x00001003", "(reason policy)", severity="warning")


@lab.test("an outer address that is gone, a peer without a route, a device without a carrier")
def outer():
    here = Lab.get()
    here.a.ip("addr del 192.0.2.1/24 dev wan\n")
    findings = doctor(here.a, "addresses")
    lab.equal([finding["address"] for finding in findings], ["192.0.2.1"] * 2, "addresses")
    here.a.ip("addr add 192.0.2.1/24 dev wan\nroute add default via 192.0.2.2\n")
    quiet(here.a, "addresses", "routes")
    here.a.ip("route add unreachable 192.0.2.2/32\n")
    here.fails()
    finds(here.a, "routes", "no route to the peer 192.0.2.2", peer="192.0.2.2")
    here.a.ip("route del unreachable 192.0.2.2/32\n")
    here.b.ip("link set eth0 down\n")
    here.fails()
    finds(here.a, "routes", "wan, by which packets go to the peer 192.0.2.2, has no carrier")
    Lab.only = None


@lab.test("a device that is down, has no policy, whose route leads into itself, or is too big; the cures mend it")
def devices():
    here = Lab.get(device=True)
    here.a.ip("link set ipsec0 down\n")
    finding = finds(here.a, "devices", "ipsec0 is down", device="ipsec0")
    cure(here.a, finding)
    here.a.ip(f"route replace {FAR[4]} dev ipsec0\nroute replace {FAR[6]} dev ipsec0\n")
    lab.true(here.passes(), "no ping after the cure")
    here.a.run(CLI, "link", "set", "ipsec0", "mtu", "1500")
    finding = finds(here.a, "mtu", "ipsec0 was set to 1500", severity="warning")
    cure(here.a, finding)
    with here.a:
        lab.equal(json.loads(lab.run("ip", "-j", "link", "show", "ipsec0").stdout)[0]["mtu"], finding["fits"], "MTU")
    # RFC 4303: 20 + 8 + 8 + 2 + 16 bytes around a packet of 1,446 that needs no padding make 1,500
    lab.equal(finding["fits"], 1446, "bytes that fit")
    here.a.run(CLI, "link", "set", "ipsec0", "nodev")
    here.a.ip("route add 192.0.2.2/32 dev ipsec0\n")
    here.fails()
    finding = finds(here.a, "routes", "leads into ipsec0")
    lab.true("espah link set ipsec0 dev LINK" in finding["advice"], f"advice: {finding['advice']}")
    here.a.run(CLI, "link", "set", "ipsec0", "dev", "wan")
    lab.true(here.passes(), "no ping after the cure")
    Espah.batch(here.a, ["policy flush"])
    here.fails()
    finds(here.a, "devices", "no out policy has if-id 42", device="ipsec0")


@lab.test("a path that carries less than 1,280 bytes")
def path():
    here = Lab.get()
    here.a.ip("link set wan mtu 1100\n")
    lab.true(here.passes(), "no ping")
    finds(here.a, "mtu", "192.0.2.2 carries packets of 1100 bytes only", severity="warning")
    Lab.only = None


@lab.test("XFRM's own policies are found where they are in the way; the cure removes them; xfrm_user is not loaded")
def xfrm():
    here = Lab.get()
    template = f"tmpl src {OUTER[0]} dst {OUTER[1]} proto esp mode tunnel reqid 5"
    for direction, src, dst in (("out", NEAR, FAR), ("in", FAR, NEAR), ("fwd", FAR, NEAR)):
        here.a.ip(f"xfrm policy add dir {direction} src {src[4]} dst {dst[4]} {template}\n")
        if direction != "in":  # a ping to h is forwarded
            here.fails()
        cure(here.a, finds(here.a, "xfrm", f"dir {direction}", src[4]))
        lab.true(here.passes(), f"no ping after the cure of {direction}")
    here.a.ip(f"xfrm policy add dir fwd src {FAR[4]} dst {NEAR[4]} action block\n")
    here.fails()
    cure(here.a, finds(here.a, "xfrm", "dir fwd"))
    here.a.ip(f"xfrm policy add dir fwd src {FAR[4]} dst {NEAR[4]}\n"
              f"xfrm policy add dir out src 10.7.0.0/16 dst 10.8.0.0/16 {template}\n"
              f"xfrm policy add dir out src {NEAR[4]} dst {FAR[4]} if_id 9 {template}\n")
    lab.true(here.passes(), "no ping with policies of XFRM for others")
    quiet(here.a, "xfrm")
    for ns in here.a, here.b:
        Xfrm.flush(ns)
    lab.wait_for(lambda: not lab.run("rmmod", "xfrm_user", check=False).returncode, "rmmod")
    quiet(here.a, "xfrm", "sas", "charon")
    lab.true(not os.path.exists("/sys/module/xfrm_user"), "doctor has loaded xfrm_user")


@lab.test("notes do not count: a flowtable without the device, packets that were dropped")
def notes():
    here = Lab.get(device=True)
    here.nft("table inet fast { flowtable ft { hook ingress priority 0; devices = { lan, wan }; }; }")
    Espah.batch(here.a, [f"sa del out spi 0x1000 dst {OUTER[1]}"])
    here.fails()
    result = here.a.run(CLI, "-j", "doctor", "flowtables", "drops")
    findings = json.loads(result.stdout)
    texts = " ".join(finding["text"] for finding in findings if finding["severity"] == "note")
    lab.true("flowtable ft" in texts and "ipsec0" in texts, f"notes: {texts}")
    lab.true("for the reason no_sa" in texts, f"notes: {texts}")


@lab.test("a kernel that has no module: the running one, and a newer one")
def kernels():
    here = Lab.get(policies=False)
    installed(False)
    finds(here.a, "kernels", "loaded by hand", kernel=os.uname().release, severity="warning")
    installed()
    newer = "99.1.0-amd64"
    os.makedirs(f"/lib/modules/{newer}", exist_ok=True)
    os.makedirs("/boot", exist_ok=True)
    for name in f"/lib/modules/{newer}/modules.dep", f"/boot/vmlinuz-{newer}":
        open(name, "w", encoding="ascii").close()
    finds(here.a, "kernels", "Linux 99.1.0-amd64 is installed", kernel=newer, severity="warning")
    # an older one, and one that is not there to be booted
    for folder, image in (("4.9.0-amd64", True), ("99.2.0-amd64", False)):
        os.makedirs(f"/lib/modules/{folder}", exist_ok=True)
        for name in [f"/lib/modules/{folder}/modules.dep"] + [f"/boot/vmlinuz-{folder}"] * image:
            open(name, "w", encoding="ascii").close()
    with open(f"/lib/modules/{newer}/modules.dep", "w", encoding="ascii") as file:
        file.write("updates/dkms/espah.ko.xz: kernel/net/netfilter/nf_conntrack.ko.xz\n")
    quiet(here.a, "kernels")


@lab.test("a slow crypto driver, although there is a fast one")
def crypto():
    here = Lab.get()
    quiet(here.a, "crypto")
    Espah.flush(here.a)
    Xfrm.flush(here.b)
    lab.wait_for(lambda: not lab.run("rmmod", "aesni_intel", check=False).returncode, "rmmod")
    try:
        Espah.batch(here.a, [Espah.sa_line("out", SA(0x1000, *OUTER))])
        finding = finds(here.a, "crypto", "slow driver", module="aesni_intel", severity="warning")
    finally:
        lab.run("modprobe", "aesni_intel")
    Espah.batch(here.a, ["sa flush", Espah.sa_line("out", SA(0x1001, *OUTER))])
    lab.true("modprobe aesni_intel" in finding["advice"], f"advice: {finding['advice']}")
    quiet(here.a, "crypto")


@lab.test("checks that could not be made are named, status 1: no privilege, no nft")
def skipped():
    here = Lab.get()
    here.nft(chain("input", "accept"))
    for words, expected in ((("env", "PATH=/nowhere", CLI), "nft is missing"),
                            (("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", CLI),
                             "CAP_NET_ADMIN")):
        result = here.a.run(*words, "doctor", "firewall", check=False)
        lab.equal((result.returncode, result.stderr), (1, ""), f"status and errors: {result.stdout}")
        lines = result.stdout.splitlines()
        lab.true(len(lines) == 1 and lines[0].startswith("skipped ") and expected in lines[0], f"it says: {lines}")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
