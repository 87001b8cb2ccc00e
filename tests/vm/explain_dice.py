# SPDX-License-Identifier: GPL-2.0-only
"""A random configuration of a gateway, and random packets that meet it."""
import dataclasses
import hashlib
import hmac
import ipaddress
import struct

from explain_place import (FAR, FAR_VIA, FAR_VRF, IF_IDS, INSIDE, NEAR, NEXT, NOWHERE, OTHER, OUTSIDE, OWN, VRF,
                           family)
from gateway import AH, ESP, ICMP, ICMPV6, PORTS, SCTP, TCP, UDP, Flow, header
from ipsec import AH as AH_ALGORITHMS
from ipsec import ALGORITHMS, SA, Espah

NULL, AH_SHA = ALGORITHMS["null-sha256"], AH_ALGORITHMS["sha256"]
NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6", SCTP: "sctp"}
DPORTS = (53, 80, 443, 500, 4500, 8000, 8001, 8002, 8003, 8004)
SPORTS = ((1000, 1999), (20000, 29999), (50000, 59999))
TYPES = {ICMP: (8, 8, 0, 13, 3, 11), ICMPV6: (128, 128, 129, 133, 134, 135, 136, 1, 3, 143)}
ERRORS = {ICMP: (3, 11, 12), ICMPV6: (1, 2, 3, 4)}
MARKS = (1, 2, 0x11)
# addresses between which tunnels are: the own device, the family, and the peer's address
ENDS = [(device, v, OWN[v][device], NEXT[v][device]) for device in OUTSIDE for v in (4, 6)]


# --- protected packets -------------------------------------------------------------------------

def esp(sa, next_header, payload, seq):
    pad = -(len(payload) + 2) % 4
    body = struct.pack("!II", sa.spi, seq) + payload + bytes(range(1, pad + 1)) + bytes([pad, next_header])
    return body + hmac.digest(sa.key, body, hashlib.sha256)[:16]


def ah(sa, next_header, payload, seq, head):
    """head: the IP header before AH, with its length; its mutable fields do not count (RFC 4302 3.3.3.1)."""
    if head[0] >> 4 == 4:
        still = head[:1] + b"\0" + head[2:6] + b"\0\0\0" + head[9:10] + b"\0\0" + head[12:]
    else:
        still = b"\x60\0\0\0" + head[4:7] + b"\0" + head[8:]
    size = 12 + 16 + (4 if head[0] >> 4 == 6 else 0)
    words = size // 4 - 2
    fixed = struct.pack("!BBHII", next_header, words, 0, sa.spi, seq)
    icv = hmac.digest(sa.key, still + fixed + bytes(size - 12) + payload, hashlib.sha256)[:16]
    return fixed + icv + bytes(size - 28) + payload


def protect(sa, packet, seq):
    """The packet as the sender of an SA would send it."""
    v, src, dst = packet[0] >> 4, sa.src, sa.dst
    if sa.mode == "tunnel":
        following, payload = (4 if v == 4 else 41), packet
    elif v == 4:
        following, payload = packet[9], packet[20:]
    else:
        following, payload = packet[6], packet[40:]
    if sa.algorithm.proto == "esp":
        body = esp(sa, following, payload, seq)
        if sa.encap:
            body = struct.pack("!HHHH", *sa.encap, 8 + len(body), 0) + body
        return header(src, dst, UDP if sa.encap else ESP, len(body)) + body
    size = len(payload) + (28 if family(src) == 4 else 32)
    head = header(src, dst, AH, size)
    return head + ah(sa, following, payload, seq, head)


# --- what is configured -----------------------------------------------------------------------

@dataclasses.dataclass
class Template:
    """The SA that a policy wants."""
    src: str
    dst: str
    mode: str
    reqid: int
    proto: str = "esp"
    device: str = ""  # a's uplink
    if_id: int = 0

    def words(self, named=True):
        ends = f" {self.src} {self.dst}" if self.mode == "tunnel" or named else ""
        return f"{self.proto} {self.mode}{ends} reqid {self.reqid}"

    def back(self):
        return dataclasses.replace(self, src=self.dst, dst=self.src)


@dataclasses.dataclass
class Has:
    """An SA of a."""
    sa: SA
    direction: str
    template: Template
    seq: int = 0       # of the last packet that its peer sent
    lives: bool = True

    def line(self):
        return Espah.sa_line(self.direction, self.sa)


@dataclasses.dataclass
class Rule:
    """A rule of nft: what it matches, and what it does."""
    chain: str
    proto: int
    dports: tuple
    verdict: str       # drop, notrack, mark, snat, masquerade, dnat
    value: object = None
    device: str = ""   # iif, or oif of source NAT
    v: int = 0         # 0: both families

    def text(self):
        words = []
        if self.device:
            words.append(f'{"oifname" if self.chain == "postrouting" else "iifname"} "{self.device}"')
        if self.v:
            words.append(f"meta nfproto ipv{self.v}")
        if self.proto in PORTS:
            words.append(f"{NAMES[self.proto]} dport {self.dports[0]}-{self.dports[1]}")
        elif self.proto:
            words.append(f"meta l4proto {self.proto}")
        kind = "ip" if self.v == 4 else "ip6"
        end = {"mark": f"meta mark set {self.value}", "snat": f"snat {kind} to {self.value}",
               "dnat": f"dnat {kind} to {self.value}"}.get(self.verdict, self.verdict)
        return " ".join([*words, "counter", end])

    def matches(self, flow, device):
        return ((not self.device or self.device == device) and self.v in (0, family(flow.src)) and
                self.proto in (0, flow.proto) and
                (self.proto not in PORTS or self.dports[0] <= flow.dport <= self.dports[1]))


CHAINS = {  # the rules' chain: (hook, type, priority)
    "raw": ("prerouting", "filter", -300), "mangle_pre": ("prerouting", "filter", -150),
    "dstnat": ("prerouting", "nat", -100), "input": ("input", "filter", 0), "forward": ("forward", "filter", 0),
    "mangle_fwd": ("forward", "filter", -150), "dstnat_out": ("output", "nat", -100),
    "raw_out": ("output", "filter", -300), "output": ("output", "filter", 0),
    "postrouting": ("postrouting", "nat", 100), "mangle_post": ("postrouting", "filter", -150)}


@dataclasses.dataclass
class Hint:
    """What packets a policy selects, besides others."""
    v: int
    direction: str
    vrf: bool = False
    device: str = "lan"  # by which packets from near come
    near: str = ""
    far: str = ""
    proto: int = 0
    dport: int = 0
    sports: tuple = None
    kind: int = None
    uplink: str = ""


@dataclasses.dataclass
class Config:
    lines: list = dataclasses.field(default_factory=list)
    sas: list = dataclasses.field(default_factory=list)
    rules: list = dataclasses.field(default_factory=list)
    icmp: bool = False      # errors in clear pass
    direct: bool = False

    def nft(self):
        text = ""
        for chain, (hook, kind, priority) in CHAINS.items():
            rules = [rule for rule in self.rules if rule.chain == chain]
            if rules:
                text += f"chain {chain} {{\ntype {kind} hook {hook} priority {priority};\n"
                text += "\n".join(rule.text() for rule in rules) + "\n}\n"
        return f"table inet t {{\n{text}}}\n" if text else ""


class Dice:
    """Draws configurations and packets; random: an instance of random.Random"""

    def __init__(self, random):
        self.random = random
        self.choice, self.randrange = random.choice, random.randrange
        self.spi = 0x1000
        self.number = 0
        self.hints = []

    def chance(self, share):
        return self.random.random() < share

    def draw(self):
        config = Config()
        lines = config.lines
        self.hints = []
        if self.chance(0.25):
            lines.append("default in discard")
        if self.chance(0.25):
            lines.append("default out discard")
        if self.chance(0.2):
            config.icmp = True
            lines.append("default icmp bypass")
        if self.chance(0.2):
            config.direct = True
            lines.append("config direct on")
        wanted = []
        for _ in range(self.randrange(8, 30)):
            lines.append(self.policy(wanted))
        for template, direction in wanted:
            self.associations(config, template, direction)
        self.firewall(config)
        return config

    # --- policies ---

    def address(self, base):
        number = self.randrange(1, 16)
        return f"{base}{number:x}" if ":" in base else f"{base}{number}"

    def side(self, base, other):
        """The addresses of a selector, and one of them; other: one besides base."""
        one = self.address(base)
        prefix = str(ipaddress.ip_address(one) - 1), str(ipaddress.ip_address(one) + 2)
        kind = self.randrange(8)
        if kind == 0:
            return "any", one
        if kind == 1:
            return other, other
        if kind == 2:
            return one, one
        if kind == 3:
            return f"{prefix[0]}-{prefix[1]}", one
        bits = self.choice((28, 24, 16, 16, 8) if ":" not in base else (124, 64, 32, 16, 16))
        return str(ipaddress.ip_network((one, bits), strict=False)), one

    def own(self, v, vrf):
        return OWN[v][self.choice(VRF if vrf else ("lan", "br0", "wan", "wan2"))]

    def select(self, hint, link):
        """The words of a selector; fills in the hint."""
        v, vrf = hint.v, hint.vrf
        hint.device = "lanr" if vrf else self.choice(("lan", "lan", "br0"))
        far = FAR_VRF[v] if vrf else FAR[v][FAR_VIA.index(link)] if link and self.chance(0.8) else \
            self.choice(FAR[v][:2] + FAR[v][:2] + FAR[v])
        sides = [self.side(NEAR[v][hint.device], self.own(v, vrf)),
                 self.side(far, NEXT[v]["wanr" if vrf else self.choice(("wan", "wan2"))])]
        hint.near, hint.far = sides[0][1], sides[1][1]
        words = [side for side, _ in (sides if hint.direction != "in" else sides[::-1])]
        words.append("inet" if v == 4 else "inet6")
        proto = hint.proto = self.choice((0, 0, UDP, UDP, TCP, SCTP, OTHER, ICMP if v == 4 else ICMPV6))
        if proto:
            words.append(f"proto {proto}")
        if proto in PORTS and self.chance(0.6):
            low = hint.dport = self.choice(DPORTS)
            words.append("dport " + self.choice((f"{low}", f"{low}-{low + 2}", f"7,{low},8100-8200")))
        if proto in PORTS and self.chance(0.25):
            low, high = hint.sports = self.choice(SPORTS)
            words.append(f"sport {self.choice((f'{low}-{high}', '0-1023', f'{low + 300}-{high}'))}")
        if proto in TYPES and self.chance(0.5):
            hint.kind = self.choice(TYPES[proto])
            words.append(f"type {hint.kind}" + " code 0" * self.chance(0.3))
        if self.chance(0.12):
            words.append(self.choice(("mark 1", "mark 0x10/0xf0", "mark 2/3", "mark 0/1")))
        words.append(f"priority {self.choice((10, 20, 30, 40, 1000))}")
        return words

    def policy(self, wanted):
        hint = Hint(self.choice((4, 4, 6)), self.choice(("in", "out", "out", "both")))
        self.hints.append(hint)
        v, direction = hint.v, hint.direction
        action = self.choice(("protect", "protect", "protect", "bypass", "discard"))
        link = self.choice(list(IF_IDS)) if action != "bypass" and self.chance(0.35) else ""
        hint.vrf = not link and self.chance(0.2)
        words = self.select(hint, link)
        if link:
            words.append(f"if-id {IF_IDS[link]}")
        elif self.chance(0.15) and direction != "both":
            words.append(f"dev {self.choice(INSIDE + OUTSIDE + ('red',) + OUTSIDE)}")
        if action != "protect":
            return f"policy add {direction} {' '.join(words)} {action}"
        templates = self.templates(v, IF_IDS.get(link, 0))
        hint.uplink = templates[0].device
        if templates[0].mode == "transport" and not link:
            # transport mode is for a's own packets
            device = templates[0].device
            own, peer = OWN[v][device], NEXT[v][device]
            words[:2] = [peer, own] if direction == "in" else [own, peer]
            hint.near, hint.far, hint.vrf = own, peer, device in VRF
        if direction == "in":
            templates = [template.back() for template in templates]
        for template in templates:
            wanted.append((template, "in" if direction == "in" else "out"))
            if direction == "both":
                wanted.append((template.back(), "in"))
        named = self.chance(0.5) or len(templates) > 1 or link
        text = " ".join(template.words(named) for template in templates)
        return f"policy add {direction} {' '.join(words)} protect {text}"

    def templates(self, v, if_id):
        device, outer, own, peer = self.choice(ENDS)
        proto = "ah" if self.chance(0.2) else "esp"
        first = Template(own, peer, "tunnel", self.randrange(1, 4), proto, device, if_id)
        if self.chance(0.04):
            first.dst = NOWHERE[outer]
        if not if_id and self.chance(0.2):
            device = self.choice(OUTSIDE)
            first = Template(OWN[v][device], NEXT[v][device], "transport", self.randrange(1, 4), proto, device)
        if self.chance(0.08):
            other = "ah" if first.proto == "esp" else "esp"
            return [first, dataclasses.replace(first, mode="transport", proto=other, reqid=first.reqid + 4)]
        return [first]

    # --- SAs ---

    def associations(self, config, template, direction):
        """SAs that a policy could use, or nearly."""
        if any(has.template == template and has.direction == direction for has in config.sas) and self.chance(0.8):
            return
        kind = self.random.random()
        if kind < 0.1:
            return
        changes, count = {}, 1
        if kind < 0.3:
            changes = self.nearly(template)
        elif kind < 0.38:
            count = 2
        for _ in range(count):
            has = Has(self.association(dataclasses.replace(template, **changes), direction), direction, template)
            config.sas.append(has)
            config.lines.append(has.line())

    def nearly(self, template):
        changes = self.choice(("reqid", "mode", "dst", "swapped", "proto", "if_id", "reqid mode"))
        made = {}
        if "reqid" in changes:
            made["reqid"] = template.reqid + 20
        if "mode" in changes:
            made["mode"] = "transport" if template.mode == "tunnel" else "tunnel"
        if changes == "dst":
            made["dst"] = str(ipaddress.ip_address(template.dst) + 64)
        if changes == "swapped":
            made.update(src=template.dst, dst=template.src)
        if changes == "proto":
            made["proto"] = "ah" if template.proto == "esp" else "esp"
        if changes == "if_id":
            made["if_id"] = 0 if template.if_id else 42
        return made

    def association(self, template, direction):
        self.spi += 1
        options = []
        encap = None
        if template.proto == "esp" and self.chance(0.06):
            encap = (4500, 4500)
        if self.chance(0.06):
            options.append(self.choice(("mark 1", "mark 0x10/0xf0")))
        elif self.chance(0.08):
            options.append(f"set-mark {self.choice(MARKS)}")
        elif direction == "in" and template.mode == "tunnel" and not encap and self.chance(0.05):
            options.append("hard packets 1")
        return SA(self.spi, template.src, template.dst, template.mode,
                  AH_SHA if template.proto == "ah" else NULL, template.reqid, if_id=template.if_id,
                  key=self.random.randbytes(32), encap=encap, extra=" ".join(options),
                  seq=0xffffffff if direction == "out" and self.chance(0.05) else 0)

    # --- the firewall ---

    def firewall(self, config):
        for chain, share, kinds in (
                ("raw", 0.15, ("notrack",)), ("mangle_pre", 0.25, ("mark", "mark", "drop")),
                ("dstnat", 0.25, ("dnat",)),
                ("mangle_fwd", 0.2, ("mark",)), ("forward", 0.25, ("drop",)), ("input", 0.25, ("drop",)),
                ("raw_out", 0.1, ("notrack",)), ("output", 0.2, ("drop", "mark")), ("dstnat_out", 0.2, ("dnat",)),
                ("mangle_post", 0.15, ("mark",)), ("postrouting", 0.5, ("snat", "masquerade"))):
            if self.chance(share):
                config.rules += [self.rule(chain, self.choice(kinds)) for _ in range(self.randrange(1, 3))]

    def rule(self, chain, verdict):
        proto = self.choice((0, UDP, UDP, TCP, OTHER))
        if verdict == "drop" and chain != "input" or verdict in ("snat", "masquerade", "dnat"):
            proto = self.choice((UDP, UDP, TCP))  # conntrack knows only these apart by flow
        low = self.choice(DPORTS)
        rule = Rule(chain, proto, (low, low + self.choice((0, 2, 300))), verdict)
        if verdict == "mark":
            rule.value = self.choice(MARKS)
        elif verdict in ("snat", "masquerade", "dnat"):
            rule.v = self.choice((4, 4, 6))
            if self.chance(0.5):
                rule.dports = (0, 65535)
            rule.device = self.choice(("wan", "wan", "wan2", "ipsec0", "wanr")) if chain == "postrouting" else \
                self.choice(("lan", "wan", "br0")) if chain == "dstnat" else ""
            if verdict == "masquerade" and rule.device not in OUTSIDE:
                verdict = rule.verdict = "snat"  # such a device has no address
            if verdict == "snat":
                own = OWN[rule.v][rule.device if rule.device in OUTSIDE else "wan"]
                rule.value = self.choice((own, NEAR[rule.v]["lan"] + "1"))
            if verdict == "dnat":
                rule.value = NEAR[rule.v]["lan"] + "9" if rule.device == "wan" else \
                    self.choice(FAR[rule.v]) + str(self.randrange(1, 9))
        return rule

    # --- packets ---

    def hint(self):
        """What to draw a packet by: mostly what a policy selects."""
        if self.hints and self.chance(0.6):
            return self.choice(self.hints)
        v, vrf = self.choice((4, 4, 6)), self.chance(0.2)
        device = "lanr" if vrf else self.choice(("lan", "lan", "br0"))
        hint = Hint(v, self.choice(("in", "out", "both")), vrf, device)
        hint.near = self.own(v, vrf) if self.chance(0.4) else self.address(NEAR[v][hint.device])
        hint.far = self.address(FAR_VRF[v] if vrf else self.choice(FAR[v][:2] + FAR[v]))
        if self.chance(0.3):
            hint.far = NEXT[v]["wanr" if vrf else self.choice(("wan", "wan2"))]
        return hint

    def flow(self):
        """(kind, flow, the device by which it comes, mark of a's socket)"""
        hint = self.hint()
        v = hint.v
        into = hint.direction == "in" or hint.direction == "both" and self.chance(0.5)
        kind = self.choice(("wire", "by sa", "by sa")) if into else \
            "own" if hint.near in OWN[v].values() else "forward"
        uplink = hint.uplink or ("wanr" if hint.vrf else self.choice(("wan", "wan2")))
        if hint.vrf != (uplink == "wanr") and kind == "wire":
            uplink = "wanr" if hint.vrf else "wan"
        flow = self.upper(hint, kind)
        if into:
            flow.src, flow.dst = hint.far, hint.near
            if kind == "wire" and self.chance(0.08):
                flow.src = self.own(v, hint.vrf)  # somebody claims an address of a
        return kind, flow, {"forward": hint.device, "own": "red" if hint.vrf else ""}.get(kind, uplink), \
            self.choice((0, 0, 0, *MARKS)) if kind == "own" else 0

    def upper(self, hint, kind):
        v, near, far = hint.v, hint.near, hint.far
        icmp = ICMP if v == 4 else ICMPV6
        proto = hint.proto or self.choice((UDP, UDP, UDP, UDP, TCP, TCP, SCTP, OTHER, icmp, icmp))
        self.number += 1
        low, high = hint.sports or self.choice(SPORTS)
        flow = Flow(near, far, proto, low + self.number % (high - low), hint.dport or self.choice(DPORTS + (9,)))
        if self.chance(0.2):
            flow.dport = self.choice(DPORTS)
        if proto in TYPES:
            flow.kind = self.choice(TYPES[proto]) if hint.kind is None else hint.kind
            if proto == ICMPV6 and 133 <= flow.kind <= 137:
                flow.hops = self.choice((255, 64))
            if flow.kind in ERRORS[proto]:
                flow.body = self.quote(near, far, v, kind)
        elif kind == "forward" and not far.startswith(tuple(FAR[v][2:])) and self.chance(0.08):
            flow.size, flow.df = self.choice((1200, 1390, 1440, 1500)), True
        return flow

    def quote(self, near, far, v, kind):
        """A packet of the flow that an error reports: in the direction opposite to the error's."""
        self.number += 1
        quoted = Flow(far, near, UDP, self.choice(DPORTS), 20000 + self.number % 9999)
        if kind in ("wire", "by sa"):
            quoted = quoted.reverse()
        return quoted.packet()[0]


def reply_of(body):
    """The flow of packets in the direction of an error that quotes a packet with ports."""
    v = body[0] >> 4
    at, size = (12, 4) if v == 4 else (8, 16)
    src, dst = (str(ipaddress.ip_address(body[at + n * size:at + (n + 1) * size])) for n in (0, 1))
    sport, dport = struct.unpack("!HH", body[20 if v == 4 else 40:][:4])
    return Flow(dst, src, UDP, dport, sport)
