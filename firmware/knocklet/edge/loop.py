"""The loop: sleeps until a socket has something or a time has come. Nothing polls.

Rings come first and are emptied in portions, so that neither a flood starves the rest nor the rest a knock.
"""

import gc
import select
import time

from ..core.clock import MASK, after, left

_DAY_MS = 86_400_000
_TIDY_MS = 50


def now_ms():
    """Monotonic milliseconds as core.clock wants them."""
    return time.ticks_ms() & MASK


class Loop:
    def __init__(self):
        self.rings_ready = None  # called with the time on every turn; it returns True when it left packets waiting
        self._poller = select.poll()
        self._handlers = {}  # socket -> function(poll flags)
        self._timers = []  # [due_ms, function(now_ms) that gives the wait to its next call in ms, or -1]
        self._next_ms = -1  # when the first timer is due, valid while _has_timer
        self._has_timer = False
        self.turns = 0  # wake-ups, for status
        self._tidying = self.timer(_tidy)

    def add(self, sock, handler):
        """Call `handler(flags)` when `sock` is readable or has an error."""
        self._handlers[sock] = handler
        self._poller.register(sock, select.POLLIN)

    def wait_for(self, sock, flags):
        """From now on wait for these poll flags of an added socket; errors are always told."""
        self._poller.modify(sock, flags)

    def remove(self, sock):
        self._poller.unregister(sock)
        self._handlers.pop(sock, None)

    def timer(self, function):
        """A timer, not running yet: returns the handle for `start`."""
        handle = [-1, function]
        self._timers.append(handle)
        return handle

    def start(self, handle, now_ms, wait_ms):
        """Let the timer call its function in `wait_ms`; a negative wait stops it."""
        handle[0] = after(now_ms, min(wait_ms, _DAY_MS)) if wait_ms >= 0 else -1
        self._plan(now_ms)

    def sooner(self, handle, now_ms, wait_ms):
        """As start, but a timer that is due earlier stays: whoever calls this again and again cannot put it off."""
        if wait_ms >= 0 and (handle[0] < 0 or left(now_ms, handle[0]) > wait_ms):
            self.start(handle, now_ms, wait_ms)

    def tidy_later(self, now_ms):
        """Much was allocated: collect it in a quiet moment, or that falls into a next knock, and takes longer than it."""
        self.sooner(self._tidying, now_ms, _TIDY_MS)

    def _plan(self, now_ms):
        self._has_timer = False
        for due_ms, _ in self._timers:
            if due_ms >= 0 and (not self._has_timer or left(now_ms, due_ms) < left(now_ms, self._next_ms)):
                self._next_ms = due_ms
                self._has_timer = True

    def turn(self, longest_ms=_DAY_MS):
        """One turn: sleep until something happens, at most `longest_ms`, and handle it. Hot: allocates nothing itself, and
        is in small pieces so that no call's frame comes from the heap (core/packet.py)."""
        at_ms = now_ms()
        if self.rings_ready(at_ms):
            longest_ms = 0
        elif self._has_timer:
            longest_ms = self._until_timer(at_ms, longest_ms)
        for event in self._poller.ipoll(longest_ms):
            self._handle(event)
        self.turns = (self.turns + 1) & MASK
        if self._has_timer:
            self._timers_due(now_ms())

    def _until_timer(self, at_ms, longest_ms):
        wait_ms = left(at_ms, self._next_ms)
        if wait_ms < 0:
            return 0
        return wait_ms if wait_ms < longest_ms else longest_ms

    def _handle(self, event):
        handler = self._handlers.get(event[0])
        if handler:
            handler(event[1])

    def _timers_due(self, at_ms):
        if left(at_ms, self._next_ms) <= 0:
            self._run_timers(at_ms)

    def _run_timers(self, now_ms):
        for handle in self._timers:
            if handle[0] >= 0 and left(now_ms, handle[0]) <= 0:
                handle[0] = -1
                wait_ms = handle[1](now_ms)
                if wait_ms >= 0:
                    handle[0] = after(now_ms, min(wait_ms, _DAY_MS))
        self._plan(now_ms)


def _tidy(_now_ms):
    gc.collect()
    return -1
