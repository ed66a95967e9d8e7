"""Milliseconds modulo 2**30."""

import unittest

from knocklet.core.clock import MASK, after, age, left

DAY_MS = 86_400_000
TIMES = (0, 1, 999, DAY_MS, MASK >> 1, (MASK >> 1) + 1, MASK - DAY_MS, MASK - 1, MASK)
WAITS = (0, 1, 1000, 60_000, DAY_MS, 5 * DAY_MS)


class TestClock(unittest.TestCase):
    def test_wait_and_back(self):
        for now in TIMES:
            for wait in WAITS:
                with self.subTest(now=now, wait=wait):
                    end = after(now, wait)
                    self.assertTrue(0 <= end <= MASK)
                    self.assertEqual((end - now - wait) % (MASK + 1), 0)
                    self.assertEqual(age(end, now), wait)
                    self.assertEqual(left(now, end), wait)
                    self.assertEqual(left(end, now), -wait)

    def test_half(self):
        """2**29 ms apart is as far as times compare."""
        for now in TIMES:
            self.assertEqual(left(now, (now + (MASK >> 1)) & MASK), MASK >> 1)
            self.assertEqual(left(now, (now + (MASK >> 1) + 1) & MASK), -(MASK >> 1) - 1)

    def test_age_of_all(self):
        for now in TIMES:
            for since in TIMES:
                self.assertTrue(0 <= age(now, since) <= MASK)
                self.assertEqual((since + age(now, since)) & MASK, now)
