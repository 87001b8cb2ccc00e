#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Big days of a gateway that strongSwan keys: many CHILD_SAs, and peers that die or rekey at the same time.

See sites.py for the topology; a is the gateway, over espah and then over XFRM. One charon at b plays all peers,
each with an address of its own. ESPAH_CHILDREN: number of CHILD_SAs (default 300); ESPAH_PEERS: number of
peers (default 40). Times are printed, beside those of XFRM; only what DPD promises is a limit.
"""
import ipaddress
import os
import re
import signal
import socket
import struct
import time

import lab
import peer
import stacks
import traffic
from charon import PSK, Charon, connection
from ipsec import CLI, OURS, Espah, Face, Xfrm, need_plugin
from sites import A, B, GCM, LONG, NEVER, S, Lab

CHILDREN = int(os.environ.get("ESPAH_CHILDREN", "300"))
PEERS = int(os.environ.get("ESPAH_PEERS", "40"))
EACH = 100  # CHILD_SAs of one IKE_SA
LIMIT = 1800  # seconds for any step: only a step that hangs takes as long
peer.LIMIT = LIMIT
# many peers are no attackers here; and more requests come at once than fit into the queue of charon's socket
BUSY = "dos_protection = no\nretransmit_timeout = 8\nretransmit_base = 1.3\nretransmit_tries = 8"
NO_MOBIKE = "mobike = no\n"  # b would announce all its addresses to each peer


def outer(number):
    """The address of a peer."""
    return str(ipaddress.ip_address("198.18.1.1") + number)


def inner(site, number):
    """The address of a host behind a (site 1) or b (site 2)."""
    return str(ipaddress.ip_address(f"10.{site}.1.1") + number)


def prepare(stack, hosts):
    """A clean laboratory in which a uses a stack, and t is the hosts behind b with these numbers."""
    here = Lab.clean()
    stacks.use(stack)
    here.m.ip(f"route replace 10.1.0.0/16 via {A[4]}\nroute replace 10.2.0.0/16 via {B[4]}\n"
              f"route replace 198.18.0.0/16 via {B[4]}\n")
    here.b.ip("".join(f"addr replace {outer(number)}/32 dev lo\n"
                      for number in range(max(PEERS, -(-CHILDREN // EACH)))))
    for ns, gateway, site in (here.s, here.a, 1), (here.t, here.b, 2):
        gateway.ip(f"route replace 10.{site}.0.0/16 via 10.{site}.0.2\n")
        ns.ip("".join(f"addr replace {inner(site, number)}/32 dev eth0\n" for number in hosts))
    return here


def leave(here):
    """Ends a stack's turn."""
    Charon.stop_all()
    here.a.ip("xfrm state flush\nxfrm policy flush\n")
    here.m.run("nft", "delete", "table", "inet", "dead", check=False)


def in_turn(day):
    """What a function measures over our stack, and then over XFRM."""
    found = []
    try:
        for stack in OURS.name, "xfrm":
            here, *result = day(stack)
            found.append(result)
            leave(here)
    finally:
        leave(Lab.only)
        stacks.use(OURS.name)
    return found


def count_sas(ns, stack):
    """Number of SAs of a namespace, without listing them."""
    if stack == "xfrm":
        return int(re.search(r"count (\d+)", ns.run("ip", "xfrm", "state", "count").stdout)[1])
    return Espah.json(ns, "stats")["sas"]


def wait_sas(here, stack, count, what, timeout=LIMIT):
    """Waits until a and b have a number of SAs, and prints how far they came if they do not."""
    def numbers():
        return count_sas(here.a, stack), count_sas(here.b, "xfrm")
    try:
        lab.wait_for(lambda: numbers() == (count, count), what, timeout)
    except lab.Failed as error:
        raise lab.Failed(f"{error}: a and b have {numbers()} SAs, {count} expected") from None


def load(charon, conf):
    """Return: the seconds that it took."""
    start = time.monotonic()
    charon.write("swanctl.conf", conf)
    charon.swanctl("--load-all", "--noprompt", timeout=LIMIT)
    return time.monotonic() - start


SECRET = f"\nsecrets {{ ike-all {{ secret = {PSK} }} }}\n"


NETLINK_XFRM, NETLINK_GENERIC = "6", "16"


def events_lost(here):
    """Events that the kernel dropped, because the socket of a program was full."""
    with here.a:
        with open("/proc/thread-self/net/netlink", encoding="ascii") as file:
            sockets = [line.split() for line in file.readlines()[1:]]
    return sum(int(words[8]) for words in sockets if words[1] in (NETLINK_XFRM, NETLINK_GENERIC))


def told_of_loss(a):
    """How often the plugin has said that events are lost."""
    return len(re.findall("events of the module are lost", a.log()))


# --- many CHILD_SAs -----------------------------------------------------------------------------

def timed(ns, *words):
    """Runs a program. Return: its output, and the seconds that it took."""
    start = time.monotonic()
    text = ns.run(*words, timeout=LIMIT).stdout
    return text, time.monotonic() - start


def listed(here, stack, count):
    """What the kernel's list has: numbers of SAs and policies, and seconds."""
    if stack == "xfrm":
        states, first = timed(here.a, "ip", "xfrm", "state")
        policies, second = timed(here.a, "ip", "xfrm", "policy")
        lab.equal((len(re.findall("^src ", states, re.M)), len(re.findall(r"^\s+dir (?:in|out) ", policies, re.M))),
                  (2 * count, 2 * count), "SAs and policies that ip xfrm lists")
        return first + second
    text, seconds = timed(here.a, CLI, "show")
    lab.equal((len(re.findall(r"^(?:in|out) +esp +0x", text, re.M)),
               len(re.findall(r"^.*\bprotect\b", text, re.M))), (2 * count, 2 * count),
              "SAs and policies that espah show lists")
    if OURS is Face:
        states, more = timed(here.a, "ip", "xfrm", "state")
        lab.equal(len(re.findall("^src ", states, re.M)), 2 * count, "SAs that ip xfrm lists")
        print(f"# ip xfrm state over {stack}: {more:.1f} s")
    return seconds


def many(stack, count):
    samples = 0, count // 2, count - 1
    here = prepare(stack, samples)
    b = Charon(here.b, "xfrm", options=BUSY, log=-1)
    b.load(connection("198.18.0.0/16", A[4], {
        "net": f"local_ts = 10.2.0.0/16\nremote_ts = 10.1.0.0/16\n{GCM}{LONG}"}, extra=NO_MOBIKE))
    a = Charon(here.a, stack, options=BUSY, log=0)
    start = time.monotonic()
    loaded = load(a, "".join(connection(A[4], outer(first // EACH), {
        f"c{number}": f"local_ts = {inner(1, number)}/32\nremote_ts = {inner(2, number)}/32\n{GCM}{LONG}"
                      "start_action = start\n" for number in range(first, min(first + EACH, count))},
        name=f"gw{first // EACH}", extra=NO_MOBIKE) for first in range(0, count, EACH)) + SECRET)
    wait_sas(here, stack, 2 * count, f"{count} CHILD_SAs over {stack}")
    up = time.monotonic() - start
    time.sleep(2)  # the kernel has SAs a little before charon calls them installed
    start = time.monotonic()
    text = a.swanctl("--list-sas", timeout=LIMIT)
    listing = time.monotonic() - start
    lab.equal((len(re.findall(r"\bINSTALLED\b", text)), len(re.findall(r"\bESTABLISHED\b", text))),
              (count, -(-count // EACH)), "CHILD_SAs and IKE_SAs that swanctl lists")
    shown = listed(here, stack, count)
    for number in samples:
        traffic.ping(here.s, inner(1, number), inner(2, number))
        traffic.ping(here.t, inner(2, number), inner(1, number))
    start = time.monotonic()
    a.process.terminate()
    a.process.wait(LIMIT)
    stopped = time.monotonic() - start
    kernel = Xfrm if stack == "xfrm" else Espah
    lab.equal((count_sas(here.a, stack), kernel.policies(here.a)), (0, []), "SAs and policies after charon has stopped")
    lab.equal(here.in_clear(), 0, "packets in clear")
    program = "ip xfrm state and policy" if stack == "xfrm" else "espah show"
    print(f"# {count} CHILD_SAs over {stack}: loaded {loaded:.1f} s, up {up:.1f} s, swanctl --list-sas "
          f"{listing:.1f} s, {program} {shown:.1f} s, charon stopped {stopped:.1f} s", flush=True)
    return here,


@lab.test(f"{CHILDREN} CHILD_SAs of {-(-CHILDREN // EACH)} IKE_SAs: they come up and carry, swanctl and espah list "
          "them all, and nothing is left when charon stops; times beside those of XFRM")
def many_children():
    in_turn(lambda stack: many(stack, CHILDREN))


# --- peers that die -------------------------------------------------------------------------------

DELAY, WAIT, BASE, TRIES = 30, 6, 1.2, 3
DPD = DELAY + sum(WAIT * BASE ** number for number in range(TRIES + 1))
DEAD = "table inet dead {\nchain forward { type filter hook forward priority filter + 1; policy drop; }\n}\n"
SLACK = 5  # seconds


def asked(a):
    """The hosts for which acquire events came."""
    return set(re.findall(r"creating acquire job for policy .* === ([\d.]+)/", a.log()))


def ask(here, a, hosts):
    """One packet to each host. Return: the hosts for which charon was asked, once no more are."""
    with traffic.udp(here.s, inner(1, 0)) as sock:
        for host in hosts:
            sock.sendto(b"once", (host, 9))
    before, quiet = set(), time.monotonic()
    while len(before) < len(hosts) and time.monotonic() < quiet + 10:
        time.sleep(0.5)
        now = asked(a)
        if now != before:
            before, quiet = now, time.monotonic()
    return before


def die(stack, count):
    here = prepare(stack, range(count))
    here.s.ip(f"addr replace {inner(1, 0)}/32 dev eth0\n")
    text = f"local_ts = {{}}\nremote_ts = {{}}\n{GCM}{LONG}"
    a = Charon(here.a, stack, options=f"dos_protection = no\nretransmit_timeout = {WAIT}\nretransmit_base = {BASE}\n"
               f"retransmit_tries = {TRIES}")
    load(a, "".join(connection(A[4], outer(number), {
        f"c{number}": text.format("10.1.0.0/16", inner(2, number) + "/32") + "start_action = trap\n"},
        name=f"gw{number}", extra=f"dpd_delay = {DELAY}s\n{NO_MOBIKE}") for number in range(count)) + SECRET)
    b = Charon(here.b, "xfrm", options=BUSY, log=-1)
    start = time.monotonic()
    load(b, "".join(connection(outer(number), A[4], {
        f"c{number}": text.format(inner(2, number) + "/32", "10.1.0.0/16") + "start_action = start\n"},
        name=f"gw{number}", extra=NO_MOBIKE) for number in range(count)) + SECRET)
    wait_sas(here, stack, 2 * count, f"{count} peers over {stack}")
    up = time.monotonic() - start
    for number in 0, count - 1:
        traffic.ping(here.s, inner(1, 0), inner(2, number))
    time.sleep(DELAY)
    wait_sas(here, stack, 2 * count, "the peers to be there after DPD has asked them", 10)

    here.m.run("nft", "-f", "-", stdin=DEAD)
    start = time.monotonic()
    gone = {}
    while len(gone) < 2 and time.monotonic() < start + DPD + LIMIT:
        if "kernel" not in gone and count_sas(here.a, stack) == 0:
            gone["kernel"] = time.monotonic() - start
        if "charon" not in gone and re.search(r"IKE_SAs: 0 total", a.swanctl("--stats", timeout=LIMIT)):
            gone["charon"] = time.monotonic() - start
        time.sleep(0.5)
    lab.equal(len(gone), 2, "of kernel and charon without SAs")
    lab.equal(len(re.findall(rf"giving up after {TRIES} retransmits", a.log())), count, "peers that DPD gave up")

    hosts = {inner(2, number) for number in range(count)}
    found = ask(here, a, hosts)
    lost = events_lost(here)
    print(f"# {count} peers over {stack}: up {up:.1f} s; dead, gone after {gone['kernel']:.1f} s in the kernel, "
          f"{gone['charon']:.1f} s in charon, by DPD {DPD:.1f} s; then one packet to each asked for "
          f"{len(found)}, events lost {lost}", flush=True)
    if stack != "xfrm":
        if found != hosts:
            lab.true(lost, f"{count - len(found)} acquire events are missing, although the kernel dropped none")
            lab.true(OURS is Face or told_of_loss(a), "acquire events are lost, and the log does not say so")
            for _ in range(10):  # the hosts do not give up, either
                found |= ask(here, a, hosts - found)
        lab.equal(len(found), count, "hosts for which charon was asked")
    lab.equal(here.in_clear(), 0, "packets in clear")
    return here, max(gone.values())


@lab.test(f"{PEERS} peers that die at once are gone within DPD's time and {SLACK} s, or no later than over XFRM; "
          "then their traps ask for all of them at once, no event is lost, and nothing leaves in clear")
def dead_peers():
    (ours,), (xfrm,) = in_turn(lambda stack: die(stack, PEERS))
    lab.true(ours <= max(DPD, xfrm) + SLACK, f"{ours:.1f} s, DPD's time {DPD:.1f} s, over XFRM {xfrm:.1f} s")


# --- road warriors that rekey ------------------------------------------------------------------------

REKEY = 20000  # bytes; all have sent as many at the same time
LARGE, SMALL = 1200, 32
# rounds of large datagrams: until shortly before the limit, and beyond it. They count with or without headers
BEFORE, BEYOND = 14, 5
PORT = 9000
IP_PKTINFO = 8  # missing in the socket module


class Rounds:
    """Numbered datagrams between s and each road warrior's host, one each way a round."""

    def __init__(self, here, count):
        self.count, self.number = count, 0
        self.sent = 0
        self.got = {"s to t": [], "t to s": []}
        self.s, self.t = traffic.udp(here.s, S[4], PORT), traffic.udp(here.t, "0.0.0.0", PORT)
        for sock in self.s, self.t:
            sock.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, 64 << 20)

    def read(self):
        """Return: whether anything came."""
        some = False
        for name, sock in (("s to t", self.t), ("t to s", self.s)):
            new = [data[:13] for data in traffic.drain(sock)]
            self.got[name] += new
            some = some or new
        return some

    def go(self, size):
        """One round. Return: the seconds that it took."""
        start = time.monotonic()
        for warrior in range(self.count):
            data = b"%05d %07d" % (warrior, self.number)
            host = inner(2, warrior)
            self.s.sendto(data.ljust(size), (host, PORT))
            source = struct.pack("=i4s4s", 0, socket.inet_aton(host), bytes(4))
            self.t.sendmsg([data.ljust(SMALL)], [(socket.SOL_IP, IP_PKTINFO, source)], 0, (S[4], PORT))
            if warrior % 8 == 0:
                self.read()
        self.number += 1
        self.sent += 2 * self.count
        self.read()
        return time.monotonic() - start

    def end(self):
        """Return: how many are lost, and how many came twice, in both directions together."""
        quiet = time.monotonic()
        while time.monotonic() < quiet + 3:
            if self.read():
                quiet = time.monotonic()
            time.sleep(0.05)
        self.s.close()
        self.t.close()
        wanted = {b"%05d %07d" % (warrior, number) for warrior in range(self.count) for number in range(self.number)}
        lost = twice = 0
        for name, got in self.got.items():
            lacking = wanted - set(got)
            lost += len(lacking)
            twice += len(got) - len(set(got))
            lab.true(set(got) <= wanted, "datagrams came that were not sent")
            if lacking:
                print(f"# lost from {name}: {sorted(lacking)[:5]}")
        return lost, twice


class Watch:
    """Reads on in the log of a charon."""

    def __init__(self, charon):
        self.path, self.at, self.rest = charon.log_path, 0, ""
        self.children, self.jobs = {}, {}

    def read(self):
        with open(self.path, encoding="utf-8") as file:
            file.seek(self.at)
            text = self.rest + file.read()
            self.at = file.tell()
        text, _, self.rest = text.rpartition("\n")
        # a rekeyed one is established in each direction
        for child, host in re.findall(r"CHILD_SA net\{(\d+)\} established .* === ([\d.]+)/32", text):
            self.children.setdefault(host, set()).add(child)
        for clock, sa in re.findall(r"^(\S+) .*creating rekey job for CHILD_SA (\S+)", text, re.M):
            hours, minutes, seconds = map(int, clock.split(":"))
            self.jobs.setdefault(sa, hours * 3600 + minutes * 60 + seconds)

    def rekeyed(self):
        """Number of road warriors with more than one CHILD_SA so far."""
        self.read()
        return sum(len(children) > 1 for children in self.children.values())


def rekey(stack, count, asleep=False, **options):
    """asleep: charon does not run while its SAs reach their limit."""
    here = prepare(stack, range(count))
    a = Charon(here.a, stack, options=BUSY, **options)
    load(a, connection(A[4], "%any", {
        "net": f"local_ts = 10.1.0.0/16\n{GCM}{NEVER}rekey_bytes = {REKEY}\nlife_bytes = 1000000000\nrand_bytes = 0\n"},
        extra=f"pools = road\n{NO_MOBIKE}")
        + f"pools {{ road {{ addrs = {inner(2, 0)}-{inner(2, count - 1)} }} }}\n" + SECRET)
    # t has the addresses that the gateway gives to the road warriors
    b = Charon(here.b, "xfrm", options=f"{BUSY}\ninstall_virtual_ip = no", log=-1)
    start = time.monotonic()
    load(b, "".join(connection(outer(number), A[4], {
        "net": f"remote_ts = 10.1.0.0/16\n{GCM}{NEVER}start_action = start\n"}, name=f"gw{number}",
        extra=f"vips = 0.0.0.0\n{NO_MOBIKE}") for number in range(count)) + SECRET)
    wait_sas(here, stack, 2 * count, f"{count} road warriors over {stack}")
    up = time.monotonic() - start
    watch = Watch(a)
    lab.wait_for(lambda: watch.rekeyed() or len(watch.children) == count, "all CHILD_SAs in the log", 60)
    flow = Rounds(here, count)
    for _ in range(BEFORE):
        flow.go(LARGE)
    lab.equal(watch.rekeyed(), 0, "road warriors that rekeyed before they should")
    if asleep:
        os.kill(a.process.pid, signal.SIGSTOP)
    os.setpriority(os.PRIO_PROCESS, 0, -20)  # they reach it within seconds, although charon begins to rekey
    start = time.monotonic()
    for _ in range(BEYOND):
        flow.go(LARGE)
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    os.kill(a.process.pid, signal.SIGCONT)
    within = time.monotonic() - start
    quiet, done = time.monotonic(), -1
    # without an event charon does not rekey: XFRM may have lost some
    while done < count and time.monotonic() < quiet + 30:
        pause = 2 - flow.go(SMALL)
        time.sleep(max(pause, 0))
        if watch.rekeyed() > done:
            done, quiet = watch.rekeyed(), time.monotonic()
    took = time.monotonic() - start
    for _ in range(3):
        flow.go(SMALL)
    lost, twice = flow.end()
    events = events_lost(here)
    times = watch.jobs.values()
    print(f"# {count} road warriors over {stack}: up {up:.1f} s; all at their limit within {within:.1f} s, charon knew "
          f"within {max(times, default=0) - min(times, default=0)} s, {done} rekeyed after {took:.1f} s; {flow.sent} "
          f"datagrams, lost {lost}, twice {twice}, in clear {here.in_clear()}; events lost {events}; drops "
          f"{here.dropped() if stack != 'xfrm' else Xfrm.drops(here.a)}", flush=True)
    lab.equal(twice, 0, "datagrams that came twice")
    lab.equal(here.in_clear(), 0, "packets in clear")
    if stack == "espah":
        lab.equal(bool(told_of_loss(a)), bool(events), "whether the log tells of lost events")
    if stack == "espah" or stack == "xfrm_face" and not events:  # unmodified charon does not make up for lost ones
        lab.equal(done, count, "road warriors that rekeyed")
        wait_sas(here, stack, 2 * count, "the replaced SAs to go", 120)
    return here, done, lost


def tolerance(count):
    """Datagrams of one in a hundred road warriors."""
    return count // 100


@lab.test(f"{PEERS} road warriors reach a limit at the same time and rekey, under traffic: no event is lost, or all "
          f"are made up for; at most {tolerance(PEERS)} datagrams more are lost than over XFRM, none comes twice, "
          "none in clear")
def road_warriors():
    (done, lost), (xfrm_done, xfrm_lost) = in_turn(lambda stack: rekey(stack, PEERS))
    lab.true(done >= xfrm_done, f"{done} rekeyed, over XFRM {xfrm_done}")
    lab.true(lost <= xfrm_lost + tolerance(PEERS), f"{lost} datagrams are lost, over XFRM {xfrm_lost}")


@lab.test(f"{PEERS} road warriors reach a limit while charon does not run, and its buffer has room for few events: its "
          "log tells of lost ones, and all rekey nevertheless; no datagram is lost, none in clear")
def overrun():
    need_plugin()
    here, _, lost = rekey("espah", PEERS, asleep=True, plugins="kernel-espah { receive_buffer_size = 1 }")
    lab.true(events_lost(here), "no event was lost, so this test shows nothing")
    lab.equal(lost, 0, "datagrams that are lost")


if __name__ == "__main__":
    lab.main()
