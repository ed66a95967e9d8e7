"""Knocklet's package for a target: built here, compared with what is there, put and installed there."""

from dataclasses import dataclass, field
from hashlib import sha256

from . import package_build
from .board_folder import Board
from .board_model import Format
from .channel import LONG_S, Channel

_FOLDER = "/tmp"


@dataclass(frozen=True)
class TargetPackage:
    """`files`: sha256 by path, of those that an upgrade replaces."""

    format: Format
    name: str
    version: str
    data: bytes = field(repr=False)
    files: dict[str, str] = field(repr=False)
    unpacked_kb: int

    @property
    def path(self) -> str:
        """While it is installed there."""
        return f"{_FOLDER}/{self.name}"


def make(board: Board, format_name: str) -> TargetPackage:
    """Raises InputError."""
    made = package_build.build(board, format_name)
    there = {f"/{entry.path}": entry.data for entry in made.package.files if entry.data is not None}
    size = sum(len(each) for each in there.values())
    files = {path: sha256(each).hexdigest() for path, each in there.items() if path not in made.package.config_files}
    format_ = board.model.package.formats[format_name]
    return TargetPackage(format_, made.name, made.package.version, made.data, files, size // 1024 + 1)


def is_there(channel: Channel, package: TargetPackage) -> bool:
    """Is every file of it there, as it is in the package?"""
    lines = "".join(f"{digest}  {path}\n" for path, digest in package.files.items())
    return channel.run("sha256sum -c >/dev/null 2>&1", lines.encode()).code == 0


def install(channel: Channel, package: TargetPackage) -> None:
    """Raises NetworkError, RefusedError."""
    channel.put(package.path, package.data, 0o600)
    install_file(channel, package.format, package.path)


def install_file(channel: Channel, format_: Format, path: str) -> None:
    command = format_.install.format(file=path)
    channel.must(command, f"{command}; code=$?; rm -f {path}; exit $code", limit_s=LONG_S)
