"""Another clock on the wall for the engine alone: libfaketime in its process. Monotonic time and files keep the real one.

    clock = FakeClock(engine, -YEAR_S)      # before its start: it boots a year behind
    clock.set(0)                            # somebody sets it right,
    clock.ntp()                             # and it was NTP

Real kernels wake who waits for the clock to be set; of this one they know nothing, so set() ends the engine's timer itself.
"""

import ctypes
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

_LIBRARY = "*-linux-gnu*/faketime/libfaketime.so.1"
_PIDFD_GETFD = 438  # on every CPU
_AT_ONCE = (ctypes.c_long * 4)(0, 0, 0, 1)  # struct itimerspec: once, in a nanosecond

_libc = ctypes.CDLL(None, use_errno=True)


class FakeClock:
    """The clock of this engine (EngineDut, not started), `offset_s` from the real one."""

    def __init__(self, engine, offset_s=0):
        self._engine = engine
        self._file = engine.config_path.with_name("offset")
        _preload(engine, FAKETIME_NO_CACHE="1", FAKETIME_TIMESTAMP_FILE=str(self._file))
        self.set(offset_s)

    def now_us(self):
        return time.time_ns() // 1000 + self.offset_s * 1_000_000

    def set(self, offset_s):
        """Somebody sets the clock."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+d}\n")
        new.rename(self._file)
        self.offset_s = offset_s
        self._wake()

    def ntp(self, wake=True):
        """NTP touches its flag, by the clock as it is. wake=False: and the engine has to notice."""
        at_s, flag = self.now_us() // 1_000_000, self._engine.clock_flag
        if flag.exists() and int(flag.stat().st_mtime) == at_s:
            at_s += 1  # as if it had waited: times of files are told apart by whole seconds
        self._engine.trust_clock(at_s=at_s)
        if wake:
            self._wake()

    def _wake(self):
        """Let the engine's timer end now, and wait until it has looked at the clock."""
        process = self._engine.process
        if not process:
            return
        with ExitStack() as stack:
            pidfd = os.pidfd_open(process.pid)
            stack.callback(os.close, pidfd)
            timer = _called(_libc.syscall(_PIDFD_GETFD, pidfd, _timer_of(process), 0))
            stack.callback(os.close, timer)
            _called(_libc.timerfd_settime(timer, 0, _AT_ONCE, None))
        self._engine.ask("status")  # it looks at its timer first


class FastClock:
    """The clock of this engine (not started) runs so many times as fast from its start on, and its board vouches for it."""

    def __init__(self, engine, speed):
        self._engine = engine
        self._speed = speed
        _preload(engine, FAKETIME=f"+0 x{speed}")
        engine.options = ["--clock", "battery"]
        engine.start()
        self._began_s, self._event_s = time.time(), engine.events("started")[0]["ts"]

    def now_us(self):
        """To a second or so."""
        return int((self._event_s + (time.time() - self._began_s) * self._speed) * 1_000_000)


class QuickTime:
    """All time of this engine (not started) runs so many times as fast, monotonic time and its waits too: half a minute of a
    trial is a second. The clock on the wall is soon ahead: with an engine that does not trust it."""

    def __init__(self, engine, speed):
        _preload(engine, FAKETIME=f"+0 x{speed}")
        del engine.environment["DONT_FAKE_MONOTONIC"]


class StoppedClock:
    """The clock of this engine (not started) says always the same, and its board vouches for it."""

    def __init__(self, engine, at_s):
        _preload(engine, FAKETIME=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at_s)), TZ="UTC")
        engine.options = ["--clock", "battery"]


def _preload(engine, **settings):
    (library,) = Path("/usr/lib").glob(_LIBRARY)
    engine.environment.update(LD_PRELOAD=str(library), DONT_FAKE_MONOTONIC="1", NO_FAKE_STAT="1", **settings)


def _timer_of(process):
    """The number of its timer's descriptor."""
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed just now
            if "timerfd" in os.readlink(descriptor):
                return int(descriptor.name)
    raise ValueError("the engine has no timer for the clock on the wall")


def _called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "the engine's timer")
    return result
