"""Strict JSON: reads what json reads, refuses what it should not have taken, with one line that says where."""

import json
import unittest

from knocklet.core.errors import ConfigError
from knocklet.core.strict_json import loads

VALID = (
    b"{}",
    b"[]",
    b"0",
    b"-0",
    b"-5",
    b"9999999999",
    b"true",
    b"false",
    b"null",
    b'""',
    b' \t\r\n{ \n"a" : [ 1 , 2 ] }\n ',
    b'{"a":{"b":{"c":[1,[2,[3]],{}]}},"":null}',
    b'["\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u007e\\u0001"]',
    b'["with space, [brackets] and {braces}: all text"]',
    b'[true,false,null,"true"]',
    b"[[[[[[[[1]]]]]]]]",
    b'{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":"x"}}}}}}}}',
)

# The text, and what its line of error must say.
REFUSED = (
    (b"", "line 1: expected a value, found the end"),
    (b"  \n ", "line 2: "),
    (b"{", "expected a key"),
    (b"[", "expected a value"),
    (b"[1", "expected ']'"),
    (b"[1,", "expected a value"),
    (b"[1,]", "found ']'"),
    (b"[,1]", "found ','"),
    (b"[1 2]", "expected ']', found '2'"),
    (b"[1}", "expected ']', found '}'"),
    (b'{"a":1,}', "expected a key in quotes, found '}'"),
    (b'{"a":1 "b":2}', "after the value of 'a': expected '}'"),
    (b'{"a" 1}', "after key 'a': expected ':'"),
    (b'{"a":}', "found '}'"),
    (b'{a:1}', "expected a key in quotes"),
    (b"{'a':1}", "expected a key in quotes"),
    (b'{1:1}', "expected a key in quotes"),
    (b'{"a":1,\n"a":1}', "line 2: key 'a' given twice"),
    (b'{"a":1,"\\u0061":2}', "key 'a' given twice"),
    (b'{"x":{"a":1,"b":2,"a":3}}', "key 'a' given twice"),
    (b"{} {}", "text after the end"),
    (b"1 2", "text after the end"),
    (b"{}x", "text after the end: 'x'"),
    (b"[]]", "text after the end"),
    (b"01", "no leading zero"),
    (b"-", "1 to 10 digits"),
    (b"-01", "no leading zero"),
    (b"--1", "1 to 10 digits"),
    (b"+1", "expected a value"),
    (b".5", "expected a value"),
    (b"1.5", "numbers are whole"),
    (b"1e3", "numbers are whole"),
    (b"1E3", "numbers are whole"),
    (b"10000000000", "1 to 10 digits"),
    (b"1" * 5000, "1 to 10 digits"),
    (b"0x10", "text after the end"),
    (b"NaN", "expected a value"),
    (b"Infinity", "expected a value"),
    (b"True", "expected a value"),
    (b"tru", "expected a value"),
    (b"nulll", "text after the end"),
    (b'"a', "without closing quote"),
    (b'"a\\', "unknown escape"),
    (b'"\\x41"', "unknown escape after '\\': 'x'"),
    (b'"\\\n"', "line 1: unknown escape after '\\': '?'"),
    (b'"\\u12"', "unknown escape"),
    (b'"\\u12g4"', "unknown escape"),
    (b'"\\u 041"', "unknown escape"),
    (b'"\\u0000"', "without NUL"),
    (b'"\\u007f"', "only ASCII"),
    (b'"\\u00e9"', "only ASCII"),
    (b'"\\ud83d\\ude00"', "only ASCII"),
    (b'"a\nb"', "control character"),
    (b'"a\tb"', "control character"),
    (b"[[[[[[[[[1]]]]]]]]]", "nested deeper than 8"),
    (b"[" * 5000, "nested deeper than 8"),
    (b'{"a":' * 5000, "nested deeper than 8"),
    (b"// comment\n{}", "expected a value"),
    (b"{} # comment", "text after the end"),
    (b"\xef\xbb\xbf{}", "line 1: byte 0xef"),
    (b'{"a":\n"\xc3\xa9"}', "line 2: byte 0xc3"),
    (b"{}\0", "byte 0x00"),
    (b'"\x7f"', "byte 0x7f"),
    (b"[\x0b]", "byte 0x0b"),
    (b"\x0c{}", "byte 0x0c"),
)


def error_of(text):
    try:
        loads(text)
    except ConfigError as error:
        return str(error)
    return None


class TestStrictJson(unittest.TestCase):
    def test_valid_as_json(self):
        for text in VALID:
            with self.subTest(text):
                self.assertEqual(loads(text), json.loads(text))

    def test_types(self):
        for text, kind in ((b"1", int), (b"true", bool), (b'"1"', str), (b"[]", list), (b"{}", dict)):
            self.assertIs(type(loads(text)), kind)

    def test_refused(self):
        for text, expected in REFUSED:
            with self.subTest(text[:40]):
                line = error_of(text)
                self.assertTrue(line is not None, "taken")
                self.assertIn(expected, line)

    def test_every_valid_text_cut(self):
        """A text that has lost its end is refused, but for numbers and white space."""
        for text in VALID:
            if text[:1] in b'{["':
                for length in range(len(text.rstrip())):
                    with self.subTest(text, length=length):
                        self.assertTrue(error_of(text[:length]) is not None)

    def test_one_printable_line(self):
        """Whatever is in the text."""
        for text, _ in REFUSED:
            line = error_of(text)
            with self.subTest(text[:40]):
                self.assertEqual([c for c in line if not 32 <= ord(c) < 127], [])
                self.assertLessEqual(len(line), 120)
