# SPDX-License-Identifier: GPL-2.0-only
"""`ip xfrm' in a namespace, and what one sees of it, whatever answers NETLINK_XFRM."""
import re
import subprocess
import time

import lab
import stacks

VARIABLE = [  # what differs from run to run
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"), (r"Timestamp: .*\n", ""),
    (r"\s*lastused TIME", ""),  # Linux 6.1 tells it for Mobile IPv6 only, espah always
    (r"index \d+", "index N"),
    (r"(?i:buckets count \d+)|Buckets: \d+ \(Max 1048576\)|bits\d+|buckets \d+", "BUCKETS"),
]
KEYS = (r"0x[0-9a-f]{32,}", "KEY")  # which espah's events do not tell


def normal(text):
    for pattern, word in VARIABLE:
        text = re.sub(pattern, word, text)
    return text


def ip(ns, words):
    """Return: status, output and errors of `ip xfrm WORDS'; -s or -d may come first, 0x is an empty key."""
    words = ["" if word == "0x" else word for word in words.split()]
    options = [words.pop(0)] if words[0].startswith("-") else []
    answer = ns.run("ip", *options, "xfrm", *words, check=False)
    return answer.returncode, normal(answer.stdout), normal(answer.stderr)


def story(ns, commands, groups, listings, ends):
    """What one sees of the commands: status and output of each, listings, and events of the groups. A
    command that starts with ! may fail. Sentences are not compared: espah has better ones."""
    seen = []
    with ns:
        monitor = subprocess.Popen(["stdbuf", "-oL", "ip", "xfrm", "monitor", *groups],
                                   stdout=subprocess.PIPE, text=True)
        lab.wait_for(stacks.listening, "the monitor")
    for command in commands:
        status, out, err = ip(ns, command.lstrip("!"))
        lab.true(command.startswith("!") or not status, f"{command}: {err}")
        seen.append((command, status, out, ""))
    for listing in listings:
        seen.append((listing, *ip(ns, listing)))
    for end in ends:
        ip(ns, end)
    time.sleep(0.2)
    monitor.terminate()
    seen.append(("monitor", 0, re.sub(*KEYS, normal(monitor.communicate()[0])), ""))
    lab.delete_all()
    return seen


def refused(ns, commands, listing):
    """Checks that {command: part of a sentence} are refused, and that nothing is listed then."""
    for command, sentence in commands.items():
        status, _, err = ip(ns, command)
        lab.true(status and sentence in err, f"{command}: {status} {err}")
    lab.equal(ip(ns, listing)[1], "", listing)
