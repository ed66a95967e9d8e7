"""From a board to its packages: collect what goes in, pack it in each format."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from . import package_apk, package_deb, package_ipk, package_tree, package_version
from .board_folder import Board
from .errors import InputError
from .package import Package

SigningKey = EllipticCurvePrivateKey
_PACK: dict[str, Callable[[Package], bytes]] = {"ipk": package_ipk.pack, "deb": package_deb.pack}


@dataclass(frozen=True)
class Built:
    """data: the file."""

    package: Package
    name: str
    data: bytes


def build(board: Board, format_: str, source: bool = False, key: SigningKey | None = None) -> Built:
    """source: the firmware as text. key: what signs an .apk. Raises InputError."""
    asked = board.model.package
    if format_ not in asked.formats:
        raise InputError(f"board {board.name}: no package of format {format_[:20]!r}; allowed: {', '.join(asked.formats)}")
    private_folders = [path.strip("/") for path in asked.private if path.endswith("/")]
    package = Package(
        format_,
        package_tree.collect(board, source),
        private_folders,
        asked.formats[format_].depends,
        asked.config_files,
        board.scripts(),
        package_version.date_s(),
    )
    data = package_apk.pack(package, key) if format_ == "apk" else _PACK[format_](package)
    return Built(package, package_version.file_name(format_), data)
