"""Who is in, until when, and what the kernel's entry should have."""

import unittest

from knocklet.core.clock import MASK
from knocklet.core.grants import LIMIT, RESTORED, Grants
from knocklet.wire.names import is_name

A = bytes([198, 51, 100, 2])
B = b"\x20\x01" + bytes(13) + b"\1"
DAY_MS = 86_400_000


class Service:
    def __init__(self, index, ttl_s=30, idle_s=0, max_s=0):
        self.index, self.ttl_s, self.idle_s, self.max_s = index, ttl_s, idle_s, max_s

    def life_s(self, wanted_s=0):
        life_s = self.idle_s or self.ttl_s
        return (min(life_s, wanted_s), min(self.max_s, wanted_s)) if wanted_s else (life_s, self.max_s)


SSH = Service(1)
CAMERA = Service(2, 0, 20, 120)
NOW = (0, 5, MASK - 20_000, MASK)  # across the wrap of the clock


class TestGrants(unittest.TestCase):
    def setUp(self):
        self.grants = Grants()

    def test_put_and_end(self):
        for now in NOW:
            with self.subTest(now=now):
                grants = Grants()
                self.assertEqual(grants.next_ms(now), -1)
                grant, new = grants.put(SSH, A, "front", now)
                self.assertTrue(new)
                self.assertEqual((grant.service, grant.address, grant.client), (SSH, A, "front"))
                self.assertEqual(grant.since_ms, now)
                self.assertEqual(grant.key(), (1, A))
                self.assertEqual(grants.next_ms(now), 30_000)
                self.assertEqual(grants.next_ms(now + 29_999 & MASK), 1)
                self.assertEqual(grants.due(now + 29_999 & MASK), [])
                self.assertEqual(grants.due(now + 30_000 & MASK), [grant])
                self.assertEqual(grants.next_ms(now + 31_000 & MASK), 0)
                self.assertTrue(grants.end(grant))
                self.assertEqual(grants.live, [])

    def test_renewed(self):
        """Knocking again sets the new end, for the same grant."""
        first, _ = self.grants.put(SSH, A, "front", 0)
        again, new = self.grants.put(SSH, A, "front", 20_000)
        self.assertIs(again, first)
        self.assertFalse(new)
        self.assertEqual(first.since_ms, 0)
        self.assertEqual(self.grants.due(49_999), [])
        self.assertEqual(self.grants.due(50_000), [first])
        self.assertEqual(len(self.grants.live), 1)

    def test_each_service_address_and_client_its_own(self):
        made = [
            self.grants.put(service, address, client, 0)[0]
            for service in (SSH, CAMERA) for address in (A, B) for client in ("front", "back")
        ]  # fmt: skip
        self.assertEqual(len(self.grants.live), 8)
        for grant in made:
            self.assertIs(self.grants.find(grant.service, grant.address, grant.client), grant)
        self.assertIsNone(self.grants.find(SSH, bytes(4), "front"))

    def test_two_clients_behind_one_address(self):
        """The entry lives as long as the latest, and goes with the last one."""
        one, _ = self.grants.put(SSH, A, "front", 0)
        two, _ = self.grants.put(SSH, A, "back", 10_000)
        self.assertEqual(self.grants.of_entry((1, A)), [one, two])
        self.assertEqual(self.grants.entry_left((1, A), 10_000)[0], 30_000)
        self.assertEqual(self.grants.entry_left((1, A), 10_000, but=two)[0], 20_000)
        self.assertEqual(self.grants.next_ms(10_000), 20_000)
        self.assertEqual(self.grants.due(30_000), [one])
        self.assertFalse(self.grants.end(one))
        self.assertEqual(self.grants.entry_left((1, A), 30_000)[0], 10_000)
        self.assertTrue(self.grants.end(two))

    def test_idle_and_max(self):
        for now in NOW:
            with self.subTest(now=now):
                grants = Grants()
                grants.put(CAMERA, A, "front", now)
                self.assertEqual(grants.entry_left((2, A), now), (20_000, 120_000))
                self.assertEqual(grants.entry_left((2, A), now + 50_000 & MASK), (0, 70_000))
                self.assertEqual(grants.entry_left((2, A), now + 130_000 & MASK), (0, 0))

    def test_entry_left_of_nobody(self):
        self.assertEqual(self.grants.entry_left((1, A), 0), (0, 0))

    def test_adopted(self):
        """Found in the kernel at start; the client whose grant it was takes it over with the next knock."""
        grant = self.grants.adopt(CAMERA, B, 5_000, 60_000, MASK - 1_000)
        self.assertEqual(grant.client, RESTORED)
        self.assertEqual(self.grants.entry_left((2, B), MASK - 1_000), (5_000, 60_000))
        taken, new = self.grants.put(CAMERA, B, "front", 0)
        self.assertIs(taken, grant)
        self.assertTrue(new)
        self.assertEqual((grant.client, grant.since_ms), ("front", 0))
        self.assertEqual(self.grants.live, [grant])
        self.assertEqual(self.grants.entry_left((2, B), 0), (20_000, 120_000))

    def test_an_adopted_one_has_no_name_of_a_sequence(self):
        self.assertFalse(is_name(RESTORED))

    def test_the_longest_day(self):
        day = Service(3, 86_400)
        for now in NOW:
            grants = Grants()
            grants.put(day, A, "front", now)
            self.assertEqual(grants.next_ms(now), DAY_MS)
            self.assertEqual(grants.due(now + DAY_MS - 1 & MASK), [])
            self.assertEqual(len(grants.due(now + DAY_MS & MASK)), 1)

    def test_limit(self):
        for number in range(LIMIT):
            self.assertFalse(self.grants.full())
            self.grants.put(SSH, bytes([10, 0, number >> 8, number & 255]), "front", 0)
        self.assertTrue(self.grants.full())
        self.grants.end(self.grants.live[7])
        self.assertFalse(self.grants.full())
