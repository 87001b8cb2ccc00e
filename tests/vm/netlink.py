#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bad netlink messages get an errno and a sentence, change nothing and leak nothing.

Run as root inside scripts/vm. Uses raw AF_NETLINK, with its own constants, so that it
shares no mistake with the CLI and its headers. Prints a line for each test.
"""
import contextlib
import ctypes
import errno
import hashlib
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time
import traceback

# --- numbers: include/uapi/linux/espah.h and the kernel's netlink headers ----------------

(SA_NEW, SA_SET, SA_DEL, SA_GET, SA_FLUSH, SA_ALLOC_SPI, POLICY_NEW, POLICY_DEL, POLICY_GET,
 POLICY_FLUSH, ALGO_GET, STATS_GET, CONFIG_GET, CONFIG_SET, EXPLAIN, SA_NEW_NTF, SA_SET_NTF, SA_DEL_NTF,
 SA_FLUSH_NTF, POLICY_NEW_NTF, POLICY_DEL_NTF, POLICY_FLUSH_NTF, ACQUIRE, EXPIRE) = range(1, 25)
POLICY_APPLY = 28
CHANGING = (SA_NEW, SA_SET, SA_DEL, SA_FLUSH, SA_ALLOC_SPI, POLICY_NEW, POLICY_DEL, POLICY_FLUSH,
            CONFIG_SET, POLICY_APPLY)

(DIR, PROTO, MODE, SPI, SRC, DST, REQID, ALG, KEY, FLAGS, WINDOW, DF, SEQ, SPI_MIN, SPI_MAX,
 SHOW_KEYS, ID, STATE, DRIVER, PMTU, PACKETS, BYTES, ADDED, DROPS, PAD, DSCP, TTL, ECN_ODD, SOFT,
 HARD, USED, FIRST_USED, LAST_USED, ENCAP_SPORT, ENCAP_DPORT, NEW_SRC, NEW_DST, NEW_SPORT, TFC,
 DUMMY, DUMMY_RANDOM, DUMMIES, LABEL, CPUS, IV_MASK) = range(1, 46)
OWNER, FOR_DSCP, SEEN, SHOW_STATE = range(52, 56)
L_PACKETS, L_BYTES, L_TIME, L_USE, L_IDLE = range(1, 6)
X_EXPIRE_SA, X_EXPIRE_LIMIT, X_EXPIRE_HARD = 1, 2, 3
(P_ID, P_DIR, P_ACTION, P_PRIORITY, P_SELECTOR, P_TEMPLATE, P_MSS, P_REPLACE, P_PACKETS, P_BYTES,
 P_ADDED, P_DROPS, P_PAD, P_LABEL, P_PFP, P_QUEUE, P_UNREACH) = range(1, 18)
P_OWNER = 19
APPLY_DEL, APPLY_POLICY, APPLY_ADOPT, APPLY_DEFAULT_IN, APPLY_DEFAULT_OUT = range(1, 6)
(S_FAMILY, S_SRC, S_SRC_LEN, S_DST, S_DST_LEN, S_PROTO, S_SPORT_MIN, S_SPORT_MAX, S_DPORT_MIN,
 S_DPORT_MAX, S_SRC_RANGES, S_DST_RANGES, S_SPORT_RANGES, S_DPORT_RANGES, S_ICMP_TYPES,
 S_ICMP_CODES, S_MH_TYPES, S_OPAQUE, S_MARK, S_MARK_MASK, S_IFINDEX,
 S_IFNAME) = range(1, 23)
T_PROTO, T_MODE, T_SRC, T_DST, T_REQID, T_OUTER = range(1, 7)
C_IN, C_OUT, C_ICMP, C_SECPATH, C_DIRECT, C_OWNER, C_FILE = range(1, 8)
(X_DIR, X_SRC, X_DST, X_PROTO, X_SPORT, X_DPORT, X_ACTION, X_POLICY, X_SA, X_DROP, X_OVERHEAD,
 X_MTU, X_MSS, X_EXEMPT) = range(1, 15)
X_HOOK, X_MARK, X_IFINDEX, X_PASSED, X_PASSED_COUNT = range(18, 23)
X_DSCP, X_CLASSES = 36, 37
A_POLICY_ID, A_TEMPLATE, A_FLOW = 1, 2, 3

IN, OUT = 0, 1
TRANSPORT, TUNNEL = 0, 1
DISCARD, BYPASS, PROTECT = 0, 1, 2
OWNER_HAND, OWNER_FILE, OWNER_DAEMON, OWNER_XFRM = range(4)
ESN = 1

REQUEST, ACK, ECHO, DUMP, REPLACE = 1, 4, 8, 0x300, 0x100
NESTED = 0x8000
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, ADD_MEMBERSHIP, CAP_ACK, EXT_ACK = 270, 1, 10, 11
GENL_ID_CTRL, CTRL_GETFAMILY = 16, 3
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)

# --- an encoder ---------------------------------------------------------------------------


def u8(n):
    return struct.pack("=B", n)


def u16(n):
    return struct.pack("=H", n)


def u32(n):
    return struct.pack("=I", n)


def u64(n):
    return struct.pack("=Q", n)


def be16(n):
    return struct.pack("!H", n)


def be32(n):
    return struct.pack("!I", n)


def ip(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def name(text):
    return text.encode() + b"\0"


def pad(data):
    return data + bytes(-len(data) % 4)


def attr(kind, data):
    return pad(struct.pack("=HH", 4 + len(data), kind) + data)


def attrs(pairs):
    return b"".join(attr(kind, data) for kind, data in pairs)


def nest(*pairs):
    return attrs(pairs)


def parse(data):
    found = []
    while len(data) >= 4:
        length, kind = struct.unpack("=HH", data[:4])
        if length < 4:  # possible in a message of a fuzzer
            break
        found.append((kind & ~NESTED, data[4:length]))
        data = data[(length + 3) & ~3:]
    return found


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(f"{errno.errorcode.get(code, code)} {text!r}")
        self.code, self.text = code, text


class Link:
    """A socket to the family, in the network namespace that was current at its creation."""

    def __init__(self):
        self.open(16)
        self.family, self.groups = GENL_ID_CTRL, {}
        for kind, data in self.ask(CTRL_GETFAMILY, [(2, name("espah"))])[0]:
            if kind == 1:
                self.family, = struct.unpack("=H", data)
            if kind == 7:
                for _, group in parse(data):
                    fields = dict(parse(group))
                    self.groups[fields[1][:-1].decode()] = struct.unpack("=I", fields[2])[0]

    def open(self, protocol):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, CAP_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, EXT_ACK, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.seq = 0

    @staticmethod
    def answer(kind, body):  # pylint: disable=unused-argument
        """An answer as ask() returns it: its attributes"""
        return parse(body[4:])

    def message(self, cmd, body, flags, reserved=0, kind=None):
        self.seq += 1
        kind = self.family if kind is None else kind
        return struct.pack("=IHHIIBBH", 20 + len(body), kind, flags, self.seq, 0, cmd, 1,
                           reserved) + body

    def exchange(self, message):
        """Sends bytes; returns (bodies of answers, errno or None without one, text)."""
        self.sock.send(message)
        answers, code, text = [], None, ""
        while True:
            try:
                data = self.sock.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return answers, code, text
            while len(data) >= 16:
                length, kind, flags = struct.unpack("=IHH", data[:8])
                check(length >= 16, "a message shorter than its header")
                body = data[16:length]
                data = data[(length + 3) & ~3:]
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    code = -struct.unpack("=i", body[:4])[0]
                    tail = body[20 if kind == NLMSG_ERROR else 4:]
                    if flags & 0x200:
                        text = dict(parse(tail)).get(1, b"")[:-1].decode(errors="replace")
                else:
                    answers.append(self.answer(kind, body))

    def ask(self, cmd, pairs=(), flags=REQUEST | ACK, **more):
        """Sends a request; returns the answers' attributes, or raises Refused."""
        answers, code, text = self.exchange(self.message(cmd, attrs(pairs), flags, **more))
        if code:
            raise Refused(code, text)
        return answers

    def dump(self, cmd, pairs=()):
        return self.ask(cmd, pairs, REQUEST | DUMP)

    def join(self, group):
        self.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, self.groups[group])

    def events(self, wait=0.2):
        """(command, attributes) of the events received from the groups."""
        found = []
        self.sock.settimeout(wait)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            while True:
                data = self.sock.recv(1 << 16)
                found.append((data[16], dict(parse(data[20:]))))
        self.sock.settimeout(None)
        return found

    def snapshot(self):
        """All state that a request can change."""
        moving = (PMTU, PACKETS, BYTES, DROPS, USED, LAST_USED, DUMMIES)
        return (
            [[a for a in sa if a[0] not in moving] for sa in self.dump(SA_GET, [(SHOW_KEYS, b"")])],
            [[a for a in pol if a[0] not in (P_PACKETS, P_BYTES, P_DROPS)]
             for pol in self.dump(POLICY_GET)],
            self.ask(CONFIG_GET))


# --- valid requests -------------------------------------------------------------------------

KEY20 = bytes(range(20))


def sa(**changes):
    """Attributes of SA_NEW, with a unique key; a change of None omits an attribute."""
    fields = dict(DIR=u8(IN), SPI=be32(0x1000), SRC=ip("192.0.2.1"), DST=ip("192.0.2.2"),
                  MODE=u8(TUNNEL), ALG=name("aes128gcm16"), KEY=KEY20)
    fields.update(changes)
    if "KEY" not in changes:
        fields["KEY"] = hashlib.sha256(b"".join(fields[k] or b"" for k in ("DIR", "SPI", "DST"))
                                       ).digest()[:20]
    return [(globals()[k], v) for k, v in fields.items() if v is not None]


def limited(soft, *hard):
    return sa() + [(SOFT | NESTED, nest(soft)), (HARD | NESTED, nest(*hard))]


def identity(spi=0x1000, direction=IN, dst="192.0.2.2"):
    return [(DIR, u8(direction)), (SPI, be32(spi)), (DST, ip(dst))]


def alloc(**changes):
    fields = dict(SRC=ip("192.0.2.1"), DST=ip("192.0.2.2"), MODE=u8(TUNNEL))
    fields.update(changes)
    return [(globals()[k], v) for k, v in fields.items() if v is not None]


SELECTOR = nest((S_SRC, ip("10.1.0.0")), (S_SRC_LEN, u8(16)),
                (S_DST, ip("10.2.0.0")), (S_DST_LEN, u8(16)))
TEMPLATE = nest((T_MODE, u8(TUNNEL)), (T_SRC, ip("192.0.2.2")), (T_DST, ip("192.0.2.1")))
TRANSPORT_TEMPLATE = nest((T_MODE, u8(TRANSPORT)))


def outer(template):
    """A transport template, whose packets the SA of another template protects."""
    return TRANSPORT_TEMPLATE + attr(T_OUTER | NESTED, template)


def within(template):
    """TEMPLATE, with another template around it."""
    return TEMPLATE + attr(T_OUTER | NESTED, template)


def deep(count):
    template = TRANSPORT_TEMPLATE
    for _ in range(count):
        template = outer(template)
    return template


def policy(**changes):
    """Attributes of POLICY_NEW; names without the prefix P_."""
    fields = dict(DIR=u8(OUT), ACTION=u8(PROTECT), SELECTOR=SELECTOR, TEMPLATE=TEMPLATE)
    fields.update(changes)
    kinds = dict(SELECTOR=P_SELECTOR | NESTED, TEMPLATE=P_TEMPLATE | NESTED)
    return [(kinds.get(k) or globals()["P_" + k], v) for k, v in fields.items() if v is not None]


def plain(**changes):
    return policy(**{"ACTION": u8(BYPASS), "TEMPLATE": None, **changes})


def explain(**changes):
    fields = dict(DIR=u8(OUT), SRC=ip("10.1.0.5"), DST=ip("10.2.0.9"))
    fields.update(changes)
    return [(globals()["X_" + k], v) for k, v in fields.items() if v is not None]


def populate(link):
    """Adds some objects of each kind."""
    link.ask(SA_NEW, sa(SPI=be32(0x2000), REQID=u32(7), WINDOW=u32(64)))
    link.ask(SA_NEW, sa(SPI=be32(0x2001), DIR=u8(OUT), SRC=ip("192.0.2.2"), DST=ip("192.0.2.1"),
                        FLAGS=u32(ESN), SEQ=u64(1 << 40), DF=u8(2)))
    link.ask(SA_NEW, sa(SPI=be32(0x2002), SRC=ip("2001:db8::1"), DST=ip("2001:db8::2"),
                        MODE=u8(TRANSPORT)))
    link.ask(POLICY_NEW, policy())
    link.ask(POLICY_NEW, plain(DIR=u8(IN), PRIORITY=u32(5)))
    link.ask(POLICY_NEW, policy(SELECTOR=nest((S_FAMILY, u8(10)), (S_PROTO, u8(6)),
                                              (S_DPORT_MIN, be16(80)), (S_DPORT_MAX, be16(90))),
                                TEMPLATE=nest((T_MODE, u8(TRANSPORT)), (T_REQID, u32(3)))))


def clear(link):
    link.ask(POLICY_FLUSH)
    link.ask(SA_FLUSH)
    link.ask(CONFIG_SET, [(C_IN, u8(BYPASS)), (C_OUT, u8(BYPASS))])


# --- bookkeeping -----------------------------------------------------------------------------

failures = 0

# Linux formats the texts of errors from 6.3 on. Before, a text does not contain the request's values
FORMATS = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 3)
PLAIN = ((r"(, |^)got \S+$", ""), (r"the id \d+", "has this id"), (r" \(\d+\)( is above|$)", r"\1"),
         (r"^no (in|out)bound SA( has SPI \S+)?$", "no SA has this direction"),
         (r"has (sent|accepted) number \d+", r"has \1 a higher number"),
         (r"(unknown algorithm) '[^']*'", r"\1;"), (r"^.*needs a key of .*$", "the key has the wrong length"))


def sayable(words):
    """What of the words a text of this kernel can contain."""
    for pattern, plain in () if FORMATS else PLAIN:
        words = re.sub(pattern, plain, words)
    return words


class Failed(Exception):
    pass


def check(condition, why):
    if not condition:
        raise Failed(why)


@contextlib.contextmanager
def test(title):
    global failures
    try:
        yield
        print(f"ok {title}", flush=True)
    except Exception as problem:  # after any exception, the other tests continue
        failures += 1
        where = traceback.extract_tb(problem.__traceback__)[-1]
        print(f"not ok {title}: {type(problem).__name__}: {problem} (line {where.lineno})",
              flush=True)


def refused(link, cmd, pairs, code, words, flags=REQUEST | ACK, text_needed=True, raw=None, **more):
    """A request is refused with one of the errnos and a text that holds the words."""
    message = raw if raw is not None else link.message(cmd, attrs(pairs), flags, **more)
    _, got, text = link.exchange(message)
    codes = code if isinstance(code, tuple) else (code,)
    check(got in codes, f"errno {errno.errorcode.get(got, got)} {text!r}, not "
                        + " or ".join(errno.errorcode[c] for c in codes))
    check(text or not text_needed, "no sentence")
    check(sayable(words) in text, f"{text!r} does not say {sayable(words)!r}")
    return text


def in_child(function):
    """Runs a function in a child process; a true result is the reason of a failure."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            why = function() or ""
        except BaseException as problem:  # any exception: the parent reports it
            why = f"{type(problem).__name__}: {problem}"
        os.write(write, why.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        why = pipe.read()
    os.waitpid(pid, 0)
    check(not why, why)


def unshare(flags):
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def kernel_memory():
    """kB of kernel memory of the kinds that the module could leak."""
    with open("/proc/meminfo") as file:
        fields = dict(line.split(":") for line in file)
    return sum(int(fields[f].split()[0]) for f in ("SUnreclaim", "Percpu", "VmallocUsed"))


# --- the tests ---------------------------------------------------------------------------------

E = errno
LONG = bytes(60000)

BAD = [
    # lengths
    ("short direction", SA_NEW, sa(DIR=b""), E.EINVAL, "invalid attribute length"),
    ("long direction", SA_NEW, sa(DIR=bytes(4)), E.EINVAL, "invalid attribute length"),
    ("short SPI", SA_NEW, sa(SPI=b"\1\2\3"), E.EINVAL, "invalid attribute length"),
    ("short sequence number", SA_NEW, sa(SEQ=u32(1)), E.EINVAL, "invalid attribute length"),
    ("absurd address", SA_NEW, sa(SRC=LONG), E.EINVAL, "16 bytes (IPv6), got 60000"),
    ("address of 5 bytes", SA_NEW, sa(DST=bytes(5)), E.EINVAL, "16 bytes (IPv6), got 5"),
    ("empty address", SA_NEW, sa(DST=b""), E.EINVAL, "got 0"),
    ("absurd key", SA_NEW, sa(KEY=LONG), E.EINVAL, "1 to 128 bytes, got 60000"),
    ("empty key", SA_NEW, sa(KEY=b""), E.EINVAL, "got 0"),
    ("absurd name", SA_NEW, sa(ALG=LONG), E.EINVAL, "1 to 63 characters"),
    ("empty name", SA_NEW, sa(ALG=b""), E.EINVAL, "failed policy validation"),
    ("name of a NUL", SA_NEW, sa(ALG=b"\0"), E.EINVAL, "1 to 63 characters"),
    ("name without NUL", SA_NEW, sa(ALG=b"aes128gcm16"), E.EINVAL, "failed policy validation"),
    ("NUL inside a name", SA_NEW, sa(ALG=b"aes128\0gcm16\0"), E.EINVAL, "and a NUL"),
    ("flag with a value", SA_GET, identity(0x2000) + [(SHOW_KEYS, u8(1))], E.ERANGE,
     "failed policy validation"),
    # values
    ("direction 2", SA_NEW, sa(DIR=u8(2)), E.EINVAL, "0 (in) or 1 (out), got 2"),
    ("mode 2", SA_NEW, sa(MODE=u8(2)), E.EINVAL, "1 (tunnel), got 2"),
    ("protocol 49", SA_NEW, sa(PROTO=u8(49)), E.EINVAL, "50 (ESP) or 51 (AH), got 49"),
    ("protocol 52", SA_NEW, sa(PROTO=u8(52)), E.EINVAL, "50 (ESP) or 51 (AH), got 52"),
    ("AH with a cipher", SA_NEW, sa(PROTO=u8(51)), E.EINVAL, "AH takes integrity"),
    ("ESP without a cipher", SA_NEW, sa(ALG=name("sha256")), E.EINVAL, "ESP also needs a cipher"),
    ("AH with a key too short", SA_NEW, sa(PROTO=u8(51), ALG=name("sha256"), KEY=bytes(31)),
     E.EINVAL, "needs a key of 32 bytes (cipher 0, integrity 32), got 31"),
    ("AH with GMAC's key without salt", SA_NEW,
     sa(PROTO=u8(51), ALG=name("aes256gmac"), KEY=bytes(32)), E.EINVAL,
     "needs a key of 36 bytes (32 of key and 4 of salt), got 32"),
    ("SPI 0", SA_NEW, sa(SPI=be32(0)), E.EINVAL, "at least 256 (RFC 4303 2.1), got 0"),
    ("SPI 255", SA_NEW, sa(SPI=be32(255)), E.EINVAL, "got 255"),
    ("source 0.0.0.0", SA_NEW, sa(SRC=bytes(4)), E.EINVAL, "source must be a host's"),
    ("source ::", SA_NEW, sa(SRC=bytes(16), DST=ip("2001:db8::2")), E.EINVAL, "source must be"),
    ("multicast source", SA_NEW, sa(SRC=ip("224.0.0.1")), E.EINVAL, "source must be a host's"),
    ("multicast destination", SA_NEW, sa(DST=ip("239.1.1.1")), E.EINVAL, "destination must be"),
    ("IPv6 multicast", SA_NEW, sa(SRC=ip("2001:db8::1"), DST=ip("ff02::1")), E.EINVAL,
     "destination must be"),
    ("broadcast destination", SA_NEW, sa(DST=b"\xff" * 4), E.EINVAL, "destination must be"),
    ("mixed families", SA_NEW, sa(SRC=ip("2001:db8::1")), E.EINVAL, "both be IPv4"),
    ("unknown algorithm", SA_NEW, sa(ALG=name("rot13")), E.EINVAL, "unknown algorithm 'rot13'"),
    ("longest unknown algorithm", SA_NEW, sa(ALG=name("x" * 63)), E.EINVAL, "'espah algo'"),
    # RFC 8221: encryption without integrity, both NULL, and algorithms that MUST NOT or SHOULD NOT be used
    *((f"algorithm {word}", SA_NEW, sa(ALG=name(word)), E.EINVAL, f"unknown algorithm '{word[:16]}'")
      for word in ("aes128", "aes256ctr", "null", "null-null", "aes128-null", "aes128-md5",
                   "null-md5", "des-sha1", "3des-sha256", "blowfish128-sha256", "cast128-sha256",
                   "idea-sha256", "aes128-desmac", "aes128-kpdkmd5", "aes128gcm4", "aes128ccm4",
                   "aes128gmac-sha256", "aes128gcm16-sha256")),
    ("HMAC key of 31 bytes", SA_NEW, sa(ALG=name("null-sha256"), KEY=bytes(31)), E.EINVAL,
     "needs a key of 32 bytes"),
    ("HMAC key of 33 bytes", SA_NEW, sa(ALG=name("null-sha256"), KEY=bytes(33)), E.EINVAL,
     "got 33"),
    ("key without salt", SA_NEW, sa(ALG=name("aes256gcm16"), KEY=bytes(32)), E.EINVAL,
     "needs a key of 36 bytes (32 of key and 4 of salt), got 32"),
    ("key one too long", SA_NEW, sa(KEY=bytes(21)), E.EINVAL, "got 21"),
    ("unknown flags", SA_NEW, sa(FLAGS=u32(0x80000000)), E.EINVAL, "got 0x80000000"),
    ("window of 31", SA_NEW, sa(WINDOW=u32(31)), E.EINVAL, "32 to 32768 packets, got 31"),
    ("window of 32769", SA_NEW, sa(WINDOW=u32(32769)), E.EINVAL, "got 32769"),
    ("outbound window", SA_NEW, sa(DIR=u8(OUT), WINDOW=u32(64)), E.EINVAL, "inbound SAs"),
    ("ESN without window", SA_NEW, sa(FLAGS=u32(ESN), WINDOW=u32(0)), E.EINVAL,
     "ESN needs a replay window"),
    ("33-bit sequence number without ESN", SA_NEW, sa(SEQ=u64(1 << 32)), E.ERANGE, "4294967295"),
    ("inbound DF", SA_NEW, sa(DF=u8(1)), E.EINVAL, "outbound tunnels"),
    ("DF in transport mode", SA_NEW, sa(DIR=u8(OUT), MODE=u8(TRANSPORT), DF=u8(1)), E.EINVAL,
     "outbound tunnels"),
    ("DF 3", SA_NEW, sa(DIR=u8(OUT), DF=u8(3)), E.EINVAL, "2 (clear), got 3"),
    ("DSCP 64", SA_NEW, sa(DIR=u8(OUT), DSCP=u8(64)), E.EINVAL, "0 to 63, got 64"),
    ("DSCP map with a 64 at its end", SA_NEW, sa(DIR=u8(OUT), DSCP=bytes(63) + u8(64)), E.EINVAL,
     "0 to 63, got 64"),
    ("DSCP map of 63", SA_NEW, sa(DIR=u8(OUT), DSCP=bytes(63)), E.EINVAL, "64 bytes (a map), got 63"),
    ("DSCP map of 65", SA_NEW, sa(DIR=u8(OUT), DSCP=bytes(65)), E.EINVAL, "got 65"),
    ("empty DSCP", SA_NEW, sa(DIR=u8(OUT), DSCP=b""), E.EINVAL, "got 0"),
    ("inbound DSCP", SA_NEW, sa(DSCP=u8(1)), E.EINVAL, "outbound tunnels"),
    ("TTL 0", SA_NEW, sa(DIR=u8(OUT), TTL=u8(0)), E.EINVAL, "1 to 255, got 0"),
    ("TTL of 2 bytes", SA_NEW, sa(DIR=u8(OUT), TTL=u16(9)), E.EINVAL, "invalid attribute length"),
    ("TTL in transport mode", SA_NEW, sa(DIR=u8(OUT), MODE=u8(TRANSPORT), TTL=u8(9)), E.EINVAL,
     "outbound tunnels"),
    ("outbound DSCP inward", SA_NEW, sa(DIR=u8(OUT), FLAGS=u32(4)), E.EINVAL, "inbound tunnels"),
    ("SA_SET of the DSCP", SA_SET, identity(0x2001, OUT, "192.0.2.1") + [(DSCP, u8(1))], E.EINVAL,
     ""),
    ("DSCPs of an inbound SA", SA_NEW, sa(FOR_DSCP=u64(1 << 46)), E.EINVAL, "is for outbound SAs: the sender chooses"),
    ("no DSCPs of an inbound SA", SA_NEW, sa(FOR_DSCP=u64(0)), E.EINVAL, "is for outbound SAs: the sender chooses"),
    ("SA_SET of the DSCPs of an inbound SA", SA_SET, identity(0x2000) + [(FOR_DSCP, u64(1))], E.EINVAL,
     "is for outbound SAs"),
    ("DSCPs of 4 bytes", SA_NEW, sa(DIR=u8(OUT), FOR_DSCP=u32(1)), E.EINVAL, "invalid attribute length"),
    ("DSCPs twice", SA_SET, identity(0x2001, OUT, "192.0.2.1") + 2 * [(FOR_DSCP, u64(1))], E.EINVAL, "only once"),
    ("DSCPs for SA_ALLOC_SPI", SA_ALLOC_SPI, alloc(FOR_DSCP=u64(1)), E.EINVAL, ""),
    # lifetimes
    ("soft above hard", SA_NEW, limited((L_BYTES, u64(3)), (L_BYTES, u64(2))), E.EINVAL,
     "must not be above"),
    ("more seconds than 32 bits", SA_NEW, limited((L_TIME, u64(1)), (L_IDLE, u64(1 << 32))),
     E.EINVAL, "up to 4294967295"),
    ("a limit of 4 bytes", SA_NEW, limited((L_TIME, u32(1))), E.EINVAL, "invalid attribute length"),
    ("limit 6", SA_NEW, limited((6, u64(1))), E.ERANGE, ""),
    ("limit 7", SA_NEW, limited((7, u64(1))), E.EINVAL, ""),
    ("a limit twice", SA_NEW, sa() + [(SOFT | NESTED, nest((L_USE, u64(1)), (L_USE, u64(2))))],
     E.EINVAL, "only once"),
    ("limits that are no nest", SA_NEW, sa() + [(HARD, b"\1")], E.EINVAL, ""),
    ("soft below 0x2000's hard limit, then above", SA_SET,
     identity(0x2000) + [(HARD | NESTED, nest((L_USE, u64(9)))),
                         (SOFT | NESTED, nest((L_USE, u64(10))))], E.EINVAL, "must not be above"),
    # how far an SA has come
    ("bits of 9 bytes", SA_NEW, sa(SEQ=u64(60), SEEN=bytes(9)), E.EINVAL, "a multiple of 8, got 9"),
    ("no bits", SA_SET, identity(0x2000) + [(SEQ, u64(60)), (SEEN, b"")], E.EINVAL, "got 0"),
    ("bits of 4104 bytes", SA_SET, identity(0x2000) + [(SEQ, u64(60)), (SEEN, bytes(4104))], E.EINVAL, "got 4104"),
    ("outbound bits", SA_NEW, sa(DIR=u8(OUT), SEQ=u64(60), SEEN=bytes(8)), E.EINVAL, "inbound SAs with a replay"),
    ("bits without a window", SA_NEW, sa(WINDOW=u32(0), SEQ=u64(60), SEEN=bytes(8)), E.EINVAL, "with a replay"),
    ("bits without a number", SA_NEW, sa(SEEN=bytes(8)), E.EINVAL, "need ESPAH_SA_SEQ"),
    ("bits to be shown", SA_GET, identity(0x2000) + [(SEEN, bytes(8))], E.EINVAL, ""),
    ("state to be shown, of a value", SA_GET, identity(0x2000) + [(SHOW_STATE, u8(1))], E.ERANGE, ""),
    ("state to be shown, of a new SA", SA_NEW, sa() + [(SHOW_STATE, b"")], E.EINVAL, ""),
    ("a mask of 7 bytes", SA_NEW, sa(DIR=u8(OUT), SEQ=u64(1), IV_MASK=bytes(7)), E.ERANGE, ""),
    ("a mask inward", SA_NEW, sa(SEQ=u64(1), IV_MASK=bytes(8)), E.EINVAL, "outbound SAs whose IVs"),
    ("a mask without a number", SA_NEW, sa(DIR=u8(OUT), IV_MASK=bytes(8)), E.EINVAL, "need ESPAH_SA_SEQ"),
    ("a mask for CBC", SA_NEW, sa(DIR=u8(OUT), ALG=name("aes128-sha1"), KEY=bytes(range(36)), SEQ=u64(1),
                                  IV_MASK=bytes(8)), E.EINVAL, "outbound SAs whose IVs"),
    ("a mask for implicit IVs", SA_NEW, sa(DIR=u8(OUT), ALG=name("aes128gcm16iiv"), SEQ=u64(1), IV_MASK=bytes(8)),
     E.EINVAL, "outbound SAs whose IVs"),
    ("a number that goes back", SA_SET, identity(0x2001, OUT, "192.0.2.1") + [(SEQ, u64((1 << 40) - 1))], E.ERANGE,
     "has sent number 1099511627776"),
    ("another mask of an SA with a number", SA_SET, identity(0x2001, OUT, "192.0.2.1") + [
        (SEQ, u64(1 << 41)), (IV_MASK, bytes(8))], E.EINVAL, "only an SA with the sequence number 0"),
    ("more seconds used than 32 bits", SA_NEW, sa() + [(USED | NESTED, nest((L_TIME, u64(1 << 32))))], E.EINVAL,
     "may be used"),
    ("used, but no nest", SA_SET, identity(0x2000) + [(USED, u64(1))], E.EINVAL, ""),
    ("another key", SA_SET, identity(0x2000) + [(KEY, KEY20)], E.EKEYREJECTED, "the SA has another key"),
    ("an absurd key to compare", SA_SET, identity(0x2000) + [(KEY, LONG)], E.EINVAL, "1 to 128 bytes"),
    ("CPUs of 4 bytes", SA_NEW, sa(CPUS=u32(2)), E.EINVAL, "invalid attribute length"),
    ("TFC padding inward", SA_NEW, sa(TFC=u16(100)), E.EINVAL, "outbound tunnels"),
    ("TFC padding in transport mode", SA_NEW, sa(DIR=u8(OUT), MODE=u8(TRANSPORT), TFC=u16(100)),
     E.EINVAL, "outbound tunnels"),
    ("TFC padding of 4 bytes", SA_NEW, sa(DIR=u8(OUT), TFC=u32(100)), E.EINVAL, "invalid attribute length"),
    ("dummies inward", SA_NEW, sa(DUMMY=u32(1000)), E.EINVAL, "outbound ESP"),
    ("dummies both ways", SA_NEW, sa(DIR=u8(OUT), DUMMY=u32(1000), DUMMY_RANDOM=u32(1000)),
     E.EINVAL, "either steady or random"),
    ("dummies every 999 us", SA_NEW, sa(DIR=u8(OUT), DUMMY=u32(999)), E.EINVAL, "got 999"),
    ("dummies every 3600000001 us", SA_NEW, sa(DIR=u8(OUT), DUMMY_RANDOM=u32(3600000001)),
     E.EINVAL, "got 3600000001"),
    ("a label of 64 characters", SA_NEW, sa(LABEL=name("l" * 64)), E.EINVAL, "1 to 63"),
    ("an empty label", SA_NEW, sa(LABEL=b"\0"), E.EINVAL, "1 to 63"),
    ("a label without an end", SA_NEW, sa(LABEL=b"label"), E.EINVAL, "failed policy validation"),
    ("a label with an escape", SA_NEW, sa(LABEL=name("\x1b[1m")), E.EINVAL, "printable ASCII"),
    ("a label of UTF-8", SA_NEW, sa(LABEL=b"\xc3\xa4\0"), E.EINVAL, "printable ASCII"),
    ("a label for SA_SET", SA_SET, identity(0x2000) + [(LABEL, name("x"))], E.EINVAL, ""),
    ("a policy's label with a newline", POLICY_NEW, plain(LABEL=name("a\nb")), E.EINVAL,
     "printable ASCII"),
    ("good TFC padding, bad limits", SA_SET, identity(0x2001, OUT, "192.0.2.1")
     + [(TFC, u16(5)), (DUMMY, u32(5000)), (SOFT | NESTED, nest((L_USE, u64(1 << 32))))], E.EINVAL,
     "up to 4294967295"),
    # attributes that are missing, unknown, not valid for this command, or duplicated
    *((f"SA_NEW without {k}", SA_NEW, sa(**{k: None}), E.EINVAL, f"ESPAH_SA_{k} is missing")
      for k in ("DIR", "SPI", "SRC", "DST", "MODE", "ALG", "KEY")),
    ("unknown attribute", SA_NEW, sa() + [(77, u32(1))], E.EINVAL, ""),
    ("attribute 0", SA_NEW, sa() + [(0, u32(1))], E.EINVAL, ""),
    ("attribute 16383", SA_NEW, sa() + [(0x3fff, u32(1))], E.EINVAL, ""),
    ("read-only attribute", SA_SET, identity(0x2000) + [(ID, u32(1))], E.EINVAL, ""),
    ("nested flag on a number", SA_NEW, sa(SPI=None) + [(SPI | NESTED, be32(0x1000))], E.EINVAL,
     ""),
    ("SPI twice", SA_NEW, sa() + [(SPI, be32(0x1001))], E.EINVAL, "only once"),
    ("key for SA_DEL", SA_DEL, identity(0x2000) + [(KEY, KEY20)], E.EINVAL, ""),
    ("no attributes", SA_NEW, [], E.EINVAL, "missing"),
    # objects that exist, and objects that do not
    ("SA that exists", SA_NEW, sa(SPI=be32(0x2000)), E.EEXIST, "exists"),
    ("SA_DEL of none", SA_DEL, identity(0x9999), E.ENOENT, "no inbound SA has SPI 0x9999"),
    ("SA_DEL of the other direction", SA_DEL, identity(0x2000, OUT), E.ENOENT, "no outbound SA"),
    ("SA_GET of none", SA_GET, identity(0x9999), E.ENOENT, "no inbound SA"),
    ("SA_SET of none", SA_SET, identity(0x9999), E.ENOENT, "no inbound SA"),
    ("SA_SET of inbound DF", SA_SET, identity(0x2000) + [(DF, u8(1))], E.EINVAL, "outbound"),
    ("SA_GET by source", SA_GET, identity(0x2000) + [(SRC, ip("192.0.2.1"))], E.EINVAL, "dumps"),
    ("SA_DEL without SPI", SA_DEL, [(DIR, u8(IN)), (DST, ip("192.0.2.2"))], E.EINVAL, "SPI"),
    ("SA_FLUSH by SPI", SA_FLUSH, [(SPI, be32(0x2000))], E.EINVAL, ""),
    ("SA_FLUSH, direction 9", SA_FLUSH, [(DIR, u8(9))], E.EINVAL, "got 9"),
    # SA_ALLOC_SPI
    ("SPI range upside down", SA_ALLOC_SPI, alloc(SPI_MIN=be32(2000), SPI_MAX=be32(1000)), E.EINVAL,
     "SPI_MIN (2000) is above ESPAH_SA_SPI_MAX (1000)"),
    ("SPI range from 255", SA_ALLOC_SPI, alloc(SPI_MIN=be32(255)), E.EINVAL, "got 255"),
    ("no SPI free", SA_ALLOC_SPI, alloc(SPI_MIN=be32(0x2000), SPI_MAX=be32(0x2000)), E.ENOSPC,
     "wider range"),
    ("SPI for mixed families", SA_ALLOC_SPI, alloc(SRC=ip("::1")), E.EINVAL, "both be IPv4"),
    ("SPI without mode", SA_ALLOC_SPI, alloc(MODE=None), E.EINVAL, "ESPAH_SA_MODE is missing"),
    # policies
    *((f"POLICY_NEW without {k}", POLICY_NEW, policy(**{k: None}), E.EINVAL,
       f"ESPAH_POLICY_{k} is missing") for k in ("DIR", "ACTION", "SELECTOR", "TEMPLATE")),
    ("action 3", POLICY_NEW, policy(ACTION=u8(3)), E.EINVAL, "2 (protect), got 3"),
    ("template with bypass", POLICY_NEW, policy(ACTION=u8(BYPASS)), E.EINVAL, "protect only"),
    ("MSS with bypass", POLICY_NEW, plain(MSS=u16(1000)), E.EINVAL, "protect only"),
    ("MSS 63", POLICY_NEW, policy(MSS=u16(63)), E.EINVAL, "got 63"),
    ("MSS 65534", POLICY_NEW, policy(MSS=u16(65534)), E.EINVAL, "got 65534"),
    ("PFP of no field", POLICY_NEW, policy(PFP=u32(0)), E.EINVAL, "got 0"),
    ("PFP of a sixth field", POLICY_NEW, policy(PFP=u32(0x21)), E.EINVAL, "got 0x21"),
    ("PFP of 1 byte", POLICY_NEW, policy(PFP=u8(1)), E.EINVAL, "invalid attribute length"),
    ("PFP with bypass", POLICY_NEW, plain(PFP=u32(1)), E.EINVAL, "protect only"),
    ("PFP of ports without a protocol", POLICY_NEW, policy(PFP=u32(8)), E.EINVAL,
     "need a protocol"),
    ("PFP of opaque ports", POLICY_NEW,
     policy(PFP=u32(0x14), SELECTOR=SELECTOR + attr(S_PROTO, u8(17)) + attr(S_OPAQUE, b"")),
     E.EINVAL, "opaque ports"),
    ("queue of 0", POLICY_NEW, policy(QUEUE=u32(0)), E.EINVAL, "1 to 64 packets, got 0"),
    ("queue of 65", POLICY_NEW, policy(QUEUE=u32(65)), E.EINVAL, "got 65"),
    ("queue with discard", POLICY_NEW, plain(ACTION=u8(DISCARD), QUEUE=u32(5)), E.EINVAL,
     "protect only"),
    ("queue inward", POLICY_NEW, policy(DIR=u8(IN), QUEUE=u32(5)), E.EINVAL, "outbound"),
    ("queue with PFP", POLICY_NEW, policy(PFP=u32(1), QUEUE=u32(5)), E.EINVAL, "POLICY_PFP"),
    ("unreach inward", POLICY_NEW, policy(DIR=u8(IN), UNREACH=b""), E.EINVAL, "outbound"),
    ("unreach with bypass", POLICY_NEW, plain(UNREACH=b""), E.EINVAL, "discard or protect"),
    ("unreach with a value", POLICY_NEW, policy(UNREACH=u8(1)), E.ERANGE, ""),
    ("policy that exists", POLICY_NEW, policy(), E.EEXIST, "exists"),
    ("empty selector", POLICY_NEW, plain(SELECTOR=b""), E.EINVAL, "ESPAH_SEL_FAMILY"),
    ("selector of 2 bytes", POLICY_NEW, plain(SELECTOR=b"\0\0"), (E.EINVAL, E.ERANGE), ""),
    ("selector without nested flag", POLICY_NEW,
     plain(SELECTOR=None) + [(P_SELECTOR, SELECTOR)], E.EINVAL, ""),
    ("selector, unknown attribute", POLICY_NEW, plain(SELECTOR=SELECTOR + attr(63, u32(0))),
     E.EINVAL, ""),
    ("selector, address twice", POLICY_NEW,
     plain(SELECTOR=SELECTOR + attr(S_SRC, ip("10.9.0.0"))), E.EINVAL, "only once"),
    ("selector, trailing bytes", POLICY_NEW, plain(SELECTOR=SELECTOR + b"\1\2\3"), E.EINVAL, ""),
    ("selector, family 1", POLICY_NEW, plain(SELECTOR=nest((S_FAMILY, u8(1)))), E.EINVAL, "got 1"),
    ("selector, family against address", POLICY_NEW,
     plain(SELECTOR=nest((S_FAMILY, u8(10)), (S_SRC, ip("10.0.0.1")))), E.EINVAL, "mixes"),
    ("selector, mixed addresses", POLICY_NEW,
     plain(SELECTOR=nest((S_SRC, ip("10.0.0.1")), (S_DST, ip("::1")))), E.EINVAL, "mixes"),
    ("selector, prefix of 33", POLICY_NEW,
     plain(SELECTOR=nest((S_SRC, ip("10.0.0.0")), (S_SRC_LEN, u8(33)))), E.EINVAL, "got 33"),
    ("selector, prefix of 129", POLICY_NEW,
     plain(SELECTOR=nest((S_DST, ip("2001:db8::")), (S_DST_LEN, u8(129)))), E.EINVAL, "got 129"),
    ("selector, bits beyond the prefix", POLICY_NEW,
     plain(SELECTOR=nest((S_SRC, ip("10.0.0.1")), (S_SRC_LEN, u8(8)))), E.EINVAL, ""),
    ("selector, prefix without address", POLICY_NEW,
     plain(SELECTOR=nest((S_FAMILY, u8(2)), (S_SRC_LEN, u8(8)))), E.EINVAL, "needs an address"),
    ("selector, ports of ICMP", POLICY_NEW,
     plain(SELECTOR=nest((S_FAMILY, u8(2)), (S_PROTO, u8(1)), (S_DPORT_MIN, be16(1)))), E.EINVAL,
     ""),
    ("selector, ports upside down", POLICY_NEW,
     plain(SELECTOR=nest((S_FAMILY, u8(2)), (S_PROTO, u8(17)), (S_DPORT_MIN, be16(9)),
                         (S_DPORT_MAX, be16(8)))), E.EINVAL, ""),
    ("selector, highest port alone", POLICY_NEW,
     plain(SELECTOR=nest((S_FAMILY, u8(2)), (S_PROTO, u8(17)), (S_SPORT_MAX, be16(9)))), E.EINVAL,
     "needs a lowest"),
    *((f"selector, {what}", POLICY_NEW, plain(SELECTOR=nest((S_FAMILY, u8(2)), *pairs)), E.EINVAL,
       why) for what, pairs, why in (
        ("mark of 2 bytes", [(S_MARK, u16(1))], "invalid attribute length"),
        ("mask without mark", [(S_MARK_MASK, u32(1))], "needs ESPAH_SEL_MARK"),
        ("mark beyond its mask", [(S_MARK, u32(3)), (S_MARK_MASK, u32(1))], "beyond its mask"),
        ("mask of 8 bytes", [(S_MARK, u32(3)), (S_MARK_MASK, u64(3))], "invalid attribute length"),
        ("device 0", [(S_IFINDEX, u32(0))], "1 to 2147483647, got 0"),
        ("device 2^31", [(S_IFINDEX, u32(1 << 31))], "got 2147483648"),
        ("device of 1 byte", [(S_IFINDEX, u8(1))], "invalid attribute length"),
        ("device without a name", [(S_IFNAME, b"\0")], "1 to 15 characters"),
        ("name of 16 characters", [(S_IFNAME, name("a" * 16))], "1 to 15 characters"),
        ("name with a slash", [(S_IFNAME, name("a/b"))], "1 to 15 characters"),
        ("name without an end", [(S_IFNAME, b"eth0")], ""),
        ("name and index", [(S_IFNAME, name("lo")), (S_IFINDEX, u32(1))], "cannot be combined"))),
    *((f"list of {what}", POLICY_NEW, plain(SELECTOR=nest((S_FAMILY, u8(2)), *pairs)), E.EINVAL,
       why) for what, pairs, why in (
        ("no addresses", [(S_SRC_RANGES, b"")], "1 to 64 pairs"),
        ("half a pair", [(S_DST_RANGES, ip("10.0.0.1"))], "1 to 64 pairs"),
        ("65 ports", [(S_PROTO, u8(6)), (S_DPORT_RANGES, b"".join(
            struct.pack("!HH", port, port) for port in range(65)))], "1 to 64 pairs"),
        ("addresses upside down", [(S_SRC_RANGES, ip("10.0.0.2") + ip("10.0.0.1"))], "ascend"),
        ("addresses that overlap", [(S_SRC_RANGES, ip("10.0.0.1") + ip("10.0.0.5") +
                                     ip("10.0.0.5") + ip("10.0.0.6"))], "ascend"),
        ("ports in disorder", [(S_PROTO, u8(17)), (S_SPORT_RANGES, struct.pack("!4H", 5, 5, 1, 2))],
         "ascend"),
        ("addresses beside a prefix", [(S_SRC, ip("10.0.0.1")), (S_SRC_RANGES, ip("10.0.0.1") * 2)],
         "not both"),
        ("ports beside a range", [(S_PROTO, u8(6)), (S_DPORT_MIN, be16(1)),
                                  (S_DPORT_RANGES, bytes(4))], "not both"),
        ("ports without a protocol", [(S_SPORT_RANGES, bytes(4))], "no such field"),
        ("ICMP types of TCP", [(S_PROTO, u8(6)), (S_ICMP_TYPES, bytes(2))], "no such field"),
        ("ports of ICMP", [(S_PROTO, u8(1)), (S_DPORT_RANGES, bytes(4))], "no such field"),
        ("mobility headers of ICMP", [(S_PROTO, u8(1)), (S_MH_TYPES, bytes(2))], "no such field"),
        ("codes of mobility headers", [(S_PROTO, u8(135)), (S_ICMP_CODES, bytes(2))],
         "no such field"))),
    ("list without family", POLICY_NEW, plain(SELECTOR=nest((S_SRC_RANGES, ip("10.0.0.1") * 2))),
     E.EINVAL, "ESPAH_SEL_FAMILY"),
    ("template without mode", POLICY_NEW, policy(TEMPLATE=nest((T_REQID, u32(1)))), E.EINVAL,
     "ESPAH_TMPL_MODE is missing"),
    ("empty template", POLICY_NEW, policy(TEMPLATE=b""), E.EINVAL, "ESPAH_TMPL_MODE"),
    ("tunnel template without addresses", POLICY_NEW, policy(TEMPLATE=nest((T_MODE, u8(TUNNEL)))),
     E.EINVAL, "needs ESPAH_TMPL_SRC"),
    ("transport template with one address", POLICY_NEW,
     policy(TEMPLATE=nest((T_MODE, u8(TRANSPORT)), (T_SRC, ip("192.0.2.1")))), E.EINVAL,
     "or neither"),
    ("transport template of the other family", POLICY_NEW,
     policy(TEMPLATE=nest((T_MODE, u8(TRANSPORT)), (T_SRC, ip("::1")), (T_DST, ip("::2")))),
     E.EINVAL, "family of the selector"),
    ("template, mixed families", POLICY_NEW,
     policy(TEMPLATE=nest((T_MODE, u8(TUNNEL)), (T_SRC, ip("::1")), (T_DST, ip("192.0.2.1")))),
     E.EINVAL, "both be IPv4"),
    ("template of protocol 52", POLICY_NEW, policy(TEMPLATE=TEMPLATE + attr(T_PROTO, u8(52))),
     E.EINVAL, "50 (ESP) or 51 (AH), got 52"),
    ("template to multicast", POLICY_NEW,
     policy(TEMPLATE=nest((T_MODE, u8(TUNNEL)), (T_SRC, ip("192.0.2.1")),
                          (T_DST, ip("224.0.0.1")))), E.EINVAL, "destination must be"),
    ("outer template without mode", POLICY_NEW, policy(TEMPLATE=within(nest((T_REQID, u32(1))))),
     E.EINVAL, "ESPAH_TMPL_MODE is missing"),
    ("outer tunnel template without addresses", POLICY_NEW,
     policy(TEMPLATE=within(nest((T_MODE, u8(TUNNEL))))), E.EINVAL, "needs ESPAH_TMPL_SRC"),
    ("outer transport template with other addresses", POLICY_NEW,
     policy(TEMPLATE=within(nest((T_MODE, u8(TRANSPORT)), (T_SRC, ip("192.0.2.1")),
                                 (T_DST, ip("192.0.2.2"))))), E.EINVAL, "keeps the addresses"),
    ("outer transport template with addresses where the inner one has none", POLICY_NEW,
     policy(TEMPLATE=nest((T_MODE, u8(TRANSPORT)),
                          (T_OUTER | NESTED, nest((T_MODE, u8(TRANSPORT)),
                                                  (T_SRC, ip("192.0.2.1")),
                                                  (T_DST, ip("192.0.2.2")))))),
     E.EINVAL, "keeps the addresses"),
    ("outer template twice", POLICY_NEW,
     policy(TEMPLATE=within(TRANSPORT_TEMPLATE) + attr(T_OUTER | NESTED, TRANSPORT_TEMPLATE)),
     E.EINVAL, ""),
    ("five templates", POLICY_NEW,
     policy(TEMPLATE=within(outer(outer(outer(TRANSPORT_TEMPLATE))))), E.EINVAL, "at most 4 SAs"),
    ("twenty templates", POLICY_NEW, policy(TEMPLATE=within(deep(18))), E.EINVAL, ""),
    ("POLICY_DEL of none by id", POLICY_DEL, [(P_ID, u32(4000000000))], E.ENOENT,
     "the id 4000000000"),
    ("POLICY_DEL of id 0", POLICY_DEL, [(P_ID, u32(0))], E.ENOENT, "the id 0"),
    ("POLICY_DEL of none by selector", POLICY_DEL,
     [(P_DIR, u8(IN)), (P_SELECTOR | NESTED, SELECTOR)], E.ENOENT, "no policy has"),
    ("POLICY_DEL by id and more", POLICY_DEL, [(P_ID, u32(1)), (P_DIR, u8(OUT))], E.EINVAL,
     "cannot be combined with"),
    ("POLICY_DEL by nothing", POLICY_DEL, [], E.EINVAL, "missing"),
    ("POLICY_GET of none", POLICY_GET, [(P_ID, u32(99))], E.ENOENT, "the id 99"),
    ("POLICY_FLUSH by id", POLICY_FLUSH, [(P_ID, u32(1))], E.EINVAL, ""),
    *((f"POLICY_APPLY, {what}", POLICY_APPLY, pairs, error, why) for what, pairs, error, why in (
        ("end of none", [(APPLY_DEL, u32(4000000000))], E.ENOENT, "the id 4000000000"),
        ("adoption of none", [(APPLY_ADOPT, u32(0))], E.ENOENT, "the id 0"),
        ("one that exists", [(APPLY_POLICY | NESTED, attrs(policy()))], E.EEXIST, "exists"),
        ("the same twice", [(APPLY_POLICY | NESTED, attrs(plain(PRIORITY=u32(77))))] * 2, E.EEXIST, "exists"),
        ("one good, one bad", [(APPLY_POLICY | NESTED, attrs(plain(PRIORITY=u32(77)))),
                               (APPLY_POLICY | NESTED, attrs(plain(PRIORITY=u32(78), UNREACH=b"")))],
         E.EINVAL, "discard or protect"),
        ("replacement", [(APPLY_POLICY | NESTED, attrs(plain(PRIORITY=u32(77), REPLACE=b"")))], E.EINVAL, "APPLY_DEL"),
        ("address twice", [(APPLY_POLICY | NESTED, attrs(plain(SELECTOR=SELECTOR + attr(S_SRC, ip("10.9.0.0")))))],
         E.EINVAL, "only once"),
        ("empty policy", [(APPLY_POLICY | NESTED, b"")], E.EINVAL, "missing"),
        ("without nested flag", [(APPLY_POLICY, attrs(plain(PRIORITY=u32(77))))], E.EINVAL, ""),
        ("default protect", [(APPLY_DEFAULT_IN, u8(PROTECT))], E.ERANGE, ""),
        ("default twice", [(APPLY_DEFAULT_IN, u8(DISCARD)), (APPLY_DEFAULT_IN, u8(BYPASS))], E.EINVAL, "twice"),
        ("owner 3", [(APPLY_POLICY | NESTED, attrs(plain(PRIORITY=u32(77), OWNER=u8(3))))], E.EINVAL, "got 3"))),
    # the rest
    ("default protect", CONFIG_SET, [(C_IN, u8(PROTECT))], E.EINVAL, "0 (discard) or 1"),
    ("one default good, one bad", CONFIG_SET, [(C_IN, u8(DISCARD)), (C_OUT, u8(7))], E.EINVAL,
     "got 7"),
    ("ICMP protect", CONFIG_SET, [(C_ICMP, u8(PROTECT))], E.EINVAL, "0 (discard) or 1"),
    ("one default good, ICMP bad", CONFIG_SET, [(C_IN, u8(DISCARD)), (C_ICMP, b"")], E.EINVAL,
     "invalid attribute length"),
    ("STATS_GET with an attribute", STATS_GET, [(1, u32(1))], E.EINVAL, ""),
    ("CONFIG_GET with an attribute", CONFIG_GET, [(1, u8(1))], E.EINVAL, ""),
    ("EXPLAIN without source", EXPLAIN, explain(SRC=None), E.EINVAL, "EXPLAIN_SRC is missing"),
    ("EXPLAIN of mixed families", EXPLAIN, explain(SRC=ip("::1")), E.EINVAL, "both be IPv4"),
    ("EXPLAIN of ports without protocol", EXPLAIN, explain(DPORT=be16(5)), E.EINVAL, "ports need"),
    ("EXPLAIN of ICMP ports", EXPLAIN, explain(PROTO=u8(1), DPORT=be16(5)), E.EINVAL, "ports need"),
    ("EXPLAIN of a short mark", EXPLAIN, explain(MARK=u16(5)), E.EINVAL, "invalid attribute length"),
    ("EXPLAIN of DSCP 64", EXPLAIN, explain(DSCP=u8(64)), E.EINVAL, "0 to 63, got 64"),
    ("EXPLAIN of device 0", EXPLAIN, explain(IFINDEX=u32(0)), E.EINVAL, "got 0"),
    ("EXPLAIN with an answer's attribute", EXPLAIN, explain() + [(X_ACTION, u8(1))], E.EINVAL, ""),
]

BAD_DUMPS = [
    ("dump of SAs, direction 2", SA_GET, [(DIR, u8(2))], E.EINVAL, "got 2"),
    ("dump of SAs, destination of 3 bytes", SA_GET, [(DST, bytes(3))], E.EINVAL, "got 3"),
    ("dump of SAs by key", SA_GET, [(KEY, KEY20)], E.EINVAL, ""),
    ("dump of SAs, SPI twice", SA_GET, [(SPI, be32(300))] * 2, E.EINVAL, "only once"),
    ("dump of policies by id", POLICY_GET, [(P_ID, u32(1))], E.EINVAL, "not allowed in dumps"),
    ("dump of algorithms with an attribute", ALGO_GET, [(1, name("x"))], E.EINVAL, ""),
]


def bad_requests(link):
    before = link.snapshot()
    table = [(*row, REQUEST | ACK) for row in BAD] + [(*row, REQUEST | DUMP) for row in BAD_DUMPS]
    for title, cmd, pairs, code, words, flags in table:
        with test(title):
            refused(link, cmd, pairs, code, words, flags)
            check(link.snapshot() == before, "something changed")


def bad_headers(link):
    before = link.snapshot()
    with test("unknown command"):
        for cmd in (0, ACQUIRE, 17, 200, 255):
            refused(link, cmd, [], E.EOPNOTSUPP, "", text_needed=False)
    with test("dump of what has none, one of what has only dumps"):
        refused(link, SA_NEW, sa(), E.EOPNOTSUPP, "", REQUEST | DUMP, text_needed=False)
        refused(link, ALGO_GET, [], E.EOPNOTSUPP, "", text_needed=False)
    with test("reserved header field"):
        refused(link, SA_NEW, sa(), E.EINVAL, "reserved", reserved=1)
    with test("NLM_F_REPLACE"):
        refused(link, POLICY_NEW, policy(), E.EINVAL, "flags", REQUEST | ACK | REPLACE)
    with test("message without a generic-netlink header"):
        for cut in (16, 17, 19):
            whole = link.message(SA_FLUSH, b"", REQUEST | ACK)
            raw = struct.pack("=I", cut) + pad(whole[4:cut])
            refused(link, 0, [], E.EINVAL, "", text_needed=False, raw=pad(raw))
    with test("message length below its header or beyond its end"):
        for length in (0, 1, 15, 21, 4096, 0xffffffff):
            whole = link.message(SA_FLUSH, b"", REQUEST | ACK)
            _, code, _ = link.exchange(struct.pack("=I", length) + whole[4:])
            check(code is None, f"length {length} is answered: {code}")
    with test("trailing bytes"):
        for extra in (b"\1", b"\1\0\0", b"\3\0\1\0", b"\xff\xff\1\0"):
            refused(link, 0, [], E.EINVAL, "",
                    raw=link.message(SA_NEW, attrs(sa()) + extra, REQUEST | ACK))
    with test("headers changed nothing"):
        check(link.snapshot() == before, "something changed")


COMMANDS = [
    (SA_NEW, sa()), (SA_SET, identity(0x2000)), (SA_DEL, identity(0x2000)),
    (SA_GET, identity(0x2000)), (SA_FLUSH, []), (SA_ALLOC_SPI, alloc()),
    (POLICY_NEW, policy(PRIORITY=u32(1))), (POLICY_DEL, [(P_ID, u32(1))]),
    (POLICY_GET, [(P_ID, u32(1))]), (POLICY_FLUSH, []), (STATS_GET, []), (CONFIG_GET, []),
    (CONFIG_SET, [(C_IN, u8(BYPASS))]), (EXPLAIN, explain()),
    (POLICY_APPLY, [(APPLY_POLICY | NESTED, attrs(plain(PRIORITY=u32(3)))), (APPLY_DEFAULT_OUT, u8(BYPASS))]),
]
DUMPS = [SA_GET, POLICY_GET, ALGO_GET]


def all_forbidden(link, text=""):
    for cmd, pairs in COMMANDS:
        refused(link, cmd, pairs, E.EPERM, text, text_needed=bool(text))
    for cmd in DUMPS:
        refused(link, cmd, [], E.EPERM, text, REQUEST | DUMP, text_needed=bool(text))


def privileges(link):
    before = link.snapshot()

    def nobody():
        os.setgid(65534)
        os.setuid(65534)
        own = Link()
        all_forbidden(own)
        for group in own.groups:
            try:
                own.join(group)
                return f"may listen to {group}"
            except PermissionError:
                pass

    def nobody_with_our_socket():
        os.setgid(65534)
        os.setuid(65534)
        all_forbidden(link)

    def owner_of_a_user_namespace():
        unshare(CLONE_NEWUSER)
        all_forbidden(Link())

    def owner_of_both_namespaces():
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        own = Link()
        all_forbidden(own, "userns=1")
        for group in own.groups:
            own.join(group)

    for function in (nobody, nobody_with_our_socket, owner_of_a_user_namespace,
                     owner_of_both_namespaces):
        with test("privilege: " + function.__name__.replace("_", " ")):
            in_child(function)
            check(link.snapshot() == before, "something changed")


def foreign(link):
    before = link.snapshot()

    def other_namespace():
        unshare(CLONE_NEWNET)
        own = Link()
        check(own.snapshot()[:2] == ([], []), "sees what is not its own")
        refused(own, SA_DEL, identity(0x2000), E.ENOENT, "no inbound SA")
        refused(own, SA_GET, identity(0x2000), E.ENOENT, "no inbound SA")
        refused(own, POLICY_DEL, [(P_ID, u32(1))], E.ENOENT, "no policy")
        populate(own)
        own.ask(CONFIG_SET, [(C_OUT, u8(DISCARD))])
        own.ask(SA_ALLOC_SPI, alloc())
        # and exits, which frees all objects

    with test("foreign namespace"):
        in_child(other_namespace)
        check(link.snapshot() == before, "something changed")


def one(link, cmd, pairs):
    answers = link.ask(cmd, pairs, REQUEST | ACK | ECHO)
    check(len(answers) == 1, f"{len(answers)} answers")
    return dict(answers[0])


def good_requests(link):
    with test("an SA is shown as it was given, the key only if asked for"):
        given = sa(SPI=be32(0x3000), REQID=u32(9), WINDOW=u32(128), FLAGS=u32(ESN),
                   SEQ=u64(1 << 33))
        link.ask(SA_NEW, given)
        shown = one(link, SA_GET, identity(0x3000) + [(SHOW_KEYS, b"")])
        for kind, data in given:
            check(shown[kind] == data, f"attribute {kind}: {shown[kind]}, not {data}")
        check(KEY not in one(link, SA_GET, identity(0x3000)), "key shown")
        check(all(KEY not in dict(s) for s in link.dump(SA_GET)), "key dumped")
        link.ask(SA_DEL, identity(0x3000))
    with test("SA_SET changes DF"):
        who = identity(0x2001, OUT, "192.0.2.1")
        link.ask(SA_SET, who + [(DF, u8(1))])
        check(one(link, SA_GET, who)[DF] == u8(1), "DF is not 1")
        link.ask(SA_SET, who + [(DF, u8(2))])
    with test("SA_SET changes the DSCPs that an SA is for; 0 takes them away; EXPLAIN finds the SA by DSCP"):
        who = identity(0x2001, OUT, "192.0.2.1")
        check(FOR_DSCP not in one(link, SA_GET, who), "DSCPs of an SA without any")
        for bits in 1 << 63 | 1, 1 << 46:
            link.ask(SA_SET, who + [(FOR_DSCP, u64(bits))])
            check(one(link, SA_GET, who)[FOR_DSCP] == u64(bits), f"not {bits:#x}")
        for dscp, there in (0, False), (46, True), (47, False):
            answer = one(link, EXPLAIN, explain(DSCP=u8(dscp)))
            check((X_SA in answer, X_CLASSES in answer) == (there, there), f"DSCP {dscp}")
        link.ask(SA_SET, who + [(FOR_DSCP, u64(0))])
        check(FOR_DSCP not in one(link, SA_GET, who), "DSCPs were not taken away")
        answer = one(link, EXPLAIN, explain(DSCP=u8(47)))
        check(X_SA in answer and X_CLASSES not in answer, "not for all DSCPs again")
    with test("limits are shown as given; SA_SET changes those that it names"):
        who = identity(0x3000)
        link.ask(SA_NEW, sa(SPI=be32(0x3000)) + [
            (SOFT | NESTED, nest((L_PACKETS, u64(1 << 40)), (L_TIME, u64(1000)))),
            (HARD | NESTED, nest((L_IDLE, u64(0xffffffff)), (L_TIME, u64(2000))))])
        link.ask(SA_SET, who + [(HARD | NESTED, nest((L_TIME, u64(1000)), (L_USE, u64(5))))])
        link.ask(SA_SET, who + [(SOFT | NESTED, nest((L_PACKETS, u64(0)), (L_BYTES, u64(7))))])
        shown = one(link, SA_GET, who)
        check(dict(parse(shown[SOFT])) == {L_TIME: u64(1000), L_BYTES: u64(7)}, "soft")
        check(dict(parse(shown[HARD])) == {L_TIME: u64(1000), L_USE: u64(5),
                                           L_IDLE: u64(0xffffffff)}, "hard")
        used = dict(parse(shown[USED]))
        check(set(used) == {L_BYTES, L_TIME, L_USE, L_IDLE} and used[L_USE] == u64(0), "used")
        check(FIRST_USED not in shown and LAST_USED not in shown, "an unused SA was used")
        refused(link, SA_SET, who + [(SOFT | NESTED, nest((L_USE, u64(6))))], E.EINVAL, "above")
        check(one(link, SA_GET, who)[SOFT] == shown[SOFT], "a refusal changed something")
        link.ask(SA_DEL, who)
    with test("SA_ALLOC_SPI reserves, SA_NEW fills"):
        larval = one(link, SA_ALLOC_SPI, alloc(SPI_MIN=be32(0x7000), SPI_MAX=be32(0x7003)))
        spi, = struct.unpack("!I", larval[SPI])
        check(0x7000 <= spi <= 0x7003 and larval[STATE] == u8(0), "no larval SA in range")
        for _ in range(3):
            link.ask(SA_ALLOC_SPI, alloc(SPI_MIN=be32(0x7000), SPI_MAX=be32(0x7003)))
        refused(link, SA_ALLOC_SPI, alloc(SPI_MIN=be32(0x7000), SPI_MAX=be32(0x7003)), E.ENOSPC, "")
        link.ask(SA_NEW, sa(SPI=be32(spi)))
        check(one(link, SA_GET, identity(spi))[STATE] == u8(1), "not filled")
        refused(link, SA_NEW, sa(SPI=be32(spi)), E.EEXIST, "exists")
        for spi in range(0x7000, 0x7004):
            link.ask(SA_DEL, identity(spi))
    with test("POLICY_REPLACE keeps the id"):
        old = one(link, POLICY_NEW, plain(PRIORITY=u32(77)))
        new = one(link, POLICY_NEW, plain(PRIORITY=u32(77), REPLACE=b"", ACTION=u8(DISCARD)))
        check(new[P_ID] == old[P_ID] and new[P_ACTION] == u8(DISCARD), "not replaced")
        link.ask(POLICY_DEL, [(P_DIR, u8(OUT)), (P_SELECTOR | NESTED, SELECTOR),
                              (P_PRIORITY, u32(77))])
    with test("POLICY_NEW answers with the policy to NLM_F_ECHO, else only whether it was done"):
        check(link.ask(POLICY_NEW, plain(PRIORITY=u32(77))) == [], "answered without NLM_F_ECHO")
        made = one(link, POLICY_NEW, plain(PRIORITY=u32(78)))
        check(made[P_PRIORITY] == u32(78), "another policy")
        for wanted in 77, 78:
            link.ask(POLICY_DEL, [(P_DIR, u8(OUT)), (P_SELECTOR | NESTED, SELECTOR),
                                  (P_PRIORITY, u32(wanted))])
    with test("dumps are filtered"):
        for pairs, count in (([], 3), ([(DIR, u8(OUT))], 1), ([(REQID, u32(7))], 1),
                             ([(SRC, ip("2001:db8::1"))], 1), ([(DST, ip("192.0.2.2"))], 1),
                             ([(SPI, be32(0x2002))], 1), ([(REQID, u32(8))], 0),
                             ([(DIR, u8(IN)), (SPI, be32(0x2001))], 0)):
            check(len(link.dump(SA_GET, pairs)) == count, f"{pairs} finds not {count}")
        check(len(link.dump(POLICY_GET, [(P_DIR, u8(IN))])) == 1, "policies of a direction")
    with test("statistics and algorithms"):
        stats = one(link, STATS_GET, [])
        check(stats[1] == u32(3) and stats[2] == u32(3), "wrong counts")
        reasons = [dict(parse(entry)) for _, entry in parse(stats[7])]
        check(all({2, 3, 4} <= set(r) for r in reasons) and len(reasons) > 30, "reasons")
        algorithms = {(dict(a)[1][:-1].decode(), dict(a)[11][0]) for a in link.dump(ALGO_GET)}
        check(("aes128gcm16", 50) in algorithms, "no aes128gcm16")
        check({n for n, proto in algorithms if proto == 51} ==
              {"sha1", "sha256", "sha384", "sha512", "aesxcbc", "aescmac", "aes128gmac",
               "aes192gmac", "aes256gmac"}, f"of AH: {algorithms}")
    with test("an SA of AH and one of ESP with one SPI; a policy of AH"):
        ah = dict(SPI=be32(0x7001), PROTO=u8(51), ALG=name("sha256"), KEY=bytes(32))
        link.ask(SA_NEW, sa(**ah))
        link.ask(SA_NEW, sa(SPI=be32(0x7001)))
        refused(link, SA_NEW, sa(**ah), E.EEXIST, "")
        both = [dict(s)[PROTO] for s in link.dump(SA_GET, [(SPI, be32(0x7001))])]
        check(both == [u8(51), u8(50)], f"protocols {both}")
        check(len(link.dump(SA_GET, [(PROTO, u8(51))])) == 1, "filter by protocol")
        got = one(link, SA_GET, identity(0x7001) + [(PROTO, u8(51))])
        check(got[ALG] == b"sha256\0", "algorithm")
        who = identity(0x7001) + [(PROTO, u8(51))]
        ports = [(ENCAP_SPORT, be16(4500)), (ENCAP_DPORT, be16(4500))]
        refused(link, SA_NEW, sa(**{**ah, "SPI": be32(0x7002)}) + ports, E.EINVAL, "only ESP goes")
        refused(link, SA_SET, who + ports, E.EINVAL, "only ESP goes in UDP")
        refused(link, SA_SET, who + [(NEW_SRC, ip("2001:db8::1")), (NEW_DST, ip("2001:db8::2"))],
                E.EINVAL, "make a new SA")
        link.ask(SA_DEL, who)
        check([dict(s)[PROTO] for s in link.dump(SA_GET, [(SPI, be32(0x7001))])] == [u8(50)],
              "the other one went")
        link.ask(SA_DEL, identity(0x7001))
        made = one(link, POLICY_NEW, policy(PRIORITY=u32(77),
                                            TEMPLATE=TEMPLATE + attr(T_PROTO, u8(51))))
        check(dict(parse(made[P_TEMPLATE]))[T_PROTO] == u8(51), "template")
        link.ask(POLICY_DEL, [(P_ID, made[P_ID])])
    with test("four templates, each within the one before, are shown as they were given"):
        made = one(link, POLICY_NEW, policy(
            PRIORITY=u32(78), TEMPLATE=within(outer(outer(TRANSPORT_TEMPLATE)))))
        shown, modes = dict(parse(made[P_TEMPLATE])), []
        while True:
            modes.append((shown[T_MODE], shown[T_DST]))
            if T_OUTER not in shown:
                break
            shown = dict(parse(shown[T_OUTER]))
        ends = dict(parse(TEMPLATE))[T_DST]
        check(modes == [(u8(TUNNEL), ends)] + 3 * [(u8(TRANSPORT), ends)], f"{modes}")
        link.ask(POLICY_DEL, [(P_ID, made[P_ID])])
    with test("EXPLAIN"):
        answer = one(link, EXPLAIN, explain(PROTO=u8(6), DPORT=be16(443)))
        check(answer[X_ACTION] == u8(PROTECT) and X_POLICY in answer, "no policy")
        check(dict(parse(answer[X_SA]))[SPI] == be32(0x2001), "no SA")
        check(answer[X_HOOK] == b"POST_ROUTING\0", f"hook {answer[X_HOOK]}")
        # the namespace has neither addresses nor routes
        check(answer[X_DROP] == b"no_route\0" and X_OVERHEAD in answer, "route or no overhead")
        answer = one(link, EXPLAIN, explain(SRC=ip("10.9.0.1")))
        check(answer[X_ACTION] == u8(BYPASS) and X_POLICY not in answer, "not the default")
        ike = explain(SRC=ip("127.0.0.1"), DST=ip("10.0.0.1"), PROTO=u8(17), SPORT=be16(500), DPORT=be16(500))
        check(X_EXEMPT not in one(link, EXPLAIN, ike), "exempt from bypass")
        link.ask(CONFIG_SET, [(C_OUT, u8(DISCARD))])
        check(X_EXEMPT in one(link, EXPLAIN, ike), "IKE is not exempt")
        link.ask(CONFIG_SET, [(C_OUT, u8(BYPASS))])
        v6 = explain(SRC=ip("2001:db8::1"), DST=ip("2001:db8::2"), PROTO=u8(6), DPORT=be16(85))
        check(one(link, EXPLAIN, v6)[X_DROP] == b"no_sa\0", "not no_sa")


def many(link):
    def in_own_namespace():
        unshare(CLONE_NEWNET)
        own = Link()
        count = 3000
        for i in range(count):
            own.ask(SA_NEW, sa(SPI=be32(0x10000 + i), REQID=u32(i % 3)))
        spis = [struct.unpack("!I", dict(s)[SPI])[0] for s in own.dump(SA_GET)]
        check(spis == list(range(0x10000, 0x10000 + count)), "a dump lacks or reorders SAs")
        check(len(own.dump(SA_GET, [(REQID, u32(1))])) == count // 3, "filter")
        own.ask(SA_FLUSH, [(REQID, u32(1))])
        check(len(own.dump(SA_GET)) == 2 * count // 3, "flush of a reqid")
        own.ask(SA_FLUSH, [(PROTO, u8(51))])
        check(len(own.dump(SA_GET)) == 2 * count // 3, "flush of AH")
        own.ask(SA_FLUSH, [])
        check(own.dump(SA_GET) == [], "flush")

    with test("3,000 SAs: dump in pieces, filter, flush"):
        in_child(in_own_namespace)


def events(link):
    def in_own_namespace():
        unshare(CLONE_NEWNET)
        own, ear = Link(), Link()
        for group in ("sa", "policy", "acquire"):
            ear.join(group)
        own.ask(SA_NEW, sa())
        own.ask(SA_DEL, identity())
        own.ask(SA_FLUSH, [(DIR, u8(IN))])
        own.ask(POLICY_NEW, policy())
        heard = ear.events()
        check([cmd for cmd, _ in heard] == [SA_NEW_NTF, SA_DEL_NTF, SA_FLUSH_NTF, POLICY_NEW_NTF],
              f"heard {heard}")
        check(all(KEY not in a for cmd, a in heard if cmd in (SA_NEW_NTF, SA_DEL_NTF)), "a key was told")
        refused(own, SA_NEW, sa(KEY=b"x"), E.EINVAL, "")
        refused(own, SA_DEL, identity(), E.ENOENT, "")
        check(not ear.events(), "an event for what was refused")

        for line in ("link set lo up", "link add d0 type dummy", "addr add 10.1.0.1/16 dev d0",
                     "link set d0 up", "route add 10.2.0.0/16 dev d0"):
            subprocess.run(["ip", *line.split()], check=True)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(20):
            with contextlib.suppress(PermissionError):
                sock.sendto(b"x", ("10.2.0.9", 4242))
        heard = ear.events()
        check(1 <= len(heard) <= 2 and heard[0][0] == ACQUIRE, f"heard {heard}")
        asked = heard[0][1]
        template, flow = dict(parse(asked[A_TEMPLATE])), dict(parse(asked[A_FLOW]))
        check(template[T_DST] == ip("192.0.2.1") and flow[S_DST] == ip("10.2.0.9") and
              flow[S_DPORT_MIN] == be16(4242) and flow[S_PROTO] == u8(17), f"{template} {flow}")

    with test("events, without keys; acquire at most once a second"):
        in_child(in_own_namespace)


def contention(link):
    """Several processes change the same few objects at once."""
    def worker(seed):
        own, dice = Link(), random.Random(seed)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            spi = 0x5000 + dice.randrange(4)
            cmd, pairs = dice.choice((
                (SA_NEW, sa(SPI=be32(spi))), (SA_DEL, identity(spi)),
                (SA_ALLOC_SPI, alloc(SPI_MIN=be32(0x5000), SPI_MAX=be32(0x5003))),
                (POLICY_NEW, policy(PRIORITY=u32(spi), REPLACE=b"")),
                (POLICY_DEL, [(P_DIR, u8(OUT)), (P_SELECTOR | NESTED, SELECTOR),
                              (P_PRIORITY, u32(spi))]),
                (EXPLAIN, explain()), (STATS_GET, [])))
            with contextlib.suppress(Refused):
                own.ask(cmd, pairs)
            if dice.randrange(8) == 0:
                own.dump(dice.choice((SA_GET, POLICY_GET)))
            if dice.randrange(50) == 0:
                own.ask(dice.choice((SA_FLUSH, POLICY_FLUSH)))

    def in_own_namespace():
        unshare(CLONE_NEWNET)
        own = Link()
        pids = []
        for seed in range(4):
            pid = os.fork()
            if not pid:
                status = 1
                with contextlib.suppress(BaseException):
                    worker(seed)
                    status = 0
                os._exit(status)
            pids.append(pid)
        check(not any([os.waitpid(pid, 0)[1] for pid in pids]), "a worker failed")
        clear(own)
        stats = dict(own.ask(STATS_GET)[0])
        check(stats[1] == u32(0) and stats[2] == u32(0), "counts are not 0 after a flush")

    with test("four processes at the same objects"):
        in_child(in_own_namespace)


# --- random messages ---------------------------------------------------------------------------

SEEDS = COMMANDS + [(cmd, []) for cmd in DUMPS] + [
    (SA_NEW, sa(FLAGS=u32(ESN), WINDOW=u32(64), SEQ=u64(5), PROTO=u8(50), REQID=u32(4))),
    (SA_NEW, sa(PROTO=u8(51), ALG=name("sha256"), KEY=bytes(32), FLAGS=u32(ESN))),
    (SA_NEW, sa(DIR=u8(OUT), DF=u8(1), LABEL=name("charon b.example.org"))),
    # no limit so short that an SA ends meanwhile
    (SA_NEW, limited((L_PACKETS, u64(9)), (L_TIME, u64(1 << 30 | 1 << 29)), (L_BYTES, u64(5)))),
    (SA_SET, identity(0x2000) + [(HARD | NESTED, nest((L_USE, u64(3)), (L_BYTES, u64(99))))]),
    (SA_SET, identity(0x2000) + [(SEQ, u64(9)), (SEEN, bytes(8))]),
    (SA_NEW, sa(DIR=u8(OUT), SEQ=u64(9), IV_MASK=bytes(8))),
    (SA_SET, identity(0x2001, OUT, "192.0.2.1") + [(TFC, u16(500)), (DUMMY, u32(5000))]),
    (SA_SET, identity(0x2001, OUT, "192.0.2.1") + [(FOR_DSCP, u64(1 << 46 | 1))]),
    (SA_NEW, sa(DIR=u8(OUT), SPI=be32(0x4001), FOR_DSCP=u64(0xff00))),
    (SA_ALLOC_SPI, alloc(SPI_MIN=be32(300), SPI_MAX=be32(400))),
    (POLICY_NEW, plain(PRIORITY=u32(2), MSS=u16(0), REPLACE=b"", LABEL=name("x"))),
    (POLICY_DEL, [(P_DIR, u8(OUT)), (P_SELECTOR | NESTED, SELECTOR), (P_PRIORITY, u32(2))]),
    (EXPLAIN, explain(PROTO=u8(17), SPORT=be16(1), DPORT=be16(2), DSCP=u8(46))),
]


def mangle(dice, pairs):
    pairs = list(pairs)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        i = dice.randrange(len(pairs) + 1)
        kind, data = pairs[i] if i < len(pairs) else (dice.randrange(1, 40), b"\0\0\0\0")
        how = dice.randrange(8)
        if how == 0:
            data = data[:dice.randrange(len(data) + 1)]
        elif how == 1:
            data += dice.randbytes(dice.choice((1, 2, 4, 16, 300)))
        elif how == 2:
            data = dice.randbytes(len(data))
        elif how == 3 and data:
            at = dice.randrange(len(data))
            data = data[:at] + u8(data[at] ^ 1 << dice.randrange(8)) + data[at + 1:]
        elif how == 4:
            kind = dice.choice((dice.randrange(32), dice.randrange(0x10000), kind ^ NESTED))
        elif how == 5:
            pairs.insert(i, (kind, data))
        elif how == 6:
            data = nest(*((dice.randrange(16), dice.randbytes(dice.choice((0, 1, 2, 4, 16))))
                          for _ in range(dice.randrange(4))))
            kind |= NESTED
        elif i < len(pairs):
            del pairs[i]
            continue
        pairs[i:i + 1] = [(kind, data)]
    return pairs


def fuzz_message(dice, link):
    cmd, pairs = dice.choice(SEEDS)
    body = attrs(mangle(dice, pairs))
    if dice.randrange(10) == 0:
        cmd = dice.randrange(256)
    if dice.randrange(10) == 0:
        body = body[:dice.randrange(len(body) + 1)]
    if dice.randrange(20) == 0:
        body = dice.randbytes(dice.randrange(200))
    flags = REQUEST | ACK | (DUMP if dice.randrange(6) == 0 else 0)
    if dice.randrange(20) == 0:
        flags = REQUEST | dice.randrange(0x10000)
    message = link.message(cmd, body, flags, dice.choice((0,) * 30 + (1, 0xffff)))
    if dice.randrange(50) == 0:
        message = struct.pack("=I", dice.randrange(2 * len(message))) + message[4:]
    return cmd, flags, message


def fuzz(link, count, seed):
    dice = random.Random(seed)
    before, accepted, tally = link.snapshot(), 0, {}
    for i in range(count):
        cmd, flags, message = fuzz_message(dice, link)
        _, code, text = link.exchange(message)
        tally[code] = tally.get(code, 0) + 1
        if not code:
            accepted += cmd in CHANGING
        elif code not in (E.EOPNOTSUPP, E.EPERM) and len(message) >= 20:
            length, = struct.unpack("=I", message[:4])
            check(text or length < 20, f"message {i} got no sentence: {code} {message.hex()}")
            check(code in (E.EINVAL, E.ERANGE, E.ENOENT, E.EEXIST, E.ENOSPC, E.EKEYREJECTED, E.ENODEV),
                  f"message {i} got {code} {text}")
        if i % 100 == 99 or i == count - 1:
            after = link.snapshot()
            check(accepted or after == before, f"messages to {i} changed something")
            before, accepted = after, 0
    return tally


def leaks(link):
    def in_own_namespace(work):
        def run():
            unshare(CLONE_NEWNET)
            work(Link())
        return run

    def refusals(own):
        own.ask(SA_NEW, sa())
        own.ask(POLICY_NEW, policy())
        for i in range(4000):
            refused(own, SA_NEW, sa(), E.EEXIST, "")
            refused(own, POLICY_NEW, policy(), E.EEXIST, "")
            refused(own, SA_NEW, sa(WINDOW=u32(1)), E.EINVAL, "")

    def comings_and_goings(own):
        for i in range(3000):
            own.ask(SA_NEW, sa(WINDOW=u32(4096)))
            own.ask(SA_DEL, identity())
            own.ask(POLICY_NEW, policy())
            own.ask(POLICY_FLUSH)
            spi = dict(own.ask(SA_ALLOC_SPI, alloc())[0])[SPI]
            own.ask(SA_DEL, [(DIR, u8(IN)), (SPI, spi), (DST, ip("192.0.2.2"))])

    def left_behind(own):
        for i in range(1000):
            own.ask(SA_NEW, sa(SPI=be32(0x1000 + i)))
            own.ask(SA_ALLOC_SPI, alloc())
            own.ask(POLICY_NEW, plain(PRIORITY=u32(i)))

    for title, work in (("refused", refusals), ("added and deleted", comings_and_goings),
                        ("left to a dying namespace", left_behind)):
        with test(f"no memory is kept by what is {title}"):
            in_child(in_own_namespace(work))  # the first run fills the allocators' caches
            time.sleep(2)
            before = kernel_memory()
            for _ in range(2):
                in_child(in_own_namespace(work))
            for _ in range(20):
                time.sleep(1)
                grown = kernel_memory() - before
                if grown < 1500:
                    break
            check(grown < 1500, f"{grown} kB more")


def random_messages(link):
    def child():
        unshare(CLONE_NEWNET)
        own = Link()
        populate(own)
        tally = fuzz(own, int(os.environ.get("ESPAH_FUZZ", 20000)), 4303)
        print("# random messages:", ", ".join(
            f"{errno.errorcode.get(code, code or ('no answer' if code is None else 'accepted'))}"
            f" {n}" for code, n in sorted(tally.items(), key=lambda item: -item[1])), flush=True)

    with test("random messages"):
        before = link.snapshot()
        in_child(child)
        check(link.snapshot() == before, "another namespace changed")


def main():
    if os.environ.get("ESPAH_KO"):
        subprocess.run(["modprobe", "-a", "nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack",
                        "aesni_intel"], check=False)
        if not os.path.exists("/sys/module/espah"):
            subprocess.run(["insmod", os.environ["ESPAH_KO"]], check=True)
    link, ear = Link(), Link()
    ear.join("sa")
    clear(link)
    spi = dict(link.ask(SA_ALLOC_SPI, alloc())[0])[SPI]
    reserved = time.monotonic()

    populate(link)
    bad_requests(link)
    bad_headers(link)
    privileges(link)
    foreign(link)
    link.ask(SA_DEL, [(DIR, u8(IN)), (SPI, spi), (DST, ip("192.0.2.2"))])
    good_requests(link)
    link.ask(SA_FLUSH, [])
    spi = dict(link.ask(SA_ALLOC_SPI, alloc())[0])[SPI]
    reserved = time.monotonic()
    many(link)
    events(link)
    contention(link)
    leaks(link)
    with test("a reserved SPI is given up after 60 seconds, not before"):
        if time.monotonic() - reserved < 55:
            check(len(link.dump(SA_GET)) == 1, "gone too early")
            time.sleep(max(0, reserved + 58 - time.monotonic()))
            check(len(link.dump(SA_GET)) == 1, "gone before 58 seconds")
        time.sleep(max(0, reserved + 63 - time.monotonic()))
        check(link.dump(SA_GET) == [], "still there after 63 seconds")
        heard = [(cmd, a.get(SPI)) for cmd, a in ear.events()]
        check((SA_DEL_NTF, spi) in heard, "no event told it")
    random_messages(link)
    clear(link)
    with test("the module can be unloaded"):
        for _ in range(30):  # namespaces of ended processes are deleted a little later
            if not subprocess.run(["rmmod", "espah"], capture_output=True).returncode:
                break
            time.sleep(0.5)
        check(not os.path.exists("/sys/module/espah"), "something still pins it")
    print(f"# {failures} failed" if failures else "# all passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
