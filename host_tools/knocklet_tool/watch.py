"""`knocklet watch`: events as they happen. All of them are stored, too."""

import time
from dataclasses import dataclass, field
from typing import Annotated

import typer

from knocklet.wire.report import EVENT_TYPES
from knocklet.wire.topics import EVENT, topic

from . import question, settings
from .approval import Prompter
from .errors import InputError
from .event_history import History
from .event_report import Doubts, EventReport
from .intake import NEW
from .listen import listen
from .options import Everything, Group, Json, MaybeName
from .output import Output
from .request_fields import address
from .several import chosen

_UNSTORED = 10_000   # events that wait while another process has the database; the oldest go then

Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only this type; may be repeated.", autocompletion=lambda: list(EVENT_TYPES)),
]
Service = Annotated[str | None, typer.Option(metavar="SERVICE", help="Only events of this service.")]
Source = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Only events of this address.")]
_For = Annotated[float | None, typer.Option("--for", min=0.1, metavar="S", help="End after so many seconds.")]
_Count = Annotated[int | None, typer.Option(min=1, metavar="N", help="End after so many events.")]


@dataclass
class Filter:
    """Which events are shown. Raises InputError for a type that does not exist."""

    types: list[str] = field(default_factory=list)
    service: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        for name in self.types:
            if name not in EVENT_TYPES:
                raise InputError(f"--type {name!r}: allowed: {', '.join(EVENT_TYPES)}")
        if self.source is not None:
            self.source = address("--source", self.source)

    def passes(self, event: EventReport) -> bool:
        return (
            (not self.types or event.event_type in self.types)
            and (self.service is None or event.fields.get("service") == self.service)
            and (self.source is None or event.fields.get("source") == self.source)
        )


def watch(
    name: MaybeName = None,
    everything: Everything = False,
    group: Group = None,
    types: Types = None,
    service: Service = None,
    source: Source = None,
    seconds: _For = None,
    count: _Count = None,
    json: Json = False,
) -> None:
    """Show events as they happen, until Ctrl-C. All of them are stored, also those that are not shown.

    At a terminal it asks about each knock that waits for your approval.

    knocklet watch home --type opened --type refused
    """
    wanted = Filter(types or [], service, source)
    stored = settings.load()
    gateways = chosen(stored, name, everything, group)
    output = Output(json)
    doubts = Doubts(output)
    prompter = Prompter(stored, output) if question.at_terminal() and not json else None
    end = None if seconds is None else time.monotonic() + seconds
    shown = 0
    with History(gateways) as history:
        intake = history.intake(gateways)
        try:
            for _, messages in listen(stored.the_broker(), [topic(g.name, EVENT) for g in gateways], output, patient=False):
                for message in messages:
                    try:
                        report = intake.take(message.topic, message.payload)
                    except KeyError:
                        continue
                    doubts.take(report)
                    if report.verdict != NEW:
                        continue
                    history.add([report])
                    event = EventReport(report.gateway, report.boot, report.seq, report.ts, report.fields)
                    if wanted.passes(event) and (count is None or shown < count):
                        if prompter:
                            prompter.aside()
                        output.result(event)
                        shown += 1
                    if prompter:
                        prompter.take(event)
                if prompter:
                    prompter.step()
                doubts.tell()
                _store(history, output)
                if shown == count or end is not None and time.monotonic() >= end:
                    break
        finally:
            doubts.tell(at_once=True)
            if not history.commit():
                output.message(f"{len(history.waiting)} events are not stored: another process has the history.")


def _store(history: History, output: Output) -> None:
    if not history.commit() and (lost := len(history.waiting) - _UNSTORED) > 0:
        del history.waiting[:lost]
        output.message(f"{lost} events are not stored: another process has the history.")
