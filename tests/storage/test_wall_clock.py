"""The clock on the wall with the kernel's own timer, with that of an old 32-bit C library, and with the loop's.

Slots are shorter here: a second. Nothing is said about how long anything takes, only what woke whom, and why.
"""

import re

import pytest
from net.firewall_net import MICROPYTHON, Remote
from storage.replaying import FIRMWARE, HERE, traced

YEAR_S = 365 * 86400
FAR_S = 1_000_000_000  # a slot that does not end while we test
NO_TIMER = ["strace", "-f", "-o", "/dev/null", "-e", "trace=timerfd_create", "-e", "inject=timerfd_create:error=ENOSYS"]


class Clock(Remote):
    """Takes clock_driver.py's orders."""

    def __init__(self, kind, flag, bits):
        driver = [MICROPYTHON[bits], HERE / "clock_driver.py", FIRMWARE]
        super().__init__([*(NO_TIMER if kind == "loop" else ()), *driver, *(["old"] if kind == "old libc" else ())])
        self.pid = self._process.pid
        self.kind = kind
        self.flags = [str(flag.with_name("none")), str(flag)]

    def made(self, **more):
        self.make(flags=self.flags, **more)
        return self


@pytest.fixture
def flag(tmp_path):
    return tmp_path / "ntp"


@pytest.fixture(params=["timerfd 64", "timerfd 32", "old libc 32", "loop 64"])
def clock(request, flag):
    kind, _, bits = request.param.rpartition(" ")
    clock = Clock(kind, flag, bits)
    yield clock
    clock.kill()


@pytest.fixture(params=["64", "32"])
def kernel_clock(request, flag):
    clock = Clock("timerfd", flag, request.param)
    yield clock
    clock.kill()


def test_every_slot(clock, flag):
    """Once when it begins, and nothing wakes us in between."""
    flag.touch()
    is_trusted, since_us = clock.made(slot_s=2, look_s=1).begin()
    assert is_trusted
    assert since_us > 0
    assert clock.waiting_for() == ([0, 1] if clock.kind == "loop" else [1, 0])
    told = clock.turn(count=2)
    assert len(told) == 2
    slots = [now_us // 2_000_000 for now_us, _, _ in told]
    assert slots == sorted(set(slots))
    assert [state for _, *state in told] == [[True, since_us]] * 2


def test_not_trusted(clock, flag):
    """It looks again and again, and says nothing before something happens; then at once."""
    assert clock.made(slot_s=FAR_S, look_s=1).begin() == [False, 0]
    assert clock.turn(count=2) == []
    clock.touch(path=str(flag))
    [[now_us, is_trusted, since_us]] = clock.turn(count=1)
    assert is_trusted
    assert 0 <= now_us - since_us < 1_000_000
    assert clock.state() == [True, since_us]


def test_set_far(clock, flag):
    """By hand: trust ends at once, or where the kernel does not tell, at the next slot. NTP's word brings it back."""
    flag.touch()
    slot_s = 1 if clock.kind == "loop" else FAR_S
    clock.made(slot_s=slot_s, look_s=1).begin()
    clock.set_by(seconds=YEAR_S)
    [told] = clock.turn(count=1)
    assert told[1] is False
    assert all(not is_trusted for _, is_trusted, _ in clock.turn(count=1))
    clock.touch(path=str(flag))
    clock.turn(count=1)
    is_trusted, since_us = clock.state()
    assert is_trusted
    assert abs(since_us - told[0]) < 1_000_000_000  # by the clock as it is now


def test_ntp_sets_it_by_a_year(clock, flag):
    """First the clock, then the flag."""
    clock.made(slot_s=1, look_s=1).begin()
    clock.set_by(seconds=YEAR_S)
    clock.touch(path=str(flag))
    clock.turn(count=1)
    assert clock.state()[0] is True
    clock.set_by(seconds=-YEAR_S)
    clock.turn(count=1)
    clock.touch(path=str(flag))
    clock.turn(count=1)
    assert clock.state()[0] is True


def test_battery(clock):
    clock.made(battery=True, slot_s=1)
    assert clock.state() == [True, 0]
    is_trusted, since_us = clock.begin()
    assert is_trusted
    clock.set_by(seconds=YEAR_S)
    told = clock.turn(count=1)
    assert told[0][1] is True
    assert told[0][2] - since_us > (YEAR_S - 60) * 1_000_000
    assert clock.end() == [True, 0]


def test_stopped(clock, flag):
    """Whoever has no use for it is not woken by it. What NTP says meanwhile is seen at the next start."""
    clock.made(slot_s=1, look_s=1)
    assert clock.waiting_for() == [0, 0]
    files = clock.files()
    for _ in range(3):
        clock.begin()
        clock.begin()
        assert sum(clock.waiting_for()) == 1
        assert clock.end() == [False, 0]
        assert clock.end() == [False, 0]
        assert clock.waiting_for() == [0, 0]
        assert clock.files() == files
    clock.touch(path=str(flag))
    assert clock.begin()[0] is True
    assert clock.end() == [False, 0]


def test_set_while_the_timer_is_set(kernel_clock):
    """The kernel says so with ECANCELED; told once, and the timer goes on."""
    clock = kernel_clock
    clock.made(slot_s=FAR_S, look_s=1).begin()
    assert clock.turn(count=1) == []
    with traced(clock, "-e", "inject=timerfd_settime,timerfd_settime64:error=ECANCELED:when=1"):
        assert len(clock.turn(count=1)) == 1
    assert clock.turn(count=1) == []
    assert clock.waiting_for() == [1, 0]


def test_a_timer_that_cannot_be_set(kernel_clock, flag):
    """The loop's own timers take over."""
    clock = kernel_clock
    clock.made(slot_s=FAR_S, look_s=1).begin()
    with traced(clock, "-e", "inject=timerfd_settime,timerfd_settime64:error=EINVAL"):
        clock.turn(count=1)
    assert clock.waiting_for() == [0, 1]
    assert clock.turn(count=1) == []
    clock.touch(path=str(flag))
    clock.turn(count=1)
    assert clock.state()[0] is True


def test_nothing_polls(kernel_clock, flag, tmp_path):
    """A slot is one wait as long as the loop may, one look at each flag, one setting of the timer, and nothing is read."""
    flag.touch()
    kernel_clock.made(slot_s=1).begin()
    kernel_clock.turn(count=1)
    with traced(kernel_clock, "-o", tmp_path / "log", "-e", "trace=!read,write"):
        kernel_clock.turn(count=2)
    calls = re.findall(r"^(\w+)\(", (tmp_path / "log").read_text(), re.M)
    stat = "newfstatat" if "newfstatat" in calls else "statx"
    calls = [name.removesuffix("64") for name in calls]
    assert calls == ["poll", stat, stat, "timerfd_settime"] * 2
    waits = re.findall(r"^poll\(.*\], 1, (\d+)\)", (tmp_path / "log").read_text(), re.M)
    assert waits == ["20000"] * 2
