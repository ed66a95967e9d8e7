"""`knocklet selftest`: the gateway looks at itself, and tells each thing that it tried."""

from dataclasses import dataclass
from typing import Any

import typer

from . import settings
from .errors import FAILED_CHECK
from .event_report import short
from .options import Json, MaybeName, Wait
from .output import Line, Output
from .sealed_request import WAIT_S, command

_MOST = 100   # checks that are shown


@dataclass
class SelftestReport:
    """`checks`: by name, "ok" or what is wrong."""

    gateway: str
    checks: dict[str, Any]

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(found == "ok" for found in self.checks.values())

    def as_lines(self) -> list[Line]:
        head = (f"{self.gateway}: {'all is well' if self.passed else 'not all is well'}", "green" if self.passed else "red")
        shown = list(self.checks.items())[:_MOST]
        return [head, *((f"  {short(name):20} {short(found)}", "" if found == "ok" else "red") for name, found in shown)]

    def as_json(self) -> dict[str, Any]:
        return {"gateway": self.gateway, "passed": self.passed, "checks": self.checks}


def selftest(name: MaybeName = None, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Have the gateway try itself. Exit code 1 when something is wrong.

    knocklet selftest home
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    checks = command(stored.the_broker(), gateway, "selftest", {}, wait, output).data.get("checks")
    report = SelftestReport(gateway.name, checks if type(checks) is dict else {})
    output.result(report)
    if not report.passed:
        raise typer.Exit(FAILED_CHECK)
