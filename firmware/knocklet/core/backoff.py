"""How long to wait before the next connection attempt: doubling from 1 s to 5 min, with a random part.

Only a session that has lived a while begins anew: a broker that accepts and drops is not stormed.
"""

FIRST_MS = 1000
LONGEST_MS = 300_000
_LIVED_MS = 60_000


class Backoff:
    def __init__(self):
        self._step_ms = FIRST_MS  # the shortest next wait

    def ended(self, lived_ms, random):
        """The wait in ms after a session that lived so long, 0 for one that never began. random: 0 .. 2**16 - 1."""
        if lived_ms >= _LIVED_MS:
            self._step_ms = FIRST_MS
        step_ms = self._step_ms
        self._step_ms = min(2 * step_ms, LONGEST_MS // 2)
        return step_ms + (step_ms * random >> 16)
