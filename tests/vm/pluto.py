# SPDX-License-Identifier: GPL-2.0-only
"""Libreswan's pluto in a namespace, as Debian builds it. It has fixed paths: one for each machine."""
import os
import re
import shutil

import ipsec
import lab
from charon import PSK
from daemon import Daemon

FOLDER = "/usr/libexec/ipsec"
RUN = "/run/pluto"
NSS = "/var/lib/ipsec/nss"
CONF = """
config setup
    logfile = {log}
    plutodebug = {debug}

conn %default
    authby = secret
    ikev2 = insist
    ike = aes128-sha2_256;dh31
    pfs = no
    dpdaction = hold
    keyingtries = 1
    retransmit-timeout = 20s
"""


def install():
    """Installs Debian's binaries into the file system of this virtual machine."""
    if os.path.exists(f"{NSS}/installed"):
        return
    root = os.environ.get("ESPAH_LIBRESWAN") or lab.run(f"{ipsec.ROOT}/scripts/libreswan",
                                                        timeout=60).stdout.strip()
    lab.run("cp", "-a", "-n", f"{root}/root/usr", f"{root}/root/etc", "/", timeout=300)
    lab.run("ldconfig")
    os.makedirs(NSS, exist_ok=True)
    lab.run("certutil", "-N", "-d", f"sql:{NSS}", "--empty-password")
    open(f"{NSS}/installed", "w").close()


class Pluto(Daemon):
    """conf: sections `conn' of ipsec.conf."""

    log_path = "/run/pluto.log"

    def __init__(self, ns, stack=ipsec.OURS.name, conf=""):
        super().__init__(ns, stack)
        install()
        debug = os.environ.get("ESPAH_PLUTO_DEBUG", "none")
        with open("/etc/ipsec.conf", "w") as file:
            file.write(CONF.format(log=self.log_path, debug=debug) + conf)
        with open("/etc/ipsec.secrets", "w") as file:
            file.write(f": PSK {PSK}\n")
        self.start()
        self.tool("addconn", "--autoall")

    def start(self):
        shutil.rmtree(RUN, ignore_errors=True)
        os.makedirs(RUN)
        if os.path.exists(self.log_path):
            os.unlink(self.log_path)
        self.launch(f"{FOLDER}/pluto", "--nofork", "--config", "/etc/ipsec.conf",
                    ready=lambda: os.path.exists(f"{RUN}/pluto.ctl"))
        self.whack("--listen")

    def tool(self, name, *words, check=True):
        return self.ns.run(f"{FOLDER}/{name}", *words, check=check).stdout

    def whack(self, *words, **options):
        return self.tool("whack", *words, **options)

    def initiate(self, child="net", **options):
        return self.whack("--name", child, "--initiate", **options)

    def counters(self):
        """Bytes in and out according to pluto, summed over all CHILD_SAs."""
        text = self.whack("--trafficstatus")
        return tuple(sum(map(int, re.findall(rf"\b{way}Bytes=(\d+)", text)))
                     for way in ("in", "out"))


def conn(local, remote, local_net=None, remote_net=None, name="net", more="auto = add\n"):
    """A connection with a pre-shared key; without networks: between the hosts themselves."""
    nets = f"leftsubnet = {local_net}\nrightsubnet = {remote_net}\n" if local_net else ""
    text = f"left = {local}\nright = {remote}\n{nets}{more}"
    return f"\nconn {name}\n" + "".join(f"    {line}\n" for line in text.splitlines())
