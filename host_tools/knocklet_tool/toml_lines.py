"""TOML text to plain values, and where in the text each of them is."""

import re
import tomllib
from typing import Any

import tomlkit
from tomlkit.items import AoT, Table

from .errors import InputError

Path = tuple[str | int, ...]   # keys, and places in lists, from the top

_MARK = "line-that-is-looked-for-7c2e1f"   # in no file that a person writes
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
    """The line that the value begins in, or that names its table; of what is not there, the line of what it would be in.

    A mark is put in its place, and looked for in what the document becomes: exact for all that TOML can be written as.
    """
    for length in range(len(path), 0, -1):
        try:
            return _line(text, path[:length])
        except (LookupError, TypeError):
            pass
    return 1


def _line(text: str, path: Path) -> int:
    document = tomlkit.parse(text)
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    value = holder[path[-1]]
    if isinstance(value, AoT):
        value[0].comment(_MARK)
    elif isinstance(value, Table):
        value.comment(_MARK)
    elif isinstance(value, dict) and not hasattr(value, "trivia"):   # a table in several places
        return min(_line(text, (*path, key)) for key in value)
    else:
        holder[path[-1]] = _MARK
    before, mark, _ = document.as_string().partition(_MARK)
    if mark:
        return before.count("\n") + 1
    return min(_line(text, (*path, key)) for key in value)   # only its parts are written
