# SPDX-License-Identifier: GPL-2.0-only
"""FRR's routing daemons in a namespace, as Debian builds them."""
import json
import os
import socket
import subprocess

import ipsec
import lab

RUN = "/run/frr"  # compiled into the daemons
NEIGHBOURS = {"bgpd": "show bgp summary", "bfdd": "show bfd peers brief",
              "ospfd": "show ip ospf neighbor", "ospf6d": "show ipv6 ospf6 neighbor"}


def root():
    """The folder with Debian's unpacked packages."""
    folder = os.environ.get("ESPAH_FRR") or lab.run(f"{ipsec.ROOT}/scripts/frr",
                                                    timeout=60).stdout.strip()
    return f"{folder}/root"


def install():
    """Prepares this virtual machine: root runs the daemons, and must be in their group."""
    with open("/etc/group", encoding="ascii") as file:
        if "frrvty:" in file.read():
            return
    with open("/etc/group", "a", encoding="ascii") as file:
        file.write("frrvty:x:899:root\n")


class Router:
    """The daemons of one namespace."""

    running = []

    def __init__(self, ns):
        """Starts zebra."""
        install()
        self.ns, self.name, self.root = ns, str(ns), root()
        self.folder = f"{RUN}/{self.name}"
        os.makedirs(self.folder, exist_ok=True)
        with open(f"{self.folder}/vtysh.conf", "w", encoding="ascii") as file:
            file.write("username root nopassword\n")  # otherwise vtysh asks PAM
        libraries = ":".join(f"{self.root}/{path}/x86_64-linux-gnu{more}" for path, more in
                             (("lib", ""), ("usr/lib", ""), ("usr/lib", "/frr")))
        self.environment = ("env", f"LD_LIBRARY_PATH={libraries}")
        self.processes, self.told = {}, {}
        Router.running.append(self)
        self.start("zebra")

    def path(self, daemon, kind):
        return f"{self.folder}/{daemon}.{kind}"

    def start(self, daemon, conf=""):
        """Starts a daemon; wait() awaits it."""
        for kind in "log", "vty":
            if os.path.exists(self.path(daemon, kind)):
                os.unlink(self.path(daemon, kind))
        with open(self.path(daemon, "conf"), "w", encoding="ascii") as file:
            file.write(f"log file {self.path(daemon, 'log')} informational\n{conf}")
        self.processes[daemon] = self.ns.start(
            *self.environment, f"{self.root}/usr/lib/frr/{daemon}", "-N", self.name,
            "-u", "root", "-g", "root", "-P", "0", "-f", self.path(daemon, "conf"),
            "-i", self.path(daemon, "pid"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self):
        """Until all daemons answer. A daemon that comes before zebra tries again only after 10 s."""
        for daemon in self.processes:
            lab.wait_for(lambda path=self.path(daemon, "vty"): os.path.exists(path),
                         f"{daemon} in {self.name}", 60)

    def stop(self, daemon):
        process = self.processes.pop(daemon)
        process.terminate()
        process.wait(60)

    def ask(self, daemon, *commands):
        """The answers of a daemon to commands, over the socket that vtysh uses.

        vtysh itself takes a second of an emulated processor to start.
        """
        answers = []
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(self.path(daemon, "vty"))
            for command in ("enable", *commands):
                sock.sendall(command.encode() + b"\0")
                data = b""
                while data[-4:-1] != bytes(3):  # then one byte of status
                    part = sock.recv(65536)
                    lab.true(part, f"{daemon} in {self.name} ended at '{command}'")
                    data += part
                text = data[:-4].decode()
                lab.true(data[-1] == 0, f"{daemon} in {self.name} refused '{command}': {text}")
                answers.append(text)
        return "".join(answers)

    def json(self, daemon, command):
        return json.loads(self.ask(daemon, f"{command} json"))

    def configure(self, daemon, *lines):
        self.ask(daemon, "configure terminal", *lines)

    def vtysh(self, *commands):
        """What FRR's own shell answers."""
        words = [word for command in commands for word in ("-c", command)]
        return self.ns.run(*self.environment, f"{self.root}/usr/bin/vtysh", "-N", self.name,
                           "--config_dir", RUN, *words).stdout

    @classmethod
    def tell(cls):
        """Prints the neighbours and the ends of the logs, what is new of them, for a failed test."""
        for router in cls.running:
            for daemon in router.processes:
                try:
                    lines = router.ask(daemon, NEIGHBOURS[daemon]) if daemon in NEIGHBOURS else ""
                    with open(router.path(daemon, "log"), encoding="utf-8") as file:
                        log = file.read().splitlines()
                    told, router.told[daemon] = router.told.get(daemon, 0), len(log)
                    for line in lines.splitlines() + log[told:][-8:]:
                        print(f"log {router.name} {line}", flush=True)
                except (OSError, lab.Failed) as error:
                    print(f"log {router.name} {daemon}: {error}", flush=True)


lab.Results.on_failure.append(Router.tell)
