"""Events that were believed, in an SQLite database; also what was seen of each gateway, so that nothing counts twice.

A gateway here is a name and its key: one that got a new key begins anew. Several processes may write: `watch` beside `collect`.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from knocklet.wire.topics import EVENT

from . import places
from .errors import HistoryError
from .intake import BOOTS, NEW, Intake, Range, Report, Seen
from .settings import Gateway

_FILE = "events.db"
_BUSY_S = 2.0   # to wait for another process; whoever stores tries again, and keeps its connection alive meanwhile
_MOST = 1_000_000   # events kept of each gateway, about 300 MB
_PRUNE_EVERY = 20_000   # events: looking for the oldest takes a while
_VERSION = 1
_SCHEMA = """
CREATE TABLE gateway (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mark TEXT NOT NULL, UNIQUE (name, mark));
CREATE TABLE event (
    id INTEGER PRIMARY KEY, gateway INTEGER NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, ts INTEGER NOT NULL,
    event_type TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (gateway, boot, seq));
CREATE INDEX event_ts ON event (gateway, ts);
CREATE TABLE newest (gateway INTEGER, topic TEXT, boot INTEGER, seq INTEGER, PRIMARY KEY (gateway, topic));
PRAGMA user_version = 1;
"""
_ADD = "INSERT OR IGNORE INTO event (gateway, boot, seq, ts, event_type, body) VALUES (?, ?, ?, ?, ?, ?)"
_NEWEST = """INSERT INTO newest VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET boot = excluded.boot, seq = excluded.seq
    WHERE (excluded.boot, excluded.seq) > (boot, seq)"""
# Between two events of a boot; before its first one when an earlier boot was known by then.
_MISSING = """
SELECT boot, before + 1, seq - 1 FROM (
    SELECT boot, seq, id, lag(seq) OVER (PARTITION BY boot ORDER BY seq) AS before FROM event WHERE gateway = ?1 AND boot >= ?2)
    WHERE before < seq - 1
UNION ALL
SELECT boot, 1, min(seq) - 1 FROM event AS this WHERE gateway = ?1 AND boot >= ?2 GROUP BY boot HAVING min(seq) > 1 AND EXISTS (
    SELECT 1 FROM event WHERE gateway = ?1 AND boot < this.boot AND id < (
        SELECT min(id) FROM event WHERE gateway = ?1 AND boot = this.boot))
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Stored:
    """One event as it is in the database; `body`: its JSON text, with boot, seq and ts."""

    gateway: str
    body: str


class History:
    """The open database. Raises HistoryError."""

    def __init__(self, gateways: list[Gateway]) -> None:
        self.path = places.data_dir() / _FILE
        self.waiting: list[Report] = []   # taken in, not stored yet
        self._added = 0   # since the last look for what is too old
        with self._told():
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            # FULL: what is acknowledged to the broker must be on the disk. WAL: one writer does not stop the readers.
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            self._prepare()
            self._ids = {gateway.name: self._id(gateway) for gateway in gateways}

    def _prepare(self) -> None:
        if self._made() == 0:
            with self._transaction():
                if self._made() == 0:   # nobody else was quicker
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
        if self._made() != _VERSION:
            raise HistoryError(f"{self.path}: version {self._made()}, of another knocklet; this one knows {_VERSION}")

    def _made(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _id(self, gateway: Gateway) -> int:
        known = gateway.name, sha256(b"knocklet history" + gateway.event_key).hexdigest()[:16]
        found = self._db.execute("SELECT id FROM gateway WHERE name = ? AND mark = ?", known).fetchone()
        if found is None:
            self._db.execute("INSERT OR IGNORE INTO gateway (name, mark) VALUES (?, ?)", known)
            return self._id(gateway)
        return int(found[0])

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_: Any) -> None:
        self._db.close()

    def intake(self, gateways: list[Gateway]) -> Intake:
        """An Intake that knows what is stored."""
        seen: dict[tuple[str, int], Seen] = {}
        newest: dict[tuple[str, str], Range] = {}
        with self._told():
            for gateway in gateways:
                for boot, highest in self._boots(gateway.name):
                    seen[gateway.name, boot] = Seen(highest, self._unseen(gateway.name, boot))
                rows = self._db.execute("SELECT topic, boot, seq FROM newest WHERE gateway = ?", (self._ids[gateway.name],))
                newest.update({(gateway.name, topic): (boot, seq) for topic, boot, seq in rows})
        return Intake({gateway.name: gateway.event_key for gateway in gateways}, seen, newest)

    def _boots(self, gateway: str) -> list[tuple[int, int]]:
        found = self._db.execute(
            "SELECT boot, max(seq) FROM event WHERE gateway = ? GROUP BY boot ORDER BY boot DESC LIMIT ?",
            (self._ids[gateway], BOOTS),
        )
        return list(found)

    def _unseen(self, gateway: str, boot: int) -> list[Range]:
        rows = self._db.execute("SELECT seq FROM event WHERE gateway = ? AND boot = ? ORDER BY seq", (self._ids[gateway], boot))
        unseen, before = [], 0
        for (seq,) in rows:
            if seq > before + 1:
                unseen.append((before + 1, seq - 1))
            before = seq
        return unseen

    def add(self, reports: list[Report]) -> None:
        """To be stored with the next commit()."""
        self.waiting += [report for report in reports if report.verdict == NEW]

    def commit(self) -> bool:
        """Store what waits, all or nothing. False: another process has the database; what waits waits on."""
        if not self.waiting:
            return True
        events = [
            (self._ids[r.gateway], r.boot, r.seq, r.ts, r.fields["event_type"].encode("utf-8", "replace").decode(), r.body)
            for r in self.waiting
            if r.below == EVENT
        ]
        newest = [(self._ids[r.gateway], r.below, r.boot, r.seq) for r in self.waiting if r.below != EVENT]
        try:
            with self._told(), self._transaction():
                self._db.executemany(_ADD, events)
                self._db.executemany(_NEWEST, newest)
                self._prune(events)
        except HistoryError as error:
            if _is_busy(error.__cause__):
                return False
            raise
        self.waiting.clear()
        return True

    def _prune(self, events: list[tuple[Any, ...]]) -> None:
        self._added += len(events)
        if self._added < _PRUNE_EVERY:
            return
        self._added = 0
        oldest = "SELECT id FROM event WHERE gateway = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2"
        for gateway in {row[0] for row in events}:
            self._db.execute(f"DELETE FROM event WHERE gateway = ?1 AND id <= ({oldest})", (gateway, _MOST))

    def events(self, gateways: list[Gateway], since: int | None, types: list[str]) -> Iterator[Stored]:
        """The newest first. since: seconds since 1970, by the gateway's clock."""
        where = ["gateway IN (%s)" % ",".join("?" * len(gateways))]
        values: list[Any] = [self._ids[gateway.name] for gateway in gateways]
        if since is not None:
            where.append("ts >= ?")
            values.append(since)
        if types:
            where.append("event_type IN (%s)" % ",".join("?" * len(types)))
            values += types
        names = {number: name for name, number in self._ids.items()}
        query = f"SELECT gateway, body FROM event WHERE {' AND '.join(where)} ORDER BY id DESC"
        with self._told(), closing(self._db.execute(query, values)) as rows:
            for gateway, body in rows:
                yield Stored(names[gateway], body)

    def missing(self, gateway: str) -> list[tuple[int, int, int]]:
        """(boot, first seq, last seq) of what never came, of the newest boots."""
        with self._told():
            boots = self._boots(gateway)
            oldest = boots[-1][0] if boots else 0
            return list(self._db.execute(_MISSING, (self._ids[gateway], oldest)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = "another process has it locked" if _is_busy(error) else str(error)
            raise HistoryError(f"{self.path}: {text}") from error


def _is_busy(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
