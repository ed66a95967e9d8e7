"""Summing up what strangers can cause at will: one event per kind, source and minute at most, one more when it has ended.

A fixed table: each kind has places for some sources, and one for all others together. Looking one up allocates nothing.

    first time           told at once
    again                counted, told with the count a minute after the last telling
    a quiet minute       if it had come again: told that it has ended, and how often it came; the place is free
"""

from array import array

from .clock import MASK, age, left

KINDS = ("refused", "replayed", "sweep", "flood")
REFUSED, REPLAYED, SWEEP, FLOOD = 0, 1, 2, 3
MINUTE_MS = 60_000
_SOURCES = 8  # of each kind, at once
_PLACES = _SOURCES + 1  # the last one is for all others
_ADDRESS_BYTES = 16


class Summary:
    def __init__(self):
        count = len(KINDS) * _PLACES
        self._lengths = bytearray(count)  # of the source: 4, 16, or 0 for several and unknown
        self._sources = bytearray(count * _ADDRESS_BYTES)
        self._total = array("I", bytes(4 * count))  # how often it came; 0: the place is free
        self._untold = array("I", bytes(4 * count))  # since it was last told
        self._told_ms = array("I", bytes(4 * count))
        self._buffer = b""  # what source() was given: few arguments keep the frames of the calls below small (packet.py)
        self._at = 0
        self._length = 0

    def source(self, buffer, at, length):
        """Whom the next seen() is about: the address in buffer[at : at + length] (length 4 or 16; 0 for several)."""
        self._buffer = buffer
        self._at = at
        self._length = length

    def seen(self, kind, now_ms):
        """It came. Returns whether to tell it now."""
        place = self._find(kind * _PLACES)
        if self._total[place]:
            self._total[place] = (self._total[place] + 1) & MASK
            self._untold[place] = (self._untold[place] + 1) & MASK
            return False
        self._begin(place)
        self._told_ms[place] = now_ms
        return True

    def _begin(self, place):
        if place % _PLACES == _SOURCES:
            self._length = 0
        i = 0
        while i < self._length:
            self._sources[place * _ADDRESS_BYTES + i] = self._buffer[self._at + i]
            i += 1
        self._lengths[place] = self._length
        self._total[place] = 1
        self._untold[place] = 0

    def _find(self, first):
        """The source's place among those of a kind from `first` on, else a free one, else the one for all others."""
        free = first + _SOURCES
        if self._length:
            place = free - 1
            while place >= first:
                if not self._total[place]:
                    free = place
                elif self._same(place):
                    return place
                place -= 1
        return free

    def _same(self, place):
        if self._lengths[place] != self._length:
            return False
        place *= _ADDRESS_BYTES
        i = self._length - 1  # most differ in their last bytes
        while i >= 0:
            if self._sources[place + i] != self._buffer[self._at + i]:
                return False
            i -= 1
        return True

    def due(self, now_ms):
        """What is to be told now: [(kind, source, how often since last told, 0 when it has ended, how often in all)]."""
        told = []
        for place in range(len(self._total)):
            if self._total[place] and age(now_ms, self._told_ms[place]) >= MINUTE_MS:
                untold, total = self._untold[place], self._total[place]
                at = place * _ADDRESS_BYTES
                if untold or total > 1:
                    told.append((place // _PLACES, bytes(self._sources[at : at + self._lengths[place]]), untold, total))
                self._untold[place] = 0
                self._told_ms[place] = now_ms
                if not untold:
                    self._total[place] = 0
        return told

    def next_ms(self, now_ms):
        """Milliseconds until something is due, or -1."""
        wait_ms = -1
        for place in range(len(self._total)):
            if self._total[place]:
                place_ms = max(0, left(now_ms, (self._told_ms[place] + MINUTE_MS) & MASK))
                wait_ms = place_ms if wait_ms < 0 else min(wait_ms, place_ms)
        return wait_ms
