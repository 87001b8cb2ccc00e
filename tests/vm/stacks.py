# SPDX-License-Identifier: GPL-2.0-only
"""What answers NETLINK_XFRM in this machine: XFRM itself, or espah_xfrm in its place."""
import os

import lab
import module
import peer

XFRM_MODULES = ("xfrm_user", "esp4", "esp6", "ah4", "ah6", "ipcomp", "ipcomp6", "xfrm_interface",
                "xfrm4_tunnel", "xfrm6_tunnel")
XFRM_USERS = ("esp4_offload", "esp6_offload", "ip_vti", "ip6_vti", "af_key", *XFRM_MODULES,
              "xfrm_ipcomp")


def loaded(name):
    return os.path.isdir(f"/sys/module/{name}/holders")  # built-in modules have no such folder


def remove(*names):
    """A module may be in use until the kernel has removed namespaces that are gone."""
    def gone():
        for name in names:
            if loaded(name):
                lab.run("rmmod", name, check=False)
        return not any(map(loaded, names))
    try:
        lab.wait_for(gone, "removal of modules", timeout=60)
    except lab.Failed as error:
        rest = [name for name in names if loaded(name)]
        answer = lab.run("rmmod", rest[0], check=False).stderr.strip() if rest else error
        raise lab.Failed(f"{', '.join(rest)} stayed loaded: {answer}") from error


def path():
    return os.environ.get("ESPAH_XFRM_KO") or os.path.dirname(module.path()) + "/espah_xfrm.ko"


def xfrm():
    remove("espah_xfrm", "espah")
    lab.run("modprobe", "-a", *XFRM_MODULES)


def espah():
    if loaded("espah_xfrm"):
        return
    ko = path()
    lab.true(os.path.exists(ko), f"there is no {ko}: build it, or name it in ESPAH_XFRM_KO")
    remove(*XFRM_USERS)
    module.load()
    for need in lab.run("modinfo", "-F", "depends", ko).stdout.strip().split(","):
        if need not in ("", "espah"):
            lab.run("modprobe", need)
    lab.run("insmod", ko)


def use(stack):
    """Lets a stack of the kernel answer NETLINK_XFRM in this machine, if it has a choice."""
    if peer.PORT:
        (xfrm if stack == "xfrm" else espah)()


def listening():
    """Whether a program listens to events of NETLINK_XFRM; in the namespace."""
    with open("/proc/net/netlink", encoding="ascii") as file:
        return any(line.split()[1] == "6" and int(line.split()[3], 16) for line in file.readlines()[1:])
