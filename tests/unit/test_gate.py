"""The gate: what is worth a check of its MAC, while the clock is trusted and while it is not."""

import unittest

from common.clients import MINUTE_US, SLOT, client, packet
from knocklet.core import verdict
from knocklet.core.gate import Gate
from knocklet.core.mac_budget import WINDOW_MS
from knocklet.wire.spa_packet import BYTES

SLOTS = (SLOT - 1, SLOT, SLOT + 1)
CHECKS = 100
AT = 7  # where in its frame a packet begins
CLIENTS = [client(number) for number in range(3)]


def gate(clients=CLIENTS, slots=SLOTS, checks=CHECKS):
    made = Gate(checks, 5)
    made.set_clients(clients)
    made.set_slots(slots)
    return made


def look(at, data, now_ms=0):
    """The verdict's name. The frame ends with the packet: what reads on, raises."""
    found = at.look(b"\xaa" * AT + data, AT, len(data), now_ms)
    return "check" if found == verdict.CHECK else verdict.NAMES[found]


def of_slot(number, slot):
    """A packet of a client of a slot."""
    return packet(CLIENTS[number], stamp_us=slot * MINUTE_US)


class TestTrusted(unittest.TestCase):
    def test_of_each_client_in_each_slot(self):
        one = gate()
        for slot in SLOTS:
            for number in range(3):
                self.assertEqual(look(one, of_slot(number, slot)), "check")
                self.assertEqual(one.candidates(), [CLIENTS[number]])

    def test_length(self):
        one, good = gate(), packet(CLIENTS[0])
        for length in range(2 * BYTES):
            self.assertEqual(look(one, (good + good)[:length]), "check" if length == BYTES else "wrong_length")
        self.assertEqual(one.look(good, 0, -1, 0), verdict.WRONG_LENGTH)  # of which a part was not captured

    def test_every_bit_of_slot_and_tag(self):
        one, data = gate(), bytearray(packet(CLIENTS[0]))
        for bit in range(64):
            data[bit >> 3] ^= 1 << (bit & 7)
            self.assertEqual(look(one, bytes(data)), "unknown_tag")
            data[bit >> 3] ^= 1 << (bit & 7)

    def test_other_slots(self):
        one = gate()
        for slot in (SLOT - 2, SLOT + 2, SLOT + 1440, 1):
            self.assertEqual(look(one, of_slot(0, slot)), "unknown_tag")

    def test_a_tag_of_another_slot(self):
        data = packet(CLIENTS[0])[:4] + of_slot(0, SLOT + 1)[4:]
        self.assertEqual(look(gate(), data), "unknown_tag")

    def test_of_nobody(self):
        self.assertEqual(look(gate(), packet(client(3))), "unknown_tag")
        self.assertEqual(look(gate([]), packet(CLIENTS[0])), "unknown_tag")

    def test_shared_tags(self):
        """All that can have made it are candidates, in the order of their numbers."""
        clients = [client(number) for number in range(5)]
        clients[3].keys.tag = clients[1].keys.tag = clients[4].keys.tag
        one = gate(clients)
        for number in (1, 3, 4):
            self.assertEqual(look(one, packet(clients[number])), "check")
            self.assertEqual(one.candidates(), [clients[1], clients[3], clients[4]])
        self.assertEqual(look(one, packet(clients[2])), "check")
        self.assertEqual(one.candidates(), [clients[2]])

    def test_budget(self):
        one = gate(checks=10)
        self.assertEqual([look(one, packet(CLIENTS[0])) for _ in range(12)], ["check"] * 10 + ["over_budget"] * 2)
        self.assertEqual(look(one, packet(CLIENTS[1])), "check")  # another one's share
        self.assertEqual(look(one, packet(CLIENTS[0]), 2 * WINDOW_MS), "check")

    def test_what_is_authentic_costs_more(self):
        """Or somebody who sends packets again takes more of the time than one who sends junk."""
        one = gate(checks=10)
        found = []
        for _ in range(6):
            found.append(look(one, packet(CLIENTS[0])))
            one.authentic(1)
        self.assertEqual(found, ["check"] * 5 + ["over_budget"])
        self.assertEqual(look(one, packet(CLIENTS[1])), "check")

    def test_what_is_refused_costs_nothing(self):
        one = gate(checks=10)
        for _ in range(50):
            look(one, packet(client(3)))
            look(one, packet(CLIENTS[0])[:-1])
        self.assertEqual([look(one, packet(CLIENTS[0])) for _ in range(10)], ["check"] * 10)

    def test_another_kind(self):
        """It has a share of its own, and pays by the check."""
        one = gate(checks=10)
        self.assertEqual([one.spend(3, 0) for _ in range(6)], [True] * 4 + [False] * 2)
        self.assertEqual([look(one, packet(CLIENTS[2])) for _ in range(11)], ["check"] * 8 + ["over_budget"] * 3)


class TestSetSlots(unittest.TestCase):
    def test_whether_anything_changed(self):
        one = gate()
        for slots, expected in (
            (SLOTS, False),
            ([slot + 1 for slot in SLOTS], True),
            ([slot + 1 for slot in SLOTS], False),
            (None, True),
            (None, False),
            ([slot + 1 for slot in SLOTS], True),
            ([slot + 2 for slot in SLOTS], True),
            ([slot - 2 for slot in SLOTS], True),  # the clock was set back
            (None, True),
        ):
            self.assertEqual(one.set_slots(slots), expected)
            self.assertEqual(one.trusted, slots is not None)

    def test_tables_are_kept(self):
        """A slot's tags are made once."""
        one = gate()
        before = {table.slot: table for table in one.tables}
        one.set_slots([slot + 1 for slot in SLOTS])
        for table in one.tables:
            if table.slot in before:
                self.assertIs(table, before[table.slot])
        self.assertEqual([table.slot for table in one.tables], [slot + 1 for slot in SLOTS])
        self.assertEqual(look(one, of_slot(0, SLOT - 1)), "unknown_tag")
        self.assertEqual(look(one, of_slot(0, SLOT + 2)), "check")

    def test_other_clients(self):
        one = gate()
        one.set_clients([client(7)])
        self.assertEqual(one.set_slots(SLOTS), True)
        self.assertEqual(look(one, packet(CLIENTS[0])), "unknown_tag")
        self.assertEqual(look(one, packet(client(7))), "check")

    def test_trusted_again(self):
        """What was made while it was not trusted is kept only for the slots of now."""
        one = gate(slots=None)
        for slot in (SLOT, 5, 6):
            look(one, of_slot(0, slot))
        table = one.tables[0]
        self.assertTrue(one.set_slots(SLOTS))
        self.assertIs(one.tables[1], table)
        self.assertEqual(look(one, of_slot(0, 5)), "unknown_tag")


class TestNotTrusted(unittest.TestCase):
    def test_any_slot(self):
        one = gate(slots=None)
        for slot in (0, 1, SLOT - 2, SLOT, SLOT + 1_000_000, (1 << 32) - 1):
            for number in range(3):
                self.assertEqual(look(one, of_slot(number, slot)), "check")
                self.assertEqual(one.candidates(), [CLIENTS[number]])
            self.assertEqual(look(one, packet(client(3), stamp_us=slot * MINUTE_US)), "unknown_tag")
            self.assertEqual(look(one, packet(client(3), stamp_us=slot * MINUTE_US)[:-1]), "wrong_length")

    def test_those_of_before_are_kept(self):
        one = gate()
        tables = list(one.tables)
        one.set_slots(None)
        self.assertEqual(look(one, packet(CLIENTS[0])), "check")
        self.assertEqual(one.tables, tables)

    def test_a_slot_costs_all_its_tags(self):
        """Of a budget of 10: two slots are made, for three clients each, and the third one waits."""
        one = gate(slots=None, checks=6)
        junk = [packet(client(3), stamp_us=slot * MINUTE_US) for slot in range(4)]
        self.assertEqual([look(one, data) for data in junk], ["unknown_tag", "unknown_tag", "over_budget", "over_budget"])
        self.assertEqual(len(one.tables), 2)
        self.assertEqual(look(one, junk[0]), "unknown_tag")  # it is still there
        self.assertEqual(look(one, of_slot(1, 1)), "check")  # and the clients have shares of their own
        self.assertEqual(look(one, of_slot(1, 2)), "over_budget")
        self.assertEqual(look(one, of_slot(1, 2), 3 * WINDOW_MS), "check")

    def test_the_last_four_are_kept(self):
        one = gate(slots=None)
        for slot in range(4):
            look(one, of_slot(0, slot))
        tables = list(one.tables)
        for slot in range(4):
            look(one, of_slot(1, slot))
        self.assertEqual(one.tables, tables)
        for number, slot in enumerate((4, 5, 6, 7, 8)):
            self.assertEqual(look(one, of_slot(0, slot)), "check")
            self.assertEqual(len(one.tables), 4)
            self.assertEqual(one.tables[number % 4].slot, slot)
        self.assertEqual(sorted([table.slot for table in one.tables]), [5, 6, 7, 8])

    def test_junk_of_many_slots(self):
        """20,000 a second of ever other slots: the board makes as many tags as the budget says, and remembers four slots."""
        one, junk = gate(slots=None, checks=30), bytearray(packet(client(3)))
        made = 0
        for i in range(20_000):
            junk[2], junk[3] = i >> 8, i & 255
            made += look(one, junk, i // 20) == "unknown_tag"
        self.assertTrue(50 <= made <= 101, made)  # 10 windows of 30 / 3 slots; the first one may be full
        self.assertEqual(len(one.tables), 4)

    def test_without_clients(self):
        self.assertEqual(look(gate([], None), packet(CLIENTS[0])), "unknown_tag")


if __name__ == "__main__":
    unittest.main()
