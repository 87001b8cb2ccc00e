#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What reports about gateways ask for: a trap for any host, odd limits, SPIs, refusals, policies of others.

See sites.py for the topology; a is over espah, b over XFRM. ESPAH_HOSTS: how many hosts behind b come
up at once (default 12), beside one that never answers.
"""
import os
import re
import time

import lab
import stacks
import traffic
from charon import Charon, connection
from ipsec import CLI, OURS, Espah, Face, Policy, Xfrm, need_plugin
from sites import A, B, GCM, LONG, NEVER, NET_A, NET_B, S, T, Lab, carries_on, net, reply, sides

# --- a trap for any host of a network -----------------------------------------------------------

HOSTS = int(os.environ.get("ESPAH_HOSTS", "12"))
HOST_NET, DEAD = "10.3.0.0/16", "10.3.255.1"
# a is the only peer of all the hosts, so their charon must not take it for an attacker
TRUSTING = "dos_protection = no"
USUAL = "retransmit_timeout = 4\nretransmit_base = 1.8\nretransmit_tries = 5"  # strongSwan's own defaults


def host(number):
    return f"10.3.{number // 200}.{number % 200 + 1}"


def hosts(here, stack, count):
    """A trap at a for the network of the hosts, and one charon for all of them. Return: a, b"""
    here.m.ip(f"route replace {HOST_NET} via {B[4]}\n")
    here.b.ip("".join(f"addr replace {address}/32 dev lo\n"
                      for address in (*map(host, range(count)), DEAD)))
    here.b.run("nft", "-f", "-", stdin="table inet dead { }\ndelete table inet dead\n"
               "table inet dead { chain in { type filter hook input priority 0; "
               f"ip daddr {DEAD} drop; }}; }}\n")
    text = GCM + LONG + "mode = transport\n"
    b = Charon(here.b, "xfrm", connection(HOST_NET, A[4], {"host": text}), options=f"{TRUSTING}\n{USUAL}")
    a = Charon(here.a, stack, connection(A[4], "%any", {
        "host": f"remote_ts = {HOST_NET}\nstart_action = trap\n" + text}), options=USUAL)
    return a, b


def come_up(here, stack, count):
    """Sends one packet to each host, the dead one first, and waits until all others are up."""
    a, _ = hosts(here, stack, count)
    all_ = {DEAD, *map(host, range(count))}
    start = time.monotonic()

    def up():
        return set(re.findall(r"CHILD_SA host\{\d+\} established .* === ([\d.]+)/", a.log()))
    with traffic.udp(here.a, A[4]) as sock:
        for address in (DEAD, *map(host, range(count))):
            sock.sendto(b"once", (address, 9))
        while len(up()) < count and time.monotonic() < start + 60 + count:
            time.sleep(0.2 + count / 100)
            if stack == "xfrm":  # it may have lost acquire events
                for address in all_ - up():
                    sock.sendto(b"again", (address, 9))
    seconds = time.monotonic() - start
    print(f"# {count} hosts over {stack}: {seconds:.1f} s until all were up", flush=True)
    lab.equal(len(up()), count, f"hosts that came up over {stack}")
    asked = re.findall(r"creating acquire job for policy .* === ([\d.]+)/", a.log())
    if stack != "xfrm":
        lab.equal(len(asked), len(all_), "acquire events")
    lab.equal(set(asked), all_, f"hosts that were asked for over {stack}")
    lab.equal(len(re.findall(r"\bstate=CONNECTING\b", a.sas())), 1, "the dead host's IKE_SA")
    traffic.ping(here.a, A[4], host(count - 1))
    lab.equal(here.in_clear(), 0, "packets in clear")
    Charon.stop_all()
    here.a.ip("xfrm state flush\nxfrm policy flush\n")


@lab.test(f"a trap for any host of a network: one packet to each of {HOSTS} hosts brings them all up, "
          "while one never answers", HOSTS)
def any_host(count):
    try:
        for stack in OURS.name, "xfrm":
            here = Lab.clean()
            stacks.use(stack)
            come_up(here, stack, count)
    finally:
        Charon.stop_all()
        Lab.only.a.ip("xfrm state flush\nxfrm policy flush\n")
        stacks.use(OURS.name)
        Lab.only.b.run("nft", "delete", "table", "inet", "dead", check=False)


@lab.test("a trap for one peer that does not answer: one acquire event a second, however many hosts ask")
def one_peer():
    here = Lab.clean()
    a = Charon(here.a, OURS.name, sides("start_action = trap\n", "")[0], timeout=60)
    start = time.monotonic()
    with traffic.udp(here.s, S[4]) as sock:
        for number in range(100):
            sock.sendto(b"many", (f"10.2.0.{number + 2}", 9))
    a.wait_log("creating acquire job")
    lab.wait_for(lambda: "sending packet" in a.log(), "a request")
    most = 1 + int(time.monotonic() - start)
    count = len(re.findall("creating acquire job", a.log()))
    lab.true(count <= most, f"{count} acquire events, at most {most} expected")
    lab.equal(here.in_clear(), 0, "packets in clear")


# --- limits -----------------------------------------------------------------------------------

# name: (what a's child has, pings that exceed it)
LIMITS = {
    "time": ("life_time = 30s\n", 0),  # the default of rekey_time is an hour
    "bytes": ("life_bytes = 3000\n", 60),
    "packets": ("life_packets = 30\n", 60),
    "above": ("rekey_packets = 1000\nlife_packets = 30\n", 60),
    "largest": ("rekey_bytes = 1000000\nlife_bytes = 3000\n", 60),
    "zero": ("rekey_time = 0\n", 0),
}


@lab.test("limits of which the hard one is the only one, or the lower one: the CHILD_SA comes up, "
          "carries and ends at the hard limit; a trap keeps packets from leaving in clear")
def limits():
    here = Lab.clean()
    ends = {name: (f"10.1.0.{number}", f"10.2.0.{number}")
            for number, name in enumerate(LIMITS, 20)}
    for ns, end in (here.s, 0), (here.t, 1):
        ns.ip("".join(f"addr replace {pair[end]}/24 dev eth0\n" for pair in ends.values()))

    def side(mine, theirs, end, text):
        return connection(mine, theirs, {name: f"local_ts = {ends[name][end]}/32\nremote_ts = "
                                         f"{ends[name][1 - end]}/32\n{GCM}{text(name)}"
                                         for name in LIMITS})
    Charon(here.b, "xfrm", side(B[4], A[4], 1, lambda name: LONG))
    a = Charon(here.a, OURS.name, side(A[4], B[4], 0, lambda name: "start_action = trap\n" +
                                       LIMITS[name][0]))
    for name, (near, far) in ends.items():
        a.initiate(name)
        traffic.ping(here.s, near, far)
    lab.equal(set(re.findall(r"\{name=(\w+) uniqueid", a.sas())), set(LIMITS), "CHILD_SAs")

    def ended(name):
        """Whether the CHILD_SA with which it began was ended by a hard limit."""
        if "creating rekey job" in a.log():
            raise lab.Failed("a CHILD_SA was rekeyed")
        return re.search(rf"closing expired CHILD_SA {name}\{{", a.log())
    for name, (_, pings) in LIMITS.items():
        if pings:
            here.s.run("ping", "-n", "-q", "-c", str(pings), "-i", "0.005", "-W", "1", "-I",
                       *ends[name], check=False)
    for name in LIMITS:
        if name != "zero":
            with lab.verdict(f"limits: {LIMITS[name][0].strip()}".replace("\n", ", ")):
                lab.wait_for(lambda name=name: ended(name), "its end", 60)
                lab.wait_for(lambda name=name: reply(here, *ends[name]), "an answer again", 60)
    lab.true(not ended("zero"), "the CHILD_SA without a limit ended")
    lab.equal(here.in_clear(), 0, "packets in clear")


# --- SPIs and refusals ---------------------------------------------------------------------------

def inbound_spi(here):
    return next(int(sa["spi"], 16) for sa in here.sas() if sa["dir"] == "in")


for low_, high_, least_, most_ in ((0x10000000, 0x1000000f, 0x10000000, 0x1000000f),
                                  (0x2000000f, 0x20000000, 0x20000000, 0x2000000f),
                                  (0x1, 0x107, 0x100, 0x107)):
    @lab.test(f"spi_min = {low_:#x} and spi_max = {high_:#x} are kept"
              + (", but for reserved SPIs" if least_ > low_ and low_ < high_ else ""),
              low_, high_, least_, most_)
    def spi_range(low, high, least, most):
        if low < 0x100:
            need_plugin()  # XFRM gives reserved ones, too
        here = Lab.clean()
        a, _ = here.pair(4, net(), options=f"spi_min = {low:#x}\nspi_max = {high:#x}")
        for _ in range(3):
            a.initiate()
            lab.true(least <= inbound_spi(here) <= most, f"SPI {inbound_spi(here):#x}")
            traffic.ping(here.s, S[4], T[4])
            a.swanctl("--terminate", "--child", "net")
        told = re.search("SPIs below 256 are reserved.* spi_min and spi_max count as 0x00000100 and "
                         f"{most:#010x}", a.log())
        lab.equal(bool(told), low < 0x100, "the log tells of reserved SPIs")


@lab.test("what the module refuses is in charon's log in the module's words")
def refused():
    need_plugin()
    here = Lab.clean()
    # charon's only SPI, and that of its peer, are taken
    only = "spi_min = 0x70000001\nspi_max = 0x70000001"
    a, b = here.pair(4, net(), options=only)
    b.stop()
    b = Charon(here.b, "xfrm", sides(LONG, LONG)[1], options=only.replace("7000", "7001"))
    key = "ab" * 20
    for line, what in (
            (f"sa add in spi 0x70000001 src {B[4]} dst {A[4]} tunnel aes128gcm16 key {key}",
             "unable to reserve an SA"),
            (f"sa add out spi 0x70010001 src {A[4]} dst {B[4]} tunnel aes128gcm16 key {key}",
             "unable to add an SA with SPI 70010001")):
        Espah.batch(here.a, [line])
        words = line.split()
        words[1:3], key = ["add", words[2]], "cd" * 20
        with here.a:
            # the module's own words for the same request by hand
            by_hand = lab.run(*alloc_or_add(words), check=False).stderr
        a.initiate(check=False)
        told = re.search(rf"kernel-espah: {what}.*?: (.*)", a.log())
        lab.true(told, f"'{what}' is not in the log")
        lab.true(told[1] in by_hand, f"the log says '{told[1]}', the module '{by_hand}'")
        Espah.batch(here.a, ["flush"])


def alloc_or_add(words):
    if words[2] == "in":
        return (CLI, "sa", "alloc", *words[5:9], "tunnel", "min", "0x70000001", "max", "0x70000001")
    return (CLI, *words)


REFUSED = {"3des-sha1\n": "3DES_CBC with HMAC_SHA1_96",
           "aes128-sha256\nsha256_96 = yes\n": "AES_CBC with HMAC_SHA2_256_96"}


@lab.test("algorithms and BEET mode, which the manual says are refused: charon's log names them; with ipcomp the "
          "tunnel comes up without it")
def lacking():
    need_plugin()
    here = Lab.clean()
    vendor = "send_vendor_id = yes"  # without it the two do not negotiate BEET
    ends = f"local_ts = {{}}\nremote_ts = {{}}\n{LONG}"
    b_ends, a_ends = ends.format(NET_B[4], NET_A[4]), ends.format(NET_A[4], NET_B[4])
    Charon(here.b, "xfrm", connection(B[4], A[4], {
        "net": f"{b_ends}esp_proposals = aes128gcm16,3des-sha1,aes128-sha256\n",
        "beet": f"local_ts = {B[4]}\nremote_ts = {A[4]}\nmode = beet\n{GCM}"}), timeout=20, options=vendor)
    a = Charon(here.a, OURS.name, connection(A[4], B[4], {
        **{f"n{number}": f"{a_ends}esp_proposals = {name}" for number, name in enumerate(REFUSED)},
        "beet": f"local_ts = {A[4]}\nremote_ts = {B[4]}\nmode = beet\n{GCM}",
        "comp": f"{a_ends}ipcomp = yes\n{GCM}"}), timeout=20, options=vendor)
    for child, why in (*((f"n{number}", f"the module has no {name}")
                         for number, name in enumerate(REFUSED.values())),
                       ("beet", "modes other than tunnel and transport are not supported")):
        with lab.verdict(f"refused, and said so: {why}"):
            a.initiate(child, check=False)
            lab.true(f"kernel-espah: {why}" in a.log(), "the log does not say so")
            lab.wait_for(lambda: here.left() == ([], []), "what was begun to go")
    a.initiate("comp")
    traffic.ping(here.s, S[4], T[4], count=3)
    lab.equal(here.in_clear(), 0, "packets in clear")


# --- policies of others -----------------------------------------------------------------------

def by_espah(here):
    Espah.configure(here.a, out=[Policy(NET_A[4], NET_B[4], (A[4], B[4]), 77)],
                    in_=[Policy(NET_B[4], NET_A[4], (B[4], A[4]), 77)])


def by_ip_xfrm(here):
    Xfrm.configure(here.a, out=[Policy(NET_A[4], NET_B[4], (A[4], B[4]), 77)],
                   in_=[Policy(NET_B[4], NET_A[4], (B[4], A[4]), 77)])


for command_, function_ in ("espah policy", by_espah), ("ip xfrm policy", by_ip_xfrm):
    @lab.test(f"policies = no: '{command_}' makes the policies, and charon the SAs, which rekeying keeps",
              function_)
    def others_policies(function):
        if OURS is not Xfrm and (function is by_ip_xfrm) != (OURS is Face):
            raise lab.Skipped("for the other of the plugin and espah_xfrm")
        if OURS is Xfrm and function is by_espah:
            raise lab.Skipped("about espah's command")
        here = Lab.clean()
        texts = sides("policies = no\nreqid = 77\n" + NEVER, LONG)
        Charon(here.b, "xfrm", texts[1])
        a = Charon(here.a, OURS.name, texts[0])
        function(here)
        for _ in range(5):
            here.s.run("ping", "-n", "-c", "1", "-W", "0.05", T[4], check=False)
        a.initiate()
        lab.wait_for(lambda: reply(here), "an answer", 30)
        carries_on(here)
        a.swanctl("--rekey", "--child", "net")
        lab.wait_for(lambda: len(re.findall("established with SPIs", a.log())) > 1, "a rekeying")
        traffic.ping(here.s, S[4], T[4], count=3)
        a.swanctl("--terminate", "--ike", "gw")
        lab.wait_for(lambda: not here.sas(), "the SAs to go")
        lab.equal(len(here.policies()), 2, "policies that stay")
        here.s.run("ping", "-n", "-c", "3", "-i", "0.01", "-W", "0.1", T[4], check=False)
        lab.equal(here.in_clear(), 0, "packets in clear")


if __name__ == "__main__":
    lab.main()
