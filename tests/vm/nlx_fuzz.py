#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Valid and invalid messages to espah_xfrm, as netlink_fuzz.py sends them to espah's own family.

usage: tests/vm/nlx_fuzz.py [SECONDS] [--seed N]

Also policies of sockets (IP_XFRM_POLICY) and devices of kind xfrm. In each namespace there are an SA
and a policy of espah's own command, which nothing that comes by NETLINK_XFRM may change.
"""
import contextlib
import errno
import random
import socket
import struct
import subprocess
import sys

import grammar
import lab
import module
import netlink
import netlink_fuzz
import nlx
import stacks
from netlink import attr, be16, be32, name, u8, u16, u32, u64
from nlx import AH, ESP, INF, TRANSPORT, TUNNEL

COMMANDS = {number: word for word, number in vars(nlx).items() if word.isupper() and word in (
    "NEWSA", "DELSA", "GETSA", "NEWPOLICY", "DELPOLICY", "GETPOLICY", "ALLOCSPI", "ACQUIRE", "EXPIRE", "UPDPOLICY",
    "UPDSA", "POLEXPIRE", "FLUSHSA", "FLUSHPOLICY", "NEWAE", "GETAE", "MIGRATE", "GETSADINFO", "NEWSPDINFO",
    "GETSPDINFO", "SETDEFAULT", "GETDEFAULT")}
SIZES = {nlx.NEWSA: 224, nlx.DELSA: 24, nlx.GETSA: 24, nlx.NEWPOLICY: 168, nlx.DELPOLICY: 64, nlx.GETPOLICY: 64,
         nlx.ALLOCSPI: 232, nlx.ACQUIRE: 280, nlx.EXPIRE: 232, nlx.UPDPOLICY: 168, nlx.UPDSA: 224,
         nlx.POLEXPIRE: 176, nlx.FLUSHSA: 1, nlx.FLUSHPOLICY: 0, nlx.NEWAE: 48, nlx.GETAE: 48, nlx.MIGRATE: 64,
         nlx.GETSADINFO: 4, nlx.NEWSPDINFO: 4, nlx.GETSPDINFO: 4, nlx.SETDEFAULT: 3, nlx.GETDEFAULT: 3}
# errors of espah_xfrm, and those of XFRM that need no sentence
ANSWERS = {errno.EINVAL, errno.ERANGE, errno.EEXIST, errno.EPERM, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT,
           errno.ENOSYS, errno.ENOENT, errno.ENODEV}
PLAIN = {errno.ESRCH, errno.ENOENT, errno.ENODATA}
SOCKET_ANSWERS = {errno.EINVAL, errno.EOPNOTSUPP, errno.EMSGSIZE, errno.ENOBUFS, errno.EFAULT, errno.ENOMEM}
LINK_ANSWERS = {errno.EINVAL, errno.EEXIST, errno.EOPNOTSUPP, errno.ENODEV, errno.ERANGE, errno.EBUSY, errno.EMSGSIZE}
IP_XFRM_POLICY, IPV6_XFRM_POLICY = 17, 35
RTM_NEWLINK, RTM_DELLINK = 16, 17
IFLA_IFNAME, IFLA_LINKINFO = 3, 18
HOSTS = ("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("2001:db8::1", "2001:db8::2", "2001:db8::3")
NETS = ("10.1.0.0/16", "10.2.0.0/16", "0.0.0.0/0", "10.1.2.3/32"), ("2001:db8:1::/48", "2001:db8:2::/64", "::/0", "::1/128")
OWN_SPI, OWN_NET = 0x105, "10.77.0.0/16"  # of what espah's own command made


class Writer:
    """Random messages about few objects."""

    def __init__(self, dice):
        # the same selectors in each process
        self.dice = random.Random(0)
        self.selectors = [self.any_selector() for _ in range(8)]
        self.dice = dice

    # --- parts -----------------------------------------------------------------------------------

    def maybe(self, chance, *pairs):
        return list(pairs) if self.dice.random() < chance else []

    def hosts(self, six):
        return self.dice.sample(HOSTS[six][:2] if self.dice.random() < 0.8 else HOSTS[six], 2)

    def six(self):
        return self.dice.random() < 0.3

    def spi(self):
        return self.dice.choice((OWN_SPI, *range(0x100, 0x10a)))

    def identity(self):
        """(SPI, source, destination, protocol), which mostly follow from the SPI"""
        spi = self.spi()
        if self.dice.random() < 0.2:
            return spi, *self.hosts(self.six()), self.proto()
        hosts = HOSTS[spi % 4 == 3][:2]
        return spi, hosts[spi & 1], hosts[not spi & 1], AH if spi % 5 == 4 else ESP

    def proto(self):
        return self.dice.choice((ESP, ESP, ESP, AH))

    def lft(self):
        dice = self.dice
        return tuple(dice.choice((0, INF, INF, 1 << 20, 1 << 63)) for _ in range(4)) + tuple(
            dice.choice((0, 0, 0, 100000, 1 << 33)) for _ in range(4))

    def selector(self):
        return self.dice.choice(self.selectors) if self.dice.random() < 0.8 else self.any_selector()

    def any_selector(self):
        dice, six = self.dice, self.six()
        if dice.random() < 0.05:
            return nlx.selector(OWN_NET, "10.2.0.0/16")
        proto = dice.choice((0, 0, 0, 6, 17, 1))
        ports = [(0, 0), (0, 0)]
        if proto and dice.random() < 0.5:
            ports[dice.randrange(2)] = dice.choice(((53, 0xffff), (0, 0xff00), (8, 0xfff8)))
        return nlx.selector(dice.choice(NETS[six][:2]), dice.choice(NETS[six]), proto, *ports,
                            ifindex=dice.choice((0,) * 10 + (1,)))

    def template(self, six=None, inside=False):
        dice = self.dice
        six = self.six() if six is None else six
        hosts = self.hosts(six)
        mode = TRANSPORT if inside else dice.choice((TUNNEL, TUNNEL, TRANSPORT))
        if dice.random() < 0.05:
            hosts = ["::", "::"] if six else ["0.0.0.0", "0.0.0.0"]
        return nlx.template(*hosts, self.proto(), mode, dice.choice((0, 1, 1, 2)),
                            dice.choice((0, 0, 0, self.spi())), dice.choice((0,) * 20 + (1,)))

    def templates(self, six):
        count = self.dice.choice((1, 1, 1, 2, 3, 4))
        return b"".join(self.template(six, i > 0) for i in range(count))

    def algorithm(self, proto):
        dice = self.dice
        mac = dice.choice((("hmac(sha1)", 20, 96), ("hmac(sha256)", 32, 128), ("hmac(sha256)", 32, 96),
                           ("sha256", 32, 256), ("hmac(sha512)", 64, 256), ("cmac(aes)", 16, 96), ("hmac(sha1)", 16, 160)))
        auth = nlx.A_AUTH_TRUNC, nlx.algo(mac[0], dice.randbytes(mac[1]), icv=mac[2])
        if dice.random() < 0.2:
            auth = nlx.A_AUTH, nlx.algo(mac[0], dice.randbytes(mac[1]))
        if proto == AH:
            return [auth]
        if dice.random() < 0.5:
            aead = dice.choice((("rfc4106(gcm(aes))", 20, 128), ("rfc4106(gcm(aes))", 36, 64),
                                ("rfc7539esp(chacha20,poly1305)", 36, 128), ("rfc4543(gcm(aes))", 20, 128)))
            return [(nlx.A_AEAD, nlx.algo(aead[0], dice.randbytes(aead[1]), icv=aead[2]))]
        cipher = dice.choice((("cbc(aes)", 16), ("aes", 32), ("rfc3686(ctr(aes))", 20), ("ecb(cipher_null)", 0)))
        return [auth, (nlx.A_CRYPT, nlx.algo(cipher[0], dice.randbytes(cipher[1])))]

    def carried(self):
        dice = self.dice
        return struct.pack("=4Q", *(dice.choice((0, 1, 5000, 1 << 40, INF)) for _ in range(2)),
                           *(dice.choice((0, 1, 1 << 30, 1 << 34, INF)) for _ in range(2)))

    def esn(self):
        dice = self.dice
        words = dice.choice((1, 2, 2, 2, 128))
        number = dice.choice((0, 0, 1, 70, (1 << 32) - 1, 1 << 40, (1 << 64) - 2))
        return nlx.esn(dice.choice((32 * words, 32 * words, 1, 33)), words, number, number, dice.randbytes(4 * words))

    def replay(self):
        dice = self.dice
        return nlx.A_REPLAY, struct.pack("=3I", *(dice.choice((0, 1, 40, 0xffffffff)) for _ in range(3)))

    # --- messages --------------------------------------------------------------------------------

    def sa(self):
        dice, (spi, *hosts, proto) = self.dice, self.identity()
        pairs, flags, window = self.algorithm(proto), dice.choice((0, 1, 2, 4, 8, 16, 32, 64)), dice.choice((0, 1, 32))
        if dice.random() < 0.3:
            flags, window = flags | 128, 0
            pairs.append(self.esn())
        else:
            pairs += self.maybe(0.2, self.replay())
        if proto == AH:
            flags |= 64
        mode = dice.choice((TUNNEL, TUNNEL, TRANSPORT))
        if proto == ESP:
            pairs += self.maybe(0.15, nlx.encap(dice.choice((4500, 1, 65535)), dice.choice((4500, 500))))
            if mode == TUNNEL:
                pairs += self.maybe(0.1, (nlx.A_TFCPAD, u32(dice.choice((0, 100, 0xffffffff)))))
        pairs += self.maybe(0.3, (nlx.A_SA_DIR, u8(dice.choice((1, 2)))))
        pairs += self.maybe(0.1, (nlx.A_LTIME, self.carried()))
        pairs += self.maybe(0.1, (nlx.A_SET_MARK, u32(dice.getrandbits(32))), (nlx.A_SET_MARK_MASK, u32(dice.getrandbits(32))))
        pairs += self.maybe(0.1, (nlx.A_IF_ID, u32(dice.choice((0, 1, 2)))))
        pairs += self.maybe(0.05, (nlx.A_MARK, u32(1) + u32(dice.choice((0, 0, 1)))))
        pairs += self.maybe(0.05, (nlx.A_PCPU, u32(0)))
        pairs += self.maybe(0.05, (nlx.A_EXTRA_FLAGS, u32(dice.choice((1, 1, 2, 4)))))
        pairs += self.maybe(0.1, (nlx.A_REPLAY_THRESH, u32(5)), (nlx.A_ETIMER_THRESH, u32(dice.choice((1, 0xffffffff)))))
        sel = nlx.ANY if dice.random() < 0.6 else self.selector()
        return nlx.sa(spi, *hosts, proto, mode, dice.randrange(3), window, flags, self.lft(), sel), pairs

    def sa_id(self):
        spi, _, dst, proto = self.identity()
        return nlx.sa_id(spi, dst, proto)

    def policy(self):
        dice = self.dice
        six, way, action = self.six(), dice.choice((nlx.IN, nlx.OUT, nlx.FWD)), dice.choice((0, 0, 0, 1))
        lft = nlx.NOTHING if dice.random() < 0.95 else self.lft()
        pairs = self.maybe(0.8, (nlx.A_TMPL, self.templates(six))) + self.qualifiers()
        return nlx.policy(way, self.selector(), action, dice.randrange(3), dice.choice((0,) * 9 + (way | 8,)),
                          dice.choice((0, 1, 2)), lft=lft), pairs

    def qualifiers(self):
        dice = self.dice
        return (self.maybe(0.1, (nlx.A_MARK, u32(1) + u32(0xff))) + self.maybe(0.1, (nlx.A_IF_ID, u32(dice.choice((1, 2)))))
                + self.maybe(0.1, (nlx.A_POLICY_TYPE, bytes(6))))

    def policy_id(self):
        dice, way = self.dice, self.dice.randrange(3)
        index = dice.choice((0, 0, 0, dice.randrange(60) << 3 | way))
        return nlx.policy_id(self.selector(), index, way), self.qualifiers()

    def migrate(self):
        dice = self.dice
        body, pairs = nlx.policy_id(self.selector(), 0, dice.randrange(3)), self.qualifiers()
        six = self.six()
        entries = b"".join(nlx.migration(self.hosts(six), self.hosts(six ^ (dice.random() < 0.1)), self.proto(),
                                         dice.choice((TUNNEL, TUNNEL, TRANSPORT)), dice.choice((0, 0, 1, 2)))
                           for _ in range(dice.choice((1, 1, 2, 3, 6))))
        return body, [*pairs, (nlx.A_MIGRATE, entries)] + self.maybe(0.1, nlx.encap())

    def thresholds(self):
        pairs = [(3, bytes((24, 16))), (4, bytes((64, 32)))]
        return u32(0), pairs[:self.dice.randrange(3)]

    def event(self):
        """NEWAE"""
        dice = self.dice
        pairs = self.maybe(0.4, (nlx.A_LTIME, self.carried())) + self.maybe(0.4, self.replay()) + self.maybe(0.4, self.esn())
        return self.sa_id() + bytes(24), pairs + self.maybe(0.3, (nlx.A_REPLAY_THRESH, u32(dice.getrandbits(32))),
                                                            (nlx.A_ETIMER_THRESH, u32(9)))

    def right(self, command=None):
        """(command, fixed part, attributes) that XFRM's grammar allows"""
        dice = self.dice
        command = command or dice.choice(sorted(COMMANDS))
        if command in (nlx.FLUSHSA, nlx.FLUSHPOLICY) and dice.random() < 0.8:
            command = dice.choice((nlx.NEWSA, nlx.NEWPOLICY))
        if command in (nlx.NEWSA, nlx.UPDSA):
            body, pairs = self.sa()
        elif command in (nlx.DELSA, nlx.GETSA):
            body, pairs = self.sa_id(), self.maybe(0.1, (nlx.A_SRCADDR, nlx.addr("192.0.2.1")))
        elif command in (nlx.NEWPOLICY, nlx.UPDPOLICY):
            body, pairs = self.policy()
        elif command in (nlx.DELPOLICY, nlx.GETPOLICY):
            body, pairs = self.policy_id()
        elif command == nlx.ALLOCSPI:
            body, pairs = nlx.sa(0, *self.hosts(self.six()), proto=self.proto()) + u32(dice.choice((0, 0x100, 0x5000))) + \
                u32(dice.choice((0x109, 0x5003, 0xffffffff))), self.maybe(0.2, (nlx.A_SA_DIR, u8(1)))
        elif command == nlx.ACQUIRE:
            body, pairs = bytes(40) + self.selector() + self.policy()[0] + bytes(16), [(nlx.A_TMPL, self.template())]
        elif command == nlx.EXPIRE:
            body, pairs = self.sa()[0] + u8(dice.randrange(2)) + bytes(7), []
        elif command == nlx.POLEXPIRE:
            body, pairs = self.policy()[0] + u8(dice.randrange(2)) + bytes(7), self.qualifiers()
        elif command == nlx.FLUSHSA:
            body, pairs = u8(dice.choice((0, 255, ESP, AH, 108))), []
        elif command == nlx.FLUSHPOLICY:
            body, pairs = b"", self.maybe(0.3, (nlx.A_POLICY_TYPE, u8(dice.randrange(2)) + bytes(5)))
        elif command == nlx.NEWAE:
            body, pairs = self.event()
        elif command == nlx.GETAE:
            body, pairs = self.sa_id() + bytes(16) + u32(dice.choice((0, 3, 0xffffffff))) + bytes(4), []
        elif command == nlx.MIGRATE:
            body, pairs = self.migrate()
        elif command == nlx.NEWSPDINFO:
            body, pairs = self.thresholds()
        elif command == nlx.SETDEFAULT:
            way = dice.choice((0, 1, 2))
            body, pairs = bytes((way, way, dice.randrange(3))), []
        else:
            body, pairs = bytes(SIZES[command]), []
        return command, body, pairs

    # --- mistakes --------------------------------------------------------------------------------

    def spoil_bytes(self, data):
        """The same with some bytes or numbers changed."""
        data, dice = bytearray(data), self.dice
        for _ in range(dice.choice((1, 1, 2, 5))):
            if not data:
                break
            at = dice.randrange(len(data))
            if dice.random() < 0.5:
                data[at] = dice.choice((0, 1, 2, 3, 10, 127, 128, 129, 255, dice.getrandbits(8)))
            else:
                width = dice.choice((2, 4, 8))
                at -= at % width
                number = dice.choice((0, 1, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8, 1 << 63, INF))
                data[at:at + width] = number.to_bytes(8, "little")[:len(data[at:at + width])]
        return bytes(data)

    def spoil(self, pairs):
        dice, pairs = self.dice, list(pairs)
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            at = dice.randrange(len(pairs) + 1)
            kind, data = pairs[at] if at < len(pairs) else (dice.randrange(50), b"")
            how = dice.randrange(11)
            if grammar.damage(dice, pairs, how, at, kind, data):
                continue
            if how == 4:
                pairs[at:at + 1] = [(kind, (data * dice.choice((0, 2, 5, 7, 70)))[:20000])]  # lists of structs
            elif how == 5:
                pairs.append((dice.choice((0, 27, 36, 46, 47, 48, 0x3fff, dice.getrandbits(14))), u32(dice.getrandbits(32))))
            elif how == 7 and kind in (nlx.A_AUTH, nlx.A_CRYPT, nlx.A_AEAD, nlx.A_AUTH_TRUNC):
                pairs[at:at + 1] = [(kind, self.spoil_algo(data))]
            elif how == 8:
                other = dice.choice([self.sa, self.policy, self.migrate, self.event])()[1]
                pairs += other[:2]
            else:
                pairs[at:at + 1] = [(kind, self.spoil_bytes(data))]
        return pairs

    def spoil_algo(self, data):
        """A name without its end, a length that wraps, another name."""
        dice, how = self.dice, self.dice.randrange(4)
        if how == 0:
            return b"x" * 64 + data[64:]
        if how == 1:
            bits = dice.choice((0, 1, 7, 0xffffffff, 0xfffffff9, 0x80000000, 8 * len(data), 2 ** 31 - 1, 129))
            return data[:64] + u32(bits) + data[68:]
        if how == 2:
            return data[:68] + u32(dice.choice((0, 1, 8, 95, 97, 0x10000, 0xffffffff))) + data[72:]
        return dice.choice((b"digest_null", b"md5", b"hmac(md5)", b"deflate", b"", b"authenc(x", b"cbc(aes)", b"%s%n")
                           ).ljust(64, b"\0") + data[64:]

    def message(self, link, command, body, pairs, wrong):
        dice = self.dice
        flags = netlink.REQUEST | netlink.ACK
        if command == nlx.NEWAE:
            flags |= netlink.REPLACE
        if command in (nlx.GETSA, nlx.GETPOLICY) and dice.random() < 0.4:
            flags |= netlink.DUMP
            body = b""
            pairs = [(nlx.A_PROTO, u8(dice.choice((0, ESP, 255))))] if command == nlx.GETSA and dice.random() < 0.5 else []
            if command == nlx.GETSA and dice.random() < 0.5:
                pairs.append((nlx.A_ADDRESS_FILTER, nlx.addr("192.0.2.1") + nlx.addr("192.0.2.2") + u16(
                    dice.choice((0, 2, 10, 77))) + bytes(dice.choice(((32, 32), (0, 0), (128, 129), (255, 0), (33, 7))))))
        if wrong:
            if dice.random() < 0.7:
                pairs = self.spoil(pairs)
            if dice.random() < 0.4:
                body = self.spoil_bytes(body)
            how = dice.randrange(30)
            if how == 0:
                flags = netlink.REQUEST | netlink.ACK | dice.getrandbits(16)
            elif how == 1:
                body, pairs = body[:dice.randrange(len(body) + 1)], []
            elif how == 2:
                command = dice.choice((dice.getrandbits(16), dice.randrange(16, 48)))
        body += bytes(-len(body) % 4) if pairs else b""
        rest = netlink.attrs(pairs)
        if wrong and dice.random() < 0.05:
            rest = dice.choice((rest[:dice.randrange(len(rest) + 1)], rest + dice.randbytes(dice.randrange(1, 9))))
        message = link.message(command, body + rest, flags)
        if wrong and dice.random() < 0.03:
            message = struct.pack("=I", dice.randrange(2 * len(message))) + message[4:]
        return message


class Fuzzer(netlink_fuzz.Fuzzer):
    WRITER, LINK, DUMPS = Writer, nlx.Link, (nlx.GETSA, nlx.GETPOLICY)
    READ, SHORTEST = (nlx.GETDEFAULT, bytes(3)), 16

    def __init__(self, seed):
        super().__init__(seed)
        self.sockets, self.devices = [], nlx.Link(0)

    @classmethod
    def names(cls):
        return [*COMMANDS.values(), "socket", "device"]

    def name(self, command):
        return COMMANDS.get(command, "?")

    @staticmethod
    def flushed():
        link = nlx.Link()
        link.ask(nlx.FLUSHPOLICY)
        link.ask(nlx.FLUSHSA, u8(0))
        link.ask(nlx.SETDEFAULT, bytes((2, 2, 2)))
        lab.equal(len(link.dump(nlx.GETSA)), 1, "SAs after a flush")
        lab.equal(len(link.dump(nlx.GETPOLICY)), 1, "policies after a flush")
        Own().check()
        netlink.clear(netlink.Link())

    @staticmethod
    def lasts(message):
        """Whether an SA does not expire."""
        lft = struct.unpack("=8Q", message[nlx.SA_LIMITS:nlx.SA_LIMITS + 64])
        return lft[1] in (0, INF) and lft[3] in (0, INF) and not lft[5] and not lft[7]

    @staticmethod
    def still(message, counters, end):
        """A message of a dump without what changes by itself."""
        pairs = [pair for pair in netlink.parse(message[end:]) if pair[0] != nlx.A_LASTUSED]
        return message[:counters.start], message[counters.stop:end], pairs

    def snapshot(self):
        return ([self.still(sa, nlx.SA_COUNTERS, nlx.SA_END) for sa in self.link.dump(nlx.GETSA) if self.lasts(sa)],
                [self.still(pol, nlx.POLICY_COUNTERS, nlx.POLICY_END) for pol in self.link.dump(nlx.GETPOLICY)],
                self.link.ask(nlx.GETDEFAULT, bytes(3)), self.link.ask(nlx.GETSPDINFO, u32(0)))

    def make(self):
        command, body, pairs = self.writer.right()
        return command, self.writer.message(self.link, command, body, pairs, self.dice.random() < 0.4)

    @staticmethod
    def plain(message, code):
        """XFRM, too, has no sentence for a message that is not one, and for what is not there."""
        length, kind = struct.unpack("=IH", message[:6])
        short = length < 16 + SIZES.get(kind, 1 << 20)
        dump = kind in (nlx.GETSA, nlx.GETPOLICY) and int.from_bytes(message[6:8], "little") & netlink.DUMP
        nameless = kind in (nlx.GETSA, nlx.DELSA)
        return code in PLAIN or code == errno.EINVAL and (short or dump or nameless)

    @staticmethod
    def has_reason(command, message, code, text):
        lab.true(code in ANSWERS, f"{COMMANDS.get(command, command)} got {code} {text!r}: {message.hex()}")
        lab.true(text, f"{COMMANDS.get(command, command)} was refused without a sentence, {code}: {message.hex()}")

    # --- other interfaces ------------------------------------------------------------------------

    def socket_policy(self):
        dice = self.dice
        six = dice.random() < 0.4
        way = dice.randrange(2) if dice.random() < 0.9 else dice.randrange(256)
        data = nlx.policy(way, nlx.selector(*("::/0", "::/0") if six else ("0.0.0.0/0", "0.0.0.0/0")))
        if dice.random() < 0.5:
            data = self.writer.spoil_bytes(data) + dice.choice((b"", self.writer.template(), bytes(dice.randrange(9000))))
            data = data[:dice.choice((len(data), dice.randrange(len(data) + 1)))]
        level, option = (socket.IPPROTO_IPV6, IPV6_XFRM_POLICY) if six else (socket.IPPROTO_IP, IP_XFRM_POLICY)
        if len(self.sockets) > 5:
            self.sockets.pop(dice.randrange(len(self.sockets))).close()
        sock = dice.choice(self.sockets) if self.sockets and dice.random() < 0.3 else socket.socket(
            socket.AF_INET6 if six or dice.random() < 0.2 else socket.AF_INET, socket.SOCK_DGRAM)
        if sock not in self.sockets:
            self.sockets.append(sock)
        self.count("socket policies")
        length = len(data) if dice.random() < 0.95 else dice.choice((-1, 0, 1 << 30, -(1 << 31), 4096, 4097))
        if netlink.libc.setsockopt(sock.fileno(), level, option, data, length):
            code = netlink.ctypes.get_errno()
            # an IPv6 option on a socket of IPv4
            lab.true(code in SOCKET_ANSWERS or code == errno.ENOPROTOOPT and six, f"setsockopt: {code}: {data.hex()}")
        else:
            self.count("accepted: socket")
        with contextlib.suppress(OSError):
            sock.sendto(b"x", ("::1" if sock.family == socket.AF_INET6 else "127.0.0.1", 9))

    def device(self):
        dice = self.dice
        data = [(2, u32(dice.choice((0, 1, 1, 2, 3)))), *self.writer.maybe(0.5, (1, u32(dice.choice((0, 1, 99)))))]
        if dice.random() < 0.3:
            data = self.writer.spoil([pair for pair in data if dice.random() < 0.8] + self.writer.maybe(0.3, (3, b"")))
        kind = RTM_DELLINK if dice.random() < 0.3 else RTM_NEWLINK
        info = attr(1, name("xfrm")) + b"".join(self.writer.maybe(0.95, attr(2, netlink.attrs(data))))
        body = bytes(16) + attr(IFLA_IFNAME, name(f"xf{dice.randrange(3)}")) + attr(IFLA_LINKINFO, info)
        flags = netlink.REQUEST | netlink.ACK | (dice.choice((0x400, 0x600, 0)) if kind == RTM_NEWLINK else 0)
        self.count("messages about devices")
        _, code, text = self.devices.exchange(self.devices.message(kind, body, flags))
        if not code:
            self.count("accepted: device")
        lab.true(code in (0, None) or code in LINK_ANSWERS, f"device: {code} {text!r}: {body.hex()}")

    def step(self, alone):
        if alone and self.own is None:
            self.own = Own()
        kind = self.dice.random()
        if kind < 0.03:
            self.socket_policy()
        elif kind < 0.035:
            self.device()
        elif kind < 0.045 and alone:
            self.own.check()
        else:
            super().step(alone)

    own = None

    def run(self, until, alone):
        if alone:
            subprocess.run(["ip", "addr", "add", "192.0.2.1/32", "dev", "lo"], check=True)
        Own.make()
        super().run(until, alone)
        for sock in self.sockets:
            sock.close()


class Own:
    """What espah's own command made."""

    @staticmethod
    def make():
        link = netlink.Link()
        with contextlib.suppress(netlink.Refused):  # two processes share a namespace
            link.ask(netlink.SA_NEW, netlink.sa(SPI=be32(OWN_SPI), REQID=u32(1)))
            link.ask(netlink.POLICY_NEW, netlink.policy(PRIORITY=u32(1), SELECTOR=netlink.nest(
                (netlink.S_SRC, netlink.ip("10.77.0.0")), (netlink.S_SRC_LEN, u8(16)),
                (netlink.S_DST, netlink.ip("10.2.0.0")), (netlink.S_DST_LEN, u8(16)))))

    def __init__(self):
        self.link = netlink.Link()
        self.first = self.seen()

    def seen(self):
        moving = netlink.PMTU, netlink.PACKETS, netlink.BYTES, netlink.DROPS
        sas = [[pair for pair in sa if pair[0] not in moving] for sa in self.link.dump(netlink.SA_GET, [(netlink.SHOW_KEYS, b"")])]
        policies = [[pair for pair in pol if pair[0] not in (netlink.P_PACKETS, netlink.P_BYTES, netlink.P_DROPS)]
                    for pol in self.link.dump(netlink.POLICY_GET)]
        return ([sa for sa in sas if netlink.LABEL not in dict(sa)],
                [pol for pol in policies if netlink.P_LABEL not in dict(pol)])

    def check(self):
        seen = self.seen()
        lab.equal((len(seen[0]), len(seen[1])), (1, 1), "own SAs and policies")
        lab.equal(seen, self.first, "what espah's own command made")


def main():
    given = netlink_fuzz.options(30)
    stacks.espah()
    netlink_fuzz.fuzz(Fuzzer, given)
    with lab.verdict("fuzz: espah_xfrm and espah can be unloaded, and loaded again"):
        stacks.remove("espah_xfrm", "espah")
        module.load()
    print(f"summary: {lab.Results.ok} passed, {lab.Results.failed} failed", flush=True)
    sys.exit(lab.Results.failed != 0)


if __name__ == "__main__":
    main()
