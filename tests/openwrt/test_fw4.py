"""Grants on a router with OpenWrt's firewall: they get in through its rules, and outlive whatever is done to them."""

import pytest
from net import kernel
from net.connection import Connection
from net.test_zones import PROBES, STEPS, answers, unlimited  # noqa: F401
from openwrt.fw4 import Fw4

CLOSED = {"drop": "silent", "reject": "refused"}
SOON_S = 2


@pytest.fixture
def config(config):
    config["services"] |= {
        "vpn": {"index": 5, "protocol": "udp", "port": 5182},
        "web": {"index": 6, "port": 8090, "to": "192.168.1.50:80", "ttl": 60},
    }
    config["sequences"] = {"front": {"steps": STEPS, "open": list(config["services"])}}
    return config


def let_in(lab, dut, to=None):
    lab.knock(STEPS, to)
    dut.expect_event("opened", service="web" if to is None else "vpn")


def closed(lab, zone, from_):
    """Every door, for that host, over both families."""
    timeout = {"timeout_s": 0.1}
    for to, port in ((lab.gateway.ip4, 22), (lab.gateway.ip6, 22), (lab.gateway.ip4, 8090), (lab.camera.ip6, 80)):
        assert lab.tcp_open(to, port, from_=from_, **timeout) == CLOSED[zone], (to, port)


def opened(lab):
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert "Camera" in lab.http(lab.gateway.ip4, 8090)


def lan_works(lab):
    """The LAN reaches the router and the world, masqueraded: a closed port there answers."""
    assert lab.tcp_open("192.168.1.1", 22, from_=lab.camera) == "open"
    assert lab.tcp_open(lab.attacker.ip4, 9, from_=lab.camera) == "refused"


def test_a_knock_opens(lab, fw4, engine, zone):
    lan_works(lab)
    engine.start()
    assert engine.ctl("status")["firewall_why"] == "OpenWrt's firewall (table inet fw4) is in force"
    lan_works(lab)
    closed(lab, zone, lab.client)
    let_in(lab, engine)
    opened(lab)
    closed(lab, zone, lab.attacker)
    let_in(lab, engine, lab.gateway.ip6)
    assert lab.tcp_open(lab.gateway.ip6, 22) == "open"
    assert "Camera" in lab.http(lab.camera.ip6, 80)
    closed(lab, zone, lab.attacker)
    lan_works(lab)


@pytest.mark.parametrize("fw4_options", [{"includes": False}])
def test_without_the_include(lab, started, zone):
    """With `auto_includes` 0: fw4 keeps out whom the engine lets in."""
    let_in(lab, started)
    closed(lab, zone, lab.client)


def test_the_include_comes_first(fw4):
    """Whatever the zones are called, and before what offloads connections. Once, however often fw4 reads it again."""
    for again in (fw4.reload, fw4.restart):
        again()
        for chain in ("input", "forward"):
            found = [rule.get("comment") for rule in fw4.rules_of(chain)]
            assert found[0] == "knocklet: granted" and found.count(found[0]) == 1
    fw4.stop()
    fw4.check()


def test_no_closed_port_is_another(started, answers, zone):  # noqa: F811
    """Protected, steps, decoys and others, byte by byte. Slowly: fw4 answers 25 SYN packets a second, and 50 at once."""
    for family in ("ip4", "ip6"):
        for name in ("SYN", "ACK", "UDP"):
            found = answers(family, PROBES[name], (0.02,) if zone == "drop" else (0.1, 0.5, 2))
            assert len(found) == 1 and (b"" in found) == (zone == "drop"), (family, name, found)


@pytest.mark.parametrize("action", ["reload", "restart", "stop"])
def test_actions(lab, fw4, started, zone, action):
    """The engine need not even notice: grants, their time and their connections are in a table of its own."""
    let_in(lab, started)
    before = kernel.entries(lab)
    with Connection(lab.gateway.ip4, 8090, lab.client) as connection:
        getattr(fw4, action)()
        assert connection.works()
    opened(lab)
    closed(lab, zone, lab.attacker)
    after = kernel.entries(lab)
    assert after.keys() == before.keys()
    assert all(after[key] <= before[key] for key in before)
    assert started.told("firewall_changed", "closed") == []
    fw4.start()
    opened(lab)
    lan_works(lab)


def test_firewall_stop(lab, fw4, started, zone):
    """It deletes our table, too: back at once, with the time that was left, and nobody gets in meanwhile who stays in."""
    let_in(lab, started)
    before = kernel.entries(lab)
    fw4.flush()
    started.expect_event("firewall_changed", timeout=SOON_S)
    # one_shot and idle do not come back: what was used up meanwhile cannot be known.
    assert {grant["service"] for grant in started.ctl("grants")["grants"]} == {"ssh", "admin", "vpn", "web"}
    after = kernel.entries(lab)
    assert after.keys() == {key for key in before if key[0] not in (2, 3)}
    assert all(0 < after[key] <= before[key] for key in after)
    closed(lab, zone, lab.attacker)
    fw4.start()
    opened(lab)
    closed(lab, zone, lab.attacker)


def test_the_firewall_comes_later(lab, engine, zone):
    """As when it was off at boot."""
    engine.start()
    closed(lab, zone, lab.client)
    made = Fw4(lab.gateway, zone)
    made.start()
    let_in(lab, engine)
    opened(lab)
    closed(lab, zone, lab.attacker)


@pytest.mark.parametrize("fw4_options", [{"offload": True}])
def test_flow_offload(lab, fw4, started):
    """No packet of a granted connection comes to where it could be offloaded; those of others do."""
    let_in(lab, started)
    let_in(lab, started, lab.gateway.ip6)
    for to, port in ((lab.gateway.ip4, 8090), (lab.camera.ip6, 80)):
        with Connection(to, port, lab.client) as connection:
            assert connection.works() and connection.works()
    assert fw4.offloadable() == 0
    lan_works(lab)
    assert fw4.offloadable() > 0


def test_wan_made_anew(lab, fw4, started, zone):
    """As a PPPoE line that drops: netifd makes the device again, and its hotplug script reloads fw4."""
    lab.gateway.ip("link delete wan0")
    started.expect_event("interface_down", timeout=SOON_S)
    lab.plug_wan()
    fw4.reload()
    started.expect_event("interface_up", timeout=SOON_S)
    closed(lab, zone, lab.client)
    let_in(lab, started)
    opened(lab)
    closed(lab, zone, lab.attacker)
