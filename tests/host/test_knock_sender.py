"""What a knock is on the wire, seen at the gateway's outer interface. The lab's client runs the tool."""

import time

import pytest

STEPS = ("7001", "7002/udp", "7003/tcp")
SENT = ["7001/tcp", "7002/udp", "7003/tcp"]
SYN = 0x02


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_one_packet_a_step_in_order_and_nothing_after(lab, wire, knock, family):
    gateway, client = getattr(lab.gateway, family), getattr(lab.client, family)
    wire.packets()
    result = knock(gateway, *STEPS, "--delay", 60)
    assert result.exit_code == 0, result.stderr
    packets = wire.packets(wait_s=1.2)   # the kernel would repeat an unanswered SYN after a second
    assert [packet.step for packet in packets] == SENT
    assert {packet.source for packet in packets} == {client}
    assert {packet.destination for packet in packets} == {gateway}
    assert [packet.flags for packet in packets] == [SYN, 0, SYN]
    assert [len(packet.payload) for packet in packets] == [0, 1, 0]
    assert len({packet.source_port for packet in packets}) == 3
    for earlier, later in zip(packets, packets[1:]):
        assert 0.06 <= later.time - earlier.time < 0.2
    assert result.stdout == f"sent 3 steps to {gateway}; tried nothing (--then PORT would)\n"


@pytest.mark.parametrize("lab", ["reject", "accept"], indirect=True)
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_what_comes_back_does_not_matter(lab, wire, knock, family):
    gateway = getattr(lab.gateway, family)
    wire.packets()
    assert knock(gateway, *STEPS, "--delay", 10).exit_code == 0
    assert [packet.step for packet in wire.packets(wait_s=0.3)] == SENT


@pytest.mark.parametrize("lab", ["accept"], indirect=True)
def test_a_step_at_an_open_port_is_one_syn_too(lab, wire, knock):
    wire.packets()
    assert knock(lab.gateway.ip4, "22").exit_code == 0
    flags = [packet.flags for packet in wire.packets(wait_s=0.3)]
    assert flags.count(SYN) == 1 and flags[0] == SYN


def test_no_delay(lab, wire, knock):
    ports = range(7001, 7033)
    wire.packets()
    begun = time.monotonic()
    assert knock(lab.gateway.ip4, *ports, "--delay", 0).exit_code == 0
    assert time.monotonic() - begun < 1
    assert [packet.port for packet in wire.packets(wait_s=0.1)] == list(ports)


@pytest.mark.parametrize("family, other", [("ip4", "198.51.100.77"), ("ip6", "2001:db8:1::77")])
def test_source(lab, wire, knock, family, other):
    lab.add_address(lab.client, other)
    wire.packets()
    words = [getattr(lab.gateway, family), *STEPS, "--source", other, "--delay", 0]
    assert knock(*words, "--then", 22, "--tries", 1, "--wait", 0.1).exit_code == 1
    packets = wire.packets(wait_s=0.1)
    assert [packet.step for packet in packets[:3]] == SENT
    assert {packet.step for packet in packets[3:]} == {"22/tcp"}
    assert {packet.source for packet in packets} == {other}


def test_source_of_another_computer(lab, wire, knock, names):
    names["home.example.net"] = [lab.gateway.ip4, lab.wan.ip4]
    wire.packets()
    result = knock("home.example.net", *STEPS, "--source", "198.51.100.200")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "knocklet: this computer has no address 198.51.100.200\n"
    assert wire.packets(wait_s=0.1) == []


@pytest.mark.parametrize(
    "words, families",
    [
        ([], "46"),
        (["-4"], "4"),
        (["-6"], "6"),
        (["--source", "198.51.100.2"], "4"),
        (["--source", "2001:db8:1::2"], "6"),
    ],
)
def test_a_name_with_both_families(lab, wire, knock, names, words, families):
    names["home.example.net"] = [lab.gateway.ip6, lab.gateway.ip4]
    wire.packets()
    begun = time.monotonic()
    result = knock("home.example.net", *STEPS, *words)
    assert time.monotonic() - begun < 0.35   # as long as one address: 2 x 100 ms
    assert result.exit_code == 0
    packets = wire.packets(wait_s=0.1)
    for family, address in (("4", lab.gateway.ip4), ("6", lab.gateway.ip6)):
        sent = [packet.step for packet in packets if packet.destination == address]
        assert sent == (SENT if family in families else [])
        assert (f"sent 3 steps to {address};" in result.stdout) == (family in families)


def test_one_of_two_addresses_has_no_route(lab, wire, knock, names):
    names["home.example.net"] = ["2001:db8:ffff::1", lab.gateway.ip4]
    lab.client.ip("route del ::/0")
    wire.packets()
    result = knock("home.example.net", *STEPS)
    assert result.exit_code == 0
    assert [packet.step for packet in wire.packets(wait_s=0.1)] == SENT
    assert result.stdout.splitlines() == [
        "not knocked at 2001:db8:ffff::1: no route to it from here",
        f"sent 3 steps to {lab.gateway.ip4}; tried nothing (--then PORT would)",
    ]


def test_no_route_at_all(lab, knock):
    lab.client.ip("route del default", "route add unreachable 192.0.2.0/24")
    for address in ("203.0.113.9", "192.0.2.1"):
        for step in ("7001/tcp", "7001/udp"):
            result = knock(address, step)
            assert (result.exit_code, result.stdout) == (3, "")
            assert result.stderr == f"knocklet: {address}: no route to it from here\n"
    result = knock("203.0.113.9", "1", "2", "3", "--delay", 10_000)   # and it does not wait for step 2
    assert result.exit_code == 3


def test_a_firewall_of_this_computer(lab, knock):
    lab.client.run(["iptables", "-A", "OUTPUT", "-j", "DROP"])
    result = knock(lab.gateway.ip4, "7001/udp")
    assert result.exit_code == 3
    assert result.stderr == f"knocklet: {lab.gateway.ip4}: the firewall of this computer lets nothing out to it\n"
