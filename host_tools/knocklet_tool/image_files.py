"""What goes into an image for one gateway besides the package: its secrets, settings that start it, and what the board adds."""

from pathlib import Path

from . import board_folder, package_tree, places, target_files
from .board_folder import Board
from .board_model import Image
from .errors import InputError
from .package_tree import Entry


def collect(board: Board, gateway: str) -> list[Entry]:
    """Sorted, with all folders. Raises InputError."""
    image = image_of(board)
    found = [Entry(_place(image, path), mode, data) for path, (mode, data) in target_files.collect(gateway).items()]
    private = _place(image, target_files.KEY).rpartition("/")[0]
    return package_tree.with_folders([*found, _settings(board, image), *package_tree.read_folder(board.image_files)], [private])


def write(board: Board, gateway: str, folder: Path) -> list[Entry]:
    """Into a folder that may hold other files of the owner's; returns what was written there. Raises InputError."""
    entries = collect(board, gateway)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in target_files.ALL:   # of another gateway, from before
            (folder / _place(image_of(board), path)).unlink(missing_ok=True)
        for entry in entries:
            path = folder / entry.path
            if entry.is_folder:
                path.mkdir(exist_ok=True)
                if entry.mode == 0o700:
                    path.chmod(entry.mode)
            elif entry.data is not None:
                places.write(path, entry.data, entry.mode)
    except OSError as error:
        where = error.filename or folder
        raise InputError(f"{where}: {error.strerror}; allowed: a folder that can be written") from error
    return [entry for entry in entries if not entry.is_folder]


def image_of(board: Board) -> Image:
    """Raises InputError."""
    if board.model.image is None:
        there = ", ".join(each.name for each in board_folder.all_() if each.model.image) or "none is there"
        raise InputError(f"board {board.name}: its images take no files of one's own; allowed: {there}")
    return board.model.image


def _place(image: Image, path: str) -> str:
    return image.secrets.format(name=path.rpartition("/")[2]).strip("/")


def _settings(board: Board, image: Image) -> Entry:
    """The package's, with the engine enabled."""
    path = board.model.paths.settings
    old, new = (text.encode() for text in image.enable)
    for entry in package_tree.board_files(board):
        if f"/{entry.path}" == path and entry.data is not None and entry.data.count(old) == 1:
            return Entry(entry.path, entry.mode, entry.data.replace(old, new))
    where = board.folder / "board.toml"
    raise InputError(f"{where}: image.enable: {image.enable[0]!r} is not once in {path or 'paths.settings'}")
