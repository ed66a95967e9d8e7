"""`knocklet close`: shut a door, and cut who is in. Anyone whom the broker lets write may; the answer is the gateway's own."""

import json
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from knocklet.wire.topics import REQUEST, RESPONSE, topic

from . import settings
from .errors import InputError
from .event_report import short
from .gateway_answer import wait_for
from .mqtt import Link
from .options import Json, MaybeName, Wait
from .output import Line, Output
from .sealed_request import WAIT_S, command, must_reach
from .settings import Broker, Gateway

_Service = Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="The service to close.")]
_Source = Annotated[str | None, typer.Argument(metavar="[SOURCE]", help="Only for this address.")]
_All = Annotated[bool, typer.Option("--all", metavar=" ", help="Close everything for everybody.")]


@dataclass
class CloseReport:
    """The gateway's answer."""

    gateway: str
    what: str
    data: dict[str, Any]

    def as_lines(self) -> list[Line]:
        told = "  ".join(f"{short(key)}={short(value)}" for key, value in list(self.data.items())[:20])
        return [(f"{self.gateway}: {self.what} closed  {told}".rstrip(), "green")]

    def as_json(self) -> dict[str, Any]:
        return {"gateway": self.gateway, "data": self.data}


def close(
    name: MaybeName = None,
    service: _Service = None,
    source: _Source = None,
    everything: _All = False,
    wait: Wait = WAIT_S,
    as_json: Json = False,
) -> None:
    """Close a service, for one address or for all, and wait until the gateway says so.

    knocklet close home ssh
    """
    if everything == (service is not None) or name is None and not everything:
        raise InputError("close what? a SERVICE, or --all for everything")
    stored = settings.load()
    gateway = stored.gateway(name)
    wanted = {key: value for key, value in (("service", service), ("source", source)) if value is not None}
    data = request(stored.the_broker(), gateway, "close_all" if everything else "close", wanted, wait, Output(as_json))
    what = "everything" if everything else f"{service} for {source}" if source else str(service)
    Output(as_json).result(CloseReport(gateway.name, what, data))


def request(
    broker: Broker, gateway: Gateway, verb: str, fields: dict[str, str], wait_s: float, output: Output
) -> dict[str, Any]:
    """Ask, sealed where the key is known, and wait for the answer that is the gateway's own.

    Raises BrokerError, GatewayError, ForgedError, RefusedError.
    """
    if gateway.key:
        return command(broker, gateway, verb, fields, wait_s, output).data
    marks = {"transaction": secrets.token_hex(16)}
    with Link(broker) as link:
        link.must_subscribe([topic(gateway.name, RESPONSE + verb)])
        must_reach(link, gateway, REQUEST + verb, json.dumps(marks | fields).encode())
        return wait_for(link, gateway, marks, wait_s, output)
