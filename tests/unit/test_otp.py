"""One-time sequences: which are right now, under which numbers, and that no number means two things to one attempt."""

import unittest

from common.clients import NOW_US, client, service
from knocklet.core.attempts import GUARD
from knocklet.core.otp import SLOT_US, Otp
from knocklet.core.policy import OtpSettings as Settings
from knocklet.wire.otp_ports import otp_ports

SSH, CAMERA = service(1), service(2)
SLOT = NOW_US // SLOT_US


def settings(pairs, window_ms=10_000):
    made = Settings()
    made.protocol, made.count, made.low, made.high, made.window_ms, made.pairs = 17, 6, 20000, 59999, window_ms, pairs
    return made


ALICE, BOB = client(1, [SSH, CAMERA]), client(2, [SSH])
PAIRS = [(ALICE, SSH), (ALICE, CAMERA), (BOB, SSH)]


class TestValid(unittest.TestCase):
    def setUp(self):
        self.otp = Otp(settings(PAIRS))

    def test_slots_around_now(self):
        for now_us in (SLOT * SLOT_US, NOW_US, (SLOT + 1) * SLOT_US - 1):
            self.otp.set_time(now_us)
            found = sorted([(one.client.name, one.services[0].index, one.slot) for one in self.otp.sequences.values()])
            wanted = [(one.name, what.index, slot) for one, what in PAIRS for slot in (SLOT - 1, SLOT, SLOT + 1)]
            self.assertEqual(found, sorted(wanted))

    def test_each_is_as_it_should_be(self):
        self.otp.set_time(NOW_US)
        for one in self.otp.sequences.values():
            ports = otp_ports(one.client.keys.otp, one.services[0].index, one.slot)
            self.assertEqual(one.steps, [(17, port) for port in ports])
            self.assertEqual((one.name, one.window_ms, one.opens), (one.client.name, 10_000, True))
            self.assertEqual(len(one.services), 1)

    def test_clock_not_trusted(self):
        """There are none, before and after."""
        self.assertFalse(self.otp.set_time(None))
        self.assertEqual(self.otp.sequences, {})
        self.otp.set_time(NOW_US)
        self.assertTrue(self.otp.set_time(None))
        self.assertEqual(self.otp.sequences, {})
        self.assertFalse(self.otp.set_time(None))

    def test_whether_anything_changed(self):
        for now_us, expected in (
            (NOW_US, True), (NOW_US, False), ((SLOT + 1) * SLOT_US - 1, False), ((SLOT + 1) * SLOT_US, True),
            ((SLOT + 1) * SLOT_US, False), (NOW_US, True), (NOW_US + 86_400_000_000, True), (None, True), (NOW_US, True),
        ):  # fmt: skip
            self.assertEqual(self.otp.set_time(now_us), expected)

    def test_pairs_that_stay_keep_their_numbers(self):
        """Or a half-finished knock would be at another one's after a new policy."""
        self.otp.set_time(NOW_US)
        before = {(one.name, one.services[0].index, one.slot): number for number, one in self.otp.sequences.items()}
        for pairs in (PAIRS[1:], [PAIRS[2], PAIRS[0]], [(client(3, [SSH]), SSH)] + PAIRS):
            after = Otp(settings(pairs), self.otp)
            after.set_time(NOW_US)
            self.assertEqual(len(after.sequences), 3 * len(pairs))
            for number, one in after.sequences.items():
                self.assertEqual(before.get((one.name, one.services[0].index, one.slot), number), number)
                self.assertTrue(number < GUARD)
        again = Otp(settings([]), self.otp)
        self.assertEqual(again.places, {})

    def test_set_back(self):
        """To slots with the same numbers as those of before."""
        for step in (-4, 4):
            self.otp.set_time(NOW_US)
            self.otp.set_time(NOW_US + step * SLOT_US)
            slots = {one.slot for one in self.otp.sequences.values()}
            self.assertEqual(slots, {SLOT + step - 1, SLOT + step, SLOT + step + 1})

    def test_each_is_made_once(self):
        self.otp.set_time(NOW_US)
        before = {(one.client.name, one.services[0].index, one.slot): one for one in self.otp.sequences.values()}
        self.otp.set_time(NOW_US + SLOT_US)
        for one in self.otp.sequences.values():
            key = (one.client.name, one.services[0].index, one.slot)
            if one.slot < SLOT + 2:
                self.assertIs(one, before[key])

    def test_nobody(self):
        otp = Otp(settings([]))
        self.assertFalse(otp.set_time(NOW_US))
        self.assertEqual(otp.sequences, {})


class TestNumbers(unittest.TestCase):
    def test_as_many_as_there_can_be(self):
        """64 pairs: 192 numbers beyond those of fixed sequences, all of them of their own and below the matcher's limit."""
        pairs = [(client(number, [SSH]), SSH) for number in range(64)]
        otp = Otp(settings(pairs))
        for slot in range(SLOT, SLOT + 4):
            otp.set_time(slot * SLOT_US)
            self.assertEqual(len(otp.sequences), 192)
            self.assertTrue(min(otp.sequences) >= 16 and max(otp.sequences) < GUARD)

    def test_none_means_two_things_while_an_attempt_lives(self):
        """An attempt that begins in the last moment of a number's sequence has ended when the number comes again."""
        longest_us = 25_000_000  # that the policy allows
        otp = Otp(settings(PAIRS, 25_000))
        meant = {}  # number -> (what, until when it was valid)
        for now_us in range(NOW_US, NOW_US + 20 * SLOT_US, 1_000_000):
            otp.set_time(now_us)
            for number, one in otp.sequences.items():
                what = (one.client.name, one.services[0].index, one.slot)
                if number in meant and meant[number][0] != what:
                    self.assertTrue(now_us - meant[number][1] > longest_us, (number, what))
                meant[number] = (what, now_us)
        self.assertEqual(len(meant), 4 * len(PAIRS))


if __name__ == "__main__":
    unittest.main()
