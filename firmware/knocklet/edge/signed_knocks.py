"""Signed knocks, from a datagram to the doors: the gate, the MAC, what it says, whether it may; stored, and only then done.

Up to the gate's verdict nothing is allocated while the clock is trusted. Nothing is ever sent because of a packet,
whatever becomes of it.
"""

from ..core import spa, verdict
from ..core.admission import FWKNOP_WINDOW_US, SPA_WINDOW_US, STAMPS
from ..core.summary import REFUSED, REPLAYED
from ..wire.addresses import format_address
from ..wire.spa_packet import BYTES, CLOSE, OPEN, RENEW

_SPA_COST, _FWKNOP_COST = 1, 5  # of decrypting and reading, in checks of a MAC


class SignedKnocks:
    def __init__(self, gate, admission, store, clock, doors, wishes, events):
        """store(fingerprint, what, value, now_ms): is it on storage? clock: edge.wall_clock.WallClock."""
        self.spa_port = 0
        self.fwknop_port = 0
        self._fwknop_clients = None  # core.fwknop.Fwknop, where clients have that kind
        self._gate = gate
        self._admission = admission
        self._store = store
        self._clock = clock
        self._doors = doors
        self._wishes = wishes
        self._events = events

    def apply(self, policy):
        self.spa_port, self.fwknop_port = policy.spa_port, policy.fwknop_port
        self._fwknop_clients = None
        if self.fwknop_port:
            from ..core.fwknop import Fwknop  # needs much of the heap, and most gateways have no such client
            from . import ciphers

            self._fwknop_clients = Fwknop(policy.clients, ciphers)

    def takes(self, port):
        """Is a datagram to this port one of ours?"""
        return port > 0 and (port == self.spa_port or port == self.fwknop_port)  # 0: none, but a stranger can send to it

    def judge(self, packet, frames, now_ms):
        """One datagram to spa_port or fwknop_port. Returns a verdict; hot up to CHECK."""
        if packet.port != self.spa_port or packet.port == self.fwknop_port and packet.payload_bytes != BYTES:
            return self._fwknop(packet, frames, now_ms)
        kind = self._gate.look(frames, packet.payload, packet.payload_bytes, now_ms)
        return self._spa(packet, frames, now_ms) if kind == verdict.CHECK else kind

    def _spa(self, packet, frames, now_ms):
        data = bytes(frames[packet.payload : packet.payload + BYTES])
        client = spa.author(self._gate.candidates(), data)
        if client is None:
            return verdict.BAD_MAC
        self._gate.authentic(_SPA_COST)
        sender = _sender(packet, frames)
        kind, request = spa.read(client, data, sender)
        if kind == verdict.PARSED:
            kind = self._admit(client.fingerprint, request, sender, SPA_WINDOW_US, now_ms)
        return self.told(kind, client, sender, now_ms)

    def _fwknop(self, packet, frames, now_ms):
        kind = self._fwknop_clients.looks_right(frames, packet.payload, packet.payload_bytes)
        if kind != verdict.CHECK:
            return kind
        if not self._gate.spend(self._fwknop_clients.cost(), now_ms):
            return verdict.OVER_BUDGET
        return self._fwknop_read(packet, frames, now_ms)

    def _fwknop_read(self, packet, frames, now_ms):
        """_fwknop() from here on allocates."""
        sender = _sender(packet, frames)
        kind, request = self._fwknop_clients.read(bytes(frames[packet.payload : packet.payload + packet.payload_bytes]), sender)
        if request is None:
            return kind
        self._gate.authentic(_FWKNOP_COST)
        if kind == verdict.PARSED:
            kind = self._admit(request.client.fwknop_fingerprint, request, sender, FWKNOP_WINDOW_US, now_ms)
        return self.told(kind, request.client, sender, now_ms)

    def _admit(self, fingerprint, request, sender, window_us, now_ms):
        clock = (self._clock.trusted, self._clock.now_us(), window_us)
        kind = self._admission.judge(fingerprint, request, sender, clock)
        if kind != verdict.ACCEPTED:
            return kind
        if not self._admission.in_time(fingerprint, now_ms):  # only now: what somebody sends again must not use it up
            return verdict.TOO_OFTEN
        stored = self._store(fingerprint, STAMPS, request.stamp_us, now_ms)
        if not stored and not self._safe_unstored(fingerprint, request):
            return verdict.NOT_STORED
        repeat = self._admission.accepted(fingerprint, request)
        done = [self._do(request, service, repeat, now_ms) for service in request.services]
        if request.op == OPEN and not repeat and not any(done):
            self._admission.not_opened(fingerprint)
            return verdict.ACCEPTED  # the doors have told why
        return verdict.ACCEPTED if any(done) else verdict.REPEATED if repeat else verdict.NOTHING_LIVE

    def _safe_unstored(self, fingerprint, request):
        """What is used up but not on storage: this engine remembers it, one after it as long as the run directory lives. After
        a reboot only the window of the trusted clock refuses it, if storage works again then."""
        if request.content is not None or not self._admission.is_remembered(fingerprint, request):
            return False
        return self._clock.trusted and request.stamp_us > self._clock.trusted_since_us

    def _do(self, request, service, repeat, now_ms):
        doors, name = self._doors, request.client.name
        if request.op == CLOSE:
            grant = doors.grants.find(service, request.address, name)
            return bool(grant and doors.close([grant], "client", now_ms))
        if request.op == RENEW or repeat:
            return self._wishes.renew(service, request.address, name, now_ms, request.ttl_s)
        return self._wishes.open(service, request.address, name, now_ms, request.ttl_s)

    def told(self, kind, client, sender, now_ms):
        """Tell the owner of an authentic packet that was refused, but for its rate, at most once a minute for each source."""
        if kind in (verdict.ACCEPTED, verdict.REPEATED, verdict.NOTHING_LIVE, verdict.TOO_OFTEN):
            return kind
        replayed = kind == verdict.REPLAYED
        self._events.caused_by(sender, 0, len(sender))
        if self._events.noise(now_ms, REPLAYED if replayed else REFUSED):
            source = format_address(sender)
            more = {} if replayed else {"reason": verdict.NAMES[kind]}
            self._events.tell(now_ms, "replayed" if replayed else "refused", client=client.name, source=source, **more)
        return kind


def _sender(packet, frames):
    return bytes(frames[packet.source : packet.source + packet.address_bytes])
