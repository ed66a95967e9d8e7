"""Somebody outside who knocks and tries the door, with as little as possible between him and the wire.

TCP packets are made by hand (RFC 9293, checksum RFC 1071), each from a fresh source port. A knock is a SYN. So is a try at the
door, which is what a client's connect() begins with: the gateway's kernel answers for the door with SYN and ACK, this one's
kernel knows of no such connection and resets it. Nothing lingers, and no process has to wake up for it.
"""

import itertools
import os
import socket
from struct import pack, unpack_from
from time import perf_counter_ns

_SOURCE_PORTS = itertools.cycle(range(20000, 60000))
_SYN, _SYN_ACK = 0x02, 0x12
_WINDOW = 64240
_HEADER_WORDS = 5
_PERIOD_NS = 5_000  # for an answer to one try, before the next; usually it is there when send() returns
_CLOSED_NS = 2_000_000  # a door that is open answers within 0.1 ms


class Outsider:
    """The address `source`, in the namespace that the thread is in; everything goes to the address `to`."""

    def __init__(self, to, source):
        self._to = to
        self._source = source
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self._tcp.bind((source, 0))
        self._tcp.connect((to, 0))
        self._tcp.setblocking(False)
        pseudo = socket.inet_aton(source) + socket.inet_aton(to) + pack(">HH", socket.IPPROTO_TCP, 4 * _HEADER_WORDS)
        self._sum = sum(unpack_from(">6H", pseudo)) + sum(unpack_from(">10H", _syn(0, 0, 0)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._tcp.close()

    def send(self, port, payload=None):
        """A SYN to this port, or a UDP packet with this payload. Returns the time just before it left."""
        if payload is not None:
            return self._send_udp(port, payload)
        source_port = next(_SOURCE_PORTS)
        total = self._sum + source_port + port
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        packet = _syn(source_port, port, 0xFFFF - total)
        began = perf_counter_ns()
        self._tcp.send(packet)
        return began

    def _send_udp(self, port, payload):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((self._source, 0))
            began = perf_counter_ns()
            udp.sendto(payload, (self._to, port))
        return began

    def answered(self, door, wait_ns=_PERIOD_NS):
        """Try the door once; is this (or an earlier) try answered within wait_ns? Whoever else is ready may run meanwhile."""
        until = self.send(door) + wait_ns
        while not self._syn_ack(door):
            if perf_counter_ns() > until:
                return False
            os.sched_yield()
        return True

    def is_open(self, door):
        """Try the door once, and give the answer time enough."""
        return self.answered(door, _CLOSED_NS)

    def _syn_ack(self, door):
        try:
            packet = self._tcp.recv(64)
        except BlockingIOError:
            return False
        at = (packet[0] & 15) * 4  # the IPv4 header comes with it
        return unpack_from(">H", packet, at)[0] == door and packet[at + 13] & 0x3F == _SYN_ACK


def _syn(source_port, port, checksum):
    return pack(">HHIIBBHHH", source_port, port, 0, 0, _HEADER_WORDS << 4, _SYN, _WINDOW, checksum, 0)
