"""The generator: what it sends is what it says, judged by the kernel of the gateway and by the bytes that arrive there."""

import contextlib
import random
import socket
import time

import pytest

from lab import Lab, generator, packets


@pytest.fixture(scope="module")
def lab():
    with Lab(zone="accept") as lab:
        yield lab


@pytest.fixture
def sender(lab):
    with lab.generator() as sender:
        yield sender


@contextlib.contextmanager
def tap(lab):
    """A socket that sees what arrives on the gateway's wan0, packets of IPv4 and IPv6 from the attacker's side."""
    with lab.gateway.inside():
        seen = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    with seen:
        seen.setsockopt(socket.SOL_SOCKET, 33, 1 << 28)  # SO_RCVBUFFORCE: all of a sweep
        seen.bind(("wan0", 0x0003))
        yield seen


def arrived(tap, count):
    """The next `count` packets that came in."""
    tap.settimeout(5)
    found = []
    while len(found) < count:
        packet, (_, _, kind, *_) = tap.recvfrom(65536)
        if kind == socket.PACKET_HOST:
            found.append(packet)
    return found


def read(packet):
    """(source address, protocol, destination port, is the checksum of TCP or UDP right)."""
    if packet[0] >> 4 == 4:
        addresses, protocol, body = packet[12:20], packet[9], packet[4 * (packet[0] & 15) :]
    else:
        addresses, protocol, body = packet[8:40], packet[6], packet[40:]
    pseudo = addresses + len(body).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    right = packets.checksum(pseudo + body) == 0xFFFF
    return addresses[: len(addresses) // 2], protocol, int.from_bytes(body[2:4], "big"), right


def udp_socket(lab, family):
    """Where UDP datagrams to port 5000 of the gateway go."""
    with lab.gateway.inside():
        made = socket.socket(socket.AF_INET6 if family == "ip6" else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((getattr(lab.gateway, family), 5000))
    made.settimeout(1)
    return made


def packet(lab, family, **fields):
    fields = {"port": 5000, "protocol": "udp", "payload": b"hello, hello", **fields}
    return packets.packet(getattr(lab.attacker, family), getattr(lab.gateway, family), **fields)


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("ip4", {}),
        ("ip6", {}),
        ("ip4", {"options": packets.NO_OPERATION}),
        ("ip4", {"payload": b""}),
        ("ip6", {"extensions": [packets.HOP_BY_HOP]}),
        ("ip6", {"extensions": [packets.FRAGMENT]}),
        ("ip6", {"extensions": [packets.HOP_BY_HOP, packets.ROUTING, packets.DESTINATION_OPTIONS]}),
    ],
)
def test_the_kernel_takes_it(lab, sender, family, fields):
    with udp_socket(lab, family) as receiver:
        sender.send(packet(lab, family, **fields))
        assert receiver.recv(100) == fields.get("payload", b"hello, hello")


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_the_kernel_puts_fragments_together(lab, sender, family):
    with udp_socket(lab, family) as receiver:
        pieces = packets.fragments(packet(lab, family))
        assert len(pieces) == 3
        sender.send(*pieces[:-1])
        receiver.settimeout(0.1)
        with pytest.raises(TimeoutError):
            receiver.recv(100)
        sender.send(pieces[-1])
        receiver.settimeout(1)
        assert receiver.recv(100) == b"hello, hello"


@pytest.mark.parametrize(
    ("family", "fields"),
    [("ip4", {"good_checksum": False}), ("ip6", {"good_checksum": False}), ("ip4", {"good_header": False})],
)
def test_the_kernel_drops_what_is_wrong(lab, sender, family, fields):
    """And takes the next one, which is right."""
    with udp_socket(lab, family) as receiver:
        sender.send(packet(lab, family, payload=b"wrong", **fields), packet(lab, family, payload=b"right"))
        assert receiver.recv(100) == b"right"


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_a_syn_is_answered(lab, sender, family):
    before = lab.sent_to_wan()
    sender.send(packet(lab, family, port=22, protocol="tcp", payload=b"", source_port=1234))
    assert lab.sent_to_wan() - before == 1


@pytest.mark.parametrize(
    ("family", "protocol", "good"),
    [("ip4", "tcp", True), ("ip4", "udp", False), ("ip6", "tcp", False), ("ip6", "udp", True)],
)
def test_a_sweep_is_complete_and_in_order(family, protocol, good):
    ports = generator.shuffled(seed=1)
    with Lab(zone="drop") as lab, lab.generator() as sender, tap(lab) as seen:
        source = getattr(lab.attacker, family)
        sender.sweep(source, getattr(lab.gateway, family), ports, protocol, good_checksum=good)
        found = [read(packet) for packet in arrived(seen, 65535)]
    address = socket.inet_pton(socket.AF_INET6 if family == "ip6" else socket.AF_INET, source)
    assert found == [(address, packets.PROTOCOLS[protocol], port, good) for port in ports]


def test_a_sweep_reaches_a_device_behind_the_gateway(lab, sender):
    before = lab.camera.counters("eth0")["rx_packets"]
    sender.sweep(lab.attacker.ip6, lab.camera.ip6, range(1, 1001), "tcp")
    assert lab.camera.counters("eth0")["rx_packets"] - before >= 1000


def test_orders():
    assert generator.ascending()[::65534] == [1, 65535] == generator.descending()[::-65534]
    one, other = generator.shuffled(1), generator.shuffled(2)
    assert one == generator.shuffled(1) != other and sorted(one) == sorted(other) == generator.ascending()
    steps = random.Random(3).sample(range(1, 65536), 4)
    placed = generator.shuffled(1, in_order=steps)
    assert [port for port in placed if port in steps] == steps and sorted(placed) == generator.ascending()
    assert [port for port in placed if port not in steps] == [port for port in one if port not in steps]


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_a_flood_has_the_rate_it_says(lab, family):
    """Counted where it arrives. Bounds are wide: the machine does other things as well."""
    with lab.flood(rate=20_000, to=getattr(lab.gateway, family)) as flood:
        time.sleep(0.5)
        assert 15_000 < flood.rate() < 25_000


@pytest.mark.parametrize(("family", "protocol"), [("ip4", "tcp"), ("ip6", "udp")])
def test_a_flood_spoofs_every_packet_rightly(lab, sender, family, protocol):
    with tap(lab) as seen:
        sent = sender.flood(getattr(lab.gateway, family), 7000, protocol, rate=20_000, duration_s=0.1)
        found = [read(packet) for packet in arrived(seen, sent)]
    assert sent > 500 and len({source for source, *_ in found}) > 0.99 * sent
    assert {tuple(rest) for _, *rest in found} == {(packets.PROTOCOLS[protocol], 7000, True)}


def test_a_flood_says_when_it_cannot_go_on(lab):
    with lab.flood() as flood:
        flood._process.kill()
        flood._process.wait()
        with pytest.raises(Exception, match="the flood has ended"):
            flood.rate()
