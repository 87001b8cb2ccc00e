#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""espah doctor charon: whether charon keys espah. A trap shows which stack charon really keys.

strongswan.service with userspace-tools/systemd/strongswan-espah.conf runs the same command.
"""
import configparser
import json
import os
import shlex
import shutil

import ipsec
import lab
import module
from charon import PLUGIN, RUN, Charon, connection, install
from ipsec import CLI, Espah, Xfrm

UNIT = f"{ipsec.ROOT}/userspace-tools/systemd/strongswan-espah.conf"
CONF = connection("192.0.2.1", "192.0.2.2", {"net": "local_ts = 10.1.0.0/24\nremote_ts = 10.2.0.0/24\n"
                                                    "esp_proposals = aes128gcm16\nstart_action = trap\n"})


def host():
    """A namespace, and no charon."""
    Charon.stop_all()
    lab.delete_all()
    install()
    a = lab.Netns("a")
    a.ip("link set lo up\nlink add wan up type dummy\naddr add 192.0.2.1/24 dev wan\n")
    if not os.path.exists("/usr/local/sbin/espah"):
        os.makedirs("/usr/local/sbin", exist_ok=True)
        os.symlink(CLI, "/usr/local/sbin/espah")
    return a


def unit(ns):
    """What systemd would run after charon has started: its status and output."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    lab.equal(parser.sections(), ["Service"], "sections of the unit's file")
    pid = lab.run("pgrep", "-n", "charon").stdout.strip()
    result = ns.run("env", f"MAINPID={pid}", *shlex.split(parser["Service"]["ExecStartPost"]), check=False)
    return result.returncode, result.stdout + result.stderr


def keyed(ns):
    """Whether charon has put its trap into espah, and into XFRM."""
    own = [policy for policy in Espah.policies(ns) if policy["dst"] == "10.2.0.0/24"]
    return bool(own), "10.2.0.0/24" in ns.run("ip", "xfrm", "policy").stdout


def finding(ns, severity, *words):
    result = ns.run(CLI, "-j", "doctor", "charon", check=False)
    findings = json.loads(result.stdout)
    lab.equal([found["severity"] for found in findings], [severity], f"severities: {findings}")
    for word in words:
        lab.true(word in findings[0]["text"], f"'{word}' is not in: {findings[0]['text']}")
    lab.equal(result.returncode, 0 if severity == "note" else 3, "exit status")


@lab.test("charon by the plugin: nothing wrong, and the unit starts")
def good():
    a = host()
    finding(a, "note", "does not run in this network namespace")
    charon = Charon(a, "espah", CONF)
    lab.equal(keyed(a), (True, False), "in espah, in XFRM")
    lab.equal(unit(a), (0, "nothing wrong was found (1 check)\n"), "the unit")
    lab.equal(json.loads(a.run(CLI, "-j", "doctor", "sas").stdout), [], "its trap waits for packets, and it listens")
    charon.stop(kill=True)
    finding(a, "warning", "SAs or policies of an IKE daemon are here, but none runs")
    a.run(CLI, "flush")


@lab.test("charon without the plugin keys XFRM in silence: a fault, and the unit fails")
def without():
    a = host()
    Charon(a, "xfrm", CONF)
    lab.equal(keyed(a), (False, True), "in espah, in XFRM")
    finding(a, "fault", "keys XFRM, not espah", "installed, but not loaded")
    status, text = unit(a)
    lab.true(status == 1 and "charon runs without the plugin kernel-espah" in text, f"the unit: {status} {text}")


@lab.test("charon without the plugin, because its settings say so: a note, unless espah waits for an IKE daemon")
def switched_off():
    a = host()
    settings = "/etc/strongswan.d/charon/kernel-espah.conf"
    with open(settings, "w", encoding="ascii") as file:
        file.write("kernel-espah {\n    load = no\n}\n")
    try:
        Charon(a, "xfrm", CONF)
        finding(a, "note", "keys XFRM, not espah", "switched off in /etc/strongswan.d")
        os.unlink(settings)
        finding(a, "note", "keys XFRM, not espah", "switched off")
        Espah.batch(a, ["policy add both 10.7.0.0/16 10.8.0.0/16 protect tunnel 192.0.2.1 192.0.2.3"])
        finding(a, "fault", "keys XFRM, not espah")
        a.run(CLI, "flush")
    finally:
        shutil.copy(f"{PLUGIN}/kernel-espah.conf", settings)


@lab.test("charon that loads kernel-netlink before the plugin keys XFRM: a fault")
def late():
    a = host()
    Charon(a, "espah", CONF, plugins="kernel-netlink { load = 200 }")
    lab.equal(keyed(a), (False, True), "in espah, in XFRM")
    finding(a, "fault", "keys XFRM, not espah", "kernel-netlink was loaded before kernel-espah")
    status, text = unit(a)
    lab.true(status == 3 and text.startswith("fault charon: charon-systemd (process "), f"the unit: {status} {text}")


@lab.test("a plugin of another version keys nothing: a fault")
def other():
    a = host()
    with open("/usr/sbin/charon-systemd", "rb") as file:
        program = file.read()
    with open(f"{RUN}/other-charon", "wb") as file:
        file.write(program.replace(b"5.9.8", b"5.9.7"))
    os.chmod(f"{RUN}/other-charon", 0o755)
    shutil.move(f"{RUN}/other-charon", f"{RUN}/charon-other")  # the name of the process
    Charon(a, "espah", program=f"{RUN}/charon-other")
    finding(a, "fault", "kernel-espah of charon-other", "does not work")


@lab.test("charon on XFRM where neither the plugin is installed nor espah waits for an IKE daemon: a note")
def meant():
    a = host()
    plugin = "/usr/lib/ipsec/plugins/libstrongswan-kernel-espah.so"
    os.unlink(plugin)
    try:
        Charon(a, "xfrm", CONF)
        finding(a, "note", "keys XFRM, not espah", "not installed")
        lab.equal(unit(a)[0], 1, "the unit, as the plugin's settings are still there")
        Espah.batch(a, ["policy add both 10.7.0.0/16 10.8.0.0/16 protect tunnel 192.0.2.1 192.0.2.3"])
        finding(a, "fault", "keys XFRM, not espah")
        a.run(CLI, "flush")
    finally:
        shutil.copy(f"{PLUGIN}/libstrongswan-kernel-espah.so", plugin)
    Charon.stop_all()
    Xfrm.flush(a)


@lab.test("the module is not loaded: a fault, with charon and without")
def unloaded():
    a = host()
    lab.delete_all()
    module.unload()
    try:
        result = lab.run(CLI, "doctor", "module", check=False)
        lab.true(result.returncode == 3 and result.stdout.startswith("fault module: the module espah is not loaded"),
                 f"it says: {result.stdout}")
        a = host()
        Charon(a, "espah")
        finding(a, "fault", "does not work")
    finally:
        Charon.stop_all()
        module.load()


if __name__ == "__main__":
    ipsec.need_plugin()
    lab.main()
