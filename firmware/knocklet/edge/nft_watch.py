"""Noticing at once when somebody changes nf_tables: nft, fw4 and iptables-nft alike. A kernel ipset's flush and
iptables-legacy are not announced by the kernel: those are noticed when entries() looks.

What wakes us is said in nft_netlink.deletions().
"""

import socket
from struct import pack
from sys import byteorder

from . import libc
from .capture import attach_filter
from .netlink import AF_NETLINK, NETLINK_NETFILTER
from .nft_netlink import KEEP, deletions

_GROUP = 1 << (7 - 1)  # NFNLGRP_NFTABLES
_READS = 64  # at once; the rest wakes us again


class Watch:
    """`socket` is readable when something was changed."""

    def __init__(self):
        self.socket = socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        attach_filter(self.socket, deletions(byteorder))
        self.socket.bind(pack("@HHII", AF_NETLINK, 0, 0, _GROUP))
        self.socket.setblocking(False)

    def drain(self):
        """Read what waits. Returns True when something was changed (or too much to be told)."""
        for count in range(_READS):
            try:
                self.socket.recv(KEEP)
            except OSError as error:
                return count > 0 or error.errno != libc.EAGAIN  # ENOBUFS: the kernel had to drop some
        return True
