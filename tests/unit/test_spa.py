"""A signed packet from the gate on: whose it is, what it asks for, and that nothing of it can be changed by anybody else."""

import unittest

from common.clients import CLOSE, MINUTE_US, NOW_US, OPEN, RENEW, SLOT, client, packet, sealed, service
from common.vectors import vectors
from knocklet.core import spa, verdict
from knocklet.core.gate import Gate
from knocklet.wire import spa_packet
from knocklet.wire.keys import ClientKeys

SENDER = bytes([203, 0, 113, 9])
SENDER6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"
MAPPED = bytes(10) + b"\xff\xff"
SSH, CAMERA = service(1), service(2)
ALICE = client(0, [SSH, CAMERA])
REFUSED = {
    "version": "bad_version", "op": "bad_op", "flag": "bad_flags", "slot": "bad_slot", "source_with_bit0": "bad_source_field",
    "source_missing": "bad_source_field", "source_multicast": "bad_source_field", "source_loopback": "bad_source_field",
}  # fmt: skip


def of_vector(case):
    """(its client, the packet)"""
    keys = ClientKeys(bytes.fromhex(case["client_key"]), case["id"])
    return client(0, [service(index) for index in range(1, 256)], keys=keys), bytes.fromhex(case["packet"])


def passes(gate, data):
    """The client that gate and MAC take it for, or None."""
    if gate.look(data, 0, len(data), 0) != verdict.CHECK:
        return None
    return spa.author(gate.candidates(), bytes(data))


class TestVectors(unittest.TestCase):
    def test_read(self):
        for case in vectors("spa"):
            one, data = of_vector(case)
            self.assertIs(spa.author([one], data), one)
            kind, request = spa.read(one, data, SENDER)
            self.assertEqual(kind, verdict.PARSED)
            self.assertIs(request.client, one)
            self.assertEqual([found.index for found in request.services], [case["service"]] if case["service"] else [])
            self.assertEqual((request.op, request.ttl_s, request.stamp_us), (case["op"], case["ttl"], case["stamp_us"]))
            stated = spa_packet.unmapped(bytes.fromhex(case["source"]))
            self.assertEqual(request.address, SENDER if case["flags"] else stated)
            self.assertEqual(request.stated, not case["flags"])
            self.assertIsNone(request.content)

    def test_refused(self):
        seen = set()
        for case in vectors("refused_spa"):
            one, data = of_vector(case)
            self.assertIs(spa.author([one], data), one)
            kind, request = spa.read(one, data, SENDER)
            self.assertEqual(verdict.NAMES[kind], REFUSED[case["why"]])
            self.assertIsNone(request)
            seen.add(case["why"])
        self.assertEqual(seen, set(REFUSED))


class TestAuthor(unittest.TestCase):
    def test_each_of_several(self):
        clients = [client(number) for number in range(5)]
        for one in clients:
            self.assertIs(spa.author(clients, packet(one)), one)
        self.assertIsNone(spa.author(clients, packet(client(5))))
        self.assertIsNone(spa.author([], packet(clients[0])))

    def test_of_another_gateway(self):
        one = client(0)
        one.keys = ClientKeys(b"\0\0\0\1" * 8, "attic")
        self.assertIsNone(spa.author([client(0)], packet(one)))

    def test_each_bit_counts(self):
        """All 704: the gate or the MAC refuses it."""
        gate = Gate(16_000, 1)
        gate.set_clients([client(1), ALICE, client(2)])
        gate.set_slots((SLOT - 1, SLOT, SLOT + 1))
        data = bytearray(packet(ALICE))
        self.assertIs(passes(gate, data), ALICE)
        for bit in range(8 * spa_packet.BYTES):
            data[bit >> 3] ^= 1 << (bit & 7)
            if passes(gate, data):
                self.fail("bit %d does not matter" % bit)
            data[bit >> 3] ^= 1 << (bit & 7)
        self.assertIs(passes(gate, data), ALICE)

    def test_each_value_of_each_byte(self):
        gate = Gate(16_000, 1)
        gate.set_clients([ALICE])
        for trusted in (True, False):
            gate.set_slots((SLOT - 1, SLOT, SLOT + 1) if trusted else None)
            data = bytearray(packet(ALICE))
            for at in range(spa_packet.BYTES):
                good = data[at]
                for value in range(256) if trusted or at < 8 else (good ^ 1,):
                    data[at] = value
                    if value != good and passes(gate, data):
                        self.fail("byte %d may be %d" % (at, value))
                data[at] = good

    def test_cut_and_longer(self):
        """The length is the gate's to check; a MAC over other bytes is none all the same."""
        data = packet(ALICE)
        for length in range(len(data)):
            self.assertIsNone(spa.author([ALICE], data[:length]))
        self.assertIsNone(spa.author([ALICE], data + b"\0"))


class TestRead(unittest.TestCase):
    def read(self, sender=SENDER, **fields):
        data = packet(ALICE, **fields)
        self.assertIs(spa.author([ALICE], data), ALICE)
        return spa.read(ALICE, data, sender)

    def refused(self, expected, **fields):
        kind, request = self.read(**fields)
        self.assertTrue(kind != verdict.PARSED, fields)
        self.assertEqual(verdict.NAMES[kind], expected)
        self.assertIsNone(request)

    def accepted(self, **fields):
        kind, request = self.read(**fields)
        self.assertEqual(kind, verdict.PARSED)
        return request

    def test_fields(self):
        request = self.accepted(op=CLOSE, service=2, ttl_s=0xFFFFFFFF, stamp_us=NOW_US + 1)
        self.assertTrue(request.client is ALICE and request.services == [CAMERA])
        self.assertEqual((request.op, request.ttl_s, request.stamp_us), (CLOSE, 0xFFFFFFFF, NOW_US + 1))

    def test_version(self):
        for version in range(256):
            if version != 1:
                self.refused("bad_version", version=version)

    def test_op(self):
        for op in range(256):
            if op in (OPEN, CLOSE, RENEW):
                self.assertEqual(self.accepted(op=op).op, op)
            else:
                self.refused("bad_op", op=op)

    def test_flags(self):
        for flags in range(2, 256):
            self.refused("bad_flags", flags=flags)
            self.refused("bad_flags", flags=flags, source=SENDER6)

    def test_service(self):
        """One that there is not, or that is not this client's: admission says so."""
        for index in range(256):
            self.assertEqual(self.accepted(service=index).services, {1: [SSH], 2: [CAMERA]}.get(index, []))

    def test_the_packets_source(self):
        for sender in (SENDER, SENDER6):
            request = self.accepted(sender=sender)
            self.assertEqual((request.address, request.stated), (sender, False))

    def test_a_stated_source(self):
        for source, address in ((MAPPED + SENDER, SENDER), (SENDER6, SENDER6)):
            request = self.accepted(source=source)
            self.assertEqual((request.address, request.stated), (address, True))

    def test_a_source_beside_the_flag(self):
        """All 16 bytes have to be nought then."""
        for at in range(16):
            self.refused("bad_source_field", flags=1, source=bytes(at) + b"\1" + bytes(15 - at))
        self.refused("bad_source_field", flags=1, source=MAPPED + SENDER)

    def test_a_source_that_nobody_can_have(self):
        for first in range(256):
            source = MAPPED + bytes([first, 1, 2, 3])
            if first in (0, 127) or first >= 224:
                self.refused("bad_source_field", source=source)
            else:
                self.assertEqual(self.accepted(source=source).address, source[12:])
        for source in (bytes(16), bytes(15) + b"\1", bytes(12) + SENDER, MAPPED + bytes(4), b"\xff\x02" + bytes(13) + b"\1",
                       b"\xff" * 16, bytes(10) + b"\xff\xfe" + SENDER):  # fmt: skip
            self.refused("bad_source_field", flags=0, source=source)

    def test_a_slot_of_another_minute(self):
        for stamp_us, slot in (
            (NOW_US, SLOT - 1),
            (NOW_US, SLOT + 1),
            (SLOT * MINUTE_US - 1, SLOT),
            ((SLOT + 1) * MINUTE_US, SLOT),
            (0, SLOT),
            (NOW_US, 0),
            ((SLOT + (1 << 32)) * MINUTE_US, SLOT),  # the minute's last 32 bits alone
            ((1 << 64) - 1, SLOT),
        ):
            self.refused("bad_slot", stamp_us=stamp_us, slot=slot)
        for stamp_us in (SLOT * MINUTE_US, (SLOT + 1) * MINUTE_US - 1):
            self.assertEqual(self.accepted(stamp_us=stamp_us, slot=SLOT).stamp_us, stamp_us)

    def test_whatever_is_inside(self):
        """Plaintexts of one byte over and over: a verdict, and nothing raised."""
        for byte in range(256):
            data = sealed(ALICE, bytes([byte]) * 32, SLOT)
            self.assertTrue(spa.read(ALICE, data, SENDER)[0] != verdict.PARSED)


if __name__ == "__main__":
    unittest.main()
