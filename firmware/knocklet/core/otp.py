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
    def __init__(self, otp):
        """otp: core.policy.OtpSettings."""
        self._otp = otp
        self.sequences = {}  # number -> OtpSequence: those that are valid

    def set_time(self, now_us):
        """The slots are those around this time; None: the clock is not trusted. Returns whether anything changed."""
        before, self.sequences = self.sequences, {}
        slots = () if now_us is None else range(now_us // SLOT_US - SLOTS_VALID, now_us // SLOT_US + SLOTS_VALID + 1)
        changed = False
        for slot in slots:
            for pair, (client, service) in enumerate(self._otp.pairs):
                number = SEQUENCES + pair * _TURNS + slot % _TURNS
                there = before.get(number)
                if there is None or there.slot != slot:
                    there = OtpSequence(self._otp, client, service, slot)
                    changed = True
                self.sequences[number] = there
        return changed or len(before) != len(self.sequences)
