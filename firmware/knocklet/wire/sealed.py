"""Sealed messages: what the holder of a gateway's key tells it, and what it tells him alone (design: wire formats, section 4).

     0 "KLE1"  4 kind(1)  5 zero(3)  8 gateway_id(16)  24 version(8)  32 not_before(8)  40 expires(8)  48 confirm_s(4)
    52 length of the text(4)  56 iv(16)  72 ciphertext  then mac(32)

Integers are big endian. version: microseconds since 1970 when it was sealed, and more than that of the one before of its kind;
not_before, expires: seconds since 1970, 0 for none; confirm_s: of a config, how long it is tried, 0 for not at all.
"""

from struct import pack, unpack_from

from .hmac import BYTES as MAC_BYTES
from .hmac import equal, hmac, keystream, xor
from .keys import derive, gateway_id

MAGIC = b"KLE1"
CONFIG, COMMAND, ANSWER = 1, 2, 3  # kind
TEXT_BYTES = 65_536  # at most
_HEADER = ">4sB3s16sQQQII"
_IV_AT, _TEXT_AT = 56, 72
IV_BYTES = 16
BYTES = _TEXT_AT + MAC_BYTES  # besides the text
LIMIT_BYTES = BYTES + TEXT_BYTES
HIGHEST_VERSION = 1 << 62
TRIAL_S = 30, 600  # confirm_s, where it is not 0
COMMAND_S = 120  # a command expires so long after its version, at most
_PIECE_BYTES = 4096  # that are decrypted at once: a gateway has little memory in one piece
_BLOCKS = _PIECE_BYTES // 32
_US_PER_S = 1_000_000


class SealKeys:
    """What comes from K_gateway (32 bytes) for these messages; name: the gateway's."""

    def __init__(self, key, name):
        self.gateway_id = gateway_id(name)
        self.enc, self.mac = derive(key, name, b"env enc v1", b"env mac v1")


class Header:
    """kind, version, not_before, expires, confirm_s of a message, as they are: only is_from() says whose they are."""


def gateway_of(message):
    """The 16 bytes of the gateway that a message says it is for."""
    return message[8:24]


def version_of(message):
    """The version that a message, or its beginning, says it has; 0 for what is too short."""
    return int.from_bytes(message[24:32], "big")


def header(message, gateway):
    """The Header of a message for this gateway_id. Raises ValueError for what has another form, or is for another one."""
    if not BYTES <= len(message) <= LIMIT_BYTES:
        raise ValueError("%d bytes" % len(message))
    found = Header()
    magic, found.kind, zero, to, found.version, found.not_before, found.expires, found.confirm_s, count = unpack_from(
        _HEADER, message
    )
    if magic != MAGIC or not CONFIG <= found.kind <= ANSWER or any(zero):
        raise ValueError("no sealed message")
    if to != gateway:
        raise ValueError("for another gateway")
    if count != len(message) - BYTES:
        raise ValueError("%d bytes of text" % count)
    return found


def why_not(found):
    """What is wrong with an authentic Header, None when nothing is. Whether its time has come is not looked at."""
    if found.kind == CONFIG:
        if found.confirm_s and not TRIAL_S[0] <= found.confirm_s <= TRIAL_S[1]:
            return "confirm_s %d: allowed: 0, %d-%d" % ((found.confirm_s,) + TRIAL_S)
    elif found.confirm_s:
        return "confirm_s %d: allowed: only with a config" % found.confirm_s
    elif found.kind == COMMAND and not found.version <= found.expires * _US_PER_S <= found.version + COMMAND_S * _US_PER_S:
        return "expires: allowed: at most %d s after the version" % COMMAND_S
    return None


def seal(keys, kind, version, text, iv, not_before=0, expires=0, confirm_s=0):
    """The message. keys: SealKeys; iv: 16 random bytes, never used before; text: bytes. Raises ValueError."""
    for what, value, high in (("version", version, HIGHEST_VERSION), ("not_before", not_before, HIGHEST_VERSION),
                              ("expires", expires, HIGHEST_VERSION), ("confirm_s", confirm_s, TRIAL_S[1]),
                              ("length", len(text), TEXT_BYTES)):  # fmt: skip
        if not 0 <= value <= high:  # struct would cut it in silence
            raise ValueError("%s %d: allowed: 0-%d" % (what, value, high))
    start = pack(_HEADER, MAGIC, kind, b"", keys.gateway_id, version, not_before, expires, confirm_s, len(text))
    start += iv + b"".join(_pieces(keys, iv, text))
    return start + hmac(keys.mac, start)


def is_from(keys, message):
    """Did a holder of the gateway's key make it?"""
    start = memoryview(message)[:-MAC_BYTES]
    return equal(hmac(keys.mac, start), message[-MAC_BYTES:])


def decrypted(keys, message):
    """The text of a message that is_from()."""
    return b"".join(_pieces(keys, message[_IV_AT:_TEXT_AT], memoryview(message)[_TEXT_AT:-MAC_BYTES]))


def _pieces(keys, iv, text):
    for at in range(0, len(text), _PIECE_BYTES):
        piece = text[at : at + _PIECE_BYTES]
        yield xor(piece, keystream(keys.enc, iv, len(piece), at // _PIECE_BYTES * _BLOCKS))
