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


def is_there(path):
    """Also when it cannot be read."""
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def write(path, data, mode=0o600):
    """Raises OSError, and then it is as it was."""
    prepare(path, data, mode)
    put(path)


def prepare(path, data, mode=0o600):
    """All but its name: put() gives it that, drop() takes it away. Raises OSError, and then there is nothing."""
    try:
        with open(path + ".new", "wb") as file:
            libc.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
    except OSError:
        drop(path)
        raise


def put(path):
    """What was prepared is the file from now on. Raises OSError, and then it is as it was."""
    try:
        os.rename(path + ".new", path)
    except OSError:
        drop(path)
        raise


def drop(path):
    """What was prepared is of no use, and in the way of others."""
    remove(path + ".new")


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
