"""What a gateway says of its configuration: which version is in force, and whether it is on trial."""

import re
from dataclasses import dataclass
from typing import Any

from knocklet.wire.sealed import HIGHEST_VERSION

from .local_time import at


@dataclass(frozen=True)
class ConfigReport:
    """`version`: 0 for the file that lies on the gateway."""

    version: int
    sha256: str
    trial: bool


def from_fields(fields: dict[str, Any] | None) -> ConfigReport | None:
    """None where it is missing, or of a gateway that takes no sealed configuration."""
    found = fields or {}
    number, digest = version(found.get("version")), found.get("sha256")
    if number is None or type(digest) is not str:
        return None
    return ConfigReport(number, digest, found.get("trial") is True)


def version(text: Any) -> int | None:
    """From its 16 hex digits."""
    if type(text) is not str or not re.fullmatch("[0-9a-f]{16}", text) or int(text, 16) > HIGHEST_VERSION:
        return None
    return int(text, 16)


def version_text(number: int) -> str:
    """As people read it."""
    return f"version {at(number // 1_000_000)}" if number else "the file on the gateway"
