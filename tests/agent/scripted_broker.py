"""A broker that misbehaves by a script: a function that gets each connection, on loopback."""

import socket
import threading
import time

CONNACK = b"\x20\2\0\0"
SUBACK = b"\x90\5\xff\xff\1\1\1"


class ScriptedBroker:
    """script(connection): what is done with each one. `connections`: how many came. port: 0 takes a free one."""

    def __init__(self, script, port=0, receive_bytes=None):
        self.connections = 0
        self.ends = []   # when each ended, by the agent or by the script
        self._script = script
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_bytes:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(16)
        self.port = self._listener.getsockname()[1]
        self._open = []

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        for end in [self._listener, *self._open]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open = self._open[-20:] + [connection]
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            connection.settimeout(60)
            self._script(connection)
        except OSError:
            pass   # the agent has gone
        connection.close()
        self.ends.append(time.monotonic())


def until_gone(connection):
    while connection.recv(65536):
        pass


def silent(connection):
    until_gone(connection)


def says(data):
    """Answers whatever comes with these bytes, then is silent."""

    def script(connection):
        connection.recv(1000)
        connection.sendall(data)
        until_gone(connection)

    return script


def drips(connection):
    """CONNACK, a byte a second."""
    for byte in CONNACK * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.45)


def drips_messages(connection):
    """Taken in, then one message that never becomes complete, a byte at a time."""
    connection.recv(1000)
    connection.sendall(CONNACK + SUBACK + b"\x30\xff\x0f\0\1a")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def never_reads(connection):
    """Takes us in, and reads nothing more."""
    connection.recv(1000)
    connection.sendall(CONNACK + SUBACK)
    time.sleep(30)


def never_acknowledges(connection):
    """Answers pings, and no publish."""
    connection.recv(1000)
    connection.sendall(CONNACK + SUBACK)
    while connection.recv(65536):
        connection.sendall(b"\x30\3\0\1a")


def drops(connection):
    """Takes us in and hangs up."""
    connection.recv(1000)
    connection.sendall(CONNACK + SUBACK)


def floods(connection):
    """10,000 retained messages, and it reads nothing."""
    connection.recv(1000)
    one = b"\x33\x26\0\x1fknocklet/attic/request/close_al\0\7xyz"
    connection.sendall(CONNACK + SUBACK + one * 10_000)
    time.sleep(30)
