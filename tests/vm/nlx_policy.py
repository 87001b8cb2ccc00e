#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`ip xfrm policy' over XFRM and over espah_xfrm: what it prints, its errors, and events, compared."""
import json
import os
import shutil
import subprocess

import ip_xfrm
import lab
import module
import stacks
from ip_xfrm import ip
from ipsec import CLI, ROOT, Espah

ENDS = "src 192.0.2.1 dst 198.51.100.1"
BACK = "src 198.51.100.1 dst 192.0.2.1"
NETS = "src 10.1.0.0/16 dst 10.2.0.0/16"
SIX = "src 2001:db8:1::/64 dst 2001:db8:2::/64"
TUNNEL = f"tmpl {ENDS} proto esp reqid 5 mode tunnel"

# name: commands of `ip xfrm'; one that starts with ! may fail, with the same status and words
CASES = {
    "out, in and fwd": [
        f"policy add {NETS} dir out {TUNNEL}", f"policy add {NETS} dir in {TUNNEL}",
        f"policy add {NETS} dir fwd {TUNNEL}", f"policy get {NETS} dir fwd",
        f"policy get {NETS} dir out", f"policy delete {NETS} dir in", f"!policy get {NETS} dir in",
        f"policy delete {NETS} dir fwd", f"!policy delete {NETS} dir fwd"],
    "IPv6, in each other, in IPv4": [
        f"policy add {SIX} dir out tmpl src 2001:db8:9::1 dst 2001:db8:9::2 proto esp mode tunnel",
        f"policy add {SIX} dir out mark 7 {TUNNEL}",
        f"policy add {NETS} dir fwd tmpl src 2001:db8:9::1 dst 2001:db8:9::2 proto esp mode tunnel"],
    "selectors": [
        f"policy add {NETS} proto tcp dport 443 dir out action block",
        f"policy add {NETS} proto udp sport 53 dport 1024 dir in",
        f"policy add {NETS} proto icmp type 8 dir in", f"policy add {NETS} proto icmp type 3 code 4 dir in",
        f"policy add {SIX} proto ipv6-icmp type 135 dir fwd priority 1",
        "policy add src 0.0.0.0/0 dst 10.2.3.4/16 dir out",
        f"policy add {NETS} proto 132 dport 9 dir out mark 5 mask 0xff",
        f"policy add {NETS} dir in mark 0x300 mask 0xff",
        f"policy add {NETS} dev lo dir out", "policy add src ::/0 dst ::/0 dir in action block"],
    "templates": [
        f"policy add {NETS} dir out priority 3 tmpl {ENDS} proto esp spi 0x1234 reqid 5 mode tunnel",
        f"policy add {NETS} dir in tmpl {ENDS} proto ah mode transport",
        f"policy add {NETS} dir fwd tmpl proto esp mode transport reqid 1 tmpl {ENDS} proto ah mode tunnel"],
    "priorities: an update moves the policy, and there is one for each selector": [
        f"policy add {NETS} dir out priority 5 {TUNNEL}", f"!policy add {NETS} dir out priority 6 {TUNNEL}",
        f"policy update {NETS} dir out priority 7 {TUNNEL}",
        f"policy update {NETS} dir out priority 7 action block",
        f"policy add {NETS} dir out priority 7 mark 1 {TUNNEL}",
        f"policy update {NETS} dir in priority 9 {TUNNEL}"],
    "bits beyond the prefixes tell policies apart": [
        "policy add src 10.1.0.0/30 dst 10.2.0.1/30 dir out action block",
        "policy add src 10.1.0.1/30 dst 10.2.0.0/30 dir out action block",
        "!policy add src 10.1.0.1/30 dst 10.2.0.0/30 dir out action block",
        "policy update src 10.1.0.1/30 dst 10.2.0.0/30 dir out priority 4 action block",
        "policy delete src 10.1.0.0/30 dst 10.2.0.1/30 dir out",
        "!policy delete src 10.1.0.0/30 dst 10.2.0.0/30 dir out"],
    "if_id": [
        f"policy add {NETS} dir out if_id 0x2a {TUNNEL}", f"policy add {NETS} dir out if_id 43 {TUNNEL}",
        f"policy add {NETS} dir out {TUNNEL}", f"policy delete {NETS} dir out if_id 43",
        f"!policy delete {NETS} dir out if_id 44"],
    "counts, thresholds, flush": [
        f"policy add {NETS} dir out {TUNNEL}", f"policy add {NETS} dir fwd {TUNNEL}", "policy count",
        "policy set hthresh4 24 16 hthresh6 64 32", "-s policy count", "policy flush", "policy count"],
    "default actions": [
        "policy getdefault", "policy setdefault in block fwd block", "policy getdefault",
        "policy setdefault in accept fwd accept out block", "policy getdefault",
        "policy setdefault out accept", "policy getdefault"],
    "errors": [
        f"!policy add {NETS} dir out index 9 {TUNNEL}", f"!policy delete {NETS} dir out",
        "!policy delete dir out index 77", f"!policy get {SIX} dir in",
        f"!policy add {NETS} dir out tmpl {ENDS} proto esp mode transport tmpl {ENDS} proto esp "
        "mode transport tmpl proto esp mode transport tmpl proto esp mode transport tmpl proto esp mode "
        "transport tmpl proto esp mode transport tmpl proto esp mode transport"],
}
# commands that XFRM takes and espah refuses, and a part of its sentence
REFUSED = {
    f"policy add {NETS} dir out tmpl {ENDS} proto esp mode tunnel level use": "pass in clear",
    f"policy add {NETS} dir out tmpl {ENDS} proto comp mode tunnel": "ESP and AH",
    f"policy add {NETS} dir out tmpl {ENDS} proto esp mode beet": "transport and tunnel",
    f"policy add {NETS} dir out ptype sub {TUNNEL}": "sub policies",
    f"policy add {NETS} dir out limit time-hard 60 {TUNNEL}": "no lifetime",
    f"policy add {NETS} dir out limit packet-soft 60 {TUNNEL}": "no lifetime",
    "policy setdefault in block": "name both alike",
    f"policy add {NETS} dir out if_id 5": "in clear",
}


def box():
    lab.delete_all()
    return lab.Netns("box")


def story(commands):
    return ip_xfrm.story(box(), commands, ["policy"], ("policy", "-s policy", "-d policy"),
                         ("policy flush", "policy setdefault in accept fwd accept out accept"))


def main():
    stacks.xfrm()
    over_xfrm = {name: story(commands) for name, commands in CASES.items()}
    stacks.espah()
    for name, commands in CASES.items():
        with lab.verdict(f"ip xfrm policy, {name}: the same over XFRM and espah"):
            for want, got in zip(over_xfrm[name], story(commands)):
                lab.equal(got, want, f"'{want[0]}'")


@lab.test("what espah cannot do is refused, with a sentence, and nothing changes")
def refused():
    ip_xfrm.refused(box(), REFUSED, "policy")


@lab.test("policies of espah's own command are listed, survive a flush, and cannot be deleted")
def own():
    ns = box()
    Espah.batch(ns, ["policy add out 10.1.0.0/16 10.2.0.0/16 protect tunnel 192.0.2.1 198.51.100.1 reqid 5"])
    ip(ns, f"policy add {SIX} dir out action block")
    lab.equal([policy.get("label") for policy in Espah.json(ns, "policy", "list")], [None, "xfrm"], "owners")
    lab.true("10.1.0.0/16" in ip(ns, "policy")[1], "it is not listed")
    status, _, err = ip(ns, f"policy delete {NETS} dir out")
    lab.true(status == 2 and "espah policy del" in err, f"delete: {status} {err}")
    ip(ns, "policy flush")
    out = ip(ns, "policy")[1]
    lab.true("10.1.0.0/16" in out and "2001:db8" not in out, out)
    Espah.batch(ns, ["policy flush"])


@lab.test("devices of kind xfrm are made and shown by ip link, and shown by espah link, beside those of kind espah")
def devices():
    ns = box()
    ns.run(CLI, *"link add mine if-id 7".split())
    ns.run("ip", *"link add up0 type dummy".split())
    ns.run("ip", *"link add theirs mtu 1400 up type xfrm dev up0 if_id 42".split())
    told = json.loads(ns.run("ip", *"-j -d link show theirs".split()).stdout)[0]["linkinfo"]
    lab.equal((told["info_kind"], int(told["info_data"]["if_id"], 16)), ("xfrm", 42), "ip -d link")
    links = json.loads(ns.run(CLI, "-j", "link").stdout)
    lab.equal([(link["name"], link["if_id"], link.get("dev"), link["mtu"]) for link in links if link["name"] != "mine"],
              [("theirs", 42, "up0", 1400)], "espah link")
    lab.equal([link["name"] for link in links], ["mine", "theirs"], "devices")
    lab.true(ns.run(CLI, *"link show theirs".split()).stdout.startswith("theirs  if-id 42  dev up0  mtu 1400  state up"),
             "espah link show")
    for words, why in (("add again type xfrm if_id 42", "has this if_id"), ("add none type xfrm", "if_id"),
                       ("add also type xfrm if_id 7", "has this if_id"),
                       ("add any type xfrm external", "external"),
                       ("set theirs type xfrm if_id 43", "make a new device")):
        result = ns.run("ip", "link", *words.split(), check=False)
        lab.true(result.returncode and why in result.stderr, f"{words}: {result.stderr}")
    for words in "link del theirs", "link set theirs carrier":
        result = ns.run(CLI, *words.split(), check=False)
        lab.true(result.returncode and "of kind xfrm" in result.stderr, f"{words}: {result.stderr}")
    ns.run("ip", *"link del theirs".split())
    lab.equal(len(json.loads(ns.run(CLI, "-j", "link").stdout)), 1, "devices afterwards")


def loading():
    """What the kernel's log says, on a failure to load the module."""
    before = len(lab.run("dmesg").stdout)
    lab.true(lab.run("insmod", stacks.path(), check=False).returncode, "the module was loaded")
    return lab.run("dmesg").stdout[before:]


@lab.test("the module stays while an SA, a policy, a default action or a device that came by it is there, or a "
          "socket is open")
def stays():
    ns = box()

    def removed():
        return lab.run("rmmod", "espah_xfrm", check=False).returncode == 0
    for make, undo in (("xfrm " + f"policy add {NETS} dir out action block", "xfrm policy flush"),
                       ("xfrm policy setdefault out block", "xfrm policy setdefault out accept"),
                       (f"xfrm state add {ENDS} proto esp spi 5 mode tunnel aead rfc4106(gcm(aes)) 0x{'01' * 20} 128",
                        "xfrm state flush"),
                       ("link add i0 type xfrm if_id 42", "link del i0")):
        ns.run("ip", *make.split())
        lab.true(not removed(), f"it went in spite of ip {make}")
        ns.run("ip", *undo.split())
    with ns:
        monitor = subprocess.Popen(["ip", "xfrm", "monitor"], stdout=subprocess.DEVNULL)
        lab.wait_for(stacks.listening, "the monitor")
    lab.true(not removed(), "it went in spite of a socket")
    monitor.kill()
    monitor.wait()
    lab.wait_for(removed, "its removal")


@lab.test("it does not load beside xfrm_user, xfrm_interface, or what they left in XFRM, and says why")
def beside():
    stacks.remove("espah_xfrm", *stacks.XFRM_USERS)
    ns = box()
    ns.run("ip", "xfrm", "policy", "add", *NETS.split(), "dir", "out", "action", "block")
    lab.true("rmmod xfrm_user" in loading(), "no line says that xfrm_user is there")
    stacks.remove("xfrm_user")
    lab.true("ip xfrm policy flush" in loading(), "no line says that XFRM has a policy")
    ns.run("ip", "xfrm", "policy", "flush")
    stacks.remove("xfrm_user")
    lab.run("modprobe", "xfrm_interface")
    lab.true("rmmod xfrm_interface" in loading(), "no line says that xfrm_interface is there")
    stacks.remove("xfrm_interface")


@lab.test("installed, with the lines of modprobe.d, whoever asks for NETLINK_XFRM or a device of kind xfrm gets it")
def installed():
    folder = f"/lib/modules/{os.uname().release}/extra"
    os.makedirs(folder, exist_ok=True)
    for ko in module.path(), stacks.path():
        shutil.copy(ko, folder)
    lab.run("depmod", "-a")
    with open(f"{ROOT}/userspace-tools/xfrm/espah_xfrm.conf", encoding="utf-8") as file:
        lines = file.read().replace("#install", "install")
    with open("/run/modprobe.d/espah_xfrm.conf" if os.path.isdir("/run/modprobe.d") else
              "/etc/modprobe.d/espah_xfrm.conf", "w", encoding="utf-8") as file:
        file.write(lines)
    for command in ("ip xfrm policy", "ip link add i1 type xfrm if_id 1", "modprobe xfrm_user"):
        ns = box()
        stacks.remove("espah_xfrm", "espah", *stacks.XFRM_USERS)
        ns.run(*command.split())
        lab.true(stacks.loaded("espah_xfrm") and not stacks.loaded("xfrm_user"), f"after {command}")


if __name__ == "__main__":
    main()
    lab.main()
