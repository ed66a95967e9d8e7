"""Is the gateway's clock right? NTP says so by touching a flag file; nobody else is believed.

    untrusted -> trusted     at the first look a flag is there; later, one has been touched anew
    trusted -> untrusted     since NTP's last word the clock was set, in sum by more than STEP_S
    battery                  always trusted: the board says that its clock runs on without power

A look compares how far the clock and how far monotonic time went since the one before. Where NTP sets the clock and touches
its flag a moment later, a look in between ends trust and the next one brings it back. Where the flag was touched first and
then somebody else set the clock, the flag's time tells: by the clock as it is now, it was not touched since the last look.
A flag that goes away says nothing.
"""

from .clock import age

STEP_S = 60
_US_PER_S = 1_000_000
_SLACK_S = 2  # the times of files are whole seconds, and a tick behind


class TrustedClock:
    """trusted_since_us: when trust was last gained, by the clock as it is since then; 0 never."""

    def __init__(self, battery):
        self.trusted = battery
        self.trusted_since_us = 0
        self._battery = battery
        self._touched = None  # of each flag at the last look: when it was touched, in s; or None
        self._at_us = 0  # of the last look
        self._at_ms = 0
        self._set_by_us = 0  # how far the clock was set since NTP's last word

    def look(self, now_us, now_ms, touched):
        """touched: of each flag, when, in s, or None when it is not there. Returns True when trust was gained or lost, or given
        anew to a clock that was set far."""
        if self._touched is None:
            self._touched = (None,) * len(touched)
            elapsed_s = now_us // _US_PER_S
        else:
            elapsed_ms = age(now_ms, self._at_ms)
            elapsed_s = elapsed_ms // 1000
            self._set_by_us += now_us - self._at_us - elapsed_ms * 1000
        far = abs(self._set_by_us) > STEP_S * _US_PER_S
        word = self._battery or self._is_word(touched, now_us // _US_PER_S, elapsed_s)
        self._touched = touched
        self._at_us = now_us
        self._at_ms = now_ms
        if word:
            self._set_by_us = 0
            gained = far or not self.trusted or not self.trusted_since_us
            self.trusted = True
            if gained:
                self.trusted_since_us = now_us
            return gained
        lost = far and self.trusted
        self.trusted = self.trusted and not far
        return lost

    def _is_word(self, touched, now_s, elapsed_s):
        """Was a flag touched since the last look, by the clock as it is now?"""
        for at_s, before_s in zip(touched, self._touched):
            if at_s is not None and at_s != before_s and -_SLACK_S <= now_s - at_s <= elapsed_s + _SLACK_S:
                return True
        return False
