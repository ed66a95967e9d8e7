"""Packets made by hand, header by header (RFC 791, 8200, 9293, 768), with every field open to be made wrong."""

TCP = 6
UDP = 17
SYN = 0x02

SOURCE4 = bytes([198, 51, 100, 2])
GATEWAY4 = bytes([192, 0, 2, 1])
SOURCE6 = b"\x20\x01\x0d\xb8\x00\x02" + bytes(9) + b"\x02"
GATEWAY6 = b"\x20\x01\x0d\xb8\x00\x01" + bytes(9) + b"\x01"


def u16(number):
    return bytes([number >> 8, number & 255])


def checksum(header):
    """RFC 1071, of an even number of bytes."""
    words = sum([header[i] << 8 | header[i + 1] for i in range(0, len(header), 2)])
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return 0xFFFF - words


def tcp(port, flags=SYN, options=b"", data_offset=None):
    """A TCP header; `options` in whole 32-bit words."""
    words = 5 + len(options) // 4 if data_offset is None else data_offset
    return u16(40000) + u16(port) + b"\1\2\3\4" + bytes(4) + bytes([words << 4, flags]) + u16(64240) + bytes(4) + options


def udp(port, payload=b"", length=None):
    return u16(40000) + u16(port) + u16(8 + len(payload) if length is None else length) + bytes(2) + payload


def ipv4(payload, protocol, source=SOURCE4, destination=GATEWAY4, options=b"", fragment=0x4000, total=None, wrong=0):
    """An IPv4 packet; `wrong` is added to its checksum."""
    words = 5 + len(options) // 4
    total = 4 * words + len(payload) if total is None else total
    start = bytes([0x40 | words, 0]) + u16(total) + u16(1) + u16(fragment) + bytes([64, protocol])
    end = source + destination + options
    return start + u16((checksum(start + bytes(2) + end) + wrong) & 0xFFFF) + end + payload


def ipv6(payload, next_header, source=SOURCE6, destination=GATEWAY6, length=None):
    length = len(payload) if length is None else length
    return b"\x60" + bytes(3) + u16(length) + bytes([next_header, 64]) + source + destination + payload
