"""Knocks for a service of a known gateway, with the strongest kind that the client has, and tries whether it answers."""

import time
from typing import Protocol

from knocklet.wire import spa_packet

from . import clients
from .client_description import OTP, SPA
from .errors import NetworkError
from .fwknop_sender import FwknopSender
from .otp_sender import OtpSender
from .output import Output
from .probe import OPEN, OTHERS_S, probe
from .resolve import Target, resolve
from .service_report import ServiceReport
from .spa_sender import SpaSender
from .wish import Wish

OPS = {"open": spa_packet.OPEN, "close": spa_packet.CLOSE, "renew": spa_packet.RENEW}


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
    stated = wish.stated_address(client)
    kind = wish.kind_for(client)
    targets = resolve(gateway.host, wish.families_for(client, service, kind))
    why_not = wish.why_not_tried(client, service)
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
