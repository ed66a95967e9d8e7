"""What a package puts on the target: the firmware, the files of the board, and every folder on the way there.

Nothing of it depends on the machine: what its owner may execute is 0755, other files are 0644, whatever the clone's umask was.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from knocklet import VERSION

from . import board_folder
from .board_folder import Board
from .errors import InputError
from .package_source import bare

FIRMWARE = "usr/lib/knocklet"
_LINK = "usr/bin/knockletctl", "../lib/knocklet/start.sh"
_START = "start.sh"
_LAUNCHERS = "knocklet_engine.py", "knocklet_agent.py", "knockletctl.py"


@dataclass(frozen=True)
class Entry:
    """path: without the slash in front. data: None for a folder, and for a link, which has a target."""

    path: str
    mode: int
    data: bytes | None = None
    target: str = ""

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_folder(self) -> bool:
        return self.data is None and not self.target


def collect(board: Board, source: bool) -> list[Entry]:
    """Files and links; source: the firmware as text. Raises InputError."""
    return [*firmware(source), *board_files(board), Entry(_LINK[0], 0o777, target=_LINK[1])]


def firmware(source: bool) -> list[Entry]:
    """Raises InputError where it is not there, not whole, or of another version than the package says."""
    folder = board_folder.ROOT / ("firmware" if source else "build/firmware")
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".mpy", ".sh") and path.is_file())
    there = [path.relative_to(folder).as_posix() for path in paths]
    package = f"knocklet/__init__.{'py' if source else 'mpy'}"
    if missing := [name for name in (_START, *_LAUNCHERS, package) if name not in there]:
        raise InputError(f"{folder}: {missing[0]} is not there; {'it is in every clone' if source else 'make build makes it'}")
    contents = [path.read_bytes() for path in paths]
    if VERSION.encode() not in contents[there.index(package)]:
        raise InputError(f"{folder}: not of version {VERSION}; make build makes that")
    modes = [0o755 if name == _START else 0o644 for name in there]
    if source:
        contents = [bare(data.decode()).encode() if name.endswith(".py") else data for name, data in zip(there, contents)]
    return [Entry(f"{FIRMWARE}/{name}", mode, data) for name, mode, data in zip(there, modes, contents)]


def read_folder(folder: Path) -> list[Entry]:
    """The files and links in it, as they lie there. Raises InputError."""
    found = []
    for path in sorted(folder.rglob("*")):
        name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
        if not all("!" <= letter <= "~" for letter in name):
            raise InputError(f"{str(path)!r}: a name in a package; allowed: ASCII without spaces")
        if stat.S_ISLNK(mode):
            found.append(Entry(name, 0o777, target=os.readlink(path)))
        elif stat.S_ISREG(mode):
            found.append(Entry(name, 0o755 if mode & stat.S_IXUSR else 0o644, path.read_bytes()))
        elif not stat.S_ISDIR(mode):
            raise InputError(f"{path}: neither a file nor a link; allowed: these")
    return found


def board_files(board: Board) -> list[Entry]:
    """Those that are for root alone are 0600. Raises InputError for what board.toml names and is not there."""
    entries = read_folder(board.files)
    files = {"/" + entry.path for entry in entries if entry.data is not None}
    for key in ("private", "config_files"):
        for path in getattr(board.model.package, key):
            if not path.endswith("/") and path not in files:
                raise InputError(f"{board.folder / 'board.toml'}: {key}: {path} is not in {board.files}")
    private = set(board.model.package.private)
    return [Entry(each.path, 0o600, each.data) if "/" + each.path in private else each for each in entries]


def with_folders(entries: list[Entry], private: list[str]) -> list[Entry]:
    """Sorted, with all folders: 0755, and these ones 0700. Raises InputError for a path that is there twice."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.path in found:
            raise InputError(f"/{entry.path}: the package has it already; allowed: once")
        found[entry.path] = entry
    parents = [parent.as_posix() for path in (*found, *private) for parent in PurePosixPath(path).parents]
    for path in (*parents, *private):
        if path != ".":
            folder = found.setdefault(path, Entry(path, 0o700 if path in private else 0o755))
            if not folder.is_folder:
                raise InputError(f"/{path}: a file and a folder; allowed: one of them")
    return sorted(found.values(), key=lambda entry: entry.path.encode())
