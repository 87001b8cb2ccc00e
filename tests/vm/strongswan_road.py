#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Road warriors: a gateway that gives its clients addresses, and certificates on both sides.

See sites.py for the topology; a is over espah, b over XFRM, and each is the client once.
"""
import os

import lab
import traffic
from charon import Charon
from ipsec import OURS, Espah
from sites import A, B, GCM, LONG, NET_A, NET_B, S, T, Lab

VIRTUAL = "10.9.0.1"
KEYS = "/run/espah-keys"
LOCAL = """local {{
        auth = pubkey
        certs = {name}.pem
        id = {name}.example.org
    }}"""
GATEWAY = """
connections {{ road {{
    version = 2
    local_addrs = {address}
    pools = road
    {local}
    remote {{
        auth = pubkey
        cacerts = ca.pem
    }}
    children {{ net {{
        local_ts = {net}
        {text}
    }} }}
}} }}
pools {{ road {{ addrs = 10.9.0.0/29 }} }}
"""
CLIENT = """
connections {{ road {{
    version = 2
    local_addrs = {address}
    remote_addrs = {peer_address}
    vips = 0.0.0.0
    {local}
    remote {{
        auth = pubkey
        id = {peer}.example.org
    }}
    children {{ net {{
        remote_ts = {net}
        {text}
    }} }}
}} }}
"""
TEXT = GCM + LONG


def openssl(*words):
    lab.run("openssl", *words)


def certify(*names):
    """A CA and a certificate for each name."""
    if os.path.isdir(KEYS):
        return
    os.makedirs(KEYS)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", f"{KEYS}/ca.key", "-out", f"{KEYS}/ca.pem",
            "-days", "2", "-subj", "/CN=Test CA")
    for name in names:
        path = f"{KEYS}/{name}"
        with open(path + ".ext", "w") as file:
            file.write(f"subjectAltName = DNS:{name}.example.org\n")
        openssl("req", *curve, "-keyout", path + ".key", "-out", path + ".csr", "-subj",
                f"/CN={name}.example.org")
        openssl("x509", "-req", "-in", path + ".csr", "-CA", f"{KEYS}/ca.pem", "-CAkey",
                f"{KEYS}/ca.key", "-CAcreateserial", "-extfile", path + ".ext", "-days", "2",
                "-out", path + ".pem")


def start(ns, stack, conf):
    """A charon with its certificate, its key and the CA."""
    charon = Charon(ns, stack)
    for folder, files in (("x509", {f"{ns}.pem"}), ("x509ca", {"ca.pem"}),
                          ("private", {f"{ns}.key"})):
        for name in files:
            with open(f"{KEYS}/{name}") as source:
                charon.write(f"{folder}/{name}", source.read())
    charon.load(conf)
    return charon


for gateway_ in "espah", "XFRM":
    @lab.test(f"road warrior: {gateway_}'s gateway gives the client an address, by certificates; "
              "traffic passes both ways, none in clear, and nothing is left behind", gateway_)
    def road(gateway):
        here = Lab.clean()
        certify("a", "b")
        if gateway == "espah":
            inside, host, net = here.s, S[4], NET_A[4]
            (ns, stack, address), (client_ns, client_stack, client_address) = \
                (here.a, OURS.name, A[4]), (here.b, "xfrm", B[4])
        else:
            inside, host, net = here.t, T[4], NET_B[4]
            (ns, stack, address), (client_ns, client_stack, client_address) = \
                (here.b, "xfrm", B[4]), (here.a, OURS.name, A[4])
        start(ns, stack, GATEWAY.format(
            address=address, local=LOCAL.format(name=ns), net=net, text=TEXT))
        client = start(client_ns, client_stack, CLIENT.format(
            address=client_address, peer_address=address, local=LOCAL.format(name=client_ns),
            peer=ns, net=net, text=TEXT))
        client.initiate()
        if OURS is Espah:  # by the plugin
            lab.equal([sa["label"] for sa in here.sas()], ["charon b.example.org"] * 2,
                      "labels of the SAs")
        traffic.ping(client_ns, VIRTUAL, host, count=3)
        traffic.ping(inside, host, VIRTUAL, count=3)
        client_ns.run("ping", "-n", "-c", "1", "-W", "10", host)  # from the source address of the route
        with traffic.Transfer(inside, host, client_ns, VIRTUAL, 7000) as transfer:
            transfer.move(bytes(100000))
        lab.equal(here.in_clear(), 0, "packets in clear")
        lab.equal(here.dropped(), {}, "drops")
        client.swanctl("--terminate", "--ike", "road")
        lab.wait_for(lambda: here.left() == ([], []), "all SAs and policies to go")
        lab.wait_for(lambda: VIRTUAL not in client_ns.run("ip", "addr").stdout,
                     "the address to go")


if __name__ == "__main__":
    lab.main()
