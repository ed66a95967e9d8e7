"""The owner's `knocklet` and the gateway's engine: what the one sends for a service opens it at the other."""

import socket
import time

import pytest
from typer.testing import CliRunner

from knocklet.core.replay_records import BYTES, FLOOR_KEY, record
from knocklet_tool.main import app

_RAN_US = 600_000_000
HOST = "gateway.example.net"


@pytest.fixture
def config(config):
    return config | {"id": "home", "otp": {"count": 4}, "sequences": {}}


@pytest.fixture
def engine(engine):
    """Its clock is right by itself, as nobody sets it here; and it has run before: one that is new opens nothing older."""
    plain = engine.command
    engine.command = lambda *words: plain("--clock", "battery", *words)
    state = engine.config_path.with_name("state")
    state.mkdir(0o700)
    floor = record(FLOOR_KEY, time.time_ns() // 1000 - _RAN_US)
    for name in ("replay.a", "replay.b"):
        (state / name).write_bytes(floor + bytes(BYTES - len(floor)))
    return engine


@pytest.fixture
def knocklet(lab, engine, monkeypatch, tmp_path):
    """knocklet("knock", "home", "ssh"): on the lab's client, which knows the gateway and has clients there."""
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    resolver = socket.getaddrinfo

    def look_up(host, *arguments, **options):
        addresses = (lab.gateway.ip6, lab.gateway.ip4) if host == HOST else (host,)
        return [found for address in addresses for found in resolver(address, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    def run(*words):
        with lab.client.inside():
            return CliRunner().invoke(app, [str(word) for word in words], prog_name="knocklet", catch_exceptions=False)

    for words in (
        ["gateway", "describe", "home", engine.config_path, "--host", HOST],
        ["client", "add", "anna", "--open", "ssh", "--open", "camera", "--open", "heat", "--kind", "spa", "--kind", "otp"],
        ["client", "add", "phone", "--open", "ssh", "--kind", "fwknop"],
        ["client", "add", "relay", "--open", "ssh", "--source", "any"],
        ["client", "add", "desk", "--open", "ssh", "--source", "stated"],
    ):
        result = run(*words)
        assert result.exit_code == 0, result.stderr
    clients = engine.config_path.with_name("clients.json")
    clients.touch(0o600)
    clients.write_bytes(run("client", "file").stdout_bytes)
    return run


@pytest.fixture
def dut(engine, knocklet):
    engine.start()
    return engine


def grants(dut):
    return sorted((grant["service"], grant["source"], grant["client"]) for grant in dut.ctl("grants")["grants"])


def both(lab, service, client):
    return sorted((service, address, client) for address in (lab.client.ip4, lab.client.ip6))


@pytest.mark.parametrize("client", ["anna", "desk"])
def test_signed(lab, dut, knocklet, client):
    """Both families, and no more packets than it takes."""
    result = knocklet("knock", "home", "ssh", "--client", client)
    assert result.exit_code == 0, result.stdout + result.stderr
    for address in (lab.gateway.ip4, lab.gateway.ip6):
        assert f"ssh answers at {address}, " in result.stdout
        assert lab.tcp_open(address, 22, from_=lab.attacker) == "silent"
    assert grants(dut) == both(lab, "ssh", client)


def test_a_device_with_an_address_of_its_own(lab, dut, knocklet):
    result = knocklet("knock", "home", "camera", "--client", "anna")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert f"camera answers at {lab.gateway.ip4}, " in result.stdout and "camera answers at [fd00:1::50]:80, " in result.stdout


def test_renew_and_close(lab, dut, knocklet):
    knocklet("knock", "home", "ssh", "--client", "anna")
    assert knocklet("knock", "home", "ssh", "--client", "anna", "--renew", "--ttl", 20).exit_code == 0
    for _ in range(2):
        dut.expect_event("renewed", service="ssh", client="anna")
    assert grants(dut) == both(lab, "ssh", "anna")
    assert knocklet("knock", "home", "ssh", "--client", "anna", "--close").exit_code == 0
    assert grants(dut) == []
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"


def test_a_one_shot_service_is_left_for_its_one_connection(lab, dut, knocklet):
    result = knocklet("knock", "home", "heat", "--client", "anna")
    assert result.exit_code == 0
    assert grants(dut) == [("heat", lab.client.ip4, "anna")]   # a device without an IPv6 address
    assert lab.tcp_open(lab.gateway.ip4, 8443) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 8443) == "silent"


def test_for_another_address(lab, dut, knocklet):
    result = knocklet("knock", "home", "ssh", "--client", "relay", "--state", lab.attacker.ip4)
    assert result.exit_code == 0
    assert grants(dut) == [("ssh", lab.attacker.ip4, "relay")]
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"


def test_one_time_ports(lab, dut, knocklet):
    for family in ("-4", "-6"):   # each has ports of its own, this slot's and the next one's
        result = knocklet("knock", "home", "ssh", "--client", "anna", "--kind", "otp", family)
        assert result.exit_code == 0, result.stdout + result.stderr
    assert grants(dut) == both(lab, "ssh", "anna")


def test_one_time_ports_by_another_program(lab, dut, knocklet):
    line = knocklet("otp", "home", "ssh", "--client", "anna").stdout.replace(HOST, lab.gateway.ip4)
    lab.client.run(["sh", "-c", line])
    dut.expect_event("opened", service="ssh", client="anna", source=lab.client.ip4)
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


def test_fwknop(lab, dut, knocklet):
    result = knocklet("knock", "home", "ssh", "--client", "phone")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert grants(dut) == [("ssh", lab.client.ip4, "phone")]


def test_a_client_that_the_gateway_does_not_have(lab, dut, knocklet):
    knocklet("client", "add", "new", "--open", "ssh")
    result = knocklet("knock", "home", "ssh", "--client", "new", "--wait", 0.2)
    assert result.exit_code == 1 and "Does the gateway have this client" in result.stderr
    assert grants(dut) == []
