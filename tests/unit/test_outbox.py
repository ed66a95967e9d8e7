"""The outbox: order, what makes room for what, and what an engine that was killed leaves behind."""

import unittest

from common.numbers import Numbers
from knocklet.core import outbox
from knocklet.core.outbox import GRANT, NOISE, PLACES, Outbox


def all_of(box):
    found = []
    token = 0
    while box.after(token):
        token, payload = box.after(token)
        found.append(payload)
    return found


class TestOutbox(unittest.TestCase):
    def setUp(self):
        self.memory = bytearray(outbox.BYTES)
        self.box = Outbox(self.memory)

    def fill(self, state, count=PLACES, word=b"n"):
        for i in range(count):
            self.assertTrue(self.box.put(word + b"%d" % i, state))

    def test_in_order_until_acknowledged(self):
        self.assertEqual(self.box.after(0), None)
        self.fill(GRANT, 3)
        token, payload = self.box.after(0)
        self.assertEqual(payload, b"n0")
        self.assertEqual(self.box.after(0), (token, b"n0"))  # again and again
        self.assertEqual(self.box.after(token)[1], b"n1")
        self.assertTrue(self.box.acknowledge(token))
        self.assertFalse(self.box.acknowledge(token))
        self.assertFalse(self.box.acknowledge(9999))
        self.assertEqual(all_of(self.box), [b"n1", b"n2"])
        self.assertEqual(self.box.dropped(), (0, 0))

    def test_noise_makes_room_first(self):
        self.fill(NOISE, PLACES - 1)
        self.fill(GRANT, 1, b"g")
        self.assertTrue(self.box.put(b"late", GRANT))
        self.assertTrue(self.box.put(b"noise", NOISE))
        self.assertEqual(all_of(self.box), [b"n%d" % i for i in range(2, PLACES - 1)] + [b"g0", b"late", b"noise"])
        self.assertEqual(self.box.dropped(), (2, 0))

    def test_grants_only_for_grants(self):
        self.fill(GRANT)
        self.assertFalse(self.box.put(b"noise", NOISE))
        self.assertEqual(self.box.dropped(), (1, 0))
        self.assertTrue(self.box.put(b"new", GRANT))
        self.assertEqual(self.box.dropped(), (2, 1))
        self.assertEqual(all_of(self.box)[0], b"n1")
        self.assertEqual(all_of(self.box)[-1], b"new")
        self.box.forget_dropped()
        self.assertEqual(self.box.dropped(), (0, 0))

    def test_too_long(self):
        self.assertTrue(self.box.put(b"x" * outbox.PAYLOAD_BYTES, GRANT))
        self.assertFalse(self.box.put(b"x" * (outbox.PAYLOAD_BYTES + 1), GRANT))
        self.assertEqual(self.box.dropped(), (1, 1))
        self.assertEqual(all_of(self.box), [b"x" * outbox.PAYLOAD_BYTES])

    def test_taken_over(self):
        self.fill(NOISE, 5)
        self.fill(GRANT, 5, b"g")
        self.box.acknowledge(self.box.after(0)[0])
        self.box.put(b"x" * 600, GRANT)
        again = Outbox(self.memory)
        self.assertEqual(all_of(again), all_of(self.box))
        self.assertEqual(again.dropped(), (1, 1))
        again.put(b"next", GRANT)
        self.assertEqual(all_of(again)[-1], b"next")

    def test_another_owner(self):
        self.fill(GRANT, 5)
        self.assertEqual(all_of(Outbox(self.memory, 7)), [])
        self.assertEqual(all_of(Outbox(self.memory, 0)), [])

    def test_killed_at_any_byte(self):
        """Memory as it is after each write of a put: the events before are whole, the new one is whole or not there."""

        class Recorder:
            """A bytearray that keeps a copy of itself before every write."""

            def __init__(self, memory):
                self.memory = memory
                self.copies = []

            def __getitem__(self, key):
                return self.memory[key]

            def __setitem__(self, key, value):
                self.copies.append(bytes(self.memory))
                self.memory[key] = value

        self.fill(GRANT, 2)
        recorder = Recorder(self.memory)
        self.box._memory = recorder
        original = outbox.pack_into

        def recording_pack_into(form, memory, *rest):
            recorder.copies.append(bytes(self.memory))
            original(form, self.memory, *rest)

        original_unpack = outbox.unpack_from
        outbox.pack_into = recording_pack_into
        outbox.unpack_from = lambda form, memory, at: original_unpack(form, self.memory, at)
        try:
            self.box.put(b"third", GRANT)
            self.box.acknowledge(self.box.after(0)[0])
        finally:
            outbox.pack_into = original
            outbox.unpack_from = original_unpack
        seen = set()
        for copy in recorder.copies + [bytes(self.memory)]:
            found = all_of(Outbox(bytearray(copy)))
            self.assertTrue(found in ([b"n0", b"n1"], [b"n0", b"n1", b"third"], [b"n1", b"third"]), found)
            seen.add(len(found))
        self.assertEqual(seen, {2, 3})

    def test_garbage(self):
        numbers = Numbers(3)
        for _ in range(20):
            memory = bytearray([numbers.below(256) for _ in range(700)]) + bytearray(outbox.BYTES - 700)
            if numbers.below(2):
                memory[:16] = self.memory[:16]
            box = Outbox(memory)
            self.assertTrue(box.put(b"new", GRANT))
            self.assertEqual(all_of(box)[-1], b"new")

    def test_against_a_list(self):
        numbers = Numbers(4)
        model = []
        for step in range(3000):
            what = numbers.below(4)
            if what < 3:
                state = GRANT if what == 2 else NOISE
                payload = b"%d" % step
                kept = self.box.put(payload, state)
                if len(model) == PLACES:
                    victims = [entry for entry in model if entry[1] == NOISE] or (model if state == GRANT else [])
                    self.assertEqual(kept, bool(victims))
                    if victims:
                        model.remove(victims[0])
                if kept:
                    model.append((payload, state))
            elif model and numbers.below(3) == 0:
                token, payload = self.box.after(0)
                self.assertEqual(payload, model.pop(0)[0])
                self.box.acknowledge(token)
        self.assertEqual(all_of(self.box), [payload for payload, _ in model])


if __name__ == "__main__":
    unittest.main()
