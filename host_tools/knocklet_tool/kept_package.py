"""The package that this computer installed last on a gateway, kept: `upgrade` goes back to it."""

import json
from pathlib import Path

from . import places, settings
from .board_model import Format
from .channel import Channel
from .target_package import TargetPackage, is_there

_FACTS, _DATA = "package.json", "package"


def keep(gateway: str, package: TargetPackage) -> None:
    """Raises InputError."""
    folder = _folder(gateway)
    facts = {"name": package.name, "version": package.version, "files": package.files}
    places.write(folder / _DATA, package.data)
    places.write(folder / _FACTS, json.dumps(facts).encode())


def of(gateway: str, format_: Format, channel: Channel) -> TargetPackage | None:
    """None when there is none, or another one is on the gateway. Raises NetworkError."""
    folder = _folder(gateway)
    data, facts = places.read(folder / _DATA), places.read(folder / _FACTS)
    try:
        found = json.loads(facts or b"")
        package = TargetPackage(format_, found["name"], found["version"], data or b"", found["files"], 0)
    except (ValueError, KeyError, TypeError):
        return None
    return package if data and is_there(channel, package) else None


def _folder(gateway: str) -> Path:
    return places.private_directory(places.data_dir() / "packages" / settings.check_name(gateway))
