"""What a gateway gets: its configuration with all secrets, its key, and the agent's file where a broker was set up here."""

import json

import pytest

from knocklet.core import policy
from knocklet_tool import settings, target_files, workspace
from knocklet_tool.errors import InputError

pytestmark = pytest.mark.usefixtures("no_sockets")


def test_configuration_and_key(owner):
    files = target_files.collect("home")
    assert set(files) == {"/etc/knocklet/config.json", "/etc/knocklet/key"}
    assert {mode for mode, _ in files.values()} == {0o600}
    assert files["/etc/knocklet/key"][1] == settings.load().gateway("home").key
    config = files["/etc/knocklet/config.json"][1]
    assert config == workspace.the_file("home").plaintext()
    assert [client.name for client in policy.load(config).clients] == ["anna"]


def test_the_agents_file_is_what_broker_setup_wrote_last(owner, home, knocklet):
    for place in ("first", "second"):
        assert knocklet("broker", "setup", home / place, "--host", "mqtt.home.arpa", "--gateway", "home").exit_code == 0
    (home / "elsewhere").mkdir()
    mode, data = target_files.collect("home")["/etc/knocklet/agent.json"]
    assert mode == 0o600 and data == (home / "second" / "agent-home.json").read_bytes()
    assert json.loads(data)["broker"]["password"] == (home / "second" / "passwords" / "home").read_text().strip()


def test_a_relative_folder_is_found_from_everywhere(owner, home, knocklet, monkeypatch):
    monkeypatch.chdir(home)
    assert knocklet("broker", "setup", "broker", "--host", "mqtt.home.arpa", "--gateway", "home").exit_code == 0
    monkeypatch.chdir("/")
    assert "/etc/knocklet/agent.json" in target_files.collect("home")


def test_a_broker_without_this_gateway(owner, home, knocklet):
    assert knocklet("broker", "setup", home / "broker", "--host", "mqtt.home.arpa", "--gateway", "attic").exit_code == 0
    assert "/etc/knocklet/agent.json" not in target_files.collect("home")


def test_a_password_that_others_may_read_is_not_used(owner, home, knocklet):
    assert knocklet("broker", "setup", home / "broker", "--host", "mqtt.home.arpa", "--gateway", "home").exit_code == 0
    (home / "broker" / "agent-home.json").chmod(0o644)
    with pytest.raises(InputError, match="agent-home.json: mode 0644 lets others read it"):
        target_files.collect("home")


def test_only_the_collectors_key(owner, home, knocklet):
    (home / "key").write_bytes(settings.load().gateway("home").event_key)
    assert knocklet("gateway", "remove", "home").exit_code == 0
    assert knocklet("gateway", "add", "home", "--collector-key-file", home / "key").exit_code == 0
    with pytest.raises(InputError, match="only the collector's key of home is known here"):
        target_files.collect("home")


def test_a_client_without_a_secret(owner):
    path = owner / "home.toml"
    path.write_text(path.read_text() + '\n[clients.ben]\nopen = ["ssh"]\n')
    with pytest.raises(InputError, match="clients.ben: its secret is not here"):
        target_files.collect("home")
