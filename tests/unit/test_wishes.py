"""What a good knock may do: open, nothing while disarmed, or ask the owner; and which answers meet a request."""

import unittest

from common.clients import service
from common.gateway import Doors, Events
from common.packets import SOURCE4, SOURCE6
from knocklet.core.clock import MASK
from knocklet.core.errors import Refused
from knocklet.edge.loop import Loop
from knocklet.edge.wishes import Wishes
from knocklet.wire.addresses import format_address

FREE, ASKED, OTHER = service(1, 22), service(2, 80), service(3, 443)
ASKED.approval = OTHER.approval = True
MINUTE_MS = 60_000


def named(what=ASKED, client="anna", source=SOURCE4):
    return {"service": what.name, "client": client, "source": format_address(source)}


class Base(unittest.TestCase):
    def setUp(self):
        self.start()

    def start(self):
        self.done = []
        self.loop = Loop()
        self.doors = Doors(self.done)
        self.events = Events(self.done)
        self.wishes = Wishes(self.loop, self.doors, self.events)

    def open(self, what=ASKED, client="anna", source=SOURCE4, now_ms=0, wanted_s=0):
        """(whether it is open or asked for, what was done)."""
        good = self.wishes.open(what, source, client, now_ms, wanted_s)
        return good, self.what()

    def what(self):
        done = list(self.done)
        self.done.clear()
        return done

    def answer(self, seq=1, fields=None, now_ms=0):
        """The request, or None."""
        try:
            return self.wishes.answer(seq, fields or named(), now_ms)
        except Refused as error:
            self.assertEqual(str(error), "no such request waits: it may have lapsed, or be answered")
            return None


class TestOpen(Base):
    def test_without_approval(self):
        self.assertEqual(self.open(FREE, wanted_s=9), (True, [("open", 1, SOURCE4, "anna", 9)]))
        self.doors.opens = False
        self.assertEqual(self.open(FREE, client="bob")[0], False)
        self.assertEqual(self.wishes.waiting, [])

    def test_disarmed(self):
        self.wishes.armed = False
        for what in (FREE, ASKED):
            self.assertEqual(self.open(what), (False, [("refuse", what.index, "anna", SOURCE4, "disarmed")]))
        self.assertEqual(self.wishes.waiting, [])
        self.wishes.armed = True
        self.assertEqual(self.open(FREE)[0], True)

    def test_asked_for(self):
        told = ("request", dict(named(), lapses_s=60))
        self.assertEqual(self.open(wanted_s=9), (True, [told]))
        request = self.wishes.waiting[0]
        self.assertEqual((request.service, request.address, request.client, request.wanted_s), (ASKED, SOURCE4, "anna", 9))
        self.assertEqual(request.seq, 1)

    def test_one_at_a_time(self):
        """Of a client for a service: from wherever it knocks."""
        self.open()
        self.assertEqual(self.open(), (True, []))
        self.assertEqual(self.open(source=SOURCE6), (True, []))
        for what, client in ((OTHER, "anna"), (OTHER, "bob"), (ASKED, "bob")):
            self.assertEqual([one[0] for one in self.open(what, client)[1]], ["request"])
        self.assertEqual([one.seq for one in self.wishes.waiting], [1, 2, 3, 4])

    def test_not_too_many(self):
        for number in range(16):
            self.assertEqual(self.open(client="c%d" % number)[0], True)
        refusal = ("refuse", 2, "anna", SOURCE4, "too many requests wait for approval")
        self.assertEqual(self.open(), (False, [refusal]))
        self.assertEqual(self.open(client="c0"), (True, []))  # it is asked for
        self.answer(1, named(client="c0"))
        self.assertEqual(self.open()[0], True)
        self.assertEqual(len(self.wishes.waiting), 16)


class TestRenew(Base):
    def test_without_approval(self):
        self.assertFalse(self.wishes.renew(FREE, SOURCE4, "anna", 0))
        self.open(FREE)
        self.assertTrue(self.wishes.renew(FREE, SOURCE4, "anna", 0, 9))
        self.assertEqual(self.what(), [("renew", 1, SOURCE4, "anna", 9)])

    def test_what_was_approved_has_its_time(self):
        self.assertFalse(self.wishes.renew(ASKED, SOURCE4, "anna", 0))
        self.doors.grants.put(ASKED, SOURCE4, "anna", 0)
        self.assertTrue(self.wishes.renew(ASKED, SOURCE4, "anna", 0))
        self.assertEqual(self.what(), [])

    def test_disarmed(self):
        """What is open lives on, for no longer."""
        self.doors.grants.put(FREE, SOURCE4, "anna", 0)
        self.wishes.armed = False
        self.assertTrue(self.wishes.renew(FREE, SOURCE4, "anna", 0))
        self.assertFalse(self.wishes.renew(FREE, SOURCE4, "bob", 0))
        self.assertEqual(self.what(), [])


class TestAnswer(Base):
    def test_once(self):
        self.open()
        self.assertEqual(self.answer().client, "anna")
        self.assertIsNone(self.answer())
        self.assertEqual(self.wishes.waiting, [])

    def test_each_field_counts(self):
        """An answer is to one request: neither to one before or after it, nor to that of somebody else."""
        self.open()
        self.open(OTHER, "bob", SOURCE6)
        for seq, fields in (
            (0, named()), (2, named()), (3, named()), (1, named(OTHER)), (1, named(client="bob")), (1, named(source=SOURCE6)),
            (1, named(OTHER, "bob", SOURCE6)), (1, dict(named(), more=1)), (1, {"service": ASKED.name, "client": "anna"}),
        ):  # fmt: skip
            self.assertIsNone(self.answer(seq, fields))
        self.assertEqual(len(self.wishes.waiting), 2)
        self.assertEqual(self.answer(2, named(OTHER, "bob", SOURCE6)).client, "bob")
        self.assertEqual([one.client for one in self.wishes.waiting], ["anna"])

    def test_in_time(self):
        """Also where the timer comes late."""
        for start in (0, MASK - 100):
            for wait_ms, good in ((MINUTE_MS - 1, True), (MINUTE_MS, False), (MINUTE_MS + 1, False)):
                self.start()
                self.open(now_ms=start)
                self.assertEqual(self.answer(now_ms=(start + wait_ms) & MASK) is not None, good)

    def test_knocking_again_gives_no_more_time(self):
        self.open()
        self.open(now_ms=MINUTE_MS // 2)
        self.assertIsNone(self.answer(now_ms=MINUTE_MS))


class TestLapse(Base):
    def test_each_at_its_time(self):
        self.open(now_ms=0)
        self.open(OTHER, now_ms=20_000)
        self.open(client="bob", now_ms=20_001)
        self.what()
        for at_ms, left, lapsed in (
            (MINUTE_MS - 1, 3, []), (MINUTE_MS, 2, [named()]), (MINUTE_MS + 19_999, 2, []),
            (MINUTE_MS + 20_000, 1, [named(OTHER)]), (MINUTE_MS + 20_001, 0, [named(client="bob")]), (3 * MINUTE_MS, 0, []),
        ):  # fmt: skip
            if self.loop._has_timer:
                self.loop._timers_due(at_ms)
            self.assertEqual(self.what(), [("lapsed", fields) for fields in lapsed])
            self.assertEqual(len(self.wishes.waiting), left)
        self.assertFalse(self.loop._has_timer)

    def test_it_may_be_asked_for_again(self):
        self.open()
        self.loop._timers_due(MINUTE_MS)
        self.assertEqual([one[0] for one in self.open(now_ms=MINUTE_MS)[1]], ["lapsed", "request"])
        self.assertEqual(self.answer(3, now_ms=MINUTE_MS + 1).seq, 3)

    def test_forgotten(self):
        """Who may not any more: once, and nobody else."""
        self.open()
        self.open(client="bob")
        request = self.wishes.waiting[0]
        self.what()
        for told in ([("lapsed", named())], []):
            self.wishes.forget([request], 5)
            self.assertEqual((self.what(), [one.client for one in self.wishes.waiting]), (told, ["bob"]))

    def test_disarmed(self):
        """All of them; armed again, none waits any more."""
        self.open()
        self.open(OTHER, "bob", SOURCE6)
        self.what()
        self.wishes.arm(True, 5)
        self.assertEqual((self.what(), len(self.wishes.waiting)), ([], 2))
        self.wishes.arm(False, 5)
        self.assertEqual(self.what(), [("lapsed", named()), ("lapsed", named(OTHER, "bob", SOURCE6))])
        self.wishes.arm(True, 5)
        for seq, fields in ((1, named()), (2, named(OTHER, "bob", SOURCE6))):
            self.assertIsNone(self.answer(seq, fields, 6))

    def test_answered_is_not_lapsed(self):
        self.open()
        self.answer()
        self.what()
        self.loop._timers_due(MINUTE_MS)
        self.assertEqual(self.what(), [])


if __name__ == "__main__":
    unittest.main()
