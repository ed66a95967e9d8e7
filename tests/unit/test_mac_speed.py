"""How many MACs a board may check: a part of its time, whatever the clock of the measurement shows."""

import unittest

from knocklet.edge import mac_speed


class Time:
    """Each look at it comes the next of these times later, over and over."""

    def __init__(self, *steps_us):
        self.steps_us = steps_us
        self.looks = 0
        self.now_us = 0

    def ticks_us(self):
        self.now_us += self.steps_us[self.looks % len(self.steps_us)]
        self.looks += 1
        return self.now_us

    def ticks_diff(self, one, other):
        return one - other


class TestChecks(unittest.TestCase):
    def setUp(self):
        self.time = mac_speed.time

    def tearDown(self):
        mac_speed.time = self.time

    def checks(self, *steps_us):
        mac_speed.time = Time(*steps_us)
        return mac_speed.checks()

    def test_what_is_measured(self):
        """Whole checks of a MAC, eight in a round."""
        made = []
        before, mac_speed.author = mac_speed.author, lambda clients, packet: made.append((len(clients), len(packet)))
        try:
            self.checks(1)
        finally:
            mac_speed.author = before
        self.assertEqual(made, [(1, 88)] * 24)

    def test_a_part_of_the_time(self):
        """In 100 ms: of checks that take 50 us each, 160."""
        for each_us, expected in ((1, 8_000), (3, 2_666), (50, 160), (300, 26), (8_000, 1)):
            self.assertEqual(self.checks(8 * each_us), expected)

    def test_never_none_and_never_all(self):
        self.assertEqual(self.checks(1_000_000), 1)
        self.assertEqual(self.checks(0), 8_000)  # a clock that does not go as fast as that

    def test_the_best_of_three(self):
        """The machine had something else to do meanwhile: a round is between every second look and the next."""
        for rounds in ((400, 800, 1200), (1200, 400, 800), (800, 1200, 400)):
            steps = [step for each in rounds for step in (9, each)]
            self.assertEqual(self.checks(*steps), 160)


if __name__ == "__main__":
    unittest.main()
