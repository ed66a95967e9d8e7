"""What a package needs: a name, with a version where one is needed, and for a .deb others that do as well.

    micropython
    micropython (>= 1.23)
    nftables | ipset
"""

import re
from typing import NamedTuple

from .errors import InputError

_ONE = r"[a-z0-9][a-z0-9+.-]+( \((=|>=|<=|>>|<<) [0-9][A-Za-z0-9.+~-]*\))?"
PATTERN = rf"^{_ONE}( \| {_ONE})*$"
_PARTS = re.compile(r"(\S+)(?: \((\S+) (\S+)\))?")


class Dependency(NamedTuple):
    """relation and version may be empty."""

    name: str
    relation: str
    version: str


def one(text: str, format_: str) -> Dependency:
    """Raises InputError for several that do as well: only a .deb may say that."""
    if "|" in text:
        raise InputError(f"depends: {text!r}: a .{format_} needs one of this name; allowed: without |")
    found = _PARTS.fullmatch(text)
    assert found, text   # board_model.py has looked at it
    return Dependency(found[1], found[2] or "", found[3] or "")
