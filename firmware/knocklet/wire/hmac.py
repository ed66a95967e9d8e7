"""HMAC-SHA256 (RFC 2104), HKDF (RFC 5869) and the keystream made of them, for interpreters that have only SHA-256.

MicroPython's hash objects cannot be copied and are used up by digest(), so nothing is kept between two calls. Many bytes are
XORed as one big number: many times as fast as one by one.
"""

from hashlib import sha256

_BLOCK_BYTES = 64
BYTES = 32
_INNER = int.from_bytes(b"\x36" * _BLOCK_BYTES, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK_BYTES, "big")


def pads(key):
    """A key's inner and outer block; key: at most 64 bytes."""
    number = int.from_bytes(key + bytes(_BLOCK_BYTES - len(key)), "big")
    return (number ^ _INNER).to_bytes(_BLOCK_BYTES, "big"), (number ^ _OUTER).to_bytes(_BLOCK_BYTES, "big")


def hmac(key, *parts):
    """The 32 bytes of HMAC-SHA256 over the parts (bytes-like) one after the other."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    inner_block, outer_block = pads(key)
    inner = sha256(inner_block)
    for part in parts:
        inner.update(part)
    outer = sha256(outer_block)
    outer.update(inner.digest())
    return outer.digest()


def hmac_each(keys, message):
    """hmac() of one message with each of many keys of 32 bytes: in one piece, twice as fast."""
    padding = bytes(_BLOCK_BYTES - BYTES)
    made = []
    for key in keys:
        number = int.from_bytes(key + padding, "big")
        inner = sha256((number ^ _INNER).to_bytes(_BLOCK_BYTES, "big"))
        inner.update(message)
        outer = sha256((number ^ _OUTER).to_bytes(_BLOCK_BYTES, "big"))
        outer.update(inner.digest())
        made.append(outer.digest())
    return made


def hkdf(ikm, salt, *infos):
    """32 bytes of key from `ikm` for each of the infos: one block of HKDF each, a list."""
    key = hmac(salt, ikm)
    return [hmac(key, info, b"\x01") for info in infos]


def keystream(key, iv, count, number=0):
    """`count` bytes to XOR a text with, from the block (of 32 bytes) with this number on. Never twice with the same key and
    iv (16 bytes)."""
    inner_block, outer_block = pads(key)
    blocks = []
    for block in range(number, number + -(-count // BYTES)):
        inner = sha256(inner_block)
        inner.update(b"ks1" + iv + block.to_bytes(4, "big"))
        outer = sha256(outer_block)
        outer.update(inner.digest())
        blocks.append(outer.digest())
    return b"".join(blocks)[:count]


def xor(one, other):
    """Two texts of the same length, byte by byte."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


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
