"""What OpenWrt wants of every package, .ipk and .apk: the scripts around a board's own, and files that its tools read.

Its /lib/functions.sh does the work: it makes the user, runs uci-defaults, enables and starts what is in /etc/init.d.
"""

import hashlib

from .package import Package
from .package_tree import Entry
from .package_version import NAME

USERS = f"{NAME}:{NAME}"   # user and group of the agent, numbers as they are free
_LISTS = f"lib/apk/packages/{NAME}"
_SHELL = "#!/bin/sh\n"
_UNLESS_IN_A_BUILD = '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0\n'
_FUNCTIONS = "[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n. ${IPKG_INSTROOT}/lib/functions.sh\n"
_NAMES = f'export root="${{IPKG_INSTROOT}}"\nexport pkgname="{NAME}"\n'


def ipk_scripts(own: dict[str, bytes]) -> dict[str, bytes]:
    """opkg's names; the board's own are called by the first two, but for the last."""
    found = {
        "postinst": f"{_SHELL}{_UNLESS_IN_A_BUILD}{_FUNCTIONS}default_postinst $0 $@\n".encode(),
        "prerm": f"{_SHELL}{_FUNCTIONS}default_prerm $0 $@\n".encode(),
    }
    names = {"after_install": "postinst-pkg", "before_remove": "prerm-pkg", "after_remove": "postrm"}
    return found | {names[name]: data for name, data in own.items()}


def apk_scripts(own: dict[str, bytes]) -> dict[str, bytes]:
    """apk's names; the board's own follow in the same script."""
    install = f"{_UNLESS_IN_A_BUILD}{_FUNCTIONS}{_NAMES}add_group_and_user\ndefault_postinst\n".encode()
    install += _body(own, "after_install")
    remove = f"{_FUNCTIONS}{_NAMES}default_prerm\n".encode() + _body(own, "before_remove")
    shell = _SHELL.encode()
    found = {
        "post-install": shell + install,
        "pre-deinstall": shell + remove,
        "post-upgrade": shell + b"export PKG_UPGRADE=1\n" + install,
    }
    return found | ({"post-deinstall": own["after_remove"]} if "after_remove" in own else {})


def _body(own: dict[str, bytes], name: str) -> bytes:
    return own.get(name, b"").removeprefix(_SHELL.encode())


def apk_lists(package: Package) -> list[Entry]:
    """Which files are the package's, and which of them the owner edits: sysupgrade reads that, to keep what was changed.

    The list of the files has itself not in it, and not what follows: as OpenWrt makes it.
    """
    users = _list("rusers", [USERS])
    names = sorted(f"/{entry.path}" for entry in [*package.files, users])
    found = [users, _list("list", names)]
    if package.config_files:
        hashes = {f"/{entry.path}": hashlib.sha256(entry.data or b"").hexdigest() for entry in package.files}
        found.append(_list("conffiles", package.config_files))
        found.append(_list("conffiles_static", [f"{path} {hashes[path]}" for path in package.config_files]))
    return found


def _list(name: str, lines: list[str]) -> Entry:
    return Entry(f"{_LISTS}.{name}", 0o644, "".join(f"{line}\n" for line in lines).encode())
