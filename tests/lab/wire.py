"""What arrives at an interface of the lab, as the kernel saw it."""

import socket
import struct
import time
from dataclasses import dataclass

from .waiting import wait_until

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_SO_TIMESTAMPNS = 35   # linux: asm-generic/socket.h


@dataclass
class Packet:
    time: float   # seconds since 1970, by the kernel
    source: str
    destination: str
    protocol: str   # "tcp" or "udp"
    source_port: int
    port: int
    flags: int   # of TCP
    payload: bytes   # of UDP

    @property
    def step(self):
        return f"{self.port}/{self.protocol}"


class Wire:
    """What arrives at an interface: TCP and UDP, without IP options or extension headers, as our client sends it."""

    def __init__(self, host, interface):
        with host.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.bind((interface, _ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        wait_until(_stamped_at_arrival, "the kernel stamps packets when they arrive")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def packets(self, wait_s=0.0):
        """Those not read yet, and those that come until nothing has for wait_s."""
        found = []
        self._socket.settimeout(wait_s)
        while True:
            try:
                data, notes, _, (_, _, kind, *_) = self._socket.recvmsg(65536, 64)
            except (BlockingIOError, TimeoutError):
                return found
            packet = None if kind == _PACKET_OUTGOING else _read(data, notes)
            if packet:
                found.append(packet)

    def steps(self, *ports, wait_s=0.0):
        """The texts of packets() to these ports."""
        return [packet.step for packet in self.packets(wait_s) if packet.port in ports]


def _stamped_at_arrival():
    """False in the first milliseconds after somebody asked for stamps: packets then get theirs when they are read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        probe.settimeout(1)
        probe.bind(("127.0.0.1", 0))
        probe.sendto(b"", probe.getsockname())
        sent_ns = time.time_ns()
        return _stamp_ns(probe.recvmsg(1, 64)[1]) <= sent_ns


def _stamp_ns(notes):
    seconds, nanoseconds = struct.unpack("@ll", notes[0][2])
    return seconds * 10**9 + nanoseconds


def _read(data, notes):
    if data[0] >> 4 == 4:
        number, source, destination = data[9], data[12:16], data[16:20]
        data = data[20 : struct.unpack_from("!H", data, 2)[0]]   # the rest fills up an Ethernet frame
    else:
        number, source, destination, data = data[6], data[8:24], data[24:40], data[40:]
    if number not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return None
    family = socket.AF_INET if len(source) == 4 else socket.AF_INET6
    tcp = number == socket.IPPROTO_TCP
    return Packet(
        _stamp_ns(notes) / 1e9,
        socket.inet_ntop(family, source),
        socket.inet_ntop(family, destination),
        "tcp" if tcp else "udp",
        *struct.unpack_from("!HH", data),
        data[13] if tcp else 0,
        b"" if tcp else data[8:],
    )
