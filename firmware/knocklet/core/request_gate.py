"""Which messages from the broker reach the engine: plain requests, short, not retained, and not too many.

Sealed requests are not taken yet: the engine would refuse them.
"""

from ..wire import topics
from .agent_messages import REQUEST_BYTES
from .clock import age

_BURST = 10
_EACH_MS = 200  # so many ms give room for one more: 5 a second


class Gate:
    """passed, dropped: how many messages. base: the gateway's topic up to the verb."""

    def __init__(self, name, now_ms):
        self.passed = self.dropped = 0
        self._base = topics.topic(name, topics.REQUEST).encode()
        self._room_ms = _BURST * _EACH_MS
        self._since_ms = now_ms

    def verb(self, topic, payload, retained, now_ms):
        """The verb of the request that this message (bytes) is, None when it is not to be passed on."""
        found = topic[len(self._base) :] if topic[: len(self._base)] == self._base else b""
        for verb in topics.PLAIN_VERBS:
            if found == verb.encode() and not retained and len(payload) <= REQUEST_BYTES and self._has_room(now_ms):
                self.passed += 1
                return verb
        self.dropped += 1
        return None

    def _has_room(self, now_ms):
        self._room_ms = min(_BURST * _EACH_MS, self._room_ms + age(now_ms, self._since_ms))
        self._since_ms = now_ms
        if self._room_ms < _EACH_MS:
            return False
        self._room_ms -= _EACH_MS
        return True
