"""`knocklet board`: which boards a gateway may be, and packages for them."""

from dataclasses import dataclass
from typing import Any

import typer

from . import board_build, board_folder, board_image_files
from .board_folder import Board
from .options import Json
from .output import Line, Output

app = typer.Typer(help="Which boards a gateway may be, and packages for them.")
app.command()(board_build.build)
app.command("image-files")(board_image_files.image_files_)


@dataclass
class BoardList:
    boards: list[Board]

    def as_lines(self) -> list[Line]:
        width = max((len(board.name) for board in self.boards), default=0)
        return [(f"{board.name:{width}}  {board.model.title}: {', '.join(_formats(board))}", "") for board in self.boards]

    def as_json(self) -> dict[str, Any]:
        return {"boards": [{"name": each.name, "title": each.model.title, "formats": _formats(each)} for each in self.boards]}


def _formats(board: Board) -> list[str]:
    return list(board.model.package.formats)


@app.command("list")
def list_(json: Json = False) -> None:
    """The boards that there are, and their packages' formats."""
    Output(json).result(BoardList(board_folder.all_()))
