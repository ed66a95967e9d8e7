"""The agent's end of the engine: one connection (AF_UNIX SOCK_SEQPACKET, core/agent_messages.py), and a limit on all it costs.

The socket lies in a directory of its own beside the run directory, which is root's alone; it belongs to the agent's user, and
who connects is checked besides (SO_PEERCRED). Nothing here blocks the engine. What arrives is worked off in portions, with
a budget for each quarter of a second: whoever sends more waits in the kernel's buffer, which is his.
"""

import os
import select
import socket

from ..core import agent_messages
from ..core.clock import age
from ..core.errors import KnockletError
from ..wire import topics
from ..wire.sealed import LIMIT_BYTES as SEALED_BYTES
from . import libc
from .control import SOCK_SEQPACKET, socket_address

_PORTION = 16  # messages before packets and others are looked at
_BUDGET = 64  # messages and connections
_BUDGET_MS = 250
_WINDOW = 8  # events on their way that are not acknowledged
_REQUESTS = 20  # at once, and 8 a second: more than core/request_gate.py lets through, which is for a captured agent
_REQUESTS_MORE = 2  # each quarter of a second
_SETTLE_MS = 200  # after a change, before retained topics are sent: one knock is several changes
_GAP_MS = 1000  # between two of the same
_SO_PASSRIGHTS = 83
_FIRST = bytearray(1)  # byte of the next message: its kind
_CHANGING = ("set", "confirm", "rollback")  # the answer comes after what is in force: the next push builds on that
_BLOCKED_MS = 5000  # after the agent's buffer was full: the next look, should nothing else happen


class AgentSocket:
    def __init__(self, directory, user, loop, reports, requests, orders, clock):
        """directory: made here, or ready; user: the agent's (uid, gid). requests(verb, payload) -> answer (dict); orders:
        edge.orders.Orders; clock() -> ms. Raises OSError, KnockletError."""
        self.counts = {"connected": 0, "refused": 0, "messages": 0, "bad_messages": 0, "requests": 0, "sealed": 0, "paused": 0,
                       "no_memory": 0}  # fmt: skip
        self._uid = user[0]
        self._loop = loop
        self._reports = reports
        self._requests = requests
        self._orders = orders
        self._clock = clock
        self._client = None
        self._started = False  # the broker has taken the agent in
        self._sent = 0  # token of the last event sent
        self._open = 0  # events on their way
        self._spent = 0  # of the budget
        self._since_ms = clock()
        self._requests_left = _REQUESTS
        self._retained_ms = 0  # when retained topics were last sent
        self._resume = loop.timer(self._resumed)
        self._retained = loop.timer(self._send_retained)
        self._blocked = loop.timer(self._look_again)
        self._socket = _listen(directory, user)
        loop.add(self._socket, self._accept)
        reports.wake = self._woken

    # The agent comes and goes

    def _accept(self, _flags):
        self._spend()
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        if libc.peer_uid(client) not in (0, self._uid):
            self.counts["refused"] += 1
            client.close()
            return
        self._leave()  # the newest one is the one that lives
        client.setblocking(False)
        self._client = client
        self.counts["connected"] += 1
        if self._spent < _BUDGET:  # else it waits for the next quarter second, too
            self._loop.add(client, self._readable)
        self._send(agent_messages.hello(self._reports.name))

    def _leave(self):
        if self._client:
            self._loop.remove(self._client)
            self._client.close()
            self._client = None
            self._started = False

    def _spend(self):
        """One more of the budget; when it is used up, nothing of the agent's is looked at until the next quarter second."""
        now_ms = self._clock()
        if age(now_ms, self._since_ms) >= _BUDGET_MS:
            self._since_ms = now_ms
            self._spent = 0
            self._requests_left = min(_REQUESTS, self._requests_left + _REQUESTS_MORE)
        self._spent += 1
        if self._spent == _BUDGET:
            self.counts["paused"] += 1
            self._loop.remove(self._socket)
            if self._client:
                self._loop.remove(self._client)
            self._loop.start(self._resume, now_ms, _BUDGET_MS)

    def _resumed(self, _now_ms):
        self._spent = 0
        self._since_ms = self._clock()
        self._loop.add(self._socket, self._accept)
        if self._client:
            self._loop.add(self._client, self._readable)
        self._pump()  # its last message may have made room
        return -1

    # What it says

    def _readable(self, flags):
        for _ in range(_PORTION):
            if self._spent >= _BUDGET or not self._client:
                return
            try:
                data = self._receive()
            except OSError as error:
                if error.errno == libc.EAGAIN:
                    break
                data = b""
            if data == b"":
                self._leave()
                return
            self._spend()
            self.counts["messages"] += 1
            try:
                message = agent_messages.parse(data) if data is not None else None
            except ValueError:
                self.counts["bad_messages"] += 1
                self._leave()
                return
            except MemoryError:
                message = None
                self.counts["no_memory"] += 1
            if message:
                self._obey(message)
        if flags & (select.POLLHUP | select.POLLERR):
            self._leave()
        else:
            self._pump()

    def _receive(self):
        """One message, b"" at the end, None for a sealed one that comes too soon: it is not even read. Raises OSError."""
        size = libc.recv(self._client.fileno(), _FIRST, 1, libc.MSG_PEEK | libc.MSG_TRUNC | libc.MSG_DONTWAIT)
        if size < 0:  # nothing there: what comes only now must not be taken for a short one
            raise OSError(libc.EAGAIN)
        if not size or _FIRST != agent_messages.SEALED:
            return self._client.recv(agent_messages.REQUEST_BYTES + 256)
        if self._orders.has_room():
            try:
                return self._client.recv(min(size, 2 + SEALED_BYTES))
            except MemoryError:
                self.counts["no_memory"] += 1
        self._client.recv(1)
        return None

    def _obey(self, message):
        kind = message[0]
        if kind == agent_messages.START:
            self._started = True
            self._sent = 0
            self._open = 0
            self._reports.changed.update(topics.RETAINED)
            self._plan_retained()
        elif kind == agent_messages.ACKNOWLEDGE:
            if message[1] <= self._sent:  # also when it was dropped meanwhile: it is on its way no more
                self._open = max(0, self._open - 1)
                if self._reports.outbox.acknowledge(message[1]):
                    self._reports.room()
        elif kind == agent_messages.REQUEST and message[1] in topics.PLAIN_VERBS and self._requests_left > 0:
            self._requests_left -= 1
            self.counts["requests"] += 1
            self._answer(message[1], self._requests(message[1], message[2]))
        elif kind == agent_messages.SEALED:
            self.counts["sealed"] += 1
            answer = self._orders.obey(message[1])
            if answer:
                if answer[0] in _CHANGING:
                    self._publish_retained(topics.CONFIG, self._clock())
                self._answer(answer[0], answer[1])

    def _answer(self, verb, fields):
        topic = topics.RESPONSE + verb
        try:
            self._publish(0, 0, topic, self._reports.make(topic, fields))
        except MemoryError:
            self.counts["no_memory"] += 1

    # What it is told

    def _woken(self):
        """There is something new."""
        if self._started:
            self._pump()
            if self._reports.changed:
                self._plan_retained()

    def _plan_retained(self):
        now_ms = self._clock()
        self._loop.sooner(self._retained, now_ms, max(_SETTLE_MS, _GAP_MS - age(now_ms, self._retained_ms)))

    def _pump(self):
        while self._started and self._open < _WINDOW:
            found = self._reports.outbox.after(self._sent)
            if not found or not self._publish(0, found[0], topics.EVENT, found[1]):
                return
            self._sent = found[0]
            self._open += 1

    def _send_retained(self, now_ms):
        self._retained_ms = now_ms
        for topic in topics.RETAINED:
            if self._started and topic in self._reports.changed:
                self._publish_retained(topic, now_ms)
        return -1

    def _publish_retained(self, topic, now_ms):
        try:
            sent = self._publish(agent_messages.RETAIN, 0, topic, self._reports.retained(topic, now_ms))
        except MemoryError:
            self.counts["no_memory"] += 1
            self._loop.sooner(self._blocked, now_ms, _BLOCKED_MS)
            sent = False
        if not sent:
            self._reports.changed.add(topic)

    def _look_again(self, now_ms):
        self._send_retained(now_ms)
        self._pump()
        return -1

    def _publish(self, flags, token, topic, payload):
        return self._send(agent_messages.publish(flags, token, topic, payload))

    def _send(self, message):
        try:
            self._client.send(message)
            return True
        except OSError:  # gone, or not reading: events wait, and what is retained is sent later as it is then
            self._loop.sooner(self._blocked, self._clock(), _BLOCKED_MS)
            return False


def _listen(directory, user):
    """The listening socket in `directory`, which nobody but root may change. Made here, everybody may pass through it, and the
    socket is given to the user. Made by a service manager, for an engine that cannot give anything away, its group is the
    user's and goes on to the socket."""
    try:
        os.mkdir(directory)
    except OSError:
        pass  # it is there
    found = os.stat(directory)
    if found[4] != 0:
        raise OSError(1)
    ready = found[0] & 0o7777 == 0o2750 and found[5] == user[1]
    if not ready:
        libc.chmod(directory, 0o755)
    path = directory + "/" + agent_messages.SOCKET
    try:
        os.remove(path)
    except OSError:
        pass
    listening = socket.socket(socket.AF_UNIX, SOCK_SEQPACKET)
    old_mask = libc.umask(0o117 if ready else 0o177)
    try:
        listening.bind(socket_address(directory, agent_messages.SOCKET))
    finally:
        libc.umask(old_mask)
    if not ready and libc.chown(path, user[0], 0):
        raise KnockletError("%s: without CAP_CHOWN allowed: made beforehand, owner root, group %d, mode 2750"
                            % (directory, user[1]))  # fmt: skip
    try:  # nobody may hand us his files: closing one of them could block. Linux has this from 6.16 on
        listening.setsockopt(libc.SOL_SOCKET, _SO_PASSRIGHTS, 0)
    except OSError:
        pass
    listening.listen(1)
    listening.setblocking(False)
    return listening
