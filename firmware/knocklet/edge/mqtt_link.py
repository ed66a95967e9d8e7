"""A TCP or TLS connection to the broker that never blocks, whatever the other side does.

Only the name does: getaddrinfo waits for the resolver, at worst for its own limits (resolv.conf(5), usually 10-30 s). The
agent is a process of its own, so nobody else waits; a name that does not resolve is one failed attempt.

All addresses of the name are tried one after the other, each for its share of the time. What is polled is the raw socket:
polling a TLS socket wakes up a thousand times a second. TLS may hold data that the raw socket does not show, so whoever reads
goes on until there is nothing left. The handshake happens inside the first write, which is tried again whenever something came.
"""

import select
import socket
from errno import EINPROGRESS

from ..core.clock import left
from . import libc, tls_context

_ADDRESSES = 8
_READ_BYTES = 2048
_IPPROTO_TCP, _TCP_NODELAY = 6, 1
_SEND_BYTES = 32768  # the kernel holds no more for us: who does not read is noticed


class LinkError(Exception):
    """Why there is no connection, or none any more, for a log line."""


class Link:
    """`changed(now_ms)`: called when the connection came, or when there is something to read, or room to write again.

    `connected`: TCP is there; with TLS the first write then waits for the handshake.
    """

    def __init__(self, loop, host, port, context, server_name, changed):
        self.connected = False
        self._loop = loop
        self._to = (host, port)
        self._context = context  # None: plain
        self._server_name = server_name
        self._changed = changed
        self._addresses = []
        self._socket = None
        self._stream = None  # the socket, or TLS over it
        self._greeted = False  # the TLS handshake is over
        self._why = ""

    def open(self):
        """Look the name up. Raises LinkError."""
        host, port = self._to
        try:
            self._addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[:_ADDRESSES]
        except OSError as error:
            raise LinkError("the name does not resolve (%s)" % tls_context.reason(error))

    def next_address(self, now_ms, end_ms):
        """Go on to the next address of the name. Gives the ms to wait for it, of those until `end_ms`. Raises LinkError."""
        while self._addresses:
            self.close_socket()
            family, kind, _, _, address = self._addresses.pop(0)
            self._why = "no answer"
            try:
                self._socket = socket.socket(family, kind)
                self._socket.setblocking(False)
                self._socket.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
                self._socket.setsockopt(libc.SOL_SOCKET, libc.SO_SNDBUF, _SEND_BYTES)
                try:
                    self._socket.connect(address)
                except OSError as error:
                    if error.errno != EINPROGRESS:
                        raise
            except OSError as error:
                self._why = tls_context.reason(error)
                continue
            self._loop.add(self._socket, self._ready)
            self._loop.wait_for(self._socket, select.POLLOUT)
            return max(0, left(now_ms, end_ms)) // (len(self._addresses) + 1)
        raise LinkError("no connection (%s)" % self._why)

    def _ready(self, _flags):
        self._changed()

    def established(self):
        """Called after `changed` while not `connected`: did it come? False: this address is none. Raises LinkError (TLS)."""
        error = libc.socket_error(self._socket)
        if error:
            self._why = tls_context.reason(OSError(error))
            return False
        self._stream = self._socket
        self._greeted = self._context is None
        if self._context:
            try:
                self._stream = self._context.wrap_socket(
                    self._socket, server_hostname=self._server_name, do_handshake_on_connect=False
                )
            except (OSError, ValueError) as error:
                raise LinkError(tls_context.reason(error))
        self.connected = True
        self._addresses = []
        return True

    def read(self):
        """What has come, at most 2 kB; None: nothing left. Raises LinkError."""
        data = self._io(self._stream.read, _READ_BYTES)
        if data == b"":
            raise LinkError(tls_context.CLOSED)
        return data

    def write(self, data):
        """How many of these bytes went. Raises LinkError."""
        count = self._io(self._stream.write, data) or 0
        if count:
            self._greeted = True
        return count

    def _io(self, function, argument):
        try:
            return function(argument)
        except OSError as error:
            if error.errno == libc.EAGAIN:
                return None
            raise LinkError(tls_context.reason(error))
        except ValueError as error:
            raise LinkError(tls_context.bad_certificate(error, self._server_name))

    def wait_for(self, reading, writing):
        """What to be told of. During the handshake it is what the broker sends, whatever is to be written."""
        flags = 0
        if reading or not self._greeted:
            flags = select.POLLIN
        if writing and self._greeted:
            flags |= select.POLLOUT
        self._loop.wait_for(self._socket, flags)

    def close_socket(self):
        self.connected = False
        if self._socket:
            try:
                self._loop.remove(self._socket)
            except OSError:
                pass  # never got so far
            for one in (self._stream, self._socket):
                try:
                    if one:
                        one.close()
                except OSError:
                    pass  # TLS says goodbye when it closes; there may be nobody
        self._socket = self._stream = None
