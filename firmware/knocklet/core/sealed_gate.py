"""Which sealed messages are the owner's, new, and of now. Whoever carries them may hold them back, change or invent them, and
send them again; none of that does anything here but count.

In this order, silent until the MAC is right: not too many; form and gateway; newer than the last one of its kind; MAC.
Then what the header says, and its time. Only then the text is decrypted.
"""

from ..wire import sealed
from .errors import Refused
from .token_bucket import TokenBucket

_INTERVAL_MS, _AT_ONCE = 250, 4  # messages that are looked at: 4 a second
_US_PER_S = 1_000_000
_DAY_US = 86_400 * _US_PER_S
_AHEAD_US = _DAY_US  # a version may be ahead of the trusted clock by a day
_FAR_US = 400 * _DAY_US  # and, while it is not trusted, of the last version: else one wrong clock would shut the owner out
_COMMAND_US = sealed.COMMAND_S * _US_PER_S


class SealedGate:
    """dropped: reason -> how many messages: too_many, form, old, mac."""

    def __init__(self, keys):
        """keys: wire.sealed.SealKeys."""
        self.dropped = {}
        self._keys = keys
        self._bucket = TokenBucket(_INTERVAL_MS, _AT_ONCE)

    def has_room(self, now_ms):
        """May one more message be looked at? Asked before it is read."""
        room = self._bucket.take(now_ms)
        if not room:
            self._silent("too_many")
        return room

    def _silent(self, reason):
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def header(self, message, floor):
        """The Header of a message that is authentic and new, None for others. floor(kind): the last version that was taken."""
        try:
            found = sealed.header(message, self._keys.gateway_id)
            if found.kind == sealed.ANSWER or found.version > sealed.HIGHEST_VERSION:
                raise ValueError
        except ValueError:
            return self._silent("form")
        if found.version <= floor(found.kind):
            return self._silent("old")
        if not sealed.is_from(self._keys, message):
            return self._silent("mac")
        return found

    def check(self, found, floor, now_us, trusted):
        """Is what a Header says right, and of now? floor: the last version of its kind; now_us: by the clock, trusted or not.
        Raises Refused."""
        why = sealed.why_not(found)
        if why:
            raise Refused(why)
        if trusted:
            limit_us = now_us + (_COMMAND_US if found.kind == sealed.COMMAND else _AHEAD_US)
        else:
            limit_us = max(floor, now_us) + _FAR_US
        if found.version > limit_us:
            ahead_s = (found.version - now_us) // _US_PER_S
            raise Refused("its version is %d s ahead of the gateway's clock: set that of your computer" % ahead_s)
        now_s = now_us // _US_PER_S
        if trusted and found.expires and now_s > found.expires:
            raise Refused("it expired %d s ago, by the gateway's clock" % min(now_s - found.expires, 999_999_999))
        if trusted and now_s < found.not_before:
            raise Refused("its time comes in %d s, by the gateway's clock" % min(found.not_before - now_s, 999_999_999))

    def text(self, message):
        """What a message says that was checked, bytes."""
        return sealed.decrypted(self._keys, message)
