"""Netlink: asking the kernel and hearing its answer; and how its messages are laid out.

    nlmsghdr:  u32 length, u16 type, u16 flags, u32 seq, u32 port     then the family's header, then attributes
    nlattr:    u16 length (without padding), u16 type, the value, padding to 4 bytes
    nlmsgerr:  nlmsghdr, i32 error (0 or a negative errno), the request's header

Headers are in the machine's byte order. Sources: netlink(7), linux/netlink.h, Documentation/userspace-api/netlink.
Only root may send to another's netlink socket, so what arrives is taken for the kernel's.
"""

import os
import socket
from errno import EADDRINUSE
from struct import pack, pack_into, unpack_from

from ..core.errors import KnockletError

AF_NETLINK = 16
NETLINK_NETFILTER = 12
REQUEST = 0x1
ACK = 0x4
DUMP = 0x300
EXCL = 0x200
CREATE = 0x400
NESTED = 0x8000
NET_BYTEORDER = 0x4000

OUR_PORTS = 0x4B6E  # upper half of our sockets' port numbers, far above process numbers: nft_watch.py knows us by it

HEADER_BYTES = 16 + 4  # nlmsghdr and nfgenmsg: where the attributes of a netfilter message begin

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_DUMP_INTR = 0x10
_TYPE_MASK = 0x3FFF
_SEQ = 8  # offset in nlmsghdr
_SEQ_LIMIT = 0x0FFFFFFF  # numbers from 2**30 on are big ones on a 32-bit interpreter
_ACK_BYTES = 64  # what is read of an acknowledgement; the copy of our request behind it is cut off
_DUMP_BYTES = 8192  # the kernel makes no dump datagram longer than the larger of this and a page less its overhead
_TIMEOUT_S = 2  # the kernel answers before send() returns: this is only for a broken one
_DUMP_TRIES = 8  # a dump during which something changed is read again
_BIND_TRIES = 8
_EINTR = 4
_EMSGSIZE = 90


def message(kind, flags, family, body, res_id=0):
    """A netfilter message: nlmsghdr, nfgenmsg (u8 family, u8 version 0, u16 res_id in network order), attributes."""
    return pack("@IHHII", HEADER_BYTES + len(body), kind, flags, 0, 0) + pack(">BBH", family, 0, res_id) + body


def attribute(kind, value):
    """One attribute, padded."""
    return pack("@HH", 4 + len(value), kind) + value + bytes(-len(value) & 3)


def nest(kind, *parts):
    """An attribute made of attributes."""
    return attribute(kind | NESTED, b"".join(parts))


def text(kind, value):
    """An attribute with a text that ends in a zero byte."""
    return attribute(kind, value.encode() + b"\0")


def walk(data, at, end):
    """(type, start, end) of each attribute's value in data[at:end], one after the other."""
    while at + 4 <= end:
        length, kind = unpack_from("@HH", data, at)
        if length < 4 or at + length > end:
            return
        yield kind & _TYPE_MASK, at + 4, at + length
        at += (length + 3) & ~3


def attributes(data, at, end):
    """The attributes in data[at:end]: type -> value. Of several of one type, the last."""
    return {kind: data[start:stop] for kind, start, stop in walk(data, at, end)}


class Netlink:
    """One socket to the kernel's netfilter, for one question at a time."""

    def __init__(self):
        """Raises KnockletError where the kernel has no netfilter to ask."""
        try:
            self._socket = socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        except OSError as error:
            raise KnockletError("no nfnetlink (error %d): needs the module nfnetlink (kmod-nfnetlink on OpenWrt)" % error.errno)
        self._bind()
        self._socket.settimeout(_TIMEOUT_S)
        self._seq = 0

    def _bind(self):
        for _ in range(_BIND_TRIES):
            low, high = os.urandom(2)
            try:
                self._socket.bind(pack("@HHII", AF_NETLINK, 0, OUR_PORTS << 16 | high << 8 | low, 0))
                return
            except OSError as error:
                if error.errno != EADDRINUSE:
                    raise
        raise OSError(EADDRINUSE)

    def close(self):
        self._socket.close()

    def _next_seq(self, count):
        if self._seq + count > _SEQ_LIMIT:
            self._seq = 0
        first = self._seq + 1
        self._seq += count
        return first

    def ask(self, buffer, heads=(0,)):
        """Send the messages that begin at `heads` in `buffer` (a bytearray, sequence numbers are written into it), and
        wait for the kernel's word on the last one, which must ask for it (ACK). In a batch, the first is its beginning.

        Returns None when all was done, else {index in heads: errno}.
        """
        first = seq = self._next_seq(len(heads))
        for at in heads:
            pack_into("@I", buffer, at + _SEQ, seq)
            seq += 1
        last = seq - 1
        failed = None
        try:
            self._socket.send(buffer)
            while True:
                answer = self._socket.recv(_ACK_BYTES)
                kind, _, seq = unpack_from("@HHI", answer, 4)
                if kind == _NLMSG_ERROR and first <= seq <= last:  # else: the rest of an earlier answer
                    error = -unpack_from("@i", answer, 16)[0]
                    if error:
                        failed = failed or {}
                        failed[seq - first] = error
                    # A batch whose beginning fails is not looked at further.
                    if seq == last or seq == first:
                        return failed
        except OSError as error:
            return {0: error.errno}

    def dump(self, request, take, only=None):
        """Ask for a list. `take(out, data, at, end)` is called for each message, without its nlmsghdr, and puts what it
        wants into `out`. `only`: datagrams in which these bytes do not occur are skipped. Returns `out`. Raises OSError.
        """
        request = bytearray(request)
        for _ in range(_DUMP_TRIES):
            pack_into("@I", request, _SEQ, self._next_seq(1))
            self._socket.send(request)
            out = []
            if self._take_dump(out, take, only):
                return out
        raise OSError(_EINTR)

    def _take_dump(self, out, take, only):
        """Returns False when something changed while the kernel was telling."""
        whole = True
        while True:
            data = self._socket.recv(_DUMP_BYTES)
            at = 0
            if only and only not in data:
                at = max(0, len(data) - 20)  # a dump ends with an nlmsghdr and an i32
                if unpack_from("@IH", data, at) != (20, _NLMSG_DONE):
                    continue
            while at + 16 <= len(data):
                length, kind, flags, seq = unpack_from("@IHHI", data, at)
                if length < 16 or at + length > len(data):
                    raise OSError(_EMSGSIZE)
                if seq == self._seq:
                    whole = whole and not flags & _DUMP_INTR
                    if kind == _NLMSG_DONE or kind == _NLMSG_ERROR:
                        error = -unpack_from("@i", data, at + 16)[0] if length >= 20 else 0
                        if error and error != _EINTR:
                            raise OSError(error)
                        return whole and not error
                    take(out, data, at + 16, at + length)
                at += (length + 3) & ~3
