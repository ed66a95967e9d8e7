"""The one place that prints. Data goes to stdout, as text or as one JSON object; everything else to stderr.

No text that came from outside reaches the terminal with its control characters. With NO_COLOR set, or when the output
is no terminal, there are no escape sequences at all.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from .errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

Line = tuple[str, str]   # text, rich style ("" for none)


class Report(Protocol):
    """What a subcommand returns."""

    def as_lines(self) -> list[Line]: ...

    def as_json(self) -> dict[str, Any]: ...


class Output:
    def __init__(self, json: bool = False, quiet: bool = False) -> None:
        self._json = json
        self._quiet = quiet

    def result(self, report: Report) -> None:
        """What was asked for."""
        if self._json:
            sys.stdout.write(json.dumps(report.as_json(), allow_nan=False) + "\n")
            sys.stdout.flush()
        else:
            for text, style in report.as_lines():
                _write(sys.stdout, text, style)

    def message(self, text: str) -> None:
        """What happens meanwhile and what helps further."""
        if not self._quiet:
            _write(sys.stderr, text)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """What is being done, for as long as it takes: on a terminal it moves. At the end a line says that it is done."""
        begun = time.monotonic()
        if sys.stderr.isatty() and not self._quiet and not os.environ.get("NO_COLOR"):
            from rich.text import Text

            with _console(sys.stderr).status(Text(_plain(text))):
                yield
        else:
            yield
        self.message(f"  {text}: done, {time.monotonic() - begun:.1f} s")

    def remark(self, text: str) -> None:
        """What a person may want to know and a program does not."""
        if not self._quiet and not self._json:
            _write(sys.stderr, text, "dim")


def line(text: str, style: str = "") -> None:
    """Data that is one line of text and nothing else."""
    _write(sys.stdout, text, style)


def secret(data: bytes) -> None:
    """A key for another program. Raises InputError where it would end on a terminal."""
    if sys.stdout.isatty():
        raise InputError("a key is not for the screen; allowed: a pipe or a file (umask 077)")
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def error(text: str) -> None:
    """Why it ended: one line."""
    _write(sys.stderr, "knocklet: " + text, "red")


def ask_line(text: str) -> None:
    """A question; the answer is typed behind it."""
    _write(sys.stderr, text, end="")
    sys.stderr.flush()


def _write(stream: TextIO, text: str, style: str = "", end: str = "\n") -> None:
    plain = _plain(text)
    if style and stream.isatty() and not os.environ.get("NO_COLOR"):   # with NO_COLOR rich would still write bold and dim
        from rich.text import Text  # takes long to load, and most lines have no colour

        _console(stream).print(Text(plain, style), soft_wrap=True, end=end)
    else:
        stream.write(plain + end)
        stream.flush()


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    return Console(file=stream, color_system=None if os.environ.get("NO_COLOR") else "auto")


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
