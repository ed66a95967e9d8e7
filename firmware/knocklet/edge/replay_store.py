"""The replay store: what was accepted is remembered before it acts, and is never accepted again.

Two copies in the state directory, made whole beforehand and rewritten in place: on a full disk a new file fails where a write
into an old one works. A record goes to one copy, is flushed, and goes to the other one soon after (core/replay_records.py
says how they are read). A copy whose write failed may hold anything: it is written first, until that works again. Meanwhile
all is kept in the run directory, which outlives the engine but not a power cut.

A file is opened for each write (a few microseconds, where a flush takes milliseconds): one that stays open would keep its
file system from being made read-only, and would not tell that somebody has deleted it.
"""

from ..core.replay_records import BYTES, FLOOR_PLACE, PLACES, RECORD_BYTES, UNKNOWN_FLOOR, merge
from ..core.replay_table import ReplayTable
from . import whole_file

SETTLE_MS = 100  # from store() to timer(): nobody waits for the second copy
_RETRY_MS = 60_000  # from one try of a storage that fails to the next, when nobody knocks
_A = 0
_B = 1
_ENOENT = 2


class ReplayStore:
    """made_anew: why what was stored before may be forgotten; "" when it is not. failing: the last write to storage failed.
    floor_us: stamps up to it are refused; None when that is not known, since the store was made anew."""

    def __init__(self, state_dir, run_dir):
        self._state_dir = state_dir
        self._paths = (state_dir + "/replay.a", state_dir + "/replay.b")
        self._run_path = run_dir + "/replay"
        a, b = [_read(path) for path in self._paths]
        memory, lost = merge(a, b)
        self._table = ReplayTable(memory)
        self.made_anew = _why(a, b, lost)
        newest = _read(self._run_path)
        if newest:
            memory, lost = merge(newest, newest)
            self._table.absorb(ReplayTable(memory))
            self.made_anew = "the one in the run directory is damaged" if lost or len(newest) != BYTES else ""
        if self.made_anew:
            self._table.set_floor(UNKNOWN_FLOOR)
        floor = self._table.floor()
        self.floor_us = floor if floor != UNKNOWN_FLOOR else None
        self.failing = False
        self._suspect = _A  # the copy whose last write failed, while failing
        self._in_run_dir = bool(newest)
        self._stale = [_differences(copy, self._table.memory) for copy in (a, b)]  # places that a copy lacks
        self._stale[_A].add(FLOOR_PLACE)  # write one at least: does storage work?
        self._flush(_A, _B)

    def set_floor(self, now_us):
        """From now on refuse all that is older than now, where the floor is not known."""
        if self.floor_us is None:
            self.floor_us = now_us
            self._table.set_floor(now_us)
            self._save(FLOOR_PLACE)

    def last(self, fingerprint, what):
        """The highest value that was stored, 0 when there is none."""
        return self._table.last(_key(fingerprint, what))

    def store(self, fingerprint, what, value):
        """Remember that this value was accepted. Returns True when it is flushed on storage. Then timer() wants a call."""
        place = self._table.raise_to(_key(fingerprint, what), value)
        return place >= 0 and self._save(place)

    def keep(self, pairs):
        """The (fingerprint, what) of the policy: records of others may give way to new ones."""
        self._table.keep([_key(fingerprint, what) for fingerprint, what in pairs])

    def settle(self):
        """Write what the second copy lacks. Returns False when storage fails."""
        if self.failing:
            return self._flush(self._suspect, 1 - self._suspect)
        return self._flush(_B)

    def timer(self, _now_ms):
        """For the engine's loop: SETTLE_MS after a store(), and as long as storage fails."""
        return -1 if self.settle() else _RETRY_MS

    def _save(self, place):
        behind = place in self._stale[_B]
        for stale in self._stale:
            stale.add(place)
        if self.failing:
            return self.settle()
        return self._flush(_B, _A) if behind else self._flush(_A)

    def _flush(self, *copies):
        """Write what these copies lack, one after the other: where one of them is not right yet, the other one is."""
        try:
            for copy in copies:
                if self._stale[copy]:
                    self._suspect = copy
                    self._write(copy)
                    self._stale[copy] = set()
        except OSError:
            self.failing = True
            self._to_run_dir()
            return False
        self.failing = False
        if self._in_run_dir:
            self._leave_run_dir()
        return True

    def _write(self, copy):
        path = self._paths[copy]
        try:
            with open(path, "r+b") as file:
                if file.seek(0, 2) == BYTES:
                    self._rewrite(file, sorted(self._stale[copy]))
                    return
        except OSError as error:
            if error.errno != _ENOENT:
                raise
        self._make(path)

    def _rewrite(self, file, places):
        for place in places:
            at = place * RECORD_BYTES
            file.seek(at)
            file.write(self._table.memory[at : at + RECORD_BYTES])
            if place == FLOOR_PLACE:
                file.flush()  # before a damaged record becomes a free place, it is known that something is forgotten
        file.flush()  # MicroPython's flush() is fsync()

    def _make(self, path):
        """The file, whole or not at all, also when the power fails."""
        whole_file.make_directory(self._state_dir)
        whole_file.write(path, self._table.memory)
        whole_file.flush_directory(self._state_dir)

    def _to_run_dir(self):
        try:
            whole_file.write(self._run_path, self._table.memory)
            self._in_run_dir = True
        except OSError:
            pass  # only memory has it: store() says that nothing is on storage

    def _leave_run_dir(self):
        if whole_file.remove(self._run_path):  # else the next time: an old file there must not be taken for a newer one
            self._in_run_dir = False


def _key(fingerprint, what):
    return fingerprint + bytes([what])


def _read(path):
    return whole_file.read(path, BYTES)


def _why(a, b, lost):
    """Why the store is not what it was, or ""."""
    if BYTES not in (len(a), len(b)):
        return "both copies have a wrong size" if a or b else "there was none"
    return "%d records are damaged in both copies" % lost if lost else ""


def _differences(copy, memory):
    """The places where a copy is not what it should be: all of them in a file of another size."""
    if len(copy) != BYTES:
        return set(range(PLACES))
    starts = range(0, BYTES, RECORD_BYTES)
    return {at // RECORD_BYTES for at in starts if copy[at : at + RECORD_BYTES] != memory[at : at + RECORD_BYTES]}
