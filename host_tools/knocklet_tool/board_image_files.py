"""`knocklet board image-files`: for an image that is a working gateway from its first boot on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from . import board_folder, image_files, package_version, target_files
from .board_folder import Board
from .board_name import BoardName
from .options import FileName, Json
from .output import Line, Output
from .package_tree import Entry

_Into = Annotated[Path, typer.Option("--output", metavar="DIR", help="Where to write; other files there stay.")]


@dataclass
class ImageReport:
    board: Board
    gateway: str
    folder: Path
    written: list[Entry]

    @property
    def _command(self) -> str:
        return image_files.image_of(self.board).build.format(folder=self.folder)

    @property
    def _reports(self) -> bool:
        """Has it a broker to report to?"""
        name = target_files.AGENT.rpartition("/")[2]
        return any(entry.path.endswith(name) for entry in self.written)

    def as_lines(self) -> list[Line]:
        packages = " or ".join(package_version.file_name(each) for each in self.board.model.package.formats)
        lines = [f"{entry.mode:04o}  {self.folder / entry.path}" for entry in self.written]
        if not self._reports:
            lines.append(f"Nothing of a broker: knocklet broker setup has not made {self.gateway} a user here.")
        lines += [
            f"Into the image builder's packages/: {packages}, of knocklet board build {self.board.name}",
            f"then: {self._command}",
            f"The image holds {self.gateway}'s secrets, as this folder does: whoever has it can open every door.",
        ]
        return [(line, "") for line in lines]

    def as_json(self) -> dict[str, Any]:
        files = [str(self.folder / entry.path) for entry in self.written]
        return {"board": self.board.name, "gateway": self.gateway, "files": files, "build": self._command}


def image_files_(board: BoardName, gateway: FileName, output: _Into = Path("files"), json: Json = False) -> None:
    """Write what an image for one gateway holds besides the package: its configuration, key and broker, and that it starts.

    knocklet board image-files openwrt home --output files
    """
    found = board_folder.load(board)
    Output(json).result(ImageReport(found, gateway, output, image_files.write(found, gateway, output)))
