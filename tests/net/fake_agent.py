"""An agent that a test plays: it takes what the engine sends, and says what the test wants."""

import json
import socket
import time

from knocklet.core import agent_messages
from knocklet.wire import keys, report

EAGER_S = 5


class FakeAgent:
    """Connected to the engine of `dut`. `name`: what the engine calls the gateway."""

    def __init__(self, dut, key, name="home"):
        self._key = keys.event_key(key, name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(EAGER_S)
        self.socket.connect(f"{dut.run_dir}-agent/engine")
        kind, self.name = agent_messages.parse(self.socket.recv(65536))
        assert kind == agent_messages.HELLO

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def start(self):
        self.socket.send(agent_messages.START)

    def acknowledge(self, token):
        self.socket.send(agent_messages.acknowledge(token))

    def request(self, verb, payload):
        self.socket.send(agent_messages.request(verb, payload))

    def sealed(self, message):
        self.socket.send(agent_messages.sealed(message))

    def next(self, timeout_s=EAGER_S):
        """(flags, token, topic, verified content as dict) of the next message."""
        self.socket.settimeout(timeout_s)
        kind, flags, token, topic, payload = agent_messages.parse(self.socket.recv(65536))
        assert kind == agent_messages.PUBLISH
        return flags, token, topic, json.loads(report.verified(self._key, topic, payload))

    def expect(self, topic, timeout_s=EAGER_S, acknowledge=True, **fields):
        """Wait for a message on this topic with these fields, acknowledging events. Returns (token, content)."""
        until = time.monotonic() + timeout_s
        while True:
            _, token, found, content = self.next(max(0.01, until - time.monotonic()))
            if token and acknowledge:
                self.acknowledge(token)
            if found == topic and fields.items() <= content.items():
                return token, content

    def nothing_for(self, seconds):
        """What came meanwhile: should be []."""
        found = []
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            try:
                found.append(self.next(left_s))
            except TimeoutError:
                break
        return found
