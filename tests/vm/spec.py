# SPDX-License-Identifier: GPL-2.0-only
"""include/espah.yaml against the header and the policies that the kernel reports, and its use with ynl.

ynl is the kernel's own tool for such specifications, in the kernel's source.
"""
import json
import os
import re
import struct
import subprocess
import sys

import yaml

import lab
import module
import netlink
from ipsec import CLI, Espah
from netlink import ACK, DUMP, REQUEST, attrs, parse

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FILE = os.path.join(TOP, "include", "espah.yaml")
HEADER = os.path.join(TOP, "include", "uapi", "linux", "espah.h")
SOURCE = os.environ.get("ESPAH_LINUX_SOURCE", "")
with open(FILE, encoding="ascii") as specification:
    SPEC = yaml.safe_load(specification)
SETS = {one["name"]: one for one in SPEC["attribute-sets"]}
OPERATIONS = SPEC["operations"]["list"]

# constants of enum netlink_attribute_type, and of the attributes that report it
GETPOLICY, FAMILY_ID, POLICY, OP_POLICY = 10, 1, 8, 9
TYPES = {1: "flag", 2: "u8", 3: "u16", 4: "u32", 5: "u64", 10: "binary", 11: "string", 12: "string", 13: "nest"}
TYPE, INDEX = 1, 8


def c_name(*words):
    return "".join(words).upper().replace("-", "_")


def numbered(entries):
    """{name: value}; the default is the previous value plus one."""
    found, value = {}, 0
    for entry in entries:
        value = entry.get("value", value + 1)
        found[entry["name"]] = value
    return found


@lab.test("the numbers of the specification are those of the header, and none is missing")
def numbers():
    names = {}
    for one in SPEC["attribute-sets"]:
        values = numbered(one["attributes"])
        names |= {c_name(one["name-prefix"], name): value for name, value in values.items()}
        prefix = c_name(one["name-prefix"])
        names[prefix + ("ATTR_MAX" if one["name"] == "passed" else "MAX")] = max(values.values())
    commands = numbered(OPERATIONS)
    names |= {c_name(SPEC["operations"]["name-prefix"], name): value for name, value in commands.items()}
    names["ESPAH_CMD_MAX"] = max(commands.values())
    for one in SPEC["definitions"]:
        if one["type"] == "const":
            names[c_name("espah-", one["name"])] = one["value"]
        for number, entry in enumerate(one.get("entries", ())):
            names[c_name("espah-", one["name"], "-", entry)] = 1 << number if one["type"] == "flags" else number
    source = f'#include <stdio.h>\n#include "{HEADER}"\nint main(void)\n{{\n' + "".join(
        f'printf("{name} %lld\\n", (long long){name});\n' for name in names) + "}\n"
    subprocess.run(["gcc", "-x", "c", "-o", "/tmp/numbers", "-"], input=source, text=True, check=True)
    told = dict(line.split() for line in lab.run("/tmp/numbers").stdout.splitlines())
    lab.equal({name: int(value) for name, value in told.items() if int(value) != names[name]}, {}, "other numbers")


@lab.test("the comments of the header say the types of the specification")
def comments():
    with open(HEADER, encoding="ascii") as file:
        said = dict(re.findall(r"@(ESPAH_\w+): (?:\n \* )?(list of \w+|\w+)", file.read()))
    words = {"nest": "nested", "pad": "alignment"}
    for one in SPEC["attribute-sets"]:
        for attribute in one["attributes"]:
            kind = words.get(attribute["type"], attribute["type"])
            if attribute.get("byte-order") == "big-endian":
                kind = "be" + kind[1:]
            name = c_name(one["name-prefix"], attribute["name"])
            found = said.get(name, "nothing")
            lab.equal("binary" if found.startswith("list of") else found, kind, name)


def told_policies():
    """({command: number of its policy, for do and dump}, {number: {attribute: (type, nested policy)}})"""
    link = netlink.Link()
    operations, policies = {}, {}
    body = attrs([(FAMILY_ID, struct.pack("=H", link.family))])
    answers, code, text = link.exchange(link.message(GETPOLICY, body, REQUEST | ACK | DUMP,
                                                     kind=netlink.GENL_ID_CTRL))
    lab.true(not code, f"refused: {code} {text}")
    for answer in answers:
        for kind, data in answer:
            for number, nested in parse(data) if kind in (POLICY, OP_POLICY) else ():
                if kind == OP_POLICY:
                    operations[number] = {which: int.from_bytes(index, sys.byteorder)
                                          for which, index in parse(nested)}
                else:
                    for attribute, said in parse(nested):
                        fields = {word: int.from_bytes(value, sys.byteorder) for word, value in parse(said)
                                  if len(value) <= 8}
                        policies.setdefault(number, {})[attribute] = fields[TYPE], fields.get(INDEX)
    return operations, policies


def compare(where, policies, number, name, wanted, seen):
    """Compares one policy and its nested policies."""
    if (number, name) in seen:
        return
    seen.add((number, name))
    values = numbered(SETS[name]["attributes"])
    types = {one["name"]: one for one in SETS[name]["attributes"]}
    told = policies.get(number, {})
    lab.equal(sorted(told), sorted(values[word] for word in wanted), f"{where}: attributes of {name}")
    for word in wanted:
        kind, index = told[values[word]]
        # padding attributes are empty, like a flag
        expected = {"pad": "flag"}.get(types[word]["type"], types[word]["type"])
        lab.equal(TYPES.get(kind), expected, f"{where}: type of {name} {word}")
        if index is not None:
            inner = types[word]["nested-attributes"]
            compare(where, policies, index, inner, [one["name"] for one in SETS[inner]["attributes"]], seen)


@lab.test("what the kernel says that each command takes is what the specification says")
def policies():
    operations, told = told_policies()
    commands, seen = numbered(OPERATIONS), set()
    asked = {one["name"]: one for one in OPERATIONS if "do" in one or "dump" in one}
    lab.equal(sorted(operations), sorted(commands[name] for name in asked), "commands")
    for name, one in asked.items():
        for which, how in ((1, "do"), (2, "dump")):
            wanted = one.get(how, {}).get("request", {}).get("attributes", [])
            lab.equal(which in operations[commands[name]], how in one, f"{name}: {how}")
            if how in one:
                compare(f"{name} {how}", told, operations[commands[name]][which], one["attribute-set"], wanted, seen)


LINES = (
    "sa add out spi 0x1001 src 192.0.2.1 dst 192.0.2.2 tunnel aes128gcm16 key " + "01" * 20 +
    " reqid 7 if-id 42 set-mark 0x20/0xf0 mark 0x3/0xf df set dscp 8 for-dscp ef,8-15 ttl 9 tfc 900 cpus 1 dummy steady 6/m soft packets 5 "
    "hard packets 10 bytes 1M label one",
    "sa add in spi 0x1002 src 192.0.2.2 dst 192.0.2.1 transport aes256-sha256 key " + "02" * 64 +
    " window 64 esn encap udp 4500 4501",
    "sa add in ah spi 0x1003 src 2001:db8::2 dst 2001:db8::1 tunnel sha256 key " + "03" * 32 + " seq 77 noecn",
    "policy add out 10.1.0.0/16 10.2.0.0/16 tcp dport 80,443 priority 5 protect tunnel 192.0.2.1 192.0.2.2 reqid 7 "
    "mss 1200 queue 9 unreach label two",
    "policy add in any6 any6 if-id 42 discard",
    "policy add out fd01::/64 fd02::/64 udp sport 1-99 protect esp transport reqid 1 ah transport reqid 2",
)


@lab.test("an answer is taken as a request that adds what it tells of")
def again():
    lab.delete_all()
    ns = lab.Netns("a")
    with ns:
        link = netlink.Link()
        for line in LINES:
            lab.run(CLI, *line.split())
        for get, add, flush, pairs, moving in (
                (netlink.SA_GET, netlink.SA_NEW, netlink.SA_FLUSH, [(netlink.SHOW_KEYS, b"")],
                 (netlink.ID, netlink.ADDED, netlink.IV_MASK, netlink.USED, netlink.DUMMIES, netlink.SEQ,
                  netlink.LAST_USED, netlink.FIRST_USED, netlink.PMTU)),
                (netlink.POLICY_GET, netlink.POLICY_NEW, netlink.POLICY_FLUSH, [],
                 (netlink.P_ID, netlink.P_ADDED))):
            before = link.dump(get, pairs)
            lab.true(before, "nothing was told")
            link.ask(flush)
            for one in before:
                # the type of a nest has NLA_F_NESTED, which parse() removes
                nested = {netlink.SA_GET: (netlink.SOFT, netlink.HARD, netlink.USED, netlink.DROPS),
                          netlink.POLICY_GET: (netlink.P_SELECTOR, netlink.P_TEMPLATE, netlink.P_DROPS)}[get]
                link.ask(add, [(kind | netlink.NESTED if kind in nested else kind, data) for kind, data in one])
            after = link.dump(get, pairs)
            lab.equal([[pair for pair in one if pair[0] not in moving] for one in after],
                      [[pair for pair in one if pair[0] not in moving] for one in before], "what was told")


def ynl(*words):
    tool = os.path.join(SOURCE, "tools/net/ynl/cli.py")
    for place in tool, os.path.join(SOURCE, "tools/net/ynl/pyynl/cli.py"):
        if os.path.exists(place):
            tool = place
    schema = os.path.join(SOURCE, "Documentation/netlink/genetlink.yaml")
    return json.loads(lab.run("python3", tool, "--spec", FILE, "--schema", schema, "--output-json", *words).stdout)


@lab.test("ynl lists SAs and policies as they are")
def lists():
    if not SOURCE:
        raise lab.Skipped("there is no source of Linux, where ynl lies")
    lab.delete_all()
    ns = lab.Netns("a")
    with ns:
        for line in LINES:
            lab.run(CLI, *line.split())
        told = ynl("--dump", "sa-get")
        ours = Espah.sas(ns)
        lab.equal([(sa["spi"], sa["dir"], sa["mode"], sa["reqid"]) for sa in told],
                  [(int(sa["spi"], 0) if isinstance(sa["spi"], str) else sa["spi"], sa["dir"], sa["mode"],
                    sa["reqid"]) for sa in ours], "SAs")
        one = told[1]
        lab.equal((one["encap-sport"], one["encap-dport"], one["flags"], one["alg"]),
                  (4500, 4501, ["esn"], "aes256-sha256"), "the second")
        told = ynl("--dump", "policy-get")
        lab.equal([(policy["dir"], policy["action"]) for policy in told], [("out", "protect"), ("in", "discard"), ("out", "protect")],
                  "policies")


if __name__ == "__main__":
    module.load()
    lab.main()
