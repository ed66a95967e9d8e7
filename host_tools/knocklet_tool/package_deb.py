"""A .deb, deb(5): ar of debian-binary, control.tar.gz and data.tar.gz, in this order."""

import hashlib

from . import board_folder
from .package import Package
from .package_tar import gzip, tar
from .package_tree import Entry
from .package_version import DESCRIPTION, MAINTAINER, NAME, SUMMARY

_MAGIC = b"!<arch>\n"
_SCRIPTS = {"after_install": "postinst", "before_remove": "prerm", "after_remove": "postrm"}
_COPYRIGHT = f"usr/share/doc/{NAME}/copyright"


def pack(package: Package) -> bytes:
    entries = package.tree([Entry(_COPYRIGHT, 0o644, (board_folder.ROOT / "LICENSE").read_bytes())])
    control = [
        Entry("control", 0o644, _control(package, entries)),
        Entry("md5sums", 0o644, _md5sums(entries)),
        *(Entry(_SCRIPTS[name], 0o755, data) for name, data in package.scripts.items()),
    ]
    if package.config_files:
        control.append(Entry("conffiles", 0o644, "".join(f"{path}\n" for path in package.config_files).encode()))
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip(tar(sorted(control, key=lambda entry: entry.path), package.date_s, "root")),
        "data.tar.gz": gzip(tar(entries, package.date_s, "root")),
    }
    return _MAGIC + b"".join(_member(name, data, package.date_s) for name, data in members.items())


def _member(name: str, data: bytes, date_s: int) -> bytes:
    """ar(5): name, time, user, group, mode, size in text; what is odd gets one byte more."""
    head = f"{name:<16}{date_s:<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n"
    return head.encode() + data + b"\n" * (len(data) % 2)


def _control(package: Package, entries: list[Entry]) -> bytes:
    """Installed-Size: KiB, files rounded up and one for everything else, as dpkg-gencontrol reckons."""
    size = sum(-(-len(entry.data) // 1024) if entry.data is not None else 1 for entry in entries)
    fields = {
        "Package": NAME,
        "Version": package.version,
        "Section": "net",
        "Priority": "optional",
        "Architecture": "all",
        "Installed-Size": str(size),
        "Maintainer": MAINTAINER,
        "Depends": ", ".join(package.depends),
        "Description": f"{SUMMARY}\n {DESCRIPTION}",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value).encode()


def _md5sums(entries: list[Entry]) -> bytes:
    """What `dpkg --verify` compares; no protection."""
    files = [entry for entry in entries if entry.data is not None]
    return "".join(f"{hashlib.md5(entry.data or b'').hexdigest()}  {entry.path}\n" for entry in files).encode()

