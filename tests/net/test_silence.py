"""On a zone that drops, nothing at all leaves the gateway towards a host without a grant, whatever it sends.

Heard at the other end of the gateway's cable, and counted by its interface. Address resolution is excepted, ARP and IPv6
neighbour discovery: a host on the same segment must be able to find its router. In the lab nobody has to ask.
"""

import itertools
import socket
import time
from contextlib import contextmanager

import pytest
from net import garbage, kernel

from lab import generator
from lab.packets import PROTOCOLS, packet
from lab.waiting import wait_until

PACKET_IGNORE_OUTGOING = 23  # linux/if_packet.h: here, what goes to the gateway
ARP, IPV6, ICMPV6 = b"\x08\x06", b"\x86\xdd", 58
DISCOVERY = range(133, 138)  # ICMPv6 types, RFC 4861
FAMILIES = ("ip4", "ip6")
OPENING = ["7000/tcp", "9100/udp", "8000/tcp"]  # conftest.CONFIG


@contextmanager
def silence(lab):
    """Nothing leaves on wan0 within this block, except address resolution."""
    with lab.wan.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    with wire:
        wire.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)  # SOL_PACKET
        wire.bind(("gateway", 0x0003))
        wire.setblocking(False)
        lab.wait_until_quiet()
        heard_before(wire)
        before = lab.sent_to_wan()
        yield
        lab.wait_until_quiet()
        sent = lab.sent_to_wan() - before
        heard = heard_before(wire)
    assert [frame.hex(" ") for frame in heard if not resolves(frame)] == []
    assert sent <= len(heard)  # nothing unheard; more, when it spoke between the two looks


def heard_before(wire):
    """All frames that wait there."""
    frames = []
    while True:
        try:
            frames.append(wire.recv(65536))
        except BlockingIOError:
            return frames


def resolves(frame):
    return frame[12:14] == ARP or frame[12:14] == IPV6 and frame[20] == ICMPV6 and frame[54] in DISCOVERY


def as_before(lab, dut):
    """The engine lives (an exception would have ended it), and lets in whom it should and nobody else."""
    assert kernel.entries(lab) == {}
    assert dut.process.poll() is None
    lab.knock(OPENING)
    assert dut.expect_event("opened", service="ssh")["source"] == lab.client.ip4
    # The kernel may still be at what was thrown at it.
    wait_until(lambda: lab.tcp_open(lab.gateway.ip4, 22) == "open", "the door open", 5)
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "silent"


def test_sweep(lab, dut):
    with silence(lab), lab.generator() as wire:
        for family, host, protocol in itertools.product(FAMILIES, (lab.gateway, lab.camera), PROTOCOLS):
            source, to = getattr(lab.attacker, family), getattr(host, family)
            assert wire.sweep(source, to, generator.ascending(), protocol) == 65535
    as_before(lab, dut)


def test_flood(lab, dut):
    """Of first steps, and of tries at a protected port."""
    received, sent = lab.received_from_wan(), 0
    with silence(lab), lab.generator() as wire:
        for family, step in itertools.product(FAMILIES, ((7000, "tcp"), (9100, "udp"), (22, "tcp"))):
            sent += wire.flood(getattr(lab.gateway, family), *step, duration_s=0.4)
    assert lab.received_from_wan() - received >= sent > 10_000
    as_before(lab, dut)


@pytest.fixture
def unlimited(lab):
    """The kernel sends as many ICMP messages as it likes: it is silent because it is told to, not because it was not yet."""
    limits = {"ipv4__icmp_ratelimit": 1000, "ipv6__icmp__ratelimit": 1000}
    lab.gateway.sysctl(**dict.fromkeys(limits, 0))
    yield
    lab.gateway.sysctl(**limits)


@pytest.mark.parametrize("family", FAMILIES)
def test_garbage(lab, dut, family, unlimited):
    addresses = [getattr(host, family) for host in (lab.attacker, lab.gateway, lab.camera)]
    received, sent = lab.received_from_wan(), 0
    with silence(lab), lab.generator() as wire:
        for kind, made in garbage.kinds(*addresses, seed=1).items():
            wire.send(*made)
            sent += len(made)
            assert dut.process.poll() is None, kind
    # The hosts' kernels have a word now and then (MLD, neighbour discovery): there may be more.
    assert lab.received_from_wan() - received >= sent > 7000
    as_before(lab, dut)


def test_while_another_host_has_a_grant(lab, dut):
    """The client is in, and quiet; the attacker gets nothing."""
    lab.knock(OPENING)
    dut.expect_event("opened", service="ssh")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    time.sleep(0.1)
    with silence(lab), lab.generator() as wire:
        wire.sweep(lab.attacker.ip4, lab.gateway.ip4, generator.ascending())
        wire.sweep(lab.attacker.ip4, lab.camera.ip4, generator.ascending())


def test_a_knock_itself_is_not_answered(lab, dut):
    with silence(lab):
        lab.knock(OPENING)
        dut.expect_event("opened", service="ssh")
        lab.knock(OPENING, to=lab.gateway.ip6)
        dut.expect_event("opened", service="ssh")


def test_an_answer_is_heard(lab, dut):
    """The ear works."""
    lab.knock(OPENING)
    dut.expect_event("opened", service="ssh")
    with pytest.raises(AssertionError), silence(lab):
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


@pytest.mark.parametrize("family", FAMILIES)
def test_connections_are_told_of_errors(lab, dut, family):
    """What a host behind the gateway has begun: the other side hears that a packet took too many hops."""
    client = getattr(lab.client, family)
    with lab.client.inside():
        there = socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET, socket.SOCK_DGRAM)
    with there:
        there.bind((client, 7777))
        there.settimeout(2)
        lab.udp_open(client, 7777, from_=lab.camera, timeout_s=0)
        _, (sender, port, *_) = there.recvfrom(100)  # in IPv4 the gateway, in place of the camera
        lab.wait_until_quiet()
        before = lab.sent_to_wan()
        datagram = packet(client, sender, port, "udp", source_port=7777)[20 if family == "ip4" else 40 :]
        with lab.generator(from_=lab.client) as wire:
            wire.send(garbage.ip(client, sender, 17, datagram, hops=1))
        wait_until(lambda: lab.sent_to_wan() > before, "an ICMP error")
