"""After compiling: comprehensions and lambdas are called `_` in each file, instead of by names that MicroPython makes up.

    shrink_mpy.py FILE...

A .mpy file begins with a list of the names in it: a name's length doubled, the name, NUL; or, of those that every MicroPython
has, only its number, doubled plus 1. Nothing in the file says how many bytes that takes (py/persistentcode.c).
"""

import sys
from pathlib import Path

_MADE_UP = (b"<listcomp>", b"<genexpr>", b"<dictcomp>", b"<setcomp>", b"<lambda>")
_UNDERSCORE = 8  # in static_qstr_list of py/makeqstrdata.py, which goes with version 6 of the format
_VERSION = b"M\x06"


def shrink(data):
    if data[:2] != _VERSION:
        raise SystemExit("shrink_mpy: found version %d of the format; allowed: 6" % data[1])
    for name in _MADE_UP:
        data = data.replace(bytes([len(name) * 2]) + name + b"\0", bytes([_UNDERSCORE * 2 + 1]), 1)
    return data


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_bytes(shrink(path.read_bytes()))
