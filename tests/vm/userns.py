#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Unprivileged users get no privilege from espah, unless it is loaded with userns=1.

Containers are created as uid 65534: a user namespace, and a network namespace in it.
"""
import contextlib
import errno
import json
import os
import re
import socket
import subprocess

import ipsec
import lab
import module
import netlink as raw
import trace
from ipsec import CLI, Espah, Policy, SA, Xfrm

NOBODY, ANOTHER = 65534, 65533
SENTENCE = ("espah needs CAP_NET_ADMIN in the initial user namespace, unless it is loaded with "
            "userns=1")
PER_NET, PER_OWNER = 4096, 8192
SPI_KEY = "sa add out spi {0:#x} src 192.0.2.1 dst 198.51.100.{1} tunnel aes128gcm16 key 5a{0:038x}"


def load(userns):
    """Reloads the module, unless it is already loaded with this parameter."""
    parameter = "/sys/module/espah/parameters/userns"
    if module.loaded():
        with open(parameter, encoding="ascii") as file:
            if (file.read().strip() == "Y") == userns:
                return
        lab.delete_all()
        # namespaces that had policies may still be in deletion
        lab.wait_for(lambda: not lab.run("rmmod", "espah", check=False).returncode, "unloading",
                     timeout=60)
    module.load(f"userns={int(userns)}")


def unprivileged(*words, uid=NOBODY):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "unshare", "-Urn",
            *words]


def in_container(script, uid=NOBODY):
    """Runs a script of sh as the root of a new container."""
    return lab.run(*unprivileged("sh", "-c", script, uid=uid), check=False, timeout=300)


class Container:
    """A container that keeps running; `net` names its network namespace for nsenter."""

    def __init__(self, uid=NOBODY):
        self.process = subprocess.Popen(unprivileged("sh", uid=uid), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        self.run("true")

    def run(self, command):
        """Runs a command in it. Return: exit status and output."""
        self.process.stdin.write(f"{command}\necho; echo end $?\n")
        self.process.stdin.flush()
        lines = []
        while not re.fullmatch(r"end \d+", line := self.process.stdout.readline().strip()):
            lab.true(line or self.process.poll() is None, "the container has died")
            lines.append(line)
        return " ".join(filter(None, lines))

    def cli(self, line):
        """The error message of an espah command."""
        return self.run(f"{CLI} {line} 2>&1 | grep -v warning:")

    def enter(self, *words, **options):
        """Runs a program of the machine's root in its network namespace."""
        return lab.run("nsenter", "-t", str(self.pid), "-n", *words, **options)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def container(uid=NOBODY):
    box = Container(uid)
    try:
        yield box
    finally:
        box.end()


COMMANDS = (
    "sa add out spi 0x1000 src 192.0.2.1 dst 192.0.2.2 tunnel aes128gcm16 key "
    + "5a" * 20, "sa set out spi 0x1000 dst 192.0.2.2 hard packets 100",
    "sa get out spi 0x1000 dst 192.0.2.2", "sa list", "sa del out spi 0x1000 dst 192.0.2.2",
    "sa flush", "sa alloc src 192.0.2.1 dst 192.0.2.2 tunnel",
    "policy add out 10.0.0.0/8 10.0.0.0/8 discard", "policy get out 10.0.0.0/8 10.0.0.0/8",
    "policy list", "policy del out 10.0.0.0/8 10.0.0.0/8", "policy flush", "algo",
    "stats", "default", "default out discard", "default out bypass",
    "explain out 10.0.0.1 10.0.0.2",
)


@lab.test("without userns=1, the root of a container is refused every command by a sentence that "
          "names the parameter")
def refused():
    load(userns=False)
    script = "\n".join(f"echo '{CLI} {command}'; {CLI} {command} 2>&1 | tail -1"
                       for command in COMMANDS)
    lines = in_container(script).stdout.splitlines()
    for command, answer in zip(lines[::2], lines[1::2]):
        lab.true(SENTENCE in answer, f"{command}: {answer}")
    lab.equal(len(lines), 2 * len(COMMANDS), "lines")


def as_nobody(function):
    def child():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        raw.unshare(raw.CLONE_NEWUSER | raw.CLONE_NEWNET)
        return function(raw.Link())
    raw.in_child(child)


@lab.test("and so is every request and every dump of the family, whatever the tool; it may listen")
def refused_raw():
    load(userns=False)
    def ask(link):
        raw.all_forbidden(link, "userns=1")
        for group in link.groups:
            link.join(group)
    as_nobody(ask)


@lab.test("it can make no device of ours")
def refused_device():
    load(userns=False)
    for command in ("ip link add type espah-tap", f"{CLI} link add ipsec0 if-id 5"):
        result = in_container(command)
        lab.true(result.returncode and SENTENCE in result.stderr, f"{command}: {result.stderr!r}")


@lab.test("a socket that it has opened lends it nobody's privilege")
def lent():
    load(userns=False)
    def open_one(end):
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        raw.unshare(raw.CLONE_NEWUSER | raw.CLONE_NEWNET)
        own = raw.Link()
        socket.send_fds(end, [b"x"], [own.sock.fileno()])

    link = raw.Link()
    mine, other = socket.socketpair()
    raw.in_child(lambda: open_one(other))
    _, fds, _, _ = socket.recv_fds(mine, 1, 1)
    link.sock = socket.socket(fileno=fds[0])
    # netlink.py uses send(), without a destination address: then the privilege of the opener counts too
    for cmd, flags in ((raw.STATS_GET, raw.REQUEST | raw.ACK), (raw.SA_GET, raw.REQUEST | raw.DUMP)):
        raw.refused(link, cmd, [], errno.EPERM, "userns=1", flags)


@lab.test("the machine's root works as ever, in network namespaces of its own and of containers")
def root_works():
    load(userns=False)
    own = lab.Netns("own")
    for command in COMMANDS[:2]:
        own.run(CLI, *command.split())
    lab.equal(len(Espah.sas(own)), 1, "SAs")
    own.run("ip", "link", "add", "type", "espah-tap")
    Espah.flush(own)
    with container() as box:
        lines = "\n".join(command for command in COMMANDS if command.startswith(("sa add", "policy add")))
        box.enter(CLI, "-b", "-", stdin=lines + "\n")
        for command in "sa list", "policy list", "stats", "explain out 10.0.0.1 10.0.0.2":
            box.enter(CLI, *command.split())
        box.enter("ip", "link", "add", "type", "espah-tap")
        lab.true(SENTENCE in box.cli("sa list"), "it sees what root made")
        box.enter(CLI, "flush")


# --- with userns=1 ----------------------------------------------------------------------------

@lab.test("with userns=1, the root of a container may do it all, in its own network namespace")
def allowed():
    load(userns=True)
    with container() as box:
        for command in COMMANDS:
            answer = box.run(f"{CLI} {command} && echo good")
            lab.true(answer.endswith("good"), f"{command}: {answer}")
        for command in ("ip link add type espah-tap", f"{CLI} link add ipsec0 if-id 5 up"):
            lab.equal(box.run(f"{command} && echo good"), "good", command)
    as_nobody(lambda link: (raw.populate(link), link.dump(raw.SA_GET), None)[2])


@lab.test("it uses a device that root has moved into its namespace, but cannot lead its outer packets elsewhere")
def given_device():
    load(userns=True)
    own = lab.Netns("own")
    own.ip("link add dummy0 up type dummy\n")
    Espah.batch(own, ["link add ipsec0 if-id 5 dev dummy0"])
    with container() as box:
        own.ip(f"link set ipsec0 netns {box.pid}\n")
        lab.equal(box.run("ip link set ipsec0 up mtu 1300 && echo good"), "good", "what it may do")
        answer = box.cli("link set ipsec0 nodev")
        lab.true("over the namespace where the device was made" in answer, f"answered: {answer!r}")
        answer = box.cli("link set ipsec0 carrier")
        lab.true("over the namespace where the device was made" in answer, f"answered: {answer!r}")


@lab.test("its policies follow the name of a device, a moment later")
def name_of_device():
    load(userns=True)
    with container() as box:
        box.run("ip link add dummy0 up type dummy; ip link add later up type dummy")
        box.run("ip addr add 192.0.2.1/24 dev dummy0")
        lab.equal(box.cli("policy add out any4 any4 dev later discard"), "", "of the policy")

        def dropped():
            box.run("ping -n -c 1 -W 0.1 192.0.2.2")
            policy, = json.loads(box.run(f"{CLI} -j policy list"))
            return policy.get("drops")
        lab.true(not dropped(), "a packet of another device was dropped")
        box.run("ip link del later; ip link set dummy0 down")
        box.run("ip link set dummy0 name later; ip link set later up")
        lab.wait_for(dropped, "the policy to apply")


@lab.test("but cannot let other CPUs work for it, now or later")
def no_cpus():
    load(userns=True)
    with container() as box:
        lines = [SPI_KEY.format(0x1000, 1) + " cpus 2", SPI_KEY.format(0x1000, 1),
                 "sa set out spi 0x1000 dst 198.51.100.1 cpus auto",
                 SPI_KEY.format(0x1001, 1) + " cpus 1"]
        wrong, made, changed, one = (box.cli(line) for line in lines)
        for answer in wrong, changed:
            lab.true("cannot use other CPUs" in answer, f"answered: {answer!r}")
        lab.equal((made, one), ("", ""), "answers to what is right")
        sas = box.run(f"{CLI} -j sa list")
        lab.equal(sas.replace(" ", "").count('"cpus":1'), 2, f"SAs of one CPU in {sas}")
        box.enter(CLI, "sa", "set", "out", "spi", "0x1000", "dst", "198.51.100.1", "cpus", "2")


def fill(box, count, of="198.51.100.1"):
    """Adds SAs, in one batch."""
    lines = "".join(f"sa add out spi {0x1000 + i:#x} src 192.0.2.1 dst {of} tunnel aes128gcm16 "
                    f"key {os.urandom(20).hex()} reqid {i}\n" for i in range(count))
    path = "/tmp/fill"
    with open(path, "w", encoding="ascii") as file:
        file.write(lines)
    return box.run(f"{CLI} -f -b {path} 2>&1 | grep -v warning | tail -1")


@lab.test("a network namespace of a container may have 4,096 SAs, all of one owner 8,192, and each "
          "refusal says so; the machine's root is not bound by that, nor is another owner")
def limits():
    load(userns=True)
    one_more = SPI_KEY.format(0x9999, 200)
    with container() as first, container() as second, container() as third, \
            container(ANOTHER) as other:
        lab.equal(fill(first, PER_NET), "", "what was said of those that fit")
        answer = first.cli(one_more)
        lab.true("already has 4096 SAs" in answer, f"of one too many: {answer!r}")
        first.enter(CLI, *one_more.split())
        lab.equal(fill(second, PER_NET), "", "what was said of the second namespace's")
        answer = third.cli(one_more)
        lab.true("already have 8192 SAs" in answer, f"of one too many: {answer!r}")
        lab.equal(other.cli(one_more), "", "what was said of another owner's")
        first.cli("sa flush")
        lab.wait_for(lambda: not third.cli(one_more), "room after a flush")
        for box in second, third, other:
            box.cli("sa flush")


# --- memory -----------------------------------------------------------------------------------

GROUPS = "/sys/fs/cgroup"
EACH = 1000
# bytes of an object in its own slab slot
MIN_SA, MIN_POLICY = 1100, 800


def charged(group):
    with open(f"{group}/memory.stat", encoding="ascii") as file:
        return int(dict(line.split() for line in file)["kernel"])


@lab.test("what SAs and policies take of the kernel's memory is charged to the container")
def charge():
    load(userns=True)
    if not os.path.exists(GROUPS + "/cgroup.controllers"):
        lab.run("mount", "-t", "cgroup2", "none", GROUPS)
    with open(GROUPS + "/cgroup.subtree_control", "w", encoding="ascii") as file:
        file.write("+memory")
    group = GROUPS + "/container"
    os.makedirs(group, exist_ok=True)
    with container() as box:
        with open(group + "/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(box.pid))
        before = charged(group)
        fill(box, EACH)
        sas = (charged(group) - before) / EACH
        before = charged(group)
        with open("/tmp/policies", "w", encoding="ascii") as file:
            file.writelines(f"policy add out 10.{i >> 8}.{i & 255}.0/24 10.0.0.0/8 protect tunnel "
                            f"192.0.2.1 192.0.2.{i % 250 + 1} reqid {i}\n" for i in range(EACH))
        box.run(f"{CLI} -f -b /tmp/policies")
        policies = (charged(group) - before) / EACH
        print(f"log charged: {sas:.0f} bytes an SA, {policies:.0f} a policy", flush=True)
        box.cli("flush")
    lab.true(sas >= MIN_SA, f"{sas} bytes an SA")
    lab.true(policies >= MIN_POLICY, f"{policies} bytes a policy")


# --- no effect on others ------------------------------------------------------------------------

OUTER = ("192.0.2.1", "192.0.2.2")


def pair():
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    a.ip("addr add 192.0.2.1/24 dev eth0\naddr add 10.1.0.1/32 dev lo\n"
         "route add 10.2.0.0/24 via 192.0.2.2 src 10.1.0.1\n")
    b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 10.2.0.1/32 dev lo\n"
         "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n")
    ipsec.configure_pair(a, b, Espah, Xfrm, [SA(0x1000, *OUTER)], [SA(0x1001, *OUTER[::-1])],
                         [Policy("10.1.0.0/24", "10.2.0.0/24", OUTER)])
    return a, b


def anew(action):
    """Number of new lookups of an SA and a policy during action."""
    with open(trace.FOLDER + "available_filter_functions", encoding="ascii") as file:
        names = [line.split()[0] for line in file if line.strip().endswith("[espah]")]
    wanted = [name for name in names if re.match(r"(look_up|find_anew)(\.|$)", name)]
    lab.equal(len(wanted), 2, f"functions that look up anew: {wanted}")
    entered = trace.sequence(wanted, action)
    return {name.partition(".")[0]: entered.count(name) for name in wanted}


@lab.test("SAs and policies that come and go in a container empty nobody's caches")
def churn():
    load(userns=True)
    a, _ = pair()

    def ping():
        a.run("ping", "-c", "1", "-W", "5", "10.2.0.1")

    with container() as box:
        def disturb():
            box.run(f"{CLI} {SPI_KEY.format(0x1000, 1)}; {CLI} sa flush; "
                    f"{CLI} policy add out 10.0.0.0/8 10.0.0.0/8 discard; {CLI} policy flush")
        ping()
        ping()
        quiet = anew(lambda: [ping() for _ in range(4)])
        loud = anew(lambda: [(disturb(), ping()) for _ in range(4)])
        print(f"log looked up anew: {quiet}, with changes elsewhere {loud}", flush=True)
        for name, count in loud.items():
            # a packet from a timer (ND, but not ARP) may be counted
            lab.true(count <= quiet[name] + 2, f"{name}: {count} times, without changes {quiet[name]}")
        # the count does count
        own = anew(lambda: [(Espah.batch(a, [SPI_KEY.format(0x2000, 1), "policy add out "
                                             "10.9.0.0/16 10.9.0.0/16 discard",
                                             "policy del out 10.9.0.0/16 10.9.0.0/16",
                                             "sa del out spi 0x2000 dst 198.51.100.1"]), ping())
                            for _ in range(4)])
        lab.true(all(count >= 4 for count in own.values()), f"with changes of its own: {own}")
    lab.delete_all()


if __name__ == "__main__":
    try:
        lab.main()
    finally:
        load(userns=False)
