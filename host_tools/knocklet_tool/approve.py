"""`knocklet approve` and `deny`: an answer to a knock at a service that waits for the owner."""

import time
from itertools import islice
from typing import Annotated

import typer
import ujson

from knocklet.wire.report import REQUEST_LAPSES_S
from knocklet.wire.topics import EVENT, topic

from . import settings
from .approval import ENDS, REQUEST, Request, request_of
from .command_report import CommandReport
from .errors import GatewayError, InputError
from .event_history import History
from .event_report import Doubts, EventReport
from .intake import NEW, Intake
from .mqtt import Link
from .options import Json, MaybeName
from .output import Output
from .question import sure
from .sealed_request import keys_of
from .settings import Gateway, Settings

_WAIT_S = 60.0
_LOOK_BACK_S = REQUEST_LAPSES_S
_EVENTS = 10_000   # that are looked through, the newest first

_Service = Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="Only a request for this service.")]
_Yes = Annotated[bool, typer.Option("--yes", metavar=" ", help="Do not ask; whoever it is.")]
_Wait = Annotated[float, typer.Option(min=0.1, max=3600, metavar="S", help="Seconds to wait for a request.")]


def approve(
    name: MaybeName = None, service: _Service = None, yes: _Yes = False, wait: _Wait = _WAIT_S, json: Json = False
) -> None:
    """Let in who has knocked and waits, or who knocks next. It names who it is, and asks.

    knocklet approve home ssh
    """
    _answer("approve", name, service, yes, wait, json)


def deny(name: MaybeName = None, service: _Service = None, wait: _Wait = _WAIT_S, json: Json = False) -> None:
    """Refuse who has knocked and waits, or who knocks next.

    knocklet deny home
    """
    _answer("deny", name, service, True, wait, json)


def _answer(verb: str, name: str | None, service: str | None, yes: bool, wait_s: float, json: bool) -> None:
    stored = settings.load()
    gateway = stored.gateway(name)
    keys_of(gateway)
    output = Output(json)
    request = _request(stored, gateway, service, wait_s, output)
    if request is None:
        raise GatewayError(f"nobody has asked for {service or 'anything'} at {gateway.name} within {wait_s:g} s")
    if not sure(f"{request}: approve?", yes):
        raise InputError("not approved; it lapses by itself, knocklet deny ends it now")
    data = request.answer(stored, verb, output)
    said = "approved" if verb == "approve" else "denied"
    output.result(CommandReport(gateway.name, f"{said}: {request.service} for {request.source} by {request.client}", data))


def _request(stored: Settings, gateway: Gateway, service: str | None, wait_s: float, output: Output) -> Request | None:
    """One that `watch` or `collect` has stored and that is pending, else the next one."""
    doubts = Doubts(output)
    end = time.monotonic() + wait_s
    with History([gateway]) as history, Link(stored.the_broker()) as link:
        link.must_subscribe([topic(gateway.name, EVENT)], retained=False)   # first: none may come between
        if found := _pending(history, gateway, service):
            return found
        output.remark(f"{gateway.name}: waiting for a request, {wait_s:g} s at most")
        intake = history.intake([gateway])
        try:
            while (left := end - time.monotonic()) > 0:
                if found := _next(link, intake, history, doubts, left, service):
                    return found
        finally:
            doubts.tell(at_once=True)
            history.commit()
    return None


def _next(
    link: Link, intake: Intake, history: History, doubts: Doubts, wait_s: float, service: str | None
) -> Request | None:
    for message in link.receive(wait_s):
        try:
            report = intake.take(message.topic, message.payload)
        except KeyError:
            continue
        doubts.take(report)
        if report.verdict == NEW:
            history.add([report])
            found = request_of(EventReport(report.gateway, report.boot, report.seq, report.ts, report.fields))
            if found and service in (None, found.service):
                return found
    return None


def _pending(history: History, gateway: Gateway, service: str | None) -> Request | None:
    """The newest one to which nothing was said yet."""
    ended = set()
    stored = history.events([gateway], int(time.time()) - _LOOK_BACK_S, [REQUEST, *ENDS])
    for row in islice(stored, _EVENTS):
        fields = ujson.loads(row.body)
        event = EventReport(row.gateway, fields.pop("boot"), fields.pop("seq"), fields.pop("ts"), fields)
        found = request_of(event)
        if found and found.place not in ended and service in (None, found.service):
            return found
        ended.add((gateway.name, fields.get("client"), fields.get("service")))
    return None
