"""The clock on the wall: is it trusted (core/trusted_clock.py), and when does a new slot of 30 s begin? Minutes begin with one.

A timer of the kernel is set to the next slot, two wake-ups a minute; the kernel also ends it when somebody sets the clock.
While the clock is not trusted, the flags are looked at every 5 s. Where the kernel has no such timer, the loop's own do it,
and that the clock was set is seen at the next look.
"""

import os
import time

from ..core.trusted_clock import TrustedClock
from ..wire.otp_ports import SLOT_US
from . import libc
from .loop import now_ms

_LOOK_US = 5_000_000  # while not trusted
_US_PER_S = 1_000_000
_TRIES = 3  # to set the timer while others set the clock


class WallClock:
    """trusted, trusted_since_us: of the last look (core/trusted_clock.py). While stopped only a battery is trusted."""

    def __init__(self, loop, flags, battery, changed):
        """flags: paths of files that NTP touches when it has set the clock. battery: the clock goes on without power.
        changed(now_ms): called when a slot begins, when the clock was set, and when trust was gained or lost."""
        self._loop = loop
        self._flags = flags
        self._battery = battery
        self._changed = changed
        self._clock = None  # while running
        self._slot = 0
        self._timerfd = None
        self._timer = loop.timer(self._timer_due)  # where there is no timerfd
        self.trusted = battery
        self.trusted_since_us = 0

    def now_us(self):
        return time.time_ns() // 1000

    def start(self):
        """From now on look, first of all now; that calls nobody."""
        if self._clock:
            return
        self._clock = TrustedClock(self._battery)
        self._timerfd = libc.wall_timer()
        if self._timerfd:
            self._loop.add(self._timerfd, lambda _flags: self._wake(now_ms()))
            self._set_timer(self.now_us())  # from here on the kernel tells that the clock was set: the look misses nothing
        self._look()

    def stop(self):
        self._close_timerfd()
        self._loop.start(self._timer, now_ms(), -1)
        self._clock = None
        self.trusted = self._battery
        self.trusted_since_us = 0

    def _timer_due(self, at_ms):
        self._wake(at_ms)
        return -1  # it was started anew

    def _wake(self, at_ms):
        if self._look():
            self._changed(at_ms)

    def _look(self):
        """Look, and set the timer for the next one. Returns True when there is something to tell."""
        found = False
        for _ in range(_TRIES):
            now_us = self.now_us()
            touched = tuple([_touched(path) for path in self._flags])
            found = self._clock.look(now_us, now_ms(), touched) or now_us // SLOT_US != self._slot or found
            self._slot = now_us // SLOT_US
            self.trusted = self._clock.trusted
            self.trusted_since_us = self._clock.trusted_since_us
            if self._set_timer(now_us):
                return found
            found = True  # the clock was set meanwhile
        self._close_timerfd()  # this kernel's timer does not do what we want
        self._set_timer(now_us)
        return found

    def _set_timer(self, now_us):
        """To the start of the next slot. Returns False when the clock was set since the timer was."""
        step_us = SLOT_US if self.trusted else _LOOK_US
        due_us = now_us - now_us % step_us + step_us
        if self._timerfd:
            return libc.set_wall_timer(self._timerfd, due_us // _US_PER_S)
        self._loop.start(self._timer, now_ms(), (due_us - now_us) // 1000 + 1)
        return True

    def _close_timerfd(self):
        if self._timerfd:
            self._loop.remove(self._timerfd)
            self._timerfd.close()
            self._timerfd = None


def _touched(path):
    """When, in seconds; None when there is no such file."""
    try:
        return os.stat(path)[8]
    except OSError:
        return None
