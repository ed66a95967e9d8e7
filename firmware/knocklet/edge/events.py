"""Events: what happened at the doors, told once, in one form, to everybody who listens.

An event is a dict with `event_type` (wire/report.py lists them) and numbers, addresses and configured names; nothing in it was
written by a stranger. It goes to the log, to followers of the control socket and to the reports. What strangers can cause at
will is summed up first (core/summary.py): whoever notices it asks noise() whether to tell it now.
"""

import json
import time
from collections import OrderedDict

from ..core.summary import KINDS, MINUTE_MS, Summary
from ..wire.addresses import format_address


class Events:
    def __init__(self, write, loop):
        """`write` takes a line of text without its end."""
        self._write = write
        self.followers = []  # functions that take a line
        self.reports = None  # edge/reports.py, where there is somebody to report to
        self._summary = Summary()
        self._loop = loop
        self._minute = loop.timer(self._sum_up)

    def caused_by(self, buffer, at, length):
        """Whom the next noise() is about: the address in buffer[at : at + length], length 0 for several. Allocates nothing."""
        self._summary.source(buffer, at, length)

    def noise(self, now_ms, kind):
        """A stranger has caused this kind (a number of core/summary.py). Returns whether to tell it now.

        Else it is counted, and told with the next, and nothing is allocated.
        """
        if not self._summary.seen(kind, now_ms):
            return False
        self._loop.sooner(self._minute, now_ms, MINUTE_MS)
        return True

    def _sum_up(self, now_ms):
        for kind, source, untold, total in self._summary.due(now_ms):
            fields = {"source": format_address(source)} if source else {}
            if untold:
                fields["untold"] = untold
            else:
                fields["ended"] = True
                fields["total"] = total
            self.tell(now_ms, KINDS[kind], **fields)
        return self._summary.next_ms(now_ms)

    def tell(self, now_ms, event_type, **fields):
        """Tell what happened. Returns its number among the gateway's reports, 0 where there are none."""
        event = OrderedDict((("event_type", event_type), ("ts", int(time.time()))))
        event.update(fields)
        line = json.dumps(event)
        self._write(line)
        for follower in self.followers:
            follower(line)
        self._loop.tidy_later(now_ms)
        return self.reports.event(event) if self.reports else 0
