#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""espah metrics: the text that Prometheus reads, and its numbers.

      a (espah) 192.0.2.1 ---- veth ---- 192.0.2.2  b (XFRM)
                 10.1.0.1                 10.2.0.1

Packets are counted where they are sent and on the wire.
"""
import os
import re
import shlex
import shutil
import stat
import threading
import time

import ipsec
import lab
import traffic
from ipsec import CLI, Espah, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
HERE, THERE, NOWHERE = "10.1.0.1", "10.2.0.1", "10.3.0.1"
OUT, IN = Policy(f"{HERE}/32", f"{THERE}/32", OUTER), Policy(f"{THERE}/32", f"{HERE}/32", OUTER[::-1])
ODD = r'say "b" \n or C:\ '  # a label that needs escapes
RULES = ipsec.ROOT + "/userspace-tools/espah/examples/espah.rules.yml"
HEADERS = 28  # bytes of IPv4 and UDP


# --- the format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4 ----

NAME = r"[a-z][a-z0-9_]*[a-z0-9]"
LABEL = r'([a-z][a-z0-9_]*)="((?:[ !#-\[\]-~]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (0|[1-9][0-9]*)")
HELP = re.compile(rf"# HELP ({NAME}) ([ -\[\]-~]+\.)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge)")


class Metrics:
    """The samples of a text: {(name, labels as a sorted tuple): value}. Any other text is an error."""

    def __init__(self, text):
        self.types, self.samples = {}, {}
        lab.true(text.endswith("\n"), "the last line has no end")
        name = None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP"):
                lab.true(name in (None, *(sample[0] for sample in self.samples)), f"{name} has no sample")
                name = self.match(HELP, line)[1]
                lab.true(name not in self.types, f"{name} is there twice")
            elif line.startswith("#"):
                match = self.match(TYPE, line)
                lab.true(match[1] == name and name not in self.types, f"not right after HELP: {line}")
                lab.equal(match[2] == "counter", name.endswith("_total"), f"{name} is a counter")
                self.types[name] = match[2]
            else:
                self.sample(name, line)

    @staticmethod
    def match(pattern, line):
        match = pattern.fullmatch(line)
        lab.true(match, f"not the format: {line}")
        return match

    def sample(self, name, line):
        match = self.match(SAMPLE, line)
        lab.true(match[1] == name and name in self.types, f"not below its TYPE: {line}")
        pairs = re.findall(LABEL, match[2] or "")
        labels = {key: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)
                  for key, value in pairs}
        lab.equal(len(labels), len(pairs), f"different labels in {line}")
        lab.true("spi" not in labels and not re.search("0x[0-9a-f]{8}", line), f"an SPI: {line}")
        key = name, tuple(sorted(labels.items()))
        lab.true(key not in self.samples, f"twice: {line}")
        self.samples[key] = int(match[match.re.groups])

    def __call__(self, name, **labels):
        """The value of a sample, None if there is none."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def by(self, name, label):
        """{value of a label: value} of the samples of a metric."""
        return {dict(labels)[label]: value for (metric, labels), value in self.samples.items()
                if metric == name}

    def counters(self):
        return {key: value for key, value in self.samples.items() if self.types[key[0]] == "counter"}


def read(ns):
    return Metrics(ns.run(CLI, "metrics").stdout)


# --- the laboratory ---------------------------------------------------------------------------

class Pair:
    """Both ends, with an SA each way, and a policy that has no SA."""

    def __init__(self):
        lab.delete_all()
        self.a, self.b = lab.Netns("a"), lab.Netns("b")
        lab.link(self.a, "eth0", self.b, "eth0")
        for ns, me, other, mine, theirs in ((self.a, 1, 2, HERE, THERE), (self.b, 2, 1, THERE, HERE)):
            ns.ip(f"addr add 192.0.2.{me}/24 dev eth0\naddr add {mine}/32 dev lo\n"
                  f"route add {theirs}/32 via 192.0.2.{other} src {mine}\n")
        self.a.ip(f"route add {NOWHERE}/32 via 192.0.2.2 src {HERE}\n")
        self.sas = []
        self.key(0x1001, 0x1002)
        Espah.configure(self.a, out=[OUT, Policy(f"{HERE}/32", f"{NOWHERE}/32", OUTER, reqid=9,
                                                 extra=f"label {shlex.quote(ODD)}")], in_=[IN])
        Xfrm.configure(self.b, out=[IN], in_=[OUT])
        self.left, self.right = traffic.udp(self.a, HERE, 7000), traffic.udp(self.b, THERE, 7000)
        traffic.ping(self.a, *OUTER)  # resolves the neighbours
        self.wire = traffic.Wire(self.a, "eth0", outgoing=True)
        self.injector = traffic.Injector(self.b, "eth0", self.a, "eth0")
        self.heard = traffic.Wire(self.b, "eth0", outgoing=True)

    def key(self, there, back):
        """New SAs at both ends, in place of the ones that exist."""
        old = self.sas
        out = SA(there, *OUTER, extra=f"label {shlex.quote(ODD)}")
        into = SA(back, *OUTER[::-1], extra=f"label {shlex.quote(ODD)} hard time 1h idle 2m")
        self.sas = [out, into]
        Xfrm.configure(self.b, [into], [out])
        Espah.configure(self.a, [out], [into])
        for sa, way in zip(old, ("out", "in")):
            self.a.run(CLI, "sa", "del", way, "spi", hex(sa.spi), "dst", sa.dst)
            self.b.ip(f"xfrm state del src {sa.src} dst {sa.dst} proto esp spi {sa.spi:#x}\n")

    def send(self, out, into, size):
        """Numbers of datagrams that arrive, each way."""
        traffic.deliver(self.left, self.right, [bytes([n]) * size for n in range(out)])
        traffic.deliver(self.right, self.left, [bytes([n]) * size for n in range(into)])

    def lose(self, no_sa, icv, replay):
        """Numbers of packets that a drops: without an SA, forged, and sent again."""
        for _ in range(no_sa):
            self.left.sendto(b"lost", (NOWHERE, 7000))
        esp = self.heard.packets(50)[-1]
        for _ in range(icv):  # a new sequence number: the replay check comes before the ICV
            self.injector.send(esp[:27] + bytes([esp[27] + 100]) + esp[28:])
        for _ in range(replay):
            self.injector.send(esp)


# --- numbers ------------------------------------------------------------------------------------

def same_as_stats(metrics, stats):
    lab.equal(metrics("espah_info", version=stats["version"]), 1, "espah_info")
    lab.equal(metrics("espah_sas"), stats["sas"], "SAs")
    lab.equal(metrics("espah_policies"), stats["policies"], "policies")
    for way in "in", "out":
        for what in "packets", "bytes":
            lab.equal(metrics(f"espah_{what}_total", direction=way), stats[f"{way}_{what}"],
                      f"{what} {way}")
    lab.equal(metrics.by("espah_drops_total", "reason"), ipsec.drop_counts(stats), "drops by reason")


def same_as_policies(metrics, policies):
    found = {}
    for policy in policies:
        labels = {"id": str(policy["id"]), "direction": policy["dir"]}
        if "label" in policy:
            labels["label"] = policy["label"]
        for what in "packets", "bytes":
            lab.equal(metrics(f"espah_policy_{what}_total", **labels), policy[what],
                      f"{what} of policy {labels['id']}")
        drops = ipsec.drop_counts(policy)
        if policy["dir"] == "out":
            drops.setdefault("no_sa", 0)
        found |= {("espah_policy_drops_total", tuple(sorted((labels | {"reason": reason}).items()))):
                  count for reason, count in drops.items()}
    lab.equal({key: value for key, value in metrics.samples.items()
               if key[0] == "espah_policy_drops_total"}, found, "drops of policies")


def same_as_sas(metrics, sas):
    names = {"present": lambda sa: 1, "larval": lambda sa: sa["state"] == "larval",
             "present_packets": lambda sa: sa["packets"], "present_bytes": lambda sa: sa["bytes"]}
    for name, value in names.items():
        found = {}
        for sa in sas:
            key = f"espah_sa_{name}", (("direction", sa["dir"]), ("label", sa.get("label", "")))
            found[key] = found.get(key, 0) + value(sa)
        lab.equal({key: value for key, value in metrics.samples.items()
                   if key[0] == f"espah_sa_{name}"}, found, name)


@lab.test("the numbers are those of packets sent, of stats, policy list and sa list")
def numbers():
    pair = Pair()
    pair.send(7, 5, 100)
    pair.lose(no_sa=4, icv=3, replay=2)
    pair.a.run(CLI, "sa", "alloc", "src", OUTER[1], "dst", OUTER[0], "tunnel")
    lab.wait_for(lambda: Espah.drops(pair.a) == {"no_sa": 4, "icv": 3, "replay": 2}, "drops")
    on_wire = len(pair.wire.packets(50))
    metrics = read(pair.a)

    # what was sent
    lab.equal(on_wire, 7, "ESP packets on the wire")
    for way, count in ("out", on_wire), ("in", 5):
        lab.equal(metrics("espah_packets_total", direction=way), count, f"packets {way}")
        lab.equal(metrics("espah_bytes_total", direction=way), count * (100 + HEADERS), f"bytes {way}")
        lab.equal(metrics("espah_sa_present_packets", direction=way, label=ODD), count,
                  f"packets of SAs {way}")
    drops = metrics.by("espah_drops_total", "reason")
    lab.equal({reason: count for reason, count in drops.items() if count},
              {"no_sa": 4, "icv": 3, "replay": 2}, "drops")
    lab.true(len(drops) > 30, f"only {len(drops)} reasons")
    lab.equal(metrics.by("espah_sa_present_drops", "reason"), {"icv": 3, "replay": 2}, "drops of SAs")
    lab.equal([metrics("espah_policy_drops_total", id=str(policy["id"]), direction="out", reason="no_sa",
                       **({"label": policy["label"]} if "label" in policy else {}))
               for policy in Espah.policies(pair.a) if policy["dir"] == "out"], [0, 4], "no_sa of policies")
    lab.equal(metrics("espah_sa_larval", direction="in", label=""), 1, "larval SAs")

    # what the other commands say
    same_as_stats(metrics, Espah.json(pair.a, "stats", "--all"))
    same_as_policies(metrics, Espah.policies(pair.a))
    same_as_sas(metrics, Espah.sas(pair.a))


@lab.test("ages and lifetimes: since the last packet, of the oldest SA, to the first hard limit of time")
def ages():
    start = int(time.time())
    pair = Pair()
    between = int(time.time())
    time.sleep(2)
    pair.send(1, 1, 10)
    last = int(time.time())
    time.sleep(3)
    before = int(time.time())
    metrics = read(pair.a)
    after = int(time.time()) + 1
    lab.true(after - last < 100, "the machine is too slow")
    for way in "in", "out":
        idle = metrics("espah_sa_idle_seconds", direction=way, label=ODD)
        lab.true(before - last - 1 <= idle <= after - last + 1, f"idle {idle} s, {before} {last}")
        age = metrics("espah_sa_oldest_age_seconds", direction=way, label=ODD)
        lab.true(before - between - 1 <= age <= after - start + 1, f"age {age} s")
    left = metrics("espah_sa_lifetime_left_seconds", direction="in", label=ODD)
    lab.true(3600 - (after - start) - 1 <= left <= 3600 - (before - between) + 1, f"{left} s left")
    lab.equal(metrics("espah_sa_lifetime_left_seconds", direction="out", label=ODD), None,
              "lifetime of an SA without a limit")


@lab.test("a rekey: no counter falls, while the sums over SAs do")
def rekey():
    pair = Pair()
    pair.send(6, 6, 50)
    pair.lose(no_sa=2, icv=2, replay=2)
    lab.wait_for(lambda: Espah.drops(pair.a) == {"no_sa": 2, "icv": 2, "replay": 2}, "drops")
    seen = [read(pair.a)]
    for number in 1, 2:
        pair.key(0x1001 + (number << 8), 0x1002 + (number << 8))
        seen.append(read(pair.a))
        pair.send(3, 3, 50)
        seen.append(read(pair.a))
    for before, after in zip(seen, seen[1:]):
        lower = {key: (value, after.samples.get(key)) for key, value in before.counters().items()
                 if after.samples.get(key, -1) < value}
        lab.equal(lower, {}, "counters that fell")
    for way in "in", "out":
        lab.equal([metrics("espah_packets_total", direction=way) for metrics in seen],
                  [6, 6, 9, 9, 12], f"packets {way}")
        lab.equal([metrics("espah_sa_present_packets", direction=way, label=ODD) for metrics in seen],
                  [6, 0, 3, 0, 3], f"packets of SAs present, {way}")


@lab.test("an empty network namespace has all drop reasons at 0, and no SA and no policy")
def empty():
    lab.delete_all()
    metrics = read(lab.Netns("a"))
    lab.equal({value for value in metrics.by("espah_drops_total", "reason").values()}, {0}, "drops")
    lab.equal(sorted(metrics.types), ["espah_bytes_total", "espah_drops_total", "espah_info",
                                      "espah_packets_total", "espah_policies", "espah_sas"], "metrics")


# --- errors and files -----------------------------------------------------------------------------

# The READ_FAILS-th message that is received is lost
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	static int count;
	ssize_t (*next)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");

	if (++count != atoi(getenv("READ_FAILS")))
		return next(fd, msg, flags);
	errno = ENOBUFS;
	return -1;
}
"""


@lab.test("whichever message from the kernel is lost, nothing is printed and no file is touched")
def lost():
    pair = Pair()
    lab.run("cc", "-shared", "-fPIC", "-o", "/tmp/lost.so", "-x", "c", "-", stdin=SHIM)
    folder = "/tmp/lost"
    os.makedirs(folder)
    for number in range(1, 50):
        words = ("env", "LD_PRELOAD=/tmp/lost.so", f"READ_FAILS={number}", CLI, "metrics")
        to_file = pair.a.run(*words, folder + "/espah.prom", check=False)
        result = pair.a.run(*words, check=False)
        lab.equal(to_file.returncode, result.returncode, f"exit status with a file, message {number}")
        if not result.returncode:
            break
        lab.equal((result.returncode, result.stdout), (1, ""), f"without message {number}")
        lab.equal(os.listdir(folder), [], f"files without message {number}")
        lab.true(re.fullmatch("espah: .*\n", result.stderr), result.stderr)
    lab.true(number > 4, f"only {number - 1} messages were received")
    Metrics(result.stdout)


@lab.test("without privilege: refused in one sentence, and the file stays")
def unprivileged():
    lab.delete_all()
    a = lab.Netns("a")
    os.makedirs("/tmp/unprivileged")
    os.chmod("/tmp/unprivileged", 0o777)
    with open("/tmp/unprivileged/espah.prom", "w", encoding="ascii") as file:
        file.write("old")
    result = a.run("setpriv", "--reuid=65534", "--clear-groups", CLI, "metrics",
                   "/tmp/unprivileged/espah.prom", check=False)
    lab.equal((result.returncode, result.stdout), (1, ""), "exit status and output")
    lab.true(re.fullmatch("espah: .*CAP_NET_ADMIN.*\n", result.stderr), result.stderr)
    lab.equal(os.listdir("/tmp/unprivileged"), ["espah.prom"], "files")
    with open("/tmp/unprivileged/espah.prom", encoding="ascii") as file:
        lab.equal(file.read(), "old", "the file")


@lab.test("a file: mode 0644, never a part of it is seen; on a full disk the old one stays")
def files():
    lab.delete_all()
    a = lab.Netns("a")
    Espah.batch(a, [f"policy add out 10.1.{n}.0/24 any protect tunnel {OUTER[0]} {OUTER[1]}"
                    for n in range(200)])
    folder = "/tmp/files"
    os.makedirs(folder)
    path = folder + "/espah.prom"
    words = CLI, "metrics", path
    os.umask(0o077)
    a.run(*words)
    lab.equal(stat.S_IMODE(os.stat(path).st_mode), 0o644, "mode")
    done, seen, failures = threading.Event(), [], []

    def look():
        while not done.is_set():
            try:
                with open(path, encoding="ascii") as file:
                    seen.append(len(Metrics(file.read()).samples))
            except (lab.Failed, OSError) as error:
                failures.append(error)
    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(20):
        result = a.run(*words)
        lab.equal((result.stdout, result.stderr), ("", ""), "output")
    done.set()
    reader.join()
    lab.true(not failures and len(set(seen)) == 1, f"{failures[:1]}, samples {set(seen)}")

    with open(path, encoding="ascii") as file:
        old = file.read()
    lab.equal(Metrics(old)("espah_policies"), 200, "policies")
    a.run(CLI, "policy", "flush")
    Espah.batch(a, [f"policy add out 10.1.{n}.0/24 any bypass" for n in range(200)])
    result = a.run("env", "--ignore-signal=XFSZ", "prlimit", "--fsize=8000", *words, check=False)
    lab.equal((result.returncode, result.stdout), (1, ""), "exit status and output on a full disk")
    lab.true(re.fullmatch(f"espah: {path} cannot be written: .*\n", result.stderr), result.stderr)
    lab.equal(os.listdir(folder), ["espah.prom"], "files")
    with open(path, encoding="ascii") as file:
        lab.true(file.read() == old, "the old file changed")


@lab.test("promtool accepts the metrics, and the example of alerting rules")
def promtool():
    if not shutil.which("promtool"):
        raise lab.Skipped("there is no promtool")
    pair = Pair()
    pair.send(2, 2, 10)
    pair.lose(no_sa=1, icv=1, replay=1)
    text = pair.a.run(CLI, "metrics").stdout
    result = lab.run("promtool", "check", "metrics", stdin=text)
    lab.equal(result.stdout + result.stderr, "", "complaints of promtool")
    lab.run("promtool", "check", "rules", RULES)


@lab.test("the alerting rules use metrics that exist")
def rules():
    pair = Pair()
    pair.send(1, 1, 10)
    names = set(read(pair.a).types)
    with open(RULES, encoding="utf-8") as file:
        used = set(re.findall(r"\bespah_[a-z_]+", file.read()))
    lab.true(len(used) >= 4 and used <= names, f"{used - names} do not exist")


if __name__ == "__main__":
    lab.main()
