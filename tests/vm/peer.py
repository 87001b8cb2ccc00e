#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Objects of tests on the peer machine of `scripts/vm --peer tests/vm/peer.py`.

The peer runs this file as a program. It makes namespaces, sockets, daemons and programs when the
tests ask for them, and keeps them. The tests hold a Remote for each; its methods run on the peer.
Both machines have the same file system, so functions and classes are named, not sent.
"""
import functools
import importlib
import io
import os
import pickle
import select
import socket
import struct
import subprocess
import sys
import time

import lab

PORT = os.environ.get("ESPAH_PEER", "")
LIMIT = 200  # seconds for one call


# --- messages ---------------------------------------------------------------------------

class Pickler(pickle.Pickler):
    """Objects that cannot leave their machine are sent as a number."""

    def __init__(self, file, kept):
        super().__init__(file)
        self.kept = kept

    def persistent_id(self, obj):
        if isinstance(obj, Remote):
            return obj.number, None
        if self.kept is None:
            if isinstance(obj, lab.Netns):
                raise lab.Failed(f"namespace {obj} is not on the peer machine")
        elif isinstance(obj, (lab.Netns, socket.socket, subprocess.Popen)) or \
                "Daemon" in [kind.__name__ for kind in type(obj).__mro__]:
            self.kept[id(obj)] = obj
            return id(obj), (type(obj).__module__, type(obj).__name__)
        return None


class Unpickler(pickle.Unpickler):
    def __init__(self, file, kept):
        super().__init__(file)
        self.kept = kept

    def persistent_load(self, pid):
        number, name = pid
        return Remote(number, named(*name)) if name else self.kept[number]


def pack(message, kept=None):
    file = io.BytesIO()
    Pickler(file, kept).dump(message)
    return struct.pack("!I", len(file.getvalue())) + file.getvalue()


def unpack(data, kept=None):
    return Unpickler(io.BytesIO(data), kept).load()


def named(module, path):
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))


def read(port, size, limit):
    """Bytes of a port; an end of file means that the other machine has ended."""
    data = b""
    end = time.monotonic() + limit if limit else None
    while len(data) < size:
        if not select.select([port], [], [], end and max(end - time.monotonic(), 0))[0]:
            raise lab.Failed("the peer does not answer")
        part = os.read(port, size - len(data))
        if not part:
            raise EOFError("the other machine has ended")
        data += part
    return data


def write(port, data):
    while data:
        data = data[os.write(port, data):]


# --- the tests' side --------------------------------------------------------------------

class Remote:
    """An object on the peer, of a class that is known here too."""

    def __init__(self, number, kind):
        self.number, self.kind = number, kind

    def __getattr__(self, name):
        if callable(getattr(self.kind, name, None)):
            return functools.partial(ask, "method", self, name)
        return ask("value", self, name)

    def __str__(self):
        return make("builtins", "str", self)


class Peer:
    """The connection of this process."""
    port = None
    count = 0


def ask(*message, **options):
    """Runs something on the peer. Return: its result; an exception is raised here."""
    if Peer.port is None:
        Peer.port = os.open(PORT, os.O_RDWR)
        Peer.count = time.monotonic_ns()  # another one than in processes that used the port before
        ask("reset")
    Peer.count += 1
    write(Peer.port, pack((Peer.count, message, options)))
    while True:
        size, = struct.unpack("!I", read(Peer.port, 4, LIMIT))
        count, good, result = unpack(read(Peer.port, size, LIMIT))
        if count == Peer.count:  # otherwise the answer to a process that was stopped
            break
    if not good:
        raise result
    return result


def there(function):
    """Decorates a function: it runs where its first argument, a namespace, is."""
    @functools.wraps(function)
    def wrapped(ns, *arguments, **options):
        if isinstance(ns, Remote):
            return make(function.__module__, function.__qualname__, ns, *arguments, **options)
        return function(ns, *arguments, **options)
    return wrapped


def make(module, name, *arguments, **options):
    """Calls a function or class on the peer machine."""
    return ask("function", (module, name), *arguments, **options)


def wire(number, ns, name, other, other_name, mtu=1500):
    """Connects a namespace of this machine to one of the peer by a pair of joined devices."""
    take_wire(ns, number, name, mtu)
    make("peer", "take_wire", other, number, other_name, mtu)


def take_wire(ns, number, name, mtu):
    def free():  # it returns from a deleted namespace after a while, by some name
        for device in os.listdir("/sys/class/net"):
            with open(f"/sys/class/net/{device}/address") as file:
                if file.read().startswith(f"52:54:00:e5:0{number}:"):
                    return device
        return None
    lab.run("ip", "link", "set", lab.wait_for(free, f"joined device {number}"), "netns", str(ns),
            "name", name, "mtu", str(mtu))
    ns.ip(f"link set lo up\nlink set {name} up\n")
    # slow machines do not drop packets: neither in a queue, by fq_codel, nor before they are received
    with open("/proc/sys/net/core/netdev_max_backlog", "w") as file:
        file.write("100000")
    ns.run("tc", "qdisc", "replace", "dev", name, "root", "pfifo", "limit", "10000")


# --- the peer's side ----------------------------------------------------------------------

def reset():
    daemon = sys.modules.get("daemon")  # which imports this file
    if daemon:
        daemon.Daemon.stop_all()
    lab.delete_all()


def serve(kind, *arguments, **options):
    if kind == "reset":
        return reset()
    if kind == "function":
        name, *arguments = arguments
        return named(*name)(*arguments, **options)
    obj, name, *arguments = arguments
    return getattr(obj, name) if kind == "value" else getattr(obj, name)(*arguments, **options)


def main():
    port = os.open(PORT, os.O_RDWR)
    kept = {}
    poll = select.poll()
    poll.register(port, 0)
    end = time.monotonic() + 10
    while poll.poll(0) and time.monotonic() < end:  # POLLHUP: the first machine is not connected
        time.sleep(0.1)
    while True:
        try:
            size, = struct.unpack("!I", read(port, 4, None))
            data = read(port, size, None)
        except EOFError:
            break
        count, message, options = unpack(data, kept)
        try:
            answer = count, True, serve(*message, **options)
            data = pack(answer, kept)
        except Exception as error:  # pylint: disable=broad-except; the tests judge it
            data = pack((count, False, portable(error)))
        write(port, data)
    reset()


def portable(error):
    """The error, if it can be sent; otherwise one that says what it was."""
    if isinstance(error, (TimeoutError, FileNotFoundError, lab.Skipped)):
        return error
    return lab.Failed(lab.explain(error))


if __name__ == "__main__":
    sys.modules["peer"] = sys.modules["__main__"]
    main()
