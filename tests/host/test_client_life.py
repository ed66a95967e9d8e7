"""Clients of a gateway with a file: add, rotate, revoke. File and secrets stay together, and no old secret comes back."""

import json
import os
import time

import pytest
from host.process import Process

from knocklet.core import policy
from knocklet_tool import clients, gateway_file, places, store_files
from knocklet_tool.gateway_model import REVOKED

pytestmark = pytest.mark.usefixtures("no_sockets")

HOME = """\
id = "home"
host = "home.example.net"   # from outside
interfaces = ["wan0"]

# the router itself
[services.ssh]
index = 1
port = 22

[services.camera]
index = 2
port = 8080
to = "192.168.1.50:80"
"""


def today():
    """When it is asked for: a whole run may go on over midnight."""
    return time.strftime("%Y-%m-%d")


@pytest.fixture
def file(gateways):
    (gateways / "home.toml").write_text(HOME)
    return gateways / "home.toml"


@pytest.fixture
def anna(file, knocklet):
    words = ["--open", "ssh", "--open", "camera", "--kind", "spa", "--kind", "fwknop", "--source", "any"]
    result = knocklet("client", "add", "anna", *words)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == "Client anna of home has a new secret, and may open ssh, camera.\nnext: knocklet push home\n"
    return clients.load().client("anna")


def secrets_of(client):
    fwknop = client.fwknop.as_json() if client.fwknop else {}
    return [each for each in (client.key and client.key.hex(), fwknop.get("key"), fwknop.get("hmac_key")) if each]


def stored():
    return "".join(path.read_text() for path in places.config_dir().iterdir())


def given():
    return json.loads(gateway_file.load("home").plaintext())


def test_add(file, anna):
    added = '\n[clients.anna]\nopen = ["ssh", "camera"]\nkinds = ["spa", "fwknop"]\nsource = "any"\n'
    assert file.read_text() == HOME + added
    assert (anna.open, anna.kinds, anna.source, len(anna.key)) == (("ssh", "camera"), ("spa", "fwknop"), "any", 32)
    assert len(secrets_of(anna)) == 3 and all(secret in stored() for secret in secrets_of(anna))
    assert policy.load(gateway_file.load("home").plaintext()).clients[0].fingerprint == anna.keys().fingerprint
    assert '"anna"' not in (places.config_dir() / "clients.json").read_text()


def test_add_says_only_what_does_not_go_without_saying(file, knocklet):
    knocklet("client", "add", "bert", "--open", "ssh")
    assert file.read_text() == HOME + '\n[clients.bert]\nopen = ["ssh"]\n'


def test_the_commands_of_a_client(file, anna, knocklet):
    """As those of one whose gateway has no file."""
    assert knocklet("client", "list").stdout == "home  anna  spa,fwknop  ssh,camera\n"
    assert knocklet("client", "show", "anna").exit_code == knocklet("client", "qr", "anna").exit_code == 0
    for command in ("export", "fwknoprc"):
        with Process(file.parent.parent, "client", command, "anna") as done:
            assert done.wait() == 0 and "home" in done.stdout
    made = policy.load(HOME_JSON, knocklet("client", "file").stdout_bytes)
    assert made.clients[0].fingerprint == anna.keys().fingerprint


HOME_JSON = json.dumps({
    "id": "home", "interfaces": ["wan0"],
    "services": {"ssh": {"index": 1, "port": 22}, "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80"}},
}).encode()  # fmt: skip


def test_revoke(file, anna, knocklet):
    result = knocklet("client", "revoke", "anna")
    assert result.exit_code == 0
    told = "Client anna of home is taken out, and its secrets are revoked.\nnext: knocklet push home\n"
    assert (result.stdout, result.stderr) == ("", told)
    prints = anna.fingerprints()
    assert file.read_text() == HOME + (
        f'\n[revoked]\nanna-{today()} = "{prints[""]}"\nanna-fwknop-{today()} = "{prints["fwknop"]}"\n'
    )
    assert given()["revoked"] == sorted(prints.values()) and "clients" not in given()
    made = policy.load(json.dumps(given() | {"clients": {"anna": anna.as_json()}}).encode())   # an old file comes back
    assert made.clients == []
    assert not any(secret in stored() for secret in secrets_of(anna))
    assert "client 'anna' is not known" in knocklet("client", "show", "anna").stderr


def test_rotate(file, anna, knocklet):
    before = file.read_text()
    result = knocklet("client", "rotate", "anna")
    assert result.stderr.splitlines() == [
        "Client anna of home has new secrets, and the old ones are revoked.",
        "Who uses it needs them: knocklet client export anna --gateway home, or page, qr, fwknoprc.",
        "next: knocklet push home",
    ]
    new = clients.load().client("anna")
    assert not set(secrets_of(anna)) & set(secrets_of(new)) and len(secrets_of(new)) == 3
    assert (new.open, new.kinds, new.source) == (anna.open, anna.kinds, anna.source) and new.issued >= anna.issued
    assert not any(secret in stored() for secret in secrets_of(anna))
    assert file.read_text().startswith(before)
    assert given()["revoked"] == sorted(anna.fingerprints().values())
    assert given()["clients"]["anna"]["key"] == new.key.hex()
    knocklet("client", "rotate", "anna")   # twice on a day
    assert f"anna-{today()}-2" in file.read_text() and f"anna-fwknop-{today()}-2" in file.read_text()
    assert len(given()["revoked"]) == 4


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_a_secret_is_not_forgotten_before_it_is_revoked(file, anna, knocklet, monkeypatch, command):
    """The disk is full: nothing has changed, and the next try does it all."""
    before = file.read_text()
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        result = knocklet("client", command, "anna")
        assert result.exit_code == 2 and "No space left" in result.stderr
    assert file.read_text() == before and clients.load().client("anna") == anna
    assert knocklet("client", command, "anna").exit_code == 0
    assert given()["revoked"] == sorted(anna.fingerprints().values())


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_stopped_between_file_and_secrets(file, anna, knocklet, monkeypatch, command):
    """The other way round the old secret could come back; so it is done again, and no fingerprint is listed twice."""
    with monkeypatch.context() as broken:
        broken.setattr(clients, "edit", fail)
        with pytest.raises(OSError):
            knocklet("client", command, "anna")
    assert set(anna.fingerprints().values()) <= set(given_revoked(file))
    if command == "rotate":
        assert knocklet("client", "rotate", "anna").exit_code == 0
        assert sorted(given_revoked(file)) == sorted(anna.fingerprints().values())
        assert clients.load().client("anna").key != anna.key


def given_revoked(file):
    return [line.split('"')[1] for line in file.read_text().partition("[revoked]")[2].splitlines() if '"' in line]


def fail(*arguments):
    raise OSError(28, "No space left on device")


def test_the_oldest_leave_a_full_list(file, anna, knocklet):
    """Nobody who has to be shut out now waits for a list to be tidied."""
    rest = "".join(f'old-{number} = "{number:016x}"\n' for number in range(REVOKED - 1))
    file.write_text(file.read_text() + "\n[revoked]   # a comment\n" + rest)
    result = knocklet("client", "revoke", "anna")
    assert result.exit_code == 0, result.stderr
    assert "[revoked] was full: 1 of the oldest left it" in result.stderr
    revoked = given_revoked(file)
    assert len(revoked) == REVOKED and set(anna.fingerprints().values()) <= set(revoked)
    assert f"{0:016x}" not in revoked and f"{1:016x}" in revoked and "# a comment" in file.read_text()


def test_without_its_secret(file, anna, knocklet):
    """Of a file that came from another computer."""
    (places.config_dir() / "client-secrets.json").unlink()
    result = knocklet("client", "list")
    assert result.stdout == "no client yet\n" and "home also has anna: its secret is not here" in result.stderr
    assert "client anna is known already at home" in knocklet("client", "add", "anna", "--open", "ssh").stderr
    result = knocklet("client", "rotate", "anna")
    assert result.stderr.startswith("Client anna of home has new secrets.\n")
    assert "[revoked]" not in file.read_text() and "anna" in given()["clients"]
    (places.config_dir() / "client-secrets.json").unlink()
    result = knocklet("client", "revoke", "anna")
    assert result.stderr.startswith("Client anna of home is taken out. Its secret was not here: it is not listed as revoked.\n")
    assert file.read_text() == HOME


def test_a_kind_that_was_written_by_hand(file, anna, knocklet):
    """Its secret is made by rotate; of a kind that was taken out the secret stays away from the gateway."""
    file.write_text(file.read_text().replace('["spa", "fwknop"]', '["fwknop"]'))
    assert "key" not in given()["clients"]["anna"]
    knocklet("client", "add", "bert", "--open", "ssh")
    file.write_text(file.read_text().replace('[clients.bert]\n', '[clients.bert]\nkinds = ["spa", "fwknop"]\n'))
    assert "bert" in clients.load().without_secret["home"]
    assert knocklet("client", "rotate", "bert").exit_code == 0
    assert {"key", "fwknop"} <= set(given()["clients"]["bert"])


def test_import_where_the_file_is(file, anna, knocklet, tmp_path):
    """The secret of a client of the file; what the file says counts."""
    with Process(tmp_path, "client", "export", "anna") as done:
        assert done.wait() == 0
        fields = json.loads(done.stdout)
    (places.config_dir() / "client-secrets.json").unlink()
    fields["gateway"]["spa_port"] = 6000
    (tmp_path / "anna").write_text(json.dumps(fields))
    result = knocklet("client", "import", tmp_path / "anna")
    assert result.exit_code == 0 and "described otherwise" not in result.stderr
    assert clients.load().client("anna") == anna and clients.load().gateway("home").spa_port == 62201
    fields["client"]["name"] = "carl"
    (tmp_path / "carl").write_text(json.dumps(fields))
    result = knocklet("client", "import", tmp_path / "carl")
    assert result.exit_code == 2 and "home.toml: has no client carl; knocklet client add makes one" in result.stderr


def test_what_another_file_has_is_kept(file, anna, knocklet, gateways, monkeypatch):
    """Secrets of clients that no file has at the moment: of another gateways, or of another branch in git."""
    other = gateways.parent / "other"
    other.mkdir()
    (other / "attic.toml").write_text(HOME.replace('"home"', '"attic"'))
    with monkeypatch.context() as there:
        there.setenv("KNOCKLET_WORKSPACE", str(other))
        assert knocklet("client", "add", "bert", "--open", "ssh").exit_code == 0
        assert knocklet("client", "revoke", "bert").exit_code == 0
    assert clients.load().client("anna") == anna
    text = file.read_text()
    file.write_text(HOME)
    knocklet("client", "add", "bert", "--open", "ssh")
    file.write_text(text)
    assert clients.load().client("anna") == anna


@pytest.mark.parametrize(
    "words, line",
    [
        (["add", "anna", "--open", "ssh"], "client anna is known already at home; knocklet client revoke anna forgets"),
        (["add", "bert", "--open", "telnet"], "home has no service 'telnet'; it has: camera, ssh"),
        (["remove", "anna"], "knocklet client revoke anna takes it out"),
        (["revoke", "bert"], "client 'bert' is not known; known: anna"),
        (["rotate", "bert"], "client 'bert' is not known; known: anna"),
        (["revoke", "anna", "--gateway", "attic"], "client 'anna' is not known at 'attic'"),
    ],
)
def test_mistakes(file, anna, knocklet, words, line):
    before = file.read_text(), store_files.read()
    result = knocklet("client", *words)
    assert (result.exit_code, result.stdout) == (2, "") and line in result.stderr
    assert result.stderr.count("\n") == 1
    assert (file.read_text(), store_files.read()) == before


def test_of_two_gateways(file, anna, gateways, knocklet):
    (gateways / "attic.toml").write_text(HOME.replace('"home"', '"attic"'))
    assert knocklet("client", "add", "anna", "--open", "ssh", "--gateway", "attic").exit_code == 0
    assert "client anna is at attic, home; --gateway says which" in knocklet("client", "revoke", "anna").stderr
    assert knocklet("client", "revoke", "anna", "--gateway", "attic").exit_code == 0
    assert clients.load().client("anna") == anna


def test_without_a_file(home, knocklet):
    """Who only knocks: as before there were workspaces."""
    (home / "config.json").write_bytes(HOME_JSON)
    knocklet("gateway", "describe", "home", home / "config.json", "--host", "h")
    knocklet("client", "add", "anna", "--open", "ssh")
    for command in ("revoke", "rotate"):
        result = knocklet("client", command, "anna")
        assert result.exit_code == 2 and "home has no file in the workspace; knocklet client" in result.stderr
    assert knocklet("client", "remove", "anna").exit_code == 0


def test_what_a_gateway_would_refuse(file, knocklet):
    for number in range(16):
        assert knocklet("client", "add", f"phone-{number}", "--open", "ssh", "--kind", "fwknop").exit_code == 0
    before = file.read_text()
    result = knocklet("client", "add", "more", "--open", "ssh", "--kind", "fwknop")
    assert result.exit_code == 2 and "clients: found 17 of kind fwknop; allowed: 16" in result.stderr
    assert file.read_text() == before
    policy.load(gateway_file.load("home").plaintext())
