"""Base64 has one way to write something."""

import unittest

from knocklet.core.base64 import decode, encode


class TestBase64(unittest.TestCase):
    def test_there_and_back(self):
        for length in range(70):
            data = bytes([(7 * i + length) & 255 for i in range(length)])
            self.assertEqual(decode(encode(data)), data)
            self.assertEqual(len(encode(data)), -(-length * 4 // 3))

    def test_refused(self):
        for text in (b"QQ=", b"QQ==", b"QR", b"Q/", b"QUF", b"Q", b"Q Q", b"QQ\n", b"Q-", b"Q_", b"QQ\0", b"QUFBQQ=="):
            with self.assertRaises(ValueError):
                self.fail(str(decode(text)))


if __name__ == "__main__":
    unittest.main()
