# SPDX-License-Identifier: GPL-2.0-only
"""Loading and unloading espah.ko, with the kernel modules that it needs."""
import os

import lab


def path():
    ko = os.environ.get("ESPAH_KO")
    lab.true(ko, "ESPAH_KO does not name the module; scripts/vm does")
    return ko


def loaded():
    return os.path.isdir("/sys/module/espah")


def load(*parameters):
    """insmod resolves no dependencies, so the modules that espah needs are loaded first."""
    if loaded():
        return
    # without udev, load the fast drivers for this processor here
    lab.run("modprobe", "-a", "aesni_intel", "ghash_clmulni_intel", "sha256_ssse3",
            "sha512_ssse3", check=False)
    needs = lab.run("modinfo", "-F", "depends", path()).stdout.strip()
    for need in filter(None, needs.split(",")):
        lab.run("modprobe", need)
    lab.run("insmod", path(), *parameters)


def load_face():
    """Loads espah_xfrm, which takes the place of xfrm_user."""
    load()
    face = os.path.join(os.path.dirname(path()), "espah_xfrm.ko")
    lab.true(os.path.exists(face), "there is no espah_xfrm.ko beside espah.ko")
    if not os.path.isdir("/sys/module/espah_xfrm"):
        lab.run("insmod", face)


def unload():
    lab.run("rmmod", "espah")
