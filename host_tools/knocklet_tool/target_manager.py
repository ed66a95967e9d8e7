"""How the system's own packages come and go on a target."""

from typing import NamedTuple


class Manager(NamedTuple):
    """Commands; a name comes behind them. `remove`: not with what others need by now."""

    install: str
    remove: str


_MANAGERS = {   # by the program that is there
    "opkg": Manager("opkg install", "opkg remove"),
    "apk": Manager("apk add", "apk del"),
    "apt-get": Manager("DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends", "/usr/bin/dpkg --purge"),
}


def package_manager(there: list[str]) -> Manager | None:
    """The one that fetches packages."""
    return next((manager for name, manager in _MANAGERS.items() if name in there), None)
