"""A packet to any other address is passing through, not knocking."""

import unittest

from knocklet.core.own_addresses import OwnAddresses

V4 = (bytes([192, 0, 2, 1]), bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
V6 = (b"\x20\x01" + bytes(13) + b"\1", b"\xfe\x80" + bytes(13) + b"\1")


class TestOwnAddresses(unittest.TestCase):
    def setUp(self):
        self.own = OwnAddresses()
        self.own.set(V4 + V6)

    def has(self, address):
        return self.own.has(b"before" + address + b"after", 6, len(address))

    def test_all_of_them(self):
        for address in V4 + V6:
            with self.subTest(address):
                self.assertTrue(self.has(address))

    def test_none_that_differs_in_one_bit(self):
        for address in V4 + V6:
            for bit in range(8 * len(address)):
                other = bytearray(address)
                other[bit >> 3] ^= 1 << (bit & 7)
                if bytes(other) not in V4 + V6:
                    with self.subTest(address, bit=bit):
                        self.assertFalse(self.has(bytes(other)))

    def test_not_across_two_of_them(self):
        """The last bytes of one and the first of the next are no address."""
        self.assertFalse(self.has(V4[0][2:] + V4[1][:2]))
        self.assertFalse(self.has(V6[0][8:] + V6[1][:8]))

    def test_families_apart(self):
        self.own.set((b"abcdefghijklmnop",))
        self.assertTrue(self.has(b"abcdefghijklmnop"))
        self.assertFalse(self.has(b"abcd"))
        self.own.set((b"abcd", b"efgh", b"ijkl", b"mnop"))
        self.assertFalse(self.has(b"abcdefghijklmnop"))

    def test_none(self):
        self.assertFalse(OwnAddresses().has(bytes(4), 0, 4))
        self.assertFalse(OwnAddresses().has(bytes(16), 0, 16))

    def test_set_anew(self):
        self.own.set((V4[1],))
        self.assertFalse(self.has(V4[0]))
        self.assertFalse(self.has(V6[0]))
        self.assertTrue(self.has(V4[1]))

    def test_limit(self):
        many = [bytes([10, 1, 0, i]) for i in range(40)]
        self.own.set(many + [bytes([i]) + bytes(15) for i in range(1, 36)])
        self.assertEqual(self.own.left_out, 8 + 3)
        self.assertEqual([self.has(address) for address in many], [True] * 32 + [False] * 8)
        self.own.set(many[:32])
        self.assertEqual(self.own.left_out, 0)
