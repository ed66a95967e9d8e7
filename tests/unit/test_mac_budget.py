"""The budget of MACs: the board's total, each client's share, and one chance for all packets of one that sends too many."""

import unittest

from common.numbers import Numbers
from knocklet.core.clock import MASK
from knocklet.core.mac_budget import LIMIT, WINDOW_MS, MacBudget

CHECKS = 100
FLOOD = 2000  # packets in a window: 20,000 a second
# The last whole window before the clock comes round ends a little before it does.
ROUND_MS = MASK + 1 - (MASK + 1) % WINDOW_MS


class Traffic:
    """Windows of packets. `looked_at` is that of the last one: client -> the places in the window of those that were."""

    def __init__(self, budget, start_ms=0):
        self.budget = budget
        self.start_ms = start_ms
        self.looked_at = {}

    def window(self, counts, cost=1):
        """counts: client -> how many packets; they come mixed, as evenly as can be. Returns how many checks were made."""
        self.looked_at = {client: [] for client in counts}
        loudest = max(counts.values())
        place = 0
        for i in range(loudest):
            now_ms = (self.start_ms + i * WINDOW_MS // loudest) & MASK
            for client, count in counts.items():
                if i * count // loudest != (i + 1) * count // loudest:
                    if self.budget.spend(client, now_ms, cost):
                        self.looked_at[client].append(place)
                    place += 1
        self.start_ms = (self.start_ms + WINDOW_MS) & MASK
        return cost * sum([len(places) for places in self.looked_at.values()])

    def windows(self, count, counts):
        """So many of them. Returns the sum for each client, and the most checks in one."""
        sums, most = dict.fromkeys(counts, 0), 0
        for _ in range(count):
            most = max(most, self.window(counts))
            for client in counts:
                sums[client] += len(self.looked_at[client])
        return sums, most


class TestQuiet(unittest.TestCase):
    def test_all_that_fit(self):
        """Up to the share of a window, each packet is looked at."""
        traffic = Traffic(MacBudget(CHECKS, 3, 1))
        self.assertEqual(traffic.windows(30, {0: CHECKS}), ({0: 30 * CHECKS}, CHECKS))
        self.assertEqual(traffic.windows(30, {0: 33, 1: 30, 2: 20})[0], {0: 990, 1: 900, 2: 600})

    def test_one_more(self):
        traffic = Traffic(MacBudget(CHECKS, 3, 1))
        self.assertEqual(traffic.window({0: CHECKS + 1}), CHECKS)

    def test_an_honest_client_beside_others_that_are_flooded(self):
        """Whoever keeps within his share never misses anything."""
        for others in (1, 3, 9):
            traffic = Traffic(MacBudget(CHECKS, 10, 1))
            counts = dict.fromkeys(range(1, others + 1), FLOOD // others)
            traffic.windows(2, counts)  # the first windows of a flood: nobody knows of it yet
            counts[0] = 3
            self.assertLessEqual(traffic.window(counts), CHECKS + 3)  # its share comes on top in the first one
            self.assertEqual(len(traffic.looked_at[0]), 3)
            sums, most = traffic.windows(20, counts)
            self.assertEqual(sums[0], 60)
            self.assertLessEqual(most, CHECKS)


class TestFlood(unittest.TestCase):
    def test_the_total(self):
        """Never above twice the budget, in the first windows too; then not above it."""
        for clients in (1, 2, 7, 100, 300):
            traffic = Traffic(MacBudget(CHECKS, clients, 5))
            counts = dict.fromkeys(range(clients), max(1, FLOOD // clients))
            self.assertEqual(traffic.window(counts), min(clients, 2) * CHECKS)
            most = 2 * CHECKS if clients > CHECKS else CHECKS
            self.assertLessEqual(traffic.windows(5, counts)[1], most)

    def test_each_packet_has_the_same_chance(self):
        """Wherever it stands in the window: 20,000 a second of one client's tag, of which one packet is his own."""
        budget = MacBudget(CHECKS, 1, 12_345)
        traffic = Traffic(budget)
        traffic.window({0: FLOOD})
        tenths = [0] * 10
        for _ in range(60):
            traffic.window({0: FLOOD})
            for place in traffic.looked_at[0]:
                tenths[place * 10 // FLOOD] += 1
        # 5 % of 200 in 60 windows are 600; in the last tenth a few windows have spent their share.
        for count in tenths[:9]:
            self.assertTrue(480 <= count <= 720, tenths)
        self.assertTrue(300 <= tenths[9] <= 720, tenths)

    def test_without_the_window_before_the_first_come_are_served(self):
        """What the chance is for: in the first window of a flood nothing is left for those that come late."""
        traffic = Traffic(MacBudget(CHECKS, 1, 1))
        traffic.window({0: FLOOD})
        self.assertEqual(traffic.looked_at[0], list(range(CHECKS)))

    def test_as_many_as_the_share_says(self):
        for per_window in (101, 150, 400, FLOOD, 10_000):
            traffic = Traffic(MacBudget(CHECKS, 1, 9))
            traffic.window({0: per_window})
            sums, most = traffic.windows(8, {0: per_window})
            self.assertTrue(6 * CHECKS <= sums[0] <= 8 * CHECKS, (per_window, sums))
            self.assertLessEqual(most, CHECKS)

    def test_equal_shares(self):
        """Of several that are flooded, the loudest gets no more than the others."""
        traffic = Traffic(MacBudget(CHECKS, 4, 3))
        counts = {0: 60, 1: 200, 2: 700, 3: 3000}
        traffic.windows(2, counts)
        sums, most = traffic.windows(20, counts)
        for count in sums.values():
            self.assertTrue(20 * CHECKS // 4 * 8 // 10 <= count <= 20 * CHECKS // 4, sums)
        self.assertLessEqual(most, CHECKS)

    def test_more_clients_than_checks(self):
        """Each gets one; nobody is never looked at."""
        traffic = Traffic(MacBudget(20, 50, 3))
        sums, most = traffic.windows(80, dict.fromkeys(range(50), 10))
        self.assertLessEqual(most, 40)
        self.assertGreaterEqual(min(sums.values()), 1)

    def test_a_chance_is_exact(self):
        """Of as many packets as there are numbers to draw, exactly the share."""
        traffic = Traffic(MacBudget(CHECKS, 1, 4711))
        traffic.window({0: 65_536})
        self.assertEqual(traffic.window({0: 65_536}), CHECKS)

    def test_who_keeps_within_his_share_is_left_to_no_chance(self):
        budget = MacBudget(CHECKS, 1, 4711)
        before = budget._random
        Traffic(budget).windows(5, {0: CHECKS})
        self.assertEqual(budget._random, before)

    def test_it_ends(self):
        """One window after it, all is as before."""
        traffic = Traffic(MacBudget(CHECKS, 2, 3))
        traffic.windows(5, {0: FLOOD, 1: FLOOD})
        traffic.window({0: 1})
        self.assertEqual(traffic.window({0: CHECKS}), CHECKS)

    def test_a_quiet_window_in_between(self):
        """The share is of those that were there in the window just before, and the chance is told from that alone."""
        traffic = Traffic(MacBudget(CHECKS, 2, 3))
        traffic.windows(5, {0: FLOOD, 1: FLOOD})
        traffic.start_ms += 5 * WINDOW_MS
        self.assertEqual(traffic.window({0: FLOOD}), CHECKS)
        self.assertEqual(traffic.looked_at[0], list(range(CHECKS)))

    def test_any_seed(self):
        """The numbers never stand still."""
        for seed in (0, 1, 65_534, 65_535, 65_536, 65_537, 1 << 29):
            traffic = Traffic(MacBudget(CHECKS, 1, seed))
            traffic.windows(3, {0: FLOOD})
            places = traffic.looked_at[0]
            self.assertTrue(CHECKS // 2 <= len(places) <= CHECKS and places[-1] > FLOOD // 2, (seed, places))

    def test_draws(self):
        """Each number from 1 to 65,536 once, before any comes again: the chance is exact in the long run."""
        budget = MacBudget(CHECKS, 1, 7)
        seen = bytearray(65_537)
        for _ in range(65_536):
            seen[budget._draw()] += 1
        self.assertEqual((seen[0], min(seen[1:]), max(seen)), (0, 1, 1))


class TestCost(unittest.TestCase):
    def test_of_several_checks(self):
        """Within the budget each is made; the last one may take what goes beyond it."""
        for cost, count in ((2, 50), (3, 34), (99, 2), (100, 1), (500, 1)):
            self.assertEqual(Traffic(MacBudget(CHECKS, 1, 1)).window({0: 60}, cost), cost * count)

    def test_the_total(self):
        """As long as one packet costs no more than the budget: below twice the budget, and one packet."""
        for cost in (2, 16, 50, 100):
            traffic = Traffic(MacBudget(CHECKS, 5, 5))
            for _ in range(20):
                self.assertTrue(traffic.window(dict.fromkeys(range(5), 400), cost) < 2 * CHECKS + cost)

    def test_in_the_long_run(self):
        """Packets that cost more than the whole budget do not use more of it than others."""
        for cost in (2, 16, 300):
            traffic = Traffic(MacBudget(CHECKS, 1, 77))
            traffic.window({0: 200}, cost)
            made = sum([traffic.window({0: 200}, cost) for _ in range(200)])
            self.assertTrue(200 * CHECKS // 2 <= made <= 200 * CHECKS * 5 // 4, (cost, made))

    def test_beside_others(self):
        """What one client's packets cost is taken from nobody else's share."""
        traffic = Traffic(MacBudget(CHECKS, 2, 1))
        for _ in range(20):
            for _ in range(40):
                traffic.budget.spend(0, traffic.start_ms, 16)
            self.assertEqual(traffic.window({1: 10}), 10)


class TestNumbers(unittest.TestCase):
    def test_the_clock_comes_round(self):
        """The window that is cut short there counts for itself: twice the budget at most, and what is honest is looked at."""
        for offset in (-250, -100, -1, 0):
            traffic = Traffic(MacBudget(CHECKS, 2, 1), ROUND_MS - 500 + offset)
            counts = {0: 3, 1: FLOOD}
            traffic.windows(2, counts)
            sums, most = traffic.windows(12, counts)
            self.assertTrue(traffic.start_ms < 5000)
            self.assertGreaterEqual(sums[0], 36 - 3)
            self.assertLessEqual(most, 4 * CHECKS)  # these windows lie across two of the budget's

    def test_the_number_of_the_window_comes_round(self):
        for client in (0, 1):
            traffic = Traffic(MacBudget(CHECKS, 2, 1), 65_536 * WINDOW_MS - 5 * WINDOW_MS)
            traffic.windows(5, {client: FLOOD})
            self.assertTrue(traffic.windows(5, {client: FLOOD})[1] <= CHECKS)
            self.assertTrue(traffic.looked_at[client][-1] > FLOOD // 2)

    def test_long_ago(self):
        """Windows are numbered anew after two hours: what was seen then in one of a higher number says nothing now."""
        traffic = Traffic(MacBudget(CHECKS, 2, 1), 60_000 * WINDOW_MS)
        traffic.windows(3, {0: FLOOD})
        traffic.start_ms = (65_536 + 5) * WINDOW_MS
        self.assertEqual(traffic.window({0: FLOOD}), CHECKS)
        self.assertEqual(traffic.looked_at[0], list(range(CHECKS)))

    def test_where_the_clock_comes_round_nothing_went_before(self):
        traffic = Traffic(MacBudget(CHECKS, 3, 1), ROUND_MS - 200)
        traffic.windows(2, {0: FLOOD, 1: FLOOD})
        traffic.start_ms = 0
        self.assertEqual(traffic.window({2: CHECKS}), CHECKS)

    def test_the_first_windows(self):
        """What the tables begin with is not taken for a client seen before."""
        for start_ms in (0, WINDOW_MS, 65_536 * WINDOW_MS, 65_535 * WINDOW_MS):
            self.assertEqual(Traffic(MacBudget(CHECKS, 2, 1), start_ms).window({0: 60, 1: 40}), CHECKS)

    def test_least_and_most(self):
        for asked, made in ((0, 1), (-5, 1), (1, 1), (LIMIT, LIMIT), (LIMIT + 1, LIMIT), (1 << 29, LIMIT)):
            self.assertEqual(Traffic(MacBudget(asked, 1, 1)).window({0: LIMIT + 100}), made)

    def test_the_largest(self):
        """A budget, a flood and a cost as large as they can be: all of it stays within its arrays."""
        budget = MacBudget(LIMIT, 514, 1)
        for window in range(4):
            for i in range(2000):
                budget.spend(i & 1, window * WINDOW_MS, 512)
        self.assertEqual(max(budget._seen), 16 * LIMIT)
        below = Numbers(1).below
        for _ in range(2000):
            budget.spend(below(514), below(1 << 20), 1 + below(512))


if __name__ == "__main__":
    unittest.main()
