"""The last number of each kind that this computer has sent: stamps of signed knocks, slots of one-time ports, versions of
sealed messages.

A gateway takes no number twice and none that is lower, so a clock that was set back, or two terminals at once, must not
make one. Each is a small file, locked from the reading to the sending: what has the lower number also leaves first.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from knocklet.wire.spa_packet import MINUTE_US

from . import places
from .client_description import Client
from .errors import InputError
from .gateway_description import Service

_DIGITS = 20
_END = (1 << 32) * MINUTE_US   # of stamps: a slot, their minute, has 32 bits


@contextmanager
def next_stamp(client: Client) -> Iterator[int]:
    """Microseconds since 1970 for one packet, later than all before. To be sent within the block. Raises InputError."""
    with _held(f"spa-{client.keys().fingerprint.hex()}") as file:
        # No stamp up to the key's own date counts either.
        stamp_us = max(time.time_ns() // 1000, file.last + 1, client.issued * 1_000_000 + 1)
        file.store(stamp_us)
        yield stamp_us


def next_slot(client: Client, service: Service, now: int) -> tuple[int, int]:
    """The slot of a one-time sequence: `now`, the next one when that was used, which a gateway takes as well.

    And how many slots have to pass until there is a fresh one: 0 when it is.
    """
    with _held(f"otp-{client.keys().fingerprint.hex()}-{service.index}") as file:
        slot = min(max(now, file.last + 1), now + 1)
        to_pass = max(0, file.last - now)
        file.store(max(slot, file.last))
        return slot, to_pass


@contextmanager
def next_version(gateway: str, kind: str, after: int = 0) -> Iterator[int]:
    """Microseconds since 1970 for one sealed message of this kind, later than all before, and than `after`: what the gateway
    is known to have. To be sent within the block. Raises InputError.
    """
    with _held(f"{kind}-{gateway}") as file:
        version = max(time.time_ns() // 1000, file.last + 1, after + 1)
        file.store(version)
        yield version


class _Last:
    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle
        data = os.pread(handle, 2 * _DIGITS, 0)
        digits = data.removesuffix(b"\n")
        if data and not (len(digits) == _DIGITS and digits.isdigit() and int(digits) + 1 < _END):
            raise InputError(f"{path}: not as this tool writes it; allowed: remove it, a gateway refuses what is not later")
        self.last = int(digits or b"0")

    def store(self, number: int) -> None:
        # In place: nothing to go wrong on a full disk but the first time, and then nothing is sent.
        try:
            os.pwrite(self._handle, b"%0*d\n" % (_DIGITS, number), 0)
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}; nothing is sent that cannot be noted first") from error


@contextmanager
def _held(name: str) -> Iterator[_Last]:
    path = places.private_directory(places.data_dir() / "last") / name
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield _Last(path, handle)
    finally:
        os.close(handle)
