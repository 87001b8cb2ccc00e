#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a hostile or careless user of NETLINK_XFRM tries: privileges, 32-bit messages, changes that would
protect less than XFRM, and namespaces that go away in the middle of it.
"""
import ctypes
import errno
import mmap
import os

import lab
import memory
import module
import netlink as raw
import nlx
import stacks
from ipsec import Espah
from netlink import u8, u32

NOBODY = 65534
SENTENCE = "espah needs CAP_NET_ADMIN in the initial user namespace, unless it is loaded with userns=1"
# every type of message that is served
REQUESTS = [
    (nlx.NEWSA, nlx.sa(), [nlx.gcm()]), (nlx.UPDSA, nlx.sa(), [nlx.gcm()]), (nlx.DELSA, nlx.sa_id(), []),
    (nlx.GETSA, nlx.sa_id(), []), (nlx.FLUSHSA, bytes(1), []), (nlx.ALLOCSPI, nlx.sa(0) + u32(256) + u32(300), []),
    (nlx.NEWPOLICY, nlx.policy(), []), (nlx.UPDPOLICY, nlx.policy(), []), (nlx.DELPOLICY, nlx.policy_id(), []),
    (nlx.GETPOLICY, nlx.policy_id(), []), (nlx.FLUSHPOLICY, b"", []), (nlx.EXPIRE, nlx.sa() + bytes(8), []),
    (nlx.POLEXPIRE, nlx.policy() + bytes(8), []), (nlx.ACQUIRE, bytes(280), [(nlx.A_TMPL, nlx.template())]),
    (nlx.NEWAE, nlx.ae(), [(nlx.A_REPLAY_THRESH, u32(1))]), (nlx.GETAE, nlx.ae(), []),
    (nlx.MIGRATE, nlx.policy_id(), [(nlx.A_MIGRATE, nlx.migration(("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "192.0.2.3")))]),
    (nlx.GETSADINFO, bytes(4), []), (nlx.NEWSPDINFO, bytes(4), []), (nlx.GETSPDINFO, bytes(4), []),
    (nlx.SETDEFAULT, bytes((1, 1, 1)), []), (nlx.GETDEFAULT, bytes(3), []),
]


def load(userns=False):
    """Loads both modules, with a parameter of espah, unless they are there."""
    lab.delete_all()
    if stacks.loaded("espah_xfrm"):
        with open("/sys/module/espah/parameters/userns", encoding="ascii") as file:
            if (file.read().strip() == "Y") == userns:
                return
    stacks.remove("espah_xfrm", "espah")
    module.load(f"userns={int(userns)}")
    stacks.espah()


def in_namespace(function):
    """Calls a function with a socket of each family, in a child in a network namespace of its own."""
    def child():
        raw.unshare(raw.CLONE_NEWNET)
        function(nlx.Link(), raw.Link())
    raw.in_child(child)


def refused(link, code, words, cmd, body, pairs=(), flags=raw.REQUEST | raw.ACK):
    try:
        link.ask(cmd, body, pairs, flags)
    except raw.Refused as answer:
        lab.true(answer.code == code and words in answer.text, f"message {cmd}: {answer}")
        return
    raise lab.Failed(f"message {cmd} was accepted")


# --- who may ask ---------------------------------------------------------------------------------

def forbidden(words):
    link = nlx.Link()
    for cmd, body, pairs in REQUESTS:
        refused(link, errno.EPERM, words, cmd, body, pairs)
    for cmd in nlx.GETSA, nlx.GETPOLICY:
        refused(link, errno.EPERM, words, cmd, b"", (), raw.REQUEST | raw.DUMP)


def as_nobody(function, namespaces):
    def child():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        if namespaces:
            raw.unshare(namespaces)
        function()
    raw.in_child(child)


@lab.test("a user without capabilities, and the root of another user namespace, are refused every message")
def privileges():
    load()
    as_nobody(lambda: forbidden(""), 0)
    as_nobody(lambda: forbidden(SENTENCE), raw.CLONE_NEWUSER | raw.CLONE_NEWNET)


@lab.test("with userns=1 the root of another user namespace may do it all in its own network namespace")
def allowed():
    load(userns=True)

    def work():
        link = nlx.Link()
        for cmd, body, pairs in REQUESTS:
            try:
                link.ask(cmd, body, pairs, raw.REQUEST | raw.ACK | (raw.REPLACE if cmd == nlx.NEWAE else 0))
            except raw.Refused as answer:
                lab.true(answer.code in (errno.ESRCH, errno.ENOENT), f"message {cmd}: {answer}")
    as_nobody(work, raw.CLONE_NEWUSER | raw.CLONE_NEWNET)
    as_nobody(lambda: forbidden(""), 0)
    load()


# --- 32-bit programs -----------------------------------------------------------------------------

# int int80(nr, ebx, ecx, edx, esi, edi), with an ebp of 0
INT80 = bytes.fromhex("5355" "89f8" "89f3" "4189d2" "89ca" "4489d1" "4489c6" "4489cf" "31ed" "cd80" "5d5b" "c3")
MAP_32BIT = 0x40
SENDTO, SETSOCKOPT = 369, 366


class Low:
    """Memory below 4 GB, with a function in it that makes system calls of 32-bit programs."""

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        self.at = libc.mmap(None, ctypes.c_size_t(8192), mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC,
                            mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_32BIT, -1, ctypes.c_long(0))
        lab.true(self.at < 1 << 32, "no memory below 4 GB")
        ctypes.memmove(self.at + 4096, INT80, len(INT80))
        self.call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 6)(self.at + 4096)

    def put(self, data):
        ctypes.memmove(self.at, data, len(data))
        return self.at, len(data)


@lab.test("messages of 32-bit programs are refused by a sentence, and so are their policies of sockets")
def compat():
    def work(link, _):
        low = Low()
        for cmd, body, pairs in REQUESTS:
            at, length = low.put(link.message(cmd, body + raw.attrs(pairs)))
            sent = low.call(SENDTO, link.sock.fileno(), at, length, 0, 0)
            lab.equal(sent, length, "bytes that int 0x80 sent")
            _, code, text = link.exchange(link.message(3, b"", raw.REQUEST))  # NLMSG_NOOP+: reads the answers
            lab.true(code == errno.EOPNOTSUPP and "32-bit programs" in text, f"message {cmd}: {code} {text!r}")
        lab.equal((link.dump(nlx.GETSA), link.dump(nlx.GETPOLICY)), ([], []), "what it made")
        with raw.socket.socket(raw.socket.AF_INET, raw.socket.SOCK_DGRAM) as sock:
            at, length = low.put(nlx.policy(nlx.OUT))
            lab.equal(low.call(SETSOCKOPT, sock.fileno(), 0, 17, at, length), -errno.EOPNOTSUPP, "setsockopt")
    load()
    in_namespace(work)


# --- protection ----------------------------------------------------------------------------------

def ip(ns, words):
    return ns.run("ip", "xfrm", *words.split(), check=False)


NETS = "src 10.1.0.0/16 dst 10.2.0.0/16"
TUNNEL = "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel"


@lab.test("of two policies for packets to the host and forwarded packets, the stricter one rules, in any order")
def stricter():
    load()
    faces = {"bypass": "action allow", "protect": TUNNEL, "discard": "action block"}
    order = list(faces)
    for first in order:
        for second in order:
            ns = lab.Netns("box")
            for way, kind in (("in", first), ("fwd", second)):
                answer = ip(ns, f"policy add {NETS} dir {way} {faces[kind]}")
                lab.equal(answer.stderr, "", f"{way} {kind}")
            stricter_one = max(first, second, key=order.index)
            lab.equal(Espah.json(ns, "policy", "list")[0]["action"], stricter_one, f"in {first}, fwd {second}")
            ip(ns, f"policy delete {NETS} dir fwd")
            lab.equal(Espah.json(ns, "policy", "list")[0]["action"], first, f"in {first}, after fwd {second} went")
            ip(ns, f"policy add {NETS} dir fwd {faces[second]}")
            ip(ns, f"policy delete {NETS} dir in")
            lab.equal(Espah.json(ns, "policy", "list")[0]["action"], second, f"fwd {second}, after in {first} went")
            answer = ip(ns, f"policy delete {NETS} dir fwd")
            lab.equal((answer.stderr, Espah.json(ns, "policy", "list")), ("", []), "at the end")
            lab.delete_all()


@lab.test("a policy with ports of a protocol without ports, which no packet would match, is refused")
def no_ports():
    def work(link, _):
        gre = nlx.selector(proto=47, sport=(5, 0xffff))
        refused(link, errno.EOPNOTSUPP, "keys of GRE", nlx.NEWPOLICY, nlx.policy(sel=gre), [(nlx.A_TMPL, nlx.template())])
        link.ask(nlx.NEWPOLICY, nlx.policy(sel=nlx.selector(proto=47)), [(nlx.A_TMPL, nlx.template())])
        link.ask(nlx.NEWPOLICY, nlx.policy(sel=nlx.selector(proto=1, sport=(8, 0xffff))), [(nlx.A_TMPL, nlx.template())])
        link.ask(nlx.FLUSHPOLICY)
    load()
    in_namespace(work)


@lab.test("a migration gives AH no UDP, and no SA one port only, or TCP; what is refused changes nothing")
def migration():
    def work(link, _):
        new = [(nlx.A_MIGRATE, nlx.migration(("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "192.0.2.3"), proto))
               for proto in (nlx.AH, nlx.ESP)]
        link.ask(nlx.NEWSA, nlx.sa(proto=nlx.AH, flags=64), [(nlx.A_AUTH_TRUNC, nlx.algo("hmac(sha256)", bytes(32), icv=128))])
        link.ask(nlx.NEWSA, nlx.sa(0x1001), [nlx.gcm()])
        link.ask(nlx.NEWSA, nlx.sa(0x1001, dst="192.0.2.3"), [nlx.gcm()])
        for sel, proto in ((nlx.selector(), nlx.AH), (nlx.selector(dst="10.3.0.0/16"), nlx.ESP)):
            link.ask(nlx.NEWPOLICY, nlx.policy(sel=sel), [(nlx.A_TMPL, nlx.template(proto=proto))])
        before = link.dump(nlx.GETSA), link.dump(nlx.GETPOLICY)
        ah, esp = nlx.policy_id(), nlx.policy_id(nlx.selector(dst="10.3.0.0/16"))
        refused(link, errno.EINVAL, "AH cannot", nlx.MIGRATE, ah, [new[0], nlx.encap()])
        refused(link, errno.EOPNOTSUPP, "espinudp", nlx.MIGRATE, esp, [new[1], nlx.encap(kind=7)])
        refused(link, errno.EINVAL, "both ports", nlx.MIGRATE, esp, [new[1], nlx.encap(4500, 0)])
        refused(link, errno.EEXIST, "exists at the new destination", nlx.MIGRATE, esp, [new[1]])
        lab.equal((link.dump(nlx.GETSA), link.dump(nlx.GETPOLICY)), before, "dumps")
        link.ask(nlx.MIGRATE, ah, [new[0]])
    load()
    in_namespace(work)


@lab.test("a larval SA stays if its keys are refused")
def larval():
    def work(link, own):
        lab.run("ip", "addr", "add", "192.0.2.1/32", "dev", "lo")  # the source, so the SA is outbound
        link.ask(nlx.ALLOCSPI, nlx.sa(0) + u32(0x1000) + u32(0x1000))
        own.ask(raw.SA_NEW, raw.sa(DIR=u8(raw.OUT)))
        before = link.dump(nlx.GETSA)
        refused(link, errno.EEXIST, "exists", nlx.UPDSA, nlx.sa(), [nlx.gcm()])
        lab.equal(len(before), len(link.dump(nlx.GETSA)), "SAs")
        own.ask(raw.SA_FLUSH)
    load()
    in_namespace(work)


@lab.test("an SPI that a policy names is preferred only while the policy is there")
def pinned():
    def work(link, own):
        for command in ("link set lo up", "addr add 192.0.2.1/32 dev lo", "route add default dev lo"):
            lab.run("ip", *command.split())

        def used(spi, when):
            answer = dict(own.ask(raw.EXPLAIN, raw.explain())[0])
            lab.equal(dict(raw.parse(answer[raw.X_SA]))[raw.SPI], raw.be32(spi), f"SPI {when}")
        for spi in 0x1000, 0x1001:
            link.ask(nlx.NEWSA, nlx.sa(spi, window=0), [nlx.gcm(bytes([1 + (spi & 1)]) * 20), (nlx.A_SA_DIR, u8(2))])
        link.ask(nlx.NEWPOLICY, nlx.policy(), [(nlx.A_TMPL, nlx.template())])
        used(0x1001, "of a policy without SPI")
        for priority in 0, 0, 3:
            link.ask(nlx.UPDPOLICY, nlx.policy(priority=priority), [(nlx.A_TMPL, nlx.template(spi=0x1000))])
            used(0x1000, f"of a policy with SPI, priority {priority}")
        other = nlx.policy(sel=nlx.selector("10.8.0.0/16"))
        link.ask(nlx.NEWPOLICY, other, [(nlx.A_TMPL, nlx.template())])
        used(0x1000, "beside another policy without SPI")
        link.ask(nlx.DELPOLICY, nlx.policy_id())
        link.ask(nlx.NEWPOLICY, nlx.policy(), [(nlx.A_TMPL, nlx.template())])
        used(0x1001, "after the policy went")
        link.ask(nlx.FLUSHPOLICY)
        link.ask(nlx.FLUSHSA, bytes(1))
    load()
    in_namespace(work)


@lab.test("default actions that espah's own command set are not changed")
def defaults():
    def work(link, own):
        own.ask(raw.CONFIG_SET, [(raw.C_OUT, u8(raw.DISCARD))])
        refused(link, errno.EPERM, "espah default", nlx.SETDEFAULT, bytes((0, 0, 2)))
        link.ask(nlx.SETDEFAULT, bytes(3))
        own.ask(raw.CONFIG_SET, [(raw.C_OUT, u8(raw.BYPASS))])
        link.ask(nlx.SETDEFAULT, bytes((0, 0, 1)))
        link.ask(nlx.SETDEFAULT, bytes((0, 0, 2)))
    load()
    in_namespace(work)
    stacks.remove("espah_xfrm")  # nothing holds it
    stacks.espah()


@lab.test("a bitmap that an SA does not have, with a window beyond its attribute, is not read")
def wide_window():
    def work(link, _):
        link.ask(nlx.NEWSA, nlx.sa(), [nlx.gcm(), (nlx.A_SA_DIR, u8(1))])
        huge = nlx.A_REPLAY_ESN, b"".join(map(u32, (1, 0, 0, 0, 0, 0xffffffff, 0)))
        link.ask(nlx.NEWAE, nlx.ae(), [(nlx.A_REPLAY, u32(0) + u32(0x7fffffff) + u32(1)), huge],
                 raw.REQUEST | raw.ACK | raw.REPLACE)
        fields = dict(raw.parse(link.dump(nlx.GETSA)[0][nlx.SA_END:]))
        lab.equal(fields[nlx.A_REPLAY], u32(0) + u32(0x7fffffff) + u32(1), "replay state")
        link.ask(nlx.FLUSHSA, bytes(1))
    load()
    in_namespace(work)


# --- the end of namespaces -----------------------------------------------------------------------

@lab.test("SAs that expire while their namespaces go away report to nobody")
def dying():
    load()

    def child():
        links = []
        for number in range(30):
            raw.unshare(raw.CLONE_NEWNET)
            links.append(nlx.Link())  # keeps the namespace, so that all go at once
            for i in range(12):
                lft = (nlx.INF,) * 4 + (0, 1 + i + (30 - number) // 3, 0, 0)
                links[-1].ask(nlx.NEWSA, nlx.sa(0x1000 + i, lft=lft), [nlx.gcm()])
    for _ in range(3):
        raw.in_child(child)
    memory.released()


if __name__ == "__main__":
    try:
        lab.main()
    finally:
        stacks.remove("espah_xfrm", "espah")
