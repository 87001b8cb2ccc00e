#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan brings SAs up when packets ask for them, and replaces them under load.

See sites.py for the topology; a is over espah, b over XFRM. ESPAH_REKEY: seconds of rekeying
by each end (default 60), at least five times; ESPAH_RATE: datagrams a second each way (default 1,000).
"""
import os
import re
import time

import lab
import traffic
from charon import Charon
from ipsec import OURS, Xfrm
from sites import (NEVER, S, T, Flow, Lab, carries_on, carry, check_flow, established, monitored, net, reply,
                   sides)


# --- traps --------------------------------------------------------------------------------

@lab.test("a trap policy: the first packet raises the acquire, then traffic passes, none in clear")
def trap():
    here = Lab.clean()
    a, _ = here.pair(4, net("start_action = trap\n"))
    lab.wait_for(lambda: len(here.left()[1]) == 2, "the trap policies")
    lab.equal(here.sas(), [], "SAs before the first packet")
    with monitored(here, "acquire"):
        lab.wait_for(lambda: reply(here), "an answer", 60)
    carries_on(here)
    lab.true("creating acquire job for policy" in a.log(), "no acquire in charon's log")
    a.swanctl("--terminate", "--ike", "gw")
    lab.wait_for(lambda: [len(what) for what in here.left()] == [0, 2],
                 "the SAs to go, and the trap policies to stay")


@lab.test("trap policies at both ends, and packets that meet both at once: traffic passes, none in clear")
def traps():
    here = Lab.clean()
    here.pair(4, net("start_action = trap\n"))
    lab.wait_for(lambda: len(here.left()[1]) == 2, "the trap policies")

    def both():
        pings = [ns.start("ping", "-n", "-c", "1", "-W", "1", "-I", source, target, stdout=-3)
                 for ns, source, target in ((here.s, S[4], T[4]), (here.t, T[4], S[4]))]
        return [ping.wait() for ping in pings] == [0, 0]
    lab.wait_for(both, "answers both ways", 60)
    before = here.dropped()
    lab.true(set(before) <= OURS.EARLY, f"drops: {before}")
    traffic.ping(here.s, S[4], T[4], count=5)
    traffic.ping(here.t, T[4], S[4], count=5)
    lab.equal(here.dropped(), before, "drops once the SAs are there")
    lab.equal(here.in_clear(), 0, "packets in clear")


# --- rekeying -----------------------------------------------------------------------------

FAST = "rekey_time = 4s\nlife_time = 10m\nrand_time = 0\n"

for who, index, texts in (("espah's end", 0, (FAST, NEVER)), ("XFRM's end", 1, (NEVER, FAST))):
    @lab.test(f"rekeying of CHILD_SA and IKE_SA by {who}, under a flow both ways: none lost, "
              "none twice, none in clear", index, *texts)
    def rekey(initiator, *texts):
        here = Lab.clean()
        conf = [text.replace("version = 2", "version = 2\nrekey_time = 0\n")
                for text in sides(*texts)]
        b = Charon(here.b, "xfrm", conf[1])
        a = Charon(here.a, OURS.name, conf[0])
        a.initiate()
        carry(here)
        with Flow(here) as flow:
            seconds = float(os.environ.get("ESPAH_REKEY", "60"))
            end = time.monotonic() + seconds
            while time.monotonic() < end or established(a) < 1 + seconds / 12:
                children = established(a)
                lab.wait_for(lambda: established(a) > children, "a rekeying of the CHILD_SA", 60)
                # charon, also over XFRM, may lose a CHILD_SA rekeying that collides with that of the IKE_SA
                time.sleep(1)
                (a, b)[initiator].swanctl("--rekey", "--ike", "gw")
        rekeyed = len(re.findall(r"IKE_SA gw\[\d+\] rekeyed", a.log()))
        lab.true(rekeyed, "the IKE_SA was not rekeyed")
        print(f"# {established(a) - 1} rekeyings of the CHILD_SA, {rekeyed} of the IKE_SA")
        check_flow(here, flow)
        # charon keeps replaced SAs for another five seconds
        sas, policies = here.left()
        lab.true(len(sas) <= 8, f"{len(sas)} SAs are left")
        lab.equal(len(policies), 2, "policies")


for who, index in (("espah's end", 0), ("XFRM's end", 1)):
    @lab.test(f"re-authentication by {who} (make before break), under a flow both ways: none in "
              "clear, none twice, and what is lost came before its SA had keys", index)
    def reauthenticate(initiator):
        here = Lab.clean()
        conf = [text.replace("version = 2", "version = 2\nrekey_time = 0\n")
                for text in sides(NEVER, NEVER)]
        conf[initiator] = conf[initiator].replace(
            "version = 2", "version = 2\nreauth_time = 8s\nover_time = 10m\nrand_time = 0\n")

        def xfrm_drops():
            return sum(Xfrm.drops(here.b).values())
        options = "make_before_break = yes"
        ends = [Charon(here.b, "xfrm", conf[1], options=options),
                Charon(here.a, OURS.name, conf[0], options=options)][::-1]
        ends[initiator].initiate()
        carry(here)
        before = xfrm_drops()
        with Flow(here) as flow:
            lab.wait_for(lambda: established(ends[0]) >= 4, "three re-authentications", 120)
        done = ends[initiator].log().count("reauthenticating IKE_SA")
        lab.true(done >= 3, f"{done} re-authentications in the log")
        print(f"# {done} re-authentications, drops {here.dropped()}, "
              f"{sum(flow.sent.values())} datagrams, lost {flow.lost}, twice {flow.twice}")
        # the responder uses the new SA as soon as it has answered (RFC 7296 2.8 is only about
        # rekeying); the initiator has the keys after it has read the answer
        late = here.dropped()
        lab.true(set(late) <= ({"larval"} if initiator == 0 else set()), f"drops: {late}")
        lab.equal(flow.twice, {name: 0 for name in flow.sent}, "arrived twice")
        lab.equal(here.in_clear(), 0, "packets in clear")
        lab.equal(flow.lost, {"s to t": xfrm_drops() - before, "t to s": late.get("larval", 0)},
                  "lost")


for unit, limit in ("packets", 200), ("bytes", 40000):
    @lab.test(f"rekeying by {unit}: a new CHILD_SA after {limit} of them, none lost", unit, limit)
    def volume(unit_, limit_):
        here = Lab.clean()
        text = f"rekey_{unit_} = {limit_}\nlife_{unit_} = 1000000000\nrand_{unit_} = 0\n" + NEVER
        conf = sides(text, NEVER)
        Charon(here.b, "xfrm", conf[1])
        a = Charon(here.a, OURS.name, conf[0])
        a.initiate()
        lab.equal(established(a), 1, "CHILD_SAs before")
        with monitored(here, "expire"), Flow(here) as flow:
            lab.wait_for(lambda: established(a) > 1, "a rekeying", 60)
        check_flow(here, flow)


if __name__ == "__main__":
    lab.main()
