"""The boards that there are, and what lies in the folder of each. They are in the repository that the tool runs from."""

from dataclasses import dataclass
from pathlib import Path

from . import board_model
from .board_model import BoardModel
from .errors import InputError

ROOT = Path(__file__).resolve().parents[2]
_SCRIPTS = "after_install", "before_remove", "after_remove"


@dataclass(frozen=True)
class Board:
    name: str
    folder: Path
    model: BoardModel

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def image_files(self) -> Path:
        return self.folder / "image"

    def scripts(self) -> dict[str, bytes]:
        """By name, those that there are. Raises InputError."""
        folder = self.folder / "scripts"
        found = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in _SCRIPTS:
                raise InputError(f"{path}: no such script; allowed: {', '.join(_SCRIPTS)}")
            found[path.name] = path.read_bytes()
            if not found[path.name].startswith(b"#!/bin/sh\n"):
                raise InputError(f"{path}: its first line; allowed: #!/bin/sh, what every board has")
        return found


def names() -> list[str]:
    """Raises InputError where the tool is without its repository."""
    boards = ROOT / "boards"
    if not boards.is_dir():
        raise InputError(f"no boards here: {boards} is not there; allowed: knocklet in a clone of its repository")
    return sorted(path.parent.name for path in boards.glob("*/board.toml"))


def load(name: str) -> Board:
    """Raises InputError."""
    there = names()
    if name not in there:
        raise InputError(f"board {name[:60]!r}; allowed: {', '.join(there) or 'none is there'}")
    folder = ROOT / "boards" / name
    path = folder / "board.toml"
    return Board(name, folder, board_model.read(path.read_bytes(), str(path)))


def all_() -> list[Board]:
    """Raises InputError."""
    return [load(name) for name in names()]
