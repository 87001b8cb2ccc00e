# SPDX-License-Identifier: GPL-2.0-only
"""IKE daemons in namespaces; a daemon of a namespace on the peer machine runs there."""
import os
import subprocess

import ipsec
import lab
import peer


class Daemon:
    """
    A daemon. stack: espah (by a plugin), xfrm or xfrm_face (both by the daemon's own netlink code).

    A class of this kind has start(), log_path and name.
    """

    running = []

    def __new__(cls, ns, *arguments, **options):
        if isinstance(ns, peer.Remote):
            daemon = peer.make(cls.__module__, cls.__name__, ns, *arguments, **options)
            cls.running.append(daemon)
            return daemon
        return super().__new__(cls)

    def __init__(self, ns, stack=ipsec.OURS.name):
        self.ns, self.stack, self.name = ns, stack, str(ns)
        self.process = None

    def launch(self, *words, environment=None, ready=None, timeout=60):
        """Starts the program; ready(): whether it answers."""
        self.process = self.ns.start(*words, env={**os.environ, **(environment or {})},
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.running.append(self)
        lab.wait_for(ready, f"{type(self).__name__} in {self.name}", timeout)

    def stop(self, kill=False):
        if self.process.poll() is None:
            (self.process.kill if kill else self.process.terminate)()
        self.process.wait(60)
        if self in self.running:
            self.running.remove(self)

    @classmethod
    def stop_all(cls):
        for daemon in list(cls.running):
            daemon.stop(kill=True)
        cls.running.clear()  # of those on the peer machine

    @classmethod
    def tell(cls):
        """Prints the ends of the logs, for a failed test."""
        for daemon in cls.running:
            for line in daemon.log().splitlines()[-100:]:
                print(f"log {daemon.name} ({daemon.stack}) {line}", flush=True)

    def log(self):
        try:
            with open(self.log_path) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, text, timeout=40):
        lab.wait_for(lambda: text in self.log(),
                     f"'{text}' in the log of {type(self).__name__} in {self.name}", timeout)


lab.Results.on_failure.append(Daemon.tell)
