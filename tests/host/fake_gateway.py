"""Says what a gateway says, sealed with its key; and what others would like it to have said."""

import json
import threading
import time

from host import sealed_gateway

from knocklet.wire import report
from knocklet.wire.keys import event_key
from knocklet.wire.topics import ONLINE, RETAINED, STATUS, topic

KEY = sealed_gateway.KEY
OTHER_KEY = bytes(32)


def sealed(below, boot, seq, key=KEY, name="home", ts=1_790_000_000, **fields):
    """The payload."""
    body = json.dumps({**fields, "boot": boot, "seq": seq, "ts": ts}).encode()
    return report.seal(event_key(key, name), below, body)


class FakeGateway:
    """`boot` may be changed: seq begins anew then."""

    def __init__(self, broker, name="home", key=KEY):
        self.name = name
        self.key = key
        self.boot = 1
        self._broker = broker
        self._seqs = {}
        self._link = broker.link(name)
        self._answering = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._answering:
            self._answering.join(30)
        self._link.close()

    def status(self, payload=ONLINE):
        self.raw(STATUS, payload, retain=True)

    def raw(self, below, payload, retain=False):
        assert self._link.publish(topic(self.name, below), payload, retain) < 0x80

    def say(self, below, seq=None, boot=None, key=None, retain=None, **fields):
        """Sealed and published; returns the payload. seq: the next one of this topic."""
        boot = boot or self.boot
        if seq is None:
            seq = self._seqs[below, boot] = self._seqs.get((below, boot), 0) + 1
        payload = sealed(below, boot, seq, key or self.key, self.name, **fields)
        self.raw(below, payload, below in RETAINED if retain is None else retain)
        return payload

    def event(self, event_type="opened", **more):
        return self.say("event", event_type=event_type, **more)

    def _request(self, payload):
        if payload[:4] != b"KLE1":
            return json.loads(payload)
        found = sealed_gateway.opened(payload, self.key, self.name)
        assert found["kind"] == sealed_gateway.COMMAND
        assert 50 < found["expires"] - time.time() < 61   # whoever holds it back longer has nothing
        return json.loads(found["text"]) | {"version": f"{found['version']:016x}"}

    def answer(self, reply):
        """Once, beside the test: reply(gateway, verb, request) when a request comes. Returns what becomes the requests.

        A sealed one is as if it were plain, but has a `version`, which the answer must have, too.
        """
        came = []
        listening = self._broker.link(self.name)
        listening.must_subscribe([topic(self.name, "request/#")])

        def wait():
            end = time.monotonic() + 20
            with listening:
                while not came and time.monotonic() < end:
                    for message in listening.receive(0.5):
                        verb = message.topic.rpartition("/")[2]
                        came.append((verb, self._request(message.payload)))
                        reply(self, verb, came[-1][1])

        self._answering = threading.Thread(target=wait)
        self._answering.start()
        return came
