"""Names of services, sequences, gateways."""

import unittest

from knocklet.wire.names import is_name

NAMES = ("a", "ssh", "camera-2", "z9", "a-", "a--b", "a" * 32)
NO_NAMES = (
    "",
    "9a",  # starts with a digit
    "-a",
    "Ssh",
    "sSh",
    "a_b",
    "a b",
    " a",
    "a ",
    "a\n",
    "a\x00",
    "a.b",
    "a/b",
    "a'b",
    'a"b',
    "a;b",
    "a+",  # MQTT wildcards
    "#",
    "\xe4",  # letters of other alphabets
    "a\xe4",
    "a\u0661",
    "a" * 33,
)


class TestNames(unittest.TestCase):
    def test_names(self):
        for text in NAMES:
            self.assertTrue(is_name(text), text)

    def test_no_names(self):
        for text in NO_NAMES:
            self.assertFalse(is_name(text), repr(text))


if __name__ == "__main__":
    unittest.main()
