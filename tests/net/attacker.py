"""Who carries the holder's sealed messages, and means no good: he records them, changes them, and brings them when he likes."""

from knocklet.wire import sealed
from knocklet.wire.hmac import hmac
from lab.waiting import wait_until

from .holder import KEY, NAME, Holder

VERSION_AT = 24


class Attacker(Holder):
    """In the holder's place at the socket. `sent`: all that went through him."""

    def __init__(self, dut):
        super().__init__(dut)
        self.sent = []
        self._dut = dut

    def send(self, message):
        self.sent.append(message)
        super().send(message)

    def told(self, message):
        """The answer to it, None if there was none."""
        before = self._dut.ask("status")["agent"]["sealed"]
        self.send(message)
        wait_until(lambda: self._dut.ask("status")["agent"]["sealed"] > before, "it was looked at")
        version = message[VERSION_AT : VERSION_AT + 8].hex()
        try:
            while True:
                token, topic, content = self.agent.next(0.02)[1:]
                if token:
                    self.agent.acknowledge(token)
                if topic.startswith("response/") and content["version"] == version:
                    return content
        except TimeoutError:
            return None


def resealed(message, key=KEY, name=NAME, **at):
    """With other bytes at these offsets, and a mac that is right for them."""
    changed = bytearray(message)
    for place, value in at.items():
        offset = int(place.removeprefix("at"))
        changed[offset : offset + len(value)] = value
    changed[-32:] = hmac(sealed.SealKeys(key, name).mac, bytes(changed[:-32]))
    return bytes(changed)


def flipped(message, byte, bit=0):
    return message[:byte] + bytes([message[byte] ^ 1 << bit]) + message[byte + 1 :]
