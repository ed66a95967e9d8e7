"""One captured packet, from the ring to the doors: parse, is it to us, match, and only then open or close.

This is the hot path: until a packet completes a sequence, or has the form of a client's signed one, it allocates nothing and
calls nothing outside.
"""

from array import array

from ..core import verdict
from ..core.clock import MASK, age
from ..core.matcher import SEQUENCES
from ..core.packet import UDP, Packet
from ..core.summary import FLOOD, SWEEP
from ..wire.addresses import format_address

_PORTION = 256  # packets of one ring before the other sockets are looked at
_FLOOD = 2000  # packets that pass the filter within _FLOOD_MS: no crowd of visitors does that
_FLOOD_MS = 1000


class Knocks:
    def __init__(self, interfaces, matcher, doors, wishes, events):
        self.sequences = {}  # as given to the matcher
        self.clients = None  # edge/client_knocks.py, where there are clients with keys
        self.counts = array("I", bytes(4 * verdict.COUNT))  # by verdict, modulo 2**30
        self._interfaces = interfaces
        self._matcher = matcher
        self._doors = doors
        self._wishes = wishes
        self._events = events
        self._packet = Packet()
        self._second_ms = 0  # since when _in_second packets were taken
        self._in_second = 0

    def rings_ready(self, now_ms):
        """Take a portion from every ring. Returns True when one has more waiting."""
        more = False
        i = 0  # counted, not `for`: an iterator needs room in the frame of the call (core/packet.py)
        while i < len(self._interfaces.all):
            if self._portion(self._interfaces.all[i], now_ms):
                more = True
            i += 1
        return more

    def _portion(self, interface, now_ms):
        ring = interface.ring
        taken = 0
        while ring.ready():
            if taken == _PORTION:
                self._count(interface, taken, now_ms)
                return True
            taken += 1
            self._take(interface, ring, now_ms)
            ring.release()
        if taken:
            self._count(interface, taken, now_ms)
        return False

    def _take(self, interface, ring, now_ms):
        kind = self._judge(interface, ring, now_ms)
        if kind == verdict.COMPLETE:
            kind = self._complete(ring.frames, now_ms)
        elif kind == verdict.SWEEP:
            self._swept(interface, now_ms)
        self.counts[kind] = (self.counts[kind] + 1) & MASK

    def _judge(self, interface, ring, now_ms):
        kind = self._packet.parse(ring.frames, ring.at, ring.captured, ring.length)
        if kind == verdict.PARSED:
            kind = self._addressed(interface.own, ring.frames)
        if kind == verdict.PARSED:
            kind = self._meaning(ring.frames, now_ms)
        return kind

    def _meaning(self, frames, now_ms):
        packet = self._packet
        if self.clients and packet.protocol == UDP and self.clients.signed.takes(packet.port):
            return self.clients.signed.judge(packet, frames, now_ms)
        return self._matcher.knock(packet, frames, now_ms)

    def _addressed(self, own, frames):
        packet = self._packet
        if not own.has(frames, packet.destination, packet.address_bytes):
            return verdict.NOT_OURS
        if own.has(frames, packet.source, packet.address_bytes):
            return verdict.BAD_SOURCE
        return verdict.PARSED

    def _swept(self, interface, now_ms):
        self._blame(interface.ring.frames)
        if self._events.noise(now_ms, SWEEP):
            self._tell_sweep(interface, now_ms)

    def _blame(self, frames):
        packet = self._packet
        self._events.caused_by(frames, packet.source, packet.address_bytes)

    def _tell_sweep(self, interface, now_ms):
        source = format_address(self._source(interface.ring.frames))
        self._events.tell(now_ms, "sweep", interface=interface.name, source=source)

    def _source(self, frames):
        return bytes(frames[self._packet.source : self._packet.source + self._packet.address_bytes])

    def _count(self, interface, taken, now_ms):
        if age(now_ms, self._second_ms) >= _FLOOD_MS:
            self._second_ms = now_ms
            self._in_second = 0
        self._in_second += taken
        if self._in_second >= _FLOOD:
            self._in_second = 0
            self._flooded(interface, now_ms)

    def _flooded(self, interface, now_ms):
        self._events.caused_by(interface.ring.frames, 0, 0)
        if self._events.noise(now_ms, FLOOD):
            self._events.tell(now_ms, "flood", interface=interface.name)

    def _complete(self, frames, now_ms):
        """What the matcher has completed is done. Returns the verdict: a one-time sequence may have been used before."""
        source = self._source(frames)
        kind = verdict.COMPLETE
        for number in self.sequences:
            if self._matcher.completed >> number & 1:
                sequence = self.sequences[number]
                if number >= SEQUENCES:
                    kind = self.clients.one_time(sequence, source, now_ms)
                elif sequence.opens:
                    for service in sequence.services:
                        self._wishes.open(service, source, sequence.name, now_ms)
                else:
                    grants = [grant for grant in self._doors.grants.live
                              if grant.address == source and grant.service in sequence.services]  # fmt: skip
                    self._doors.close(grants, "sequence", now_ms)
        return kind
