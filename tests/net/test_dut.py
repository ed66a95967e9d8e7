"""The device under test of these tests: starts, is heard, is asked, is killed and comes back."""

import pytest
from net.marks import one_firewall

from lab import LabError

FRONT = ["7000/tcp", "9100/udp", "8000/tcp"]


def test_a_knock_is_seen(lab, dut):
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"
    lab.knock(FRONT)
    event = dut.expect_event("opened", service="ssh")
    assert event["source"] == lab.client.ip4 and event["client"] == "front"
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert "camera" in [grant["service"] for grant in dut.ctl("grants")["grants"]]


def test_restart(lab, dut):
    first = dut.process.pid
    dut.restart()
    assert dut.process.pid != first
    assert dut.ctl("status")["interfaces"][0]["up"] is True


def test_a_refused_reload_says_why(dut, config):
    config["decoys"] = 257
    dut.write_config(config)
    with pytest.raises(LabError, match="decoys"):
        dut.reload()


@pytest.mark.parametrize("bits", [32], indirect=True)
@one_firewall
def test_32_bits(lab, dut):
    lab.knock(FRONT, to=lab.gateway.ip6)
    assert dut.expect_event("opened", service="camera")["source"] == lab.client.ip6


def test_every_test_finds_a_new_gateway(lab, dut):
    """Grants of the tests before are gone, with the same lab."""
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"
    assert dut.ctl("grants")["grants"] == []
