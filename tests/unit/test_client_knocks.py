"""Clients with keys as a whole: what is right now, one-time sequences up to the doors, and what is told of store and clock."""

import unittest

from common import without_ffi  # noqa: F401  (before the next ones)
from common.accepting import Clock, Doors, Events, Store
from common.clients import MINUTE_US, NOW_US, SLOT, client, packet, service
from common.packets import SOURCE4, SOURCE6
from knocklet.core import spa, verdict
from knocklet.core.otp import SLOT_US
from knocklet.core.policy import OtpSettings as Settings
from knocklet.core.replay_records import HIGHEST
from knocklet.edge import client_knocks
from knocklet.edge.client_knocks import BATTERY, ClientKnocks

SSH, CAMERA = service(1, 22), service(2, 8080)
OTHER = bytes([203, 0, 113, 9])
OTP_SLOT = NOW_US // SLOT_US
S = 1_000_000


class Loop:
    def __init__(self):
        self.sooner_in = []

    def timer(self, function):
        return function

    def sooner(self, function, now_ms, wait_ms):
        self.sooner_in.append((function, now_ms, wait_ms))


class WallClock(Clock):
    """As the edge's, set by hand; it notes how it was made and whether it runs."""

    def __init__(self, flags, battery, changed):
        Clock.__init__(self)
        self.flags, self.battery, self.changed = flags, battery, changed
        self.runs = False

    def start(self):
        self.runs = True

    def stop(self):
        self.runs = False


class Policy:
    def __init__(self, clients, spa_port=62201):
        self.clients = clients
        self.spa_port = spa_port
        self.fwknop_port = 0
        self.otp = Settings()
        self.otp.protocol, self.otp.count, self.otp.low, self.otp.high, self.otp.window_ms = 6, 6, 20000, 59999, 10_000
        self.otp.pairs = [(one, what) for one in clients if "otp" in one.kinds for what in one.services]


class Base(unittest.TestCase):
    def setUp(self):
        self.done = []
        self.loop = Loop()
        self.changes = []
        self.given = None
        self.alice, self.bob = client(1, [SSH]), client(2, [SSH, CAMERA])
        self.make()

    def make(self, clock="/a-flag"):
        """The parts that touch the world are replaced for the constructor, and put back at once."""
        before = client_knocks.ReplayStore, client_knocks.WallClock, client_knocks.mac_speed
        client_knocks.ReplayStore = self.make_store
        client_knocks.WallClock = lambda loop, flags, battery, changed: WallClock(flags, battery, changed)
        client_knocks.mac_speed = self
        doors, events = Doors(self.done), Events(self.done)
        try:
            self.knocks = ClientKnocks(("/state", "/run", clock), self.loop, doors, doors, events, self.changes.append, 1)
        finally:
            client_knocks.ReplayStore, client_knocks.WallClock, client_knocks.mac_speed = before
        self.doors, self.store, self.clock = doors, self.knocks.store, self.knocks.clock

    def make_store(self, *directories):
        self.given = directories
        return Store(self.done)

    def checks(self):
        return 100

    def apply(self, clients=None, now_ms=0):
        self.knocks.apply(Policy([self.alice, self.bob] if clients is None else clients), now_ms)
        self.knocks.tell(now_ms)

    def events(self):
        """The events that were told since the last time."""
        told = [one for one in self.done if one[0] not in ("store", "keep", "open", "renew", "close", "noise")]
        self.done.clear()
        return told

    def at(self, now_us):
        """The clock on the wall says so."""
        self.clock.time_us = now_us
        self.clock.changed(7)


class TestApply(Base):
    def test_where_things_are(self):
        self.assertEqual(self.given, ("/state", "/run"))
        self.assertEqual((self.clock.flags, self.clock.battery), (("/a-flag", "/run/ntp"), False))
        self.make("zflag")
        self.assertEqual((self.clock.flags, self.clock.battery), (("zflag", "/run/ntp"), False))
        self.make(BATTERY)
        self.assertEqual((self.clock.flags, self.clock.battery), ((), True))

    def test_ports_of_signed_packets(self):
        self.apply()
        self.assertTrue(self.knocks.signed.takes(62201))

    def test_what_is_kept_of_whom(self):
        self.alice.kinds = ["spa"]
        self.bob.kinds = ["otp"]
        self.bob.fwknop, self.bob.fwknop_fingerprint = object(), b"fwknopfp"
        self.apply()
        self.assertEqual(self.done[0], ("keep", [
            (self.alice.fingerprint, 0), (b"fwknopfp", 0), (self.bob.fingerprint, 1), (self.bob.fingerprint, 2),
        ]))  # fmt: skip
        self.assertEqual(self.knocks.gate.clients, [self.alice])
        self.assertEqual({one.client.name for one in self.knocks.sequences.values()}, {self.bob.name})

    def test_without_clients(self):
        """Nobody wants the clock; but the owner's sealed messages do, where there can be any."""
        self.apply()
        self.assertTrue(self.clock.runs)
        self.apply([])
        self.assertFalse(self.clock.runs)
        self.assertEqual(self.knocks.sequences, {})
        self.knocks.keep_always([(b"gateways", 1)])
        self.apply([])
        self.assertTrue(self.clock.runs)

    def test_kept_always(self):
        self.knocks.keep_always([(b"gateways", 1)])
        for clients in ([self.alice], []):
            self.apply(clients)
            kept = [one[1] for one in self.done if one[0] == "keep"][-1]
            self.assertEqual(kept[-1], (b"gateways", 1))

    def test_rates_of_those_that_are_gone_are_forgotten(self):
        self.apply()
        for one in (self.alice, self.bob):
            self.knocks._admission.in_time(one.fingerprint, 0)
        self.apply([self.bob])
        self.assertEqual(list(self.knocks._admission._buckets), [self.bob.fingerprint])


class TestTime(Base):
    def test_what_is_right_now(self):
        self.apply()
        self.assertEqual([table.slot for table in self.knocks.gate.tables], [SLOT - 1, SLOT, SLOT + 1])
        self.assertEqual({one.slot for one in self.knocks.sequences.values()}, {OTP_SLOT - 1, OTP_SLOT, OTP_SLOT + 1})

    def test_told_when_it_changes(self):
        self.apply()
        self.assertEqual(self.changes, [])  # who applies a policy knows
        minute_us = (SLOT + 1) * MINUTE_US
        for now_us, changes, slot in (
            (minute_us - 1, 0, SLOT), (minute_us, 1, SLOT + 1), (minute_us + SLOT_US - 1, 1, SLOT + 1),
            (minute_us + SLOT_US, 2, SLOT + 1), (minute_us + 2 * SLOT_US, 3, SLOT + 2),
        ):  # fmt: skip
            self.at(now_us)
            self.assertEqual(self.changes, [7] * changes)
            self.assertEqual([table.slot for table in self.knocks.gate.tables], [slot - 1, slot, slot + 1])
            middle = now_us // SLOT_US
            self.assertEqual({one.slot for one in self.knocks.sequences.values()}, {middle - 1, middle, middle + 1})

    def test_told_for_tags_alone_and_for_ports_alone(self):
        for kind in ("spa", "otp"):
            self.setUp()
            self.alice.kinds = self.bob.kinds = [kind]
            self.apply()
            self.at(SLOT * MINUTE_US + MINUTE_US)
            self.assertEqual(self.changes, [7])

    def test_not_trusted(self):
        self.clock.trusted = False
        self.apply()
        self.assertEqual((self.knocks.gate.trusted, self.knocks.sequences), (False, {}))
        self.clock.trusted = True
        self.at(NOW_US)
        self.assertTrue(self.knocks.gate.trusted and self.knocks.sequences)
        self.clock.trusted = False
        self.at(NOW_US)
        self.assertEqual((self.knocks.gate.trusted, self.knocks.sequences), (False, {}))
        self.assertEqual(self.changes, [7, 7])

    def test_trust_is_told_when_it_changes(self):
        self.clock.trusted = False
        self.apply()
        self.assertEqual(self.events(), [("clock_untrusted", {})])
        self.apply()
        self.at(NOW_US)
        self.assertEqual(self.events(), [])
        self.clock.trusted = True
        self.at(NOW_US)
        self.assertEqual(self.events(), [("clock_trusted", {})])
        self.at(NOW_US + SLOT_US)
        self.assertEqual(self.events(), [])

    def test_blocks_of_the_filter(self):
        self.apply()
        self.assertEqual([name for name, _ in self.knocks.spa_blocks()], ["tags", "slots"])
        before = self.knocks._blocks
        self.at(SLOT * MINUTE_US + MINUTE_US)
        self.knocks.spa_blocks()
        self.assertEqual(sorted(self.knocks._blocks), [SLOT, SLOT + 1, SLOT + 2])
        for slot in (SLOT, SLOT + 1):
            self.assertIs(self.knocks._blocks[slot], before[slot])  # made once
        self.apply([self.bob])  # of other clients, others
        self.knocks.spa_blocks()
        self.assertNotEqual(self.knocks._blocks[SLOT + 1], before[SLOT + 1])
        self.clock.trusted = False
        self.at(NOW_US)
        self.assertEqual([name[:3] for name, _ in self.knocks.spa_blocks()], ["any"])


class TestStore(Base):
    def test_made_anew_when_the_clock_was_ahead(self):
        """Nothing opens, and of each knock the owner hears that it was sent again: so he is told what is wrong, once."""
        self.store.floor_us = NOW_US + 3600 * S
        self.apply()
        told = ("store_failed", {"reason": "what was used: made anew when the clock was ahead: all is refused until then"})
        self.assertEqual(self.events(), [("clock_trusted", {}), told])
        self.at(NOW_US + S)
        self.assertEqual(self.events(), [])
        self.at(self.store.floor_us - 100 * S)
        self.at(NOW_US)
        self.assertEqual(self.events(), [told])
        self.clock.trusted = False
        self.at(NOW_US)
        self.assertEqual(self.events(), [("clock_untrusted", {})])

    def test_ahead_by_what_any_packet_may_be(self):
        for ahead_us, told in ((client_knocks.FWKNOP_WINDOW_US, 0), (client_knocks.FWKNOP_WINDOW_US + 1, 1)):
            self.setUp()
            self.store.floor_us = NOW_US + ahead_us
            self.apply()
            self.assertEqual(len([one for one in self.events() if one[0] == "store_failed"]), told)

    def test_made_anew(self):
        """Until the clock is trusted nothing is known of what was used before."""
        self.store.floor_us, self.store.made_anew = None, "there was none"
        self.clock.trusted = False
        self.apply()
        self.assertEqual(self.events(), [
            ("store_failed", {"reason": "what was used: made anew: there was none"}), ("clock_untrusted", {}),
        ])  # fmt: skip
        self.assertIsNone(self.store.floor_us)
        self.clock.trusted = True
        self.at(NOW_US)
        self.assertEqual(self.store.floor_us, NOW_US)
        self.at(NOW_US + S)
        self.assertEqual(self.store.floor_us, NOW_US)

    def test_not_made_anew(self):
        self.store.made_anew = "long ago, and the floor is known"
        self.apply()
        self.assertEqual(self.events(), [("clock_trusted", {})])

    def test_the_second_copy_is_settled(self):
        self.apply()
        self.assertTrue(self.knocks.stored(b"fingerpr", 0, 1, 55))
        self.assertEqual([(now_ms, wait_ms) for _, now_ms, wait_ms in self.loop.sooner_in], [(55, client_knocks.SETTLE_MS)])

    def test_failing_is_told_once(self):
        self.apply()
        self.events()
        for writes, told in ((True, 0), (False, 1), (False, 0), (False, 0), (True, 0), (True, 0), (False, 1), (False, 0)):
            self.store.writes = writes
            self.assertEqual(self.knocks.stored(b"fingerpr", 0, 1, 0), writes)
            events = self.events()
            self.assertEqual(events, [("store_failed", {"reason": "what was used: cannot be written"})] * told)
        self.assertEqual(len(self.loop.sooner_in), 3)

    def test_signed_packets_are_stored_there(self):
        self.apply()
        self.done.clear()
        request = spa.read(self.alice, packet(self.alice), SOURCE4)[1]
        self.knocks.signed._admit(self.alice.fingerprint, request, SOURCE4, 60 * S, 0)
        self.assertEqual([one[0] for one in self.done], ["store", "open"])
        self.assertEqual(self.store.last(self.alice.fingerprint, 0), NOW_US)


class TestOneTime(Base):
    def setUp(self):
        Base.setUp(self)
        self.apply()
        self.done.clear()

    def knock(self, slot=OTP_SLOT, one=None, what=SSH, source=SOURCE4):
        """The verdict's name, and what was done."""
        client_name = (one or self.alice).name
        for sequence in self.knocks.sequences.values():
            if (sequence.name, sequence.services[0], sequence.slot) == (client_name, what, slot):
                kind = self.knocks.one_time(sequence, source, 0)
        words = " ".join([one[0] for one in self.done])
        self.done.clear()
        return verdict.NAMES[kind], words

    def test_stored_then_opened(self):
        for sequence in self.knocks.sequences.values():
            if (sequence.name, sequence.slot) == (self.alice.name, OTP_SLOT):
                self.assertEqual(self.knocks.one_time(sequence, OTHER, 0), verdict.COMPLETE)
        self.assertEqual(self.done, [("store", 1, OTP_SLOT), ("open", 1, OTHER, self.alice.name, 0)])

    def test_each_slot_once(self):
        self.assertEqual(self.knock(), ("complete", "store open"))
        self.assertEqual(self.knock(), ("otp_used", ""))
        self.assertEqual(self.knock(source=OTHER), ("otp_used", ""))
        self.assertEqual(self.knock(OTP_SLOT - 1), ("otp_used", ""))  # nor an earlier one
        self.assertEqual(self.knock(OTP_SLOT + 1), ("complete", "store open"))

    def test_each_pair_by_itself(self):
        for one, what in ((self.alice, SSH), (self.bob, SSH), (self.bob, CAMERA)):
            self.assertEqual(self.knock(one=one, what=what), ("complete", "store open"))
            self.assertEqual(self.knock(one=one, what=what), ("otp_used", ""))

    def test_stamps_are_another_thing(self):
        self.store.store(self.alice.fingerprint, 0, NOW_US)
        self.done.clear()
        self.assertEqual(self.knock(), ("complete", "store open"))

    def test_revoked(self):
        """Also by ports that were right already when that was stored; others' still are."""
        self.store.store(self.alice.fingerprint, 0, HIGHEST)
        self.done.clear()
        self.assertEqual(self.knock(), ("not_allowed", ""))
        self.assertEqual(self.knock(one=self.bob), ("complete", "store open"))

    def test_not_stored_not_opened(self):
        self.store.writes = False
        self.assertEqual(self.knock(), ("not_stored", "store store_failed noise refused"))
        self.assertEqual(self.knock(), ("otp_used", ""))  # for this start it is used
        self.store.writes = True
        self.assertEqual(self.knock(OTP_SLOT + 1), ("complete", "store open"))

    def test_clock_not_trusted(self):
        """A sequence that was knocked in the moment when trust ended."""
        self.clock.trusted = False
        self.assertEqual(self.knock(), ("clock_not_trusted", ""))
        self.clock.trusted, self.store.floor_us = True, None
        self.assertEqual(self.knock(), ("clock_not_trusted", ""))

    def test_after_the_floor(self):
        """A slot that could be used before the store was made anew may have been."""
        for slot in (OTP_SLOT - 1, OTP_SLOT, OTP_SLOT + 1):
            self.store.used.clear()
            began_us = (slot - 1) * SLOT_US  # valid one slot early
            self.store.floor_us = began_us
            self.assertEqual(self.knock(slot), ("otp_used", ""))
            self.store.floor_us = began_us - 1
            self.assertEqual(self.knock(slot), ("complete", "store open"))

    def test_a_family_that_the_service_has_not(self):
        """Nothing is used up: the same knock over the other family, as browsers send it, opens."""
        for families, right, wrong in (((4,), SOURCE4, SOURCE6), ((6,), SOURCE6, SOURCE4)):
            self.setUp()
            link = service(1, 22)
            link.families = families
            self.alice.services = [link]
            self.apply()
            self.done.clear()
            self.assertEqual(self.knock(what=link, source=wrong), ("not_allowed", ""))
            self.assertEqual(self.knock(what=link, source=right), ("complete", "store open"))

    def test_too_many_grants(self):
        for number in range(8):
            self.doors.grants.put(SSH, bytes([10, 0, 0, number]), self.alice.name, 0)
        self.assertEqual(self.knock(), ("too_many_grants", "noise refused"))
        self.doors.grants.end(self.doors.grants.live[0])
        self.assertEqual(self.knock(), ("complete", "store open"))

    def test_a_firewall_that_refuses(self):
        """The doors tell that; the slot is used all the same."""
        self.doors.opens = False
        self.assertEqual(self.knock(), ("complete", "store open"))
        self.assertEqual(self.knock(), ("otp_used", ""))


class TestStatus(Base):
    def test_good(self):
        self.apply()
        self.assertEqual(self.knocks.status(), {
            "clock": "trusted", "store": "good", "one_time_sequences": 9, "mac_checks_per_s": 1000,
        })  # fmt: skip

    def test_not_good(self):
        self.clock.trusted, self.store.failing = False, True
        self.apply()
        self.assertEqual(self.knocks.status()["clock"][:11], "not trusted")
        self.assertEqual(self.knocks.status()["store"][:14], "cannot be writ")
        self.store.floor_us = None
        self.assertEqual(self.knocks.status()["store"][:9], "made anew")


if __name__ == "__main__":
    unittest.main()
