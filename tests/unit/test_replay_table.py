"""The replay store's table: values only rise, each key is found, and who gives way when it is full."""

import unittest

from common.numbers import Numbers
from knocklet.core.replay_records import (
    BYTES,
    FLOOR_KEY,
    FLOOR_PLACE,
    HIGHEST,
    PLACES,
    RECORD_BYTES,
    UNKNOWN_FLOOR,
    key_of,
    merge,
    record,
)
from knocklet.core.replay_table import ReplayTable

ROOM = PLACES - 1  # the floor has its own place


def key_number(i):
    return b"\x00\x00" + bytes([i >> 8, i & 255]) + b"same" + b"\x00"  # all in one slot of the index: the worst case


class TestReplayTable(unittest.TestCase):
    def setUp(self):
        self.table = ReplayTable(bytearray(BYTES))

    def fill(self):
        for i in range(ROOM):
            self.assertTrue(self.table.raise_to(key_number(i), 1000 + i) > FLOOR_PLACE)

    def same_when_read_again(self):
        """What is in memory is a good copy, and says the same."""
        memory, lost = merge(bytes(self.table.memory), bytes(self.table.memory))
        self.assertEqual(lost, 0)
        self.assertTrue(memory == self.table.memory)
        return ReplayTable(memory)

    def test_values_only_rise(self):
        key = b"12345678\x00"
        self.assertEqual(self.table.last(key), 0)
        place = self.table.raise_to(key, 7)
        for value, last in ((6, 7), (7, 7), (0, 7), (8, 8), (HIGHEST, HIGHEST), (9, HIGHEST)):
            self.assertEqual(self.table.raise_to(key, value), place)
            self.assertEqual(self.table.last(key), last)
        self.assertEqual(self.same_when_read_again().last(key), HIGHEST)

    def test_what_tells_keys_apart(self):
        keys = [b"12345678" + bytes([what]) for what in range(256)] + [b"12345679\x00", b"22345678\x00", bytes(9)]
        for i, key in enumerate(keys):
            self.assertEqual(self.table.last(key), 0)
            self.table.raise_to(key, i + 1)
        again = self.same_when_read_again()
        for i, key in enumerate(keys):
            self.assertEqual((self.table.last(key), again.last(key)), (i + 1, i + 1))

    def test_nothing_that_can_be_stored(self):
        before = bytes(self.table.memory)
        good = b"12345678\x00"
        for key, value in ((good[1:], 1), (good, -1), (good, HIGHEST + 1), (FLOOR_KEY, 1), (b"", 1)):
            self.assertEqual(self.table.raise_to(key, value), -1)
        self.assertTrue(self.table.memory == before)

    def test_full(self):
        """Nobody gives way whom nobody has said to be gone."""
        self.fill()
        self.assertEqual(self.table.raise_to(key_number(ROOM), 1), -1)
        self.assertEqual(self.table.last(key_number(ROOM)), 0)
        self.assertTrue(self.table.raise_to(key_number(0), 5000) > FLOOR_PLACE)  # who is there stays served
        again = self.same_when_read_again()
        for i in range(ROOM):
            self.assertEqual(again.last(key_number(i)), 1000 + i if i else 5000)

    def test_the_lowest_that_is_gone_gives_way(self):
        self.fill()
        gone = (300, 12, 600)
        self.table.keep([key_number(i) for i in range(ROOM) if i not in gone])
        for newcomer, given in ((700, 12), (701, 300), (702, 600)):
            self.assertTrue(self.table.raise_to(key_number(newcomer), 5) > FLOOR_PLACE)
            self.assertEqual((self.table.last(key_number(given)), self.table.last(key_number(newcomer))), (0, 5))
        self.assertEqual(self.table.raise_to(key_number(703), 5), -1)  # newcomers are no prey for the next one
        again = self.same_when_read_again()
        for i in range(ROOM):
            self.assertEqual(again.last(key_number(i)), 0 if i in gone else 1000 + i)
        self.table.keep([key_number(i) for i in range(700)])
        self.assertTrue(self.table.raise_to(key_number(703), 5) > FLOOR_PLACE)

    def test_what_is_revoked_never_gives_way(self):
        """Also when it is the only one that is in no policy any more: who comes then finds no room."""
        self.fill()
        self.table.raise_to(key_number(12), HIGHEST)
        self.table.keep([key_number(i) for i in range(ROOM) if i != 12])
        self.assertEqual(self.table.raise_to(key_number(700), 5), -1)
        self.assertEqual((self.table.last(key_number(12)), self.table.last(key_number(700))), (HIGHEST, 0))

    def test_everybody_gives_way(self):
        """The index does not fill up with those who are gone."""
        numbers = Numbers(3)
        gone, newcomers = [[numbers.bytes(9) for _ in range(ROOM)] for _ in range(2)]
        for i, key in enumerate(gone):
            self.table.raise_to(key, i + 1)
        self.table.keep([])
        for i, key in enumerate(newcomers):
            self.assertTrue(self.table.raise_to(key, i + 1) > FLOOR_PLACE)
        self.assertEqual([self.table.last(key) for key in newcomers], list(range(1, ROOM + 1)))
        self.assertEqual([self.table.last(key) for key in gone], [0] * ROOM)

    def test_kept_while_there_is_room(self):
        self.table.raise_to(key_number(1), 5)
        self.table.keep([])
        self.table.raise_to(key_number(2), 5)
        self.assertEqual(self.table.last(key_number(1)), 5)

    def test_floor(self):
        self.assertEqual(self.table.floor(), UNKNOWN_FLOOR)
        self.table.set_floor(1234)
        self.assertEqual(self.same_when_read_again().floor(), 1234)
        self.fill()
        self.table.keep([])
        self.table.raise_to(key_number(ROOM), 5)
        self.assertEqual(self.table.floor(), 1234)

    def test_absorb(self):
        """What a newer table knows: values rise, its floor counts, and it finds room."""
        self.fill()
        newer = ReplayTable(bytearray(BYTES))
        newer.set_floor(77)
        newer.raise_to(key_number(0), 1)
        newer.raise_to(key_number(1), 9999)
        newer.raise_to(key_number(800), 3)
        self.table.absorb(newer)
        self.assertEqual(self.table.floor(), 77)
        for i, value in ((0, 1000), (1, 9999), (800, 3), (2, 0), (3, 1003)):  # the lowest of the others gave way
            self.assertEqual(self.table.last(key_number(i)), value, i)

    def test_one_key_twice(self):
        """As in files that somebody put together: the higher value stays, wherever it lies."""
        for values in ((5, 6), (6, 5)):
            memory = bytearray(BYTES)
            for place, value in enumerate(values):
                memory[(place + 1) * RECORD_BYTES : (place + 2) * RECORD_BYTES] = record(key_number(1), value)
            self.table = ReplayTable(memory)
            self.assertEqual(self.table.last(key_number(1)), 6)
            self.table.raise_to(key_number(1), 9)
            self.assertEqual(self.same_when_read_again().last(key_number(1)), 9)
            self.assertEqual([key_of(memory, place) for place in range(1, PLACES)].count(key_number(1)), 1)

    def test_against_a_dict(self):
        numbers = Numbers(1)
        keys = [numbers.bytes(8) + bytes([numbers.below(3)]) for _ in range(500)]
        highest = {}
        for _ in range(3000):
            key = keys[numbers.below(len(keys))]
            value = numbers.below(1 << 24) << numbers.below(38)
            self.table.raise_to(key, value)
            highest[key] = max(highest.get(key, 0), value)
        again = self.same_when_read_again()
        for key in keys:
            self.assertEqual((self.table.last(key), again.last(key)), (highest.get(key, 0), highest.get(key, 0)))
