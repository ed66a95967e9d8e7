"""An .apk of apk-tools v3, as OpenWrt takes it from 25.12 on.

    "ADBd", then packed (deflate without a header):
    "ADB." "pckg"        what it is
    block 0              who the package is, its folders and files, and its scripts: apk_values.py
    block 1              the signature, where there is a key
    block 2 ...          what is in each file

A block: u32, its kind in the upper two bits, its length with these four bytes in the others; what is in it; zeros up to a
multiple of eight.
"""

import hashlib
import struct
import zlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from . import dependency
from .apk_values import NULL, Values, place_of
from .dependency import Dependency
from .package import Package
from .package_openwrt import apk_lists, apk_scripts
from .package_tree import Entry
from .package_version import DESCRIPTION, LICENSE, MAINTAINER, NAME

_DATABASE, _SIGNATURE, _DATA = range(3)
_KIND = b"pckg"
_UNIQUE_BYTES, _KEY_BYTES = 20, 16
_SIGNED_WITH = b"\x00\x04"   # version 0, SHA-512
_SYMLINK = b"\x00\xa0"   # S_IFLNK, little-endian
_SCRIPTS = "trigger", "pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade"
_RELATIONS = {"": 0, "=": 0, "<<": 2, "<=": 3, ">>": 4, ">=": 5}   # equal is 1, and left out


def pack(package: Package, key: ec.EllipticCurvePrivateKey | None) -> bytes:
    """key: of the curve P-256, None for a package without a signature. Raises InputError."""
    entries = package.tree(apk_lists(package))
    database = _database(package, entries)
    body = b"ADB." + _KIND + _block(_DATABASE, database)
    if key:
        body += _block(_SIGNATURE, _signature(key, database))
    for folder_number, (_, files) in enumerate(_folders(entries), 1):
        for file_number, file in enumerate(files, 1):
            if file.data:
                body += _block(_DATA, struct.pack("<II", folder_number, file_number) + file.data)
    packer = zlib.compressobj(9, wbits=-15)
    return b"ADBd" + packer.compress(body) + packer.flush()


def _block(kind: int, data: bytes) -> bytes:
    return struct.pack("<I", kind << 30 | 4 + len(data)) + data + bytes(-(4 + len(data)) % 8)


def _folders(entries: list[Entry]) -> list[tuple[Entry, list[Entry]]]:
    """Each folder, the root first, with what is in it but folders; both sorted."""
    folders = [Entry("", 0o755), *(entry for entry in entries if entry.is_folder)]
    inside: dict[str, list[Entry]] = {folder.path: [] for folder in folders}
    for entry in entries:
        if not entry.is_folder:
            inside[entry.parent].append(entry)
    return [(folder, sorted(inside[folder.path], key=lambda entry: entry.name.encode())) for folder in folders]


def _database(package: Package, entries: list[Entry]) -> bytes:
    """With the hash of itself in it, made while there are zeros in its place."""
    values = Values()
    unique = values.blob(bytes(_UNIQUE_BYTES))
    scripts = apk_scripts(package.scripts)
    root = {
        1: values.object_(_info(values, package, entries, unique)),
        2: values.array([_folder(values, package, folder, files) for folder, files in _folders(entries)]),
        3: values.object_({number: values.blob(scripts.get(name, b"")) for number, name in enumerate(_SCRIPTS, 1)}),
    }
    data = values.finish(values.object_(root))
    start = place_of(unique) + 1   # behind its length
    data[start : start + _UNIQUE_BYTES] = hashlib.sha256(data).digest()[:_UNIQUE_BYTES]
    return bytes(data)


def _info(values: Values, package: Package, entries: list[Entry], unique: int) -> dict[int, int]:
    needs = sorted({dependency.one(text, "apk") for text in package.depends})
    relations = [{1: values.text(need.name)} | _relation(values, need) for need in needs]
    return {
        1: values.text(NAME),
        2: values.text(package.version),
        3: unique,
        4: values.text(DESCRIPTION),
        5: values.text("noarch"),
        6: values.text(LICENSE),
        7: values.text(NAME),
        8: values.text(MAINTAINER),
        11: values.number(package.date_s),
        12: values.number(sum(len(entry.data or b"") for entry in entries)),
        15: values.array([values.object_(relation) for relation in relations]),
    }


def _relation(values: Values, need: Dependency) -> dict[int, int]:
    match = _RELATIONS[need.relation]
    return {2: values.text(need.version), 3: values.number(match) if match else NULL}


def _folder(values: Values, package: Package, folder: Entry, files: list[Entry]) -> int:
    found = values.array([_file(values, package, file) for file in files])
    return values.object_({1: values.text(folder.path), 2: _access(values, folder.mode), 3: found})


def _file(values: Values, package: Package, file: Entry) -> int:
    data = file.target.encode() or file.data or b""
    what = {6: values.blob(_SYMLINK + data)} if file.target else {5: values.blob(hashlib.sha256(data).digest())}
    size, date = values.number(len(data)), values.number(package.date_s)
    return values.object_({1: values.text(file.name), 2: _access(values, file.mode), 3: size, 4: date} | what)


def _access(values: Values, mode: int) -> int:
    return values.object_({1: values.number(mode), 2: values.text("root"), 3: values.text("root")})


def _signature(key: ec.EllipticCurvePrivateKey, database: bytes) -> bytes:
    """ECDSA, without chance (RFC 6979): the same package is the same file, signed too."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    head = _SIGNED_WITH + hashlib.sha512(point).digest()[:_KEY_BYTES]
    signed = _KIND + head + hashlib.sha512(database).digest()
    return head + key.sign(signed, ec.ECDSA(hashes.SHA512(), deterministic_signing=True))
