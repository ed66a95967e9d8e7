"""Nothing of a lab stays: its processes, namespaces (and with them all links and rules) and files, also after kill -9.

Everything a lab makes carries its prefix, knocklet-lab-PID-STARTTIME-N: who made it can be told from the name alone,
so the next lab to start removes what dead owners left behind.
"""

import contextlib
import itertools
import os
import re
import shutil
import signal
import time
from pathlib import Path

from .host import NETNS_DIR, LabError, run

RUN_DIR = Path("/run")  # root's alone, and gone after a reboot
_PREFIX = re.compile(r"(knocklet-lab-(\d+)-(\d+)-\d+)(-|$)")
_DEADLINE_S = 5
_number = itertools.count()


def new_prefix():
    return f"knocklet-lab-{os.getpid()}-{_start_time(os.getpid())}-{next(_number)}"


def remove_stale():
    """Remove the labs whose owner is dead."""
    for prefix in {match[1] for match in _found() if _start_time(match[2]) != match[3]}:
        remove(prefix)


def remove(prefix):
    """End all processes in the namespaces of one lab, then remove these and its files. Safe to call again."""
    _end_processes(prefix)
    names = _namespaces(prefix)
    for name in names:
        run(["ip", "netns", "delete", name], check=False)  # another lab may have cleaned up just now
    left = [name for name in names if (NETNS_DIR / name).exists()]
    if left:
        raise LabError(f"could not remove {' '.join(left)}")
    shutil.rmtree(RUN_DIR / prefix, ignore_errors=True)


def processes(prefix):
    """The processes in the namespaces of a lab, except this one."""
    found = []
    with contextlib.ExitStack() as stack:
        # Held open meanwhile: the number of a namespace that has gone is given to the next, which is somebody else's.
        namespaces = set()
        for name in _namespaces(prefix):
            with contextlib.suppress(FileNotFoundError):
                held = stack.enter_context(open(NETNS_DIR / name, "rb"))
                namespaces.add(_identity(os.fstat(held.fileno())))
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):  # it has ended, or is a zombie
                    if _identity((entry / "ns" / "net").stat()) in namespaces:
                        found.append(int(entry.name))
    return found


def _identity(status):
    return status.st_dev, status.st_ino


def _namespaces(prefix):
    return [match.string for match in _found() if match[1] == prefix and (NETNS_DIR / match.string).exists()]


def _end_processes(prefix):
    deadline = time.monotonic() + _DEADLINE_S
    while living := processes(prefix):
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"processes that do not end: {living}")
        time.sleep(0.001)


def _found():
    names = {path.name for folder in (NETNS_DIR, RUN_DIR) if folder.exists() for path in folder.iterdir()}
    return [match for match in map(_PREFIX.match, names) if match]


def _start_time(pid):
    """Field 22 of /proc/PID/stat, as text: with it a pid is not taken for another one's. None: no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
