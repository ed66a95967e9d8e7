"""`knocklet grants`: who is in, and for how long."""

import time
from dataclasses import dataclass
from typing import Any

from knocklet.wire.topics import GRANTS

from . import settings
from .event_report import short
from .local_time import at
from .options import Everything, Group, Json, MaybeName, Wait
from .output import Line, Output
from .retained import Kept, ask
from .several import chosen
from .status import end

_WAIT_S = 3.0


@dataclass
class GrantsReport:
    """`now`: seconds since 1970."""

    gateways: list[Kept]
    now: float

    def as_lines(self) -> list[Line]:
        return [line for kept in self.gateways for line in self._lines(kept)]

    def _lines(self, kept: Kept) -> list[Line]:
        fields = kept.fields(GRANTS)
        if fields is None:
            why = kept.doubtful.get(GRANTS)
            return [(f"{kept.gateway}  " + (f"ignored what came: {why}" if why else "has said nothing yet"), "yellow")]
        away = "" if kept.status == "online" else f", not online now; it said this at {at(fields['ts'])}"
        found = [grant for grant in _list(fields) if type(grant) is dict]
        lines = [self._line(kept.gateway, grant) for grant in found] or [(f"{kept.gateway}  nobody is in", "")]
        if fields.get("more"):
            lines.append((f"{kept.gateway}  and {short(fields['more'])} more", ""))
        return lines + [(f"{kept.gateway}{away}", "yellow")] if away else lines

    def _line(self, gateway: str, grant: dict[str, Any]) -> Line:
        service, source, client = (short(grant.get(key, "?")) for key in ("service", "source", "client"))
        ends, since = grant.get("ends"), grant.get("since")
        left = f"{max(0, round(ends - self.now))} s left" if type(ends) is int else "no end told"
        came = f", since {at(since)}" if type(since) is int else ""
        return f"{gateway}  {service} for {source} by {client}  {left}{came}", "green"

    def as_json(self) -> dict[str, Any]:
        return {"gateways": [self._json(kept) for kept in self.gateways]}

    def _json(self, kept: Kept) -> dict[str, Any]:
        fields = kept.fields(GRANTS)
        found = {"gateway": kept.gateway, "status": kept.status, "grants": None, "more": None, "ts": None}
        return found if fields is None else {**found, "grants": _list(fields), "more": fields.get("more"), "ts": fields["ts"]}


def _list(fields: dict[str, Any]) -> list[Any]:
    grants = fields.get("grants")
    return grants if type(grants) is list else []


def grants(
    name: MaybeName = None, everything: Everything = False, group: Group = None, wait: Wait = _WAIT_S, json: Json = False
) -> None:
    """Who is in now, and until when.

    knocklet grants home
    """
    stored = settings.load()
    output = Output(json)
    report = GrantsReport(ask(stored, chosen(stored, name, everything, group), (GRANTS,), wait, output), time.time())
    output.result(report)
    end(report.gateways)
