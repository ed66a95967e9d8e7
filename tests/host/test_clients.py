"""`knocklet gateway describe` and `client`: what is stored and who may read it, what the gateway and another computer get."""

import json
import os
import stat

import pytest
from host.process import Process, refuses_the_screen

from knocklet.core import policy
from knocklet_tool import clients, gateway_description

pytestmark = pytest.mark.usefixtures("home", "no_sockets")

CONFIG = {
    "id": "home",
    "interfaces": ["wan0"],
    "spa_port": 6000,
    "otp": {"protocol": "udp", "count": 5, "low": 30000, "high": 49999, "window": 5},
    "services": {
        "ssh": {"index": 1, "port": 22, "one_shot": True, "ttl": 60},
        "camera": {"index": 7, "protocol": "udp", "port": 8080, "to": "192.168.1.50:80", "to6": "[fd00::50]:81"},
    },
}
DESCRIBE = ["gateway", "describe", "home", "{home}/config.json", "--host", "home.example.net"]


@pytest.fixture
def described(home, knocklet):
    (home / "config.json").write_text(json.dumps(CONFIG))
    assert run(knocklet, home, DESCRIBE).exit_code == 0


@pytest.fixture
def anna(described, knocklet):
    result = knocklet("client", "add", "anna", "--open", "ssh", "--open", "camera", "--kind", "otp", "--kind", "spa")
    assert result.exit_code == 0, result.stderr
    return clients.load().client("anna")


@pytest.fixture
def phone(described, knocklet):
    words = ["--open", "ssh", "--kind", "fwknop", "--source", "stated"]
    assert knocklet("client", "add", "phone", *words).exit_code == 0
    return clients.load().client("phone")


def run(knocklet, home, words):
    return knocklet(*(word.replace("{home}", str(home)) for word in words))


def files(home):
    return {path.name: path for path in (home / "config" / "knocklet").iterdir()}


def secrets_of(*chosen):
    found = [client.key.hex() for client in chosen if client.key]
    for client in chosen:
        if client.fwknop:
            found += [client.fwknop.as_json()["key"], client.fwknop.as_json()["hmac_key"]]
    return found


def test_what_is_learnt_of_a_gateway(home, described, knocklet):
    gateway = clients.load().gateway("home")
    assert (gateway.host, gateway.spa_port, gateway.fwknop_port) == ("home.example.net", 6000, 62201)
    assert gateway.otp == gateway_description.Otp(17, 5, 30000, 49999)
    ssh, camera = gateway.service("ssh"), gateway.service("camera")
    assert (ssh.index, ssh.step, ssh.one_shot, ssh.families, ssh.to6) == (1, (6, 22), True, (4, 6), None)
    assert (camera.index, camera.step, camera.families, camera.to6) == (7, (17, 8080), (4, 6), ("fd00::50", 81))
    assert "192.168.1.50" not in files(home)["clients.json"].read_text()
    assert knocklet("gateway", "list").stdout == "home  no key  home.example.net  camera 8080/udp, ssh 22/tcp\n"
    knocklet("gateway", "add", "home")
    knocklet("gateway", "add", "attic")
    lines = knocklet("gateway", "list").stdout
    assert lines == "home   key  home.example.net  camera 8080/udp, ssh 22/tcp\nattic  key\n"


@pytest.mark.parametrize("to, to6, families", [(None, None, "46"), ("1.2.3.4:5", None, "4"), (None, "[fd00::1]:5", "6")])
def test_the_families_that_a_service_opens_for(home, knocklet, to, to6, families):
    fields = {"index": 1, "port": 80} | ({"to": to} if to else {}) | ({"to6": to6} if to6 else {})
    config = {"id": "home", "interfaces": ["wan0"], "services": {"web": fields}}
    (home / "config.json").write_text(json.dumps(config))
    assert run(knocklet, home, DESCRIBE).exit_code == 0
    judge = policy.load(json.dumps(config).encode()).services[0]
    assert clients.load().gateway("home").service("web").families == judge.families == tuple(map(int, families))


def test_described_anew(home, anna, knocklet):
    config = {**CONFIG, "services": {"ssh": {"index": 1, "port": 2222}}}
    (home / "config.json").write_text(json.dumps(config))
    result = run(knocklet, home, DESCRIBE)
    assert result.stderr.splitlines()[1] == "Client anna may open what home no longer has: camera."
    assert clients.load().gateway("home").service("ssh").port == 2222
    assert clients.load().client("anna") == anna
    result = knocklet("client", "file")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "knocklet: client anna may open 'camera', which home does not have\n"


def test_a_new_secret_each_time(anna, phone, knocklet):
    knocklet("client", "add", "bert", "--open", "ssh", "--kind", "fwknop", "--kind", "spa")
    bert = clients.load().client("bert")
    found = secrets_of(anna, phone, bert)
    assert len(found) == len(set(found)) == 6
    assert (anna.kinds, anna.open, anna.source, len(anna.key), anna.fwknop) == (
        ("otp", "spa"), ("ssh", "camera"), "packet", 32, None,
    )  # fmt: skip
    assert (phone.kinds, phone.source, phone.key) == (("fwknop",), "stated", None)
    assert (len(phone.fwknop.key), len(phone.fwknop.hmac_key)) == (32, 64)


def test_the_gateway_takes_its_file(anna, phone, knocklet):
    loaded = policy.load(json.dumps(CONFIG).encode(), knocklet("client", "file").stdout_bytes)
    one, other = loaded.clients
    assert (one.name, one.kinds, one.source, one.issued_us) == ("anna", ["otp", "spa"], "packet", anna.issued * 1_000_000)
    assert (one.keys.fingerprint, one.keys.enc) == (anna.keys().fingerprint, anna.keys().enc)
    assert [service.name for service in one.services] == ["ssh", "camera"]
    assert (other.name, other.source, other.keys) == ("phone", "stated", None)
    assert (other.fwknop.key, other.fwknop.hmac_key) == (phone.fwknop.key, phone.fwknop.hmac_key)
    assert loaded.spa_port == clients.load().gateway("home").spa_port


def test_the_last_client_can_be_taken_from_the_gateway(anna, knocklet):
    assert knocklet("client", "remove", "anna").exit_code == 0
    assert policy.load(json.dumps(CONFIG).encode(), knocklet("client", "file").stdout_bytes).clients == []


def test_to_another_computer(home, anna, phone, knocklet, monkeypatch):
    exported = {name: knocklet("client", "export", name).stdout for name in ("anna", "phone")}
    here = clients.load()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "laptop"))
    for name, text in exported.items():
        (home / "file").write_text(text)
        result = knocklet("client", "import", home / "file")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith(f"Client {name} of home is known here, and may open ssh")
    assert clients.load() == here
    assert knocklet("client", "import", home / "file").exit_code == 0   # again: nothing changes
    assert clients.load() == here


def test_import_replaces_no_other_secret(home, anna, knocklet):
    text = knocklet("client", "export", "anna").stdout
    (home / "file").write_text(text)
    knocklet("client", "remove", "anna")
    knocklet("client", "add", "anna", "--open", "ssh")
    stored = clients.load()
    result = knocklet("client", "import", home / "file")
    assert result.exit_code == 2
    assert "anna of home is known already, with another secret" in result.stderr
    assert clients.load() == stored


def test_list_show_and_remove(home, anna, phone, knocklet):
    assert knocklet("client", "list").stdout == "home  anna   otp,spa  ssh,camera\nhome  phone  fwknop   ssh\n"
    told = json.loads(knocklet("client", "list", "--json").stdout)["clients"]
    assert [(each["gateway"], each["name"], each["open"]) for each in told] == [
        ("home", "anna", ["ssh", "camera"]), ("home", "phone", ["ssh"]),
    ]  # fmt: skip
    assert "  opens   ssh, camera\n" in knocklet("client", "show", "anna").stdout
    assert knocklet("client", "remove", "phone").exit_code == 0
    assert knocklet("client", "list").stdout == "home  anna  otp,spa  ssh,camera\n"
    for secret in secrets_of(phone):
        assert secret not in "".join(path.read_text() for path in files(home).values())
    knocklet("client", "remove", "anna")
    assert knocklet("client", "list").stdout == "no client yet\n"


def test_clients_of_two_gateways(home, anna, knocklet):
    (home / "config.json").write_text(json.dumps({**CONFIG, "id": "attic"}))
    run(knocklet, home, ["gateway", "describe", "attic", "{home}/config.json", "--host", "192.0.2.7"])
    result = knocklet("client", "add", "anna", "--open", "ssh")
    assert "which gateway? described: home, attic" in result.stderr
    assert knocklet("client", "add", "anna", "--gateway", "attic", "--open", "ssh").exit_code == 0
    assert knocklet("client", "show", "anna").stderr == "knocklet: client anna is at home, attic; --gateway says which\n"
    other, gateway = clients.find("anna", "attic")
    assert (other.gateway, gateway.host) == ("attic", "192.0.2.7") and other.key != anna.key
    result = knocklet("gateway", "remove", "attic")
    assert result.stderr.splitlines()[1] == "Its clients stay: anna; knocklet client remove forgets one."
    assert "attic" not in knocklet("gateway", "list").stdout
    assert clients.load().client("anna", "attic") == other


def test_secrets_are_shown_by_one_command_only(home, anna, phone, knocklet):
    """And by the pipes that are made for them."""
    secrets = secrets_of(anna, phone)
    commands = [["gateway", "list"], ["client", "list"], ["client", "list", "--json"]]
    commands += [["client", "show", name, *json] for name in ("anna", "phone") for json in ([], ["--json"])]
    commands += [["client", "add", "anna", "--open", "ssh"], ["client", "qr", "anna"], ["client", "fwknoprc", "anna"]]
    for words in commands:
        result = knocklet(*words)
        assert not any(secret in result.stdout + result.stderr for secret in secrets), words
    told = repr(clients.load())
    assert "anna" in told and not any(secret in told for secret in secrets)
    assert repr(anna.key)[2:12] not in told and repr(phone.fwknop.key)[2:12] not in told
    for name, shown in (("anna", secrets_of(anna)), ("phone", secrets_of(phone))):
        result = knocklet("client", "show", name, "--secret")
        assert all(secret in result.stdout for secret in shown)
        assert result.stderr == "This is the secret: whoever sees it can knock.\n"


def test_a_secret_is_not_for_the_screen(home, anna, phone):
    for words in (["export", "anna"], ["file"], ["fwknoprc", "phone"]):
        refuses_the_screen(home, "client", *words)


def test_modes_and_secrets_apart(home, knocklet):
    umask = os.umask(0)
    try:
        (home / "config.json").write_text(json.dumps(CONFIG))
        run(knocklet, home, DESCRIBE)
        knocklet("client", "add", "anna", "--open", "ssh", "--kind", "spa", "--kind", "fwknop")
    finally:
        os.umask(umask)
    for path in files(home).values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for secret in secrets_of(clients.load().client("anna")):
        assert secret in files(home)["client-secrets.json"].read_text()
        assert secret not in files(home)["clients.json"].read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610])
def test_secrets_that_others_may_read(home, anna, knocklet, mode):
    files(home)["client-secrets.json"].chmod(mode)
    for words in (["client", "list"], ["client", "file"], ["knock", "home", "ssh"], ["client", "add", "b", "--open", "ssh"]):
        result = knocklet(*words)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert f"client-secrets.json: mode {mode:04o} lets others read it" in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["clients.json", "client-secrets.json"])
@pytest.mark.parametrize("text", ["{", "[]", "\0", "[" * 100_000, "{}", '{"clients": 3}', '{"home": {"anna": {"key": "abcd"}}}',
                                  '{"home": 3}', '{"clients": {"home": {"anna": []}}}', '{"gateways": [{}]}'])  # fmt: skip
def test_damaged_files(home, anna, knocklet, name, text):
    """One line, that quotes nothing of it."""
    files(home)[name].write_text(text)
    result = knocklet("client", "list")
    if result.exit_code:
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1 and "abcd" not in result.stderr
    else:
        assert name == "clients.json" and text in ("{}", '{"home": {"anna": {"key": "abcd"}}}', '{"home": 3}')


def test_two_at_once_lose_nothing(home, described, knocklet):
    started = [Process(home, "client", "add", f"client-{number}", "--open", "ssh") for number in range(8)]
    for process in started:
        with process:
            assert process.wait() == 0
    assert len(clients.load().clients["home"]) == 8


def config(**changed):
    return json.dumps({**CONFIG, **changed})


def service(**fields):
    return config(services={"ssh": {"index": 1, "port": 22} | fields})


@pytest.mark.parametrize(
    "text, line",
    [
        ("", "CONFIG.json {home}/config.json: empty"),
        ("{", "{home}/config.json: line 1: Expecting property name"),
        ("[]", "{home}/config.json: allowed: an object in braces"),
        ("[" * 100_000, "{home}/config.json: no JSON"),
        ("{}", "{home}/config.json: id: missing; allowed: the gateway's name"),
        (config(id="attic"), "{home}/config.json: id: 'attic'; allowed: 'home'"),
        (config(id=3), "{home}/config.json: id: 3; allowed: 1-32 of a-z"),
        (config(spa_port=0), "spa_port: 0; allowed: 1-65535"),
        (config(fwknop_port="x"), "fwknop_port: 'x'; allowed: 1-65535"),
        (config(services=[]), "services: allowed: an object with at most 64 entries"),
        (config(services={"SSH": {}}), "services: 'SSH'; allowed: 1-32 of a-z"),
        (config(services={"a": {"index": 1, "port": 1}, "b": {"index": 1, "port": 2}}), "1; allowed: an index of its own"),
        (service(index=256), "services.ssh.index: 256; allowed: 1-255"),
        (service(index=None), "services.ssh.index: None; allowed: 1-255"),
        (service(port=True), "services.ssh.port: True; allowed: 1-65535"),
        (service(protocol="sctp"), "services.ssh.protocol: 'sctp'; allowed: tcp, udp"),
        (service(one_shot=1), "services.ssh.one_shot: 1; allowed: true, false"),
        (service(to6="1.2.3.4:5"), "services.ssh.to6: '1.2.3.4:5'; allowed: an IPv6 address and port"),
        (config(otp=[]), "otp: allowed: an object in braces"),
        (config(otp={"count": 3}), "otp.count: 3; allowed: 4-16"),
        (config(otp={"low": 30000, "high": 39998}), "otp.high: 39998; allowed: at least 'low' + 9999"),
        (config(otp={"protocol": "both"}), "otp.protocol: 'both'; allowed: tcp, udp"),
    ],
)
def test_mistakes_in_a_configuration(home, knocklet, text, line):
    (home / "config.json").write_text(text)
    one_line(run(knocklet, home, DESCRIBE), line.replace("{home}", str(home)))
    assert knocklet("gateway", "list").stdout == "no gateway yet\n"


@pytest.mark.parametrize(
    "words, line",
    [
        (["gateway", "describe", "Home", "{home}/config.json", "--host", "h"], "gateway 'Home': allowed: 1-32 of a-z"),
        (["gateway", "describe", "home", "{home}/none", "--host", "h"], "CONFIG.json {home}/none: No such file"),
        (["gateway", "describe", "home", "{home}/config.json", "--host", "h:22"], "'h:22' is no host; allowed"),
        (["gateway", "describe", "home", "{home}/config.json", "--host", "a\x1b[2Jb"], "is no host"),
        (["gateway", "describe", "home", "{home}/config.json"], "Missing option '--host'"),
        (["client"], "Missing command"),
        (["client", "add", "anna", "--open", "ssh"], "client anna is known already at home"),
        (["client", "add", "Anna", "--open", "ssh"], "client 'Anna': allowed: 1-32"),
        (["client", "add", "bert"], "Missing option '--open'"),
        (["client", "add", "bert", "--open", "telnet"], "home has no service 'telnet'; it has: camera, ssh"),
        (["client", "add", "bert", "--open", "ssh", "--kind", "ssh"], "--kind 'ssh': allowed: spa, otp, fwknop"),
        (["client", "add", "bert", "--open", "ssh", "--source", "lan"], "--source 'lan': allowed: packet, stated, any"),
        (["client", "add", "bert", "--open", "ssh", "--gateway", "attic"], "gateway 'attic' is not described here"),
        (["client", "show", "bert"], "client 'bert' is not known; known: anna"),
        (["client", "show", "anna", "--gateway", "attic"], "client 'anna' is not known at 'attic'; known: none yet"),
        (["client", "remove", "bert"], "client 'bert' is not known"),
        (["client", "export", "bert"], "client 'bert' is not known"),
        (["client", "qr", "anna"], "client anna has no fwknop keys"),
        (["client", "fwknoprc", "anna"], "client anna has no fwknop keys"),
        (["client", "file", "--gateway", "attic"], "gateway 'attic' is not described here"),
        (["client", "import", "{home}/none"], "FILE {home}/none: No such file"),
        (["client", "import", "{home}/config.json"], "{home}/config.json: gateway: missing"),
    ],
)
def test_mistakes(home, anna, knocklet, words, line):
    stored = clients.load()
    one_line(run(knocklet, home, words), line.replace("{home}", str(home)))
    assert clients.load() == stored


@pytest.mark.parametrize(
    "change, line",
    [
        ({"key": "abcd" * 15}, "client.key: allowed: 64 hex digits"),
        ({"key": "zyxw" * 16}, "client.key: allowed: 64 hex digits"),
        ({"key": 3}, "client.key: allowed: 64 hex digits"),
        ({"name": "Anna"}, "client 'Anna': allowed: 1-32"),
        ({"kinds": []}, "client.kinds: []; allowed: a list of spa, otp, fwknop"),
        ({"kinds": ["spa", "spa"]}, "client.kinds: ['spa', 'spa']; allowed: each once"),
        ({"kinds": ["fwknop"]}, "client.fwknop: missing"),
        ({"kinds": ["fwknop"], "fwknop": {"key": "qrst!", "hmac_key": "Mg=="}}, "client.fwknop.key: allowed: 1-32 bytes"),
        ({"kinds": ["fwknop"], "fwknop": {"key": "Mg==", "hmac_key": "Mg=="}}, "client.fwknop.hmac_key: allowed: another one"),
        ({"issued": 0}, "client.issued: 0; allowed: 1-9999999999"),
        ({"source": "lan"}, "client.source: 'lan'; allowed: packet, stated, any"),
        ({"open": "ssh"}, "client.open: 'ssh'; allowed: a list of names of services"),
    ],
)
def test_mistakes_in_an_import(home, anna, knocklet, change, line):
    fields = json.loads(knocklet("client", "export", "anna").stdout)
    fields["client"] |= change
    (home / "file").write_text(json.dumps(fields))
    result = knocklet("client", "import", home / "file")
    one_line(result, f"{home}/file: {line}" if line.startswith("client.") else line)
    for secret in ("abcd", "zyxw", "qrst", *secrets_of(anna)):
        assert secret not in result.stderr


def test_what_a_gateway_would_refuse(described, knocklet):
    for number in range(16):
        assert knocklet("client", "add", f"phone-{number}", "--open", "ssh", "--kind", "fwknop").exit_code == 0
    result = knocklet("client", "add", "more", "--open", "ssh", "--kind", "fwknop")
    one_line(result, "17 clients of kind fwknop at home; allowed: 16")
    policy.load(json.dumps(CONFIG).encode(), knocklet("client", "file").stdout_bytes)


def test_a_file_that_a_gateway_would_not_read(anna, knocklet, monkeypatch):
    size = len(knocklet("client", "file").stdout_bytes)
    monkeypatch.setattr("knocklet_tool.client_file._LIMIT", size - 1)
    one_line(knocklet("client", "file"), f"home: {size} bytes of clients; allowed: {size - 1}")


def test_completion(home, anna, monkeypatch):
    monkeypatch.setenv("_KNOCKLET_COMPLETE", "complete_bash")
    for typed, number, names in (
        ("knocklet client show ", 3, ["anna"]),
        ("knocklet knock ho", 2, ["home"]),
        ("knocklet knock home c", 3, ["camera"]),
        ("knocklet otp home ", 3, ["camera", "ssh"]),
        ("knocklet client add b --gateway home --open s", 7, ["ssh"]),
        ("knocklet client add b --kind ", 5, ["spa", "otp", "fwknop"]),
    ):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(number))
        with Process(home) as done:
            assert done.wait() == 0
            assert done.stdout.split() == names, typed


def one_line(result, line):
    assert (result.exit_code, result.stdout) == (2, "")
    assert line in result.stderr, result.stderr
    assert result.stderr.count("\n") == 1 and result.stderr[:-1].isprintable()
