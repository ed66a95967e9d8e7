"""The connection to the engine: messages as core/agent_messages.py has them, over AF_UNIX SOCK_SEQPACKET.

Neither side waits for the other: what the engine's socket has no room for is dropped here and counted, and what is not read
here stays with the engine. While the engine is away this tries again each second.
"""

import select
import socket

from ..core import agent_messages
from ..wire.names import is_name
from . import libc
from .control import SOCK_SEQPACKET, socket_address
from .loop import now_ms

_RETRY_MS = 1000
_PEEK = bytearray(1)


class EngineLink:
    """The owner gets hello(name), report(flags, token, topic, payload), engine_lost(), and once engine_missing().

    dropped: messages without room.
    """

    def __init__(self, loop, run_dir, owner):
        self.dropped = 0
        self.generation = 0  # counts connections: tokens belong to one
        self._address = socket_address(run_dir + agent_messages.DIRECTORY, agent_messages.SOCKET)
        self._loop = loop
        self._owner = owner
        self._socket = None
        self._told = False  # that the engine is not there
        self._greeted = False
        self._watched = False
        self._timer = loop.timer(self._connect)

    def start(self):
        self._loop.start(self._timer, now_ms(), 0)

    def _connect(self, _at_ms):
        self._socket = socket.socket(socket.AF_UNIX, SOCK_SEQPACKET)
        try:
            self._socket.setblocking(False)
            self._socket.connect(self._address)
        except OSError:  # not there, or its queue is full
            self._socket.close()
            self._socket = None
            if not self._told:
                self._told = True
                self._owner.engine_missing()
            return _RETRY_MS
        self._told = True
        self.generation += 1
        self._greeted = False
        self.watch(True)
        return -1

    def watch(self, wanted):
        """Read what the engine sends, or leave it there for now."""
        if self._socket and wanted != self._watched:
            self._watched = wanted
            if wanted:
                self._loop.add(self._socket, self._ready)
            else:
                self._loop.remove(self._socket)

    def _ready(self, flags):
        """Messages one by one, until there is none or the owner wants no more."""
        while self._watched:
            # Its length first: 64 kB for each would be most of the memory of a small gateway.
            size = libc.recv(self._socket.fileno(), _PEEK, 1, libc.MSG_PEEK | libc.MSG_TRUNC | libc.MSG_DONTWAIT)
            if size < 0 and not flags & (select.POLLHUP | select.POLLERR):
                return
            try:
                if not 0 < size <= agent_messages.LIMIT_BYTES:
                    raise ValueError
                self._take(agent_messages.parse(self._socket.recv(size)))
            except (OSError, ValueError):  # ended, or no engine of this version
                self._lost()

    def _take(self, message):
        kind = message[0]
        if kind == agent_messages.HELLO and not self._greeted and is_name(message[1]):
            self._greeted = True
            self._owner.hello(message[1])
        elif kind == agent_messages.PUBLISH and self._greeted:
            self._owner.report(message[1], message[2], message[3], message[4])
        else:
            raise ValueError

    def skip(self):
        """Read what has come so far, in one go: the owner lets it go."""
        if self._watched:
            self._ready(0)

    def send(self, message):
        """Never waits. Without room a request is dropped; without anything else the engine would wait for ever: anew then."""
        if self._greeted:
            try:
                self._socket.send(message)
            except OSError:
                if message[:1] in (agent_messages.REQUEST, agent_messages.SEALED):
                    self.dropped += 1
                else:
                    self._lost()

    def _lost(self):
        self.watch(False)
        self._socket.close()
        self._socket = None
        was_greeted, self._greeted = self._greeted, False
        self._loop.start(self._timer, now_ms(), _RETRY_MS)
        if was_greeted:
            self._owner.engine_lost()
