"""The ciphers that this interpreter has, and what is said where they are missing."""

import sys
import unittest

from common import ciphers as right
from common import fwknop
from knocklet.edge import ciphers


class Policy:
    def __init__(self, *clients):
        self.clients = clients


def missing(digest, **gone):
    """What ciphers.missing() says when these parts are None."""
    kept = {name: getattr(ciphers, name) for name in ("aes", "md5", "sha1")}
    try:
        for name in kept:
            setattr(ciphers, name, gone.get(name, True))
        return ciphers.missing(Policy(fwknop.client("plain", [], key=None), fwknop.client("oldphone", [], digest=digest)))
    finally:
        for name in kept:
            setattr(ciphers, name, kept[name])


class TestCiphers(unittest.TestCase):
    def test_digests(self):
        self.assertEqual(ciphers.md5(b"abc").hex(), "900150983cd24fb0d6963f7d28e17f72")  # RFC 1321
        self.assertEqual(ciphers.sha1(b"abc").hex(), "a9993e364706816aba3e25717850c26c9cd0d89d")  # RFC 3174

    def test_aes(self):
        key, iv, text = bytes(range(32)), bytes(range(100, 116)), bytes(range(48))
        made = right.aes_cbc_encrypt(key, iv, text)
        self.assertEqual(right.aes_cbc_decrypt(key, iv, made), text)
        if sys.implementation.name == "micropython":  # CPython has no cryptolib
            self.assertEqual(ciphers.aes_cbc_decrypt(key, iv, made), text)
            for length in (1, 15, 17, 31):
                with self.assertRaises(ValueError):
                    ciphers.aes_cbc_decrypt(key, iv, made[:length])


class TestMissing(unittest.TestCase):
    def test_nothing(self):
        for digest in ("sha256", "sha1", "md5"):
            self.assertEqual(missing(digest), None)
        self.assertEqual(missing("sha256", sha1=None), None)

    def test_something(self):
        for digest, gone, names in (
            ("sha256", {"aes": None}, "AES"),
            ("sha256", {"md5": None}, "MD5"),
            ("sha1", {"sha1": None}, "SHA-1"),
            ("sha256", {"aes": None, "md5": None, "sha1": None}, "AES, MD5"),
            ("sha1", {"aes": None, "md5": None, "sha1": None}, "AES, MD5, SHA-1"),
        ):
            line = missing(digest, **gone)
            begin = "clients.oldphone.kinds: found fwknop, and this MicroPython has no %s; allowed: " % names
            self.assertTrue(line.startswith(begin), line)
            self.assertTrue("micropython-mbedtls (OpenWrt), micropython" in line and "\n" not in line)

    def test_nobody_needs_it(self):
        kept, ciphers.aes = ciphers.aes, None
        self.assertEqual(ciphers.missing(Policy()), None)
        self.assertEqual(ciphers.missing(Policy(fwknop.client("plain", [], key=None))), None)
        ciphers.aes = kept


if __name__ == "__main__":
    unittest.main()
