#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whether `espah explain' tells the truth: what it says of random packets, and what becomes of them.

usage: explain.py [SECONDS] [--seed N]    (tests/vm/run explain:SECONDS; ESPAH_SEED=N)

Each round configures the gateway of explain_place.py at random: policies, SAs that fit, nearly fit or
are spent, defaults, and rules of nft that translate, mark, drop or do not track packets. Then it asks
about random packets, sends them, and compares: by which device, in which SAs, under which reason
dropped, and which policies and SAs counted it.

Each packet is asked about twice. The first question has the words that a user has who does not think of
his firewall, and sometimes lacks ports or the device. The second one has what the rules of nft make of
the packet before espah sees it. The answer to the second must be what happens. Where the answer to the
first is another, it must say on what it depends.
"""
import argparse
import collections
import dataclasses
import ipaddress
import json
import os
import random
import re
import sys
import time

import ipsec
import lab
import netlink
from explain_dice import ERRORS, Dice, Template, protect, reply_of
from explain_place import GONE, IF_IDS, OUTSIDE, OWN, VRF, Fate, Place, family, own_in
from gateway import AH, ESP, ICMP, ICMPV6, PORTS, TCP, UDP, Flow
from ipsec import CLI

FLOWS = 60       # in a round
PLAIN = 0.7      # least share of first questions whose answer needs no reservation
SEVERAL = 0.05   # greatest share of packets for which answers allow several fates, such as UDP to a port of IKE
SHOWN = 10       # faults that are printed with their configuration
USUAL = (        # what a run of some rounds has met
    "fate: delivered", "fate: delivered by an SA", "fate: sent", "fate: sent by SAs", "fate: sent by an SA",
    "fate: gone", "fate: drop plaintext", "fate: drop discard_in", "fate: drop discard_out", "fate: drop policy",
    "fate: drop no_sa", "fate: drop device_no_policy", "reserved: mark", "reserved: address", "reserved: words",
    "tracked flows", "tracked flows that are translated", "SAs that nearly fitted, mended",
    "answers with an SA that dropped packets", "flows sent by each SA")


# --- questions ----------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Question:
    direction: str
    src: str
    dst: str
    proto: int = None
    sport: int = None  # or the type
    dport: int = None  # or the code
    mark: int = 0
    dev: str = ""

    def words(self):
        words = f"explain {self.direction} {self.src} {self.dst}"
        if self.proto is not None:
            words += f" proto {self.proto}"
            names = ("sport", "dport") if self.proto in PORTS else ("type", "code")
            words += "".join(f" {name} {value}" for name, value in zip(names, (self.sport, self.dport))
                             if value is not None)
        return words + f" mark {self.mark}" * bool(self.mark) + f" dev {self.dev}" * bool(self.dev)


def question(direction, flow, **more):
    numbers = {}
    if flow.proto in PORTS:
        numbers = {"sport": flow.sport, "dport": flow.dport}
    elif flow.proto in (ICMP, ICMPV6):
        numbers = {"sport": flow.kind, "dport": 0}
    return Question(direction, flow.src, flow.dst, flow.proto, **numbers, **more)


def verdict(answer):
    """What an answer says, without reservations."""
    policy = answer["policy"] and answer["policy"]["id"]
    sas = [sa["spi"] for sa in [answer["sa"], *answer.get("outer_sas", [])] if sa]
    return answer["action"], policy, sas, answer.get("drop"), bool(answer.get("exempt"))


# --- what the rules of nft make of a packet -------------------------------------------------------

@dataclasses.dataclass
class Step:
    """A place where espah judges the packet, or where a rule drops it."""
    kind: str            # "in", "by sa", "out", "local" or "rule"
    first: Question = None
    informed: Question = None
    why: frozenset = frozenset()  # what rules changed since the first question: "mark", "address"
    about: Question = None        # the flow that an ICMP error reports


class Walk:
    """The way of a packet through a, as far as it is not espah's to decide."""

    def __init__(self, config, kind, flow, device, mark, sa=None):
        self.config, self.kind, self.flow, self.device, self.sa = config, kind, flow, device, sa
        self.now, self.mark, self.first_mark, self.tracked = flow, mark, mark, True
        self.why = set()
        self.steps = []
        self.routes = []

    def rules(self, chain, device=""):
        """Applies a chain; true if the packet is dropped."""
        for rule in self.config.rules:
            if rule.chain != chain or not rule.matches(self.now, device):
                continue
            if rule.verdict == "drop":
                ask = question("out" if self.kind == "own" else "in", self.flow, mark=self.first_mark)
                self.steps.append(Step("rule", ask, ask))
                return True
            if rule.verdict == "notrack":
                self.tracked = False
            elif rule.verdict == "mark":
                self.mark = rule.value
                self.why.add("mark")
            elif self.tracked and self.now.proto in (TCP, UDP):
                if rule.verdict == "dnat":
                    self.now = dataclasses.replace(self.now, dst=rule.value)
                else:
                    source = rule.value or OWN[family(self.now.src)].get(device)
                    self.now = dataclasses.replace(self.now, src=source or self.now.src)
                self.why.add("address")
                break
        return False

    def add(self, kind, direction, dev):
        about = None
        if self.flow.body and self.flow.kind in ERRORS.get(self.flow.proto, ()):
            about = question(direction, reply_of(self.flow.body), mark=self.mark, dev=dev)
        self.steps.append(Step(kind, question(direction, self.flow, mark=self.first_mark, dev=dev),
                               question(direction, self.now, mark=self.mark, dev=dev), frozenset(self.why), about))

    def prerouting(self, dev):
        return self.rules("raw", dev) or self.rules("mangle_pre", dev) or self.rules("dstnat", dev)

    def protected(self):
        """A packet of an SA until it is decrypted; false: dropped."""
        sa = self.sa.sa
        carrier = Flow(sa.src, sa.dst, UDP, *sa.encap) if sa.encap else \
            Flow(sa.src, sa.dst, AH if sa.algorithm.proto == "ah" else ESP)
        inner, self.now = self.now, carrier
        if not (self.config.direct and self.sa.lives) and (
                self.rules("raw", self.device) or self.rules("mangle_pre", self.device) or
                self.rules("input", self.device)):
            return False
        if not self.config.direct and sa.encap:
            self.rules("dstnat", self.device)
        if self.now.dst != sa.dst:  # it does not get to the SA
            self.why.clear()
            self.steps.append(Step("translated", *2 * [question("in", carrier, dev=self.device)]))
            return False
        self.now, self.tracked = inner, True
        self.outer_mark = self.mark
        found = re.search(r"set-mark (\S+)", sa.extra)
        if found:
            self.mark = self.first_mark = int(found[1], 0)
            self.why.discard("mark")
        if not self.sa.lives:
            self.steps.append(Step("spent", *2 * [question("in", carrier, mark=0, dev=self.device)]))
        return self.sa.lives

    def begin(self):
        """The steps up to the routing decision; false: it ends before."""
        dev = self.device
        if self.kind == "own":
            self.rules("raw_out")
            if self.rules("dstnat_out") or self.rules("output"):
                return False
            return True
        if self.kind == "by sa":
            if not self.protected():
                return False
            dev = next((name for name, number in IF_IDS.items() if number == self.sa.sa.if_id), self.device)
        self.add(self.kind if self.kind == "by sa" else "in", "in", dev)
        self.came = dev
        if self.prerouting(dev):
            return False
        if own_in(self.now.dst, dev):
            if not self.rules("input", dev):
                self.steps.append(Step("local"))
            return False
        return True

    def route(self):
        """What to ask the routing table for the packet as it was, and as it is."""
        vrf = "red" if self.device in VRF + ("red",) else ""
        iif = "" if self.kind == "own" else getattr(self, "came", self.device)
        return [(self.flow.src, flow.dst, iif, vrf, self.mark) for flow in (self.flow, self.now)]

    def end(self, first_dev, dev):
        """The steps behind the routing decision."""
        if self.kind != "own" and dev in ("lo", "red"):  # an address of another domain
            if not self.rules("input", self.came):
                self.steps.append(Step("local"))
            return
        if self.kind != "own" and (self.rules("mangle_fwd", self.came) or self.rules("forward", self.came)):
            return
        self.rules("mangle_post", self.came if self.kind != "own" else "")
        self.rules("postrouting", dev)
        self.add("out", "out", dev)
        self.steps[-1].first = dataclasses.replace(self.steps[-1].first, dev=first_dev)


# --- what answers foretell ------------------------------------------------------------------------

@dataclasses.dataclass
class Told:
    """A fate that answers foretell."""
    what: str
    device: str = ""
    spis: list = dataclasses.field(default_factory=list)
    drops: tuple = ()
    policies: dict = dataclasses.field(default_factory=dict)
    sas: dict = dataclasses.field(default_factory=dict)
    port: bool = False  # SAs use its destination port

    def __str__(self):
        spis = "".join(f" in {spi:#x}" for spi in self.spis) or " in clear"
        text = f"sent by {self.device or '?'}{spis}" if self.what == "sent" else self.what
        text += "".join(f", drop {name}" for name in self.drops)
        text += "".join(f", policy {number} counts {what}" for number, what in self.policies.items())
        return text + "".join(f", SA {spi:#x} counts {what}" for spi, what in self.sas.items())

    def then(self, **more):
        copy = dataclasses.replace(self, policies=dict(self.policies), sas=dict(self.sas))
        for name, value in more.items():
            if name in ("policies", "sas"):
                getattr(copy, name).update(value)
            else:
                setattr(copy, name, value)
        return copy


def spi_of(sa):
    return int(sa["spi"], 16)


def policy_of(answer, what):
    return {answer["policy"]["id"]: what} if answer["policy"] else {}


def quoted(walk, step, answers):
    """The answer about the flow that an ICMP error reports, if its policy may decide."""
    if not step.about or not answers[step.informed].get("quotes"):
        return None
    answer = answers[step.about]
    first = answers[step.informed]
    if first["action"] == "discard" and first["policy"]:
        return None  # then nothing but errors about packets of a's SAs pass
    return answer if answer["action"] == "protect" else None


def foretell_in(walk, step, answers, so_far):
    """The fates of a packet in clear: (those that end, those that go on)"""
    answer, ends, on = answers[step.informed], [], []
    if quoted(walk, step, answers) and answer["action"] == "bypass" and not walk.config.icmp:
        reason = "icmp_plaintext"
        return [so_far.then(what="drop", drops=(reason,), policies=policy_of(answer, reason))], []
    if "drop" in answer:
        reason = answer["drop"]
        ends.append(so_far.then(what="drop", drops=(reason,), policies=policy_of(answer, reason)))
    if "exempt" in answer or "drop" not in answer:
        passed = so_far.then(policies=policy_of(answer, "packets") if answer["action"] == "bypass" else {})
        on.append(passed.then(port="encap" in answer))
    return ends, on


def foretell_by_sa(walk, step, answers, so_far):
    """The same for a packet by an SA of a."""
    answer, has, about = answers[step.informed], walk.sa, quoted(walk, step, answers)
    spi = has.sa.spi
    wants = re.search(r"\bmark (\S+)", has.sa.extra.replace("set-mark", ""))
    if wants:
        value, _, mask = wants[1].partition("/")
        if int(value, 0) != walk.outer_mark & int(mask or "0xffffffff", 0):
            return [so_far.then(what="drop", drops=("sa_mark",), sas={spi: "sa_mark"})], []
    on = [so_far.then(policies=policy_of(found, "packets"), sas={spi: "packets"}, port="encap" in answer)
          for found in (answer, about) if found and takes(found, spi)]
    reason = answer["by_sa"]
    dropped = so_far.then(what="drop", drops=(reason,), policies=policy_of(answer, reason), sas={spi: reason})
    if not on:
        on = [so_far.then(policies=policy_of(found, "packets"), sas={spi: "packets"}, port="encap" in answer)
              for found in (answer, about) if found and found.get("others")]  # see count_others()
        return [dropped], on
    return [], on


def takes(answer, spi):
    """Whether an answer names the SA as the only one by which a packet is accepted."""
    return answer["action"] == "protect" and answer["sa"] and spi_of(answer["sa"]) == spi and \
        not answer.get("outer_sas")


def meets_rules(walk, step, answers, spis):
    """Whether rules drop or translate what an SA makes of a packet, and the answer speaks of rules."""
    answer = answers[step.informed]
    if walk.config.direct or not (answer.get("firewall") or answer.get("nat")):
        return False
    outer = [Flow(has.sa.src, has.sa.dst, UDP, *has.sa.encap) for has in walk.config.sas
             if has.sa.spi in spis and has.sa.encap]
    return any(rule.matches(flow, "") for flow in outer for rule in walk.config.rules
               if rule.chain in ("output", "dstnat_out") and rule.verdict in ("drop", "dnat"))


def foretell_out(walk, step, answers, so_far):
    """The fates of a packet that leaves."""
    answer, dev = answers[step.informed], step.informed.dev
    about = quoted(walk, step, answers)
    if about and answer["action"] != "protect":
        answer = about
        if answer.get("drop") == "no_sa":
            answer = {**answer, "drop": "icmp_no_sa"}
    if walk.flow.df and walk.flow.size > answer.get("mtu", 65535) and answer.get("drop") in (
            None, "seq_overflow", "sa_mark"):
        return [so_far.then(what="too big")]  # the answer is for packets up to the MTU, which is looked at first
    found = []
    if "exempt" in answer:
        found.append(so_far.then(what="sent", device=dev))
    if "drop" in answer:
        reason = answer["drop"]
        # the SA refuses after the policy has counted
        policies = policy_of(answer, "packets" if reason == "sa_mark" else reason)
        found.append(so_far.then(what="drop", drops=(reason,), policies=policies))
        if answer.get("outer_sas"):  # which may be the second SA's
            found.append(found[-1].then(policies=policy_of(answer, f"packets+{reason}")))
    elif answer["action"] == "protect":
        spis = [spi_of(sa) for sa in [answer["sa"], *answer.get("outer_sas", [])]]
        if meets_rules(walk, step, answers, spis):
            return [so_far.then(what="whatever")]
        found.append(so_far.then(what="sent", spis=spis, policies=policy_of(answer, "packets"),
                                 sas={spi: "packets" for spi in spis}))
    else:
        found.append(so_far.then(what="sent", device=dev, policies=policy_of(answer, "packets")))
    return found


def agrees(told, fate):
    if told.what == "whatever":
        return True
    if told.what == "too big":
        return "too_big" in fate.drops
    sas = fate.sas
    if told.what == "drop" and not told.sas:  # explain does not say which SA counts the drop, or SAs inside that one
        sas = {spi: what for spi, what in sas.items() if what not in (*told.drops, "packets")}
    return (told.what == fate.what and told.policies == fate.policies and told.sas == sas and
            tuple(fate.drops) == told.drops and
            (told.what != "sent" or (fate.inner.spis[::-1] == told.spis and
                                     told.device in ("", fate.device))))


# --- a round --------------------------------------------------------------------------------------

class Judge:
    def __init__(self, seconds, seed):
        self.place, self.seed, self.seconds = Place(), seed, seconds
        self.tally = collections.Counter()
        self.faults = []    # (kind, seed of the round)
        self.shown = None
        self.rounds = 0

    def run(self):
        end = time.monotonic() + self.seconds
        while not self.rounds or time.monotonic() < end:
            self.round(f"{self.seed}.{self.rounds}")
            self.rounds += 1

    def ask(self, questions):
        """The answers, from one process; the same question is asked once."""
        different = list(dict.fromkeys(questions))
        with self.place.a:
            lines = "".join(one.words() + "\n" for one in different)
            said = lab.run(CLI, "-j", "-b", "-", stdin=lines, check=False)
        answers = [json.loads(line) for line in said.stdout.splitlines()]
        lab.equal(len(answers), len(different), f"answers ({said.stderr[:300]})")
        return dict(zip(different, answers))

    def round(self, seed):
        dice = Dice(random.Random(seed))
        config = dice.draw()
        self.refused = self.place.configure(config.lines, config.nft())
        self.place.encapsulated = {has.sa.spi for has in config.sas if has.sa.encap}
        self.spend(config)
        walks = self.walks(dice, config)
        self.lead(walks)
        for walk in walks:
            for step in walk.steps:
                if step.first and step.kind not in ("rule", "spent", "translated"):
                    step.first = self.forget(dice, step.first)
        steps = [step for walk in walks for step in walk.steps]
        answers = self.ask([one for step in steps for one in (step.first, step.informed, step.about) if one])
        self.place.count(Fate(""))
        self.place.drops()
        self.spoilt = {spi: drops for spi, _, drops in self.place.counted[netlink.SA_GET].values() if drops}
        for walk in walks:
            self.judge(seed, config, walk, answers)
        self.tracked(seed, walks, answers)
        self.others(seed, config, walks, answers)
        self.nearly(seed, dice, walks, answers)
        self.read(seed, dice, answers)

    def walks(self, dice, config):
        """Draws packets; for those by SAs it also asks which SA is to bring them."""
        packets = [dice.flow() for _ in range(FLOWS)]
        asked = {}
        for kind, flow, device, _ in packets:
            if kind == "by sa":
                asked[id(flow)] = [question("in", flow, dev=dev) for dev in (device, *IF_IDS)]
        answers = self.ask([one for questions in asked.values() for one in questions]) if asked else {}
        found = []
        for kind, flow, device, mark in packets:
            sa = None
            if kind == "by sa":
                named = {spi_of(answers[one]["sa"]) for one in asked[id(flow)] if answers[one]["sa"]}
                sa = self.pick(dice, config, flow, device, named)
                if not sa:
                    continue
            found.append(Walk(config, kind, flow, device, mark, sa))
        return found

    def spend(self, config):
        """Has SAs reach their hard limit, or drop packets."""
        spent = []
        for has in config.sas:
            device = next((name for name in OUTSIDE if has.sa.dst == OWN[family(has.sa.dst)][name]), None)
            if has.direction != "in" or not device:
                continue
            packet = Flow("10.2.0.1", "10.1.7.1").packet()[0]
            if "hard packets" in has.sa.extra:
                self.send_by(has, device, packet)
                spent.append(has)
            elif has.sa.mode == "tunnel" and has.sa.spi % 5 == 0:
                has.seq += 1
                wrong = protect(has.sa, packet, has.seq)
                self.place.injectors[device].send(wrong[:-1] + bytes([wrong[-1] ^ 1]))
        if not spent or not config.direct and any(rule.chain == "input" and not rule.proto
                                                  for rule in config.rules):
            return  # a rule drops what would have spent them

        def gone():
            left = {spi_of(sa) for sa in ipsec.Espah.sas(self.place.a)}
            return not [has for has in spent if has.sa.spi in left]
        lab.wait_for(gone, f"the end of {[has.line() for has in spent]}")
        for has in spent:
            has.lives = False

    @staticmethod
    def pick(dice, config, flow, device, named=()):
        """An SA by which a packet may come, mostly one that was named; its outer packets come by the device."""
        own = {OWN[v][device] for v in (4, 6)}
        fitting = [has for has in config.sas if has.direction == "in" and has.sa.dst in own and
                   (has.sa.mode == "tunnel" or (has.sa.src, has.sa.dst) == (flow.src, flow.dst))]
        right = [has for has in fitting if has.sa.spi in named]
        if right and dice.chance(0.8):
            return dice.choice(right)
        return dice.choice(fitting) if fitting and dice.chance(0.6) else None

    def lead(self, walks):
        """Finds the ways of packets, and asks for their routes."""
        on = [walk for walk in walks if walk.begin()]
        devices = iter(self.place.devices([one for walk in on for one in walk.route()]))
        for walk in on:
            walk.end(next(devices), next(devices))

    def forget(self, dice, one):
        """A question as somebody asks it who is brief."""
        if one.proto in PORTS and dice.chance(0.25):
            return dataclasses.replace(one, sport=None)
        if one.proto in PORTS and dice.chance(0.05):
            return dataclasses.replace(one, sport=None, dport=None)
        if one.dev and one.dev not in IF_IDS and dice.chance(0.1):
            return dataclasses.replace(one, dev="")
        return one

    def send_by(self, has, device, packet):
        has.seq += 1
        self.place.injectors[device].send(protect(has.sa, packet, has.seq))

    def send(self, walk, packet):
        if walk.kind == "own":
            try:
                self.place.send_own(packet, walk.flow.dst, walk.device, walk.first_mark)
            except OSError:
                pass  # a rule dropped it
        elif walk.kind == "by sa":
            self.send_by(walk.sa, walk.device, packet)
        else:
            self.place.injectors[walk.device].send(packet)

    @staticmethod
    def foretell(walk, answers):
        """The fates that the answers to informed questions allow."""
        going, ends = [Told("gone")], []
        for step in walk.steps:
            if step.kind == "rule":
                return ends + going
            if step.kind == "translated":
                return ends + [told.then(what="whatever") for told in going]
            if step.kind == "spent":  # judged as any packet, then its SPI is unknown
                answer = answers[step.informed]
                counted = policy_of(answer, "packets") if answer["action"] == "bypass" else {}
                return ends + [told.then(what="drop", drops=("no_spi",), policies=counted) for told in going]
            if step.kind == "local":
                return ends + [end for told in going for end in (
                    [told.then(what="drop", drops=(reason,)) for reason in ("no_spi", "udp")] if told.port else
                    [told.then(what="delivered")])]
            if step.kind == "out":
                return ends + [told for before in going for told in foretell_out(walk, step, answers, before)]
            foretell = foretell_in if step.kind == "in" else foretell_by_sa
            found = [foretell(walk, step, answers, before) for before in going]
            ends += [told for end, _ in found for told in end]
            going = [told for _, on in found for told in on]
        return ends + going

    def judge(self, seed, config, walk, answers):
        packet, mark = walk.flow.packet()
        fates = self.foretell(walk, answers)
        gone = [GONE] * any(told.what in ("gone", "too big", "whatever") for told in fates)
        fate = walk.fate = self.place.fate(walk.flow, mark, lambda: self.send(walk, packet), *gone)
        self.tally["packets"] += 1
        self.tally[f"fate: {fate.what}" + "".join(f" {name}" for name in fate.drops) +
                   " by SAs" * bool(fate.what == "sent" and fate.inner.spis) +
                   " by an SA" * bool(fate.what in ("sent", "delivered") and walk.kind == "by sa")] += 1
        walk.right = any(agrees(told, fate) for told in fates)
        if not walk.right:
            self.fault(seed, config, walk, answers, "was not foretold: " + " | ".join(map(str, fates)))
        if len({told.what for told in fates}) > 1 or fates[0].what == "whatever":
            self.tally["foretold: one of several fates"] += 1
        for step in walk.steps:
            if step.kind == "rule" and not any(answers[one.first].get("firewall")
                                               for one in walk.steps if one.first):
                self.fault(seed, config, walk, answers, "a rule dropped it, of which no answer speaks", "reserve")
            if step.first:
                self.reserve(seed, config, walk, step, answers)
        self.drops_told(seed, config, walk, answers)

    def reserve(self, seed, config, walk, step, answers):
        """Where rules or words that lack change the verdict, the first answer must say so."""
        first, informed = answers[step.first], answers[step.informed]
        self.tally["first questions"] += 1
        if verdict(first) == verdict(informed):
            return
        self.tally["questions with a reservation"] += 1
        lack = {name for name in ("sport", "dport", "dev") if getattr(step.first, name) in (None, "") and
                getattr(step.informed, name) not in (None, "")}
        mark = step.first.mark != step.informed.mark
        moved = (step.first.src, step.first.dst) != (step.informed.src, step.informed.dst) or \
            not lack and step.first.dev != step.informed.dev
        may = lack | ({"mark"} if mark else set()) | \
            ({"src", "dst", "dev"} if moved else set())
        said = [("mark", mark, first.get("firewall")), ("address", moved, first.get("nat")),
                ("words", lack and not mark and not moved,
                 set(first.get("assumed", ())) & lack or first["passed_count"] > len(first["passed"]) or
                 "exempt" in first or  # some packets are, by their port, or in the domain of the local address
                 any(set(one["why"]) <= may for one in first["passed"]))]
        for name, differs, told in said:
            if differs:
                self.tally[f"reserved: {name}"] += 1
            if differs and not told:
                self.fault(seed, config, walk, answers, f"the first answer does not say that it depends on {name}",
                           "reserve")

    def drops_told(self, seed, config, walk, answers):
        """What an SA has dropped, the answers must have said: the wrong packets of spend()."""
        for step in walk.steps:
            sa = step.first and answers[step.informed]["sa"]
            if not sa or spi_of(sa) not in self.spoilt:
                continue
            self.tally["answers with an SA that dropped packets"] += 1
            if ipsec.drop_counts(sa) != self.spoilt[spi_of(sa)]:
                self.fault(seed, config, walk, answers, f"the SA has dropped {self.spoilt[spi_of(sa)]}", "sa")

    # --- what else answers say ---

    def tracked(self, seed, walks, answers):
        """Once conntrack has a flow, the answer is about what it makes of the packet."""
        asked = {}
        for walk in walks:
            step = walk.steps[-1] if walk.steps else None
            if step and step.kind == "out" and walk.right and walk.fate.what == "sent" and \
                    walk.flow.proto in (TCP, UDP) and "nat" in answers[step.informed]:
                asked[question("out", walk.flow, mark=step.informed.mark, dev=step.informed.dev)] = walk
        if not asked:
            return
        again = self.ask(asked)
        for one, walk in asked.items():
            answer, step = again[one], walk.steps[-1]
            if "tracked" not in answer:
                continue  # conntrack does not track it, or the direction is not the original one
            self.tally["tracked flows"] += 1
            self.tally["tracked flows that are translated"] += "address" in step.why
            inner = walk.fate.inner
            ends = tuple(str(ipaddress.ip_address(answer["tracked"][side])) for side in ("src", "dst"))
            if ends != (inner.src, inner.dst) or verdict(answer) != verdict(answers[step.informed]):
                self.fault(seed, walk.config, walk, {**answers, step.first: answer},
                           f"was translated to {inner.src} {inner.dst}; conntrack makes {ends} of it", "tracked")

    def others(self, seed, config, walks, answers):
        """By as many SAs as an answer says packets are accepted, and by no others."""
        for walk in walks:
            if walk.kind != "by sa" or not walk.right or walk.steps[0].kind != "by sa":
                continue
            answer = answers[walk.steps[0].informed]
            if answer["action"] != "protect" or answer.get("outer_sas") or walk.flow.body or \
                    not answer["sa"] or (not answer.get("others") and self.rounds % 4):
                continue
            told = 1 + answer.get("others", 0)
            dev = walk.steps[0].informed.dev
            got = 0
            for has in config.sas:
                elsewhere = (has.sa.src, has.sa.dst) != (walk.flow.src, walk.flow.dst)
                if has.direction != "in" or not has.lives or "mark" in has.sa.extra or \
                        has.sa.mode == "transport" and elsewhere:
                    continue
                device = next((name for name in OUTSIDE if has.sa.dst == OWN[family(has.sa.dst)][name]), None)
                came = next((name for name, number in IF_IDS.items() if number == has.sa.if_id), device)
                if not device or came != dev:
                    continue
                packet, mark = walk.flow.packet()
                fate = self.place.fate(walk.flow, mark, lambda d=device, h=has, p=packet: self.send_by(h, d, p), GONE)
                got += fate.sas.get(has.sa.spi, "") == "packets"
            self.tally["flows sent by each SA"] += 1
            if got > told or got < told and not self.hides(config):
                self.fault(seed, config, walk, answers, f"{told} SAs are said to bring it, but {got} do", "sa")
            return

    @staticmethod
    def hides(config):
        """Whether SAs cannot be tried as told: rules drop ESP, or SAs differ by mark, uplink or life."""
        return any(rule.chain == "input" for rule in config.rules) or \
            any("mark" in has.sa.extra or not has.lives for has in config.sas)

    def nearly(self, seed, dice, walks, answers):
        """An SA like the one that nearly fits, but with what the policy wants, does fit."""
        for walk in walks:
            step = walk.steps[-1] if walk.steps else None
            near = step and step.kind == "out" and answers[step.informed].get("near")
            if not near or not walk.right or walk.flow.size or "larval" in near["differs"] or \
                    list(walk.fate.drops) != ["no_sa"]:
                continue
            sa, wanted = dict(near["sa"]), near["wanted"]
            if isinstance(wanted, list):
                wanted = wanted[0]
            for field in near["differs"]:
                if field == "swapped":
                    sa["src"], sa["dst"] = sa["dst"], sa["src"]
                elif field == "if_id":
                    sa["if_id"] = answers[step.informed]["policy"].get("if_id", 0)
                elif field != "spi":
                    sa[field] = wanted[field]
            dice.spi += 1
            made = dice.association(Template(sa["src"], sa["dst"], sa["mode"], sa["reqid"], sa["proto"],
                                             if_id=sa.get("if_id", 0)), "out")
            made.extra, made.encap, made.seq = "", None, 0
            self.place.add([ipsec.Espah.sa_line("out", made)])
            answer = self.ask([step.informed])[step.informed]
            self.tally["SAs that nearly fitted, mended"] += 1
            packet, mark = walk.flow.packet()
            self.place.count(Fate(""))
            fate = self.place.fate(walk.flow, mark, lambda: self.send(walk, packet))
            got = fate.inner.spis if fate.what == "sent" else []
            if made.spi not in got and "drop" not in answer:
                self.fault(seed, walk.config, walk, {**answers, step.first: answer},
                           f"with {near['differs']} as wanted it does not leave by {made.spi:#x}: {fate}", "sa")
            return

    def read(self, seed, dice, answers):
        """The sentences say what JSON says."""
        one = dice.choice(list(answers))
        answer = self.ask([one])[one]  # conntrack knows more by now
        with self.place.a:
            text = lab.run(CLI, *one.words().split()).stdout
        for what, sentence in SENTENCES:
            self.tally["sentences"] += 1
            if bool(what(answer)) != bool(re.search(sentence, text)):
                print(f"# --- seed {seed}: {one.words()}: '{sentence}' and {answer}\n{text}")
                self.faults.append(("read", seed))

    def fault(self, seed, config, walk, answers, why, kind="fate"):
        self.faults.append((kind, seed))
        if len(self.faults) > SHOWN:
            return
        kind = f" type {walk.flow.kind}" * bool(walk.flow.kind)
        print(f"# --- seed {seed}: {walk.kind} {walk.flow.words()}{kind}"
              f" by {walk.device or 'no device'} mark {walk.first_mark}")
        print(f"#     {walk.fate}\n#     {why}")
        for step in walk.steps:
            print(f"#   {step.kind}")
            for name, one in (("asked", step.first), ("really", step.informed), ("quoted", step.about)):
                if one and (one != step.first or name == "asked"):
                    print(f"#     {name} {one.words()}: {brief(answers[one])}")
        if walk.sa:
            print(f"#   {walk.sa.line()}")
        if seed != self.shown:
            self.shown = seed
            print("\n".join([*config.lines, *config.nft().splitlines(), *self.refused]), flush=True)


def brief(answer):
    text = str(verdict(answer))
    return text + "".join(f" {key}={answer[key]}" for key in (
        "exempt", "nat", "firewall", "quotes", "mtu", "assumed", "by_sa", "others", "encap", "direct")
                          if key in answer)


def drops_out(answer):
    return answer["dir"] == "out" and answer["sa"] and "drop" in answer


SENTENCES = (  # what JSON has, and the sentence that goes with it
    (lambda answer: "drop" in answer, r"(?m)^(It|In the clear it|Otherwise it) would be DROPPED"),
    (lambda answer: answer["policy"], r"is the first that matches"),
    (lambda answer: "exempt" in answer, r"It passes regardless"),
    (lambda answer: answer["sa"] and answer["dir"] == "out" and not drops_out(answer),
     r"t leaves through this SA"),
    (drops_out, r"t belongs to this SA"),
    (lambda answer: answer["sa"] and answer["dir"] == "in", r"t is accepted only through this SA"),
    (lambda answer: answer.get("firewall"), r"Rules of the firewall see the packet"),
    (lambda answer: answer["dir"] == "out" and answer.get("nat") and "tracked" not in answer,
     r"rules of the firewall may change the source and the destination"),
    (lambda answer: "tracked" in answer, r"Connection tracking (has|translates) this flow"),
    (lambda answer: answer.get("quotes"), r"judged by the packet that they quote"),
    (lambda answer: answer.get("assumed"), r"which the question does not give"),
    (lambda answer: "near" in answer, r"An SA nearly fits"),
    (lambda answer: answer.get("others"), r"Further SAs through which it is accepted"),
    (lambda answer: "by_sa" in answer, r"Through (an|any other) SA it would be DROPPED"),
    (lambda answer: answer["dir"] == "in" and answer.get("direct"), r"'espah config direct' is on"),
    (lambda answer: answer["dir"] == "out" and answer["sa"] and answer.get("firewall") and "direct" not in answer,
     r"they also see the ESP or AH packet"),
    (lambda answer: answer.get("encap"), r"taken for ESP in UDP"),
    (lambda answer: answer["sa"] and answer["sa"].get("drops"), r"So far this SA has dropped"),
)


SENTENCES_OF_FAULTS = {
    "fate": "what it says of random packets is what becomes of them, and policies and SAs count so",
    "reserve": "if rules of the firewall, or words that lack, change the verdict, the answer says that they may",
    "tracked": "of a flow that conntrack has, the answer knows the translation",
    "sa": "what SAs have dropped, how many may bring a packet, and what the one that nearly fits lacks is true",
    "read": "the sentences say what JSON says"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=float,
                        default=float(os.environ.get("ESPAH_EXPLAIN_SECONDS", 40)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("ESPAH_SEED", 0)) or
                        int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"# seed {options.seed}, {options.seconds:.0f} seconds", flush=True)
    start = time.monotonic()
    judge = Judge(options.seconds, options.seed)
    print(f"# ready after {time.monotonic() - start:.1f} s", flush=True)
    judge.run()
    for name, count in sorted(judge.tally.items()):
        print(f"# {name}: {count}")
    print(f"# rounds: {judge.rounds}", flush=True)
    for kind, sentence in SENTENCES_OF_FAULTS.items():
        with lab.verdict(f"explain: {sentence}"):
            seeds = [seed for one, seed in judge.faults if one == kind]
            lab.true(not seeds, f"{len(seeds)} times not, first with seed {seeds and seeds[0]}")
    with lab.verdict("explain: few answers need a reservation, and few allow several fates"):
        asked, packets = judge.tally["first questions"], judge.tally["packets"]
        reserved = judge.tally["questions with a reservation"]
        several = judge.tally["foretold: one of several fates"]
        print(f"# {reserved} of {asked} first answers depend on what they say; "
              f"{several} of {packets} packets had several fates")
        lab.true(reserved <= (1 - PLAIN) * asked and several <= SEVERAL * packets, "too many")
    with lab.verdict("explain: the dice left nothing out"):
        lab.true(judge.rounds < 15 or not [name for name in USUAL if not judge.tally[name]],
                 f"{[name for name in USUAL if not judge.tally[name]]}")
    lab.delete_all()
    print(f"summary: {lab.Results.ok} passed, {lab.Results.failed} failed", flush=True)
    sys.exit(lab.Results.failed != 0)


if __name__ == "__main__":
    ipsec.need_espah()
    main()
