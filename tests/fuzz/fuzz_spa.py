"""Whatever a holder of a key writes into a signed packet, nothing is raised, the verdict is that of a plain reading of the
format and of the policy, it is stored before anything is done, and nothing is done but what was asked for, for the client who
asked, with a service of his own and an address that he may name.

    micropython tests/fuzz/fuzz_spa.py COUNT SEED

Inputs are plaintexts of good fields with some replaced by odd ones or changed in a bit, in a slot that mostly fits, sent by one
of three clients, to an engine in a state of its own: clock trusted or not, what was used before, storage that works or not.
Most are not encrypted: is_from() and decrypted() are stubs then, for speed. Every WHOLE-th one goes the whole way.
"""

import random
import sys
from struct import pack, unpack

here = sys.argv[0].rpartition("/")[0] or "."
sys.path[0:1] = [here + "/../../firmware", here + "/.."]

from common.accepting import Accepting  # noqa: E402  (only after the path is set)
from common.clients import MINUTE_US, NOW_US, SLOT, client, sealed, service  # noqa: E402
from knocklet.core import verdict  # noqa: E402
from knocklet.wire import spa_packet  # noqa: E402
from knocklet.wire.spa_packet import tag  # noqa: E402

WHOLE = 64
S = 1_000_000
FAR = 400 * 86_400 * S
SERVICES = [service(index) for index in (1, 2, 200)]
CLIENTS = [client(1, SERVICES[:1], "packet"), client(2, SERVICES[1:], "stated", NOW_US - 3600 * S), client(3, SERVICES, "any")]
SENDERS = (bytes((203, 0, 113, 9)), bytes((198, 51, 100, 7)), b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09")
MAPPED = bytes(10) + b"\xff\xff"
SOURCES = [MAPPED + SENDERS[0], MAPPED + SENDERS[1], SENDERS[2], bytes(16), MAPPED + b"\x7f\0\0\1", MAPPED + b"\xe0\0\0\1",
           bytes(15) + b"\1", b"\xff\x02" + bytes(13) + b"\1", MAPPED + bytes(4), bytes(12) + SENDERS[0]]  # fmt: skip
STAMPS = (0, 1, -1, 60 * S, 60 * S + 1, -60 * S, -60 * S - 1, -3600 * S, -3600 * S + 1, FAR, FAR + 1, -NOW_US, 2 * S, 1 << 62)
LASTS = (0, NOW_US, NOW_US - 1, NOW_US + 1, NOW_US - FAR, NOW_US - 60 * S, NOW_US + 60 * S, 1 << 62)
LARGEST = (1 << 64) - 1
TAGS = {}  # (client's number, slot) -> the tag, made once

bits = random.getrandbits


def pick(values, often):
    """Mostly the first one."""
    return values[0] if bits(often) else values[bits(8) % len(values)]


def plaintext():
    """One input."""
    stated = bits(1)
    source = SOURCES[bits(8) % (10 if bits(3) == 0 else 3)] if stated else bytes(16)
    stamp_us = NOW_US + (STAMPS[bits(8) % len(STAMPS)] if bits(1) else bits(25))
    text = pack(
        ">BBBBIQ16s", pick((1, 0, 2, 255), 5), 1 + bits(8) % 3 if bits(4) else bits(8), 1 - stated if bits(4) else bits(8),
        (1, 2, 200, 3, 0, bits(8))[bits(8) % (6 if bits(2) == 0 else 3)], bits(30) if bits(1) else 0,
        min(stamp_us, LARGEST), source,
    )  # fmt: skip
    if bits(4) == 0:
        text = bytearray(text)
        at = bits(8)
        text[at >> 3] ^= 1 << (at & 7)
    return bytes(text)


def packet(number, text, slot, whole):
    """As the client makes it; of one that does not go the whole way, the text as it is."""
    if whole:
        return sealed(CLIENTS[number], text, slot)
    key = (number, slot)
    if key not in TAGS:
        TAGS[key] = tag(CLIENTS[number].keys, pack(">I", slot))
    return pack(">I", slot) + TAGS[key] + bytes(16) + text + bytes(32)


class State:
    """An engine in any state; `given`: what it was told of clock and store."""

    def __init__(self):
        self.one = Accepting(CLIENTS)
        self.now_ms = 0

    def next(self, by):
        one = self.one
        self.now_ms = (self.now_ms + 50) & 0x3FFFFFFF  # so that rate and budget stop nobody
        one.done.clear()
        one.clock.trusted = bits(2) > 0
        one.clock.trusted_since_us = pick((NOW_US - S, NOW_US, NOW_US + S), 1)
        one.store.floor_us = pick((0, None, NOW_US, NOW_US - 1), 3)
        one.store.writes = bits(3) > 0
        one.store.used = {(by.fingerprint, 0): LASTS[bits(8) % len(LASTS)] if bits(1) else 0}
        one.gate.set_slots((SLOT - 1, SLOT, SLOT + 1) if one.clock.trusted else None)
        while bits(3) and len(one.doors.grants.live) > 5:
            one.doors.grants.end(one.doors.grants.live[0])


def plainly(state, by, text, slot, sender):
    """The verdict, ACCEPTED also where nothing is left to do; and (op, index, address), when that is what it is."""
    version, op, flags, index, _, stamp_us, source = unpack(">BBBBIQ16s", text)
    clock, store = state.one.clock, state.one.store
    if clock.trusted and slot not in (SLOT - 1, SLOT, SLOT + 1):
        return verdict.UNKNOWN_TAG, None
    if version != 1:
        return verdict.BAD_VERSION, None
    if op not in (1, 2, 3):
        return verdict.BAD_OP, None
    if flags > 1:
        return verdict.BAD_FLAGS, None
    address = sender
    if flags == 0:
        address = source[12:] if source[:12] == MAPPED else source
        nowhere = address[:10] == bytes(10) or address[0] == 255
        if (address[0] in (0, 127) or address[0] > 223) if len(address) == 4 else nowhere:
            return verdict.BAD_SOURCE_FIELD, None
    elif any(source):
        return verdict.BAD_SOURCE_FIELD, None
    if not slot * MINUTE_US <= stamp_us < (slot + 1) * MINUTE_US:
        return verdict.BAD_SLOT, None
    if store.floor_us is None:
        return verdict.CLOCK_NOT_TRUSTED, None
    last_us = max(store.used[(by.fingerprint, 0)], by.issued_us, store.floor_us)
    if stamp_us <= last_us:
        return verdict.REPLAYED, None
    if clock.trusted and not NOW_US - 60 * S <= stamp_us <= NOW_US + 60 * S:
        return verdict.STALE, None
    if not clock.trusted and stamp_us > last_us + FAR:
        return verdict.TOO_FAR_AHEAD, None
    if by.source == "packet" and flags == 0 or by.source == "stated" and (flags == 1 or address != sender):
        return verdict.WRONG_SOURCE, None
    if index not in [one.index for one in by.services]:
        return verdict.NOT_ALLOWED, None
    held = [(grant.service.index, grant.address) for grant in state.one.doors.grants.live if grant.client == by.name]
    if op == 1 and len(held) >= 8 and (index, address) not in held:
        return verdict.TOO_MANY_GRANTS, None
    if not store.writes and not (clock.trusted and stamp_us > clock.trusted_since_us):
        return verdict.NOT_STORED, None
    return verdict.ACCEPTED, (op, index, address)


def wrong_deeds(done, found, by, text, asked):
    """What is wrong with what was done, or None."""
    _, _, _, _, ttl_s, stamp_us, _ = unpack(">BBBBIQ16s", text)
    deeds = [one for one in done if one[0] in ("store", "open", "renew", "close")]
    if asked is None:
        return None if deeds == ([("store", 0, stamp_us)] if found == verdict.NOT_STORED else []) else "did %r" % deeds
    op, index, address = asked
    if deeds[:1] != [("store", 0, stamp_us)] or len(deeds) > 2:
        return "did %r" % deeds
    may = {1: ("open", "renew"), 2: ("close",), 3: ("renew",)}[op]
    for name, *rest in deeds[1:]:
        right = [index, address, by.name] + (["client", False] if name == "close" else [ttl_s])
        if name not in may or rest != right:
            return "did %s %r, asked for %r" % (name, rest, right)
    expected = (verdict.ACCEPTED,) if len(deeds) == 2 else (verdict.REPEATED,) if op == 1 else (verdict.NOTHING_LIVE,)
    return None if found in expected else "did %r, and says %s" % (deeds, verdict.NAMES[found])


def wrong(state, number, text, slot, whole):
    """What is wrong with the engine's answer to this input, or None; and whether something was opened, renewed or closed."""
    by, sender = CLIENTS[number], SENDERS[bits(8) % 3]
    state.next(by)
    expected, asked = plainly(state, by, text, slot, sender)
    real = spa_packet.is_from, spa_packet.decrypted
    data = packet(number, text, slot, whole)
    if not whole:
        spa_packet.is_from = lambda keys, _packet: keys is by.keys
        spa_packet.decrypted = lambda _keys, packet: packet[24:56]
    try:
        found = state.one.send(data, sender, now_ms=state.now_ms)
    except Exception as error:  # any at all is a failure, and the input is told with it
        return "raised %r" % error, False
    finally:
        spa_packet.is_from, spa_packet.decrypted = real
    if found != expected and not (asked and found in (verdict.REPEATED, verdict.NOTHING_LIVE)):
        return "says %s, plainly %s" % (verdict.NAMES[found], verdict.NAMES[expected]), False
    return wrong_deeds(state.one.done, found, by, text, asked), asked is not None


def main(count, seed):
    random.seed(seed)
    state = State()
    good = 0
    for number in range(count):
        text = plaintext()
        slot = min(unpack(">Q", text[8:16])[0] // MINUTE_US, 0xFFFFFFFF) if bits(5) else SLOT + bits(1)
        by = bits(8) % 3
        what, done = wrong(state, by, text, slot, number % WHOLE == 0)
        if what:
            print("input %d of seed %d: %s\nclient %d, slot %d: %r" % (number, seed, what, by, slot, text))
            return 1
        good += done
    print("%d inputs of seed %d, %d of them good" % (count, seed, good))
    # A fuzzer that only makes rubbish, or only good packets, proves nothing.
    return 0 if count // 10 < good < count * 9 // 10 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
