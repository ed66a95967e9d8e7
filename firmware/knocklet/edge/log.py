"""Lines for the system's log: to standard output, or to syslog.

A log that nobody reads never stops the engine: the line is dropped.
"""

import select
import socket
import sys
from struct import pack

_DEV_LOG = "/dev/log"
_INFO = "<30>"  # facility daemon, severity informational (RFC 3164)


class Log:
    def __init__(self, syslog=False, tag="knocklet-engine"):
        self.dropped = 0
        self._syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if syslog else None
        if syslog:
            self._syslog.setblocking(False)
        self._tag = tag
        self._poller = select.poll()
        try:
            self._poller.register(sys.stdout, select.POLLOUT)
        except OSError:  # standard output is closed
            self._poller = None

    def write(self, line):
        """One line, at once. A pipe that polls writable has room for 4096 bytes (pipe(7)), more than any line here."""
        try:
            if self._syslog:
                # By address each time: the system's log may be restarted.
                message = _INFO + (line if line.startswith(self._tag) else self._tag + ": " + line)
                self._syslog.sendto(message.encode(), pack("@H", socket.AF_UNIX) + _DEV_LOG.encode() + b"\0")
                return
            if self._poller and self._poller.poll(0):
                sys.stdout.write(line + "\n")
                return
        except OSError:
            pass
        self.dropped += 1
