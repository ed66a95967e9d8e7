"""`knocklet knock`: send a port sequence, or knock for a service of a known gateway; try whether the service then answers."""

import socket
from typing import Annotated

import typer

from knocklet.wire.names import is_name
from knocklet.wire.spa_packet import TTL_LIMIT_S

from .client_description import KINDS
from .errors import NO_ANSWER, InputError
from .knock_report import KnockReport
from .options import MaybeClient, complete_described, complete_service
from .output import Output
from .resolve import FAMILY_NAMES, Target, read_source
from .sequence_knock import DELAY_MS, TRIES, WAIT_S, knock_steps
from .service_knock import knock_service
from .wish import Wish

_Host = Annotated[
    str,
    typer.Argument(
        metavar="HOST",
        help="Name or address; all addresses of a name are knocked. Or a gateway that is described here.",
        autocompletion=complete_described,
    ),
]
_Steps = Annotated[
    list[str],
    typer.Argument(
        metavar="STEP",
        help="Ports in order: 7000, 7000/tcp or 9100/udp. Or a service of that gateway.",
        autocompletion=complete_service,
    ),
]
_Then = Annotated[
    str | None,
    typer.Option(
        metavar="PORT[/udp]",
        help="Try whether this service answers then. Not for a one-shot service: this would be its one connection.",
    ),
]
_Delay = Annotated[
    int | None, typer.Option(min=0, max=10_000, metavar="MS", help=f"Milliseconds between steps, {DELAY_MS} if not given.")
]
_Tries = Annotated[
    int | None,
    typer.Option(min=1, max=100, metavar="N", help=f"With --then: knock up to N times, {TRIES} if not given."),
]
_Wait = Annotated[
    float | None,
    typer.Option(
        min=0.1, max=60, metavar="S", help=f"With --then or a service: seconds to wait for an answer, {WAIT_S:g} if not given."
    ),
]
_Ipv4 = Annotated[bool, typer.Option("-4", metavar=" ", help="IPv4 only.")]
_Ipv6 = Annotated[bool, typer.Option("-6", metavar=" ", help="IPv6 only.")]
_Source = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Send from this address of this computer.")]
_Kind = Annotated[
    str | None,
    typer.Option(metavar="KIND", help=f"For a service: {', '.join(KINDS)} instead of the strongest that the client has."),
]
_Close = Annotated[bool, typer.Option("--close", metavar=" ", help="Close the service for this client instead.")]
_Renew = Annotated[bool, typer.Option("--renew", metavar=" ", help="Only make a grant longer that is open.")]
_Ttl = Annotated[
    int | None, typer.Option(min=1, max=TTL_LIMIT_S, metavar="S", help="Seconds wanted; the gateway may give less.")
]
_State = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Open for this address: source stated or any.")]
_Json = Annotated[bool, typer.Option("--json", metavar=" ", help="Print one JSON object.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar=" ", help="Print only the result and errors.")]


def knock(
    host: _Host,
    steps: _Steps,
    then: _Then = None,
    delay: _Delay = None,
    tries: _Tries = None,
    wait: _Wait = None,
    only_ipv4: _Ipv4 = False,
    only_ipv6: _Ipv6 = False,
    source: _Source = None,
    client: MaybeClient = None,
    kind: _Kind = None,
    close: _Close = False,
    renew: _Renew = False,
    ttl: _Ttl = None,
    state: _State = None,
    json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Knock a port sequence, or for a service of a gateway that is described here, and say whether the service then answers.

    knocklet knock home.example.net 23171 41822/udp 30955 --then 22

    knocklet knock home ssh
    """
    origin = None if source is None else read_source(source)
    families = _families(only_ipv4, only_ipv6, origin)
    output = Output(json, quiet)
    is_service = len(steps) == 1 and is_name(steps[0])   # no step begins with a letter
    report: KnockReport
    if is_service:
        _refuse("steps, not for a service", then=then, delay=delay, tries=tries)
        if close and (renew or ttl):
            raise InputError("--close: without --renew and --ttl")
        op = "close" if close else "renew" if renew else "open"
        wish = Wish(client, kind, op, ttl or 0, state, wait or WAIT_S, families, origin)
        report = knock_service(host, steps[0], wish, output)
    else:
        _refuse("a service, not for steps", client=client, kind=kind, close=close, renew=renew, ttl=ttl, state=state)
        if then is None and (tries is not None or wait is not None):
            raise InputError("--tries and --wait need --then: without it nobody can tell whether a knock worked")
        delay = DELAY_MS if delay is None else delay
        report = knock_steps(host, steps, then, delay, tries or TRIES, wait or WAIT_S, families, origin, output)

    output.result(report)
    for hint in report.hints():
        output.message(hint)
    if not is_service:
        output.remark("A fixed sequence hides a port; whoever sees it on the way can copy it.")
    if report.answered is False:
        raise typer.Exit(NO_ANSWER)


def _refuse(what_for: str, **options: object) -> None:
    given = [f"--{name}" for name, value in options.items() if value is not None and value is not False]
    if given:
        raise InputError(f"{', '.join(given)}: for {what_for}")


def _families(only_ipv4: bool, only_ipv6: bool, source: Target | None) -> tuple[socket.AddressFamily, ...]:
    if only_ipv4 and only_ipv6:
        raise InputError("-4 and -6: one of them, or none for both")
    chosen = socket.AF_INET if only_ipv4 else socket.AF_INET6 if only_ipv6 else source.family if source else None
    if source and source.family != chosen:
        raise InputError(f"--source {source}: an {FAMILY_NAMES[source.family]} address cannot send the other kind")
    return (chosen,) if chosen else (socket.AF_INET, socket.AF_INET6)
