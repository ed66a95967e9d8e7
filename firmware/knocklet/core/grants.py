"""Who is in: one grant a service, address and client, each with its end. The kernel's entry lives as long as the latest.

This table decides nothing about opening; it remembers what the kernel has acknowledged, so that every end is told with
its reason, and so that a flushed firewall gets its entries back with the time that remained.
"""

from .clock import after, left

LIMIT = 256  # grants at once; a further one is refused and counted


class Grant:
    """One client's grant. Times are core.clock milliseconds; max_end_ms means something only where service.max_s does."""

    def __init__(self, service, address, client):
        self.service = service
        self.address = address  # 4 or 16 bytes
        self.client = client  # name of the sequence or of the client with a key, or RESTORED
        self.since_ms = 0
        self.end_ms = 0  # without traffic, for a service with idle
        self.max_end_ms = 0

    def key(self):
        """The kernel entry that this grant keeps alive: (service index, address)."""
        return (self.service.index, self.address)


RESTORED = "(restored)"  # client of a grant that the kernel held over a restart of the engine: no sequence's name


class Grants:
    def __init__(self):
        self.live = []
        self._by_entry = {}  # the same grants by their key: a knock must not wait while all are looked through

    def find(self, service, address, client):
        """The live grant of this client, or None."""
        for grant in self.of_entry((service.index, address)):
            if grant.client == client:
                return grant
        return None

    def of_entry(self, key):
        """The grants that share one kernel entry: a list, not to be changed."""
        return self._by_entry.get(key, ())

    def full(self):
        return len(self.live) >= LIMIT

    def put(self, service, address, client, now_ms, wanted_s=0):
        """The kernel has acknowledged: a new grant, or a new end for the one there is. Returns (grant, is it new).

        wanted_s: for so long at most; 0: as long as the service says.
        """
        life_s, max_s = service.life_s(wanted_s)
        grant = self.find(service, address, client)
        new = grant is None
        if new:
            # A restored grant was made by a client whose name the kernel does not keep: this may well be its renewal.
            grant = self.find(service, address, RESTORED) or self.adopt(service, address, 0, 0, now_ms)
            grant.client = client
            grant.since_ms = now_ms
        grant.end_ms = after(now_ms, 1000 * life_s)
        grant.max_end_ms = after(now_ms, 1000 * max_s)
        return grant, new

    def adopt(self, service, address, left_ms, max_left_ms, now_ms):
        """An entry found in the kernel at start. Returns its grant."""
        grant = Grant(service, address, RESTORED)
        grant.since_ms = now_ms
        grant.end_ms = after(now_ms, left_ms)
        grant.max_end_ms = after(now_ms, max_left_ms)
        self.live.append(grant)
        self._by_entry.setdefault(grant.key(), []).append(grant)
        return grant

    def entry_left(self, key, now_ms, but=None):
        """(left_ms, max_left_ms) that the kernel entry should have: the latest ends of its live grants, or (0, 0); `but`: a
        grant that does not count."""
        left_ms = max_left_ms = 0
        for grant in self.of_entry(key):
            if grant is but:
                continue
            left_ms = max(left_ms, left(now_ms, grant.end_ms))
            max_left_ms = max(max_left_ms, left(now_ms, grant.max_end_ms))
        return left_ms, max_left_ms

    def due(self, now_ms):
        """The grants whose end has come."""
        return [grant for grant in self.live if left(now_ms, grant.end_ms) <= 0]

    def next_ms(self, now_ms):
        """Milliseconds until the next end (0 when it is over), or -1 with no grant."""
        wait_ms = -1
        for grant in self.live:
            grant_left_ms = max(0, left(now_ms, grant.end_ms))
            if wait_ms < 0 or grant_left_ms < wait_ms:
                wait_ms = grant_left_ms
        return wait_ms

    def end(self, grant):
        """Forget one. Returns True when its kernel entry goes with it."""
        self.live.remove(grant)
        sharing = self._by_entry[grant.key()]
        sharing.remove(grant)
        if not sharing:
            del self._by_entry[grant.key()]
        return not sharing
