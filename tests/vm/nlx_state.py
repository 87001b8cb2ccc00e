#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`ip xfrm state' over XFRM and over espah_xfrm: what it prints, its errors, and events, compared."""
import difflib
import errno
import re
import struct
import subprocess
import time

import ip_xfrm
import lab
import nlx
import stacks
from ip_xfrm import ip
from ipsec import CLI, Espah
from netlink import ACK, REQUEST, attr, u32
from nlx import (A_ADDRESS_FILTER, A_AEAD, A_AUTH, A_AUTH_TRUNC, A_CRYPT, A_ENCAP, A_ETIMER_THRESH, A_LTIME, A_PROTO,
                 A_REPLAY, A_REPLAY_ESN, A_REPLAY_THRESH, ALLOCSPI, DELSA, EXPIRE, FLUSHSA, GETAE, GETSA,
                 GETSADINFO, NEWAE, NEWSA, UPDSA, addr)

OUT = "src 192.0.2.1 dst 198.51.100.1"
IN = "src 198.51.100.1 dst 192.0.2.1"
FAR = "src 198.51.100.1 dst 203.0.113.1"  # neither address is local
SIX = "src 2001:db8::1 dst 2001:db8:1::1"
GCM = f"aead rfc4106(gcm(aes)) 0x{'01' * 20} 128"
CBC = f"enc aes 0x{'02' * 16}"
SHA256 = f"auth-trunc sha256 0x{'03' * 32} 128"
ESP = f"proto esp reqid 5 mode tunnel {GCM}"


def gcm(bits, icv):
    return f"proto esp mode tunnel aead rfc4106(gcm(aes)) 0x{'0a' * (bits // 8 + 4)} {icv}"


# name: commands of `ip xfrm'; one that starts with ! may fail, with the same status
CASES = {
    "out, in, both, IPv6": [
        f"state add {OUT} spi 0x1001 {ESP}", f"state add {IN} spi 0x1002 {ESP}",
        f"state add {FAR} spi 0x1003 {ESP}", f"state add {SIX} spi 0x1004 {ESP}",
        f"state get {OUT} proto esp spi 0x1001", f"state get {FAR} proto esp spi 0x1003",
        f"!state add {FAR} spi 0x1003 {ESP}", f"!state add {OUT} spi 0x1001 {ESP}",
        f"!state get {OUT} proto esp spi 0x2001", f"!state delete {OUT} proto ah spi 0x1001",
        "state list proto esp", "state list reqid 5", "state list spi 0x1002",
        "state list src 198.51.100.1", "state list dst 198.51.100.1/24", "state list src 2001:db8::/32",
        "state count", f"state delete {FAR} proto esp spi 0x1003",
        f"!state delete {FAR} proto esp spi 0x1003", "state count"],
    "AEAD algorithms": [
        f"state add {OUT} spi {0x2000 + i} {words}" for i, words in enumerate(
            [gcm(bits, icv) for bits in (128, 192, 256) for icv in (64, 96, 128)] +
            [f"proto esp mode transport aead rfc4309(ccm(aes)) 0x{'0b' * 19} 128",
             f"proto esp mode transport aead rfc4309(ccm(aes)) 0x{'0b' * 35} 64",
             f"proto esp mode transport aead rfc4543(gcm(aes)) 0x{'0c' * 20} 128",
             f"proto esp mode transport aead rfc7539esp(chacha20,poly1305) 0x{'0d' * 36} 128"])],
    "ciphers and integrity": [
        f"state add {IN} spi {0x3000 + i} proto esp mode tunnel {auth} {enc}" for i, (auth, enc) in enumerate([
            (SHA256, CBC), (f"auth sha1 0x{'04' * 20}", CBC), (f"auth sha1 0x{'04' * 16}", CBC),
            (f"auth sha256 0x{'04' * 32}", f"enc cbc(aes) 0x{'05' * 32}"),
            (f"auth hmac(sha256) 0x{'04' * 16}", f"enc cbc(aes) 0x{'05' * 24}"),
            (f"auth-trunc hmac(sha384) 0x{'06' * 48} 192", CBC), (f"auth hmac(sha512) 0x{'06' * 64}", CBC),
            (f"auth-trunc hmac(sha512) 0x{'06' * 80} 256", CBC),
            (f"auth-trunc xcbc(aes) 0x{'06' * 16} 96", CBC), (f"auth-trunc cmac(aes) 0x{'06' * 16} 96", CBC),
            (SHA256, f"enc rfc3686(ctr(aes)) 0x{'07' * 20}"), (SHA256, f"enc rfc3686(ctr(aes)) 0x{'07' * 36}"),
            (SHA256, "enc cipher_null 0x"), (f"auth sha256 0x{'08' * 32}", "enc ecb(cipher_null) 0x")])],
    "AH": [
        f"state add {OUT} spi 0x4001 proto ah mode transport auth sha1 0x{'04' * 20}",
        f"state add {IN} spi 0x4002 proto ah mode tunnel flag align4 {SHA256}",
        f"state add {SIX} spi 0x4003 proto ah mode tunnel {SHA256}",
        f"state add {OUT} spi 0x4004 proto ah mode transport auth sha256 0x{'04' * 32}",
        f"!state add {OUT} spi 0x4005 proto ah mode transport {GCM}",
        "state list proto ah", "state flush proto esp", "state count", "state flush proto ah", "state count"],
    "flags and the rest": [
        f"state add {IN} spi 0x5001 {ESP} flag noecn flag decap-dscp replay-window 16",
        f"state add {OUT} spi 0x5002 {ESP} flag nopmtudisc flag icmp flag wildrecv",
        f"state add {OUT} spi 0x5003 {ESP} extra-flag dont-encap-dscp", f"state add {IN} spi 0x5004 {ESP} "
        "flag af-unspec", f"state add {IN} spi 0x5005 {ESP} sel src 10.1.0.0/16 dst 10.2.0.0/16 proto tcp",
        f"state add {IN} spi 0x5006 {ESP} sel src 2001:db8::/32 dst ::/0",
        f"state add {OUT} spi 0x5007 {ESP} seq 0x77", f"state add {OUT} spi 0x5008 {ESP} if_id 0x2a",
        f"state add {OUT} spi 0x5009 {ESP} output-mark 0x5", f"state add {OUT} spi 0x500a {ESP} "
        "output-mark 0x5 mask 0xf", f"state add {OUT} spi 0x500b {ESP} tfcpad 1000",
        f"state add {OUT} spi 0x500c {ESP} mark 0 mask 0"],
    "marks": [
        f"state add {OUT} spi 0x5101 {ESP} mark 0x10 mask 0xf0", f"state add {IN} spi 0x5102 {ESP} mark 7",
        f"state add {FAR} spi 0x5103 {ESP} mark 0 mask 0xff", f"state add {OUT} spi 0x5104 {ESP} mark 0x300 mask 0xff",
        f"!state get {OUT} proto esp spi 0x5101", f"!state get {OUT} proto esp spi 0x5101 mark 0x20 mask 0xf0",
        f"state get {OUT} proto esp spi 0x5101 mark 0x15", f"state get {FAR} proto esp spi 0x5103",
        f"!state add {OUT} spi 0x5101 {ESP} mark 0x1f", f"!state update {OUT} spi 0x5101 {ESP}",
        f"state update {OUT} spi 0x5101 {ESP} mark 0x10 mask 0xf0 limit packet-hard 9",
        f"!state delete {IN} proto esp spi 0x5102 mark 8", f"state delete {IN} proto esp spi 0x5102 mark 7",
        f"state delete {FAR} proto esp spi 0x5103"],
    "ESP in UDP": [
        f"state add {IN} spi 0x6001 {ESP} encap espinudp 4500 4501 0.0.0.0",
        f"state add {OUT} spi 0x6002 {ESP} encap espinudp 4500 4500 192.0.2.9",
        f"state update {IN} spi 0x6001 {ESP} encap espinudp 4502 4501 0.0.0.0",
        f"!state update {IN} spi 0x6001 {ESP}"],
    "sequence numbers and windows": [
        f"state add {IN} spi 0x7001 {ESP} replay-window 32 replay-seq 0x30 replay-oseq 7",
        f"state add {IN} spi 0x7002 {ESP} replay-window 64 flag esn",
        f"state add {IN} spi 0x7003 {ESP} replay-window 128 flag esn replay-seq 0x5 replay-seq-hi 3",
        f"state add {OUT} spi 0x7004 {ESP} replay-oseq 0x99",
        f"state add {OUT} spi 0x7005 {ESP} replay-window 32 flag esn replay-oseq 0x99 replay-oseq-hi 1",
        f"state add {IN} spi 0x7006 {ESP} replay-window 100", f"!state add {IN} spi 0x7007 {ESP} flag esn",
        f"state add {FAR} spi 0x7008 {ESP} replay-window 32 replay-seq 9 replay-oseq 8",
        f"state add {IN} spi 0x7009 {ESP} replay-window 1", f"state add {IN} spi 0x700a {ESP}"],
    "lifetimes, updates": [
        f"state add {IN} spi 0x8001 {ESP} limit time-soft 1000 limit time-hard 2000 limit byte-soft 500000 "
        "limit byte-hard 600000 limit packet-soft 5 limit packet-hard 6 limit time-use-soft 7000 "
        "limit time-use-hard 8000", f"state update {IN} spi 0x8001 {ESP} limit packet-hard 9",
        f"state add {FAR} spi 0x8002 {ESP}", f"state update {FAR} spi 0x8002 {ESP} limit time-hard 3600",
        f"!state update {IN} spi 0x8003 {ESP}", f"state add {OUT} spi 0x8004 {ESP}",
        f"state update {OUT} spi 0x8004 {ESP} output-mark 9"],
    "an SPI, then its keys": [
        f"state allocspi {IN} proto esp mode tunnel reqid 5 min 0x9001 max 0x9001",
        f"state allocspi {SIX} proto ah min 0x9002 max 0x9002", "state",
        f"!state add {IN} spi 0x9001 {ESP}", f"state update {IN} spi 0x9001 {ESP} replay-window 32",
        f"!state allocspi {IN} proto esp min 0x9003 max 0x9002", f"state delete {SIX} proto ah spi 0x9002"],
    "deleteall": [
        f"state add {FAR} spi 0xa001 {ESP}", f"state add {OUT} spi 0xa002 {ESP}",
        f"state deleteall {OUT}", "state count", "state deleteall", "state count"],
    "bad input": [
        f"!state add {OUT} spi 0xb001 proto esp mode tunnel enc aes 0x{'02' * 15} {SHA256}",
        f"!state add {OUT} spi 0xb002 proto esp mode tunnel enc nonsense 0x{'02' * 16} {SHA256}",
        f"!state add {OUT} spi 0xb003 proto esp mode tunnel aead rfc4106(gcm(aes)) 0x{'02' * 20} 120",
        f"!state add {OUT} spi 0xb004 proto esp mode tunnel aead nonsense 0x{'02' * 20} 128",
        f"!state add {OUT} spi 0xb005 proto esp mode tunnel auth-trunc sha256 0x{'02' * 32} 512 {CBC}",
        f"!state add {OUT} spi 0xb006 proto esp mode tunnel auth nonsense 0x{'02' * 32} {CBC}",
        f"!state add {OUT} spi 0xb007 proto esp mode tunnel {SHA256}",
        f"!state add {OUT} spi 0xb008 proto esp mode tunnel {GCM} {SHA256}",
        f"!state add {OUT} spi 0xb009 proto esp mode transport {GCM} tfcpad 100",
        f"!state add {OUT} spi 0xb00a proto esp mode transport {GCM} sel src ::/0 dst ::/0",
        f"!state add {OUT} spi 0xb00b proto esp mode tunnel", f"!state add {OUT} spi 0xb00c proto ah"],
}
# commands that XFRM takes and espah refuses, and a part of its sentence
REFUSED = {
    f"state add {OUT} spi 0xc001 proto esp mode tunnel {CBC}": "without integrity",
    f"state add {OUT} spi 0xc002 proto esp mode tunnel {CBC} auth digest_null 0x": "without integrity",
    f"state add {OUT} spi 0xc003 proto esp mode tunnel enc des3_ede 0x{'01' * 24} {SHA256}": "no cipher",
    f"state add {OUT} spi 0xc004 proto esp mode tunnel {CBC} auth md5 0x{'01' * 16}": "no integrity algorithm",
    f"state add {OUT} spi 0xc005 proto esp mode tunnel {CBC} auth-trunc sha256 0x{'01' * 32} 64": "96 bits",
    f"state add {OUT} spi 0xc007 {ESP} extra-flag oseq-may-wrap": "wrap",
    f"state add {OUT} spi 0xc008 proto esp mode beet {GCM}": "transport mode only",
    f"state add {OUT} spi 0xc009 proto comp mode transport comp deflate": "ESP and AH",
    f"state add {OUT} spi 0xc00a proto ah mode tunnel {SHA256}": "align4",
    f"state add {OUT} spi 0xc00b {ESP} encap espintcp 1 2 0.0.0.0": "not in TCP",
    f"state add {OUT} spi 0xc00c {ESP} encap espinudp 0 4500 0.0.0.0": "both ports",
}


def box():
    lab.delete_all()
    ns = lab.Netns("box")
    ns.ip("link set lo up\naddress add 192.0.2.1/32 dev lo\naddress add 2001:db8::1/128 dev lo nodad")
    return ns


def story(commands):
    return ip_xfrm.story(box(), commands, ["SA", "expire"],
                         ("state", "-s state", "-d state", "-s state count"), ["state flush"])


def compare(got, want):
    """Names the lines that differ."""
    for one, other in zip(got, want):
        if one != other:
            raise lab.Failed(f"'{other[0]}': " + "; ".join(
                line for line in difflib.ndiff(*(sum((str(part).splitlines() for part in seen), [])
                                                 for seen in (other, one))) if line[0] in "+-"))


# --- traffic ------------------------------------------------------------------------------


def pair_up(options):
    """Two hosts with ESP in transport mode between them."""
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    for ns, own, other in ((a, "10.9.0.1", "10.9.0.2"), (b, "10.9.0.2", "10.9.0.1")):
        ns.ip(f"address add {own}/24 dev eth0\nlink set eth0 up")
        for src, dst, spi in ((own, other, own[-1]), (other, own, other[-1])):
            words = f"state add src {src} dst {dst} proto esp spi 0x{spi}01 reqid 5 mode transport {CBC} {SHA256} {options}"
            lab.equal(ip(ns, words)[0], 0, words)
        for way, src, dst in (("out", own, other), ("in", other, own)):
            words = f"policy add src {src} dst {dst} dir {way} tmpl proto esp reqid 5 mode transport"
            lab.equal(ip(ns, words)[0], 0, words)
    return a, b


def tear_down(*hosts):
    for ns in hosts:
        ip(ns, "state flush")
        ip(ns, "policy flush")
    lab.delete_all()


def traffic():
    """What SAs tell after some packets: sequence numbers, the window, packets, and limits that are reached."""
    a, b = pair_up("replay-window 32 limit packet-soft 3 limit packet-hard 6")
    with a:
        monitor = subprocess.Popen(["stdbuf", "-oL", "ip", "xfrm", "monitor", "SA", "expire"],
                                   stdout=subprocess.PIPE, text=True)
        lab.wait_for(stacks.listening, "the monitor")
    a.run("ping", "-c", "5", "-i", "0.2", "-W", "2", "10.9.0.2")
    seen = [("state", ip(a, "state")[1]), ("state of the peer", ip(b, "state")[1])]
    seen.append(("packets", re.findall(r"\), (\d+)\(packets\)", ip(a, "-s state")[1])))
    a.run("ping", "-c", "2", "-i", "0.2", "-W", "1", "10.9.0.2", check=False)
    time.sleep(1.5)
    # XFRM's SA ends with the packet after the last that it may carry, espah's with that packet: so the
    # inbound SA, which gets no more, ends in espah only
    seen.append(("outbound SAs left", re.findall(r"spi 0x00000101", ip(a, "state")[1])))
    monitor.terminate()
    told = re.findall(r"spi (\S+).*?\thard (\d)", monitor.communicate()[0], re.DOTALL)
    seen.append(("expirations", sorted(told[:2]), [hard for spi, hard in told if spi == "0x00000101"]))
    tear_down(a, b)
    return seen


# --- messages that `ip xfrm' does not send ------------------------------------------------

def usersa(spi=0xd001, **words):
    return nlx.sa(spi, "198.51.100.1", "192.0.2.1", **{"reqid": 5, "window": 0, **words})


def algo(kind, name, key, icv=None, bits=None):
    return attr(kind, nlx.algo(name, key, bits, icv))


def esn(window=32, words=1, bmp=None, seq=0, oseq=0):
    bitmap = b"".join(map(u32, bmp)) if bmp else bytes(4 * words if words < 4096 else 0)
    return attr(*nlx.esn(window, words, oseq, seq, bitmap))


def sa_id(spi=0xd001, **words):
    return nlx.sa_id(spi, "192.0.2.1", **words)


def ae(spi=0xd001, flags=0):
    return nlx.ae(spi, "192.0.2.1", flags=flags)


KEYED = algo(A_AEAD, "rfc4106(gcm(aes))", b"\1" * 20, 128)


class Raw:
    def __init__(self, ns):
        with ns:
            self.link = nlx.Link()

    def ask(self, kind, data, flags=0):
        """Return: the errno of the answer, and the messages before it."""
        answers, code, _ = self.link.exchange(self.link.message(kind, data, REQUEST | ACK | flags))
        return code, answers


def attrs_of(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack("HH", data[:4])
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


MESSAGES = {
    "an SA": (NEWSA, usersa() + KEYED), "the same again": (NEWSA, usersa() + KEYED),
    "an SA without keys": (NEWSA, usersa(spi=1)), "without a fixed part": (NEWSA, b"\0" * 8),
    "family 0": (NEWSA, usersa(spi=2, af=0) + KEYED), "family 99": (NEWSA, usersa(spi=2, af=99) + KEYED),
    "protocol 0": (NEWSA, usersa(spi=3, proto=0) + KEYED), "protocol 6": (NEWSA, usersa(spi=3, proto=6) + KEYED),
    "mode 9": (NEWSA, usersa(spi=4, mode=9) + KEYED),
    "AH with AEAD": (NEWSA, usersa(spi=5, proto=51) + KEYED),
    "a key longer than its attribute": (NEWSA, usersa(spi=6) + algo(A_AEAD, "rfc4106(gcm(aes))", b"\1" * 20, 128, bits=168)),
    "a key of 2^32 - 8 bits": (NEWSA, usersa(spi=6) + algo(A_AEAD, "rfc4106(gcm(aes))", b"\1" * 20, 128, bits=2**32 - 8)),
    "an integrity key longer than its attribute": (
        NEWSA, usersa(spi=6) + algo(A_AUTH_TRUNC, "hmac(sha256)", b"\1" * 32, 128, bits=264) + algo(A_CRYPT, "cbc(aes)", b"\1" * 16)),
    "a cipher key longer than its attribute": (
        NEWSA, usersa(spi=6) + algo(A_AUTH_TRUNC, "hmac(sha256)", b"\1" * 32, 128) + algo(A_CRYPT, "cbc(aes)", b"\1" * 16, bits=136)),
    "an algorithm cut short": (NEWSA, usersa(spi=7) + attr(A_AEAD, b"rfc4106(gcm(aes))")),
    "a name without end": (NEWSA, usersa(spi=8) + algo(A_AEAD, "r" * 64, b"\1" * 20, 128)),
    "ESN without a window": (NEWSA, usersa(spi=9, flags=128) + KEYED),
    "ESN with a window of 0": (NEWSA, usersa(spi=9, flags=128) + KEYED + esn(0)),
    "a bitmap of 129 words": (NEWSA, usersa(spi=9, flags=128) + KEYED + esn(32, 129)),
    "a bitmap of 2^27 words": (NEWSA, usersa(spi=9, flags=128) + KEYED + esn(32, 2**27)),
    "a window beyond its bitmap": (NEWSA, usersa(spi=9, flags=128) + KEYED + esn(33, 1)),
    "a bitmap that is not there": (NEWSA, usersa(spi=9, flags=128) + KEYED + attr(A_REPLAY_ESN, struct.pack("6I", 1, 0, 0, 0, 0, 32))),
    "two windows": (NEWSA, usersa(spi=9, flags=128, window=32) + KEYED + esn()),
    "replay state cut short": (NEWSA, usersa(spi=9) + KEYED + attr(A_REPLAY, b"\0" * 8)),
    "encapsulation cut short": (NEWSA, usersa(spi=10) + KEYED + attr(A_ENCAP, b"\0" * 8)),
    "encapsulation 77": (NEWSA, usersa(spi=10) + KEYED + attr(A_ENCAP, struct.pack("H", 77) + b"\1" * 22)),
    "AH in UDP": (NEWSA, usersa(spi=10, proto=51) + algo(A_AUTH, "hmac(sha1)", b"\1" * 20) +
                  attr(A_ENCAP, struct.pack("=H", 2) + b"\1" * 22)),
    "a selector of family 99": (NEWSA, usersa(spi=11, sel=b"\0" * 40 + struct.pack("H", 99) + b"\0" * 14) + KEYED),
    "a prefix of 33 bits": (NEWSA, usersa(spi=11, sel=b"\0" * 40 + struct.pack("HBB", 2, 33, 0) + b"\0" * 12) + KEYED),
    "an update of none": (UPDSA, usersa(spi=12) + KEYED),
    "deletion of none": (DELSA, sa_id(12)), "deletion in family 99": (DELSA, sa_id(af=99)),
    "deletion of protocol 43 without source": (DELSA, sa_id(proto=43)),
    "query of none": (GETSA, sa_id(12)), "query cut short": (GETSA, b"\0" * 8),
    "SPIs from high to low": (ALLOCSPI, usersa(spi=0) + struct.pack("II", 9, 8)),
    "an SPI of protocol 6": (ALLOCSPI, usersa(spi=0, proto=6) + struct.pack("II", 8, 9)),
    # XFRM leaves a larval SA without SPI behind, espah does not
    "an SPI that is taken": (ALLOCSPI, usersa(spi=0) + struct.pack("II", 0xd001, 0xd001)),
    "expiry of none": (EXPIRE, usersa(spi=12) + struct.pack("B7x", 1)),
    "NEWAE without attributes": (NEWAE, ae()), "NEWAE without NLM_F_REPLACE": (NEWAE, ae() + attr(A_LTIME, b"\0" * 32)),
    "GETAE of none": (GETAE, ae(12)), "FLUSHSA cut short": (FLUSHSA, b""), "GETSADINFO cut short": (GETSADINFO, b""),
    "a type beyond all": (99, b"\0" * 64), "soft expiry": (EXPIRE, usersa() + struct.pack("B7x", 0)),
    "hard expiry": (EXPIRE, usersa() + struct.pack("B7x", 1)), "query after it": (GETSA, sa_id()),
}


def errors():
    raw = Raw(box())
    seen = {name: errno.errorcode.get(raw.ask(*message)[0], 0) for name, message in MESSAGES.items()}
    lab.delete_all()
    return seen


def events():
    """Sequence numbers, windows and counters: given with an SA, changed, and read."""
    raw = Raw(box())
    seen = []
    cases = [
        attr(A_REPLAY, struct.pack("III", 3, 40, 0xa5a5a5a5)), attr(A_REPLAY, struct.pack("III", 0, 40, 0)),
        attr(A_REPLAY, struct.pack("III", 0, 5, 0x15)), attr(A_REPLAY_THRESH, struct.pack("I", 7)) + attr(A_ETIMER_THRESH, struct.pack("I", 500)),
        attr(A_LTIME, struct.pack("4Q", 1000, 10, 1700000000, 1700000100))]
    long = [esn(64, 2, [0x80000001, 0x12345678], seq=2 << 32 | 100, oseq=1 << 32 | 9),
            esn(40, 2, [0xffffffff, 0xff], seq=77), esn(128, 4, [1, 2, 3, 4], seq=300)]
    for number, (given, flags) in enumerate([(case, 0) for case in cases] + [(case, 128) for case in long]):
        spi = 0xe000 + number
        status, _ = raw.ask(NEWSA, usersa(spi=spi, flags=flags, window=0 if flags else 32) + KEYED + given)
        lab.equal(status, 0, f"status of {number}")
        found = attrs_of(raw.ask(GETAE, ae(spi, 0x3f))[1][0][1][48:])
        if A_LTIME in found and given[2:4] != struct.pack("H", A_LTIME):
            found[A_LTIME] = found[A_LTIME][:16]  # without times
        seen.append((number, found))
    for spi, state in ((0xe000, attr(A_REPLAY, struct.pack("III", 9, 80, 0xff))),
                       (0xe005, esn(64, 2, [1, 2], seq=2 << 32 | 200, oseq=1 << 32 | 10)),
                       (0xe005, esn(32, 1)), (0xe006, attr(A_LTIME, struct.pack("4Q", 5, 6, 1700000000, 0)))):
        status, _ = raw.ask(NEWAE, ae(spi) + state, 0x100)
        seen.append((hex(spi), status, attrs_of(raw.ask(GETAE, ae(spi, 0x3f))[1][0][1][48:])
                     if not status else None))
        if seen[-1][2] and state[2:4] != struct.pack("H", A_LTIME):
            seen[-1][2][A_LTIME] = seen[-1][2][A_LTIME][:16]
    lab.delete_all()
    return seen


def filters():
    """SPIs that dumps with filters give, in order."""
    ns = box()
    raw = Raw(ns)
    for words in (f"{OUT} spi 0xf001 {ESP}", f"{IN} spi 0xf002 {ESP}", f"{SIX} spi 0xf003 {ESP}",
                  f"{OUT} spi 0xf004 proto ah mode transport auth sha1 0x{'04' * 20}"):
        lab.equal(ip(ns, f"state add {words}")[0], 0, words)

    def spis(data):
        status, answers = raw.ask(GETSA, data, 0x300)
        return status, [hex(struct.unpack("!I", message[72:76])[0]) for kind, message in answers]

    def address_filter(src, dst, family, splen, dplen):
        return attr(A_ADDRESS_FILTER, addr(src) + addr(dst) + struct.pack("HBB", family, splen, dplen))
    seen = [spis(data) for data in (
        b"", attr(A_PROTO, b"\x33"), attr(A_PROTO, b"\x32"), attr(A_PROTO, b"\xff"), attr(A_PROTO, b"\0"),
        address_filter("192.0.2.1", "0.0.0.0", 2, 32, 0), address_filter("0.0.0.0", "192.0.2.0", 2, 0, 24),
        address_filter("192.0.2.1", "198.51.100.1", 0, 32, 32), address_filter("0.0.0.0", "0.0.0.0", 10, 0, 0))]
    lab.delete_all()
    return seen


def main():
    stacks.xfrm()
    over_xfrm = {name: story(commands) for name, commands in CASES.items()}
    raw = errors(), events(), filters(), traffic()
    stacks.espah()
    for name, commands in CASES.items():
        with lab.verdict(f"ip xfrm state, {name}: the same over XFRM and espah"):
            compare(story(commands), over_xfrm[name])
    with lab.verdict("messages that ip xfrm does not send have the same error numbers"):
        got = errors()
        lab.equal({name: got[name] for name in got if got[name] != raw[0][name]},
                  {name: raw[0][name] for name in got if got[name] != raw[0][name]}, "errors")
    with lab.verdict("GETAE and NEWAE: sequence numbers, windows and counters are the same"):
        for want, got in zip(raw[1], events()):
            lab.equal(got, want, "state")
    with lab.verdict("after some packets: sequence numbers, windows, limits and events are the same"):
        compare(traffic(), raw[3])
    with lab.verdict("dumps with filters give the same SAs in the same order"):
        lab.equal(filters(), raw[2], "SPIs")


@lab.test("what espah cannot do is refused, with a sentence, and nothing changes")
def refused():
    ip_xfrm.refused(box(), REFUSED, "state")


@lab.test("SAs of espah's own command are listed, survive a flush, and cannot be changed")
def own():
    ns = box()
    key = "01" * 20
    Espah.batch(ns, [f"sa add in spi 0x777 src 198.51.100.1 dst 192.0.2.1 tunnel aes128gcm16 key {key} reqid 5"])
    ip(ns, f"state add {OUT} spi 0x778 {ESP}")
    listed = ip(ns, "state")[1]
    lab.true("0x00000777" in listed and f"aead rfc4106(gcm(aes)) 0x{key} 128" in listed, listed)
    for command in (f"state delete {IN} proto esp spi 0x777", f"state update {IN} spi 0x777 {ESP}"):
        status, _, err = ip(ns, command)
        lab.true(status == 2 and "espah sa" in err, f"{command}: {status} {err}")
    # NETLINK_XFRM has no word for the classes of an SA
    with ns:
        said = lab.run(CLI, "sa", "set", "out", "spi", "0x778", "dst", "198.51.100.1", "for-dscp", "ef", check=False)
    lab.true(said.returncode == 1 and "NETLINK_XFRM, which has no classes" in said.stderr, said.stderr)
    ip(ns, "state flush")
    left = ip(ns, "state")[1]
    lab.true("0x00000777" in left and "0x00000778" not in left, left)
    # an outbound SA of the daemon with the id of the administrator's inbound one
    lab.equal(ip(ns, f"state add {OUT} spi 0x77b {ESP}")[0], 0, "adding it")
    Espah.batch(ns, [f"sa add in spi 0x77b src 192.0.2.1 dst 198.51.100.1 tunnel aes128gcm16 key {key[2:]}03 reqid 5"])
    lab.equal(ip(ns, f"state delete {OUT} proto esp spi 0x77b")[0], 0, "deletion of the daemon's own SA")
    lab.equal([sa["spi"] for sa in Espah.sas(ns, "out")], [], "outbound SAs")
    Espah.batch(ns, ["sa flush"])


@lab.test("an SA for both directions is one for ip xfrm, and two for espah")
def both():
    ns = box()
    ip(ns, f"state add {FAR} spi 0x779 {ESP}")
    lab.equal(sorted(sa["dir"] for sa in Espah.json(ns, "sa", "list")), ["in", "out"], "directions")
    lab.equal(ip(ns, "state")[1].count("spi 0x00000779"), 1, "SAs of ip xfrm")
    ip(ns, f"state delete {FAR} proto esp spi 0x779")
    lab.equal(Espah.json(ns, "sa", "list"), [], "SAs after a deletion")


if __name__ == "__main__":
    main()
    lab.main()
