"""One MQTT session: what it sends, what it makes of the broker's answers, and each of its deadlines, to the millisecond."""

import unittest

from knocklet.core import mqtt_codec as codec
from knocklet.core.clock import MASK, after
from knocklet.core.mqtt_session import (
    ACKNOWLEDGED,
    CONNECTED,
    HELLO_MS,
    IN_FLIGHT,
    KEEP_ALIVE_MS,
    MESSAGE,
    REFUSED,
    SILENCE_MS,
    WRITE_MS,
    Session,
    SessionError,
)  # fmt: skip

ACCEPTED = b"\x20\2\0\0"
SUBSCRIBED = b"\x90\4\xff\xff\1\1"
PONG = b"\xd0\0"
STARTS_MS = (0, 12345, MASK - 5000)  # the clock wraps


def begun(at_ms=0):
    session = Session("attic", "pw", ["a/+", "b"], at_ms)
    session.opened(at_ms)
    return session


def taken(session, now_ms):
    """Everything that waits, gone at once."""
    found = []
    while len(session.waiting()):
        data = bytes(session.waiting())
        session.sent(len(data), now_ms)
        found.append(data)
    return found


def received(session, data, now_ms=0):
    return list(session.receive(data, now_ms))


def ready(at_ms=0):
    session = begun(at_ms)
    taken(session, at_ms)
    received(session, ACCEPTED + SUBSCRIBED, at_ms)
    taken(session, at_ms)
    return session


class TestSession(unittest.TestCase):
    def over(self, session, why, data=b"", now_ms=0):
        with self.assertRaises(SessionError) as caught:
            received(session, data, now_ms)
            session.tick(now_ms)
        self.assertTrue(why in str(caught.exception), str(caught.exception))

    def test_begin(self):
        session = begun()
        self.assertEqual(session.room(), 0)
        connect = codec.connect("attic", "pw", 60, "knocklet/attic/status", b"offline")
        self.assertEqual(taken(session, 0), [bytes(connect)])
        self.assertEqual(received(session, ACCEPTED), [(CONNECTED,)])
        self.assertEqual(taken(session, 0), [bytes(codec.subscribe(65535, ["a/+", "b"]))])
        self.assertEqual(session.room(), IN_FLIGHT)
        self.assertEqual(received(session, SUBSCRIBED), [])

    def test_refused_subscription(self):
        session = begun()
        self.assertEqual(received(session, ACCEPTED + b"\x90\4\xff\xff\1\x80"), [(CONNECTED,), (REFUSED, ["b"])])

    def test_refused(self):
        for code, why in ((1, "3.1.1"), (2, "client id"), (3, "available"), (4, "password"), (5, "allow")):
            self.over(begun(), why, b"\x20\2\0" + bytes([code]))

    def test_out_of_turn(self):
        for data in (SUBSCRIBED, PONG, b"\x40\2\0\1", b"\x30\3\0\1a"):
            self.over(begun(), "before CONNACK", data)
        self.over(ready(), "second CONNACK", ACCEPTED)
        self.over(ready(), "no SUBSCRIBE", SUBSCRIBED)
        self.over(ready(), "not sent", PONG)
        self.over(ready(), "not sent", b"\x40\2\0\1")
        self.over(begun(), "no SUBSCRIBE", ACCEPTED + b"\x90\3\xff\xff\1")
        self.over(begun(), "no SUBSCRIBE", ACCEPTED + b"\x90\4\0\1\1\1")
        self.over(ready(), "not MQTT", b"\x34")

    def test_publishes_in_flight(self):
        session = ready()
        for token in range(IN_FLIGHT):
            session.publish("t", b"x", token == 0, "token %d" % token, 0)
        self.assertEqual(session.room(), 0)
        wanted = [bytes(codec.publish("t", b"x", i + 1, i == 0)) for i in range(IN_FLIGHT)]
        self.assertEqual(taken(session, 0), wanted)
        self.assertEqual(received(session, b"\x40\2\0\2\x40\2\0\1"), [(ACKNOWLEDGED, "token 1"), (ACKNOWLEDGED, "token 0")])
        self.assertEqual(session.room(), 2)
        self.over(session, "not sent", b"\x40\2\0\2")  # a second time

    def test_packet_ids(self):
        """Never 0, never the subscription's, never one that still waits."""
        session = ready()
        session.publish("t", b"", False, None, 0)
        taken(session, 0)
        seen = bytearray(65536)
        for _ in range(65600):
            session.publish("t", b"", False, None, 0)
            packet_id = taken(session, 0)[0][-2:]
            seen[packet_id[0] << 8 | packet_id[1]] = 1
            received(session, b"\x40\2" + packet_id)
        self.assertEqual(sum(seen), 65533)
        self.assertEqual((seen[0], seen[1], seen[65535]), (0, 0, 0))

    def test_messages(self):
        session = ready()
        data = b"\x31\4\0\1ax" + b"\x32\6\0\1a\1\2y"
        self.assertEqual(received(session, data), [(MESSAGE, b"a", b"x", True), (MESSAGE, b"a", b"y", False)])
        self.assertEqual(taken(session, 0), [bytes(codec.puback(0x102))])

    def test_broker_that_takes_no_acknowledgements(self):
        """What is kept for it has a bound: no more is read, until it takes them."""
        session = ready()
        count = 0
        while session.hungry():
            received(session, b"\x32\5\0\1a\0\1" * 100)
            count += 100
            self.assertLessEqual(count, 2000)
        taken(session, 0)
        self.assertTrue(session.hungry())

    def test_partial_writes(self):
        session = begun()
        whole = bytes(session.waiting())
        session.sent(5, 0)
        self.assertEqual(bytes(session.waiting()), whole[5:])
        session.sent(len(whole) - 5, 0)
        self.assertEqual(len(session.waiting()), 0)

    def test_no_connack(self):
        for start_ms in STARTS_MS:
            session = begun(start_ms)
            taken(session, start_ms)
            self.assertEqual(session.tick(start_ms), HELLO_MS)
            # Byte by byte does not buy time.
            received(session, ACCEPTED[:3], after(start_ms, HELLO_MS - 1))
            self.assertEqual(session.tick(after(start_ms, HELLO_MS - 1)), 1)
            self.over(session, "CONNACK", now_ms=after(start_ms, HELLO_MS))

    def test_connection_takes_the_time_too(self):
        """The deadline counts from the begin of the attempt, whenever TCP and TLS are done."""
        session = Session("attic", None, ["a"], 0)
        self.assertEqual(session.tick(0), HELLO_MS)
        session.opened(HELLO_MS - 10)
        taken(session, HELLO_MS - 10)
        self.over(session, "CONNACK", now_ms=HELLO_MS)

    def test_no_suback(self):
        session = begun()
        taken(session, 0)
        received(session, ACCEPTED, 5000)
        taken(session, 5000)
        self.assertEqual(session.tick(5000), HELLO_MS)
        self.over(session, "SUBACK", now_ms=5000 + HELLO_MS)

    def test_keep_alive(self):
        for start_ms in STARTS_MS:
            session = ready(start_ms)
            self.assertEqual(session.tick(start_ms), KEEP_ALIVE_MS)
            self.assertEqual(taken(session, start_ms), [])
            at_ms = after(start_ms, KEEP_ALIVE_MS)
            self.assertEqual(session.tick(at_ms), WRITE_MS)
            self.assertEqual(taken(session, at_ms), [codec.PING])
            self.assertEqual(session.tick(at_ms), SILENCE_MS - KEEP_ALIVE_MS)
            self.assertEqual(received(session, PONG, at_ms), [])
            self.assertEqual(session.tick(at_ms), KEEP_ALIVE_MS)

    def test_no_answer_to_a_ping(self):
        session = ready()
        session.tick(KEEP_ALIVE_MS)
        taken(session, KEEP_ALIVE_MS)
        received(session, PONG[:1], SILENCE_MS - 1)  # nothing complete
        self.assertEqual(session.tick(SILENCE_MS - 1), 1)
        self.over(session, "silent", now_ms=SILENCE_MS)

    def test_what_comes_from_the_broker_does_not_replace_a_ping(self):
        session = ready()
        received(session, b"\x30\3\0\1a", KEEP_ALIVE_MS - 1)
        session.tick(KEEP_ALIVE_MS)
        self.assertEqual(taken(session, KEEP_ALIVE_MS), [codec.PING])

    def test_no_acknowledgement(self):
        """A broker that answers pings and acknowledges nothing."""
        session = ready()
        session.publish("t", b"", False, None, 1000)
        taken(session, 1000)
        received(session, b"\x30\3\0\1a", 80_000)
        session.tick(80_000)
        taken(session, 80_000)
        self.over(session, "acknowledges nothing", now_ms=1000 + SILENCE_MS)

    def test_write_that_does_not_get_out(self):
        session = ready()
        session.publish("t", bytes(1000), False, None, 1000)
        self.assertEqual(session.tick(1000), WRITE_MS)
        session.sent(10, 1000 + WRITE_MS - 1)  # a drip
        self.over(session, "does not take", now_ms=1000 + WRITE_MS)

    def test_each_packet_has_its_own_time(self):
        session = ready()
        session.publish("t", b"1", False, None, 0)
        session.publish("t", b"2", False, None, 0)
        session.sent(len(session.waiting()), WRITE_MS - 1)
        self.assertEqual(session.tick(WRITE_MS - 1), WRITE_MS)


if __name__ == "__main__":
    unittest.main()
