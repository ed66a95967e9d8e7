"""What the engine reports, made without an engine: strict JSON with a right mac, whatever a text in it is made of."""

import json
import unittest

from knocklet.core.outbox import BYTES, PAYLOAD_BYTES, Outbox
from knocklet.edge.reports import Reports
from knocklet.wire import report

KEY = bytes(range(32))
HOSTILE = ('"', "\\", "\n", "\r\n", "\x00", "\x1b[2J", "\x7f", '","mac":"', "+/#", "'; drop", "a" * 5000, '\\u0000"}')


class TestReports(unittest.TestCase):
    def setUp(self):
        self.reports = Reports(None, "home", KEY, 7, Outbox(bytearray(BYTES)))

    def content(self, topic, payload):
        return json.loads(report.verified(KEY, topic, payload))

    def test_hostile_texts(self):
        for text in HOSTILE:
            payload = self.reports.make("event", {"event_type": "refused", "reason": text, "service": text})
            found = self.content("event", payload)
            self.assertEqual(found["reason"], "".join(c if 32 <= ord(c) < 127 else "?" for c in text[:96]))
            self.assertEqual(sorted(found), ["boot", "event_type", "reason", "seq", "service", "ts"])
            for byte in payload:
                self.assertTrue(32 <= byte < 127, "byte %d of %r" % (byte, text))

    def test_the_longest_event_fits(self):
        """All fields that there are, each as long as it can be."""
        event = {"event_type": "firewall_changed", "ts": 4294967295, "service": "s" * 32, "client": "c" * 32,
                 "source": "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff", "reason": "r" * 500, "ends_s": 86400}  # fmt: skip
        self.reports.event(event)
        self.assertEqual(self.reports.outbox.dropped(), (0, 0))
        payload = self.reports.outbox.after(0)[1]
        self.assertTrue(len(payload) <= PAYLOAD_BYTES)
        self.assertEqual(self.content("event", payload)["reason"], "r" * 96)

    def test_numbered_by_topic(self):
        for topic in ("event", "state", "event"):
            payload = self.reports.make(topic, {"a": 1})
        found = self.content("event", payload)
        self.assertEqual((found["boot"], found["seq"], found["a"]), (7, 2, 1))


if __name__ == "__main__":
    unittest.main()
