"""Admission: fresh, from there, allowed, and what of it is only a repeat; each edge, and each check by itself."""

import unittest

from common.clients import CLOSE, NOW_US, OPEN, RENEW, client, service
from knocklet.core import verdict
from knocklet.core.admission import FWKNOP_WINDOW_US, GRANTS_PER_CLIENT, SPA_WINDOW_US, STAMPS, Admission
from knocklet.core.grants import Grants
from knocklet.core.request import Request

HERE = bytes([203, 0, 113, 9])
THERE = bytes([198, 51, 100, 2])
S = 1_000_000
DAY_US = 86_400 * S
SERVICES = [service(index) for index in range(1, 11)]
SSH, CAMERA = SERVICES[:2]


class Store:
    """What has been used, and how far back that is known."""

    def __init__(self):
        self.floor_us = 0
        self.used = {}

    def last(self, fingerprint, what):
        return self.used.get((fingerprint, what), 0)


class Base(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.grants = Grants()
        self.admission = Admission(self.store, self.grants)
        self.alice = client(1, SERVICES, "any")
        self.trusted, self.now_us, self.window_us = True, NOW_US, SPA_WINDOW_US

    def request(self, stamp_us=NOW_US, op=OPEN, services=(SSH,), address=HERE, stated=False, content=None):
        made = Request(self.alice, op, list(services), 0, stamp_us, address, stated)
        made.content = content
        return made

    def judged(self, request, sender=HERE):
        """The verdict's name."""
        clock = (self.trusted, self.now_us, self.window_us)
        return verdict.NAMES[self.admission.judge(self.alice.fingerprint, request, sender, clock)]

    def stamped(self, stamp_us, content=None):
        return self.judged(self.request(stamp_us, content=content))

    def use(self, stamp_us):
        self.store.used[(self.alice.fingerprint, STAMPS)] = stamp_us

    def accept(self, request):
        """As the engine does: stored, then accepted. Returns whether it is a repeat."""
        self.use(max(request.stamp_us, self.store.last(self.alice.fingerprint, STAMPS)))
        return self.admission.accepted(self.alice.fingerprint, request)


class TestFresh(Base):
    def test_a_stamp_counts_once(self):
        self.use(NOW_US)
        self.assertEqual([self.stamped(NOW_US + more) for more in (-S, -1, 0, 1, S)],
                         ["replayed", "replayed", "replayed", "accepted", "accepted"])  # fmt: skip

    def test_later_than_the_issue_of_the_key(self):
        self.alice.issued_us = NOW_US
        self.assertEqual([self.stamped(NOW_US + more) for more in (-1, 0, 1)], ["replayed", "replayed", "accepted"])

    def test_later_than_the_floor(self):
        self.store.floor_us = NOW_US
        self.assertEqual([self.stamped(NOW_US + more) for more in (-1, 0, 1)], ["replayed", "replayed", "accepted"])

    def test_later_than_all_of_them(self):
        for latest in range(3):
            self.setUp()
            places = [NOW_US - 30 * S] * 3
            places[latest] = NOW_US
            self.store.floor_us, self.alice.issued_us = places[0], places[1]
            self.use(places[2])
            self.assertEqual([self.stamped(NOW_US + more) for more in (-1, 0, 1)], ["replayed", "replayed", "accepted"])

    def test_the_stamp_of_another_does_not_matter(self):
        self.store.used[(client(2).fingerprint, STAMPS)] = NOW_US + S
        self.store.used[(self.alice.fingerprint, SSH.index)] = NOW_US + S  # of its one-time sequences
        self.assertEqual(self.stamped(NOW_US), "accepted")

    def test_no_floor_is_known(self):
        """What was used before is not known: nothing is accepted, whatever the clock."""
        self.store.floor_us = None
        for self.trusted in (True, False):
            self.assertEqual(self.stamped(NOW_US), "clock_not_trusted")

    def test_window(self):
        for self.window_us in (SPA_WINDOW_US, FWKNOP_WINDOW_US):
            for more, expected in ((0, "accepted"), (self.window_us, "accepted"), (self.window_us + 1, "stale")):
                self.assertEqual(self.stamped(NOW_US + more), expected)
                self.assertEqual(self.stamped(NOW_US - more), expected)
        self.assertEqual((SPA_WINDOW_US, FWKNOP_WINDOW_US), (60 * S, 120 * S))

    def test_clock_not_trusted(self):
        """Its time says nothing: a stamp has to be later than the last one, and no more than 400 days."""
        self.trusted = False
        for self.now_us in (0, NOW_US, NOW_US + 900 * DAY_US):
            self.use(NOW_US)
            for more, expected in (
                (0, "replayed"), (1, "accepted"), (120 * S, "accepted"), (400 * DAY_US, "accepted"),
                (400 * DAY_US + 1, "too_far_ahead"), (1 << 61, "too_far_ahead"),
            ):  # fmt: skip
                self.assertEqual(self.stamped(NOW_US + more), expected)

    def test_400_days_after_whatever_is_latest(self):
        self.trusted = False
        self.assertEqual(self.stamped(NOW_US), "too_far_ahead")
        self.alice.issued_us = NOW_US - 400 * DAY_US
        self.assertEqual([self.stamped(NOW_US), self.stamped(NOW_US + 1)], ["accepted", "too_far_ahead"])
        self.store.floor_us = NOW_US - 399 * DAY_US
        self.assertEqual(self.stamped(NOW_US + DAY_US), "accepted")

    def test_largest(self):
        self.use((1 << 62) - 1)
        self.now_us = 1 << 62
        self.assertEqual([self.stamped((1 << 62) - 1), self.stamped(1 << 62)], ["replayed", "accepted"])


class TestSameSecond(Base):
    """Of a kind that stamps whole seconds, several packets may have one stamp: each of them counts once."""

    def setUp(self):
        Base.setUp(self)
        self.window_us = FWKNOP_WINDOW_US

    def accepts(self, stamp_us, content):
        request = self.request(stamp_us, content=content)
        kind = self.judged(request)
        if kind == "accepted":
            self.accept(request)
        return kind

    def test_another_content(self):
        kinds = [self.accepts(NOW_US, content) for content in (b"one", b"two", b"one", b"two", b"three")]
        self.assertEqual(kinds, ["accepted", "accepted", "replayed", "replayed", "accepted"])

    def test_not_of_an_earlier_second(self):
        self.accepts(NOW_US, b"one")
        self.assertEqual(self.accepts(NOW_US + S, b"one"), "accepted")
        self.assertEqual([self.accepts(NOW_US, b"two"), self.accepts(NOW_US + S, b"one")], ["replayed", "replayed"])
        self.assertEqual(self.accepts(NOW_US + S, b"two"), "accepted")

    def test_contents_of_an_earlier_second_are_forgotten(self):
        for number in range(20):
            for content in (b"one", b"two"):
                self.assertEqual(self.accepts(NOW_US + number * S, content), "accepted")

    def test_eight_at_most(self):
        """What is remembered has a limit; then all are refused."""
        kinds = [self.accepts(NOW_US, bytes([number])) for number in range(10)]
        self.assertEqual(kinds, ["accepted"] * 8 + ["replayed"] * 2)

    def test_not_after_a_restart(self):
        """The store knows the stamp alone: of its second nothing more is accepted."""
        self.use(NOW_US)
        self.assertEqual(self.accepts(NOW_US, b"two"), "replayed")

    def test_not_of_a_stamp_that_was_not_stored(self):
        self.accepts(NOW_US, b"one")
        self.use(NOW_US - S)
        self.alice.issued_us = NOW_US
        self.assertEqual(self.accepts(NOW_US, b"two"), "replayed")

    def test_not_of_a_kind_with_microseconds(self):
        self.accept(self.request(NOW_US))
        self.assertEqual(self.stamped(NOW_US), "replayed")
        self.accept(self.request(NOW_US + S, content=b"one"))
        self.assertEqual(self.stamped(NOW_US + S), "replayed")

    def test_each_client_has_its_own(self):
        self.accepts(NOW_US, b"one")
        self.alice = client(2, SERVICES, "any")
        self.assertEqual([self.accepts(NOW_US, b"one"), self.accepts(NOW_US, b"one")], ["accepted", "replayed"])


class TestSource(Base):
    def test_rules(self):
        for rule, expected in (
            ("packet", ["accepted", "wrong_source", "wrong_source"]),
            ("stated", ["wrong_source", "accepted", "wrong_source"]),
            ("any", ["accepted", "accepted", "accepted"]),
        ):
            self.alice.source = rule
            for there in (THERE, bytes([203, 0, 113, 10])):
                requests = (self.request(), self.request(stated=True), self.request(address=there, stated=True))
                self.assertEqual([self.judged(request) for request in requests], expected)

    def test_fwknop_states_its_own(self):
        """Of that kind, one's own address is as good as none."""
        self.alice.source = "packet"
        for address, expected in ((HERE, "accepted"), (THERE, "wrong_source")):
            self.assertEqual(self.judged(self.request(address=address, stated=True, content=b"one")), expected)


class TestAllowed(Base):
    def test_services(self):
        self.alice.services = [SSH, SERVICES[4]]
        for services, expected in (
            ([SSH], "accepted"), ([SERVICES[4], SSH], "accepted"), ([CAMERA], "not_allowed"), ([], "not_allowed"),
            ([SSH, CAMERA], "not_allowed"), ([CAMERA, SSH], "not_allowed"),
        ):  # fmt: skip
            for op in (OPEN, CLOSE, RENEW):
                self.assertEqual(self.judged(self.request(op=op, services=services)), expected)

    def test_grants_at_once(self):
        """Eight of one client, for whatever; what it has already may be opened again."""
        for held in range(GRANTS_PER_CLIENT):
            self.assertEqual(self.judged(self.request(services=[SERVICES[held]])), "accepted")
            self.grants.put(SERVICES[held], HERE, self.alice.name, 0)
        for expected, services, address in (
            ("too_many_grants", [SERVICES[8]], HERE),
            ("too_many_grants", [SSH], THERE),
            ("too_many_grants", [SSH], bytes([203, 0, 113, 10])),
            ("too_many_grants", [SSH, SERVICES[8]], HERE),
            ("accepted", [SSH], HERE),
            ("accepted", SERVICES[:8], HERE),
        ):
            self.assertEqual(self.judged(self.request(services=services, address=address)), expected)

    def test_only_to_open(self):
        for held in range(GRANTS_PER_CLIENT):
            self.grants.put(SERVICES[held], HERE, self.alice.name, 0)
        for op in (CLOSE, RENEW):
            self.assertEqual(self.judged(self.request(op=op, services=[SERVICES[8]])), "accepted")

    def test_several_in_one_request(self):
        self.assertEqual(self.judged(self.request(services=SERVICES[:8])), "accepted")
        self.assertEqual(self.judged(self.request(services=SERVICES[:9])), "too_many_grants")
        self.grants.put(SSH, HERE, self.alice.name, 0)
        self.assertEqual(self.judged(self.request(services=SERVICES[:8])), "accepted")
        self.assertEqual(self.judged(self.request(services=SERVICES[1:8])), "accepted")
        self.assertEqual(self.judged(self.request(services=SERVICES[1:9])), "too_many_grants")

    def test_those_of_others_do_not_count(self):
        for number in range(20):
            self.grants.put(SERVICES[number % 10], bytes([10, 0, 0, number]), "client-%d" % (number + 2), 0)
            self.grants.put(SERVICES[number % 10], bytes([10, 0, 0, number]), "a-sequence", 0)
        self.assertEqual(self.judged(self.request()), "accepted")


class TestOrder(Base):
    def test_the_first_that_fails_is_told(self):
        """A request that is wrong in everything, then right in one thing more each time."""
        self.alice.source, self.alice.services = "stated", [SSH]
        for held in range(GRANTS_PER_CLIENT):
            self.grants.put(SERVICES[held], HERE, self.alice.name, 0)
        self.store.floor_us = None
        self.use(NOW_US + 100 * S)
        request = self.request(NOW_US + 61 * S, services=[CAMERA])
        self.assertEqual(self.judged(request), "clock_not_trusted")
        self.store.floor_us = 0
        self.assertEqual(self.judged(request), "replayed")
        self.use(NOW_US)
        self.assertEqual(self.judged(request), "stale")
        self.now_us += S
        self.assertEqual(self.judged(request), "wrong_source")
        request.stated = True
        self.assertEqual(self.judged(request), "not_allowed")
        request.services = self.alice.services = [SERVICES[8]]
        self.assertEqual(self.judged(request), "too_many_grants")
        self.grants.end(self.grants.live[0])
        self.assertEqual(self.judged(request), "accepted")

    def test_not_trusted(self):
        self.trusted, self.alice.source = False, "stated"
        request = self.request()
        self.assertEqual(self.judged(request), "too_far_ahead")
        self.use(NOW_US - S)
        self.assertEqual(self.judged(request), "wrong_source")


class TestRepeat(Base):
    def repeats(self, after_us, **fields):
        """Is it only a repeat, so long after NOW_US?"""
        return self.accept(self.request(NOW_US + after_us, **fields))

    def test_within_two_seconds(self):
        for after_us, expected in ((1, True), (2 * S - 1, True), (2 * S, False), (2 * S + 1, False)):
            self.setUp()
            self.assertEqual(self.repeats(0), False)
            self.assertEqual(self.repeats(after_us), expected)

    def test_of_the_one_before(self):
        self.assertEqual([self.repeats(after_us) for after_us in (0, 300_000, 900_000, 2_899_999, 4_899_999)],
                         [False, True, True, True, False])  # fmt: skip

    def test_another_service(self):
        self.repeats(0)
        for services in ([CAMERA], [SSH, CAMERA], [CAMERA, SSH]):
            self.assertEqual(self.repeats(1, services=services), False)

    def test_another_address(self):
        self.repeats(0)
        self.assertEqual(self.repeats(1, address=THERE), False)

    def test_several_at_once(self):
        """A host with two addresses, two services: each is sent three times, in turn."""
        kinds = [(SSH, HERE), (SSH, THERE), (CAMERA, HERE)]
        for number, after_us in enumerate((0, 300_000, 900_000)):
            for place, (one, address) in enumerate(kinds):
                self.assertEqual(self.repeats(after_us + place, services=[one], address=address), number > 0)

    def test_closed_in_between(self):
        self.repeats(0)
        self.repeats(1, services=[CAMERA])
        self.assertEqual(self.repeats(2, op=CLOSE), False)
        self.assertEqual(self.repeats(3), False)
        self.assertEqual(self.repeats(4, services=[CAMERA]), True)

    def test_closed_for_another_address(self):
        self.repeats(0)
        self.repeats(1, op=CLOSE, address=THERE)
        self.assertEqual(self.repeats(2), True)

    def test_closed_and_renewed_twice(self):
        """Only an open is repeated."""
        for op in (CLOSE, RENEW):
            self.assertEqual([self.repeats(number, op=op) for number in range(3)], [False] * 3)
        self.assertEqual(self.repeats(3), False)

    def test_renewed_in_between(self):
        self.repeats(0)
        self.assertEqual([self.repeats(1, op=RENEW), self.repeats(2)], [False, True])

    def test_each_client_has_its_own(self):
        self.repeats(0)
        self.alice = client(2, SERVICES, "any")
        self.assertEqual(self.repeats(1), False)

    def test_of_what_did_not_open(self):
        self.repeats(0, services=[CAMERA])
        self.repeats(1)
        self.admission.not_opened(self.alice.fingerprint)
        self.assertEqual([self.repeats(2), self.repeats(3), self.repeats(4, services=[CAMERA])], [False, True, True])

    def test_the_last_sixteen(self):
        """However many addresses a client opens for."""
        for number in range(40):
            self.repeats(number, address=bytes([10, 0, 0, number]))
        self.assertEqual(self.repeats(50, address=bytes([10, 0, 0, 24])), True)
        self.assertEqual(self.repeats(51, address=bytes([10, 0, 0, 23])), False)
        self.assertEqual(len(self.admission._opened[self.alice.fingerprint]), 16)


class TestRemembered(Base):
    def test_from_the_stamp_that_is_stored(self):
        for stored_us, expected in ((0, False), (NOW_US - 1, False), (NOW_US, True), (NOW_US + 1, True)):
            self.use(stored_us)
            self.assertEqual(self.admission.is_remembered(self.alice.fingerprint, self.request()), expected)


class TestKeep(Base):
    def test_others_are_forgotten(self):
        bob = client(2, SERVICES)
        for fingerprint in (self.alice.fingerprint, bob.fingerprint):
            for _ in range(6):
                last = self.admission.in_time(fingerprint, 0)
            self.assertFalse(last)
            self.admission.accepted(fingerprint, self.request())
        self.admission.keep({bob.fingerprint})
        for known in (self.admission._buckets, self.admission._accepted, self.admission._opened):
            self.assertEqual(list(known), [bob.fingerprint])
        self.assertFalse(self.admission.in_time(bob.fingerprint, 0))
        self.assertTrue(self.admission.in_time(self.alice.fingerprint, 0))


class TestRate(Base):
    def test_each_client_by_itself(self):
        for number in range(5):
            fingerprint = client(number).fingerprint
            self.assertEqual([self.admission.in_time(fingerprint, 1000) for _ in range(7)], [True] * 5 + [False] * 2)
            self.assertEqual(self.admission.in_time(fingerprint, 1050), True)


if __name__ == "__main__":
    unittest.main()
