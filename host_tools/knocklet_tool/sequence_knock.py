"""Sends a port sequence, tries whether the service then answers, and knocks again if not."""

import socket
import time

from knocklet.wire.steps import format_step, parse_step

from .errors import InputError, NetworkError
from .knock_report import KnockReport
from .knock_sender import Step, send_knock
from .output import Output
from .probe import probe
from .resolve import Target, resolve

DELAY_MS = 100
TRIES = 3
WAIT_S = 3.0
_STEPS = 32   # what a gateway allows
_USUAL_WINDOW_S = 10   # what a gateway gives for a whole knock unless configured otherwise
# From the last packet of one knock to the first of the next, at least. A step out of its turn ends the attempt, so a
# late packet of the first knock must not arrive among those of the second; none is late by more than a second. Waiting
# longer would not help. The second knock starts at step 1 again: a gateway that lost a step in the middle has ended the
# attempt at the step after it; one that lost the end ignores the steps it knows and goes on with those it lacks. Only
# if the window of that attempt ends just then is the second knock lost as well, and the third finds a clean start.
_PAUSE_S = 1.0


def knock_steps(
    host: str,
    steps: list[str],
    then: str | None,
    delay_ms: int,
    tries: int,
    wait_s: float,
    families: tuple[socket.AddressFamily, ...],
    source: Target | None,
    output: Output,
) -> KnockReport:
    """Raises InputError, NetworkError."""
    report = KnockReport(host, _read_steps(steps), None if then is None else _read_step("--then", then))
    if report.then in report.steps:
        raise InputError(f"--then {then}: it is a step of this knock; trying it would knock again")
    targets = resolve(host, families)
    if (seconds := delay_ms * (len(steps) - 1) / 1000) >= _USUAL_WINDOW_S:
        output.message(f"This knock takes {seconds:.0f} s; gateways allow {_USUAL_WINDOW_S} s unless told otherwise.")
    _knock_until_open(report, targets, delay_ms / 1000, tries, wait_s, source, output)
    return report


def _knock_until_open(
    report: KnockReport,
    targets: list[Target],
    delay_s: float,
    tries: int,
    wait_s: float,
    source: Target | None,
    output: Output,
) -> None:
    while True:
        report.tries += 1
        report.sent = send_knock(targets, report.steps, delay_s, source)
        knocked = [target for target in targets if report.last_step_at(target)]
        if not knocked:
            raise NetworkError("; ".join(dict.fromkeys(report.not_sent(target, source) for target in targets)))
        if not report.then:
            return
        end = time.monotonic()
        report.answers = probe(knocked, report.then, wait_s, source)
        if report.answered or report.tries == tries:
            return
        output.message(f"No answer yet; knocking again ({report.tries + 1} of {tries}).")
        time.sleep(max(0, end + _PAUSE_S - time.monotonic()))


def _read_step(where: str, text: str) -> Step:
    try:
        step: Step = parse_step(text)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    return step


def _read_steps(texts: list[str]) -> list[Step]:
    if len(texts) > _STEPS:
        raise InputError(f"{len(texts)} steps; allowed: 1-{_STEPS}")
    steps: list[Step] = []
    for number, text in enumerate(texts, 1):
        step = _read_step(f"step {number}", text)
        if step[1] in (port for _, port in steps):
            raise InputError(f"step {number}: {format_step(*step)}: each port once, a gateway ignores a repeated step")
        steps.append(step)
    return steps
