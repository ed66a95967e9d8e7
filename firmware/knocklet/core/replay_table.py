"""The replay store's records in memory: find one by its key, give a new one a place, say which may give way.

A record keeps its place. Where it lies says an index of open addressing, made anew when a record gave way to another one.
"""

from array import array

from .replay_records import (
    FLOOR_KEY,
    FLOOR_PLACE,
    HIGHEST,
    KEY_BYTES,
    PLACES,
    RECORD_BYTES,
    UNKNOWN_FLOOR,
    is_taken,
    key_of,
    record,
    value_of,
)

_SLOTS = 1024  # of the index: a power of two, well above PLACES
_NONE = 0xFFFF


class ReplayTable:
    """`memory`: a bytearray with PLACES places, each of them good or free (replay_records.merge)."""

    def __init__(self, memory):
        self.memory = memory
        self._may_go = bytearray(PLACES)  # 1: of a client that is no longer in the policy
        self._index = array("H", [_NONE] * _SLOTS)  # -> place
        if not is_taken(memory, FLOOR_PLACE):
            self.set_floor(UNKNOWN_FLOOR)
        self._make_index()

    def floor(self):
        """UNKNOWN_FLOOR when the table was made anew and nobody has set one."""
        return value_of(self.memory, FLOOR_PLACE)

    def set_floor(self, value):
        self._put(FLOOR_PLACE, FLOOR_KEY, value)

    def last(self, key):
        """The highest value stored for this key, 0 when there is none."""
        place = self._index[self._slot(key)]
        return value_of(self.memory, place) if place != _NONE else 0

    def raise_to(self, key, value):
        """Let the key's value be at least this one. Returns its place, or -1: no room, or nothing that can be stored."""
        if len(key) != KEY_BYTES or key == FLOOR_KEY or not 0 <= value <= HIGHEST:
            return -1
        place = self._index[self._slot(key)]
        if place == _NONE:
            return self._add(key, value)
        if value > value_of(self.memory, place):
            self._put(place, key, value)
        return place

    def keep(self, keys):
        """These are in the policy: all others may give way when there is no room, the lowest value first; what is
        revoked (HIGHEST) never does."""
        for place in range(PLACES):
            self._may_go[place] = 1
        for key in keys:
            place = self._index[self._slot(key)]
            if place != _NONE:
                self._may_go[place] = 0

    def absorb(self, newer):
        """Take over what a newer table knows; what it does not know may give way to that."""
        places = [place for place in range(FLOOR_PLACE + 1, PLACES) if is_taken(newer.memory, place)]
        self.keep([key_of(newer.memory, place) for place in places])
        for place in places:
            self.raise_to(key_of(newer.memory, place), value_of(newer.memory, place))
        self.set_floor(newer.floor())

    def _add(self, key, value):
        place = self._room()
        if place < 0:
            return -1
        gives_way = is_taken(self.memory, place)
        self._put(place, key, value)
        self._may_go[place] = 0
        if gives_way:
            self._make_index()
        else:
            self._index[self._slot(key)] = place
        return place

    def _room(self):
        """A free place, or the one that can be spared most, or -1."""
        best, lowest = -1, HIGHEST
        for place in range(FLOOR_PLACE + 1, PLACES):
            if not is_taken(self.memory, place):
                return place
            value = value_of(self.memory, place)
            if self._may_go[place] and value < lowest:
                best, lowest = place, value
        return best

    def _put(self, place, key, value):
        at = place * RECORD_BYTES
        self.memory[at : at + RECORD_BYTES] = record(key, value)

    def _make_index(self):
        for slot in range(_SLOTS):
            self._index[slot] = _NONE
        for place in range(FLOOR_PLACE + 1, PLACES):
            if is_taken(self.memory, place):
                self._index_one(place)

    def _index_one(self, place):
        slot = self._slot(key_of(self.memory, place))
        other = self._index[slot]
        if other != _NONE:  # the same key twice, as in files that were put together by hand: the higher value stays
            if value_of(self.memory, place) < value_of(self.memory, other):
                place, other = other, place
            at = other * RECORD_BYTES
            self.memory[at : at + RECORD_BYTES] = bytes(RECORD_BYTES)
        self._index[slot] = place

    def _slot(self, key):
        """Where the index has the key, or would have it. Fingerprints are as good as random."""
        first = key[0] << 8 | key[1] ^ key[KEY_BYTES - 1]
        for slot in range(first, first + _SLOTS):
            place = self._index[slot & (_SLOTS - 1)]
            if place == _NONE or key_of(self.memory, place) == key:
                return slot & (_SLOTS - 1)  # always: there are more slots than places
