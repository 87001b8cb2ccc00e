#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Several unprivileged users attack at the same time, each in its own namespaces.

usage: tests/vm/hostile.py [SECONDS] [--seed N] [--world N] [--without WORDS]

They create worlds of namespaces (see chaos.py) and disturb them, from a seed that is printed. At the
same time, two hosts of root exchange packets through an SA: each packet arrives or is counted as
dropped, in order and never in clear. At the end the module must release everything. The kernel's log
is read by scripts/vm. --world N runs one world; --without leaves out "bridge", "tunnel", or the
actions of a function of a world ("rules", "xfrm"), to find the conditions of a fault.
"""
import argparse
import faulthandler
import json
import os
import random
import signal
import struct
import sys
import time
import traceback

import chaos
import ipsec
import lab
import memory
import module
import traffic
from ipsec import Policy, SA

USERS = 3
MANY = 2000  # packets, after which every counter must have counted
DRIVERS = ("bridge", "br_netfilter", "veth", "dummy", "vrf", "macvlan", "macvtap", "ipvlan", "ipvtap", "vxlan",
           "geneve", "bareudp", "ip_gre", "ip6_gre", "ipip", "sit", "ip6_tunnel", "ip_vti", "ip6_vti", "fou",
           "fou6", "gtp", "mpls_router", "mpls_iptunnel", "mpls_gso", "ila", "xfrm_user", "xfrm_interface",
           "esp4", "esp6", "ah4", "ah6", "8021q", "bonding", "ifb", "macsec", "nft_flow_offload",
           "nf_flow_table_inet", "nft_queue", "nft_nat", "nft_masq", "nft_redir", "nft_ct", "nft_reject_inet",
           "nft_fib_inet", "nft_xfrm", "nft_tproxy", "nft_socket", "nft_synproxy", "nft_dup_ipv4", "nft_fwd_netdev",
           "nft_dup_netdev", "nft_limit", "nft_numgen", "nft_log", "nft_compat", "nf_conntrack_ftp",
           "nf_conntrack_bridge", "nft_reject_bridge", "nft_meta_bridge", "nfnetlink_queue", "pcrypt", "cryptd")
STAMP = struct.Struct("!I")
ENDS = ("192.0.2.1", "192.0.2.2")


def load():
    """Loads the drivers that the worlds use, and the module, with userns=1 if it has that parameter."""
    lab.run("modprobe", "-qa", *DRIVERS, check=False)
    if module.loaded():
        memory.released()
        module.unload()
    parameters = lab.run("modinfo", "-F", "parm", module.path()).stdout
    module.load(*["userns=1"] if "userns:" in parameters else [])


# --- attackers ---------------------------------------------------------------------------------

def harm(number, seed, until, options, pipe):
    """One user: runs worlds until the time is over; reports its actions as a line of JSON."""
    chaos.become_nobody()
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    dice, tally = random.Random(f"{seed} {number}"), {}
    while time.monotonic() < until:
        name = options.world if options.world is not None else dice.getrandbits(48)
        print(f"# user {number}: world {name}", flush=True)
        world = chaos.World(name, options.without)
        try:
            world.run(until)
        finally:
            world.close()
            lab.syscall(lab.libc.setns, home, lab.CLONE_NEWNET)
        for what, count in world.tally.items():
            tally[what] = tally.get(what, 0) + count
        if options.world is not None:
            break
    os.write(pipe, json.dumps(tally).encode() + b"\n")


def begin(number, *arguments):
    """Forks a user. Return: (process, pipe of its report)"""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            harm(number, *arguments, write)
            status = 0
        except BaseException:  # the suite fails and prints any exception
            traceback.print_exc(file=sys.stdout)
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(write)
    return pid, os.fdopen(read)


def end(users):
    """Waits for the users. Return: sum of their actions, and the number of failures"""
    total, failed = {}, 0
    for pid, pipe in users:
        with pipe:
            line = pipe.readline()
        failed += os.waitpid(pid, 0)[1] != 0
        for what, count in json.loads(line or "{}").items():
            total[what] = total.get(what, 0) + count
    return total, failed


# --- bystanders ------------------------------------------------------------------------------------

class Neighbours:
    """Two hosts of root, which send numbered datagrams through an SA all the time."""

    def __init__(self):
        lab.delete_all()
        self.a, self.b = lab.Netns("a"), lab.Netns("b")
        lab.link(self.a, "eth0", self.b, "eth0")
        for ns, own, other in ((self.a, 1, 2), (self.b, 2, 1)):
            ns.ip(f"addr add 192.0.2.{own}/24 dev eth0\nroute add local 10.99.{own}.0/24 dev lo\n"
                  f"route add 10.99.{other}.0/24 via 192.0.2.{other}\n")
        sas = [SA(0x1000, *ENDS), SA(0x1001, *ENDS[::-1])]
        ipsec.configure_pair(self.a, self.b, ipsec.OURS, ipsec.OURS, sas[:1], sas[1:],
                             [Policy("10.99.1.0/24", "10.99.2.0/24", ENDS)])
        self.wire = traffic.Wire(self.a, "eth0", cleartext=True)
        self.sink = traffic.udp(self.b, "10.99.2.1", 7000)
        self.source = traffic.udp(self.a, "10.99.1.1")
        self.sent = self.got = self.late = 0
        self.last, self.before = -1, self.dropped()
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one CPU sends, so there is an order

    def talk(self, until):
        while time.monotonic() < until:
            for _ in range(4):
                self.source.sendto(STAMP.pack(self.sent) + bytes(self.sent * 97 % 1300), ("10.99.2.1", 7000))
                self.sent += 1
            self.listen()
            time.sleep(0.03)

    def listen(self):
        for data in traffic.drain(self.sink):
            number, = STAMP.unpack_from(data)
            self.late += number <= self.last
            self.last = max(number, self.last)
            self.got += 1

    def dropped(self):
        """Packets dropped anywhere on the path, counted by espah, devices and sockets."""
        total = 0
        for ns in self.a, self.b:
            total += sum(ipsec.OURS.drops(ns).values())
            with ns, open("/proc/thread-self/net/dev", encoding="ascii") as file:
                row = next(line.split() for line in file if line.lstrip().startswith("eth0"))
            total += int(row[4]) + int(row[12])
        return total

    def judge(self):
        def all_there():
            self.listen()
            return self.got + self.dropped() - self.before >= self.sent
        lab.wait_for(all_there, "the last datagrams of the neighbours")
        dropped = self.dropped() - self.before
        print(f"# neighbours: {self.sent} sent, {self.got} delivered, {dropped} dropped", flush=True)
        with lab.verdict("hostile: for other namespaces sent = delivered + counted drops (promises 6, 9)"):
            lab.equal(self.got + dropped, self.sent, f"{self.got} delivered and {dropped} dropped")
            lab.true(self.got > 0.9 * self.sent, f"only {self.got} of {self.sent} arrived")
        with lab.verdict("hostile: for other namespaces order is kept, nothing comes twice (promise 5)"):
            lab.equal(self.late, 0, "datagrams out of order or twice")
        with lab.verdict("hostile: what other namespaces protect is never in clear (promise 1)"):
            lab.equal(len(self.wire.frames()), 0, "packets in clear")

    def close(self):
        """Closes the sockets, because an open socket keeps its namespace."""
        for sock in self.wire.sock, self.sink, self.source:
            sock.close()


# --- the suite ----------------------------------------------------------------------------------------

def tell(total):
    """Prints the actions, in lines that begin with #."""
    for head, words in (("done", [what for what in total if ":" not in what]),
                        ("worlds", [what for what in total if what.startswith("worlds:")]),
                        ("refused", [what for what in total if what.startswith(("refused:", "not sent:"))]),
                        ("drops", [what for what in total if what.startswith("drop:")])):
        print(f"# {head}:", ", ".join(f"{what.partition(': ')[2] or what} {total[what]}"
                                      for what in sorted(words, key=lambda what: -total[what])), flush=True)
    for what in sorted(total, key=lambda what: -total[what]):
        if what.startswith(("ip: ", "nft: ")):
            print(f"# {total[what]} {what}", flush=True)


def attack(seconds, seed, options):
    until = time.monotonic() + seconds
    users = [begin(number, seed, until, options) for number in range(1 if options.world is not None else USERS)]
    return users, until


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=float, default=float(os.environ.get("ESPAH_HOSTILE_SECONDS", 60)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("ESPAH_SEED", 0)) or
                        int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--world", type=int)
    parser.add_argument("--without", type=str.split, default=os.environ.get("ESPAH_HOSTILE_WITHOUT", "").split())
    options = parser.parse_args()
    faulthandler.register(signal.SIGUSR1, file=sys.stdout)  # prints the stack of a process
    start = time.monotonic()
    load()
    print(f"# seed {options.seed}, {options.seconds:.0f} seconds", flush=True)
    if options.world is None:
        end(attack(4, 0, options)[0])  # fills the kernel's own caches first
    memory.released()
    before = memory.settle()
    neighbours = Neighbours()
    print(f"# ready after {time.monotonic() - start:.0f} s", flush=True)
    users, until = attack(options.seconds, options.seed, options)
    neighbours.talk(until)
    total, failed = end(users)
    tell(total)
    with lab.verdict("hostile: the generator works to the end"):
        lab.equal(failed, 0, "users whose program failed")
    if options.seconds >= 300 and total.get("sent", 0) > MANY:  # results of short runs vary too much
        with lab.verdict("hostile: packets go through SAs both ways, requests are accepted, reasons are many"):
            reasons = sum(what.startswith("drop:") for what in total)
            for what, least in (("protected", 20), ("accepted from SAs", 1), ("accepted", 50), ("received", 50)):
                lab.true(total.get(what, 0) >= least, f"{what}: {total.get(what, 0)}")
            lab.true(reasons >= 10, f"only {reasons} reasons")
    with lab.verdict("hostile: nothing leaves a host in clear whose policies forbid it (promise 1)"):
        lab.equal([what for what in total if what.startswith("in clear")], [], "packets in clear")
    neighbours.judge()
    neighbours.close()
    lab.delete_all()
    print(f"# over after {time.monotonic() - start:.0f} s", flush=True)
    with lab.verdict("hostile: the module lets go of all namespaces"):
        memory.released()
    with lab.verdict("hostile: memory returns"):
        after = memory.settle()
        grown = {name: after[name] - before[name] for name in after}
        print(f"# grown by {grown}", flush=True)
        lab.true(sum(grown.values()) < memory.SLACK, f"grown by {grown} bytes")
    with lab.verdict("hostile: the module can be unloaded and loaded again"):
        module.unload()
        module.load()
    print(f"# ends after {time.monotonic() - start:.0f} s", flush=True)
    print(f"summary: {lab.Results.ok} passed, {lab.Results.failed} failed", flush=True)
    sys.exit(lab.Results.failed != 0)


if __name__ == "__main__":
    main()
