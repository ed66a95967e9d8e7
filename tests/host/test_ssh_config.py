"""`knocklet ssh-config`: the real ssh, with the lines as they are printed, at the lab's gateway."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from knocklet.wire.spa_packet import BYTES

pytestmark = pytest.mark.usefixtures("home")

KNOCKLET = Path(sys.executable).with_name("knocklet")   # as installed
SPA_PORT = 62201


@pytest.fixture
def described(home, lab, knocklet):
    """described(one_shot=True): the lab's gateway with its SSH as a service, and a client. Returns the file for ssh -F."""

    def make(**ssh):
        config = {"id": "home", "interfaces": ["wan0"], "services": {"ssh": {"index": 1, "port": 22, **ssh}}}
        (home / "config.json").write_text(json.dumps(config))
        for words in (
            ["gateway", "describe", "home", home / "config.json", "--host", lab.gateway.ip4],
            ["client", "add", "anna", "--open", "ssh"],
        ):
            assert knocklet(*words).exit_code == 0
        lines = subprocess.run([KNOCKLET, "ssh-config", "home"], check=True, capture_output=True, text=True).stdout
        (home / "ssh_config").write_text(lines)
        return home / "ssh_config"

    return make


@pytest.fixture
def opener(lab, wire):
    """`with opener:` opens port 22 when a signed knock arrives, as a gateway would."""

    class Opener:
        def __init__(self):
            self.knocks = 0
            self._done = threading.Event()
            self._thread = threading.Thread(target=self._watch)

        def __enter__(self):
            wire.packets()
            self._thread.start()
            return self

        def __exit__(self, *_):
            self._done.set()
            self._thread.join()

        def _watch(self):
            while not self._done.is_set():
                found = [packet for packet in wire.packets(wait_s=0.01) if packet.step == f"{SPA_PORT}/udp"]
                assert all(len(packet.payload) == BYTES for packet in found)
                if found and not self.knocks:
                    lab.gateway.run(["iptables", "-I", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"])
                self.knocks += len(found)

    return Opener()


def ssh(lab, home, config, *words, host="home"):
    """ssh to `host`, which is let in nowhere: getting as far as being asked for a key is enough."""
    options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={home / 'known_hosts'}"]
    environment = {**os.environ, "SHELL": "/bin/sh"}
    with lab.client.inside():
        return subprocess.run(
            ["ssh", "-F", config, *options, *words, host, "true"], env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip


@pytest.mark.parametrize("one_shot", [False, True])
def test_ssh_knocks_first(home, lab, opener, described, one_shot):
    config = described(one_shot=one_shot)
    with opener:
        done = ssh(lab, home, config)
    assert "Permission denied (publickey" in done.stderr, done.stderr   # by the gateway's SSH
    assert opener.knocks == (4 if one_shot else 1)
    assert "knocklet" not in done.stderr


def test_nothing_answers(home, lab, described):
    """It ends by itself, and says so; it does not wait for minutes."""
    done = ssh(lab, home, described())
    assert done.returncode == 255
    assert done.stderr.splitlines()[0] == "knocklet: home does not answer"
    assert "timed out" not in done.stderr


def test_other_hosts_are_left_alone(home, lab, wire, described):
    config = described()
    wire.packets()
    done = ssh(lab, home, config, "-p", "23", host="127.0.0.1")
    assert "Connection refused" in done.stderr
    assert wire.packets(wait_s=0.1) == []


def test_what_cannot_be_used_is_told(home, lab, described):
    config = described()
    (home / "config" / "knocklet" / "client-secrets.json").chmod(0o644)
    done = ssh(lab, home, config)
    assert "client-secrets.json: mode 0644 lets others read it" in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[1] == "knocklet: home does not answer"


def lines_of(knocklet, home, services, *words, host="home.example.net"):
    (home / "config.json").write_text(json.dumps({"id": "home", "interfaces": ["wan0"], "services": services}))
    knocklet("gateway", "describe", "home", home / "config.json", "--host", host)
    knocklet("client", "add", "anna", *(word for name in services for word in ("--open", name)))
    return knocklet("ssh-config", "home", *words)


def test_the_lines(home, knocklet):
    result = lines_of(knocklet, home, {"ssh": {"index": 1, "port": 2222}})
    assert result.stdout.splitlines() == [
        "Host home",
        "    HostName home.example.net",
        "    Port 2222",
        "    ConnectTimeout 10",
        'Match originalhost home !exec "knocklet knock home ssh --quiet"',
        """    ProxyCommand sh -c "echo 'knocklet: home does not answer' >&2\"""",
    ]
    assert result.stderr == "At the end of ~/.ssh/config: what comes after a Match belongs to it.\n"


OVER_IPV4 = ["    HostName home.example.net", "    Port 2222", "    AddressFamily inet"]
TO, TO6 = {"to": "192.168.1.5:22"}, {"to6": "[fd00::5]:22"}


@pytest.mark.parametrize(
    "leads, lines", [(TO, OVER_IPV4), (TO6, ["    HostName fd00::5", "    Port 22"]), (TO | TO6, OVER_IPV4)]
)
def test_a_device_behind_the_gateway(home, knocklet, leads, lines):
    result = lines_of(knocklet, home, {"nas": {"index": 1, "port": 2222, **leads}}, "--client", "anna")
    found = result.stdout.splitlines()
    assert found[0] == "Host home-nas" and found[1:-3] == lines
    assert found[-2] == 'Match originalhost home-nas !exec "knocklet knock home nas --quiet --client anna"'


def test_mistakes(home, knocklet):
    lines_of(knocklet, home, {"nas": {"index": 1, "port": 22}, "vpn": {"index": 2, "protocol": "udp", "port": 51820},
                              "web": {"index": 3, "port": 80}})  # fmt: skip
    for words, line in (
        (["home"], "home has no service 'ssh'; it has: nas, vpn, web"),
        (["home", "vpn"], "vpn is a UDP service; allowed: one that speaks SSH over TCP"),
        (["attic"], "gateway 'attic' is not described here"),
        (["home", "nas", "--client", "bert"], "client 'bert' is not known at 'home'"),
    ):
        result = knocklet("ssh-config", *words)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert line in result.stderr and result.stderr.count("\n") == 1
