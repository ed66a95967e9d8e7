"""Port sequences: who has knocked which step, and does a packet complete one?

For one source and one sequence:

    the expected step            goes on; the last one completes
    a step seen before           ignored: a SYN retransmission, a doubled packet
    a step further on            out of turn: ends the attempt
    a decoy                      ends all attempts of the source; the third such end within a minute rests it
    any other port               does not matter

An attempt lives `window_ms` from its first step. Sequences and sources know nothing of each other.
"""

from . import verdict
from .attempts import ENDS, GUARD

REST_MS = 60_000  # how long a source rests, and how long one ended attempt is held against it
SEQUENCES = 16  # fixed ones, at most; one-time sequences have the numbers behind (otp.py)


class Matcher:
    def __init__(self, attempts):
        self.attempts = attempts
        self.completed = 0  # bit mask of the sequences that the last packet completed
        self._places = {}  # protocol << 16 | port -> tuple of sequence << 8 | step; an empty one: a decoy
        self._lengths = bytearray(GUARD)  # number of steps, by sequence
        attempts.set_window(GUARD, REST_MS)

    def set_sequences(self, sequences, decoys, kept=()):
        """Match these from now on.

        sequences: number (below GUARD) -> object with `steps` (pairs of protocol, port) and `window_ms`; decoys: ports, for TCP
        and UDP. kept: numbers that mean what they meant before, attempts at them go on; None: so do all, while attempts live.
        """
        places = {}
        for port in decoys:
            places[6 << 16 | port] = places[17 << 16 | port] = ()
        for number in sequences:
            sequence = sequences[number]
            self.attempts.set_window(number, sequence.window_ms)
            self._lengths[number] = len(sequence.steps)
            for step, (protocol, port) in enumerate(sequence.steps):
                key = protocol << 16 | port
                places[key] = places.get(key, ()) + (number << 8 | step,)
        self._places = places
        if kept is not None:
            self.attempts.forget_attempts(kept)  # the others counted steps of other sequences

    def knock(self, packet, frame, now_ms):
        """One parsed packet to an address of ours. Returns a verdict; hot, allocates nothing."""
        places = self._places.get(packet.protocol << 16 | packet.port)
        if places is None:
            return verdict.OTHER_PORT
        self.attempts.select(frame, packet.source, packet.address_bytes)
        self.completed = 0
        return self._steps(places, now_ms) if places else self._decoy(now_ms)

    def _rests(self, now_ms):
        guard = self.attempts.find(GUARD, now_ms)
        return guard >= 0 and self.attempts.step[guard] >= ENDS

    def _steps(self, places, now_ms):
        best = 0
        i = 0
        while i < len(places):
            best = max(best, self._step(places[i], now_ms))
            i += 1
        return best

    def _step(self, place, now_ms):
        sequence = place >> 8
        step = place & 0xFF
        entry = self.attempts.find(sequence, now_ms)
        if entry < 0:
            if step:
                return verdict.STEP_ALONE
            if self._rests(now_ms):  # asked here only: who rests has no attempt
                return verdict.RESTING
            if self._lengths[sequence] == 1:
                self.completed |= 1 << sequence
                return verdict.COMPLETE
            return verdict.STEP_STARTED if self.attempts.place(sequence, now_ms) >= 0 else verdict.TABLE_FULL
        seen = self.attempts.step[entry]
        if step < seen:
            return verdict.STEP_REPEATED
        if step > seen:
            self.attempts.free(entry)
            return verdict.STEP_OUT_OF_TURN
        if step + 1 < self._lengths[sequence]:
            self.attempts.step[entry] = step + 1
            return verdict.STEP_ADVANCED
        self.attempts.free(entry)
        self.completed |= 1 << sequence
        return verdict.COMPLETE

    def _decoy(self, now_ms):
        attempts = self.attempts
        if not attempts.end_all(now_ms):
            return verdict.DECOY
        guard = attempts.find(GUARD, now_ms)
        if guard < 0:
            attempts.place(GUARD, now_ms)  # there is room: the attempt that just ended
            return verdict.DECOY_ENDED
        attempts.touch(guard, now_ms)
        attempts.step[guard] += 1
        return verdict.SWEEP if attempts.step[guard] >= ENDS else verdict.DECOY_ENDED
