"""A packet of an fwknop client (2.6, AES and HMAC) as a UDP payload: whose is it, and what does he ask for?

    payload    = body + base64(HMAC(PREFIX + body))     both without "="
    PREFIX + body = base64("Salted__" | salt[8] | AES-256-CBC(PKCS#7(text)))
    key, iv    = D1 | D2, D3     D1 = MD5(password | salt), Dn = MD5(Dn-1 | password | salt), as OpenSSL derives them
    text       = fields + ":" + base64(digest of the fields)     core/fwknop_fields.py reads the fields

It names nobody: every client's HMAC is tried. The HMAC is over the text, so there is one way to write a packet and no other:
not with the prefix put back in front, not with other loose bits or "=" at the end.
"""

from hashlib import sha256

from ..wire.hmac import equal, pads
from ..wire.spa_packet import OPEN
from . import fwknop_fields
from .base64 import decode, encode
from .filter import FWKNOP_HIGH, FWKNOP_LOW
from .request import Request
from .verdict import BAD_BASE64, BAD_FIELDS, BAD_MAC, CHECK, UNKNOWN_TAG, WRONG_LENGTH

PREFIX = b"U2FsdGVkX1"  # all of "Salted__" but its last four bits, which the next character has, with two of the salt
_FIRST = (0x38, 0x39, 0x2B, 0x2F)  # so that is one of 8 9 + /
_SALT_AT, _CIPHERTEXT_AT = 8, 16
_BLOCK_BYTES = 16  # AES
_HASH_BLOCK_BYTES = 64  # of all three
DIGEST_CHARACTERS = {"md5": 22, "sha1": 27, "sha256": 43}
_CONTENT_BYTES = 8


class Fwknop:
    """The clients that knock so."""

    def __init__(self, clients, ciphers):
        """clients: any, of the policy; ciphers: edge.ciphers, or what has its functions."""
        self._ciphers = ciphers
        hashes = {"md5": ciphers.md5, "sha1": ciphers.sha1, "sha256": _sha256}
        self._hashes = {DIGEST_CHARACTERS[name]: hashes[name] for name in hashes}
        self._keys = [_HmacKey(client, hashes[client.fwknop.digest]) for client in clients if client.fwknop]

    def cost(self):
        """How many HMACs one packet may cost."""
        return len(self._keys)

    def looks_right(self, frame, at, length):
        """CHECK, or the verdict on a payload of `length` bytes at frame[at:] that can be nobody's. Hot: allocates nothing."""
        if not FWKNOP_LOW <= length <= FWKNOP_HIGH:
            return WRONG_LENGTH
        return CHECK if frame[at] in _FIRST else UNKNOWN_TAG

    def read(self, payload, source):
        """(PARSED, its Request), or (the verdict that refuses it, None or a Request of which only the client is known).

        payload: bytes; source: the packet's, 4 or 16 bytes.
        """
        verdict = self.looks_right(payload, 0, len(payload))
        if verdict != CHECK:
            return verdict, None
        for key in self._keys:
            if key.made(payload):
                request = Request(key.client, OPEN, [], 0, 0, source, False)
                return self._fill(request, payload[: -key.characters]), request
        return BAD_MAC, None

    def _fill(self, request, body):
        try:
            data = decode(PREFIX + body)
        except ValueError:
            return BAD_BASE64
        request.content = sha256(data[_SALT_AT:]).digest()[:_CONTENT_BYTES]
        try:
            return fwknop_fields.read(request, self._fields(self._decrypted(request.client.fwknop.key, data)))
        except ValueError:
            return BAD_FIELDS

    def _decrypted(self, password, data):
        salt, ciphertext = data[_SALT_AT:_CIPHERTEXT_AT], data[_CIPHERTEXT_AT:]
        md5 = self._ciphers.md5
        first = md5(password + salt)
        second = md5(first + password + salt)
        text = self._ciphers.aes_cbc_decrypt(first + second, md5(second + password + salt), ciphertext)
        padding = text[-1]
        if not 0 < padding <= _BLOCK_BYTES or text[-padding:] != bytes([padding]) * padding:
            raise ValueError("padding")
        return text[:-padding]

    def _fields(self, text):
        """The fields as text, without their digest, whose length says which it is."""
        fields, _, digest = text.rpartition(b":")
        made = self._hashes.get(len(digest))
        if not made or encode(made(fields)) != digest or any(not 32 <= byte < 127 for byte in fields):
            raise ValueError("digest")
        return fields.decode()


class _HmacKey:
    """One client's, ready for use (RFC 2104)."""

    def __init__(self, client, made):
        """made: bytes -> digest."""
        self.client = client
        self.characters = DIGEST_CHARACTERS[client.fwknop.digest]
        self._hash = made
        key = client.fwknop.hmac_key
        self._inner, self._outer = pads(made(key) if len(key) > _HASH_BLOCK_BYTES else key)

    def made(self, payload):
        """Is the HMAC at the payload's end the one that this key makes of what stands before it?"""
        inner = self._hash(self._inner + PREFIX + payload[: -self.characters])
        return equal(encode(self._hash(self._outer + inner)), payload[-self.characters :])


def _sha256(data):
    return sha256(data).digest()
