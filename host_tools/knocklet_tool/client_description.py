"""A client: one computer or phone at one gateway, what it may open there, and its secrets.

Its JSON form is the one that the gateway reads in its clients.json.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from knocklet.wire.keys import FINGERPRINT_BYTES, KEY_BYTES, ClientKeys
from knocklet.wire.names import is_name

from .checked_json import REQUIRED, Table
from .errors import InputError

SPA, OTP, FWKNOP = KINDS = "spa", "otp", "fwknop"   # the strongest first
PACKET, STATED, ANY = SOURCES = "packet", "stated", "any"
_HMACS = ("sha256",)
_FWKNOP_KEY_BYTES, _FWKNOP_HMAC_BYTES = (1, 32), (1, 128)   # what fwknop takes
_LARGEST = 9_999_999_999   # unix seconds, what a gateway reads


@dataclass(frozen=True)
class Fwknop:
    """The two keys that existing fwknop clients have."""

    key: bytes = field(repr=False)
    hmac_key: bytes = field(repr=False)
    hmac: str = "sha256"

    def as_json(self) -> dict[str, str]:
        return {"key": b64encode(self.key).decode(), "hmac_key": b64encode(self.hmac_key).decode(), "hmac": self.hmac}

    @property
    def fingerprint(self) -> bytes:
        """The name of these keys in the gateway's stores (core/clients.py)."""
        return sha256(b"knocklet fwknop" + self.hmac_key + self.key).digest()[:FINGERPRINT_BYTES]


@dataclass(frozen=True)
class Client:
    """`key`: K_client, for spa and otp. `issued`: unix seconds, when the secrets were made."""

    name: str
    gateway: str
    issued: int
    open: tuple[str, ...]
    kinds: tuple[str, ...] = (SPA,)
    source: str = PACKET
    key: bytes | None = field(default=None, repr=False)
    fwknop: Fwknop | None = field(default=None, repr=False)

    def check_may_open(self, service: str) -> None:
        """Raises InputError."""
        if service not in self.open:
            raise InputError(f"client {self.name} may not open {service}; it may: {', '.join(self.open)}")

    def keys(self) -> ClientKeys:
        """For spa and otp."""
        assert self.key
        return ClientKeys(self.key, self.gateway)

    def fingerprints(self) -> dict[str, str]:
        """By what each is for, in hex: they name its secrets, and tell nothing of them."""
        found = {"": self.keys().fingerprint} if self.key else {}
        return {use: each.hex() for use, each in (found | ({FWKNOP: self.fwknop.fingerprint} if self.fwknop else {})).items()}

    def as_json(self) -> dict[str, Any]:
        """With its secrets, as the gateway reads it, and client_from() here."""
        return self.plain() | self.secrets()

    def plain(self) -> dict[str, Any]:
        return {"issued": self.issued, "open": list(self.open), "source": self.source, "kinds": list(self.kinds)}

    def secrets(self) -> dict[str, Any]:
        found: dict[str, Any] = {"key": self.key.hex()} if self.key else {}
        return found | ({"fwknop": self.fwknop.as_json()} if self.fwknop else {})


def check_name(name: str) -> str:
    if not is_name(name):
        raise InputError(f"client {name[:60]!r}: allowed: 1-32 of a-z, 0-9 and '-', the first a letter")
    return name


def no_secret(client: str, gateway: str) -> str:
    return (
        f"its secret is not here; knocklet client rotate {client} --gateway {gateway} makes one, "
        "knocklet client import takes it from another computer"
    )


def client_from(name: str, gateway: str, table: Table) -> Client:
    """The client whose JSON form this is. Raises InputError, which quotes no secret."""
    kinds = table.texts("kinds", [SPA], KINDS.__contains__, ", ".join(KINDS))
    key = fwknop = None
    if SPA in kinds or OTP in kinds:
        key = table.secret("key", _key, f"{2 * KEY_BYTES} hex digits")
    if FWKNOP in kinds:
        keys = table.table("fwknop")
        fwknop = Fwknop(
            keys.secret("key", lambda text: _base64(text, *_FWKNOP_KEY_BYTES), "1-32 bytes in base64"),
            keys.secret("hmac_key", lambda text: _base64(text, *_FWKNOP_HMAC_BYTES), "1-128 bytes in base64"),
            keys.choice("hmac", "sha256", _HMACS),
        )
        if fwknop.key == fwknop.hmac_key:
            raise keys.wrong("hmac_key", "allowed: another one than 'key'")
    issued = table.integer("issued", REQUIRED, 1, _LARGEST)
    services = table.texts("open", REQUIRED, is_name, "names of services")
    return Client(name, gateway, issued, services, kinds, table.choice("source", PACKET, SOURCES), key, fwknop)


def _key(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_BYTES or len(text) != 2 * KEY_BYTES or not any(key):
        raise ValueError("length")
    return key


def _base64(text: str, low: int, high: int) -> bytes:
    key = b64decode(text, validate=True)
    if not low <= len(key) <= high:
        raise ValueError("length")
    return key
