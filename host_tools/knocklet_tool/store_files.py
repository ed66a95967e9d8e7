"""The files with this user's secrets of clients and sequences, as they are; and clients.json.

The owner's TOML files say what clients and sequences may do; for who only knocks, clients.json does. Secrets are here alone.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import places, secret_files
from .checked_json import read_object
from .errors import InputError

PLAIN, SECRETS, STEPS = "clients.json", "client-secrets.json", "sequence-secrets.json"
_LOCK = ".clients.lock"

ByName = dict[str, dict[str, Any]]   # by the gateway's name, then by the client's or sequence's


@dataclass
class StoreFiles:
    """`gateways`, `clients`: of who only knocks. `secrets`: of all clients, with `issued`. `steps`: of sequences."""

    gateways: list[Any] = field(default_factory=list)
    clients: ByName = field(default_factory=dict)
    secrets: ByName = field(default_factory=dict, repr=False)
    steps: ByName = field(default_factory=dict, repr=False)


def damaged(directory: Path) -> InputError:
    """What to raise. Nothing of the cause is told along: it may quote a secret."""
    return InputError(f"{directory / PLAIN}, {SECRETS} or {STEPS}: not as this tool writes them")


def read() -> StoreFiles:
    """Raises InputError for files that are damaged, or secrets that others may read."""
    directory = places.config_dir()
    with places.locked(directory, _LOCK):   # else the files may be of two times
        return _read(directory)


@contextmanager
def edit() -> Iterator[StoreFiles]:
    """To be changed; written at the end unless that raised."""
    directory = places.config_dir()
    with places.locked(directory, _LOCK):
        files = _read(directory)
        yield files
        # The secrets first: a client without its key would be damage, a key without its client is none.
        secret_files.write(directory / SECRETS, _json(files.secrets))
        if files.steps or (directory / STEPS).exists():
            secret_files.write(directory / STEPS, _json(files.steps))
        places.write(directory / PLAIN, _json({"gateways": files.gateways, "clients": files.clients}))


def _read(directory: Path) -> StoreFiles:
    plain = read_object(str(directory / PLAIN), places.read(directory / PLAIN) or b"{}")
    secrets = read_object(str(directory / SECRETS), secret_files.read(directory / SECRETS) or b"{}")
    steps = read_object(str(directory / STEPS), secret_files.read(directory / STEPS) or b"{}")
    files = StoreFiles(plain.get("gateways", []), plain.get("clients", {}), secrets, steps)
    if type(files.gateways) is not list or not all(map(_is_by_name, (files.clients, files.secrets, files.steps))):
        raise damaged(directory)
    for gateway, found in files.clients.items():
        for name, fields in found.items():   # older files have `issued` there alone
            if name not in files.secrets.get(gateway, {}) or type(fields) is not dict:
                raise damaged(directory)
            files.secrets[gateway][name].setdefault("issued", fields.get("issued"))
    return files


def _is_by_name(found: Any) -> bool:
    return type(found) is dict and all(type(each) is dict for each in found.values())


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
