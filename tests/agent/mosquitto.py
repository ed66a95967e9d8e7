"""The real broker."""

import socket
import subprocess

from agent.waiting import until


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """A real broker on loopback. server: (certificate, key) for TLS. What it keeps is kept in memory: a restart wipes it."""

    def __init__(self, directory, server=None, port=None, more="allow_anonymous true"):
        self.port = port or _free_port()
        self._config = directory / "mosquitto.conf"
        tls = f"certfile {server[0]}\nkeyfile {server[1]}\n" if server else ""
        self._config.write_text(f"user root\nlistener {self.port} 127.0.0.1\n{tls}log_dest none\n{more}\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", self._config])
        until(self._answers, "mosquitto listens")
        return self

    def _answers(self):
        assert self.process.poll() is None, "mosquitto ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
