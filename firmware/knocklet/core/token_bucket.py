"""How often a client may be let in: 20 packets a second, 5 at once. Of packets that are sent again none counts."""

from .clock import after, left

_INTERVAL_MS = 50
_BURST_MS = 200  # four more at once, before each has to wait its turn


class TokenBucket:
    """Kept as the time at which the next packet would come if all came in their turn."""

    def __init__(self):
        self._next_ms = -1  # -1: none has come yet

    def take(self, now_ms):
        """May this packet pass?"""
        wait_ms = left(now_ms, self._next_ms) if self._next_ms >= 0 else 0
        if not 0 <= wait_ms <= _BURST_MS + _INTERVAL_MS:  # long ago, so long that the clock may have come round
            wait_ms = 0
        if wait_ms > _BURST_MS:
            return False
        self._next_ms = after(now_ms, wait_ms + _INTERVAL_MS)
        return True
