"""Knocks for a service of a known gateway, with the strongest kind that the client has, and tries whether it answers."""

import socket
import time
from dataclasses import dataclass
from typing import Protocol

from knocklet.wire import spa_packet
from knocklet.wire.steps import TCP

from . import clients, fwknop_sender
from .client_description import ANY, FWKNOP, KINDS, OTP, PACKET, SPA, STATED, Client
from .errors import InputError, NetworkError
from .fwknop_sender import FwknopSender
from .gateway_description import Service
from .otp_sender import OtpSender
from .output import Output
from .probe import OPEN, OTHERS_S, probe
from .resolve import FAMILY_NAMES, Target, resolve
from .service_report import ServiceReport
from .spa_sender import SpaSender, read_stated

OPS = {"open": spa_packet.OPEN, "close": spa_packet.CLOSE, "renew": spa_packet.RENEW}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True)
class Wish:
    """What was typed beside gateway and service. `ttl_s`: 0 for the service's own; `families`: those that may be used."""

    client: str | None
    kind: str | None
    op: str
    ttl_s: int
    stated: str | None
    wait_s: float
    families: tuple[socket.AddressFamily, ...]
    source: Target | None


class Sender(Protocol):
    """One kind of knock. `waits_s`: how long to wait for an answer before it is sent again; the last wait is the caller's."""

    waits_s: tuple[float, ...]
    warning: str   # once it has been sent

    def send(self, targets: list[Target]) -> dict[Target, float | OSError]: ...


def knock_service(gateway_name: str, service_name: str, wish: Wish, output: Output) -> ServiceReport:
    """Raises InputError, NetworkError."""
    store = clients.load()
    gateway = store.gateway(gateway_name)
    client = store.client_of(gateway.name, wish.client)
    service = gateway.service(service_name)
    client.check_may_open(service.name)
    stated = _stated(client, wish)
    kind = _kind(client, wish)
    targets = resolve(gateway.host, _families(service, client, kind, wish, stated))
    why_not = _why_not_tried(service, client, wish)
    then = service.step if wish.op == "open" and not why_not else None
    report = ServiceReport(
        gateway.host, [], then, client=client, service=service, kind=kind, op=wish.op, why_not_tried=why_not
    )
    sender: Sender
    if kind == SPA:
        sender = SpaSender(client, gateway, service, OPS[wish.op], wish.ttl_s, stated, wish.source)
    elif kind == OTP:
        targets = targets[:1]   # the one that programs try first
        sender = OtpSender(client, gateway, service, wish.wait_s if then else 0, wish.source)
    else:
        sender = FwknopSender(client, gateway, service, wish.ttl_s, wish.stated)
    _knock(report, sender, targets, wish, output)
    return report


def _knock(report: ServiceReport, sender: Sender, targets: list[Target], wish: Wish, output: Output) -> None:
    """Send, again to those that do not answer."""
    doors = {target: report.service.door(target) for target in targets}
    left = targets
    for wait_s in (*sender.waits_s, wish.wait_s if report.then else 0):
        report.tries += 1
        report.sent |= sender.send(left)
        if report.tries == 1 and sender.warning:
            output.message(sender.warning)
        left = [target for target in left if report.last_step_at(target)]
        if left and report.then:
            wait_s = min(wait_s, OTHERS_S) if report.answered else wait_s
            answers = probe([doors[target] for target in left], report.then, wait_s, wish.source)
            report.answers |= {target: answers[doors[target]] for target in left}
            left = [target for target in left if report.answers[target].state != OPEN]
        elif left:
            time.sleep(wait_s)
        if not left:
            break
    if all(report.last_step_at(target) is None for target in targets):
        raise NetworkError("; ".join(dict.fromkeys(report.not_sent(target, wish.source) for target in targets)))


def _kind(client: Client, wish: Wish) -> str:
    """The strongest that can do what is wished."""
    if wish.kind is not None and wish.kind not in client.kinds:
        raise InputError(f"--kind {wish.kind!r}: client {client.name} has {', '.join(client.kinds)}")
    reasons = []
    for kind in [wish.kind] if wish.kind else [kind for kind in KINDS if kind in client.kinds]:
        reason = _cannot(kind, client, wish)
        if not reason:
            return kind
        reasons.append(reason)
    raise InputError(f"client {client.name}: {'; '.join(reasons)}")


def _cannot(kind: str, client: Client, wish: Wish) -> str:
    """Why not with this kind, or ""."""
    if kind == SPA:
        return ""
    if wish.op != "open":
        return f"{kind} can only open"
    if kind == OTP:
        return "otp has no --ttl" if wish.ttl_s else "otp has no --state" if wish.stated else ""
    if wish.source:
        return "fwknop has no --source"
    if client.source == STATED and not wish.stated:
        return "fwknop states an address with --state only"
    return "" if fwknop_sender.is_installed() else "fwknop needs the program of this name; apt install fwknop-client"


def _stated(client: Client, wish: Wish) -> bytes | None:
    if wish.stated is None:
        return None
    if client.source == PACKET:
        raise InputError(f"--state: client {client.name} opens for where its packets come from; allowed: source stated or any")
    try:
        return read_stated(wish.stated)
    except ValueError:
        raise InputError(f"--state {wish.stated[:60]!r}: allowed: an address that packets can come from") from None


def _families(
    service: Service, client: Client, kind: str, wish: Wish, stated: bytes | None
) -> tuple[socket.AddressFamily, ...]:
    """Those over which the knock can go."""
    opens = {_FAMILIES[number] for number in service.families}
    if stated:
        family = socket.AF_INET if len(stated) == 4 else socket.AF_INET6
        if family not in opens or kind == FWKNOP and family != socket.AF_INET:
            raise InputError(f"--state {wish.stated}: {service.name} does not open for {FAMILY_NAMES[family]} by {kind}")
        opens = {family} if client.source == STATED else set(_FAMILIES.values())
    if kind == FWKNOP:
        opens &= {socket.AF_INET}   # all that the program can
    found = tuple(family for family in wish.families if family in opens)
    if not found:
        names = " and ".join(sorted(FAMILY_NAMES[family] for family in opens)) or "nothing"
        raise InputError(f"{service.name} opens by {kind} over {names} only")
    return found


def _why_not_tried(service: Service, client: Client, wish: Wish) -> str:
    if wish.op != "open":
        return ""
    if service.one_shot:
        return f"Not tried: the first connection to {service.name} uses the grant up."
    if service.protocol != TCP:
        return f"Not tried: {service.name} is a UDP service, and may say nothing to a stranger."
    if client.source == ANY and wish.stated:
        return f"Not tried: it opens for {wish.stated}."
    return ""
