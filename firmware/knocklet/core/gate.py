"""The gate: which of the packets to the knock port are worth a check of their MAC?

A packet has to be as long as one, to name a slot, and to have the tag of a client in that slot. While the clock is trusted
the slots are those around now, and the kernel filter has done the same already (where it holds all tags). While it is not,
any slot may be right: its tags are computed when a packet comes with it, on the same budget, and the last few are kept.
"""

from ..wire import spa_packet
from . import verdict
from .mac_budget import MacBudget
from .tags import SlotTags

_KEPT = 4  # slots, while the clock is not trusted


class Gate:
    """clients: those with kind spa, in the order of their numbers."""

    def __init__(self, checks, seed):
        """checks: of MACs in each window of mac_budget.WINDOW_MS; seed: a random number."""
        self._checks = checks
        self._seed = seed
        self.clients = []
        self.tables = []  # SlotTags
        self.trusted = False
        self._budget = None
        self._next = 0  # of the kept tables: which one goes next
        self._table = None
        self._place = 0

    def set_clients(self, clients):
        self.clients = clients
        self.tables = []
        self._budget = MacBudget(self._checks, len(clients) + 2, self._seed)  # two more: slots' tags, other kinds

    def set_slots(self, slots):
        """The clock is trusted, and these slots (numbers) are right now; or None: it is not. Returns whether tables changed."""
        if slots is None:
            changed, self.trusted = self.trusted, False
            return changed
        there = {table.slot: table for table in self.tables}
        changed = not self.trusted or sorted(there) != sorted(slots)
        self.tables = [there.get(slot) or SlotTags(self.clients, slot) for slot in slots]
        self.trusted = True
        return changed

    def look(self, frame, at, count, now_ms):
        """A datagram of `count` bytes at frame[at:]. CHECK: candidates() may have made it. Hot."""
        if count != spa_packet.BYTES:
            return verdict.WRONG_LENGTH
        table = self._find(frame, at)
        if table is None:
            if self.trusted:
                return verdict.UNKNOWN_TAG
            if not self._may_make(now_ms):
                return verdict.OVER_BUDGET
            table = self._make(frame, at)
        self._table = table
        return self._tag(frame, at, now_ms)

    def _tag(self, frame, at, now_ms):
        """look() in the table of its slot. Apart, so that neither frame is too large (packet.py)."""
        self._place = self._table.find(frame, at)
        if self._place < 0:
            return verdict.UNKNOWN_TAG
        number = self._table.number(self._place)
        return verdict.CHECK if self._budget.spend(number, now_ms) else verdict.OVER_BUDGET

    def spend(self, cost, now_ms):
        """A packet of another kind, worth so many checks: are they to be made?"""
        return self._budget.spend(len(self.clients) + 1, now_ms, cost)

    def authentic(self, cost):
        """The packet that was found worth it is not junk, and what is in it takes so many checks' time more."""
        self._budget.pay(cost)

    def candidates(self):
        """The clients that have the tag of the packet that was looked at last."""
        return [self.clients[number] for number in self._table.numbers(self._place)]

    def _find(self, frame, at):
        i = 0
        while i < len(self.tables):
            if self.tables[i].is_slot_of(frame, at):
                return self.tables[i]
            i += 1
        return None

    def _may_make(self, now_ms):
        """The tags of a slot that was not asked for lately: each takes its part of the budget."""
        nobody = len(self.clients)
        return self._budget.spend(nobody, now_ms, nobody)

    def _make(self, frame, at):
        """Those tags, from then on kept. Allocates."""
        table = SlotTags(self.clients, int.from_bytes(bytes(frame[at : at + 4]), "big"))
        if len(self.tables) < _KEPT:
            self.tables.append(table)
        else:
            self.tables[self._next] = table
            self._next = (self._next + 1) % _KEPT
        return table
