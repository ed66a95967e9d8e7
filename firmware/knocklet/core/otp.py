"""One-time port sequences: which ones are right now, for the matcher, and under which numbers.

Each pair of client and service has one for each slot of 30 s; those of the slot before, of now and of the next are valid. A
number serves every fourth slot of its pair: until it comes again, attempts at what it meant before have ended (the window is
shorter than a slot).
"""

from ..wire.otp_ports import SLOT_US, SLOTS_VALID, otp_ports
from .matcher import SEQUENCES

_TURNS = 4


class OtpSequence:
    """As core.sequences.Sequence, and for once: client, slot."""

    opens = True

    def __init__(self, otp, client, service, slot):
        self.name = client.name
        self.client = client
        self.slot = slot
        self.services = [service]
        self.window_ms = otp.window_ms
        ports = otp_ports(client.keys.otp, service.index, slot, otp.count, otp.low, otp.high)
        self.steps = [(otp.protocol, port) for port in ports]


class Otp:
    def __init__(self, otp, before=None):
        """otp: core.policy.OtpSettings. before: the Otp until now: pairs that stay keep their numbers, so that half-finished
        knocks go on."""
        self._otp = otp
        self.sequences = {}  # number -> OtpSequence: those that are valid
        names = [(client.fingerprint, service.index) for client, service in otp.pairs]
        known = before.places if before else {}
        self.places = {name: known[name] for name in names if name in known}  # name of a pair -> its place
        free = [place for place in range(len(names) + len(known)) if place not in self.places.values()]
        for name in names:
            if name not in self.places:
                self.places[name] = free.pop(0)

    def set_time(self, now_us):
        """The slots are those around this time; None: the clock is not trusted. Returns whether anything changed."""
        before, self.sequences = self.sequences, {}
        slots = () if now_us is None else range(now_us // SLOT_US - SLOTS_VALID, now_us // SLOT_US + SLOTS_VALID + 1)
        changed = False
        for slot in slots:
            for client, service in self._otp.pairs:
                place = self.places[client.fingerprint, service.index]
                number = SEQUENCES + place * _TURNS + slot % _TURNS
                there = before.get(number)
                if there is None or there.slot != slot:
                    there = OtpSequence(self._otp, client, service, slot)
                    changed = True
                self.sequences[number] = there
        return changed or len(before) != len(self.sequences)
