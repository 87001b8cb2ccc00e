# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan's charon in a namespace, over espah or over XFRM, as Debian builds it."""
import os
import re
import shutil
import subprocess

import ipsec
import lab
from daemon import Daemon

PLUGIN = f"{ipsec.ROOT}/userspace-tools/strongswan"
RUN = "/run/espah-charon"
PSK = "0sNd0ZQrsKGz0Xc7kYaHQ2mxpT"
# short retransmission times, because tests wait for them when a peer is gone
CONF = """
charon-systemd {{
    load_modular = yes
    install_virtual_ip = yes
    retransmit_tries = 3
    retransmit_timeout = {timeout}
    retransmit_base = 1.2
    half_open_timeout = 60
    {options}
    plugins {{
        include /etc/strongswan.d/charon/*.conf
        bypass-lan {{ load = no }}
        vici {{ socket = unix://{run}/{name}.vici }}
        kernel-espah {{ load = {load} }}
        {plugins}
    }}
    filelog {{ log {{
        path = {run}/{name}.log
        time_format = %T
        default = {log}
        knl = {log_kernel}
        flush_line = yes
    }} }}
    syslog {{ daemon {{ default = -1 }} }}
}}
swanctl {{ load = pem pkcs1 pkcs8 x509 pubkey openssl random }}
"""


def install():
    """Installs Debian's binaries and the plugin into the file system of this virtual machine."""
    if os.path.exists("/usr/sbin/charon-systemd.installed"):
        return
    root = os.environ.get("ESPAH_STRONGSWAN") or lab.run(f"{ipsec.ROOT}/scripts/strongswan",
                                                         timeout=60).stdout.strip()
    lab.run("cp", "-a", f"{root}/root/usr", f"{root}/root/etc", "/", timeout=300)
    for kind, name, target in (
            ("plugin", "libstrongswan-kernel-espah.so", "/usr/lib/ipsec/plugins/"),
            ("settings", "kernel-espah.conf", "/etc/strongswan.d/charon/")):
        lab.true(os.path.exists(f"{PLUGIN}/{name}"), f"no {kind}: make -C {PLUGIN}")
        shutil.copy(f"{PLUGIN}/{name}", target)
    os.makedirs(RUN, exist_ok=True)
    open("/usr/sbin/charon-systemd.installed", "w").close()


class Charon(Daemon):
    """conf: for swanctl.conf, without its secrets."""

    def __init__(self, ns, stack=ipsec.OURS.name, conf="", options="", plugins="", timeout=2,
                 program="/usr/sbin/charon-systemd", start_timeout=60,
                 log=int(os.environ.get("ESPAH_CHARON_LOG", "1"))):
        install()
        super().__init__(ns, stack)
        self.log_path = f"{RUN}/{self.name}.log"
        self.program, self.start_timeout = program, start_timeout
        with open(f"{RUN}/{self.name}.conf", "w") as file:
            file.write(CONF.format(run=RUN, name=self.name, options=options, plugins=plugins,
                                   timeout=timeout, log=log, log_kernel=max(log * 2, -1),
                                   load=100 if stack == "espah" else "no"))
        self.folder = f"{RUN}/{self.name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.start()
        if conf:
            self.load(conf)

    def start(self):
        for path in self.log_path, f"{RUN}/{self.name}.vici":
            if os.path.exists(path):
                os.unlink(path)
        self.launch(*self.program.split(),
                    environment={"STRONGSWAN_CONF": f"{RUN}/{self.name}.conf"},
                    ready=lambda: os.path.exists(f"{RUN}/{self.name}.vici"),
                    timeout=self.start_timeout)

    def swanctl(self, *words, check=True, timeout=60):
        with self.ns:
            result = subprocess.run(
                ["/usr/sbin/swanctl", *words, "--uri", f"unix://{RUN}/{self.name}.vici"],
                text=True, capture_output=True, timeout=timeout, check=False,
                env={**os.environ, "SWANCTL_DIR": self.folder,
                     "STRONGSWAN_CONF": f"{RUN}/{self.name}.conf"})
        if check and result.returncode:
            raise lab.Failed(f"swanctl {' '.join(words)} at {self.name} ({self.stack}): "
                             f"{(result.stdout + result.stderr)[-400:]}")
        return result.stdout

    def write(self, path, text):
        """Writes a file that its swanctl reads."""
        path = f"{self.folder}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def load(self, conf):
        self.write("swanctl.conf", conf + f"\nsecrets {{ ike-all {{ secret = {PSK} }} }}\n")
        self.swanctl("--load-all", "--noprompt", timeout=120)

    def initiate(self, child="net", **options):
        return self.swanctl("--initiate", "--child", child, "--timeout", "40", **options)

    def sas(self):
        return self.swanctl("--list-sas", "--raw")

    def children(self, state="INSTALLED"):
        """Number of CHILD_SAs in a state."""
        return len(re.findall(rf"\bstate={state}\b", self.sas()))

    def counters(self, what="bytes"):
        """Traffic in and out according to swanctl, summed over all CHILD_SAs."""
        text = self.sas()
        return tuple(sum(map(int, re.findall(rf"\b{what}-{way}=(\d+)", text)))
                     for way in ("in", "out"))


def connection(local, remote, children, name="gw", extra="", ike="aes128-sha256-x25519"):
    """A connection with a pre-shared key; children: {name: text of its section}."""
    sections = "\n".join(f"{child} {{ {text} }}" for child, text in children.items())
    return (f"connections {{ {name} {{\nversion = 2\nlocal_addrs = {local}\n"
            f"remote_addrs = {remote}\nproposals = {ike}\n{extra}\n"
            f"local {{ auth = psk }}\nremote {{ auth = psk }}\n"
            f"children {{\n{sections}\n}} }} }}\n")
