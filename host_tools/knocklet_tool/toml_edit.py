"""Changes of a TOML text that leave all else in it as a person wrote it: comments, order, empty lines.

Values are changed in tomlkit's document. What is new or goes is put in and taken out as lines: the document does not know
that the comment over a table belongs to it, and not to the end of the one before.
"""

import re
import tomllib
from typing import Any

import tomlkit
from tomlkit.items import InlineTable

_HEADER = re.compile(r"\s*\[[^\[]")
_ASIDE = re.compile(r"\s*(#.*)?$")   # a comment or nothing


class TomlEdit:
    """`document`: tomlkit's, to change values in; to be asked for again after a table was added or removed."""

    def __init__(self, text: str) -> None:
        self.document = tomlkit.parse(text)

    @property
    def text(self) -> str:
        return self.document.as_string()

    def add_value(self, key: str, value: Any) -> None:
        """A key at the top that was not there, after the last one there."""
        lines = self.text.splitlines(keepends=True)
        at = min(_headers(lines), default=len(lines))
        while at and _ASIDE.match(lines[at - 1]):
            at -= 1
        before = "" if not at or lines[at - 1].endswith("\n") else "\n"
        self._set([*lines[:at], f"{before}{key} = {tomlkit.item(value).as_string()}\n", *lines[at:]])

    def add_table(self, group: str, name: str, fields: dict[str, Any]) -> None:
        """[group.name], after the last table of the group; at the end where there is none."""
        if isinstance(self.document.get(group), InlineTable):
            self.document[group][name] = tomlkit.inline_table() | fields
            return
        table = tomlkit.document()
        table.update(fields)
        lines = self.text.splitlines(keepends=True)
        headers = _headers(lines)
        of_group = [number for number, path in headers.items() if path[0] == group]
        at = _end(lines, headers, of_group[-1]) if of_group else len(lines)
        before = "" if not lines or lines[at - 1].endswith("\n") else "\n"
        self._set([*lines[:at], f"{before}\n[{group}.{name}]\n{table.as_string()}", *lines[at:]])

    def remove_table(self, group: str, name: str) -> None:
        """Without [group.name]. Comments over it and, after an empty line, under it stay: they may be on more than this."""
        lines = self.text.splitlines(keepends=True)
        headers = _headers(lines)
        start = next((number for number, path in headers.items() if path == (group, name)), None)
        if start is None:   # written as a value, or with dots
            del self.document[group][name]
            return
        end = _end(lines, headers, start)
        while start and not lines[start - 1].strip() and (end == len(lines) or not lines[end].strip()):
            start -= 1   # else two empty lines would follow each other
        self._set([*lines[:start], *lines[end:]])

    def _set(self, lines: list[str]) -> None:
        self.document = tomlkit.parse("".join(lines))


def _headers(lines: list[str]) -> dict[int, tuple[str, ...]]:
    """The lines that begin a table, and its path; what only looks so lies within a value: what is before it is no TOML."""
    found: dict[int, tuple[str, ...]] = {}
    last = 0
    for number, line in enumerate(lines):
        if _HEADER.match(line) and _is_toml("".join(lines[last:number])):
            values, path = tomllib.loads(line), []
            while values:
                key, values = next(iter(values.items()))
                path.append(key)
            found[number] = tuple(path)
            last = number
    return found


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
        return True
    except tomllib.TOMLDecodeError:
        return False


def _end(lines: list[str], headers: dict[int, Any], start: int) -> int:
    """The line after the last one of the table that begins at `start`; with the comments that follow without an empty line,
    unless these stand over the next table."""
    following = next((number for number in sorted(headers) if number > start), len(lines))
    end = following
    while _ASIDE.match(lines[end - 1]):
        end -= 1
    own = end
    while own < following and lines[own].strip():
        own += 1
    return own if own < following or following == len(lines) else end
