"""A small file that is whole or as it was before, also when the power fails. MicroPython's flush() is fsync()."""

import os

from . import libc


def read(path, limit_bytes):
    """Its bytes, at most so many and one more; b"" when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit_bytes + 1)
    except OSError:
        return b""


def write(path, data, mode=0o600):
    """Raises OSError, and then it is as it was."""
    new = path + ".new"
    try:
        with open(new, "wb") as file:
            libc.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
        os.rename(new, path)
    except OSError:
        remove(new)  # a part of it is of no use, and in the way of others
        raise


def remove(path):
    """Returns whether it was there and is gone."""
    try:
        os.remove(path)
        return True
    except OSError:
        return False


def make_directory(path):
    """For root alone. That it is there already is fine; where it cannot be made, what is written there tells."""
    try:
        os.mkdir(path)
        libc.chmod(path, 0o700)
    except OSError:
        pass


def flush_directory(path):
    """What was renamed or removed there is on storage, too. Raises OSError."""
    with open(path) as directory:
        directory.flush()
