"""The packet parser: each case whole, cut at every byte, with trailing bytes, and away from the start of its frame."""

import unittest

from common.packets import GATEWAY4, GATEWAY6, SOURCE4, SOURCE6, TCP, UDP, ipv4, ipv6, tcp, u16, udp
from knocklet.core import filter, verdict
from knocklet.core.packet import Packet

MAPPED = bytes(10) + b"\xff\xff" + SOURCE4

# What the packet is, its protocol, its bytes, how many of them the parser needs to see.
GOOD = (
    ("tcp", TCP, ipv4(tcp(7000), TCP), 40),
    ("tcp with options, as every system sends", TCP, ipv4(tcp(7000, options=bytes(20)), TCP), 40),
    ("tcp with ECE and CWR", TCP, ipv4(tcp(7000, flags=0xC2), TCP), 40),
    ("tcp with data (fast open)", TCP, ipv4(tcp(7000) + b"data", TCP), 40),
    ("udp", UDP, ipv4(udp(7000), UDP), 28),
    ("udp with data", UDP, ipv4(udp(7000, b"knock"), UDP), 28),
    ("udp shorter than its packet", UDP, ipv4(udp(7000) + b"tail", UDP), 28),
    ("one word of options", UDP, ipv4(udp(7000), UDP, options=b"\x94\x04\0\0"), 32),
    ("all the options there can be", TCP, ipv4(tcp(7000), TCP, options=bytes(range(40))), 80),
    ("don't-fragment not set", TCP, ipv4(tcp(7000), TCP, fragment=0), 40),
    ("the first unicast source", UDP, ipv4(udp(7000), UDP, source=b"\x01\0\0\0"), 28),
    ("the last unicast source", UDP, ipv4(udp(7000), UDP, source=b"\xdf\xff\xff\xff"), 28),
    ("tcp over IPv6", TCP, ipv6(tcp(7000), TCP), 60),
    ("tcp with options over IPv6", TCP, ipv6(tcp(7000, options=bytes(40)), TCP), 60),
    ("udp over IPv6", UDP, ipv6(udp(7000), UDP), 48),
    ("udp with data over IPv6", UDP, ipv6(udp(7000, bytes(88)), UDP), 48),
    ("link-local source", UDP, ipv6(udp(7000), UDP, source=b"\xfe\x80" + bytes(13) + b"\x09"), 48),
)

REFUSED = (
    ("version 5", b"\x55" + ipv4(tcp(7000), TCP)[1:], verdict.NOT_IP),
    ("version 0", bytes(60), verdict.NOT_IP),
    ("version 7", b"\x75" + ipv6(tcp(7000), TCP)[1:], verdict.NOT_IP),
    ("version 15", b"\xf5" + ipv6(tcp(7000), TCP)[1:], verdict.NOT_IP),
    ("header alone, icmp", ipv4(b"", 1), verdict.NOT_A_KNOCK),
    ("IPv6 header alone", ipv6(b"", 59), verdict.NOT_A_KNOCK),
    ("header of 16 bytes", b"\x44" + ipv4(tcp(7000), TCP)[1:], verdict.BAD_HEADER),
    ("header longer than the packet", b"\x4f" + ipv4(udp(7000), UDP)[1:], verdict.TRUNCATED),
    ("total shorter than the header", ipv4(tcp(7000), TCP, total=19), verdict.TRUNCATED),
    ("total shorter than the header, icmp", ipv4(tcp(7000), 1, total=19), verdict.TRUNCATED),
    ("total longer than the packet", ipv4(tcp(7000), TCP, total=41), verdict.TRUNCATED),
    ("total cuts the tcp header", ipv4(tcp(7000), TCP, total=39), verdict.TRUNCATED),
    ("total cuts the udp header", ipv4(udp(7000), UDP, total=27), verdict.TRUNCATED),
    ("checksum one more", ipv4(tcp(7000), TCP, wrong=1), verdict.BAD_CHECKSUM),
    ("checksum one less", ipv4(tcp(7000), TCP, wrong=-1), verdict.BAD_CHECKSUM),
    ("all zero but the version", b"\x45\0\0\x28" + bytes(36), verdict.BAD_CHECKSUM),
    ("first fragment", ipv4(tcp(7000), TCP, fragment=0x2000), verdict.FRAGMENT),
    ("later fragment", ipv4(tcp(7000), TCP, fragment=0x0001), verdict.FRAGMENT),
    ("fragment far behind", ipv4(tcp(7000), TCP, fragment=0x1000), verdict.FRAGMENT),
    ("icmp", ipv4(tcp(7000), 1), verdict.NOT_A_KNOCK),
    ("tcp header of 16 bytes", ipv4(tcp(7000, data_offset=4), TCP), verdict.BAD_HEADER),
    ("tcp header longer than its packet", ipv4(tcp(7000, data_offset=6), TCP), verdict.BAD_HEADER),
    ("udp length 7", ipv4(udp(7000, length=7), UDP), verdict.BAD_HEADER),
    ("udp length 0", ipv4(udp(7000, length=0), UDP), verdict.BAD_HEADER),
    ("udp longer than its packet", ipv4(udp(7000, length=9), UDP), verdict.BAD_HEADER),
    ("IPv6 fragment header", ipv6(b"\x06\0\0\0\0\0\0\1" + tcp(7000), 44), verdict.NOT_A_KNOCK),
    ("IPv6 hop-by-hop options", ipv6(b"\x06\0\1\4\0\0\0\0" + tcp(7000), 0), verdict.NOT_A_KNOCK),
    ("IPv6 destination options", ipv6(b"\x11\0\1\4\0\0\0\0" + udp(7000), 60), verdict.NOT_A_KNOCK),
    ("IPv6 routing header", ipv6(b"\x06\0\0\0\0\0\0\0" + tcp(7000), 43), verdict.NOT_A_KNOCK),
    ("IPv6 authentication header", ipv6(b"\x06\4" + bytes(22) + tcp(7000), 51), verdict.NOT_A_KNOCK),
    ("IPv6 payload longer than the packet", ipv6(tcp(7000), TCP, length=21), verdict.TRUNCATED),
    ("IPv6 payload cuts the header", ipv6(tcp(7000), TCP, length=19), verdict.TRUNCATED),
    ("IPv6 payload 0 (jumbo)", ipv6(udp(7000), UDP, length=0), verdict.TRUNCATED),
    ("tcp header longer than its IPv6 packet", ipv6(tcp(7000, data_offset=15), TCP), verdict.BAD_HEADER),
    ("udp longer than its IPv6 packet", ipv6(udp(7000, length=9), UDP), verdict.BAD_HEADER),
    ("IPv6 multicast source", ipv6(tcp(7000), TCP, source=b"\xff\x02" + bytes(13) + b"\1"), verdict.BAD_SOURCE),
    ("IPv6 source unspecified", ipv6(tcp(7000), TCP, source=bytes(16)), verdict.BAD_SOURCE),
    ("IPv6 source loopback", ipv6(tcp(7000), TCP, source=bytes(15) + b"\1"), verdict.BAD_SOURCE),
    ("IPv6 source IPv4-mapped", ipv6(tcp(7000), TCP, source=MAPPED), verdict.BAD_SOURCE),
)


def parse(data, length=None):
    return Packet().parse(data, 0, len(data), len(data) if length is None else length)


class TestPacket(unittest.TestCase):
    def test_good_whole(self):
        for name, protocol, data, _ in GOOD:
            with self.subTest(name):
                packet = Packet()
                self.assertEqual(packet.parse(data, 0, len(data), len(data)), verdict.PARSED)
                self.assertEqual(packet.port, 7000)
                self.assertEqual(packet.protocol, protocol)
                self.assertEqual(packet.family, data[0] >> 4)
                self.assertEqual(packet.address_bytes, 4 if packet.family == 4 else 16)

    def test_addresses(self):
        for data, source, destination in (
            (ipv4(tcp(1), TCP, options=bytes(8)), SOURCE4, GATEWAY4),
            (ipv6(tcp(1), TCP), SOURCE6, GATEWAY6),
        ):
            packet = Packet()
            frame = b"garbage" + data
            self.assertEqual(packet.parse(frame, 7, len(data), len(data)), verdict.PARSED)
            self.assertEqual(frame[packet.source : packet.source + packet.address_bytes], source)
            self.assertEqual(frame[packet.destination : packet.destination + packet.address_bytes], destination)

    def test_good_cut_by_the_capture(self):
        """The ring keeps the first bytes only: enough when all headers are there."""
        for name, _, data, needed in GOOD:
            for captured in range(len(data)):
                with self.subTest(name, captured=captured):
                    expected = verdict.PARSED if captured >= needed else verdict.TRUNCATED
                    self.assertEqual(parse(data[:captured], len(data)), expected)

    def test_good_cut_on_the_wire(self):
        """Shorter than the lengths inside say."""
        for name, _, data, _ in GOOD:
            for length in range(len(data)):
                with self.subTest(name, length=length):
                    self.assertEqual(parse(data[:length]), verdict.TRUNCATED)

    def test_good_with_trailing_bytes(self):
        """Ethernet pads short packets."""
        for name, _, data, _ in GOOD:
            for more in range(1, 47):
                with self.subTest(name, more=more):
                    self.assertEqual(parse(data + b"\xff" * more), verdict.PARSED)

    def test_nothing_outside_is_read(self):
        """The frame is one of a ring: what lies before and behind belongs to others."""
        for name, _, data, needed in GOOD:
            for captured in (len(data), needed, needed - 1):
                expected = parse(data[:captured], len(data))
                for fill in (0x00, 0x45, 0xFF):
                    with self.subTest(name, captured=captured, fill=fill):
                        frame = bytes([fill] * 50) + data[:captured] + bytes([fill] * 50)
                        self.assertEqual(Packet().parse(frame, 50, captured, len(data)), expected)

    def test_refused(self):
        for name, data, expected in REFUSED:
            with self.subTest(name):
                self.assertEqual(parse(data), expected)

    def test_refused_cut_and_with_trailing_bytes(self):
        for name, data, expected in REFUSED:
            for captured in range(len(data)):
                with self.subTest(name, captured=captured):
                    self.assertTrue(parse(data[:captured], len(data)) != verdict.PARSED)
            if "longer than" not in name:  # those are right with more behind them
                with self.subTest(name, trailing=10):
                    self.assertEqual(parse(data + bytes(10)), expected)

    def test_not_captured(self):
        """Of which a part of the network header is missing: whatever protocol it says, and whatever lies behind it."""
        for data, header in ((ipv4(bytes(60), 1), 20), (ipv4(bytes(60), 1, options=bytes(40)), 60), (ipv6(bytes(60), 59), 40)):
            for captured in range(header + 1):
                frame = data[:captured] + bytes(100)
                expected = verdict.TRUNCATED if captured < header else verdict.NOT_A_KNOCK
                self.assertEqual(Packet().parse(frame, 0, captured, len(data)), expected)

    def test_every_bit_of_an_ipv4_header(self):
        """Whatever one bit is turned round: the checksum, if nothing before it, refuses the packet."""
        for options in (b"", bytes(range(40))):
            data = ipv4(tcp(7000), TCP, options=options)
            for bit in range(8 * (20 + len(options))):
                with self.subTest(bit=bit):
                    turned = bytearray(data)
                    turned[bit >> 3] ^= 1 << (bit & 7)
                    self.assertTrue(parse(turned) != verdict.PARSED)

    def test_checksum_carries(self):
        """Sums that fold twice, with all 30 words of a header."""
        for fill in (b"\xff\xff", b"\xff\xfe", b"\x80\x01", b"\0\0"):
            for last in range(0, 65536, 257):
                data = ipv4(udp(7000), UDP, options=fill * 19 + u16(last))
                with self.subTest(fill=fill, last=last):
                    self.assertEqual(parse(data), verdict.PARSED)

    def test_every_flag_byte(self):
        for flags in range(256):
            with self.subTest(flags=flags):
                expected = verdict.PARSED if flags in (0x02, 0x42, 0x82, 0xC2) else verdict.NOT_A_KNOCK
                self.assertEqual(parse(ipv4(tcp(7000, flags=flags), TCP)), expected)
                self.assertEqual(parse(ipv6(tcp(7000, flags=flags), TCP)), expected)

    def test_every_protocol(self):
        body = udp(7000, tcp(7000)[8:])[:4] + u16(20) + tcp(7000)[6:]  # good as TCP and as UDP
        for protocol in range(256):
            with self.subTest(protocol=protocol):
                expected = verdict.PARSED if protocol in (TCP, UDP) else verdict.NOT_A_KNOCK
                self.assertEqual(parse(ipv4(body, protocol)), expected)
                self.assertEqual(parse(ipv6(body, protocol)), expected)

    def test_every_first_byte_of_an_ipv4_source(self):
        for first in range(256):
            with self.subTest(first=first):
                bad = first == 0 or first == 127 or first >= 224
                data = ipv4(udp(7000), UDP, source=bytes([first, 1, 2, 3]))
                self.assertEqual(parse(data), verdict.BAD_SOURCE if bad else verdict.PARSED)

    def test_ten_zero_bytes_of_an_ipv6_source(self):
        for zeros in range(16):
            with self.subTest(zeros=zeros):
                data = ipv6(udp(7000), UDP, source=bytes(zeros) + b"\x20" * (16 - zeros))
                self.assertEqual(parse(data), verdict.BAD_SOURCE if zeros >= 10 else verdict.PARSED)

    def test_every_port(self):
        packet = Packet()
        for port in range(0, 65536, 251):
            for data in (ipv4(tcp(port), TCP), ipv6(udp(port), UDP)):
                self.assertEqual(packet.parse(data, 0, len(data), len(data)), verdict.PARSED)
                self.assertEqual(packet.port, port)

    def test_filled_anew(self):
        """What a refused packet left behind does not show in the next one."""
        packet = Packet()
        good = ipv4(udp(9), UDP, source=GATEWAY4)
        for name, data, expected in REFUSED:
            with self.subTest(name):
                self.assertEqual(packet.parse(data, 0, len(data), len(data)), expected)
                self.assertEqual(packet.parse(good, 0, len(good), len(good)), verdict.PARSED)
                self.assertEqual(
                    (packet.family, packet.protocol, packet.port, packet.source, packet.destination),
                    (4, UDP, 9, 12, 16),
                )


class TestPayload(unittest.TestCase):
    def payload(self, data, captured=None, length=None, before=b"\xaa" * 9):
        """(what a UDP packet carries, how long that is) as the parser says; captured, length: as for parse()."""
        packet = Packet()
        captured = len(data) if captured is None else captured
        found = packet.parse(before + data, len(before), captured, len(data) if length is None else length)
        self.assertEqual(found, verdict.PARSED)
        frame = before + data
        return frame[packet.payload : packet.payload + max(0, packet.payload_bytes)], packet.payload_bytes

    def test_where_and_how_long(self):
        for size in (0, 1, 88, 384, 1472):
            carried = bytes([i & 255 for i in range(size)])
            for data in (
                ipv4(udp(7000, carried), UDP),
                ipv4(udp(7000, carried), UDP, options=bytes(40)),
                ipv6(udp(7000, carried), UDP),
                ipv4(udp(7000, carried), UDP) + b"padding",
                ipv4(udp(7000, carried) + b"more than UDP knows of", UDP),
                ipv6(udp(7000, carried) + b"more than UDP knows of", UDP),
            ):
                self.assertEqual(self.payload(data), (carried, size))

    def test_the_length_is_udps(self):
        """Not the packet's, which may be longer."""
        data = ipv4(udp(7000, bytes(range(88)), length=8 + 80), UDP)
        self.assertEqual(self.payload(data), (bytes(range(80)), 80))

    def test_cut_by_the_capture(self):
        """What is not all here is told from what is; the headers are read all the same."""
        for data, headers in (
            (ipv4(udp(7000, bytes(88)), UDP), 28),
            (ipv4(udp(7000, bytes(88)), UDP, options=bytes(40)), 68),
            (ipv6(udp(7000, bytes(88)), UDP), 48),
        ):
            for captured in range(headers, len(data)):
                self.assertEqual(self.payload(data, captured), (b"", -1))
            self.assertEqual(self.payload(data, len(data)), (bytes(88), 88))

    def test_what_the_filter_keeps_is_enough(self):
        """The longest headers, and a whole signed packet behind them, of either kind."""
        for size, keep in ((88, filter.SPA_KEEP_BYTES), (384, filter.FWKNOP_KEEP_BYTES)):
            data = ipv4(udp(7000, bytes(size)), UDP, options=bytes(40))
            self.assertEqual(self.payload(data, min(keep, len(data))), (bytes(size), size))
            data = ipv6(udp(7000, bytes(size)), UDP)
            self.assertEqual(self.payload(data, min(keep, len(data))), (bytes(size), size))
