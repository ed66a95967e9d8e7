"""Clients: who may open what, and by which kinds of knock. Read strictly, as all of the policy."""

from hashlib import sha256

from ..wire.keys import FINGERPRINT_BYTES, KEY_BYTES, ClientKeys
from .base64 import decode
from .services import named

LIMIT = 512
KINDS = ("spa", "otp", "fwknop")
SOURCES = ("packet", "stated", "any")
_HEX = "0123456789abcdef"
FWKNOP_LIMIT = 16  # a fwknop packet does not say whose it is: every key is tried
FWKNOP_KEY_BYTES = 32  # at most
FWKNOP_HMAC_KEY_BYTES = 128  # at most
DIGESTS = ("sha256", "sha1", "md5")
_LATEST_S = 9_999_999_999


class Client:
    """name, kinds, services (list of Service), source ("packet", "stated", "any"), issued_us: no stamp up to it counts.

    keys: ClientKeys, None without spa and otp. fwknop: FwknopKeys or None. fingerprint: 8 bytes, in the replay store;
    fwknop_fingerprint: the same for what its fwknop key opens.
    """


class FwknopKeys:
    """key: 1-32 bytes; hmac_key: 1-128 bytes; digest: one of DIGESTS."""


def read(name, table, by_name, gateway):
    """The Client in a checked table. by_name: service name -> Service; gateway: its name. Raises ConfigError."""
    client = Client()
    client.name = name
    client.kinds = table.texts("kinds", 1, len(KINDS), ["spa"])
    for kind in client.kinds:
        if kind not in KINDS or client.kinds.count(kind) > 1:
            table.fail("kinds", kind, ", ".join(KINDS) + ", each once")
    client.source = table.choice("source", "packet", SOURCES)
    client.issued_us = 1_000_000 * table.integer("issued", 0, 1, _LATEST_S)
    client.services = named(table, "open", by_name, len(by_name) or 1)
    client.keys = client.fwknop = client.fingerprint = client.fwknop_fingerprint = None
    if "spa" in client.kinds or "otp" in client.kinds:
        client.keys = ClientKeys(table.secret("key", _key, "%d hex digits, small letters" % (2 * KEY_BYTES)), gateway)
        client.fingerprint = client.keys.fingerprint
    if "fwknop" in client.kinds:
        client.fwknop = _fwknop(table.table("fwknop"))
        name = sha256(b"knocklet fwknop" + client.fwknop.hmac_key + client.fwknop.key).digest()
        client.fwknop_fingerprint = name[:FINGERPRINT_BYTES]
    table.done()
    return client


def _key(text):
    key = bytes([_HEX.index(text[i]) << 4 | _HEX.index(text[i + 1]) for i in range(0, len(text) - 1, 2)])
    if len(text) != 2 * KEY_BYTES or not any(key):
        raise ValueError("no key")
    return key


def _fwknop(table):
    keys = FwknopKeys()
    keys.key = _base64(table, "key", FWKNOP_KEY_BYTES)
    keys.hmac_key = _base64(table, "hmac_key", FWKNOP_HMAC_KEY_BYTES)
    keys.digest = table.choice("hmac", "sha256", DIGESTS)
    if keys.key == keys.hmac_key:
        table.fail("hmac_key", "the same", "another one than 'key'")
    table.done()
    return keys


def _base64(table, key, limit):
    def read(text):
        data = decode(text.encode().rstrip(b"="))
        if not 0 < len(data) <= limit:
            raise ValueError("length")
        return data

    return table.secret(key, read, "base64 of 1-%d bytes" % limit)
