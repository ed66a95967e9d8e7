"""Runs on MicroPython and does with a wall clock what it is told, a JSON line at a time.

    micropython clock_driver.py FIRMWARE_FOLDER [old]

"old": the C library is one of 32-bit CPUs that knows seconds of 32 bits only.
Nobody may set the clock of the machine that tests: here it goes `ahead_s` ahead of the kernel's, and setting that does what
the kernel does: the timer ends at once, and setting it the next time says so.
"""

import ffi
import os
import sys
import time

sys.path[:] = [sys.argv[1], sys.argv[0].rpartition("/")[0] + "/.."]


class OldLibc:
    """In place of ffi."""

    def open(self, name):
        self.libc = ffi.open(name)
        return self

    def func(self, result, name, arguments):
        if name == "__timerfd_settime64":
            raise OSError(2)
        return self.libc.func(result, name, arguments)


if "old" in sys.argv:
    sys.modules["ffi"] = OldLibc()

from common.orders import obey  # noqa: E402  (only after the path is set)
from knocklet.edge import libc, wall_clock  # noqa: E402
from knocklet.edge.loop import Loop  # noqa: E402

LONGEST_MS = 20_000
set_wall_timer = libc.set_wall_timer


class Driver:
    def __init__(self):
        self.ahead_s = 0
        self.was_set = False
        self.changes = []  # what changed() was called for: [now in us, trusted, since in us]
        self.loop = Loop()
        self.loop.rings_ready = lambda _now_ms: False
        self.clock = None
        wall_clock.time = libc.set_wall_timer = None

    def time_ns(self):
        return time.time_ns() + self.ahead_s * 1_000_000_000

    def set_wall_timer(self, timer, at_s):
        was_set, self.was_set = self.was_set, False
        return set_wall_timer(timer, at_s - self.ahead_s) and not was_set

    def make(self, flags, battery=False, slot_s=30, look_s=5):
        wall_clock.time, libc.set_wall_timer = self, self.set_wall_timer
        wall_clock.SLOT_US, wall_clock._LOOK_US = slot_s * 1_000_000, look_s * 1_000_000
        self.clock = wall_clock.WallClock(self.loop, flags, battery, self.changed)

    def changed(self, _now_ms):
        self.changes.append([self.clock.now_us(), self.clock.trusted, self.clock.trusted_since_us])

    def begin(self):
        self.clock.start()
        return self.state()

    def end(self):
        self.clock.stop()
        return self.state()

    def state(self):
        return self.clock.trusted, self.clock.trusted_since_us

    def turn(self, count):
        """So many wake-ups, none of which takes for ever; returns what was told meanwhile."""
        self.changes = []
        for _ in range(count):
            self.loop.turn(LONGEST_MS)
        return self.changes

    def set_by(self, seconds):
        """Somebody sets the clock."""
        self.ahead_s += seconds
        self.was_set = True
        if self.clock._timerfd:
            set_wall_timer(self.clock._timerfd, 1)

    def touch(self, path):
        """As NTP does, by the clock as it is."""
        assert os.system("touch -d @%d %s" % (self.time_ns() // 1_000_000_000, path)) == 0

    def waiting_for(self):
        """What the loop has: [files, running timers]."""
        return [len(self.loop._handlers), sum(1 for due_ms, _ in self.loop._timers if due_ms >= 0)]

    def files(self):
        return len(os.listdir("/proc/self/fd"))


obey(Driver())
