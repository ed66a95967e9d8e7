"""Which messages of a broker become requests, and how many."""

import unittest

from knocklet.core.request_gate import Gate

TOPIC = b"knocklet/attic/request/"
PASSED = (
    (TOPIC + b"close", b"{}", "close"),
    (TOPIC + b"close_all", b"", "close_all"),
    (TOPIC + b"close", bytes(1024), "close"),
)
DROPPED = (
    (TOPIC + b"close", bytes(1025), False),
    (TOPIC + b"close", b"{}", True),
    (TOPIC + b"open", b"{}", False),
    (TOPIC + b"config", b"{}", False),
    (TOPIC + b"close/x", b"{}", False),
    (TOPIC + b"closed", b"{}", False),
    (TOPIC + b"CLOSE", b"{}", False),
    (TOPIC + b"\xff", b"{}", False),
    (TOPIC, b"{}", False),
    (b"", b"{}", False),
    (b"close", b"{}", False),
    (b"knocklet/cellar/request/close", b"{}", False),
    (b"knocklet/attic/set", b"{}", False),
)


class TestGate(unittest.TestCase):
    def test_passed(self):
        gate = Gate("attic", 0)
        for topic, payload, verb in PASSED:
            self.assertEqual(gate.verb(topic, payload, False, 0), verb)
        self.assertEqual((gate.passed, gate.dropped), (len(PASSED), 0))

    def test_dropped(self):
        gate = Gate("attic", 0)
        for topic, payload, retained in DROPPED:
            with self.subTest(topic):
                self.assertIsNone(gate.verb(topic, payload, retained, 0))
        self.assertEqual((gate.passed, gate.dropped), (0, len(DROPPED)))

    def test_what_is_dropped_takes_no_room(self):
        gate = Gate("attic", 0)
        for _ in range(100):
            gate.verb(TOPIC + b"open", b"", False, 0)
        self.assertEqual(gate.verb(TOPIC + b"close", b"", False, 0), "close")

    def test_rate(self):
        """10 at once, then 5 a second, also across a wrap of the clock; never more than 10 saved up."""
        for start in (0, 2**30 - 1000):
            gate = Gate("attic", start)

            def burst(gate, at_ms, count=100):
                for _ in range(count):
                    gate.verb(TOPIC + b"close", b"", False, at_ms % 2**30)
                return gate.passed

            self.assertEqual(burst(gate, start), 10)
            self.assertEqual(burst(gate, start + 199), 10)
            self.assertEqual(burst(gate, start + 200), 11)
            self.assertEqual(burst(gate, start + 1000), 15)
            self.assertEqual(burst(gate, start + 100_000), 25)


if __name__ == "__main__":
    unittest.main()
