"""Commands: each verb with its fields; everything else is refused with one line; and what may be obeyed by a wrong clock."""

import json
import unittest

from knocklet.core.command import Command
from knocklet.core.errors import ConfigError, Refused

V4, V6 = bytes([198, 51, 100, 7]), b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"
ASKED = {"boot": 7, "seq": 12, "client": "anna", "service": "ssh", "source": "198.51.100.7"}
ASKED_READ = dict(ASKED, source=V4)
# What takes away, keeps or tells what is: it does no harm, whenever it comes.
ALWAYS = (
    ("close", {"service": "ssh"}, {"service": "ssh"}),
    ("close", {"service": "ssh", "source": "2001:db8::9"}, {"service": "ssh", "source": V6}),
    ("close_all", {}, {}),
    ("deny", ASKED, ASKED_READ),
    ("disarm", {}, {}),
    ("revoke", {"client": "anna"}, {"client": "anna"}),
    ("confirm", {"version": "0123456789abcdef"}, {"version": "0123456789abcdef"}),
    ("rollback", {}, {}),
    ("selftest", {}, {}),
    ("pull", {}, {}),
)
BY_THE_CLOCK = (
    ("open", {"service": "ssh", "source": "198.51.100.7"}, {"service": "ssh", "source": V4}),
    ("open", {"service": "ssh", "source": "198.51.100.7", "ttl": 1}, {"service": "ssh", "source": V4, "ttl": 1}),
    ("open", {"service": "ssh", "source": "198.51.100.7", "ttl": 86400}, {"service": "ssh", "source": V4, "ttl": 86400}),
    ("approve", ASKED, ASKED_READ),
    ("approve", dict(ASKED, boot=0, seq=9999999999), dict(ASKED_READ, boot=0, seq=9999999999)),
    ("arm", {}, {}),
    ("reload", {}, {}),
)
GOOD = ALWAYS + BY_THE_CLOCK
NO_ADDRESSES = ("", "198.51.100", "198.51.100.256", "127.0.0.1", "0.0.0.0", "224.0.0.1", "::", "::1", "ff02::1",
                "::ffff:198.51.100.7", "home", "198.51.100.7/32", "198.51.100.7 ")  # fmt: skip
# Fields with values that they may not have, and what the line begins with.
REFUSED = (
    [("open", {"service": "ssh", "source": text}, "source: ") for text in NO_ADDRESSES]
    + [("close", {"service": "ssh", "source": text}, "source: ") for text in NO_ADDRESSES]
    + [("open", {"service": "ssh", "source": "198.51.100.7", "ttl": value}, "ttl: ") for value in (0, -1, 86401, "60", True)]
    + [("open", {"service": value, "source": "198.51.100.7"}, "service: ") for value in ("", 1, None, ["ssh"], True)]
    + [("revoke", {"client": value}, "client: ") for value in ("", 1, None, {}, "\n", "Anna", "a" * 33)]
    + [("close", {"service": value}, "service: ") for value in ("\n", "SSH", "-", "s" * 33, "(owner)")]
    + [("approve", dict(ASKED, boot=value), "boot: ") for value in (-1, "7", True, None, [])]
    + [("deny", dict(ASKED, seq=value), "seq: ") for value in (-1, "7", True, None)]
    + [("confirm", {"version": value}, "version: ")
       for value in ("", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg", 1, None)]
)  # fmt: skip


def read(verb, fields, trusted=True, transaction="t"):
    """(the Command, its fields)."""
    command = Command(json.dumps(dict(fields, verb=verb, transaction=transaction)).encode())
    return command, command.fields(trusted)


def line_of(verb, fields, transaction="t"):
    """The line with which it is refused, or None."""
    try:
        read(verb, fields, True, transaction)
    except ConfigError as error:
        return str(error)
    return None


class TestGood(unittest.TestCase):
    def test_each(self):
        for verb, fields, wanted in GOOD:
            command, found = read(verb, fields)
            self.assertEqual((command.verb, command.transaction, found), (verb, "t", wanted))

    def test_without_a_trusted_clock(self):
        for verb, fields, wanted in ALWAYS:
            command, found = read(verb, fields, False)
            self.assertIs(command.harmless, True)
            self.assertEqual(found, wanted)
        for verb, fields, _ in BY_THE_CLOCK:
            with self.assertRaises(Refused) as caught:
                read(verb, fields, False)
            self.assertEqual(str(caught.exception), verb + ": while the gateway's clock is not trusted, allowed: "
                             "close, close_all, confirm, deny, disarm, pull, revoke, rollback, selftest")  # fmt: skip
            self.assertIs(read(verb, fields)[0].harmless, False)

    def test_transaction(self):
        self.assertEqual(read("arm", {}, True, "x" * 64)[0].transaction, "x" * 64)


class TestRefused(unittest.TestCase):
    def test_values(self):
        for verb, fields, begins in REFUSED:
            line = line_of(verb, fields)
            with self.subTest(verb, fields=fields):
                self.assertEqual(line and line[: len(begins)], begins)
                self.assertEqual([c for c in line if not 32 <= ord(c) < 127], [])
                self.assertLessEqual(len(line), 250)

    def test_each_field_is_wanted(self):
        for verb, fields, _ in GOOD:
            for key in fields:
                less = {other: fields[other] for other in fields if other != key}
                if (verb, key) in (("close", "source"), ("open", "ttl")):
                    self.assertIsNone(line_of(verb, less))
                else:
                    self.assertEqual(line_of(verb, less), key + ": found 'nothing'; allowed: a value: it is required")

    def test_no_field_more(self):
        for verb, fields, _ in GOOD:
            for key in ("service", "source", "ttl", "boot", "seq", "client", "version", "all", "Verb", "expires"):
                if key not in fields and (verb, key) not in (("close", "source"), ("open", "ttl")):
                    self.assertIn(key + ": unknown key; allowed: ", line_of(verb, dict(fields, **{key: "1"})) or "")

    def test_verb(self):
        for verb in ("", "Open", "opens", "set", None, 1, ["open"], True):
            self.assertIn("verb: found ", line_of(verb, {}) or "")
        with self.assertRaises(ConfigError):
            Command(b'{"transaction": "t"}')

    def test_transactions(self):
        for transaction in ("", 1, None, [], True, {}):
            self.assertIn("transaction: found ", line_of("arm", {}, transaction) or "")
        self.assertIn("at most 64 characters", line_of("arm", {}, "x" * 65))
        with self.assertRaises(ConfigError):
            Command(b'{"verb": "arm"}')

    def test_no_command_at_all(self):
        for text in (b"", b"{", b"[]", b'"arm"', b"1", b"null", b'{"verb": "arm", "transaction": "t"} x', b"\xff", b"{}",
                     b'{"verb": "arm", "verb": "arm", "transaction": "t"}'):  # fmt: skip
            with self.assertRaises(ConfigError):
                Command(text)


if __name__ == "__main__":
    unittest.main()
