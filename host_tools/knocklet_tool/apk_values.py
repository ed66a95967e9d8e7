"""The values of an apk-tools v3 database ("ADB"), written one behind the other; a value that holds others points back at them.
What is there already is not written again.

    0   1  0             oldest reader that understands it
    1   1  0             version
    2   2  0
    4   4  root          tag of the outermost value
    8   n  values

A tag is 32 bits, little-endian: the kind in the highest four, below it a small number, or where in the file the value is.
"""

import struct

NULL = 0
_INT, _INT_32, _BLOB_8, _BLOB_16, _BLOB_32, _ARRAY, _OBJECT = (kind << 28 for kind in (1, 2, 8, 9, 10, 13, 14))
_SMALL = 1 << 28


class Values:
    """Each method writes one value and returns its tag."""

    def __init__(self) -> None:
        self._data = bytearray(8)
        self._places: dict[tuple[bytes, int], int] = {}   # of what is written

    def number(self, value: int) -> int:
        """Below 2**32."""
        return _INT | value if value < _SMALL else _INT_32 | self._put(struct.pack("<I", value), 4)

    def blob(self, data: bytes) -> int:
        """Nothing, where it is empty."""
        if not data:
            return NULL
        for kind, form, length in ((_BLOB_8, "<B", 1), (_BLOB_16, "<H", 2), (_BLOB_32, "<I", 4)):
            if len(data) < 1 << 8 * length:
                return kind | self._put(struct.pack(form, len(data)) + data, length)
        raise ValueError(len(data))

    def text(self, text: str) -> int:
        return self.blob(text.encode())

    def object_(self, fields: dict[int, int]) -> int:
        """By number, from 1; what is not there is nothing."""
        last = max((number for number, tag in fields.items() if tag), default=0)
        return self._slots(_OBJECT, [fields.get(number, NULL) for number in range(1, last + 1)])

    def array(self, tags: list[int]) -> int:
        return self._slots(_ARRAY, tags)

    def finish(self, root: int) -> bytearray:
        self._data[4:8] = struct.pack("<I", root)
        return self._data

    def _slots(self, kind: int, tags: list[int]) -> int:
        """Their number, which counts itself, and the tags."""
        return kind | self._put(struct.pack(f"<{len(tags) + 1}I", len(tags) + 1, *tags), 4) if tags else NULL

    def _put(self, data: bytes, align: int) -> int:
        """Where it is."""
        if (data, align) not in self._places:
            self._data += bytes(-len(self._data) % align)
            if len(self._data) >= _SMALL:
                raise ValueError(len(self._data))
            self._places[data, align] = len(self._data)
            self._data += data
        return self._places[data, align]


def place_of(tag: int) -> int:
    return tag % _SMALL
