"""Sealed messages, byte for byte as the vectors have them, in both directions; nothing else is taken for one."""

import unittest

from common.vectors import vectors
from knocklet.core.errors import ConfigError
from knocklet.core.strict_json import loads
from knocklet.wire import sealed
from knocklet.wire.sealed import SealKeys

KEYS = SealKeys(bytes(range(32)), "home")
IV = bytes(range(16))


def keys_of(case):
    return SealKeys(bytes.fromhex(case["gateway_key"]), case["id"])


def command(version=1_800_000_000_000_000, **fields):
    fields.setdefault("expires", version // 1_000_000 + 60)
    return sealed.seal(KEYS, sealed.COMMAND, version, b'{"verb":"arm"}', IV, **fields)


class TestVectors(unittest.TestCase):
    def test_made(self):
        for case in vectors("sealed"):
            keys = keys_of(case)
            self.assertEqual(keys.gateway_id.hex(), case["gateway_id"])
            more = {key: case[key] for key in ("not_before", "expires", "confirm_s")}
            text = case["plaintext"].encode()
            made = sealed.seal(keys, case["kind"], case["version"], text, bytes.fromhex(case["iv"]), **more)
            self.assertEqual(made.hex(), case["message"])

    def test_read(self):
        for case in vectors("sealed"):
            keys, message = keys_of(case), bytes.fromhex(case["message"])
            self.assertTrue(sealed.is_from(keys, message))
            found = sealed.header(message, keys.gateway_id)
            for key in ("kind", "version", "not_before", "expires", "confirm_s"):
                self.assertEqual(getattr(found, key), case[key])
            self.assertEqual(sealed.why_not(found), None)
            self.assertEqual(sealed.decrypted(keys, message), case["plaintext"].encode())

    def test_refused(self):
        """They are authentic: what they say is wrong."""
        for case in vectors("refused_sealed"):
            keys, message = keys_of(case), bytes.fromhex(case["message"])
            self.assertTrue(sealed.is_from(keys, message))
            if not sealed.why_not(sealed.header(message, keys.gateway_id)):
                with self.assertRaises(ConfigError):
                    loads(sealed.decrypted(keys, message))


class TestForm(unittest.TestCase):
    def refused(self, message):
        with self.assertRaises(ValueError):
            sealed.header(bytes(message), KEYS.gateway_id)

    def test_length(self):
        message = command()
        sealed.header(message, KEYS.gateway_id)
        for length in range(len(message)):
            self.refused(message[:length])
        self.refused(message + b"\0")

    def test_each_bit_counts(self):
        """Either it has another form, or it is not authentic."""
        message = bytearray(command())
        for bit in range(8 * len(message)):
            message[bit >> 3] ^= 1 << (bit & 7)
            if sealed.is_from(KEYS, message):
                self.fail("bit %d does not matter" % bit)
            message[bit >> 3] ^= 1 << (bit & 7)

    def test_form(self):
        for at, byte in ((0, 0x4A), (0, 0x4C), (4, 0), (4, 4), (5, 1), (6, 1), (7, 1), (8, 0), (23, 0), (52, 1), (55, 13)):
            message = bytearray(command())
            self.assertNotEqual(message[at], byte)
            message[at] = byte
            self.refused(message)

    def test_of_another_gateway(self):
        with self.assertRaises(ValueError):
            sealed.header(command(), SealKeys(bytes(range(32)), "office").gateway_id)
        self.assertFalse(sealed.is_from(SealKeys(bytes(32), "home"), command()))


class TestTimes(unittest.TestCase):
    def why(self, message):
        return sealed.why_not(sealed.header(message, KEYS.gateway_id))

    def test_a_command_has_a_short_life(self):
        version = 1_800_000_000_000_000
        for expires_s, good in ((-1, False), (0, True), (120, True), (121, False)):
            self.assertEqual(self.why(command(version, expires=1_800_000_000 + expires_s)) is None, good)
        self.assertTrue(self.why(command(version, expires=0)))
        self.assertTrue(self.why(command(version, expires=1 << 62)))

    def test_an_answer(self):
        """What the gateway says wants neither."""
        message = sealed.seal(KEYS, sealed.ANSWER, 1, b"{}", IV)
        self.assertIsNone(self.why(message))

    def test_trial(self):
        for confirm_s, good in ((0, True), (29, False), (30, True), (600, True)):
            message = sealed.seal(KEYS, sealed.CONFIG, 1, b"{}", IV, confirm_s=confirm_s)
            self.assertEqual(self.why(message) is None, good)
        self.assertTrue(self.why(command(confirm_s=30)))


class TestText(unittest.TestCase):
    def test_any_length(self):
        for length in (0, 1, 31, 32, 33, 4095, 4096, 4097, sealed.TEXT_BYTES):
            text = bytes([number * 7 & 255 for number in range(256)]) * (length // 256 + 1)
            message = sealed.seal(KEYS, sealed.CONFIG, 5, text[:length], IV)
            self.assertEqual(len(message), sealed.BYTES + length)
            self.assertTrue(sealed.decrypted(KEYS, message) == text[:length])

    def test_too_much(self):
        with self.assertRaises(ValueError):
            sealed.seal(KEYS, sealed.CONFIG, 5, bytes(sealed.TEXT_BYTES + 1), IV)
        with self.assertRaises(ValueError):
            sealed.seal(KEYS, sealed.CONFIG, (1 << 62) + 1, b"", IV)
        with self.assertRaises(ValueError):
            sealed.seal(KEYS, sealed.CONFIG, 5, b"", IV, confirm_s=601)


if __name__ == "__main__":
    unittest.main()
