#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Valid and invalid messages to espah's netlink family by its grammar, from a seed that is printed.

usage: tests/vm/netlink_fuzz.py [SECONDS] [--seed N]

One process has its own namespace, and checks after each refusal that nothing has changed; two others
use the same objects of another namespace. All leave dumps half read. If the kernel can make
allocations fail (a debugging kernel), the allocations of a request fail one after the other. At the
end all objects are flushed, and the memory must be freed. The kernel's log is read by scripts/vm.
"""
import argparse
import contextlib
import errno
import json
import os
import random
import sys
import time
import traceback

import faults
import grammar
import lab
import memory
import module
import netlink
from netlink import DUMP, REQUEST

MANY = 3000          # messages, after which each command must have been accepted
MOST_FAULTS = 400    # maximum number of allocations of a request that are made to fail
# errors of the family, and errors of generic netlink for it without a valid command
ANSWERS = {errno.EINVAL, errno.ERANGE, errno.ENOENT, errno.EEXIST, errno.ENOSPC, errno.EBUSY, errno.E2BIG,
           errno.EKEYREJECTED}
SILENT = {errno.EOPNOTSUPP, errno.EPERM}
MEMORY = {errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN, errno.EMSGSIZE}


class Fuzzer:
    """Sends messages and judges the answers."""
    WRITER, LINK = grammar.Writer, netlink.Link
    DUMPS = (netlink.SA_GET, netlink.POLICY_GET) * 10 + (netlink.ALGO_GET,)
    READ = netlink.CONFIG_GET, b""  # a request that changes nothing
    SHORTEST = 20  # bytes of a message that has an answer

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.writer, self.link, self.tally = self.WRITER(self.dice), self.LINK(), {}
        self.readers, self.seen = [], None

    @classmethod
    def names(cls):
        """Names of all commands."""
        return [name for name, _, _ in grammar.Grammar().commands.values()]

    def name(self, command):
        return self.writer.grammar.commands.get(command, ("?",))[0]

    @staticmethod
    def flushed():
        """Flushes all objects of the namespace, and checks that none is left."""
        link = netlink.Link()
        netlink.clear(link)
        stats = dict(link.ask(netlink.STATS_GET)[0])
        lab.equal((stats[1], stats[2]), (netlink.u32(0), netlink.u32(0)), "SAs and policies after a flush")

    def count(self, what, number=1):
        self.tally[what] = self.tally.get(what, 0) + number

    def exchange(self, message):
        """(errno, 0 or None without an answer, text)"""
        self.count("sent")
        try:
            _, code, text = self.link.exchange(message)
        except OSError as error:  # no memory to send, or to answer
            with contextlib.suppress(OSError):
                self.link.exchange(self.link.message(*self.READ, REQUEST | netlink.ACK))
            return error.errno if error.errno not in MEMORY else None, ""
        self.count("acknowledged" if code == 0 else "unanswered" if code is None else "refused")
        return code, text

    def judge(self, command, message, code, text, faulty=False):
        """Checks that a refusal has a reason."""
        if code in (0, None) or int.from_bytes(message[:4], sys.byteorder) < self.SHORTEST:
            return
        self.count(errno.errorcode.get(code, str(code)))
        if faulty and code in MEMORY or self.plain(message, code):
            return
        self.has_reason(command, message, code, text)

    @staticmethod
    def plain(message, code):  # pylint: disable=unused-argument
        """Whether a refusal needs no sentence."""
        return code in SILENT

    @staticmethod
    def has_reason(command, message, code, text):
        lab.true(code in ANSWERS, f"command {command} got {code} {text!r}: {message.hex()}")
        lab.true(text, f"command {command} was refused without a sentence, {code}: {message.hex()}")

    @staticmethod
    def lasts(sa):
        """Whether an SA does not expire, as reserved SPIs and SAs with a short time limit do."""
        fields = dict(sa)
        limits = dict(netlink.parse(fields.get(netlink.HARD, b"")))
        times = [int.from_bytes(limits[kind], sys.byteorder) for kind in
                 (netlink.L_TIME, netlink.L_USE, netlink.L_IDLE) if kind in limits]
        return fields[netlink.STATE] != netlink.u8(0) and all(time > 10000 for time in times)

    def snapshot(self):
        """All state that a request can change."""
        sas, policies, config = self.link.snapshot()
        return list(filter(self.lasts, sas)), policies, config

    def make(self):
        """(command, message, whether it is invalid on purpose)"""
        command, pairs = self.writer.right()
        wrong = self.dice.random() < 0.5
        if wrong and self.dice.random() < 0.8:
            pairs = self.writer.spoil(pairs)
        return command, self.writer.message(self.link, command, pairs, wrong)

    def several(self):
        """Messages in one datagram."""
        self.count("datagrams of several messages")
        messages = [self.make()[1] for _ in range(self.dice.randrange(2, 9))]
        self.seen = None
        code, _ = self.exchange(b"".join(netlink.pad(message) for message in messages))
        lab.true(code is None or code >= 0, "no answer")

    def half_read(self):
        """Begins to read a dump, and continues much later, or never."""
        with contextlib.suppress(OSError):
            if len(self.readers) > 4:
                reader = self.readers.pop(self.dice.randrange(len(self.readers)))
                if self.dice.random() < 0.5:
                    with contextlib.suppress(BlockingIOError):
                        for _ in range(self.dice.choice((1, 50))):
                            reader.sock.recv(1 << 16, 0x40)
                reader.sock.close()
            reader = self.LINK()
            self.readers.append(reader)
            command = self.dice.choice(self.DUMPS)
            reader.sock.send(reader.message(command, b"", REQUEST | DUMP))
            reader.sock.recv(self.dice.choice((16, 200, 1 << 16)))
            self.count("dumps half read")

    def step(self, alone):
        kind = self.dice.random()
        if kind < 0.03:
            return self.half_read()
        if kind < 0.06:
            return self.several()
        command, message = self.make()
        if faults.can_fail() and self.dice.random() < (0.3 if alone else 0.15):
            return self.with_faults(command, message, alone)
        watch = alone and self.dice.random() < 0.25
        if watch and not self.seen:
            self.seen = self.snapshot()
        code, text = self.exchange(message)
        self.judge(command, message, code, text)
        if code and watch:
            self.unchanged(command, message, f"{code} {text!r}")
        elif not code:
            self.seen = None
            if alone and code == 0:
                self.count(f"accepted: {self.name(command)}")
        return None

    def unchanged(self, command, message, why):
        self.count("compared")
        lab.equal(self.snapshot(), self.seen, f"command {command} refused with {why}, but something changed; "
                                              f"message {message.hex()}: dumps")

    def with_faults(self, command, message, alone):
        """Repeats a request with each of its allocations failing in turn, until none fails."""
        self.count("requests with failing allocations")
        for number in range(1, MOST_FAULTS):
            if alone and not self.seen:
                self.seen = self.snapshot()
            with faults.Fault(number) as fault:
                code, text = self.exchange(message)
            self.count("allocations that failed", fault.failed)
            self.judge(command, message, code, text, fault.failed)
            if code and alone:
                self.unchanged(command, message, f"{code} {text!r} (allocation {number} failed)")
            else:
                self.seen = None
            if not fault.failed or code == 0 and self.dice.random() < 0.5:
                break

    def run(self, until, alone):
        while time.monotonic() < until:
            self.step(alone)
        for reader in self.readers:
            reader.sock.close()


# --- processes -------------------------------------------------------------------------------------

def child(function):
    """Forks. Return: (process, pipe of its report: its counts, or why it failed)"""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        told = {}
        try:
            told["tally"] = function()
        except lab.Failed as error:
            told["why"] = str(error)
        except BaseException as error:  # the suite prints any exception
            traceback.print_exc(file=sys.stdout)
            told["why"] = f"{type(error).__name__}: {error}"
        sys.stdout.flush()
        with os.fdopen(write, "w") as pipe:
            pipe.write(json.dumps(told))
        os._exit(0)
    os.close(write)
    return pid, os.fdopen(read)


def told(process):
    pid, pipe = process
    with pipe:
        text = pipe.read()
    status = os.waitpid(pid, 0)[1]
    return json.loads(text) if text else {"why": f"status {status}"}


def alone(kind, seed, until):
    netlink.unshare(lab.CLONE_NEWNET)
    fuzzer = kind(f"{seed} alone")
    fuzzer.run(until, True)
    kind.flushed()
    return fuzzer.tally


def together(kind, seed, until):
    netlink.unshare(lab.CLONE_NEWNET)

    def one_of_them(number):
        fuzzer = kind(f"{seed} {number}")
        fuzzer.run(until, False)
        return fuzzer.tally
    tally = {}
    for process in [child(lambda number=number: one_of_them(number)) for number in range(2)]:
        found = told(process)
        lab.true("why" not in found, found.get("why"))
        add(tally, found["tally"])
    kind.flushed()
    return tally


def add(total, tally):
    for what, count in tally.items():
        total[what] = total.get(what, 0) + count


def rounds(kind, seconds, seed):
    """Return: sum of the counts, reasons why processes failed"""
    until = time.monotonic() + seconds
    total, reasons = {}, []
    for process in [child(lambda: alone(kind, seed, until)), child(lambda: together(kind, seed, until))]:
        found = told(process)
        add(total, found.get("tally", {}))
        reasons += [found["why"]] if "why" in found else []
    return total, reasons


def options(seconds):
    """Options of the command line; seconds: how long, if nothing says so"""
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=float, default=float(os.environ.get("ESPAH_FUZZ_SECONDS", seconds)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("ESPAH_SEED", 0)) or
                        int.from_bytes(os.urandom(4), "big"))
    return parser.parse_args()


def fuzz(kind, given):
    """Runs the fuzzers, and judges what they counted and left behind. Return: sum of the counts"""
    faults.prepare()
    print(f"# seed {given.seed}, {given.seconds:.0f} seconds", flush=True)
    rounds(kind, 2, 0)  # fills the kernel's own caches first
    memory.released()
    before = memory.settle()
    total, reasons = rounds(kind, given.seconds, given.seed)
    print("#", ", ".join(f"{what} {total[what]}" for what in sorted(total, key=lambda what: -total[what])), flush=True)
    with lab.verdict("fuzz: a refusal says why and changes nothing, also when memory runs out"):
        lab.true(not reasons, "; ".join(reasons))
    with lab.verdict("fuzz: each command was accepted at times, and refused"):
        missing = [name for name in kind.names() if not total.get(f"accepted: {name}")]
        if given.seconds >= 300 and total["sent"] > MANY:  # results of short runs vary too much
            lab.equal(missing, [], "commands never accepted")
        lab.true(total.get("compared"), "nothing was compared after a refusal")
        lab.true(total.get("allocations that failed") or not faults.can_fail(), "no allocation failed")
    with lab.verdict("fuzz: the module lets go of all namespaces, and memory returns"):
        memory.released()
        after = memory.settle()
        grown = {name: after[name] - before[name] for name in after}
        print(f"# grown by {grown}", flush=True)
        lab.true(sum(grown.values()) < memory.GROWTH, f"grown by {grown} bytes")


def main():
    given = options(40)
    module.load()
    fuzz(Fuzzer, given)
    with lab.verdict("fuzz: the module can be unloaded and loaded again"):
        module.unload()
        module.load()
    print(f"summary: {lab.Results.ok} passed, {lab.Results.failed} failed", flush=True)
    sys.exit(lab.Results.failed != 0)


if __name__ == "__main__":
    main()
