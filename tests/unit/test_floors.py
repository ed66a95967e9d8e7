"""What outlives every configuration: versions, whether it is armed, and revoked keys; each by itself, and none goes back."""

import unittest

from common.accepting import Store
from common.gateway import Clients
from knocklet.core.admission import STAMPS
from knocklet.edge import floors
from knocklet.edge.floors import Floors
from knocklet.wire.keys import gateway_id
from knocklet.wire.sealed import COMMAND, CONFIG

HIGHEST = 1 << 62


class TestFloors(unittest.TestCase):
    def setUp(self):
        self.store = Store([])
        self.clients = Clients(self.store)
        self.floors = Floors(self.clients, "home")

    def test_each_kind_has_its_own(self):
        self.assertEqual((self.floors.last(CONFIG), self.floors.last(COMMAND)), (0, 0))
        self.assertTrue(self.floors.remember(CONFIG, 9, 0))
        self.assertTrue(self.floors.remember(COMMAND, 5, 0))
        self.assertEqual((self.floors.last(CONFIG), self.floors.last(COMMAND)), (9, 5))
        self.assertTrue(self.floors.armed())

    def test_each_gateway_has_its_own(self):
        self.floors.remember(CONFIG, 9, 0)
        self.assertEqual(Floors(self.clients, "office").last(CONFIG), 0)
        self.assertEqual(Floors(self.clients, "home").last(CONFIG), 9)

    def test_it_does_not_go_back(self):
        for version in (9, 3):
            self.floors.remember(CONFIG, version, 0)
        self.assertEqual(self.floors.last(CONFIG), 9)

    def test_armed(self):
        """The later one of the two commands, in whatever order they are stored."""
        self.assertTrue(self.floors.armed())
        for armed, version, is_armed in (
            (False, 5, False), (True, 4, False), (True, 6, True), (False, 6, True), (False, 7, False),
        ):  # fmt: skip
            self.assertTrue(self.floors.arm(armed, version, 0))
            self.assertEqual(self.floors.armed(), is_armed)
            self.assertEqual(Floors(self.clients, "home").armed(), is_armed)
        self.assertEqual((self.floors.last(CONFIG), self.floors.last(COMMAND)), (0, 0))

    def test_armed_and_not_stored(self):
        """Memory has it, and may reach storage later: a restart must not arm what its owner was told is not armed."""
        self.assertTrue(self.floors.arm(False, 5, 0))
        self.store.writes = False
        self.assertFalse(self.floors.arm(True, 6, 0))
        self.store.writes = True
        for one in (self.floors, Floors(self.clients, "home")):
            self.assertFalse(one.armed())
        self.assertTrue(self.floors.arm(True, self.floors.next_version(6), 0))
        self.assertTrue(self.floors.armed())

    def test_whether_it_is_on_storage(self):
        self.store.writes = False
        self.assertFalse(self.floors.remember(CONFIG, 9, 0))
        self.assertFalse(self.floors.arm(False, 9, 0))
        self.assertFalse(floors.revoke(self.clients, b"fingerpr", 0))

    def test_their_records_never_give_way(self):
        one = gateway_id("home")[:8]
        self.assertEqual(sorted(self.clients.always), [(one, 1), (one, 2), (one, 3), (one, 4)])
        for change in (lambda: self.floors.remember(CONFIG, 1, 0), lambda: self.floors.remember(COMMAND, 1, 0),
                       lambda: self.floors.arm(True, 1, 0), lambda: self.floors.arm(False, 1, 0)):  # fmt: skip
            change()
        self.assertEqual(sorted(self.store.used), sorted(self.clients.always))


class TestRevoked(unittest.TestCase):
    def test_for_ever(self):
        store = Store([])
        clients = Clients(store)
        store.store(b"fingerpr", STAMPS, HIGHEST - 1)
        self.assertFalse(floors.is_revoked(store, b"fingerpr"))
        self.assertTrue(floors.revoke(clients, b"fingerpr", 0))
        self.assertTrue(floors.is_revoked(store, b"fingerpr"))
        store.store(b"fingerpr", STAMPS, 5)
        self.assertTrue(floors.is_revoked(store, b"fingerpr"))
        self.assertFalse(floors.is_revoked(store, b"another."))


if __name__ == "__main__":
    unittest.main()
