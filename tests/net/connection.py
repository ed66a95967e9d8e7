"""A connection to one of the lab's pages that stays: does it still carry anything?"""

import socket

from lab.page import PAGE


class Connection:
    """To port `port` of address `to`, from Host `from_`. Close it, or use it in a `with`. Raises OSError."""

    def __init__(self, to, port, from_):
        with from_.inside():
            self._socket = socket.create_connection((to, port), timeout=2)

    def works(self, timeout_s=2):
        """Fetch the page over it. False: a reset, or nothing within timeout_s; it is good for nothing afterwards."""
        self._socket.settimeout(timeout_s)
        answer = b""
        try:
            self._socket.sendall(b"GET / HTTP/1.1\r\nHost: page\r\n\r\n")
            while not answer.endswith(PAGE.encode()):
                data = self._socket.recv(65536)
                if not data:
                    return False
                answer += data
        except OSError:
            return False
        return True

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
