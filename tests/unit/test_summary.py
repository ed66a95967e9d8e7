"""Summing up: one telling per kind, source and minute, whatever a stranger does."""

import unittest

from knocklet.core import clock
from knocklet.core.summary import FLOOD, KINDS, MINUTE_MS, REFUSED, SWEEP, Summary

ONE = b"\xc6\x33\x64\x02"
TWO = b"\xc6\x33\x64\x03"
SIX = bytes(range(16))


def several(count):
    return [bytes([10, 0, 0, number]) for number in range(count)]


class TestSummary(unittest.TestCase):
    def setUp(self):
        self.summary = Summary()

    def seen(self, source=ONE, kind=SWEEP, now_ms=1000):
        self.summary.source(b"xx" + source, 2, len(source))
        return self.summary.seen(kind, now_ms)

    def test_once_a_minute(self):
        self.assertTrue(self.seen())
        for _ in range(5):
            self.assertFalse(self.seen(now_ms=30_000))
        self.assertEqual(self.summary.due(1000 + MINUTE_MS - 1), [])
        self.assertEqual(self.summary.next_ms(1000), MINUTE_MS)
        self.assertEqual(self.summary.due(1000 + MINUTE_MS), [(SWEEP, ONE, 5, 6)])
        self.assertFalse(self.seen(now_ms=70_000))
        self.assertEqual(self.summary.due(1000 + 2 * MINUTE_MS), [(SWEEP, ONE, 1, 7)])
        self.assertEqual(self.summary.due(1000 + 3 * MINUTE_MS), [(SWEEP, ONE, 0, 7)])  # a quiet minute: it has ended
        self.assertEqual(self.summary.next_ms(1000 + 3 * MINUTE_MS), -1)
        self.assertTrue(self.seen(now_ms=1000 + 3 * MINUTE_MS))

    def test_a_single_one_has_no_end_to_tell(self):
        self.assertTrue(self.seen())
        self.assertEqual(self.summary.due(1000 + MINUTE_MS), [])
        self.assertEqual(self.summary.next_ms(1000 + MINUTE_MS), -1)

    def test_kinds_and_sources_apart(self):
        for kind in range(len(KINDS)):
            for source in (ONE, TWO, SIX, b""):
                self.assertTrue(self.seen(source, kind))
                self.assertFalse(self.seen(source, kind))
        found = self.summary.due(1000 + MINUTE_MS)
        self.assertEqual(len(found), 4 * len(KINDS))
        self.assertTrue((FLOOD, SIX, 1, 2) in found and (REFUSED, b"", 1, 2) in found)

    def test_many_sources_share_one_place(self):
        told = [self.seen(source) for source in several(200)]
        self.assertEqual(told, [True] * 9 + [False] * 191)
        self.assertFalse(self.seen(several(1)[0]))  # still has its own
        self.assertEqual(self.summary.due(1000 + MINUTE_MS), [(SWEEP, several(1)[0], 1, 2), (SWEEP, b"", 191, 192)])

    def test_the_clock_goes_round(self):
        start = clock.MASK - 10
        self.assertTrue(self.seen(now_ms=start))
        self.assertFalse(self.seen(now_ms=clock.after(start, 20)))
        self.assertEqual(self.summary.next_ms(clock.after(start, 20)), MINUTE_MS - 20)
        self.assertEqual(self.summary.due(clock.after(start, MINUTE_MS)), [(SWEEP, ONE, 1, 2)])


if __name__ == "__main__":
    unittest.main()
