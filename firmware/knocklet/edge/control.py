"""The control socket: root on this machine asks, one request a connection.

AF_UNIX SOCK_SEQPACKET under the run directory (0700), socket 0600, and the peer's uid is checked besides (SO_PEERCRED).
A request is one JSON object {"verb": ..., ...}, the answer one JSON object with "ok" true, or "ok" false and "error".
`events` keeps the connection and gets one message an event. Nothing here ever blocks the engine: a follower that does
not read loses its place.
"""

import json
import os
import select
import socket
from struct import pack

from ..core.errors import KnockletError
from . import libc

SOCK_SEQPACKET = 5
_REQUEST_BYTES = 1024
_CLIENTS = 8


def socket_address(directory, name="control"):
    """struct sockaddr_un of a socket in this directory."""
    path = (directory + "/" + name).encode()
    if len(path) > 107:
        raise KnockletError("run directory %s: the path is too long for a socket" % directory)
    return pack("@H", socket.AF_UNIX) + path + b"\0"


class Control:
    """`verbs`: name -> function(request) that returns a dict; it may raise KnockletError."""

    def __init__(self, run_dir, loop, events, verbs):
        self.loop = loop
        self.events = events
        self.verbs = verbs
        self.clients = 0
        try:
            os.remove(run_dir + "/control")  # a dead engine's: the lock says that no other one lives
        except OSError:
            pass
        self._socket = socket.socket(socket.AF_UNIX, SOCK_SEQPACKET)
        old_mask = libc.umask(0o177)
        try:
            self._socket.bind(socket_address(run_dir))
        finally:
            libc.umask(old_mask)
        self._socket.listen(_CLIENTS)
        self._socket.setblocking(False)
        loop.add(self._socket, self._accept)

    def _accept(self, _flags):
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        if libc.peer_uid(client) != 0 or self.clients == _CLIENTS:
            client.close()
            return
        client.setblocking(False)
        self.clients += 1
        self.loop.add(client, _Connection(client, self).readable)


class _Connection:
    def __init__(self, client, control):
        self._client = client
        self._control = control
        self._follower = None

    def readable(self, flags):
        try:
            request = self._client.recv(_REQUEST_BYTES)
        except OSError:
            request = b""
        if not request or flags & (select.POLLHUP | select.POLLERR) or self._follower:
            self._close()
            return
        answer, follow = self._answer(request)
        if not self._send(json.dumps(answer)) or not follow:
            self._close()
            return
        self._follower = self._follow  # one bound method, so that it is found again in the list
        self._control.events.followers.append(self._follower)

    def _answer(self, data):
        try:
            request = json.loads(data)
            verb = request["verb"]
        except (ValueError, KeyError, TypeError):
            return {"ok": False, "error": "not a request"}, False
        if verb == "events":
            return {"ok": True}, True
        if verb not in self._control.verbs:
            return {"ok": False, "error": "unknown verb"}, False
        try:
            answer = self._control.verbs[verb](request)
        except (KnockletError, OSError) as error:  # an OSError is the kernel's refusal of a part of it
            return {"ok": False, "error": str(error)}, False
        answer["ok"] = True
        return answer, False

    def _follow(self, line):
        if not self._send(line):
            self._close()

    def _send(self, text):
        try:
            self._client.send(text.encode())
            return True
        except OSError:  # gone, or not reading
            return False

    def _close(self):
        if self._follower:
            # A new list: the old one may be being walked through.
            events = self._control.events
            events.followers = [follower for follower in events.followers if follower is not self._follower]
            self._follower = None
        if self._client:
            self._control.loop.remove(self._client)
            self._control.clients -= 1
            self._client.close()
            self._client = None
