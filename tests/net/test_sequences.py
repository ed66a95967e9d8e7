"""What is a knock and what is not: sequences of every kind, sent by real sockets or made by hand.

No knock is proved by asking the engine: it looks at every packet before it answers.
"""

import socket
import time

import pytest
from net import frames

from common.packets import SYN, TCP, UDP, tcp, udp

ACK, FIN, RST, URG, ECE, CWR = 0x10, 0x01, 0x04, 0x20, 0x40, 0x80
KINDS = {
    "tcp": ["7000/tcp", "8100/tcp", "7200/tcp"],
    "udp": ["9000/udp", "9900/udp", "9200/udp", "9300/udp"],
    "mixed": ["6000/tcp", "6100/udp", "6050/tcp"],
    "one": ["5000/udp"],
    "longest": [f"{20000 + 1000 * i}/{'udp' if i % 3 else 'tcp'}" for i in (*range(0, 32, 2), *range(1, 32, 2))],
}
MIXED = KINDS["mixed"]


@pytest.fixture
def config(config):
    config["services"] = {"ssh": {"index": 1, "port": 22}, "other": {"index": 2, "port": 23}}
    config["sequences"] = {name: {"steps": steps, "open": ["ssh"]} for name, steps in KINDS.items()}
    config["sequences"]["shut"] = {"steps": ["6800/tcp", "6700/tcp"], "close": ["ssh"]}
    config["sequences"]["second"] = {"steps": ["6500/tcp", "6100/udp", "6600/tcp"], "open": ["other"]}
    config["sequences"]["quick"] = {"steps": ["4000/tcp", "4100/tcp"], "window": 1, "open": ["ssh"]}
    config["sequences"]["near"] = {"steps": ["3000/tcp", "3002/tcp"], "open": ["ssh"]}  # 3001 must be a decoy
    return config


def grants(dut):
    return [(grant["service"], grant["source"]) for grant in dut.ctl("grants")["grants"]]


def seen(dut):
    """What became of the packets that reached the engine: name -> how many."""
    return dut.ctl("status")["packets"]


# What opens


def test_kinds(lab, dut):
    """Every step is needed, in the order of the configuration; the last one opens for its sender only."""
    for kind, steps in KINDS.items():
        for gateway, client in ((lab.gateway.ip4, lab.client.ip4), (lab.gateway.ip6, lab.client.ip6)):
            if len(steps) > 1:
                lab.knock(steps[:-1], gateway)
                lab.knock(steps[1:], gateway, from_=lab.attacker)
                lab.knock(list(reversed(steps)), gateway, from_=lab.attacker)
                assert client not in [source for _, source in grants(dut)]
            lab.knock(steps[-1:], gateway)
            dut.expect_event("opened", client=kind, source=client, service="ssh")
            assert lab.tcp_open(gateway, 22) == "open"
        assert sorted(grants(dut)) == sorted([("ssh", lab.client.ip4), ("ssh", lab.client.ip6)])
        assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker, timeout_s=0.1) == "silent"
        dut.ctl("close", "--all")
        assert lab.tcp_open(lab.gateway.ip6, 22, timeout_s=0.1) == "silent"


def test_options(lab, dut):
    """4, 20 and 40 bytes of IP options, options of TCP behind them, and the flags of congestion control (RFC 3168)."""
    for packet in (
        frames.step(lab.client.ip4, lab.gateway.ip4, "6000/tcp", options=b"\1" * 4, tcp_options=b"\2\4\5\xb4"),
        frames.step(lab.client.ip4, lab.gateway.ip4, "6100/udp", options=b"\1" * 20),
        frames.step(lab.client.ip4, lab.gateway.ip4, "6050/tcp", SYN | ECE | CWR, options=b"\x94\4\0\0" + b"\1" * 36),
    ):
        frames.send(lab.client, lab.gateway, packet)
    assert dut.expect_event("opened")["source"] == lab.client.ip4
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


def test_open_and_close(lab, dut):
    lab.knock(MIXED)
    lab.knock(MIXED, from_=lab.attacker)
    dut.expect_event("opened", source=lab.attacker.ip4)
    lab.knock(["6800/tcp", "6700/tcp"])
    event = dut.expect_event("closed")
    assert (event["reason"], event["source"]) == ("sequence", lab.client.ip4)
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open"


# What does not disturb


def test_interleaved(lab, dut):
    """Two clients and two sequences at once, with a step in common, and one who never does the second step."""
    third = lab.add_address(lab.client, "198.51.100.77")
    for text, sources in (
        ("6000/tcp", (lab.client.ip4, lab.attacker.ip4, third)),
        ("6500/tcp", (lab.client.ip4,)),
        ("6100/udp", (lab.client.ip4,)),
        ("6100/udp", (lab.attacker.ip4,)),
        ("6600/tcp", (lab.client.ip4,)),
        ("6050/tcp", (third, lab.attacker.ip4, lab.client.ip4)),
    ):
        for source in sources:
            lab.knock([text], from_=lab.attacker if source == lab.attacker.ip4 else lab.client, source=source)
    assert sorted(grants(dut)) == sorted(
        [("other", lab.client.ip4), ("ssh", lab.attacker.ip4), ("ssh", lab.client.ip4)]
    )
    # The one in whose attempt a step came out of turn begins anew.
    assert seen(dut)["step_out_of_turn"] == 1
    lab.knock(MIXED, source=third)
    dut.expect_event("opened", source=third)


def test_both_families_at_once(lab, dut):
    for text in MIXED:
        lab.knock([text])
        lab.knock([text], lab.gateway.ip6)
    dut.expect_event("opened", source=lab.client.ip4)
    dut.expect_event("opened", source=lab.client.ip6)


def test_doubled_steps(lab, dut):
    """Every packet three times on the wire, and the first step once more in the end."""
    for text in (*MIXED, MIXED[0]):
        packet = frames.step(lab.client.ip4, lab.gateway.ip4, text)
        frames.send(lab.client, lab.gateway, packet, packet, packet)
    dut.expect_event("opened")
    assert grants(dut) == [("ssh", lab.client.ip4)]
    counts = dut.ctl("status")["counts"]
    assert (counts["opened"], counts["renewed"]) == (1, 0)


def test_retransmitted_step(lab, dut):
    """The kernel sends the SYN of an open connection attempt again after a second, between the second step and the last."""
    with lab.client.inside():
        connecting = socket.socket()
    with connecting, frames.listening(lab.client) as wait:
        connecting.setblocking(False)
        connecting.connect_ex((lab.gateway.ip4, 6000))
        first = wait(lambda packet: frames.is_syn(packet, 6000))
        lab.knock(MIXED[1:2])
        again = wait(lambda packet: frames.is_syn(packet, 6000))
        assert again[24:28] == first[24:28], "the same sequence number: the kernel's own"
        lab.knock(MIXED[2:])
    dut.expect_event("opened")
    assert seen(dut)["step_repeated"] == 1
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


def test_window(lab, dut):
    """One second from the first step to the last, also when nothing wakes the engine meanwhile."""
    lab.knock(["4000/tcp"])
    assert dut.ctl("status")["attempts"] == 1
    time.sleep(1.1)  # the window itself
    lab.knock(["4100/tcp"])
    assert grants(dut) == []
    assert seen(dut)["step_alone"] == 1
    lab.knock(["4000/tcp", "4100/tcp"], delay_ms=300)
    dut.expect_event("opened", client="quick")


def test_honest_client_who_tried_before(lab, dut):
    """The protected port, twenty closed ones and again and again a decoy, then the right steps: in at once."""
    closed = [22, 21, 23, 25, 53, 80, 81, 110, 143, 443, 445, 993, 2222, 2999, 3389, 5900, 8000, 8080, 8443, 22222]
    for protocol in ("tcp", "udp"):
        lab.knock([f"{port}/{protocol}" for port in (*closed, *3 * [3001])])
    lab.knock(["3002/tcp"])
    assert grants(dut) == []
    lab.knock(["3000/tcp", "3002/tcp"])
    dut.expect_event("opened", client="near")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


# What is no knock


def fragments(lab, text):
    """A step as the first and only fragment, as a later one, and with the reserved bit set, in IPv4; as both in IPv6."""
    port, _, protocol = text.partition("/")
    number, transport = (TCP, tcp(int(port))) if protocol == "tcp" else (UDP, udp(int(port), b"12345678"))
    for field in (0x2000, 0x2001, 0x0001, 0x1FFF):
        yield frames.ip(lab.client.ip4, lab.gateway.ip4, transport, number, fragment=field)
    for field in (b"\x00\x01", b"\x00\x00", b"\x00\x09"):
        yield frames.ip(lab.client.ip6, lab.gateway.ip6, bytes([number, 0]) + field + b"\0\0\0\1" + transport, 44)


def extension_headers(lab, text):
    """A step behind hop-by-hop options, routing, destination options; and after an authentication header."""
    port, _, protocol = text.partition("/")
    number, transport = (TCP, tcp(int(port))) if protocol == "tcp" else (UDP, udp(int(port), b"12345678"))
    for kind, rest in ((0, b"\x01\x04\0\0\0\0"), (60, b"\x01\x04\0\0\0\0"), (43, b"\x04\0\0\0\0\0"), (51, b"\0" * 6)):
        yield frames.ip(lab.client.ip6, lab.gateway.ip6, bytes([number, 0]) + rest + transport, kind)


def wrong_flags(lab, text):
    """TCP that asks for no connection."""
    for flags in (0, ACK, SYN | ACK, SYN | FIN, SYN | RST, SYN | URG, FIN, RST):
        if text.endswith("tcp"):
            yield frames.step(lab.client.ip4, lab.gateway.ip4, text, flags=flags)
            yield frames.step(lab.client.ip6, lab.gateway.ip6, text, flags=flags)


def test_dropped_by_the_filter(lab, dut):
    """Neither opens anything nor even wakes the engine."""
    for make in (fragments, extension_headers, wrong_flags):
        variants = [list(make(lab, text)) for text in KINDS["tcp"] + MIXED]
        for number in range(max(map(len, variants))):
            frames.send(lab.client, lab.gateway, *(step[number] for step in variants if number < len(step)))
        assert seen(dut) == {}, make.__name__
    assert grants(dut) == []
    for steps in (KINDS["tcp"], MIXED):  # the same as they should be
        frames.send(lab.client, lab.gateway, *(frames.step(lab.client.ip6, lab.gateway.ip6, text) for text in steps))
        dut.expect_event("opened", source=lab.client.ip6)


def test_bad_checksum(lab, dut):
    for text in MIXED:
        frames.send(lab.client, lab.gateway, frames.step(lab.client.ip4, lab.gateway.ip4, text, wrong=1))
    assert seen(dut) == {"bad_checksum": 3}
    assert grants(dut) == []


@pytest.mark.parametrize("zone", ["accept"], indirect=True)
def test_towards_a_lan_host(lab, dut):
    """Packets that only pass through: to a host of the LAN, and to an address that the gateway has elsewhere."""
    for to in (lab.camera.ip4, lab.camera.ip6, "192.168.1.1", "fd00:1::1", "203.0.113.1"):
        source = lab.client.ip6 if ":" in to else lab.client.ip4
        frames.send(lab.client, lab.gateway, *(frames.step(source, to, text) for text in MIXED))
    assert seen(dut) == {"not_ours": 15}
    assert grants(dut) == []


def test_forged_as_the_gateway(lab, dut):
    """From outside, with the gateway's own address as sender."""
    for own in (lab.gateway.ip4, lab.gateway.ip6):
        frames.send(lab.client, lab.gateway, *(frames.step(own, own, text) for text in MIXED))
    assert seen(dut) == {"bad_source": 6}
    assert grants(dut) == []


def test_other_interfaces(lab, dut):
    """From the LAN and the management network, to any address of the gateway: no knock, and nothing is hidden there."""
    for host, addresses in ((lab.camera, ("192.168.1.1", "fd00:1::1")), (lab.mgmt, ("203.0.113.1", "2001:db8:2::1"))):
        for to in (*addresses, lab.gateway.ip4, lab.gateway.ip6):
            lab.knock(MIXED, to, from_=host)
        assert lab.tcp_open(addresses[0], 22, from_=host) == "open"
    assert seen(dut) == {}
    assert grants(dut) == []
