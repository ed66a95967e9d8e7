"""The number of this start: larger than all before, so that what a gateway reports now is newer than what it has reported.

It is on storage (in the state directory) and, for when that cannot be written, in the run directory too; and it is at least
the time in seconds since 1970, for storage that forgets: an overlay, an old image.
"""

import time

from . import whole_file

_DIGITS = 10


def advance(state_dir, run_dir):
    """(the number of this start, was it stored?)."""
    number = max(_read(state_dir) + 1, _read(run_dir) + 1, int(time.time()))
    _write(run_dir, number)
    return number, _write(state_dir, number)


def _read(directory):
    text = whole_file.read(directory + "/boot", _DIGITS)[:_DIGITS]
    return int(text) if text.isdigit() else 0


def _write(directory, number):
    whole_file.make_directory(directory)
    try:
        whole_file.write(directory + "/boot", b"%d" % number)
        whole_file.flush_directory(directory)
        return True
    except OSError:
        return False
