"""What is stored once and used by every command: gateways, broker, and their secrets in a file of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from knocklet.wire.keys import KEY_BYTES, event_key
from knocklet.wire.names import is_name

from . import places, secret_files
from .errors import InputError

_SETTINGS, SECRETS, _CA, _LOCK = "settings.json", "secrets.json", "broker-ca.crt", ".lock"


@dataclass(frozen=True)
class Gateway:
    """`key`: K_gateway, None for one who only collects. `event_key`: proves what the gateway says."""

    name: str
    event_key: bytes = field(repr=False)
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Broker:
    """`ca`: path of the certificates that are believed; None: those of the system."""

    host: str
    port: int
    tls: bool = True
    ca: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass
class Settings:
    gateways: dict[str, Gateway] = field(default_factory=dict)
    broker: Broker | None = None
    collector: str = ""   # MQTT client id of `collect`
    workspace: str = ""   # path of the folder with the gateways' files
    broker_files: str = ""   # path of the folder that `broker setup` wrote last

    def gateway(self, name: str | None) -> Gateway:
        """The one of this name; without a name the only one. Raises InputError."""
        known = ", ".join(self.gateways) or "none yet; knocklet gateway add NAME"
        if name is None:
            if len(self.gateways) != 1:
                raise InputError(f"which gateway? known: {known}")
            return next(iter(self.gateways.values()))
        if name not in self.gateways:
            raise InputError(f"gateway {name!r} is not known; known: {known}")
        return self.gateways[name]

    def chosen(self, name: str | None) -> list[Gateway]:
        """The one of this name, without a name all. Raises InputError."""
        if name is None and self.gateways:
            return list(self.gateways.values())
        return [self.gateway(name)]

    def the_broker(self) -> Broker:
        if not self.broker:
            raise InputError("which broker? knocklet broker use HOST tells it once")
        return self.broker


def check_name(name: str) -> str:
    if not is_name(name):
        raise InputError(f"gateway {name!r}: allowed: 1-32 of a-z, 0-9 and '-', the first a letter")
    return name


def load() -> Settings:
    """Raises InputError for files that are damaged, or secrets that others may read."""
    directory = places.config_dir()
    plain = _object(directory / _SETTINGS, places.read(directory / _SETTINGS))
    hidden = _object(directory / SECRETS, secret_files.read(directory / SECRETS))
    try:
        return _settings(plain, hidden, directory)
    except (AttributeError, KeyError, TypeError, ValueError):
        # The cause is not told along: it may quote a secret.
        raise InputError(f"{directory / _SETTINGS} or {SECRETS}: not as this tool writes them") from None


def workspace() -> str:
    """The folder alone: nobody needs the secrets for it."""
    path = places.config_dir() / _SETTINGS
    return str(_object(path, places.read(path)).get("workspace", ""))


@contextmanager
def edit() -> Iterator[Settings]:
    """The settings, to be changed; stored at the end unless that raised."""
    directory = places.config_dir()
    with places.locked(directory, _LOCK):
        settings = load()
        yield settings
        _store(settings, directory)


def store_ca(certificates: bytes) -> str:
    """Keep a copy, so that the file that was named may go. Returns its path."""
    path = places.config_dir() / _CA
    places.write(path, certificates)
    return str(path)


def _object(path: Path, data: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
        if isinstance(found, dict):
            return found
    except (ValueError, RecursionError):
        pass
    raise InputError(f"{path}: no JSON object; repair it, or remove it and set up again")


def _settings(plain: dict[str, Any], hidden: dict[str, Any], directory: Path) -> Settings:
    gateways = {}
    for name in plain.get("gateways", []):
        found = hidden["gateways"][name]
        key = bytes.fromhex(found["key"]) if "key" in found else None
        if len(key or bytes.fromhex(found["event_key"])) != KEY_BYTES:
            raise ValueError("key")
        gateways[check_name(name)] = Gateway(name, event_key(key, name) if key else bytes.fromhex(found["event_key"]), key)
    broker = plain.get("broker")
    if broker is not None:
        broker = Broker(**broker, password=hidden.get("broker_password"))
        texts = broker.host, broker.ca or "", broker.user or "", broker.password or ""
        if any(type(text) is not str for text in texts) or type(broker.port) is not int or type(broker.tls) is not bool:
            raise ValueError("broker")
    texts = (str(plain.get(key, "")) for key in ("collector", "workspace", "broker_files"))
    return Settings(gateways, broker, *texts)


def _store(settings: Settings, directory: Path) -> None:
    hidden: dict[str, Any] = {"gateways": {}}
    for gateway in settings.gateways.values():
        only = {"event_key": gateway.event_key.hex()}
        hidden["gateways"][gateway.name] = {"key": gateway.key.hex()} if gateway.key else only
    plain: dict[str, Any] = {"gateways": list(settings.gateways), "collector": settings.collector}
    plain["workspace"] = settings.workspace
    plain["broker_files"] = settings.broker_files
    if broker := settings.broker:
        plain["broker"] = {key: getattr(broker, key) for key in ("host", "port", "tls", "ca", "user")}
        hidden["broker_password"] = broker.password
    # The secrets first: a gateway without its key would be damage, a key without its gateway is none.
    secret_files.write(directory / SECRETS, _json(hidden))
    places.write(directory / _SETTINGS, _json(plain))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def read_key(where: str, name: str) -> bytes:
    """A key of 32 bytes from a file: raw, or as 64 hex digits. Raises InputError."""
    data = places.read_secret(where, name)
    if len(data) == KEY_BYTES:
        return data
    try:
        key = bytes.fromhex(data.decode())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(f"{where} {name}: {len(data)} bytes; allowed: {KEY_BYTES} bytes, or {2 * KEY_BYTES} hex digits")
    return key
