"""IP packets made by hand, with every field open to be made wrong. Layouts: RFC 791, 8200, 9293, 768."""

import struct
from ipaddress import ip_address

TCP, UDP = 6, 17
PROTOCOLS = {"tcp": TCP, "udp": UDP}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS = 0, 43, 44, 60  # IPv6 extension headers
NO_OPERATION = b"\1\1\1\0"  # IPv4 options: three times nothing, and the end

# Offsets in the header of TCP and UDP
DESTINATION_PORT = 2
CHECKSUM = {TCP: 16, UDP: 6}

_DONT_FRAGMENT, _MORE_FRAGMENTS = 0x4000, 0x2000
_IPV4_BYTES, _IPV6_BYTES = 20, 40


def packet(
    source,
    destination,
    port,
    protocol="tcp",
    source_port=40000,
    flags=SYN,
    payload=b"",
    options=b"",
    extensions=(),
    good_checksum=True,
    good_header=True,
):
    """A TCP or UDP packet between two addresses (text), IPv4 or IPv6.

    options: of IPv4, in whole 32-bit words. extensions: numbers of IPv6 extension headers in order, without content.
    good_checksum=False makes the checksum of TCP or UDP wrong, good_header=False that of the IPv4 header.
    """
    number = PROTOCOLS[protocol]
    source, destination = ip_address(source).packed, ip_address(destination).packed
    if number == TCP:
        body = struct.pack(">HHIIBBHHH", source_port, port, 1, 0, 5 << 4, flags, 64240, 0, 0) + payload
    else:
        body = struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload
    check = checksum(source + destination + struct.pack(">II", len(body), number) + body)
    at = CHECKSUM[number]
    body = body[:at] + struct.pack(">H", check if good_checksum else check ^ 0x5555) + body[at + 2 :]
    if len(source) == 4:
        return _ipv4(source, destination, number, body, options, good_header)
    return _ipv6(source, destination, number, body, extensions)


def fragments(packet, payload_bytes=8):
    """An IP packet without extension headers in pieces of `payload_bytes`, a multiple of 8."""
    ipv4 = packet[0] >> 4 == 4
    header = 4 * (packet[0] & 15) if ipv4 else _IPV6_BYTES
    body, made = packet[header:], []
    for at in range(0, len(body), payload_bytes):
        piece, more = body[at : at + payload_bytes], at + payload_bytes < len(body)
        if ipv4:
            place = at // 8 | (_MORE_FRAGMENTS if more else 0)
            made.append(_ipv4(packet[12:16], packet[16:20], packet[9], piece, packet[20:header], fragment=place))
        else:
            piece = struct.pack(">BBHI", packet[6], 0, at | more, 1) + piece
            made.append(_ipv6(packet[8:24], packet[24:40], FRAGMENT, piece))
    return made


def checksum(data):
    """RFC 1071. Sums of 16-bit words are numbers modulo 0xFFFF; 0xFFFF is given, never 0, as UDP wants it."""
    data += bytes(len(data) % 2)
    return 0xFFFF - sum(struct.unpack(f">{len(data) // 2}H", data)) % 0xFFFF


def _ipv4(source, destination, protocol, body, options=b"", good_header=True, fragment=_DONT_FRAGMENT):
    length = _IPV4_BYTES + len(options)
    start = struct.pack(">BBHHHBB", 4 << 4 | length // 4, 0, length + len(body), 1, fragment, 64, protocol)
    check = checksum(start + source + destination + options)
    return start + struct.pack(">H", check if good_header else check ^ 0x5555) + source + destination + options + body


def _ipv6(source, destination, protocol, body, extensions=()):
    for number in reversed(extensions):
        if number == FRAGMENT:
            header = bytes([protocol]) + bytes(7)  # the only fragment of its packet
        elif number == ROUTING:
            header = bytes([protocol, 0, 253]) + bytes(5)  # an experimental type (RFC 4727), nothing left to visit
        else:
            header = bytes([protocol, 0, 1, 4]) + bytes(4)  # one option of padding
        protocol, body = number, header + body
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + source + destination + body
