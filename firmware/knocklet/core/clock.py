"""Monotonic milliseconds that fit a small integer everywhere: modulo 2**30 (12.4 days), as MicroPython's ticks on 32 bits.

Times closer than 2**29 ms (6.2 days) compare right; nothing here lives longer than a day, and what is kept is
looked through once a day (attempts.py).
"""

MASK = 0x3FFFFFFF
_HALF = 0x20000000


def after(now_ms, wait_ms):
    """The time `wait_ms` after `now_ms`."""
    return (now_ms + wait_ms) & MASK


def age(now_ms, since_ms):
    """Milliseconds from `since_ms` to `now_ms`: 0 .. 2**30 - 1."""
    return (now_ms - since_ms) & MASK


def left(now_ms, end_ms):
    """Milliseconds from `now_ms` to `end_ms`, negative when it has passed."""
    return (((end_ms - now_ms) & MASK) ^ _HALF) - _HALF  # no sum on the way is larger than a small integer
