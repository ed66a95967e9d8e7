"""Packets made by hand (common/packets.py) onto a wire of the lab, and what is heard on one."""

import socket
import time
from contextlib import contextmanager
from ipaddress import ip_address

from common import packets
from common.packets import SYN, TCP, UDP

_ETH_P_ALL = 0x0003
_ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}


def send(host, to, *made, interface="eth0"):
    """Put IP packets (bytes) on the wire of Host `host`, for the network card of Host `to`."""
    with _wire(host, interface, 0) as wire:  # hears nothing: quick to close
        for packet in made:
            wire.send(to.mac + host.mac + _ETHERTYPE[packet[0] >> 4] + packet)


def ip(source, to, transport, protocol, **fields):
    """An IP packet between two addresses (text): packets.ipv4 or ipv6 with these fields."""
    source, to = ip_address(source), ip_address(to)
    make = packets.ipv4 if source.version == 4 else packets.ipv6
    return make(transport, protocol, source=source.packed, destination=to.packed, **fields)


def step(source, to, text, flags=SYN, tcp_options=b"", **fields):
    """A knock's step ("7000/tcp") as one IP packet."""
    port, _, protocol = text.partition("/")
    if protocol == "tcp":
        return ip(source, to, packets.tcp(int(port), flags, tcp_options), TCP, **fields)
    return ip(source, to, packets.udp(int(port), b"knock"), UDP, **fields)


@contextmanager
def listening(host, interface="eth0"):
    """Yields a function wait(condition, timeout_s=5): the next IP packet on that wire for which condition(bytes) holds.

    TimeoutError if none comes. Both directions are heard, from the beginning of the `with`.
    """
    with _wire(host, interface, _ETH_P_ALL) as wire:

        def wait(condition, timeout_s=5):
            deadline = time.monotonic() + timeout_s
            while True:
                wire.settimeout(max(0.001, deadline - time.monotonic()))
                packet = wire.recv(65536)[14:]
                if condition(packet):
                    return packet

        yield wait


def source_of(packet):
    """The source address of an IP packet, as text; None if it is something else."""
    if packet[0] >> 4 not in (4, 6):
        return None
    return str(ip_address(packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]))


def is_syn(packet, port):
    """Is this an IPv4 SYN to `port`?"""
    header = 4 * (packet[0] & 15)
    return (
        packet[0] >> 4 == 4
        and packet[9] == TCP
        and packet[header + 13] == SYN
        and packet[header + 2 : header + 4] == packets.u16(port)
    )


def _wire(host, interface, ethertype):
    with host.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.bind((interface, ethertype))
    return wire
