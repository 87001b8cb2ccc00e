# SPDX-License-Identifier: GPL-2.0-only
"""A gateway with two uplinks, a bridge, a VRF and devices of kind espah, and what becomes of a packet.

   h eth0 10.1.0.2 ----- lan  10.1.0.1       a        wan  192.0.2.1    ===== eth0 192.0.2.2    b
     eth1 10.3.0.2 ----- br0  10.3.0.1    (espah)     wan2 198.51.100.1 ===== eth1 198.51.100.2
     eth2 10.5.0.2 ----- lanr 10.5.0.1    VRF red     wanr 203.0.113.1  ===== eth2 203.0.113.2

ipsec0 (if-id 42) and ipsec1 (if-id 43, bound to wan2) are devices of kind espah. Behind b are the
networks 10.2.K.0/24: 0 by wan, 1 by wan2, 2 by ipsec0, 3 by ipsec1; and 10.6.0.0/16 by wanr. h and b
have no stack: packets are put on their devices, and taken from there. Each packet has a unique
mark, which ESP and AH show too, because the SAs do not encrypt.
"""
import dataclasses
import re
import socket
import struct

import lab
import netlink
import traffic
from gateway import AH, ESP, ICMP, ICMPV6, SCTP, TCP, UDP
from ipsec import CLI, Espah

OTHER = 99  # a protocol without ports
OWN = {4: {"lan": "10.1.0.1", "br0": "10.3.0.1", "lanr": "10.5.0.1", "wan": "192.0.2.1",
           "wan2": "198.51.100.1", "wanr": "203.0.113.1"},
       6: {"lan": "fd01::1", "br0": "fd03::1", "lanr": "fd05::1", "wan": "2001:db8:1::1",
           "wan2": "2001:db8:2::1", "wanr": "2001:db8:3::1"}}
NEXT = {v: {device: address[:-1] + "2" for device, address in OWN[v].items()} for v in (4, 6)}
NEAR = {4: {"lan": "10.1.7.", "br0": "10.3.7.", "lanr": "10.5.7."},
        6: {"lan": "fd01:7::", "br0": "fd03:7::", "lanr": "fd05:7::"}}
FAR = {4: ["10.2.0.", "10.2.1.", "10.2.2.", "10.2.3."],
       6: ["fd02:0::", "fd02:1::", "fd02:2::", "fd02:3::"]}
FAR_VIA = ["wan", "wan2", "ipsec0", "ipsec1"]
FAR_VRF = {4: "10.6.0.", 6: "fd06:0::"}
NOWHERE = {4: "192.0.9.9", 6: "2001:db8:9::9"}  # a peer without a route
IF_IDS = {"ipsec0": 42, "ipsec1": 43}
INSIDE, OUTSIDE, VRF = ("lan", "br0", "lanr"), ("wan", "wan2", "wanr"), ("lanr", "wanr")
GONE = 0.04  # seconds after which a packet of which nothing is seen is gone, if that was foretold


def family(address):
    return 6 if ":" in address else 4


def own_in(address, device):
    """Whether an address is one of a's in the domain of a device."""
    return any(own == address and (name in VRF) == (device in VRF) for name, own in OWN[family(address)].items())


# --- what a frame carries --------------------------------------------------------------------

@dataclasses.dataclass
class Inner:
    """The packet in clear, and the SPIs around it, the outermost first."""
    spis: list
    src: str
    dst: str
    proto: int
    data: bytes  # behind the IP header


def read_ip(packet):
    """(source, destination, protocol, payload)"""
    if packet[0] >> 4 == 4:
        size = (packet[0] & 15) * 4
        return (socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), packet[9],
                packet[size:struct.unpack("!H", packet[2:4])[0]])
    return (socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40]),
            packet[6], packet[40:40 + struct.unpack("!H", packet[4:6])[0]])


def peel(packet, encapsulated=frozenset()):
    """Takes ESP without encryption and AH off a packet. encapsulated: SPIs that may be in UDP."""
    spis = []
    src, dst, proto, data = read_ip(packet)
    while True:
        if proto == UDP and len(data) > 12 and struct.unpack("!I", data[8:12])[0] in encapsulated:
            proto, data = ESP, data[8:]
        if proto in (4, 41) and spis:
            src, dst, proto, data = read_ip(data)
        elif proto == ESP and len(data) >= 26:
            spi, = struct.unpack("!I", data[:4])
            inner, following = data[8:-18 - data[-18]], data[-17]
            spis.append(spi)
            proto, data = following, inner
        elif proto == AH and len(data) >= 12:
            spis.append(struct.unpack("!I", data[4:8])[0])
            proto, data = data[0], data[(data[1] + 2) * 4:]
        else:
            return Inner(spis, src, dst, proto, data)


@dataclasses.dataclass
class Fate:
    """What became of a packet, and which policies and SAs counted it."""
    what: str                   # "sent", "delivered", "drop" or "gone"
    device: str = ""            # a's device by which it was sent
    inner: Inner = None
    drops: dict = dataclasses.field(default_factory=dict)
    policies: dict = dataclasses.field(default_factory=dict)  # {id: "packets" or the reason}
    sas: dict = dataclasses.field(default_factory=dict)       # {SPI: the same}

    def __str__(self):
        if self.what == "sent":
            spis = "".join(f" in {spi:#x}" for spi in self.inner.spis[::-1]) or " in clear"
            text = f"sent by {self.device}{spis} from {self.inner.src} to {self.inner.dst}"
        else:
            text = self.what
        text += "".join(f", drop {name}" for name in self.drops)
        text += "".join(f", policy {number} counts {what}" for number, what in self.policies.items())
        return text + "".join(f", SA {spi:#x} counts {what}" for spi, what in self.sas.items())


# --- the gateway -----------------------------------------------------------------------------

class Everything(traffic.Closing):
    """All frames that devices of a namespace receive."""

    def __init__(self, ns):
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(traffic.ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, 64 << 20)
        self.sock.setsockopt(263, traffic.PACKET_IGNORE_OUTGOING, 1)
        self.sock.setblocking(False)

    def packets(self):
        """(device, IP packet)"""
        while True:
            try:
                frame, (device, protocol, *_) = self.sock.recvfrom(65536)
            except BlockingIOError:
                return
            if protocol in (traffic.ETH_P_IP, traffic.ETH_P_IPV6):
                yield device, frame[14:]

    def close(self):
        self.sock.close()


QUIET = [f"net.{kind}_unsolicited_report_interval" for kind in (
    "ipv6.conf.default.mldv1", "ipv6.conf.default.mldv2", "ipv4.conf.default.igmpv2", "ipv4.conf.default.igmpv3")]


class Place:
    """a, and sockets that see all packets around it."""

    def __init__(self):
        lab.delete_all()
        lab.run("modprobe", "-a", "vrf", "bridge", "nf_conntrack", check=False)
        self.h, self.a, self.b = lab.Netns("h"), lab.Netns("a", forward=True), lab.Netns("b")
        for name in QUIET:
            self.a.sysctl(name, 1 << 30)  # no reports of groups, which policies would count
        for v in (4, 6):
            self.a.sysctl("net.ipv4.icmp_echo_ignore_all" if v == 4 else "net.ipv6.icmp.echo_ignore_all", 1)
        self.a.sysctl("net.ipv6.conf.all.keep_addr_on_down", 1)
        self.a.sysctl("net.ipv4.conf.all.accept_local", 1)  # packets from outside may claim its addresses
        self.a.sysctl("net.ipv4.conf.all.send_redirects", 0)
        self.a.sysctl("net.ipv4.conf.default.send_redirects", 0)
        for n, (near, far) in enumerate(zip(("lan", "lanb", "lanr"), OUTSIDE)):
            lab.link(self.h, f"eth{n}", self.a, near)
            lab.link(self.b, f"eth{n}", self.a, far)
        self.a.ip("link add br0 type bridge mcast_snooping 0\nlink set lanb master br0\nlink set br0 up\n"
                  "link add red type vrf table 100\nlink set red up\n"
                  "link set lanr master red\nlink set wanr master red\n")
        Espah.batch(self.a, ["link add ipsec0 if-id 42 up", "link add ipsec1 if-id 43 dev wan2 up"])
        lines = []
        self.injectors = {}
        for n, device in [*enumerate(INSIDE), *enumerate(OUTSIDE)]:
            ns = self.h if device in INSIDE else self.b
            ns.sysctl(f"net.ipv6.conf.eth{n}.disable_ipv6", 1)
            ns.ip(f"link set eth{n} arp off\n")
            with ns:
                mac = ":".join(f"{byte:02x}" for byte in traffic.mac(f"eth{n}"))
            if device == "wan2":  # ipsec1 takes all peers to be there
                lines += [f"neigh add {peer} lladdr {mac} dev wan2" for v in (4, 6)
                          for peer in (NEXT[v]["wan"], NEXT[v]["wanr"], NOWHERE[v])]
            for v in (4, 6):
                lines += [f"addr add {OWN[v][device]}/{24 if v == 4 else 64} dev {device}" + " nodad" * (v == 6),
                          f"neigh add {NEXT[v][device]} lladdr {mac} dev {device}"]
            self.injectors[device] = traffic.Injector(ns, f"eth{n}", self.a, "br0" if device == "br0" else device)
        for v in (4, 6):
            for device in INSIDE:
                net = ".".join(NEAR[v][device].split(".")[:2]) + ".0.0" if v == 4 else NEAR[v][device][:4] + "::"
                lines.append(f"route add {net}/16 via {NEXT[v][device]} dev {device}" +
                             " table 100" * (device in VRF))
            bits = 24 if v == 4 else 32
            for net, device in zip(FAR[v], FAR_VIA):
                via = "" if device in IF_IDS else f" via {NEXT[v][device]}"
                lines.append(f"route add {net}{'0' * (v == 4)}/{bits}{via} dev {device}")
            lines.append(f"route add {FAR_VRF[v]}{'0' * (v == 4)}/{bits} via {NEXT[v]['wanr']} dev wanr table 100")
            lines.append(f"route add default via {NEXT[v]['wan']}")
            lines.append(f"route add unreachable {NOWHERE[v]}/{32 if v == 4 else 128}")
        self.a.ip("\n".join(lines) + "\n")
        self.raw, self.receivers = {}, []
        with self.a:
            self.link = netlink.Link()
            for vrf in ("", "red"):
                for v, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
                    sock = self.raw[v, vrf] = socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW)
                    if vrf:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vrf.encode())
                    for proto in (TCP, UDP, SCTP, OTHER, ICMP if v == 4 else ICMPV6):
                        receiver = socket.socket(kind, socket.SOCK_RAW, proto)
                        if vrf:
                            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vrf.encode())
                        receiver.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, 8 << 20)
                        receiver.setblocking(False)
                        self.receivers.append(receiver)
            self.ike = [socket.socket(kind, socket.SOCK_DGRAM) for kind in (socket.AF_INET, socket.AF_INET6)]
            self.ike[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for sock, address in zip(self.ike, ("0.0.0.0", "::")):
                sock.bind((address, 500))
        self.a.sysctl("net.netfilter.nf_conntrack_checksum", 0)  # most checksums are wrong, so that nobody answers
        self.a.sysctl("net.ipv4.raw_l3mdev_accept", 0)
        self.near, self.far = Everything(self.h), Everything(self.b)
        self.counted = {}
        self.encapsulated = set()  # SPIs of SAs with UDP encapsulation

    # --- configuration ---

    def configure(self, lines, rules):
        """Takes lines of espah -b, and nft's rules, and nothing else. Refused lines are left out."""
        for sock in self.raw.values():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0)
        self.a.run("nft", "-f", "-", stdin="flush ruleset\n" + rules)
        self.a.run("conntrack", "-F", check=False)
        said = self.a.run(CLI, "-f", "-b", "-", check=False, stdin="\n".join(
            ["flush", "default in bypass out bypass icmp discard", "config secpath on direct off", *lines]) + "\n")
        return said.stderr.splitlines()

    def add(self, lines):
        with self.a:
            return lab.run(CLI, "-b", "-", stdin="\n".join(lines) + "\n", check=False).returncode == 0

    def devices(self, questions):
        """The devices by which the kernel routes packets: (src, dst, iif or None, vrf, mark)..."""
        lines = []
        for src, dst, iif, vrf, mark in questions:
            lines.append(f"route get {dst} from {src}" + (f" iif {iif}" if iif else "") +
                         (f" oif {vrf}" if vrf and not iif else "") + (f" mark {mark}" if mark else ""))
        with self.a:
            text = lab.run("ip", "-o", "-force", "-batch", "-", stdin="\n".join(lines) + "\n", check=False)
        found = [re.search(r" dev (\S+)", line) for line in text.stdout.splitlines() if line.strip()]
        lab.equal(len(found), len(lines), f"routes ({text.stderr[:200]})")
        return [match and match[1] for match in found]

    # --- counters ---

    def dump(self, command):
        """The attributes of all objects, as bytes."""
        self.link.sock.send(self.link.message(command, b"", netlink.REQUEST | netlink.DUMP))
        found = []
        while True:
            data = self.link.sock.recv(1 << 16)
            while len(data) >= 16:
                length, kind = struct.unpack("=IH", data[:6])
                if kind in (netlink.NLMSG_ERROR, netlink.NLMSG_DONE):
                    return found
                found.append(data[20:length])
                data = data[(length + 3) & ~3:]

    def changes(self, command, key, packets, drops):
        """{key: what it counted} of the policies or SAs whose counters changed since the last call."""
        now = set(self.dump(command))
        changed = {}
        before = self.counted.get(command, {})
        known = {}
        for body in now:
            known[body] = before.get(body) or self.counters(body, key, packets, drops)
        old = {entry[0]: entry for entry in before.values()}
        for entry in known.values():
            name, count, lost = entry
            _, count_before, lost_before = old.get(name, (name, 0, {}))
            what = ["packets"] * (count != count_before)
            what += [reason for reason, n in lost.items() if n != lost_before.get(reason, 0)]
            if what:
                changed[name] = "+".join(what)
        self.counted[command] = known
        return changed

    @staticmethod
    def counters(body, key, packets, drops):
        fields = dict(netlink.parse(body))
        lost = {}
        for _, entry in netlink.parse(fields.get(drops, b"")):
            entry = dict(netlink.parse(entry))
            lost[entry[2][:-1].decode()], = struct.unpack("=Q", entry[3])
        name = fields[key]
        return (struct.unpack("!I" if key == netlink.SPI else "=I", name)[0],
                struct.unpack("=Q", fields.get(packets, bytes(8)))[0], lost)

    def drops(self):
        """The drops of each reason since the last call."""
        nest = dict(self.link.ask(netlink.STATS_GET)[0])[7]
        now = self.counted.get("stats", {})
        if nest == self.counted.get("nest"):
            return {}
        entries = [dict(netlink.parse(entry)) for _, entry in netlink.parse(nest)]
        found = {entry[2][:-1].decode(): struct.unpack("=Q", entry[3])[0] for entry in entries}
        self.counted.update(nest=nest, stats=found)
        return {name: count - now.get(name, 0) for name, count in found.items() if count != now.get(name, 0)}

    def count(self, fate):
        """Fills in which policies and SAs counted a packet."""
        fate.policies = self.changes(netlink.POLICY_GET, netlink.P_ID, netlink.P_PACKETS, netlink.P_DROPS)
        fate.sas = self.changes(netlink.SA_GET, netlink.SPI, netlink.PACKETS, netlink.DROPS)

    # --- packets ---

    def frames(self):
        """(device of a, packet) of all that has arrived; device None: at a itself."""
        names = {**{f"eth{n}": device for n, device in enumerate(INSIDE)}}
        for device, packet in self.near.packets():
            yield names[device], packet
        names = {f"eth{n}": device for n, device in enumerate(OUTSIDE)}
        for device, packet in self.far.packets():
            yield names[device], packet
        for sock in self.receivers:
            while True:
                try:
                    yield None, sock.recv(65536)
                except BlockingIOError:
                    break

    def seen(self, flow, mark):
        """The fate of the packet with that mark, if it was seen."""
        for device, packet in self.frames():
            if mark not in packet:
                continue
            if device is None:
                return Fate("delivered")
            inner = peel(packet, self.encapsulated)
            fragment = packet[0] >> 4 == 4 and packet[6] & 0x3f or packet[0] >> 4 == 6 and packet[6] == 44
            if inner.proto == flow.proto or fragment:  # not an error that quotes it
                return Fate("sent", device, inner)
        return None

    def fate(self, flow, mark, send, timeout=lab.TIMEOUT):
        """What becomes of a packet that send() sends; without a sign of it until the timeout, it is gone."""
        list(self.frames())
        send()

        def found():
            fate = self.seen(flow, mark)
            drops = self.drops()
            return (fate or drops) and (fate or Fate("drop"), drops)
        try:
            fate, drops = lab.wait_for(found, "a packet", timeout)
            fate.drops = drops
        except lab.Failed:
            fate = Fate("gone")
        self.count(fate)
        return fate

    def send_own(self, packet, dst, vrf, mark):
        sock = self.raw[family(dst), vrf]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        sock.sendto(packet, (dst, 0))
