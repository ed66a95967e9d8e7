"""What a device under test says, in this process: for pytest-embedded the queue that it goes into and what expect() reads.

Its own way costs a process more for each test, and reads a file over and over. The file is here too, for people.
"""

import os
import threading
import time

from pexpect import TIMEOUT
from pytest_embedded.log import PexpectProcess


class Heard(PexpectProcess):
    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "w+b", buffering=0)
        self._unread = b""
        self._more = threading.Condition()
        super().__init__(self._file)

    def put(self, data):
        """From any thread: it is to be read, and is in the log and in what pytest shows of the test."""
        self._file.write(data)
        os.write(1, time.strftime("%Y-%m-%d %H:%M:%S ").encode() + data)
        with self._more:
            self._unread += data
            self._more.notify_all()

    def read_nonblocking(self, size=1, timeout=-1):
        with self._more:
            if not self._more.wait_for(lambda: self._unread, self.timeout if timeout == -1 else timeout):
                raise TIMEOUT("nothing more was said")
            data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def close(self):
        self._file.close()
