"""`knocklet gateway`: which gateways there are, and their keys."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from knocklet.wire.keys import KEY_BYTES, event_key

from . import output, settings
from .errors import InputError
from .options import Json, Name, complete_gateway
from .output import Line, Output
from .settings import Gateway

app = typer.Typer(help="Which gateways there are, and their keys.", no_args_is_help=False)

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
    gateways: list[Gateway]

    def as_lines(self) -> list[Line]:
        width = max((len(gateway.name) for gateway in self.gateways), default=0)
        return [(f"{gateway.name:{width}}  {_what(gateway)}", "") for gateway in self.gateways] or [("no gateway yet", "")]

    def as_json(self) -> dict[str, Any]:
        return {"gateways": [{"name": gateway.name, "key": bool(gateway.key)} for gateway in self.gateways]}


def _what(gateway: Gateway) -> str:
    return "key" if gateway.key else "collector's key only"


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
        told.remark(f"To the gateway: knocklet gateway key {name} | ssh root@{name} 'umask 077; cat >/etc/knocklet/key'")


@app.command("list")
def list_(json: Json = False) -> None:
    """The gateways that are known."""
    Output(json).result(GatewayList(list(settings.load().gateways.values())))


@app.command()
def remove(name: _Known) -> None:
    """Forget a gateway and its key. What was stored of its events stays."""
    with settings.edit() as stored:
        del stored.gateways[stored.gateway(name).name]
    Output().message(f"{name} is forgotten, and its key.")


@app.command()
def key(name: _Known) -> None:
    """Write the key, 32 raw bytes, into a pipe or a file.

    knocklet gateway key home | ssh root@home 'umask 077; cat >/etc/knocklet/key'
    """
    gateway = settings.load().gateway(name)
    if gateway.key is None:
        raise InputError(f"only the collector's key of {name} is known here")
    _write_secret(gateway.key)


@app.command("collector-key")
def collector_key(name: _Known) -> None:
    """Write the key for those who only collect, 32 raw bytes, into a pipe or a file.

    knocklet gateway collector-key home | ssh nas knocklet gateway add home --collector-key-file -
    """
    _write_secret(settings.load().gateway(name).event_key)


def _write_secret(secret: bytes) -> None:
    if output.is_screen():
        raise InputError("a key is not for the screen; allowed: a pipe or a file (umask 077)")
    output.raw(secret)
