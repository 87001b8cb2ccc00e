# SPDX-License-Identifier: GPL-2.0-only
"""Allocations that fail, in a kernel that can make them fail (scripts/debug-kernel)."""
import contextlib
import os

NTH = "/proc/thread-self/fail-nth"
KINDS = ("failslab", "fail_page_alloc")


def can_fail():
    return os.path.exists(NTH)


def setting(kind, **values):
    for name, value in values.items():
        path = f"/sys/kernel/debug/{kind}/{name.replace('_', '-')}"
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write(str(value))


def prepare():
    """Makes allocations that may sleep fail too, without log messages."""
    for kind in KINDS:
        setting(kind, ignore_gfp_wait="N", ignore_gfp_highmem="N", verbose=0, min_order=0)


@contextlib.contextmanager
def often(per_cent):
    """A part of all allocations that may not sleep fails, whoever makes them."""
    for kind in KINDS:
        setting(kind, ignore_gfp_wait="Y", verbose=0, min_order=0, task_filter="N", times=-1, interval=1,
                probability=per_cent)
    try:
        yield
    finally:
        for kind in KINDS:
            setting(kind, probability=0, times=1)


class Fault:
    """The Nth allocation of this thread fails. failed: whether an allocation failed."""

    def __init__(self, number):
        self.number, self.failed = number, False

    def __enter__(self):
        self.file = os.open(NTH, os.O_RDWR)
        os.write(self.file, str(self.number).encode())
        return self

    def __exit__(self, *_):
        self.failed = os.pread(self.file, 20, 0).strip() == b"0"
        os.write(self.file, b"0")
        os.close(self.file)
