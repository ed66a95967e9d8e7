"""The way of a signed packet from its frame to the doors, with all that is real but these: clock, storage, doors and events
only write down what is asked of them, in the order of the asking.
"""

from knocklet.core.admission import Admission
from knocklet.core.gate import Gate
from knocklet.core.grants import Grants
from knocklet.core.packet import Packet
from knocklet.edge.signed_knocks import SignedKnocks

from .clients import NOW_US, SLOT
from .packets import SOURCE4, UDP, ipv4, ipv6, udp

SPA_PORT = 62201
FWKNOP_PORT = 62202


class Clock:
    def __init__(self):
        self.trusted = True
        self.trusted_since_us = NOW_US - 1_000_000
        self.time_us = NOW_US

    def now_us(self):
        return self.time_us


class Store:
    """writes: does storage work? remembers: or at least memory?"""

    def __init__(self, done):
        self.floor_us = 0
        self.made_anew = ""
        self.failing = False
        self.used = {}
        self.writes = True
        self.remembers = True
        self._done = done

    def last(self, fingerprint, what):
        return self.used.get((fingerprint, what), 0)

    def store(self, fingerprint, what, value):
        if self.remembers:
            self.used[(fingerprint, what)] = max(value, self.last(fingerprint, what))
        self._done.append(("store", what, value))
        self.failing = not self.writes
        return self.writes

    def set_floor(self, now_us):
        self.floor_us = now_us

    def keep(self, pairs):
        self._done.append(("keep", pairs))

    def timer(self, _now_ms):
        return -1


class Doors:
    """opens: does the firewall do what it is asked?"""

    def __init__(self, done):
        self.grants = Grants()
        self.opens = True
        self._done = done

    def open(self, service, address, client, now_ms, wanted_s=0):
        self._done.append(("open", service.index, address, client, wanted_s))
        if self.opens:
            self.grants.put(service, address, client, now_ms, wanted_s)
        return self.opens

    def renew(self, service, address, client, now_ms, wanted_s=0):
        if not self.grants.find(service, address, client):
            return False
        self._done.append(("renew", service.index, address, client, wanted_s))
        return self.opens

    def close(self, grants, reason, _now_ms, cut=False):
        for grant in list(grants):
            self._done.append(("close", grant.service.index, grant.address, grant.client, reason, cut))
            self.grants.end(grant)
        return len(grants)


class Events:
    """quiet: noise is not told."""

    def __init__(self, done):
        self.quiet = False
        self._done = done
        self._source = None

    def caused_by(self, buffer, at, length):
        self._source = bytes(buffer[at : at + length])

    def noise(self, _now_ms, kind):
        self._done.append(("noise", kind, self._source))
        return not self.quiet

    def tell(self, _now_ms, event_type, **fields):
        self._done.append((event_type, fields))


class Accepting:
    """`done`: what was asked of storage, doors and events."""

    def __init__(self, clients, checks=16_000):
        self.done = []
        self.clock = Clock()
        self.store = Store(self.done)
        self.doors = Doors(self.done)
        self.events = Events(self.done)
        self.gate = Gate(checks, 1)
        self.gate.set_clients(clients)
        self.gate.set_slots((SLOT - 1, SLOT, SLOT + 1))
        admission = Admission(self.store, self.doors.grants)
        self.signed = SignedKnocks(self.gate, admission, self._stored, self.clock, self.doors, self.doors, self.events)
        self.signed.spa_port = SPA_PORT
        self._packet = Packet()

    def _stored(self, fingerprint, what, value, _now_ms):
        return self.store.store(fingerprint, what, value)

    def send(self, data, source=SOURCE4, port=SPA_PORT, now_ms=0):
        """A datagram. Returns the verdict."""
        datagram = udp(port, data)
        frame = b"\xaa" * 9 + (ipv4(datagram, UDP, source=source) if len(source) == 4 else ipv6(datagram, UDP, source=source))
        self._packet.parse(frame, 9, len(frame) - 9, len(frame) - 9)
        return self.signed.judge(self._packet, frame, now_ms)

    def what(self):
        """What was done since the last time, and by whom told: its first words."""
        words = " ".join([one[0] for one in self.done])
        self.done.clear()
        return words
