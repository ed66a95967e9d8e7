"""A gateway's TOML file: what the gateway gets of it, every mistake with its line, and edits that are whole or not at all."""

import json
import os
import stat
from dataclasses import replace

import pytest
from host.process import Process

from knocklet.core import policy
from knocklet_tool import clients, gateway_file, places, store_files, workspace
from knocklet_tool.client_secrets import new_client
from knocklet_tool.errors import InputError
from knocklet_tool.gateway_file import GatewayFile
from knocklet_tool.workspace import chosen

pytestmark = pytest.mark.usefixtures("no_sockets")

HOME = """\
# the house
id = "home"
host = "home.example.net"
groups = ["family"]
interfaces = ["wan0"]
spa_port = 6000
retired = [3]

[services.ssh]
index = 1
port = 22

[services.camera]
index = 2
port = 8080
to = "192.168.1.50:80"

[sequences.front]   # its steps are secret
open = ["camera"]

[sequences.leave]
steps = ["52040/tcp", "23171/tcp"]
close = ["camera"]

[clients.anna]
open = ["ssh", "camera"]
kinds = ["spa", "fwknop"]

[clients.bert]
open = ["ssh"]
kinds = ["otp"]
source = "any"
"""
STEPS = ["40001/tcp", "30002/udp", "50003/tcp", "20004/tcp"]


@pytest.fixture
def home_file(gateways):
    """home.toml, and the secrets that go with it."""
    (gateways / "home.toml").write_text(HOME)
    with store_files.edit() as files:
        files.steps["home"] = {"front": STEPS}
    with clients.edit() as store:
        store.add(new_client("anna", "home", ("ssh", "camera"), ("spa", "fwknop"), "packet"))
        store.add(new_client("bert", "home", ("ssh",), ("otp",), "any"))
    return gateways / "home.toml"


def test_what_the_gateway_gets(home_file):
    file = gateway_file.load("home")
    assert (file.name, file.host, file.groups) == ("home", "home.example.net", ["family"])
    data = file.plaintext()
    assert data == json.dumps(json.loads(data), separators=(",", ":"), sort_keys=True).encode()
    made = policy.load(data)
    assert (made.name, made.interfaces, made.spa_port) == ("home", ["wan0"], 6000)
    assert [(each.name, each.index, each.port) for each in made.services] == [("camera", 2, 8080), ("ssh", 1, 22)]
    assert [step[1] for step in made.sequences[0].steps] == [40001, 30002, 50003, 20004]
    anna, bert = made.clients
    known = clients.load().clients["home"]
    assert (anna.kinds, anna.source, [each.name for each in anna.services]) == (["spa", "fwknop"], "packet", ["ssh", "camera"])
    assert (bert.kinds, bert.source, bert.issued_us) == (["otp"], "any", known["bert"].issued * 1_000_000)
    assert (anna.fingerprint, anna.fwknop.key) == (known["anna"].keys().fingerprint, known["anna"].fwknop.key)
    assert [each.fingerprints() for each in known.values()] == [
        {"": anna.fingerprint.hex(), "fwknop": anna.fwknop_fingerprint.hex()}, {"": bert.fingerprint.hex()},
    ]  # fmt: skip


def test_what_the_gateway_does_not_get(home_file):
    """`revoked` is left out when it is empty."""
    given = json.loads(gateway_file.load("home").plaintext())
    assert not {"host", "groups", "retired", "revoked"} & set(given)
    revoked = '[revoked]\nb-2026-11-30 = "00000000000000ff"\na-2026-11-29 = "00000000000000fe"\nc = "00000000000000ff"\n'
    home_file.write_text(HOME + revoked)
    given = json.loads(gateway_file.load("home").plaintext())
    assert given["revoked"] == ["00000000000000fe", "00000000000000ff"]
    assert policy.load(gateway_file.load("home").plaintext()).revoked == [bytes(7) + b"\xfe", bytes(7) + b"\xff"]


def test_what_is_known_here_follows_the_file(home_file):
    """At once: no command has to be run for it."""
    store = clients.load()
    gateway = store.gateway(None)
    assert (gateway.host, gateway.spa_port, gateway.service("camera").port) == ("home.example.net", 6000, 8080)
    assert store.client("anna").open == ("ssh", "camera")
    before = store.client("anna").key
    home_file.write_text(HOME.replace("6000", "6001").replace('open = ["ssh", "camera"]', 'open = ["camera"]'))
    store = clients.load()
    assert (store.gateway("home").spa_port, store.client("anna").open, store.client("anna").key) == (6001, ("camera",), before)


def test_secrets_are_nowhere_else(home_file):
    anna, bert = clients.load().clients["home"].values()
    fwknop = anna.fwknop.as_json()
    secrets = [anna.key.hex(), bert.key.hex(), fwknop["key"], fwknop["hmac_key"], *STEPS]
    directory = places.config_dir()
    told = home_file.read_text() + (directory / "clients.json").read_text() + repr(clients.load()) + repr(store_files.read())
    assert "anna" in told and not any(secret in told for secret in secrets)
    for name in ("client-secrets.json", "sequence-secrets.json"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    (directory / "sequence-secrets.json").chmod(0o640)
    with pytest.raises(InputError, match="sequence-secrets.json: mode 0640 lets others read it"):
        gateway_file.load("home")


def test_without_a_secret(home_file, knocklet):
    """Of a file that came from another computer: all but what needs it works, and says how to get it."""
    (places.config_dir() / "client-secrets.json").unlink()
    assert clients.load().gateway("home").service("ssh").port == 22
    knock = ["knock", "home", "ssh"]
    for words in (knock, [*knock, "--client", "anna"], ["client", "show", "anna"], ["client", "qr", "anna"]):
        result = knocklet(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "its secret is not here; knocklet client rotate anna --gateway home makes one" in result.stderr
    with pytest.raises(InputError, match=r"home.toml:25: clients.anna: its secret is not here"):
        gateway_file.load("home").plaintext()


def test_without_steps(home_file):
    (places.config_dir() / "sequence-secrets.json").unlink()
    assert gateway_file.load("home").model.sequences["front"].steps == []
    with pytest.raises(InputError, match=r"home.toml:18: sequences.front: its steps are neither here"):
        gateway_file.load("home").plaintext()


def test_secret_steps_that_do_not_fit_are_not_told(home_file, knocklet):
    """A service took one's port; a hand wrote into the store."""
    home_file.write_text(HOME.replace("port = 22", "port = 40001"))
    for words in (["lint"], ["service", "list"], ["knock", "home", "ssh"]):
        result = knocklet(*words)
        assert result.exit_code == 2
        assert "home.toml:18: sequences.front: its secret steps do not go with the rest of the file" in result.stderr
        assert not any(step.partition("/")[0] in result.stderr for step in STEPS)
    home_file.write_text(HOME)
    with store_files.edit() as files:
        files.steps["home"] = {"front": ["77777/tcp"]}
    with pytest.raises(InputError, match="secret steps do not go") as caught:
        gateway_file.load("home")
    assert "77777" not in str(caught.value)


def test_two_with_one_secret(home_file):
    with clients.edit() as store:
        anna, bert = store.client("anna"), store.client("bert")
        store.add(replace(bert, key=anna.key))
    with pytest.raises(InputError, match="home.toml:29: clients.bert: has a secret of anna; allowed: one of its own"):
        gateway_file.load("home").plaintext()


def test_too_much_for_a_sealed_message(home_file, monkeypatch):
    size = len(gateway_file.load("home").plaintext())
    monkeypatch.setattr("knocklet_tool.gateway_file._PLAINTEXT_BYTES", size)
    gateway_file.load("home").plaintext()
    monkeypatch.setattr("knocklet_tool.gateway_file._PLAINTEXT_BYTES", size - 1)
    with pytest.raises(InputError, match=f"{size} bytes for the gateway; allowed: {size - 1}"):
        gateway_file.load("home").plaintext()


@pytest.mark.parametrize(
    "old, new, line",
    [
        ('"home"', '"attic"', "2: id: found 'attic'; allowed: 'home', as the file is called"),
        ('host = "home.example.net"\n', "", "1: host: missing"),
        ("home.example.net", "a b", "3: host: found 'a b'; allowed: a name or an address, without a port"),
        ('groups = ["family"]', 'groups = ["Family"]', "4: groups: found 'Family'; allowed: 1-32 characters of a-z"),
        ('groups = ["family"]', 'groups = ["a", "a"]', "4: groups: found a list of 2; allowed: a list of 0 to 16 names"),
        ("6000", "70000", "6: spa_port: found 70000; allowed: a whole number, 1-65535"),
        ("6000", "6000.0", "6: spa_port: found 6000.0; allowed: a whole number, 1-65535"),
        ("6000", "2026-11-30", "6: spa_port: found 2026-11-30; allowed: a whole number, 1-65535"),
        ("retired = [3]", "retired = [3, 1]", "7: retired: found 1; allowed: indexes of no service"),
        ("retired = [3]", "retired = [\n3,\n\n300]", "10: retired: found 300; allowed: a whole number, 1-255"),
        ("retired = [3]", "surprise = 3", "7: surprise: unknown key; allowed: clients, decoys, firewall"),
        ("port = 22", "prot = 22", "11: services.ssh.prot: unknown key; allowed: approval, cut"),
        ("port = 22", "", "9: services.ssh.port: missing"),
        ("port = 22", "port = 22\napproval = 1", "12: services.ssh.approval: found 1; allowed: true, false"),
        ("[services.ssh]", "[services.SSH]", "9: services.SSH: found 'SSH'; allowed: 1-32 characters of a-z"),
        ("[services.ssh]", "[[services.ssh]]", "9: services.ssh: found a list of 1; allowed: a table"),
        ('["52040/tcp", "23171/tcp"]', '[\n"52040/tcp",\n"22"]', "24: sequences.leave.steps: found 22/tcp, the port"),
        ('kinds = ["otp"]', 'key = "00ff00ff"', "31: clients.bert.key: unknown key; allowed: kinds, open, source"),
        ('open = ["ssh"]', 'open = ["telnet"]', "30: clients.bert.open: found 'telnet'; allowed: names of services"),
        ("[clients.bert]", "[clients.front]", "29: clients.front: found the name of a sequence; allowed: a name of its own"),
        ("[clients.bert]", '[revoked]\nx = "00FF"\n[clients.bert]', "30: revoked.x: found '00FF'; allowed: 16 hex digits"),
        ("[clients.bert]", '[revoked]\n"a b" = "00000000000000ff"\n[clients.bert]', "30: revoked.a b: found 'a b'; allowed"),
        ("[clients.bert]", "[clients.bert", "29: not TOML: "),
    ],
)
def test_mistakes(home_file, knocklet, old, new, line):
    assert old in HOME
    home_file.write_text(HOME.replace(old, new, 1) if old != 'open = ["ssh"]' else HOME.replace(old, new))
    for words in (["lint"], ["service", "list"], ["client", "add", "carl", "--open", "ssh"], ["knock", "home", "ssh"]):
        result = knocklet(*words)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert f"{home_file}:{line}" in result.stderr, words
        assert result.stderr.count("\n") == 1 and result.stderr[:-1].isprintable() and "00ff00ff" not in result.stderr


def test_the_first_of_several_mistakes(home_file):
    home_file.write_text(HOME.replace("6000", "0").replace("port = 22", "port = 0").replace('"any"', '"all"'))
    with pytest.raises(InputError, match="home.toml:6: spa_port"):
        gateway_file.load("home")


def test_one_that_is_wrong_does_not_hold_up_the_others(home_file, gateways, knocklet):
    (gateways / "attic.toml").write_text(HOME.replace('"home"', '"attic"').replace("6000", "0"))
    assert knocklet("client", "show", "anna", "--gateway", "home").exit_code == 0
    assert clients.load().gateway("home").spa_port == 6000
    result = knocklet("client", "list")
    assert "attic.toml:6: spa_port: found 0" in result.stderr and result.stdout.startswith("home  anna")
    assert "attic.toml:6: spa_port: found 0" in knocklet("gateway", "list").stderr
    assert "attic.toml:6: spa_port: found 0" in knocklet("knock", "attic", "ssh").stderr


def test_which_files(home_file, gateways):
    def names(*arguments):
        return [file.name for file in chosen(*arguments)]

    assert names([], False, None) == names(["home", "home"], False, None) == ["home"]
    (gateways / "attic.toml").write_text(HOME.replace('"home"', '"attic"').replace('["family"]', '["family", "far"]'))
    (gateways / "Notes.toml").write_text("no gateway's")
    assert names([], True, None) == names([], False, "family") == ["attic", "home"]
    assert names([], False, "far") == ["attic"]
    for arguments, why in (
        (([], False, None), "which gateway? in the workspace: attic, home"),
        (([], False, "near"), "no gateway is in group 'near'"),
        ((["home"], True, None), "names, --all and --group: one of them"),
        ((["home"], False, "far"), "names, --all and --group: one of them"),
        ((["hut"], False, None), "no file of gateway 'hut'; there: attic, home"),
    ):
        with pytest.raises(InputError, match=why.replace("?", r"\?")):
            chosen(*arguments)


def test_an_edit_is_whole_or_not_at_all(home_file, monkeypatch):
    home_file.chmod(0o644)
    file = GatewayFile.load("home")
    with file.edit() as edit:
        edit.document["spa_port"] = 6001
    assert home_file.read_text() == HOME.replace("6000", "6001")
    assert (file.model.spa_port, stat.S_IMODE(home_file.stat().st_mode)) == (6001, 0o644)
    with pytest.raises(InputError, match="home.toml:6: spa_port: found 0"), file.edit() as edit:
        edit.document["spa_port"] = 0
    with pytest.raises(ZeroDivisionError), file.edit() as edit:
        edit.document["spa_port"] = 1 / 0
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="No space left"), file.edit() as edit:
        edit.document["spa_port"] = 6002
    assert home_file.read_text() == HOME.replace("6000", "6001")
    assert [path.name for path in home_file.parent.iterdir()] == ["home.toml"]


def fail(handle):
    raise OSError(28, "No space left on device")


def test_an_edit_begins_with_the_file_as_it_is(home_file):
    """Not as it was read before."""
    file = GatewayFile.load("home")
    home_file.write_text(HOME.replace("6000", "6007"))
    with file.edit() as edit:
        edit.document["decoys"] = 32
    assert (file.model.spa_port, file.model.decoys) == (6007, 32)


def test_a_link_stays_one(home_file, tmp_path):
    home_file.rename(tmp_path / "real.toml")
    home_file.symlink_to(tmp_path / "real.toml")
    with GatewayFile.load("home").edit() as edit:
        edit.document["spa_port"] = 6001
    assert home_file.is_symlink() and "6001" in (tmp_path / "real.toml").read_text()


def test_edits_at_once_lose_nothing(home_file):
    started = [Process(home_file.parents[1], "client", "add", f"client-{number}", "--open", "ssh") for number in range(6)]
    for process in started:
        with process:
            assert process.wait() == 0, process.stderr
    assert len(workspace.the_file("home").model.clients) == len(clients.load().clients["home"]) == 8
