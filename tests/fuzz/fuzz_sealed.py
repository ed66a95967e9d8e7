"""Whatever a broker or a captured agent sends as a sealed message, nothing passes that the gateway's key has not sealed for it,
of a kind that is told to it, newer than the last one taken and not of days to come. All else is dropped in silence, in the
order of the checks; what passes is read as it was written, or refused with a line; and nothing else is raised.

    micropython tests/fuzz/fuzz_sealed.py COUNT SEED

Inputs are random bytes, and good messages: of this gateway and others, with another key, with odd fields in the header, cut,
longer, put together of two, or changed in a bit; some of them with a right MAC all the same. The gate is in a state of its own
for each: its floors, and whether its clock is trusted.
"""

import random
import sys
from struct import pack, unpack

here = sys.argv[0].rpartition("/")[0] or "."
sys.path[0:1] = [here + "/../../firmware", here + "/.."]

from knocklet.core.errors import Refused  # noqa: E402  (only after the path is set)
from knocklet.core.sealed_gate import SealedGate  # noqa: E402
from knocklet.wire.hmac import hmac, keystream, xor  # noqa: E402
from knocklet.wire.sealed import SealKeys  # noqa: E402

OWN = SealKeys(bytes(range(32)), "home")
OTHERS = (SealKeys(bytes(32), "home"), SealKeys(bytes(range(32)), "office"))
S = 1_000_000
NOW_S = 1_800_000_000
NOW = NOW_S * S
DAY = 86_400 * S
HIGHEST = 1 << 62
VERSIONS = (NOW, NOW - 1, NOW + 1, NOW + DAY, NOW + DAY + 1, 0, 1, HIGHEST, HIGHEST + 1, (1 << 64) - 1, NOW - 3600 * S)
TIMES = (0, NOW_S, NOW_S + 60, NOW_S + 120, NOW_S + 121, NOW_S - 1, 1, (1 << 64) - 1)
FLOORS = (0, NOW - 1, NOW, NOW - 3600 * S, HIGHEST)
POOL_BYTES = 4096

bits = random.getrandbits


def pick(values, often):
    """Mostly the first one."""
    return values[0] if bits(often) else values[bits(8) % len(values)]


def made(pool):
    """(a message, the text in it; None where our key has not sealed it)."""
    at = bits(11)
    text = pool[at : at + bits(1 + bits(3))]
    keys = pick((OWN,) + OTHERS, 4)
    kind = pick((1, 2, 3, 0, 4, 255), 2) if bits(1) else 2
    start = pack(
        ">4sB3s16sQQQII", pick((b"KLE1", b"KLE2", b"kle1"), 5), kind, pick((bytes(3), b"\0\0\1"), 5), keys.gateway_id,
        pick(VERSIONS, 2), pick(TIMES, 2), pick(TIMES[2:3] + TIMES, 2), pick((0, 29, 30, 600, 601, (1 << 32) - 1), 3),
        len(text) if bits(4) else bits(16),
    )  # fmt: skip
    iv = pool[at + 8 : at + 24]
    whole = start + iv + xor(text, keystream(keys.enc, iv, len(text)))
    return whole + hmac(keys.mac, whole), text if keys is OWN else None


def message(pool):
    """One input, as made(); False for a text that nobody knows, sealed with our key."""
    one, text = made(pool)
    how = bits(4)
    if how < 8:
        return one, text
    if how < 11:
        at = bits(16) % len(one)
        return one[:at] + bytes([one[at] ^ 1 << bits(3)]) + one[at + 1 :], None
    if how == 11:
        return one[: bits(16) % len(one)], None
    if how == 12:
        return one + pool[: 1 + bits(5)], None
    if how == 13:
        (other, other_text), at = made(pool), bits(16) % len(one)
        mixed = one[:at] + other[at:]
        return mixed, text if mixed == one else other_text if mixed == other else None
    if how == 14:
        at = bits(11)
        return (b"KLE1" if bits(1) else b"") + pool[at : at + bits(8)], None
    mixed = bytearray(one)  # any odd byte in the header, with a right MAC
    mixed[bits(7) % 72] = bits(8)
    mixed = bytes(mixed[:-32])
    return mixed + hmac(OWN.mac, mixed), False


def plainly(data, floors):
    """Why nothing is said, or None: a plain reading of the format. The MAC is looked at by who asks."""
    if not 104 <= len(data) <= 104 + 65536:
        return "form"
    magic, kind, zero, to, version, _, _, _, count = unpack(">4sB3s16sQQQII", data[:56])
    if magic != b"KLE1" or kind not in (1, 2) or zero != bytes(3) or to != OWN.gateway_id or count + 104 != len(data):
        return "form"
    if version > HIGHEST:
        return "form"
    if version <= floors[kind]:
        return "old"
    return None if hmac(OWN.mac, data[:-32]) == data[-32:] else "mac"


def may_be_read(data, floors, now_us, trusted):
    _, kind, _, _, version, not_before, expires, confirm_s, _ = unpack(">4sB3s16sQQQII", data[:56])
    if confirm_s and (kind != 1 or not 30 <= confirm_s <= 600):
        return False
    if kind == 2 and not version <= expires * S <= version + 120 * S:
        return False
    if not trusted:
        return version <= max(now_us, floors[kind]) + 400 * DAY
    if version > now_us + (DAY if kind == 1 else 120 * S):
        return False
    return (not expires or now_us // S <= expires) and now_us // S >= not_before


def wrong(data, text, floors, now_us, trusted):
    """What is wrong with the gate's answer, or None; and whether the message was read."""
    gate = SealedGate(OWN)
    expected = plainly(data, floors)
    try:
        found = gate.header(data, floors.get)
    except Exception as error:  # any at all is a failure, and the input is told with it
        return "raised %r" % error, False
    if gate.dropped != ({expected: 1} if expected else {}) or (found is None) != bool(expected):
        return "says %r, plainly %s" % (gate.dropped, expected), False
    if expected:
        return None, False
    if text is None:
        return "passed, and nobody has sealed it", False
    try:
        gate.check(found, floors[found.kind], now_us, trusted)
        read = gate.text(data)
    except Refused as error:
        line = str(error)
        good = not may_be_read(data, floors, now_us, trusted) and len(line) < 100
        return None if good else "refused: " + line, False
    except Exception as error:
        return "raised %r" % error, False
    if not may_be_read(data, floors, now_us, trusted):
        return "read, though refused plainly", False
    return None if text is False or read == text else "read %r, written %r" % (read, text), True


def main(count, seed):
    random.seed(seed)
    pool = bytes([bits(8) for _ in range(POOL_BYTES)])
    good = 0
    for number in range(count):
        data, text = message(pool)
        floors = {1: pick(FLOORS, 2), 2: pick(FLOORS, 2)}
        now_us, trusted = pick(((NOW, True), (NOW, False), (0, False), (NOW - 3600 * S, True)), 2)
        what, read = wrong(data, text, floors, now_us, trusted)
        if what:
            print("input %d of seed %d: %s\nfloors %r, now %r: %r" % (number, seed, what, floors, now_us, data))
            return 1
        good += read
    print("%d inputs of seed %d, %d of them good" % (count, seed, good))
    # A fuzzer that only makes rubbish, or only good messages, proves nothing.
    return 0 if count // 10 < good < count * 9 // 10 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
