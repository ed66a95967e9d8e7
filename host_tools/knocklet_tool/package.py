"""A package before it is packed: what all formats have in common."""

from dataclasses import dataclass

from . import package_version
from .package_tree import Entry, with_folders


@dataclass(frozen=True)
class Package:
    """files: links too. private_folders: without slashes around. scripts: of the board, by name. date_s: of each file."""

    format_: str
    files: list[Entry]
    private_folders: list[str]
    depends: list[str]
    config_files: list[str]
    scripts: dict[str, bytes]
    date_s: int

    @property
    def version(self) -> str:
        return package_version.version(self.format_)

    def tree(self, more: list[Entry]) -> list[Entry]:
        """The files, these ones, and all folders, sorted. Raises InputError."""
        return with_folders(self.files + more, self.private_folders)
