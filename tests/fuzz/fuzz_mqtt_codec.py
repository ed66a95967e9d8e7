"""Whatever bytes arrive, in whatever pieces, the MQTT decoder gives the packets that a plain reading of the standard finds in
them, raises nothing but MqttError, raises it exactly when that reading ends, and keeps less than one packet of bytes.

    micropython tests/fuzz/fuzz_mqtt_codec.py COUNT SEED

An input is a stream of up to four packets, good ones with a few bytes, lengths or ends changed, or random bytes, fed in pieces.
A failing one is printed as a line that can be put into test_mqtt_codec.py; the same SEED gives the same inputs.
"""

import random
import sys

here = sys.argv[0].rpartition("/")[0] or "."
sys.path[0:1] = [here + "/../../firmware"]

from knocklet.core import mqtt_codec  # noqa: E402  (only after the path is set)
from knocklet.core.mqtt_codec import CONNACK, PINGRESP, PUBACK, PUBLISH, SUBACK, Decoder, MqttError  # noqa: E402

GOOD = (
    b"\x20\2\0\0",
    b"\x20\2\1\0",
    b"\x30\3\0\1a",
    b"\x31\6\0\3a/bx",
    b"\x32\x0a\0\3a/b\1\2xyz",
    b"\x3b\7\0\3a/b\xff\xff",
    b"\x30\x83\0\0\1a",
    b"\x30\xc8\1\0\1a" + bytes(197),
    b"\x40\2\0\1",
    b"\x90\3\0\1\1",
    b"\x90\5\1\0\0\x80\2",
    b"\xd0\0",
)
POOL_BYTES = 4096
WRONG = "wrong"

bits = random.getrandbits


def stream(pool):
    """One input."""
    data = bytearray()
    for _ in range(1 + bits(2)):
        if bits(5) == 0:
            start = bits(11)
            data += pool[start : start + bits(5)]
            continue
        packet = bytearray(GOOD[bits(8) % len(GOOD)])
        if bits(2) == 0:
            for _ in range(1 + bits(1)):
                at = bits(3) % len(packet)
                packet[at] = bits(8) if bits(1) else packet[at] ^ 1 << bits(3)
        data += packet
    return bytes(data[: bits(5)] if bits(4) == 0 else data)


def plainly(data):
    """The packets in it; the last one is WRONG when what comes then is no packet. Reads all at once, from the standard."""
    found = []
    while data:
        kind, flags = data[0] >> 4, data[0] & 15
        if (kind, flags) not in ((2, 0), (4, 0), (9, 0), (13, 0)) and (kind != 3 or flags not in (0, 1, 2, 3, 10, 11)):
            return found + [WRONG]
        size, shift, at = 0, 0, 1
        while True:
            if at == len(data):
                return found
            size += (data[at] & 127) * 128**shift
            at += 1
            if data[at - 1] < 128:
                break
            shift += 1
            if shift == 4:
                return found + [WRONG]
        longest = {2: 2, 3: mqtt_codec.LIMIT_BYTES, 4: 2, 9: 64, 13: 0}[kind]
        if not min(longest, 3) <= size <= longest:
            return found + [WRONG]
        body = data[at : at + size]
        if len(body) < size:
            return found
        packet = plain_packet(kind, flags, body)
        found.append(packet)
        if packet is WRONG:
            return found
        data = data[at + size :]
    return found


def plain_packet(kind, flags, body):
    number = number_of(body)
    if kind == 2:
        good = body[0] < 2 and body[1] < 6 and not (body[0] and body[1])
        return (CONNACK, body[0], body[1]) if good else WRONG
    if kind == 4:
        return (PUBACK, number) if number else WRONG
    if kind == 9:
        return (SUBACK, number, body[2:]) if number and all(code in (0, 1, 2, 128) for code in body[2:]) else WRONG
    if kind == 13:
        return (PINGRESP,)
    topic, rest = body[2 : 2 + number], body[2 + number :]
    packet_id = 0
    if len(topic) < number or not topic or any(sign in b"\0#+" for sign in topic):
        return WRONG
    if flags & 2:
        packet_id = number_of(rest)
        rest = rest[2:]
        if not packet_id:
            return WRONG
    return PUBLISH, topic, rest, flags % 2 == 1, packet_id


def number_of(data):
    return data[0] * 256 + data[1] if len(data) >= 2 else 0


def decoded(data):
    """As plainly(), by the decoder, in pieces."""
    decoder = Decoder()
    found = []
    at = 0
    while at < len(data):
        size = 1 + bits(bits(3))
        decoder.feed(data[at : at + size])
        at += size
        try:
            packet = decoder.packet()
            while packet:
                found.append(packet)
                packet = decoder.packet()
        except MqttError:
            return found + [WRONG]
        if len(decoder._data) >= mqtt_codec.LIMIT_BYTES + 5:
            return "keeps %d bytes" % len(decoder._data)
    return found


def main(count, seed):
    random.seed(seed)
    pool = bytes([bits(8) for _ in range(POOL_BYTES)])
    good = packets = 0
    for number in range(count):
        data = stream(pool)
        expected = plainly(data)
        try:
            found = decoded(data)
        except Exception as error:  # any at all is a failure, and the input is told with it
            found = "raised %r" % error
        if found != expected:
            print("input %d of seed %d: %r\nread %r, plainly %r" % (number, seed, data, found, expected))
            return 1
        packets += len(expected)
        good += WRONG not in expected
    print("%d inputs of seed %d, %d of them good, %d packets" % (count, seed, good, packets))
    # A fuzzer that only makes rubbish, or only good packets, proves nothing.
    return 0 if count // 10 < good < count * 9 // 10 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
