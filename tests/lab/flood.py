"""A flood of spoofed sources from a process of its own: who measures meanwhile is not held up by it."""

import os
import subprocess
import sys
import time
from pathlib import Path

from .generator import Generator
from .host import LabError
from .waiting import wait_until

_TESTS = Path(__file__).resolve().parent.parent


class Flood:
    """A running flood against the gateway, up to the end of `with`."""

    def __init__(self, lab, from_, destination, port, protocol, rate, prefix, length):
        self._lab = lab
        self._from = from_
        macs = [from_.mac.hex(), lab.gateway.mac.hex()]
        program = [sys.executable, "-P", "-c", "from lab import flood; flood.main()"]
        self._command = [*program, "eth0", *macs, destination, port, protocol, rate or 0, prefix.hex(), length]
        self._process = None
        self._begin = (0, 0.0)

    def __enter__(self):
        environment = {**os.environ, "PYTHONPATH": str(_TESTS)}
        self._process = self._from.popen(self._command, env=environment, stderr=subprocess.PIPE, text=True)
        arrived = self._arrived()
        wait_until(lambda: self._alive() and self._arrived() > arrived + 1000, "the flood reaches the gateway")
        self._begin = (self._arrived(), time.monotonic())
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()

    def rate(self):
        """Packets a second since the flood is up, counted where they arrive: at the gateway's wan0. All are counted."""
        self._alive()
        arrived, since = self._begin
        return (self._arrived() - arrived) / (time.monotonic() - since)

    def _arrived(self):
        return self._lab.gateway.counters("wan0")["rx_packets"]

    def _alive(self):
        if self._process.poll() is not None:
            raise LabError(f"the flood has ended: {self._process.stderr.read().strip().splitlines()[-1:]}")
        return True


def main():
    """The program: INTERFACE SOURCE_MAC DESTINATION_MAC ADDRESS PORT PROTOCOL RATE PREFIX LENGTH; RATE 0: no limit."""
    interface, source_mac, destination_mac, address, port, protocol, rate, prefix, length = sys.argv[1:]
    with Generator(interface, bytes.fromhex(source_mac), bytes.fromhex(destination_mac)) as generator:
        more = {"prefix": bytes.fromhex(prefix), "length": int(length)}
        generator.flood(address, int(port), protocol, int(rate) or None, **more)
