"""The kernel filter, run on a machine of its own: which packets reach the engine, and that the parser agrees."""

import unittest

from common.bpf_machine import check, disassemble, run
from common.numbers import Numbers
from common.packets import TCP, UDP, ipv4, ipv6, tcp, udp
from knocklet.core import bpf, filter, verdict
from knocklet.core.packet import Packet

TCP_PORTS = (7000, 8000, 22, 65535)
UDP_PORTS = (9100, 7000)
HOST, BROADCAST, MULTICAST, OTHER_HOST, OUTGOING = range(5)


def made(tcp_ports, udp_ports):
    program = disassemble(bpf.assemble(filter.program(tcp_ports, udp_ports)))
    check(program)
    return program


class TestFilter(unittest.TestCase):
    def setUp(self):
        self.program = made(TCP_PORTS, UDP_PORTS)

    def test_passes(self):
        for name, packet in (
            ("tcp", ipv4(tcp(7000), TCP)),
            ("udp", ipv4(udp(9100), UDP)),
            ("port of both", ipv4(udp(7000), UDP)),
            ("IPv4 options", ipv4(tcp(8000), TCP, options=bytes(40))),
            ("don't-fragment not set", ipv4(tcp(8000), TCP, fragment=0)),
            ("ECE and CWR", ipv4(tcp(22, flags=0xC2), TCP)),
            ("tcp over IPv6", ipv6(tcp(65535), TCP)),
            ("udp over IPv6", ipv6(udp(7000), UDP)),
        ):
            with self.subTest(name):
                self.assertEqual(run(self.program, packet), filter.KEEP_BYTES)
                self.assertEqual(run(self.program, packet, vlan=0xE000), filter.KEEP_BYTES)  # VLAN 0: a priority only

    def test_drops(self):
        good = ipv4(tcp(7000), TCP)
        for name, packet in (
            ("nothing", b""),
            ("another port", ipv4(tcp(7001), TCP)),
            ("a port of udp, by tcp", ipv4(tcp(9100), TCP)),
            ("a port of tcp, by udp", ipv4(udp(8000), UDP)),
            ("SYN ACK", ipv4(tcp(7000, flags=0x12), TCP)),
            ("no flags", ipv4(tcp(7000, flags=0), TCP)),
            ("icmp", ipv4(tcp(7000), 1)),
            ("first fragment", ipv4(tcp(7000), TCP, fragment=0x2000)),
            ("later fragment", ipv4(tcp(7000), TCP, fragment=1)),
            ("version 5", b"\x55" + good[1:]),
            ("IPv6 fragment header", ipv6(b"\6\0\0\0\0\0\0\1" + tcp(7000), 44)),
            ("IPv6 hop-by-hop options", ipv6(b"\6\0\1\4\0\0\0\0" + tcp(7000), 0)),
            ("IPv6, another port", ipv6(udp(9101), UDP)),
        ):
            with self.subTest(name):
                self.assertEqual(run(self.program, packet), 0)

    def test_only_to_this_machine(self):
        for packet_type in (BROADCAST, MULTICAST, OTHER_HOST, OUTGOING):
            with self.subTest(packet_type=packet_type):
                self.assertEqual(run(self.program, ipv4(tcp(7000), TCP), packet_type=packet_type), 0)

    def test_no_vlan_of_its_own(self):
        for vlan in (1, 0x0FFF, 0x6001):
            with self.subTest(vlan=vlan):
                self.assertEqual(run(self.program, ipv4(tcp(7000), TCP), vlan=vlan), 0)

    def test_cut_at_every_byte(self):
        """A packet that the filter would read beyond is dropped."""
        for packet, needed in (
            (ipv4(tcp(7000), TCP), 34),
            (ipv4(udp(9100), UDP), 24),
            (ipv6(tcp(7000), TCP), 54),
            (ipv6(udp(9100), UDP), 44),
        ):
            for length in range(len(packet)):
                with self.subTest(length=length):
                    self.assertEqual(run(self.program, packet[:length]), filter.KEEP_BYTES if length >= needed else 0)

    def test_every_port(self):
        for port in range(0, 65536):
            packet = ipv4(udp(port), UDP)
            if (run(self.program, packet) > 0) != (port in UDP_PORTS):
                self.fail("udp port %d" % port)

    def test_enough_is_kept(self):
        """The longest headers that the parser reads: 60 of IPv4, 20 of TCP."""
        self.assertGreaterEqual(filter.KEEP_BYTES, 80)

    def test_no_ports_and_nothing(self):
        for program in (made((), ()), disassemble(bpf.assemble(filter.nothing()))):
            for packet in (ipv4(tcp(7000), TCP), ipv4(udp(0), UDP), ipv6(tcp(7000), TCP), b""):
                self.assertEqual(run(program, packet), 0)

    def test_largest_policy(self):
        """256 decoys, and 16 sequences of 32 steps with a decoy in each of 496 gaps: however they are spread, they fit."""
        numbers = Numbers(5)
        for decoys in (256, 498):
            for by_tcp in (0, 100, 256, 400, 512):
                ports = list(range(1, 65536, 64))
                numbers.shuffle(ports)
                tcp_ports = ports[: decoys + by_tcp]
                udp_ports = ports[:decoys] + ports[decoys + by_tcp : decoys + 512]
                with self.subTest(decoys=decoys, by_tcp=by_tcp):
                    program = made(tcp_ports, udp_ports)
                    self.assertLessEqual(len(program), 2560)  # what 20,480 bytes of optmem_max hold
                    for port in ports[::31]:
                        self.assertEqual(run(program, ipv4(tcp(port), TCP)) > 0, port in tcp_ports)
                        self.assertEqual(run(program, ipv6(udp(port), UDP)) > 0, port in udp_ports)

    def test_usual_policy_is_small(self):
        """64 decoys and a few steps, with the old filter beside it, in the 10,240 bytes that a 32-bit system grants."""
        decoys = list(range(2000, 66000, 1000))
        self.assertLessEqual(2 * 8 * len(made(decoys + [7000, 8000, 9000], decoys + [7000])), 10240)

    def test_agrees_with_the_parser(self):
        """What the parser takes, to a port that matters, has passed the filter; what the filter passes is for such a port."""
        numbers = Numbers(6)
        packet = Packet()
        ports = TCP_PORTS + UDP_PORTS + (1, 7001)
        passed = parsed = 0
        for _ in range(4000):
            data = _random_packet(numbers, ports[numbers.below(len(ports))])
            passes = run(self.program, data) > 0
            takes = packet.parse(data, 0, len(data), len(data)) == verdict.PARSED
            wanted = takes and packet.port in (TCP_PORTS if packet.protocol == TCP else UDP_PORTS)
            passed += passes
            parsed += wanted
            if wanted and not passes:
                self.fail("the filter drops a knock: %r" % data)
            if passes and takes and not wanted:
                self.fail("the filter passes another port: %r" % data)
        self.assertGreaterEqual(parsed, 400)
        self.assertGreaterEqual(passed - parsed, 100)  # broken ones that only the parser refuses


def slot_block(tags):
    """The filter's part for one slot with these tags (4 bytes each)."""
    return filter.tags_block(sorted({int.from_bytes(tag, "big") for tag in tags}))


class TestSigned(unittest.TestCase):
    """What of the datagrams to the knock port passes, by a plain model: length, slot, and the tags of that slot."""

    SLOTS = (29924243, 29924244, 29924245)

    def program(self, block, fwknop_port=0):
        program = disassemble(bpf.assemble(filter.program((7000,), (9100,), 62201, block, fwknop_port)))
        check(program)
        return program

    def kept(self, program, payload, port=62201, **fields):
        """By IPv4, also with options, and by IPv6: the same."""
        found = {run(program, ipv4(udp(port, payload), UDP, options=options, **fields)) for options in (b"", bytes(40))}
        if not fields:
            found.add(run(program, ipv6(udp(port, payload), UDP)))
        self.assertEqual(len(found), 1)
        return found.pop()

    def agrees(self, program, tags, below):
        """tags: slot -> set of tags. Those that are there, near ones, those of other slots, and any."""
        wanted = [(slot, tag) for slot in tags for tag in sorted(tags[slot])[:40]]
        tried = wanted + [(slot + step, tag) for slot, tag in wanted for step in (-1, 1, 1 << 16)]
        for slot, tag in wanted[:60]:
            at = below(4)
            tried.append((slot, tag[:at] + bytes([tag[at] + (1, 255)[below(2)] & 255]) + tag[at + 1 :]))
        tried += [(slot, tag) for slot in tags for tag in (bytes(4), b"\xff" * 4, b"\x80\0\0\0", b"\x7f\xff\xff\xff")]
        passed = 0
        for slot, tag in tried:
            good = tag in tags.get(slot, ())
            passed += good
            payload = slot.to_bytes(4, "big") + tag + bytes(80)
            data = ipv4(udp(62201, payload), UDP) if below(2) else ipv6(udp(62201, payload), UDP)
            if run(program, data) != (filter.SPA_KEEP_BYTES if good else 0):
                self.fail("slot %d tag %r" % (slot, tag))
        self.assertGreaterEqual(passed, len(wanted))

    def test_tags_of_three_slots(self):
        """Of 1, 50 and 500 clients; and of none."""
        numbers = Numbers(8)
        for clients, instructions in ((0, 65), (1, 65), (2, 70), (16, 110), (17, 130), (50, 270), (500, 1950)):
            tags = {slot: {numbers.bytes(4) for _ in range(clients)} for slot in self.SLOTS}
            program = self.program(filter.spa_tags({slot: slot_block(tags[slot]) for slot in self.SLOTS}))
            with self.subTest(clients=clients):
                self.agrees(program, tags, numbers.below)
                self.assertLessEqual(len(program), instructions)

    def test_the_same_tag_twice(self):
        self.assertEqual(slot_block([b"abcd", b"abcd", b"abce"]), slot_block([b"abce", b"abcd"]))

    def test_beside_one_time_ports(self):
        """500 clients, those of 64 one-time sequences and 64 decoys fit; 50 clients and one of those in what 32 bits grant."""
        numbers = Numbers(9)
        decoys = [1024 + numbers.below(64000) for _ in range(64)]
        steps = [20000 + numbers.below(40000) for _ in range(64 * 18)]
        for clients, pairs, most in ((500, 64, bpf.LIMIT), (50, 1, 10240 // 8)):
            blocks = {slot: slot_block([numbers.bytes(4) for _ in range(clients)]) for slot in self.SLOTS}
            program = filter.program(decoys + steps[: 18 * pairs], decoys, 62201, filter.spa_tags(blocks), 62202)
            self.assertLessEqual(bpf.size(program), most)

    def test_slots(self):
        program = self.program(filter.spa_slots(self.SLOTS))
        for slot in (0, 1, 29924242, 29924243, 29924244, 29924245, 29924246, (1 << 32) - 1):
            wanted = filter.SPA_KEEP_BYTES if slot in self.SLOTS else 0
            self.assertEqual(self.kept(program, slot.to_bytes(4, "big") + bytes(84)), wanted)

    def test_any(self):
        program = self.program(filter.spa_any())
        for payload in (bytes(88), b"\xff" * 88):
            self.assertEqual(self.kept(program, payload), filter.SPA_KEEP_BYTES)

    def test_length(self):
        """That of UDP's header: 96, and nothing else, whatever the clock says."""
        numbers = Numbers(3)
        tags = {slot: [bytes(4)] for slot in (0, 1)}
        for block in (
            filter.spa_any(), filter.spa_slots((0,)), filter.spa_tags({slot: slot_block(tags[slot]) for slot in tags}),
        ):  # fmt: skip
            program = self.program(block)
            for size in list(range(0, 200)) + [numbers.below(1472) for _ in range(50)]:
                self.assertEqual(self.kept(program, bytes(size)), filter.SPA_KEEP_BYTES if size == 88 else 0)

    def test_nothing_that_cannot_be_read(self):
        """Cut on the way, so that slot or tag are not there."""
        program = self.program(filter.spa_tags({0: slot_block([bytes(4)])}))
        data = ipv4(udp(62201, bytes(88)), UDP)
        for length in range(len(data)):
            self.assertEqual(run(program, data[:length]), filter.SPA_KEEP_BYTES if length >= 36 else 0)

    def test_only_to_its_port_by_udp(self):
        program = self.program(filter.spa_any())
        for port in (62200, 62202, 7000, 0):
            self.assertEqual(self.kept(program, bytes(88), port), 0)
        self.assertEqual(run(program, ipv4(tcp(62201), TCP)), 0)
        for fragment in (0x2000, 1):
            self.assertEqual(self.kept(program, bytes(88), fragment=fragment), 0)

    def test_other_ports_are_as_before(self):
        """Steps and decoys, by either protocol, of any length."""
        program = self.program(filter.spa_any(), 62202)
        for size in (0, 88, 200):
            self.assertEqual(self.kept(program, bytes(size), 9100), filter.KEEP_BYTES)
            self.assertEqual(self.kept(program, bytes(size), 9101), 0)
        self.assertEqual(run(program, ipv4(tcp(7000), TCP)), filter.KEEP_BYTES)

    def test_fwknop(self):
        """By its length alone, on a port of its own or beside the other kind."""
        for port, spa in ((62202, 0), (62200, 0), (62201, filter.SPA_KEEP_BYTES)):
            program = self.program(filter.spa_any(), port)
            for size in range(0, 500):
                wanted = filter.FWKNOP_KEEP_BYTES if 140 <= size <= 384 else spa if size == 88 else 0
                self.assertEqual(self.kept(program, bytes(size), port), wanted)

    def test_fwknop_alone(self):
        program = disassemble(bpf.assemble(filter.program((), (), 0, None, 62201)))
        for size, wanted in ((139, 0), (140, 456), (384, 456), (385, 0), (88, 0)):
            self.assertEqual(self.kept(program, bytes(size)), wanted)
        self.assertEqual(self.kept(program, bytes(140), 0), 0)

    def test_enough_is_kept(self):
        self.assertGreaterEqual(filter.SPA_KEEP_BYTES, 60 + 8 + 88)
        self.assertGreaterEqual(filter.FWKNOP_KEEP_BYTES, 60 + 8 + 384)

    def test_everything(self):
        """The kernel has no room for a filter: all is judged in user space, so all of it has to be there."""
        program = disassemble(bpf.assemble(filter.everything()))
        self.assertEqual(run(program, b""), filter.FWKNOP_KEEP_BYTES)


def _random_packet(numbers, port):
    """Half of them good; the others have up to three bytes changed."""
    below = numbers.below
    if below(2):
        protocol, payload = TCP, tcp(port, options=bytes(4 * below(4)))
    else:
        protocol, payload = UDP, udp(port, bytes(below(20)))
    if below(2):
        data = ipv4(payload, protocol, options=bytes(4 * below(11)))
    else:
        data = ipv6(payload, protocol)
    data = bytearray(data)
    for _ in range(below(2) * below(4)):
        data[below(len(data))] = below(256)
    return bytes(data[: len(data) - below(2) * below(8)])
