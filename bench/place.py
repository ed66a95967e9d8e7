"""Where everything is measured: the lab, with a fresh client address for every sample.

    client (all of 198.18.0.0/15 is its own, too) ---- wan0 gateway: a listening socket for each candidate's door
"""

import itertools
import socket
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_network

from lab import Lab

_POOL = ip_network("198.18.0.0/15")  # for benchmarks of networks (RFC 2544)
_BACKLOG = 4096  # nobody accepts: the kernel answers, and no process has to wake up for it


class Place:
    """`lab`: the lab that is up. `directory`: for files that go with it."""

    def __init__(self, lab):
        self.lab = lab
        self.directory = lab.directory
        self.gateway = lab.gateway
        self.client = lab.client
        self.camera = lab.camera
        self._addresses = itertools.count(int(_POOL.network_address) + 1)
        self._doors = {}

    def source(self):
        """A client address that nobody has used before in this lab."""
        return str(IPv4Address(next(self._addresses)))

    def door(self, port):
        """Let something listen on this TCP port of the gateway, once; the kernel answers for it."""
        if port in self._doors:
            return
        with self.gateway.inside():
            listening = socket.socket()
            listening.bind(("0.0.0.0", port))
            listening.listen(_BACKLOG)
        self._doors[port] = listening

    def close(self):
        for listening in self._doors.values():
            listening.close()


@contextmanager
def place(firewall="ipset"):
    """A lab whose zone towards wan drops, with the pool of client addresses routed to the client."""
    with Lab(zone="drop", firewall=firewall) as lab:
        lab.client.ip(f"route add local {_POOL} dev lo")
        lab.gateway.ip(f"route add {_POOL} via {lab.client.ip4}")
        made = Place(lab)
        try:
            yield made
        finally:
            made.close()
