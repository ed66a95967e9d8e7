"""The command as a process of its own, with the environment of the test."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from lab.waiting import wait_until

HOME = Path(__file__).parents[2]
_START = "from knocklet_tool.main import main; main()"


class Process:
    """Started, and ended with the block. Output is read from files, so that nothing waits for a reader."""

    def __init__(self, place: Path, *words, stdout=None, terminal=None):
        """terminal: its end of one, at which somebody sits who can be asked."""
        number = len(list(place.glob("*.out")))
        self._out, self._err = place / f"{number}.out", place / f"{number}.err"
        environment = {**os.environ, "PYTHONPATH": f"{HOME / 'host_tools'}:{HOME / 'firmware'}"}
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *map(str, words)],
                env=environment,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=stdout or out,
                stderr=err,
                start_new_session=terminal is not None,
                preexec_fn=terminal and (lambda: fcntl.ioctl(0, termios.TIOCSCTTY)),
            )
        self.pid = self._process.pid

    @property
    def stdout(self):
        return self._out.read_text()

    @property
    def stderr(self):
        return self._err.read_text()

    def listens(self):
        """Wait until it does."""
        self.says("Listening at")
        return self

    def says(self, text):
        wait_until(lambda: text in self.stderr or self._ended(), f"it says {text!r}", timeout_s=30, interval_s=0.02)
        assert text in self.stderr, self.stderr

    def _ended(self):
        return self._process.poll() is not None

    def end(self, how=signal.SIGINT):
        """The exit code."""
        self._process.send_signal(how)
        return self.wait()

    def wait(self):
        return self._process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def refuses_the_screen(place, *words):
    """A command that would show a secret: at a terminal it says so, and nothing else gets there."""
    screen, terminal = os.openpty()
    try:
        with Process(place, *words, stdout=terminal) as done:
            assert done.wait() == 2
            assert "a key is not for the screen" in done.stderr
        os.set_blocking(screen, False)
        with pytest.raises(BlockingIOError):
            os.read(screen, 1)
    finally:
        os.close(screen)
        os.close(terminal)
