"""What the broker keeps of a gateway: its newest status, info, state, grants and config, each verified."""

import time
from dataclasses import dataclass, field
from typing import Any

from knocklet.wire.topics import OFFLINE, ONLINE, STATUS, topic

from .event_history import History
from .event_report import Doubts
from .intake import FORGED, NEW, STALE, Report, split
from .mqtt import Link
from .output import Output
from .settings import Gateway, Settings


@dataclass
class Kept:
    """`status`: online, offline, or None; by the broker's word alone. `reports`: by topic, only what is believed."""

    gateway: str
    status: str | None = None
    reports: dict[str, Report] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)   # verdicts by topic, of what is not

    def fields(self, below: str) -> dict[str, Any] | None:
        return {**self.reports[below].fields, "ts": self.reports[below].ts} if below in self.reports else None

    @property
    def only_forged(self) -> bool:
        return not self.reports and any(verdict in (FORGED, STALE) for verdict in self.doubtful.values())


def ask(stored: Settings, gateways: list[Gateway], topics: tuple[str, ...], wait_s: float, output: Output) -> list[Kept]:
    """What there is of these topics within wait_s. Raises BrokerError, HistoryError."""
    kept = {gateway.name: Kept(gateway.name) for gateway in gateways}
    open_ = {(name, below) for name in kept for below in (STATUS, *topics)}
    doubts = Doubts(output)
    with History(gateways) as history, Link(stored.the_broker()) as link:
        intake = history.intake(gateways)
        link.must_subscribe(topic(*place) for place in sorted(open_))
        end = time.monotonic() + wait_s
        while open_ and (left := end - time.monotonic()) > 0:
            for message in link.receive(left):
                try:
                    place = split(message.topic)
                    if place[1] == STATUS and place[0] in kept:
                        kept[place[0]].status = _status(message.payload)
                        open_.discard(place)
                        continue
                    report = intake.take(message.topic, message.payload)
                except KeyError:
                    continue
                doubts.take(report)
                if report.verdict == NEW:
                    kept[report.gateway].reports[report.below] = report
                    history.add([report])
                else:
                    kept[report.gateway].doubtful[report.below] = report.verdict
                open_.discard(place)
        if not history.commit():   # what is lost is only that an older one is known as such from here on
            output.remark("Not noted as the newest: another process has the history.")
    doubts.tell(at_once=True)
    return list(kept.values())


def _status(payload: bytes) -> str | None:
    return payload.decode() if payload in (ONLINE, OFFLINE) else None
