"""Packets that no honest host sends: every field of the headers made wrong, one kind after the other."""

import itertools
import random
import struct
from ipaddress import ip_address

from lab import packets

_EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140, 253, 254)  # IPv6 extension headers that IANA lists, and two to experiment
_ODD = {
    4: "0.0.0.0 127.0.0.1 198.51.100.1 198.51.100.255 192.168.1.1 192.168.1.50 224.0.0.1 240.0.0.1 255.255.255.255",
    6: ":: ::1 ::ffff:198.51.100.66 ::198.51.100.66 2001:db8:1::1 fd00:1::1 fd00:1::50 fe80::1 ff02::1 ff02::2 ff0e::1",
}
_TARGETS = (7000, 7500, 8000, 9100, 22)  # steps, protected and other ports of the gateway: see conftest.py


def ip(source, to, protocol, body, hops=64, length=None, **ipv4):
    """An IP packet whose header says what it is told. length: as it says, of what follows the header."""
    source, to = ip_address(source), ip_address(to)
    length = len(body) if length is None else length
    if source.version == 6:
        return struct.pack(">IHBB", 6 << 28, length & 0xFFFF, protocol, hops) + source.packed + to.packed + body
    return _ipv4(source.packed, to.packed, protocol, body, hops, length, **ipv4)


def _ipv4(source, to, protocol, body, hops, length, options=b"", words=None, fragment=0, tos=0):
    words = 5 + len(options) // 4 if words is None else words
    total = (20 + len(options) + length) & 0xFFFF
    start = struct.pack(">BBHHHBB", 4 << 4 | words, tos, total, 1, fragment, hops, protocol)
    check = packets.checksum(start + source + to + options)
    return start + struct.pack(">H", check) + source + to + options + body


def kinds(source, to, device, seed):
    """Kind -> packets from `source` to the gateway's address `to`, some to `device` behind it. All of one family."""
    rng = random.Random(seed)
    family = ip_address(to).version
    syn = packets.packet(source, to, 7000)
    datagram = packets.packet(source, to, 9100, "udp", payload=b"knock")
    header = 20 if family == 4 else 40
    made = {
        "any protocol": [ip(source, there, n, rng.randbytes(n % 64)) for n in range(256) for there in (to, device)],
        "noise": [bytes([family << 4 | rng.randrange(16)]) + rng.randbytes(rng.randrange(1, 200)) for _ in range(2000)],
        "noise to a step": [_noise(rng, syn, header) for _ in range(2000)],
        "cut short": [whole[:end] for whole in (syn, datagram) for end in range(1, len(whole))],
        "wrong length": [ip(source, to, 6, syn[header:], length=n) for n in (*range(-20, 64), 1000, 65535 - 20)],
        "hops": [ip(source, there, 17, datagram[header:], hops=n) for n in (0, 1, 2, 255) for there in (to, device)],
        "data offset": [ip(source, to, 6, _with(syn[header:], 12, n << 4)) for n in range(16)],
        "flags": [packets.packet(source, to, port, flags=n) for n in range(256) if n & 0x17 != 2 for port in _TARGETS],
        "datagram length": [ip(source, to, 17, _with(datagram[header:], 5, n)) for n in range(64)],
        "fragments": list(_fragments(source, to, syn, datagram)),
        "control messages": list(_control(source, to, rng)),
        "odd addresses": list(_odd_addresses(source, to, family)),
        "through": [ip(source, there, 6, syn[header:]) for there in _elsewhere(family)],
    }
    return {**made, **(_only_ipv4(source, to, device, syn, rng) if family == 4 else _only_ipv6(source, to, device, syn, rng))}


def _only_ipv4(source, to, device, syn, rng):
    options = [bytes([n, length, rng.randrange(256), 0]) for n in range(256) for length in (0, 1, 3, 4, 40)]
    return {
        "options": [ip(source, there, 6, syn[20:], options=option) for option in options for there in (to, device)],
        "source routes": [_source_route(source, to, device, kind, syn) for kind in (0x83, 0x89)],
        "header length": [ip(source, to, 6, syn[20:], words=n) for n in range(16)],
        "bad checksum": [_with(syn, 10, n) for n in range(256)],
        "service": [ip(source, to, 6, syn[20:], tos=n) for n in range(256)],
    }


def _only_ipv6(source, to, device, syn, rng):
    """Extension headers: single, in chains, and with options of every kind; the two upper bits ask for an answer."""
    made = {"extensions": [], "hop-by-hop": [], "destination options": [], "routing": []}
    for first, second in itertools.product(_EXTENSIONS, repeat=2):
        body = bytes([second, 0]) + rng.randbytes(6) + bytes([6, 0]) + rng.randbytes(6) + syn[40:]
        made["extensions"].append(ip(source, to, first, body))
    for option in range(256):
        body = bytes([6, 0, option, 4]) + rng.randbytes(4) + syn[40:]
        made["hop-by-hop"] += [ip(source, there, 0, body) for there in (to, device)]
        made["destination options"].append(ip(source, to, 60, body))
    for kind, left in itertools.product(range(8), range(3)):
        made["routing"].append(ip(source, to, 43, bytes([6, 2, kind, left]) + bytes(4) + ip_address(device).packed + syn[40:]))
    return made


def _fragments(source, to, syn, datagram):
    """First, middle and last ones, in both orders, overlapping, beyond the end of a packet, and none at all."""
    for whole in (syn, datagram):
        pieces = packets.fragments(whole)
        yield from pieces
        yield from reversed(pieces)
        yield pieces[0]
        yield pieces[0]
    for offset in (0, 1, 2, 0x1000, 0x1FFF):
        for more in (0, 1):
            for body in (b"", b"x", syn[-20:]):
                if ip_address(to).version == 4:
                    yield ip(source, to, 6, body, fragment=offset | more << 13)
                else:
                    yield ip(source, to, 44, struct.pack(">BBHI", 6, 0, offset << 3 | more, 2) + body)


def _control(source, to, rng):
    """ICMP of every type, whole. Neighbour discovery is not among them: there the gateway must answer."""
    version, addresses = ip_address(to).version, ip_address(source).packed + ip_address(to).packed
    for kind in range(256):
        if version == 6 and 133 <= kind <= 137:
            continue
        for code in (0, 1, 255):
            body = bytes([kind, code, 0, 0]) + rng.randbytes(32)
            pseudo = b"" if version == 4 else addresses + struct.pack(">II", len(body), 58)
            check = packets.checksum(pseudo + body)
            yield ip(source, to, 1 if version == 4 else 58, body[:2] + struct.pack(">H", check) + body[4:])


def _odd_addresses(source, to, family):
    for odd in _ODD[family].split():
        for protocol, port in (("tcp", 7000), ("udp", 9100), ("tcp", 22)):
            yield packets.packet(odd, to, port, protocol)
            yield packets.packet(source, odd, port, protocol)
            yield packets.packet(odd, odd, port, protocol)


def _elsewhere(family):
    """Where only a router gets them, also back to where they came from."""
    if family == 4:
        return "198.51.100.2", "198.51.100.254", "192.168.1.77", "8.8.8.8"
    return "2001:db8:1::2", "2001:db8:1::fe", "fd00:1::77", "2600::1"


def _source_route(source, to, device, kind, syn):
    option = bytes([kind, 11, 4]) + ip_address(device).packed + ip_address(source).packed + b"\0"
    return ip(source, to, 6, syn[20:], options=option)


def _noise(rng, packet, header):
    """The packet with one to four bytes behind the addresses changed."""
    for _ in range(rng.randrange(1, 5)):
        packet = _with(packet, rng.randrange(header, len(packet)), rng.randrange(256))
    return packet


def _with(data, at, value):
    return data[:at] + bytes([value]) + data[at + 1 :]
