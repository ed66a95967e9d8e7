"""How grants end: at the right time, for the one they belong to, told with the reason, in the kernel as in the engine."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address

import pytest
from net import frames, kernel
from net.connection import Connection

from lab.waiting import wait_until

ACK = 0x10
PAGES = (8001, 8002, 8003, 8004, 8005, 8006)  # on the gateway, each hidden by the service with that port
SERVICES = {
    "plain": {"index": 1, "port": 8001, "ttl": 2},
    "cut": {"index": 2, "port": 8002, "ttl": 2, "cut": True},
    "idle": {"index": 3, "port": 8003, "idle": 2, "max": 60},
    "brief": {"index": 4, "port": 8004, "idle": 2, "max": 3},
    "once": {"index": 5, "port": 8005, "ttl": 10, "one_shot": True},
    "long": {"index": 6, "port": 8006, "ttl": 60},
    "camera": {"index": 7, "port": 8080, "to": "192.168.1.50:80", "to6": "[fd00:1::50]:80", "ttl": 60},
    "heat": {"index": 8, "port": 8443, "to": "192.168.1.60:443", "ttl": 60, "one_shot": True},
}
KNOCK = {name: f"{5000 + 100 * service['index']}/udp" for name, service in SERVICES.items()}  # one step is enough here


@pytest.fixture
def config(config):
    config["services"] = SERVICES
    config["sequences"] = {name: {"steps": [step], "open": [name]} for name, step in KNOCK.items()}
    config["sequences"]["plain-too"] = {"steps": ["6000/udp"], "open": ["plain"]}
    config["sequences"]["shut"] = {"steps": ["6100/udp"], "close": ["long"]}
    return config


@pytest.fixture
def lab(lab):
    lab.serve(lab.gateway, *PAGES)
    return lab


def let_in(lab, dut, name, to=None, **options):
    """Knock for one service. Returns when it is open: (monotonic seconds, the event)."""
    lab.knock([KNOCK[name]], to, **options)
    event = dut.expect_event("opened", service=name)
    return time.monotonic(), event


def closed(lab, port, to=None, **options):
    return lab.tcp_open(to or lab.gateway.ip4, port, timeout_s=0.1, **options) == "silent"


@contextmanager
def meanwhile(act, every_s):
    """Do `act` again and again in another thread."""
    end = threading.Event()

    def run():
        while not end.wait(every_s):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


# ttl


def test_ttl(lab, dut):
    """Two seconds each; the client knocks again, and behind the neighbour's address a second one knocks, after one second."""
    neighbour = lab.add_address(lab.client, "198.51.100.77")
    start, event = let_in(lab, dut, "plain", from_=lab.attacker)
    assert event["ends_s"] == 2
    let_in(lab, dut, "plain")
    let_in(lab, dut, "plain", source=neighbour)
    time.sleep(1)  # half of the life
    lab.knock([KNOCK["plain"]])
    dut.expect_event("renewed", source=lab.client.ip4)
    renewed = time.monotonic()
    lab.knock(["6000/udp"], source=neighbour)
    dut.expect_event("opened", source=neighbour, client="plain-too")
    assert lab.tcp_open(lab.gateway.ip4, 8001, from_=lab.attacker) == "open"

    event = dut.expect_event("expired", source=lab.attacker.ip4)
    assert event["reason"] == "ttl" and 1.9 < time.monotonic() - start < 4
    assert closed(lab, 8001, from_=lab.attacker)
    dut.expect_event("expired", source=neighbour, client="plain")
    assert lab.tcp_open(lab.gateway.ip4, 8001) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 8001, source=neighbour) == "open"
    assert sorted(kernel.entries(lab)) == sorted([(1, lab.client.ip4), (1, neighbour)])

    dut.expect_event("expired", source=lab.client.ip4)
    assert 1.9 < time.monotonic() - renewed < 4
    assert closed(lab, 8001)
    dut.expect_event("expired", source=neighbour, client="plain-too")
    assert closed(lab, 8001, source=neighbour)
    assert kernel.entries(lab) == {}


# idle and max


def test_idle_and_max(lab, dut):
    """Traffic of connections renews it, up to max; bare packets with the right address do not."""
    bare = [frames.step(lab.attacker.ip4, lab.gateway.ip4, "8003/tcp", flags=ACK, tcp_options=b"\1" * 4 * n) for n in range(3)]
    let_in(lab, dut, "idle", from_=lab.attacker)
    let_in(lab, dut, "idle")
    opened, _ = let_in(lab, dut, "brief")
    with ExitStack() as stack:
        kept = [stack.enter_context(Connection(lab.gateway.ip4, port, lab.client)) for port in (8003, 8004)]
        with meanwhile(lambda: frames.send(lab.attacker, lab.gateway, *bare), 0.1):
            with meanwhile(lambda: [connection.works() for connection in kept], 0.3):
                assert dut.expect_event("idle")["source"] == lab.attacker.ip4
                assert 1 < time.monotonic() - opened < 4  # ipset rounds its seconds down
                event = dut.expect_event("expired", timeout=8)
                assert (event["service"], event["reason"]) == ("brief", "max")
                assert 2 < time.monotonic() - opened < 6
        assert closed(lab, 8004)
        assert lab.tcp_open(lab.gateway.ip4, 8003) == "open"


def test_without_engine(lab, dut):
    """Nobody is there to end them: the kernel does, at the ttl, at idle without traffic, at max with traffic all the time."""
    opened, _ = let_in(lab, dut, "plain")
    let_in(lab, dut, "idle")
    let_in(lab, dut, "brief")
    dut.kill()
    assert set(kernel.entries(lab)) == {(1, lab.client.ip4), (3, lab.client.ip4), (4, lab.client.ip4)}
    assert lab.tcp_open(lab.gateway.ip4, 8001) == "open"
    with Connection(lab.gateway.ip4, 8004, lab.client) as kept, meanwhile(kept.works, 0.3):
        wait_until(lambda: list(kernel.entries(lab)) == [(4, lab.client.ip4)], "ttl and idle", interval_s=0.1)
        assert 1 < time.monotonic() - opened < 4
        assert closed(lab, 8001) and closed(lab, 8003)
        assert lab.tcp_open(lab.gateway.ip4, 8004) == "open"
        wait_until(lambda: closed(lab, 8004), "max")
        assert 2 < time.monotonic() - opened < 6
    assert kernel.entries(lab) == {}


# one_shot


def test_one_shot(lab, dut):
    """On the gateway and behind it: the first connection works as long as it likes; there is no second one."""
    for name, port in (("once", 8005), ("heat", 8443)):
        let_in(lab, dut, name)
        with Connection(lab.gateway.ip4, port, lab.client) as kept:
            assert closed(lab, port)
            dut.expect_event("used", service=name, source=lab.client.ip4)
            assert kept.works() and kept.works()
            assert closed(lab, port)
    assert dut.ctl("grants")["grants"] == []


def test_one_shot_survives_a_lost_packet(lab, dut):
    """The device does not hear the first SYN: the one that the client's kernel sends a second later belongs to the same try."""
    lab.camera.run(["nft", "table inet lost { chain input { type filter hook input priority 0; tcp dport 443 drop; }; }"])
    let_in(lab, dut, "heat")
    with lab.client.inside():
        connecting = socket.socket()
    with connecting:
        connecting.settimeout(5)
        with frames.listening(lab.camera) as wait:
            trying = threading.Thread(target=connecting.connect, args=((lab.gateway.ip4, 8443),))
            trying.start()
            wait(lambda packet: frames.is_syn(packet, 443))
        assert closed(lab, 8443)
        lab.camera.run(["nft", "delete table inet lost"])
        trying.join()
        assert connecting.getpeername() == (lab.gateway.ip4, 8443)
    dut.expect_event("used", service="heat")
    assert closed(lab, 8443)


# cut, and what may finish


def test_cut_or_finish(lab, dut):
    """When a grant has expired its connections may finish, unless the service says cut."""
    let_in(lab, dut, "cut")
    let_in(lab, dut, "plain")
    with Connection(lab.gateway.ip4, 8001, lab.client) as plain, Connection(lab.gateway.ip4, 8002, lab.client) as cut:
        assert cut.works()
        dut.expect_event("expired", service="cut")
        assert not cut.works(timeout_s=0.3)
        dut.expect_event("expired", service="plain")
        assert plain.works()
        assert closed(lab, 8001) and closed(lab, 8002)


def test_owner_closes(lab, dut):
    """knockletctl close ends the grant and its connections at once, on the gateway and behind it, of that client only."""
    for name in ("long", "camera"):
        let_in(lab, dut, name)
    let_in(lab, dut, "long", from_=lab.attacker)
    with ExitStack() as stack:
        mine = [stack.enter_context(Connection(lab.gateway.ip4, port, lab.client)) for port in (8006, 8080)]
        other = stack.enter_context(Connection(lab.gateway.ip4, 8006, lab.attacker))
        assert all(connection.works() for connection in (*mine, other))
        assert dut.ctl("close", "long", lab.client.ip4)["closed"] == 1
        event = dut.expect_event("closed")
        assert (event["reason"], event["source"]) == ("owner", lab.client.ip4)
        assert not mine[0].works(timeout_s=0.3)
        assert mine[1].works() and other.works()
        assert dut.ctl("close", "--all")["closed"] == 2
        assert not mine[1].works(timeout_s=0.3)
        assert not other.works(timeout_s=0.3)
    assert closed(lab, 8006) and closed(lab, 8080)
    assert kernel.entries(lab) == {}


def test_a_sequence_closes(lab, dut):
    """No new connection; those that are there may finish."""
    let_in(lab, dut, "long")
    let_in(lab, dut, "plain")
    with Connection(lab.gateway.ip4, 8006, lab.client) as kept:
        lab.knock(["6100/udp"])
        event = dut.expect_event("closed")
        assert (event["reason"], event["service"]) == ("sequence", "long")
        assert closed(lab, 8006)
        assert kept.works()


# Who


def test_families_are_apart(lab, dut):
    """A knock over IPv6 opens IPv6 only, and the other way round; what is not there over IPv6 is refused."""
    let_in(lab, dut, "long", lab.gateway.ip6)
    assert lab.tcp_open(lab.gateway.ip6, 8006) == "open"
    assert closed(lab, 8006)
    let_in(lab, dut, "camera")
    assert lab.tcp_open(lab.gateway.ip4, 8080) == "open"
    assert closed(lab, 80, to=lab.camera.ip6)
    lab.knock([KNOCK["heat"]], lab.gateway.ip6)
    event = dut.expect_event("refused")
    assert (event["service"], event["source"], event["reason"]) == ("heat", lab.client.ip6, "no IPv6 address behind it")
    assert sorted(kernel.entries(lab)) == sorted([(6, lab.client.ip6), (7, lab.client.ip4)])


def test_full(lab, dut):
    """256 grants at once. One more is refused and told; those that are there stay."""
    sources = [str(IPv4Address("203.0.114.0") + number) for number in range(257)]
    frames.send(lab.client, lab.gateway, *(frames.step(source, lab.gateway.ip4, KNOCK["long"]) for source in sources))
    assert dut.expect_event("refused")["source"] == sources[-1]
    assert set(kernel.entries(lab)) == {(6, source) for source in sources[:-1]}
    assert len(dut.ctl("grants")["grants"]) == 256
