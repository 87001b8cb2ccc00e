#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Each block of commands and each file in README.md and the manual pages is run, in the network of pages.py."""
import functools
import glob
import os
import re
import shutil
import signal
import subprocess

import ipsec
import keepalived
import lab
import module
import pages
import traffic
from charon import Charon, install
from ipsec import CLI, SA, Espah, Policy, Xfrm
from pages import A, B, ETC, HOST_A, HOST_B, Site, of

EVERYTHING = pages.blocks()
GATEWAY, TROUBLE = "espah-gateway.7", "espah-troubleshooting.7"
tested = set()  # (document, section)


def manual(doc, section):
    """Makes a test of all blocks of a section. The function gets them, and has to run each."""
    def decorate(function):
        tested.add((doc, section))

        @functools.wraps(function)
        def wrapped():
            found = of(doc, section)
            lab.true(found, "the section has no blocks, or is gone")
            pages.prepare()
            function(*found)
            missed = [str(block) for block in found if not block.ran and block.kind != "drawing"]
            lab.equal(missed, [], "blocks that were not run")
        lab.tests.append((f"{doc}, {section}", wrapped, ()))
        return function
    return decorate


def unload():
    lab.delete_all()
    lab.wait_for(lambda: not module.loaded() or not lab.run("rmmod", "espah", check=False).returncode, "rmmod")


def installed():
    """Puts the module where modprobe finds it, as the packages do."""
    folder = f"/lib/modules/{os.uname().release}/updates"
    if not os.path.exists(f"{folder}/espah.ko"):
        os.makedirs(folder, exist_ok=True)
        shutil.copy(module.path(), folder)
        lab.run("depmod", "-a", timeout=300)


# --- the documents as a whole ----------------------------------------------------------------------

@lab.test("each section with a block has a test, and each command that is not run is still in the text")
def complete():
    have = {(block.doc, block.section) for block in EVERYTHING if block.kind != "drawing"}
    lab.equal(sorted(have - tested), [], "sections with blocks that no test runs")
    lab.equal(sorted(tested - have), [], "sections that are tested, and have no blocks")
    typed = {text for block in EVERYTHING if block.kind in ("commands", "transcript")
             for _, command, _ in block.steps() for text in (command, f"{block.section}: {command}")}
    lab.equal(sorted(set(pages.NOT_RUN) - typed), [], "commands that the list of exceptions names in vain")


@lab.test("README.md has at most 150 lines, and the figures of BENCHMARKS.md; the number of reasons is right")
def figures():
    text = pages.read("README.md")
    lab.true(len(text.splitlines()) <= 150, f"{len(text.splitlines())} lines")
    why = text.split("## Why")[1].split("\n## ")[0]
    with open(f"{ipsec.ROOT}/tests/BENCHMARKS.md", encoding="utf-8") as file:
        benchmarks = file.read()
    numbers = re.findall(r"\d+,\d{3}", why)
    lab.true(len(numbers) >= 10, f"figures: {numbers}")
    for number in numbers + re.findall(r"\b[0-9a-f]{7}\b", why):
        lab.true(re.search(rf"(?<![\d,]){number}(?![\d,])", benchmarks), f"{number} is not in BENCHMARKS.md")
    ns = Site().a
    reasons = len(Espah.json(ns, "stats", "--all")["drops"])
    lab.true(f"one of {reasons} reasons" in why, f"there are {reasons} reasons")


@lab.test("each command of espah that the text names exists")
def named():
    known = set(re.findall(r"^  ([a-z]+) ", lab.run(CLI, "--help").stdout, re.M))
    lab.true({"sa", "policy", "explain"} <= known, f"commands: {known}")
    for doc in pages.DOCS:
        text = pages.read(doc)
        for word in re.findall(r"`espah ([a-z]+)" if doc == "README.md" else r'^\.B[RI]? "?espah ([a-z]+)', text, re.M):
            lab.true(any(name.startswith(word) for name in known), f"{doc}: espah {word}")


# --- without the module; first, while modprobe does not find it --------------------------------------

@manual(TROUBLE, "The module is missing, for example after an update of the kernel")
def missing(*blocks):
    unload()
    for path in glob.glob(f"/lib/modules/{os.uname().release}/**/espah*.ko*", recursive=True):
        os.unlink(path)
    lab.run("depmod", "-a", timeout=300)
    here = Site()
    here.run(*blocks)
    installed()
    pages.run(here.a, "modprobe espah")


@manual(TROUBLE, "Key was rejected by service: Secure Boot")
def signed(*blocks):
    Site().run(*blocks)


@manual("README.md", "Install")
def install_it(*blocks):
    installed()
    unload()
    here = Site()
    before = here.a.run("nft", "list", "hooks", check=False).stdout
    here.run(*blocks)
    lab.true(module.loaded(), "the module is not loaded")
    lab.equal(here.a.run("nft", "list", "hooks", check=False).stdout, before, "hooks")
    lab.equal(here.ping(), 1, "answers in the clear")


# --- README.md ---------------------------------------------------------------------------------------

@manual("README.md", "What it looks like")
def looks(transcript):
    here = wrong_key()
    here.mute()
    here.run(transcript)


SUITE = {"algorithm": ipsec.ALGORITHMS["aes256gcm16"], "reqid": 7}


def key(name):
    with open(f"{name}.key", encoding="ascii") as file:
        return bytes.fromhex(file.read().strip())


@manual("README.md", "The first tunnel, by hand")
def first_tunnel(block):
    here = Site()
    here.run(block)
    here.carries()
    lab.equal((Espah.drops(here.a), Espah.drops(here.b)), ({}, {}), "drops")
    lab.equal([sa["packets"] for sa in Espah.sas(here.a)], [2, 2], "packets by SA")

    # the same keys at b by XFRM: what one end of the text makes is IPsec as others know it
    Espah.flush(here.b)
    there, back = SA(0x1001, A, B, seq=2, **SUITE, key=key("a-b")), SA(0x1002, B, A, seq=2, **SUITE, key=key("b-a"))
    Xfrm.configure(here.b, [back], [there], [Policy("10.2.0.0/16", "10.1.0.0/16", (B, A), 7)],
                   [Policy("10.1.0.0/16", "10.2.0.0/16", (A, B), 7)])
    here.carries()


def swapped(text):
    """The other gateway's swanctl.conf."""
    for one, other in ((A, B), ("10.1.0.0/16", "10.2.0.0/16")):
        text = text.replace(one, "@").replace(other, one).replace("@", other)
    return text


def keyed(here, conf, stack="espah"):
    """A charon in each gateway; what is typed at gw-a asks its charon."""
    install()
    charons = []
    for ns, text in (here.b, swapped(conf)), (here.a, conf):
        charon = Charon(ns, stack)
        charon.write("swanctl.conf", text)
        charon.swanctl("--load-all", "--noprompt", timeout=120)
        charons.append(charon)
    a = charons[-1]
    here.more = {"VICI": f"/run/espah-charon/{a.name}.vici", "STRONGSWAN_CONF": f"/run/espah-charon/{a.name}.conf",
                 "SWANCTL_DIR": a.folder}
    return a


@manual("README.md", "The first tunnel, by IKE")
def ike(conf, commands):
    here = Site()
    keyed(here, conf.text)
    conf.ran = True
    guard, = (block for block in of("README.md", "Keep it") if block.kind == "conf")
    here.apply(guard)  # its number must be higher than charon's
    here.run(commands)
    here.carries()
    lab.equal({sa["owner"] for sa in Espah.sas(here.a)}, {"daemon"}, "owners")
    Charon.stop_all()


@manual("README.md", "Watch it")
def watch_it(block):
    here = Site.tunnel()
    here.run(block, stimulus=here.disturb)


@manual("README.md", "Keep it")
def keep_it(conf, commands):
    here = Site()
    here.apply(conf)
    lab.equal(here.ping(), 0, "answers")
    lab.true(Espah.drops(here.a).get("discard_out"), "the guard does not drop")
    here.run(commands)


# --- espah(8) and espah.conf(5) ------------------------------------------------------------------------

@manual("espah.8", "CLASSES OF TRAFFIC")
def classes(block):
    here = Site.tunnel()
    here.run(block)
    lab.true(" 0x00001003 " in pages.run(here.a, block.steps()[-1][1]), "explain names another SA")
    here.host_a.run("ping", "-c", "3", "-i", "0.2", "-Q", hex(46 << 2), HOST_B)
    here.carries()
    lab.equal({int(sa["spi"], 0): sa["packets"] for sa in Espah.sas(here.b, "in")}, {0x1001: 2, 0x1003: 3},
              "packets of the SAs")


@manual("espah.8", "DEVICES")
def devices(block):
    here = Site()
    here.run(block)
    lab.true("if_id 42" in pages.run(here.a, "ip -d link show ipsec0"), "the device has no number")


@manual("espah.8", "THE TAP")
def tap(block):
    here = Site.tunnel()
    here.run(block)
    pages.watch(here.a, "tcpdump -eni espah0 'link[6:4] = 0x1001'", ["... ICMP echo request, ..."], here.ping)


@manual("espah.8", "METRICS")
def metrics(block):
    os.makedirs("/var/lib/prometheus/node-exporter", exist_ok=True)
    Site.tunnel().run(block)
    with open("/var/lib/prometheus/node-exporter/espah.prom", encoding="utf-8") as file:
        lab.true("espah_sas 2" in file.read(), "the file lacks the number of SAs")


def guarded(here, *blocks):
    """Runs blocks that put a guard up and take it down again, with a file that protects the first tunnel's networks."""
    installed()
    os.makedirs(os.path.dirname(ETC), exist_ok=True)
    with open(ETC, "w", encoding="ascii") as file:
        file.write(f"policy add both 10.1.0.0/16 10.2.0.0/16 protect tunnel {A} {B} reqid 7\n")
    here.run(*blocks)
    lab.true("espah_guard" not in here.a.run("nft", "list", "tables").stdout, "the guard is still there")
    lab.equal(len(Espah.json(here.a, "policy", "list")), 2, "policies")


@manual("espah.8", "GUARD")
def guard(block):
    unload()
    guarded(Site(), block)


@manual("espah.8", "DOCTOR")
def doctor(transcript):
    here = Site.tunnel()
    here.a.sysctl("net.ipv4.ip_forward", 0)
    here.run(transcript)


@manual("espah.8", "RELOAD")
def reload(block):
    installed()
    here = Site.tunnel()
    Espah.flush(here.b)  # a namespace besides has to be empty
    if os.path.exists(ETC):
        os.unlink(ETC)
    before = [sa["spi"] for sa in Espah.sas(here.a)]
    here.run(block)
    lab.equal([sa["spi"] for sa in Espah.sas(here.a)], before, "SPIs")
    lab.equal(len(Espah.policies(here.a)), 2, "policies")


@manual("espah.8", "EXAMPLES")
def examples(first, other_end, device, ssh, database, both, demand, counters, looking):
    here = Site()
    here.run(first)
    here.run(other_end, default=here.b)
    here.carries()
    here.run(counters)
    pages.run(here.a, "tcpdump -ni wan -c 2 -w wire.pcap esp & sleep 1; ping -c 2 -W 1 -I 10.1.0.1 10.2.0.9; wait")
    here.run(looking)
    decrypted = pages.run(here.a, looking.steps()[-1][1])
    lab.true("10.1.0.1" in decrypted and "ICMP" in decrypted, f"tshark prints {decrypted}")
    for ns in here.a, here.b:  # new sequence numbers at both ends
        Espah.flush(ns)
    here.run(other_end, default=here.b)
    here.run(device)
    here.carries()
    here.a.ip("link del ipsec0\n")
    for block in ssh, database, both, demand:
        Espah.flush(here.a)
        here.run(block)


@manual("espah.conf.5", "EXAMPLES")
def conf(example, commands):
    here = Site()
    os.makedirs(f"{os.path.dirname(ETC)}/keys", exist_ok=True)
    pages.run(here.a, "umask 077; for way in in out; do openssl rand -hex 36 >/etc/espah/keys/router.$way; done")
    here.apply(example)
    here.run(commands)


# --- espah-gateway(7) -----------------------------------------------------------------------------------

@manual(GATEWAY, "DESCRIPTION")
def gateway(_, policies):
    here = Site.tunnel()
    Espah.batch(here.a, ["policy flush"])
    here.run(policies)
    here.carries()


@lab.test("espah-gateway.7, BESIDE XFRM: espah protects what both would protect; XFRM may drop it first")
def beside_xfrm():
    pages.prepare()
    here = Site.tunnel()
    Xfrm.configure(here.a, [SA(0x9001, A, B, reqid=9)], (), [Policy("10.1.0.0/16", "10.2.0.0/16", (A, B), 9)])
    here.carries()
    lab.equal([sa["packets"] for sa in Espah.sas(here.a)], [2, 2], "packets by espah's SAs")
    here.a.ip("xfrm state flush\n")
    lab.equal((here.ping(2), Xfrm.drops(here.a)), (0, {"XfrmOutNoStates": 2}), "answers and XFRM's drops")


@manual(GATEWAY, "FIREWALL")
def firewall(rules):
    here = Site.tunnel()
    here.load(rules)
    here.carries()
    lab.equal(here.ping(2, source=here.host_b, target=HOST_A), 2, "answers to the other site")
    lab.equal(here.a.run("nft", "delete", "rule", "inet", "filter", "forward", "handle", last_rule(here.a),
                         check=False).returncode, 0, "nft delete rule")
    lab.equal(here.ping(1, source=here.host_b, target=HOST_A), 0, "answers without the rule for packets of the SA")


def last_rule(ns):
    return re.findall(r"ipsec exists.*# handle (\d+)", ns.run("nft", "-a", "list", "chain", "inet", "filter",
                                                              "forward").stdout)[-1]


MASQUERADE = """table ip nat {
    chain postrouting { type nat hook postrouting priority srcnat; oifname wan masquerade; }
}"""


@manual(GATEWAY, "Masquerading and source NAT")
def masquerading(rules, insert, net):
    here = Site.tunnel()
    here.load(rules)
    here.carries()
    lab.equal(here.ping(target="192.0.2.254"), 1, "answers of a host that is not protected")
    here = Site.tunnel()
    here.a.run("nft", "-f", "-", stdin=MASQUERADE)
    here.run(insert)
    here.carries()
    here = Site.tunnel()
    here.a.run("nft", "-f", "-", stdin=MASQUERADE)
    here.run(net)
    with traffic.Wire(here.a, "wan", cleartext=True) as wire:
        here.mute()
        lab.equal(wire.frames(), [], "frames in the clear")
    here.a.run("nft", "flush", "ruleset")
    here.a.run("conntrack", "-F", check=False)
    here.carries()


@manual(GATEWAY, "THE DEFAULT ACTION DISCARD")
def default_discard(conf_block, test):
    here = Site.tunnel()
    here.run(test)
    lab.equal(Espah.json(here.a, "default")["out"], "discard", "default action")
    lab.equal(here.ping(source=here.a, target="127.0.0.1"), 1, "answers of the loopback device")
    lab.equal(here.ping(source=here.a, target="192.0.2.254"), 0, "answers of a router")
    lab.wait_for(lambda: Espah.json(here.a, "default")["out"] == "bypass", "the default action to come back")
    here.carries()

    here.apply(conf_block)
    here.carries()
    lab.equal(here.ping(source=here.a, target="192.0.2.254"), 1, "answers of a router")
    passes = {"SSH": ("out", f"{A} 203.0.113.5 tcp sport 22 dport 5000"),
              "DNS": ("out", f"{A} 192.0.2.53 udp 53"),
              "DHCP": ("out", "0.0.0.0 255.255.255.255 udp sport 68 dport 67 dev wan"),
              "a DHCP server": ("in", "0.0.0.0 255.255.255.255 udp sport 68 dport 67 dev lan"),
              "OSPF": ("in", "10.1.0.9 224.0.0.5 proto 89 dev lan"),
              "hosts on lan": ("in", "10.1.0.5 10.1.0.1 udp 9 dev lan")}
    for name, (way, words) in passes.items():
        said = Espah.json(here.a, "explain", way, *words.split())
        lab.equal(said["action"], "bypass", f"{name}: {said}")
    for words in (f"{A} 224.0.0.18 proto 112 dev wan", f"{A} 192.0.2.2 tcp 80"):
        lab.equal(Espah.json(here.a, "explain", "out", *words.split())["action"], "discard", words)
    # a router's error about an ESP packet passes
    here.isp.ip("link set right mtu 1400\n")
    here.ping(size=1418)
    lab.equal(here.a.run(CLI, "sa", "list", "out").stdout.count("pmtu 1400"), 1, "SAs that learned the path MTU")


@manual(GATEWAY, "PROGRAMS THAT BYPASS POLICIES")
def marked(block):
    here = Site.tunnel()
    Espah.batch(here.a, ["default in discard out discard"])
    here.run(block)
    with traffic.udp(here.a, A, 5500) as ours, traffic.udp(here.isp, "192.0.2.254", 5500) as theirs:
        ours.setsockopt(1, 36, 0x1ce)  # SO_MARK
        traffic.deliver(ours, theirs, [b"sent"])
        traffic.deliver(theirs, ours, [b"received"])


@manual(GATEWAY, "ICMP AND PATH MTU")
def path_mtu(block):
    here = Site.tunnel()
    here.run(block)
    lab.true("MSS of 1306 fits" in here.a.run(CLI, "explain", HOST_A, HOST_B).stdout or
             "1346 bytes" in here.a.run(CLI, "explain", HOST_A, HOST_B).stdout, "the route's MTU does not count")


def far_device(here, name, number, address=None, spis=(0x2001, 0x2002)):
    """gw-b's end of a device, with SAs of the same number."""
    pages.run(here.b, f"espah link add {name} if-id {number} dev wan up")
    if address:
        here.b.ip(f"addr add {address} dev {name}\n")
    for way, spi, src, dst, file in (("in", spis[0], A, B, "a-b.key"), ("out", spis[1], B, A, "b-a.key")):
        pages.run(here.b, f"espah sa add {way} spi {spi:#x} src {src} dst {dst} tunnel aes256gcm16 key-file {file} "
                  f"if-id {number}")
    pages.run(here.b, f"espah policy add both any4 any4 if-id {number} protect tunnel {B} {A}")


def keys(ns):
    pages.run(ns, pages.first_tunnel().steps()[0][1])


@manual(GATEWAY, "A tunnel with BGP")
def bgp(block):
    here = Site()
    keys(here.a)
    here.run(block)
    far_device(here, "ipsec0", 42, "169.254.10.2/30")
    here.b.ip("route add 10.1.0.0/16 dev ipsec0\n")
    with traffic.Wire(here.a, "wan", cleartext=True) as wire:
        lab.equal(here.ping(source=here.a, target="169.254.10.2"), 1, "answers of the neighbour")
        here.mute()  # no route yet
        lab.true(Espah.drops(here.a).get("discard_out"), "the guard does not drop")
        here.a.ip("route add 10.2.0.0/16 via 169.254.10.2\n")  # what bgpd does
        lab.equal(here.ping(2), 2, "answers")
        lab.equal(wire.frames(), [], "frames in the clear")


@manual(GATEWAY, "A dead tunnel takes its routes with it")
def carrier(block):
    here = Site()
    keys(here.a)
    Site.run(here, *of(GATEWAY, "A tunnel with BGP"))
    here.run(block)
    here.a.ip("route add 10.2.0.0/16 dev ipsec0\n")

    def device():
        return "ipsec0" in here.a.run("ip", "route", "get", HOST_B).stdout
    lab.wait_for(device, "the route, while there is an SA")
    Espah.batch(here.a, ["sa flush"])
    lab.wait_for(lambda: not device(), "the route to go with the SA")


@manual(GATEWAY, "Two tunnels to a cloud")
def cloud(block):
    here = Site()
    here.run(block)
    for number in 1, 2:
        keys(here.a)
        spis = 0x2001 + 16 * number, 0x2002 + 16 * number
        far_device(here, f"up{number}", number, f"169.254.2{number}.1/30", spis)
        for way, spi, src, dst, file in (("out", spis[0], A, B, "a-b.key"), ("in", spis[1], B, A, "b-a.key")):
            pages.run(here.a, f"espah sa add {way} spi {spi:#x} src {src} dst {dst} tunnel aes256gcm16 key-file {file} "
                      f"if-id {number}")
        pages.run(here.a, f"espah policy add both any4 any4 if-id {number} protect tunnel {A} {B}")
        lab.equal(here.ping(source=here.a, target=f"169.254.2{number}.1"), 1, "answers of the far end")
    here.b.ip("route add 10.1.0.0/16 nexthop dev up1 nexthop dev up2\n")
    here.carries()


@manual(GATEWAY, "A container that has nothing but the tunnel")
def container(block):
    here = Site()
    box = lab.Netns("box")
    keys(here.a)
    here.run(block)
    for line in of(GATEWAY, "A tunnel with BGP")[0].steps()[1:4]:
        pages.run(here.a, line[1])
    far_device(here, "ipsec0", 42)
    here.b.ip("route add 10.1.0.0/16 dev ipsec0\n")
    lab.equal(here.ping(2, source=box), 2, "answers")
    lab.equal(here.ping(1, source=box, target="192.0.2.254"), 0, "answers from outside of the tunnel")


@manual(GATEWAY, "GRE and other tunnels")
def gre(block):
    here = Site()
    keys(here.a)
    here.run(block)
    here.b.ip(f"link add gre1 mtu 1400 type gre local {B} remote {A}\n")
    pages.run(here.b, f"espah policy add both {B} {A} gre protect transport reqid 8")
    for ns, ways in (here.a, ("out", "in")), (here.b, ("in", "out")):
        for way, spi, src, dst, name in ((ways[0], 0x1001, A, B, "a-b.key"), (ways[1], 0x1002, B, A, "b-a.key")):
            pages.run(ns, f"espah sa add {way} spi {spi} src {src} dst {dst} transport aes256gcm16 key-file {name} "
                      "reqid 8")
    for ns, number in (here.a, 1), (here.b, 2):
        ns.ip(f"link set gre1 up\nroute add 10.{3 - number}.0.0/16 dev gre1\n")
    here.carries()
    lab.equal(here.ping(size=1372), 1, "answers to a packet of the device's MTU")


@manual(GATEWAY, "VRFS")
def vrfs(block):
    lab.run("modprobe", "vrf")
    here = Site()
    keys(here.a)
    here.run(block)
    for line in of(GATEWAY, "A tunnel with BGP")[0].steps()[1:3]:
        pages.run(here.a, line[1].replace("if-id", "reqid 7 if-id"))
    far_device(here, "ipsec0", 42)
    here.b.ip("route add 10.1.0.0/16 dev ipsec0\n")
    here.carries()


@manual(GATEWAY, "FLOWTABLES")
def flowtables(rules, direct):
    here = Site()
    keys(here.a)
    here.run(*of(GATEWAY, "A tunnel with BGP"))
    far_device(here, "ipsec0", 42, "169.254.10.2/30")
    here.a.ip("route add 10.2.0.0/16 via 169.254.10.2\n")
    here.b.ip("route add 10.1.0.0/16 dev ipsec0\n")
    here.load(rules)
    here.run(direct)
    with traffic.udp(here.host_a, HOST_A) as left, traffic.udp(here.host_b, HOST_B) as right:
        for _ in range(4):
            traffic.deliver(left, right, [b"ask"])
            traffic.deliver(right, left, [b"answer"])
        lab.true("OFFLOAD" in here.a.run("conntrack", "-L").stdout, "the flow is not in the flowtable")
        with traffic.Wire(here.a, "wan", cleartext=True) as wire:
            traffic.deliver(left, right, [bytes(1000)] * 10)
            lab.equal(wire.frames(), [], "frames in the clear")


@manual(GATEWAY, "Latency")
def latency(block):
    here = Site.tunnel()
    pages.run(here.a, "umask 077; openssl rand -hex 36 >voice.key")
    here.run(block)
    said = Espah.json(here.a, "explain", "out", HOST_A, HOST_B, "udp", "5060")
    lab.equal(said["policy"]["priority"], 900, "priority of the policy for the port")
    here.carries()


@manual(GATEWAY, "With the same SAs")
def second(script, conf):
    here = Site.tunnel()
    here.run(script)
    lab.equal(conf.kind, "keepalived", "what the block is")
    other = lab.Netns("gw-a2")
    other.ip("link add wan multicast on type dummy\nlink add lan multicast on type dummy\n")
    for ns in here.a, other:
        keepalived.check(ns, conf.text)
    conf.ran = True
    with here.a:
        carry = subprocess.Popen([pages.SCRIPT], env=pages.environment(), stdout=subprocess.DEVNULL,
                                 start_new_session=True)
    try:
        lab.wait_for(lambda: len(Espah.sas(other)) == 2, "SAs at gw-a2")
        here.carries()
        sent, = (sa["seq"] for sa in Espah.sas(here.a, "out"))
        lab.wait_for(lambda: [sa["seq"] for sa in Espah.sas(other, "out")] == [sent + (1 << 24)], "numbers at gw-a2")
    finally:
        os.killpg(carry.pid, signal.SIGKILL)
        carry.wait()
    lab.equal([sa["key"] for sa in Espah.sas(other, "--show-keys")], [sa["key"] for sa in Espah.sas(
        here.a, "--show-keys")], "keys")


@manual(GATEWAY, "LOGS")
def logs(block):
    Site.tunnel(a=[("both", "out")]).run(block)


@manual(GATEWAY, "UPGRADES")
def upgrades(block):
    here = Site.tunnel()
    Espah.flush(here.b)
    guarded(here, block)


# --- espah-troubleshooting(7) -----------------------------------------------------------------------

def wrong_key():
    """A tunnel of which gw-b has another key for what gw-a sends."""
    here = Site()
    for place, command, _ in pages.first_tunnel().steps():
        if place == "gw-b" and "sa add in" in command:
            pages.run(here.b, "umask 077; openssl rand -hex 36 >other.key")
            command = command.replace("a-b.key", "other.key")
        pages.run(here.places[place], command)
    return here


@manual(TROUBLE, "HOW TO LOOK")
def how(*blocks):
    here = wrong_key()
    here.ping()
    here.run(*blocks[:-1])
    here = Site.tunnel()
    here.run(blocks[-1], stimulus=here.disturb)


@manual(TROUBLE, "icv: the keys differ")
def icv(transcript, command):
    here = wrong_key()
    here.mute()
    here.run(transcript, command)


@manual(TROUBLE, "no_spi: the receiver has no SA with this SPI")
def no_spi(*blocks):
    here = Site.tunnel(b=[("in spi 0x1001", "in spi 0x1011")])
    here.mute()
    here.run(*blocks)


@manual(TROUBLE, "policy: the receiver has no policy that fits")
def no_policy(transcript, cure):
    here = Site.tunnel(b=[("both", "out")])
    here.mute()
    here.run(transcript, cure)
    here.carries()


@manual(TROUBLE, "policy: the networks differ at the two ends")
def selector(transcript):
    here = Site.tunnel(b=[("both 10.2.0.0/16", "both 10.2.1.0/24")])
    here.mute()
    here.run(transcript)


@manual(TROUBLE, "policy or no_sa: the reqids or addresses differ")
def reqid(transcript):
    here = Site.tunnel(b=[("192.0.2.1 reqid 7", "192.0.2.1 reqid 8")])
    here.mute()
    here.run(transcript)


@manual(TROUBLE, "policy: tunnel mode at one end, transport mode at the other")
def mode(transcript):
    here = Site.tunnel(b=[("tunnel aes", "transport aes"), (f"tunnel {B} {A}", "transport")])
    here.mute()
    here.run(transcript)


@manual(TROUBLE, "no_sa: there is no SA, or it has ended")
def no_sa(transcript, watching):
    here = Site.tunnel()
    Espah.batch(here.a, ["sa flush out"])
    here.mute()
    here.run(transcript, watching)
    # an SA that reached a hard limit is told as no_sa, too
    here = Site.tunnel(a=[("sa add out", "sa add out hard packets 1")])
    here.ping(4)
    here.run(transcript)


@manual(TROUBLE, "replay: the sender has begun anew with the same key")
def replay(transcript):
    here = Site.tunnel()
    lab.equal(here.ping(5), 5, "answers")
    Espah.batch(here.a, ["sa flush"])
    for place, command, _ in pages.first_tunnel().steps():
        if place == "gw-a" and "sa add" in command:
            pages.run(here.a, command)
    here.mute()
    here.run(transcript)


@manual(TROUBLE, "encap: UDP encapsulation only at the receiver")
def encap_receiver(transcript):
    here = Site.tunnel(b=[("in spi 0x1001", "in encap udp 4500 4500 spi 0x1001")])
    here.mute()
    here.run(transcript)


@manual(TROUBLE, "too_big: the path has a smaller MTU")
def too_big(transcript):
    here = Site.tunnel()
    narrow(here)
    here.ping(3, size=1418)
    here.run(transcript)
    here.carries()


def narrow(here):
    here.isp.ip("link set right mtu 1400\n")
    here.b.ip("link set wan mtu 1400\n")


@manual(TROUBLE, "plaintext: the peer sends in the clear")
def plaintext(transcript, sender):
    here = Site.tunnel(a=[("both 10.1.0.0/16", "both 10.1.7.0/24")])
    here.mute()
    here.run(transcript, sender)


@manual(TROUBLE, "discard_out, discard_in: the default action")
def discards(transcript):
    here = Site.tunnel()
    Espah.batch(here.a, ["default in discard out discard"])
    here.run(transcript)


@manual(TROUBLE, "device_no_policy: a device without a policy")
def device_no_policy(transcript, cure):
    here = Site.tunnel()
    pages.run(here.a, "espah link add ipsec0 if-id 42 dev wan up; ip route add 10.2.0.0/16 dev ipsec0")
    here.mute()
    lab.true(Espah.drops(here.a).get("device_no_policy", 0) >= 3, f"drops: {Espah.drops(here.a)}")
    here.run(transcript, cure)
    said = here.a.run(CLI, "explain", HOST_A, HOST_B, "dev", "ipsec0").stdout
    lab.true("device_no_policy" not in said, said)


@manual(TROUBLE, "Masqueraded packets")
def masqueraded(wire, explain, doctor, cure):
    here = Site.tunnel()
    here.a.run("nft", "-f", "-", stdin=MASQUERADE)
    here.ping()
    lab.true("nothing was dropped" in here.a.run(CLI, "stats").stdout, "something was dropped at the sender")
    here.run(wire, explain, doctor, cure)
    here.carries()


INPUT = """table inet filter {
    chain input { type filter hook input priority 0; policy drop; iif lo accept; ct state established accept; }
}"""


@manual(TROUBLE, "A firewall drops ESP")
def input_drop(transcript, explain, cure):
    here = Site.tunnel()
    here.b.run("nft", "-f", "-", stdin=INPUT)
    here.mute()
    here.run(transcript, explain)
    here.run(cure, default=here.b)
    here.carries()


@manual(TROUBLE, "UDP encapsulation only at the sender")
def encap_sender(transcript):
    here = Site.tunnel(a=[("out spi 0x1001", "out encap udp 4500 4500 spi 0x1001")])
    here.mute()
    lab.equal((Espah.drops(here.a), Espah.drops(here.b)), ({}, {}), "drops")
    here.run(transcript)


NO_ERRORS = """table ip silent {
    chain output { type filter hook output priority 0; icmp type destination-unreachable drop; }
}"""


@manual(TROUBLE, "Big packets disappear")
def black_hole(sizes, cure):
    here = Site.tunnel()
    narrow(here)
    here.isp.run("nft", "-f", "-", stdin=NO_ERRORS)
    lab.equal((here.ping(), here.ping(size=1400)), (1, 0), "answers to a small and to a big ping")
    lab.equal((Espah.drops(here.a), Espah.drops(here.b)), ({}, {}), "drops")
    here.run(sizes, cure)
    here.ping(size=1400)  # now the host is told
    lab.equal(here.ping(size=1318), 1, "answers to the biggest packet that fits")


@manual(TROUBLE, "The forward chain drops decrypted packets")
def forward_drop(transcript, doctor, cure):
    here = Site.tunnel()
    here.b.run("nft", "-f", "-", stdin=INPUT.replace("input", "forward"))
    here.b.sysctl("net.ipv4.ip_forward", 0)
    here.mute()
    here.run(transcript, doctor)
    here.run(cure, default=here.b)
    here.carries()


@manual(TROUBLE, "The guard is still there")
def guard_stays(look, error):
    here = Site()
    file = "/tmp/guarded.conf"
    good = f"policy add both 10.1.0.0/16 10.2.0.0/16 protect tunnel {A} {B}\n"
    for path, text in ((file, good), (ETC, good.replace("protect", "protekt"))):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as stream:
            stream.write(text)
    pages.run(here.a, f"espah guard {file} | nft -f -")
    here.mute()
    lab.equal(Espah.drops(here.a), {}, "drops")
    here.run(look, error)
    pages.run(here.a, "nft delete table inet espah_guard")
    lab.equal(here.ping(), 1, "answers without the guard")


@manual(TROUBLE, "Module espah is in use")
def in_use(transcript):
    here = Site()
    Espah.batch(here.a, ["default out discard"])
    here.run(transcript)
    Site.tunnel().run(transcript)


@manual(TROUBLE, "charon uses XFRM")
def on_xfrm(transcript, cure):
    here = Site()
    conf_block = of("README.md", "The first tunnel, by IKE")[0]
    a = keyed(here, conf_block.text, "xfrm")
    a.initiate()
    lab.equal(here.ping(), 1, "answers")
    here.run(transcript, cure)
    lab.true("kernel-espah" not in a.log(), "the log names the plugin")
    Charon.stop_all()


@manual(TROUBLE, "No CHILD_SA is established")
def no_child(block):
    Site().run(block)


if __name__ == "__main__":
    lab.main()
