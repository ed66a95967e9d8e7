"""Events that wait for the broker: a fixed number of places in memory that outlives the engine (edge/mapped_file.py).

    head   magic(u32)  dropped(u32)  of these about grants(u32)  owner(u32)
    place  state(u8: 0 free, 1 noise, 2 about a grant)  zero(u8)  length(u16)  token(u32)  payload

Delivered in the order they were put in; a place is free again when its token is acknowledged. When all are taken, the oldest
noise makes room, then the oldest event about a grant; what is dropped is counted. A place's state is written last when it is
filled and first when it is freed, so that an engine killed at any moment leaves it whole or free.
"""

from struct import pack_into, unpack_from

from .agent_messages import TOKENS, next_token

FREE, NOISE, GRANT = 0, 1, 2
PLACES = 256
PLACE_BYTES = 512
_HEAD_BYTES = 16
_PLACE_HEAD_BYTES = 8
PAYLOAD_BYTES = PLACE_BYTES - _PLACE_HEAD_BYTES  # the longest
BYTES = _HEAD_BYTES + PLACES * PLACE_BYTES
_MAGIC = 0x4B4C4F31


class Outbox:
    """`memory`: a bytearray of BYTES. What an engine before this one left in it is taken over, if it has the same owner
    (a number 0 .. 2**32 - 1, for a name and key): nobody would believe the events of another one."""

    def __init__(self, memory, owner=0):
        self._memory = memory
        self._queue = []  # places that are taken, the oldest first
        self._free = []
        self._token = 0  # of the newest
        magic, _, _, before = unpack_from(">IIII", memory, 0)
        if magic != _MAGIC or before != owner:
            for place in range(PLACES):
                memory[self._at(place)] = FREE
            pack_into(">IIII", memory, 0, _MAGIC, 0, 0, owner)
        for place in range(PLACES):
            at = self._at(place)
            length, token = unpack_from(">HI", memory, at + 2)
            if memory[at] not in (NOISE, GRANT) or length > PAYLOAD_BYTES or not 0 < token <= TOKENS:
                memory[at] = FREE
                self._free.append(place)
            else:
                self._queue.append(place)
        self._queue.sort(key=self._token_of)
        if self._queue:
            self._token = self._token_of(self._queue[-1])

    def _at(self, place):
        return _HEAD_BYTES + place * PLACE_BYTES

    def _token_of(self, place):
        return unpack_from(">I", self._memory, self._at(place) + 4)[0]

    def waiting(self):
        return len(self._queue)

    def put(self, payload, state):
        """Queue it as NOISE or GRANT. Returns False when it was dropped itself: no room, or too long."""
        if len(payload) > PAYLOAD_BYTES or not self._free and not self._make_room(state):
            self._count_dropped(state)
            return False
        place = self._free.pop()
        at = self._at(place)
        self._token = next_token(self._token)
        pack_into(">HI", self._memory, at + 2, len(payload), self._token)
        self._memory[at + _PLACE_HEAD_BYTES : at + _PLACE_HEAD_BYTES + len(payload)] = payload
        self._memory[at] = state
        self._queue.append(place)
        return True

    def _make_room(self, state):
        """Drop the oldest noise, or for an event about a grant the oldest of those."""
        for wanted in (NOISE, GRANT):
            for place in self._queue:
                if self._memory[self._at(place)] == wanted:
                    self._count_dropped(wanted)
                    self._let_go(place)
                    return True
            if state == NOISE:
                break
        return False

    def _let_go(self, place):
        self._memory[self._at(place)] = FREE
        self._queue.remove(place)
        self._free.append(place)

    def _count_dropped(self, state):
        dropped, grants = self.dropped()
        pack_into(">II", self._memory, 4, (dropped + 1) & 0xFFFFFFFF, (grants + (state == GRANT)) & 0xFFFFFFFF)

    def dropped(self):
        """(how many events were dropped since forget_dropped(), how many of them were about grants)."""
        return unpack_from(">II", self._memory, 4)

    def forget_dropped(self):
        pack_into(">II", self._memory, 4, 0, 0)

    def after(self, token):
        """(token, payload) of the first event after `token`, or None. 0 is before all."""
        for place in self._queue:
            found = self._token_of(place)
            if found > token:
                at = self._at(place)
                length = unpack_from(">H", self._memory, at + 2)[0]
                return found, bytes(self._memory[at + _PLACE_HEAD_BYTES : at + _PLACE_HEAD_BYTES + length])
        return None

    def acknowledge(self, token):
        """It has arrived. Returns whether there was one with this token."""
        for place in self._queue:
            found = self._token_of(place)
            if found == token:
                self._let_go(place)
                return True
            if found > token:
                break
        return False
