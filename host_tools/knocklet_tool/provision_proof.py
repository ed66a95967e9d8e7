"""Does it work? The engine says so on the gateway, then over the broker; a knock from outside proves the rest."""

import time
from typing import Any

from .errors import BrokerError, GatewayError
from .event_report import short
from .gateway_file import GatewayFile
from .output import Output
from .provision_report import DoneReport
from .sealed_request import command
from .settings import Settings

HELLO_S = 45.0
_PAUSE_S, _ANSWER_S = 1.0, 5.0
_WARNINGS = 20


def from_status(report: DoneReport, status: dict[str, Any]) -> None:
    """What the engine says of itself."""
    report.proved.append(f"the engine runs, version {short(status.get('version'))}, firewall {short(status.get('firewall'))}")
    if status.get("armed") is not True:
        report.warnings.append(f"it is disarmed: no knock opens anything; knocklet arm {report.gateway}")
    keys = status.get("keys")
    if isinstance(keys, dict) and keys.get("clock") != "trusted":
        report.warnings.append("no NTP has set its clock yet: one-time ports wait for it, after the first start all keys do")
    interfaces = status.get("interfaces")
    for each in interfaces if isinstance(interfaces, list) else ():
        if isinstance(each, dict) and each.get("up") is not True:
            report.warnings.append(f"{short(each.get('name'))} is down: no knock comes by it")
    warnings = status.get("warnings")
    report.warnings += [short(each) for each in warnings[:_WARNINGS]] if isinstance(warnings, list) else []


def over_the_broker(report: DoneReport, stored: Settings, output: Output, wait_s: float) -> None:
    """A sealed selftest and its answer: only this gateway can give it. Raises ForgedError, RefusedError, InputError, and
    GatewayError where it does not answer in time."""
    gateway, broker = stored.gateway(report.gateway), stored.the_broker()
    begun = time.monotonic()
    while True:
        try:
            checks = command(broker, gateway, "selftest", {}, _ANSWER_S, output).data.get("checks")
            break
        except (GatewayError, BrokerError) as error:
            again = not isinstance(error, BrokerError) or error.again
            if not again or time.monotonic() - begun > wait_s:
                raise GatewayError(f"{gateway.name}: the engine runs, but does not report over {broker}: {error}") from None
        time.sleep(_PAUSE_S)
    report.proved.append(f"it answers over {broker}, {time.monotonic() - begun:.1f} s after its start")
    for name, found in checks.items() if isinstance(checks, dict) else ():
        if found != "ok":
            report.warnings.append(f"{short(name)}: {short(found)}")


def how_to_knock(report: DoneReport, file: GatewayFile) -> None:
    """What a person may do to see the rest of it."""
    name = file.name
    if not file.model.clients:
        report.next.append(f"knocklet client add NAME --gateway {name} --open SERVICE, then knocklet push {name}")
        return
    service = next(service for client in file.model.clients.values() for service in client.open)
    report.next.append(f"from outside: knocklet knock {name} {service}")
