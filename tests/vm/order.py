# SPDX-License-Identifier: GPL-2.0-only
"""Packets of a flow stay in order, on two processors, with synchronous and asynchronous drivers.

    a (espah) 192.0.2.1 ----- veth ----- 192.0.2.2 (espah) b      one SA each way for all flows

A veth with GRO but no TSO is a ring, and keeps the order for any sender. Otherwise it has a queue
for each processor, so a flow must stay on one processor, or move only when the order is safe.
"""
import contextlib
import os
import signal
import socket
import statistics
import struct
import subprocess
import time

import driver
import ipsec
import lab
import module
import trace
import traffic
from ipsec import ALGORITHMS, GCM, OURS, Policy, SA

HERE, THERE = "10.1.0.1", "10.2.0.1"
FLOWS, COUNT = 4, 400  # each way
CPUS = sorted(os.sched_getaffinity(0))
SHARED = "cpus 2"
STAMP = struct.Struct("!II")  # flow, number


def topology(gro, peer=OURS, window=4096, **options):
    lab.delete_all()
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0")
    for ns, me, other, mine, theirs in ((a, 1, 2, 1, 2), (b, 2, 1, 2, 1)):
        ns.ip(f"addr add 192.0.2.{me}/24 dev eth0\nroute add local 10.{mine}.0.0/24 dev lo\n"
              f"route add 10.{theirs}.0.0/24 via 192.0.2.{other}\n")
        lab.offloads(ns, "eth0", gro)
        ns.run("ethtool", "-K", "eth0", "tso", "off")
    ends = "192.0.2.1", "192.0.2.2"
    # resolve the neighbour first: a packet that waits for it may be overtaken
    traffic.ping(a, *ends)
    ipsec.configure_pair(a, b, OURS, peer, [SA(0x1001, *ends, window=window, **options)],
                         [SA(0x1002, *ends[::-1], window=window, **options)],
                         [Policy("10.1.0.0/24", "10.2.0.0/24", ends)])
    return a, b


def run_on(number):
    os.sched_setaffinity(0, {CPUS[number % len(CPUS)]})


def fork(number, function):
    """Calls function in its own process, on the processor of that number."""
    process = os.fork()
    if not process:
        try:
            run_on(number)
            function()
        finally:
            os._exit(0)
    return process


class Flow:
    """Numbered datagrams from a separate process, on one processor or alternating between them."""

    def __init__(self, source_ns, source, sink_ns, sink, number):
        self.number = number
        self.sink = traffic.udp(sink_ns, sink, 7000 + number)
        self.sink.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, 32 << 20)
        self.source = traffic.udp(source_ns, source)
        self.source.connect((sink, 7000 + number))
        self.source.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, number % FLOWS << 2)
        self.process = None

    def start(self, count=1 << 30, size=200, turns=False):
        def send():
            for number in range(count):
                if turns and number % 5 == 0:
                    run_on(self.number + number)
                with contextlib.suppress(OSError):  # after a flush the receiver may be closed
                    self.source.send(STAMP.pack(self.number, number) + bytes(size))
        self.process = fork(self.number, send)

    def burst(self, first, count, size):
        """Sends count datagrams from this process, as one GSO packet."""
        self.source.setsockopt(socket.SOL_UDP, traffic.UDP_SEGMENT, STAMP.size + size)
        self.source.send(b"".join(STAMP.pack(self.number, number) + bytes(size)
                                  for number in range(first, first + count)))

    def join(self):
        os.waitpid(self.process, 0)
        self.process = None

    def close(self):
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            self.join()
        self.source.close()
        self.sink.close()


def flows(a, b):
    """The same number of flows in each direction and on each processor."""
    return [Flow(*(a, HERE, b, THERE) if number < FLOWS else (b, THERE, a, HERE), number)
            for number in range(2 * FLOWS)]


def check_order(flow, stamps):
    late = [(before, after) for before, after in zip(stamps, stamps[1:]) if after <= before]
    lab.true(not late, f"{flow}: {len(late)} of {len(stamps)} out of order or twice, "
             f"first {late[:1]}")


def check_bursts(flow, count):
    """Checks that count datagrams of one flow arrive, in order."""
    stamps = []

    def complete():
        stamps.extend(STAMP.unpack_from(datagram)[1] for datagram in traffic.drain(flow.sink))
        return len(stamps) >= count
    lab.wait_for(complete, "the datagrams")
    check_order("the flow", stamps)


def dropped(ns):
    """Drops counted by espah and the veth."""
    count = sum(OURS.drops(ns).values())
    for name in "rx_dropped", "tx_dropped":
        with ns:
            count += int(lab.run("ip", "netns", "exec", str(ns), "cat",
                                 f"/sys/class/net/eth0/statistics/{name}").stdout)
    return count


def check_flows(a, b, turns, lossless=False, ordered=True):
    """Checks that all packets except counted drops arrive, in the order of each flow."""
    everyone = flows(a, b)
    got = {flow.number: [] for flow in everyone}
    sent = COUNT * len(everyone)

    def arrived():
        for flow in everyone:
            for datagram in traffic.drain(flow.sink):
                number, stamp = STAMP.unpack_from(datagram)
                lab.equal(number, flow.number, "flow of a datagram")
                got[flow.number].append(stamp)
        return sum(map(len, got.values()))
    try:
        for flow in everyone:
            flow.start(COUNT, turns=turns)
        for flow in everyone:
            flow.join()
        with contextlib.suppress(lab.Failed):
            lab.wait_for(lambda: arrived() + (not lossless and dropped(a) + dropped(b)) >= sent,
                         "the last datagrams", 5)
        for number, stamps in got.items() if ordered else ():
            check_order(f"flow {number}", stamps)
        lost = dropped(a) + dropped(b)
        lab.equal(arrived() + lost, sent, f"delivered {arrived()} and dropped {lost}, together")
        lab.true(arrived() > sent / 10, f"only {arrived()} of {sent} arrived")
        if lossless:
            lab.equal(arrived(), sent, "delivered")
    finally:
        for flow in everyone:
            flow.close()


def check_wire(a, b):
    """Checks that a flow that alternates between processors leaves in the order of its numbers."""
    with contextlib.closing(Flow(a, HERE, b, THERE, 0)) as flow, \
            traffic.Wire(a, "eth0", outgoing=True) as wire:
        flow.start(COUNT, turns=True)
        flow.join()
        numbers = []

        def complete():
            numbers.extend(struct.unpack_from("!I", packet, 24)[0] for packet in wire.packets(50))
            return len(numbers) + sum(OURS.drops(a).values()) >= COUNT
        lab.wait_for(complete, "the last packets")
        check_order("the wire", numbers)


def carry_all(name, template=None, algorithm=GCM, extra=""):
    ipsec.need_espah()
    for gro, esn in (False, True), (True, False):
        what = f"{name}, GRO and GSO {'on' if gro else 'off'}{', ESN' if esn else ''}"
        # the CPU that handles the oldest answer may also send later packets, to its own device queue
        ordered = gro or not template
        with lab.verdict(f"{what}: {2 * FLOWS} flows through one SA each way, "
                         f"{'each in order, ' if ordered else ''}nothing uncounted"):
            a, b = topology(gro, algorithm=algorithm, esn=esn, extra=extra)
            need_driver(a, template)
            check_flows(a, b, turns=gro, lossless=not template and not extra, ordered=ordered)
        with lab.verdict(f"{what}: TCP carries all bytes both ways"):
            data = os.urandom(1 << 19)
            with traffic.Transfer(a, HERE, b, THERE, 8000) as connection:
                connection.move(data)
                connection.move(data, backward=True)
    with lab.verdict(f"{name}: sequence numbers ascend on the wire"):
        check_wire(*topology(True, algorithm=algorithm, extra=extra))


@lab.test("driver that answers at once")
def synchronous():
    carry_all("driver that answers at once")


@lab.test("two processors share each SA")
def shared():
    carry_all("two processors share each SA", extra=SHARED)


@lab.test("two processors share the SAs of four classes, and each flow stays in order")
def classes():
    ipsec.need_espah()
    a, b = topology(True, extra=SHARED)
    for sender, receiver, ends, base in ((a, b, ("192.0.2.1", "192.0.2.2"), 0x1100),
                                         (b, a, ("192.0.2.2", "192.0.2.1"), 0x1200)):
        sas = [SA(base + dscp, *ends, window=4096, extra=SHARED) for dscp in range(1, FLOWS)]
        OURS.configure(receiver, inbound=sas)
        OURS.batch(sender, [f"{OURS.sa_line('out', sa)} for-dscp {dscp}" for dscp, sa in enumerate(sas, 1)])
    check_flows(a, b, turns=True)
    for ns in a, b:
        carried = [sa["packets"] for sa in OURS.sas(ns, "out")]
        lab.equal(len(carried), FLOWS, "SAs")
        lab.true(min(carried) > COUNT / 10, f"packets of the SAs: {carried}")


def work_of(number):
    """Number of interrupts of a processor to receive packets, or to work on packets of others."""
    with open("/proc/softirqs", encoding="ascii") as file:
        return next(int(line.split()[1 + number]) for line in file if "NET_RX:" in line)


@lab.test("a processor that has no time lets an idle one help, unless the SA is to keep to one")
def helped():
    ipsec.need_espah()
    work = {}
    for extra in "cpus 1", "cpus auto":
        a, b = topology(False, extra=extra)
        with contextlib.closing(Flow(a, HERE, b, THERE, 0)) as flow:
            flow.start(size=1000)
            time.sleep(1)
            before = work_of(CPUS[1])
            time.sleep(2)
            work[extra] = work_of(CPUS[1]) - before
    lab.true(work["cpus auto"] > 100 + 4 * work["cpus 1"], f"work of the idle processor: {work}")


def hosts(*gateways):
    """Adds hosts behind the gateways, and moves the inner addresses of the gateways to them."""
    behind = []
    for ns, net in zip(gateways, ("10.1.0", "10.2.0")):
        host = lab.Netns(f"{ns}-host")
        lab.link(ns, "eth1", host, "eth0")
        ns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        ns.ip(f"route del local {net}.0/24 dev lo\naddr add {net}.254/24 dev eth1\n")
        host.ip(f"addr add {net}.1/24 dev eth0\nroute add default via {net}.254\n")
        behind.append(host)
    return behind


def longest_backlog():
    """The longest receive backlog of any processor, in packets."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return max(int(line.split()[11], 16) for line in file)


@lab.test("no processor is left behind with what it receives, while eight TCP flows are carried")
def keeping_up():
    ipsec.need_espah()
    left, right = hosts(*topology(False))
    right.start("iperf3", "-s", stdout=subprocess.DEVNULL)
    time.sleep(1)
    medians = []
    for _ in range(4):  # the result depends on the CPUs of the programs
        client = left.start("iperf3", "-c", THERE, "-P", "8", "-t", "9", stdout=subprocess.DEVNULL)
        time.sleep(3)
        lengths = []
        for _ in range(50):
            lengths.append(longest_backlog())
            time.sleep(0.1)
        medians.append(statistics.median(lengths))
        lab.equal(client.wait(lab.TIMEOUT), 0, "how iperf3 ended")
    lab.true(max(medians) < 150, f"median lengths of the longest backlog: {medians}")


BURSTS, BURST = 150, 40


def count_late(behind):
    """Number of packets, of two processors' bursts, that are too late for XFRM with a small window."""
    count, size = BURSTS, BURST
    a, b = topology(True, ipsec.Xfrm, window=32, extra="cpus 1")
    source, sink = hosts(a, b) if behind else (a, b)
    before = ipsec.Xfrm.drops(b)
    with contextlib.closing(Flow(source, HERE, sink, THERE, 0)) as one, \
            contextlib.closing(Flow(source, HERE, sink, THERE, 1)) as other:
        def send(flow):
            flow.source.setsockopt(socket.SOL_UDP, traffic.UDP_SEGMENT, 100)
            for _ in range(count):
                flow.source.send(bytes(100 * size))
        for flow in one, other:
            flow.process = fork(flow.number, lambda flow=flow: send(flow))
        for flow in one, other:
            flow.join()
    after = ipsec.Xfrm.drops(b)
    return after.get("XfrmInStateSeqError", 0) - before.get("XfrmInStateSeqError", 0)


def send_at_once(behind):
    ipsec.need_espah()
    late = []
    # a virtual CPU that the host pauses loses its numbered packets, at most eight
    while len(late) < 2 and (not late or late[0] > BURSTS * BURST / 200):
        late.append(count_late(behind))
    lab.true(min(late) <= BURSTS * BURST / 200,
             f"{late} of {2 * BURSTS * BURST} came too late for XFRM")


@lab.test("processors that send bursts at the same time stay within a peer's window of 32")
def bursts_at_once():
    send_at_once(False)


@lab.test("so do processors that forward bursts at the same time")
def forwarded_at_once():
    send_at_once(True)


def slow(what, times=1):
    """Rules that delay each matching packet before routing."""
    return f"""table inet slow {{
    chain rules {{ {3000 * "udp length 1 accept;"} }}
    chain several {{ {times * "jump rules;"} }}
    chain prerouting {{ type filter hook prerouting priority -150; meta l4proto {what} jump several; }}
}}
"""


def share_by_turns(source, sink, gateway, direction):
    """Sends each burst while the previous one waits behind the gateway, which uses one CPU or two."""
    bursts, size = 12, 40
    with contextlib.closing(Flow(source, HERE, sink, THERE, 0)) as flow:
        def send():
            for burst in range(bursts):
                gateway.run(ipsec.CLI, "sa", "set", direction, "spi", "0x1001", "dst", "192.0.2.2",
                            "cpus", str(1 + burst % 2))
                flow.burst(burst * size, size, 100)
                time.sleep(0.15)
        flow.process = fork(0, send)
        check_bursts(flow, bursts * size)


@lab.test("packets that another processor sends from now on do not overtake those sent before")
def sent_by_turns():
    ipsec.need_espah()
    a, b = topology(False)
    b.run("nft", "-f", "-", stdin=slow("esp", 40))
    share_by_turns(a, b, a, "out")


@lab.test("packets that another processor delivers from now on do not overtake those before")
def delivered_by_turns():
    ipsec.need_espah()
    a, b = topology(False, extra="cpus 1")
    left, right = hosts(a, b)
    traffic.ping(right, THERE, "10.2.0.254")
    right.run("nft", "-f", "-", stdin=slow("udp", 30))
    share_by_turns(left, right, b, "in")


def received(ns):
    """Packets that the device has received."""
    with ns, open("/proc/thread-self/net/dev", encoding="ascii") as file:
        return next(int(line.split()[2]) for line in file if line.lstrip().startswith("eth0:"))


@lab.test("packets that move to another processor do not overtake those that wait to be delivered")
def moving():
    bursts, size = 8, 40
    a, b = topology(True)
    b.run("nft", "-f", "-", stdin=slow("udp"))
    with contextlib.closing(Flow(a, HERE, b, THERE, 0)) as flow:
        before = received(b)

        def send(first):
            """Sends every second burst, as soon as the previous one is decrypted."""
            for burst in range(first, bursts, 2):
                lab.wait_for(lambda: received(b) - before >= burst * size, "the last burst")
                flow.burst(burst * size, size, 200)
        for process in [fork(number, lambda number=number: send(number)) for number in (0, 1)]:
            os.waitpid(process, 0)
        check_bursts(flow, bursts * size)


def polling_thread(device):
    """Process ID of the kernel thread that polls a device with threaded polling."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            if comm.read().startswith(f"napi/{device}-"):
                return int(pid)
    raise lab.Failed(f"no thread polls {device}")


@lab.test("packets from a card that each processor polls by turns stay in order")
def polled_by_turns():
    ipsec.need_espah()
    a, b = topology(True, extra="cpus 1")
    left, right = hosts(a, b)
    for host, gateway in (left, a), (right, b):
        for ns, device in (host, "eth0"), (gateway, "eth1"):
            ns.run("ethtool", "-K", device, "gro", "on", "tso", "off")
    a.run("ip", "netns", "exec", str(a), "sh", "-c", "echo 1 >/sys/class/net/eth1/threaded")
    traffic.ping(left, HERE, THERE)
    thread, count = polling_thread("eth1"), 6000
    with contextlib.closing(Flow(left, HERE, right, THERE, 0)) as flow:
        def send():
            flow.start(count)
            while os.waitpid(flow.process, os.WNOHANG) == (0, 0):
                for cpu in CPUS:
                    os.sched_setaffinity(thread, {cpu})
                    time.sleep(0.001)
            flow.process = None
        gathered = trace.calls("espah_gather", send)
        if "PREEMPT_RT" in os.uname().version:
            lab.equal(gathered, 0, "packets gathered")
        else:
            lab.true(gathered > count / 10, "too few were gathered")
        time.sleep(0.5)
        stamps = [STAMP.unpack_from(datagram)[1] for datagram in traffic.drain(flow.sink)]
        lab.true(len(stamps) > count / 2, f"only {len(stamps)} arrived")
        check_order("the flow", stamps)


# --- asynchronous drivers -----------------------------------------------------------------------

def need_driver(ns, template):
    used = {sa["driver"] for sa in OURS.sas(ns)}
    lab.true(all(name.startswith(f"{template}(") if template else "crypt" not in name
                 for name in used), f"drivers are {used}")


@lab.test("driver that answers later, on the processor that asked")
def cryptd():
    # the wrapper accepts no asynchronous drivers, and those of AES-GCM once were asynchronous
    algorithm = ALGORITHMS["chacha20poly1305"]
    driver.instantiate("cryptd", algorithm)
    carry_all("driver that answers later, on the processor that asked", "cryptd", algorithm)


@lab.test("driver that answers later, on another processor")
def pcrypt():
    driver.instantiate("pcrypt")
    carry_all("driver that answers later, on another processor", "pcrypt")


@contextlib.contextmanager
def load(a, b):
    """Flows that continue while the body runs."""
    everyone = flows(a, b)
    try:
        for flow in everyone:
            flow.start(size=1000)
        time.sleep(0.3)
        yield everyone
    finally:
        for flow in everyone:
            flow.close()


def traffic_is_well():
    """Checks that new SAs work."""
    a, b = topology(True)
    with traffic.udp(a, HERE, 7000) as left, traffic.udp(b, THERE, 7000) as right:
        traffic.deliver(left, right, [os.urandom(500) for _ in range(50)])
        traffic.deliver(right, left, [os.urandom(500) for _ in range(50)])


# ways in which packets can be in flight: inside a driver, and on other processors
IN_FLIGHT = (("processors that share SAs", lambda: None, SHARED),
             ("a driver that answers later", lambda: driver.instantiate("pcrypt"), ""))


def each_way(what):
    """Calls a test for each of IN_FLIGHT; pcrypt is last, because it stays loaded."""
    def decorate(function):
        @lab.test(what)
        def test():
            ipsec.need_espah()
            for name, prepare, extra in IN_FLIGHT:
                with lab.verdict(f"{name}: {what}"):
                    prepare()
                    function(extra)
                    traffic_is_well()
        return test
    return decorate


@each_way("SAs are deleted and added under load, 10 times")
def delete(extra):
    a, b = topology(True, extra=extra)
    out, back = [SA(spi, *ends, extra=extra) for spi, ends in
                 ((0x1001, ("192.0.2.1", "192.0.2.2")), (0x1002, ("192.0.2.2", "192.0.2.1")))]
    with load(a, b):
        for _ in range(10):
            for ns, there, here in ((a, out, back), (b, back, out)):
                OURS.batch(ns, [f"sa del out spi {there.spi:#x} dst {there.dst}",
                                f"sa del in spi {here.spi:#x} dst {here.dst}"])
                OURS.batch(ns, [OURS.sa_line("out", there), OURS.sa_line("in", here)])


@each_way("everything is flushed under load, 5 times")
def flush(extra):
    a, b = topology(True, extra=extra)
    ends = "192.0.2.1", "192.0.2.2"
    with load(a, b):
        for _ in range(5):
            OURS.flush(a)
            OURS.flush(b)
            ipsec.configure_pair(a, b, OURS, OURS, [SA(0x1001, *ends, extra=extra)],
                                 [SA(0x1002, *ends[::-1], extra=extra)],
                                 [Policy("10.1.0.0/24", "10.2.0.0/24", ends)])


def references():
    with open("/sys/module/espah/refcnt", encoding="ascii") as file:
        return int(file.read())


@each_way("namespaces are deleted under load, twice")
def namespaces(extra):
    for _ in range(2):
        a, b = topology(True, extra=extra)
        with load(a, b):
            a.delete()
            b.delete()
        lab.wait_for(lambda: references() == 0, "the namespaces to end")


@each_way("the module is unloaded under load, twice")
def unload(extra):
    for _ in range(2):
        a, b = topology(True, extra=extra)
        with load(a, b):
            OURS.flush(a)
            OURS.flush(b)
            module.unload()
        lab.true(not module.loaded(), "the module is still there")
        module.load()


def processor(number, online):
    with open(f"/sys/devices/system/cpu/cpu{number}/online", "w", encoding="ascii") as file:
        file.write(str(online))


@lab.test("a processor goes away and comes back under load, 5 times")
def hotplug():
    ipsec.need_espah()
    a, b = topology(True, extra=SHARED)
    try:
        with load(a, b):
            for _ in range(5):
                processor(1, 0)
                time.sleep(0.5)
                processor(1, 1)
                time.sleep(0.5)
    finally:
        processor(1, 1)
    traffic_is_well()


if __name__ == "__main__":
    lab.main()
