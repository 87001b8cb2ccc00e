# SPDX-License-Identifier: GPL-2.0-only
"""NETLINK_XFRM byte by byte: structs of linux/xfrm.h as on x86-64, and a socket, for hostile tests."""
import socket
import struct

import netlink
from netlink import ACK, DUMP, REQUEST, attrs, ip

NETLINK_XFRM = 6
(NEWSA, DELSA, GETSA, NEWPOLICY, DELPOLICY, GETPOLICY, ALLOCSPI, ACQUIRE, EXPIRE, UPDPOLICY, UPDSA,
 POLEXPIRE, FLUSHSA, FLUSHPOLICY, NEWAE, GETAE, REPORT, MIGRATE, NEWSADINFO, GETSADINFO, NEWSPDINFO,
 GETSPDINFO, MAPPING, SETDEFAULT, GETDEFAULT) = range(16, 41)
(A_AUTH, A_CRYPT, A_COMP, A_ENCAP, A_TMPL, A_SA, A_POLICY, A_SEC_CTX, A_LTIME, A_REPLAY, A_REPLAY_THRESH,
 A_ETIMER_THRESH, A_SRCADDR, A_COADDR, A_LASTUSED, A_POLICY_TYPE, A_MIGRATE, A_AEAD, A_KMADDRESS,
 A_AUTH_TRUNC, A_MARK, A_TFCPAD, A_REPLAY_ESN, A_EXTRA_FLAGS, A_PROTO, A_ADDRESS_FILTER, A_PAD,
 A_OFFLOAD_DEV, A_SET_MARK, A_SET_MARK_MASK, A_IF_ID, A_MTIMER, A_SA_DIR, A_KEEPALIVE, A_PCPU) = range(1, 36)

IN, OUT, FWD = range(3)
ALLOW, BLOCK = 0, 1
TRANSPORT, TUNNEL = 0, 1
ESP, AH = 50, 51
INF = (1 << 64) - 1
NOTHING = (INF, INF, INF, INF, 0, 0, 0, 0)  # limits that limit nothing
SEQ_MAX = (1 << 32) - 1
# where dumps have the counters, which change by themselves, and what else is read of them here
SA_LIMITS, SA_COUNTERS, SA_END = 96, slice(160, 204), 224
POLICY_COUNTERS, POLICY_END = slice(120, 152), 168


def addr(text):
    return ip(text).ljust(16, b"\0")


def family(text):
    return socket.AF_INET6 if ":" in text else socket.AF_INET


def selector(src="10.1.0.0/16", dst="10.2.0.0/16", proto=0, sport=(0, 0), dport=(0, 0), ifindex=0, user=0):
    (src, src_len), (dst, dst_len) = src.split("/"), dst.split("/")
    return addr(dst) + addr(src) + struct.pack("!HHHH", *dport, *sport) + struct.pack(
        "=HBBB3xiI", family(src), int(dst_len), int(src_len), proto, ifindex, user)


ANY = bytes(56)  # an empty selector


def limits(lft=NOTHING):
    return struct.pack("=8Q", *lft)


def sa_id(spi=0x1000, dst="192.0.2.2", proto=ESP, af=None):
    """struct xfrm_usersa_id; af: a family that the address does not have"""
    return addr(dst) + struct.pack("!I", spi) + struct.pack("=HBx", family(dst) if af is None else af, proto)


def sa(spi=0x1000, src="192.0.2.1", dst="192.0.2.2", proto=ESP, mode=TUNNEL, reqid=1, window=32, flags=0,
       lft=NOTHING, sel=ANY, af=None):
    """struct xfrm_usersa_info"""
    return (sel + addr(dst) + struct.pack("!I", spi) + struct.pack("=B3x", proto) + addr(src) + limits(lft)
            + bytes(32) + bytes(12) + struct.pack("=IIHBBB7x", 0, reqid, family(dst) if af is None else af, mode,
                                                         window, flags))


def policy_id(sel=None, index=0, way=OUT):
    return (sel or selector()) + struct.pack("=IB3x", index, way)


def policy(way=OUT, sel=None, action=ALLOW, priority=0, index=0, flags=0, share=0, lft=NOTHING):
    """struct xfrm_userpolicy_info"""
    return (sel or selector()) + limits(lft) + bytes(32) + struct.pack(
        "=IIBBBB4x", priority, index, way, action, flags, share)


def template(src="192.0.2.1", dst="192.0.2.2", proto=ESP, mode=TUNNEL, reqid=1, spi=0, optional=0, share=0):
    return (addr(dst) + struct.pack("!I", spi) + struct.pack("=B3xH2x", proto, family(dst)) + addr(src)
            + struct.pack("=IBBBxIII", reqid, mode, share, optional, SEQ_MAX, SEQ_MAX, SEQ_MAX))


def migration(old, new, proto=ESP, mode=TUNNEL, reqid=1):
    """struct xfrm_user_migrate; old, new: (source, destination)"""
    return (addr(old[1]) + addr(old[0]) + addr(new[1]) + addr(new[0]) +
            struct.pack("=BBHIHH", proto, mode, 0, reqid, family(old[0]), family(new[0])))


def algo(name, key, bits=None, icv=None):
    """struct xfrm_algo, or with icv one of the two longer ones"""
    bits = 8 * len(key) if bits is None else bits
    return name.encode().ljust(64, b"\0") + struct.pack("=I", bits) + (
        b"" if icv is None else struct.pack("=I", icv)) + key


def gcm(key=bytes(range(20))):
    return A_AEAD, algo("rfc4106(gcm(aes))", key, icv=128)


def cbc(key=bytes(range(16))):
    return [(A_CRYPT, algo("cbc(aes)", key)),
            (A_AUTH_TRUNC, algo("hmac(sha256)", bytes(32), icv=128))]


def encap(sport=4500, dport=4500, kind=2):
    return A_ENCAP, struct.pack("=H", kind) + struct.pack("!HH", sport, dport) + bytes(18)


def esn(window=64, words=2, oseq=0, seq=0, bitmap=None):
    return A_REPLAY_ESN, struct.pack("=6I", words, oseq & SEQ_MAX, seq & SEQ_MAX, oseq >> 32, seq >> 32,
                                     window) + (bytes(4 * words) if bitmap is None else bitmap)


def ae(spi=0x1000, dst="192.0.2.2", proto=ESP, flags=0):
    """struct xfrm_aevent_id"""
    return sa_id(spi, dst, proto) + bytes(16) + struct.pack("=II", flags, 0)


class Link(netlink.Link):
    """A socket of NETLINK_XFRM. Answers are (type, body)."""

    def __init__(self, protocol=NETLINK_XFRM):  # pylint: disable=super-init-not-called
        self.open(protocol)

    def message(self, cmd, body=b"", flags=REQUEST | ACK, *_, **__):
        self.seq += 1
        return struct.pack("=IHHII", 16 + len(body), cmd, flags, self.seq, 0) + body

    @staticmethod
    def answer(kind, body):
        return kind, body

    def ask(self, cmd, body=b"", pairs=(), flags=REQUEST | ACK):
        """Sends a request; returns the answers, or raises netlink.Refused."""
        answers, code, text = self.exchange(self.message(cmd, body + attrs(pairs), flags))
        if code:
            raise netlink.Refused(code, text)
        return answers

    def dump(self, cmd, pairs=()):
        return [body for _, body in self.ask(cmd, b"", pairs, REQUEST | DUMP)]
