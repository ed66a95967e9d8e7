"""Clients with keys: what they have used up, what time it is, and so whose tags and ports are right now.

An engine without clients has none of this: neither files nor timers.
"""

from ..core import verdict
from ..core.admission import FWKNOP_WINDOW_US, STAMPS, Admission
from ..core.filter import spa_any, spa_slots, spa_tags, tags_block
from ..core.gate import Gate
from ..core.mac_budget import WINDOW_MS
from ..core.otp import Otp
from ..core.request import Request
from ..wire.addresses import family_of
from ..wire.otp_ports import SLOT_US, SLOTS_VALID
from ..wire.spa_packet import MINUTE_US, OPEN
from . import mac_speed
from .floors import is_revoked
from .replay_store import SETTLE_MS, ReplayStore
from .signed_knocks import SignedKnocks
from .wall_clock import WallClock

BATTERY = "battery"


class ClientKnocks:
    def __init__(self, places, loop, doors, wishes, events, changed, seed):
        """places: (state directory, run directory, the file that tells that the clock was set, or BATTERY); changed(now_ms) is
        called when other tags or ports are right than before; seed: random."""
        state_dir, run_dir, clock = places
        flags = () if clock == BATTERY else (clock, run_dir + "/ntp")
        self.store = ReplayStore(state_dir, run_dir)
        self.clock = WallClock(loop, flags, clock == BATTERY, self._time)
        self.checks = mac_speed.checks()
        self.gate = Gate(self.checks, seed)
        self.sequences = {}  # number -> OtpSequence: those that are right now
        self._admission = Admission(self.store, doors.grants)
        self.signed = SignedKnocks(self.gate, self._admission, self.stored, self.clock, doors, wishes, events)
        self._otp = None
        self._changed = changed
        self._blocks = {}  # slot -> its part of the filter
        self._loop = loop
        self._doors = doors
        self._wishes = wishes
        self._always = []  # pairs for the store that are no client's
        self._events = events
        self._trusted = None  # as told last
        self._failing = False  # as told last
        self._ahead = False  # as told last: the store's floor is a time to come
        self._anew = None  # why the store was made anew, while that is to be told
        self._settle = loop.timer(self.store.timer)

    def apply(self, policy, now_ms):
        """These are the clients now."""
        if self._anew is None:
            self._anew = self.store.made_anew if self.store.floor_us is None else ""
        spa = [client for client in policy.clients if "spa" in client.kinds]
        self.signed.apply(policy)
        self._otp = Otp(policy.otp, self._otp)
        self._blocks = {}
        self.gate.set_clients(spa)
        pairs = [(client.fingerprint, STAMPS) for client in spa]
        pairs += [(client.fwknop_fingerprint, STAMPS) for client in policy.clients if client.fwknop]
        pairs += [(client.fingerprint, service.index) for client, service in policy.otp.pairs]
        self.store.keep(pairs + self._always)
        self._admission.keep({fingerprint for fingerprint, _ in pairs})
        if policy.clients or self._always:
            self.clock.start()
        else:
            self.clock.stop()
        self._set_time()

    def keep_always(self, pairs):
        """(fingerprint, what) of records that never give way, from the next apply() on."""
        self._always = pairs

    def tell(self, now_ms):
        """What the owner should know of this start, and has not been told."""
        if self._anew:
            self._store_failed(now_ms, "made anew: " + self._anew)
            self._anew = ""
        self._tell_trust(now_ms)

    def spa_blocks(self):
        """What the kernel filter may do with signed packets, the best first: [(its name, block)]."""
        if not self.gate.trusted:
            return [("any, the clock is not trusted", spa_any())]
        there = self._blocks
        self._blocks = {table.slot: there.get(table.slot) or tags_block(table.values()) for table in self.gate.tables}
        return [("tags", spa_tags(self._blocks)), ("slots", spa_slots(self._blocks))]

    def _set_time(self):
        """Whose turn is it? Returns whether anything changed."""
        now_us = self.clock.now_us() if self.clock.trusted else None
        if now_us is None:
            slots = None
        else:
            minute = now_us // MINUTE_US
            slots = (minute - 1, minute, minute + 1)
            if self.store.floor_us is None:
                self.store.set_floor(now_us)
        changed = self.gate.set_slots(slots)
        changed = self._otp.set_time(now_us) or changed
        self.sequences = self._otp.sequences
        return changed

    def _time(self, now_ms):
        """A slot has ended, the clock was set, or it is trusted now, or no more."""
        if self._set_time():
            self._changed(now_ms)
        self._tell_trust(now_ms)

    def _tell_trust(self, now_ms):
        if self._trusted != self.clock.trusted:
            self._trusted = self.clock.trusted
            self._events.tell(now_ms, "clock_trusted" if self._trusted else "clock_untrusted")
        ahead = self.clock.trusted and self.store.floor_us > self.clock.now_us() + FWKNOP_WINDOW_US
        if ahead and not self._ahead:
            self._store_failed(now_ms, "made anew when the clock was ahead: all is refused until then")
        self._ahead = ahead

    def stored(self, fingerprint, what, value, now_ms):
        """Write down that it is used, before it is. Returns whether it is on storage; tells once when that begins to fail."""
        good = self.store.store(fingerprint, what, value)
        if good:
            self._loop.sooner(self._settle, now_ms, SETTLE_MS)
        elif not self._failing:
            self._store_failed(now_ms, "cannot be written")
        self._failing = not good
        return good

    def _store_failed(self, now_ms, reason):
        self._events.tell(now_ms, "store_failed", reason="what was used: " + reason)

    def one_time(self, sequence, source, now_ms):
        """An OtpSequence was knocked to its end from this address (4 or 16 bytes). Returns a verdict."""
        client, service, slot = sequence.client, sequence.services[0], sequence.slot
        floor_us = self.store.floor_us
        if not self.clock.trusted or floor_us is None:
            return verdict.CLOCK_NOT_TRUSTED
        if is_revoked(self.store, client.fingerprint):
            return verdict.NOT_ALLOWED
        if slot <= self.store.last(client.fingerprint, service.index) or (slot - SLOTS_VALID) * SLOT_US <= floor_us:
            return verdict.OTP_USED
        if family_of(source) not in service.families:
            return verdict.NOT_ALLOWED  # not told: browsers knock at both addresses of a name, and the other needs the slot
        kind = self._admission.allowed(Request(client, OPEN, [service], 0, slot * SLOT_US, source, False))
        if kind != verdict.ACCEPTED:
            return self.signed.told(kind, client, source, now_ms)
        if not self.stored(client.fingerprint, service.index, slot, now_ms):
            return self.signed.told(verdict.NOT_STORED, client, source, now_ms)
        self._wishes.open(service, source, client.name, now_ms)
        return verdict.COMPLETE

    def status(self):
        """For people."""
        failing = "cannot be written, and works on in memory" if self.store.failing else "good"
        return {
            "clock": "trusted" if self.clock.trusted else "not trusted, otp closed",
            "store": failing if self.store.floor_us is not None else "made anew, waits for the clock",
            "one_time_sequences": len(self.sequences),
            "mac_checks_per_s": self.checks * (1000 // WINDOW_MS),
        }
