"""The MQTT codec: each packet whole, cut at every byte, and with bytes after it; what a broker may not send; what we send."""

import unittest

from knocklet.core import mqtt_codec as codec
from knocklet.core.mqtt_codec import CONNACK, PINGRESP, PUBACK, PUBLISH, SUBACK, Decoder, MqttError

# Bytes on the wire, and the packet that they are.
RECEIVED = (
    (b"\x20\2\0\0", (CONNACK, 0, 0)),
    (b"\x20\2\1\0", (CONNACK, 1, 0)),
    (b"\x20\2\0\5", (CONNACK, 0, 5)),
    (b"\x30\3\0\1a", (PUBLISH, b"a", b"", False, 0)),
    (b"\x31\6\0\3a/bx", (PUBLISH, b"a/b", b"x", True, 0)),
    (b"\x32\x0a\0\3a/b\1\2xyz", (PUBLISH, b"a/b", b"xyz", False, 0x102)),
    (b"\x3b\7\0\3a/b\xff\xff", (PUBLISH, b"a/b", b"", True, 65535)),
    (b"\x30\x83\0\0\1a", (PUBLISH, b"a", b"", False, 0)),  # 3.1.1 does not demand the shortest form
    (b"\x30\xc8\1\0\1a" + bytes(197), (PUBLISH, b"a", bytes(197), False, 0)),
    (b"\x30\x80\x10\0\1a" + bytes(2045), (PUBLISH, b"a", bytes(2045), False, 0)),
    (b"\x90\x40\0\1" + bytes(62), (SUBACK, 1, bytes(62))),
    (b"\x40\2\0\1", (PUBACK, 1)),
    (b"\x90\3\0\1\1", (SUBACK, 1, b"\1")),
    (b"\x90\5\1\0\0\x80\2", (SUBACK, 256, b"\0\x80\2")),
    (b"\xd0\0", (PINGRESP,)),
)

# What is none, and how many bytes of it are enough to see that.
WRONG = (
    (b"\x00\0", 1),
    (b"\xf0\0", 1),
    (b"\x10\0", 1),  # CONNECT, to us
    (b"\x50\2\0\1", 1),  # PUBREC: we never ask for QoS 2
    (b"\x62\2\0\1", 1),
    (b"\x82\6\0\1\0\1a\0", 1),
    (b"\xb0\2\0\1", 1),  # UNSUBACK: we never unsubscribe
    (b"\xc0\0", 1),
    (b"\xe0\0", 1),
    (b"\x21\2\0\0", 1),
    (b"\x42\2\0\1", 1),
    (b"\x92\3\0\1\1", 1),
    (b"\xd1\0", 1),
    (b"\x34\7\0\3a/b\0\1", 1),  # QoS 2
    (b"\x36\7\0\3a/b\0\1", 1),  # QoS 3
    (b"\x38\3\0\1a", 1),  # a duplicate of QoS 0
    (b"\x20\1\0", 2),
    (b"\x20\3\0\0\0", 2),
    (b"\x40\0", 2),
    (b"\x40\3\0\1\0", 2),
    (b"\x90\2\0\1", 2),
    (b"\xd0\1\0", 2),
    (b"\x30\0", 2),
    (b"\x30\2\0\0", 2),
    (b"\x30\xe9\x82\4", 4),  # one byte more than the longest sealed message needs
    (b"\x90\x41", 2),  # 65 bytes: no answer to our few filters
    (b"\x30\xff\xff\xff\x7f", 5),  # 256 MB
    (b"\x30\x80\x80\x80\x40", 5),
    (b"\x30\xff\xff\xff\xff\x7f", 5),
    (b"\x30\x80\x80\x80\x80\x80\x80", 5),
    (b"\x90\xff\xff\xff\xff\1", 5),
    (b"\x20\2\2\0", 4),
    (b"\x20\2\0\6", 4),
    (b"\x20\2\1\1", 4),
    (b"\x40\2\0\0", 4),
    (b"\x90\3\0\0\1", 5),
    (b"\x90\3\0\1\3", 5),
    (b"\x90\3\0\1\x81", 5),
    (b"\x30\3\0\2a", 5),  # the topic is longer than the packet
    (b"\x30\3\xff\xffa", 5),
    (b"\x30\3\0\0a", 5),  # no topic
    (b"\x30\4\0\2a#", 6),
    (b"\x30\5\0\3a/+", 7),
    (b"\x30\4\0\2a\0", 6),
    (b"\x32\4\0\2ab", 6),  # no packet id
    (b"\x32\5\0\2ab\1", 7),
    (b"\x32\6\0\2ab\0\0", 8),
)

SENT = (
    (codec.PING, b"\xc0\0"),
    (codec.puback(0x1234), b"\x40\2\x12\x34"),
    (codec.subscribe(65535, ["a/+", "b"]), b"\x82\x0c\xff\xff\0\3a/+\1\0\1b\1"),
    (codec.publish("a", b"", 1, retain=False), b"\x32\5\0\1a\0\1"),
    (codec.publish("a/b", b"xy", 0x102, retain=True), b"\x33\x09\0\3a/b\1\2xy"),
    (codec.connect("me", None, 60, "w", b"off"), b"\x10\x16\0\4MQTT\4\x2e\0\x3c\0\2me\0\1w\0\3off"),
    (codec.connect("me", "pw", 300, "w", b""), b"\x10\x1b\0\4MQTT\4\xee\1\x2c\0\2me\0\1w\0\0\0\2me\0\2pw"),
)


def packets(*chunks):
    """What comes of these, fed one after the other."""
    decoder = Decoder()
    found = []
    for chunk in chunks:
        decoder.feed(chunk)
        packet = decoder.packet()
        while packet is not None:
            found.append(packet)
            packet = decoder.packet()
    return found


class TestReceived(unittest.TestCase):
    def test_whole(self):
        for data, packet in RECEIVED:
            with self.subTest(data[:12]):
                self.assertEqual(packets(data), [packet])

    def test_cut_at_every_byte(self):
        for data, packet in RECEIVED:
            for at in range(1, len(data)):
                decoder = Decoder()
                decoder.feed(data[:at])
                self.assertIsNone(decoder.packet(), (data[:12], at))
                decoder.feed(data[at:])
                self.assertEqual(decoder.packet(), packet)
                self.assertIsNone(decoder.packet())

    def test_byte_by_byte_one_after_the_other(self):
        stream = b"".join([data for data, _ in RECEIVED if len(data) < 100])
        wanted = [packet for data, packet in RECEIVED if len(data) < 100]
        self.assertEqual(packets(*[stream[i : i + 1] for i in range(len(stream))]), wanted)
        self.assertEqual(packets(stream), wanted)

    def test_trailing_bytes(self):
        for data, packet in RECEIVED:
            for more, next_one in RECEIVED[:3]:
                self.assertEqual(packets(data + more), [packet, next_one])
            self.assertEqual(packets(data + data[:1]), [packet])


class TestWrong(unittest.TestCase):
    def test_seen_at_once(self):
        """With the first byte that says so, whole, and in pieces; and nothing comes of the stream any more."""
        for data, enough in WRONG:
            with self.subTest(data):
                for first in range(1, enough + 1):
                    decoder = Decoder()
                    decoder.feed(data[:first])
                    if first < enough:
                        self.assertIsNone(decoder.packet(), first)
                    decoder.feed(data[first:enough])
                    for _ in range(2):
                        with self.assertRaises(MqttError):
                            decoder.packet()
                    decoder.feed(b"\xd0\0")
                    with self.assertRaises(MqttError):
                        decoder.packet()

    def test_error_is_a_value_error(self):
        self.assertTrue(issubclass(MqttError, ValueError))


class TestSent(unittest.TestCase):
    def test_bytes(self):
        for made, wanted in SENT:
            self.assertEqual(bytes(made), wanted)

    def test_remaining_length(self):
        for size, wanted in ((127, b"\x7f"), (128, b"\x80\1"), (16383, b"\xff\x7f"), (16384, b"\x80\x80\1")):
            made = codec.publish("a", bytes(size - 5), 1, False)
            self.assertEqual(bytes(made[1 : len(made) - size]), wanted)


if __name__ == "__main__":
    unittest.main()
