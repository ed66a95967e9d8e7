"""One captured packet, from the ring to the doors: parse, is it to us, match, and only then open or close.

This is the hot path: until a packet completes a sequence it allocates nothing and calls nothing outside.
"""

from array import array

from ..core import verdict
from ..core.clock import MASK
from ..core.packet import Packet

_PORTION = 256  # packets of one ring before the other sockets are looked at


class Knocks:
    def __init__(self, interfaces, matcher, doors, events):
        self.sequences = []  # as given to the matcher
        self.counts = array("I", bytes(4 * verdict.COUNT))  # by verdict, modulo 2**30
        self._interfaces = interfaces
        self._matcher = matcher
        self._doors = doors
        self._events = events
        self._packet = Packet()

    def rings_ready(self, now_ms):
        """Take a portion from every ring. Returns True when one has more waiting."""
        more = False
        for interface in self._interfaces.all:
            if self._portion(interface, interface.ring, now_ms):
                more = True
        return more

    def _portion(self, interface, ring, now_ms):
        taken = 0
        while ring.ready():
            if taken == _PORTION:
                return True
            taken += 1
            kind = self._judge(interface, ring, now_ms)
            self.counts[kind] = (self.counts[kind] + 1) & MASK
            if kind == verdict.COMPLETE:
                self._complete(ring.frames, now_ms)
            elif kind == verdict.SWEEP:
                self._events.tell(now_ms, "sweep", interface=interface.name)
            ring.release()
        return False

    def _judge(self, interface, ring, now_ms):
        packet = self._packet
        kind = packet.parse(ring.frames, ring.at, ring.captured, ring.length)
        if kind != verdict.PARSED:
            return kind
        if not interface.own.has(ring.frames, packet.destination, packet.address_bytes):
            return verdict.NOT_OURS
        if interface.own.has(ring.frames, packet.source, packet.address_bytes):
            return verdict.BAD_SOURCE
        return self._matcher.knock(packet, ring.frames, now_ms)

    def _complete(self, frames, now_ms):
        packet = self._packet
        source = bytes(frames[packet.source : packet.source + packet.address_bytes])
        for number, sequence in enumerate(self.sequences):
            if self._matcher.completed >> number & 1:
                if sequence.opens:
                    for service in sequence.services:
                        self._doors.open(service, source, sequence.name, now_ms)
                else:
                    grants = [grant for grant in self._doors.grants.live
                              if grant.address == source and grant.service in sequence.services]  # fmt: skip
                    self._doors.close(grants, "sequence", now_ms)
