"""How many MACs are checked: a budget for the board, an equal share for each client, spent at random among what waits.

Whoever has seen a client's tag can send any number of packets with it, each worth a check of its MAC. Checking them in the
order of their coming would leave the client's own packet to chance or worse; so once a client's packets are more than its
share, each is looked at with the same probability, told from the window before. Hot: allocates nothing.
"""

from array import array

WINDOW_MS = 100
LIMIT = 16_000  # of one window: products below stay small integers
_CERTAIN = 0xFFFF
_WINDOWS = 0xFFFF  # windows are numbered modulo this + 1
_PRIME = 65_537


class MacBudget:
    """Clients are numbers, 0 .. count - 1."""

    def __init__(self, checks, count, seed):
        """checks: in each window, 1 .. LIMIT; seed: a random number."""
        self._checks = min(max(checks, 1), LIMIT)
        self._random = seed % (_PRIME - 1) + 1
        self._window = -1
        self._spent = 0
        self._active = 0  # clients seen in this window
        self._share = self._checks  # of each of those that were seen in the window before
        self._window_of = array("H", bytes(2 * count))  # by client: the window that the next ones are about
        self._seen = array("I", bytes(4 * count))
        self._spent_by = array("H", bytes(2 * count))
        self._last = 0  # the client that spent last
        self._chance = array("H", bytes(2 * count))  # of a packet to be looked at, in 65535ths

    def spend(self, client, now_ms, cost=1):
        """A packet that this client may have made, worth `cost` checks: are they to be made?"""
        window = now_ms // WINDOW_MS & _WINDOWS
        if window != self._window:
            self._next_window(window)
        if self._window_of[client] != window or not self._seen[client]:
            self._first_of(client, window)
        if self._seen[client] < LIMIT << 4:
            self._seen[client] += cost
        if self._spent_by[client] >= self._share or self._spent >= 2 * self._checks:
            return False
        if self._chance[client] < _CERTAIN and self._draw() > self._chance[client]:
            return False
        self._last = client
        self.pay(cost)
        return True

    def pay(self, cost):
        """For what the last spend() allowed; once more where that takes longer than junk, being authentic."""
        self._spent_by[self._last] += cost
        self._spent += cost

    def _next_window(self, window):
        follows = window == (self._window + 1) & _WINDOWS
        active = self._active if follows else 0
        self._share = max(1, self._checks // max(1, active))
        self._window = window
        self._spent = 0
        self._active = 0

    def _first_of(self, client, window):
        before = self._seen[client] if self._window_of[client] == (window - 1) & _WINDOWS else 0
        self._chance[client] = _CERTAIN if before <= self._share else (self._share << 14) // before << 2
        self._window_of[client] = window
        self._seen[client] = 0
        self._spent_by[client] = 0
        self._active += 1

    def _draw(self):
        """1 .. 65536, each once in turn before any comes again."""
        self._random = self._random * 75 % _PRIME
        return self._random
