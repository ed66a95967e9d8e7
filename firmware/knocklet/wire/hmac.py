"""HMAC-SHA256 (RFC 2104) and HKDF (RFC 5869), for interpreters that have only SHA-256.

MicroPython's hash objects cannot be copied and are used up by digest(), so nothing is kept between two calls.
"""

from hashlib import sha256

_BLOCK_BYTES = 64
BYTES = 32
_INNER = bytes([byte ^ 0x36 for byte in range(256)])
_OUTER = bytes([byte ^ 0x5C for byte in range(256)])


def hmac(key, *parts):
    """The 32 bytes of HMAC-SHA256 over the parts (bytes-like) one after the other."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    key = key + bytes(_BLOCK_BYTES - len(key))
    inner = sha256(bytes([_INNER[byte] for byte in key]))
    for part in parts:
        inner.update(part)
    outer = sha256(bytes([_OUTER[byte] for byte in key]))
    outer.update(inner.digest())
    return outer.digest()


def hkdf(ikm, salt, info):
    """32 bytes of key from `ikm`: one block of HKDF."""
    return hmac(hmac(salt, ikm), info, b"\x01")


def hex_text(data):
    """The bytes as digits, as macs and digests are written."""
    return "".join(["%02x" % byte for byte in data])


def equal(one, other):
    """Are two MACs the same? Takes the same time wherever they differ."""
    if len(one) != len(other):
        return False
    different = 0
    for i in range(len(one)):
        different |= one[i] ^ other[i]
    return different == 0
