"""A router's serial console: a shell on a terminal, and a line to it on which kernel messages come in between.

    tool -- `port` (a terminal, raw) -- this -- a terminal -- the shell
"""

import contextlib
import fcntl
import os
import pty
import random
import subprocess
import termios
import threading
import tty

MESSAGE = b"\r\n[   12.345678] usb 1-1: new high-speed USB device\r\n"


class SerialConsole:
    """`noise`: how often a message of its kernel comes somewhere in a piece from the router, 0-1. `spoil(data)`: what becomes
    of a piece.
    """

    def __init__(self, command, noise=0.0):
        self.noise = noise
        self._chance = random.Random(1)
        self.spoil = lambda data: data
        self.heard = b""   # all that the router said
        self.typed = b""   # all that it was told
        self._outer, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._inner, shell = pty.openpty()
        self._ends = [slave, shell]
        self._shell = subprocess.Popen(
            command, stdin=shell, stdout=shell, stderr=shell, start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PS1": "# "},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        for way in (self._from_router, self._to_router):
            threading.Thread(target=way, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._shell.kill()
        self._shell.wait()
        for end in self._ends:
            os.close(end)

    def say(self, data):
        with contextlib.suppress(OSError):   # the tool has gone
            os.write(self._outer, data)

    def _from_router(self):
        while data := _read(self._inner):
            self.heard += data
            if self._chance.random() < self.noise:
                at = self._chance.randrange(len(data))
                data = data[:at] + MESSAGE + data[at:]
            self.say(self.spoil(data))

    def _to_router(self):
        while data := _read(self._outer):
            self.typed += data
            os.write(self._inner, data)


def _read(handle):
    try:
        return os.read(handle, 4096)
    except OSError:   # the other end is closed
        return b""
