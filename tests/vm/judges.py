#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own IPsec selftests over XFRM and over espah_xfrm, on the same kernel, compared.

Each judge is a selftest that scripts/judges has prepared. Its output becomes {line: "pass", "fail" or
"skip"}. A difference is a line that passes over one of the two only. judges.expected lists the
differences that have a reason; another one fails the test, and so does one of these that is gone.

ESPAH_XFRM_KO: the module, if it is not espah_xfrm.ko beside ESPAH_KO. ESPAH_LAB_OURS=xfrm: XFRM in
both columns. ESPAH_JUDGES_ALL=1: the judges in the size in which the kernel has them.
"""
import collections
import concurrent.futures
import contextlib
import dataclasses
import fnmatch
import glob
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import ipsec
import lab
import stacks
from stacks import loaded

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = os.environ.get("ESPAH_JUDGES_ALL")
KERNEL = os.environ.get("ESPAH_KERNEL")
LIMIT = 3000 if ALL else 600  # seconds for one judge
AT_ONCE = 2  # the scripts mostly start one program after the other


# --- the two stacks ---------------------------------------------------------------------------

class OverXfrm:
    name = "XFRM"
    enter = staticmethod(stacks.xfrm)

    @staticmethod
    def check():
        lab.true(loaded("xfrm_user") and not loaded("espah"), "XFRM was not what the judges judged")


class OverEspah:
    name = "espah"
    enter = staticmethod(stacks.espah)

    @staticmethod
    def check():
        lab.true(loaded("espah_xfrm") and not loaded("xfrm_user"),
                 "espah_xfrm was not what the judges judged")


OURS = OverXfrm if ipsec.OURS is ipsec.Xfrm else OverEspah


# --- what a judge says ------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Judge:
    name: str
    command: str        # for the shell, in the folder net/
    parse: collections.abc.Callable
    least: int          # lines that pass over XFRM on each kernel: a judge that cannot work says less
    settings: dict = dataclasses.field(default_factory=dict)  # unless ESPAH_JUDGES_ALL is set
    long: bool = False  # minutes also in its smaller size, so only with ESPAH_JUDGES_ALL or by name


def numbered(pairs):
    """{line: verdict}; a line that is there twice gets a number."""
    seen, verdicts = collections.Counter(), {}
    for line, verdict in pairs:
        line = " ".join(line.split())
        seen[line] += 1
        verdicts[line if seen[line] == 1 else f"{line} #{seen[line]}"] = verdict
    return verdicts


def words(output):
    """PASS: the line"""
    return numbered((line, verdict.lower()) for verdict, line in
                    re.findall(r"^(PASS|FAIL|SKIP): (.*)$", output, re.M))


def brackets(output):
    """TEST: the line    [ OK ]"""
    return numbered((line, {"OK": "pass", "PASS": "pass", "FAIL": "fail"}.get(verdict, "skip"))
                    for line, verdict in
                    re.findall(r"^TEST: (.*?)\s*\[ ?(OK|PASS|FAIL|SKIP|XFAIL) ?\]", output, re.M))


def tap(output):
    """ok 7 create tunnel: [51, 'hmac(sha1)', '', '', '', 0]"""
    def pairs():
        for verdict, what, proto, names in re.findall(
                r"^(ok|not ok) \d+\s+([a-z ]+): \[(\d+), (.*), \d+\]", output, re.M):
            if what == "create tunnel":
                proto = {"50": "esp", "51": "ah", "108": "comp"}[proto]
                what = " ".join([proto, *filter(None, names.replace("'", "").split(", "))])
            yield what, "pass" if verdict == "ok" else "fail"
    return numbered(pairs())


def speed(output):
    """Inserted 100 policies in 70 ms, perhaps with a warning behind it"""
    return numbered((f"{count} policies", "fail" if warning else "pass") for count, warning in
                    re.findall(r"^Inserted (\d+) .*\n(WARNING.*)?", output, re.M))


JUDGES = {judge.name: judge for judge in (
    # more than one process: a listener hears the events of the other tests. (A buffer of stdout would be
    # written by each process that is forked)
    Judge("ipsec", "stdbuf -oL ipsec 1", tap, 90),
    Judge("xfrm_policy", "./xfrm_policy.sh", words, 8, {
        "JUDGE_ROUNDS": "1", "JUDGE_DUMMIES": "12 14", "JUDGE_BLOCKS": "1", "JUDGE_SHORT": "1"}, long=True),
    Judge("xfrm_state", "./xfrm_state.sh $JUDGE_TESTS", brackets, 1, {
        "JUDGE_TESTS": "unreachable_gw_ipv6 mtu_ipv4_r2"}),
    Judge("vrf-xfrm-tests", "./vrf-xfrm-tests.sh", brackets, 12),
    Judge("l2tp", "./l2tp.sh", brackets, 16),
    Judge("nft_flowtable", "cd netfilter && ./nft_flowtable.sh -s 500000", words, 2),
    Judge("xfrm_policy_add_speed", "./xfrm_policy_add_speed.sh", speed, 2, {"JUDGE_POLICIES": "1000"}),
    Judge("rtnetlink", "./rtnetlink.sh -t kci_test_ipsec", words, 1),
) if ALL or sys.argv[1:] or not judge.long}


# What ipsec.c needs. The kernel asks modprobe several times for each pair of algorithms, in vain, which
# takes most of the time of this judge in emulation.
CRYPTO = ["crypto-" + name for name in (
    "aead", "aes", "authenc", "blowfish", "camellia", "cast5", "cbc", "cipher_null", "cmac", "ctr", "deflate",
    "des", "des3_ede", "digest_null", "ecb", "echainiv", "hmac", "jitterentropy_rng", "md5", "rfc3686", "seqiv",
    "serpent", "sha1", "sha256", "sha384", "sha512", "stdrng", "twofish", "xcbc")]


@contextlib.contextmanager
def no_autoload():
    path = "/proc/sys/kernel/modprobe"
    with open(path, encoding="ascii") as file:
        before = file.read()
    lab.run("modprobe", "-qa", "veth", *CRYPTO, check=False)  # of some names, there is no module
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write("\n")
        yield
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(before)


# --- running them -------------------------------------------------------------------------------

@dataclasses.dataclass
class Said:
    lines: dict
    output: str
    seconds: float


def folder():
    return os.environ.get("ESPAH_JUDGES") or lab.run(f"{ipsec.ROOT}/scripts/judges").stdout.strip()


def tools(where):
    """PATH for the judges: what scripts/judges has fetched and built, and iptables of this folder."""
    shims = tempfile.mkdtemp(prefix="judges.")
    for name in "iptables", "iptables-save":
        os.symlink(f"{HERE}/judges.iptables", f"{shims}/{name}")
    root = f"{where}/root"
    return ":".join([shims, f"{where}/bin", *(f"{root}/{bin}" for bin in ("bin", "sbin", "usr/bin")),
                     os.environ["PATH"]])


def run(judge):
    """Runs the judge with own processes, mounts and networks: with it ends all that it left."""
    where = folder()
    variables = {**os.environ, "KSFT_MACHINE_SLOW": "yes", "PATH": tools(where),
                 "JUDGE_IP": f"{where}/root/bin/ip",
                 "LD_LIBRARY_PATH": f"{where}/root/usr/lib/x86_64-linux-gnu",
                 **({} if ALL else judge.settings)}
    shell = f"mount -t tmpfs run /run/netns && ip link set lo up && cd {where}/net && {judge.command}"
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as file:
        process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "bash", "-c", shell], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=variables)
        ended = "pass"
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            ended = "fail"
            process.send_signal(signal.SIGKILL)
            process.wait()
        file.seek(0)
        output = file.read()
    keep(judge, output)
    return Said({**judge.parse(output), "ends": ended}, output, time.monotonic() - start)


def keep(judge, output):
    """With --out of scripts/vm, all output stays there."""
    if os.path.isdir("/out"):
        stack = "espah" if loaded("espah") else "xfrm"
        with open(f"/out/{judge.name}.{stack}", "w", encoding="utf-8") as file:
            file.write(output)


class Column:
    """All judges of this run over one stack."""
    columns = {}

    def __init__(self, stack):
        self.said, self.failed = {}, None
        chosen = [judge for judge in JUDGES.values()
                  if not sys.argv[1:] or any(word in title(judge) for word in sys.argv[1:])]
        try:
            stack.enter()
            with no_autoload():
                self.run([judge for judge in chosen if judge.name == "ipsec"], map)
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                self.run([judge for judge in chosen if judge.name != "ipsec"], pool.map)
            stack.check()
        except lab.Failed as error:
            self.failed = error

    def run(self, judges, each):
        self.said |= {judge.name: said for judge, said in zip(judges, each(run, judges))}

    @classmethod
    def get(cls, key, stack):
        if key not in cls.columns:
            cls.columns[key] = cls(stack)
        if cls.columns[key].failed:
            raise cls.columns[key].failed
        return cls.columns[key].said


# --- comparing -----------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Expected:
    """A line of judges.expected."""
    judge: str
    kernels: str
    passes: str   # "xfrm" or "espah": over which of the two it passes
    pattern: str
    reason: str

    def names(self, line):
        return fnmatch.fnmatchcase(line, self.pattern.replace("[", "[[]"))


def expectations(judge):
    found = []
    with open(f"{HERE}/judges.expected", encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                rest, _, reason = line.strip().partition(" -- ")
                expected = Expected(*rest.split(None, 3), reason)
                lab.true(reason and expected.passes in ("xfrm", "espah"),
                         f"judges.expected is not understood: {line}")
                if expected.judge == judge and expected.kernels in ("all", KERNEL):
                    found.append(expected)
    return found


def passed(said):
    return {line for line, verdict in said.lines.items() if verdict == "pass"}


def compare(theirs, ours, expected):
    """Return: (all differences as {line: passes}, what is wrong with them)"""
    differences = {line: "xfrm" if line in passed(theirs) else "espah"
                   for line in sorted(passed(theirs) ^ passed(ours))}
    wrong = []
    for line, passes in differences.items():
        if not any(one.passes == passes and one.names(line) for one in expected):
            wrong.append(f"passes over {passes} only: {line}")
    for one in expected:
        gone = [line for line in sorted(passed(theirs) & passed(ours)) if one.names(line)]
        wrong += [f"expected to pass over {one.passes} only, passes over both: {line}" for line in gone]
    return differences, wrong


def title(judge):
    return f"{judge.name}: the selftest says the same over XFRM and espah, apart from judges.expected"


table = []


def judged(judge):
    theirs = Column.get("theirs", OverXfrm)[judge.name]
    ours = Column.get("ours", OURS)[judge.name]
    expected = expectations(judge.name) if OURS is OverEspah else []
    differences, wrong = compare(theirs, ours, expected)
    table.append((judge.name, len(passed(theirs)), len(passed(ours)), len(theirs.lines), len(differences),
                  f"{theirs.seconds:.0f} s", f"{ours.seconds:.0f} s"))
    enough = len(passed(theirs)) >= judge.least + 1  # "ends"
    if wrong or not enough:
        tell(judge, theirs, ours)
    lab.true(enough, f"only {len(passed(theirs))} lines pass over XFRM")
    lab.true(not wrong, f"{len(wrong)} differences: " + "; ".join(wrong))


def tell(judge, theirs, ours):
    for name, said in ("XFRM", theirs), (OURS.name, ours):
        lines = [line for line in said.output.splitlines() if line and not line.startswith("ok ")]
        for line in lines[-60:]:
            print(f"log {judge.name} over {name}: {line}", flush=True)


for one_judge in JUDGES.values():
    lab.test(title(one_judge), one_judge)(judged)


if __name__ == "__main__":
    try:
        lab.main()
    finally:
        for row in [("judge", "XFRM", OURS.name, "lines", "differ", "XFRM", OURS.name), *table]:
            print("log {:<24}{:>7}{:>7}{:>7}{:>8}{:>8}{:>8}".format(*row), flush=True)
        for path in glob.glob(f"{tempfile.gettempdir()}/judges.*"):
            lab.run("rm", "-rf", path, check=False)
