# SPDX-License-Identifier: GPL-2.0-only
"""SAs and policies, and the two stacks that can be configured with them: espah and XFRM."""
import dataclasses
import ipaddress
import json
import os
import re

import lab

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLI = os.environ.get("ESPAH_CLI", ROOT + "/userspace-tools/espah/espah")


# --- algorithms -----------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Algorithm:
    """A suite: the IKE keyword, the kernel's names, and bytes (ICVs of `ip xfrm`: bits)."""
    name: str
    enc_key: int      # bytes of the encryption key, salt not included
    salt: int
    iv: int
    icv: int
    block: int
    auth_key: int = 0
    aead: str = None  # kernel's name of a combined-mode algorithm
    enc: str = None   # or of a cipher
    auth: str = None  # and of an integrity algorithm
    proto: str = "esp"

    @property
    def key_len(self):
        return self.enc_key + self.salt + self.auth_key


INTEGRITY = [("sha1", 20, 12, "hmac(sha1)"), ("sha256", 32, 16, "hmac(sha256)"),
             ("sha384", 48, 24, "hmac(sha384)"), ("sha512", 64, 32, "hmac(sha512)"),
             ("aesxcbc", 16, 12, "xcbc(aes)"), ("aescmac", 16, 12, "cmac(aes)")]


def _algorithms():
    for bits in 128, 192, 256:
        for icv in 8, 12, 16:
            yield Algorithm(f"aes{bits}gcm{icv}", bits // 8, 4, 8, icv, 4, aead="rfc4106(gcm(aes))")
    for bits in 128, 192, 256:
        for icv in 8, 12, 16:
            yield Algorithm(f"aes{bits}ccm{icv}", bits // 8, 3, 8, icv, 4, aead="rfc4309(ccm(aes))")
    yield Algorithm("chacha20poly1305", 32, 4, 8, 16, 4, aead="rfc7539esp(chacha20,poly1305)")
    for bits in 128, 192, 256:
        yield Algorithm(f"aes{bits}gmac", bits // 8, 4, 8, 16, 4, aead="rfc4543(gcm(aes))")
    ciphers = [(f"aes{bits}", bits // 8, 0, 16, 16, "cbc(aes)") for bits in (128, 192, 256)]
    ciphers += [(f"aes{bits}ctr", bits // 8, 4, 8, 4, "rfc3686(ctr(aes))")
                for bits in (128, 192, 256)]
    ciphers += [("null", 0, 0, 0, 4, "ecb(cipher_null)")]
    for cipher, key, salt, iv, block, enc in ciphers:
        for name, auth_key, icv, auth in INTEGRITY:
            yield Algorithm(f"{cipher}-{name}", key, salt, iv, icv, block, auth_key,
                            enc=enc, auth=auth)


ALGORITHMS = {algorithm.name: algorithm for algorithm in _algorithms()}
AH = {name: Algorithm(name, 0, 0, 0, icv, 1, key, auth=auth, proto="ah")
      for name, key, icv, auth in INTEGRITY}
AH |= {f"aes{bits}gmac": Algorithm(f"aes{bits}gmac", bits // 8, 4, 8, 16, 1, proto="ah")
       for bits in (128, 192, 256)}  # XFRM has none of these
GCM = ALGORITHMS["aes128gcm16"]
# RFC 8750; XFRM has none of these
IMPLICIT_IV = [Algorithm(f"{explicit.name}iiv", explicit.enc_key, explicit.salt, 0, explicit.icv, 4,
                         aead=explicit.aead)
               for explicit in (ALGORITHMS[name] for name in (
                   "aes128gcm16", "aes192gcm16", "aes256gcm16", "aes128ccm8", "aes192ccm8",
                   "aes256ccm8", "chacha20poly1305"))]


# --- objects ----------------------------------------------------------------------------------

@dataclasses.dataclass
class SA:
    """One SA, as both ends see it: src sends, dst receives."""
    spi: int
    src: str
    dst: str
    mode: str = "tunnel"
    algorithm: Algorithm = GCM
    reqid: int = 1
    esn: bool = False
    window: int = 0   # 0: the stack's default
    seq: int = 0      # sequence number before the first packet, at both ends
    encap: tuple = None  # UDP ports, source and destination (RFC 3948)
    extra: str = ""   # options of espah alone
    key: bytes = None
    if_id: int = 0

    def __post_init__(self):
        if self.key is None:
            self.key = os.urandom(self.algorithm.key_len)


@dataclasses.dataclass
class Policy:
    """Traffic from src to dst (prefixes) uses SAs from tunnel[0] to tunnel[1]."""
    src: str
    dst: str
    tunnel: tuple = None   # None: transport mode between the packet's own addresses
    reqid: int = 1
    match: str = ""        # protocol, ports, priority, in espah's words
    proto: str = "esp"
    extra: str = ""        # options of protect
    if_id: int = 0


class Espah:
    """The stack under test, by its CLI."""
    name = "espah"
    TRAPPED = {"no_sa"}  # reasons of drops: a packet waits for an SA
    EARLY = {"no_sa", "larval", "no_spi"}  # and: the SA has no keys yet, or there is none yet

    @staticmethod
    def batch(ns, lines):
        with ns:
            lab.run(CLI, "-b", "-", stdin="\n".join(lines) + "\n", timeout=300)

    @staticmethod
    def sa_line(direction, sa):
        words = (f"sa add {direction} {sa.algorithm.proto} spi {sa.spi:#x} src {sa.src} dst {sa.dst} {sa.mode} "
                 f"{sa.algorithm.name} key {sa.key.hex()} reqid {sa.reqid}")
        if sa.esn:
            words += " esn"
        if sa.window and direction == "in":
            words += f" window {sa.window}"
        if sa.seq:
            words += f" seq {sa.seq}"
        if sa.encap:
            words += f" encap udp {sa.encap[0]} {sa.encap[1]}"
        if sa.if_id:
            words += f" if-id {sa.if_id}"
        return f"{words} {sa.extra}".strip()

    @staticmethod
    def policy_line(direction, policy):
        how = f"tunnel {policy.tunnel[0]} {policy.tunnel[1]}" if policy.tunnel else "transport"
        match = policy.match + (f" if-id {policy.if_id}" if policy.if_id else "")
        return (f"policy add {direction} {policy.src} {policy.dst} {match} protect "
                f"{policy.proto} {how} reqid {policy.reqid} {policy.extra}")

    @classmethod
    def configure(cls, ns, outbound=(), inbound=(), out=(), in_=()):
        """outbound, inbound: SAs; out, in_: policies."""
        cls.batch(ns, [cls.sa_line("out", sa) for sa in outbound]
                  + [cls.sa_line("in", sa) for sa in inbound]
                  + [cls.policy_line("out", policy) for policy in out]
                  + [cls.policy_line("in", policy) for policy in in_])

    @classmethod
    def flush(cls, ns):
        cls.batch(ns, ["flush"])

    @classmethod
    def json(cls, ns, *words):
        with ns:
            return json.loads(lab.run(CLI, "-j", *words).stdout)

    @classmethod
    def drops(cls, ns):
        """{reason: packets} of the namespace, without zeros."""
        return {name: count for name, count in drop_counts(cls.json(ns, "stats")).items() if count}

    @classmethod
    def sas(cls, ns, *words):
        return cls.json(ns, "sa", "list", *words)

    @classmethod
    def policies(cls, ns):
        return cls.json(ns, "policy", "list")


class Face(Espah):
    """espah, keyed by XFRM's own clients: espah_xfrm.ko answers them."""
    name = "xfrm_face"
    TRAPPED = {"acquire_late"}  # its policies hold packets for a while


def drop_counts(data):
    """The drops of a stats, SA or policy object: {reason: count}."""
    drops = data.get("drops", {})
    if isinstance(drops, dict):
        return {name: value["packets"] if isinstance(value, dict) else value
                for name, value in drops.items()}
    return {drop.get("reason", drop.get("name")): drop.get("packets", drop.get("count"))
            for drop in drops}


class Xfrm:
    """The kernel's own stack, the reference."""
    name = "xfrm"
    TRAPPED = {"XfrmOutNoStates"}
    EARLY = {"XfrmOutNoStates", "XfrmInNoStates", "XfrmInStateInvalid"}

    @staticmethod
    def family(address):
        return ipaddress.ip_network(address).version

    @classmethod
    def state(cls, sa, direction):
        algorithm, key = sa.algorithm, "0x" + sa.key.hex()
        words = (f"xfrm state add src {sa.src} dst {sa.dst} proto {algorithm.proto} spi {sa.spi:#x} "
                 f"reqid {sa.reqid} mode {sa.mode}")
        if algorithm.proto == "ah":
            words += f" auth-trunc {algorithm.auth} {key} {algorithm.icv * 8}"
        elif algorithm.aead:
            words += f" aead {algorithm.aead} {key} {algorithm.icv * 8}"
        else:
            cut = algorithm.enc_key + algorithm.salt
            cipher = "0x" + sa.key[:cut].hex() if cut else '""'
            words += (f" enc {algorithm.enc} {cipher}"
                      f" auth-trunc {algorithm.auth} 0x{sa.key[cut:].hex()} {algorithm.icv * 8}")
        if sa.encap:
            nobody = "::" if ":" in sa.src else "0.0.0.0"
            words += f" encap espinudp {sa.encap[0]} {sa.encap[1]} {nobody}"
        window = sa.window or (32 if direction == "in" else 0)
        if sa.esn or window > 32:
            words += f" replay-window {window or 32}"
        elif window:
            words += f" replay-window {window}"
        side = "seq" if direction == "in" else "oseq"
        if sa.seq & 0xffffffff:
            words += f" replay-{side} {sa.seq & 0xffffffff}"
        if sa.seq >> 32:
            words += f" replay-{side}-hi {sa.seq >> 32}"
        # af-unspec: otherwise the inner family of a tunnel must equal the outer one
        flags = ["af-unspec"] * (sa.mode == "tunnel") + ["esn"] * sa.esn
        if algorithm.proto == "ah" and cls.family(sa.src) == 4:
            flags += ["align4"]  # required by RFC 4302 2.6; XFRM's default is 8 bytes
        if sa.if_id:
            words += f" if_id {sa.if_id}"
        return words + (f" flag {' '.join(flags)}" if flags else "")

    @staticmethod
    def policy(policy, direction):
        if policy.tunnel:
            tmpl = f"src {policy.tunnel[0]} dst {policy.tunnel[1]} proto {policy.proto} mode tunnel"
        else:
            tmpl = f"proto {policy.proto} mode transport"
        if_id = f"if_id {policy.if_id} " if policy.if_id else ""
        return (f"xfrm policy add src {policy.src} dst {policy.dst} {policy.match} dir {direction} "
                f"{if_id}tmpl {tmpl} reqid {policy.reqid}")

    @classmethod
    def configure(cls, ns, outbound=(), inbound=(), out=(), in_=()):
        lines = [cls.state(sa, "out") for sa in outbound]
        lines += [cls.state(sa, "in") for sa in inbound]
        lines += [cls.policy(policy, "out") for policy in out]
        lines += [cls.policy(policy, direction) for policy in in_ for direction in ("in", "fwd")]
        ns.ip("\n".join(lines) + "\n")

    @staticmethod
    def drops(ns):
        """XFRM's error counters, by their own names."""
        lines = ns.run("cat", "/proc/net/xfrm_stat").stdout.splitlines()
        return {name: int(count) for name, count in map(str.split, lines) if count != "0"}

    @classmethod
    def sas(cls, ns):
        """SAs that have keys, in the words that espah has for them."""
        own = set(re.findall(r"inet6? ([^/ ]+)", ns.run("ip", "-o", "addr").stdout))
        found = []
        for text in re.split(r"^(?=src )", ns.run("ip", "xfrm", "state").stdout, flags=re.M):
            names = re.findall(r"(?:aead|auth-trunc|enc) (\S+) (0x\S*|\"\")(?: (\d+))?$", text, re.M)
            if not names:
                continue
            src, dst, proto, spi, mode = re.search(
                r"src (\S+) dst (\S+)\s+proto (\S+) spi (\S+) reqid \d+ mode (\S+)", text).groups()
            way = "out" if src in own else "in"
            seq = re.findall(rf"\b{way[0].replace('i', '')}seq(?:-hi)? (0x[0-9a-f]+)", text)
            sa = {"spi": spi, "src": src, "dst": dst, "proto": proto, "mode": mode, "dir": way,
                  "alg": cls.algorithm(proto, names), "seq": int(seq[-1], 16),
                  "esn": "esn context" in text}
            encap = re.search(r"encap type espinudp sport (\d+) dport (\d+)", text)
            if encap:
                sa["encap"] = {"sport": int(encap[1]), "dport": int(encap[2])}
            found.append(sa)
        return found

    @staticmethod
    def algorithm(proto, names):
        """The IKE keyword for the (kernel's name, key, bits of ICV) of an SA."""
        for algorithm in AH.values() if proto == "ah" else ALGORITHMS.values():
            want = {(algorithm.aead, algorithm.enc_key + algorithm.salt, algorithm.icv * 8),
                    (algorithm.enc, algorithm.enc_key + algorithm.salt, None),
                    (algorithm.auth, algorithm.auth_key, algorithm.icv * 8)}
            if {(name, (len(key) - 2) // 2, bits and int(bits)) for name, key, bits in names} <= want:
                return algorithm.name
        return str(names)

    @classmethod
    def policies(cls, ns):
        """Policies without those of direction fwd, which espah does not have, and those of sockets."""
        text = ns.run("ip", "xfrm", "policy").stdout
        return [{"dir": way} for way in re.findall(r"^\s+dir (in|out) ", text, re.M)]

    @classmethod
    def flush(cls, ns):
        ns.ip("xfrm state flush\nxfrm policy flush\n")


# ESPAH_LAB_OURS=xfrm runs tests that do not depend on espah's answers with XFRM on both ends:
# a failure is then an error of the tests. xfrm_face: see Face
OURS = {"xfrm": Xfrm, "xfrm_face": Face}.get(os.environ.get("ESPAH_LAB_OURS"), Espah)


def need_espah():
    if OURS is not Espah:
        raise lab.Skipped("asks espah for its counters")


def need_plugin():
    if OURS is not Espah:
        raise lab.Skipped("about strongSwan's plugin")


def configure_pair(a, b, stack_a, stack_b, a_to_b, b_to_a, policies):
    """Configures both ends: SAs in both directions, and outbound policies of a; the reverse is derived."""
    back = [dataclasses.replace(policy, src=policy.dst, dst=policy.src,
                                tunnel=policy.tunnel and policy.tunnel[::-1])
            for policy in policies]
    stack_a.configure(a, a_to_b, b_to_a, policies, back)
    stack_b.configure(b, b_to_a, a_to_b, back, policies)
