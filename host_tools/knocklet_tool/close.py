"""`knocklet close`: shut a door, and cut who is in. Anyone whom the broker lets write may; the answer is the gateway's own."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from knocklet.wire.topics import REQUEST, RESPONSE, topic

from . import settings
from .errors import ForgedError, GatewayError, InputError, RefusedError
from .event_report import Doubts, short
from .intake import FORGED, NEW, Intake, Report
from .mqtt import NO_SUBSCRIBERS, Link
from .options import Json, MaybeName, Wait
from .output import Line, Output
from .settings import Broker, Gateway

_WAIT_S = 10.0

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
    wait: Wait = _WAIT_S,
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
    """Ask, and wait for the answer that is the gateway's own. Raises BrokerError, GatewayError, ForgedError, RefusedError."""
    transaction = secrets.token_hex(16)   # cannot be guessed, so no earlier answer fits
    doubts = Doubts(output)
    with Link(broker) as link:
        link.must_subscribe([topic(gateway.name, RESPONSE + verb)])
        payload = json.dumps({"transaction": transaction, **fields}).encode()
        if link.must_publish(topic(gateway.name, REQUEST + verb), payload) == NO_SUBSCRIBERS:
            raise GatewayError(f"{gateway.name} is not connected to the broker: nobody there listens for requests to it")
        answer = _answer(link, gateway, transaction, wait_s, doubts)
    doubts.tell(at_once=True)
    if answer is None:
        if doubts.of(FORGED):
            raise ForgedError(f"{gateway.name} did not answer; what came instead was forged")
        raise GatewayError(f"{gateway.name} did not answer within {wait_s:g} s")
    if answer.fields.get("status") != "ok":
        raise RefusedError(f"{gateway.name} refused: {short(answer.fields.get('error') or 'it gave no reason')}")
    data = answer.fields.get("data")
    return data if type(data) is dict else {}


def _answer(link: Link, gateway: Gateway, transaction: str, wait_s: float, doubts: Doubts) -> Report | None:
    intake = Intake({gateway.name: gateway.event_key})
    end = time.monotonic() + wait_s
    while (left := end - time.monotonic()) > 0:
        for message in link.receive(left):
            try:
                report = intake.take(message.topic, message.payload)
            except KeyError:
                continue
            doubts.take(report)
            if report.verdict == NEW and report.fields.get("transaction") == transaction:
                return report
    return None
