"""The replay store's records: the highest value that was accepted for each (fingerprint, what). Bytes in, bytes out.

    record  fingerprint(8)  what(u8)  zero(7)  value(u64)  checksum(8: the first of SHA-256 of the 24 bytes before)

`fingerprint` is a client's (wire/keys.py; of its fwknop keys: core/clients.py). `what` is 0 for stamps in microseconds, or the
index of a service for one-time slots. All zero is a free place. The first place holds the floor, of fingerprint zeros and
what 255: stamps up to it are refused, because what was accepted before may have been forgotten.

Two copies lie on storage, a and b. A record is written to one of them, flushed, and only then to the other, first to a where
both are equal. So a place that is bad in one copy is right in the other, and a place that is bad in both was damaged.
"""

from hashlib import sha256
from struct import pack, unpack_from

from ..wire.keys import FINGERPRINT_BYTES

PLACES = 640  # 512 clients with spa, 16 with fwknop, 64 one-time pairs, the floor, and some that are no longer in the policy
RECORD_BYTES = 32
BYTES = PLACES * RECORD_BYTES
KEY_BYTES = FINGERPRINT_BYTES + 1
HIGHEST = 1 << 62
FLOOR_PLACE = 0
FLOOR_KEY = bytes(FINGERPRINT_BYTES) + b"\xff"
UNKNOWN_FLOOR = HIGHEST  # a store that was made anew: nobody knows what the one before it had accepted
_VALUE_AT = 16
_CHECKED_BYTES = 24
_FREE = bytes(RECORD_BYTES)


def record(key, value):
    """The bytes of one; `key`: fingerprint and what, KEY_BYTES. The value must be 0 .. HIGHEST."""
    checked = pack(">9s7sQ", key, b"", value)
    return checked + sha256(checked).digest()[: RECORD_BYTES - _CHECKED_BYTES]


def key_of(memory, place):
    at = place * RECORD_BYTES
    return bytes(memory[at : at + KEY_BYTES])


def value_of(memory, place):
    return unpack_from(">Q", memory, place * RECORD_BYTES + _VALUE_AT)[0]


def is_taken(memory, place):
    return any(memory[place * RECORD_BYTES : (place + 1) * RECORD_BYTES])


def merge(a, b):
    """(a table that has all that was accepted, how many places are lost). A copy that is short lacks its last places."""
    memory = bytearray(BYTES)
    lost = 0
    for place in range(PLACES):
        at = place * RECORD_BYTES
        in_a = a[at : at + RECORD_BYTES]
        in_b = b[at : at + RECORD_BYTES]
        if _is_good(in_a, place):
            memory[at : at + RECORD_BYTES] = in_b if _is_good(in_b, place) and _is_later(in_b, in_a) else in_a
        elif _is_good(in_b, place):
            memory[at : at + RECORD_BYTES] = in_b
        elif place == FLOOR_PLACE or _FREE not in (in_a, in_b):
            lost += 1
    return memory, lost


def _is_later(in_b, in_a):
    """Does b know more than a? Of different keys, or floors, a has the new one."""
    key = key_of(in_a, 0)
    return key != FLOOR_KEY and key == key_of(in_b, 0) and value_of(in_b, 0) > value_of(in_a, 0)


def _is_good(part, place):
    """Does the checksum hold, and is the record one that may be there? The floor has its own place and no other."""
    if len(part) != RECORD_BYTES or part == _FREE:
        return False
    key = key_of(part, 0)
    value = value_of(part, 0)
    return (key == FLOOR_KEY) == (place == FLOOR_PLACE) and value <= HIGHEST and part == record(key, value)
