"""Port sequences: the rules at the head of core/matcher.py, one test each."""

import unittest

from common.knocking import Knocking, Sequence
from knocklet.core import verdict
from knocklet.core.attempts import ENTRIES
from knocklet.core.clock import MASK

A = bytes([198, 51, 100, 2])
B = bytes([203, 0, 113, 9])
C = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"
REST_MS = 60_000
GOES_ON = "step_started step_advanced complete"


class TestSteps(unittest.TestCase):
    def setUp(self):
        self.one = Knocking([Sequence("7000 8000/udp 9000")])

    def test_in_order(self):
        self.assertEqual(self.one.knocks(A, "7000 8000/udp 9000"), GOES_ON)
        self.assertEqual(self.one.completed(), [0])

    def test_ipv6(self):
        self.assertEqual(self.one.knocks(C, "7000 8000/udp 9000"), GOES_ON)

    def test_once_only(self):
        """A completed attempt is over: its last step alone does nothing."""
        self.one.knocks(A, "7000 8000/udp 9000")
        self.assertEqual(self.one.knocks(A, "9000 8000/udp"), "step_alone step_alone")

    def test_retransmitted_and_doubled(self):
        self.assertEqual(
            self.one.knocks(A, "7000 7000 7000 8000/udp 7000 8000/udp 9000 9000"),
            "step_started step_repeated step_repeated step_advanced step_repeated step_repeated complete step_alone",
        )

    def test_out_of_turn_ends(self):
        self.assertEqual(self.one.knocks(A, "7000 9000 8000/udp 9000"),
                         "step_started step_out_of_turn step_alone step_alone")  # fmt: skip
        self.assertEqual(self.one.knocks(A, "7000 8000/udp 9000"), GOES_ON)

    def test_protocol_counts(self):
        self.assertEqual(self.one.knocks(A, "7000/udp 7000 8000 8000/udp 9000/udp 9000"),
                         "other_port step_started other_port step_advanced other_port complete")  # fmt: skip

    def test_other_ports_do_not_matter(self):
        others = " ".join([str(port) for port in range(1, 7000, 333)])
        names = self.one.knocks(A, "7000 %s 8000/udp %s 9000" % (others, others)).split()
        self.assertEqual([name for name in names if name != "other_port"], GOES_ON.split())

    def test_later_steps_alone(self):
        self.assertEqual(self.one.knocks(A, "9000 8000/udp 9000"), "step_alone step_alone step_alone")

    def test_every_wrong_order_of_four(self):
        one = Knocking([Sequence("1000 2000 3000 4000")])
        for order in range(4**4):
            steps = [1000 * (1 + (order >> 2 * i & 3)) for i in range(4)]
            with self.subTest(steps):
                source = bytes([10, 0, 0, order])
                names = one.knocks(source, " ".join([str(port) for port in steps]))
                self.assertEqual("complete" in names, steps == [1000, 2000, 3000, 4000])

    def test_32_steps(self):
        ports = " ".join([str(port) for port in range(20000, 20320, 10)])
        long = Knocking([Sequence(ports)])
        self.assertEqual(long.knocks(A, ports, gap_ms=300), "step_started " + "step_advanced " * 30 + "complete")

    def test_one_step(self):
        one = Knocking([Sequence("7000")])
        self.assertEqual(one.knocks(A, "7000 7000"), "complete complete")
        self.assertEqual(one.completed(), [0])

    def test_two_steps(self):
        two = Knocking([Sequence("7000 8000")])
        self.assertEqual(two.knocks(A, "7000 8000 8000"), "step_started complete step_alone")


class TestWindow(unittest.TestCase):
    def test_from_the_first_step(self):
        for start in (0, 5, MASK - 9_999, MASK - 5_000, MASK - 100, MASK):
            for gap_ms, names in ((4_999, GOES_ON), (5_000, "step_started step_advanced step_alone")):
                with self.subTest(start=start, gap_ms=gap_ms):
                    one = Knocking([Sequence("7000 8000 9000", window_ms=10_000)])
                    self.assertEqual(one.knocks(A, "7000 8000 9000", start, gap_ms), names)

    def test_a_repeated_first_step_does_not_make_it_longer(self):
        one = Knocking([Sequence("7000 8000", window_ms=1_000)])
        self.assertEqual(one.knocks(A, "7000 7000 7000 8000", gap_ms=350),
                         "step_started step_repeated step_repeated step_alone")  # fmt: skip

    def test_a_new_attempt_after_it(self):
        one = Knocking([Sequence("7000 8000 9000", window_ms=1_000)])
        self.assertEqual(one.knocks(A, "7000 8000"), "step_started step_advanced")
        self.assertEqual(one.knocks(A, "7000 8000 9000", now_ms=1_000), GOES_ON)

    def test_each_its_own(self):
        two = Knocking([Sequence("7000 8000", window_ms=1_000), Sequence("7000 8000 9000", window_ms=2_000)])
        self.assertEqual(two.knocks(A, "7000 8000 9000", gap_ms=999), "step_started complete complete")
        self.assertEqual(two.knocks(B, "7000 8000 9000", gap_ms=1_000), "step_started step_advanced step_alone")


class TestTogether(unittest.TestCase):
    def test_sources_interleaved(self):
        one = Knocking([Sequence("7000 8000 9000")])
        for round_ in range(3):
            for source in (A, B, C):
                expected = GOES_ON.split()[round_]
                self.assertEqual(one.knocks(source, "7000 8000 9000".split()[round_], 100 * round_), expected)

    def test_sequences_interleaved(self):
        two = Knocking([Sequence("7000 8000 9000"), Sequence("1000 2000/udp 3000")])
        self.assertEqual(
            two.knocks(A, "7000 1000 8000 2000/udp 3000 9000"),
            "step_started step_started step_advanced step_advanced complete complete",
        )
        self.assertEqual(two.completed(), [0])

    def test_open_and_close_the_other_way_round(self):
        """open 7000 8000 9000, close 9000 8000 7000: as people write them."""
        both = Knocking([Sequence("7000 8000 9000"), Sequence("9000 8000 7000")])
        for _ in range(3):
            both.knocks(A, "7000 8000 9000")
            self.assertEqual(both.completed(), [0])
            both.knocks(A, "9000 8000 7000", now_ms=1_000)
            self.assertEqual(both.completed(), [1])

    def test_open_twice(self):
        """Renewed at once, although its last step began the closing one."""
        both = Knocking([Sequence("7000 8000 9000"), Sequence("9000 8000 7000")])
        for now_ms in (0, 1_000, 2_000):
            self.assertEqual(both.knocks(A, "7000 8000 9000", now_ms)[-8:], "complete")
            self.assertEqual(both.completed(), [0])

    def test_two_with_the_same_steps(self):
        both = Knocking([Sequence("7000 8000"), Sequence("7000 8000")])
        self.assertEqual(both.knocks(A, "7000 8000"), "step_started complete")
        self.assertEqual(both.completed(), [0, 1])

    def test_one_begins_as_another_ends(self):
        both = Knocking([Sequence("7000 8000"), Sequence("8000 9000")])
        self.assertEqual(both.knocks(A, "7000 8000 9000"), "step_started complete complete")
        self.assertEqual(both.completed(), [1])

    def test_one_step_inside_another(self):
        both = Knocking([Sequence("8000"), Sequence("7000 8000 9000")])
        self.assertEqual(both.knocks(A, "7000 8000 9000"), "step_started complete complete")

    def test_16_sequences(self):
        many = Knocking([Sequence("%d %d" % (1000 + i, 2000 + i)) for i in range(16)])
        for i in range(16):
            self.assertEqual(many.knocks(bytes([10, 0, 0, i]), "%d %d" % (1000 + i, 2000 + i)), "step_started complete")
            self.assertEqual(many.completed(), [i])

    def test_seven_that_begin_with_one_port(self):
        """A source's attempts and its guard share a group of 8 entries."""
        many = Knocking([Sequence("7000 %d" % (8000 + i)) for i in range(7)])
        self.assertEqual(many.knocks(A, "7000 8006 8005 8004 8003 8002 8001 8000"), "step_started" + " complete" * 7)

    def test_new_sequences_forget_attempts(self):
        one = Knocking([Sequence("7000 8000 9000")])
        one.knocks(A, "7000 8000")
        one.matcher.set_sequences({0: Sequence("7000 8000 9000")}, ())
        self.assertEqual(one.knocks(A, "9000 7000 8000 9000"), "step_alone " + GOES_ON)

    def test_old_ports_are_forgotten(self):
        one = Knocking([Sequence("7000 8000")], [5000])
        one.matcher.set_sequences({0: Sequence("1000 2000")}, [6000])
        self.assertEqual(one.knocks(A, "7000 5000 6000 1000 2000"),
                         "other_port other_port decoy step_started complete")  # fmt: skip


class TestDecoys(unittest.TestCase):
    def setUp(self):
        self.one = Knocking([Sequence("7000 8000 9000"), Sequence("1000 2000")], [7500, 8500])

    def rest(self, source, now_ms=0):
        return self.one.knocks(source, "7000 7500 7000 8500/udp 7000 7500", now_ms)

    def test_alone_does_nothing(self):
        self.assertEqual(self.one.knocks(A, "7500 8500 7500/udp 8500/udp " * 5), ("decoy " * 20)[:-1])
        self.assertEqual(self.one.knocks(A, "7000 8000 9000"), GOES_ON)

    def test_ends_the_attempt(self):
        for decoy in ("7500", "7500/udp", "8500", "8500/udp"):
            with self.subTest(decoy):
                one = Knocking([Sequence("7000 8000 9000")], [7500, 8500])
                self.assertEqual(one.knocks(A, "7000 %s 8000 9000" % decoy),
                                 "step_started decoy_ended step_alone step_alone")  # fmt: skip
                self.assertEqual(one.knocks(A, "7000 8000 %s 9000" % decoy),
                                 "step_started step_advanced decoy_ended step_alone")  # fmt: skip

    def test_ends_all_attempts_of_the_source(self):
        self.assertEqual(self.one.knocks(A, "7000 1000 7500 8000 2000"),
                         "step_started step_started decoy_ended step_alone step_alone")  # fmt: skip

    def test_not_those_of_others(self):
        self.one.knocks(A, "7000")
        self.one.knocks(C, "7000")
        self.one.knocks(B, "7000 7500 7000 7500 7000 7500")
        self.assertEqual(self.one.knocks(A, "8000 9000"), "step_advanced complete")
        self.assertEqual(self.one.knocks(C, "8000 9000"), "step_advanced complete")

    def test_third_end_rests_the_source(self):
        self.assertEqual(self.rest(A), "step_started decoy_ended step_started decoy_ended step_started sweep")
        self.assertEqual(self.one.knocks(A, "7000 8000 9000 1000 2000", 1_000),
                         "resting step_alone step_alone resting step_alone")  # fmt: skip
        self.assertEqual(self.one.knocks(B, "7000 8000 9000", 1_000), GOES_ON)

    def test_one_step_sequences_rest_too(self):
        one = Knocking([Sequence("7000 8000"), Sequence("3000")], [7500])
        one.knocks(A, "7000 7500 7000 7500 7000 7500")
        self.assertEqual(one.knocks(A, "3000", 1_000), "resting")

    def test_for_sixty_seconds(self):
        for start in (0, MASK - 30_000, MASK):
            with self.subTest(start=start):
                self.setUp()
                self.rest(A, start)
                last = start + 500  # of its six knocks
                self.assertEqual(self.one.knocks(A, "7000", last + REST_MS - 1 & MASK), "resting")
                self.assertEqual(self.one.knocks(A, "7000 8000 9000", last + REST_MS & MASK), GOES_ON)

    def test_decoys_do_not_make_the_rest_longer(self):
        self.rest(A)
        self.one.knocks(A, "7500 8500 7500", 30_000)
        self.assertEqual(self.one.knocks(A, "7000 8000 9000", 500 + REST_MS), GOES_ON)

    def test_ends_are_held_for_a_minute_each(self):
        """Three ends, each within a minute of the one before."""
        for source, third_ms, expected in ((A, 119_998, "sweep"), (B, 119_999, "decoy_ended")):
            self.one.knocks(source, "7000 7500", 0)
            self.one.knocks(source, "7000 7500", 59_999)
            self.assertEqual(self.one.knocks(source, "7000 7500", third_ms), "step_started " + expected)

    def test_a_later_second_rest(self):
        self.rest(A)
        self.assertEqual(self.rest(A, 100_000)[-5:], "sweep")
        self.assertEqual(self.one.knocks(A, "7000", 101_000), "resting")

    def test_new_sequences_do_not_end_the_rest(self):
        self.rest(A)
        self.one.matcher.set_sequences({0: Sequence("7000 8000")}, [7500])
        self.assertEqual(self.one.knocks(A, "7000 8000", 1_000), "resting step_alone")

    def test_an_outlived_attempt_is_no_end(self):
        self.one.knocks(A, "7000", 0)
        self.assertEqual(self.one.knocks(A, "7500", 10_000), "decoy")

    def test_honest_client_that_looked_around(self):
        """It tried the protected port, twenty closed ones, and walked into decoys on the way."""
        look = "22 7500 8500 " + " ".join([str(port) for port in range(100, 2000, 90) if port != 1000])
        self.one.knocks(A, look)
        self.assertEqual(self.one.knocks(A, "7000 22 80 443 8000 8080 9000", 3_000).split()[-1], "complete")


class TestPlaces(unittest.TestCase):
    def test_the_first_place_is_one_like_others(self):
        """For an attempt, and for the note that a source swept."""
        one = Knocking([Sequence("7000 8000 9000")], [7500])
        number = 0
        while True:
            source = bytes([10, 1, number >> 8, number & 255])
            one.attempts.select(source, 0, 4)
            if one.attempts.place(0, 0) == 0:
                break
            number += 1
        one.attempts.forget_attempts()
        self.assertEqual(one.knocks(source, "7000 8000 9000"), GOES_ON)
        self.assertEqual(one.knocks(source, "7000 7500 7000 7500 7000 7500"),
                         "step_started decoy_ended step_started decoy_ended step_started sweep")  # fmt: skip
        self.assertEqual(one.knocks(source, "7000", 1_000), "resting")

    def test_what_lies_in_the_last_place_rests_nobody(self):
        one = Knocking([Sequence("7000 8000 9000")], [7500])
        one.attempts.step[ENTRIES - 1] = 3
        self.assertEqual(one.knocks(A, "7000 8000 9000"), GOES_ON)
        one.attempts.step[ENTRIES - 1] = 0


class TestFullTable(unittest.TestCase):
    def test_no_room_is_told(self):
        one = Knocking([Sequence("7000 8000 9000")])
        verdicts = set()
        for number in range(40_000):
            source = bytes([10, number >> 16, number >> 8 & 255, number & 255])
            verdicts.add(one.knock(source, 6, 7000, 0))
            verdicts.add(one.knock(source, 6, 8000, 0))
        self.assertEqual(verdicts, {verdict.STEP_STARTED, verdict.STEP_ADVANCED, verdict.TABLE_FULL, verdict.STEP_ALONE})
