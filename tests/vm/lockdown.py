# SPDX-License-Identifier: GPL-2.0-only
"""A kernel in lockdown shows no keys. Lockdown is permanent, so this is the last suite of a machine."""
import os

import ipsec
import lab
from ipsec import SA, Espah

STATE = "/sys/kernel/security/lockdown"


def lock_down(level):
    if not os.path.exists(STATE):
        lab.run("mount", "-t", "securityfs", "securityfs", "/sys/kernel/security", check=False)
    if not os.path.exists(STATE):
        raise lab.Skipped("this kernel cannot be locked down")
    with open(STATE, "w", encoding="ascii") as file:
        file.write(level)


def shown(ns, *words):
    with ns:
        return lab.run(ipsec.CLI, *words, check=False)


@lab.test("locked down for integrity, keys are shown; for confidentiality, they are not")
def lockdown():
    ns = lab.Netns("a")
    sa = SA(0x1000, "192.0.2.1", "192.0.2.2")
    Espah.configure(ns, [sa])
    name = ("sa", "get", "out", "spi", "0x1000", "dst", sa.dst, "--show-keys")
    lists = [("sa", "list", "--show-keys"), ("export", "wireshark", "-", "--show-keys"),
             ("sa", "export", "-", "--show-keys")]
    for level in "integrity", "confidentiality":
        lock_down(level)
        for words in (name, *lists):
            with lab.verdict(f"{level}: espah {' '.join(words[:2])} --show-keys"):
                result = shown(ns, *words)
                lab.equal(sa.key.hex() in result.stdout, level == "integrity", "the key is shown")
                lab.equal(result.returncode, int(level != "integrity"), "exit status")
                lab.equal("the kernel is locked down" in result.stderr, level != "integrity",
                          f"{result.stderr!r} says why")
    lab.equal(len(Espah.sas(ns)), 1, "SAs shown without keys")
    with lab.verdict("confidentiality: espah sa export and import without keys"):
        result = shown(ns, "sa", "export", "-")
        lab.true(not result.returncode and "key-present seq 0 iv-mask 0x" in result.stdout and
                 sa.key.hex() not in result.stdout, result.stdout + result.stderr)
        with ns:
            answer = lab.run(ipsec.CLI, "sa", "import", "-", stdin=result.stdout)
        lab.equal(answer.stdout, "-: added 0, moved ahead 1, unchanged 0\n", "answer")
    Espah.configure(ns, [SA(0x1001, "192.0.2.1", "192.0.2.2")])


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
