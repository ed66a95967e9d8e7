"""The clients that are known here and the gateways they knock at. Stored once; the secrets in a file of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import gateway_description, places
from .checked_json import Table, read_object
from .client_description import Client, client_from
from .errors import InputError
from .gateway_description import GatewayDescription

_PLAIN, _SECRETS, _LOCK = "clients.json", "client-secrets.json", ".clients.lock"


@dataclass
class Store:
    """`clients`: by the gateway's name, then by their own."""

    gateways: dict[str, GatewayDescription] = field(default_factory=dict)
    clients: dict[str, dict[str, Client]] = field(default_factory=dict)

    def gateway(self, name: str | None) -> GatewayDescription:
        """The one of this name; without a name the only one. Raises InputError."""
        known = ", ".join(self.gateways) or "none yet"
        if name is None and len(self.gateways) == 1:
            return next(iter(self.gateways.values()))
        if name not in self.gateways:
            asked = "which gateway?" if name is None else f"gateway {name[:60]!r} is not described here;"
            raise InputError(f"{asked} described: {known}; knocklet gateway describe NAME CONFIG.json --host HOST does it")
        return self.gateways[name]

    def client(self, name: str, gateway: str | None = None) -> Client:
        """The one of this name, wherever it is. Raises InputError."""
        groups = list(self.clients.values()) if gateway is None else [self.clients.get(gateway, {})]
        found = [clients[name] for clients in groups if name in clients]
        if not found:
            at = "" if gateway is None else f" at {gateway[:60]!r}"
            known = dict.fromkeys(each for clients in groups for each in clients)
            raise InputError(f"client {name[:60]!r} is not known{at}; known: {', '.join(known) or 'none yet'}")
        if len(found) > 1:
            raise InputError(f"client {name} is at {', '.join(client.gateway for client in found)}; --gateway says which")
        return found[0]

    def client_of(self, gateway: str, name: str | None) -> Client:
        """The one who knocks there: of this name, or the only one. Raises InputError."""
        if name is not None:
            return self.client(name, gateway)
        found = self.clients.get(gateway, {})
        if not found:
            raise InputError(f"{gateway} has no client here; knocklet client add NAME --gateway {gateway} makes one")
        if len(found) > 1:
            raise InputError(f"which client? --client, one of {', '.join(found)}")
        return next(iter(found.values()))

    def add(self, client: Client) -> None:
        self.clients.setdefault(client.gateway, {})[client.name] = client

    def remove(self, client: Client) -> None:
        del self.clients[client.gateway][client.name]


def find(name: str, gateway: str | None = None) -> tuple[Client, GatewayDescription]:
    """A client and where it knocks. Raises InputError."""
    store = load()
    client = store.client(name, gateway)
    return client, store.gateway(client.gateway)


def load() -> Store:
    """Raises InputError for files that are damaged, or secrets that others may read."""
    directory = places.config_dir()
    with places.locked(directory, _LOCK):   # else the two files may be of two times
        return _load(directory)


@contextmanager
def edit() -> Iterator[Store]:
    """The store, to be changed; written at the end unless that raised."""
    directory = places.config_dir()
    with places.locked(directory, _LOCK):
        store = _load(directory)
        yield store
        _write(store, directory)


def _load(directory: Path) -> Store:
    where = str(directory / _PLAIN)
    plain = read_object(where, places.read(directory / _PLAIN) or b"{}")
    secrets = read_object(str(directory / _SECRETS), places.read_private(directory / _SECRETS) or b"{}")
    store = Store()
    try:
        for fields in plain.get("gateways", []):
            gateway = gateway_description.from_table(Table(fields, where))
            store.gateways[gateway.name] = gateway
        for name, clients in plain.get("clients", {}).items():
            for client, fields in clients.items():
                store.add(client_from(client, name, Table(fields | secrets[name][client], where, f"{name}.{client}.")))
    except (AttributeError, KeyError, TypeError):
        # The cause is not told along: it may quote a secret.
        raise InputError(f"{where} or {_SECRETS}: not as this tool writes them") from None
    return store


def _write(store: Store, directory: Path) -> None:
    plain: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for gateway, found in store.clients.items():
        for client in found.values():
            plain.setdefault(gateway, {})[client.name] = client.plain()
            secrets.setdefault(gateway, {})[client.name] = client.secrets()
    gateways = [gateway.as_json() for gateway in store.gateways.values()]
    # The secrets first: a client without its key would be damage, a key without its client is none.
    places.write(directory / _SECRETS, _json(secrets))
    places.write(directory / _PLAIN, _json({"gateways": gateways, "clients": plain}))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
