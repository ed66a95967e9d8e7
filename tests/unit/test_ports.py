"""Which ports matter right now, to matcher and kernel filter alike."""

import unittest

from common.bpf_machine import check, disassemble, run
from common.clients import SLOT, client, packet
from common.knocking import Knocking, Sequence
from common.packets import TCP, UDP, ipv4, tcp, udp
from knocklet.core import bpf, filter, verdict
from knocklet.core.matcher import SEQUENCES
from knocklet.edge.ports import Ports

ALICE = client(1)
A = bytes([198, 51, 100, 2])
FIXED = "7000 8000/udp"
DECOYS = [2000, 7500, 20001]


class Policy:
    services = ()

    def __init__(self, spa_port=0, fwknop_port=0, sequences=(FIXED,)):
        self.sequences = [Sequence(steps) for steps in sequences]
        self.spa_port, self.fwknop_port = spa_port, fwknop_port


class Knocks:
    def __init__(self):
        self.sequences = {}


class Interfaces:
    def __init__(self):
        self.filters = None

    def filter(self, filters):
        self.filters = filters


class Clients:
    """blocks: of spa_blocks()."""

    def __init__(self):
        self.sequences = {}
        self.blocks = [("any", filter.spa_any())]

    def spa_blocks(self):
        return self.blocks


class Base(unittest.TestCase):
    def setUp(self):
        self.knocking = Knocking([], ())
        self.interfaces, self.knocks, self.clients = Interfaces(), Knocks(), Clients()
        self.ports = Ports(self.knocking.matcher, self.interfaces, self.knocks)
        self.ports.clients = self.clients

    def knocked(self, steps):
        return self.knocking.knocks(A, steps)

    def passes(self, program, *packets):
        code = disassemble(bpf.assemble(program))
        check(code)
        return [run(code, one) for one in packets]


class TestMatcher(Base):
    def test_fixed_and_one_time(self):
        self.clients.sequences = {SEQUENCES + 3: Sequence("30000 31000")}
        self.ports.apply(Policy(), DECOYS)
        self.assertEqual(sorted(self.knocks.sequences), [0, SEQUENCES + 3])
        self.assertEqual(self.knocked(FIXED), "step_started complete")
        self.assertEqual(self.knocked("30000 31000"), "step_started complete")
        self.assertEqual(self.knocked("7000 2000 8000/udp"), "step_started decoy_ended step_alone")

    def test_half_finished_knocks_go_on(self):
        """Over time, and over a new policy: at what is as it was, wherever in the list it is now; at nothing else."""
        self.ports.apply(Policy(), DECOYS)
        self.knocked("7000")
        self.ports.time_changed(0)
        self.assertEqual(self.knocked("8000/udp 7000"), "complete step_started")
        for sequences, last in (
            ((FIXED,), "complete"),
            (("5000 6000", FIXED), "complete"),
            ((FIXED, "5000 6000"), "complete"),
            (("7000/udp 8000/udp",), "step_alone"),
            (("7000 8000", FIXED), "complete"),
            (("5000 8000/udp",), "step_alone"),
            ((), "other_port"),
        ):
            with self.subTest(sequences):
                self.ports.apply(Policy(), DECOYS)
                self.knocked("7000")
                self.ports.apply(Policy(sequences=sequences), DECOYS)
                self.assertEqual(self.knocked("8000/udp"), last)

    def test_another_window_is_another_sequence(self):
        for window_ms in (9_999, 10_001):
            self.ports.apply(Policy(), DECOYS)
            self.knocked("7000")
            other = Policy()
            other.sequences[0].window_ms = window_ms
            self.ports.apply(other, DECOYS)
            self.assertEqual(self.knocked("8000/udp"), "step_alone")

    def test_two_that_are_alike(self):
        """Each has a number of its own, also where they had none before."""
        for before in ((), (FIXED,), (FIXED, FIXED), ("5000 6000", FIXED)):
            self.ports.apply(Policy(sequences=before), DECOYS)
            self.ports.apply(Policy(sequences=(FIXED, FIXED, "5000 6000")), DECOYS)
            self.assertEqual(sorted(self.knocks.sequences), [0, 1, 2])
            self.assertEqual(self.knocked("7000"), "step_started")
            self.assertEqual(self.knocked("8000/udp"), "complete")
            self.assertEqual(len(self.knocking.completed()), 2)

    def test_a_fixed_one_has_no_number_of_the_others(self):
        """Though one of those had the same steps."""
        self.clients.sequences = {SEQUENCES: Sequence(FIXED), SEQUENCES + 1: Sequence("5000 6000")}
        self.ports.apply(Policy(sequences=()), DECOYS)
        self.clients.sequences = {}
        self.ports.apply(Policy(sequences=("5000 6000", FIXED)), DECOYS)
        self.assertEqual(sorted(self.knocks.sequences), [0, 1])

    def test_time_ends_no_attempt_at_what_changes(self):
        """No number means another sequence while attempts at that can be alive: core/otp.py sees to it."""
        self.clients.sequences = {SEQUENCES: Sequence("30000 31000")}
        self.ports.apply(Policy(), DECOYS)
        self.knocked("30000")
        self.clients.sequences = {SEQUENCES: Sequence("40000 31000")}
        self.ports.time_changed(0)
        self.assertEqual(self.knocked("31000"), "complete")

    def test_one_that_came_back_begins_anew(self):
        self.ports.apply(Policy(), DECOYS)
        self.knocked("7000")
        self.ports.apply(Policy(sequences=("5000 8000/udp",)), DECOYS)
        self.ports.apply(Policy(), DECOYS)
        self.assertEqual(self.knocked("8000/udp"), "step_alone")

    def test_one_time_knocks_go_on(self):
        self.clients.sequences = {SEQUENCES: Sequence("30000 31000"), SEQUENCES + 4: Sequence("40000 41000")}
        self.ports.apply(Policy(), DECOYS)
        self.knocked("30000 40000")
        self.clients.sequences = {SEQUENCES: Sequence("30000 31000"), SEQUENCES + 4: Sequence("50000 41000")}
        self.ports.apply(Policy(), DECOYS)
        self.assertEqual(self.knocked("31000 41000"), "complete step_alone")

    def test_time_brings_other_sequences(self):
        self.clients.sequences = {SEQUENCES: Sequence("30000 31000"), SEQUENCES + 1: Sequence("40000 41000")}
        self.ports.apply(Policy(), DECOYS)
        self.knocked("40000")
        self.clients.sequences = {SEQUENCES + 1: self.clients.sequences[SEQUENCES + 1], SEQUENCES + 2: Sequence("50000 51000")}
        self.ports.time_changed(0)
        self.assertEqual(self.knocked("41000 50000 51000 30000"), "complete step_started complete other_port")

    def test_decoys_make_room(self):
        """No decoy where somebody has to knock, and as many of them as before; they come back."""
        self.clients.sequences = {SEQUENCES: Sequence("20001/udp 20002/udp")}
        self.ports.apply(Policy(20003), DECOYS)
        self.assertEqual(self.ports.decoys, [2000, 7500, 20000])  # not across the knock port either
        self.assertEqual(self.knocked("20001/udp 20002/udp 20001 20000"),
                         "step_started complete other_port decoy")  # fmt: skip
        self.clients.sequences = {}
        self.ports.time_changed(0)
        self.assertEqual(self.ports.decoys, DECOYS)

    def test_without_clients(self):
        self.ports.clients = None
        self.assertEqual(len(self.ports.apply(Policy(), DECOYS)), 1)
        self.assertEqual((self.ports.decoys, self.ports.filters), (DECOYS, ["ports"]))


class TestFilters(Base):
    def test_steps_and_decoys(self):
        self.clients.sequences = {SEQUENCES: Sequence("30000 31000/udp")}
        made = self.ports.apply(Policy(), DECOYS)
        self.assertEqual((len(made), self.ports.filters), (1, ["ports"]))
        tcp_ports, udp_ports = (7000, 30000), (8000, 31000)
        for port in (2000, 7000, 7500, 8000, 8001, 20001, 30000, 31000, 62201):
            found = self.passes(made[0], ipv4(tcp(port), TCP), ipv4(udp(port, bytes(88)), UDP))
            wanted = [port in tcp_ports or port in DECOYS, port in udp_ports or port in DECOYS]
            self.assertEqual(found, [filter.KEEP_BYTES * one for one in wanted])

    def test_time_sets_them(self):
        self.ports.apply(Policy(), DECOYS)
        self.assertIsNone(self.interfaces.filters)
        self.clients.sequences = {SEQUENCES: Sequence("30000 31000")}
        self.ports.time_changed(0)
        self.assertEqual(self.passes(self.interfaces.filters[0], ipv4(tcp(30000), TCP)), [filter.KEEP_BYTES])

    def test_signed(self):
        """Each block that there is, the best first."""
        self.clients.blocks = [("slots", filter.spa_slots((SLOT,))), ("any", filter.spa_any())]
        made = self.ports.apply(Policy(62201, 62202), DECOYS)
        self.assertEqual(self.ports.filters, ["slots", "any"])
        good, old = [ipv4(udp(62201, packet(ALICE, slot=slot)), UDP) for slot in (SLOT, SLOT - 1)]
        fwknop = ipv4(udp(62202, bytes(200)), UDP)
        self.assertEqual(self.passes(made[0], good, old, fwknop), [filter.SPA_KEEP_BYTES, 0, filter.FWKNOP_KEEP_BYTES])
        self.assertEqual(self.passes(made[1], good, old, fwknop), [160, 160, 456])

    def test_one_that_is_too_long_is_left_out(self):
        room = bpf.LIMIT - bpf.size(filter.program(DECOYS + [7000], DECOYS + [8000], 62201, []))
        load, end = bpf.instruction(bpf.LD_B, 0), bpf.instruction(bpf.RET, 1)
        for count, names in ((room, ["long", "any"]), (room + 1, ["any"])):
            self.clients.blocks = [("long", [load] * (count - 1) + [end]), ("any", filter.spa_any())]
            made = self.ports.apply(Policy(62201), DECOYS)
            self.assertEqual((self.ports.filters, len(made)), (names, len(names)))

    def test_names(self):
        class Interface:
            filter = 0

        self.clients.blocks = [("slots", filter.spa_slots((SLOT,))), ("any", filter.spa_any())]
        self.ports.apply(Policy(62201), DECOYS)
        for number, begins in ((0, "slots"), (1, "any"), (-1, "everything")):
            Interface.filter = number
            self.assertEqual(self.ports.filter_of(Interface)[: len(begins)], begins)


class TestBoth(Base):
    def test_what_the_matcher_wants_the_filter_passes(self):
        """Every step, and every decoy by either protocol."""
        self.clients.sequences = {SEQUENCES + i: Sequence("%d %d/udp" % (30000 + i, 40000 + i)) for i in range(192)}
        program = disassemble(bpf.assemble(self.ports.apply(Policy(), DECOYS)[0]))
        for one in self.knocks.sequences.values():
            for protocol, port in one.steps:
                data = ipv4(tcp(port), TCP) if protocol == TCP else ipv4(udp(port), UDP)
                self.assertTrue(run(program, data) > 0)
                self.assertNotEqual(self.knocking.knock(A, protocol, port, 0), verdict.OTHER_PORT)


if __name__ == "__main__":
    unittest.main()
