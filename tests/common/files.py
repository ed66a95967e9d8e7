"""A folder of its own for a test, on both interpreters; and on CPython what edge/whole_file.py takes from the C library."""

import os
import sys
from binascii import hexlify

from . import without_ffi  # noqa: F401  (before the next one)

from knocklet.edge import whole_file  # isort: skip

_DIRECTORY = 0o040000

if sys.implementation.name != "micropython":

    class _Libc:
        chmod, fchmod = os.chmod, os.fchmod

    def _flush_directory(path):
        directory = os.open(path, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    whole_file.libc = _Libc
    whole_file.flush_directory = _flush_directory


def make_folder():
    """The path of a new one."""
    path = "/tmp/knocklet-" + str(hexlify(os.urandom(8)), "ascii")
    os.mkdir(path)
    return path


def remove_folder(path):
    """With all that is in it."""
    for name in os.listdir(path):
        inside = path + "/" + name
        if os.stat(inside)[0] & _DIRECTORY:
            remove_folder(inside)
        else:
            os.remove(inside)
    os.rmdir(path)
