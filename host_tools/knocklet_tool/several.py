"""Which gateways a command that only reads is for."""

from .errors import InputError
from .settings import Gateway, Settings


def chosen(stored: Settings, name: str | None, everything: bool, group: str | None) -> list[Gateway]:
    """The one of this name, those of a group, and without either all. Raises InputError."""
    if (name is not None) + everything + (group is not None) > 1:
        raise InputError("NAME, --all and --group: one of them")
    if group is not None:
        from . import workspace  # what reads the files takes long to load

        return [stored.gateway(file.name) for file in workspace.chosen([], False, group)]
    return stored.chosen(name)
