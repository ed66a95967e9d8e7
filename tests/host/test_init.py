"""`knocklet init`: the workspace, new files, and files made of what a gateway has; never over one that is there."""

import json
import os
import stat
import tomllib

import pytest

from knocklet.core import policy
from knocklet_tool import clients, gateway_file, gateway_model, places, settings, workspace_folder

pytestmark = pytest.mark.usefixtures("home", "no_sockets")

KEY = "00ff" * 16
FWKNOP = {"key": "c3dvcmRmaXNo", "hmac_key": "bm8gc2VjcmV0IGF0IGFsbA==", "hmac": "sha256"}
CONFIG = {
    "id": "home",
    "interfaces": ["wan0"],
    "zone": "reject",
    "decoys": 32,
    "otp": {"count": 8},
    "services": {
        "ssh": {"index": 1, "port": 22},
        "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "masquerade": True, "idle": 60, "max": 3600},
    },
    "sequences": {
        "family": {"steps": ["23171/tcp", "41822/udp", "30955/tcp", "52040/tcp"], "open": ["camera"]},
        "leave": {"steps": ["52040/tcp", "23171/tcp"], "window": 5, "close": ["camera"]},
    },
}
CLIENTS = {
    "anna": {"open": ["ssh", "camera"], "kinds": ["spa", "otp"], "source": "any", "issued": 1_795_454_680, "key": KEY},
    "phone": {"open": ["camera"], "kinds": ["fwknop"], "issued": 1_795_454_681, "fwknop": FWKNOP},
}
SECRETS = [KEY, FWKNOP["key"], FWKNOP["hmac_key"], "23171", "41822", "30955", "52040"]


@pytest.fixture
def config(home):
    """Writes files; returns the words that name them."""

    def write(values=CONFIG, clients=None):
        (home / "config.json").write_text(json.dumps(values))
        if clients is None:
            return ["--from", home / "config.json"]
        (home / "clients.json").write_text(json.dumps({"clients": clients}))
        return ["--from", home / "config.json", "--clients", home / "clients.json"]

    return write


def test_a_workspace_is_remembered(home, knocklet):
    result = knocklet("init", home / "gateways", "--gateway", "home", "--host", "home.example.net")
    assert (result.exit_code, result.stdout) == (0, "")
    path = home / "gateways" / "home.toml"
    assert result.stderr.splitlines()[:2] == [f"The workspace is {home / 'gateways'}.", f"{path} is new: ssh."]
    for step in ("gateway add home", "broker use HOST", "client add NAME --gateway home", "push home"):
        assert step in result.stderr
    assert settings.load().workspace == str(home / "gateways")
    assert knocklet("init", "--gateway", "attic", "--host", "192.0.2.7").exit_code == 0
    assert workspace_folder.names() == ["attic", "home"]
    assert stat.S_IMODE((home / "gateways").stat().st_mode) == 0o700
    assert knocklet("init").stderr.startswith(f"The workspace is {home / 'gateways'}.\n")


def test_settings_keep_it(home, knocklet):
    """And it keeps the rest."""
    knocklet("gateway", "add", "home")
    key = settings.load().gateway("home").key
    knocklet("init", home / "gateways")
    knocklet("gateway", "add", "attic")
    assert settings.load().workspace == settings.workspace() == str(home / "gateways")
    assert settings.load().gateway("home").key == key


def test_the_folder_in_which_it_runs(home, knocklet, monkeypatch):
    (home / "here").mkdir()
    monkeypatch.chdir(home / "here")
    assert knocklet("init").exit_code == 0
    assert workspace_folder.find() == home / "here"


def test_the_environment_counts_more(home, knocklet, monkeypatch):
    knocklet("init", home / "one", "--gateway", "home", "--host", "h.example")
    monkeypatch.setenv("KNOCKLET_WORKSPACE", str(home / "two"))
    result = knocklet("lint")
    assert result.exit_code == 2
    assert "two: the workspace is not there; knocklet init FOLDER or KNOCKLET_WORKSPACE" in result.stderr
    assert knocklet("init", "--gateway", "attic", "--host", "h.example").exit_code == 0
    assert (workspace_folder.names(), settings.workspace()) == (["attic"], str(home / "one"))
    result = knocklet("init", home / "three")
    assert result.exit_code == 2 and "KNOCKLET_WORKSPACE names another folder" in result.stderr
    assert settings.workspace() == str(home / "one") and not (home / "three").exists()


def test_the_template_is_good_and_says_every_key(home, knocklet):
    knocklet("init", home / "gateways", "--gateway", "home", "--host", "h", "--interface", "wan0", "--interface", "ppp0")
    text = (home / "gateways" / "home.toml").read_text()
    made = policy.load(gateway_file.load("home").plaintext())
    assert (made.interfaces, [service.name for service in made.services]) == (["wan0", "ppp0"], ["ssh"])
    for table in ("Gateway", "Service", "Sequence", "Client", "Otp"):
        for key in getattr(gateway_model, table).model_fields:
            assert key in text or key in ("retired", "steps"), key
    everything = text
    for key in ("zone", "firewall", "decoys", "spa_port", "fwknop_port"):
        assert f"\n# {key} = " in everything
        everything = everything.replace(f"\n# {key} = ", f"\n{key} = ")
    (home / "gateways" / "home.toml").write_text(everything)   # what stands there as a comment is what goes without saying
    given = vars(policy.load(gateway_file.load("home").plaintext()))
    for key in ("zone", "firewall", "decoys", "spa_port", "fwknop_port"):
        assert given[key] == vars(made)[key]


def test_interfaces_are_the_boards(home, knocklet):
    """Nothing is said of them: they are not in what the gateway gets."""
    knocklet("init", home / "gateways", "--gateway", "home", "--host", "h")
    assert "interfaces" not in json.loads(gateway_file.load("home").plaintext())
    path = home / "gateways" / "home.toml"
    assert "\n# interfaces = " in path.read_text()
    path.write_text(path.read_text().replace("\n# interfaces = ", "\ninterfaces = "))
    assert policy.load(gateway_file.load("home").plaintext()).interfaces == ["eth0"]


def test_never_over_a_file(home, knocklet, config):
    knocklet("init", home / "gateways", "--gateway", "home", "--host", "h.example")
    path = home / "gateways" / "home.toml"
    path.write_text("mine")
    for words in (["--gateway", "home"], config()):
        result = knocklet("init", *words, "--host", "h.example")
        assert (result.exit_code, path.read_text()) == (2, "mine")
        assert f"{path}: is there already; edit it" in result.stderr


@pytest.mark.parametrize("apart", [True, False])
def test_from_a_configuration(home, knocklet, config, apart):
    """The gateway gets what it had."""
    words = config(CONFIG, CLIENTS) if apart else config(CONFIG | {"clients": CLIENTS})
    result = knocklet("init", home / "gateways", *words, "--host", "home.example.net")
    assert result.exit_code == 0, result.stderr
    text = (home / "gateways" / "home.toml").read_text()
    assert not any(secret in text + result.stderr for secret in SECRETS)
    assert json.loads(gateway_file.load("home").plaintext()) == CONFIG | {"clients": CLIENTS}
    assert clients.load().client("anna").as_json() == CLIENTS["anna"]
    for name in ("client-secrets.json", "sequence-secrets.json"):
        assert stat.S_IMODE((places.config_dir() / name).stat().st_mode) == 0o600
    assert "client add" not in result.stderr


def test_what_is_revoked_stays_so(home, knocklet, config):
    """As `knocklet pull` writes it, without names."""
    revoked = ["00112233445566ff", "a" * 16]
    result = knocklet("init", home / "gateways", *config(CONFIG | {"revoked": revoked}), "--host", "home.example.net")
    assert result.exit_code == 0, result.stderr
    assert json.loads(gateway_file.load("home").plaintext())["revoked"] == revoked


def test_from_standard_input(home, knocklet, config):
    config()
    stdin = os.dup(0)
    try:
        with open(home / "config.json", "rb") as file:
            os.dup2(file.fileno(), 0)
        result = knocklet("init", home / "gateways", "--from", "-", "--host", "h")
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
    assert result.exit_code == 0, result.stderr
    assert tomllib.loads((home / "gateways" / "home.toml").read_text())["zone"] == "reject"


def test_with_the_clients_that_are_known_here(home, knocklet, config):
    """As it was before there was a workspace: their secrets stay, and the address."""
    config()
    knocklet("gateway", "describe", "home", home / "config.json", "--host", "home.example.net")
    knocklet("client", "add", "anna", "--open", "ssh", "--kind", "otp", "--kind", "fwknop")
    before = clients.load()
    result = knocklet("init", home / "gateways", "--gateway", "home", "--host", "h.example")
    assert "home is described here already; --from CONFIG.json" in result.stderr
    assert knocklet("init", home / "gateways", "--from", home / "config.json").exit_code == 0
    after = clients.load()
    assert (after.gateways, after.clients) == (before.gateways, before.clients)
    assert knocklet("client", "rotate", "anna").exit_code == 0   # the first that writes the store
    assert json.loads((places.config_dir() / "clients.json").read_text()) == {"gateways": [], "clients": {}}
    assert clients.load().client("anna").open == ("ssh",)


def test_a_gateway_with_a_file_is_described_by_it(home, knocklet, config):
    knocklet("init", home / "gateways", *config(), "--host", "home.example.net")
    result = knocklet("gateway", "describe", "home", home / "config.json", "--host", "h")
    assert result.exit_code == 2
    assert f"gateway home has a file, which describes it: {home / 'gateways' / 'home.toml'}" in result.stderr
    assert "home  no key  home.example.net  camera 8080/tcp, ssh 22/tcp" in knocklet("gateway", "list").stdout
    knocklet("gateway", "add", "home")
    assert "Its file stays: " in knocklet("gateway", "remove", "home").stderr
    assert "home  no key  home.example.net" in knocklet("gateway", "list").stdout


@pytest.mark.parametrize(
    "change, words, line",
    [
        ({}, [], "--host: its name or address"),
        ({}, ["--host", "a b"], "config.json: host: found 'a b'; allowed: a name or an address"),
        ({}, ["--host", "h", "--gateway", "attic"], "id: 'home'; allowed: 'attic', every key is made for this name"),
        ({"id": "Home"}, ["--host", "h"], "gateway 'Home': allowed: 1-32"),
        ({"id": 3}, ["--host", "h"], "config.json: id: 3; allowed: a text"),
        ({"zone": "open"}, ["--host", "h"], "config.json: zone: found 'open'; allowed: "),
        ({"zone": None}, ["--host", "h"], "config.json: zone: found None; allowed: "),
        ({"surprise": 1}, ["--host", "h"], "config.json: surprise: unknown key; allowed: "),
        ({"services": []}, ["--host", "h"], "config.json: services: found a list of 0; allowed: a table"),
        ({"sequences": {"a": {"steps": ["0"], "open": ["ssh"]}}}, ["--host", "h"], "sequences.a.steps: found '0'; allowed"),
        ({"sequences": {"a": 5}}, ["--host", "h"], "config.json: sequences.a: found 5; allowed: a table"),
        ({"clients": []}, ["--host", "h"], "config.json: clients: allowed: an object with at most 512"),
        ({"clients": {"a": {"open": ["ssh"], "key": KEY[1:]}}}, ["--host", "h"], "clients.a.key: allowed: 64 hex digits"),
        ({"clients": {"a": {"open": ["telnet"], "key": KEY}}}, ["--host", "h"], "clients.a.open: found 'telnet'; allowed"),
    ],
)  # fmt: skip
def test_mistakes_in_a_configuration(home, knocklet, config, change, words, line):
    result = knocklet("init", home / "gateways", *config(CONFIG | change), *words)
    assert result.exit_code == 2
    assert line in result.stderr, result.stderr
    assert not any(secret in result.stderr for secret in (KEY, KEY[1:]))
    assert not (home / "gateways" / "home.toml").exists()
    assert not (places.config_dir() / "client-secrets.json").exists()


@pytest.mark.parametrize(
    "words, line",
    [
        (["--host", "h"], "--gateway: what is its name?"),
        (["--gateway", "home"], "--host: its name or address"),
        (["--gateway", "Home", "--host", "h"], "gateway 'Home': allowed: 1-32"),
        (["--gateway", "home", "--host", "h:22"], "home.toml: host: found 'h:22'; allowed"),
        (["--gateway", "home", "--host", "h", "--interface", "wan 0"], "home.toml: interfaces: found 'wan 0'; allowed"),
        (["--gateway", "home", "--host", "h", "--clients", "x"], "--clients: only with --from"),
        (["--from", "none.json", "--host", "h"], "--from none.json: No such file"),
    ],
)
def test_mistakes(home, knocklet, words, line):
    result = knocklet("init", home / "gateways", *words)
    assert result.exit_code == 2 and line in result.stderr
    assert not (home / "gateways" / "home.toml").exists()


def test_another_secret_is_not_replaced(home, knocklet, config):
    config()
    knocklet("gateway", "describe", "home", home / "config.json", "--host", "h")
    knocklet("client", "add", "anna", "--open", "ssh")
    before = clients.load()
    result = knocklet("init", home / "gateways", *config(CONFIG, CLIENTS))
    assert result.exit_code == 2 and "client anna of home is known here, with another secret than in" in result.stderr
    assert clients.load() == before
