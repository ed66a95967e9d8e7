"""Runs on MicroPython and does with replay stores what it is told, a JSON line at a time.

    micropython replay_driver.py FIRMWARE_FOLDER
"""

import os
import sys

sys.path[:] = [sys.argv[1], sys.argv[0].rpartition("/")[0] + "/.."]

from common.orders import obey  # noqa: E402  (only after the path is set)
from knocklet.edge.replay_store import ReplayStore  # noqa: E402


class Driver:
    def open(self, state_dir, run_dir):
        """As an engine that starts."""
        self.replay = ReplayStore(state_dir, run_dir)
        return self.replay.made_anew, self.replay.failing, self.replay.floor_us

    def store(self, value, name="client01", what=0):
        return self.replay.store(name.encode(), what, value)

    def last(self, name="client01", what=0):
        return self.replay.last(name.encode(), what)

    def keep(self, names):
        self.replay.keep([(name.encode(), 0) for name in names])

    def set_floor(self, now_us):
        self.replay.set_floor(now_us)
        return self.replay.floor_us

    def settle(self):
        return self.replay.settle()

    def timer(self):
        return self.replay.timer(0)

    def failing(self):
        return self.replay.failing

    def system(self, command):
        """In this process's own mounts."""
        return os.system(command)


obey(Driver())
