"""Noticing at once when somebody changes nf_tables: nft, fw4 and iptables-nft alike. A kernel ipset's flush and
iptables-legacy are not announced by the kernel: those are noticed when entries() looks.

The kernel packs a transaction's messages into one datagram and a filter sees only its first, so what may hold a deletion
wakes us: all but elements and the new generation number. Of elements, only others' deletions from our own table do.
Source: linux/netfilter/nf_tables.h; nf_tables_api.c (nft_commit_notify).
"""

import socket
from struct import pack
from sys import byteorder
from uctypes import addressof

from ..core import bpf
from .netlink import AF_NETLINK, NETLINK_NETFILTER, OUR_PORTS

_SO_ATTACH_FILTER = 26
_GROUP = 1 << (7 - 1)  # NFNLGRP_NFTABLES
_NEWSETELEM, _DELSETELEM, _NEWGEN = 12, 14, 15
_LITTLE = byteorder == "little"
_KIND_AT = 4 if _LITTLE else 5  # low byte of nlmsghdr.type
_PORT_AT = 14 if _LITTLE else 12  # upper half of nlmsghdr.port: whose change it is
_OURS = OUR_PORTS if not _LITTLE else (OUR_PORTS & 0xFF) << 8 | OUR_PORTS >> 8
_TABLE_AT = 16 + 4 + 4  # the table's name is the first attribute
_KEEP = 64
_READS = 64  # at once; the rest wakes us again
_EAGAIN = 11


class Watch:
    """`socket` is readable when something was changed."""

    def __init__(self):
        self.socket = socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        program = bpf.assemble(_program())
        filter = pack("@HP", len(program) // 8, addressof(program))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter)
        self.socket.bind(pack("@HHII", AF_NETLINK, 0, 0, _GROUP))
        self.socket.setblocking(False)

    def drain(self):
        """Read what waits. Returns True when something was changed (or too much to be told)."""
        for count in range(_READS):
            try:
                self.socket.recv(_KEEP)
            except OSError as error:
                return count > 0 or error.errno != _EAGAIN  # ENOBUFS: the kernel had to drop some
        return True


def _program():
    """Numbers of netlink headers are in the machine's byte order, the BPF machine reads network order."""
    elements = [bpf.instruction(bpf.LD_W, _TABLE_AT)] + bpf.otherwise_drop(bpf.JEQ, _number(b"knoc"))
    elements += [bpf.instruction(bpf.LD_W, _TABLE_AT + 4)] + bpf.otherwise_drop(bpf.JEQ, _number(b"klet"))
    elements += [bpf.instruction(bpf.LD_H, _PORT_AT)] + bpf.drop_if(bpf.JEQ, _OURS)
    keep = [bpf.instruction(bpf.RET, _KEEP)]
    kind = [bpf.instruction(bpf.LD_B, _KIND_AT)] + bpf.drop_if(bpf.JEQ, _NEWGEN) + bpf.drop_if(bpf.JEQ, _NEWSETELEM)
    return kind + bpf.either(bpf.JEQ, _DELSETELEM, elements + keep, keep)


def _number(data):
    return int.from_bytes(data, "big")
