"""Strict JSON (RFC 8259) in ASCII, for configuration.

The interpreter's own parser takes missing commas, doubled keys and text after the end; a policy with a typing
mistake must be refused instead. Limits: depth 8, no number of more than 10 digits, no NUL.
Numbers are integers: nothing in a policy is a fraction.
"""

from .errors import ConfigError, printable

_DEPTH = 8
_DIGITS = 10
_SPACE = b" \t\r\n"
_DIGIT = b"0123456789"
_ESCAPED, _ESCAPES = "\"\\/\b\f\n\r\t", "\"\\/bfnrt"
_WORDS = (("true", True), ("false", False), ("null", None))


class _Reader:
    def __init__(self, data):
        self.data = data  # bytes: to find a character of a str, MicroPython counts from its beginning
        self.at = 0

    def fail(self, what):
        raise ConfigError("line %d: %s" % (_line(self.data, self.at), what))

    def peek(self):
        """The next character that is not white space, "" at the end."""
        data = self.data
        while self.at < len(data) and data[self.at] in _SPACE:
            self.at += 1
        return self.text(1)

    def text(self, count):
        """The next characters, fewer at the end."""
        return str(self.data[self.at : self.at + count], "ascii")

    def skipped(self, character):
        """Step over the next character if it is this one."""
        there = self.peek() == character
        self.at += there
        return there

    def expect(self, character, where):
        if not self.skipped(character):
            self.fail("%s: expected '%s', found %s" % (where, character, _shown(self.peek())))

    def value(self, depth):
        first = self.peek()
        if depth > _DEPTH and first in ("{", "["):
            self.fail("nested deeper than %d" % _DEPTH)
        if first == "{":
            return self.object(depth + 1)
        if first == "[":
            return self.array(depth + 1)
        if first == '"':
            return self.string()
        if first == "-" or first.isdigit():
            return self.integer()
        for word, value in _WORDS:
            if self.text(len(word)) == word:
                self.at += len(word)
                return value
        self.fail("expected a value, found %s" % _shown(first))

    def object(self, depth):
        found = {}
        self.at += 1
        more = not self.skipped("}")
        while more:
            if self.peek() != '"':
                self.fail("expected a key in quotes, found %s" % _shown(self.peek()))
            key = self.string()
            if key in found:
                self.fail("key %s given twice" % _shown(key))
            self.expect(":", "after key %s" % _shown(key))
            found[key] = self.value(depth)
            more = self.skipped(",")
            if not more:
                self.expect("}", "after the value of %s" % _shown(key))
        return found

    def array(self, depth):
        found = []
        self.at += 1
        more = not self.skipped("]")
        while more:
            found.append(self.value(depth))
            more = self.skipped(",")
            if not more:
                self.expect("]", "in a list")
        return found

    def string(self):
        parts = []
        self.at += 1
        while True:
            end = self.data.find(b'"', self.at)
            part = self.data[self.at : end if end >= 0 else len(self.data)].split(b"\\")[0]
            for i, byte in enumerate(part):
                if byte < 32:
                    self.at += i
                    self.fail("control character in a text")
            parts.append(str(part, "ascii"))
            self.at += len(part)
            if self.at == len(self.data):
                self.fail("text without closing quote")
            self.at += 1
            if self.at - 1 == end:
                return "".join(parts)
            parts.append(self.escape())
            self.at += 1

    def escape(self):
        letter = self.text(1)
        if letter and letter in _ESCAPES:
            return _ESCAPED[_ESCAPES.index(letter)]
        digits = self.text(5)[1:]
        if letter != "u" or len(digits) != 4 or any(d not in "0123456789abcdefABCDEF" for d in digits):
            self.fail("unknown escape after '\\': %s" % _shown(letter))
        code = int(digits, 16)
        if code == 0 or code > 126:
            self.fail("\\u%s: only ASCII without NUL is allowed" % digits)
        self.at += 4
        return chr(code)

    def integer(self):
        minus = self.skipped("-")
        start = self.at
        while self.at < len(self.data) and self.data[self.at] in _DIGIT:
            self.at += 1
        digits = self.data[start : self.at]
        if not digits or len(digits) > _DIGITS or (digits[0] == 0x30 and len(digits) > 1):
            self.fail("a number has 1 to %d digits and no leading zero" % _DIGITS)
        if self.text(1) in (".", "e", "E"):
            self.fail("numbers are whole")
        return -int(digits) if minus else int(digits)


def _line(data, at):
    """The number of the line that this byte is in."""
    return data[:at].count(b"\n") + 1


def _shown(text):
    return "'%s'" % printable(text) if text else "the end"


def loads(data):
    """The value of a JSON text given as bytes. Raises ConfigError with the line number."""
    for at, byte in enumerate(data):
        if byte >= 127 or byte < 32 and byte not in b"\t\r\n":
            raise ConfigError("line %d: byte 0x%02x: only ASCII text is allowed" % (_line(data, at), byte))
    reader = _Reader(data)
    value = reader.value(1)
    if reader.peek():
        reader.fail("text after the end: %s" % _shown(reader.peek()))
    return value
