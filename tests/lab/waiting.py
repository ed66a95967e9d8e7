"""Waiting for what really happens, never for a time that should be enough."""

import time

from .host import LabError


def wait_until(condition, what, timeout_s=5.0, interval_s=0.002):
    """Call `condition` until it is true and return what it gave. LabError naming `what` after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(interval_s)
    return result
