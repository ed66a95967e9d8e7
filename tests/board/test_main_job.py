"""The main job, on a board that was switched on: armed, closed, opened by a knock, reported; and who it runs as."""

from lab.page import PAGE
from lab.wire import Wire

SPA_PORT = 62201


def outside(lab, port, who=None):
    return lab.tcp_open(lab.gateway.ip4, port, from_=who or lab.client)


def test_it_comes_up_armed_and_closed(home, board):
    assert b"ready, firewall nft" in board.said
    status = board.ssh("knockletctl status").stdout
    assert "armed: true" in status and '"eth0"' in status
    for port in (22, 8080, 8888):
        assert outside(home.lab, port) == "silent"


def test_a_knock_opens_a_port_for_who_knocked(home, dut, online):
    home.anna.knocklet("knock", "home", "ssh", "--quiet")
    dut.expect_event("opened", service="ssh", source=home.lab.client.ip4)
    assert outside(home.lab, 22) == "open"
    assert outside(home.lab, 22, home.lab.attacker) == "silent"


def test_the_camera_behind_it(home, dut):
    home.anna.knocklet("knock", "home", "camera", "--quiet")
    assert home.lab.http(home.lab.gateway.ip4, 8080) == PAGE
    assert outside(home.lab, 8080, home.lab.attacker) == "silent"
