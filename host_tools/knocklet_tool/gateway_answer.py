"""The answer to one request: the gateway's own, to this request, and in time. What else comes is told and not believed."""

import time
from typing import Any

from knocklet.wire.topics import RESPONSE

from .errors import ForgedError, GatewayError, RefusedError
from .event_report import Doubts, short
from .intake import FORGED, NEW, Intake, Report
from .mqtt import Link
from .output import Output
from .settings import Gateway

UNREAD = RESPONSE + "command"   # where a gateway refuses a sealed command whose text it did not come to read


def wait_for(link: Link, gateway: Gateway, marks: dict[str, str], wait_s: float, output: Output) -> dict[str, Any]:
    """Its data. marks: fields that it must have, so that no earlier answer fits: what nobody could guess, or the version of a
    sealed message.
    Raises BrokerError, GatewayError, ForgedError, RefusedError.
    """
    doubts = Doubts(output)
    answer = _found(link, gateway, marks, wait_s, doubts)
    doubts.tell(at_once=True)
    if answer is None:
        if doubts.of(FORGED):
            raise ForgedError(f"{gateway.name} did not answer; what came instead was forged")
        raise GatewayError(f"{gateway.name} did not answer within {wait_s:g} s")
    return data(answer)


def fits(report: Report, marks: dict[str, str]) -> bool:
    if report.verdict != NEW:
        return False
    if report.below == UNREAD and "version" in marks:
        return bool(report.fields.get("version") == marks["version"] and report.fields.get("status") == "error")
    return all(report.fields.get(key) == value for key, value in marks.items())


def data(answer: Report) -> dict[str, Any]:
    """Raises RefusedError with the gateway's reason."""
    if answer.fields.get("status") != "ok":
        raise RefusedError(f"{answer.gateway} refused: {short(answer.fields.get('error') or 'it gave no reason')}")
    found = answer.fields.get("data")
    return found if type(found) is dict else {}


def _found(link: Link, gateway: Gateway, marks: dict[str, str], wait_s: float, doubts: Doubts) -> Report | None:
    intake = Intake({gateway.name: gateway.event_key})
    end = time.monotonic() + wait_s
    while (left := end - time.monotonic()) > 0:
        for message in link.receive(left):
            try:
                report = intake.take(message.topic, message.payload)
            except KeyError:
                continue
            doubts.take(report)
            if fits(report, marks):
                return report
    return None
