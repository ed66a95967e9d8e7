"""20 a second, 5 at once: whatever the time is when it begins."""

import unittest

from knocklet.core.clock import MASK, after
from knocklet.core.token_bucket import TokenBucket

STARTS = (0, 1, 12_345, MASK - 10_000, MASK - 249, MASK - 100, MASK)  # the last but two: five at once last up to 0
DAY_MS = 86_400_000
TURN_MS = MASK + 1  # of the clock


def passed(bucket, start_ms, times_ms):
    """Those of the times (since the start) at which a packet passed."""
    return [wait_ms for wait_ms in times_ms if bucket.take(after(start_ms, wait_ms))]


class TestTokenBucket(unittest.TestCase):
    def test_five_at_once(self):
        for start_ms in STARTS:
            self.assertEqual(passed(TokenBucket(50, 5), start_ms, [0] * 20), [0] * 5)

    def test_then_each_in_its_turn(self):
        for start_ms in STARTS:
            bucket = TokenBucket(50, 5)
            passed(bucket, start_ms, [0] * 20)
            self.assertEqual(passed(bucket, start_ms, range(1, 501)), list(range(50, 501, 50)))

    def test_twenty_a_second(self):
        """For as long as one likes; and refused ones do not count."""
        for start_ms in STARTS:
            self.assertEqual(passed(TokenBucket(50, 5), start_ms, range(0, 20_000, 50)), list(range(0, 20_000, 50)))
            self.assertEqual(len(passed(TokenBucket(50, 5), start_ms, range(0, 20_000, 10))), 400 + 4)

    def test_what_was_not_used_comes_back(self):
        for start_ms in STARTS:
            for wait_ms, count in ((49, 0), (50, 1), (99, 1), (100, 2), (249, 4), (250, 5), (251, 5), (60_000, 5)):
                bucket = TokenBucket(50, 5)
                passed(bucket, start_ms, [0] * 5)
                self.assertEqual(passed(bucket, start_ms, [wait_ms] * 20), [wait_ms] * count)

    def test_long_silence(self):
        """However long: also when the clock came round meanwhile, and the time of before looks like one to come."""
        for start_ms in STARTS:
            for silence_ms in (DAY_MS, 6 * DAY_MS, TURN_MS // 2 - 1, TURN_MS // 2, TURN_MS // 2 + 250, 9 * DAY_MS,
                               TURN_MS - 1000, TURN_MS - 1, TURN_MS + 250, TURN_MS + 5000):  # fmt: skip
                bucket = TokenBucket(50, 5)
                passed(bucket, start_ms, [0] * 5)
                self.assertTrue(len(passed(bucket, start_ms, [silence_ms] * 20)) in (4, 5))


if __name__ == "__main__":
    unittest.main()
