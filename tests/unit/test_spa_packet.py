"""The knock packet, byte for byte as the vectors have it, in both directions."""

import unittest

from common.vectors import vectors
from knocklet.wire import spa_packet
from knocklet.wire.keys import ClientKeys


def keys_of(case):
    return ClientKeys(bytes.fromhex(case["client_key"]), case["id"])


class TestVectors(unittest.TestCase):
    def test_keys(self):
        for case in vectors("spa"):
            keys = keys_of(case)
            self.assertEqual(keys.gateway_id.hex(), case["gateway_id"])
            self.assertEqual(keys.fingerprint.hex(), case["keys"]["fingerprint v1"])

    def test_tag(self):
        for case in vectors("spa"):
            slot = spa_packet.slot_bytes(case["slot"])
            self.assertEqual(spa_packet.tag(keys_of(case), slot).hex(), case["tag"])

    def test_made(self):
        for case in vectors("spa"):
            source = bytes.fromhex(case["source"])
            given = None if case["flags"] & spa_packet.PACKET_SOURCE else spa_packet.unmapped(source)
            text = spa_packet.plaintext(case["op"], case["service"], case["ttl"], case["stamp_us"], given)
            self.assertEqual(text.hex(), case["plaintext"])
            packet = spa_packet.seal(keys_of(case), bytes.fromhex(case["iv"]), text)
            self.assertEqual(packet.hex(), case["packet"])
            self.assertEqual(len(packet), spa_packet.BYTES)

    def test_read(self):
        for kind in ("spa", "refused_spa"):  # what is to be refused is refused by what it says, not by its mac
            for case in vectors(kind):
                keys, packet = keys_of(case), bytes.fromhex(case["packet"])
                self.assertTrue(spa_packet.is_from(keys, packet))
                text = spa_packet.decrypted(keys, packet)
                if "plaintext" in case:
                    self.assertEqual(text.hex(), case["plaintext"])
                    made = (case["op"], case["flags"], case["service"], case["ttl"], case["stamp_us"])
                    self.assertEqual(spa_packet.fields(text), (1,) + made + (bytes.fromhex(case["source"]),))

    def test_of_another_gateway(self):
        case = vectors("spa")[0]
        other = ClientKeys(bytes.fromhex(case["client_key"]), "kl-attic1")
        self.assertFalse(spa_packet.is_from(other, bytes.fromhex(case["packet"])))


class TestBits(unittest.TestCase):
    def test_each_bit_counts(self):
        case = vectors("spa")[0]
        keys, packet = keys_of(case), bytearray(bytes.fromhex(case["packet"]))
        for bit in range(8 * len(packet)):
            packet[bit >> 3] ^= 1 << (bit & 7)
            if spa_packet.is_from(keys, packet):
                self.fail("bit %d does not matter" % bit)
            packet[bit >> 3] ^= 1 << (bit & 7)
        self.assertTrue(spa_packet.is_from(keys, packet))


class TestRanges(unittest.TestCase):
    def test_refused(self):
        good = (spa_packet.OPEN, 1, 0, 0)
        spa_packet.plaintext(*good)
        for place, value in ((0, 0), (0, 4), (1, 0), (1, 256), (2, -1), (2, 1 << 32), (3, -1), (3, (1 << 62) + 1)):
            bad = list(good)
            bad[place] = value
            with self.assertRaises(ValueError):
                spa_packet.plaintext(*bad)

    def test_largest(self):
        text = spa_packet.plaintext(spa_packet.RENEW, 255, 0xFFFFFFFF, 1 << 62, bytes(range(16)))
        self.assertEqual(spa_packet.fields(text), (1, 3, 0, 255, 0xFFFFFFFF, 1 << 62, bytes(range(16))))


class TestSource(unittest.TestCase):
    def test_there_and_back(self):
        for address in (bytes((198, 51, 100, 2)), bytes(range(32, 48))):
            self.assertEqual(spa_packet.unmapped(spa_packet.mapped(address)), address)


if __name__ == "__main__":
    unittest.main()
