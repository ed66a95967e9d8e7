"""A plain reading of a packet, for comparison with core/packet.py: slices and numbers, no care for memory."""

from .packets import SYN, TCP, UDP


def number(data):
    return int.from_bytes(data, "big")


def read(packet, length):
    """(family, protocol, port, source, destination) of a knock candidate, else None.

    packet: the bytes that were captured, from the network header on; length: how many there were on the wire.
    """
    if len(packet) < 20:
        return None
    if packet[0] >> 4 == 4:
        header = 4 * (packet[0] & 15)
        total = number(packet[2:4])
        if not 20 <= header <= total <= length or len(packet) < header:
            return None
        # RFC 1071: the sum of all words is 0 modulo 0xFFFF, and not nought itself.
        words = sum([number(packet[i : i + 2]) for i in range(0, header, 2)])
        fragment = number(packet[6:8]) & 0x3FFF
        if words == 0 or words % 0xFFFF or fragment:
            return None
        source, destination = packet[12:16], packet[16:20]
        if source[0] in (0, 127) or source[0] > 223:
            return None
        family, protocol, left = 4, packet[9], total - header
    elif packet[0] >> 4 == 6:
        header = 40
        left = number(packet[4:6])
        if len(packet) < header or header + left > length:
            return None
        source, destination = packet[8:24], packet[24:40]
        if source[0] == 255 or source[:10] == bytes(10):
            return None
        family, protocol = 6, packet[6]
    else:
        return None
    there = packet[header:]
    if protocol == TCP:
        if min(left, len(there)) < 20 or not 20 <= 4 * (there[12] >> 4) <= left or there[13] % 64 != SYN:
            return None
    elif protocol == UDP:
        if min(left, len(there)) < 8 or not 8 <= number(there[4:6]) <= left:
            return None
    else:
        return None
    return family, protocol, number(there[2:4]), source, destination
