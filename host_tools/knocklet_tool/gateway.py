"""`knocklet gateway`: which gateways there are, their keys, and what has to be known to knock there."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from knocklet.wire.keys import KEY_BYTES, event_key

from . import clients, gateway_describe, output, settings
from .errors import InputError
from .gateway_description import GatewayDescription
from .options import Json, Name, complete_gateway
from .output import Line, Output
from .settings import Gateway

app = typer.Typer(help="Which gateways there are, their keys, and where to knock.", no_args_is_help=False)
app.command()(gateway_describe.describe)

_KeyFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Take this key (- for standard input) instead of a new one: 32 bytes or 64 hex digits."),
]
_CollectorKeyFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Only the collector's key: enough to check what comes, and to open nothing."),
]
_Known = Annotated[str, typer.Argument(metavar="NAME", help="A known gateway.", autocompletion=complete_gateway)]


@dataclass
class GatewayList:
    """By name: those whose reports are believed here, and those that are described: where one can knock from here."""

    gateways: dict[str, Gateway]
    described: dict[str, GatewayDescription]

    @property
    def _names(self) -> list[str]:
        return list(self.gateways | self.described)

    def as_lines(self) -> list[Line]:
        width = max(map(len, self._names), default=0)
        return [(f"{name:{width}}  {self._line(name)}", "") for name in self._names] or [("no gateway yet", "")]

    def _line(self, name: str) -> str:
        words = [_what(self.gateways.get(name))]
        if described := self.described.get(name):
            words += [described.host, ", ".join(map(str, described.services.values())) or "no services"]
        return "  ".join(words)

    def as_json(self) -> dict[str, Any]:
        return {"gateways": [self._json(name) for name in self._names]}

    def _json(self, name: str) -> dict[str, Any]:
        gateway, described = self.gateways.get(name), self.described.get(name)
        services = {each.name: each.as_json() for each in described.services.values()} if described else None
        host = described.host if described else None
        return {"name": name, "key": bool(gateway and gateway.key), "host": host, "services": services}


def _what(gateway: Gateway | None) -> str:
    return "no key" if gateway is None else "key" if gateway.key else "collector's key only"


@app.command()
def add(name: Name, key_file: _KeyFile = None, collector_key_file: _CollectorKeyFile = None) -> None:
    """Make a key for a new gateway, or take the one it has.

    knocklet gateway add home
    """
    settings.check_name(name)
    if key_file is not None and collector_key_file is not None:
        raise InputError("--key-file and --collector-key-file: one of them, the second comes from the first")
    if collector_key_file is not None:
        gateway = Gateway(name, settings.read_key("--collector-key-file", collector_key_file))
    else:
        key = secrets.token_bytes(KEY_BYTES) if key_file is None else settings.read_key("--key-file", key_file)
        gateway = Gateway(name, event_key(key, name), key)
    with settings.edit() as stored:
        if name in stored.gateways:
            raise InputError(f"gateway {name} is known already; knocklet gateway remove {name} forgets it and its key")
        stored.gateways[name] = gateway
    told = Output()
    told.message(f"{name} is known now: {'a new ' if key_file is None and gateway.key else ''}{_what(gateway)}.")
    if gateway.key:
        by_hand = f"knocklet gateway key {name} | ssh root@{name} 'umask 077; cat >/etc/knocklet/key'"
        told.remark(f"To the gateway: knocklet provision {name}; or {by_hand}")


@app.command("list")
def list_(json: Json = False) -> None:
    """The gateways that are known."""
    store = clients.load()
    output = Output(json)
    for error in store.broken.values():
        output.message(str(error))
    output.result(GatewayList(settings.load().gateways, store.gateways))


@app.command()
def remove(name: _Known) -> None:
    """Forget a gateway, its key, and how to knock there. What was stored of its events stays, and its clients."""
    with settings.edit() as stored, clients.edit() as store:
        if name not in store.gateways:
            stored.gateway(name)
        stored.gateways.pop(name, None)
        store.gateways.pop(name, None)
        left = ", ".join(store.clients.get(name, {}))
    Output().message(f"{name} is forgotten, and its key.")
    if file := store.files.get(name):
        Output().message(f"Its file stays: {file.path}; while it is there, one can knock from here.")
    elif left:
        Output().message(f"Its clients stay: {left}; knocklet client remove forgets one.")


@app.command()
def key(name: _Known) -> None:
    """Write the key, 32 raw bytes, into a pipe or a file.

    knocklet gateway key home | ssh root@home 'umask 077; cat >/etc/knocklet/key'
    """
    gateway = settings.load().gateway(name)
    if gateway.key is None:
        raise InputError(f"only the collector's key of {name} is known here")
    output.secret(gateway.key)


@app.command("collector-key")
def collector_key(name: _Known) -> None:
    """Write the key for those who only collect, 32 raw bytes, into a pipe or a file.

    knocklet gateway collector-key home | ssh nas knocklet gateway add home --collector-key-file -
    """
    output.secret(settings.load().gateway(name).event_key)
