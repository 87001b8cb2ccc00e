#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""IKE sockets that are exempt from policies: the privilege of the opener decides, not the port.

   a 192.0.2.1 ----- 192.0.2.2 b
     2001:db8::1     2001:db8::2

a discards all packets in both directions. The process that opens a socket determines its rights, so
this process drops capabilities while it opens a socket.
"""
import contextlib
import ctypes
import itertools
import os
import socket
import struct

import ipsec
import lab
import netlink
import traffic
from ipsec import Espah

A = {4: "192.0.2.1", 6: "2001:db8::1"}
B = {4: "192.0.2.2", 6: "2001:db8::2"}
MARKER = bytes(4)
CAP_NET_BIND_SERVICE, CAP_NET_RAW = 10, 13
SO_MARK = 36
CLONE_NEWUSER = 0x10000000
IP_XFRM_POLICY, IPV6_XFRM_POLICY = 17, 35
XFRM_IN, XFRM_OUT, XFRM_ALLOW, XFRM_BLOCK = 0, 1, 0, 1
numbers = itertools.count(1)


class Hosts:
    def __init__(self, lines=("default in discard out discard",)):
        lab.delete_all()
        self.a, self.b = lab.Netns("a"), lab.Netns("b")
        lab.link(self.a, "eth0", self.b, "eth0")
        for ns, own in ((self.a, A), (self.b, B)):
            ns.ip(f"addr add {own[4]}/24 dev eth0\naddr add {own[6]}/64 dev eth0 nodad\n")
        self.a.sysctl("net.ipv4.ip_unprivileged_port_start", 0)
        Espah.batch(self.a, lines)
        self.peers = {v: traffic.udp(self.b, B[v], 3000) for v in (4, 6)}
        with self.a:
            self.link = netlink.Link()

    def drops(self):
        nest = dict(self.link.ask(netlink.STATS_GET)[0])[7]
        entries = [dict(netlink.parse(entry)) for _, entry in netlink.parse(nest)]
        return {entry[2][:-1].decode(): struct.unpack("=Q", entry[3])[0] for entry in entries}

    def fate(self, direction, sock, body=b""):
        """The fate of a datagram that a socket of a sends or should receive."""
        v = 6 if sock.family == socket.AF_INET6 else 4
        body += b"number %d" % next(numbers)
        before = self.drops()
        noise = "discard_in" if direction == "out" else "discard_out"  # MLD, say
        if direction == "out":
            sink = self.peers[v]
            with contextlib.suppress(PermissionError):
                sock.sendto(body, (B[v], 3000))
        else:
            sink = sock
            self.peers[v].sendto(body, (A[v], sock.getsockname()[1]))

        def came():
            if not traffic.silent(sink):
                lab.equal(sink.recv(65536), body, "what arrived")
                return "clear"
            return ", ".join(name for name, count in self.drops().items()
                             if count != before[name] and name != noise)
        return lab.wait_for(came, f"a datagram {direction}")

    def agree(self, sock, want_out, want_in, body=b"", what=""):
        lab.equal(self.fate("out", sock, body), want_out, f"{what} out")
        lab.equal(self.fate("in", sock, body), want_in, f"{what} in")

    def exempt(self, sock, body=b"", what="exempt"):
        self.agree(sock, "clear", "clear", body, what)

    def refused(self, sock, body=b"", what="not exempt"):
        self.agree(sock, "discard_out", "discard_in", body, what)


@contextlib.contextmanager
def privilege(*capabilities):
    """This process stays root, but has only these effective capabilities."""
    head = struct.pack("=Ii", 0x20080522, 0)

    def data():
        buffer = ctypes.create_string_buffer(24)
        lab.syscall(lab.libc.capget, head, buffer)
        return buffer

    old = data()
    words = list(struct.unpack("=6I", old.raw))
    words[0], words[3] = sum(1 << capability for capability in capabilities), 0
    lab.syscall(lab.libc.capset, head, struct.pack("=6I", *words))
    try:
        yield
    finally:
        lab.syscall(lab.libc.capset, head, old.raw)


def bound(here, address, port, options=(), rights=None):
    """A socket of a; rights: the only capabilities of its opener; later capabilities do not count."""
    with here.a, privilege(*rights) if rights is not None else contextlib.nullcontext():
        sock = socket.socket(traffic.family_of(address), socket.SOCK_DGRAM)
    for option in options:
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
    sock.bind((address, port))
    sock.settimeout(lab.TIMEOUT)
    return sock


def opened_without(here, address, port, *capabilities, options=()):
    return bound(here, address, port, options, capabilities)


@lab.test("a socket on UDP 500 or 4500 is exempt if its opener had CAP_NET_ADMIN, both ways")
def privileged():
    here = Hosts()
    for v in (4, 6):
        with bound(here, A[v], 500) as sock:
            here.exempt(sock, what="port 500")
            here.exempt(sock, bytes(4000), "in fragments")
        with bound(here, A[v], 4500) as sock:
            here.exempt(sock, MARKER, "port 4500")
            here.refused(sock, b"\0\0\0\1", "port 4500, no marker")
        with bound(here, A[v], 4501) as sock:
            here.refused(sock, MARKER, "port 4501")


@lab.test("a socket whose opener had no CAP_NET_ADMIN is not exempt, whatever port it binds")
def unprivileged():
    here = Hosts()
    for v in (4, 6):
        for port, body in ((500, b""), (4500, MARKER)):
            with opened_without(here, A[v], port) as sock:
                here.refused(sock, body, f"port {port}")
            with opened_without(here, A[v], port, CAP_NET_BIND_SERVICE, CAP_NET_RAW) as sock:
                here.refused(sock, body, f"port {port}, as Docker's containers have it")


@lab.test("nobody's socket: what comes to port 500 without one is no IKE")
def nobody():
    here = Hosts()
    for v in (4, 6):
        with bound(here, A[v], 500) as sock:
            pass
        # a separate policy counts no other packets
        Espah.batch(here.a, ["policy flush", f"policy add in {B[v]} {A[v]} proto udp discard"])
        here.peers[v].sendto(b"nobody", (A[v], 500))
        lab.wait_for(lambda: ipsec.drop_counts(Espah.json(here.a, "policy", "list")[0]) ==
                     {"discard_in": 1}, "a drop")


def within_user_namespace(here):
    """A socket on port 500 whose opener has all privileges, but in its own user namespace."""
    left, right = socket.socketpair()
    child = os.fork()
    if not child:
        try:
            with here.a:
                lab.syscall(lab.libc.unshare, CLONE_NEWUSER)
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.bind((A[4], 500))
                socket.send_fds(right, [b"x"], [sock.fileno()])
        finally:
            os._exit(0)
    _, fds, _, _ = socket.recv_fds(left, 1, 1)
    os.waitpid(child, 0)
    sock = socket.socket(fileno=fds[0])
    sock.settimeout(lab.TIMEOUT)
    return sock


@lab.test("privilege in another user namespace than that of the network is none; a socket that is "
          "handed on keeps its opener's")
def user_namespace():
    here = Hosts()
    with within_user_namespace(here) as sock:
        here.refused(sock, what="privileged in a user namespace of its own")
    left, right = socket.socketpair()
    with bound(here, A[4], 500) as sock:
        socket.send_fds(left, [b"x"], [sock.fileno()])
    _, fds, _, _ = socket.recv_fds(right, 1, 1)
    with socket.socket(fileno=fds[0]) as sock:
        sock.settimeout(lab.TIMEOUT)
        here.exempt(sock, what="handed on")


def set_policy(sock, direction, action, dport=0):
    """Sets a policy of the socket itself, as IKE daemons do."""
    six = sock.family == socket.AF_INET6
    selector = bytes(32) + struct.pack("!HHHH", dport, 0xffff if dport else 0, 0, 0)
    selector += struct.pack("=HBBB3xiI", sock.family, 0, 0, 0, 0, 0)
    info = selector + bytes(64 + 32) + struct.pack("=IIBBBB4x", 0, 0, direction, action, 0, 0)
    sock.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP,
                    IPV6_XFRM_POLICY if six else IP_XFRM_POLICY, info)


@lab.test("a socket with an XFRM policy that lets it pass is exempt on any port, that way only")
def bypass():
    lab.run("modprobe", "xfrm_user")
    here = Hosts()
    for v in (4, 6):
        with opened_without(here, A[v], 5500) as sock:
            here.refused(sock)
            set_policy(sock, XFRM_OUT, XFRM_ALLOW)
            here.agree(sock, "clear", "discard_in", what="an outbound policy")
            set_policy(sock, XFRM_IN, XFRM_ALLOW)
            here.exempt(sock, what="policies for both ways")
            set_policy(sock, XFRM_IN, XFRM_ALLOW, dport=9)
            here.agree(sock, "clear", "discard_in", what="an inbound policy for another port")
            set_policy(sock, XFRM_IN, XFRM_BLOCK)
            here.agree(sock, "clear", "discard_in", what="an inbound policy that blocks")


@lab.test("what would go to a socket without privilege is not exempt: a SO_REUSEPORT group that "
          "holds one, one that is connected, one that is bound more closely")
def shared():
    here = Hosts()
    for v in (4, 6):
        options = (socket.SO_REUSEPORT,)
        with bound(here, A[v], 500, options) as sock:
            here.exempt(sock, what="a group of one")
            with opened_without(here, A[v], 500, options=options):
                lab.equal([here.fate("in", sock) for _ in range(8)], ["discard_in"] * 8, "shared")
            here.exempt(sock, what="alone again")
        options = (socket.SO_REUSEADDR,)
        with bound(here, A[v], 500, options) as sock:
            with opened_without(here, A[v], 500, options=options) as other:
                other.connect((B[v], 3000))
                lab.equal(here.fate("in", sock), "discard_in", "a connected one beside it")
            here.exempt(sock, what="alone")
        with bound(here, "::" if v == 6 else "0.0.0.0", 500, options) as wild:
            here.exempt(wild, what="bound to no address")
            with opened_without(here, A[v], 500, options=options):
                lab.equal(here.fate("in", wild), "discard_in", "one bound to the address")
    with bound(here, "::", 500) as sock:  # a socket for both families
        here.peers[4].sendto(b"both", (A[4], 500))
        lab.equal(sock.recv(10), b"both", "what arrived")
        sock.sendto(b"families", (f"::ffff:{B[4]}", 3000))
        lab.equal(here.peers[4].recv(10), b"families", "what arrived")


@lab.test("the mark that the administrator named passes both ways, as the manual shows it")
def marked():
    here = Hosts(["default in discard out discard",
                  *(f"policy add {direction} any{v} any{v} mark 0x1ce priority 1 bypass"
                    for direction in ("in", "out") for v in (4, 6))])
    here.a.run("nft", "-f", "-", stdin="""table inet ike { chain early {
        type filter hook prerouting priority -450; udp dport 5500 meta mark set 0x1ce; }; }""")
    for v in (4, 6):
        with opened_without(here, A[v], 5500) as sock:
            here.agree(sock, "discard_out", "clear", what="without the mark")
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, 0x1ce)
            here.exempt(sock, what="with the mark")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
