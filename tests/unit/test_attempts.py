"""The table of attempts: found again, outlived, full, and what a flood of strangers can and cannot do to it."""

import unittest

from common.numbers import Numbers
from knocklet.core.attempts import ENDS, ENTRIES, GUARD, KEY_BYTES, Attempts
from knocklet.core.clock import MASK

WAYS = 8
DAY_MS = 86_400_000


def source(number):
    return bytes([10, number >> 16 & 255, number >> 8 & 255, number & 255])


def made(key):
    table = Attempts(key)
    table.set_window(GUARD, 60_000)
    for sequence in range(16):
        table.set_window(sequence, 10_000 + sequence)
    return table


# Made once: the heap of a 32-bit MicroPython holds two, not one for every test.
SPREAD = made(Numbers(1).bytes(KEY_BYTES))
ONE_GROUP = made(bytes(KEY_BYTES))  # with this key all sources are in one group


class TestAttempts(unittest.TestCase):
    def setUp(self):
        self.table = self.emptied(SPREAD)
        self.group = self.emptied(ONE_GROUP)

    def emptied(self, table):
        for entry in range(ENTRIES):
            table.free(entry)
        return table

    def place(self, table, address, sequence, now_ms):
        table.select(address, 0, len(address))
        return table.place(sequence, now_ms)

    def find(self, table, address, sequence, now_ms):
        table.select(address, 0, len(address))
        return table.find(sequence, now_ms)

    def test_key_of_another_length(self):
        for key in (b"", bytes(KEY_BYTES - 1), bytes(KEY_BYTES + 2)):
            with self.assertRaises(ValueError):
                Attempts(key)

    def test_found_again(self):
        self.assertEqual(self.find(self.table, source(1), 0, 5), -1)
        entry = self.place(self.table, source(1), 0, 5)
        self.assertEqual(self.find(self.table, source(1), 0, 6), entry)
        self.assertEqual(self.table.step[entry], 1)
        self.assertEqual(self.table.live(6), 1)

    def test_by_sequence_and_source(self):
        self.place(self.table, source(1), 0, 5)
        for address, sequence in ((source(1), 1), (source(1), GUARD), (source(2), 0), (source(1) + bytes(12), 0)):
            with self.subTest(address, sequence=sequence):
                self.assertEqual(self.find(self.table, address, sequence, 5), -1)

    def test_the_whole_address_counts(self):
        """In one group, so that nothing but the comparison keeps them apart."""
        for length in (4, 16):
            table = self.emptied(self.group)
            address = bytes(range(length))
            self.place(table, address, 0, 5)
            for i in range(length):
                other = address[:i] + bytes([address[i] ^ 1]) + address[i + 1 :]
                with self.subTest(length=length, i=i):
                    self.assertEqual(self.find(table, other, 0, 5), -1)

    def test_families_apart(self):
        table = self.group
        v4, v6 = source(1), source(1) + bytes(12)
        self.place(table, v6, 0, 5)
        self.assertEqual(self.find(table, v4, 0, 5), -1)
        self.place(table, v4, 0, 5)
        self.assertEqual(table.live(5), 2)
        table.select(v4, 0, 4)
        self.assertEqual(table.end_all(5), 1)
        self.assertTrue(self.find(table, v6, 0, 5) >= 0)

    def test_address_inside_a_frame(self):
        entry = self.place(self.table, source(1), 3, 5)
        self.table.select(b"abcdefg" + source(1) + b"xyz", 7, 4)
        self.assertEqual(self.table.find(3, 5), entry)

    def test_window(self):
        for start in (0, 7, MASK - 10_005, MASK - 3, MASK):
            for sequence in (0, 5, GUARD):
                window = 60_000 if sequence == GUARD else 10_000 + sequence
                with self.subTest(start=start, sequence=sequence):
                    table = self.emptied(self.group)
                    entry = self.place(table, source(1), sequence, start)
                    for later, there in ((0, True), (window - 1, True), (window, False), (10 * window, False)):
                        now = (start + later) & MASK
                        self.assertEqual(self.find(table, source(1), sequence, now), entry if there else -1)
                        self.assertEqual(table.live(now), 1 if there else 0)

    def test_touch(self):
        entry = self.place(self.table, source(1), GUARD, MASK)
        self.table.touch(entry, 50_000)
        self.assertEqual(self.find(self.table, source(1), GUARD, 109_999), entry)
        self.assertEqual(self.find(self.table, source(1), GUARD, 110_000), -1)

    def test_an_outlived_one_does_not_come_back(self):
        """A new attempt of the same source is a new one, and there is only one."""
        table = self.group
        first = self.place(table, source(1), 0, 0)
        table.step[first] = 5
        again = self.place(table, source(1), 0, 20_000)
        self.assertEqual(table.step[again], 1)
        self.assertEqual(self.find(table, source(1), 0, 20_001), again)

    def test_free(self):
        entry = self.place(self.table, source(1), 0, 5)
        self.table.free(entry)
        self.assertEqual(self.find(self.table, source(1), 0, 5), -1)
        self.assertEqual(self.table.live(5), 0)

    def test_end_all(self):
        """All attempts of this source, no guard, no other source."""
        table = self.group
        self.place(table, source(1), 3, MASK - 20_000)  # outlived: not counted
        table.step[self.place(table, source(1), 4, MASK - 5_000)] = 7
        for sequence in (0, 1, GUARD):
            self.place(table, source(1), sequence, 5)
        self.place(table, source(2), 0, 5)
        table.select(source(1), 0, 4)
        self.assertEqual(table.end_all(6), 3)
        self.assertEqual(table.end_all(6), 0)
        self.assertEqual([self.find(table, source(1), sequence, 6) for sequence in (0, 1, 4)], [-1] * 3)
        self.assertTrue(self.find(table, source(1), GUARD, 6) >= 0)
        self.assertTrue(self.find(table, source(2), 0, 6) >= 0)

    def test_full_group_gives_up_its_oldest_first_step(self):
        table = self.group
        for number in range(WAYS):
            self.place(table, source(number), 0, MASK - 3 + number & MASK)  # across the wrap of the clock
        self.place(table, source(100), 0, 20)
        there = [self.find(table, source(number), 0, 21) >= 0 for number in range(WAYS)]
        self.assertEqual(there, [False] + [True] * 7)
        self.place(table, source(101), 0, 21)
        there = [self.find(table, source(number), 0, 21) >= 0 for number in range(WAYS)]
        self.assertEqual(there, [False, False] + [True] * 6)

    def test_never_one_further_along(self):
        """The oldest have seen two steps: a flood of first steps passes them by."""
        table = self.group
        for number in range(5):
            table.step[self.place(table, source(number), 0, number)] = 2
        table.step[self.place(table, source(5), GUARD, 5)] = ENDS
        for number in range(1000):
            self.assertTrue(self.place(table, source(1000 + number), 0, 10 + number) >= 0)
        for number in range(5):
            with self.subTest(number):
                self.assertEqual(table.step[self.find(table, source(number), 0, 2000)], 2)
        self.assertTrue(self.find(table, source(5), GUARD, 2000) >= 0)

    def test_guards_keep_nobody_out(self):
        """Those of sources that do not rest go like first steps; resting ones when there is nothing else, oldest first."""
        table = self.group
        for number in range(WAYS):
            table.step[self.place(table, source(number), GUARD, number)] = ENDS if number else ENDS - 1
        for newcomer, gone in ((50, 0), (51, 50), (52, 51)):
            self.assertTrue(self.place(table, source(newcomer), 0, newcomer) >= 0)
            self.assertEqual(self.find(table, source(gone), GUARD if gone < WAYS else 0, 60), -1)
        table.step[self.find(table, source(52), 0, 60)] = 2
        self.assertTrue(self.place(table, source(53), 0, 60) >= 0)
        resting = [self.find(table, source(number), GUARD, 61) >= 0 for number in range(1, WAYS)]
        self.assertEqual(resting, [False] + [True] * 6)

    def test_no_room(self):
        """A group full of those further along takes nobody, until one is outlived."""
        table = self.group
        for number in range(WAYS):
            table.step[self.place(table, source(number), 0, number)] = 2
        self.assertEqual(self.place(table, source(50), 0, 9_999), -1)
        self.assertEqual(self.place(table, source(50), GUARD, 9_999), -1)
        entry = self.place(table, source(50), 0, 10_000)
        self.assertEqual(self.find(table, source(50), 0, 10_000), entry)

    def test_free_before_old(self):
        """Nobody is pushed out while an entry is free or outlived."""
        table = self.group
        entries = [self.place(table, source(number), 0, 5_000) for number in range(WAYS)]
        table.free(entries[5])
        self.assertEqual(self.place(table, source(50), 0, 6_000), entries[5])
        self.assertEqual(table.live(6_000), WAYS)
        table.touch(entries[3], MASK - 10_000)
        self.assertEqual(self.place(table, source(51), 0, 6_000), entries[3])

    def test_forget_old(self):
        """So that no age wraps round and looks young again."""
        for number in range(100):
            self.place(self.table, source(number), 0, 0)
        self.place(self.table, source(1), GUARD, 0)
        young = self.place(self.table, source(200), 0, DAY_MS)
        self.table.forget_old(DAY_MS)
        self.assertEqual(self.table.live(DAY_MS), 1)
        self.assertEqual(self.table.live(5), 0)  # 2**30 ms after the first: its time has come round
        self.assertEqual(self.find(self.table, source(200), 0, DAY_MS), young)

    def test_forget_attempts(self):
        self.place(self.table, source(1), 0, 5)
        self.place(self.table, source(1), 15, 5)
        guard = self.place(self.table, source(1), GUARD, 5)
        self.table.forget_attempts()
        self.assertEqual(self.table.live(5), 1)
        self.assertEqual(self.find(self.table, source(1), GUARD, 5), guard)

    def test_sources_are_spread(self):
        """As evenly as by chance, whatever pattern the addresses have: then 86 of 100 entries are taken when there are as
        many sources as entries (the mean of min(8, Poisson(8)) is 6.88)."""
        numbers = Numbers(2)
        expected = 6.88 / 8 * ENTRIES
        for name, address in (
            ("random IPv4", lambda _: numbers.bytes(4)),
            ("one IPv4 network", source),
            ("every 256th IPv4 address", lambda number: bytes([10, number >> 8, number & 255, 7])),
            ("random IPv6", lambda _: numbers.bytes(16)),
            ("one IPv6 network", lambda number: b"\x20\x01" + bytes(12) + bytes([number >> 8, number & 255])),
            ("IPv6 networks of one provider", lambda number: b"\x20\x01\0\0" + bytes([number >> 8, number & 255]) + bytes(10)),
        ):
            self.table.forget_attempts()
            for number in range(ENTRIES):
                self.place(self.table, address(number), 0, 0)
            with self.subTest(name):
                self.assertTrue(0.985 * expected < self.table.live(0) < 1.015 * expected, self.table.live(0))
