"""New secrets for a client, and old ones that shall never open anything again."""

import secrets
import time

from knocklet.wire.keys import KEY_BYTES

from .client_description import FWKNOP, OTP, SPA, Client, Fwknop
from .gateway_model import REVOKED
from .toml_edit import TomlEdit

_FWKNOP_KEY_BYTES, _FWKNOP_HMAC_KEY_BYTES = 32, 64   # as fwknop itself makes them


def new_client(name: str, gateway: str, services: tuple[str, ...], kinds: tuple[str, ...], source: str) -> Client:
    key = secrets.token_bytes(KEY_BYTES) if SPA in kinds or OTP in kinds else None
    fwknop = None
    if FWKNOP in kinds:
        fwknop = Fwknop(secrets.token_bytes(_FWKNOP_KEY_BYTES), secrets.token_bytes(_FWKNOP_HMAC_KEY_BYTES))
    return Client(name, gateway, int(time.time()), services, kinds, source, key, fwknop)


def revoke(edit: TomlEdit, client: Client) -> int:
    """Its fingerprints under [revoked], by its name and the date. Returns how many of the oldest had to go for them."""
    if "revoked" not in edit.document:
        edit.document["revoked"] = {}
    table = edit.document["revoked"]
    today = time.strftime("%Y-%m-%d")
    for use, fingerprint in client.fingerprints().items():
        name = "-".join(filter(None, (client.name, use, today)))
        names = [name, *(f"{name}-{number}" for number in range(2, REVOKED + 2))]
        if fingerprint not in table.values():
            table[next(each for each in names if each not in table)] = fingerprint
    oldest = list(table)[: max(0, len(table) - REVOKED)]
    for name in oldest:
        del table[name]
    return len(oldest)
