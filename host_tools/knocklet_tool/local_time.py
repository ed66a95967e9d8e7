"""Times as people read them."""

import time


def at(ts: int) -> str:
    """Local date and time; the number itself when no calendar has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ts))
    except (OverflowError, OSError, ValueError):
        return f"ts {ts}"
