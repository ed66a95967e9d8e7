"""What somebody outside does: knocks, and tries whether a port answers. Called through the Lab.

Every probe takes a source port that none took before it, so that no answer belongs to an earlier try.
"""

import errno
import http.client
import itertools
import select
import socket
import time

_PORTS = range(20000, 60000)
_REFUSED = errno.ECONNREFUSED  # a reset, or ICMP port unreachable


class Probes:
    """`source_port` and `_socket` are shared by all probes of a lab."""

    def __init__(self):
        self._ports = itertools.cycle(_PORTS)

    def _socket(self, kind, host, source):
        """A socket in the current namespace, bound to a fresh port and, if given, to the address `source`."""
        family = _family(host)
        made = socket.socket(family, kind)
        try:
            for _ in _PORTS:
                try:
                    made.bind((source or ("::" if family == socket.AF_INET6 else "0.0.0.0"), next(self._ports)))
                    return made
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
            raise OSError(errno.EADDRINUSE, "no source port is free")
        except BaseException:
            made.close()
            raise

    def tcp_open(self, host, port, from_, source=None, timeout_s=0.3):
        """"open", "refused" or "silent" (no answer to one SYN within timeout_s, below 1). Any other answer raises."""
        with from_.inside():
            made = self._socket(socket.SOCK_STREAM, host, source)
        with made:
            # Leave with a reset: nothing lingers on either side.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            made.setblocking(False)
            error = made.connect_ex((host, port))
            if error == errno.EINPROGRESS:
                if not _wait(made, select.POLLOUT, timeout_s):
                    return "silent"
                error = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return _answer(error)

    def udp_open(self, host, port, from_, source=None, timeout_s=0.3, data=b"?"):
        """"open" (something came back), "refused" (ICMP says so) or "silent"."""
        with from_.inside():
            made = self._socket(socket.SOCK_DGRAM, host, source)
        with made:
            made.connect((host, port))
            made.send(data)
            if not _wait(made, select.POLLIN, timeout_s):
                return "silent"
            try:
                made.recv(65536)
            except OSError as error:
                return _answer(error.errno)
            return "open"

    def datagram(self, data, port, host, from_, source=None):
        """Send one and wait for nothing."""
        with from_.inside(), self._socket(socket.SOCK_DGRAM, host, source) as made:
            made.sendto(data, (host, port))

    def http(self, host, port, from_, source=None, timeout_s=1.0):
        """The page at http://host:port/ as text. Raises OSError, such as TimeoutError, if there is none."""
        with from_.inside():
            made = self._socket(socket.SOCK_STREAM, host, source)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = made
        try:
            made.settimeout(timeout_s)
            made.connect((host, port))
            connection.request("GET", "/")
            answer = connection.getresponse()
            page = answer.read().decode()
            if answer.status != 200:
                raise OSError(f"HTTP status {answer.status}")
            return page
        finally:
            connection.close()

    def knock(self, steps, host, from_, source=None, delay_ms=0):
        """Send the steps ("7000/tcp", "9100/udp"), `delay_ms` between them. Returns time.monotonic() of the last."""
        sent = 0.0
        with from_.inside():
            for index, step in enumerate(steps):
                if index and delay_ms:
                    time.sleep(delay_ms / 1000)
                port, _, protocol = step.partition("/")
                kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[protocol]
                with self._socket(kind, host, source) as made:
                    made.setblocking(False)
                    sent = time.monotonic()
                    error = made.connect_ex((host, int(port)))  # TCP: one SYN, closed before a second could follow
                    if error not in (0, errno.EINPROGRESS, _REFUSED):
                        raise OSError(error, f"step {step}")
                    if protocol == "udp":
                        made.send(b"")
        return sent


def _answer(error):
    if error not in (0, _REFUSED):
        raise OSError(error, errno.errorcode[error])
    return "refused" if error else "open"


def _wait(made, events, timeout_s):
    poll = select.poll()
    poll.register(made, events)
    return bool(poll.poll(timeout_s * 1000))


def _family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET
