# SPDX-License-Identifier: GPL-2.0-only
"""A laboratory of network namespaces in one process, and the bookkeeping of tests.

A namespace is entered with `with ns:`. Sockets and programs created inside belong to it
permanently, so one process holds the sockets of all hosts and no fork is needed to send
a packet. That saves time with emulated processors.
"""
import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import time
import traceback

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
SO_TIMESTAMP = 29  # missing in the socket module
TIMEOUT = 15  # seconds, for events that take milliseconds natively; a successful test does not wait


def syscall(function, *arguments):
    if function(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), function.__name__)


# --- namespaces -------------------------------------------------------------------------

HOME = os.open("/proc/self/ns/net", os.O_RDONLY)
FOLDER = "/run/netns/"


class Netns:
    """A network namespace with a name for `ip -n` and `espah -n`."""

    stack = [HOME]
    alive = []

    def __init__(self, name, forward=False):
        self.name = name
        os.makedirs(FOLDER, exist_ok=True)
        path = FOLDER + name
        open(path, "w").close()
        syscall(libc.unshare, CLONE_NEWNET)
        syscall(libc.mount, b"/proc/self/ns/net", path.encode(), b"none", MS_BIND, None)
        syscall(libc.setns, Netns.stack[-1], CLONE_NEWNET)
        self.fd = os.open(path, os.O_RDONLY)
        Netns.alive.append(self)
        with self:
            self.sysctl("net.ipv6.conf.all.accept_dad", 0)
            self.sysctl("net.ipv6.conf.default.accept_dad", 0)
            self.sysctl("net.ipv6.conf.default.router_solicitations", 0)
            self.sysctl("net.ipv4.conf.all.rp_filter", 0)
            self.sysctl("net.ipv4.conf.default.rp_filter", 0)
            self.sysctl("net.ipv4.ping_group_range", "0 0")
            self.sysctl("net.ipv4.ip_nonlocal_bind", 1)
            self.sysctl("net.ipv6.ip_nonlocal_bind", 1)
            self.sysctl("net.ipv4.icmp_ratelimit", 0)  # tests count ICMP messages
            self.sysctl("net.ipv6.icmp.ratelimit", 0)
            if forward:
                self.sysctl("net.ipv4.ip_forward", 1)
                self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def __enter__(self):
        syscall(libc.setns, self.fd, CLONE_NEWNET)
        Netns.stack.append(self.fd)
        return self

    def __exit__(self, *_):
        Netns.stack.pop()
        syscall(libc.setns, Netns.stack[-1], CLONE_NEWNET)

    def __str__(self):
        return self.name

    def sysctl(self, name, value=None):
        path = "/proc/sys/" + name.replace(".", "/")
        with self:
            if value is None:
                with open(path) as file:
                    return file.read().strip()
            with open(path, "w") as file:
                file.write(str(value))

    def ip(self, commands):
        """Runs lines of ip(8) as one batch."""
        with self:
            run("ip", "-batch", "-", stdin=commands)

    def run(self, *words, **options):
        with self:
            return run(*words, **options)

    def socket(self, *kind):
        with self:
            return socket.socket(*kind)

    def start(self, *words, **options):
        """Starts a program in the background; it is stopped at the end of the test."""
        with self:
            process = subprocess.Popen(words, text=True, stdin=subprocess.DEVNULL, **options)
        Netns.programs.append(process)
        return process

    programs = []

    def delete(self):
        os.close(self.fd)
        syscall(libc.umount2, (FOLDER + self.name).encode(), MNT_DETACH)
        os.unlink(FOLDER + self.name)
        Netns.alive.remove(self)


def delete_all():
    """Stops programs and deletes namespaces of earlier tests."""
    for process in Netns.programs:
        process.kill()
        process.wait()
    Netns.programs.clear()
    for ns in list(Netns.alive):
        ns.delete()


def run(*words, stdin=None, check=True, timeout=120):
    """Runs a program to its end: .returncode .stdout .stderr; a failure is an error."""
    result = subprocess.run(words, input=stdin, text=True, capture_output=True, timeout=timeout)
    if check and result.returncode:
        raise Failed(f"{' '.join(words)}: exit {result.returncode}: "
                     f"{(result.stderr or result.stdout).strip()[:300]}")
    return result


def link(a, name_a, b, name_b, mtu=1500):
    """Connects two namespaces by a veth, and sets both ends up."""
    run("ip", "link", "add", name_a, "netns", str(a), "mtu", str(mtu), "type", "veth",
        "peer", "name", name_b, "netns", str(b), "mtu", str(mtu))
    for ns, name in ((a, name_a), (b, name_b)):
        ns.ip(f"link set lo up\nlink set {name} up\n")


def offloads(ns, device, on):
    """GRO, GSO and TSO of a veth, all on or all off."""
    word = "on" if on else "off"
    ns.run("ethtool", "-K", device, "gro", word, "gso", word, "tso", word)


KEEPER = "keeper"


# These keep code patches of the kernel (static keys) enabled, so that later users do not cause patching:
# emulated processors sometimes execute code that is being patched.

kept = []


def keep_timestamps():
    """A socket that requests receive timestamps, as ping does."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
    kept.append(sock)


def keep_hooks():
    """A namespace with all hooks."""
    run("ip", "netns", "add", KEEPER)
    chains = "".join(f"chain {hook} {{ type filter hook {hook} priority 0; }}\n" for hook in
                     ("prerouting", "input", "forward", "output", "postrouting"))
    run("ip", "netns", "exec", KEEPER, "nft", "-f", "-", stdin=f"table inet keep {{\n{chains}}}\n")


# --- waiting ----------------------------------------------------------------------------

def wait_for(condition, what, timeout=TIMEOUT):
    """Polls until condition() is true. Return: its result"""
    end = time.monotonic() + timeout
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited in vain for {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.2)


# --- tests and their results --------------------------------------------------------------

class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def equal(got, want, what="value"):
    if got != want:
        raise Failed(f"{what}: {shorten(got)}, expected {shorten(want)}")


def true(condition, why):
    if not condition:
        raise Failed(why)


def shorten(value):
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) < 200 else text[:200] + "..."


class Results:
    ok = failed = skipped = 0
    on_failure = []  # functions that print details, in lines that begin with "log "

    @classmethod
    def report(cls, name, why=None, skip=False):
        line = " ".join(f"{name}: {why}".split()) if why else name
        if skip:
            cls.skipped += 1
            print("skip", line, flush=True)
        elif why:
            cls.failed += 1
            print("not ok", line, flush=True)
            for tell in cls.on_failure:
                tell()
        else:
            cls.ok += 1
            print("ok", line, flush=True)


report = Results.report
tests = []


def test(name, *arguments):
    """Makes a test of a function. Its name is the sentence that it verifies."""
    def decorate(function):
        tests.append((name, function, arguments))
        return function
    return decorate


@contextlib.contextmanager
def verdict(name):
    """Reports the body as one test; for tests in a loop."""
    try:
        yield
        report(name)
    except Skipped as skipped:
        report(name, str(skipped), skip=True)
    except Exception as error:  # pylint: disable=broad-except; a test may fail in any way
        report(name, explain(error))


def explain(error):
    if isinstance(error, Failed):
        return str(error) or "failed"
    frames = [f"{os.path.basename(frame.filename)}:{frame.lineno}"
              for frame in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__}: {error} ({' '.join(frames[-3:])})"


def main():
    """Runs the tests of the calling file; with arguments, only tests whose names contain one of them."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    for name, function, arguments in tests:
        if words and not any(word in name for word in words):
            continue
        before = Results.ok + Results.failed + Results.skipped
        try:
            function(*arguments)
            if Results.ok + Results.failed + Results.skipped == before:
                report(name)
        except Skipped as skipped:
            report(name, str(skipped), skip=True)
        except Exception as error:  # pylint: disable=broad-except; a test may fail in any way
            report(name, explain(error))
        finally:
            while len(Netns.stack) > 1:
                Netns.stack.pop()
            syscall(libc.setns, HOME, CLONE_NEWNET)
    delete_all()
    print(f"summary: {Results.ok} passed, {Results.failed} failed, {Results.skipped} skipped",
          flush=True)
    sys.exit(1 if Results.failed or not Results.ok + Results.skipped else 0)
