"""The tags of all clients in one slot, sorted: whose can a packet be? Hot: looking one up allocates nothing."""

from array import array

from ..wire import spa_packet

_SLOT_BYTES = 4
_TAG_BYTES = spa_packet.TAG_BYTES


class SlotTags:
    """slot: its number."""

    def __init__(self, clients, slot):
        """clients: list of Client with keys; takes an HMAC for each."""
        self.slot = slot
        self._slot = spa_packet.slot_bytes(max(slot, 0))
        tags = spa_packet.tags([client.keys for client in clients], self._slot)
        made = sorted([(tag, number) for number, tag in enumerate(tags)])
        self._count = len(made)
        self.tags = b"".join([tag for tag, _ in made])
        self._numbers = array("H", [number for _, number in made])

    def values(self):
        """The tags as numbers, each once, in order."""
        found = []
        for at in range(0, len(self.tags), _TAG_BYTES):
            value = int.from_bytes(self.tags[at : at + _TAG_BYTES], "big")
            if not found or value != found[-1]:
                found.append(value)
        return found

    def is_slot_of(self, frame, at):
        """Is this the slot of the packet at frame[at:]?"""
        slot = self._slot
        i = _SLOT_BYTES - 1
        while i >= 0:
            if slot[i] != frame[at + i]:
                return False
            i -= 1
        return True

    def find(self, frame, at):
        """The first place whose tag is that of the packet at frame[at:], or -1."""
        low = 0
        high = self._count
        at += spa_packet.TAG_AT
        while low < high:
            middle = (low + high) >> 1
            if self._compare(middle, frame, at) < 0:
                low = middle + 1
            else:
                high = middle
        return low if low < self._count and self._compare(low, frame, at) == 0 else -1

    def _compare(self, place, frame, at):
        tags = self.tags
        place *= _TAG_BYTES
        i = 0
        while i < _TAG_BYTES:
            difference = tags[place + i] - frame[at + i]
            if difference:
                return difference
            i += 1
        return 0

    def number(self, place):
        """The number of the client at a place."""
        return self._numbers[place]

    def numbers(self, place):
        """The numbers of all clients that share the tag at find()'s place: nearly always one."""
        first = self.tags[place * _TAG_BYTES : (place + 1) * _TAG_BYTES]
        found = []
        while self.tags[place * _TAG_BYTES : (place + 1) * _TAG_BYTES] == first:
            found.append(self._numbers[place])
            place += 1
        return found
