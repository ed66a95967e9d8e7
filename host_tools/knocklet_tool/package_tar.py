"""tar and gzip, the same byte for byte from the same entries: without the clock, and without this machine's users."""

import io
import tarfile
import zlib

from .package_tree import Entry

# No name, no time; packed as small as it goes, on Unix (RFC 1952).
_GZIP_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x02\x03"


def tar(entries: list[Entry], date_s: int, owner: str = "", root: bool = True) -> bytes:
    """As GNU tar makes it of a folder: ./ first, unless without the root, then what is in it. owner: a name beside number 0."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in [Entry("", 0o755)] * root + entries:
            info = tarfile.TarInfo(f"./{entry.path}")
            info.mode, info.mtime = entry.mode, date_s
            info.uname = info.gname = owner
            if entry.is_folder:
                info.type = tarfile.DIRTYPE
            elif entry.target:
                info.type, info.linkname = tarfile.SYMTYPE, entry.target
            else:
                info.size = len(entry.data or b"")
            archive.addfile(info, io.BytesIO(entry.data or b""))
    return made.getvalue()


def gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(data) + packer.flush()
    return _GZIP_HEADER + packed + zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
