"""The number of this start: larger than all before, so that what a gateway reports now is newer than what it has reported.

It is on storage (in the state directory) and, for when that cannot be written, in the run directory too; and it is at least
the time in seconds since 1970, for storage that forgets: an overlay, an old image.
"""

import os
import time

_DIGITS = 10


def advance(state_dir, run_dir):
    """(the number of this start, was it stored?)."""
    number = max(_read(state_dir) + 1, _read(run_dir) + 1, int(time.time()))
    _write(run_dir, number)
    return number, _write(state_dir, number)


def _read(directory):
    try:
        with open(directory + "/boot") as file:
            text = file.read(_DIGITS)
        return int(text) if text.isdigit() else 0
    except (OSError, ValueError):
        return 0


def _write(directory, number):
    """Whole or not at all, also when the power fails."""
    try:
        os.mkdir(directory)
    except OSError:
        pass  # it is there, or the next line says so
    try:
        with open(directory + "/boot.new", "w") as file:
            file.write("%d" % number)
            file.flush()  # MicroPython's flush() is fsync()
        os.rename(directory + "/boot.new", directory + "/boot")
        with open(directory + "/boot", "r+") as file:
            file.flush()
        return True
    except OSError:
        return False
