"""The folder with one TOML file for each gateway: which it is, and what is in it."""

import os
from pathlib import Path

from knocklet.wire.names import is_name

from . import settings
from .errors import InputError

VARIABLE = "KNOCKLET_WORKSPACE"


def find() -> Path | None:
    """The one that the environment names, or `knocklet init` has made; None without any. Raises InputError."""
    name = os.environ.get(VARIABLE) or settings.workspace()
    if not name:
        return None
    folder = Path(name).absolute()
    if not folder.is_dir():
        raise InputError(f"{folder}: the workspace is not there; knocklet init FOLDER or {VARIABLE} tells where it is")
    return folder


def names() -> list[str]:
    """The gateways that have a file. Raises InputError."""
    folder = find()
    return sorted(path.stem for path in folder.glob("*.toml") if is_name(path.stem)) if folder else []


def path_of(name: str) -> Path:
    """The gateway's file. Raises InputError where there is none."""
    folder = find()
    if folder is None:
        raise InputError("there is no workspace yet; knocklet init FOLDER makes one")
    there = names()
    if name not in there:
        known = ", ".join(there) or "none yet"
        raise InputError(f"{folder}: no file of gateway {name[:60]!r}; there: {known}; knocklet init --gateway NAME makes one")
    return folder / f"{name}.toml"
