"""`knocklet history`: what this computer pushed."""

from dataclasses import dataclass
from typing import Any

from . import config_history, settings
from .config_history import APPLIED, REFUSED, TRIAL, Pushed
from .local_time import at
from .options import Json, MaybeName
from .output import Line, Output

_STYLES = {APPLIED: "green", REFUSED: "red", TRIAL: "yellow"}
_DIGITS = 12   # of a digest that are shown


@dataclass
class HistoryReport:
    """`pushed`: by gateway, the oldest first."""

    pushed: dict[str, list[Pushed]]

    def as_lines(self) -> list[Line]:
        lines = [(self._line(name, each), _STYLES.get(each.told, "")) for name in self.pushed for each in self.pushed[name]]
        return lines or [("nothing was pushed from here", "")]

    def _line(self, name: str, each: Pushed) -> str:
        return f"{at(each.version // 1_000_000)}  {name}  {each.sha256[:_DIGITS]}  {each.told}"

    def as_json(self) -> dict[str, Any]:
        return {"gateways": [{"gateway": name, "pushed": [_json(each) for each in self.pushed[name]]} for name in self.pushed]}


def _json(each: Pushed) -> dict[str, Any]:
    return {"version": each.version, "sha256": each.sha256, "confirm_s": each.confirm_s, "outcome": each.told}


def history(name: MaybeName = None, json: Json = False) -> None:
    """What this computer pushed, the newest last, and what became of it.

    knocklet history home
    """
    gateways = settings.load().chosen(name)
    Output(json).result(HistoryReport({gateway.name: config_history.load(gateway.name) for gateway in gateways}))
