"""A text sealed under a passphrase, for a file that may get lost. host_tools/page/sealed_box.js opens it.

    off len
     0   4  "KLP1"
     4   1  log2 of N    cost of scrypt (RFC 7914): 128 * r * N bytes of memory for each try
     5   1  r
     6   1  p
     7   1  zero
     8  16  salt         random, for this box alone; so is the keystream
    24   n  ct           text XOR keystream(enc, salt, n)
    24+n 32 mac          HMAC(mac, bytes 0 .. 24+n-1)

    enc || mac = scrypt(passphrase, salt, N, r, p), 64 bytes
"""

import hashlib
import unicodedata

from knocklet.wire.hmac import hmac, keystream, xor

_MAGIC = b"KLP1"
# 64 MiB for each try. Chromium needs 0.4 s here, and under 2 s slowed down to a sixth, as a cheap phone is.
_LOG_N, _R, _P = 16, 8, 1
SALT_BYTES = 16
_KEY_BYTES = 32


def seal(text: bytes, passphrase: str, salt: bytes) -> bytes:
    """salt: SALT_BYTES random bytes, never used before."""
    assert len(salt) == SALT_BYTES
    cost = {"n": 1 << _LOG_N, "r": _R, "p": _P, "maxmem": 256 * _R << _LOG_N}
    keys = hashlib.scrypt(normal(passphrase).encode(), salt=salt, dklen=2 * _KEY_BYTES, **cost)
    enc, mac = keys[:_KEY_BYTES], keys[_KEY_BYTES:]
    sealed = _MAGIC + bytes((_LOG_N, _R, _P, 0)) + salt + xor(text, keystream(enc, salt, len(text)))
    return sealed + hmac(mac, sealed)


def normal(passphrase: str) -> str:
    """Keyboards write the same letter in different ways, and phones like to add a space."""
    return unicodedata.normalize("NFKC", passphrase).strip()
