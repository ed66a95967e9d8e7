"""Which of the boards a target is, and by which of its package managers it takes packages."""

from . import board_folder
from .board_folder import Board
from .errors import RefusedError
from .target_facts import Facts


def candidates(name: str | None) -> list[Board]:
    """The one of this name; without a name all. Raises InputError."""
    return [board_folder.load(name)] if name else board_folder.all_()


def chosen(where: str, facts: Facts, boards: list[Board]) -> Board:
    """The first that the target says it is. Raises RefusedError."""
    for board in boards:
        if board.name in facts.boards:
            return board
    told = facts.release or "a system without a name"
    names = ", ".join(board.name for board in boards)
    raise RefusedError(f"{where}: {told} is none of the boards {names}; --board NAME says which one to take it for")


def format_of(where: str, facts: Facts, board: Board) -> str:
    """Of its package. Raises RefusedError."""
    for name, each in board.model.package.formats.items():
        if each.manager in facts.managers:
            return name
    wanted = ", ".join(each.manager for each in board.model.package.formats.values())
    found = ", ".join(facts.managers) or "none"
    raise RefusedError(f"{where}: package managers: found {found}; allowed on {board.model.title}: {wanted}")
