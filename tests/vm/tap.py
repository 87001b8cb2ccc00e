#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tap shows packets in clear, and Wireshark decrypts the wire by the exported table.

The shown packets are compared with the sent packets, and with those that scapy finds in the ESP packets.
"""
import json
import os
import signal
import socket
import stat
import struct
import subprocess

import ipsec
import lab
import module
import trace
import traffic
from ipsec import ALGORITHMS, CLI, GCM, Espah, Policy, SA, Xfrm
from scapy_peer import HEADER, IP, UDP, Peer, raw

HOST, OUTGOING = 0, traffic.PACKET_OUTGOING  # packet types of <linux/if_packet.h>


def taps(ns):
    """Names of the devices of kind espah-tap in a namespace."""
    links = json.loads(ns.run("ip", "-j", "link", "show", "type", "espah-tap").stdout or "[]")
    return [link["ifname"] for link in links if link]


def afresh():
    """Deletes all namespaces; scapy's peer creates its own again."""
    for ns in lab.Netns.alive:
        Espah.flush(ns)  # otherwise the namespace keeps the module while our socket keeps the namespace
    lab.delete_all()
    Peer.a = Peer.socket = None


# --- shown packets ----------------------------------------------------------------------------

FORMS = [("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 4, 6), ("tunnel", 6, 4),
         ("transport", 4, 4), ("transport", 6, 6)]


@lab.test("each packet is shown once, as it was before and after ESP, with direction, SPI and "
          "sequence number; on the wire there is only ESP")
def shown():
    for mode, inner, outer in FORMS:
        with lab.verdict(f"{mode}, IPv{inner} in IPv{outer}"):
            peer = Peer(mode, inner, outer, ALGORITHMS["aes256-sha256"])
            if not taps(peer.a):
                traffic.add_tap(peer.a)
            with traffic.Tap(peer.a) as tap, traffic.Wire(peer.a, "eth0", cleartext=True) as clear:
                for seq, size in enumerate((0, 1, 100, 1000), 1):
                    payload = os.urandom(size)
                    plain = raw(peer.plain(payload))
                    peer.accepts(seq, payload)
                    packet, kind, spi, number = tap.next()
                    lab.equal((kind, spi, number), (HOST, 0x1001, seq), "type, SPI and number")
                    lab.equal(packet, plain, "what came out")
                    sealed = peer.take(payload)
                    packet, kind, spi, number = tap.next()
                    lab.equal((kind, spi, number), (OUTGOING, 0x2001, seq), "type, SPI, number")
                    lab.equal(packet, peer.open(sealed), "what went in")
                    lab.true(payload in packet, "the payload is not shown")
                lab.true(tap.silent(), "something is shown twice")
                lab.equal(len(clear.frames()), 0, "packets in clear on the wire")
    Peer.a.ip("link del espah0\n")


@lab.test("forged and replayed packets are not shown; one that the policy refuses is")
def refused():
    peer = Peer()
    traffic.add_tap(peer.a)
    with traffic.Tap(peer.a) as tap:
        peer.accepts(5, b"first")
        tap.next()
        again = peer.esp(seq=5)
        forged = bytearray(peer.esp(seq=6))
        forged[-1] ^= 1
        peer.dropped([again, bytes(forged)], {"replay": 1, "icv": 1})
        lab.true(tap.silent(), "a packet that was not authenticated is shown")
        other = IP(src="10.9.9.9", dst=peer.here) / UDP(sport=1, dport=2) / b"wrong source"
        peer.dropped([peer.esp(seq=7, packet=other)], {"policy": 1}, moved=True)
        packet, _, spi, number = tap.next()
        lab.equal((packet, spi, number), (raw(other), 0x1001, 7), "what is shown")
    peer.a.ip("link del espah0\n")


@lab.test("what is shown does not pass the stack a second time")
def once():
    peer = Peer()
    traffic.add_tap(peer.a)
    peer.a.run("nft", "-f", "-", stdin="""
        table inet t {
            chain pre {
                type filter hook prerouting priority -400;
                iifname espah0 counter comment "again"
                udp dport 7000 counter comment "plain"
            }
        }""")
    with traffic.Tap(peer.a):
        for seq in range(1, 11):
            peer.accepts(seq)
    rules = json.loads(peer.a.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
    packets = {entry["rule"]["comment"]: entry["rule"]["expr"][-1]["counter"]["packets"]
               for entry in rules if "rule" in entry}
    lab.equal(packets, {"again": 0, "plain": 10}, "packets in PRE_ROUTING")
    peer.a.run("nft", "flush", "ruleset")
    peer.a.ip("link del espah0\n")


@lab.test("what is sent on the tap goes nowhere, and carries no address of ours")
def injected():
    peer = Peer()
    traffic.add_tap(peer.a)
    with traffic.Tap(peer.a) as tap:
        with peer.a, socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as sock:
            sock.sendto(raw(peer.plain(b"injected")), ("espah0", traffic.ETH_P_IP))
        packet, address = tap.sock.recvfrom(65536)
        lab.equal(packet, raw(peer.plain(b"injected")), "what is shown")
        lab.equal(address[4], b"", "link-layer address")
    lab.true(traffic.silent(peer.socket), "it was delivered")
    stats = json.loads(peer.a.run("ip", "-j", "-s", "link", "show", "espah0").stdout)[0]
    lab.equal(stats["stats64"]["tx"]["dropped"], 1, "dropped on the device")
    peer.a.ip("link del espah0\n")


class Pair:
    """espah in a and XFRM in b, one tunnel, for traffic that is too fast for scapy."""

    OUTER = ("192.0.2.1", "192.0.2.2")

    def __init__(self):
        afresh()
        self.a, self.b = lab.Netns("a"), lab.Netns("b")
        lab.link(self.a, "eth0", self.b, "eth0")
        self.a.ip("addr add 192.0.2.1/24 dev eth0\naddr add 10.1.0.1/32 dev lo\n"
                  "route add 10.2.0.0/24 via 192.0.2.2 src 10.1.0.1\n")
        self.b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 10.2.0.1/32 dev lo\n"
                  "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n")
        self.out, self.back = SA(0x2001, *self.OUTER), SA(0x1001, *self.OUTER[::-1])
        ipsec.configure_pair(self.a, self.b, Espah, Xfrm, [self.out], [self.back],
                             [Policy("10.1.0.0/24", "10.2.0.0/24", self.OUTER)])


@lab.test("TCP with GSO: segments as they are encrypted, as many as ESP packets, in order, "
          "and the transfer is not changed by being looked at")
def segments():
    pair = Pair()
    traffic.add_tap(pair.a)
    with traffic.Tap(pair.a) as tap, traffic.Wire(pair.a, "eth0", outgoing=True) as wire:
        with traffic.Transfer(pair.a, "10.1.0.1", pair.b, "10.2.0.1", 8000) as transfer:
            transfer.move(os.urandom(500_000))
            transfer.move(os.urandom(100_000), backward=True)
        esp = wire.packets(50)
        sizes, numbers = [], []
        while not tap.silent():
            packet, kind, spi, number = tap.next()
            if kind == OUTGOING:
                lab.equal(spi, 0x2001, "SPI")
                lab.equal(len(packet), struct.unpack("!H", packet[2:4])[0], "length")
                sizes.append(len(packet))
                numbers.append(number)
    # RFC 4303 2: of an ESP packet for AES-GCM, 20 + 8 + 8 + 16 bytes are not inner packet,
    # and 2 to 5 more are padding, pad length and next header
    lab.equal(len(sizes), len(esp), "packets shown, for those on the wire")
    lab.equal(numbers, [struct.unpack("!I", packet[24:28])[0] & 0xffff for packet in esp],
              "sequence numbers")
    lab.true(all(2 <= len(packet) - 52 - size <= 5 for packet, size in zip(esp, sizes)),
             "sizes do not fit those on the wire")
    lab.true(max(sizes) > 1300, "there were no full segments")


# --- no cost without a listener -----------------------------------------------------------------

@lab.test("without a tap its function is not entered; without anybody who looks nothing is copied")
def no_cost():
    afresh()
    peer = Peer()
    seqs = iter(range(1, 100))

    def both_ways():
        for _ in range(5):
            peer.accepts(next(seqs))
            peer.take()
    # the wires of the test listen on all devices of b, and on none of a
    lab.equal(trace.calls("espah_tap_show", both_ways), 0, "calls without a tap")
    traffic.add_tap(peer.a)
    lab.equal(trace.calls("espah_tap_show", both_ways), 10, "calls with a tap")
    lab.equal(trace.calls("metadata_dst_alloc", both_ways), 0, "copies while nobody looks")
    with traffic.Tap(peer.a):
        lab.equal(trace.calls("metadata_dst_alloc", both_ways), 10, "copies while somebody looks")
    peer.a.ip("link set espah0 down\n")
    lab.equal(trace.calls("espah_tap_show", both_ways), 0, "calls with a tap that is down")
    peer.a.ip("link del espah0\n")


# --- ownership --------------------------------------------------------------------------------------

@lab.test("a tap shows its own namespace; a second one in it is refused")
def namespaces():
    pair = Pair()
    traffic.add_tap(pair.a)
    traffic.add_tap(pair.b)
    with traffic.Tap(pair.a) as tap, traffic.Tap(pair.b) as other:
        traffic.ping(pair.a, "10.1.0.1", "10.2.0.1")
        lab.equal([tap.next()[1:3] for _ in range(2)], [(OUTGOING, 0x2001), (HOST, 0x1001)],
                  "types and SPIs")
        lab.true(other.silent(), "the tap of another namespace shows it")
    second = pair.a.run("ip", "link", "add", "espah7", "up", "type", "espah-tap", check=False)
    lab.true("busy" in second.stderr, f"a second tap: {second.stderr}")
    # the device is deleted with its namespace, and can move to another one
    pair.a.ip("link set espah0 netns b name moved\n")
    lab.equal(taps(pair.a), [], "taps left")
    lab.equal(sorted(taps(pair.b)), ["espah0", "moved"], "taps there")
    traffic.add_tap(pair.a)
    pair.a.delete()
    pair.b.delete()


@lab.test("only who may administer the namespace gets a tap")
def unprivileged():
    afresh()
    peer = Peer()
    got = peer.a.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                     "--inh-caps=-all", CLI, "capture", "-c", "1", check=False)
    lab.equal(got.returncode, 1, "exit status")
    lab.true("it needs CAP_NET_ADMIN in this network namespace" in got.stderr, got.stderr)
    traffic.add_tap(peer.a)
    got = peer.a.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                     "--inh-caps=-all", "tcpdump", "-i", "espah0", "-c", "1", check=False)
    lab.true(got.returncode != 0 and "permission" in got.stderr, got.stderr)
    peer.a.ip("link del espah0\n")


# --- tcpdump, and espah capture ---------------------------------------------------------------------

class Program:
    """A capturing program that is already listening."""

    def __init__(self, ns, *words):
        self.process = ns.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = ""
        while "listening on" not in self.said:
            line = self.process.stderr.readline()
            lab.true(line, f"{' '.join(words)}: {self.said}")
            self.said += line

    def prints(self, want):
        """Checks how its lines begin, after the time. The kernel may deliver packets a second late."""
        lines = [self.process.stdout.readline().strip() for _ in want]
        lab.equal([line.split(" ", 1)[-1].strip()[:len(start)]
                   for line, start in zip(lines, want)], want, "lines")

    def stop(self, with_signal=signal.SIGINT):
        self.process.send_signal(with_signal)
        return self.end()

    def end(self):
        """The remaining lines."""
        out, err = self.process.communicate(timeout=60)
        self.said += err
        return out.split()


def capture(ns, *words):
    return Program(ns, CLI, "capture", *words)


# as tcpdump prints it; UDP port 7001 is rx to it, so the datagrams go to other ports
IN = "In 00:00:10:01:00:{:02x} ethertype IPv4 (0x0800), length {}: 10.2.0.1.7001 > 10.1.0.1.7000:"
OUT = "Out 00:00:20:01:00:{:02x} ethertype IPv4 (0x0800), length {}: 10.1.0.1.7000 > 10.2.0.1.7001:"


@lab.test("espah capture prints direction, SPI and packet; by direction, SPI and filter; "
          "its device lives as long as captures do")
def captured():
    afresh()
    peer = Peer()
    every, outward, spi, both, none = programs = [
        capture(peer.a), capture(peer.a, "out"), capture(peer.a, "spi", "0x1001"),
        capture(peer.a, "spi", "0x1001", "udp", "or", "tcp"),
        capture(peer.a, "spi", "0x1001", "-v", "tcp")]
    lab.equal(taps(peer.a), ["espah-tap0"], "devices while captures run")
    peer.accepts(1, b"x" * 40)
    peer.take(b"y" * 9)
    peer.accepts(2, b"x" * 50)
    first, second, third = IN.format(1, 84), OUT.format(1, 53), IN.format(2, 94)
    every.prints([first, second, third])
    outward.prints([second])
    spi.prints([first, third])
    both.prints([first, third])
    left = [every.stop(), outward.stop(signal.SIGTERM), spi.stop(), both.stop()]
    lab.equal(taps(peer.a), ["espah-tap0"], "devices while a capture runs")
    lab.equal([*left, none.stop()], [[]] * 5, "more lines")
    lab.equal([program.process.returncode for program in programs], [0] * 5, "exit status")
    lab.equal(taps(peer.a), [], "devices after the last")


@lab.test("espah capture uses a tap that is there, and leaves it; -w and -c are tcpdump's")
def kept():
    afresh()
    peer = Peer()
    traffic.add_tap(peer.a, "look")
    seen = capture(peer.a, "-c", "2", "-w", "/tmp/tap.pcap")
    peer.accepts(1, b"z" * 7)
    peer.take(b"zz")
    seen.end()
    lab.equal(seen.process.returncode, 0, "exit status")
    lab.equal(taps(peer.a), ["look"], "devices")
    words = ("-T", "fields", "-e", "sll.pkttype", "-e", "sll.src.eth", "-e", "udp.payload")
    got = lab.run("tshark", "-r", "/tmp/tap.pcap", *words).stdout.split()
    lab.equal(got, [str(HOST), "00:00:10:01:00:01", "7a" * 7,
                    str(OUTGOING), "00:00:20:01:00:01", "7a" * 2], "what Wireshark reads")
    peer.a.ip("link del look\n")
    failed = peer.a.run(CLI, "capture", "no such filter", check=False)
    lab.equal(failed.returncode, 1, "exit status with a filter that tcpdump refuses")
    lab.equal(taps(peer.a), [], "devices")


@lab.test("two captures in one batch: the second one is not in the way of the first, nor its device left")
def twice():
    afresh()
    peer = Peer()
    with open("/tmp/captures", "w", encoding="ascii") as file:
        file.writelines(["capture -c 1\n"] * 2)
    both = Program(peer.a, CLI, "-b", "/tmp/captures")
    peer.accepts(1, b"x" * 40)
    both.said = ""
    while "listening on" not in both.said:
        both.said += both.process.stderr.readline()
    peer.accepts(2, b"x" * 40)
    both.end()
    lab.equal(both.process.returncode, 0, "exit status")
    lab.equal(taps(peer.a), [], "devices")


# --- Wireshark decrypts the wire ----------------------------------------------------------------------

def export(ns, *words, **options):
    return ns.run(CLI, "export", "wireshark", *words, **options)


def tshark(folder, file, *fields):
    environment = dict(os.environ, WIRESHARK_CONFIG_DIR=folder)
    words = ["tshark", "-r", file, "-o", "esp.enable_encryption_decode:TRUE",
             "-o", "esp.enable_authentication_check:TRUE", "-T", "fields"]
    for field in fields:
        words += ["-e", field]
    got = subprocess.run(words, env=environment, text=True, capture_output=True, timeout=120,
                         check=False)
    lab.equal(got.returncode, 0, f"exit status of tshark, which says {got.stderr}")
    return [line.split("\t") for line in got.stdout.splitlines()]


def pcap(name, packets):
    """A file of IP packets (link type 101: raw IP)."""
    with open(name, "wb") as file:
        file.write(struct.pack("!IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for packet in packets:
            file.write(struct.pack("!IIII", 0, 0, len(packet), len(packet)) + packet)


# Wireshark cannot verify the ICVs of AES-XCBC and AES-CMAC
DECRYPTS = ["aes128gcm16", "aes256gcm16", "aes192gcm12", "aes128gcm8", "aes128-sha1",
            "aes256-sha256", "aes192-sha384", "aes256-sha512", "aes128-aesxcbc", "aes256-aescmac",
            "aes128ctr-sha256", "aes256ctr-sha1", "null-sha256", "null-aescmac"]
LACKS = ["aes128ccm16", "chacha20poly1305", "aes256gmac"]


@lab.test("the exported table lets Wireshark decrypt the wire, for each algorithm that it knows")
def decrypted():
    folder = "/tmp/wireshark"
    os.makedirs(folder, exist_ok=True)
    pair = Pair()
    Espah.flush(pair.a)
    Xfrm.flush(pair.b)
    suites = [(ALGORITHMS[name], f"10.2.0.{i}", 0x2000 + i, i)
              for i, name in enumerate(DECRYPTS, 10)]
    pair.b.ip("".join(f"addr add {there}/32 dev lo\n" for _, there, _, _ in suites))
    ipsec.configure_pair(
        pair.a, pair.b, Espah, Xfrm,
        [SA(spi, *pair.OUTER, "tunnel", algorithm, i) for algorithm, _, spi, i in suites],
        [SA(spi + 0x1000, *pair.OUTER[::-1], "tunnel", algorithm, i)
         for algorithm, _, spi, i in suites],
        [Policy("10.1.0.1/32", there + "/32", pair.OUTER, i) for _, there, _, i in suites])
    with traffic.Wire(pair.a, "eth0") as wire:
        sender = traffic.udp(pair.a, "10.1.0.1")
        for algorithm, there, _, _ in suites:
            traffic.deliver(sender, traffic.udp(pair.b, there, 9000),
                            [b"a secret for " + algorithm.name.encode()])
            traffic.ping(pair.a, "10.1.0.1", there, 16)
        pcap("/tmp/wire.pcap", wire.packets(50))
    said = export(pair.a, folder + "/esp_sa", "--show-keys")
    lab.equal(said.stderr, "", "what it says")
    rows = tshark(folder, "/tmp/wire.pcap", "esp.spi", "esp.icv_good", "udp.payload", "icmp.type")
    lab.equal(len(rows), 3 * len(suites), "packets")
    for (algorithm, _, spi, _), *mine in zip(suites, rows[::3], rows[1::3], rows[2::3]):
        with lab.verdict(f"Wireshark decrypts {algorithm.name}"):
            checked = "0" if algorithm.auth in ("xcbc(aes)", "cmac(aes)") else "1"
            lab.equal([row[:2] for row in mine],
                      [[f"{spi + more:#010x}", checked] for more in (0, 0, 0x1000)],
                      "SPIs and ICVs")
            lab.equal(mine[0][2], (b"a secret for " + algorithm.name.encode()).hex(), "payload")
            lab.equal([mine[1][3], mine[2][3]], ["8", "0"], "ICMP types")


@lab.test("the table is asked for explicitly, is its owner's alone, and says what it leaves out")
def exported():
    pair = Pair()
    table = "/tmp/esp_sa"
    with open(table, "w") as file:
        file.write("old")
    os.chmod(table, 0o644)
    os.chown(table, 1000, 1000)
    refusal = export(pair.a, table, check=False)
    lab.equal(refusal.returncode, 2, "exit status without --show-keys")
    lab.true("holds keys" in refusal.stderr and "--show-keys" in refusal.stderr, refusal.stderr)
    with open(table) as file:
        lab.equal(file.read(), "old", "the file, after a refusal")
    lines = [Espah.sa_line("in", SA(0x3000 + i, *pair.OUTER[::-1], algorithm=ALGORITHMS[name]))
             for i, name in enumerate(LACKS)]
    Espah.batch(pair.a, lines + [Espah.sa_line("out", SA(0x4000, "2001:db8::1", "2001:db8::2",
                                                         esn=True, key=bytes(range(20))))])
    said = export(pair.a, table, "--show-keys").stderr.splitlines()
    lab.equal(len(said), len(LACKS) + 1, "sentences")
    lab.equal([line.count("left out") for line in said], [1] * len(LACKS) + [0], "left out")
    lab.true("ESN" in said[-1], said[-1])
    now = os.stat(table)
    lab.equal((stat.S_IMODE(now.st_mode), now.st_uid), (0o600, 1000), "mode and owner")
    with open(table) as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("#")]
    # by the description of the table in Wireshark: protocol, addresses, SPI, cipher and its
    # key, integrity algorithm and its key
    lab.equal(lines, [
        f'"IPv4","192.0.2.1","192.0.2.2","0x00002001","AES-GCM with 16 octet ICV [RFC4106]",'
        f'"0x{pair.out.key.hex()}","NULL",""',
        f'"IPv4","192.0.2.2","192.0.2.1","0x00001001","AES-GCM with 16 octet ICV [RFC4106]",'
        f'"0x{pair.back.key.hex()}","NULL",""',
        '"IPv6","2001:db8::1","2001:db8::2","0x00004000","AES-GCM with 16 octet ICV [RFC4106]",'
        f'"0x{bytes(range(20)).hex()}","NULL",""'], "table")
    only = export(pair.a, "-", "in", "spi", "0x1001", "--show-keys").stdout.splitlines()
    lab.equal(only[1:], lines[1:2], "one SA on standard output")
    os.mkfifo("/tmp/pipe")
    with subprocess.Popen(["cat", "/tmp/pipe"], stdout=subprocess.PIPE, text=True) as cat:
        export(pair.a, "/tmp/pipe", "in", "spi", "0x1001", "--show-keys")
        lab.equal(cat.communicate(timeout=60)[0].splitlines(), only, "what came through a pipe")
    nowhere = export(pair.a, "/nowhere/esp_sa", "--show-keys", check=False)
    lab.equal(nowhere.returncode, 1, "exit status without the folder")
    lab.equal(os.listdir("/tmp").count("esp_sa"), 1, "files")
    lab.true(not [name for name in os.listdir("/tmp") if name.startswith("esp_sa.")], "a rest")


@lab.test("a tap goes when the module is removed")
def removed():
    afresh()
    ns = lab.Netns("a")
    traffic.add_tap(ns)
    module.unload()
    lab.equal(taps(ns), [], "taps")
    module.load()


if __name__ == "__main__":
    lab.main()
