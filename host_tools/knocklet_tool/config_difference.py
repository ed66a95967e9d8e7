"""What differs between two configurations, key by key. Of secrets only that they differ."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .output import Line

ADDED, REMOVED, CHANGED = "+", "-", "~"
_STYLES = {ADDED: "green", REMOVED: "red", CHANGED: "yellow"}
_SECRETS = {"clients": ("key", "hmac_key"), "sequences": ("steps",)}   # by table: whoever knows these can knock
_HIDDEN = "(secret)"
_VALUE = 200   # characters of one in a line
_RIGHTS = ("open", "close", "kinds")   # of a client or sequence: fewer of them
_KEYS = ("key", "fwknop")   # go with the kinds that need them

Config = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """`key`: its path, "services.ssh.ttl". `old`, `new`: as they are shown, None where it is missing."""

    key: str
    old: str | None
    new: str | None

    @property
    def kind(self) -> str:
        return ADDED if self.old is None else REMOVED if self.new is None else CHANGED

    def as_line(self) -> Line:
        if self.kind == CHANGED:
            told = ": changed" if _HIDDEN in (self.old, self.new) else f" = {self.old} -> {self.new}"
        else:
            told = f" = {self.new or self.old}"
        return f"{self.kind} {self.key}{told}", _STYLES[self.kind]


def changes(old: Config, new: Config) -> list[Change]:
    before, after = _leaves(old), _leaves(new)
    return [
        Change(".".join(path), _shown(path, before), _shown(path, after))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def masked(config: Any, path: tuple[str, ...] = ()) -> Any:
    """The configuration, each secret replaced."""
    if _is_secret(path):
        return _HIDDEN
    return {key: masked(value, (*path, key)) for key, value in config.items()} if type(config) is dict else config


def as_lines(config: Config) -> list[Line]:
    leaves = _leaves(config)
    return [(f"{'.'.join(path)} = {_shown(path, leaves)}", "") for path in sorted(leaves)]


def only_takes_away(old: Config, new: Config) -> bool:
    """Does it take sequences, clients or their rights, and change nothing else? That needs no trial, for the gateway neither.
    A service that is taken out is no right less: its port is no longer closed.
    """
    taken = dict.fromkeys(("sequences", "clients", "revoked"))
    return (
        old | taken == new | taken
        and _within(new, old, "sequences", _has_less)
        and _within(new, old, "clients", _has_less)
        and set(old.get("revoked", [])) <= set(new.get("revoked", []))
    )


def _within(new: Config, old: Config, table: str, fits: Callable[[Any, Any], bool]) -> bool:
    before = old.get(table, {})
    return all(name in before and fits(value, before[name]) for name, value in new.get(table, {}).items())


def _has_less(new: Config, old: Config) -> bool:
    """Is it what it was, but for rights that it has no more, and the secrets that go with them?"""
    rights = dict.fromkeys(_RIGHTS)
    left = {key: value for key, value in old.items() if key in new or key not in _KEYS}
    less = all(new.get(key) == old.get(key) or _is_part(new.get(key), old.get(key)) for key in _RIGHTS)
    return less and left | rights == new | rights


def _is_part(new: Any, old: Any) -> bool:
    return type(new) is type(old) is list and set(new) <= set(old)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """By path; an empty table is one, too."""
    if type(value) is not dict or not value and path:
        return {path: value}
    return {inner: leaf for key, each in value.items() for inner, leaf in _leaves(each, (*path, str(key))).items()}


def _shown(path: tuple[str, ...], leaves: dict[tuple[str, ...], Any]) -> str | None:
    if path not in leaves:
        return None
    if _is_secret(path):
        return _HIDDEN
    text = json.dumps(leaves[path])
    return text if len(text) <= _VALUE else text[:_VALUE] + "..."


def _is_secret(path: tuple[str, ...]) -> bool:
    return any(key in _SECRETS.get(path[0], ()) for key in path[2:])
