"""A user's password at the broker, from a file or standard input: never from the command line, where others see it."""

from . import places
from .errors import InputError


def read(name: str) -> str:
    data = places.read_secret("--password-file", name)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or not text.isprintable():
        raise InputError(f"--password-file {name}: allowed: one line of text")
    return text
