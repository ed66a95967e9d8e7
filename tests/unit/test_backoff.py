"""The wait between connection attempts: it doubles, has a limit, is never the same, and begins anew only after a while."""

import unittest

from knocklet.core.backoff import FIRST_MS, LONGEST_MS, Backoff

LOW, HIGH = 0, 65535


def waits(random, count, lived_ms=0):
    backoff = Backoff()
    return [backoff.ended(lived_ms, random) for _ in range(count)]


class TestBackoff(unittest.TestCase):
    def test_first_and_longest(self):
        self.assertEqual((FIRST_MS, LONGEST_MS), (1000, 300_000))
        self.assertEqual(waits(LOW, 9), [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 150000])
        self.assertEqual([wait // 1000 for wait in waits(HIGH, 9)], [1, 3, 7, 15, 31, 63, 127, 255, 299])

    def test_limits(self):
        for random in (LOW, 1, 30000, HIGH):
            for wait_ms in waits(random, 50):
                self.assertTrue(FIRST_MS <= wait_ms <= LONGEST_MS, wait_ms)

    def test_random_part(self):
        self.assertEqual(len({Backoff().ended(0, random) for random in range(0, 65536, 4096)}), 16)

    def test_accepts_and_drops(self):
        """A session that lived less than a minute changes nothing."""
        self.assertEqual(waits(LOW, 5, lived_ms=59_999), waits(LOW, 5))

    def test_lived(self):
        backoff = Backoff()
        for _ in range(20):
            backoff.ended(0, LOW)
        self.assertEqual(backoff.ended(60_000, LOW), 1000)
        self.assertEqual(backoff.ended(0, LOW), 2000)


if __name__ == "__main__":
    unittest.main()
