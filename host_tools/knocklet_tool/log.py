"""`knocklet log`: what `watch` and `collect` have stored. Needs no broker."""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated

import typer
import ujson

from . import settings
from .errors import InputError
from .event_history import History, Stored
from .event_report import EventReport, missing_text
from .options import Everything, Group, Json, MaybeName
from .output import Output
from .several import chosen
from .watch import Filter, Service, Source, Types

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="30m, 12h, 7d ago, or a date and time like '2026-05-01 18:00'; by the gateway's clock."),
]
_Limit = Annotated[int, typer.Option(min=1, max=1_000_000, metavar="N", help="At most the newest N.")]


def log(
    name: MaybeName = None,
    everything: Everything = False,
    group: Group = None,
    since: _Since = None,
    types: Types = None,
    service: Service = None,
    source: Source = None,
    limit: _Limit = 100,
    json: Json = False,
) -> None:
    """Show stored events, the newest last, and say what is missing.

    knocklet log home --since 12h --type refused
    """
    wanted = Filter(types or [], service, source)
    begin = None if since is None else read_since(since, time.time())
    gateways = chosen(settings.load(), name, everything, group)
    output = Output(json)
    with History(gateways) as history:
        found = list(islice(_passing(history.events(gateways, begin, wanted.types), wanted), limit))
        for event in reversed(found):
            output.result(event)
        for gateway in gateways:
            for boot, first, last in history.missing(gateway.name):
                output.message(missing_text(gateway.name, boot, [(first, last)]))


def _passing(stored: Iterator[Stored], wanted: Filter) -> Iterator[EventReport]:
    for row in stored:
        fields = ujson.loads(row.body)
        event = EventReport(row.gateway, fields.pop("boot"), fields.pop("seq"), fields.pop("ts"), fields)
        if wanted.passes(event):
            yield event


def read_since(text: str, now: float) -> int:
    """Seconds since 1970. Raises InputError."""
    if match := re.fullmatch(r"([0-9]{1,9})([smhd])", text):
        return int(now - int(match[1]) * _UNITS_S[match[2]])
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise InputError(f"--since {text!r}: allowed: 30m, 12h, 7d, or a date and time like '2026-05-01 18:00'") from None
