"""Where the tool keeps its files (XDG base directories), and how: for the owner alone, and never half written."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


def config_dir() -> Path:
    return _directory("XDG_CONFIG_HOME", ".config")


def data_dir() -> Path:
    return _directory("XDG_DATA_HOME", ".local/share")


def _directory(variable: str, usual: str) -> Path:
    base = os.environ.get(variable, "")
    # "All paths must be absolute. If a relative path is encountered it should be considered invalid and ignored."
    root = Path(base) if os.path.isabs(base) else Path.home() / usual
    return private_directory(root / "knocklet")


def private_directory(path: Path) -> Path:
    """Make it, 0700, when it is not there. Raises InputError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; allowed: a directory that can be written") from error
    return path


def read(path: Path) -> bytes | None:
    """None when there is no such file. Raises InputError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def read_private(path: Path) -> bytes | None:
    """As read(), but of a file that others may read nothing is believed or used."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return read(path)
    if mode & 0o077:
        raise InputError(f"{path}: mode {mode:04o} lets others read it; allowed: 0600, and what it held is no longer secret")
    return read(path)


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the file by one that is complete, on the disk, and had this mode from its first byte. Raises InputError."""
    try:
        handle, name = tempfile.mkstemp(prefix="." + path.name, dir=path.parent)   # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(handle, mode)
                file.flush()
                os.fsync(handle)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


@contextmanager
def locked(directory: Path, name: str, wait: bool = True) -> Iterator[bool]:
    """One process at a time; yields whether it is this one, which without `wait` may be False. Raises InputError."""
    try:
        handle = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InputError(f"{directory / name}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def read_secret(where: str, name: str, limit: int = 4096) -> bytes:
    """What --xyz-file names: a file, or - for standard input; never a secret itself. Raises InputError."""
    try:
        # Unbuffered, so that nothing of it stays in memory that others use.
        with open(0 if name == "-" else name, "rb", buffering=0, closefd=name != "-") as file:
            data = b""
            while len(data) <= limit and (part := file.read(limit + 1 - len(data))):
                data += part
    except (OSError, ValueError) as error:
        raise InputError(f"{where} {name}: {getattr(error, 'strerror', None) or 'no such file'}") from error
    if not 0 < len(data) <= limit:
        raise InputError(f"{where} {name}: {len(data) and 'too long' or 'empty'}; allowed: 1-{limit} bytes")
    return data
