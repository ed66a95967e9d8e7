"""Which of the boards a target is, and by which of its package managers it takes packages."""

from . import board_folder, target_facts
from .board_folder import Board
from .channel import Channel
from .errors import RefusedError
from .target_facts import Facts


def look(channel: Channel, name: str | None) -> tuple[Facts, Board, str]:
    """What the target is, and the format of packages that it takes; nothing is changed. name: of the board, None to find out.
    Raises InputError, NetworkError, RefusedError.
    """
    boards = [board_folder.load(name)] if name else board_folder.all_()
    facts = target_facts.look(channel, boards, fixed=name is not None)
    if facts.uid:
        found = facts.uid if facts.uid >= 0 else "unknown"
        raise RefusedError(f"{channel.where}: user id {found}; allowed: root, or sudo without a password")
    board = _chosen(channel.where, facts, boards)
    return facts, board, _format_of(channel.where, facts, board)


def _chosen(where: str, facts: Facts, boards: list[Board]) -> Board:
    """The first that the target says it is."""
    for board in boards:
        if board.name in facts.boards:
            return board
    told = facts.release or "a system without a name"
    names = ", ".join(board.name for board in boards)
    raise RefusedError(f"{where}: {told} is none of the boards {names}; --board NAME says which one to take it for")


def _format_of(where: str, facts: Facts, board: Board) -> str:
    for name, each in board.model.package.formats.items():
        if each.manager in facts.managers:
            return name
    wanted = ", ".join(each.manager for each in board.model.package.formats.values())
    found = ", ".join(facts.managers) or "none"
    raise RefusedError(f"{where}: package managers: found {found}; allowed on {board.model.title}: {wanted}")
