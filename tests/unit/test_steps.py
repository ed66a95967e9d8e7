"""Steps of a port sequence as text, both ways, and what is no step."""

import unittest

from knocklet.wire.steps import TCP, UDP, format_step, parse_port, parse_step

# text, protocol, port
STEPS = (
    ("7000/tcp", 6, 7000),
    ("9100/udp", 17, 9100),
    ("1/tcp", 6, 1),
    ("65535/udp", 17, 65535),
    ("10/tcp", 6, 10),
)
BAD_PORTS = (
    "",
    "0",
    "65536",
    "65558",  # 16 bits of it are port 22
    "100000",
    "4294967318",  # 32 bits of it are port 22
    "9" * 1000,
    "-1",
    "+1",
    "07000",
    "00",
    " 7000",
    "7000 ",
    "7000\n",
    "7 000",
    "7_000",
    "0x1b",
    "1e3",
    "7000.0",
    "ssh",
    "\u0667\u0660",  # digits, but not ASCII
    "7\x00",
)
BAD_PROTOCOLS = ("", "TCP", "Udp", "sctp", "6", " tcp", "tcp ", "tcp\n", "tcp/udp", "tc")


class TestSteps(unittest.TestCase):
    def refused(self, function, text, found):
        """`function` refuses `text` in one short line that says what was found and what is allowed."""
        with self.assertRaises(ValueError) as caught:
            function(text)
        line = str(caught.exception)
        self.assertIn(found, line, repr(text))
        self.assertIn("allowed: ", line, repr(text))
        self.assertTrue(len(line) < 80, repr(line))
        for c in "\n\r\x00":
            self.assertFalse(c in line, repr(line))

    def test_protocol_numbers_are_those_of_ip(self):
        self.assertEqual((TCP, UDP), (6, 17))

    def test_read_and_written(self):
        for text, protocol, port in STEPS:
            self.assertEqual(parse_step(text), (protocol, port))
            self.assertEqual(format_step(protocol, port), text)

    def test_tcp_need_not_be_said(self):
        self.assertEqual(parse_step("7000"), (6, 7000))

    def test_cut_anywhere(self):
        for text, _, _ in STEPS:
            digits = text.find("/")
            for end in range(len(text)):
                if 0 < end <= digits:
                    self.assertEqual(parse_step(text[:end]), (6, int(text[:end])))
                else:
                    self.refused(parse_step, text[:end], "''" if end == 0 else repr(text[digits + 1 : end]))

    def test_nothing_may_follow(self):
        for text, _, _ in STEPS:
            for tail in (" ", "\n", "/", "/tcp", "x", "\x00"):
                self.refused(parse_step, text + tail, "protocol ")

    def test_ports(self):
        for text in BAD_PORTS:
            self.refused(parse_port, text, "port ")
            self.refused(parse_step, text, "port ")
            self.refused(parse_step, text + "/udp", "port ")

    def test_protocols(self):
        for text in BAD_PROTOCOLS:
            self.refused(parse_step, "7000/" + text, "protocol ")

    def test_every_port(self):
        for port in range(1, 65536):
            if parse_port(str(port)) != port:
                self.fail(str(port))


if __name__ == "__main__":
    unittest.main()
