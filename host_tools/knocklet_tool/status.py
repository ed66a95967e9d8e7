"""`knocklet status`: are the gateways there, and how do they do."""

from dataclasses import dataclass
from typing import Any

import typer

from knocklet.wire.topics import CONFIG, INFO, STATE

from . import settings
from .errors import ForgedError, GatewayError
from .event_report import short
from .local_time import at
from .options import Everything, Group, Json, MaybeName, Wait
from .output import Line, Output
from .retained import Kept, ask
from .several import chosen

_TOPICS = INFO, STATE, CONFIG
_WAIT_S = 3.0
_LIST = 40   # entries of one that are shown in a line


@dataclass
class StatusReport:
    gateways: list[Kept]

    def as_lines(self) -> list[Line]:
        return [line for kept in self.gateways for line in _lines(kept)]

    def as_json(self) -> dict[str, Any]:
        return {
            "gateways": [
                {"gateway": kept.gateway, "status": kept.status, **{below: kept.fields(below) for below in _TOPICS}}
                for kept in self.gateways
            ]
        }


def _lines(kept: Kept) -> list[Line]:
    style = "green" if kept.status == "online" else "yellow"
    word = kept.status or "no status at the broker"
    lines = [(f"{kept.gateway}  {word}{'' if kept.reports else ', and nothing that can be believed'}", style)]
    for below in _TOPICS:
        if fields := kept.fields(below):
            lines.append((f"  {below:7} {at(fields.pop('ts'))}  {'  '.join(_pairs(fields))}", _style(below, fields)))
        elif below in kept.doubtful:
            lines.append((f"  {below:7} ignored: {kept.doubtful[below]}", "red"))
    return lines


def _style(below: str, fields: dict[str, Any]) -> str:
    if below != STATE:
        return ""
    failed = [key for key in ("firewall", "store") if fields.get(key, "ok") != "ok"]
    return "red" if failed else "yellow" if fields.get("clock_trusted") is False else ""


def _pairs(fields: dict[str, Any]) -> list[str]:
    return [f"{short(key)}={_value(value)}" for key, value in list(fields.items())[:_LIST] if value != ""]


def _value(value: Any) -> str:
    if type(value) is list:
        return ",".join(short(inner) for inner in value[:_LIST]) + ("..." if len(value) > _LIST else "") or "none"
    return short(value)


def status(
    name: MaybeName = None, everything: Everything = False, group: Group = None, wait: Wait = _WAIT_S, json: Json = False
) -> None:
    """What the gateways last said of themselves.

    knocklet status home
    """
    stored = settings.load()
    output = Output(json)
    report = StatusReport(ask(stored, chosen(stored, name, everything, group), _TOPICS, wait, output))
    output.result(report)
    end(report.gateways)


def end(gateways: list[Kept]) -> None:
    """The exit code that fits: 6 when one is only forged, 5 when one has said nothing."""
    if any(kept.only_forged for kept in gateways):
        raise typer.Exit(ForgedError.exit_code)
    if not all(kept.reports for kept in gateways):
        raise typer.Exit(GatewayError.exit_code)
