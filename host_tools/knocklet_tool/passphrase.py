"""A passphrase to seal something with: asked for twice, or from a file."""

import sys
from getpass import getpass

from . import sealed_box, secret_line
from .errors import InputError

_LEAST, _MOST = 12, 128
_ALLOWED = f"{_LEAST}-{_MOST} characters that can be typed; four words that do not belong together are good"


def read(file: str | None) -> str:
    """file: its name, - for standard input, None to ask. Raises InputError, which does not quote it."""
    if file is not None:
        return _checked(f"--passphrase-file {file}", secret_line.read("--passphrase-file", file))
    if not sys.stdin.isatty():
        raise InputError("no terminal to ask for the passphrase; --passphrase-file FILE reads it, - from standard input")
    try:
        passphrase = _checked("the passphrase", getpass("Passphrase for the page: "))
        if getpass("The same again: ") != passphrase:
            raise InputError("the two passphrases are not the same; nothing was written")
    except EOFError:
        raise InputError("no passphrase; nothing was written") from None
    return passphrase


def _checked(where: str, passphrase: str) -> str:
    length = len(sealed_box.normal(passphrase))
    if not _LEAST <= length <= _MOST or not passphrase.isprintable():
        raise InputError(f"{where}: {length} characters; allowed: {_ALLOWED}")
    return passphrase
