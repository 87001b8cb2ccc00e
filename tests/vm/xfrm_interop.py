# SPDX-License-Identifier: GPL-2.0-only
"""espah talks to the kernel's own IPsec stack, XFRM, in another network namespace.

      a (espah)  192.0.2.1  ----- veth -----  192.0.2.2  (XFRM) b
               2001:db8::1                    2001:db8::2

Each algorithm has addresses of its own behind both ends, so all SAs and policies are there
at once, and a packet that took the wrong one would not be understood.
"""
import os
import sys

import ipsec
import lab
import traffic
from ipsec import AH, ALGORITHMS, GCM, OURS, Policy, SA, Xfrm

# mode and families: (name, mode, prefix of a, prefix of b, outer addresses or none)
OUTER4 = ("192.0.2.1", "192.0.2.2")
OUTER6 = ("2001:db8::1", "2001:db8::2")
FORMS = [
    ("tunnel 4-in-4", "tunnel", "10.1.0.", "10.2.0.", OUTER4),
    ("tunnel 6-in-6", "tunnel", "fd01::", "fd02::", OUTER6),
    ("tunnel 4-in-6", "tunnel", "10.3.0.", "10.4.0.", OUTER6),
    ("tunnel 6-in-4", "tunnel", "fd03::", "fd04::", OUTER4),
    ("transport IPv4", "transport", "10.5.0.", "10.6.0.", None),
    ("transport IPv6", "transport", "fd05::", "fd06::", None),
]
# each residue modulo the block sizes, an empty datagram, and ever larger ones
SIZES = [*range(0, 18), 63, 64, 65, 255, 512, 1000, 1400]
BULK = os.urandom(24 << 10)
TABLE = {}


def host(prefix, number):
    return f"{prefix}{number:x}" if ":" in prefix else f"{prefix}{number}"


def network(prefix):
    return prefix + ("/112" if ":" in prefix else "0/24")


def topology():
    a, b = lab.Netns("a"), lab.Netns("b")
    lab.link(a, "eth0", b, "eth0", mtu=2000)  # MTU is another suite's business
    for ns, me, other, mine, theirs in ((a, 1, 2, 2, 3), (b, 2, 1, 3, 2)):
        lines = [f"addr add 192.0.2.{me}/24 dev eth0", f"addr add 2001:db8::{me}/64 dev eth0"]
        for form in FORMS:
            six = ":" in form[2]
            via = f"2001:db8::{other}" if six else f"192.0.2.{other}"
            lines += [f"route add local {network(form[mine])} dev lo",
                      f"route add {network(form[theirs])} via {via}"]
        ns.ip("\n".join(lines) + "\n")
        lab.offloads(ns, "eth0", True)
    return a, b


def associate(form, number, algorithm, base, **options):
    """SAs for both directions and the policy for one pair of addresses."""
    _, mode, prefix_a, prefix_b, outer = form
    here, there = host(prefix_a, number), host(prefix_b, number)
    ends = outer or (here, there)
    out = SA(base, *ends, mode, algorithm, reqid=base, **options)
    back = SA(base + 1, *ends[::-1], mode, algorithm, reqid=base, **options)
    bits = 128 if ":" in here else 32
    policy = Policy(f"{here}/{bits}", f"{there}/{bits}", outer, reqid=base, proto=algorithm.proto)
    return here, there, out, back, policy


def exchange(a, b, here, there, name, cell):
    """UDP each way, then ping and TCP, which need both."""
    with traffic.udp(a, here, 7000) as left, traffic.udp(b, there, 7000) as right:
        for sender, receiver, arrow in ((left, right, "espah to XFRM"),
                                        (right, left, "XFRM to espah")):
            before = lab.Results.failed
            with lab.verdict(f"{name}, {arrow}: datagrams of {len(SIZES)} sizes arrive as sent"):
                traffic.deliver(sender, receiver, [os.urandom(size) for size in SIZES])
            TABLE[(*cell, arrow)] = lab.Results.failed == before
    if not all(TABLE[(*cell, arrow)] for arrow in ("espah to XFRM", "XFRM to espah")):
        return
    before = lab.Results.failed
    with lab.verdict(f"{name}: ping and TCP both ways"):
        traffic.ping(a, here, there, 100)
        traffic.ping(b, there, here, 1399)
        with traffic.Transfer(a, here, b, there, 7001) as connection:
            connection.move(BULK)
            connection.move(BULK, backward=True)
    if lab.Results.failed != before:
        TABLE[(*cell, "espah to XFRM")] = TABLE[(*cell, "XFRM to espah")] = False


def everything(what, variants):
    """Each form with each of the variants: (name, algorithm, options of the SAs)."""
    a, b = topology()
    pairs = [(form, name, *associate(form, number + 1, algorithm,
                                     0x1000 + 0x200 * row + 2 * number, **options))
             for row, form in enumerate(FORMS)
             for number, (name, algorithm, options) in enumerate(variants)]
    ipsec.configure_pair(a, b, OURS, Xfrm, [pair[4] for pair in pairs],
                         [pair[5] for pair in pairs], [pair[6] for pair in pairs])
    with traffic.Wire(a, "eth0", True) as wire, traffic.Wire(b, "eth0", True) as other_wire:
        for form, variant, here, there, *_ in pairs:
            name = f"{variant} {form[0]}"
            try:
                exchange(a, b, here, there, name, (variant, form[0]))
            except OSError as error:
                lab.report(name, str(error))
        with lab.verdict(f"{what}: nothing was seen in clear on the wire"):
            lab.equal(len(wire.frames() + other_wire.frames()), 0, "plaintext packets")
    if OURS is ipsec.Espah:
        with lab.verdict(f"{what}: no packet was dropped"):
            lab.equal(OURS.drops(a), {}, "drops")
    lab.delete_all()


@lab.test("every algorithm of ESP, mode and family")
def esp():
    chosen = [ALGORITHMS[name] for name in os.environ.get("ESPAH_LAB_ALGORITHMS", "").split()] \
        or list(ALGORITHMS.values())
    everything("ESP", [(algorithm.name, algorithm, {}) for algorithm in chosen])


@lab.test("every algorithm of AH, mode and family, without and with ESN (RFC 4302)")
def ah():
    everything("AH", [(f"AH {algorithm.name}{' ESN' * esn}", algorithm, {"esn": esn})
                      for algorithm in AH.values() if algorithm.auth for esn in (False, True)])


def variants():
    """Replay windows, 32- and 64-bit sequence numbers, and where they start."""
    for window in 32, 64, 128, 1024, 4096:
        yield f"window {window}", {"window": window}
        yield f"window {window}, ESN", {"window": window, "esn": True}
    for high in 1, 2:
        for below in 1, 30:
            yield (f"ESN over the edge of {high} * 2^32, from {below} below it",
                   {"window": 64, "esn": True, "seq": (high << 32) - below - 1})
    yield "ESN, window 4096, far beyond 2^32", {"window": 4096, "esn": True, "seq": (5 << 32) + 77}
    yield "32-bit numbers near their end", {"window": 32, "seq": (1 << 32) - 400}


@lab.test("windows and sequence numbers (RFC 4303 3.3.3, 3.4.3, appendix A)")
def windows():
    a, b = topology()
    chosen = [GCM] if os.environ.get("ESPAH_LAB_SHORT") else \
        [GCM, ALGORITHMS["aes256-sha256"], ALGORITHMS["null-sha1"], AH["sha256"]]
    pairs, number = [], 0
    for algorithm in chosen:
        for what, options in variants():
            number += 1
            pairs.append((f"{'AH ' * (algorithm.proto == 'ah')}{algorithm.name} {what}", options.get("seq", 0),
                          *associate(FORMS[0], number, algorithm, 0x1000 + 2 * number,
                                     **options)))
    ipsec.configure_pair(a, b, OURS, Xfrm, [pair[4] for pair in pairs],
                         [pair[5] for pair in pairs], [pair[6] for pair in pairs])
    for name, start, here, there, out, _, _ in pairs:
        with lab.verdict(f"{name}: 100 datagrams each way"):
            payloads = [os.urandom(60 + number) for number in range(100)]
            with traffic.udp(a, here, 7000) as left, traffic.udp(b, there, 7000) as right:
                traffic.deliver(left, right, payloads)
                traffic.deliver(right, left, payloads)
            if OURS is ipsec.Espah:
                sas = [sa for sa in OURS.sas(a) if sa["reqid"] == out.reqid]
                lab.equal([sa["seq"] for sa in sas], [start + 100] * 2, "last sequence numbers")
    if OURS is ipsec.Espah:
        with lab.verdict("windows and numbers: nothing was dropped"):
            lab.equal(OURS.drops(a), {}, "drops")
    lab.delete_all()


def markdown():
    forms = [form[0] for form in FORMS]
    lines = ["| algorithm | " + " | ".join(forms) + " |", "| --- " * (len(forms) + 1) + "|"]
    marks = {True: "✓", False: "✗", None: "–"}
    for algorithm in dict.fromkeys(key[0] for key in TABLE):
        cells = [marks[TABLE.get((algorithm, form, "espah to XFRM"))] + " "
                 + marks[TABLE.get((algorithm, form, "XFRM to espah"))] for form in forms]
        lines.append(f"| {algorithm} | " + " | ".join(cells) + " |")
    return ("Each cell: espah to XFRM, XFRM to espah.\n\n" + "\n".join(lines) + "\n")


@lab.test("the table of all this is written")
def table():
    text = markdown()
    if os.path.isdir("/out"):
        with open(f"/out/interop-{os.environ.get('ESPAH_KERNEL', 'unknown')}.md", "w",
                  encoding="utf-8") as file:
            file.write(text)
    elif "--table" in sys.argv:
        print(text)


if __name__ == "__main__":
    lab.main()
