"""An .ipk, as OpenWrt up to 24.10 takes it: a packed tar of debian-binary, data.tar.gz and control.tar.gz."""

from . import dependency
from .package import Package
from .package_openwrt import USERS, ipk_scripts
from .package_tar import gzip, tar
from .package_tree import Entry
from .package_version import DESCRIPTION, LICENSE, MAINTAINER, NAME


def pack(package: Package) -> bytes:
    """Raises InputError."""
    data = tar(package.tree([]), package.date_s)
    control = [Entry("control", 0o644, _control(package, len(data)))]
    control += [Entry(name, 0o755, script) for name, script in ipk_scripts(package.scripts).items()]
    if package.config_files:
        control.append(Entry("conffiles", 0o644, "".join(f"{path}\n" for path in package.config_files).encode()))
    members = [
        Entry("debian-binary", 0o644, b"2.0\n"),
        Entry("data.tar.gz", 0o644, gzip(data)),
        Entry("control.tar.gz", 0o644, gzip(tar(sorted(control, key=lambda entry: entry.path), package.date_s))),
    ]
    return gzip(tar(members, package.date_s, root=False))


def _control(package: Package, size: int) -> bytes:
    fields = {
        "Package": NAME,
        "Version": package.version,
        "Depends": ", ".join(_needs(text) for text in package.depends),
        "SourceName": NAME,
        "License": LICENSE,
        "Section": "net",
        "Require-User": USERS,
        "SourceDateEpoch": str(package.date_s),
        "Maintainer": MAINTAINER,
        "Architecture": "all",
        "Installed-Size": str(size),
        "Description": DESCRIPTION,
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value).encode()


def _needs(text: str) -> str:
    dependency.one(text, "ipk")
    return text
