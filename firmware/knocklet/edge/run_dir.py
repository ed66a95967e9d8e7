"""The run directory: root's alone, and the lock in it says which engine is the one."""

import os

from ..core.errors import KnockletError
from . import libc, whole_file

DEFAULT = "/var/run/knocklet"
ENDED = "/ended"
_STARTS = "/starts"
_DIRECTORY = 0x4000
_NOT_OURS_ALONE = 0o077


def prepare(path):
    """Make the directory when it is not there. Raises KnockletError when somebody else could put things into it."""
    try:
        os.mkdir(path)
        libc.chmod(path, 0o700)
    except OSError:
        pass  # there already, or cannot be made: stat tells
    try:
        found = os.stat(path)
    except OSError as error:
        raise KnockletError("run directory %s: cannot be made (error %d)" % (path, error.errno))
    if not found[0] & _DIRECTORY or found[4] != 0 or found[0] & _NOT_OURS_ALONE:
        raise KnockletError("run directory %s: must be a directory of root's with mode 0700" % path)


def ended(path, why):
    """What knockletctl tells of an engine that could not start. It was no crash, which start.sh counts."""
    whole_file.remove(path + _STARTS)
    try:
        with open(path + ENDED, "w") as file:
            file.write(why)
    except OSError:
        pass  # there is no room: then it is not told


def started(path):
    whole_file.remove(path + ENDED)


def lock(path):
    """Hold the engine's lock until this process ends, however it ends. Returns the file: keep it. None: another has it."""
    held = open(path + "/lock", "w")
    libc.fcntl(held.fileno(), libc.F_SETFD, libc.FD_CLOEXEC)  # a tool that we run and that outlives us does not hold it
    return held if libc.flock(held.fileno(), libc.LOCK_EX_NB) == 0 else None
