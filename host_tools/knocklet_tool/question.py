"""A question to the person at the terminal, which can wait while other things go on."""

import os
import select
import sys
import termios

from .errors import InputError
from .output import ask_line

_LINE_BYTES = 256


def at_terminal() -> bool:
    return sys.stdin.isatty()


class Question:
    """Asked when it is made; only y or yes means yes. What was typed before was no answer to it."""

    def __init__(self, text: str) -> None:
        self._text = text
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
        self.ask()

    def ask(self) -> None:
        """Again, after something else was shown."""
        ask_line(f"{self._text} [y/N] ")

    def answer(self, wait_s: float | None = 0.0) -> bool | None:
        """None while there is none; wait_s: None waits for ever. The end of the input means no."""
        if not select.select([sys.stdin], [], [], wait_s)[0]:
            return None
        # Past Python's own buffer: a second line in it would be there and select would not tell.
        line = os.read(sys.stdin.fileno(), _LINE_BYTES)
        return line.strip().lower() in (b"y", b"yes")


def sure(text: str, yes: bool) -> bool:
    """Does the person want it? yes: said beforehand. Raises InputError where nobody can be asked."""
    if yes:
        return True
    if not at_terminal():
        raise InputError(f"{text} there is no terminal to ask at; --yes says it beforehand")
    return bool(Question(text).answer(None))
