# SPDX-License-Identifier: GPL-2.0-only
"""keepalived (VRRP) in a namespace, as Debian builds it."""
import os
import subprocess

import ipsec
import lab

RUN = "/run/keepalived-test"
CONF = """
global_defs {{
    vrrp_version 3
    vrrp_garp_master_repeat 1
}}
vrrp_instance gateway {{
    state BACKUP
    nopreempt
    interface wan
    track_interface {{ lan }}
    virtual_router_id 51
    priority {priority}
    advert_int 0.5
    virtual_ipaddress {{
{addresses}
    }}
    virtual_ipaddress_excluded {{
{excluded}
    }}
}}
"""


def root():
    """The folder with Debian's unpacked packages."""
    folder = os.environ.get("ESPAH_KEEPALIVED") or lab.run(f"{ipsec.ROOT}/scripts/keepalived",
                                                           timeout=60).stdout.strip()
    return f"{folder}/root"


def command():
    """The daemon, and the libraries that it needs."""
    folder = root()
    libraries = ":".join(f"{folder}/{path}/x86_64-linux-gnu" for path in ("lib", "usr/lib"))
    return "env", f"LD_LIBRARY_PATH={libraries}", f"{folder}/usr/sbin/keepalived"


def check(ns, text):
    """Has the daemon check a configuration file."""
    os.makedirs(RUN, exist_ok=True)
    with open(f"{RUN}/check.conf", "w", encoding="ascii") as file:
        file.write(text)
    ns.run(*command(), "--config-test", "-f", f"{RUN}/check.conf")


def start(ns, priority, addresses, excluded):
    """Starts the daemon of a namespace. addresses, excluded: ("192.0.2.1/24", "wan")..., of one and of any family"""
    os.makedirs(RUN, exist_ok=True)
    base = f"{RUN}/{ns}"
    with open(f"{base}.conf", "w", encoding="ascii") as file:
        file.write(CONF.format(priority=priority, **{
            name: "\n".join(f"        {address} dev {device}" for address, device in pairs)
            for name, pairs in (("addresses", addresses), ("excluded", excluded))}))
    with open(f"{base}.log", "w", encoding="ascii") as log:
        return ns.start(*command(), "-n", "-l", "-D", "-P",
                        "-f", f"{base}.conf", "-p", f"{base}.pid", "-r", f"{base}.vrrp.pid", stdout=log,
                        stderr=subprocess.STDOUT)


def tell():
    """Prints the ends of the logs, for a failed test."""
    for name in sorted(os.listdir(RUN)) if os.path.isdir(RUN) else ():
        if name.endswith(".log"):
            with open(f"{RUN}/{name}", encoding="utf-8") as file:
                for line in file.read().splitlines()[-12:]:
                    print(f"log {name[:-4]} {line}", flush=True)


lab.Results.on_failure.append(tell)
