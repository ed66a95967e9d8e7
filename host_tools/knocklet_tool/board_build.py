"""`knocklet board build`: writes the packages of a board, the same byte for byte whoever builds them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from . import board_folder, package_build, places, signing_key
from .board_folder import Board
from .board_name import BoardName
from .errors import InputError
from .options import Json
from .output import Line, Output
from .package_build import Built
from .package_tree import FIRMWARE

_Format = Annotated[
    list[str] | None, typer.Option("--format", metavar="FORMAT", help="ipk, apk or deb; all that it has if not given.")
]
_Into = Annotated[
    Path | None, typer.Option("--output", metavar="DIR", help="Where to write; build/packages/BOARD if not given.")
]
_Source = Annotated[bool, typer.Option("--source", metavar=" ", help="The firmware as text, for any MicroPython.")]
_Key = Annotated[str | None, typer.Option(metavar="EC.pem", help="Sign the .apk with this key, - for standard input.")]


@dataclass
class BuildReport:
    board: Board
    built: dict[Path, Built]
    public_key: Path | None

    def as_lines(self) -> list[Line]:
        return [line for path, built in self.built.items() for line in self._lines(path, built)]

    def _lines(self, path: Path, built: Built) -> list[Line]:
        how = self.board.model.package.formats[built.package.format_]
        lines: list[Line] = [(f"{path}  {len(built.data) / 1024:.1f} kB, for {self.board.model.title}", "")]
        lines += [(f"  {count:4}  {place}", "") for place, count in _places(built).items()]
        lines.append((f"  needs {', '.join(built.package.depends) or 'nothing'}", ""))
        lines.append((f"  on the target: {how.prepare}; {how.install.format(file='./' + path.name)}", ""))
        if self.public_key and built.package.format_ == "apk":
            lines.append((f"  signed: with {self.public_key.name} in /etc/apk/keys/ it needs no --allow-untrusted", ""))
        return lines

    def as_json(self) -> dict[str, Any]:
        packages = [
            {
                "file": str(path), "format": built.package.format_, "bytes": len(built.data), "version": built.package.version,
                "depends": built.package.depends, "files": ["/" + each.path for each in built.package.files],
            }
            for path, built in self.built.items()
        ]  # fmt: skip
        return {"board": self.board.name, "packages": packages, "public_key": self.public_key and str(self.public_key)}


def _places(built: Built) -> dict[str, int]:
    """How many files are where: each by itself, but for the firmware's."""
    paths = [each.path for each in built.package.files]
    found = Counter(f"/{FIRMWARE if path.startswith(FIRMWARE) else path}" for path in paths)
    return dict(sorted(found.items()))


def build(
    name: BoardName,
    formats: _Format = None,
    output: _Into = None,
    source: _Source = False,
    key: _Key = None,
    json: Json = False,
) -> None:
    """Build a board's packages from this repository, after `make build`.

    knocklet board build openwrt --format apk --key packages.pem
    """
    board = board_folder.load(name)
    wanted = list(dict.fromkeys(formats or board.model.package.formats))
    if key is not None and "apk" not in wanted:
        raise InputError(f"--key: it signs an .apk; to be built: {', '.join(wanted)}")
    signs = None if key is None else signing_key.read(key)
    folder = output or board_folder.ROOT / "build" / "packages" / board.name
    found = {folder / made.name: made for made in (package_build.build(board, each, source, signs) for each in wanted)}
    _write(folder, {path: made.data for path, made in found.items()})
    public = folder / "knocklet.pem" if signs else None
    if signs and public:
        _write(folder, {public: signing_key.public(signs)})
    Output(json).result(BuildReport(board, found, public))


def _write(folder: Path, files: dict[Path, bytes]) -> None:
    """Raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output {folder}: {error.strerror}; allowed: a folder that can be written") from error
    for path, data in files.items():
        places.write(path, data, 0o644)
