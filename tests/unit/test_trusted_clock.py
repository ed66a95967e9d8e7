"""The trusted clock: what NTP has said, what has happened to the clock since, and monotonic time that wraps."""

import unittest

from knocklet.core import clock
from knocklet.core.trusted_clock import STEP_S, TrustedClock

YEAR_S = 365 * 86400
NOW_S = 1_795_818_022
LOOKS_S = 30


class Time:
    """The clock on the wall, monotonic time, and two flags."""

    def __init__(self, battery=False, now_s=NOW_S, now_ms=0):
        self.s = now_s
        self.ms = now_ms
        self.flags = [None, None]
        self.clock = TrustedClock(battery)

    def run(self, seconds=LOOKS_S):
        self.s += seconds
        self.ms = clock.after(self.ms, seconds * 1000)

    def touch(self, flag=0):
        self.flags[flag] = self.s

    def look(self):
        return self.clock.look(self.s * 1_000_000 + 123_456, self.ms, tuple(self.flags))


def trusted(**more):
    time = Time(**more)
    time.touch()
    time.look()
    return time


class TestTrustedClock(unittest.TestCase):
    def state(self, time, changed, is_trusted, since_s=None):
        self.assertEqual((time.look(), time.clock.trusted), (changed, is_trusted))
        if since_s is not None:
            self.assertEqual(time.clock.trusted_since_us // 1_000_000, since_s)

    def test_no_word(self):
        time = Time()
        for _ in range(5):
            self.state(time, False, False, 0)
            time.run(5)

    def test_a_word_at_boot(self):
        for flag in (0, 1):
            time = Time()
            time.touch(flag)
            time.run(5 * 86400)  # NTP spoke long before this start of the engine
            self.state(time, True, True, time.s)
            time.run()
            self.state(time, False, True, time.s - LOOKS_S)

    def test_a_word_later(self):
        time = Time(now_s=0)
        self.state(time, False, False)
        time.run(5)
        time.touch()
        self.state(time, True, True, 5)

    def test_a_word_from_the_future(self):
        """The clock was set back since NTP spoke."""
        time = Time()
        time.touch()
        time.s -= YEAR_S
        self.state(time, False, False, 0)
        time.run(5)
        time.touch()
        self.state(time, True, True, time.s)

    def test_set_far(self):
        for step_s in (STEP_S + 1, 3600, YEAR_S, 20 * YEAR_S, -STEP_S - 1, -3600, -YEAR_S, -NOW_S):
            with self.subTest(step_s=step_s):
                time = trusted()
                time.run()
                time.s += step_s
                self.state(time, True, False)
                for _ in range(3):
                    time.run(5)
                    self.state(time, False, False)  # it does not come back by itself
                time.s -= step_s
                self.state(time, False, False)  # nor when it is set back
                time.touch()
                self.state(time, True, True, time.s)

    def test_set_a_little(self):
        for step_s in (STEP_S, 1, -1, -STEP_S):
            time = trusted()
            time.run()
            time.s += step_s
            self.state(time, False, True, NOW_S)

    def test_set_a_little_again_and_again(self):
        """By hand it ends trust; with NTP's word each time it does not."""
        for step_s in (40, -40):
            time = trusted()
            for changed in (False, True):
                time.run()
                time.s += step_s
                self.state(time, changed, not changed)
            time = trusted()
            for _ in range(9):
                time.run()
                time.s += step_s
                time.touch()
                self.state(time, False, True, NOW_S)

    def test_ntp_sets_it_and_says_so(self):
        """In one look, or one look later. Since when is by the new time."""
        for step_s in (YEAR_S, -YEAR_S):
            time = trusted()
            time.run()
            time.s += step_s
            time.touch()
            self.state(time, True, True, NOW_S + LOOKS_S + step_s)
            time.run()
            time.s += step_s
            self.state(time, True, False)
            time.run(1)
            time.touch()
            self.state(time, True, True, time.s)

    def test_touched_then_set_by_hand(self):
        """Between two looks: the word was about the time before."""
        for step_s in (STEP_S + 10, YEAR_S, -STEP_S - 10, -YEAR_S):
            with self.subTest(step_s=step_s):
                time = trusted()
                time.run(20)
                time.touch()
                time.run(1)
                time.s += step_s
                self.state(time, True, False)
                time.run(5)
                self.state(time, False, False)

    def test_set_and_set_back_at_once(self):
        """That NTP spoke a moment ago is no news."""
        time = trusted()
        time.s += YEAR_S
        self.state(time, True, False)
        time.s -= YEAR_S
        self.state(time, False, False)

    def test_a_flag_goes_away(self):
        """It says nothing, and one that comes back is a word."""
        time = trusted()
        time.flags = [None, None]
        time.run()
        self.state(time, False, True)
        time.s += YEAR_S
        self.state(time, True, False)
        time.touch()
        self.state(time, True, True)

    def test_the_other_flag(self):
        time = trusted()
        time.s += YEAR_S
        self.state(time, True, False)
        time.touch(1)
        self.state(time, True, True)

    def test_battery(self):
        time = Time(battery=True)
        self.assertTrue(time.clock.trusted)
        self.state(time, True, True, NOW_S)
        time.run()
        self.state(time, False, True, NOW_S)
        time.s += YEAR_S
        self.state(time, True, True, time.s)

    def test_monotonic_time_wraps(self):
        """Looks that far apart as they are see no step where monotonic time starts anew."""
        for start_ms in (clock.MASK - 45_000, clock.MASK - 1, clock.MASK, clock.MASK >> 1):
            time = trusted(now_ms=start_ms)
            for _ in range(4):
                time.run()
                self.state(time, False, True, NOW_S)
            time.s += STEP_S + 1
            self.state(time, True, False)

    def test_a_month_of_looks(self):
        """What milliseconds cut off does not add up."""
        clocks = TrustedClock(False)
        us = NOW_S * 1_000_000
        clocks.look(us, 0, (NOW_S,))
        ms_us = 0
        for _ in range(20_000):
            us += 30_000_999
            ms_us += 30_000_999
            clocks.look(us, ms_us // 1000 & clock.MASK, (NOW_S,))
        self.assertTrue(clocks.trusted)
