# SPDX-License-Identifier: GPL-2.0-only
"""A program that accepts all packets that nft queues for it, as an inspecting firewall would."""
import collections
import ctypes
import os
import threading

import lab

META = 1  # copy nothing of the packets
ACCEPT = 1
LIBRARY = "libnetfilter_queue.so.1"


class Header(ctypes.BigEndianStructure):
    """struct nfqnl_msg_packet_hdr"""
    _pack_ = 1
    _fields_ = [("id", ctypes.c_uint32), ("protocol", ctypes.c_uint16), ("hook", ctypes.c_uint8)]


HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
                           ctypes.c_void_p)


class Queue:
    """Queue 0 of a namespace, until the suite ends. seen: {netfilter hook: packets that passed}

    While hold is true, packets wait until release().
    """

    def __init__(self, ns):
        self.seen = collections.Counter()
        self.hold, self.held = False, []
        self.library = ctypes.CDLL(LIBRARY, use_errno=True)
        for name in ("nfq_open", "nfq_create_queue", "nfq_get_msg_packet_hdr"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.handler = HANDLER(self.handle)
        with ns:
            self.connection = ctypes.c_void_p(self.library.nfq_open())
        lab.true(self.connection, "nfq_open failed")
        self.queue = ctypes.c_void_p(self.library.nfq_create_queue(self.connection, 0,
                                                                   self.handler, None))
        lab.true(self.queue, f"no queue: {os.strerror(ctypes.get_errno())}")
        lab.equal(self.library.nfq_set_mode(self.queue, META, 0), 0, "nfq_set_mode()")
        threading.Thread(target=self.loop, daemon=True).start()

    def handle(self, queue, _, packet, __):
        header = Header.from_address(self.library.nfq_get_msg_packet_hdr(ctypes.c_void_p(packet)))
        self.seen[header.hook] += 1
        if self.hold:
            self.held.append(header.id)
            return 0
        return self.library.nfq_set_verdict(ctypes.c_void_p(queue), ctypes.c_uint32(header.id),
                                            ACCEPT, 0, None)

    def release(self):
        for number in self.held:
            self.library.nfq_set_verdict(self.queue, ctypes.c_uint32(number), ACCEPT, 0, None)
        self.held.clear()

    def loop(self):
        descriptor = self.library.nfq_fd(self.connection)
        while True:
            message = os.read(descriptor, 65536)
            self.library.nfq_handle_packet(self.connection, message, len(message))
