# SPDX-License-Identifier: GPL-2.0-only
"""Keys: keys that are used twice, shown, or deleted."""
import contextlib
import dataclasses
import itertools
import os
import random
import re
import socket
import struct
import subprocess
import time

import faults
import ipsec
import lab
import module
import netlink
import trace
import traffic
from ipsec import AH, ALGORITHMS, GCM, IMPLICIT_IV, SA, Espah
from scapy_peer import Peer, esp_offset

A, B = "192.0.2.1", "192.0.2.2"
COUNTER = [ALGORITHMS[name] for name in ("aes128gcm16", "aes256ccm8", "aes192gmac", "aes128ctr-sha1",
                                         "chacha20poly1305")]


def iv_of(packet):
    """The IV and the low half of the sequence number of a packet, as integers."""
    start = esp_offset(packet) + (4 if packet[9] == 51 else 0)
    return int.from_bytes(packet[start + 8:start + 16], "big"), \
        int.from_bytes(packet[start + 4:start + 8], "big")


def sends(peer, sa):
    """From now on, the peer expects packets of this SA only."""
    peer.number = 51 if sa.algorithm.proto == "ah" else 50
    Espah.batch(peer.a, ["flush"])
    Espah.configure(peer.a, [sa], out=[ipsec.Policy(
        f"{peer.here}/32", f"{peer.there}/32", sa.mode == "tunnel" and (sa.src, sa.dst) or None,
        sa.reqid, proto=sa.algorithm.proto)])


def mask(peer):
    """The output of `sa list --show-keys' for the outbound SA."""
    sa, = Espah.json(peer.a, "sa", "list", "out", "--show-keys")
    return int(sa["iv_mask"], 16)


# --- IVs ----------------------------------------------------------------------------------------

@lab.test("IVs of counter modes are the sequence number XOR what is told with the key")
def masks():
    peer = Peer("transport")
    for algorithm in [*COUNTER, AH["aes128gmac"]]:
        with lab.verdict(f"{algorithm.name} ({algorithm.proto}): number XOR iv_mask"):
            seen = set()
            for _ in range(2):
                sends(peer, SA(0x2001, A, B, "transport", algorithm))
                for number in 1, 2, 3:
                    iv, low = iv_of(peer.take())
                    lab.equal(low, number, "number")
                    lab.equal(iv ^ number, mask(peer), "mask")
                seen.add(mask(peer))
            lab.equal(len(seen), 2, "masks of two SAs")


@lab.test("with ESN it is the whole number, across 2^32")
def esn():
    peer = Peer(esn=True, seq=(7 << 32) - 3, window=64)
    peer.decoder.esn_en = True
    ivs = set()
    for number in range((7 << 32) - 2, (7 << 32) + 3):
        packet = peer.take()
        iv, low = iv_of(packet)
        lab.equal((iv ^ mask(peer), low), (number, number & 0xffffffff), "IV XOR mask, and number")
        peer.decoder.esn = number >> 32
        lab.true(b"hello" in peer.open(packet), "scapy finds no payload")
        ivs.add(iv)
    lab.equal(len(ivs), 5, "IVs")


@lab.test("a key that is used again does not show the key stream at the first packet")
def again():
    peer = Peer()
    for algorithm in COUNTER[0], COUNTER[1], COUNTER[3], COUNTER[4]:
        with lab.verdict(f"{algorithm.name}: the first packets of two lives of one key"):
            key, bodies = os.urandom(algorithm.key_len), []
            for payload in bytes(64), bytes([0xff] * 64):
                sends(peer, SA(0x2001, A, B, "tunnel", algorithm, key=key))
                packet = peer.take(payload)
                start = esp_offset(packet) + 8 + algorithm.iv
                bodies.append(packet[start + 28:start + 92])  # behind the IP and UDP header
            lab.equal(len(bodies[0]), 64, "bytes of payload")
            lab.true(any(x ^ y != 0xff for x, y in zip(*bodies)), "the same key stream")


@lab.test("an IV's mask is shown when it is asked for, with the key, and only where there is one")
def mask_shown():
    peer = Peer()
    with peer.a:
        link = netlink.Link()
        link.sock.setsockopt(netlink.SOL_NETLINK, netlink.ADD_MEMBERSHIP, link.groups["sa"])
    Espah.batch(peer.a, [Espah.sa_line("out", SA(0x3000 + i, A, B, algorithm=algorithm))
                         for i, algorithm in enumerate((GCM, ALGORITHMS["aes128-sha1"],
                                                        IMPLICIT_IV[0], ALGORITHMS["null-sha1"]))])
    plain, told = (Espah.json(peer.a, "sa", "list", *words) for words in ((), ("--show-keys",)))
    lab.true(not any("iv_mask" in sa or "key" in sa for sa in plain), "shown without being asked")
    lab.equal({sa["spi"]: "iv_mask" in sa for sa in told},
              {"0x00002001": True, "0x00001001": False, "0x00003000": True, "0x00003001": False,
               "0x00003002": False, "0x00003003": False}, "SAs with a mask")
    link.sock.settimeout(lab.TIMEOUT)
    for _ in range(4):
        event = dict(netlink.parse(link.sock.recv(65536)[20:]))
        lab.true(netlink.KEY not in event and netlink.IV_MASK not in event, "an event tells it")
    link.sock.close()


@contextlib.contextmanager
def zeroed():
    """A list that holds, at the end, the first 64 bytes of all memory that the kernel zeroed to free it."""
    if not os.path.isdir(trace.FOLDER + "events"):
        lab.run("mount", "-t", "tracefs", "tracefs", trace.FOLDER)
    if not os.path.exists(trace.FOLDER + "kprobe_events"):
        raise lab.Skipped("this kernel has no kprobe events")
    seen = []
    trace.write("kprobe_events", "p:espah_test/zeroed kfree_sensitive "
                + " ".join(f"w{i}=+{8 * i}($arg1):x64" for i in range(8)))
    trace.write("trace", "")
    trace.write("events/espah_test/zeroed/enable", "1")
    try:
        yield seen
    finally:
        trace.write("events/espah_test/zeroed/enable", "0")
        with open(trace.FOLDER + "trace", encoding="ascii") as file:
            seen += [b"".join(int(word, 16).to_bytes(8, "little") for word in re.findall(r" w\d=0x([0-9a-f]+)", line))
                     for line in file if " zeroed: " in line]
        trace.write("kprobe_events", "")  # opening it so removes the probe


@lab.test("deleted and flushed SAs are zeroed before their memory is freed: the key, and the SA with its salt")
def zeroed_when_freed():
    ns = lab.Netns("z")
    gcm, ccm, cbc, ah = GCM, ALGORITHMS["aes128ccm16"], ALGORITHMS["aes128-sha1"], AH["sha256"]
    sas = [SA(0x5a17c0d0 + i, A, B, algorithm=algorithm) for i, algorithm in enumerate((gcm, ccm, cbc, ah))]
    ends = {"deleted": [f"sa del out {sa.algorithm.proto} spi {sa.spi:#x} dst {B}" for sa in sas],
            "flushed": ["flush"]}
    for how, words in ends.items():
        Espah.batch(ns, [Espah.sa_line("out", sa) for sa in sas])
        with zeroed() as memory:
            Espah.batch(ns, words)
            time.sleep(2)  # a grace period, and the work that frees
        for sa in sas:
            with lab.verdict(f"{how}: {sa.algorithm.name}"):
                lab.true(any(sa.key[:16] == start[:16] for start in memory), "the key was freed as it was")
                # near the start of the SA: the id, with the SPI
                spi = sa.spi.to_bytes(4, "big")
                lab.true(any(spi in start[8:] for start in memory), "the SA was freed as it was")
    lab.delete_all()


# --- keys of another SA -------------------------------------------------------------------------

def clean():
    """Deletes namespaces of earlier tests, which Peer would reuse."""
    if Peer.socket:
        Peer.socket.close()
    lab.delete_all()
    Peer.a = Peer.b = Peer.socket = None


@contextlib.contextmanager
def namespace():
    clean()
    yield lab.Netns("a")


def sa_list(ns):
    return [{name: value for name, value in sa.items() if name != "added"}
            for sa in Espah.json(ns, "sa", "list", "--show-keys")]


def refused(ns, direction, sa, words):
    before = sa_list(ns)
    with ns:
        result = lab.run(ipsec.CLI, "-b", "-", stdin=Espah.sa_line(direction, sa) + "\n", check=False)
    lab.equal(result.returncode, 1, f"exit status of {Espah.sa_line(direction, sa)}")
    lab.true(words in result.stderr, f"it says {result.stderr!r}, not {words!r}")
    lab.equal(sa_list(ns), before, "SAs after the refusal")


def counting(algorithm):
    return algorithm.iv == 8 or algorithm in IMPLICIT_IV


@lab.test("a key and salt that another SA has: refused in all counter modes, taken in others")
def all_algorithms():
    with namespace() as ns:
        for algorithm in [*COUNTER, *IMPLICIT_IV[2:7:2], AH["aes256gmac"], AH["sha256"],
                          ALGORITHMS["aes256-sha256"], ALGORITHMS["null-sha1"]]:
            with lab.verdict(f"{algorithm.name} ({algorithm.proto}): the same key once more"):
                Espah.batch(ns, ["flush"])
                sa = SA(0x1000, A, B, "transport", algorithm)
                Espah.configure(ns, [sa])
                for direction, other in (("out", dataclasses.replace(sa, spi=0x1001)),
                                         ("in", dataclasses.replace(sa, spi=0x1002, src=B, dst=A))):
                    if counting(algorithm):
                        refused(ns, direction, other, "another SA has this key and salt")
                    else:
                        Espah.batch(ns, [Espah.sa_line(direction, other)])


@lab.test("reuse-key allows it, but not with implicit IVs; the SA shows that it was said")
def allowed():
    with namespace() as ns:
        for algorithm in *COUNTER, AH["aes256gmac"]:
            sa = SA(0x1000, A, B, "transport", algorithm)
            Espah.configure(ns, [sa, dataclasses.replace(sa, spi=0x1001, extra="reuse-key")])
            lab.equal([bool(sa.get("reuse_key")) for sa in Espah.json(ns, "sa", "list")],
                      [False, True], "reuse_key")
            Espah.batch(ns, ["flush"])
        for algorithm in IMPLICIT_IV:
            sa = SA(0x1000, A, B, "transport", algorithm, extra="reuse-key")
            Espah.configure(ns, [sa])
            refused(ns, "in", dataclasses.replace(sa, src=B, dst=A), "implicit IVs (RFC 8750)")
            explicit = dataclasses.replace(sa, spi=0x1001, extra="",
                                           algorithm=ALGORITHMS[algorithm.name[:-3]])
            refused(ns, "out", explicit, "another SA has this key and salt")
            Espah.batch(ns, ["flush"])


@lab.test("a key of zeros is refused in counter modes, and taken with reuse-key or in others")
def zeros():
    with namespace() as ns:
        for algorithm in [*COUNTER, *IMPLICIT_IV]:
            zero = SA(0x1000, A, B, "transport", algorithm, key=bytes(algorithm.enc_key) +
                      os.urandom(algorithm.salt + algorithm.auth_key))
            refused(ns, "out", zero, "all zero")
            zero.extra = "reuse-key"
            if algorithm in IMPLICIT_IV:
                refused(ns, "out", zero, "all zero")
            else:
                Espah.batch(ns, [Espah.sa_line("out", zero), "flush"])
            almost = dataclasses.replace(zero, extra="", key=bytes(algorithm.enc_key - 1) + b"\1" +
                                         bytes(algorithm.salt + algorithm.auth_key))
            Espah.batch(ns, [Espah.sa_line("out", almost), "flush"])
        for algorithm in ALGORITHMS["aes128-sha1"], ALGORITHMS["null-sha256"], AH["sha256"]:
            Espah.batch(ns, [Espah.sa_line("out", SA(0x1000, A, B, "transport", algorithm,
                                                     key=bytes(algorithm.key_len))), "flush"])


@lab.test("what counts is cipher key and salt, whatever the algorithm and the integrity key")
def what_counts():
    with namespace() as ns:
        sa = SA(0x1000, A, B, "transport", GCM)
        Espah.configure(ns, [sa])
        for name in "aes128gcm8", "aes128gmac", "aes128ctr-sha256", "aes128ctr-aescmac":
            algorithm = ALGORITHMS[name]
            refused(ns, "in", SA(0x1001, B, A, "transport", algorithm,
                                 key=sa.key + os.urandom(algorithm.auth_key)), "another SA has")
        refused(ns, "in", SA(0x1001, B, A, "transport", AH["aes128gmac"], key=sa.key),
                "another SA has")
        for key in (sa.key[:-1] + bytes([sa.key[-1] ^ 1]), bytes([sa.key[0] ^ 1]) + sa.key[1:]):
            Espah.batch(ns, [Espah.sa_line("in", SA(0x1001, B, A, "transport", key=key)),
                             f"sa del in spi 0x1001 dst {A}"])
        # CBC may use the same 16 bytes as GCM: it has no counter, so this is harmless
        Espah.batch(ns, [Espah.sa_line("in", SA(
            0x1001, B, A, "transport", ALGORITHMS["aes128-sha1"], key=sa.key[:16] + os.urandom(20)))])


@lab.test("the key is free once the last SA that has it is gone, in whatever order they go")
def freed():
    dice = random.Random(1)
    with namespace() as ns:
        for order in dice.sample(list(itertools.permutations(range(4))), 6):
            shared = [SA(0x1000 + i, A, B, "transport", extra="reuse-key" if i else "",
                         key=bytes(range(20))) for i in range(4)]
            Espah.configure(ns, shared)
            probe = dataclasses.replace(shared[0], spi=0x2000)
            for i in order:
                refused(ns, "out", probe, "another SA has this key and salt")
                Espah.batch(ns, [f"sa del out spi {shared[i].spi:#x} dst {B}"])
            Espah.batch(ns, [Espah.sa_line("out", probe), "flush"])


@lab.test("another network namespace may have the key: it may be the other end")
def two_namespaces():
    with namespace() as ns:
        sa = SA(0x1000, A, B, "transport", IMPLICIT_IV[0])
        Espah.configure(ns, [sa])
        Espah.configure(lab.Netns("b"), inbound=[sa])


@lab.test("moves, and the same SA once more, are not mistaken for a second use")
def moves():
    with namespace() as ns:
        sa = SA(0x1000, A, B)
        Espah.configure(ns, [sa])
        refused(ns, "out", sa, "exists")
        Espah.batch(ns, [f"sa set out spi 0x1000 dst {B} new-dst 192.0.2.3 new-src 192.0.2.4"])
        refused(ns, "out", sa, "another SA has this key and salt")
        Espah.batch(ns, ["sa del out spi 0x1000 dst 192.0.2.3", Espah.sa_line("out", sa)])


@lab.test("a reserved SPI stays reserved when its key is refused, and takes another")
def larval():
    with namespace() as ns:
        sa = SA(0x1000, A, B)
        Espah.configure(ns, [sa])
        spi = int(Espah.json(ns, "sa", "alloc", "src", B, "dst", A, "tunnel", "reqid", "1")["spi"], 16)
        refused(ns, "in", SA(spi, B, A, key=sa.key), "another SA has this key and salt")
        Espah.batch(ns, [Espah.sa_line("in", SA(spi, B, A))])
        lab.equal([sa["state"] for sa in Espah.sas(ns)], ["valid"] * 2, "states")


# --- SAs that move, requests that are refused ---------------------------------------------------

MOVES = 1000


@lab.test("an SA that moves a thousand times under traffic: found at one place or the other, all adds up")
def moved():
    clean()
    peer = Peer()
    places = A, "192.0.2.7"
    peer.a.ip(f"addr add {places[1]}/24 dev eth0\n")
    packets = []
    for number in range(1, 301):
        packet = bytearray(peer.esp(b"x", number))
        packet[16:20] = socket.inet_aton(places[number % 2])
        packet[10:12] = b"\0\0"
        total = sum(struct.unpack("!10H", packet[:20]))
        total = (total & 0xffff) + (total >> 16)
        packet[10:12] = struct.pack("!H", ~total & 0xffff)
        packets.append(bytes(packet))
    before = Espah.drops(peer.a)
    with peer.a:
        link = netlink.Link()
    mover = os.fork()
    if not mover:
        status = 1
        with contextlib.suppress(netlink.Refused):
            for i in range(MOVES):
                link.ask(netlink.SA_SET, netlink.identity(0x1001, netlink.IN, places[i % 2]) +
                         [(netlink.NEW_DST, netlink.ip(places[(i + 1) % 2]))])
            status = 0
        os._exit(status)
    sent, ended = 0, False
    while not ended or sent < 100:
        if sent < len(packets):
            peer.send(packets[sent])
            sent += 1
        else:
            time.sleep(0.01)
        ended = ended or os.waitpid(mover, os.WNOHANG)[0] == mover
    link.sock.close()
    sa, = Espah.sas(peer.a, "in")
    lab.equal(sa["dst"], A, "where the SA is after an even number of moves")

    def lost():
        now = Espah.drops(peer.a)
        return {name: count - before.get(name, 0) for name, count in now.items()
                if count != before.get(name, 0)}
    lab.wait_for(lambda: peer.state()["packets"] + sum(lost().values()) == sent,
                 f"{sent} packets to be delivered or dropped")
    lab.true(set(lost()) <= {"no_spi", "policy"}, f"drops {lost()}")
    lab.true(peer.state()["packets"], "none was delivered")
    with peer.a:
        refusal = lab.run(ipsec.CLI, "sa", "get", "in", "spi", "0x1001", "dst", places[1], check=False)
    lab.equal(refusal.returncode, 1, "status of a get by the other address")


@lab.test("a change that is refused at its last word changes nothing before it")
def all_or_nothing():
    with namespace() as ns:
        Espah.configure(ns, [SA(0x1000, A, B), SA(0x1000, A, "192.0.2.3")])
        before = sa_list(ns)
        for words in ("new-dst 192.0.2.3 hard packets 5 dummy steady 1/s",
                      "soft packets 9 hard packets 5 new-dst 192.0.2.9 df set",
                      "new-src 192.0.2.9 hard packets 5 encap udp 4500 4500 new-dst 192.0.2.3"):
            with ns:
                result = lab.run(ipsec.CLI, "sa", "set", "out", "spi", "0x1000", "dst", B,
                                 *words.split(), check=False)
            lab.true(result.returncode, f"'{words}' was taken")
            lab.equal(sa_list(ns), before, f"SAs after '{words}'")
        with ns:
            link = netlink.Link()
        who = netlink.identity(0x1000, netlink.OUT, B) + [(netlink.NEW_DST, netlink.ip("192.0.2.9"))]
        # requests that the command would not send
        for name, change in (
                ("dummies of both kinds", [(netlink.DUMMY, netlink.u32(5000)),
                                           (netlink.DUMMY_RANDOM, netlink.u32(5000))]),
                ("a soft limit above the hard one",
                 [(netlink.SOFT | netlink.NESTED, netlink.nest((netlink.L_TIME, netlink.u64(9)))),
                  (netlink.HARD | netlink.NESTED, netlink.nest((netlink.L_TIME, netlink.u64(5))))])):
            try:
                link.ask(netlink.SA_SET, who + change)
                raise lab.Failed(f"{name}: taken")
            except netlink.Refused:
                pass
            lab.equal(sa_list(ns), before, f"SAs after {name}")
        link.sock.close()


def failing(link, cmd, pairs, flags=netlink.REQUEST | netlink.ACK):
    """Fails the first allocation, the second ... until it succeeds. Return: refusals seen."""
    seen = 0
    for nth in range(1, 400):
        before = link.snapshot()
        message = link.message(cmd, netlink.attrs(pairs), flags)
        with faults.Fault(nth) as fault:
            try:
                link.sock.send(message)
                code = "unknown"
            except OSError as error:
                code = error.errno
        if code == "unknown":
            try:
                data = link.sock.recv(1 << 16, socket.MSG_DONTWAIT)
                kind, = struct.unpack("=H", data[4:6])
                code = struct.unpack("=i", data[16:20])[0] if kind == netlink.NLMSG_ERROR else 0
            except OSError:  # the answer was lost: nothing can be said
                code = None
        with contextlib.suppress(OSError):
            while True:
                link.sock.recv(1 << 16, socket.MSG_DONTWAIT)
        if not fault.failed:
            lab.equal(code, 0, "the request without a failure")
            return seen
        if code:
            seen += 1
            lab.equal(link.snapshot(), before, f"all after allocation {nth} had failed")
        else:
            return seen
    raise lab.Failed("each of 400 allocations failed it")


@lab.test("a request whose memory runs out, at each allocation, is refused and changes nothing")
def out_of_memory():
    if not faults.can_fail():
        raise lab.Skipped("this kernel has no fault injection")
    faults.prepare()
    with namespace() as ns, ns:
        link = netlink.Link()
        who = netlink.identity(0x1000, netlink.OUT, B)
        new = netlink.sa(DIR=netlink.u8(netlink.OUT), DST=netlink.ip(B), SRC=netlink.ip(A))
        limit = netlink.nest((netlink.L_TIME, netlink.u64(1000)))
        seen = [failing(link, netlink.SA_NEW, new)]
        link.ask(netlink.SA_DEL, who)
        link.ask(netlink.SA_NEW, new)
        seen.append(failing(link, netlink.SA_SET, who + [
            (netlink.NEW_DST, netlink.ip("192.0.2.9")), (netlink.DUMMY, netlink.u32(1000000)),
            (netlink.HARD | netlink.NESTED, limit)]))
        seen.append(failing(link, netlink.SA_ALLOC_SPI, netlink.alloc()))
        seen.append(failing(link, netlink.POLICY_NEW, netlink.policy()))
        seen.append(failing(link, netlink.CONFIG_SET, [(netlink.C_OUT, netlink.u8(0))]))
        print(f"allocations that failed: {seen}")
        lab.true(all(seen[:4]), "nothing failed")
        link.sock.close()


# --- unloading ----------------------------------------------------------------------------------

@lab.test("once the family is gone, packets are dropped untold, until the hooks are gone too")
def untold():
    clean()
    pairs = []
    for i in range(4):
        a, b = lab.Netns(f"a{i}"), lab.Netns(f"b{i}")
        lab.link(a, "eth0", b, "eth0")
        a.ip(f"addr add {B}/24 dev eth0\n")
        Espah.configure(a, inbound=[SA(0x1000, A, B)])
        with a:
            link = netlink.Link()
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
            sock.bind((0, 0))
            sock.setsockopt(netlink.SOL_NETLINK, netlink.ADD_MEMBERSHIP, 16)  # of the controller
        pairs.append((traffic.Injector(b, "eth0", a, "eth0"), sock))
        group, family = link.groups["drop"], link.family
        link.sock.close()
    header = bytes.fromhex("4500002c0000000040320000") + socket.inet_aton(A) + socket.inet_aton(B)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~total & 0xffff) + header[12:]
    stray = header + struct.pack("!II", 0x9999, 1) + bytes(16)
    told = late = 0
    gone = [False] * len(pairs)
    with subprocess.Popen(["rmmod", "espah"]) as rmmod:
        while rmmod.poll() is None:
            for i, (injector, sock) in enumerate(pairs):
                with contextlib.suppress(OSError):
                    sock.setsockopt(netlink.SOL_NETLINK, netlink.ADD_MEMBERSHIP, group)
                injector.send(stray)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        data = sock.recv(1 << 16, socket.MSG_DONTWAIT)
                        kind, = struct.unpack("=H", data[4:6])
                        if kind == family:
                            late += gone[i]
                            told += 1
                        elif data[16] == 2:  # CTRL_CMD_DELFAMILY
                            gone[i] = True
    lab.equal(rmmod.returncode, 0, "exit status of rmmod")
    for injector, sock in pairs:
        sock.close()
        injector.sock.close()
    print(f"told of {told} drops while the module was unloaded")
    lab.equal(late, 0, "events of a family that was gone")
    lab.delete_all()
    module.load()


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
