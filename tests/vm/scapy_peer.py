# SPDX-License-Identifier: GPL-2.0-only
"""A peer made of scapy's IPsec layer, which shares no code with espah or with XFRM.

      a (espah) 192.0.2.1 ---- veth ---- 192.0.2.2  b: frames are put on the device and
        2001:db8::1                   2001:db8::2      taken from it, by packet sockets
"""
import logging
import os
import struct

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers import ipsec as scapy_ipsec  # noqa: E402
from scapy.packet import Raw, raw  # noqa: E402

import ipsec  # noqa: E402
import lab  # noqa: E402
import traffic  # noqa: E402
from ipsec import Policy, SA  # noqa: E402

HERE = {4: "192.0.2.1", 6: "2001:db8::1"}
THERE = {4: "192.0.2.2", 6: "2001:db8::2"}
INSIDE = {4: "10.1.0.1", 6: "fd01::1"}     # behind a
OUTSIDE = {4: "10.2.0.1", 6: "fd02::1"}    # behind b
HEADER = {4: IP, 6: IPv6}
CIPHERS = {"aes": "AES-CBC", "ctr": "AES-CTR", "gcm": "AES-GCM", "ccm": "AES-CCM",
           "chacha": "CHACHA20-POLY1305", "null": "NULL"}
AUTHS = {"sha1": "HMAC-SHA1-96", "sha256": "SHA2-256-128", "sha384": "SHA2-384-192",
         "sha512": "SHA2-512-256", "aescmac": "AES-CMAC-96"}


def scapy_names(algorithm):
    """scapy's names of the cipher and the integrity algorithm; None if it does not support them."""
    if algorithm.proto == "ah":
        return (None, AUTHS[algorithm.name]) if algorithm.name in AUTHS else None
    if algorithm.aead:
        for part in "gcm", "ccm", "chacha":
            if part in algorithm.name and (part != "gcm" or algorithm.icv == 16):
                return CIPHERS[part], None
        return None
    cipher, auth = algorithm.name.split("-")
    kind = "null" if cipher == "null" else "ctr" if cipher.endswith("ctr") else "aes"
    return (CIPHERS[kind], AUTHS[auth]) if auth in AUTHS else None


def association(sa, outer=None):
    """scapy's view of one of our SAs."""
    cipher, auth = scapy_names(sa.algorithm)
    cut = sa.algorithm.enc_key + sa.algorithm.salt
    family = 6 if ":" in sa.src else 4
    words = {"crypt_algo": cipher, "crypt_key": sa.key[:cut]}
    if sa.algorithm.proto == "ah":
        words = {"auth_algo": auth, "auth_key": sa.key}
    elif sa.algorithm.aead:
        words["crypt_icv_size"] = sa.algorithm.icv
    else:
        words.update(auth_algo=auth, auth_key=sa.key[cut:])
    if sa.encap:
        words["nat_t_header"] = UDP(sport=sa.encap[0], dport=sa.encap[1])
    if sa.mode == "tunnel":
        words["tunnel_header"] = outer or HEADER[family](src=sa.src, dst=sa.dst)
    proto = scapy_ipsec.AH if sa.algorithm.proto == "ah" else scapy_ipsec.ESP
    return scapy_ipsec.SecurityAssociation(proto, spi=sa.spi, esn_en=sa.esn, **words)


class Peer:
    """One pair of SAs between espah in a and scapy in b."""

    a = b = None  # the two namespaces serve all peers, one after the other

    @classmethod
    def topology(cls):
        cls.a, cls.b = lab.Netns("a"), lab.Netns("b")
        lab.link(cls.a, "eth0", cls.b, "eth0")
        with cls.b:
            neighbour = ":".join(f"{byte:02x}" for byte in traffic.mac("eth0"))
        cls.a.ip(f"""
            addr add 192.0.2.1/24 dev eth0
            addr add 2001:db8::1/64 dev eth0 nodad
            addr add 10.1.0.1/32 dev lo
            addr add fd01::1/128 dev lo
            neigh add 192.0.2.2 lladdr {neighbour} dev eth0
            neigh add 2001:db8::2 lladdr {neighbour} dev eth0
            route add 10.2.0.0/16 via 192.0.2.2
            route add fd02::/16 via 2001:db8::2
            """)
        # b's stack must not answer packets for scapy
        cls.b.ip("link set eth0 arp off\n")
        cls.b.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
        cls.wire = traffic.Wire(cls.b, "eth0")
        cls.injector = traffic.Injector(cls.b, "eth0", cls.a, "eth0")

    def __init__(self, mode="tunnel", inner=4, outer=4, algorithm=ipsec.GCM, match=("", ""),
                 encap=None, **options):
        """match: selector words besides addresses, for the outbound and the inbound policy."""
        if Peer.a is None:
            Peer.topology()
        self.mode, self.inner = mode, inner
        if mode == "tunnel":
            here, there = INSIDE[inner], OUTSIDE[inner]
            ends = (HERE[outer], THERE[outer])
        else:
            here, there = HERE[inner], THERE[inner]
            ends = (here, there)
        self.here, self.there = here, there
        self.out = SA(0x2001, *ends, mode, algorithm, reqid=7, encap=encap, **options)
        self.into = SA(0x1001, *ends[::-1], mode, algorithm, reqid=7,
                       encap=encap and encap[::-1], **options)
        bits = 32 if inner == 4 else 128
        tunnel = ends if mode == "tunnel" else None
        stack = ipsec.Espah
        stack.batch(self.a, [
            "flush", stack.sa_line("out", self.out), stack.sa_line("in", self.into),
            stack.policy_line("out", Policy(f"{here}/{bits}", f"{there}/{bits}", tunnel, 7,
                                            match[0], algorithm.proto)),
            stack.policy_line("in", Policy(f"{there}/{bits}", f"{here}/{bits}",
                                           tunnel and tunnel[::-1], 7, match[1],
                                           algorithm.proto))])
        self.number = 51 if algorithm.proto == "ah" else 50
        if Peer.socket:
            Peer.socket.close()
        Peer.socket = traffic.udp(self.a, here, 7000)
        self.encoder = association(self.into)
        self.decoder = association(self.out)

    socket = None

    # packets toward espah

    def plain(self, payload, port=7000):
        """A datagram of the peer."""
        return HEADER[self.inner](src=self.there, dst=self.here) / UDP(sport=7001, dport=port) \
            / Raw(payload)

    def esp(self, payload=b"hello", seq=1, esn=0, packet=None):
        """The bytes of a packet that scapy has protected."""
        packet = packet if packet is not None else self.plain(payload)
        packet = raw(self.encoder.encrypt(HEADER[packet.version](raw(packet)), seq_num=seq,
                                          esn=esn))
        if self.into.encap:  # for IPv4, scapy counts the UDP header alone
            start = esp_offset(packet)
            length = struct.pack("!H", len(packet) - start)
            packet = packet[:start + 4] + length + packet[start + 6:]
        return packet

    def forge(self, data, seq, next_header, padding=None, padlen=None):
        """ESP with a valid ICV around any data."""
        encoder, algorithm = self.encoder, self.encoder.crypt_algo
        plain = scapy_ipsec._ESPPlain(spi=encoder.spi, seq=seq, iv=algorithm.generate_iv(),
                                      data=data, nh=next_header)
        plain = algorithm.pad(plain)
        if padding is not None:
            lab.equal((len(data) + len(padding) + 2) % self.into.algorithm.block, 0, "alignment")
            plain.padding, plain.padlen = padding, len(padding)
        if padlen is not None:
            plain.padlen = padlen
        esp = algorithm.encrypt(encoder, plain, encoder.crypt_key, encoder.crypt_icv_size)
        encoder.auth_algo.sign(esp, encoder.auth_key)
        return self.outer(raw(esp))

    def outer(self, esp):
        """An outer header around bytes."""
        source, target = self.into.src, self.into.dst
        if ":" in source:
            return raw(IPv6(src=source, dst=target, nh=50) / Raw(esp))
        return raw(IP(src=source, dst=target, proto=50) / Raw(esp))

    def send(self, *packets):
        for packet in packets:
            self.injector.send(packet)

    # results in espah

    def received(self, payload=b"hello"):
        """Checks that this is the next datagram delivered."""
        try:
            lab.equal(self.socket.recv(65536), payload, "what was delivered")
        except TimeoutError:
            raise lab.Failed("nothing was delivered; drops of all so far: "
                             f"{ipsec.Espah.drops(self.a)}") from None

    def accepts(self, seq, payload=None, **words):
        payload = payload if payload is not None else os.urandom(40)
        self.send(self.esp(payload, seq, **words))
        self.received(payload)

    def state(self, direction="in"):
        """Counters and window of an SA."""
        sa = next(sa for sa in ipsec.Espah.sas(self.a) if sa["dir"] == direction)
        return {name: sa[name] for name in ("seq", "packets", "bytes")}

    def drops_of_sa(self):
        sa = next(sa for sa in ipsec.Espah.sas(self.a) if sa["dir"] == "in")
        return ipsec.drop_counts(sa)

    def dropped(self, packets, want, moved=False):
        """Sends packets; want: {reason: packets}. SA and window must not change, unless moved."""
        before, state = ipsec.Espah.drops(self.a), self.state()
        self.send(*packets)
        total = sum(want.values())
        got = {}

        def count():
            now = ipsec.Espah.drops(self.a)
            got.clear()
            got.update({name: number - before.get(name, 0) for name, number in now.items()
                        if number != before.get(name, 0)})
            return sum(got.values()) >= total
        try:
            lab.wait_for(count, f"{want}")
        except lab.Failed:
            raise lab.Failed(f"dropped {got}, expected {want}") from None
        lab.equal(got, want, "drops")
        lab.true(traffic.silent(self.socket), "something was delivered")
        after = self.state()
        if moved:  # an authenticated packet moves the window, but carries nothing
            state.pop("seq"), after.pop("seq")
        lab.equal(after, state, "the SA's number and counters")

    # packets from espah

    def take(self, payload=None, family=None):
        """Lets a send a datagram. Return: its ESP or AH packet"""
        self.wire.frames()
        self.socket.sendto(payload if payload is not None else b"hello", (self.there, 7001))
        return self.wire.next(17 if self.out.encap else self.number)

    def open(self, packet):
        """The IP packet that scapy finds in an ESP packet, in bytes."""
        kind, start = HEADER[packet[0] >> 4], esp_offset(packet)
        if self.out.encap:  # in transport mode, scapy leaves the UDP header on
            field = 9 if kind is IP else 6
            packet = packet[:field] + bytes([50]) + packet[field + 1:start] + packet[start + 8:]
        return raw(self.decoder.decrypt(kind(packet)))


def esp_offset(packet):
    return 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4


def with_length(packet, length):
    """The packet cut to length bytes of ESP, with updated length fields and checksum."""
    start = esp_offset(packet)
    cut = packet[:start + length]
    if start == 40:
        return cut[:4] + struct.pack("!H", length) + cut[6:]
    header = IP(cut[:start])
    del header.len, header.chksum
    return raw(header / Raw(cut[start:]))


# --- a gateway: a host behind it, whose packets it forwards ---------------------------------------

BEHIND = {4: "10.3.0.2", 6: "fd03::2"}  # h, see below


class Gateway(Peer):
    """Peer with a host h behind a; any packet can be put on h's link and into the tunnel.

        h 10.3.0.2 -- 10.3.0.1 a 192.0.2.1 ---- 192.0.2.2 b
    """

    h = None

    def __init__(self, inner=4, outer=4, extra_out="", extra_in="", policies=None):
        """extra_out, extra_in: words for the SAs; policies: lines, instead of h to OUTSIDE."""
        if Gateway.h is None:
            Gateway.build()
        super().__init__("tunnel", inner, outer)
        self.template = f"protect tunnel {self.out.src} {self.out.dst} reqid 7"
        flush = "flush"
        if policies is None:
            flush = "sa flush"  # keep the policies of the gateway's own packets
            policies = [f"policy add both {BEHIND[inner]} {OUTSIDE[inner]} {self.template}"]
        stack = ipsec.Espah
        stack.batch(self.a, [flush, "default in bypass out bypass icmp discard",
                             stack.sa_line("out", self.out) + " " + extra_out,
                             stack.sa_line("in", self.into) + " " + extra_in,
                             *(policy.format(tmpl=self.template) for policy in policies)])
        self.seq = 0

    @classmethod
    def build(cls):
        Peer.topology()
        h, a = lab.Netns("h"), Peer.a
        lab.link(h, "eth0", a, "lan")
        for name in "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding":
            a.sysctl(name, 1)
        with h:
            address = ":".join(f"{byte:02x}" for byte in traffic.mac("eth0"))
        h.ip("link set eth0 arp off\n")  # only the tests send for h
        h.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
        a.ip("addr add 10.3.0.1/24 dev lan\naddr add fd03::1/64 dev lan nodad\n"
             f"neigh add 10.3.0.2 lladdr {address} dev lan\n"
             f"neigh add fd03::2 lladdr {address} dev lan\n")
        cls.lan = traffic.Injector(h, "eth0", a, "lan")
        cls.sight = traffic.Wire(h, "eth0")
        Gateway.h = h

    def enter(self, packet):
        """Sends a packet to a through the tunnel, as ESP of scapy's."""
        self.seq += 1
        self.injector.send(self.esp(seq=self.seq, packet=packet))
