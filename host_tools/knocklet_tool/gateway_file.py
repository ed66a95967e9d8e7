"""A gateway's file in the workspace: read, checked, put together with its secrets, and edited."""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import gateway_description, places, store_files, toml_lines, workspace_folder
from .checked_json import Table
from .client_description import FWKNOP, OTP, SPA, Client, client_from, no_secret
from .errors import InputError
from .gateway_description import GatewayDescription
from .gateway_model import Gateway
from .gateway_rules import WrongValues, read
from .store_files import StoreFiles
from .toml_edit import TomlEdit

_OWN = "host", "ssh", "groups", "retired", "revoked"   # not the gateway's, or not in this form
_PLAINTEXT_BYTES = 65_536   # what a sealed message holds
_LOCK = ".workspace.lock"


class GatewayFile:
    """`values`: of the file; `model`: the same, checked, with the steps that only the secret store has (`hidden` names
    their sequences)."""

    def __init__(self, path: Path, data: bytes, steps: dict[str, Any]) -> None:
        """Raises InputError, with the line."""
        self.name = path.stem
        self.path = path
        self.values = toml_lines.parse(data, str(path))
        self.text = data.decode()
        sequences = self.values.get("sequences")
        tables = sequences.items() if isinstance(sequences, dict) else ()
        self.hidden = {name for name, each in tables if name in steps and isinstance(each, dict) and "steps" not in each}
        self._steps = {name: steps[name] for name in self.hidden}
        self.model = self._checked()

    @classmethod
    def load(cls, name: str, files: StoreFiles | None = None) -> "GatewayFile":
        """files: where they have been read already. Raises InputError."""
        path = workspace_folder.path_of(name)
        files = files or store_files.read()
        return cls(path, places.read(path) or b"", files.steps.get(name, {}))

    @property
    def host(self) -> str:
        return self.model.host

    @property
    def groups(self) -> list[str]:
        return self.model.groups

    def fail(self, path: toml_lines.Path, why: str) -> InputError:
        """What to raise about something in the file."""
        return InputError(f"{self.path}:{toml_lines.line_of(self.text, path)}: {key_of(path)}{why}")

    def _checked(self) -> Gateway:
        try:
            return read(self._with_steps(self.values), self.name)
        except WrongValues as error:
            path, why = min(error.found, key=lambda each: toml_lines.line_of(self.text, each[0]))
        if path[:1] == ("sequences",) and len(path) > 2 and path[1] in self.hidden and path[2] == "steps":
            again = f"knocklet sequence new {self.name} {path[1]} makes others"
            raise self.fail(path[:2], f"its secret steps do not go with the rest of the file; {again}")
        raise self.fail(path, why)

    def _with_steps(self, values: dict[str, Any]) -> dict[str, Any]:
        if not self.hidden:
            return values
        sequences = {name: each | {"steps": self._steps[name]} if name in self.hidden else each
                     for name, each in values["sequences"].items()}   # fmt: skip
        return values | {"sequences": sequences}

    def description(self) -> GatewayDescription:
        return gateway_description.from_table(Table(self.values, str(self.path)))

    def clients(self, secrets: dict[str, Any]) -> tuple[dict[str, Client], list[str]]:
        """Those whose secrets are among these, and the names of all others. Raises InputError."""
        found, without = {}, []
        for name, client in self.model.clients.items():
            secret = secrets.get(name, {})
            needed = {"issued"} | ({"key"} if SPA in client.kinds or OTP in client.kinds else set())
            if needed | ({"fwknop"} if FWKNOP in client.kinds else set()) <= set(secret):
                fields = Table(secret | self.values["clients"][name], store_files.SECRETS, f"{self.name}.{name}.")
                found[name] = client_from(name, self.name, fields)
            else:
                without.append(name)
        return found, without

    def plaintext(self) -> bytes:
        """The configuration as the gateway reads it, with all secrets. Raises InputError."""
        clients, without = self.clients(store_files.read().secrets.get(self.name, {}))
        if without:
            raise self.fail(("clients", without[0]), no_secret(without[0], self.name))
        for name, sequence in self.model.sequences.items():
            if not sequence.steps:
                raise self.fail(("sequences", name), no_steps(name, self.name))
        self._check_own_secrets(clients)
        values = {key: value for key, value in self._with_steps(self.values).items() if key not in _OWN}
        if clients:
            fields = {name: {"issued": client.issued, **client.secrets()} for name, client in clients.items()}
            values["clients"] = {name: self.values["clients"][name] | each for name, each in fields.items()}
        if self.model.revoked:
            values["revoked"] = sorted(set(self.model.revoked.values()))
        data = json.dumps(values, separators=(",", ":"), sort_keys=True).encode()
        if len(data) > _PLAINTEXT_BYTES:
            raise InputError(f"{self.path}: {len(data)} bytes for the gateway; allowed: {_PLAINTEXT_BYTES}, with fewer clients")
        return data

    def _check_own_secrets(self, clients: dict[str, Client]) -> None:
        """Two with one key could not be told apart; a secret that was imported twice, say."""
        owners: dict[object, str] = {}
        for client in clients.values():
            for secret in (client.key, client.fwknop and client.fwknop.hmac_key):
                if secret and (other := owners.setdefault(secret, client.name)) != client.name:
                    raise self.fail(("clients", client.name), f"has a secret of {other}; allowed: one of its own")

    @contextmanager
    def edit(self) -> Iterator[TomlEdit]:
        """The file as it is now, to be changed; checked and written at the end unless that raised. Raises InputError."""
        with places.locked(places.config_dir(), _LOCK):
            now = GatewayFile.load(self.name)
            edit = TomlEdit(now.text)
            yield edit
            new = GatewayFile(self.path, edit.text.encode(), store_files.read().steps.get(self.name, {}))
            places.write(self.path.resolve(), edit.text.encode(), stat.S_IMODE(self.path.stat().st_mode))
            self.__dict__.update(new.__dict__)


load = GatewayFile.load


def no_steps(sequence: str, gateway: str) -> str:
    return f"its steps are neither here nor among the secrets; knocklet sequence new {gateway} {sequence} makes some"


def key_of(path: toml_lines.Path) -> str:
    """The path as a person reads it: services.ssh.port"""
    keys = [part for part in path if isinstance(part, str)]
    return f"{'.'.join(keys)}: " if keys else ""

