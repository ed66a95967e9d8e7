"""Packets as fwknop's client makes them, of any fields: written from the format's description, not from the engine's code."""

from binascii import a2b_base64, b2a_base64
from hashlib import sha256

from common import ciphers
from knocklet.core.clients import Client, FwknopKeys
from knocklet.core.services import Service

BLOCK = 64


def base64(data):
    return b2a_base64(data).strip(b"\n=")


def hashes(name):
    return {"md5": ciphers.md5, "sha1": ciphers.sha1, "sha256": lambda data: sha256(data).digest()}[name]


def hmac(name, key, data):
    made = hashes(name)
    key = made(key) if len(key) > BLOCK else key
    key = key + b"\0" * (BLOCK - len(key))
    return made(bytes([byte ^ 0x5C for byte in key]) + made(bytes([byte ^ 0x36 for byte in key]) + data))


def fields(kind, message, *rest, user=b"alice", stamp=1795454680, version=b"3.0.0", random=b"1268191259160049"):
    """The fields up to the digest, joined; what is base64 in them is given plain, except in rest."""
    head = (random, base64(user), str(stamp).encode(), version, str(kind).encode(), base64(message))
    return b":".join(head + rest)


def sealed(text, digest="sha256"):
    """The plaintext: fields with their digest."""
    return text + b":" + base64(hashes(digest)(text))


def padded(text):
    count = 16 - len(text) % 16
    return text + bytes([count]) * count


def packet(keys, blocks, salt=b"saltsalt"):
    """The payload. keys: FwknopKeys; blocks: padded(sealed(fields(...)))."""
    one = ciphers.md5(keys.key + salt)
    two = ciphers.md5(one + keys.key + salt)
    three = ciphers.md5(two + keys.key + salt)
    text = base64(b"Salted__" + salt + ciphers.aes_cbc_encrypt(one + two, three, blocks))
    return signed(keys, text[10:])


def signed(keys, body):
    """A body, whatever it is, with its HMAC."""
    return body + base64(hmac(keys.digest, keys.hmac_key, b"U2FsdGVkX1" + body))


def client_keys(texts):
    """The FwknopKeys of what a configuration holds of them."""
    made = FwknopKeys()
    made.key, made.hmac_key = a2b_base64(texts["key"]), a2b_base64(texts["hmac_key"])
    made.digest = texts["hmac"]
    return made


def client(name, services, key=bytes(range(32)), hmac_key=bytes(range(64, 128)), digest="sha256"):
    """Of kind fwknop; key None: of another kind."""
    made = Client()
    made.name = name
    made.services = services
    made.fwknop = None
    if key:
        made.fwknop = FwknopKeys()
        made.fwknop.key, made.fwknop.hmac_key, made.fwknop.digest = key, hmac_key, digest
    return made


def service(name, protocol, port, to=None, to_port=0, families=(4, 6)):
    """As far as it matters here."""
    made = Service()
    made.name, made.protocol, made.port, made.to, made.to_port = name, protocol, port, to, to_port
    made.families = (4,) if to else families
    return made
