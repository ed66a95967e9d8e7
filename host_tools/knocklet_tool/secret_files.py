"""This user's secrets: in files of mode 0600, or, where `init --keyring` has put them, in the operating system's keyring."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import places
from .errors import InputError

_MARK = "secrets-in-keyring"   # a file beside them that says so
_SERVICE = "knocklet"
_KEPT_BY_THE_SYSTEM = 1   # keyring's own measure: backends below only write files


def read(path: Path) -> bytes | None:
    """None when there is no such secret. Raises InputError."""
    if not _in_keyring(path):
        return places.read_private(path)
    with _keyring() as keyring:
        text = keyring.get_password(_SERVICE, str(path))
    return None if text is None else text.encode()


def write(path: Path, data: bytes) -> None:
    """Raises InputError."""
    if not _in_keyring(path):
        places.write(path, data)
        return
    with _keyring() as keyring:
        keyring.set_password(_SERVICE, str(path), data.decode())


def move_to_keyring(paths: list[Path]) -> str:
    """These, in one directory, and what is written there from now on. Returns the keyring's name. Raises InputError."""
    with _keyring() as keyring:
        backend = keyring.get_keyring()
        if backend.priority < _KEPT_BY_THE_SYSTEM:
            raise InputError(f"no keyring of the operating system is here, only: {backend.name}; secrets stay in files")
        found = {path: data for path in paths if not _in_keyring(path) and (data := places.read_private(path)) is not None}
        for path, data in found.items():
            keyring.set_password(_SERVICE, str(path), data.decode())
            if keyring.get_password(_SERVICE, str(path)) != data.decode():
                raise InputError(f"{backend.name}: did not keep {path.name}; secrets stay in files")
    places.write(paths[0].parent / _MARK, b"")
    for path in paths:
        path.unlink(missing_ok=True)
    return str(backend.name)


def _in_keyring(path: Path) -> bool:
    return (path.parent / _MARK).exists()


@contextmanager
def _keyring() -> Iterator[Any]:
    try:
        import keyring  # not everybody has it, and it takes long to load
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        raise InputError("the keyring needs the Python package of this name; pip install keyring") from None
    try:
        yield keyring
    except NoKeyringError:
        raise InputError("the keyring of the operating system is not here; over ssh, say, there may be none") from None
    except KeyringError as error:
        why = str(error) or type(error).__name__
        raise InputError(f"the keyring does not give or take secrets: {why}; is it unlocked?") from None
