"""Which grants a new policy takes away: who cannot open a service any more, or by another key only, is out of it at once."""

import unittest

from common.clients import client, service
from common.packets import SOURCE4
from knocklet.core.grants import RESTORED, Grants
from knocklet.core.rights import Rights

SSH, CAMERA = service(1, 22), service(2, 8080)


class Policy:
    def __init__(self, clients=(), sequences=()):
        self.clients = clients
        self.sequences = sequences


class Sequence:
    def __init__(self, name, services, steps=((6, 7000), (6, 8000)), opens=True):
        self.name = name
        self.services = services
        self.steps = list(steps)
        self.opens = opens


class Base(unittest.TestCase):
    def setUp(self):
        self.grants = Grants()
        self.rights = Rights()
        self.alice, self.bob = client(1, [SSH]), client(2, [SSH, CAMERA])

    def lost(self, clients=(), sequences=()):
        """Who loses which services."""
        return [(one.client, one.service.index) for one in self.rights.lost(Policy(clients, sequences), self.grants.live)]

    def put(self, name, *services):
        for what in services:
            self.grants.put(what, SOURCE4, name, 0)


class TestClients(Base):
    def setUp(self):
        Base.setUp(self)
        self.lost([self.alice, self.bob])
        self.put(self.alice.name, SSH)
        self.put(self.bob.name, SSH, CAMERA)

    def test_nothing_is_lost(self):
        self.assertEqual(self.lost([self.bob, self.alice]), [])
        self.alice.services.append(CAMERA)
        self.assertEqual(self.lost([self.alice, self.bob]), [])

    def test_a_client_that_is_gone(self):
        self.assertEqual(self.lost([self.bob]), [(self.alice.name, 1)])

    def test_a_service_less(self):
        self.assertEqual(self.lost([self.alice, client(2, [CAMERA])]), [(self.bob.name, 1)])

    def test_each_policy_counts_from_the_one_before(self):
        self.lost([self.bob])
        self.assertEqual(self.lost([self.alice, self.bob]), [])
        self.assertEqual(self.lost([self.alice]), [(self.bob.name, 1), (self.bob.name, 2)])

    def test_the_service_goes_by_its_index(self):
        self.assertEqual(self.lost([self.alice, client(2, [service(1, 2222), service(2, 8081)])]), [])

    def test_another_key(self):
        other = client(9, [SSH])
        other.name = self.alice.name
        self.assertEqual(self.lost([other, self.bob]), [(self.alice.name, 1)])

    def test_another_kind_beside_it(self):
        """Nor does a kind that is gone where the key stays; the key of a kind that is gone does."""
        self.alice.fwknop_fingerprint = b"fwknopfp"
        for kinds in (["spa", "otp", "fwknop"], ["spa", "fwknop"]):
            self.alice.kinds = kinds
            self.assertEqual(self.lost([self.alice, self.bob]), [])
        self.alice.fwknop_fingerprint = None
        self.assertEqual(self.lost([self.alice, self.bob]), [(self.alice.name, 1)])

    def test_grants_of_others(self):
        """The owner's own, by no client's right."""
        self.put("(owner)", SSH)
        self.assertEqual([name for name, _ in self.lost()], [self.alice.name, self.bob.name, self.bob.name])


class TestSequences(Base):
    def setUp(self):
        Base.setUp(self)
        self.lost([], [Sequence("front", [SSH, CAMERA]), Sequence("back", [SSH])])
        self.put("front", SSH, CAMERA)

    def test_lost(self):
        for sequences, lost in (
            ([Sequence("front", [SSH, CAMERA])], []),
            ([Sequence("front", [CAMERA])], [("front", 1)]),
            ([Sequence("back", [SSH, CAMERA])], [("front", 1), ("front", 2)]),
            ([Sequence("front", [SSH, CAMERA], ((6, 7000), (6, 8001)))], [("front", 1), ("front", 2)]),
            ([Sequence("front", [SSH, CAMERA], opens=False)], [("front", 1), ("front", 2)]),
        ):
            self.setUp()
            self.assertEqual(self.lost([], sequences), lost)

    def test_one_that_closes_gives_no_right(self):
        self.lost([], [Sequence("shut", [SSH], opens=False)])
        self.put("shut", SSH)
        self.assertEqual(("shut", 1) in self.lost(), False)


class TestRestored(Base):
    """Whose a grant was that the kernel held over a restart is not known: what nobody has lost stays."""

    def setUp(self):
        Base.setUp(self)
        self.lost([self.alice, self.bob])
        for what in (SSH, CAMERA):
            self.grants.adopt(what, SOURCE4, 1000, 0, 0)

    def test_somebody_has_lost_it(self):
        self.assertEqual(self.lost([self.bob]), [(RESTORED, 1)])  # though bob still can

    def test_by_another_key(self):
        self.assertEqual(self.lost([self.alice, client(2, [SSH, CAMERA], keys=client(3).keys)]), [(RESTORED, 1), (RESTORED, 2)])

    def test_at_the_start(self):
        """Nothing is known of a policy before."""
        self.rights = Rights()
        self.assertEqual(self.lost([]), [])


if __name__ == "__main__":
    unittest.main()
