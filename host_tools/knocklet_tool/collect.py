"""`knocklet collect`: store the events of all gateways, for as long as it runs.

Nothing that the broker has acknowledged to a gateway is lost between there and the database: QoS 1, a session that the
broker keeps for a week under a fixed client id, and each event is acknowledged to the broker after the commit that holds it.
The commit before the acknowledgement is what a power cut needs, the session is what a restart needs. What the broker itself
forgets (its queue is full, it crashed) is a gap in seq, and told.
"""

import secrets
import signal
import sys
from typing import Any

from knocklet.wire.topics import EVENT, topic

from . import places, settings
from .errors import InputError
from .event_history import History
from .event_report import Doubts
from .intake import Intake, Report
from .listen import listen
from .mqtt import Link, Message
from .options import Json
from .output import Line, Output
from .settings import Gateway, Settings

_SESSION_S = 7 * 24 * 3600


class Collected:
    """How much it was."""

    def __init__(self) -> None:
        self.stored = self.missing = self.forged = self.repeated = 0

    def as_lines(self) -> list[Line]:
        return [(f"stored {self.stored} events; missing {self.missing}, forged {self.forged}, repeated {self.repeated}", "")]

    def as_json(self) -> dict[str, Any]:
        return vars(self)


def collect(json: Json = False) -> None:
    """Store the events of all gateways until it is stopped; meant for a service manager. `knocklet log` shows them.

    knocklet collect
    """
    stored = settings.load()
    gateways = stored.chosen(None)
    output = Output(json)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))   # a service manager's stop: no failure
    with places.locked(places.data_dir(), ".collect", wait=False) as ours:
        if not ours:
            raise InputError("another knocklet collect of this user is running; one is enough, it takes all gateways")
        if not stored.collector:   # made once, and stays
            with settings.edit() as stored:
                stored.collector = "knocklet-" + secrets.token_hex(8)
        with History(gateways) as history:
            _collect(stored, gateways, history, output)


def _collect(stored: Settings, gateways: list[Gateway], history: History, output: Output) -> None:
    keeper = Keeper(history, history.intake(gateways), Doubts(output))
    topics = [topic(gateway.name, EVENT) for gateway in gateways]
    told_busy = False
    try:
        for link, messages in listen(stored.the_broker(), topics, output, True, stored.collector, _SESSION_S):
            keeper.take(messages)
            if keeper.store(link):
                told_busy = False
            elif not told_busy:
                told_busy = True
                output.message("Another process has the history; what comes waits at the broker.")
            keeper.doubts.tell()
    finally:
        keeper.doubts.tell(at_once=True)
        output.result(keeper.counts())


class Keeper:
    """From messages to the database, and only then an acknowledgement."""

    def __init__(self, history: History, intake: Intake, doubts: Doubts) -> None:
        self.doubts = doubts
        self._history = history
        self._intake = intake
        self._messages: list[Message] = []   # not acknowledged; bounded by what the broker sends without
        self._counts = Collected()

    def take(self, messages: list[Message]) -> None:
        reports: list[Report] = []
        for message in messages:
            try:
                report = self._intake.take(message.topic, message.payload)
            except KeyError:
                continue   # of a gateway that was removed since the session began
            self.doubts.take(report)
            self._counts.missing += sum(last - first + 1 for first, last in report.missing)
            reports.append(report)
        self._history.add(reports)
        self._messages += messages

    def store(self, link: Link | None) -> bool:
        """False: not stored yet, another process has the database."""
        waiting = len(self._history.waiting)
        if not self._history.commit():
            return False
        self._counts.stored += waiting
        if link:
            link.ack(self._messages)
        self._messages.clear()   # those of a connection that ended come again, and are repeated then
        return True

    def counts(self) -> Collected:
        self._counts.forged = self.doubts.of("forged")
        self._counts.repeated = self.doubts.of("repeated")
        return self._counts
