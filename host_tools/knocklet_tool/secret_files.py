"""Files with this user's secrets: mode 0600, and sealed too, under a key in the operating system's keyring, if `init --keyring`
has made one. Only the key is in the keyring: the files stay where they are, of any size, and never half written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import places
from .errors import InputError

if TYPE_CHECKING:   # it takes long to load, and not everybody seals
    from cryptography.fernet import Fernet

_MARK = "key-in-keyring"   # a file: what is written from now on is sealed
_SEALED = b"gAAAA"   # so a sealed file begins, and no JSON
_SERVICE = "knocklet"
_KEPT_BY_THE_SYSTEM = 1   # keyring's own measure: backends below only write files


def read(path: Path) -> bytes | None:
    """None when there is no such file. Raises InputError."""
    data = places.read_private(path)
    if data is None or not data.startswith(_SEALED):
        return data
    from cryptography.fernet import InvalidToken

    try:
        return _box(_user()).decrypt(data)
    except InvalidToken:
        raise InputError(f"{path}: damaged, or sealed under another key than the keyring has") from None


def write(path: Path, data: bytes) -> None:
    """Raises InputError."""
    places.write(path, _box(_user()).encrypt(data) if _mark().exists() else data)


def use_keyring(paths: list[Path]) -> str:
    """Make the key, and seal what is there: of these, those that exist. Returns the keyring's name. Raises InputError."""
    with _keyring() as keyring:
        backend = keyring.get_keyring()
        if backend.priority < _KEPT_BY_THE_SYSTEM:
            raise InputError(f"no keyring of the operating system is here, only: {backend.name}; secrets stay as they are")
        if keyring.get_password(_SERVICE, _user()) is None:
            from cryptography.fernet import Fernet

            keyring.set_password(_SERVICE, _user(), Fernet.generate_key().decode())
    _box(_user())
    places.write(_mark(), b"")
    for path in paths:
        if (data := read(path)) is not None:
            write(path, data)
    return str(backend.name)


def _mark() -> Path:
    return places.config_dir() / _MARK


def _user() -> str:
    """Whose key: another configuration has another."""
    return str(places.config_dir())


@cache
def _box(user: str) -> "Fernet":
    from cryptography.fernet import Fernet

    with _keyring() as keyring:
        key = keyring.get_password(_SERVICE, user)
    if key is None:
        raise InputError("the keyring has no key of knocklet's: what it has sealed cannot be read")
    return Fernet(key)


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
