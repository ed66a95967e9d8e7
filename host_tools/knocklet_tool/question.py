"""A question to the person at the terminal, which can wait while other things go on."""

import os
import select
import sys
import time

from .errors import InputError
from .output import ask_line

_LINE_BYTES = 256


def at_terminal() -> bool:
    return sys.stdin.isatty()


class Question:
    """Asked when it is made; only y or yes means yes. `ends`: by time.monotonic(); nobody can answer after it."""

    def __init__(self, text: str, ends: float = float("inf")) -> None:
        self.ends = ends
        ask_line(f"{text} [y/N] ")

    def answer(self, wait_s: float | None = 0.0) -> bool | None:
        """None while there is none; wait_s: None waits for ever. The end of the input means no."""
        if not select.select([sys.stdin], [], [], wait_s)[0]:
            return None
        # Past Python's own buffer: a second line in it would be there and select would not tell.
        line = os.read(sys.stdin.fileno(), _LINE_BYTES)
        return line.strip().lower() in (b"y", b"yes")

    def lapsed(self) -> bool:
        return time.monotonic() >= self.ends


def sure(text: str, yes: bool) -> bool:
    """Does the person want it? yes: said beforehand. Raises InputError where nobody can be asked."""
    if yes:
        return True
    if not at_terminal():
        raise InputError(f"{text} there is no terminal to ask at; --yes says it beforehand")
    return bool(Question(text).answer(None))
