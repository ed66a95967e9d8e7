"""`knocklet knock`: send a port sequence, try whether the service then answers, knock again if not."""

import socket
import time
from typing import Annotated

import typer

from knocklet.wire.steps import format_step, parse_step

from .errors import NO_ANSWER, InputError, NetworkError
from .knock_report import KnockReport
from .knock_sender import Step, send_knock
from .output import Output
from .probe import probe
from .resolve import FAMILY_NAMES, Target, read_source, resolve

_STEPS = 32   # what a gateway allows
_USUAL_WINDOW_S = 10   # what a gateway gives for a whole knock unless configured otherwise
_TRIES = 3
_WAIT_S = 3.0
# From the last packet of one knock to the first of the next, at least. A step out of its turn ends the attempt, so a
# late packet of the first knock must not arrive among those of the second; none is late by more than a second. Waiting
# longer would not help. The second knock starts at step 1 again: a gateway that lost a step in the middle has ended the
# attempt at the step after it; one that lost the end ignores the steps it knows and goes on with those it lacks. Only
# if the window of that attempt ends just then is the second knock lost as well, and the third finds a clean start.
_PAUSE_S = 1.0

_Host = Annotated[str, typer.Argument(metavar="HOST", help="Name or address; all addresses of a name are knocked.")]
_Steps = Annotated[list[str], typer.Argument(metavar="STEP", help="Ports in order: 7000, 7000/tcp or 9100/udp.")]
_Then = Annotated[
    str | None,
    typer.Option(
        metavar="PORT[/udp]",
        help="Try whether this service answers then. Not for a one-shot service: this would be its one connection.",
    ),
]
_Delay = Annotated[int, typer.Option(min=0, max=10_000, metavar="MS", help="Milliseconds between steps.")]
_Tries = Annotated[
    int | None,
    typer.Option(min=1, max=100, metavar="N", help=f"With --then: knock up to N times, {_TRIES} if not given."),
]
_Wait = Annotated[
    float | None,
    typer.Option(
        min=0.1, max=60, metavar="S", help=f"With --then: seconds to wait for an answer, {_WAIT_S:g} if not given."
    ),
]
_Ipv4 = Annotated[bool, typer.Option("-4", metavar=" ", help="IPv4 only.")]
_Ipv6 = Annotated[bool, typer.Option("-6", metavar=" ", help="IPv6 only.")]
_Source = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Send from this address of this computer.")]
_Json = Annotated[bool, typer.Option("--json", metavar=" ", help="Print one JSON object.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar=" ", help="Print only the result and errors.")]


def knock(
    host: _Host,
    steps: _Steps,
    then: _Then = None,
    delay: _Delay = 100,
    tries: _Tries = None,
    wait: _Wait = None,
    only_ipv4: _Ipv4 = False,
    only_ipv6: _Ipv6 = False,
    source: _Source = None,
    json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Knock a port sequence, and say whether the service then answers.

    knocklet knock home.example.net 23171 41822/udp 30955 --then 22
    """
    if then is None and (tries is not None or wait is not None):
        raise InputError("--tries and --wait need --then: without it nobody can tell whether a knock worked")
    report = KnockReport(host, _read_steps(steps), None if then is None else _read_step("--then", then))
    if report.then in report.steps:
        raise InputError(f"--then {then}: it is a step of this knock; trying it would knock again")
    origin = None if source is None else read_source(source)
    targets = resolve(host, _families(only_ipv4, only_ipv6, origin))
    output = Output(json, quiet)
    if (seconds := delay * (len(steps) - 1) / 1000) >= _USUAL_WINDOW_S:
        output.message(f"This knock takes {seconds:.0f} s; gateways allow {_USUAL_WINDOW_S} s unless told otherwise.")

    _knock_until_open(report, targets, delay / 1000, tries or _TRIES, wait or _WAIT_S, origin, output)

    output.result(report)
    for hint in report.hints():
        output.message(hint)
    output.remark("A fixed sequence hides a port; whoever sees it on the way can copy it.")
    if report.answered is False:
        raise typer.Exit(NO_ANSWER)


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


def _families(only_ipv4: bool, only_ipv6: bool, source: Target | None) -> tuple[socket.AddressFamily, ...]:
    if only_ipv4 and only_ipv6:
        raise InputError("-4 and -6: one of them, or none for both")
    chosen = socket.AF_INET if only_ipv4 else socket.AF_INET6 if only_ipv6 else source.family if source else None
    if source and source.family != chosen:
        raise InputError(f"--source {source}: an {FAMILY_NAMES[source.family]} address cannot send the other kind")
    return (chosen,) if chosen else (socket.AF_INET, socket.AF_INET6)
