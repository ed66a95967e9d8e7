"""An event in a person's words and as JSON, and what was not to be believed around it."""

import time
from dataclasses import dataclass
from typing import Any

from knocklet.wire.report import EVENT_TYPES

from .config_report import version, version_text
from .intake import FORGED, ODD, REPEATED, STALE, Range, Report
from .local_time import at
from .output import Line, Output

_STYLES = {
    "opened": "green", "renewed": "green", "refused": "yellow", "replayed": "yellow", "sweep": "yellow", "flood": "yellow",
    "dropped": "red", "store_failed": "red", "clock_untrusted": "red", "firewall_changed": "red",
}  # fmt: skip
_TOLD = ("service", "source", "client", "reason")   # first, in words
_FIELD = 120   # characters of one in a line
_PAUSE_S = 1.0   # between two lines about the same kind of forgery


def short(value: Any) -> str:
    text = value if type(value) is str else repr(value)
    return text if len(text) <= _FIELD else text[:_FIELD] + "..."


@dataclass
class EventReport:
    """`fields`: without boot, seq and ts."""

    gateway: str
    boot: int
    seq: int
    ts: int
    fields: dict[str, Any]

    @property
    def event_type(self) -> str:
        return str(self.fields["event_type"])

    def as_lines(self) -> list[Line]:
        kind = self.event_type if self.event_type in EVENT_TYPES else f"unknown event {short(self.event_type)!r}"
        words = [f"{at(self.ts)}  {self.gateway}  {kind:18}", self._words(), self._rest()]
        return [("  ".join(word for word in words if word).rstrip(), _STYLES.get(self.event_type, ""))]

    def _words(self) -> str:
        service, source, client, reason = (short(self.fields[key]) if key in self.fields else "" for key in _TOLD)
        words = [service, f"for {source}" if source and service else source, f"by {client}" if client else ""]
        told = [" ".join(word for word in words if word), self._version(), reason]
        return ", ".join(text for text in told if text)

    def _version(self) -> str:
        """Of a configuration: when it was sealed."""
        number = version(self.fields.get("version"))
        return version_text(number) if number is not None and self._is_config else ""

    @property
    def _is_config(self) -> bool:
        return self.event_type.startswith("config_")

    def _rest(self) -> str:
        told = (*_TOLD, "event_type", *(("version",) if self._version() else ()))
        rest = {key: value for key, value in self.fields.items() if key not in told}
        return " ".join(f"{short(key)}={short(value)}" for key, value in list(rest.items())[:20])

    def as_json(self) -> dict[str, Any]:
        known = {} if self.event_type in EVENT_TYPES else {"unknown": True}
        own = {"gateway": self.gateway, "boot": self.boot, "seq": self.seq, "ts": self.ts}
        return {**self.fields, **known, **own}   # no field of theirs stands in for ours


def missing_text(gateway: str, boot: int, missing: list[Range]) -> str:
    count = sum(last - first + 1 for first, last in missing)
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in missing[:5])
    more = ", ..." if len(missing) > 5 else ""
    return f"{gateway}: missing {count} {'event' if count == 1 else 'events'} (start {boot}, number {shown}{more})"


class Doubts:
    """Counts what is not new and true, and tells it, each kind at most once a second: anyone at the broker can make it."""

    _WORDS = {
        FORGED: "ignored %d that did not come from the gateway (forged)",
        STALE: "ignored %d that are older than what is known (stale)",
        ODD: "ignored %d that are not as reports are",
        REPEATED: "ignored %d that came before (repeated)",
    }

    def __init__(self, output: Output) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self._output = output
        self._told: dict[tuple[str, str], tuple[int, float]] = {}

    def take(self, report: Report) -> None:
        if report.missing:
            self._output.message(missing_text(report.gateway, report.boot, report.missing))
        if report.verdict in self._WORDS:
            place = report.gateway, report.verdict
            self.counts[place] = self.counts.get(place, 0) + 1

    def of(self, verdict: str) -> int:
        return sum(count for (_, found), count in self.counts.items() if found == verdict)

    def tell(self, at_once: bool = False) -> None:
        """Call it often. `at_once`: all that was not told, at an end."""
        now = time.monotonic()
        for place, count in self.counts.items():
            told, when = self._told.get(place, (0, -_PAUSE_S))
            if count > told and place[1] != REPEATED and (at_once or now - when >= _PAUSE_S):
                self._output.message(f"{place[0]}: {self._WORDS[place[1]] % (count - told)}")
                self._told[place] = count, now
