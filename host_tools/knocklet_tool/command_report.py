"""What a gateway did of what it was asked."""

from dataclasses import dataclass, field
from typing import Any

from .output import Line


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
