"""A captured packet, from its network header on: is it a knock candidate, from whom, to whom, to which port?

The kernel filter has passed it already; everything is checked again here, since a filter being replaced lets
anything through. Layouts: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP), RFC 768 (UDP).

    IPv4:  0 version|IHL  2 total length  6 flags|fragment offset  9 protocol  10 checksum  12 source  16 destination
    IPv6:  0 version  4 payload length  6 next header  8 source  24 destination  (40 bytes; extension headers: no knock)
    TCP:   2 destination port  12 data offset  13 flags         UDP:  2 destination port  4 length
"""

from .verdict import BAD_CHECKSUM, BAD_HEADER, BAD_SOURCE, FRAGMENT, NOT_A_KNOCK, NOT_IP, PARSED, TRUNCATED

TCP = 6
UDP = 17
_TCP_HEADER_BYTES = 20
_UDP_HEADER_BYTES = 8
_IPV6_HEADER_BYTES = 40
_TCP_FLAGS = 0x3F  # FIN SYN RST PSH ACK URG: ECE and CWR may come with an honest SYN (RFC 3168)
_SYN = 0x02


class Packet:
    """One packet, filled anew by every `parse`. Hot: reads single bytes, allocates nothing.

    Hot methods keep few names and few arguments: beyond eleven in use at once, counting what an expression holds,
    MicroPython takes a call's frame from the heap.
    """

    def __init__(self):
        self.family = 0  # 4 or 6
        self.protocol = 0  # TCP or UDP
        self.port = 0  # destination port
        self.source = 0  # offset of the source address in the frame
        self.destination = 0  # offset of the destination address
        self.address_bytes = 0  # 4 or 16
        self.payload = 0  # offset of what a UDP packet carries
        self.payload_bytes = 0  # how long that is; -1 when it is not all here
        self._captured = 0  # bytes that are there, of the header that is read now and what follows it
        self._length = 0  # bytes that there were on the wire, of the same

    def parse(self, frame, at, captured, length):
        """Read the packet at `frame[at:]`: `captured` bytes are there of the `length` it had on the wire.

        Returns PARSED, or the verdict that refuses it. Never raises for any content as long as
        `at + captured <= len(frame)`.
        """
        self._captured = captured
        self._length = length
        if captured < 20:
            return TRUNCATED
        version = frame[at] >> 4
        if version == 4:
            return self._ipv4(frame, at)
        if version == 6:
            return self._ipv6(frame, at)
        return NOT_IP

    def _ipv4(self, frame, at):
        header = (frame[at] & 15) << 2
        if header < 20:
            return BAD_HEADER
        total = frame[at + 2] << 8 | frame[at + 3]
        if self._captured < header or total > self._length or total < header:
            return TRUNCATED
        if _ones_sum(frame, at, at + header) != 0xFFFF:
            return BAD_CHECKSUM
        if frame[at + 6] & 0x3F or frame[at + 7]:  # more fragments, or an offset
            return FRAGMENT
        first = frame[at + 12]
        if first == 0 or first == 127 or first >= 224:
            return BAD_SOURCE
        self.family = 4
        self.address_bytes = 4
        self.source = at + 12
        self.destination = at + 16
        self.protocol = frame[at + 9]
        self._captured -= header
        self._length = total - header
        return self._transport(frame, at + header)

    def _ipv6(self, frame, at):
        payload = frame[at + 4] << 8 | frame[at + 5]
        if self._captured < _IPV6_HEADER_BYTES or payload + _IPV6_HEADER_BYTES > self._length:
            return TRUNCATED
        if frame[at + 8] == 0xFF:
            return BAD_SOURCE
        i = at + 8
        while i < at + 18 and not frame[i]:
            i += 1
        if i == at + 18:  # ten zero bytes: unspecified, loopback, IPv4-mapped and -compatible
            return BAD_SOURCE
        self.family = 6
        self.address_bytes = 16
        self.source = at + 8
        self.destination = at + 24
        self.protocol = frame[at + 6]
        self._captured -= _IPV6_HEADER_BYTES
        self._length = payload
        return self._transport(frame, at + _IPV6_HEADER_BYTES)

    def _transport(self, frame, at):
        if self.protocol == TCP:
            if self._captured < _TCP_HEADER_BYTES or self._length < _TCP_HEADER_BYTES:
                return TRUNCATED
            header = frame[at + 12] >> 4 << 2
            if header < _TCP_HEADER_BYTES or header > self._length:
                return BAD_HEADER
            if frame[at + 13] & _TCP_FLAGS != _SYN:
                return NOT_A_KNOCK
        elif self.protocol == UDP:
            if self._captured < _UDP_HEADER_BYTES or self._length < _UDP_HEADER_BYTES:
                return TRUNCATED
            datagram = frame[at + 4] << 8 | frame[at + 5]
            if datagram < _UDP_HEADER_BYTES or datagram > self._length:
                return BAD_HEADER
            self.payload = at + _UDP_HEADER_BYTES
            self.payload_bytes = datagram - _UDP_HEADER_BYTES if datagram <= self._captured else -1
        else:
            return NOT_A_KNOCK
        self.port = frame[at + 2] << 8 | frame[at + 3]
        return PARSED


def _ones_sum(frame, at, end):
    """The ones' complement sum of the 16-bit words from `at` to `end`: of the 30 there can be, one fold tells 0xFFFF."""
    words = 0
    while at < end:
        words += frame[at] << 8 | frame[at + 1]
        at += 2
    return (words & 0xFFFF) + (words >> 16)
