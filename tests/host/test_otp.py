"""One-time ports: what `knocklet knock` sends, and what `knocklet otp` hands to other programs."""

import json
import subprocess
import time

import pytest

from knocklet.core import policy
from knocklet.wire.otp_ports import SLOT_S, otp_ports
from knocklet_tool import otp_sender

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def judge(home, lab, knocklet, clock):
    """described(protocol="tcp") -> ports(slot): the gateway's own of anna and ssh, which has index 3."""

    def described(**otp):
        config = {
            "id": "home", "interfaces": ["wan0"], "otp": otp, "services": {"ssh": {"index": 3, "port": 22}},
        }  # fmt: skip
        (home / "config.json").write_text(json.dumps(config))
        done = knocklet("gateway", "describe", "home", home / "config.json", "--host", lab.gateway.ip4)
        assert done.exit_code == 0
        done = knocklet("client", "add", "anna", "--open", "ssh", "--kind", "otp")
        assert done.exit_code == 0
        loaded = policy.load(json.dumps(config).encode(), knocklet("client", "file").stdout_bytes)
        (client, service), = loaded.otp.pairs
        made = loaded.otp
        return lambda slot: otp_ports(client.keys.otp, service.index, slot, made.count, made.low, made.high)

    return described


@pytest.fixture
def clock(monkeypatch):
    """The time of the one-time ports: clock.now, in seconds, in the middle of a slot."""

    class Clock:
        now = 1_800_000_015

        @property
        def slot(self):
            return self.now // SLOT_S

    made = Clock()
    monkeypatch.setattr(otp_sender.time, "time", lambda: made.now)
    return made


def steps(ports, protocol="tcp"):
    return [f"{port}/{protocol}" for port in ports]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_ports_of_now_in_order(lab, wire, knock, judge, clock, protocol):
    ports = judge(protocol=protocol, count=4, low=50000)
    wire.packets()
    result = knock("home", "ssh", "--wait", 0.1)
    assert result.exit_code == 1 and result.stdout == f"ssh stayed silent at {lab.gateway.ip4}\n"
    expected = steps(ports(clock.slot), protocol)
    sent = [packet.step for packet in wire.packets() if packet.port != 22]
    assert sent == expected * 3   # a step may have been lost, the ports are good until somebody has used them


def test_each_knock_has_ports_of_its_own(lab, wire, knock, judge, clock):
    ports = judge()
    for slot, fresh_in_s in ((clock.slot, None), (clock.slot + 1, None), (clock.slot + 1, 15)):   # the next one is valid too
        wire.packets()
        result = knock("home", "ssh", "--wait", 0.1)
        assert wire.steps(*ports(slot)) == steps(ports(slot)) * 3
        told = f"The one-time ports that are valid now have been used; fresh ones in {fresh_in_s} s.\n"
        assert result.stderr.startswith(told) == (fresh_in_s is not None)
    clock.now += 15
    assert "have been used" not in knock("home", "ssh", "--wait", 0.1).stderr


def test_a_one_shot_service_is_knocked_for_once(home, lab, wire, knock, knocklet, judge, clock):
    ports = judge()
    config = json.loads((home / "config.json").read_text())
    config["services"]["ssh"]["one_shot"] = True
    (home / "config.json").write_text(json.dumps(config))
    knocklet("gateway", "describe", "home", home / "config.json", "--host", lab.gateway.ip4)
    wire.packets()
    result = knock("home", "ssh")
    assert (result.exit_code, result.stdout) == (0, f"sent one-time ports to open ssh, once, to {lab.gateway.ip4}\n")
    assert [packet.step for packet in wire.packets(wait_s=0.3)] == steps(ports(clock.slot))


def test_one_address_only(lab, wire, knock, knocklet, judge, clock, names, home):
    """A slot opens for one source; a program takes the first address first."""
    names["home.example.net"] = [lab.gateway.ip6, lab.gateway.ip4]
    ports = judge()
    knocklet("gateway", "describe", "home", home / "config.json", "--host", "home.example.net")
    wire.packets()
    knock("home", "ssh", "--wait", 0.1)
    packets = [packet for packet in wire.packets() if packet.port in ports(clock.slot)]
    assert packets and {packet.destination for packet in packets} == {lab.gateway.ip6}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_for_another_program(lab, wire, knocklet, judge, clock, protocol):
    """The line goes to a shell as it is."""
    ports = judge(protocol=protocol)(clock.slot)
    result = knocklet("otp", "home", "ssh")
    assert (result.exit_code, result.stderr) == (0, "")
    until = time.strftime("%H:%M:%S", time.localtime((clock.slot + 2) * SLOT_S))
    assert result.stdout.endswith(f"   # once, until {until}\n")
    wire.packets()
    with lab.client.inside():
        subprocess.run(["sh", "-c", result.stdout], check=True)
    assert wire.steps(*ports, wait_s=0.3) == steps(ports, protocol)
    told = json.loads(knocklet("otp", "home", "ssh", "--json").stdout)
    assert told == {
        "gateway": "home", "service": "ssh", "client": "anna", "host": lab.gateway.ip4, "protocol": protocol, "ports": ports,
        "until": (clock.slot + 2) * SLOT_S,
    }  # fmt: skip


def test_mistakes(knocklet, judge):
    judge()
    knocklet("client", "add", "bert", "--open", "ssh")
    for words, line in (
        (["otp", "home", "ssh"], "which client? --client, one of anna, bert"),
        (["otp", "home", "ssh", "--client", "bert"], "client bert has spa, not otp"),
        (["otp", "home", "camera", "--client", "anna"], "home has no service 'camera'"),
        (["otp", "attic", "ssh"], "gateway 'attic' is not described here"),
        (["knock", "home", "ssh", "--client", "anna", "--close"], "client anna: otp can only open"),
        (["knock", "home", "ssh", "--client", "anna", "--ttl", "5"], "client anna: otp has no --ttl"),
    ):
        result = knocklet(*words)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert line in result.stderr and result.stderr.count("\n") == 1
