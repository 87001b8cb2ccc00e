#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Wireshark's own ESP dissector decrypts packets that tcpdump captured from the wire.

      a (espah) 192.0.2.1 ---- veth ---- 192.0.2.2  b: no stack, tcpdump
        2001:db8::1                    2001:db8::2

Wireshark gets the keys from here, not from espah.
"""
import dataclasses
import os
import signal
import subprocess

import ipsec
import lab
import traffic
from ipsec import ALGORITHMS, Espah, Policy, SA

CIPHERS = {"gcm8": "AES-GCM with 8 octet ICV [RFC4106]",
           "gcm12": "AES-GCM with 12 octet ICV [RFC4106]",
           "gcm16": "AES-GCM with 16 octet ICV [RFC4106]",
           "ctr": "AES-CTR [RFC3686]", "": "AES-CBC [RFC3602]", "null": "NULL"}
AUTHS = {"sha1": "HMAC-SHA-1-96 [RFC2404]", "sha256": "HMAC-SHA-256-128 [RFC4868]",
         "sha384": "HMAC-SHA-384-192 [RFC4868]", "sha512": "HMAC-SHA-512-256 [RFC4868]"}
UNCHECKED = "ANY 96 bit authentication [no checking]"
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
FORMS = [("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 4, 6), ("tunnel", 6, 4),
         ("transport", 4, 4), ("transport", 6, 6)]
# tested in each form; the others only in the first form
EVERYWHERE = ("aes128gcm16", "aes256gcm16", "aes256-sha256", "aes128ctr-sha512", "null-sha1")
SIZES = (0, 13, 1000)
FILE = "/tmp/wire.pcap"
FIELDS = ("frame.number", "esp.spi", "esp.sequence", "esp.icv_good", "esp.icv_bad", "ip.addr",
          "ipv6.addr", "udp.payload", "udp.checksum.status")


def names(algorithm):
    """Wireshark's names of the cipher and integrity algorithm; None if it does not support them."""
    cipher, _, auth = algorithm.name.partition("-")
    kind = cipher if cipher == "null" else cipher[len("aes128"):]
    if kind not in CIPHERS or auth not in (*AUTHS, "aesxcbc", "aescmac", ""):
        return None
    return CIPHERS[kind], AUTHS.get(auth, UNCHECKED) if auth else "NULL"


def association(sa):
    """A line of Wireshark's table of SAs."""
    cipher, auth = names(sa.algorithm)
    cut = sa.algorithm.enc_key + sa.algorithm.salt
    keys = ["0x" + key.hex() if key else "" for key in (sa.key[:cut], sa.key[cut:])]
    words = ("IPv6" if ":" in sa.src else "IPv4", sa.src, sa.dst, f"{sa.spi:#010x}", cipher,
             keys[0], auth, keys[1])
    return ",".join(f'"{word}"' for word in words)


@dataclasses.dataclass
class Case:
    """A pair of hosts with their own SA."""
    name: str
    sa: SA
    here: str
    there: str

    def __post_init__(self):
        self.payloads = [os.urandom(size) for size in SIZES]
        self.unchecked = UNCHECKED in names(self.sa.algorithm)

    def policy(self):
        bits = 128 if ":" in self.here else 32
        tunnel = (self.sa.src, self.sa.dst) if self.sa.mode == "tunnel" else None
        return Policy(f"{self.here}/{bits}", f"{self.there}/{bits}", tunnel, self.sa.reqid)


def cases():
    number = 0
    for row, (mode, inner, outer) in enumerate(FORMS):
        for algorithm in ALGORITHMS.values():
            if not names(algorithm) or row and algorithm.name not in EVERYWHERE:
                continue
            number += 1
            here, there = ((f"10.{row}.1.{number}", f"10.{row}.2.{number}") if inner == 4 else
                           (f"fd00:{row}::1:{number:x}", f"fd00:{row}::2:{number:x}"))
            ends = OUTER[outer] if mode == "tunnel" else (here, there)
            sa = SA(0x1000 + number, *ends, mode, algorithm, reqid=number)
            yield Case(f"{algorithm.name} {mode}, IPv{inner} in IPv{outer}", sa, here, there)


def topology():
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    with b:
        neighbour = ":".join(f"{byte:02x}" for byte in traffic.mac("eth0"))
    a.ip(f"""
        addr add 192.0.2.1/24 dev eth0
        addr add 2001:db8::1/64 dev eth0 nodad
        neigh add 192.0.2.2 lladdr {neighbour} dev eth0
        neigh add 2001:db8::2 lladdr {neighbour} dev eth0
        """ + "".join(f"route add local 10.{row}.1.0/24 dev lo\n"
                      f"route add local fd00:{row}::1:0/112 dev lo\n"
                      f"route add 10.{row}.2.0/24 via 192.0.2.2\n"
                      f"route add fd00:{row}::2:0/112 via 2001:db8::2\n"
                      for row in range(len(FORMS))))
    b.ip("link set eth0 arp off\n")
    b.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
    return a, b


class Capture:
    """A tcpdump of the ESP packets on a device."""

    def __init__(self, ns):
        self.process = ns.start("tcpdump", "-Z", "root", "-U", "-i", "eth0", "-w", FILE,
                                "ip proto 50 or ip6 proto 50", stderr=subprocess.PIPE)
        lab.true("listening" in self.process.stderr.readline(), "tcpdump does not start")

    def end(self, count):
        """Waits for count packets."""
        def size():
            with open(FILE, "rb") as file:
                data, at, found = file.read(), 24, 0
            while at + 16 <= len(data):
                at += 16 + int.from_bytes(data[at + 8:at + 12], "little")
                found += at <= len(data)
            return found
        lab.wait_for(lambda: size() >= count, f"{count} packets in the capture")
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def dissect(associations):
    """The fields that Wireshark finds in each packet: {field: text}."""
    # random bytes are not AFS: if the AFS dissector fails, the ESP dissector does not reach the ICV
    words = ["tshark", "-r", FILE, "-T", "fields", "-d", "udp.port==7001,data",
             "-o", "esp.enable_encryption_decode:TRUE",
             "-o", "esp.enable_authentication_check:TRUE", "-o", "udp.check_checksum:TRUE"]
    for line in associations:
        words += ["-o", f"uat:esp_sa:{line}"]
    for field in FIELDS:
        words += ["-e", field]
    rows = lab.run(*words).stdout.splitlines()
    return [dict(zip(FIELDS, row.split("\t"), strict=True)) for row in rows]


@lab.test("Wireshark decrypts what is on the wire")
def decrypted():
    a, b = topology()
    everything = list(cases())
    Espah.configure(a, outbound=[case.sa for case in everything],
                    out=[case.policy() for case in everything])
    capture = Capture(b)
    for case in everything:
        with traffic.udp(a, case.here) as sock:
            for payload in case.payloads:
                sock.sendto(payload, (case.there, 7001))
    capture.end(len(SIZES) * len(everything))
    lab.equal(Espah.drops(a), {}, "drops")
    rows = dissect(association(case.sa) for case in everything)
    for case in everything:
        good = "checksums" if case.unchecked else "checksums and ICVs"
        with lab.verdict(f"{case.name}: Wireshark finds the payloads, their {good} are good"):
            check(case, [row for row in rows if row["esp.spi"] == f"{case.sa.spi:#010x}"])
    wrong_keys(everything)
    lab.delete_all()
    lab.report(" ".join(name for name, algorithm in ALGORITHMS.items() if not names(algorithm)),
               "Wireshark 4.0 does not know them", skip=True)
    lab.report("ICVs of AES-XCBC-96, AES-CMAC-96 and with ESN", "Wireshark 4.0 cannot verify them",
               skip=True)


def check(case, rows):
    lab.equal([row["esp.sequence"] for row in rows], ["1", "2", "3"], "sequence numbers")
    lab.equal([row["udp.payload"] for row in rows], [data.hex() for data in case.payloads],
              "payloads")
    lab.equal({row["udp.checksum.status"] for row in rows}, {"1"}, "status of UDP checksums")
    lab.equal({(row["esp.icv_good"], row["esp.icv_bad"]) for row in rows},
              {("0", "0") if case.unchecked else ("1", "0")}, "ICVs good, bad")
    ends = [[case.sa.src, case.sa.dst]] * (case.sa.mode == "tunnel") + [[case.here, case.there]]
    want = {field: [word for pair in ends if (":" in pair[0]) == (field == "ipv6.addr")
                    for word in pair] for field in ("ip.addr", "ipv6.addr")}
    for row in rows:
        lab.equal({field: row[field].split(",") if row[field] else [] for field in want}, want,
                  "addresses")


def wrong_keys(everything):
    """Checks that Wireshark verifies ICVs: with a wrong bit in each key, no ICV is valid."""
    wrong = [dataclasses.replace(case.sa, key=bytes([*case.sa.key[:-1], case.sa.key[-1] ^ 1]))
             for case in everything]
    with lab.verdict("with a wrong bit in each key, Wireshark finds no good ICV"):
        good = [row["esp.spi"] for row in dissect(map(association, wrong))
                if row["esp.icv_good"] == "1"]
        lab.equal(good, [], "SPIs with good ICVs")


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
