"""A replay store in a MicroPython of its own, and what strace does to it."""

import contextlib
import subprocess
from pathlib import Path

from net.firewall_net import MICROPYTHON, Remote

from knocklet.core import replay_records

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware"
COPIES = ("replay.a", "replay.b")
FLOOR_US = 1_795_000_000_000_000


class Store(Remote):
    """Takes replay_driver.py's orders: open(), store(value=7), last()... `pid`: the interpreter's own."""

    def __init__(self, folder, bits="64", wrapper=()):
        super().__init__([*wrapper, MICROPYTHON[bits], HERE / "replay_driver.py", FIRMWARE])
        self.pid = self._process.pid
        self.state = folder / "state"
        self.run = folder / "run"

    def start_engine(self):
        """What a start of the engine finds: (made_anew, failing, floor_us)."""
        return tuple(self.open(state_dir=str(self.state), run_dir=str(self.run)))

    def copies(self):
        return [(self.state / name).read_bytes() for name in COPIES]

    def copies_there(self):
        return [(self.state / name).read_bytes() if (self.state / name).exists() else None for name in COPIES]

    def answers(self):
        """Does it answer the order that was started, or has it died?"""
        return bool(self._process.stdout.readline())


@contextlib.contextmanager
def traced(process, *options):
    """strace holds on to the process, which waits for an order."""
    command = ["strace", "-p", str(process.pid), *map(str, options)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = strace.stderr.readline()
        assert "attached" in line, line
        yield
    finally:
        strace.terminate()
        strace.wait()
        strace.stderr.close()


def copy_of(*values, floor_us=FLOOR_US):
    """A whole copy: the floor (None: not known), then these (name, what, value)."""
    records = [replay_records.record(replay_records.FLOOR_KEY, replay_records.UNKNOWN_FLOOR if floor_us is None else floor_us)]
    records += [replay_records.record(name.encode() + bytes([what]), value) for name, what, value in values]
    return b"".join(records).ljust(replay_records.BYTES, b"\0")


def put_copies(folder, a, b):
    """Both files, as an engine before this one left them; None: there is none."""
    (folder / "run").mkdir(exist_ok=True)
    (folder / "state").mkdir(exist_ok=True)
    for name, data in zip(COPIES, (a, b)):
        if data is None:
            (folder / "state" / name).unlink(missing_ok=True)
        else:
            (folder / "state" / name).write_bytes(data)
