"""Which gateways' files a command is for."""

from . import store_files, workspace_folder
from .errors import InputError
from .gateway_file import GatewayFile


def file_of(name: str) -> GatewayFile | None:
    """The gateway's file, None for one that has none. Raises InputError."""
    return GatewayFile.load(name) if name in workspace_folder.names() else None


def the_file(name: str | None) -> GatewayFile:
    """The one of this gateway; without a name the only one. Raises InputError."""
    return chosen([] if name is None else [name], False, None)[0]


def chosen(names: list[str], all_: bool, group: str | None) -> list[GatewayFile]:
    """Of these gateways, of all, or of those in a group; where nothing is said, the only one. Raises InputError."""
    if (bool(names) + all_ + (group is not None)) > 1:
        raise InputError("names, --all and --group: one of them")
    files = store_files.read()
    there = workspace_folder.names()
    if names:
        return [GatewayFile.load(name, files) for name in dict.fromkeys(names)]
    if all_ or group is not None or len(there) == 1:
        found = [GatewayFile.load(name, files) for name in there]
        found = [file for file in found if group is None or group in file.groups]
        if not found:
            raise InputError(f"no gateway is in group {group!r}" if group else _none())
        return found
    raise InputError(f"which gateway? in the workspace: {', '.join(there)}" if there else _none())


def _none() -> str:
    folder = workspace_folder.find()
    if folder is None:
        return "there is no workspace yet; knocklet init FOLDER makes one"
    return f"{folder}: no gateway's file in it; knocklet init --gateway NAME --host HOST makes one"
