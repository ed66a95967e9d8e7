"""Reports and their macs, against the vectors that were made from the wire format's description alone."""

import json
import unittest
from binascii import unhexlify

from common.vectors import vectors
from knocklet.wire import keys, report


class TestReport(unittest.TestCase):
    def setUp(self):
        self.cases = vectors("report")
        self.assertTrue(len(self.cases) > 4)

    def key(self, case):
        return keys.event_key(unhexlify(case["gateway_key"]), case["id"])

    def test_gateway_ids(self):
        for case in self.cases:
            self.assertEqual(keys.gateway_id(case["id"]), unhexlify(case["gateway_id"]))

    def test_verified(self):
        for case in self.cases:
            body = report.verified(self.key(case), case["topic"], case["payload"].encode())
            found = json.loads(case["payload"])
            del found["mac"]
            self.assertEqual(json.loads(body), found)

    def test_sealed_is_what_others_made(self):
        for case in self.cases:
            body = case["payload"].split(',"mac":')[0] + "}"
            self.assertEqual(report.seal(self.key(case), case["topic"], body.encode()), case["payload"].encode())

    def refused(self, case, topic, payload):
        try:
            report.verified(self.key(case), topic, payload)
        except ValueError:
            return True
        return False

    def test_forgeries(self):
        case = self.cases[0]
        payload = case["payload"].encode()
        self.assertFalse(self.refused(case, case["topic"], payload))
        for i in range(len(payload)):
            changed = bytearray(payload)
            changed[i] ^= 1
            self.assertTrue(self.refused(case, case["topic"], bytes(changed)), "byte %d" % i)
            self.assertTrue(self.refused(case, case["topic"], payload[:i]), "cut at %d" % i)
        self.assertTrue(self.refused(case, "grants", payload))
        self.assertTrue(self.refused(case, case["topic"], payload + b" "))
        self.assertTrue(self.refused(case, case["topic"], b'{"mac":"%s"}' % (b"0" * 64)))
        self.assertTrue(self.refused(self.cases[1], case["topic"], payload))

    def test_every_event_type_once(self):
        self.assertEqual(len(set(report.EVENT_TYPES)), 25)
        self.assertEqual(len(report.EVENT_TYPES), 25)


if __name__ == "__main__":
    unittest.main()
