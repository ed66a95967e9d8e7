"""Cuts: the connections that a grant let in end with it, where that is wanted. One address after the other, since each takes a
look through all connections of the machine.
"""

from .conntrack import AT_ONCE

_APART_MS = 10
_PAST = 256


class Cuts:
    def __init__(self, loop, cut):
        """`cut(services, address)` ends established connections (conntrack.py)."""
        self.past = []  # (service, address) of ended grants whose connections may go on: for the owner's close
        self._cut = cut
        self._loop = loop
        self._waiting = []  # (address, services) that are next
        self._next = loop.timer(self._cut_next)

    def may_go_on(self, service, address):
        """A grant has ended, and its connections have not."""
        if (service, address) not in self.past:
            self.past = self.past[-_PAST + 1 :] + [(service, address)]

    def end(self, pairs, now_ms):
        """End the connections of these (service, address): of the first address at once, of the others soon."""
        if not pairs:
            return
        by_address = {}
        for service, address in pairs:
            by_address.setdefault(address, []).append(service)
        self.past = [pair for pair in self.past if pair not in pairs]
        self._waiting += [(address, by_address[address]) for address in by_address]
        self._loop.start(self._next, now_ms, self._cut_next(now_ms))

    def _cut_next(self, _now_ms):
        address, services = self._waiting[0]
        if self._cut(services, address) < AT_ONCE:
            self._waiting.pop(0)
        return _APART_MS if self._waiting else -1
