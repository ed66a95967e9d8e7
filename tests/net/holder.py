"""The holder of a gateway's key, as a test plays him through a played agent: he seals, and reads the answers."""

import json
import os
import time
from base64 import b64decode

from knocklet.wire import sealed

from .fake_agent import FakeAgent

KEY = bytes(range(32))
NAME = "home"


class Holder:
    """agent: FakeAgent, started. Versions rise by themselves."""

    def __init__(self, dut, key=KEY, name=NAME):
        self.agent = FakeAgent(dut, key, name)
        self.agent.start()
        self.keys = sealed.SealKeys(key, name)
        self._version = 0
        self._room_s = time.monotonic()  # the engine looks at 4 at once, and at 4 a second

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.agent.socket.close()

    def version(self):
        self._version = max(self._version + 1, time.time_ns() // 1000)
        return self._version

    def config_message(self, config, confirm_s=30, version=None, expires=0):
        text = config if isinstance(config, bytes) else json.dumps(config).encode()
        version = version or self.version()
        return sealed.seal(self.keys, sealed.CONFIG, version, text, os.urandom(16), expires=expires, confirm_s=confirm_s)

    def command_message(self, verb, sealed_us=None, expires=None, transaction="t", **fields):
        """sealed_us: the message's version."""
        sealed_us = sealed_us or self.version()
        text = json.dumps({"verb": verb, "transaction": transaction, **fields}).encode()
        expires = sealed_us // 1_000_000 + 60 if expires is None else expires
        return sealed.seal(self.keys, sealed.COMMAND, sealed_us, text, os.urandom(16), expires=expires)

    def say(self, message, verb):
        """Send it, and return its answer."""
        self.send(message)
        return self.agent.expect("response/" + verb, version="%016x" % int.from_bytes(message[24:32], "big"))[1]

    def send(self, message):
        """When the engine has room for it."""
        self._room_s = max(self._room_s, time.monotonic() - 0.75) + 0.25
        time.sleep(max(0, self._room_s - time.monotonic()))
        self.agent.sealed(message)

    def push(self, config, confirm_s=30):
        """Returns (version as 16 hex digits, the answer)."""
        answer = self.say(self.config_message(config, confirm_s), "set")
        return answer["version"], answer

    def ask(self, verb, **fields):
        return self.say(self.command_message(verb, **fields), verb)

    def obeyed(self, verb, **fields):
        """The answer's data."""
        answer = self.ask(verb, **fields)
        assert answer["status"] == "ok", answer
        return answer["data"]

    def kept(self, config):
        """Push, and confirm. Returns the version."""
        version, answer = self.push(config)
        assert answer["status"] == "ok", answer
        self.obeyed("confirm", version=version)
        return version

    def pulled(self):
        message = b64decode(self.obeyed("pull")["config"])
        assert sealed.is_from(self.keys, message)
        return json.loads(sealed.decrypted(self.keys, message))
