# SPDX-License-Identifier: GPL-2.0-only
"""The grammar of espah's netlink messages, read from its header, and valid and invalid messages.

The header's first comment lists the attributes of each command, and the comments of the enums give the
type of each attribute. So these messages include additions to the header automatically.
"""
import re
import struct

import ipsec
import netlink
from netlink import NESTED, attr, be16, be32, name, nest, u8, u16, u32, u64

HEADER = ipsec.ROOT + "/include/uapi/linux/espah.h"
PREFIXES = ("SA", "POLICY", "SEL", "TMPL", "LIMIT", "CONFIG", "EXPLAIN", "APPLY")
IDENTITY = "SA_DIR SA_SPI SA_DST [SA_PROTO]"
NESTS = {"SA_SOFT": "LIMIT", "SA_HARD": "LIMIT", "SA_USED": "LIMIT", "POLICY_SELECTOR": "SEL", "POLICY_TEMPLATE": "TMPL",
         "TMPL_OUTER": "TMPL", "APPLY_POLICY": "POLICY"}
V4 = ("192.0.2.1", "192.0.2.2", "10.1.0.0", "10.2.0.0")
V6 = ("2001:db8::1", "2001:db8::2", "2001:db8:1::", "2001:db8:2::")
BORDERS = {
    1: (0, 1, 2, 3, 49, 50, 51, 52, 64, 127, 128, 255),
    2: (0, 1, 63, 64, 88, 255, 256, 1000, 4500, 32768, 65534, 65535),
    4: (0, 1, 2, 31, 32, 64, 65, 255, 256, 999, 1000, 32768, 32769, 0x7fffffff, 0x80000000, 0xffffffff),
    8: (0, 1, 2, 1000, 0xffffffff, 1 << 32, 1 << 33, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
}


class Grammar:
    """commands: {number: (name, needed attributes, others)}; attributes: {name: (number, type)}"""

    def __init__(self):
        with open(HEADER, encoding="ascii") as file:
            text = file.read()
        self.attributes, self.commands = {}, {}
        for enum in re.findall(r"enum espah_(\w+) \{\n(.*?)\n\};", text, re.S):
            body = re.sub(r"/\*.*?\*/", lambda match: re.sub(r"[\n*]|\b__", " ", match[0]), enum[1], flags=re.S)
            types = dict(re.findall(r"@ESPAH_(\w+):\s+(\S+)", body))
            names = re.findall(r"^\s*ESPAH_(\w+)\b(?! *=)", re.sub(r"/\*.*?\*/", "", enum[1], flags=re.S), re.M)
            if enum[0] == "cmd":
                self.numbers = {word[4:]: number for number, word in enumerate(names)}
            elif names and names[0].endswith("_UNSPEC") and names[0][:-7] in PREFIXES:
                for number, word in enumerate(names):
                    self.attributes[word] = number, types.get(word, "u32").strip(",:;")
        opening = text[:text.index("#ifndef")]
        for word, rest in re.findall(r"^ \* ESPAH_CMD_(\w+) +(.*(?:\n \* {20,}\S.*)*)", opening, re.M):
            if word not in self.numbers or word in ("ACQUIRE", "EXPIRE", "MAPPING", "AUDIT", "DROP"):
                continue
            rest = rest.replace("(identity)", IDENTITY)
            optional = {found for group in re.findall(r"\[(.*)\]", rest.replace("] [", "]\n["))
                        for found in re.findall(r"\b[A-Z]+_[A-Z_]+\b", group)}
            every = [found for found in re.findall(r"\b[A-Z]+_[A-Z_]+\b", rest) if found in self.attributes]
            needed = [found for found in dict.fromkeys(every) if found not in optional]
            self.commands[self.numbers[word]] = word, needed, [found for found in every if found in optional]
        # "as for DEL", which is not a list of attributes
        get, delete = self.numbers["POLICY_GET"], self.numbers["POLICY_DEL"]
        self.commands[get] = ("POLICY_GET", *self.commands[delete][1:])

    def of(self, prefix):
        return [word for word in self.attributes if word.startswith(prefix + "_") and not
                word.endswith(("_UNSPEC", "_PAD"))]


def damage(dice, pairs, how, at, kind, data):
    """Makes a mistake that any attribute of pairs may have; False: how is not the number of one."""
    if how == 0 and at < len(pairs):
        del pairs[at]
    elif how == 1:
        pairs.insert(dice.randrange(len(pairs) + 1), (kind, data))
    elif how == 2:
        pairs[at:at + 1] = [(kind, data[:dice.randrange(len(data) + 1)])]
    elif how == 3:
        pairs[at:at + 1] = [(kind, data[:20000] + dice.randbytes(dice.choice((1, 2, 3, 4, 8, 60, 4000))))]
    elif how == 6:
        pairs[at:at + 1] = [(kind ^ dice.choice((NESTED, 0x4000)), data)]
    else:
        return False
    return True


class Writer:
    """Random messages about a small number of objects, so that messages refer to the same objects."""

    def __init__(self, dice):
        self.dice, self.grammar = dice, Grammar()
        self.commands = sorted(self.grammar.commands)

    # --- values --------------------------------------------------------------------------------

    def value(self, word, message):
        """A value for an attribute; message: context that the values of other attributes must match."""
        dice, six = self.dice, message["six"]
        special = {
            "SA_DIR": lambda: u8(message["out"]), "POLICY_DIR": lambda: u8(message["out"]),
            "SA_PROTO": lambda: u8(message["proto"]), "TMPL_PROTO": lambda: u8(message["proto"]),
            "SA_MODE": lambda: u8(message["mode"]), "TMPL_MODE": lambda: u8(message["mode"]),
            "SA_SPI": lambda: be32(256 + dice.randrange(12)),
            "SA_REQID": lambda: u32(dice.randrange(3)), "TMPL_REQID": lambda: u32(dice.randrange(3)),
            "SA_ALG": lambda: name(message["algorithm"].name), "SA_KEY": lambda: message["key"],
            "SA_FLAGS": lambda: u32(dice.choice((0, 1, 1, 2, 4, 7, 8, 9))),
            "SA_WINDOW": lambda: u32(dice.choice((32, 64, 1024, 32768))),
            "SA_DF": lambda: u8(dice.randrange(3)), "SA_TTL": lambda: u8(dice.randrange(1, 256)),
            "SA_SEQ": lambda: u64(dice.choice((0, 1, (1 << 32) - 1, 1 << 32))),
            "SA_SEEN": lambda: dice.randbytes(dice.choice((8, 8, 128, 4096))),
            "SA_IV_MASK": lambda: dice.randbytes(8),
            "SA_DSCP": lambda: bytes(dice.choice((1, 64))),
            "SA_SPI_MIN": lambda: be32(dice.choice((256, 0x7000))),
            "SA_SPI_MAX": lambda: be32(dice.choice((267, 0x7003))),
            "SA_DUMMY": lambda: u32(3600000000), "SA_DUMMY_RANDOM": lambda: u32(3000000000),
            "SA_LABEL": lambda: name("label"), "POLICY_LABEL": lambda: name("a label"),
            "POLICY_ID": lambda: u32(dice.randrange(40)),
            "APPLY_DEL": lambda: u32(dice.randrange(40)), "APPLY_ADOPT": lambda: u32(dice.randrange(40)),
            "APPLY_DEFAULT_IN": lambda: u8(dice.randrange(2)),
            "APPLY_DEFAULT_OUT": lambda: u8(dice.randrange(2)),
            "SA_OWNER": lambda: u8(dice.randrange(3)), "POLICY_OWNER": lambda: u8(dice.randrange(3)),
            "CONFIG_OWNER": lambda: u8(dice.randrange(3)),
            "POLICY_ACTION": lambda: u8(message["action"]), "POLICY_PRIORITY": lambda: u32(dice.randrange(3)),
            "POLICY_MSS": lambda: u16(dice.choice((0, 1000, 65535))), "POLICY_PFP": lambda: u32(dice.choice((1, 3, 7))),
            "POLICY_QUEUE": lambda: u32(dice.choice((1, 64))),
            "SEL_FAMILY": lambda: u8(10 if six else 2), "SEL_PROTO": lambda: u8(message["protocol"]),
            "SEL_SRC": lambda: netlink.ip((V6 if six else V4)[2]), "SEL_DST": lambda: netlink.ip((V6 if six else V4)[3]),
            "SEL_SRC_LEN": lambda: u8(48 if six else 16), "SEL_DST_LEN": lambda: u8(48 if six else 16),
            "SEL_SPORT_MIN": lambda: be16(5), "SEL_SPORT_MAX": lambda: be16(dice.choice((5, 999))),
            "SEL_DPORT_MIN": lambda: be16(7), "SEL_DPORT_MAX": lambda: be16(dice.choice((7, 65535))),
            "SEL_SRC_RANGES": lambda: self.ranges(16 if six else 4), "SEL_DST_RANGES": lambda: self.ranges(16 if six else 4),
            "SEL_SPORT_RANGES": lambda: self.ranges(2), "SEL_DPORT_RANGES": lambda: self.ranges(2),
            "SEL_ICMP_TYPES": lambda: self.ranges(1), "SEL_ICMP_CODES": lambda: self.ranges(1),
            "SEL_MH_TYPES": lambda: self.ranges(1), "SEL_MARK": lambda: u32(1), "SEL_MARK_MASK": lambda: u32(0xff),
            "SEL_IFINDEX": lambda: u32(1),
            "CONFIG_DEFAULT_IN": lambda: u8(dice.randrange(2)), "CONFIG_DEFAULT_OUT": lambda: u8(dice.randrange(2)),
            "CONFIG_ICMP": lambda: u8(dice.randrange(2)),
            "EXPLAIN_DIR": lambda: u8(dice.randrange(2)), "EXPLAIN_PROTO": lambda: u8(dice.choice((6, 17))),
            "LIMIT_BYTES": lambda: u64(dice.choice((0, 1 << 20, 1 << 40))),
            "LIMIT_PACKETS": lambda: u64(dice.choice((0, 1000, 1 << 40))),
        }
        if word in NESTS:
            return self.nest(NESTS[word], message)
        if word in special:
            return special[word]()
        kind = self.grammar.attributes[word][1]
        if word.endswith(("_SRC", "_DST")):
            pair = (V6 if six else V4)[:2]
            return netlink.ip(pair[word.endswith("_DST") ^ message["out"]])
        if word.startswith("LIMIT_"):
            return u64(dice.choice((0, 100000, 0xffffffff)))
        if kind == "flag":
            return b""
        width = self.width(kind)
        return dice.choice(BORDERS[width])[0:0] if not width else self.number(width)

    @staticmethod
    def width(kind):
        return {"u8": 1, "u16": 2, "be16": 2, "u32": 4, "be32": 4, "s32": 4, "u64": 8}.get(kind, 4)

    def number(self, width):
        number = self.dice.choice(BORDERS[width]) if self.dice.random() < 0.7 else self.dice.getrandbits(8 * width)
        return number.to_bytes(width, self.dice.choice(("little", "big")))

    def ranges(self, width):
        bounds = sorted(self.dice.sample(range(1 << min(8 * width, 16)), 2 * self.dice.choice((1, 2, 9, 64))))
        top = {4: netlink.ip("10.2.0.0")[:2], 16: netlink.ip("2001:db8:2::")[:14]}.get(width, b"")
        return b"".join(top + bound.to_bytes(min(width, 2), "big") for bound in bounds)

    def nest(self, prefix, message, depth=0):
        words = self.grammar.of(prefix)
        if prefix == "TMPL":
            chosen = ["TMPL_MODE"] + ["TMPL_SRC", "TMPL_DST"] * (message["mode"] == netlink.TUNNEL)
            chosen += [word for word in ("TMPL_PROTO", "TMPL_REQID") if self.dice.random() < 0.5]
            chosen += [word for word in words if word not in chosen and word != "TMPL_OUTER" and
                       self.dice.random() < 0.05]
            body = nest(*((self.grammar.attributes[word][0], self.value(word, message)) for word in chosen))
            if self.dice.random() < 0.2 and depth < self.dice.choice((3, 3, 3, 20)):
                inner = self.nest(prefix, message | {"mode": netlink.TRANSPORT}, depth + 1)
                body += attr(self.grammar.attributes["TMPL_OUTER"][0] | NESTED, inner)
            return body
        if prefix == "SEL":
            chosen = self.dice.choice((["SEL_FAMILY"], ["SEL_SRC", "SEL_SRC_LEN"], ["SEL_DST", "SEL_DST_LEN"],
                                       ["SEL_FAMILY", "SEL_SRC_RANGES"], ["SEL_FAMILY", "SEL_DST_RANGES"],
                                       ["SEL_SRC", "SEL_SRC_LEN", "SEL_DST", "SEL_DST_LEN"]))
            ports = [["SEL_DPORT_MIN"], ["SEL_SPORT_MIN", "SEL_SPORT_MAX"], ["SEL_DPORT_RANGES"], ["SEL_OPAQUE"], []]
            more = {6: ports, 17: ports, 1: [["SEL_ICMP_TYPES"], ["SEL_ICMP_CODES"], []],
                    135: [["SEL_MH_TYPES"], []]}.get(message["protocol"], [[]])
            chosen = chosen + ["SEL_PROTO"] * bool(message["protocol"]) + self.dice.choice(more)
            chosen += [word for word in words if word not in chosen and self.dice.random() < 0.02]
        elif prefix == "POLICY":
            chosen = ["POLICY_DIR", "POLICY_ACTION", "POLICY_SELECTOR"]
            chosen += ["POLICY_TEMPLATE"] * (message["action"] == netlink.PROTECT)
            chosen += [word for word in words if word not in chosen and self.dice.random() < 0.05]
        else:
            chosen = [word for word in words if self.dice.random() < 0.4]
        return nest(*((self.grammar.attributes[word][0], self.value(word, message)) for word in chosen))

    # --- messages ------------------------------------------------------------------------------

    def right(self, command=None):
        """(command, attributes) that the grammar allows, and the module may accept"""
        dice = self.dice
        command = command or dice.choice(self.commands)
        if command == netlink.ALGO_GET and dice.random() < 0.9:  # slow, because it looks for modules
            command = netlink.SA_NEW
        _, needed, optional = self.grammar.commands[command]
        proto = dice.choice((50, 50, 50, 51))
        table = ipsec.AH if proto == 51 else ipsec.ALGORITHMS
        algorithm = table[dice.choice(sorted(table))]
        message = {"six": dice.random() < 0.3, "out": dice.randrange(2), "proto": proto, "algorithm": algorithm,
                   "mode": dice.randrange(2), "action": dice.choice((2, 2, 2, 1, 0)),
                   "protocol": dice.choice((0, 0, 6, 17, 1, 135)), "key": dice.randbytes(algorithm.key_len)}
        chosen = list(needed)
        if "POLICY_ID" in chosen and len(chosen) > 1:  # one or the other
            chosen = ["POLICY_ID"] if dice.random() < 0.5 else [word for word in chosen if word != "POLICY_ID"]
        likely = dice.choice((0.02, 0.1, 0.4))
        chosen += [word for word in optional if word not in chosen and dice.random() < likely]
        if "SA_ALG" in chosen and "SA_PROTO" not in chosen:
            chosen.append("SA_PROTO")
        if command == netlink.POLICY_NEW and message["action"] == netlink.PROTECT:
            chosen.append("POLICY_TEMPLATE")
        if command == netlink.SA_GET and "SA_SPI" not in chosen:
            chosen += ["SA_DIR", "SA_SPI", "SA_DST"]
        return command, [(self.kind(word), self.value(word, message)) for word in dict.fromkeys(chosen)]

    def kind(self, word):
        return self.grammar.attributes[word][0] | (NESTED if word in NESTS else 0)

    def spoil(self, pairs):
        """The same with mistakes."""
        dice, pairs = self.dice, list(pairs)
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            at = dice.randrange(len(pairs) + 1)
            kind, data = pairs[at] if at < len(pairs) else (dice.randrange(64), b"")
            how = dice.randrange(11)
            if damage(dice, pairs, how, at, kind, data):
                continue
            if how == 4:
                width = len(data) if len(data) in BORDERS else dice.choice((1, 2, 4, 8))
                pairs[at:at + 1] = [(kind, self.number(width))]
            elif how == 5:
                pairs.append((dice.choice((0, 63, 64, 255, 0x3fff, dice.getrandbits(14))), self.number(4)))
            elif how == 7:
                pairs[at:at + 1] = [(kind, dice.randbytes(len(data)))]
            elif how == 8 and kind & NESTED:
                pairs[at:at + 1] = [(kind, netlink.attrs(self.spoil(netlink.parse(data))))]
            elif how == 9:
                word = dice.choice(list(self.grammar.attributes))
                pairs.append((self.grammar.attributes[word][0], self.number(self.width(
                    self.grammar.attributes[word][1]))))
            else:
                dice.shuffle(pairs)
        return pairs

    def message(self, link, command, pairs, wrong):
        """Bytes to send, sometimes with mistakes in the headers."""
        dice, body = self.dice, netlink.attrs(pairs)
        flags = netlink.REQUEST | netlink.ACK
        if dice.random() < 0.2:
            flags |= netlink.ECHO
        if command in (netlink.SA_GET, netlink.POLICY_GET, netlink.ALGO_GET) and dice.random() < 0.5:
            flags |= netlink.DUMP
            if command == netlink.POLICY_GET and dice.random() < 0.7:
                body = b""
        if not wrong:
            return link.message(command, body, flags)
        how = dice.randrange(30)
        if how == 0:
            flags = netlink.REQUEST | netlink.ACK | dice.getrandbits(16)
        elif how == 1:
            body = body[:dice.randrange(len(body) + 1)]
        elif how == 2:
            body += dice.randbytes(dice.randrange(1, 9))
        elif how == 3:
            command = dice.getrandbits(8)
        message = link.message(command, body, flags, dice.choice((0,) * 20 + (1, 0xffff)))
        if how == 4:
            message = struct.pack("=I", dice.randrange(2 * len(message))) + message[4:]
        return message
