"""Services on devices behind the gateway: reached through it by whoever is in, and by nobody else, in no other way."""

import re
import socket
import threading

import pytest

from lab import LabError
from lab.page import PAGE

KNOCK = ["7000/tcp", "9100/udp", "8000/tcp"]
CAMERA, CAMERA6 = "192.168.1.50", "fd00:1::50"


@pytest.fixture
def config(config):
    config["services"] = {
        "camera": {"index": 1, "port": 8080, "to": f"{CAMERA}:80", "to6": f"[{CAMERA6}]:80", "ttl": 60},
        "plain": {"index": 2, "port": 9001, "to": f"{CAMERA}:9000", "masquerade": False},
        "hiding": {"index": 3, "port": 9002, "to": f"{CAMERA}:9002", "masquerade": True},
        "beside": {"index": 4, "port": 9003, "to": "198.51.100.66:9000"},  # on the outer side of the gateway
        "udp": {"index": 5, "protocol": "udp", "port": 9005, "to": f"{CAMERA}:9005"},
    }
    config["sequences"] = {"front": {"steps": KNOCK, "open": list(config["services"])}}
    return config


def no_page(lab, address, port, **options):
    with pytest.raises(TimeoutError):
        lab.http(address, port, timeout_s=0.15, **options)


def whom_it_sees(lab, host, listen, port):
    """The client connects to this port of the gateway; the address that a server at `listen` on `host` takes it for."""
    with host.inside():
        server = socket.create_server(("", listen))
    with server:
        server.settimeout(2)
        assert lab.tcp_open(lab.gateway.ip4, port) == "open"
        connection, (address, _) = server.accept()
        connection.close()
        return address


def test_page_through_the_gateway(lab, dut):
    """IPv4 by the gateway's address, IPv6 by the device's own."""
    no_page(lab, lab.gateway.ip4, 8080)
    lab.knock(KNOCK)
    dut.expect_event("opened", service="camera", source=lab.client.ip4)
    assert lab.http(lab.gateway.ip4, 8080) == PAGE
    no_page(lab, lab.gateway.ip4, 8080, from_=lab.attacker)
    no_page(lab, lab.gateway.ip4, 8080, source=lab.add_address(lab.client, "198.51.100.77"))
    no_page(lab, CAMERA6, 80)
    lab.knock(KNOCK, lab.gateway.ip6)
    dut.expect_event("opened", service="camera", source=lab.client.ip6)
    assert lab.http(CAMERA6, 80) == PAGE
    no_page(lab, CAMERA6, 80, from_=lab.attacker)
    no_page(lab, lab.gateway.ip6, 8080)


def test_udp(lab, dut):
    with lab.camera.inside():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server:
        server.bind(("", 9005))
        server.settimeout(2)
        assert lab.udp_open(lab.gateway.ip4, 9005, timeout_s=0.1) == "silent"
        lab.knock(KNOCK)
        dut.expect_event("opened", service="udp")

        def answer():
            data, sender = server.recvfrom(100)
            server.sendto(data, sender)

        answering = threading.Thread(target=answer)
        answering.start()
        assert lab.udp_open(lab.gateway.ip4, 9005) == "open"
        answering.join()
        assert lab.udp_open(lab.gateway.ip4, 9005, from_=lab.attacker, timeout_s=0.1) == "silent"


@pytest.mark.parametrize("zone", ["accept"], indirect=True)
def test_not_by_another_way(lab, engine):
    """Who knows a route to the LAN got in before; with the engine, not even to the device's own address."""
    assert lab.http(CAMERA, 80) == PAGE
    assert lab.http(CAMERA6, 80) == PAGE
    engine.start()
    for address in (CAMERA, CAMERA6):
        assert lab.tcp_open(address, 80) == "refused"
        assert lab.tcp_open(address, 443) == "open", "a port that nobody protects"
    assert lab.http(CAMERA, 80, from_=lab.mgmt) == PAGE
    lab.knock(KNOCK)
    engine.expect_event("opened", service="camera")
    assert lab.http(lab.gateway.ip4, 8080) == PAGE
    assert lab.tcp_open(lab.gateway.ip4, 8080, from_=lab.attacker) == "refused"


@pytest.mark.parametrize("firewall", ["ipset"], indirect=True)  # in nft the gateway's own table has to let replies pass
def test_replies_where_forward_drops_them(lab, dut):
    """The gateway's own FORWARD rules let nothing out of the LAN, not even replies: ours do, those of granted ports."""
    for tool in ("iptables", "ip6tables"):
        lab.gateway.run([tool, *"-D FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT".split()])
        lab.gateway.run([tool, *"-D FORWARD -i lan0 -j ACCEPT".split()])
    for to in (lab.gateway.ip4, lab.gateway.ip6):
        lab.knock(KNOCK, to)
    dut.expect_event("opened", service="camera", source=lab.client.ip6)
    assert lab.http(lab.gateway.ip4, 8080) == PAGE
    assert lab.http(CAMERA6, 80) == PAGE


def test_masquerade(lab, dut):
    """true: the device sees the gateway; false: the client; auto: the gateway only if the device is on the outer side."""
    lab.knock(KNOCK)
    dut.expect_event("opened", service="udp")  # the last of them
    assert whom_it_sees(lab, lab.camera, 9000, 9001) == lab.client.ip4
    assert whom_it_sees(lab, lab.camera, 9002, 9002) == "192.168.1.1"
    assert whom_it_sees(lab, lab.attacker, 9000, 9003) == lab.gateway.ip4


def test_auto_does_not_hide_the_client_from_the_lan(lab, dut, config):
    del config["services"]["plain"]["masquerade"]
    dut.write_config(config)
    dut.reload()
    lab.knock(KNOCK)
    dut.expect_event("opened", service="plain")
    assert whom_it_sees(lab, lab.camera, 9000, 9001) == lab.client.ip4


@pytest.mark.parametrize(
    "family, service, setting", [(4, "beside", "ipv4.ip_forward"), (6, "camera", "ipv6.conf.all.forwarding")]
)
def test_forwarding_is_off(lab, engine, family, service, setting):
    """One line at the start; a reload is refused with the same line, and what was in force stays."""
    said = f"services.{service}: leads to another device, but the kernel does not forward: set net.{setting} = 1\n"
    setting_off = {setting.replace(".", "__"): 0}
    setting_on = dict.fromkeys(setting_off, 1)
    try:
        lab.gateway.sysctl(**setting_off)
        refused = lab.gateway.run(engine.command(), check=False, timeout=10)
        assert (refused.returncode, refused.stderr) == (2, "knocklet-engine: " + said)
        lab.gateway.sysctl(**setting_on)
        engine.start()
        lab.gateway.sysctl(**setting_off)
        with pytest.raises(LabError, match=re.escape(said.strip())):
            engine.reload()
    finally:
        lab.gateway.sysctl(**setting_on)
        lab.set_up_wan()  # turning forwarding on and off takes routes away
    lab.knock(KNOCK, lab.gateway.ip4 if family == 4 else lab.gateway.ip6)
    engine.expect_event("opened", service="camera")
    assert lab.http(lab.gateway.ip4 if family == 4 else CAMERA6, 8080 if family == 4 else 80) == PAGE
