"""The replay store's records: what two copies say together, whatever became of one of them."""

import unittest
from hashlib import sha256

from knocklet.core.replay_records import (
    BYTES,
    FLOOR_KEY,
    HIGHEST,
    PLACES,
    RECORD_BYTES,
    is_taken,
    key_of,
    merge,
    record,
    value_of,
)

ONE = bytes(range(1, 9)) + b"\x00"
TWO = b"\xff" * 8 + b"\xff"
FREE = bytes(RECORD_BYTES)
NOW_US = 1_795_818_022_000_000


def table(*records):
    """The bytes of a copy: the floor in its place, then these."""
    return b"".join((record(FLOOR_KEY, NOW_US),) + records + (FREE,) * (PLACES - 1 - len(records)))


GOOD = table(record(ONE, NOW_US), record(TWO, HIGHEST), FREE)


def flipped(data, bit):
    copy = bytearray(data)
    copy[bit >> 3] ^= 1 << (bit & 7)
    return bytes(copy)


class TestRecord(unittest.TestCase):
    def test_layout(self):
        checked = b"abcdefgh" + b"\x07" + bytes(7) + b"\x00\x06\x61\x4b\x3d\x4d\x5b\x80"
        self.assertEqual(record(b"abcdefgh\x07", 0x6614B3D4D5B80), checked + sha256(checked).digest()[:8])

    def test_values(self):
        for value in (0, 1, (1 << 30) - 1, 1 << 30, (1 << 32) + 1, NOW_US, HIGHEST - 1, HIGHEST):
            memory = FREE + record(ONE, value)
            self.assertEqual((key_of(memory, 1), value_of(memory, 1)), (ONE, value))
        self.assertTrue(is_taken(memory, 1))
        self.assertFalse(is_taken(memory, 0))


class TestMerge(unittest.TestCase):
    def merged(self, a, b, expected, lost=0, where=""):
        found = merge(a, b)
        self.assertEqual(found[1], lost, where)
        self.assertTrue(found[0] == expected, where)  # not assertEqual: a difference of 20 KiB is nothing to show

    def test_at_rest(self):
        self.assertEqual(len(GOOD), BYTES)
        self.merged(GOOD, GOOD, GOOD)

    def test_every_flipped_bit(self):
        """Of the floor, of two records, of a free place and of the last one: the other copy has it."""
        last = (PLACES - 1) * RECORD_BYTES * 8
        for bit in list(range(4 * RECORD_BYTES * 8)) + list(range(last, BYTES * 8)):
            bad = flipped(GOOD, bit)
            self.merged(bad, GOOD, GOOD, where=bit)
            self.merged(GOOD, bad, GOOD, where=bit)

    def test_every_flipped_bit_in_both(self):
        """A record that is bad in both is lost and said to be; the others stay. A free place has nothing to lose, but is
        not told from one that had."""
        for place in range(4):
            for bit in range(RECORD_BYTES * 8):
                a = flipped(GOOD, place * RECORD_BYTES * 8 + bit)
                b = flipped(GOOD, place * RECORD_BYTES * 8 + (bit + 77) % (RECORD_BYTES * 8))
                expected = bytearray(GOOD)
                expected[place * RECORD_BYTES : (place + 1) * RECORD_BYTES] = FREE
                self.merged(a, b, expected, 1, (place, bit))

    def test_every_length(self):
        """Each length near what is there, and around the ends of all places."""
        near = set(range(5 * RECORD_BYTES))
        for place in range(PLACES + 1):
            near.update((place * RECORD_BYTES - 1, place * RECORD_BYTES, place * RECORD_BYTES + 1))
        for length in sorted(near):
            if 0 <= length <= BYTES:
                self.merged(GOOD[:length], GOOD, GOOD, where=length)
                self.merged(GOOD, GOOD[:length], GOOD, where=length)

    def test_cut_in_both(self):
        for length in (0, 1, RECORD_BYTES - 1, RECORD_BYTES, 2 * RECORD_BYTES - 1, 3 * RECORD_BYTES, BYTES - 1):
            cut = GOOD[:length]
            whole = length // RECORD_BYTES
            left = GOOD[: whole * RECORD_BYTES] + bytes(BYTES - whole * RECORD_BYTES)
            self.merged(cut, cut, left, PLACES - whole, length)

    def test_one_behind(self):
        old, new = table(record(ONE, 5)), table(record(ONE, 6))
        self.merged(new, old, new)
        self.merged(old, new, new)

    def test_first_record_of_a_key(self):
        """Written to a, not yet to b; half written to a, which nobody has acted on."""
        before, after = table(), table(record(ONE, 5))
        self.merged(after, before, after)
        half = after[: RECORD_BYTES + 16] + bytes(BYTES - RECORD_BYTES - 16)
        self.merged(half, before, before)

    def test_a_place_used_again(self):
        """Another key, of a lower value: a was written first."""
        self.merged(table(record(TWO, 3)), table(record(ONE, 5)), table(record(TWO, 3)))

    def test_floor(self):
        """It falls when it becomes known: a was written first, not the higher is right."""
        unknown = record(FLOOR_KEY, HIGHEST) + GOOD[RECORD_BYTES:]
        self.merged(GOOD, unknown, GOOD)
        self.merged(unknown, GOOD, unknown)

    def test_records_that_may_not_be(self):
        """A good checksum is not enough: the floor elsewhere, another in its place, a value out of range."""
        for wrong in (record(FLOOR_KEY, 5), _checked(ONE + bytes(7) + b"\x40" + bytes(6) + b"\x01")):
            self.merged(table(wrong), table(wrong), table(), 1)
        wrong = record(ONE, 5) + GOOD[RECORD_BYTES:]
        self.assertEqual(merge(wrong, wrong)[1], 1)
        self.merged(bytes(BYTES), bytes(BYTES), bytes(BYTES), 1)  # no floor: never a store of ours
        odd = _checked(ONE + b"\x01" + bytes(6) + bytes(8))
        self.merged(table(odd), table(odd), table(), 1)


def _checked(first):
    return first + sha256(first).digest()[:8]
