"""Links and addresses of this machine, from the kernel: all of them at start, then every change. Source: rtnetlink(7).

    nlmsghdr:  u32 length, u16 type, u16 flags, u32 seq, u32 port    then  ifinfomsg / ifaddrmsg / rtmsg, then attributes
"""

import socket
from struct import pack, unpack_from

from ..core.errors import KnockletError
from . import libc
from .firewall import as_text
from .loop import now_ms
from .netlink import attribute, attributes

_AF_NETLINK = 16
_NETLINK_ROUTE = 0
_RCVBUF_BYTES = 262_144
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_READ_BYTES = 16384
_READS = 64  # at once; the rest wakes us again
_TIMEOUT_S = 2

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _GETROUTE = 24, 26
_REQUEST = 0x1
_DUMP = 0x300
_IFLA_IFNAME = 3
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_RTA_DST = 1
_RTA_OIF = 4
_AGAIN_MS = 5000
_UP_AND_RUNNING = 0x1 | 0x40


class Rtnetlink:
    """Feeds `interfaces` (edge.interfaces) with what the kernel tells."""

    def __init__(self, loop, interfaces):
        self._interfaces = interfaces
        self._lost = False
        self._socket = _asking()
        self._socket.setsockopt(socket.SOL_SOCKET, libc.SO_RCVBUF, _RCVBUF_BYTES)
        self._socket.bind(pack("@HHII", _AF_NETLINK, 0, 0, _GROUPS))
        self._socket.setblocking(False)
        self._loop = loop
        self._again = loop.timer(self._all_read)
        loop.add(self._socket, self._readable)

    def refresh(self, at_ms):
        """Learn everything anew. Raises KnockletError when the kernel does not answer."""
        self._interfaces.forget()
        asking = _asking()  # its own: no change pushes an answer out
        try:
            for kind in (_GETLINK, _GETADDR):
                asking.send(_message(kind, _REQUEST | _DUMP, pack("@BBHiII", 0, 0, 0, 0, 0, 0)))
                while not self._take(asking.recv(_READ_BYTES)):
                    pass
        except OSError as error:
            raise KnockletError("rtnetlink: the kernel does not tell of interfaces (error %d)" % error.errno)
        finally:
            asking.close()
        self._interfaces.match(at_ms)

    def _readable(self, _flags):
        for _ in range(_READS):
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError as error:
                if error.errno == libc.EAGAIN:
                    self._all_read(now_ms())
                    return
                self._lost = True  # ENOBUFS: more changes than fit
            else:
                if not self._lost:
                    self._take(data)

    def _all_read(self, at_ms):
        """Act on what was told. Also the timer of a new try; returns -1: no more of them."""
        if self._lost:  # only now: what was waiting is older than what the kernel tells when asked
            try:
                self.refresh(at_ms)
            except KnockletError:
                return self._loop.start(self._again, at_ms, _AGAIN_MS) or _AGAIN_MS
            self._lost = False
        else:
            self._interfaces.match(at_ms)
        return -1

    def _take(self, data):
        """Handle the messages of one datagram. Returns True at the end of a dump."""
        at = 0
        while at + 16 <= len(data):
            length, kind = unpack_from("@IH", data, at)
            if length < 16 or at + length > len(data):
                break
            if kind == _NLMSG_DONE or kind == _NLMSG_ERROR:
                return True
            if kind == _NEWLINK or kind == _DELLINK:
                self._link(kind == _NEWLINK, data, at + 16, at + length)
            elif kind == _NEWADDR or kind == _DELADDR:
                self._address(kind == _NEWADDR, data, at + 16, at + length)
            at += (length + 3) & ~3
        return False

    def _link(self, there, data, at, end):
        family, _, _, ifindex, flags = unpack_from("@BBHiI", data, at)
        if family:  # a bridge port's own message (AF_BRIDGE): its link is told apart
            return
        name = attributes(data, at + 16, end).get(_IFLA_IFNAME)
        if not there:
            self._interfaces.link_gone(ifindex)
        elif name:
            self._interfaces.link(ifindex, as_text(name[:-1]), flags & _UP_AND_RUNNING == _UP_AND_RUNNING)

    def _address(self, there, data, at, end):
        ifindex = unpack_from("@I", data, at + 4)[0]
        found = attributes(data, at + 8, end)
        address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)  # on PPPoE, IFA_ADDRESS is the other end
        if address:
            self._interfaces.address(ifindex, (address, data[at + 1]), there)

    def leaves_by(self, address):
        """The name of the interface that a packet to `address` (4 or 16 bytes) leaves by, or None without a route."""
        family = 2 if len(address) == 4 else 10
        body = pack("@BBBBBBBBI", family, 8 * len(address), 0, 0, 0, 0, 0, 0, 0) + attribute(_RTA_DST, address)
        asking = _asking()
        try:
            asking.send(_message(_GETROUTE, _REQUEST, body))
            data = asking.recv(_READ_BYTES)
            if unpack_from("@H", data, 4)[0] != _NEWROUTE:
                return None
            return self._interfaces.name_of(unpack_from("@I", attributes(data, 16 + 12, len(data))[_RTA_OIF])[0])
        except (OSError, KeyError):  # no answer, or one without an interface
            return None
        finally:
            asking.close()


def _asking():
    made = socket.socket(_AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE)
    made.settimeout(_TIMEOUT_S)
    return made


def _message(kind, flags, body):
    return pack("@IHHII", 16 + len(body), kind, flags, 0, 0) + body
