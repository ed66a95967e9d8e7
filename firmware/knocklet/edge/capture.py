"""Capture: a ring of packets that the kernel fills and we read in place, one for each interface.

AF_PACKET, SOCK_DGRAM (no link header: Ethernet, PPPoE and tun look alike), PACKET_RX_RING with TPACKET_V2.
Sources: packet(7), linux/if_packet.h, Documentation/networking/packet_mmap.rst.

    frame (512 bytes):  0 status  4 length  8 captured  12 mac  14 net (u16: offset of the network header)  ...
"""

import socket
from struct import pack
from sys import byteorder
from uctypes import addressof, bytearray_at

from ..core import bpf
from ..core.filter import everything, nothing
from . import libc

_SOL_PACKET = 263
_PACKET_RX_RING = 5
_PACKET_STATISTICS = 6
_PACKET_VERSION = 10
_PACKET_IGNORE_OUTGOING = 23
_SO_ATTACH_FILTER = 26
_AF_PACKET = 17
_ETH_P_ALL = 3  # in network order below
_TPACKET_V2 = 1

_FRAME_BYTES = 512  # 80 of its own, and the longest that filter.py keeps, of IPv4 without options (packet.payload_bytes)
_BLOCK_BYTES = 65536
_LITTLE = byteorder == "little"
# Which byte of a native number is the lowest: tp_status is 32 bits, tp_len and tp_snaplen too, tp_net 16.
_STATUS = 0 if _LITTLE else 3
_LENGTH_LOW, _LENGTH_HIGH = (4, 5) if _LITTLE else (7, 6)
_CAPTURED_LOW, _CAPTURED_HIGH = (8, 9) if _LITTLE else (11, 10)
_NET_LOW, _NET_HIGH = (14, 15) if _LITTLE else (15, 14)
_TP_STATUS_USER = 1
_EVERYTHING = everything()


def attach_filter(sock, program):
    """Replace the kernel filter of a socket (instructions of core.bpf). Raises OSError."""
    code = bpf.assemble(program)
    sock.setsockopt(libc.SOL_SOCKET, _SO_ATTACH_FILTER, pack("@HP", len(code) // bpf.INSTRUCTION_BYTES, addressof(code)))


class Capture:
    """The ring of one interface. `frames` is the mapped memory; the other methods move through it.

        while ring.ready():
            ... ring.frames[ring.at : ring.at + ring.captured] is the packet, ring.length its length on the wire
            ring.release()
    """

    def __init__(self, blocks):
        """A ring of `blocks` * 64 KiB that listens to nothing yet. Raises OSError."""
        self.socket = socket.socket(_AF_PACKET, socket.SOCK_DGRAM, 0)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        count = blocks * (_BLOCK_BYTES // _FRAME_BYTES)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, pack("@IIII", _BLOCK_BYTES, blocks, _FRAME_BYTES, count))
        self._bytes = blocks * _BLOCK_BYTES
        self._memory = libc.mmap(0, self._bytes, libc.PROT_READ_WRITE, libc.MAP_SHARED, self.socket.fileno(), 0, 0, 0)
        if self._memory in libc.MAP_FAILED:
            raise OSError(12, "mmap of the packet ring")
        self.frames = bytearray_at(self._memory, self._bytes)
        self.at = 0  # offset of the packet's network header
        self.length = 0
        self.captured = 0
        self._frame = 0  # offset of the frame that is next
        self._end = count * _FRAME_BYTES
        self.ifindex = 0  # 0: listening to nothing
        self.dropped = 0  # by the kernel, because the ring was full
        self.attach([nothing()])

    def ready(self):
        """Is a packet waiting? Sets at, length and captured. Hot: allocates nothing."""
        frames = self.frames
        i = self._frame
        if not frames[i | _STATUS] & _TP_STATUS_USER:
            return False
        self.at = i + (frames[i | _NET_LOW] | frames[i | _NET_HIGH] << 8)
        self.length = frames[i | _LENGTH_LOW] | frames[i | _LENGTH_HIGH] << 8
        self.captured = frames[i | _CAPTURED_LOW] | frames[i | _CAPTURED_HIGH] << 8
        return True

    def release(self):
        """Give the frame back to the kernel and step on.

        All of tp_status must be 0: its upper bits tell of timestamps, when anybody on this machine wants those, or of offloads.
        """
        frames = self.frames
        i = self._frame
        frames[i] = frames[i | 1] = frames[i | 2] = frames[i | 3] = 0
        i += _FRAME_BYTES
        self._frame = 0 if i == self._end else i

    def attach(self, programs):
        """Replace the kernel filter by the first of these (lists of instructions of core.bpf) that the kernel has memory for
        (net.core.optmem_max); the old one serves until the new one is in. Returns its place.

        Where none fits, everything passes and is judged here: -1.
        """
        for place, program in enumerate(programs):
            # Before Linux 6.8 old and new are charged together: go through one that passes everything.
            for attempt in (program, _EVERYTHING, program):
                try:
                    attach_filter(self.socket, attempt)
                    if attempt is program:
                        return place
                except OSError:
                    if attempt is _EVERYTHING:
                        raise
        return -1

    def bind(self, ifindex):
        """Listen to this interface from now on. Raises OSError."""
        self.socket.bind(pack("@HHiHBB8s", _AF_PACKET, _ETH_P_ALL << 8 if _LITTLE else _ETH_P_ALL, ifindex, 0, 0, 0, b""))
        self.ifindex = ifindex

    def clear_error(self):
        """Take the error away that an interface going down leaves; without this, poll returns at once for ever."""
        return libc.socket_error(self.socket)

    def count_dropped(self):
        """Add what the kernel could not put into the ring since the last call to `dropped`; returns the sum."""
        self.dropped += libc.getsockopt(self.socket.fileno(), _SOL_PACKET, _PACKET_STATISTICS, "@II")[1]
        return self.dropped

    def close(self):
        libc.munmap(self._memory, self._bytes)
        self.socket.close()
