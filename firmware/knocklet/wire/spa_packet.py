"""The knock packet (`spa`): UDP, always 88 bytes, integers big endian (design: wire formats, version 1, section 2).

    0 slot(4)  4 tag(4)  8 iv(16)  24 ciphertext(32)  56 mac(32)

    plaintext: 0 version  1 op  2 flags  3 service index  4 ttl_s(4)  8 stamp_us(8)  16 source(16)

slot: the stamp's minutes since 1970; tag: first 4 bytes of HMAC(spa tag, "tag1" || slot).
"""

from struct import pack, unpack

from .hmac import equal, hmac, hmac_each, keystream, xor

BYTES = 88
VERSION = 1
OPEN, CLOSE, RENEW = 1, 2, 3  # op
PACKET_SOURCE = 1  # flag: the packet's own source address is meant
TAG_AT, TAG_BYTES = 4, 4
_IV_AT, _CIPHERTEXT_AT, _MAC_AT = 8, 24, 56
IV_BYTES = 16
_PLAINTEXT = ">BBBBIQ16s"
MINUTE_US = 60_000_000
TTL_LIMIT_S = 0xFFFFFFFF
_MAPPED = bytes(10) + b"\xff\xff"  # IPv4-mapped, RFC 4291
NO_SOURCE = bytes(16)


def slot_bytes(minutes):
    """A slot as it is written. minutes: since 1970."""
    return pack(">I", minutes)


def tag(keys, slot):
    """The 4 bytes that only this client (wire.keys.ClientKeys) can compute for a slot (4 bytes)."""
    return tags([keys], slot)[0]


def tags(all_keys, slot):
    """tag() of each, a list."""
    return [mac[:TAG_BYTES] for mac in hmac_each([keys.tag for keys in all_keys], b"tag1" + slot)]


def mapped(address):
    """4 or 16 bytes of an address as the 16 that are written."""
    return _MAPPED + address if len(address) == 4 else address


def unmapped(source):
    """The 4 or 16 bytes of the address that `source` (16 bytes) stands for."""
    return source[12:] if source[:12] == _MAPPED else source


def plaintext(op, service, ttl_s, stamp_us, source=None):
    """The 32 bytes that ask for something. source: 4 or 16 bytes, None for the packet's own. Raises ValueError."""
    for what, value, low, high in (("op", op, OPEN, RENEW), ("service", service, 1, 255),
                                   ("ttl_s", ttl_s, 0, TTL_LIMIT_S), ("stamp_us", stamp_us, 0, 1 << 62)):  # fmt: skip
        if not low <= value <= high:  # struct would cut it in silence
            raise ValueError("%s %d: allowed: %d-%d" % (what, value, low, high))
    flags = PACKET_SOURCE if source is None else 0
    return pack(_PLAINTEXT, VERSION, op, flags, service, ttl_s, stamp_us, NO_SOURCE if source is None else mapped(source))


def fields(text):
    """(version, op, flags, service, ttl_s, stamp_us, source of 16 bytes) of a plaintext, as they are: nothing is checked."""
    return unpack(_PLAINTEXT, text)


def seal(keys, iv, text):
    """The packet. keys: the client's; iv: 16 random bytes, never used before; text: plaintext()."""
    slot = slot_bytes(fields(text)[5] // MINUTE_US)
    start = slot + tag(keys, slot) + iv + xor(text, keystream(keys.enc, iv, len(text)))
    return start + _mac(keys, start)


def _mac(keys, start):
    return hmac(keys.mac, b"spa1", keys.gateway_id, start)


def is_from(keys, packet):
    """Did this client make the packet (88 bytes) for this gateway?"""
    return equal(_mac(keys, packet[:_MAC_AT]), packet[_MAC_AT:])


def decrypted(keys, packet):
    """The plaintext of a packet that is_from() this client."""
    text = packet[_CIPHERTEXT_AT:_MAC_AT]
    return xor(text, keystream(keys.enc, packet[_IV_AT:_CIPHERTEXT_AT], len(text)))
