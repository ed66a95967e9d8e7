"""Reads an .apk of apk-tools v3, and takes nothing that is not as described. It shares nothing with what writes it.

    file    "ADBd", raw deflate of: "ADB.", u32 schema "pckg", blocks
    block   u32 (kind << 30 | length with these four bytes), payload, zeros to a multiple of 8
            kinds: 0 database, 1 signature, 2 data
    value   u32 (kind << 28 | number or offset in the database)
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass, field

_INFO = {
    1: "name", 2: "version", 3: "hashes", 4: "description", 5: "arch", 6: "license", 7: "origin", 8: "maintainer", 9: "url",
    10: "repo-commit", 11: "build-time", 12: "installed-size", 13: "file-size", 14: "provider-priority", 15: "depends",
    16: "provides", 17: "replaces", 18: "install-if", 19: "recommends", 20: "layer", 21: "tags",
}  # fmt: skip
_TEXTS = 1, 2, 4, 5, 6, 7, 8, 9
_SCRIPTS = {
    1: "trigger", 2: "pre-install", 3: "post-install", 4: "pre-deinstall", 5: "post-deinstall", 6: "pre-upgrade",
    7: "post-upgrade",
}  # fmt: skip
_EQUAL, _LESS, _GREATER = 1, 2, 4


@dataclass
class Item:
    """kind: "folder", "file" or "link"."""

    kind: str
    mode: int
    owner: tuple[str, str]
    mtime: int = 0
    data: bytes = b""
    target: str = ""


@dataclass
class Apk:
    info: dict = field(default_factory=dict)
    depends: list = field(default_factory=list)
    items: dict = field(default_factory=dict)   # by path
    scripts: dict = field(default_factory=dict)
    signatures: list = field(default_factory=list)   # (key id, what is signed, signature)


def read(packed: bytes) -> Apk:
    database, signatures, contents = _blocks(unpacked(packed))
    values = Values(database)
    root = values.fields(values.root, 5)
    apk = Apk()
    _read_info(values, root[1], apk)
    _read_paths(values, root[2], apk, contents)
    scripts = values.fields(root.get(3, 0), 7)
    apk.scripts = {_SCRIPTS[number]: values.blob(tag) for number, tag in scripts.items()}
    assert not root.get(4) and not root.get(5)
    _check_hash(database, values, apk.info["hashes"])
    assert apk.info["installed-size"] == sum(len(item.data) for item in apk.items.values())
    for payload in signatures:
        assert payload[:2] == b"\x00\x04"
        apk.signatures.append((payload[2:18], b"pckg" + payload[:18] + hashlib.sha512(database).digest(), payload[18:]))
    return apk


def unpacked(packed):
    assert packed[:4] == b"ADBd"
    reader = zlib.decompressobj(-15)
    body = reader.decompress(packed[4:])
    assert reader.eof and not reader.unused_data and not reader.unconsumed_tail
    return body


def _blocks(body):
    """The database, signatures, and {(folder, file): data} in their order."""
    assert body[:8] == b"ADB.pckg" and len(body) % 8 == 0
    place, found = 8, []
    while place < len(body):
        (head,) = struct.unpack_from("<I", body, place)
        kind, length = head >> 30, head & 0x3FFFFFFF
        end = place + length
        after = -(-end // 8) * 8
        assert kind < 3 and length >= 4 and after <= len(body) and not any(body[end:after])
        found.append((kind, body[place + 4 : end]))
        place = after
    kinds = [kind for kind, _ in found]
    assert kinds == sorted(kinds) and kinds.count(0) == 1
    contents = {}
    for kind, payload in found:
        if kind == 2:
            number = struct.unpack_from("<II", payload)
            assert number not in contents and len(payload) > 8
            contents[number] = payload[8:]
    assert list(contents) == sorted(contents)
    return found[0][1], [payload for kind, payload in found if kind == 1], contents


class Values:
    def __init__(self, database):
        self._data = database
        compatible, version, reserved, self.root = struct.unpack_from("<BBHI", database)
        assert (compatible, version, reserved) == (0, 0, 0)

    def number(self, tag):
        kind, rest = tag >> 28, tag & 0x0FFFFFFF
        if kind == 1:
            return rest
        assert kind in (2, 3) and rest % 4 == 0
        value = self._read("<I" if kind == 2 else "<Q", rest)
        assert value >= 1 << 28   # a smaller one is in the tag itself
        return value

    def blob(self, tag):
        if tag == 0:
            return b""
        kind, place = tag >> 28, tag & 0x0FFFFFFF
        form, size = {8: ("<B", 1), 9: ("<H", 2), 10: ("<I", 4)}[kind]
        assert place % size == 0
        length = self._read(form, place)
        assert length >= {8: 1, 9: 1 << 8, 10: 1 << 16}[kind]
        data = self._data[place + size : place + size + length]
        assert len(data) == length
        return data

    def text(self, tag):
        return self.blob(tag).decode()

    def slots(self, tag, kind):
        if tag == 0:
            return []
        place = tag & 0x0FFFFFFF
        assert tag >> 28 == kind and place % 4 == 0
        count = self._read("<I", place)
        assert count > 1
        slots = list(struct.unpack_from(f"<{count - 1}I", self._data, place + 4))
        assert slots[-1] != 0   # what is not there at the end is not written
        return slots

    def array(self, tag):
        return self.slots(tag, 0xD)

    def fields(self, tag, most):
        slots = self.slots(tag, 0xE)
        assert len(slots) <= most
        return {number: slot for number, slot in enumerate(slots, 1) if slot}

    def _read(self, form, place):
        assert 8 <= place
        return struct.unpack_from(form, self._data, place)[0]


def _read_info(values, tag, apk):
    for number, slot in values.fields(tag, len(_INFO)).items():
        if number in _TEXTS:
            apk.info[_INFO[number]] = values.text(slot)
        elif number == 3:
            apk.info["hashes"] = values.blob(slot)
        elif number in (11, 12):
            apk.info[_INFO[number]] = values.number(slot)
        elif number == 15:
            for each in values.array(slot):
                fields = values.fields(each, 3)
                match = values.number(fields[3]) if 3 in fields else _EQUAL
                assert match & (_EQUAL | _LESS | _GREATER) and (2 in fields or match == _EQUAL)
                apk.depends.append((values.text(fields[1]), match if 2 in fields else 0, values.text(fields.get(2, 0))))
        else:
            raise AssertionError(_INFO[number])
    assert apk.depends == sorted(set(apk.depends))


def _read_paths(values, tag, apk, contents):
    used, folders = [], []
    for folder_number, slot in enumerate(values.array(tag), 1):
        fields = values.fields(slot, 3)
        folder = values.text(fields.get(1, 0))
        assert folder == "" or folder.rpartition("/")[0] in apk.items
        folders.append(folder.encode())
        apk.items[folder] = Item("folder", *_access(values, fields[2]))
        names = []
        for file_number, file in enumerate(values.array(fields.get(3, 0)), 1):
            parts = values.fields(file, 6)
            name = values.text(parts[1])
            names.append(name.encode())
            assert name and "/" not in name
            path = f"{folder}/{name}" if folder else name
            assert path not in apk.items
            item = Item("file", *_access(values, parts[2]), values.number(parts[4]))
            if 6 in parts:
                (kind,) = struct.unpack_from("<H", values.blob(parts[6]))
                item.kind, item.target = "link", values.blob(parts[6])[2:].decode()
                assert kind == 0o120000 and 5 not in parts and values.number(parts[3]) == len(item.target)
            else:
                if size := values.number(parts[3]):
                    used.append((folder_number, file_number))
                    item.data = contents[used[-1]]
                assert len(item.data) == size and hashlib.sha256(item.data).digest() == values.blob(parts[5])
            apk.items[path] = item
        assert names == sorted(set(names))
    assert folders == sorted(set(folders)) and folders[0] == b""
    assert used == list(contents)


def _access(values, tag):
    fields = values.fields(tag, 4)
    assert set(fields) == {1, 2, 3}
    mode = values.number(fields[1])
    assert mode == mode & 0o7777
    return mode, (values.text(fields[2]), values.text(fields[3]))


def _check_hash(database, values, found):
    """The first 20 bytes of the SHA-256 of the database, reckoned with zeros in their place; and they are there once."""
    assert len(found) == 20 and database.count(found) == 1
    assert hashlib.sha256(database.replace(found, bytes(20))).digest()[:20] == found
