"""What a gateway did of what it was asked."""

from dataclasses import dataclass, field
from typing import Any

from .event_report import short
from .output import Line

_WARNINGS = 20   # that are shown


def warning_lines(data: dict[str, Any]) -> list[str]:
    """What an answer warns of."""
    found = data.get("warnings")
    return [short(line) for line in found[:_WARNINGS]] if type(found) is list else []


@dataclass
class CommandReport:
    """`said`: in a person's words. `data`: the gateway's answer."""

    gateway: str
    said: str
    data: dict[str, Any] = field(default_factory=dict)

    def as_lines(self) -> list[Line]:
        return [(f"{self.gateway}: {self.said}", "green")]

    def as_json(self) -> dict[str, Any]:
        return {"gateway": self.gateway, "data": self.data}
