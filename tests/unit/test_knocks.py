"""From the ring to the doors: who is asked what a packet means, and what is done about it."""

import unittest

from common.accepting import SPA_PORT, Accepting
from common.clients import NOW_US, client, packet, service
from common.knocking import Knocking, Sequence
from common.packets import GATEWAY4, GATEWAY6, SOURCE4, SOURCE6, TCP, UDP, ipv4, ipv6, tcp, udp
from knocklet.core import verdict
from knocklet.core.clock import MASK
from knocklet.core.matcher import SEQUENCES
from knocklet.core.own_addresses import OwnAddresses
from knocklet.core.summary import FLOOD, SWEEP
from knocklet.edge.knocks import Knocks

SSH, CAMERA = service(1, 22), service(2, 8080)
ALICE = client(1, [SSH])
STRANGER, LOW = bytes([203, 0, 113, 66]), bytes([10, 0, 0, 1])


class Ring:
    """Frames that are taken one after the other."""

    def __init__(self):
        self.waiting = []
        self.frames = b""
        self.at = 3
        self.captured = self.length = 0

    def put(self, *packets):
        self.waiting += packets

    def ready(self):
        if self.waiting:
            self.frames = b"\xaa" * 3 + self.waiting[0]
            self.captured = self.length = len(self.waiting[0])
        return bool(self.waiting)

    def release(self):
        self.waiting.pop(0)


class Interface:
    def __init__(self, name):
        self.name = name
        self.ring = Ring()
        self.own = OwnAddresses()
        self.own.set([GATEWAY4, GATEWAY6])


class Interfaces:
    def __init__(self):
        self.all = [Interface("wan0"), Interface("wan1")]


class Clients:
    """As edge.client_knocks.ClientKnocks, as far as Knocks knows it; one_time answers as it is told."""

    def __init__(self, signed):
        self.signed = signed
        self.answer = verdict.COMPLETE
        self.knocked = []

    def one_time(self, sequence, source, _now_ms):
        self.knocked.append((sequence.name, source))
        return self.answer


def sequence(name, steps, services, opens=True):
    made = Sequence(steps)
    made.name, made.services, made.opens = name, services, opens
    return made


class Base(unittest.TestCase):
    def setUp(self):
        self.accepting = Accepting([ALICE])
        self.done = self.accepting.done
        self.interfaces = Interfaces()
        self.knocking = Knocking([], ())
        doors = self.accepting.doors
        self.knocks = Knocks(self.interfaces, self.knocking.matcher, doors, doors, self.accepting.events)
        self.clients = self.knocks.clients = Clients(self.accepting.signed)

    def sequences(self, sequences, decoys=()):
        self.knocking.matcher.set_sequences(sequences, decoys)
        self.knocks.sequences = sequences

    def came(self, *packets, now_ms=0):
        """What was counted for these packets, by name, each as often as it came."""
        self.interfaces.all[0].ring.put(*packets)
        before = list(self.knocks.counts)
        while self.knocks.rings_ready(now_ms):
            pass
        found = []
        for kind, count in enumerate(self.knocks.counts):
            found += [verdict.NAMES[kind]] * (count - before[kind])
        return found


class TestMeaning(Base):
    def test_signed(self):
        self.assertEqual(self.came(ipv4(udp(SPA_PORT, packet(ALICE)), UDP)), ["accepted"])
        self.assertEqual(self.came(ipv6(udp(SPA_PORT, packet(ALICE, stamp_us=NOW_US + 1)), UDP)), ["accepted"])
        self.assertEqual(self.accepting.what(), "store open store open")

    def test_signed_by_tcp_is_none(self):
        self.assertEqual(self.came(ipv4(tcp(SPA_PORT), TCP)), ["other_port"])

    def test_no_clients(self):
        self.knocks.clients = None
        self.assertEqual(self.came(ipv4(udp(SPA_PORT, packet(ALICE)), UDP)), ["other_port"])

    def test_port_0(self):
        """No port of ours, though one of the two that a datagram is compared with may be 0: none."""
        for data in (b"", packet(ALICE)):
            self.assertEqual(self.came(ipv4(udp(0, data), UDP)), ["other_port"])
            self.assertEqual(self.came(ipv4(tcp(0), TCP)), ["other_port"])

    def test_junk(self):
        for data, expected in ((b"", "wrong_length"), (bytes(88), "unknown_tag"), (bytes(1400), "wrong_length")):
            self.assertEqual(self.came(ipv4(udp(SPA_PORT, data), UDP)), [expected])
        self.assertEqual(self.came(ipv4(udp(SPA_PORT, packet(ALICE)), UDP)[:-1]), ["truncated"])
        self.assertEqual(self.done, [])

    def test_cut_by_the_capture(self):
        """All its headers are there, and not all that it carries."""
        ring = self.interfaces.all[0].ring
        data = ipv4(udp(SPA_PORT, packet(ALICE)), UDP)
        ring.put(data)
        ring.ready()
        ring.captured -= 1
        self.knocks._take(self.interfaces.all[0], ring, 0)
        self.assertEqual(self.knocks.counts[verdict.WRONG_LENGTH], 1)
        self.assertEqual(self.done, [])

    def test_to_whom_and_from_whom(self):
        for data, expected in (
            (ipv4(udp(SPA_PORT, packet(ALICE)), UDP, destination=STRANGER), "not_ours"),
            (ipv6(udp(SPA_PORT, packet(ALICE)), UDP, destination=SOURCE6), "not_ours"),
            (ipv4(udp(SPA_PORT, packet(ALICE)), UDP, source=GATEWAY4), "bad_source"),
            (ipv6(udp(SPA_PORT, packet(ALICE)), UDP, source=GATEWAY6), "bad_source"),
            (ipv4(udp(SPA_PORT, packet(ALICE)), UDP, wrong=1), "bad_checksum"),
        ):
            self.assertEqual(self.came(data), [expected])
        self.assertEqual(self.done, [])


class TestSequences(Base):
    def test_open(self):
        self.sequences({0: sequence("family", "7000 8000", [SSH, CAMERA])})
        self.assertEqual(self.came(ipv4(tcp(7000), TCP), ipv4(tcp(8000), TCP)), ["step_started", "complete"])
        self.assertEqual(self.done, [("open", 1, SOURCE4, "family", 0), ("open", 2, SOURCE4, "family", 0)])
        self.assertEqual(self.came(ipv6(tcp(7000), TCP), ipv6(tcp(8000), TCP)), ["step_started", "complete"])
        self.assertEqual(self.done[-1], ("open", 2, SOURCE6, "family", 0))

    def test_close(self):
        """For the one who knocks, whoever opened."""
        self.sequences({0: sequence("leave", "8000 7000", [SSH], opens=False)})
        for name, one, address in (
            ("a", SSH, SOURCE4), ("b", SSH, SOURCE4), ("c", CAMERA, SOURCE4), ("d", SSH, STRANGER), ("e", SSH, LOW),
        ):  # fmt: skip
            self.accepting.doors.grants.put(one, address, name, 0)
        self.came(ipv4(tcp(8000), TCP), ipv4(tcp(7000), TCP))
        self.assertEqual([one[1:] for one in self.done],
                         [(1, SOURCE4, name, "sequence", False) for name in ("a", "b")])  # fmt: skip

    def test_only_what_is_complete(self):
        self.sequences({0: sequence("one", "7000 8000", [SSH]), 1: sequence("two", "9000 8000", [CAMERA])})
        self.came(ipv4(tcp(9000), TCP), ipv4(tcp(8000), TCP))
        self.assertEqual(self.done, [("open", 2, SOURCE4, "two", 0)])

    def test_one_time(self):
        """Those with numbers from SEQUENCES on are the clients' to judge, and the verdict is theirs."""
        for number in (SEQUENCES, SEQUENCES + 255):
            for answer in (verdict.COMPLETE, verdict.OTP_USED):
                self.sequences({0: sequence("other", "1 2", [SSH]), number: sequence("alice", "7000 8000", [SSH])})
                self.clients.answer = answer
                names = self.came(ipv4(tcp(7000), TCP), ipv4(tcp(8000), TCP))
                self.assertEqual(names, ["step_started", verdict.NAMES[answer]])
                self.assertEqual(self.clients.knocked.pop(), ("alice", SOURCE4))
        self.assertEqual(self.done, [])

    def test_a_fixed_one_below_that(self):
        self.sequences({SEQUENCES - 1: sequence("last", "7000", [SSH])})
        self.assertEqual(self.came(ipv4(tcp(7000), TCP)), ["complete"])
        self.assertEqual(self.clients.knocked, [])
        self.assertEqual(self.done, [("open", 1, SOURCE4, "last", 0)])


class TestNoise(Base):
    def test_sweep(self):
        self.sequences({0: sequence("family", "7000 8000", [SSH])}, [7500])
        names = self.came(*[ipv4(tcp(port), TCP, source=STRANGER) for port in (7000, 7500) * 3])
        self.assertEqual(names.count("sweep"), 1)
        self.assertEqual(self.done, [("noise", SWEEP, STRANGER), ("sweep", {"interface": "wan0", "source": "203.0.113.66"})])

    def test_sweep_that_is_not_told(self):
        self.accepting.events.quiet = True
        self.sequences({0: sequence("family", "7000 8000", [SSH])}, [7500])
        self.came(*[ipv4(tcp(port), TCP) for port in (7000, 7500) * 3])
        self.assertEqual(self.accepting.what(), "noise")

    def test_flood(self):
        """2000 packets within a second, of several sources, as it may be: nobody is blamed."""
        for start_ms in (0, 5000, MASK - 500):
            self.setUp()
            one = ipv4(tcp(1), TCP)
            self.came(*[one] * 1999, now_ms=start_ms)
            self.assertEqual(self.done, [])
            self.came(one, now_ms=(start_ms + 999) & MASK)
            self.assertEqual(self.done, [("noise", FLOOD, b""), ("flood", {"interface": "wan0"})])

    def test_flood_that_is_not_told(self):
        self.accepting.events.quiet = True
        self.came(*[ipv4(tcp(1), TCP)] * 2000)
        self.assertEqual(self.accepting.what(), "noise")

    def test_no_flood(self):
        one = ipv4(tcp(1), TCP)
        self.came(*[one] * 1999, now_ms=10_000)
        self.came(*[one] * 1999, now_ms=11_000)
        self.assertEqual(self.done, [])

    def test_after_a_flood_it_counts_anew(self):
        one = ipv4(tcp(1), TCP)
        self.came(*[one] * 2000)
        self.came(*[one] * 1999)
        self.assertEqual(self.accepting.what(), "noise flood")
        self.came(one)
        self.assertEqual(self.accepting.what(), "noise flood")


class TestRings(Base):
    def test_portions(self):
        """256 of one ring, then it is the turn of the next; and it says that more is waiting."""
        one = ipv4(tcp(1), TCP)
        rings = [interface.ring for interface in self.interfaces.all]
        rings[0].put(*[one] * 600)
        rings[1].put(*[one] * 256)
        for left, more in (([344, 0], True), ([88, 0], True), ([0, 0], False), ([0, 0], False)):
            self.assertEqual(self.knocks.rings_ready(0), more)
            self.assertEqual([len(ring.waiting) for ring in rings], left)

    def test_the_counts_stay_small(self):
        self.knocks.counts[verdict.OTHER_PORT] = MASK
        self.came(ipv4(tcp(1), TCP))
        self.assertEqual(self.knocks.counts[verdict.OTHER_PORT], 0)


if __name__ == "__main__":
    unittest.main()
