#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""espah reload: another module takes the place of the loaded one, and nothing leaves in clear meanwhile.

   h 10.1.0.2 -- 10.1.0.1 a (espah) 192.0.2.1 ===== 192.0.2.2 b (XFRM), 10.2.0.1

b answers each datagram of h. The module is loaded without parameters, and the installed one gets userns=1
from modprobe: by this, the two are told from each other.
"""
import contextlib
import os
import re
import shutil
import socket
import threading
import time

import ipsec
import lab
import module
import netlink
import traffic
from ipsec import CLI, Espah, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
FOLDER = "/tmp/reload"
FILE = f"{FOLDER}/espah.conf"
OPTIONS = "/etc/modprobe.d/espah-reload.conf"
INSTALLED = f"/lib/modules/{os.uname().release}/updates"
HERE, THERE = "10.1.0.0/24", "10.2.0.0/24"


# --- the installed module ----------------------------------------------------------------------

def install(parameters="userns=1"):
    """Puts the modules where modprobe finds them."""
    if not os.path.exists(f"{INSTALLED}/espah_xfrm.ko"):
        os.makedirs(INSTALLED, exist_ok=True)
        for name in "espah", "espah_xfrm":
            shutil.copy(f"{os.path.dirname(module.path())}/{name}.ko", INSTALLED)
        lab.run("depmod", "-a", timeout=300)
    with open(OPTIONS, "w", encoding="ascii") as file:
        file.write(f"options espah {parameters}\n")


def is_new():
    with open("/sys/module/espah/parameters/userns", encoding="ascii") as file:
        return file.read().strip() == "Y"


def remove_modules(*more):
    for name in (*more, "espah_xfrm", "espah"):
        if os.path.isdir(f"/sys/module/{name}"):
            lab.wait_for(lambda name=name: not lab.run("rmmod", name, check=False).returncode, f"rmmod {name}")


# --- the laboratory ----------------------------------------------------------------------------

class Lab:
    """The three hosts. a has policies and SAs by hand, and others by a file. face: b has none."""

    def __init__(self, face=False):
        lab.delete_all()
        remove_modules(*["xfrm_interface", "xfrm_user"] * face)
        if os.path.exists("/run/espah-reload.batch"):
            os.unlink("/run/espah-reload.batch")
        os.makedirs(FOLDER, exist_ok=True)
        install()
        (module.load_face if face else module.load)()
        lab.true(not is_new(), "the loaded module has the parameter of the installed one")
        self.h, self.a, self.b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
        lab.link(self.h, "eth0", self.a, "lan")
        lab.link(self.a, "wan", self.b, "eth0")
        self.h.ip("addr add 10.1.0.2/24 dev eth0\nroute add default via 10.1.0.1\n")
        self.a.ip("addr add 10.1.0.1/24 dev lan\naddr add 192.0.2.1/24 dev wan\n"
                  "route add 10.0.0.0/8 via 192.0.2.2 src 10.1.0.1\n")
        self.b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 10.2.0.1/32 dev lo\n"
                  "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n")
        self.sas = tuple(SA(spi, *outer, reqid=7, window=64, seq=1000000, extra="hard packets 1000000000")
                         for spi, outer in ((0x1001, OUTER), (0x2001, OUTER[::-1])))
        policy = ipsec.Policy(HERE, THERE, OUTER, reqid=7)
        back = ipsec.Policy(THERE, HERE, OUTER[::-1], reqid=7)
        with open(f"{FOLDER}/key", "w", encoding="ascii") as file:
            os.chmod(f"{FOLDER}/key", 0o600)
            file.write(os.urandom(20).hex())
        self.lines = ["default icmp bypass",
                      "policy add both 10.1.0.0/24 10.3.0.0/24 protect tunnel 192.0.2.1 192.0.2.2 reqid 8 label three",
                      "policy add both 10.1.0.0/24 10.4.0.0/24 priority 50 discard",
                      "sa add out spi 0x3001 src 192.0.2.1 dst 192.0.2.2 tunnel aes128gcm16 key-file key reqid 8"]
        self.write(self.lines)
        self.a.run(CLI, "apply", FILE)
        Espah.configure(self.a, self.sas[:1], self.sas[1:], [policy], [back])
        Espah.batch(self.a, ["config secpath off"])
        if not face:
            Xfrm.configure(self.b, self.sas[1:], self.sas[:1], [back], [policy])

    @staticmethod
    def write(lines):
        with open(FILE, "w", encoding="ascii") as file:
            os.chmod(FILE, 0o600)
            file.write("\n".join(lines) + "\n")

    def reload(self, *words, status=0, path=None):
        """Returns what it says."""
        environment = ["env", f"PATH={path}"] if path else []
        result = self.a.run(*environment, CLI, "reload", *words, FILE, check=False)
        text = result.stdout + result.stderr
        lab.equal(result.returncode, status, f"status of reload {words}: {text}")
        return text

    def saved(self):
        """What there is, with the owners, keys and places of policies."""
        sas = [{key: sa.get(key) for key in ("spi", "dir", "alg", "key", "reqid", "owner", "label", "window")}
               for sa in Espah.sas(self.a, "--show-keys")]
        lab.true(all(sa["key"] for sa in sas), "no key is shown")
        return self.a.run(CLI, "save").stdout, sas, [policy.get("owner") for policy in Espah.policies(self.a)]

    def numbers(self):
        """Sequence numbers of the SAs that carry packets."""
        return [sa["seq"] for sa in Espah.sas(self.a, "reqid", "7")]

    def out(self):
        """Packets that the outbound SA may still carry, and its IV mask."""
        sa, = Espah.sas(self.a, "out", "reqid", "7", "--show-keys")
        return sa["hard"]["packets"]["left"], sa["iv_mask"]

    def tables(self):
        return self.a.run("nft", "list", "tables").stdout

    def flows(self):
        """A datagram goes to b and back."""
        with traffic.udp(self.h, "10.1.0.2") as near, traffic.udp(self.b, "10.2.0.1", 7) as far:
            near.sendto(b"there", ("10.2.0.1", 7))
            data, sender = far.recvfrom(100)
            far.sendto(data, sender)
            lab.equal(near.recv(100), b"there", "the answer")


class Load:
    """Datagrams from h to b, numbered, which b answers; and all frames of a that should not be in clear."""

    def __init__(self, lab_):
        self.near, self.far = traffic.udp(lab_.h, "10.1.0.2"), traffic.udp(lab_.b, "10.2.0.1", 9000)
        self.wire = traffic.Wire(lab_.a, "wan", cleartext=True)
        self.sent, self.there, self.back = 0, 0, 0
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.send), threading.Thread(target=self.answer)]

    def send(self):
        while not self.stop.is_set():
            self.near.sendto(b"plain text %d" % self.sent, ("10.2.0.1", 9000))
            self.sent += 1
            time.sleep(0.002)

    def answer(self):
        self.far.settimeout(0.2)
        while not self.stop.is_set():
            try:
                data, sender = self.far.recvfrom(100)
            except TimeoutError:
                continue
            self.there += 1
            self.far.sendto(data, sender)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        lab.wait_for(lambda: self.there > 20, "datagrams at b")
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        time.sleep(0.3)  # the last packets are in flight
        self.there += len(traffic.drain(self.far))
        self.back = len(traffic.drain(self.near))
        self.clear = len(self.wire.frames())
        for each in (self.near, self.far, self.wire):
            each.close()


# --- the swap --------------------------------------------------------------------------------

@lab.test("under load: the other module is loaded, packets go on in the same SAs, some are lost, none in clear")
def swap():
    lab_ = Lab()
    before, numbers = lab_.saved(), lab_.numbers()
    lab_.a.run(CLI, "sa", "set", "out", "spi", "0x1001", "dst", lab_.sas[0].dst, "used", "packets", "500000000")
    (left, mask), start = lab_.out(), time.monotonic()
    with Load(lab_) as load:
        text = lab_.reload()
        took = time.monotonic() - start
        after = load.there
        lab.wait_for(lambda: load.there > after + 50, "datagrams at b after the reload")
    lab.true(is_new(), "the module is the same as before")
    lab.true("policies, 3 SAs" in text, f"it says: {text}")
    lab.equal(load.clear, 0, "frames in clear")
    lab.true(load.back > 50, f"{load.back} answers")
    print(f"log {load.sent} sent, {load.sent - load.there} lost on the way there, "
          f"{load.sent - load.back} with the answers, {load.clear} in clear; {took:.1f} s", flush=True)
    lab.equal(lab_.saved(), before, "what there is")
    lab.true(all(new > old for new, old in zip(lab_.numbers(), numbers, strict=True)), "sequence numbers went back")
    lab.true(lab_.out()[0] < left <= 500000000, f"packets left: {left}, then {lab_.out()[0]}")
    lab.true(lab_.out()[1] != mask, "the IV mask is the same, so IVs might come again")
    lab.equal(lab_.tables(), "", "tables")
    lab.equal(lab_.a.run(CLI, "apply", "--dry-run", FILE, check=False).returncode, 0, "status of apply --dry-run")


def routed(lab_):
    """Devices, addresses and routes of a, without link-local addresses, which the kernel makes anew."""
    text = "".join(lab_.a.run("ip", *words).stdout for words in (
        ("-o", "link", "show", "type", "espah"), ("-o", "addr"), ("route", "show", "table", "all"),
        ("-6", "route", "show", "table", "all")))
    return sorted(re.sub(r"(valid|preferred)_lft \S+|expires \S+|link/none.*|qlen.*", "", line).rstrip()
                  for line in text.splitlines() if "fe80:" not in line)


@lab.test("devices come again with index, addresses and routes; what is routed into them takes no other route meanwhile")
def devices():
    lab_ = Lab()
    # in place of the policy, a device: without it, the default route leads to b in clear
    Espah.batch(lab_.a, [f"policy del out {HERE} {THERE}", f"policy del in {THERE} {HERE}", "sa flush",
                         "link add ipsec0 if-id 42 mtu 1400 up", "link add ipsec1 if-id 43",
                         f"policy add both any4 any if-id 42 protect tunnel {OUTER[0]} {OUTER[1]} reqid 7"])
    lab_.write(lab_.lines[:-1])
    lab_.a.run(CLI, "apply", FILE)
    for sa in lab_.sas:
        sa.if_id = 42
    Espah.configure(lab_.a, lab_.sas[:1], lab_.sas[1:])
    lab_.a.ip("addr add 10.255.0.1/30 dev ipsec0\naddr add fd42::1/64 dev ipsec0 nodad\n"
              "link add vrf-one type vrf table 77\nlink set vrf-one up\nlink set ipsec1 master vrf-one\n"
              "link set ipsec1 up\naddr add 10.254.0.1/30 dev ipsec1\n"
              "route del 10.0.0.0/8\nroute add default via 192.0.2.2\nroute add default via 192.0.2.2 metric 500\n"
              "route add 10.2.0.0/24 dev ipsec0 src 10.1.0.1 metric 10\n"
              "route add 10.8.0.0/16 via 10.255.0.2 dev ipsec0 proto bird\n"
              "route add 10.8.0.0/16 dev ipsec0 table 55\nroute add 10.9.0.0/16 dev ipsec1 vrf vrf-one\n"
              "route add fd02::/48 dev ipsec0\nroute add fd03::/48 via fd42::2 dev ipsec0\n")
    before, text = routed(lab_), lab_.a.run(CLI, "save").stdout
    with Load(lab_) as load:
        lab_.reload()
        after = load.there
        lab.wait_for(lambda: load.there > after + 50, "datagrams at b after the reload")
    lab.equal((load.clear, is_new()), (0, True), "frames in clear, and whether the module is another one")
    now = routed(lab_)
    lab.equal(sorted(set(now) ^ set(before)), [], "what differs of devices, addresses and routes")
    lab.equal(lab_.a.run(CLI, "save").stdout, text, "what there is")
    # a route where the blackhole would be
    lab_.a.ip("route add 10.2.0.0/24 via 192.0.2.2 metric 11\n")
    before = routed(lab_)
    lab.true("the next metric is taken" in lab_.reload(status=1), "the reason")
    lab.equal(sorted(set(routed(lab_)) ^ set(before)), [], "what differs after the refusal")
    lab.equal(lab_.tables(), "", "tables")
    lab_.a.ip("route del 10.2.0.0/24 metric 11\n")
    # the blackholes stay if the module cannot be loaded
    install("userns=perhaps")
    with Load(lab_) as load:
        lab.true("blackhole routes" in lab_.reload(status=1), "the advice")
        time.sleep(0.5)
    lab.equal(load.clear, 0, "frames in clear")


@lab.test("the module for NETLINK_XFRM is loaded again, too; while a program has its socket open, nothing changes")
def face():
    lab_ = Lab(face=True)
    before = lab_.saved()
    with lab_.a.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6):
        lab.true("a socket of NETLINK_XFRM" in lab_.reload(status=1), "the reason")
    lab_.reload()
    lab.true(is_new() and os.path.isdir("/sys/module/espah_xfrm"), "modules that are loaded")
    lab.equal(lab_.saved(), before, "what there is")


# --- refusals ----------------------------------------------------------------------------------

@contextlib.contextmanager
def edited(field, other):
    """The installed module says something else about itself."""
    path = f"{INSTALLED}/espah.ko"
    with open(path, "rb") as file:
        data = file.read()
    lab.equal(data.count(field), 1, f"places with {field}")
    with open(path, "wb") as file:
        file.write(data.replace(field, other))
    yield
    with open(path, "wb") as file:
        file.write(data)


def refused(lab_, before, reason, *words, status=1, path=None):
    text = lab_.reload(*words, status=status, path=path)
    lab.true(re.search(reason, text) and text.startswith(("espah: ", f"{FILE}:")), f"it says: {text}")
    lab.true(not is_new(), f"the module is another one after: {reason}")
    lab.equal(lab_.tables(), "", f"tables after: {reason}")
    lab.equal(lab_.saved(), before, f"what there is after: {reason}")


@lab.test("a refusal changes nothing: no module for this kernel, errors in the file, a difference, a guard")
def refusals():
    lab_ = Lab()
    before = lab_.saved()
    os.rename(INSTALLED, INSTALLED + ".away")
    try:
        refused(lab_, before, "there is no module espah for the running kernel")
    finally:
        os.rename(INSTALLED + ".away", INSTALLED)
    for field, other, reason in (
            (b"family=1\0", b"family=2\0", "version 2 of the netlink family, but this command needs version 1"),
            (f"vermagic={os.uname().release} ".encode(), f"vermagic={os.uname().release}".encode() + b"+",
             "the module espah is for the kernel")):
        with edited(field, other):
            refused(lab_, before, reason)
    lab_.write([*lab_.lines, "polcy add"])
    refused(lab_, before, "begins with", status=2)
    lab_.write(lab_.lines[:-1])
    refused(lab_, before, "differs from what is in force")
    lab_.write(lab_.lines)
    only = f"{FOLDER}/bin"
    os.makedirs(only, exist_ok=True)
    for name in "modinfo", "modprobe":
        if not os.path.lexists(f"{only}/{name}"):
            os.symlink(shutil.which(name), f"{only}/{name}")
    refused(lab_, before, "nft cannot be started", path=f"{only}:/none")
    lab_.a.run("nft", "-f", "-", stdin=lab_.a.run(CLI, "guard", FILE).stdout)
    lab.true("there is a guard" in lab_.reload(status=1), "the reason")
    lab.true(not is_new(), "the module is another one")
    lab_.a.run("nft", "-f", "-", stdin=lab_.a.run(CLI, "guard", "--remove").stdout)
    lab_.flows()


@lab.test("a refusal changes nothing: another network namespace, devices between two, one without a name, a daemon")
def losses():
    lab_ = Lab()
    Espah.batch(lab_.a, ["link add ipsec0 if-id 42 up"])
    lab_.a.ip("link set ipsec0 netns b\n")
    refused(lab_, lab_.saved(), "would lose what other network namespaces have: b .0 SAs, 0 policies, 1 devices")
    lab_.b.ip("link del ipsec0\n")
    Espah.batch(lab_.b, ["link add ipsec0 if-id 42 up"])
    lab_.b.ip("link set ipsec0 netns a\n")
    refused(lab_, lab_.saved(), "1 devices that were made in another network namespace")
    lab_.a.ip("link del ipsec0\n")
    before = lab_.saved()
    Espah.batch(lab_.b, ["policy add out 10.9.0.0/24 any discard"])
    refused(lab_, before, "would lose what other network namespaces have: b .0 SAs, 1 policies, 0 devices")
    Espah.batch(lab_.b, ["policy flush", "config direct on"])
    refused(lab_, before, "b .0 SAs, 0 policies, 0 devices, settings")
    Espah.batch(lab_.b, ["config direct off"])
    hidden = lab.Netns("hidden")
    Espah.batch(hidden, ["policy add out 10.9.0.0/24 any discard"])
    fd = os.dup(hidden.fd)
    hidden.delete()
    refused(lab_, before, "is in use, 1 times")
    os.close(fd)
    lab.wait_for(lambda: module_users() == 1, "the end of the namespace")
    of_daemon(lab_)
    refused(lab_, lab_.saved(), "an IKE daemon has 1 SAs and 0 policies")
    lab.true("restart the IKE daemon" in lab_.reload("--force"), "the advice")
    lab.true(is_new(), "the module is the same as before")
    lab.equal([sa["owner"] for sa in Espah.sas(lab_.a)].count("daemon"), 1, "SAs of the daemon")
    lab_.flows()


def module_users():
    with open("/sys/module/espah/refcnt", encoding="ascii") as file:
        return int(file.read())


def of_daemon(lab_):
    """Makes an SA that of a daemon."""
    sa = lab_.sas[0]
    with lab_.a:
        link = netlink.Link()
    link.ask(netlink.SA_SET, [(netlink.DIR, netlink.u8(netlink.OUT)), (netlink.PROTO, netlink.u8(50)),
                              (netlink.SPI, netlink.be32(sa.spi)), (netlink.DST, netlink.ip(sa.dst)),
                              (netlink.OWNER, netlink.u8(netlink.OWNER_DAEMON))])


# --- failures in the middle --------------------------------------------------------------------

def wrapper(name, script):
    """A program before others in the path. Return: the path"""
    os.makedirs(f"{FOLDER}/wrap", exist_ok=True)
    for other in os.listdir(f"{FOLDER}/wrap"):
        os.unlink(f"{FOLDER}/wrap/{other}")
    with open(f"{FOLDER}/wrap/{name}", "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\n{script}\nexec {shutil.which(name)} \"$@\"\n")
    os.chmod(f"{FOLDER}/wrap/{name}", 0o755)
    return f"{FOLDER}/wrap:{os.environ['PATH']}"


@lab.test("something takes hold of the module after the checks: it is not removed, and all is as before")
def held():
    lab_ = Lab()
    before = lab_.saved()
    path = wrapper("nft", f"[ $1 != -f ] || {CLI} -n b policy add out 10.9.0.0/24 any discard 2>/dev/null")
    with Load(lab_) as load:
        text = lab_.reload(status=1, path=path)
        after = load.there
        lab.wait_for(lambda: load.there > after + 50, "datagrams at b after the reload")
    lab.true("cannot be removed: something uses it" in text and "is in force again" in text, f"it says: {text}")
    lab.equal((load.clear, is_new()), (0, False), "frames in clear, and whether the module is another one")
    lab.equal((lab_.saved(), lab_.tables()), (before, ""), "what there is, and tables")


def stays(lab_, path=None):
    """The reload fails; the guard stays. Return: what it says"""
    before = lab_.a.run(CLI, "save").stdout
    with Load(lab_) as load:
        text = lab_.reload(status=1, path=path)
        time.sleep(0.5)
    lab.equal(load.clear, 0, "frames in clear")
    lab.equal(lab_.tables(), "table inet espah_guard\n", "tables")
    advice = re.search(r"When the cause is mended: (.*)$", text, re.M)
    lab.true(advice, f"it says: {text}")
    return before, advice[1].replace("espah ", f"{CLI} ").replace(f"modprobe {CLI} ", "modprobe espah ")


def policies_of(text):
    return sorted(line for line in text.splitlines() if not line.startswith("sa "))


@lab.test("the module cannot be loaded: the guard stays, nothing goes in clear; the advice puts the policies back")
def unloadable():
    lab_ = Lab()
    install("userns=perhaps")
    before, advice = stays(lab_)
    lab.true(not module.loaded(), "the module is loaded")
    install()
    lab_.a.run("sh", "-c", advice)
    lab.equal(lab_.tables(), "", "tables")
    after = lab_.a.run(CLI, "save").stdout
    lab.equal(policies_of(after), policies_of(before), "policies")
    lab.equal(after.count("sa add"), 1, "SAs")


@lab.test("a policy cannot be put back: the guard stays, nothing goes in clear; the advice puts the policies back")
def unputtable():
    lab_ = Lab()
    path = wrapper("modprobe", f"{shutil.which('modprobe')} \"$@\" && "
                   f"{CLI} policy add out {HERE} {THERE} priority 1000 bypass; exit 0")
    before, advice = stays(lab_, path)
    Espah.batch(lab_.a, [f"policy del out {HERE} {THERE} priority 1000"])
    lab_.a.run("sh", "-c", advice, check=False)
    lab.equal(policies_of(lab_.a.run(CLI, "save").stdout), policies_of(before), "policies")


if __name__ == "__main__":
    ipsec.need_espah()
    try:
        lab.main()
    finally:  # the next suite wants a module without parameters
        remove_modules()
        shutil.rmtree(INSTALLED, ignore_errors=True)
        lab.run("depmod", "-a", timeout=300)
        os.unlink(OPTIONS)
