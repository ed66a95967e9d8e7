"""A difference between a gateway's file and what is in force there, as it is shown."""

from dataclasses import dataclass
from typing import Any

from .config_difference import Change
from .output import Line


@dataclass
class DifferenceReport:
    """`changes`: None where it is not known what is in force, `why` then."""

    gateway: str
    changes: list[Change] | None
    why: str = ""

    def as_lines(self) -> list[Line]:
        if self.changes is None:
            return [(f"{self.gateway}: what differs is not known: {self.why}", "yellow")]
        if not self.changes:
            return [(f"{self.gateway}: no difference", "")]
        return [(f"{self.gateway}:", ""), *(change.as_line() for change in self.changes)]

    def as_json(self) -> dict[str, Any]:
        changes = None if self.changes is None else [vars(change) for change in self.changes]
        return {"gateway": self.gateway, "changes": changes, "why": self.why}
