"""Somebody has knocked at a service that waits for the owner: who, and what the owner says to it."""

import time
from dataclasses import dataclass
from typing import Any

from knocklet.wire.report import REQUEST_LAPSES_S

from .errors import RefusedError, ToolError
from .event_report import EventReport, short
from .output import Output
from .question import Question
from .sealed_request import WAIT_S, command
from .settings import Settings

REQUEST = "request"
ENDS = "approved", "denied", "lapsed"   # what a request comes to
_MOST = 20   # requests that wait to be asked about
_PAUSE_S = 1.0   # after one that ended unanswered: who types an answer just then does not mean the next one


@dataclass(frozen=True)
class Request:
    """`boot`, `seq`: of its event, so that the answer fits no other one. `ends`: seconds since 1970."""

    gateway: str
    boot: int
    seq: int
    client: str
    service: str
    source: str
    ends: float

    def __str__(self) -> str:
        return f"{self.gateway}: {short(self.client)} wants {short(self.service)} from {short(self.source)}"

    @property
    def place(self) -> tuple[str, str, str]:
        """One at a time is pending there."""
        return self.gateway, self.client, self.service

    def fields(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("boot", "seq", "client", "service", "source")}

    def answer(self, stored: Settings, verb: str, output: Output, wait_s: float = WAIT_S) -> dict[str, Any]:
        """verb: approve or deny. Raises BrokerError, GatewayError, ForgedError, RefusedError."""
        if time.time() >= self.ends:
            raise RefusedError(f"{self}: it has lapsed; allowed: the next one, after another knock")
        return command(stored.the_broker(), stored.gateway(self.gateway), verb, self.fields(), wait_s, output).data


def request_of(event: EventReport) -> Request | None:
    """The request that this event tells, None for other events, and for one that has lapsed."""
    texts = [event.fields.get(key) for key in ("client", "service", "source")]
    lapses_s = event.fields.get("lapses_s", REQUEST_LAPSES_S)
    if event.event_type != REQUEST or any(type(text) is not str for text in texts) or type(lapses_s) is not int:
        return None
    ends = event.ts + min(lapses_s, REQUEST_LAPSES_S)
    return Request(event.gateway, event.boot, event.seq, *map(str, texts), ends) if time.time() < ends else None


class Prompter:
    """Asks about one request after the other, while events go on."""

    def __init__(self, stored: Settings, output: Output) -> None:
        self._stored = stored
        self._output = output
        self._waiting: list[Request] = []
        self._question: Question | None = None   # about the first of them
        self._hidden = False   # it stands no longer in the last line
        self._again = 0.0   # when the next one may be asked, by time.monotonic()

    def take(self, event: EventReport) -> None:
        if (request := request_of(event)) and self._stored.gateway(event.gateway).key:
            if len(self._waiting) < _MOST:
                self._waiting.append(request)
            else:
                self._output.message(f"{request}: not asked, {_MOST} wait already; knocklet approve {request.gateway}")
        elif event.event_type in ENDS:
            place = event.gateway, event.fields.get("client"), event.fields.get("service")
            for old in [request for request in self._waiting if request.place == place]:
                self._drop(old)

    def _drop(self, request: Request) -> None:
        if self._question and request is self._waiting[0]:
            self.aside()
            self._question = None
            self._again = time.monotonic() + _PAUSE_S
        self._waiting.remove(request)

    def aside(self) -> None:
        """Something else is to be shown: on a line of its own, and the question again behind it."""
        if self._question and not self._hidden:
            self._hidden = True
            self._output.message("")

    def step(self) -> None:
        """Ask, or take the answer; never waits for a person."""
        for request in [request for request in self._waiting if time.time() >= request.ends]:
            self._drop(request)
        if self._question and (said := self._question.answer()) is not None:
            self._question = None
            self._say(self._waiting.pop(0), "approve" if said else "deny")
        if self._question and self._hidden:
            self._question.ask()
        elif self._waiting and not self._question and time.monotonic() >= self._again:
            self._question = Question(f"{self._waiting[0]}: approve?")
        self._hidden = False

    def _say(self, request: Request, verb: str) -> None:
        try:
            request.answer(self._stored, verb, self._output)
        except ToolError as error:   # watching goes on
            self._output.message(str(error))
