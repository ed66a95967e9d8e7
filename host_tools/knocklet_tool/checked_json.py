"""JSON that a person or another computer gives: its values are taken out one by one, each checked.

What is wrong is one line: where, what was found, what is allowed. Of a secret nothing is quoted.
"""

import json
from collections.abc import Callable
from typing import Any

from knocklet.wire.names import is_name

from .errors import InputError

REQUIRED = object()   # stands for "no default"
_NAMES = "1-32 of a-z, 0-9 and '-', the first a letter"


class Table:
    """One object of it. `where` names the file, `prefix` stands before the keys: "services.ssh."."""

    def __init__(self, values: Any, where: str, prefix: str = "") -> None:
        if type(values) is not dict:
            raise InputError(f"{where}: {prefix.rstrip('.') or 'all of it'}: allowed: an object in braces")
        self._values = values
        self._where = where
        self._prefix = prefix

    def fail(self, key: str, found: Any, allowed: str) -> InputError:
        """What to raise."""
        return self.wrong(key, f"{repr(found)[:60]}; allowed: {allowed}")

    def wrong(self, key: str, why: str) -> InputError:
        """What to raise about something that may be secret."""
        return InputError(f"{self._where}: {self._prefix}{key}: {why}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def _take(self, key: str, default: Any) -> Any:
        found = self._values.get(key, default)
        if found is REQUIRED:
            raise self.wrong(key, "missing")
        return found

    def integer(self, key: str, default: Any, low: int, high: int) -> int:
        found = self._take(key, default)
        if type(found) is not int or not low <= found <= high:
            raise self.fail(key, found, f"{low}-{high}")
        return found

    def choice(self, key: str, default: Any, allowed: tuple[str, ...]) -> str:
        found = self._take(key, default)
        if type(found) is not str or found not in allowed:
            raise self.fail(key, found, ", ".join(allowed))
        return found

    def flag(self, key: str) -> bool:
        """False when it is not there."""
        found = self._take(key, False)
        if type(found) is not bool:
            raise self.fail(key, found, "true, false")
        return found

    def text(self, key: str, default: Any = REQUIRED) -> str:
        found = self._take(key, default)
        if type(found) is not str:
            raise self.fail(key, found, "a text")
        return found

    def name(self, key: str) -> str:
        found = self._take(key, REQUIRED)
        if type(found) is not str or not is_name(found):
            raise self.fail(key, found, _NAMES)
        return found

    def texts(self, key: str, default: Any, allowed: Callable[[str], bool], told: str) -> tuple[str, ...]:
        """A list of one or more, each once."""
        found = self._take(key, default)
        if type(found) is not list or not found or any(type(text) is not str or not allowed(text) for text in found):
            raise self.fail(key, found, f"a list of {told}")
        if len(set(found)) < len(found):
            raise self.fail(key, found, "each once")
        return tuple(found)

    def secret(self, key: str, read: Callable[[str], bytes], allowed: str) -> bytes:
        """`read` raises ValueError for what is not right."""
        found = self._take(key, REQUIRED)
        try:
            return read(found)
        except (TypeError, ValueError):
            pass
        raise self.wrong(key, f"allowed: {allowed}")   # not from the cause: it may quote the secret

    def table(self, key: str, default: Any = REQUIRED) -> "Table":
        return Table(self._take(key, default), self._where, f"{self._prefix}{key}.")

    def tables(self, key: str, limit: int) -> dict[str, "Table"]:
        """An object of objects, by name."""
        found = self._take(key, {})
        if type(found) is not dict or len(found) > limit:
            raise self.wrong(key, f"allowed: an object with at most {limit} entries")
        for name in found:
            if not is_name(name):
                raise self.fail(key, name, _NAMES)
        return {name: Table(values, self._where, f"{self._prefix}{key}.{name}.") for name, values in found.items()}


def read_object(where: str, data: bytes) -> dict[str, Any]:
    """The object that `data` is. Raises InputError."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "no JSON"
        raise InputError(f"{where}: {line}") from None   # the cause has all of it
    if type(values) is not dict:
        raise InputError(f"{where}: allowed: an object in braces")
    return values
