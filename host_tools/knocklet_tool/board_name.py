"""The argument BOARD. By itself, so that commands that know of no board load nothing of them."""

from typing import Annotated

import typer

from . import board_folder
from .errors import ToolError


def complete_board(incomplete: str) -> list[str]:
    try:
        return [name for name in board_folder.names() if name.startswith(incomplete)]
    except ToolError:
        return []


BoardName = Annotated[
    str, typer.Argument(metavar="BOARD", help="As `knocklet board list` tells.", autocompletion=complete_board)
]
