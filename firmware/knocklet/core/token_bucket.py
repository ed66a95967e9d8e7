"""How often something may happen: some at once, then each in its turn."""

from .clock import after, left


class TokenBucket:
    """Kept as the time at which the next one would come if all came in their turn."""

    def __init__(self, interval_ms, at_once):
        self._interval_ms = interval_ms
        self._burst_ms = (at_once - 1) * interval_ms
        self._next_ms = -1  # -1: none has come yet

    def take(self, now_ms):
        """May this one pass?"""
        wait_ms = left(now_ms, self._next_ms) if self._next_ms >= 0 else 0
        if not 0 <= wait_ms <= self._burst_ms + self._interval_ms:  # long ago, so long that the clock may have come round
            wait_ms = 0
        if wait_ms > self._burst_ms:
            return False
        self._next_ms = after(now_ms, wait_ms + self._interval_ms)
        return True
