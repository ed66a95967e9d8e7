"""Who has knocked how far: a table of fixed size that a flood of strangers cannot push an honest client out of.

16,384 entries in groups of 8. An entry is one source's attempt at one sequence, or the note that this source swept
(a *guard*). A source's entries are all in one group, found by tabulation hashing with a key made at start, so nobody
can aim at a group; the full address is compared. A newcomer takes a free or outlived entry, else the oldest attempt
that has seen its first step only, and never one further along: first steps can be spoofed at any rate, but whoever
has answered two steps in turn keeps the place. A guard gives way like a first step, one whose source rests only
when nothing else can: guards must not keep honest clients out.
"""

from array import array

from .clock import MASK

_GROUPS = 2048
_WAYS = 8
ENTRIES = _GROUPS * _WAYS
KEY_BYTES = 2 * 16 * 256  # 16-bit values for each value of each address byte
GUARD = 0x1FF  # "sequence" of a guard entry; all others are lower
ENDS = 3  # attempts of one source that decoys may end before it rests
_GIVES_WAY = 0x1000000  # more than any age in ms: before those that go only when nothing else can
_IPV6 = 0x8000  # set beside the sequence, so that 16 bytes ending in zeros are not taken for an IPv4 address


class Attempts:
    """Columns, one element an entry. Hot methods allocate nothing and raise nothing."""

    def __init__(self, key):
        """`key`: KEY_BYTES of randomness, new at each start."""
        if len(key) != KEY_BYTES:
            raise ValueError("attempts: the key is %d bytes, not %d" % (len(key), KEY_BYTES))
        self._key = array("H", key)
        self._source = bytearray(16)  # what select() chose: address, 4 or 16, _IPV6 or 0, first entry of the group
        self._count = 0
        self._family = 0
        self._group = 0
        self._address = bytearray(16 * ENTRIES)
        self._kind = array("H", bytes(2 * ENTRIES))  # 0 free; else 1 + sequence, or GUARD; | _IPV6
        self.step = bytearray(ENTRIES)  # attempt: steps seen so far; guard: attempts that decoys have ended
        self._since = array("I", bytes(4 * ENTRIES))  # attempt: its first step; guard: the last such end
        self._window_ms = array("I", bytes(4 * (GUARD + 1)))  # by 1 + sequence or GUARD

    def set_window(self, sequence, window_ms):
        """Attempts at `sequence` (or the note GUARD) live this long."""
        self._window_ms[sequence if sequence == GUARD else sequence + 1] = window_ms

    def select(self, frame, at, count):
        """The methods below mean the source whose address is the `count` bytes (4 or 16) at `frame[at:]`."""
        source = self._source
        h = 0
        i = 0
        while i < count:
            source[i] = frame[at + i]
            h = self._key[i << 8 | source[i]] ^ h
            i += 1
        self._count = count
        self._family = _IPV6 if count == 16 else 0
        self._group = (h & (_GROUPS - 1)) * _WAYS

    def find(self, sequence, now_ms):
        """The live entry of this source for `sequence` (or GUARD), or -1."""
        kind = (sequence if sequence == GUARD else sequence + 1) | self._family
        kinds = self._kind
        entry = self._group
        last = entry + _WAYS
        while entry < last:
            if kinds[entry] == kind and self._same(entry) and self.alive(entry, now_ms):
                return entry
            entry += 1
        return -1

    def place(self, sequence, now_ms):
        """Make a new entry of this source for `sequence` (or GUARD) with 1 in its step; -1 when the group has no room."""
        entry = self._room(now_ms)
        if entry < 0:
            return -1
        self._kind[entry] = (sequence if sequence == GUARD else sequence + 1) | self._family
        self._since[entry] = now_ms
        self.step[entry] = 1
        i = 0
        while i < self._count:
            self._address[entry << 4 | i] = self._source[i]
            i += 1
        return entry

    def alive(self, entry, now_ms):
        return (now_ms - self._since[entry]) & MASK < self._window_ms[self._kind[entry] & GUARD]

    def touch(self, entry, now_ms):
        """Restart the life of an entry."""
        self._since[entry] = now_ms

    def free(self, entry):
        self._kind[entry] = 0

    def end_all(self, now_ms):
        """End every live attempt of this source (its guard stays). Returns how many there were."""
        ended = 0
        entry = self._group
        last = entry + _WAYS
        while entry < last:
            if self._kind[entry] & _IPV6 == self._family and self._is_attempt(entry) and self._same(entry):
                if self.alive(entry, now_ms):
                    ended += 1
                self._kind[entry] = 0
            entry += 1
        return ended

    def forget_old(self, now_ms):
        """Free what has outlived its window. Once a day, so that no entry's age wraps round and looks young again."""
        for entry in range(ENTRIES):
            if self._kind[entry] and not self.alive(entry, now_ms):
                self._kind[entry] = 0

    def forget_attempts(self, kept=()):
        """Free all attempts but those at the sequences `kept`, keep the guards: sequences have changed."""
        for entry in range(ENTRIES):
            if self._is_attempt(entry) and (self._kind[entry] & GUARD) - 1 not in kept:
                self._kind[entry] = 0

    def live(self, now_ms):
        """How many entries are alive (for status; not hot)."""
        return sum(1 for entry in range(ENTRIES) if self._kind[entry] and self.alive(entry, now_ms))

    def _same(self, entry):
        address = self._address
        source = self._source
        i = self._count - 1  # from the end: addresses of one group differ there
        entry <<= 4
        while i >= 0:
            if address[entry | i] != source[i]:
                return False
            i -= 1
        return True

    def _is_attempt(self, entry):
        kind = self._kind[entry] & GUARD
        return kind and kind != GUARD

    def _room(self, now_ms):
        """The entry of the group that a newcomer takes: the one that can be spared most, or -1."""
        best = -1
        best_rank = 0
        entry = self._group
        last = entry + _WAYS
        while entry < last:
            rank = self._spare(entry, now_ms)
            if rank > best_rank:
                best = entry
                best_rank = rank
            entry += 1
        return best

    def _spare(self, entry, now_ms):
        """How well this entry can be spared, the older the better: MASK when it is free or outlived, 0 when it must stay."""
        if not self._kind[entry] or not self.alive(entry, now_ms):
            return MASK
        age_ms = (now_ms - self._since[entry]) & MASK  # below a minute, or it would be outlived
        if self._is_attempt(entry):
            return age_ms + _GIVES_WAY if self.step[entry] == 1 else 0
        return age_ms + (_GIVES_WAY if self.step[entry] < ENDS else 1)
