#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Processors that go offline and come back while they process packets; needs two processors.

   b (XFRM) 192.0.2.2 ===== 192.0.2.1 a (espah)

Packets of one SA arrive on both processors. The other processor takes over the packets of the one
that goes offline, and may still process them when the first is back.
"""
import multiprocessing
import os
import socket
import struct
import time

import ipsec
import lab
from ipsec import Espah, Policy, SA, Xfrm

OUTER = ("192.0.2.1", "192.0.2.2")
PORT = 4000
ROUNDS = 6
ONLINE = "/sys/devices/system/cpu/cpu1/online"


def topology():
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    a.ip("addr add 192.0.2.1/24 dev eth0\naddr add 10.1.0.1/32 dev lo\n"
         "route add 10.2.0.0/24 via 192.0.2.2 src 10.1.0.1\n")
    b.ip("addr add 192.0.2.2/24 dev eth0\naddr add 10.2.0.1/32 dev lo\n"
         "route add 10.1.0.0/24 via 192.0.2.1 src 10.2.0.1\n")
    ipsec.configure_pair(a, b, Espah, Xfrm, [SA(0x1000, *OUTER)],
                         [SA(0x1001, *OUTER[::-1], window=4096)],
                         [Policy("10.1.0.0/24", "10.2.0.0/24", OUTER)])
    return a, b


def switch(on):
    with open(ONLINE, "w", encoding="ascii") as file:
        file.write(str(int(on)))


def send(ns, cpu, stop, count):
    """Sends numbered datagrams, from the given processor while it is online."""
    with ns, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("10.1.0.1", PORT))
        while not stop.is_set():
            try:
                os.sched_setaffinity(0, {cpu})
            except OSError:
                os.sched_setaffinity(0, {0})
            for _ in range(20):
                sock.send(struct.pack("=II", cpu, count.value))
                count.value += 1
            time.sleep(0)


def softnet_drops():
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return sum(int(line.split()[1], 16) for line in file)


def udp_errors(ns):
    with ns, open("/proc/thread-self/net/snmp", encoding="ascii") as file:
        names, values = [line.split() for line in file if line.startswith("Udp:")]
    return int(dict(zip(names, values))["RcvbufErrors"])


@lab.test("a processor that goes and comes back while packets are on it loses none, doubles none and "
          "leaves none behind")
def come_back():
    if not os.path.exists(ONLINE):
        raise lab.Skipped("there is one processor, or it stays")
    a, b = topology()
    with a:
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, 33, 1 << 28)  # SO_RCVBUFFORCE
        sink.bind(("10.1.0.1", PORT))
        sink.settimeout(0.2)
    before = softnet_drops()
    stop = multiprocessing.Event()
    counts = [multiprocessing.Value("I", 0, lock=False) for _ in range(2)]
    senders = [multiprocessing.Process(target=send, args=(b, cpu, stop, counts[cpu]))
               for cpu in range(2)]
    got = []

    def take(end):
        while time.monotonic() < end:
            try:
                got.append(sink.recv(8))
            except socket.timeout:
                return

    for sender in senders:
        sender.start()
    try:
        for _ in range(ROUNDS):
            take(time.monotonic() + 0.3)
            switch(False)
            switch(True)
            take(time.monotonic() + 0.3)
    finally:
        switch(True)
        stop.set()
        for sender in senders:
            sender.join()
    sink.settimeout(2)
    take(time.monotonic() + 60)
    sent = sum(count.value for count in counts)
    drops = sum(Espah.drops(a).values()) + softnet_drops() - before + udp_errors(a)
    xfrm = sum(Xfrm.drops(b).values())
    print(f"log sent {sent}, received {len(got)}, dropped {Espah.drops(a)}, {drops} in all", flush=True)
    lab.equal(len(set(got)), len(got), "packets without those that came twice")
    lab.equal(len(got) + drops + xfrm, sent, "received and dropped")
    # nothing is stuck: the next packet passes at once, on either processor
    for cpu in 0, 1:
        os.sched_setaffinity(0, {cpu})
        b.run("ping", "-c", "2", "-i", "0.2", "-W", "5", "10.1.0.1")
    os.sched_setaffinity(0, {0, 1})


if __name__ == "__main__":
    lab.main()
