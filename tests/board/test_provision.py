"""`knocklet provision` on a bare board, over its real channels: from bare to the first knock, a second time, and off again."""

import shlex

import pytest

from lab.board import Board
from lab.owner import NAME
from lab.waiting import wait_until


@pytest.fixture(scope="module")
def provision(home, tmp_path_factory):
    """A function: `knocklet provision home ...` on mgmt, where the gateway's file is. What it printed."""
    folder = tmp_path_factory.mktemp("gateways") / "gateways"
    words = ["--from", home.etc / "config.json", "--clients", home.etc / "clients.json", "--host", home.lab.gateway.ip4]
    home.owner.knocklet("init", folder, *words)

    def run(*words, command="provision"):
        return home.owner.knocklet(command, NAME, *words).stdout

    return run


@pytest.fixture
def bare(home):
    """A board as it comes, off."""
    board = Board(home.lab, home.disk("bare", home.bare), home.initrd)
    yield board
    board.power_cut()


def what_is_there(board):
    """All of its files, without what changes by itself, and all of its rules."""
    files = board.ssh("find / -xdev -not -path '/var/lib/dpkg*' -not -path '/etc/dropbear*' -not -path '/var/log/*' | sort")
    return files.stdout.split(), board.ssh("nft list ruleset; cat /etc/passwd /etc/group /etc/inittab").stdout.splitlines()


def first_knock(home):
    home.anna.knocklet("knock", NAME, "ssh", "--quiet")
    return home.lab.tcp_open(home.lab.gateway.ip4, 22, from_=home.lab.client, timeout_s=0.5)


def test_by_ssh_and_off_again(home, bare, provision, monkeypatch):
    bare.power_on()
    bare.wait_for_ssh()
    command = bare.ssh_command()
    monkeypatch.setitem(home.owner.environment, "KNOCKLET_SSH", shlex.join(map(str, command[:-1])))
    by_ssh = ["--to", command[-1]]
    before = what_is_there(bare)
    provision(*by_ssh, "--dry-run")
    assert what_is_there(bare) == before
    provision(*by_ssh, "--yes")
    assert first_knock(home) == "open"
    wait_until(lambda: home.owner.status()["status"] == "online", "it is online", timeout_s=30, interval_s=0.2)
    pids = bare.ssh("cat /run/knocklet-*.pid").stdout
    assert "nothing to do" in provision(*by_ssh, "--yes")
    assert bare.ssh("cat /run/knocklet-*.pid").stdout == pids
    provision(*by_ssh, "--yes", command="unprovision")
    assert what_is_there(bare) == before


@pytest.mark.long
def test_by_its_serial_console(home, bare, provision):
    bare.power_on(console="pty")
    port = bare.expect(rb"redirected to (/dev/pts/\d+)")[1].decode()
    bare.wait_for_ssh()
    provision("--via", "serial", "--to", port, "--yes")
    assert first_knock(home) == "open"
