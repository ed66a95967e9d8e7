"""`knocklet pull`: the configuration in force, from the gateway itself."""

import json as json_
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from . import in_force, places, settings
from .config_difference import as_lines, masked
from .options import Json, MaybeName, Wait
from .output import Line, Output, secret
from .sealed_request import WAIT_S

_To = Annotated[
    str | None, typer.Option("--output", metavar="FILE", help="Write it there as JSON with its secrets; - for another program.")
]


@dataclass
class ConfigShown:
    """It is shown without its secrets."""

    gateway: str
    config: dict[str, Any] = field(repr=False)

    def as_lines(self) -> list[Line]:
        return as_lines(self.config)

    def as_json(self) -> dict[str, Any]:
        return {"gateway": self.gateway, "config": masked(self.config)}


def pull(name: MaybeName = None, to: _To = None, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Show what is in force at a gateway. Secrets are not shown.

    knocklet pull home

    knocklet pull home --output - | knocklet init --from - --host home.example.net
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    text = in_force.pull(stored, gateway, wait, output)
    if to == "-":
        secret(text)
    elif to is not None:
        places.write(Path(to), text)
        output.message(f"{to}: {len(text)} bytes, with the secrets of {gateway.name}'s clients; mode 0600")
    else:
        output.result(ConfigShown(gateway.name, json_.loads(text)))
