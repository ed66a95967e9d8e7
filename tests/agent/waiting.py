"""Waiting for what must come, with patience: no test here measures time."""

import time

PATIENCE_S = 30


def until(condition, what, patience_s=PATIENCE_S):
    """What `condition` gives as soon as it is true."""
    end = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < end, f"not in {patience_s} s: {what}"
        time.sleep(0.01)
    return found
