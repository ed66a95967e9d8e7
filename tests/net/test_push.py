"""The owner's commands against the real gateway: engine and agent, a real mosquitto with TLS, and `knocklet` on mgmt.

    knocklet (mgmt) --TLS, sealed--> mosquitto (mgmt) --TLS--> agent --AF_UNIX--> engine
"""

import json
import re
import subprocess

import pytest

from lab.owner import NAME, Owner
from lab.waiting import wait_until

STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
OTHER_STEPS = ["7000/tcp", "9100/udp", "9300/tcp"]


@pytest.fixture(params=["nft"])
def firewall(request):
    return request.param


@pytest.fixture
def config(config):
    config["id"] = NAME
    config["sequences"] = {"front": {"steps": STEPS, "open": ["ssh"]}, "back": {"steps": OTHER_STEPS, "open": ["admin"]}}
    return config


@pytest.fixture
def owner(lab, engine, config, tmp_path):
    """All of it runs; the owner has the gateway's file, made of its configuration."""
    owner = Owner(lab, engine.config_path.parent, engine.run_dir)
    owner.set_up()
    engine.trust_clock()
    engine.start()
    owner.start_agent()
    owner.wait_until_online()
    owner.file = tmp_path / "gateways" / f"{NAME}.toml"
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = [tmp_path / "gateways", "--from", tmp_path / "config.json", "--host", lab.gateway.ip4]
    owner.knocklet("init", *words)
    return owner


def edit(owner, old, new):
    text = owner.file.read_text()
    assert old in text
    owner.file.write_text(text.replace(old, new))


def test_push_and_back(lab, engine, owner):
    assert owner.knocklet("push", NAME, "--yes").stdout == f"{NAME}: nothing to do\n"
    edit(owner, 'open = ["ssh"]', 'open = ["ssh", "admin"]')
    told = json.loads(owner.knocklet("push", NAME, "--yes", "--json").stdout)["gateways"][0]
    assert (told["outcome"], told["changes"]) == (
        "in force", [{"key": "sequences.front.open", "old": '["ssh"]', "new": '["ssh", "admin"]'}],
    )  # fmt: skip
    engine.expect_event("config_applied", version=f"{told['version']:016x}")
    lab.knock(STEPS)
    engine.expect_event("opened", service="admin")
    edit(owner, 'open = ["ssh", "admin"]', 'open = ["ssh"]')
    assert "in force" in owner.knocklet("push", NAME, "--yes").stdout
    assert "in force" in owner.knocklet("rollback", NAME, "--yes").stdout
    assert owner.knocklet("diff", NAME).stdout == (
        f'{NAME}:\n~ sequences.front.open = ["ssh", "admin"] -> ["ssh"]\n'
    )
    outcomes = [each["outcome"] for each in json.loads(owner.knocklet("history", "--json").stdout)["gateways"][0]["pushed"]]
    assert outcomes == ["in force"] * 3


def test_what_is_taken_away_is_gone_at_once(lab, engine, owner):
    owner.file.write_text(re.sub(r"(?s)\[sequences\.back\].*?(?=\n\[|\Z)", "", owner.file.read_text()))
    told = json.loads(owner.knocklet("push", NAME, "--yes", "--json").stdout)["gateways"][0]
    assert (told["outcome"], told["confirm_s"]) == ("in force", 0)
    lab.knock(OTHER_STEPS)
    assert engine.events("opened") == []
    assert engine.events("config_trial") == []


def test_a_trial(lab, engine, owner):
    edit(owner, 'open = ["ssh"]', 'open = ["ssh", "admin"]')
    assert "on trial for 90 s" in owner.knocklet("push", NAME, "--yes", "--no-confirm").stdout
    lab.knock(STEPS)
    engine.expect_event("opened", service="admin")
    assert "has ended" in owner.knocklet("rollback", NAME).stdout
    engine.expect_event("config_rolled_back", reason="owner")
    owner.knocklet("push", NAME, "--yes", "--no-confirm")
    assert "in force" in owner.knocklet("confirm", NAME).stdout
    engine.expect_event("config_applied")


def test_commands(lab, engine, owner):
    assert "admin is open for 198.51.100.77 until" in owner.knocklet("open", NAME, "admin", "198.51.100.77").stdout
    engine.expect_event("opened", service="admin", source="198.51.100.77")
    owner.knocklet("close", NAME, "admin", "198.51.100.77")
    engine.expect_event("closed", service="admin", reason="owner")
    owner.knocklet("disarm", NAME)
    lab.knock(STEPS)
    engine.expect_event("refused", reason="disarmed")
    owner.knocklet("arm", NAME)
    assert "all is well" in owner.knocklet("selftest", NAME, check=False).stdout
    assert "reloaded" in owner.knocklet("reload", NAME).stdout
    assert "services.ssh.port = 22" in owner.knocklet("pull", NAME).stdout


def test_approve(lab, engine, owner):
    edit(owner, "[services.ssh]\n", "[services.ssh]\napproval = true\n")
    assert "in force" in owner.knocklet("push", NAME, "--yes").stdout
    approving = owner.knocklet_process("approve", NAME, "ssh", "--yes", stderr=subprocess.PIPE)
    assert b"waiting for a request" in approving.stderr.readline()
    lab.knock(STEPS)
    engine.expect_event("request")
    assert approving.wait(20) == 0
    engine.expect_event("opened", service="ssh", source=lab.client.ip4)


def test_approve_who_waits_already(lab, engine, owner):
    edit(owner, "[services.ssh]\n", "[services.ssh]\napproval = true\n")
    owner.knocklet("push", NAME, "--yes")
    owner.start_collector()
    lab.knock(STEPS)
    wait_until(lambda: owner.log("--type", "request"), "it is collected", timeout_s=20)
    assert "approved: ssh for" in owner.knocklet("approve", NAME, "--yes").stdout
    engine.expect_event("opened", service="ssh", source=lab.client.ip4)
