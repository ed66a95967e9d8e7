"""One-time port sequences, as the vectors have them."""

import unittest

from common.vectors import vectors
from knocklet.wire.keys import ClientKeys, otp_key
from knocklet.wire.otp_ports import otp_ports

KEY = bytes(range(32))


class TestVectors(unittest.TestCase):
    def test_ports(self):
        for case in vectors("otp"):
            key = bytes.fromhex(case["client_key"])
            arguments = (case["service"], case["slot"], case["count"], case["lo"], case["hi"])
            self.assertEqual(otp_ports(ClientKeys(key, case["id"]).otp, *arguments), case["ports"])
            self.assertEqual(otp_ports(otp_key(key, case["id"]), *arguments), case["ports"])


class TestPorts(unittest.TestCase):
    def test_distinct_and_in_range(self):
        for slot in range(300):
            ports = otp_ports(KEY, 1, slot, 6, 1000, 1009)
            self.assertEqual(len(set(ports)), 6)
            self.assertTrue(min(ports) >= 1000 and max(ports) <= 1009)

    def test_every_port_once(self):
        self.assertEqual(sorted(otp_ports(KEY, 1, 7, 10, 65526, 65535)), list(range(65526, 65536)))

    def test_all_ports_are_taken(self):
        seen = set()
        for slot in range(200):
            seen |= set(otp_ports(KEY, 1, slot, 6, 40000, 40020))
        self.assertEqual(seen, set(range(40000, 40021)))

    def test_no_port_more_likely_than_others(self):
        """A value at 65536 - 65536 mod span is the first that is skipped; here it would be the fourth port, 20000."""
        self.assertEqual(otp_ports(KEY, 1, 1519), [37934, 51559, 37326, 55542, 31403, 29319])

    def test_what_it_depends_on(self):
        first = otp_ports(KEY, 1, 1000)
        self.assertNotEqual(otp_ports(KEY, 2, 1000), first)
        self.assertNotEqual(otp_ports(KEY, 1, 1001), first)
        self.assertNotEqual(otp_ports(KEY, 1, 1000 + (1 << 40)), first)
        self.assertNotEqual(otp_ports(bytes(32), 1, 1000), first)


if __name__ == "__main__":
    unittest.main()
