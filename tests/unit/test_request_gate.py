"""Which messages of a broker become requests, and how many."""

import unittest

from knocklet.core import agent_messages
from knocklet.core.request_gate import Gate
from knocklet.wire import sealed

TOPIC = b"knocklet/attic/request/"
SET = b"knocklet/attic/set"
SEALED = b"KLE1" + bytes(sealed.BYTES - 4)
LONGEST = b"KLE1" + bytes(sealed.LIMIT_BYTES - 4)
PASSED = (
    (TOPIC + b"close", b"{}", agent_messages.request("close", b"{}")),
    (TOPIC + b"close_all", b"", agent_messages.request("close_all", b"")),
    (TOPIC + b"close", bytes(1024), agent_messages.request("close", bytes(1024))),
    (SET, SEALED, agent_messages.sealed(SEALED)),
    (SET, LONGEST, agent_messages.sealed(LONGEST)),
    (TOPIC + b"close", SEALED, agent_messages.sealed(SEALED)),
    (TOPIC + b"any", SEALED, agent_messages.sealed(SEALED)),
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
    (SET, b"{}", False),
    (SET, SEALED, True),
    (SET, SEALED[:-1], False),
    (SET, LONGEST + b"\0", False),
    (SET + b"/x", SEALED, False),
    (TOPIC, SEALED, False),
    (TOPIC + b"open", SEALED, True),
    (b"knocklet/cellar/set", SEALED, False),
)


class TestGate(unittest.TestCase):
    def test_passed(self):
        gate = Gate("attic")
        for topic, payload, passed_on in PASSED:
            self.assertEqual(gate.message(topic, payload, False, 0), passed_on)
        self.assertEqual((gate.passed, gate.dropped), (len(PASSED), 0))

    def test_dropped(self):
        gate = Gate("attic")
        for topic, payload, retained in DROPPED:
            with self.subTest(topic):
                self.assertIsNone(gate.message(topic, payload, retained, 0))
        self.assertEqual((gate.passed, gate.dropped), (0, len(DROPPED)))

    def test_what_is_dropped_takes_no_room(self):
        gate = Gate("attic")
        for _ in range(100):
            gate.message(TOPIC + b"open", b"", False, 0)
        self.assertTrue(gate.message(TOPIC + b"close", b"", False, 0))

    def test_rate(self):
        """10 at once, then 5 a second, also across a wrap of the clock; never more than 10 saved up."""
        for start in (0, 2**30 - 1000):
            gate = Gate("attic")

            def burst(gate, at_ms, count=100):
                for _ in range(count):
                    gate.message(TOPIC + b"close", b"", False, at_ms % 2**30)
                return gate.passed

            self.assertEqual(burst(gate, start), 10)
            self.assertEqual(burst(gate, start + 199), 10)
            self.assertEqual(burst(gate, start + 200), 11)
            self.assertEqual(burst(gate, start + 1000), 15)
            self.assertEqual(burst(gate, start + 100_000), 25)


if __name__ == "__main__":
    unittest.main()
