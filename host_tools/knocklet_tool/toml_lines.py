"""TOML text to plain values, and where in the text each of them is."""

import re
import tomllib
from functools import lru_cache
from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.items import AoT, Array, InlineTable, Item, Table

from .errors import InputError

Path = tuple[str | int, ...]   # keys, and places in lists, from the top

_MARK = "line-that-is-looked-for-7c2e1f-"   # in no file that a person writes
_MARKED = re.compile(_MARK + r"(\d+);")
_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def parse(data: bytes, where: str) -> dict[str, Any]:
    """The values. Raises InputError with the line; the standard library's reader knows it for every mistake."""
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line, why = data[: error.start].count(b"\n") + 1, f"byte 0x{data[error.start]:02x}: allowed: UTF-8"
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        line = int(found[1]) if found and found[1] else data.rstrip().count(b"\n") + 1
        why = f"not TOML: {_AT.sub('', str(error))}"
    except RecursionError:
        line, why = 1, "nested too deep"
    raise InputError(f"{where}:{line}: {why}")


def line_of(text: str, path: Path) -> int:
    """The line that the value begins in, or that names its table; of what is not there, the line of what it would be in."""
    lines = _lines(text)
    for length in range(len(path), 0, -1):
        place = path[:length]
        if place in lines:
            return lines[place]
        if within := [line for each, line in lines.items() if each[:length] == place]:   # only its parts are written
            return min(within)
        try:
            return _line_of_element(text, place)
        except (LookupError, TypeError):
            pass
    return 1


@lru_cache(4)
def _lines(text: str) -> dict[Path, int]:
    """Of all but elements of lists: a mark is put in front of each, and looked for in what the document becomes."""
    document = tomlkit.parse(text)
    paths: list[Path] = []
    _mark(document, (), paths)
    found: dict[Path, int] = {}
    for number, line in enumerate(document.as_string().split("\n"), 1):
        for mark in _MARKED.findall(line):
            found.setdefault(paths[int(mark)], number)
    return found


def _mark(container: Container, path: Path, paths: list[Path]) -> None:
    for key, item in container.body:
        if key is None:   # a comment, an empty line
            continue
        tables = list(enumerate(item.body)) if isinstance(item, AoT) else []
        for place, each in [((*path, key.key), item)] + [((*path, key.key, number), table) for number, table in tables]:
            each.trivia.indent = f"{_MARK}{len(paths)};{each.trivia.indent}"
            paths.append(place)
            if isinstance(each, (Table, InlineTable)):
                _mark(each.value, place, paths)


def _line_of_element(text: str, path: Path) -> int:
    document = tomlkit.parse(text)
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    if not isinstance(holder, Array) or not isinstance(holder[path[-1]], Item):
        raise TypeError(path)
    holder[path[-1]] = _MARK
    return document.as_string().partition(_MARK)[0].count("\n") + 1
