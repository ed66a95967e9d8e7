"""The keys of a gateway, derived from the one that is installed on it (design: wire formats, version 1)."""

from hashlib import sha256

from .hmac import hkdf

KEY_BYTES = 32
_SALT = b"knocklet1"


def gateway_id(name):
    """The 16 bytes that stand for a gateway's name in keys and packets."""
    return sha256(b"knocklet id" + name.encode()).digest()[:16]


def derive(key, name, info):
    """32 bytes for one purpose. key: 32 bytes; name: the gateway's; info: bytes that name the purpose."""
    return hkdf(key, _SALT + gateway_id(name), info)


def event_key(key, name):
    """The key of all that the gateway reports: whoever only collects gets this one and nothing else."""
    return derive(key, name, b"evt mac v1")
