"""Events: what happened at the doors, told once, in one form, to everybody who listens.

An event is a dict with `event_type` (README lists them) and numbers, addresses and configured names; nothing in it was
written by a stranger. It goes to standard output (the system's log) and to followers of the control socket.
What strangers can cause at will (SUMMED) is told once a minute for each kind, with the number of those not told.
"""

import json
import time
from collections import OrderedDict

from ..core.clock import MASK, age

SUMMED = ("sweep", "refused")
_QUIET_MS = 60_000


class Events:
    def __init__(self, write):
        """`write` takes a line of text without its end."""
        self._write = write
        self.followers = []  # functions that take a line
        self._told_ms = {}  # by kind of SUMMED: when it was last told
        self._untold = {}  # by kind of SUMMED: how often it was not

    def quiet(self, now_ms, event_type):
        """Was this kind of SUMMED told within the last minute? Counts it then, to be told with the next. Allocates nothing."""
        if event_type not in self._told_ms or age(now_ms, self._told_ms[event_type]) >= _QUIET_MS:
            return False
        self._untold[event_type] = (self._untold[event_type] + 1) & MASK
        return True

    def tell(self, now_ms, event_type, **fields):
        """Tell what happened, unless it is SUMMED and was told just now."""
        if event_type in SUMMED:
            if self.quiet(now_ms, event_type):
                return
            self._told_ms[event_type] = now_ms
            if self._untold.get(event_type):
                fields["untold"] = self._untold[event_type]
            self._untold[event_type] = 0
        event = OrderedDict((("event_type", event_type), ("ts", int(time.time()))))
        event.update(fields)
        line = json.dumps(event)
        self._write(line)
        for follower in self.followers:
            follower(line)
