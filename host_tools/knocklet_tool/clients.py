"""The clients that are known here and the gateways they knock at: from the owner's workspace, and what others have told us.

A gateway with a file in the workspace is as that file says; of its clients only the secrets are stored here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import gateway_description, places, store_files, workspace_folder
from .checked_json import Table
from .client_description import Client, client_from, no_secret
from .errors import InputError
from .gateway_description import GatewayDescription
from .store_files import StoreFiles

if TYPE_CHECKING:
    from .gateway_file import GatewayFile


@dataclass
class Store:
    """`clients`: by the gateway's name, then by their own. `files`: of gateways in the workspace; `broken`: why one cannot be
    read; `without_secret`: their clients who cannot knock from here."""

    gateways: dict[str, GatewayDescription] = field(default_factory=dict)
    clients: dict[str, dict[str, Client]] = field(default_factory=dict)
    files: dict[str, "GatewayFile"] = field(default_factory=dict, compare=False)
    broken: dict[str, InputError] = field(default_factory=dict, compare=False)
    without_secret: dict[str, list[str]] = field(default_factory=dict)
    removed: list[tuple[str, str]] = field(default_factory=list, compare=False)   # (gateway, client): their secrets go

    def gateway(self, name: str | None) -> GatewayDescription:
        """The one of this name; without a name the only one. Raises InputError."""
        if broken := [error for each, error in self.broken.items() if name in (None, each)]:
            raise broken[0]
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
            for each in self.without_secret if gateway is None else [gateway]:
                if name in self.without_secret.get(each, []):
                    raise InputError(f"client {name} of {each}: {no_secret(name, each)}")
            if broken := [error for each, error in self.broken.items() if gateway in (None, each)]:
                raise broken[0]
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
        if not found and (without := self.without_secret.get(gateway)):
            raise InputError(f"client {without[0]} of {gateway}: {no_secret(without[0], gateway)}")
        if not found:
            raise InputError(f"{gateway} has no client here; knocklet client add NAME --gateway {gateway} makes one")
        if len(found) > 1:
            raise InputError(f"which client? --client, one of {', '.join(found)}")
        return next(iter(found.values()))

    def names(self, gateway: str) -> set[str]:
        return {*self.clients.get(gateway, {}), *self.without_secret.get(gateway, [])}

    def add(self, client: Client) -> None:
        self.clients.setdefault(client.gateway, {})[client.name] = client

    def remove(self, gateway: str, name: str) -> None:
        self.clients.get(gateway, {}).pop(name, None)
        self.removed.append((gateway, name))


def find(name: str, gateway: str | None = None) -> tuple[Client, GatewayDescription]:
    """A client and where it knocks. Raises InputError."""
    store = load()
    client = store.client(name, gateway)
    return client, store.gateway(client.gateway)


def load() -> Store:
    """Raises InputError for files that are damaged, or secrets that others may read."""
    return _store(store_files.read())


@contextmanager
def edit() -> Iterator[Store]:
    """The store, to be changed; written at the end unless that raised. What the workspace says is not written: only secrets."""
    with store_files.edit() as files:
        store = _store(files)
        yield store
        in_workspace = store.files.keys() | store.broken.keys()
        files.gateways = [each.as_json() for name, each in store.gateways.items() if name not in in_workspace]
        files.clients = {}
        for gateway, found in store.clients.items():
            secrets = files.secrets.setdefault(gateway, {})
            for client in found.values():
                secrets[client.name] = secrets.get(client.name, {}) | {"issued": client.issued, **client.secrets()}
            if found and gateway not in in_workspace:
                files.clients[gateway] = {client.name: client.plain() for client in found.values()}
        for gateway, name in store.removed:
            if name not in store.clients.get(gateway, {}):
                files.secrets.get(gateway, {}).pop(name, None)
        files.secrets = {gateway: found for gateway, found in files.secrets.items() if found}


def _store(files: StoreFiles) -> Store:
    where = str(places.config_dir() / store_files.PLAIN)
    store = Store()
    in_workspace = workspace_folder.names()
    try:
        for fields in files.gateways:
            gateway = gateway_description.from_table(Table(fields, where))
            store.gateways[gateway.name] = gateway
        for name, clients in files.clients.items():
            for client, fields in clients.items():
                table = Table(fields | files.secrets[name][client], where, f"{name}.{client}.")
                if name not in in_workspace:
                    store.add(client_from(client, name, table))
    except (AttributeError, KeyError, TypeError):
        raise store_files.damaged(places.config_dir()) from None
    for name in in_workspace:
        from .gateway_file import GatewayFile  # takes long to load, and who only knocks has no file

        store.gateways.pop(name, None)
        try:
            file = GatewayFile.load(name, files)
            found, store.without_secret[name] = file.clients(files.secrets.get(name, {}))
            store.gateways[name], store.files[name] = file.description(), file
            store.clients[name] = found
        except InputError as error:   # told when this one is asked for: the others go on
            store.broken[name] = error
    return store
