"""The tags of one slot against a plain model: for any four bytes, the same clients."""

import unittest

from common.clients import SLOT, client
from common.numbers import Numbers
from knocklet.core.tags import SlotTags
from knocklet.wire.spa_packet import slot_bytes, tag

CLIENTS = [client(number) for number in range(500)]
AT = 5  # where in its frame a packet begins


class Model:
    """slot; by_tag: tag -> numbers of its clients."""

    def __init__(self, clients):
        self.slot = slot_bytes(SLOT)
        self.by_tag = {}
        for number, one in enumerate(clients):
            self.by_tag.setdefault(tag(one.keys, self.slot), []).append(number)


def frame(slot, tag_bytes):
    """It ends with the tag: what reads on, raises."""
    return b"\xaa" * AT + slot + tag_bytes


def near(tag_bytes):
    """It, and those that differ from it by one in one byte."""
    yield tag_bytes
    for i in range(4):
        for step in (1, 255):
            yield tag_bytes[:i] + bytes([tag_bytes[i] + step & 255]) + tag_bytes[i + 1 :]


def sharing(count, tag_of):
    """Clients of which number i has the tag of number tag_of(i)."""
    made = [client(number) for number in range(count)]
    for number, one in enumerate(made):
        one.keys.tag = made[tag_of(number)].keys.tag
    return made


class TestFind(unittest.TestCase):
    def agrees(self, clients):
        model, tags = Model(clients), SlotTags(clients, SLOT)
        self.assertEqual(tags.slot, SLOT)
        self.assertEqual(tags.values(), sorted([int.from_bytes(tag, "big") for tag in model.by_tag]))
        wanted = [bytes(4), b"\xff" * 4] + [Numbers(3).bytes(4)]
        for one in model.by_tag:
            wanted += near(one)
        for one in wanted:
            place = tags.find(frame(model.slot, one), AT)
            numbers = model.by_tag.get(one)
            if numbers is None:
                self.assertEqual(place, -1)
            else:
                self.assertEqual(tags.numbers(place), numbers)
                self.assertEqual(tags.number(place), numbers[0])

    def test_any_number_of_clients(self):
        for count in (0, 1, 2, 3, 4, 500):
            with self.subTest(count=count):
                self.agrees(CLIENTS[:count])

    def test_shared_tags(self):
        """Nobody is left out, wherever they stand: two of three, all of four, and pairs among others."""
        for count, tag_of in ((3, lambda i: i // 2), (4, lambda i: 0), (10, lambda i: i % 5), (9, lambda i: i & 6)):
            with self.subTest(count=count):
                self.agrees(sharing(count, tag_of))


class TestSlot(unittest.TestCase):
    def test_of_its_slot_alone(self):
        tags = SlotTags(CLIENTS[:1], SLOT)
        data = bytearray(frame(slot_bytes(SLOT), bytes(4)))
        self.assertTrue(tags.is_slot_of(data, AT))
        for bit in range(32):
            data[AT + (bit >> 3)] ^= 1 << (bit & 7)
            self.assertFalse(tags.is_slot_of(data, AT))
            data[AT + (bit >> 3)] ^= 1 << (bit & 7)
        self.assertTrue(tags.is_slot_of(data, AT))

    def test_what_lies_around_does_not_matter(self):
        tags = SlotTags(CLIENTS[:1], SLOT)
        for fill in (b"\0", b"\xff"):
            self.assertTrue(tags.is_slot_of(fill * AT + slot_bytes(SLOT) + fill, AT))

    def test_before_1970(self):
        """A clock that runs on, from nought: the slot before now is none, and nobody's."""
        self.assertEqual(SlotTags(CLIENTS[:1], -1).slot, -1)


if __name__ == "__main__":
    unittest.main()
