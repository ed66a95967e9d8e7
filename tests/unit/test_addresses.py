"""Addresses as text, both ways. tests/property/test_addresses.py compares with CPython's ipaddress."""

import unittest

from knocklet.wire.addresses import format_address, parse_address, parse_endpoint, parse_ipv4, parse_ipv6

IPV4 = (
    ("0.0.0.0", b"\0\0\0\0"),
    ("192.168.1.50", b"\xc0\xa8\x01\x32"),
    ("255.255.255.255", b"\xff\xff\xff\xff"),
)
# the form of RFC 5952, the bytes, other forms of the same
IPV6 = (
    ("::", bytes(16), ("0::", "::0", "0:0:0:0:0:0:0:0", "::0.0.0.0")),
    ("::1", bytes(15) + b"\1", ("0::1", "0000::0001", "0:0:0:0:0:0:0:1", "::0.0.0.1")),
    ("1::", b"\0\1" + bytes(14), ("1::0", "1:0:0:0:0:0:0:0")),
    ("2001:db8::1", b"\x20\x01\x0d\xb8" + bytes(11) + b"\1", ("2001:DB8::1", "2001:0db8:0::0:1")),
    # one zero group is not shortened, though it may be read so
    ("1:2:3:0:5:6:7:8", b"\0\1\0\2\0\3\0\0\0\5\0\6\0\7\0\x08", ("1:2:3::5:6:7:8",)),
    # the longest run is; of equals the first
    ("1:0:0:2::3", b"\0\1" + bytes(4) + b"\0\2" + bytes(6) + b"\0\3", ("1::2:0:0:0:3",)),
    ("1::2:0:0:3:4", b"\0\1" + bytes(4) + b"\0\2" + bytes(4) + b"\0\3\0\4", ("1:0:0:2::3:4",)),
    ("::ffff:c0a8:132", bytes(10) + b"\xff\xff\xc0\xa8\x01\x32", ("::ffff:192.168.1.50",)),
)
NOT_IPV4 = (
    "",
    "1",
    "1.2.3",
    "1.2.3.",
    ".1.2.3",
    "1..2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.1000",
    "1.2.3.04",  # would be octal elsewhere
    "1.2.3.-4",
    "1.2.3.+4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4\n",
    "1.2.3.4/32",
    "0x7f.0.0.1",
    "1.2.3.\u0664",
    "1.2.3.4\x00",
    "::1",
    "host.example.net.",
)
NOT_IPV6 = (
    "",
    ":",
    ":::",
    ":1",
    "1:",
    "1::2::3",
    "1:::2",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4::5:6:7:8",  # '::' stands for nothing
    "12345::",
    "g::",
    "-1::",
    "+1::",
    "0x1::",
    "1:: ",
    " ::1",
    "::1\n",
    "::1%eth0",
    "::1/128",
    "[::1]",
    "1.2.3.4",
    "1.2.3.4::",
    "1.2.3.4::1.2.3.4",
    "::1.2.3.4:1",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    "\u0661::",
)
ENDPOINTS = (
    ("192.168.1.50:80", b"\xc0\xa8\x01\x32", 80),
    ("[fd00:1::50]:80", b"\xfd\0\0\1" + bytes(11) + b"\x50", 80),
    ("[::]:65535", bytes(16), 65535),
    ("0.0.0.0:1", bytes(4), 1),
)
NO_ENDPOINTS = (
    "",
    "80",
    ":80",
    "192.168.1.50",
    "192.168.1.50:",
    "192.168.1.50:0",
    "192.168.1.50:65536",
    "192.168.1.50:80:80",
    "192.168.1.50:080",
    "[192.168.1.50]:80",
    "fd00:1::50:80",
    "[fd00:1::50]",
    "[fd00:1::50]80",
    "[fd00:1::50]:",
    "[fd00:1::50]:80]:80",
    "[]:80",
    "[[::1]]:80",
    "router:80",
)


class TestAddresses(unittest.TestCase):
    def refused(self, function, texts):
        for text in texts:
            with self.assertRaises(ValueError) as caught:
                function(text)
            line = str(caught.exception)
            self.assertTrue(0 < len(line) < 120 and "\n" not in line and "\x00" not in line, repr(line))

    def test_either_family(self):
        for text, data in [case[:2] for case in IPV4 + IPV6]:
            self.assertEqual(parse_address(text), data)

    def test_ipv4(self):
        for text, address in IPV4:
            self.assertEqual(parse_ipv4(text), address)
            self.assertEqual(format_address(address), text)

    def test_ipv6(self):
        for text, address, others in IPV6:
            self.assertEqual(format_address(address), text)
            for other in (text,) + others:
                self.assertEqual(parse_ipv6(other), address, other)

    def test_a_dotted_end_counts_as_two_groups(self):
        self.assertEqual(parse_ipv6("1:2:3:4:5:6:1.2.3.4"), b"\0\1\0\2\0\3\0\4\0\5\0\6\1\2\3\4")

    def test_not_ipv4(self):
        self.refused(parse_ipv4, NOT_IPV4)

    def test_not_ipv6(self):
        self.refused(parse_ipv6, NOT_IPV6)

    def test_endpoints(self):
        for text, address, port in ENDPOINTS:
            self.assertEqual(parse_endpoint(text), (address, port))
            self.refused(parse_endpoint, [text + tail for tail in (" ", "\n", ":", "]", "x")])

    def test_no_endpoints(self):
        self.refused(parse_endpoint, NO_ENDPOINTS)


if __name__ == "__main__":
    unittest.main()
