# SPDX-License-Identifier: GPL-2.0-only
"""An unnamed namespace with its tools: ip(8), libnftables, sockets, a link to espah."""
import contextlib
import ctypes
import os
import select
import socket
import struct
import subprocess
import time

import forge
import lab
import netlink
from netlink import attr

FENCE = 30  # seconds that a batch of ip(8) may take
MAC = "02:00:00:00:00:%02x"
OUTER = {"a": ("10.1.0.1", "fd01::1"), "b": ("10.1.0.2", "fd01::2"), "m": ("10.1.0.3", "fd01::3")}
INNER = {"a": ("10.10.1.1", "fd10::1:1"), "b": ("10.10.2.1", "fd10::2:1"), "m": ("10.10.3.1", "fd10::3:1")}


class Place:
    """A namespace of the world: its shell of ip(8), its sockets, its link to espah."""

    def __init__(self, world, title):
        self.world, self.title = world, title
        lab.syscall(lab.libc.unshare, lab.CLONE_NEWNET)
        self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.shell = subprocess.Popen(["ip", "-force", "-batch", "-"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=world.complaints)
        for pipe in self.shell.stdin, self.shell.stdout:
            os.set_blocking(pipe.fileno(), False)
        self.link = netlink.Link()
        self.firewall = Firewall()
        self.sockets, self.listeners, self.queues, self.taps, self.kept, self.sas = {}, [], [], [], [], []
        self.devices, self.device = ["lo"], None
        self.back()
        self.sysctl("net/ipv6/conf/all/accept_dad", 0)
        self.sysctl("net/ipv6/conf/default/accept_dad", 0)
        # closed connections keep their namespace until TCP gives up
        self.sysctl("net/ipv4/tcp_orphan_retries", 1)
        self.sysctl("net/ipv4/tcp_retries2", 3)

    def __enter__(self):
        lab.syscall(lab.libc.setns, self.fd, lab.CLONE_NEWNET)

    def __exit__(self, *_):
        self.back()

    def back(self):
        lab.syscall(lab.libc.setns, self.world.home, lab.CLONE_NEWNET)

    def ip(self, *lines):
        """Passes lines to ip(8), which runs them asynchronously."""
        self.world.count("ip", len(lines))
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self.shell.stdin.fileno(), "".join(line + "\n" for line in lines).encode())

    def fence(self):
        """Waits until ip(8) has run all lines."""
        seen, end = b"", time.monotonic() + FENCE
        self.shell.stdout.read()
        self.ip("link show lo")
        while b"loopback" not in seen and time.monotonic() < end:
            if select.select([self.shell.stdout], [], [], 1)[0]:
                seen += self.shell.stdout.read() or b""

    def sysctl(self, path, value):
        with self, contextlib.suppress(OSError), open("/proc/sys/" + path, "w") as file:
            file.write(str(value))

    def socket(self, family, kind, protocol=0):
        key = family, kind, protocol
        if key not in self.sockets:
            with self:
                sock = self.sockets[key] = socket.socket(family, kind, protocol)
            sock.setblocking(False)
            if kind == socket.SOCK_RAW and family == socket.AF_INET6 and protocol == 255:
                sock.setsockopt(socket.IPPROTO_IPV6, 36, 1)  # IPV6_HDRINCL
        return self.sockets[key]

    def listen(self):
        """Opens sockets that receive traffic."""
        for family in socket.AF_INET, socket.AF_INET6:
            with self, contextlib.suppress(OSError):
                for port in self.world.ports:
                    sock = socket.socket(family, socket.SOCK_DGRAM)
                    if family == socket.AF_INET6:
                        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    sock.bind(("", port))
                    sock.setblocking(False)
                    self.listeners.append(sock)
                sock = socket.socket(family)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(("", self.world.ports[0]))
                sock.listen(8)
                sock.setblocking(False)
                self.listeners.append(sock)

    def counters(self):
        stats = dict(self.link.ask(netlink.STATS_GET)[0])
        drops = {}
        for _, entry in netlink.parse(stats[7]):
            fields = dict(netlink.parse(entry))
            count, = struct.unpack("=Q", fields[3])
            if count:
                drops[fields[2][:-1].decode()] = count
        return struct.unpack("=Q", stats[3])[0], struct.unpack("=Q", stats[5])[0], drops

    def close(self):
        for sock in (*self.sockets.values(), *self.listeners, *self.taps, *self.kept, self.link.sock):
            sock.close()
        for queue in self.queues:
            queue.sock.close()
        self.shell.kill()
        self.shell.stdin.close()
        self.shell.stdout.close()
        self.shell.wait()
        self.firewall.close()
        os.close(self.fd)


class Firewall:
    """libnftables in the namespace that was current at its creation."""
    library = None

    def __init__(self):
        if not Firewall.library:
            Firewall.library = ctypes.CDLL("libnftables.so.1")
            Firewall.library.nft_ctx_new.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.library.nft_ctx_new(0))
        self.library.nft_ctx_buffer_error(self.context)
        self.library.nft_ctx_buffer_output(self.context)

    def run(self, text):
        return self.library.nft_run_cmd_from_buffer(self.context, text.encode()) == 0

    def close(self):
        self.library.nft_ctx_free(self.context)


class Queue:
    """An nftables queue that is read sometimes, with all kinds of verdicts."""
    PACKET, VERDICT, CONFIG = 0x300, 0x301, 0x302

    def __init__(self, place, number, dice):
        self.dice, self.number = dice, number
        with place:
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.sock.setblocking(False)
        self.send(self.CONFIG, attr(1, struct.pack("!BxH", 1, 0)))
        self.send(self.CONFIG, attr(2, struct.pack("!IB", 65535, dice.choice((1, 2)))))
        flags = dice.choice((0, 1, 2, 4, 7))
        self.send(self.CONFIG, attr(5, struct.pack("!I", flags)) + attr(4, struct.pack("!I", 7)))

    def send(self, kind, body):
        self.sock.send(struct.pack("=IHHIIBBH", 20 + len(body), kind, 1, 0, 0, 0, 0,
                                   socket.htons(self.number)) + body)

    def pump(self):
        for _ in range(20):
            data = self.sock.recv(1 << 17)
            if struct.unpack("=H", data[4:6])[0] != self.PACKET:
                continue
            fields = dict(netlink.parse(data[20:]))
            verdict = self.dice.choice((1,) * 7 + (0, 4, 5, None))
            if verdict is None:  # it stays in the queue
                continue
            body = attr(2, struct.pack("!I", verdict) + fields[1][:4])
            payload = fields.get(10)
            if payload and self.dice.random() < 0.1:
                body += attr(10, forge.Forger(self.dice, (), ()).mutate(payload))
            if self.dice.random() < 0.2:
                body += attr(3, struct.pack("!I", self.dice.randrange(3)))
            self.send(self.VERDICT, body)
