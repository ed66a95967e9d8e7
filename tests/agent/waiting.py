"""Waiting for what must come, with patience: no test here measures time."""

from lab.waiting import wait_until

PATIENCE_S = 30


def until(condition, what, patience_s=PATIENCE_S):
    """What `condition` gives as soon as it is true."""
    return wait_until(condition, what, patience_s, interval_s=0.01)
