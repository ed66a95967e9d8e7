"""From a datagram to the doors: in which order, what is stored first, and what is told to whom."""

import unittest

from common import ciphers, fwknop
from common.accepting import FWKNOP_PORT, SPA_PORT, Accepting
from common.clients import CLOSE, NOW_US, OPEN, RENEW, client, packet, service
from common.packets import SOURCE4, SOURCE6
from knocklet.core import verdict
from knocklet.core.fwknop import Fwknop
from knocklet.core.summary import REFUSED, REPLAYED

SSH, CAMERA = service(1, 22), service(2, 8080)
OTHER = bytes([203, 0, 113, 9])
ALICE = client(1, [SSH])
BOB = client(2, [SSH, CAMERA], "any")
CAROL = fwknop.client("carol", [SSH, CAMERA])
CAROL.source, CAROL.issued_us, CAROL.fwknop_fingerprint = "packet", 0, b"carol..."
STAMP_S = NOW_US // 1_000_000


class Policy:
    spa_port, fwknop_port, clients = 7, 0, [CAROL]


def fwknop_packet(message=b"0.0.0.0,tcp/22", stamp=STAMP_S, salt=b"saltsalt", kind=1):
    return fwknop.packet(CAROL.fwknop, fwknop.padded(fwknop.sealed(fwknop.fields(kind, message, stamp=stamp))), salt)


class Base(unittest.TestCase):
    def setUp(self):
        self.one = Accepting([ALICE, BOB])

    def sent(self, data, expected, done=None, **where):
        """Its verdict, and what was done."""
        found = self.one.send(data, **where)
        self.assertEqual(verdict.NAMES[found], expected)
        if done is not None:
            self.assertEqual(self.one.what(), done)


class TestSpa(Base):
    def test_opened(self):
        self.assertEqual(self.one.send(packet(ALICE, ttl_s=7)), verdict.ACCEPTED)
        self.assertEqual(self.one.done, [("store", 0, NOW_US), ("open", 1, SOURCE4, ALICE.name, 7)])

    def test_ipv6(self):
        self.assertEqual(self.one.send(packet(ALICE), SOURCE6), verdict.ACCEPTED)
        self.assertEqual(self.one.done[-1], ("open", 1, SOURCE6, ALICE.name, 0))

    def test_for_a_stated_address(self):
        self.assertEqual(self.one.send(packet(BOB, service=2, source=bytes(10) + b"\xff\xff" + OTHER)), verdict.ACCEPTED)
        self.assertEqual(self.one.done[-1], ("open", 2, OTHER, BOB.name, 0))

    def test_once(self):
        self.sent(packet(ALICE), "accepted", "store open")
        self.sent(packet(ALICE), "replayed", "noise replayed")

    def test_each_refusal_stores_and_opens_nothing(self):
        mac = bytearray(packet(ALICE))
        mac[87] ^= 1
        for expected, data in (
            ("wrong_length", packet(ALICE)[:-1]),
            ("unknown_tag", packet(client(3, [SSH]))),
            ("bad_mac", bytes(mac)),
        ):
            self.sent(data, expected, "")  # and a stranger is not told of either
        for expected, data in (
            ("bad_version", packet(ALICE, version=2)),
            ("bad_op", packet(ALICE, op=4)),
            ("bad_flags", packet(ALICE, flags=3)),
            ("bad_source_field", packet(ALICE, flags=0)),
            ("stale", packet(ALICE, stamp_us=NOW_US + 60_000_001)),
            ("wrong_source", packet(ALICE, source=bytes(10) + b"\xff\xff" + OTHER)),
            ("not_allowed", packet(ALICE, service=2)),
        ):
            self.setUp()
            self.sent(data, expected, "noise refused")
        self.setUp()
        self.one.store.floor_us = None
        self.sent(packet(ALICE), "clock_not_trusted", "noise refused")

    def test_bad_slot(self):
        """The gate takes its slot; inside it says another minute."""
        self.sent(packet(ALICE, stamp_us=NOW_US - 60_000_000, slot=NOW_US // 60_000_000), "bad_slot", "noise refused")

    def test_over_budget(self):
        self.one = Accepting([ALICE], 1)
        self.sent(packet(ALICE), "accepted", "store open")
        self.sent(packet(ALICE, stamp_us=NOW_US + 1), "over_budget", "")

    def test_too_often(self):
        """Nobody is told: it is the client's own doing, and it may go on for long."""
        for number in range(5):
            self.sent(packet(ALICE, stamp_us=NOW_US + number), "accepted")
        self.one.what()
        self.sent(packet(ALICE, stamp_us=NOW_US + 5), "too_often", "")
        self.sent(packet(BOB), "accepted", "store open")
        self.sent(packet(ALICE, stamp_us=NOW_US + 5), "accepted", "store renew", now_ms=50)

    def test_junk_takes_nothing_of_a_clients_rate(self):
        mac = bytearray(packet(ALICE))
        mac[30] ^= 1
        for _ in range(50):
            self.sent(bytes(mac), "bad_mac", "")
        self.sent(packet(ALICE), "accepted", "store open")

    def test_what_is_sent_again_takes_more_of_the_budget_than_junk(self):
        self.one = Accepting([ALICE], 10)
        found = [self.one.send(packet(ALICE)) for _ in range(6)]
        self.assertEqual(found, [verdict.ACCEPTED] + [verdict.REPLAYED] * 4 + [verdict.OVER_BUDGET])

    def test_nor_do_refused_ones_of_the_client_that_anybody_can_send_again(self):
        self.sent(packet(ALICE), "accepted")
        for data, expected in (
            (packet(ALICE), "replayed"),
            (packet(ALICE, stamp_us=NOW_US - 60_000_001), "replayed"),
            (packet(ALICE, stamp_us=NOW_US + 60_000_001), "stale"),
            (packet(ALICE, version=2, stamp_us=NOW_US + 1), "bad_version"),
            (packet(ALICE, service=2, stamp_us=NOW_US + 1), "not_allowed"),
        ):
            for _ in range(50):
                self.sent(data, expected, source=OTHER)
        self.sent(packet(ALICE, stamp_us=NOW_US + 1), "accepted")

    def test_shared_tags(self):
        dave = client(4, [CAMERA])
        dave.keys.tag = ALICE.keys.tag
        self.one = Accepting([ALICE, BOB, dave])
        self.sent(packet(dave, service=2), "accepted")
        self.assertEqual(self.one.done[-1], ("open", 2, SOURCE4, dave.name, 0))
        self.sent(packet(ALICE), "accepted")
        self.assertEqual(self.one.done[-1], ("open", 1, SOURCE4, ALICE.name, 0))

    def test_a_firewall_that_refuses(self):
        """The doors tell that; the stamp is used all the same."""
        self.one.doors.opens = False
        self.sent(packet(ALICE), "accepted", "store open")
        self.sent(packet(ALICE), "replayed", "noise replayed")

    def test_what_a_firewall_refused_opens_with_the_next_one(self):
        """The second packet of the same knock: it repeats nothing."""
        self.one.doors.opens = False
        self.sent(packet(ALICE), "accepted", "store open")
        self.one.doors.opens = True
        self.sent(packet(ALICE, stamp_us=NOW_US + 300_000), "accepted", "store open")
        self.sent(packet(ALICE, stamp_us=NOW_US + 900_000), "accepted", "store renew")


class TestStored(Base):
    def setUp(self):
        Base.setUp(self)
        self.one.store.writes = False

    def test_nothing_is_done_that_is_not_stored(self):
        self.one.clock.trusted_since_us = NOW_US
        self.sent(packet(ALICE), "not_stored", "store noise refused")
        self.sent(packet(ALICE, op=CLOSE, stamp_us=NOW_US - 1), "replayed")  # for this start it is used

    def test_but_with_a_stamp_later_than_trust(self):
        """A restart will refuse it for being older than its own start."""
        for since, expected in ((1, "accepted"), (0, "not_stored"), (-1, "not_stored")):
            self.setUp()
            self.one.clock.trusted_since_us = NOW_US - since
            self.sent(packet(ALICE), expected, "store open" if since > 0 else "store noise refused")

    def test_not_what_memory_has_no_place_for(self):
        self.one.store.remembers = False
        self.one.clock.trusted_since_us = NOW_US - 1
        self.sent(packet(ALICE), "not_stored", "store noise refused")

    def test_not_without_trust(self):
        self.one.clock.trusted, self.one.clock.trusted_since_us = False, 0
        self.one.store.floor_us = NOW_US - 1
        self.sent(packet(ALICE), "not_stored", "store noise refused")
        self.one.store.writes = True
        self.sent(packet(ALICE, stamp_us=NOW_US + 1), "accepted", "store open")


class TestOps(Base):
    def open_all(self):
        for data in (packet(ALICE), packet(BOB), packet(BOB, service=2, stamp_us=NOW_US + 1)):
            self.sent(data, "accepted", "store open")

    def test_repeat_renews_what_is_open(self):
        self.sent(packet(ALICE), "accepted", "store open")
        self.sent(packet(ALICE, stamp_us=NOW_US + 300_000, ttl_s=9), "accepted")
        self.assertEqual(self.one.done[-1], ("renew", 1, SOURCE4, ALICE.name, 9))

    def test_repeat_opens_nothing_again(self):
        """What was opened is used up or closed meanwhile."""
        self.sent(packet(ALICE), "accepted")
        self.one.doors.grants.end(self.one.doors.grants.live[0])
        self.one.what()
        self.sent(packet(ALICE, stamp_us=NOW_US + 300_000), "repeated", "store")
        self.sent(packet(ALICE, stamp_us=NOW_US + 2_300_000), "accepted", "store open")

    def test_another_open_is_no_repeat(self):
        self.open_all()
        self.sent(packet(BOB, stamp_us=NOW_US + 2), "accepted", "store renew")
        self.sent(packet(BOB, stamp_us=NOW_US + 3, source=bytes(10) + b"\xff\xff" + OTHER), "accepted", "store open")

    def test_renew_wants_a_live_grant(self):
        self.sent(packet(ALICE, op=RENEW), "nothing_live", "store")
        self.open_all_but_alice()
        self.sent(packet(ALICE, op=RENEW, stamp_us=NOW_US + 1), "nothing_live", "store")
        self.sent(packet(ALICE, stamp_us=NOW_US + 2), "accepted", "store open")
        self.sent(packet(ALICE, op=RENEW, stamp_us=NOW_US + 3, ttl_s=5), "accepted")
        self.assertEqual(self.one.done[-1], ("renew", 1, SOURCE4, ALICE.name, 5))

    def open_all_but_alice(self):
        self.sent(packet(BOB), "accepted", "store open")

    def test_close_its_own_alone(self):
        self.open_all()
        self.sent(packet(ALICE, op=CLOSE, stamp_us=NOW_US + 5), "accepted")
        self.assertEqual(self.one.done[-1], ("close", 1, SOURCE4, ALICE.name, "client", False))
        self.assertEqual([grant.client for grant in self.one.doors.grants.live], [BOB.name] * 2)
        self.one.what()
        self.sent(packet(ALICE, op=CLOSE, stamp_us=NOW_US + 6), "nothing_live", "store")

    def test_close_of_another_address(self):
        self.open_all()
        self.sent(packet(ALICE, op=CLOSE, stamp_us=NOW_US + 5), "nothing_live", "store", source=OTHER)
        self.sent(packet(BOB, op=CLOSE, stamp_us=NOW_US + 5, source=bytes(10) + b"\xff\xff" + OTHER), "nothing_live", "store")

    def test_closed_and_opened_again(self):
        for number, (op, done) in enumerate(((OPEN, "store open"), (CLOSE, "store close"), (OPEN, "store open"))):
            self.sent(packet(ALICE, op=op, stamp_us=NOW_US + number), "accepted", done)


class TestTold(Base):
    def test_refused(self):
        """With the reason, and by whom: he has the key."""
        self.one.send(packet(ALICE, service=2), SOURCE6)
        self.assertEqual(self.one.done, [
            ("noise", REFUSED, SOURCE6),
            ("refused", {"client": ALICE.name, "source": "2001:db8:2::2", "reason": "not_allowed"}),
        ])  # fmt: skip

    def test_replayed(self):
        self.one.send(packet(ALICE))
        self.one.done.clear()
        self.one.send(packet(ALICE), OTHER)
        self.assertEqual(self.one.done, [
            ("noise", REPLAYED, OTHER), ("replayed", {"client": ALICE.name, "source": "203.0.113.9"}),
        ])  # fmt: skip

    def test_noise_is_summed_up(self):
        self.one.events.quiet = True
        self.sent(packet(ALICE, service=2), "not_allowed", "noise")

    def test_not_what_was_done(self):
        for kind in (verdict.ACCEPTED, verdict.REPEATED, verdict.NOTHING_LIVE):
            self.assertEqual(self.one.signed.told(kind, ALICE, SOURCE4, 0), kind)
            self.assertEqual(self.one.done, [])


class TestFwknop(Base):
    def setUp(self):
        Base.setUp(self)
        self.one.signed.fwknop_port = FWKNOP_PORT
        self.one.signed._fwknop_clients = Fwknop([CAROL], ciphers)

    def fwknop(self, data, expected, done=None, **where):
        self.sent(data, expected, done, port=FWKNOP_PORT, **where)

    def test_opened(self):
        self.fwknop(fwknop_packet(), "accepted")
        self.assertEqual(self.one.done, [("store", 0, STAMP_S * 1_000_000), ("open", 1, SOURCE4, "carol", 0)])

    def test_several_services(self):
        self.fwknop(fwknop_packet(b"0.0.0.0,tcp/22,tcp/8080"), "accepted", "store open open")
        self.fwknop(fwknop_packet(b"0.0.0.0,tcp/22,tcp/8080", salt=b"saltsalu"), "accepted", "store renew renew")

    def test_once(self):
        self.fwknop(fwknop_packet(), "accepted", "store open")
        self.fwknop(fwknop_packet(), "replayed", "noise replayed")

    def test_another_of_the_same_second(self):
        self.fwknop(fwknop_packet(), "accepted", "store open")
        self.fwknop(fwknop_packet(b"0.0.0.0,tcp/8080"), "accepted", "store open")
        self.fwknop(fwknop_packet(), "replayed", "noise replayed")

    def test_its_window(self):
        for more_s, expected in ((121, "stale"), (-120, "stale"), (120, "accepted")):  # NOW_US is not a whole second
            self.fwknop(fwknop_packet(stamp=STAMP_S + more_s), expected)

    def test_not_stored(self):
        """However late its stamp: whole seconds and no store would let a second packet in."""
        self.one.store.writes = False
        self.one.clock.trusted_since_us = 1
        self.fwknop(fwknop_packet(), "not_stored", "store noise refused")

    def test_refused(self):
        wrong = bytearray(fwknop_packet())
        wrong[100] ^= 1
        for data, expected, done in (
            (b"8" * 139, "wrong_length", ""),
            (b"A" * 200, "unknown_tag", ""),
            (bytes(wrong), "bad_mac", ""),
            (fwknop_packet(b"0.0.0.0,tcp/23"), "not_allowed", "noise refused"),
            (fwknop_packet(kind=0), "command", "noise refused"),
            (fwknop_packet(b"198.51.100.77,tcp/22"), "wrong_source", "noise refused"),
        ):
            self.fwknop(data, expected, done)

    def test_too_often(self):
        for number in range(5):
            self.fwknop(fwknop_packet(salt=b"salt%04d" % number), "accepted")
        self.one.what()
        self.fwknop(fwknop_packet(salt=b"salt0005"), "too_often", "")
        self.fwknop(fwknop_packet(salt=b"salt0005"), "accepted", "store renew", now_ms=50)

    def test_what_is_sent_again_takes_nothing_of_a_clients_rate(self):
        self.fwknop(fwknop_packet(), "accepted")
        for _ in range(50):
            self.fwknop(fwknop_packet(), "replayed")
        self.fwknop(fwknop_packet(salt=b"salt0001"), "accepted")

    def test_over_budget(self):
        self.one.gate._checks = 1
        self.one.gate.set_clients([])
        self.fwknop(fwknop_packet(), "accepted", "store open")
        self.fwknop(fwknop_packet(salt=b"saltsalu"), "over_budget", "")

    def test_an_authentic_one_costs_more(self):
        """As much as six checks, of which a board may have no more for now."""
        for checks, expected in ((6, "over_budget"), (7, "accepted")):
            self.setUp()
            self.one.gate._checks = checks
            self.one.gate.set_clients([])
            self.fwknop(fwknop_packet(), "accepted", "store open")
            self.fwknop(fwknop_packet(salt=b"saltsalu"), expected)

    def test_what_cannot_be_one_costs_nothing(self):
        self.one.gate._checks = 1
        self.one.gate.set_clients([])
        for _ in range(5):
            self.fwknop(b"A" * 200, "unknown_tag", "")
        self.fwknop(fwknop_packet(), "accepted", "store open")

    def test_each_kind_to_its_port(self):
        for port in (SPA_PORT - 1, SPA_PORT + 1):
            self.one.signed.fwknop_port = port
            self.sent(packet(ALICE), "wrong_length", "", port=port)
            self.sent(fwknop_packet(), "wrong_length", "")
            self.sent(fwknop_packet(salt=b"%08d" % port), "accepted", port=port)
            self.one.what()

    def test_both_to_one_port(self):
        """They differ in length."""
        self.one.signed.fwknop_port = SPA_PORT
        self.sent(packet(ALICE), "accepted", "store open")
        self.sent(fwknop_packet(), "accepted", "store open")
        self.sent(b"8" * 87, "wrong_length", "")


class TestPorts(Base):
    def test_takes(self):
        signed = self.one.signed
        for spa_port, fwknop_port in ((62201, 0), (0, 62202), (62201, 62202), (62201, 62201), (0, 0)):
            signed.spa_port, signed.fwknop_port = spa_port, fwknop_port
            for port in (0, 1, 62201, 62202, 65535):
                self.assertEqual(signed.takes(port), port > 0 and port in (spa_port, fwknop_port))

    def test_apply(self):
        signed = self.one.signed
        Policy.fwknop_port = 8
        signed.apply(Policy)
        self.assertEqual((signed.spa_port, signed.fwknop_port, signed._fwknop_clients.cost()), (7, 8, 1))
        Policy.fwknop_port = 0
        signed.apply(Policy)
        self.assertEqual((signed.spa_port, signed.fwknop_port, signed._fwknop_clients), (7, 0, None))


if __name__ == "__main__":
    unittest.main()
