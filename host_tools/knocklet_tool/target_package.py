"""Knocklet's package for a target: built here, compared with what is there, put and installed there."""

from dataclasses import dataclass, field
from hashlib import sha256

from . import package_build
from .board_folder import Board
from .board_model import Format
from .channel import LONG_S, PRIVATE, Channel
from .errors import RefusedError

# The line may be lost meanwhile: what has begun is brought to its end.
_INSTALL = """\
trap '' HUP
{{ {command}; }} >{said} 2>&1 </dev/null
code=$?
{afterwards}
tail -n 20 {said}
rm -f {said} {file}
rmdir {folder} 2>/dev/null
exit $code
"""


@dataclass(frozen=True)
class TargetPackage:
    """`files`: sha256 by path, of those that an upgrade replaces. `paths`: of all that it puts there, links too."""

    format: Format
    name: str
    version: str
    data: bytes = field(repr=False)
    files: dict[str, str] = field(repr=False)
    unpacked_kb: int
    paths: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """While it is installed there."""
        return f"{PRIVATE}/{self.name}"

    @property
    def sums(self) -> bytes:
        """As sha256sum -c takes them."""
        return "".join(f"{digest}  {path}\n" for path, digest in self.files.items()).encode()


def make(board: Board, format_name: str) -> TargetPackage:
    """Raises InputError."""
    made = package_build.build(board, format_name)
    there = {f"/{entry.path}": entry.data for entry in made.package.files if entry.data is not None}
    size = sum(len(each) for each in there.values())
    files = {path: sha256(each).hexdigest() for path, each in there.items() if path not in made.package.config_files}
    format_ = board.model.package.formats[format_name]
    paths = [f"/{entry.path}" for entry in made.package.files if not entry.is_folder]
    return TargetPackage(format_, made.name, made.package.version, made.data, files, size // 1024 + 1, paths)


def is_there(channel: Channel, package: TargetPackage) -> bool:
    """Is every file of it there, as it is in the package?"""
    return channel.run("sha256sum -c >/dev/null 2>&1", package.sums).code == 0


def install(channel: Channel, package: TargetPackage, there: str, afterwards: str = "") -> None:
    """there: the version that is there, "" for none. afterwards: a command, when all that is over, whatever became of it.
    Raises NetworkError, RefusedError, also where files of it are not there then, whatever the package manager says.
    """
    format_ = package.format
    again = format_.reinstall if there == package.version else None
    command = (again or format_.install).format(file=package.path)
    channel.put(package.path, package.data, 0o600)
    told = " ".join(command.split())
    channel.must(told, _INSTALL.format(
        command=command, said=f"{PRIVATE}/said", file=package.path, afterwards=afterwards, folder=PRIVATE
    ), limit_s=LONG_S)   # fmt: skip
    if not is_there(channel, package):
        what = f"it says that all is well, but not every file of {package.name} is there"
        raise RefusedError(f"{channel.where}: {told}: {what}")
