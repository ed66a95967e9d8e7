"""What this computer pushed to each gateway, with the text, for `diff` and `rollback`, and what became of it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from . import places, secret_files
from .errors import InputError

SENT, TRIAL, APPLIED, REFUSED, ROLLED_BACK = OUTCOMES = "not answered", "on trial", "in force", "refused", "rolled back"
_MOST = 50   # of each gateway


@dataclass
class Pushed:
    """`version`: microseconds since 1970, when it was sealed. `confirm_s`: how long it was to be tried."""

    version: int
    text: bytes = field(repr=False)   # with the clients' keys
    confirm_s: int = 0
    outcome: str = SENT

    @property
    def sha256(self) -> str:
        return sha256(self.text).hexdigest()

    @property
    def told(self) -> str:
        """The outcome by now: a trial that nobody confirmed has ended."""
        over = self.outcome == TRIAL and time.time() > self.version / 1_000_000 + self.confirm_s
        return "not confirmed" if over else self.outcome


def load(gateway: str) -> list[Pushed]:
    """The oldest first. Raises InputError."""
    path = _path(gateway)
    try:
        return [_pushed(fields) for fields in json.loads(secret_files.read(path) or b"[]")]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        # The cause is not told along: it may quote a secret.
        raise InputError(f"{path}: not as this tool writes it; allowed: remove it, only rollback and diff need it") from None


@contextmanager
def edit(gateway: str) -> Iterator[list[Pushed]]:
    """What was pushed, to be changed; stored at the end unless that raised."""
    path = _path(gateway)
    with places.locked(path.parent, f".{gateway}.lock"):
        found = load(gateway)
        yield found
        kept = [{**vars(pushed), "text": pushed.text.decode()} for pushed in found[-_MOST:]]
        secret_files.write(path, json.dumps(kept, indent=1).encode() + b"\n")


def note(gateway: str, version: int, outcome: str) -> None:
    """What became of it, if this computer pushed it. Raises InputError."""
    with edit(gateway) as found:
        for pushed in found:
            if pushed.version == version:
                pushed.outcome = outcome


def last(gateway: str) -> bytes | None:
    """The text of the newest one that came into force; None when this computer pushed none."""
    found = [pushed for pushed in load(gateway) if pushed.outcome == APPLIED]
    return found[-1].text if found else None


def with_sha256(gateway: str, digest: str) -> bytes | None:
    return next((pushed.text for pushed in load(gateway) if pushed.sha256 == digest), None)


def before(gateway: str, digest: str) -> bytes | None:
    """The text of the one that was in force before the newest with this digest; of the newest, when it was not pushed here."""
    found = [pushed for pushed in load(gateway) if pushed.outcome == APPLIED]
    places_of = [place for place, pushed in enumerate(found) if pushed.sha256 == digest]
    earlier = [pushed for pushed in found[: places_of[-1] if places_of else None] if pushed.sha256 != digest]
    return earlier[-1].text if earlier else None


def files() -> list[Path]:
    """All that there are."""
    return sorted(_directory().glob("*.json"))


def _directory() -> Path:
    return places.private_directory(places.data_dir() / "pushed")


def _path(gateway: str) -> Path:
    return _directory() / f"{gateway}.json"


def _pushed(fields: dict[str, Any]) -> Pushed:
    pushed = Pushed(fields["version"], fields["text"].encode(), fields["confirm_s"], fields["outcome"])
    if type(pushed.version) is not int or type(pushed.confirm_s) is not int or pushed.outcome not in OUTCOMES:
        raise ValueError("pushed")
    return pushed
