#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tasks of different priorities that send and receive through SAs on one processor.

    a (espah) 192.0.2.1 ----- veth ----- 192.0.2.2 (espah) b

With PREEMPT_RT, a task that is handling a packet is preempted by one of a higher priority, which
then handles a packet on the same processor: when a datagram arrives, its receiver wakes up in the
middle of the code that delivers it. On other kernels that code runs to its end first.
"""
import os
import random
import socket
import time

import ipsec
import lab
import module
import traffic
from ipsec import ALGORITHMS, GCM, Espah, Policy, SA

SECONDS = int(os.environ.get("ESPAH_PREEMPT_SECONDS", "10"))
FLOWS = 8
BURST = 6   # maximum datagrams of a flow in flight
OUTER = ("192.0.2.1", "192.0.2.2")
SIZES = (40, 700, 1300, 3000)  # bytes; the last one is cut into three fragments
CPUS = sorted(os.sched_getaffinity(0))


def ends(flow):
    return f"10.1.0.{flow + 1}", f"10.2.0.{flow + 1}"


def pair_of_sas(number):
    algorithm = ALGORITHMS["chacha20poly1305"] if number % 4 == 3 else GCM
    return [SA(0x1000 + 2 * number + way, *OUTER[::1 - 2 * way], reqid=number + 1, window=1024,
               algorithm=algorithm) for way in (0, 1)]


def prepare(pairs):
    """Namespaces where each flow has policies of its own, and each pair of SAs carries some flows."""
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "wan", b, "wan")
    for ns, own in ((a, 0), (b, 1)):
        ns.ip(f"addr add {OUTER[own]}/24 dev wan\n"
              + "".join(f"addr add {ends(flow)[own]}/32 dev lo\n" for flow in range(FLOWS))
              + f"route add 10.{2 - own}.0.0/24 via {OUTER[1 - own]}\n")
    there, back = zip(*(pair_of_sas(number) for number in range(pairs)))
    policies = [Policy(f"{ends(flow)[0]}/32", f"{ends(flow)[1]}/32", OUTER, flow % pairs + 1)
                for flow in range(FLOWS)]
    ways = [Policy(policy.dst, policy.src, OUTER[::-1], policy.reqid) for policy in policies]
    Espah.configure(a, there, back, policies, ways)
    Espah.configure(b, back, there, ways, policies)
    return a, b


def talk(flow, here, there, until):
    """Sends datagrams each way and receives them. Return: the number sent, by direction."""
    dice, number, sent = random.Random(flow), 0, [0, 0]
    while time.monotonic() < until:
        way = dice.randrange(2)
        source, sink = (here, there)[::1 - 2 * way]
        burst = []
        for _ in range(dice.randint(1, BURST)):
            number += 1
            burst.append(b"%d %d " % (flow, number) + bytes([flow]) * dice.choice(SIZES))
            source.sendto(burst[-1], sink.getsockname())
        sent[way] += len(burst)
        for datagram in burst:
            got = sink.recv(65536)
            if got != datagram:
                raise lab.Failed(f"flow {flow}: {got[:12]}, {len(got)} bytes, arrived instead of "
                                 f"{datagram[:12]}, {len(datagram)} bytes")
        if not dice.randrange(8):
            time.sleep(dice.random() / 1000)
    return sent


def fork(flow, here, there, until):
    """A process with a priority of its own does that. Return: its id, and a pipe for the result."""
    result, to = os.pipe()
    process = os.fork()
    if process:
        os.close(to)
        return process, result
    try:
        os.sched_setaffinity(0, CPUS[-1:])
        if flow % 4:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2 * flow))
        os.write(to, ("sent %d %d" % tuple(talk(flow, here, there, until))).encode())
    except Exception as error:  # pylint: disable=broad-except; any of them is a failure
        os.write(to, lab.explain(error).encode())
    finally:
        os._exit(0)


def carried(ns, direction):
    """{reqid: packets} of the SAs of a direction."""
    return {sa["reqid"]: sa["packets"] for sa in Espah.sas(ns, direction)}


def late(wire, spi):
    """By how many numbers the latest packet of an SA left late."""
    newest = most = 0
    for packet in wire.packets(50):
        if int.from_bytes(packet[20:24], "big") == spi:
            number = int.from_bytes(packet[24:28], "big")
            newest = max(newest, number)
            most = max(most, newest - number)
    return most


def mixed(pairs):
    a, b = prepare(pairs)
    sockets = []
    for flow in range(FLOWS):
        pair = [traffic.udp(ns, end, 9000) for ns, end in zip((a, b), ends(flow))]
        for sock in pair:
            sock.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_DONT)
        traffic.deliver(*pair, [b"first"])
        sockets.append(pair)
    with traffic.Wire(a, "wan", outgoing=True) as wire:
        until = time.monotonic() + SECONDS
        processes = [fork(flow, *pair, until) for flow, pair in enumerate(sockets)]
        results = []
        for process, result in processes:
            with open(result, encoding="utf-8") as file:
                results.append(file.read())
            os.waitpid(process, 0)
        lateness = max(late(wire, 0x1000 + 2 * number) for number in range(pairs))
    print("log", "; ".join(results), f"; late by {lateness} numbers", flush=True)
    lab.equal(Espah.drops(a), {}, "drops of a")
    lab.equal(Espah.drops(b), {}, "drops of b")
    for result in results:
        lab.true(result.startswith("sent "), result)
    for source, sink in ((a, b), (b, a)):
        out = carried(source, "out")
        lab.equal(out, carried(sink, "in"), f"packets of the SAs from {source} to {sink}")
        lab.equal(Espah.json(source, "stats")["out_packets"], sum(out.values()),
                  f"packets that {source} sent in all")
    return lateness


@lab.test("tasks of all priorities on one processor, each with an SA: each datagram arrives once, in "
          "order, unchanged, and is counted at its SA")
def own():
    mixed(FLOWS)


@lab.test("the same with one SA for all: its packets leave in the order of their numbers")
def shared():
    lab.equal(mixed(1), 0, "numbers by which a packet left late")


if __name__ == "__main__":
    ipsec.need_espah()
    module.load()
    lab.main()
