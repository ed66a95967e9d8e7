"""HMAC-SHA256 (RFC 2104), HKDF (RFC 5869) and the keystream made of them, for interpreters that have only SHA-256.

MicroPython's hash objects cannot be copied and are used up by digest(): of a key that is used often, its two padded blocks
are kept instead (pads).
"""

from hashlib import sha256

_BLOCK_BYTES = 64
BYTES = 32
_INNER = bytes([byte ^ 0x36 for byte in range(256)])
_OUTER = bytes([byte ^ 0x5C for byte in range(256)])


def pads(key):
    """What hmac_of() wants of a key: its inner and its outer block."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    key = key + bytes(_BLOCK_BYTES - len(key))
    return bytes([_INNER[byte] for byte in key]), bytes([_OUTER[byte] for byte in key])


def hmac_of(blocks, *parts):
    """The 32 bytes of HMAC-SHA256 over the parts (bytes-like) one after the other; blocks: pads(key)."""
    inner = sha256(blocks[0])
    for part in parts:
        inner.update(part)
    outer = sha256(blocks[1])
    outer.update(inner.digest())
    return outer.digest()


def hmac(key, *parts):
    """hmac_of() for a key that is used once."""
    return hmac_of(pads(key), *parts)


def hkdf(ikm, salt, *infos):
    """32 bytes of key from `ikm` for each of the infos: one block of HKDF each, a list."""
    blocks = pads(hmac(salt, ikm))
    return [hmac_of(blocks, info, b"\x01") for info in infos]


def keystream(blocks, iv, count):
    """`count` bytes to XOR a text with; blocks: pads(key). Never twice with the same key and iv (16 bytes)."""
    stream = b""
    number = 0
    while len(stream) < count:
        stream += hmac_of(blocks, b"ks1", iv, bytes((number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255)))
        number += 1
    return stream[:count]


def xor(one, other):
    """Two texts of the same length, byte by byte."""
    return bytes([one[i] ^ other[i] for i in range(len(one))])


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
