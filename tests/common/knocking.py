"""A matcher with sequences, and knocks for it, without packets around them."""

from knocklet.core import verdict
from knocklet.core.attempts import ENTRIES, KEY_BYTES, Attempts
from knocklet.core.matcher import Matcher

from .numbers import Numbers
from .packets import TCP, UDP


class Sequence:
    def __init__(self, steps, window_ms=10_000):
        self.steps = [step(text) for text in steps.split()]
        self.window_ms = window_ms


def step(text):
    """(protocol, port) of "7000/tcp", "7000/udp"; "7000" is TCP."""
    port, _, protocol = text.partition("/")
    return UDP if protocol == "udp" else TCP, int(port)


class _Knock:
    """What Matcher.knock reads of a parsed packet; the frame is the source address alone."""

    source = 0

    def __init__(self, protocol, port, address_bytes):
        self.protocol = protocol
        self.port = port
        self.address_bytes = address_bytes


class Knocking:
    """`attempts` is big: one for all tests of a file, emptied for each."""

    attempts = None

    def __init__(self, sequences, decoys=(), key=None):
        if Knocking.attempts is None or key is not None:
            Knocking.attempts = Attempts(Numbers(7).bytes(KEY_BYTES) if key is None else key)
        for entry in range(ENTRIES):
            self.attempts.free(entry)
        self.matcher = Matcher(self.attempts)
        self.matcher.set_sequences(dict(enumerate(sequences)), decoys)

    def knock(self, source, protocol, port, now_ms):
        """The verdict number."""
        return self.matcher.knock(_Knock(protocol, port, len(source)), source, now_ms)

    def knocks(self, source, steps, now_ms=0, gap_ms=100):
        """The verdicts of "7000 8000/udp ...", by name, joined by spaces."""
        names = []
        for text in steps.split():
            protocol, port = step(text)
            names.append(verdict.NAMES[self.knock(source, protocol, port, now_ms)])
            now_ms = (now_ms + gap_ms) & 0x3FFFFFFF
        return " ".join(names)

    def completed(self):
        """The numbers of the sequences that the last knock completed; asked only after the verdict COMPLETE."""
        return [number for number in range(16) if self.matcher.completed >> number & 1]
