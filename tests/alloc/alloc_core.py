"""The packet path allocates nothing: every hot function of core, measured on MicroPython in three ways.

    locked  with the heap locked: an allocation raises
    kept    bytes more in use after CALLS calls, without collection
    taken   bytes taken from the heap in CALLS calls, given back or not: this alone shows the frame of a call that needs more
            than eleven words, which comes from the heap and goes back at once; a flood of those makes the collector run

    micropython tests/alloc/alloc_core.py      prints "NAME ok" or "NAME what it took", a line for each case
"""

import gc
import micropython
import sys
from array import array

here = sys.argv[0].rpartition("/")[0] or "."
sys.path[0:1] = [here + "/../../firmware", here + "/.."]

from common.accepting import FWKNOP_PORT, SPA_PORT, Accepting  # noqa: E402  (after the path is set)
from common.clients import NOW_US, client  # noqa: E402
from common.clients import packet as signed_packet  # noqa: E402
from common.packets import GATEWAY4, GATEWAY6, SOURCE4, TCP, UDP, ipv4, ipv6, tcp, udp  # noqa: E402
from knocklet.core import clock, summary, verdict  # noqa: E402
from knocklet.core.attempts import GUARD, KEY_BYTES, Attempts  # noqa: E402
from knocklet.core.fwknop import Fwknop  # noqa: E402
from knocklet.core.matcher import Matcher  # noqa: E402
from knocklet.core.own_addresses import OwnAddresses  # noqa: E402
from knocklet.core.packet import Packet  # noqa: E402
from knocklet.edge import ciphers  # noqa: E402
from knocklet.edge.events import Events  # noqa: E402
from knocklet.edge.knocks import Knocks  # noqa: E402

CALLS = 500
# On 32 bits a small integer ends at 2**30: sums and differences of these times must not pass it.
TIMES = array("I", (5, 0x1FFFFFFF, 0x20000000, clock.MASK - 3, clock.MASK))


def run(call):
    i = 0
    while i < CALLS:
        call(i)
        i += 1


def taken_by(call):
    """What is wrong with it, or "ok"."""
    run(call)  # once before: a first call may grow a stack or intern a name
    gc.collect()
    gc.disable()
    kept = gc.mem_alloc()
    taken = micropython.mem_total()
    run(call)
    taken = micropython.mem_total() - taken
    kept = gc.mem_alloc() - kept
    gc.enable()
    micropython.heap_lock()
    try:
        run(call)
        locked = True
    except MemoryError:
        locked = False
    micropython.heap_unlock()
    if locked and kept == 0 and taken == 0:
        return "ok"
    return "took %d bytes in %d calls, kept %d%s" % (taken, CALLS, kept, "" if locked else ", and raised with the heap locked")


cases = []


def case(name):
    """The function below is a case; it takes the number of the call."""

    def add(call):
        cases.append((name, call))
        return call

    return add


# The measure itself, which must see all three kinds. Their names say what is expected instead of "ok".


@case("canary: a list")
def _(i):
    return [i]


@case("canary: a frame")
def _(i):
    a = b = c = d = e = f = g = h = j = k = m = n = i
    return a + b + c + d + e + f + g + h + j + k + m + n


@case("canary: a large integer")
def _(i):
    return (i + 1) << 62


# Packet.parse: good ones, and one refused at every place.

packet = Packet()


def parse_case(name, data, expected):
    frame = bytearray(b"\xff" * 32 + data)
    length = len(data)

    def call(_):
        if packet.parse(frame, 32, length, length) != expected:
            raise ValueError(name)

    cases.append(("Packet.parse " + name, call))


for name, data, expected in (
    ("tcp", ipv4(tcp(7000), TCP), verdict.PARSED),
    ("tcp, all options", ipv4(tcp(65535, options=bytes(40)), TCP, options=b"\xff" * 40), verdict.PARSED),
    ("udp", ipv4(udp(7000), UDP), verdict.PARSED),
    ("tcp over IPv6", ipv6(tcp(7000), TCP), verdict.PARSED),
    ("udp over IPv6", ipv6(udp(7000), UDP), verdict.PARSED),
    ("version 5", b"\x55" + bytes(30), verdict.NOT_IP),
    ("short header", b"\x44" + bytes(30), verdict.BAD_HEADER),
    ("checksum", ipv4(tcp(7000), TCP, wrong=1), verdict.BAD_CHECKSUM),
    ("fragment", ipv4(tcp(7000), TCP, fragment=0x2000), verdict.FRAGMENT),
    ("icmp", ipv4(tcp(7000), 1), verdict.NOT_A_KNOCK),
    ("ack", ipv4(tcp(7000, flags=0x10), TCP), verdict.NOT_A_KNOCK),
    ("extension header", ipv6(tcp(7000), 0), verdict.NOT_A_KNOCK),
    ("multicast source", ipv4(tcp(7000), TCP, source=b"\xff\xff\xff\xff"), verdict.BAD_SOURCE),
    ("loopback source", ipv6(tcp(7000), TCP, source=bytes(15) + b"\1"), verdict.BAD_SOURCE),
    ("tcp header", ipv4(tcp(7000, data_offset=15), TCP), verdict.BAD_HEADER),
    ("udp length", ipv4(udp(7000, length=1000), UDP), verdict.BAD_HEADER),
):
    parse_case(name, data, expected)
    if expected == verdict.PARSED:
        for cut in (0, 19, len(data) - 1):
            parse_case("%s cut to %d" % (name, cut), data[:cut], verdict.TRUNCATED)


# OwnAddresses.has: the last of 32, and none of them.

own = OwnAddresses()
own.set([bytes([10, 0, 0, i]) for i in range(31)] + [GATEWAY4] + [bytes(15) + bytes([i]) for i in range(31)] + [GATEWAY6])
to_ipv4 = bytearray(ipv4(tcp(7000), TCP))
to_ipv6 = bytearray(ipv6(tcp(7000), TCP))


@case("OwnAddresses.has IPv4")
def _(_):
    if not own.has(to_ipv4, 16, 4) or own.has(to_ipv4, 12, 4):
        raise ValueError


@case("OwnAddresses.has IPv6")
def _(_):
    if not own.has(to_ipv6, 24, 16) or own.has(to_ipv6, 8, 16):
        raise ValueError


# clock: in every turn of the loop.


@case("clock.left and age")
def _(i):
    clock.left(TIMES[i % 5], TIMES[i // 5 % 5])
    clock.age(TIMES[i % 5], TIMES[i // 5 % 5])


# Attempts: a source for every call, at every time.

attempts = Attempts(bytes([i * 7 + i // 256 & 255 for i in range(KEY_BYTES)]))
source = bytearray(16)


def select(i, count):
    source[1] = i & 255
    source[2] = i >> 8
    attempts.select(source, 0, count)


@case("Attempts.select IPv4")
def _(i):
    select(i, 4)


@case("Attempts.select IPv6")
def _(i):
    select(i, 16)


@case("Attempts.place, find, alive, touch, free")
def _(i):
    select(i, 16)
    entry = attempts.place(i & 15, TIMES[i % 5])
    attempts.find(i & 15, TIMES[i // 5 % 5])
    attempts.alive(entry, TIMES[i // 5 % 5])
    attempts.touch(entry, TIMES[i // 5 % 5])
    attempts.free(entry)


@case("Attempts.place into a full group")
def _(i):
    source[0] = source[1] = i & 255
    attempts.select(source, 3, 4)  # all of one address
    if attempts.place(i & 15, 5) < 0:
        raise ValueError


@case("Attempts.end_all")
def _(i):
    select(i, 4)
    attempts.place(0, TIMES[i % 5])
    attempts.place(1, TIMES[i % 5])
    attempts.place(GUARD, TIMES[i % 5])
    attempts.end_all(TIMES[i // 5 % 5])


# Matcher.knock in all its outcomes: each source walks through them.


class Sequence:
    def __init__(self, *ports):
        self.steps = [(TCP, port) for port in ports]
        self.window_ms = 60_000


matcher = Matcher(attempts)
matcher.set_sequences({0: Sequence(7000, 8000, 9000, 10000), 1: Sequence(7000, 8001), 2: Sequence(3000)}, [7500])
counts = array("I", bytes(4 * verdict.COUNT))


class Knock:
    source = 0
    protocol = TCP


knock = Knock()


PORTS = (3000, 80, 7500, 8000, 7000, 7000, 8001, 8000, 10000, 7000, 7500, 7000, 8000, 7500, 7000, 7500, 7000)


def knock_once(frame, port, now_ms):
    knock.port = port
    counts[matcher.knock(knock, frame, now_ms)] += 1


def walk(i, count, now_ms):
    knock.address_bytes = count
    source[0] = count
    source[1] = i & 255
    source[2] = i >> 8
    i = 0
    while i < len(PORTS):
        knock_once(source, PORTS[i], now_ms)
        i += 1


@case("Matcher.knock IPv4, every outcome")
def _(i):
    walk(i, 4, 5)


@case("Matcher.knock IPv6, every outcome")
def _(i):
    walk(i, 16, 0x3FFFFFFF)


def fill():
    """Every place of the table taken by a source that has seen two steps."""
    attempts.forget_attempts()
    for i in range(40_000):
        attempts.select(bytes([10, i >> 16, i >> 8 & 255, i & 255]), 0, 4)
        entry = attempts.place(0, 5)
        if entry >= 0:
            attempts.step[entry] = 2


@case("Matcher.knock, no room")
def _(i):
    knock.address_bytes = 4
    source[0] = 11
    source[1] = i & 255
    source[2] = i >> 8
    knock_once(source, 7000, 6)
    knock_once(source, 8000, 6)


# One-time sequences, with the largest numbers there are. Their last step is another matter: it opens.

one_time = Matcher(attempts)
one_time.set_sequences({number: Sequence(20000 + number, 30000, 40000 + number) for number in range(16, 272)}, [7500])


@case("Matcher.knock, one-time sequences")
def _(i):
    knock.address_bytes = 16 if i & 1 else 4
    source[1] = i & 255
    source[2] = i >> 8
    number = 271 - i % 8
    knock_one_time(20000 + number, TIMES[i % 5])
    knock_one_time(30000, TIMES[i % 5])
    knock_one_time(20000 + number, TIMES[i % 5])
    knock_one_time(7500, TIMES[i % 5])
    knock_one_time(20000 + number, TIMES[i % 5])
    knock_one_time(40000 + number, TIMES[i % 5])


def knock_one_time(port, now_ms):
    knock.port = port
    one_time.knock(knock, source, now_ms)


# Gate.look and MacBudget.spend, up to CHECK: what strangers send to the knock port, and what they heard there.

clients = [client(number) for number in range(100)]
accepting = Accepting(clients, 10)
gate = accepting.gate
known = bytearray(signed_packet(clients[50]))
unknown = bytearray(signed_packet(client(200)))
other_slot = bytearray(signed_packet(clients[50], stamp_us=NOW_US + 3_600_000_000))


def look(data, count, now_ms, expected):
    if gate.look(data, 0, count, now_ms) != expected:
        raise ValueError


@case("Gate.look, a tag that is known")
def _(i):
    look(known, 88, 100 * i, verdict.CHECK)


@case("Gate.look, over the budget")
def _(i):
    kind = gate.look(known, 0, 88, 50_000 + i // 100)
    if i % CALLS > 10 and kind != verdict.OVER_BUDGET:
        raise ValueError


@case("Gate.look, a flood of one tag")
def _(i):
    gate.look(known, 0, 88, TIMES[i // 100])


@case("Gate.look, a tag that is not known")
def _(i):
    look(unknown, 88, TIMES[i % 5], verdict.UNKNOWN_TAG)


@case("Gate.look, a slot that is not known")
def _(i):
    look(other_slot, 88, TIMES[i % 5], verdict.UNKNOWN_TAG)


@case("Gate.look, another length")
def _(i):
    look(known, i % 88, TIMES[i % 5], verdict.WRONG_LENGTH)


untrusted = Accepting(clients, 1).gate
untrusted.set_slots(None)


@case("Gate.look, a slot that is kept")
def _(i):
    if untrusted.look(unknown, 0, 88, TIMES[i % 5]) != verdict.UNKNOWN_TAG:
        raise ValueError


@case("Gate.look, a slot that is over the budget")
def _(_):
    untrusted.look(other_slot, 0, 88, 12_345)


@case("Gate.spend")
def _(i):
    gate.spend(1 + i % 16, TIMES[i % 5])


# Fwknop.looks_right: at a stranger's packet, in all its outcomes.

fwknop = Fwknop([], ciphers)
payload = bytearray(b"\0\0+A")


@case("Fwknop.looks_right")
def _(i):
    if fwknop.looks_right(payload, 2, 139 + i % 2) != (verdict.CHECK if i % 2 else verdict.WRONG_LENGTH):
        raise ValueError
    if fwknop.looks_right(payload, 3, 384) != verdict.UNKNOWN_TAG:
        raise ValueError


# Knocks: parse, own address, match and count, from a ring that is not the kernel's.


class Ring:
    """As edge.capture.Capture: `left` times the frame at `at` is ready."""

    def __init__(self, data):
        self.frames = bytearray(64) + data
        self.at = 64
        self.captured = self.length = len(data)
        self.left = 0

    def ready(self):
        return self.left > 0

    def release(self):
        self.left -= 1


class Interface:
    def __init__(self, data):
        self.name = "wan0"
        self.own = own
        self.ring = Ring(data)


class Interfaces:
    all = [
        Interface(data)
        for data in (
            ipv4(tcp(7000), TCP),
            ipv6(tcp(7500), TCP),
            ipv4(tcp(80), TCP),
            ipv4(tcp(7000), TCP, wrong=1),
            ipv4(tcp(7000), TCP, destination=SOURCE4),
            ipv4(tcp(7000), TCP, source=GATEWAY4),
        )
    ]


class NoLoop:
    """Timers that never run."""

    def timer(self, _function):
        return None

    def sooner(self, _handle, _now_ms, _wait_ms):
        pass


# What comes to the knock port and is not worth a check.
JUNK = [
    Interface(data)
    for data in (
        ipv4(udp(SPA_PORT, unknown), UDP),
        ipv6(udp(SPA_PORT, other_slot), UDP),
        ipv4(udp(SPA_PORT, known[:-1]), UDP),
        ipv4(udp(FWKNOP_PORT, known), UDP),
        ipv4(udp(FWKNOP_PORT, bytes(200)), UDP),
        ipv4(udp(0, known), UDP),
        ipv4(tcp(SPA_PORT), TCP),
    )
]


class Clients:
    signed = accepting.signed
    signed.fwknop_port = FWKNOP_PORT
    signed._fwknop_clients = fwknop


SOURCES = [bytes([number] * 24) for number in range(3)]
events = Events(None, NoLoop())
events.tell = lambda now_ms, event_type, **fields: None
knocks = Knocks(Interfaces, matcher, None, None, events)


@case("Events.noise")
def _(i):
    for kind in range(len(summary.KINDS)):
        events.caused_by(SOURCES[i % 3], i % 5, 4 if i % 2 else 16)
        events.noise(TIMES[i % 5], kind)



@case("Knocks.rings_ready")
def _(_):
    for interface in Interfaces.all:
        interface.ring.left = 4
    knocks.rings_ready(clock.MASK)


@case("Knocks.rings_ready, with clients")
def _(_):
    Interfaces.all, before = JUNK, Interfaces.all
    knocks.clients = Clients
    for interface in JUNK:
        interface.ring.left = 4
    knocks.rings_ready(clock.MASK)
    knocks.clients = None
    Interfaces.all = before


@case("Knocks._swept and _flooded, told before")
def _(i):
    knocks._swept(Interfaces.all[0], TIMES[i % 5])
    knocks._flooded(Interfaces.all[0], TIMES[i % 5])


def main():
    for name, call in cases:
        if name.endswith("no room"):
            fill()
        print("%s: %s" % (name, taken_by(call)))
    seen = [verdict.NAMES[i] for i in range(verdict.COUNT) if counts[i]]
    print("outcomes: %s" % " ".join(seen))


main()
