"""What came of a knock, in a person's words and as JSON."""

import errno
import os
from dataclasses import dataclass, field
from typing import Any

from knocklet.wire.steps import UDP, format_step

from .knock_sender import Step
from .output import Line
from .probe import OPEN, REFUSED, SILENT, UNREACHABLE, Answer
from .resolve import FAMILY_NAMES, Target

_WORDS = {SILENT: "stayed silent", REFUSED: "refused", UNREACHABLE: "is not reachable"}
_NOT_SENT = {
    errno.ENETUNREACH: "no route to it from here",
    errno.EHOSTUNREACH: "no route to it from here",
    errno.EACCES: "the firewall of this computer lets nothing out to it",
    errno.EPERM: "the firewall of this computer lets nothing out to it",
}


@dataclass
class KnockReport:
    host: str
    steps: list[Step]
    then: Step | None
    tries: int = 0
    sent: dict[Target, float | OSError] = field(default_factory=dict)   # of the last try, as send_knock tells it
    answers: dict[Target, Answer] = field(default_factory=dict)   # of the last try, for those that were knocked

    @property
    def answered(self) -> bool | None:
        """Whether any address answered; None when nothing was tried."""
        return any(answer.state == OPEN for answer in self.answers.values()) if self.then else None

    def last_step_at(self, target: Target) -> float | None:
        end = self.sent[target]
        return None if isinstance(end, OSError) else end

    def answer_ms(self, target: Target) -> float | None:
        """Milliseconds from the last packet of the knock to the answer."""
        end = self.last_step_at(target)
        answer = self.answers.get(target)
        return (answer.at - end) * 1000 if answer and answer.state == OPEN and end is not None else None

    def not_sent(self, target: Target, source: Target | None = None) -> str:
        """Why a step could not be sent."""
        error = self.sent[target]
        assert isinstance(error, OSError)
        if error.errno == errno.EADDRNOTAVAIL and source:
            return f"this computer has no address {source}"
        return f"{target}: {_NOT_SENT.get(error.errno or 0) or os.strerror(error.errno or 0)}"

    def as_lines(self) -> list[Line]:
        return [self._line(target) for target in self.sent]

    def _line(self, target: Target) -> Line:
        if self.last_step_at(target) is None:
            return f"not knocked at {self.not_sent(target)}", "yellow"
        if not self.then:
            steps = f"{len(self.steps)} steps" if len(self.steps) > 1 else "the step"
            return f"sent {steps} to {target}; tried nothing (--then PORT would)", ""
        return self._answer_line(target, format_step(*self.then), target, "the last step")

    def _answer_line(self, target: Target, service: str, where: Target, after: str) -> Line:
        ms = self.answer_ms(target)
        if ms is not None:
            again = f" of knock {self.tries}" if self.tries > 1 else ""
            return f"{service} answers at {where}, {ms:.1f} ms after {after}{again}", "green"
        return f"{service} {_WORDS[self.answers[target].state]} at {where}", "yellow"

    def hints(self) -> list[str]:
        """What may help further."""
        if self.answered is None:
            return []
        if self.answered:
            return self._family_hints()
        times = f"{self.tries} times" if self.tries > 1 else "once"
        hint = f"Knocked {times} without an answer. Are the steps and their order right, and does the service run?"
        if self.then and self.then[0] == UDP:
            hint += " A UDP service may be open and say nothing to a stranger's byte."
        return [hint]

    def _family_hints(self) -> list[str]:
        """A program that prefers the family that stayed closed would hang."""
        opened = {target.family for target, answer in self.answers.items() if answer.state == OPEN}
        closed = {target.family for target in self.answers} - opened
        return [
            f"Connect over {FAMILY_NAMES[good]}: {FAMILY_NAMES[bad]} did not open." for good in opened for bad in closed
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "steps": [format_step(*step) for step in self.steps],
            "then": format_step(*self.then) if self.then else None,
            "tries": self.tries,
            "answered": self.answered,
            "addresses": [self._address_json(target) for target in self.sent],
        }

    def _address_json(self, target: Target) -> dict[str, Any]:
        knocked = self.last_step_at(target) is not None
        answer = self.answers.get(target)
        ms = self.answer_ms(target)
        return {
            "address": str(target),
            "knocked": knocked,
            "state": answer.state if answer else None,
            "answer_ms": None if ms is None else round(ms, 3),
            "error": None if knocked else self.not_sent(target),
        }

