# SPDX-License-Identifier: GPL-2.0-only
"""README.md and the manual pages, as blocks of commands and files, and the network in which these run.

A block is indented in README.md, and stands between .EX and .EE in a manual page. It is one of:
- commands, one after the other. A comment "# on gw-b" says where the next ones are typed
- a transcript: "gw-a# " is before a command, and behind it may stand what the command prints
- a file for nft, espah.conf or swanctl.conf
- a drawing, which is not run

   host-a 10.1.0.5 -- lan gw-a wan 192.0.2.1 == isp == 198.51.100.7 wan gw-b lan -- 10.2.0.9 host-b
"""
import os
import pty
import re
import select
import signal
import subprocess
import time

import lab
import traffic
from ipsec import CLI, ROOT

A, B = "192.0.2.1", "198.51.100.7"
HOST_A, HOST_B = "10.1.0.5", "10.2.0.9"
ETC = "/etc/espah/espah.conf"
DOCS = {"README.md": f"{ROOT}/README.md"}
DOCS |= {name: f"{ROOT}/userspace-tools/espah/{name}"
         for name in ("espah.8", "espah.conf.5", "espah-gateway.7", "espah-troubleshooting.7")}
FOLDER = "/run/manuals"  # where commands are typed
BIN = f"{FOLDER}/bin"
SCRIPT = "/usr/local/sbin/espah-carry"
# What cannot be run here, and why
NOT_RUN = {
    "make deb && apt install linux-headers-amd64 ./build/deb/bookworm/espah{-dkms,}_*.deb":
        "a machine without a network; scripts/test-package installs the packages",
    "apt install build-essential libjansson-dev libmnl-dev linux-headers-amd64 pkg-config":
        "a machine without a network",
    "make install": "the kernel's headers are not in the machine; tests/unit/cli installs the command and the pages",
    "apt install linux-headers-amd64": "a machine without a network",
    "dkms autoinstall": "scripts/test-package runs DKMS",
    "systemctl enable espah": "systemd does not run here; the suite guard runs the unit's commands",
    "systemctl restart strongswan": "systemd does not run here",
    "journalctl -u strongswan": "systemd does not run here",
    "mokutil --import /var/lib/dkms/mok.pub": "the machine has no firmware for Secure Boot",
    "reboot": "the tests would end",
    "apt-get install --only-upgrade espah-dkms espah": "a machine without a network",
    "espah reload --force && systemctl restart strongswan": "systemd does not run here; the suite reload has a daemon",
    # in one section only
    "Key was rejected by service: Secure Boot: modprobe espah": "a kernel that refuses modules does so until its end",
}
ENDLESS = re.compile(r"(espah (monitor|capture|stats --watch)|tcpdump) ?")
PROMPT = re.compile(r"([\w-]+)# (.*)")
DRAWING = re.compile(r"-- .*==")
FILES = {"table": "nft", "connections": "swanctl", "vrrp_instance": "keepalived"}
CONF = {"policy", "sa", "link", "default", "config", "include"}


class Block:
    """Lines of a document that belong together; ran: whether a test has run them."""

    def __init__(self, doc, section, lines):
        self.doc, self.section, self.lines, self.ran = doc, section, lines, False

    def __str__(self):
        return f"{self.doc}, {self.section}, '{self.lines[0]}'"

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    @property
    def kind(self):
        if any(map(PROMPT.fullmatch, self.lines)):
            return "transcript"
        if all(map(DRAWING.search, self.lines)):
            return "drawing"
        words = [line.split()[0] for line in self.lines if line.strip() and not line.lstrip().startswith("#")]
        if set(words) <= CONF:
            return "conf"
        return FILES.get(words[0], "commands")

    def steps(self):
        """[place, command, [what it prints]], in order; the place is None until a line names one."""
        steps, place, transcript = [], None, self.kind == "transcript"
        lines = iter(line for line in self.lines if not (transcript and DRAWING.search(line)))
        for line in lines:
            prompt = PROMPT.fullmatch(line) if transcript else None
            where = re.match(r"# on ([\w-]+)\b", line)
            if prompt:
                place, line = prompt.groups()
            elif transcript:
                steps[-1][2].append(line)
                continue
            elif where:
                place = where[1]
            if line.lstrip().startswith("#") or not line.strip():
                continue
            while line.endswith("\\"):
                line = line[:-1].rstrip() + " " + next(lines).strip()
            if here := re.search(r"<<(\w+)$", line):
                while not line.endswith("\n" + here[1]):
                    line += "\n" + next(lines)
            steps.append([place, re.sub(r"\s+# .*", "", line), []])
        return steps


def of_readme(text):
    """(section, lines) of each block"""
    section, lines = "", []
    for line in text.splitlines() + ["# end"]:
        if line.startswith("    ") or (lines and not line):
            lines.append(line[4:])
            continue
        if lines:
            while not lines[-1]:
                lines.pop()
            yield section, lines
            lines = []
        if line.startswith("#"):
            section = line.lstrip("# ")


ESCAPES = {r"\-": "-", r"\e": "\\", r"\&": "", r"\(aq": "'", r"\(dq": '"'}


def plain(line):
    """A line of roff without escapes."""
    return re.sub(r"\\(\(..|.)", lambda escape: ESCAPES[escape[0]], line)


def of_page(text):
    section, lines = "", None
    for line in text.splitlines():
        if lines is not None:
            if line == ".EE":
                yield section, lines
                lines = None
            elif line.startswith("."):
                raise lab.Failed(f"a request within a block: {line}")
            else:
                lines.append(plain(line))
        elif line == ".EX":
            lines = []
        elif line.startswith((".SH ", ".SS ")):
            section = plain(line[4:]).strip('"')


def read(doc):
    with open(DOCS[doc], encoding="utf-8") as file:
        return file.read()


def blocks():
    """All blocks of all documents."""
    return [Block(doc, *found) for doc in DOCS
            for found in (of_readme if doc == "README.md" else of_page)(read(doc))]


def of(doc, section):
    """The blocks of a section."""
    return [block for block in blocks() if (block.doc, block.section) == (doc, section)]


def first_tunnel():
    """The block of README.md with the first tunnel, of both gateways."""
    return of("README.md", "The first tunnel, by hand")[0]


# --- what a command prints ---------------------------------------------------------------------------

def masked(text):
    """In one line, with times that are the same everywhere."""
    text = re.sub(r"\d{4}-\d\d-\d\d ", "", " ".join(text.split()))
    return re.sub(r"\d\d:\d\d:\d\d\.\d+", "TIME", text)


def pattern(wanted):
    """Matches the output of which these are the lines; "..." stands for anything."""
    parts = masked("\n".join(wanted)).split("...")
    return re.compile(r"\s*.*?\s*".join(re.escape(part.strip()) for part in parts), re.DOTALL)


def check(command, wanted, said):
    lab.true(pattern(wanted).fullmatch(masked(said)), f"{command}: printed {said!r}, and the text says {wanted}")


# --- running ---------------------------------------------------------------------------------------

# Programs under other names, or in a short form, and why
STAND_INS = {
    "sleep": "exec /bin/sleep 1",  # nobody waits for a minute
    "logger": "exec cat",  # no log runs here
    "ssh": 'exec ip netns exec "$@"',  # another gateway is another namespace
    "wireshark": "exec tshark -n -l -i -",  # no screen
    "swanctl": 'exec /usr/sbin/swanctl "$@" --uri "unix://$VICI"',  # a charon in each namespace
}


def prepare():
    """The folder in which commands are typed."""
    os.makedirs(BIN, exist_ok=True)
    os.makedirs(f"{FOLDER}/.config/wireshark", exist_ok=True)
    for name, text in STAND_INS.items():
        with open(f"{BIN}/{name}", "w", encoding="ascii",
                  opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
            file.write(f"#!/bin/sh\n{text}\n")
    os.chdir(FOLDER)


def environment(**more):
    return {**os.environ, "NO_COLOR": "1", "PATH": f"{BIN}:{os.path.dirname(CLI)}:{os.environ['PATH']}", "HOME": FOLDER,
            "IP_LIB_DIR": f"{ROOT}/userspace-tools/iproute2", **more}


def shell(ns, command, **more):
    with ns:
        return subprocess.run(["bash", "-o", "pipefail", "-c", command], text=True, timeout=120, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=environment(**more))


def run(ns, command, wanted=(), **more):
    """Runs a command to its end. It must succeed, or print what the text says."""
    result = shell(ns, command, **more)
    if wanted:
        check(command, wanted, result.stdout)
    else:
        lab.equal(result.returncode, 0, f"{command}: {result.stdout.strip()[-300:]}: exit status")
    return result.stdout


def watch(ns, command, wanted, stimulus):
    """Runs a command that does not end by itself until it has printed what it should."""
    enough = pattern(["...", *wanted, "..."]) if wanted else re.compile(r".*( > | -> |→|A SECOND)", re.DOTALL)
    ours, theirs = pty.openpty()
    with ns:
        process = subprocess.Popen(["bash", "-o", "pipefail", "-c", command], stdin=subprocess.DEVNULL, stdout=theirs,
                                   stderr=theirs, start_new_session=True, env=environment(COLUMNS="300"))
    os.close(theirs)
    said, end = "", time.monotonic() + 30
    try:
        while not enough.match(masked(said)):
            lab.true(time.monotonic() < end, f"{command}: printed {said!r}, and the text says {wanted}")
            stimulus()
            while select.select([ours], [], [], 0.3)[0]:
                try:
                    said += os.read(ours, 65536).decode()
                except OSError:  # it has ended
                    raise lab.Failed(f"{command}: ended, and printed {said!r}") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(ours)
    return said


# --- the network ------------------------------------------------------------------------------------

class Site:
    """The network drawn above. Its functions run blocks; what is typed without a place is typed at gw-a."""

    def __init__(self):
        lab.delete_all()
        self.host_a, self.host_b = lab.Netns("host-a"), lab.Netns("host-b")
        self.a, self.b, self.isp = (lab.Netns(name, forward=True) for name in ("gw-a", "gw-b", "isp"))
        self.places = {"gw-a": self.a, "gw-b": self.b, None: self.a}
        lab.link(self.host_a, "eth0", self.a, "lan")
        lab.link(self.a, "wan", self.isp, "left")
        lab.link(self.isp, "right", self.b, "wan")
        lab.link(self.b, "lan", self.host_b, "eth0")
        self.host_a.ip(f"addr add {HOST_A}/16 dev eth0\nroute add default via 10.1.0.1\n")
        self.host_b.ip(f"addr add {HOST_B}/16 dev eth0\nroute add default via 10.2.0.1\n")
        self.a.ip(f"addr add 10.1.0.1/16 dev lan\naddr add {A}/24 dev wan\nroute add default via 192.0.2.254\n")
        self.b.ip(f"addr add 10.2.0.1/16 dev lan\naddr add {B}/24 dev wan\nroute add default via 198.51.100.254\n")
        self.isp.ip("addr add 192.0.2.254/24 dev left\naddr add 198.51.100.254/24 dev right\n"
                    f"route add 10.1.0.0/16 via {A}\nroute add 10.2.0.0/16 via {B}\n")
        self.more = {}  # of the environment

    @classmethod
    def tunnel(cls, **changes):
        """A network with the first tunnel of README.md; changes: {"a" or "b": [(text, what replaces it)]}."""
        here = cls()
        for place, command, _ in first_tunnel().steps():
            for old, new in changes.get(place[-1], ()):
                command = command.replace(old, new)
            run(here.places[place], command)
        return here

    def run(self, *blocks, stimulus=None, default=None):
        for block in blocks:
            for place, command, wanted in block.steps():
                if not {command, f"{block.section}: {command}"} & set(NOT_RUN):
                    ns = self.places[place] if place or not default else default
                    if ENDLESS.match(command):
                        watch(ns, command, wanted, stimulus or self.ping)
                    else:
                        run(ns, command, wanted, **self.more)
            block.ran = True

    def load(self, block, ns=None):
        """A file for nft."""
        lab.equal(block.kind, "nft", "what the block is")
        for options in ("-c", "-f", "-"), ("-f", "-"):
            (ns or self.a).run("nft", *options, stdin=block.text)
        block.ran = True

    def apply(self, block, ns=None):
        """A file for espah."""
        lab.equal(block.kind, "conf", "what the block is")
        os.makedirs(os.path.dirname(ETC), exist_ok=True)
        with open(ETC, "w", encoding="ascii") as file:
            file.write(block.text)
        for command in "check", "apply":
            run(ns or self.a, f"espah {command}")
        lab.equal((ns or self.a).run(CLI, "apply", "--dry-run", check=False).returncode, 0, "espah apply --dry-run")
        block.ran = True

    def ping(self, count=1, size=56, source=None, target=HOST_B):
        """Number of answers."""
        said = (source or self.host_a).run("ping", "-n", "-c", str(count), "-i", "0.2", "-W", "1", "-M", "do", "-s",
                                           str(size), target, check=False).stdout
        return int((re.search(r"(\d+) received", said) or [0, 0])[1])

    def disturb(self):
        """A ping through the tunnel, and one in the clear under an address behind it."""
        self.ping()
        self.isp.run("ip", "addr", "replace", "10.2.0.77/32", "dev", "lo")
        self.isp.run("ping", "-c", "1", "-W", "1", "-I", "10.2.0.77", HOST_A, check=False)

    def carries(self):
        """Checks that pings pass, and nothing leaves gw-a in the clear."""
        with traffic.Wire(self.a, "wan", cleartext=True) as wire:
            lab.equal(self.ping(2), 2, "answers")
            lab.equal(wire.frames(), [], "frames in the clear")

    def mute(self):
        lab.equal(self.ping(3), 0, "answers")
