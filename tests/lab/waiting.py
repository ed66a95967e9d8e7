"""Waiting for what really happens, never for a time that should be enough."""

import time
from pathlib import Path

from .host import LabError


def wait_until(condition, what, timeout_s=5.0, interval_s=0.002):
    """Call `condition` until it is true and return what it gave. LabError naming `what` after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(interval_s)
    return result


def sleeps(pid):
    """Whether a process waits for something. Python loses a signal that comes just before its sleep begins: it sleeps on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
