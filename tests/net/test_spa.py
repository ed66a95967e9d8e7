"""Signed knocks: one packet opens, renews or closes, for whom and for how long the policy lets it, and nothing ever answers."""

import socket
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest
from net import frames, kernel
from net.clients import GATEWAY, PORT, KeyClient, became, held, in_use, knock, now_us
from net.marks import one_firewall

from common.packets import UDP, udp
from knocklet.wire import spa_packet
from knocklet.wire.spa_packet import CLOSE, OPEN, RENEW
from lab.waiting import wait_until

SSH, CAMERA, HEAT, ADMIN, NOBODY = 1, 2, 3, 4, 5  # services of conftest.CONFIG, by index
SOURCES = ("packet", "stated", "any")


@pytest.fixture
def config(config, anna, ben):
    config["id"] = GATEWAY
    config["clients"] = {"anna": anna.entry("ssh", "camera", "heat"), "ben": ben.entry("ssh", "admin", source="any")}
    return config


@pytest.fixture
def engine(engine):
    return in_use(engine)


@contextmanager
def quiet(lab):
    """Nothing at all leaves on wan0 within this block."""
    lab.wait_until_quiet()
    before = lab.sent_to_wan()
    yield
    lab.wait_until_quiet()
    assert lab.sent_to_wan() == before


# What it opens, renews and closes


@pytest.mark.parametrize(
    "firewall, bits, family", [("ipset", 64, "ip4"), ("nft", 64, "ip6"), ("nft", 32, "ip4")], indirect=["firewall", "bits"]
)
def test_open_renew_close(lab, dut, anna, family):
    """For its sender only; and what there is not cannot be renewed or closed."""
    to, source = getattr(lab.gateway, family), getattr(lab.client, family)
    with quiet(lab):
        assert knock(lab, dut, anna.packet(SSH, RENEW), to) == "nothing_live"
        assert knock(lab, dut, anna.packet(SSH, CLOSE), to) == "nothing_live"
        assert kernel.entries(lab) == {}
        assert knock(lab, dut, anna.packet(SSH), to) == "accepted"
        event = dut.expect_event("opened")
    assert (event["client"], event["service"], event["source"], event["ends_s"]) == ("anna", "ssh", source, 30)
    assert list(kernel.entries(lab)) == [(SSH, source)]
    assert lab.tcp_open(to, 22) == "open"
    assert lab.tcp_open(to, 22, from_=lab.attacker, timeout_s=0.1) == "silent"

    assert knock(lab, dut, anna.packet(SSH, RENEW), to) == "accepted"
    assert dut.expect_event("renewed")["client"] == "anna"
    assert knock(lab, dut, anna.packet(SSH, RENEW), to, from_=lab.attacker) == "nothing_live"
    assert knock(lab, dut, anna.packet(SSH, CLOSE), to, from_=lab.attacker) == "nothing_live"

    with quiet(lab):
        assert knock(lab, dut, anna.packet(SSH, CLOSE), to) == "accepted"
    assert dut.expect_event("closed")["reason"] == "client"
    assert kernel.entries(lab) == {}
    assert lab.tcp_open(to, 22, timeout_s=0.1) == "silent"


@one_firewall
def test_devices_of_the_lan(lab, dut, anna):
    for to, source in ((lab.gateway.ip4, lab.client.ip4), (lab.camera.ip6, lab.client.ip6)):
        gateway = lab.gateway.ip6 if ":" in source else lab.gateway.ip4
        assert knock(lab, dut, anna.packet(CAMERA), gateway) == "accepted"
        dut.expect_event("opened", service="camera", source=source)
        assert "Camera" in lab.http(to, 80 if ":" in to else 8080)
    assert knock(lab, dut, anna.packet(HEAT), lab.gateway.ip6) == "accepted"  # and opens nothing: no IPv6 behind it
    assert dut.expect_event("refused")["reason"] == "no IPv6 address behind it"
    assert ("anna", "heat", lab.client.ip6) not in held(dut)


@pytest.mark.parametrize("firewall, service", [("ipset", SSH), ("nft", ADMIN)], indirect=["firewall"])
def test_connections_after_a_close(lab, dut, ben, service):
    """They go on, unless the service says `cut`."""
    lab.serve(lab.gateway, 8888)
    knock(lab, dut, ben.packet(service))
    with lab.client.inside():
        kept = socket.create_connection((lab.gateway.ip4, {SSH: 22, ADMIN: 8888}[service]), timeout=2)
    with kept:
        assert knock(lab, dut, ben.packet(service, CLOSE)) == "accepted"
        kept.settimeout(2 if service == SSH else 0.5)
        kept.send({SSH: b"SSH-2.0-test\r\n", ADMIN: b"GET / HTTP/1.1\r\nHost: page\r\n\r\n"}[service])
        if service == SSH:
            assert kept.recv(100).startswith(b"SSH-2.0-")
        else:
            with pytest.raises(OSError):
                kept.recv(100)


WANTED = [
    # service, seconds wanted, the kernel's entry, at most
    (SSH, 0, 30, 30),
    (SSH, 4, 4, 4),
    (SSH, 31, 30, 30),
    (SSH, 2**32 - 1, 30, 30),
    (CAMERA, 0, 20, 120),
    (CAMERA, 7, 7, 7),
    (CAMERA, 60, 20, 60),
    (HEAT, 5, 5, 5),
]


def test_wanted_time(lab, dut, anna):
    """Shorter than the service's own is given, longer is not, in the kernel as in the report; also to one who is in."""
    for service, wanted_s, life_s, most_s in WANTED:
        entry = service, lab.client.ip4
        assert knock(lab, dut, anna.packet(service, ttl_s=wanted_s)) == "accepted"
        assert life_s - 2 <= kernel.entries(lab)[entry] <= life_s
        assert dut.expect_event("opened")["ends_s"] == most_s
        assert knock(lab, dut, anna.packet(service, RENEW, ttl_s=3)) == "accepted"
        assert 1 <= kernel.entries(lab)[entry] <= 3
        assert dut.expect_event("renewed")["ends_s"] == 3
        assert knock(lab, dut, anna.packet(service, CLOSE)) == "accepted"
    knock(lab, dut, anna.packet(SSH, ttl_s=1))
    assert dut.expect_event("expired")["client"] == "anna"
    assert kernel.entries(lab) == {}
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"


# For whom


@one_firewall
@pytest.mark.parametrize("source", SOURCES)
def test_source(lab, dut, config, anna, source):
    """packet: the sender, never stated; stated: the sender, and stated; any: whoever is named, of either family."""
    config["clients"] = {"anna": anna.entry("ssh", source=source)}
    dut.write_config(config)
    dut.reload()
    for to, own, other in (
        (lab.gateway.ip4, lab.client.ip4, lab.attacker.ip4),
        (lab.gateway.ip6, lab.client.ip6, lab.attacker.ip6),
        (lab.gateway.ip4, lab.client.ip4, lab.attacker.ip6),
    ):
        for stated, good in (
            (None, source in ("packet", "any")),
            (own, source in ("stated", "any")),
            (other, source == "any"),
        ):
            assert knock(lab, dut, anna.packet(SSH, source=stated), to) == ("accepted" if good else "wrong_source")
            opened_for = [("anna", "ssh", stated or own)] if good else []
            assert held(dut) == opened_for
            assert [address for _, address in kernel.entries(lab)] == [address for _, _, address in opened_for]
            if good:
                assert knock(lab, dut, anna.packet(SSH, CLOSE, source=stated), to) == "accepted"


@one_firewall
def test_any_lets_in_who_is_named(lab, dut, ben):
    assert knock(lab, dut, ben.packet(SSH, source=lab.attacker.ip6)) == "accepted"
    assert lab.tcp_open(lab.gateway.ip6, 22, from_=lab.attacker) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"
    assert lab.tcp_open(lab.gateway.ip6, 22, timeout_s=0.1) == "silent"


def test_two_clients_behind_one_address(lab, dut, anna, ben):
    """Their ends are their own; the kernel's entry lasts as long as the later one, and no longer when that closes early."""
    address = SSH, lab.client.ip4

    def left_s():
        return kernel.entries(lab)[address]

    knock(lab, dut, anna.packet(SSH, ttl_s=25))
    knock(lab, dut, ben.packet(SSH, ttl_s=10))
    assert left_s() > 20
    assert knock(lab, dut, ben.packet(SSH, CLOSE)) == "accepted"
    assert held(dut) == [("anna", "ssh", lab.client.ip4)] and left_s() > 20
    knock(lab, dut, ben.packet(SSH, ttl_s=10))
    assert knock(lab, dut, anna.packet(SSH, CLOSE)) == "accepted"
    assert held(dut) == [("ben", "ssh", lab.client.ip4)] and 5 < left_s() <= 10
    knock(lab, dut, anna.packet(SSH, ttl_s=1))
    assert left_s() > 5
    event = dut.expect_event("expired")
    assert (event["client"], event["reason"]) == ("anna", "ttl")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert knock(lab, dut, ben.packet(SSH, CLOSE)) == "accepted"
    assert kernel.entries(lab) == {}


# Once


@one_firewall
def test_repeats(lab, dut, anna):
    """Three packets, 0, 300 and 900 ms: the later ones renew what lives; from two seconds on it is a new wish."""
    first_us = now_us()
    told = [knock(lab, dut, anna.packet(SSH, at_us=first_us + after_ms * 1000)) for after_ms in (0, 300, 900)]
    assert told == 3 * ["accepted"]
    assert [dut.ask("status")["counts"][kind] for kind in ("opened", "renewed")] == [1, 2]
    knock(lab, dut, anna.packet(SSH, CLOSE, at_us=first_us + 1_000_000))
    assert knock(lab, dut, anna.packet(SSH, at_us=first_us + 1_100_000)) == "accepted", "the last one before was no open"
    dut.ask("close", all=True)
    assert knock(lab, dut, anna.packet(SSH, at_us=first_us + 3_099_999)) == "repeated"
    assert kernel.entries(lab) == {}


@pytest.mark.parametrize("firewall, other", [("ipset", "family"), ("nft", "service")], indirect=["firewall"])
def test_a_repeat_opens_no_used_one_shot_again(lab, dut, anna, other):
    """The first packet opens, a connection uses it up, and only then the second one comes; between them come those for the
    other family, or for another service, as the tool sends them."""
    first_us = now_us()

    def between(ms):
        to, service = (lab.gateway.ip6, SSH) if other == "family" else (lab.gateway.ip4, CAMERA)
        assert knock(lab, dut, anna.packet(service, at_us=first_us + ms * 1000 + 1), to) == "accepted"

    assert knock(lab, dut, anna.packet(HEAT, at_us=first_us)) == "accepted"
    between(0)
    assert lab.tcp_open(lab.gateway.ip4, 8443) == "open"
    for ms in (300, 900):
        assert knock(lab, dut, anna.packet(HEAT, at_us=first_us + ms * 1000)) == "repeated"
        between(ms)
    assert dut.expect_event("used")["client"] == "anna"
    assert (HEAT, lab.client.ip4) not in kernel.entries(lab)
    assert lab.tcp_open(lab.gateway.ip4, 8443, timeout_s=0.1) == "silent"
    assert knock(lab, dut, anna.packet(HEAT, at_us=first_us + 2_900_001)) == "accepted"
    assert lab.tcp_open(lab.gateway.ip4, 8443) == "open"


@one_firewall
def test_order(lab, dut, anna):
    """The later one came first: the earlier one is worth nothing any more, and neither is the same stamp in another packet."""
    early, late = anna.packet(SSH), anna.packet(SSH, ttl_s=5)
    assert [knock(lab, dut, packet) for packet in (late, early)] == ["accepted", "replayed"]
    stamp_us = spa_packet.fields(spa_packet.decrypted(anna.keys, late))[5]
    assert knock(lab, dut, anna.packet(CAMERA, at_us=stamp_us)) == "replayed"
    event = dut.expect_event("replayed")
    assert (event["client"], event["source"]) == ("anna", lab.client.ip4)
    assert held(dut) == [("anna", "ssh", lab.client.ip4)]


@one_firewall
def test_time(lab, dut, anna):
    """Within a minute of the gateway's clock, either way; beyond it is refused, and nothing is lost by it."""
    too_far_s = 62 if now_us() // 1_000_000 % 60 < 30 else -62  # and still one of the slots that the filter knows
    for away_s, became_of_it in ((too_far_s, "stale"), (-58, "accepted"), (58, "accepted")):
        at_us = now_us() + away_s * 1_000_000
        assert knock(lab, dut, anna.packet(SSH, at_us=at_us)) == became_of_it, away_s
    far = [anna.packet(SSH, at_us=now_us() + sign * minutes * 60_000_000) for minutes in (3, 600_000) for sign in (-1, 1)]
    assert became(dut, lambda: [lab.datagram(packet, PORT) for packet in far]) == {}, "other slots: the filter has dropped them"


# What it refuses


def wrong_packets(anna, ben):
    """(verdict, packet): authentic, and not what it has to be."""
    good = spa_packet.plaintext(OPEN, SSH, 0, 0)
    at_us = now_us()
    stranger = KeyClient("anna")

    def text(at, value, base=good):
        """With the byte at `at` as given, and the next stamp."""
        nonlocal at_us
        at_us += 1
        changed = base[:8] + at_us.to_bytes(8, "big") + base[16:]
        return changed[:at] + bytes([value]) + changed[at + 1 :]

    stated = spa_packet.plaintext(OPEN, SSH, 0, 0, IPv4Address("198.51.100.2").packed)
    for version in (0, 2, 255):
        yield "bad_version", anna.sealed(text(0, version))
    for op in (0, 4, 255):
        yield "bad_op", anna.sealed(text(1, op))
    for flags in (2, 3, 129):
        yield "bad_flags", anna.sealed(text(2, flags))
    for service in (0, NOBODY, ADMIN):  # of nobody, and of another client
        yield "not_allowed", anna.sealed(text(3, service))
    yield "bad_source_field", anna.sealed(text(16, 1))  # an address, where the packet's own is meant
    yield "bad_source_field", ben.sealed(text(2, 0))  # none, where one is stated
    for byte, value in ((28, 127), (28, 224), (28, 0), (27, 0), (26, 0)):  # loopback, multicast, nobody; ::198.51.100.2 and so
        yield "bad_source_field", ben.sealed(text(byte, value, stated))
    yield "unknown", stranger.packet(SSH)


@one_firewall
def test_wrong_packets(lab, dut, anna, ben):
    """Authentic ones are counted by what is wrong with them, and told once; all are met with silence."""
    with quiet(lab):
        for expected, packet in wrong_packets(anna, ben):
            if expected == "unknown":
                assert became(dut, lambda packet=packet: lab.datagram(packet, PORT)) == {}
                continue
            assert knock(lab, dut, packet) == expected
    assert dut.expect_event("refused")["client"] == "anna"
    assert kernel.entries(lab) == {}
    assert knock(lab, dut, anna.packet(SSH)) == "accepted", "no stamp of theirs was taken"


@one_firewall
def test_every_bit(lab, dut, anna):
    """None of the 704 packets that differ in one bit is accepted; what is wrong in slot or tag does not even get here."""
    good = anna.packet(SSH)
    with quiet(lab):
        for i in range(len(good)):
            packets = [good[:i] + bytes([good[i] ^ 1 << bit]) + good[i + 1 :] for bit in range(8)]
            found = became(dut, lambda packets=packets: [lab.datagram(packet, PORT) for packet in packets])
            assert set(found) <= {"bad_mac", "over_budget"} and found.total() == (8 if i >= 8 else 0), i
    assert kernel.entries(lab) == {}
    wait_until(lambda: knock(lab, dut, anna.packet(SSH)) == "accepted", "the client itself gets in", interval_s=0.1)


@one_firewall
def test_length_and_form(lab, dut, anna):
    """Other lengths, fragments and IPv6 extension headers die in the kernel; options of IPv4 do not matter."""
    good = anna.packet(SSH)

    def by_hand(source, to, transport, protocol=UDP, **fields):
        return became(dut, lambda: frames.send(lab.client, lab.gateway, frames.ip(source, to, transport, protocol, **fields)))

    ends4, ends6 = (lab.client.ip4, lab.gateway.ip4), (lab.client.ip6, lab.gateway.ip6)
    for payload in (b"", good[:-1], good + b"\0", good + good):
        assert became(dut, lambda payload=payload: lab.datagram(payload, PORT)) == {}
    for field in (0x2000, 0x2001, 0x0001):
        assert by_hand(*ends4, udp(PORT, good), fragment=field) == {}
    for kind in (0, 43, 60):
        assert by_hand(*ends6, bytes([UDP, 0, 1, 4, 0, 0, 0, 0]) + udp(PORT, good), kind) == {}
    assert by_hand(*ends6, bytes([UDP, 0, 0, 0, 0, 0, 0, 1]) + udp(PORT, good), 44) == {}
    assert by_hand(*ends4, udp(PORT, good, length=95)) == {}
    assert by_hand(*ends4, udp(PORT, good), wrong=1) == {"bad_checksum": 1}
    assert by_hand(*ends4, udp(PORT, good), options=b"\1" * 40) == {"accepted": 1}
    assert by_hand(*ends6, udp(PORT, anna.packet(SSH))) == {"accepted": 1}


@one_firewall
def test_elsewhere(lab, dut, anna):
    """From the LAN, from the management network, and through the gateway: nothing opens."""
    packet = anna.packet(SSH)
    for host, address in ((lab.camera, "192.168.1.1"), (lab.mgmt, "203.0.113.1")):
        for to in (address, lab.gateway.ip4, lab.gateway.ip6):
            assert became(dut, lambda to=to, host=host: lab.datagram(packet, PORT, to, host)) == {}
    for to in (lab.camera.ip4, lab.camera.ip6, "192.168.1.1"):
        source = lab.client.ip6 if ":" in to else lab.client.ip4
        through = frames.ip(source, to, udp(PORT, packet), UDP)
        assert became(dut, lambda through=through: frames.send(lab.client, lab.gateway, through)) == {"not_ours": 1}
    assert kernel.entries(lab) == {}
    assert knock(lab, dut, packet) == "accepted"


@pytest.mark.parametrize("firewall, zone", [("nft", "drop"), ("ipset", "reject"), ("nft", "accept")], indirect=True)
def test_its_port_is_as_every_closed_one(lab, dut, anna, zone):
    """Also for the packet that opens."""
    answer = {"drop": "silent", "reject": "refused", "accept": "refused"}[zone]
    for to in (lab.gateway.ip4, lab.gateway.ip6):
        for data in (b"?", bytes(88), anna.packet(SSH)):
            assert lab.udp_open(to, PORT, data=data, timeout_s=0.1 if zone == "drop" else 0.3) == answer
            assert lab.udp_open(to, PORT + 1, data=data, timeout_s=0.1 if zone == "drop" else 0.3) == answer
        dut.expect_event("opened")


# How much


@one_firewall
def test_rate(lab, dut, anna, ben):
    """Five at once, and 20 a second: what is more is not looked at; another client does not notice."""
    packets = [anna.packet(SSH) for _ in range(12)]
    found = became(dut, lambda: [lab.datagram(packet, PORT) for packet in packets])
    assert 5 <= found["accepted"] <= 7 and found["accepted"] + found["too_often"] == 12
    assert knock(lab, dut, ben.packet(SSH)) == "accepted"
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"


@one_firewall
def test_grants_of_one_client(lab, dut, anna, ben):
    """Eight; what it holds can be renewed, what it closes makes room, and others have their own eight."""

    def one(address, op=OPEN):
        return knock(lab, dut, ben.packet(SSH, op, source=address))

    sources = [str(IPv4Address("203.0.114.0") + number) for number in range(1, 10)]
    assert [one(address) for address in sources] == 8 * ["accepted"] + ["too_many_grants"]
    assert dut.expect_event("refused", reason="too_many_grants")["client"] == "ben"
    assert one(sources[0]) == "accepted" and len(held(dut)) == 8
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"
    assert one(sources[0], CLOSE) == "accepted"
    assert one(sources[8]) == "accepted" and len(held(dut)) == 9
