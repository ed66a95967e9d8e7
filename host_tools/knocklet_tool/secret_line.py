"""A secret that is one line of text, from a file or standard input: never from the command line, where others see it."""

from . import places
from .errors import InputError


def read(where: str, name: str) -> str:
    """where: the option that names the file. Raises InputError."""
    data = places.read_secret(where, name)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or not text.isprintable():
        raise InputError(f"{where} {name}: allowed: one line of text")
    return text
