"""Wishes: what a good knock asks for. It opens at once; nothing while disarmed; and of some services the owner is asked first.

A request waits a minute for its answer. A client has one at a time for a service: knocking again asks nobody again.
"""

from ..core.clock import after, left
from ..core.errors import Refused
from ..wire.addresses import format_address
from ..wire.report import REQUEST_LAPSES_S

_LIMIT = 16  # requests that wait: those who have a key can make no more of them
_LAPSE_MS = 1000 * REQUEST_LAPSES_S


class _Request:
    def __init__(self, service, address, client, wanted_s, end_ms):
        self.service = service
        self.address = address
        self.client = client
        self.wanted_s = wanted_s
        self.end_ms = end_ms
        self.seq = 0  # of the event that tells of it

    def fields(self):
        return {"service": self.service.name, "client": self.client, "source": format_address(self.address)}


class Wishes:
    def __init__(self, loop, doors, events):
        self.armed = True
        self.waiting = []
        self._loop = loop
        self._doors = doors
        self._events = events
        self._lapses = loop.timer(self._lapse)

    def arm(self, armed, now_ms):
        self.armed = armed
        if not armed:
            self.forget(list(self.waiting), now_ms)

    def open(self, service, address, client, now_ms, wanted_s=0):
        """As Doors.open(). Returns whether it is open, or asked for."""
        if not self.armed:
            return self._doors.refuse(now_ms, service, client, address, "disarmed")
        if service.approval:
            return self._ask(service, address, client, now_ms, wanted_s)
        return self._doors.open(service, address, client, now_ms, wanted_s)

    def renew(self, service, address, client, now_ms, wanted_s=0):
        """As Doors.renew(). What needs an approval lives as long as it was approved for."""
        if service.approval or not self.armed:
            return self._doors.grants.find(service, address, client) is not None
        return self._doors.renew(service, address, client, now_ms, wanted_s)

    def _ask(self, service, address, client, now_ms, wanted_s):
        if any(one.service.name == service.name and one.client == client for one in self.waiting):
            return True
        if len(self.waiting) == _LIMIT:
            return self._doors.refuse(now_ms, service, client, address, "too many requests wait for approval")
        request = _Request(service, address, client, wanted_s, after(now_ms, _LAPSE_MS))
        self.waiting.append(request)
        request.seq = self._events.tell(now_ms, "request", lapses_s=REQUEST_LAPSES_S, **request.fields())
        self._loop.sooner(self._lapses, now_ms, _LAPSE_MS)
        return True

    def answer(self, seq, fields, now_ms):
        """Take out the request that these fields name, and return it. Raises Refused."""
        for one in self.waiting:
            if one.seq == seq and one.fields() == fields and left(now_ms, one.end_ms) > 0:
                self.waiting.remove(one)
                return one
        raise Refused("no such request waits: it may have lapsed, or be answered")

    def forget(self, requests, now_ms):
        """Those who asked may not any more."""
        for one in requests:
            if one in self.waiting:
                self.waiting.remove(one)
                self._events.tell(now_ms, "lapsed", **one.fields())

    def _lapse(self, now_ms):
        wait_ms = -1
        for one in list(self.waiting):
            left_ms = left(now_ms, one.end_ms)
            if left_ms > 0:
                wait_ms = left_ms if wait_ms < 0 else min(wait_ms, left_ms)
            else:
                self.waiting.remove(one)
                self._events.tell(now_ms, "lapsed", **one.fields())
        return wait_ms
