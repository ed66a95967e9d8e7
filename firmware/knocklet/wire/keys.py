"""The keys of a gateway and of its clients, derived from the one that each has (design: wire formats, version 1)."""

from hashlib import sha256

from .hmac import hkdf

KEY_BYTES = 32
FINGERPRINT_BYTES = 8
_SALT = b"knocklet1"


def gateway_id(name):
    """The 16 bytes that stand for a gateway's name in keys and packets; they themselves stay as they are."""
    return name if isinstance(name, bytes) else sha256(b"knocklet id" + name.encode()).digest()[:16]


def derive(key, name, *infos):
    """32 bytes for each purpose, a list. key: 32 bytes; name: the gateway's; infos: bytes that name the purposes."""
    return hkdf(key, _SALT + gateway_id(name), *infos)


def event_key(key, name):
    """The key of all that the gateway reports: whoever only collects gets this one and nothing else."""
    return derive(key, name, b"evt mac v1")[0]


def otp_key(key, name):
    """What a client needs for its one-time port sequences, and for nothing else."""
    return derive(key, name, b"otp v1")[0]


class ClientKeys:
    """What comes from K_client at one gateway: the keys enc, mac, tag and otp, and fingerprint, its name in stores."""

    def __init__(self, key, name):
        """key: 32 bytes; name: the gateway's."""
        self.gateway_id = gateway_id(name)
        made = derive(key, name, b"spa enc v1", b"spa mac v1", b"spa tag v1", b"otp v1", b"fingerprint v1")
        self.enc, self.mac, self.tag, self.otp = made[:4]
        self.fingerprint = made[4][:FINGERPRINT_BYTES]
