"""Somebody outside with a computer of his own: a host of the lab, and the `knocklet` command with a home that is only his."""

import os
import socket
from pathlib import Path

_KNOCKLET = Path(__file__).resolve().parent.parent.parent / ".venv" / "bin" / "knocklet"
_UDP = 17


class Visitor:
    def __init__(self, lab, host, name):
        self.host = host
        self.home = lab.directory / name
        self.home.mkdir(mode=0o700)
        self.environment = {**os.environ, "HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "160"}
        for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            self.environment.pop(variable, None)

    def run(self, command, check=True, **options):
        """Any command, as he would. LabError with its line when it fails."""
        return self.host.run(command, env=self.environment, check=check, **options)

    def knocklet(self, *words, check=True, **options):
        return self.run([_KNOCKLET, *words], check, **options)

    def overhear(self, port):
        """Listen to what his computer sends to this UDP port: returns a function that gives the payloads so far."""
        with self.host.inside():
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))  # ETH_P_ALL: it sees what leaves
        tap.setblocking(False)

        def payloads():
            found = []
            with tap:
                while True:
                    try:
                        packet = tap.recv(2048)
                    except BlockingIOError:
                        return found
                    at = 4 * (packet[0] & 15)
                    if packet[0] >> 4 == 4 and packet[9] == _UDP and packet[at + 2 : at + 4] == port.to_bytes(2, "big"):
                        found.append(packet[at + 8 :])

        return payloads
