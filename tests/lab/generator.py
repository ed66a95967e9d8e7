"""Sends packets faster than sockets would: sweeps of all ports, floods of spoofed sources, anything made by hand.

Frames go out many in one system call; from one to the next only two or three fields differ, so these are written into
place and the checksums follow by arithmetic: a sum of 16-bit words is a number modulo 0xFFFF, and 0x10000 is 1 there.
"""

import ctypes
import random
import socket
import struct
import time

from . import packets

ALL_PORTS = range(1, 65536)
_BATCH = 256  # frames in one system call
_TICK_S = 0.001  # a paced flood looks at the clock so often
_ETHERNET_BYTES = 14
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_U16, _U32, _U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")

_libc = ctypes.CDLL(None, use_errno=True)


def ascending():
    return list(ALL_PORTS)


def descending():
    return list(reversed(ALL_PORTS))


def shuffled(seed, in_order=()):
    """All ports at random, the same for the same seed; those of `in_order` come in that order, at random places."""
    ports = list(ALL_PORTS)
    random.Random(seed).shuffle(ports)
    places = sorted(ports.index(port) for port in in_order)
    for place, port in zip(places, in_order):
        ports[place] = port
    return ports


class Generator:
    """Sends from an interface of the current namespace. MAC addresses: 6 bytes. Close it, or use `with`."""

    def __init__(self, interface, source_mac, destination_mac):
        self._ethernet = destination_mac + source_mac
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: receives nothing
        try:
            self._socket.bind((interface, 0))
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def send(self, *ip_packets):
        """IP packets as they are (see packets.py), in order."""
        for packet in ip_packets:
            self._socket.send(self._frame(packet))

    def sweep(self, source, destination, ports, protocol="tcp", good_checksum=True, good_header=True, source_port=40000):
        """One packet to each port in the order given: TCP SYN, or empty UDP. Returns how many were sent.

        good_checksum, good_header: as in packets.py.
        """
        packet = packets.packet(source, destination, 0, protocol, source_port, good_header=good_header)
        batch = _Batch(self._socket, self._frame(packet))
        transport = _ETHERNET_BYTES + (20 if packet[0] >> 4 == 4 else 40)
        at_port = transport + packets.DESTINATION_PORT
        at_check = transport + packets.CHECKSUM[packets.PROTOCOLS[protocol]]
        words = _words(batch.frames, at_check)
        wrong = 0 if good_checksum else 0x5555
        for start in range(0, len(ports), _BATCH):
            for port, at in zip(ports[start : start + _BATCH], batch.starts):
                _U16.pack_into(batch.frames, at + at_port, port)
                _U16.pack_into(batch.frames, at + at_check, 0xFFFF - (words + port) % 0xFFFF ^ wrong)
            batch.send(min(_BATCH, len(ports) - start))
        return len(ports)

    def flood(self, destination, port, protocol="tcp", rate=None, duration_s=None, seed=None, prefix=b"", length=0):
        """Packets to one port, each from another spoofed address; `rate` a second, or as fast as it goes.

        Sources: 16.0.0.0 to 95.255.255.255, or any of 2001:db8:f::/64. `length` bytes of payload, other ones in each packet but
        for `prefix`; its UDP checksum is then 0, which means none and stays right. Returns how many were sent.
        """
        ipv4 = ":" not in destination
        payload = prefix + bytes(length - len(prefix)) if length else b""
        packet = packets.packet("16.0.0.0" if ipv4 else "2001:db8:f::", destination, port, protocol, payload=payload)
        batch = _Batch(self._socket, self._frame(packet))
        fill = self._spoof_ipv4 if ipv4 else self._spoof_ipv6
        at_check = _ETHERNET_BYTES + (20 if ipv4 else 40) + packets.CHECKSUM[packets.PROTOCOLS[protocol]]
        noise = length - len(prefix)
        numbers = random.Random(seed)
        sent, begin = 0, time.monotonic()
        while (passed := time.monotonic() - begin) < (duration_s or float("inf")):
            due = _BATCH if rate is None else min(int(passed * rate) - sent, _BATCH)
            fill(batch, due, at_check, numbers)
            if noise > 0:
                self._fill_with_noise(batch, due, at_check, noise, numbers)
            batch.send(due)
            sent += due
            if due < _BATCH:
                time.sleep(_TICK_S)
        return sent

    def _fill_with_noise(self, batch, count, at_check, length, numbers):
        noise, size = numbers.randbytes(count * length), len(batch.original)
        for number, at in enumerate(batch.starts[:count]):
            batch.frames[at + size - length : at + size] = noise[number * length : (number + 1) * length]
            _U16.pack_into(batch.frames, at + at_check, 0)

    def _spoof_ipv4(self, batch, count, at_check, numbers):
        frames, at_header, at_source = batch.frames, _ETHERNET_BYTES + 10, _ETHERNET_BYTES + 12
        header, words = _words(batch.original, at_header), _words(batch.original, at_check)
        for at in batch.starts[:count]:
            more = numbers.randrange(0x50000000)
            _U32.pack_into(frames, at + at_source, 0x10000000 + more)
            _U16.pack_into(frames, at + at_header, 0xFFFF - (header + more) % 0xFFFF)
            _U16.pack_into(frames, at + at_check, 0xFFFF - (words + more) % 0xFFFF)

    def _spoof_ipv6(self, batch, count, at_check, numbers):
        frames, at_host = batch.frames, _ETHERNET_BYTES + 16
        words = _words(batch.original, at_check)
        for at in batch.starts[:count]:
            host = numbers.getrandbits(64)
            _U64.pack_into(frames, at + at_host, host)
            _U16.pack_into(frames, at + at_check, 0xFFFF - (words + host) % 0xFFFF)

    def _frame(self, packet):
        return self._ethernet + _U16.pack(_ETHERTYPES.get(packet[0] >> 4, _ETHERTYPES[4])) + packet


def _words(frame, at_check):
    """The sum behind a checksum that is right as the frame is: adding to a field adds the same here."""
    return 0xFFFF - _U16.unpack_from(frame, at_check)[0]


class _Batch:
    """Copies of one frame, sent by sendmmsg(2) from where they are written."""

    class _Iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    class _Message(ctypes.Structure):  # struct mmsghdr
        _fields_ = [
            ("name", ctypes.c_void_p),
            ("name_length", ctypes.c_uint32),
            ("iovec", ctypes.c_void_p),
            ("iovec_count", ctypes.c_size_t),
            ("control", ctypes.c_void_p),
            ("control_length", ctypes.c_size_t),
            ("flags", ctypes.c_int),
            ("sent", ctypes.c_uint),
        ]

    def __init__(self, socket, frame):
        self.original = frame
        self.frames = bytearray(frame * _BATCH)
        self.starts = range(0, len(self.frames), len(frame))
        self._socket = socket
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.frames))
        self._iovecs = (self._Iovec * _BATCH)(*((base + start, len(frame)) for start in self.starts))
        iovecs, size = ctypes.addressof(self._iovecs), ctypes.sizeof(self._Iovec)
        self._messages = (self._Message * _BATCH)(*((None, 0, iovecs + i * size, 1) for i in range(_BATCH)))

    def send(self, count):
        """Send the first `count` frames."""
        first, size = ctypes.addressof(self._messages), ctypes.sizeof(self._Message)
        done = 0
        while done < count:
            sent = _libc.sendmmsg(self._socket.fileno(), ctypes.c_void_p(first + done * size), count - done, 0)
            if sent < 0:
                raise OSError(ctypes.get_errno(), "sendmmsg")
            done += sent
