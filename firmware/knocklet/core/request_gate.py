"""Which messages from the broker reach the engine: plain requests, short, and sealed ones; not retained, and not too many."""

from ..wire import sealed, topics
from .agent_messages import REQUEST_BYTES, request
from .agent_messages import sealed as sealed_message
from .token_bucket import TokenBucket

_INTERVAL_MS, _AT_ONCE = 200, 10  # messages that are passed on: 5 a second


class Gate:
    """passed, dropped: how many messages. base: the gateway's topic up to the verb."""

    def __init__(self, name):
        self.passed = self.dropped = 0
        self._set = topics.topic(name, topics.SET).encode()
        self._base = topics.topic(name, topics.REQUEST).encode()
        self._bucket = TokenBucket(_INTERVAL_MS, _AT_ONCE)

    def message(self, topic, payload, retained, now_ms):
        """What the engine is told of a message from the broker (bytes), None when it is not to be passed on."""
        made = None if retained else self._message(topic, payload)
        if made is None or not self._bucket.take(now_ms):
            self.dropped += 1
            return None
        self.passed += 1
        return made

    def _message(self, topic, payload):
        found = topic[len(self._base) :] if topic[: len(self._base)] == self._base else b""
        if topic == self._set or found and payload[: len(sealed.MAGIC)] == sealed.MAGIC:
            return sealed_message(payload) if sealed.BYTES <= len(payload) <= sealed.LIMIT_BYTES else None
        for verb in topics.PLAIN_VERBS:
            if found == verb.encode() and len(payload) <= REQUEST_BYTES:
                return request(verb, payload)
        return None
