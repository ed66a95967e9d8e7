"""`knocklet provision` on a bare router: what it finds, says, does, and does not do twice."""

import json
import re
import time

import pytest
from host.bare_router import BareRouter, board_folder

from knocklet_tool import board_folder as boards
from knocklet_tool import gateway_files, provision_steps
from knocklet_tool.channel_ssh import VARIABLE


@pytest.fixture
def router(home, monkeypatch):
    made = BareRouter(home / "router")
    monkeypatch.setenv(VARIABLE, str(made.ssh))
    monkeypatch.setattr(boards, "ROOT", board_folder(home / "repository"))
    return made


@pytest.fixture
def owner(gateways, knocklet):
    for words in (
        ("init", "--gateway", "home", "--host", "home.example.net", "--interface", "wan0"),
        ("gateway", "add", "home"),
        ("client", "add", "anna", "--gateway", "home", "--open", "ssh"),
    ):
        assert knocklet(*words).exit_code == 0, words
    return gateways


@pytest.fixture
def provision(owner, router, knocklet):
    def run(*words):
        return knocklet("provision", "home", "--to", "root@192.168.1.1", *words)

    return run


def test_from_bare_to_working(provision, router):
    done = provision("--yes")
    assert done.exit_code == 0, done.stderr
    assert router.calls() == [
        "opkg update", "opkg install micropython-mbedtls", f"opkg install /tmp/{package_name()}",
        "service enable", "service restart",
    ]  # fmt: skip
    for path, (mode, data) in gateway_files.collect("home").items():
        assert router.read(path[1:]) == data
        assert (router.root / path[1:]).stat().st_mode & 0o7777 == mode == 0o600
    assert (router.root / "etc/knocklet").stat().st_mode & 0o7777 == 0o700
    assert "home: the engine runs, version 0.1.0, firewall nft" in done.stdout
    assert "next: from outside: knocklet knock home ssh" in done.stdout
    assert list((router.root / "tmp").iterdir()) == []


def package_name():
    from knocklet_tool import package_version

    return package_version.file_name("ipk")
