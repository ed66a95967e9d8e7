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
    """One packet, filled anew by every `parse`. Hot: reads single bytes, allocates nothing."""

    def __init__(self):
        self.family = 0  # 4 or 6
        self.protocol = 0  # TCP or UDP
        self.port = 0  # destination port
        self.source = 0  # offset of the source address in the frame
        self.destination = 0  # offset of the destination address
        self.address_bytes = 0  # 4 or 16

    def parse(self, frame, at, captured, length):
        """Read the packet at `frame[at:]`: `captured` bytes are there of the `length` it had on the wire.

        Returns PARSED, or the verdict that refuses it. Never raises for any content as long as
        `at + captured <= len(frame)`.
        """
        if captured < 20:
            return TRUNCATED
        version = frame[at] >> 4
        if version == 4:
            return self._ipv4(frame, at, captured, length)
        if version == 6:
            return self._ipv6(frame, at, captured, length)
        return NOT_IP

    def _ipv4(self, frame, at, captured, length):
        header = (frame[at] & 15) << 2
        if header < 20:
            return BAD_HEADER
        total = frame[at + 2] << 8 | frame[at + 3]
        if captured < header or total > length or total < header:
            return TRUNCATED
        total_sum = 0
        i = at
        while i < at + header:
            total_sum += frame[i] << 8 | frame[i + 1]
            i += 2
        total_sum = (total_sum & 0xFFFF) + (total_sum >> 16)  # 30 words at most: two folds are enough
        if (total_sum & 0xFFFF) + (total_sum >> 16) != 0xFFFF:
            return BAD_CHECKSUM
        if frame[at + 6] & 0x3F or frame[at + 7]:  # more fragments, or an offset
            return FRAGMENT
        i = frame[at + 12]
        if i == 0 or i == 127 or i >= 224:
            return BAD_SOURCE
        self.family = 4
        self.address_bytes = 4
        self.source = at + 12
        self.destination = at + 16
        return self._transport(frame, at + header, frame[at + 9], captured - header, total - header)

    def _ipv6(self, frame, at, captured, length):
        if captured < _IPV6_HEADER_BYTES:
            return TRUNCATED
        payload = frame[at + 4] << 8 | frame[at + 5]
        if payload + _IPV6_HEADER_BYTES > length:
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
        return self._transport(frame, at + 40, frame[at + 6], captured - 40, payload)

    def _transport(self, frame, at, protocol, captured, length):
        if protocol == TCP:
            if captured < _TCP_HEADER_BYTES or length < _TCP_HEADER_BYTES:
                return TRUNCATED
            if frame[at + 12] >> 4 < 5:
                return BAD_HEADER
            if frame[at + 13] & _TCP_FLAGS != _SYN:
                return NOT_A_KNOCK
        elif protocol == UDP:
            if captured < _UDP_HEADER_BYTES or length < _UDP_HEADER_BYTES:
                return TRUNCATED
            protocol = frame[at + 4] << 8 | frame[at + 5]
            if protocol < _UDP_HEADER_BYTES or protocol > length:
                return BAD_HEADER
            protocol = UDP
        else:
            return NOT_A_KNOCK
        self.protocol = protocol
        self.port = frame[at + 2] << 8 | frame[at + 3]
        return PARSED
