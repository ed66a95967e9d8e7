"""HMAC and HKDF against the published test cases."""

import unittest
from binascii import unhexlify

from knocklet.wire.hmac import equal, hkdf, hmac, hmac_each


class TestHmac(unittest.TestCase):
    def test_rfc_4231(self):
        for key, data, mac in (
            (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (bytes(range(64)), b"A key of one whole block", "18a0503f3c500e811e79decdfc3a8bee58a9328a6cd7318b6482574624307510"),
            (b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First",
             "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        ):  # fmt: skip
            self.assertEqual(hmac(key, data), unhexlify(mac))
            self.assertEqual(hmac(key, data[:3], memoryview(data)[3:]), unhexlify(mac))

    def test_many_keys(self):
        keys = [bytes([number]) * 32 for number in range(40)]
        for message in (b"", b"tag1", bytes(200)):
            self.assertEqual(hmac_each(keys, message), [hmac(key, message) for key in keys])

    def test_rfc_5869(self):
        """The first 32 bytes of its first test case, whose info is 0xf0-0xf9."""
        made = hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)))[0]
        self.assertEqual(made, unhexlify("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"))

    def test_equal(self):
        mac = bytes(range(32))
        self.assertTrue(equal(mac, bytes(mac)))
        for i in range(32):
            other = bytearray(mac)
            other[i] ^= 0x80
            self.assertFalse(equal(mac, other))
        self.assertFalse(equal(mac, mac[:31]))
        self.assertFalse(equal(mac[:31], mac))
        self.assertFalse(equal(mac, b""))


if __name__ == "__main__":
    unittest.main()
