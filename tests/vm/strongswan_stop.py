#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""charon is stopped, killed or too slow: what stays, who removes it, and that nothing leaves in clear.

See sites.py for the topology; a is over espah, b over XFRM.
"""
import contextlib
import os
import re
import shlex
import signal
import threading
import time

import ipsec
import lab
import traffic
from charon import Charon, connection
from ipsec import CLI, OURS, Espah, need_plugin
from sites import A, B, GCM, LONG, NET_A, NET_B, S, T, Lab, reply, sides

UNIT = f"{ipsec.ROOT}/userspace-tools/systemd/espah-flush-charon.service"
SHORT = "kernel-espah { takeover = 6s }"
TRAP = "start_action = trap\n" + LONG


@contextlib.contextmanager
def datagrams(here):
    """Datagrams from s to t, every few milliseconds. Yields a list of how many were sent."""
    sent, stop = [0], threading.Event()
    sock = traffic.udp(here.s, S[4])

    def run():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                sock.sendto(b"in clear?", (T[4], 9))
                sent[0] += 1
            time.sleep(0.005)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()
        sock.close()


def start(here, text=TRAP, plugins="", stack=OURS.name):
    """A charon at each gateway, only a with the text. Return: a"""
    conf = sides(text, LONG)
    Charon(here.b, "xfrm", conf[1])
    return Charon(here.a, stack, conf[0], plugins=plugins)


def restart(here, a, load=True):
    """Stops and starts charon while datagrams flow; they go on until its traps are there again."""
    with datagrams(here) as sent:
        before = sent[0]
        a.stop()
        lab.wait_for(lambda: sent[0] > before + 20, "datagrams while it is stopped")
        a.start()
        before = sent[0]
        lab.wait_for(lambda: sent[0] > before + 20, "datagrams before it has its configuration")
        if load:
            a.swanctl("--load-all", "--noprompt")
            lab.wait_for(lambda: reply(here), "an answer", 60)


def labelled(here):
    return [policy for policy in here.policies() if policy.get("label", "").startswith("charon")]


# --- stopped ------------------------------------------------------------------------------------

@lab.test("charon is restarted: with a trap nothing leaves in clear, and the new charon takes its policies over")
def restarted():
    need_plugin()
    here = Lab.clean()
    a = start(here, plugins=SHORT)
    lab.wait_for(lambda: reply(here), "an answer", 60)
    kept = {policy["id"] for policy in here.policies()}
    restart(here, a)
    lab.equal(here.in_clear(), 0, "packets in clear")
    time.sleep(7)  # takeover
    lab.true("deleting" not in a.log(), "charon took its own policies for those of another")
    carry_on(here)
    lab.equal(len({policy["id"] for policy in here.policies()} & kept), 2, "the trap's policies")


def carry_on(here):
    traffic.ping(here.s, S[4], T[4], count=3)
    lab.equal(here.in_clear(), 0, "packets in clear")


@lab.test("charon is stopped for good: traps and shunts stay, CHILD_SAs do not; 'swanctl --uninstall' and "
          "'--terminate' remove what they name")
def stopped():
    need_plugin()
    here = Lab.clean()
    children = {"trap": (NET_A[4], NET_B[4], GCM + TRAP),
                "child": ("10.1.7.0/24", "10.2.7.0/24", GCM + LONG),
                "pass": ("10.1.8.0/24", "10.2.8.0/24", "mode = pass\nstart_action = trap\n"),
                "drop": ("10.1.9.0/24", "10.2.9.0/24", "mode = drop\nstart_action = trap\n")}
    a, _ = here.pair(4, children)
    a.initiate("trap")
    a.initiate("child")
    a.swanctl("--terminate", "--child", "child")
    lab.equal(nets(here), ["10.2.0", "10.2.8", "10.2.9"], "policies when a CHILD_SA is terminated")
    a.initiate("child")
    a.swanctl("--uninstall", "--child", "drop")
    lab.equal(nets(here), ["10.2.0", "10.2.7", "10.2.8"], "policies when a shunt is uninstalled")
    a.stop()
    lab.equal(nets(here), ["10.2.0", "10.2.8"], "policies when charon is stopped")
    lab.equal(here.sas(), [], "SAs")
    lab.true(re.search("4 policies of traps and shunts stay", a.log()), "the log does not tell")
    for _ in range(5):
        here.s.run("ping", "-n", "-c", "1", "-W", "0.05", T[4], check=False)
    lab.equal(here.in_clear(), 0, "packets in clear")


def nets(here):
    """The peer's networks of outbound policies, each once."""
    return sorted({re.match(r"[\d.]+(?=\.)", policy["selector"]["dst"] if "selector" in policy
                            else policy["dst"])[0]
                   for policy in here.policies() if policy["dir"] == "out"})


@lab.test("a trap that the new configuration lacks ends after the time that takeover says, and not before")
def forgotten():
    need_plugin()
    here = Lab.clean()
    a = start(here, plugins=SHORT)
    lab.equal(len(labelled(here)), 2, "policies")
    a.stop()
    a.start()
    a.load(sides(LONG, "")[0])
    lab.equal(len(labelled(here)), 2, "policies after the start")
    lab.wait_for(lambda: not labelled(here), "the trap to go", 30)
    a.wait_log("deleting 2 policies that an earlier charon left behind")


@lab.test("keep_traps = no: a charon that stops removes its traps; a discard policy of the administrator's "
          "behind them keeps packets from leaving in clear, as the manual shows it")
def guarded():
    if OURS is ipsec.Xfrm:
        raise lab.Skipped("XFRM deletes policies by their selector, so a charon that stops may delete the guard")
    here = Lab.clean()
    plugins = "kernel-espah { keep_traps = no }"
    if OURS is Espah:
        a = start(here, plugins=plugins)
        a.stop()
        lab.equal(here.policies(), [], "policies after the stop")
        here.s.run("ping", "-n", "-c", "1", "-W", "0.1", T[4], check=False)
        lab.true(here.in_clear() > 0, "nothing goes in clear, so this test shows nothing")
    for line in guard_of_manual():
        here = Lab.clean()
        Espah.batch(here.a, [line])
        a = start(here, plugins=plugins)
        lab.wait_for(lambda: reply(here), "an answer", 60)
        restart(here, a)
        lab.equal(here.in_clear(), 0, "packets in clear")


def guard_of_manual():
    """The example of the manual, for the networks of this laboratory."""
    with open(f"{ipsec.ROOT}/userspace-tools/strongswan/README.md") as file:
        lines = re.findall(r"^    (policy add both .* discard)$", file.read(), re.M)
    lab.equal(len(lines), 1, "guards in the manual")
    return [lines[0].replace("10.1.0.0/16", NET_A[4]).replace("10.2.0.0/16", NET_B[4])]


# --- killed -------------------------------------------------------------------------------------

OWN = ("sa add out spi 0x4242 src 203.0.113.1 dst 203.0.113.2 tunnel aes128gcm16 key " + "ab" * 20,
       "policy add out 10.77.0.0/16 10.78.0.0/16 discard label strongcharon",
       "policy add out 10.77.0.0/16 10.79.0.0/16 discard")


def unit_command():
    """The command of the unit."""
    with open(UNIT) as file:
        words = shlex.split(re.findall("^ExecStart=(.*)$", file.read(), re.M)[0])
    lab.equal(words[0], "espah", "the unit's program")
    return CLI, *words[1:]


for way_, words_ in ("by its label", (CLI, "flush", "label", "charon*")), \
                    ("by its owner", (CLI, "flush", "owner", "daemon")), \
                    ("by the unit", unit_command()):
    @lab.test(f"charon is killed, and XFRM takes over: espah flush removes what is charon's {way_}, and no more",
              words_)
    def another(words):
        need_plugin()
        here = Lab.clean()
        a = start(here)
        lab.wait_for(lambda: reply(here), "an answer", 60)
        Espah.batch(here.a, OWN)
        a.stop(kill=True)
        lab.equal((len(here.sas()), len(here.policies())), (3, 6), "SAs and policies that stay")
        here.a.run(*words)
        left = sorted(policy.get("label", "") for policy in here.policies())
        lab.equal((len(here.sas()), left), (1, ["", "strongcharon"]), "SAs, and labels of policies")
        Charon.stop_all()
        here.b.ip("xfrm state flush\nxfrm policy flush\n")
        conf = sides(LONG, LONG)
        Charon(here.b, "xfrm", conf[1])
        a = Charon(here.a, "xfrm", conf[0])
        a.initiate()
        lab.equal(len(here.sas()), 1, "espah's SAs while XFRM has the tunnel")
        traffic.ping(here.s, S[4], T[4], count=3)
        traffic.ping(here.t, T[4], S[4], count=3)
        lab.equal(here.in_clear(), 0, "packets in clear")


# --- too slow -------------------------------------------------------------------------------------

def many(count, text):
    return {f"{kind}{number}": (f"10.1.0.{number + base}", f"10.2.0.{number + base}", text_)
            for kind, base, text_ in text for number in range(count)}


@lab.test("charon is too slow for the module's events: its log says that some were lost, SAs that have ended "
          "go from its list, and those that passed a soft limit are rekeyed")
def overrun():
    need_plugin()
    here = Lab.clean()
    count = 10
    children = many(count, (("hard", 20, "life_packets = 5\n"), ("soft", 60, "rekey_packets = 5\n"
                            "life_packets = 1000000\nrand_packets = 0\n")))
    for ns, end in (here.s, 0), (here.t, 1):
        ns.ip("".join(f"addr replace {child[end]}/24 dev eth0\n" for child in children.values()))

    def side(mine, theirs, end, more):
        return connection(mine, theirs, {
            name: f"local_ts = {child[end]}/32\nremote_ts = {child[1 - end]}/32\n{GCM}{LONG}"
            + (child[2] + "start_action = start\n" if more else "") for name, child in children.items()})
    b = Charon(here.b, "xfrm", side(B[4], A[4], 1, False), timeout=30)
    a = Charon(here.a, OURS.name, side(A[4], B[4], 0, True), timeout=30,
               plugins="kernel-espah { receive_buffer_size = 1 }")
    lab.wait_for(lambda: (a.children(), b.children()) == (2 * count,) * 2, "the CHILD_SAs", 60)
    before = {sa["spi"] for sa in here.sas()}
    os.kill(a.process.pid, signal.SIGSTOP)
    try:
        for source, target, _ in children.values():
            with traffic.udp(here.s, source) as sock:
                for _ in range(6):
                    sock.sendto(b"until the limit", (target, 9))
        lab.wait_for(lambda: sum(sa["dir"] == "out" for sa in here.sas()) == count, "outbound SAs to end")
    finally:
        os.kill(a.process.pid, signal.SIGCONT)
    a.wait_log("events of the module are lost")
    # charon makes a CHILD_SA that has ended anew
    lab.wait_for(lambda: (not {sa["spi"] for sa in here.sas()} & before, len(here.sas()), a.children()) ==
                 (True, 4 * count, 2 * count), "new SAs in the place of all old ones", 60)
    told = re.search(r"kernel-espah: (\d+) SAs have ended, (\d+) are to be replaced", a.log())
    lab.true(told and int(told[1]) > 0 and int(told[2]) > 0, f"the log says {told and told[0]}")
    lab.equal(len(re.findall(r"closing expired CHILD_SA hard", a.log())), count, "expired CHILD_SAs")


if __name__ == "__main__":
    lab.main()
