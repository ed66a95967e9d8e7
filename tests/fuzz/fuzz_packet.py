"""Whatever bytes arrive, Packet.parse returns one of its verdicts, reads nothing outside the packet, and takes exactly what a
plain reading of the RFCs takes (common/plain_packet.py), with the same addresses and port.

    micropython tests/fuzz/fuzz_packet.py COUNT SEED

Inputs are good packets with a few bytes, lengths or ends changed, half of them with their checksum put right again, and random
bytes. A failing input is printed as a line that can be put into test_packet.py; the same SEED gives the same inputs.
"""

import random
import sys

here = sys.argv[0].rpartition("/")[0] or "."
sys.path[0:1] = [here + "/../../firmware", here + "/.."]

from common.packets import SOURCE4, TCP, UDP, checksum, ipv4, ipv6, tcp, u16, udp  # noqa: E402  (only after the path is set)
from common.plain_packet import read  # noqa: E402
from knocklet.core import verdict  # noqa: E402
from knocklet.core.packet import Packet  # noqa: E402

REFUSALS = (verdict.TRUNCATED, verdict.NOT_IP, verdict.BAD_HEADER, verdict.BAD_CHECKSUM, verdict.FRAGMENT,
            verdict.NOT_A_KNOCK, verdict.BAD_SOURCE)  # fmt: skip
BASES = (
    ipv4(tcp(7000), TCP),
    ipv4(tcp(7000, options=bytes(range(20))), TCP),
    ipv4(tcp(65535), TCP, options=bytes(range(40))),
    ipv4(udp(9100), UDP),
    ipv4(udp(9100, bytes(88)), UDP, options=b"\x94\x04\0\0"),
    ipv6(tcp(7000), TCP),
    ipv6(tcp(7000, options=bytes(40)), TCP),
    ipv6(udp(9100), UDP),
    ipv6(udp(9100, bytes(88)), UDP),
    ipv6(b"\6\0\0\0\0\0\0\1" + tcp(7000), 44),
    ipv6(tcp(7000), TCP, source=bytes(9) + b"\1" + bytes(6)),
    ipv6(udp(7000), UDP, source=bytes(10) + b"\xff\xff" + SOURCE4),
)
# Where a change matters most: lengths, protocol, fragment, source, data offset, flags.
TELLING = (0, 0, 2, 3, 4, 5, 6, 7, 8, 9, 12, 20, 24, 25, 32, 33, 44, 45, 52, 53)
FRAME_BYTES = 256
POOL_BYTES = 8192

bits = random.getrandbits


class Inputs:
    """`frame` is the ring's frame with one input at `at`; next() makes another."""

    def __init__(self):
        self.pool = bytes([bits(8) for _ in range(POOL_BYTES)])
        self.frame = bytearray(FRAME_BYTES)
        self.at = self.captured = self.length = 0

    def next(self):
        kind = bits(4)
        if kind == 0:
            start = bits(13) % (POOL_BYTES - 128)
            data = bytearray(self.pool[start : start + bits(7)])
            if len(data) and bits(2):
                data[0] = (0x45, 0x46, 0x4F, 0x60)[bits(2)]
        else:
            data = bytearray(BASES[bits(8) % len(BASES)])
            self._change(data)
        self.length = len(data)
        if kind == 1:
            self.length = bits(8)  # a length on the wire that has nothing to do with the bytes
        elif kind == 2:
            self.length += bits(4)  # cut by the capture
        elif kind == 3:
            data = data[: bits(6)]  # cut by the capture, anywhere
        elif kind == 4:
            data = data[: bits(6)]  # cut on the wire
            self.length = len(data)
        elif kind == 5:
            data += self.pool[: bits(4)]  # padded
            self.length = len(data)
        self.at = bits(5)
        self.captured = min(len(data), self.length)
        self.frame[self.at : self.at + len(data)] = data

    def _change(self, data):
        for _ in range(bits(2)):
            at = TELLING[bits(8) % len(TELLING)] if bits(1) else bits(6)
            if at < len(data):
                data[at] = bits(8) if bits(1) else data[at] ^ 1 << bits(3)
        if data[0] >> 4 == 4 and bits(1):
            header = min(4 * (data[0] & 15), len(data) & ~1)
            data[10:12] = b"\0\0"
            data[10:12] = u16(checksum(data[:header]))


def wrong(inputs, packet):
    """What is wrong with the parser's answer to this input, or None."""
    frame, at, captured = inputs.frame, inputs.at, inputs.captured
    # A view that ends with the packet: reading behind it raises. What lies before it must not matter either.
    view = memoryview(frame)[: at + captured]
    try:
        found = packet.parse(view, at, captured, inputs.length)
    except Exception as error:  # any at all is a failure, and the input is told with it
        return "raised %r" % error
    data = bytes(view[at:])
    expected = read(data, inputs.length)
    if found != verdict.PARSED:
        if found not in REFUSALS:
            return "returned %r" % (found,)
        return "refused (%s) what is good" % verdict.NAMES[found] if expected else None
    source = bytes(frame[packet.source : packet.source + packet.address_bytes])
    destination = bytes(frame[packet.destination : packet.destination + packet.address_bytes])
    got = (packet.family, packet.protocol, packet.port, source, destination)
    return None if got == expected else "read %r, plainly %r" % (got, expected)


def main(count, seed):
    random.seed(seed)
    inputs = Inputs()
    packet = Packet()
    good = 0
    for number in range(count):
        inputs.next()
        what = wrong(inputs, packet)
        if what:
            data = bytes(inputs.frame[inputs.at : inputs.at + inputs.captured])
            print("input %d of seed %d: %s\nat %d, length %d: %r" % (number, seed, what, inputs.at, inputs.length, data))
            return 1
        good += packet.port != 0
        packet.port = 0
    print("%d inputs of seed %d, %d of them good packets" % (count, seed, good))
    # A fuzzer that only makes rubbish, or only good packets, proves nothing.
    return 0 if count // 10 < good < count * 9 // 10 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
