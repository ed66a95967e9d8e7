"""`knocklet broker setup` and `check`: what set-up writes keeps gateways apart, and check sees when a broker does not."""

import json
import stat
import subprocess
from dataclasses import replace

import pytest
from cryptography import x509
from host.fake_gateway import KEY, FakeGateway
from host.process import Process
from host.real_broker import RealBroker, free_port

from knocklet_tool import broker_check, mosquitto
from knocklet_tool.errors import BrokerError
from knocklet_tool.mqtt import Link

LAX = """\
listener {port}
cafile {files}/ca.crt
certfile {files}/server.crt
keyfile {files}/server.key
"""


def check(knocklet, broker, *words, gateway="home", other="attic"):
    words = ["--password-file", broker.password_file(gateway), "--plain-port", free_port(), *words]
    return knocklet("broker", "check", "--gateway", gateway, "--other", other, *words)


def test_check_of_what_set_up_wrote(knocklet, known):
    result = check(knocklet, known)
    assert result.exit_code == 0, result.stdout
    lines = result.stdout.splitlines()
    assert len(lines) > 35 and all(line.startswith("ok      ") for line in lines)
    for text in (
        "nobody gets in without a user", "nobody gets in with a wrong password", f"no MQTT without TLS on port {known.port}",
        "it can write its own topics", "it can read its own requests", "it cannot write knocklet/attic/grants",
        "it is told so of knocklet/attic/grants", "it cannot read knocklet/attic/grants", "it reads nothing else, nor $SYS",
        "it cannot write knocklet/attic/request/close", "it cannot write homeassistant/device/attic/config",
        "it cannot write knocklet/attic/set", "it cannot write knocklet/home/check",
    ):  # fmt: skip
        assert "ok      " + text in lines, text
    found = json.loads(check(knocklet, known, "--json").stdout)
    assert found["ok"] and len(found["checks"]) == len(lines)


@pytest.mark.parametrize(
    "rules, failed, held",
    [
        # what is wrong; checks that must fail, and some that must not
        ("readwrite #", ["write knocklet/attic/status", "read knocklet/attic/grants", "write homeassistant"], ["a user"]),
        ("read knocklet/#", ["read knocklet/attic/event"], ["write knocklet/attic/event"]),
        ("read knocklet/+/grants", ["read knocklet/attic/grants"], ["read knocklet/attic/event", "write knocklet/attic"]),
        ("write knocklet/+/request/#", ["write knocklet/attic/request/close"], ["write knocklet/attic/set", "cannot read"]),
        ("write knocklet/+/set", ["write knocklet/attic/set"], ["write knocklet/attic/request/close", "cannot read"]),
        ("write knocklet/%u/#", ["write knocklet/home/check"], ["write knocklet/attic/set", "cannot read"]),
        ("write homeassistant/device/#", ["write homeassistant/device/attic/config"], ["write knocklet", "cannot read"]),
        ("read $SYS/#", ["it reads nothing else, nor $SYS"], ["cannot write", "cannot read"]),
        ("read homeassistant/device/+/config", ["read homeassistant/device/attic/config"], ["cannot write"]),
    ],
)
def test_check_of_a_lax_broker(knocklet, home, tmp_path_factory, rules, failed, held):
    """`rules` are what every user may do besides."""
    with _other(tmp_path_factory, _secured + "acl_file {files}/lax\n", f"pattern {rules}\n".encode()) as broker:
        _use(knocklet, broker)
        result = check(knocklet, broker)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    for text in failed:
        assert any(line.startswith("FAILED") and text in line for line in lines), text
    for text in held:
        assert any(text in line for line in lines), text
        assert not any(line.startswith("FAILED") and text in line for line in lines), text


def test_check_of_a_broker_without_rules(knocklet, home, tmp_path_factory):
    with _other(tmp_path_factory, _secured) as broker:
        _use(knocklet, broker)
        result = check(knocklet, broker)
    assert result.exit_code == 1
    assert "FAILED  it cannot read knocklet/attic/grants: it arrived" in result.stdout


def test_check_of_a_broker_that_takes_anybody(knocklet, home, tmp_path_factory):
    plain = free_port()
    with _other(tmp_path_factory, LAX + "allow_anonymous true\nlistener %d 127.0.0.1\n" % plain) as broker:
        _use(knocklet, broker)
        found = json.loads(check(knocklet, broker, "--plain-port", plain, "--json").stdout)
        failed = {each["name"] for each in found["checks"] if not each["ok"]}
        assert {"nobody gets in without a user", "nobody gets in with an unknown user"} <= failed
        assert knocklet("broker", "use", "127.0.0.1", "--port", plain, "--no-tls").exit_code == 0
        knocklet("gateway", "add", "home", "--key-file", _key(home))
        with FakeGateway(broker) as gateway:
            gateway.say("grants", grants=[], more=0)
            assert "nobody is in" in knocklet("grants", "--wait", "0.5").stdout   # without TLS and user, as told
        found_plain = json.loads(check(knocklet, broker, "--plain-port", plain, "--json").stdout)
    assert f"no MQTT without TLS on port {plain}" in failed and "it cannot write knocklet/attic/grants" in failed
    assert f"no MQTT without TLS on port {plain}" in {each["name"] for each in found_plain["checks"] if not each["ok"]}


def test_check_where_the_gateway_may_do_nothing(knocklet, home, tmp_path_factory, monkeypatch):
    """Else a broker that throws everything away would pass."""
    monkeypatch.setattr(broker_check, "_WAIT_S", 1.0)
    rules = b"user admin\ntopic readwrite #\n"
    with _other(tmp_path_factory, _secured + "acl_file {files}/lax\n", rules, whole=True) as broker:
        _use(knocklet, broker)
        result = check(knocklet, broker)
    assert result.exit_code == 1
    assert "FAILED  it can write its own topics" in result.stdout and "FAILED  it can read its own requests" in result.stdout


def test_check_with_a_wrong_password(knocklet, known):
    result = knocklet(
        "broker", "check", "--gateway", "home", "--other", "attic", "--password-file", known.password_file("attic"),
        "--plain-port", free_port(),
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (4, "") and "it does not let us in" in result.stderr


_secured = LAX + "allow_anonymous false\npassword_file {files}/passwd\n"


def _other(tmp_path_factory, configuration, rules=b"", whole=False):
    def write(broker):
        (broker.files / "lax").write_bytes(rules if whole else rules + mosquitto.acl())
        return configuration.format(port=broker.port, files=broker.files)

    return RealBroker(tmp_path_factory.mktemp("lax"), configuration=write)


def _key(home):
    (home / "key").write_bytes(KEY)
    return home / "key"


def _use(knocklet, broker):
    words = ["--port", broker.port, "--ca", broker.files / "ca.crt", "--password-file", broker.password_file("admin")]
    assert knocklet("broker", "use", "localhost", *words).exit_code == 0


def test_modes(broker):
    files = broker.files
    assert stat.S_IMODE(files.stat().st_mode) == stat.S_IMODE((files / "passwords").stat().st_mode) == 0o700
    secret = ["ca.key", "server.key", "passwd", "acl", "agent-home.json", "agent-attic.json"]
    for path in [files / name for name in secret] + list((files / "passwords").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_agents_file(broker):
    found = json.loads((broker.files / "agent-home.json").read_text())["broker"]
    password = broker.password_file("home").read_text().strip()
    assert found == {
        "host": "localhost", "port": broker.port, "tls": True, "ca": (broker.files / "ca.crt").read_text(),
        "password": password,
    }  # fmt: skip
    with broker.link("home"):
        pass


def test_passwords_are_each_their_own(broker):
    passwords = [path.read_text() for path in (broker.files / "passwords").iterdir()]
    assert len(passwords) == 4 and len(set(passwords)) == 4 and all(len(password) > 30 for password in passwords)
    stored = (broker.files / "passwd").read_text()
    assert not any(password.strip() in stored for password in passwords)


def test_the_hash_is_mosquittos_own(tmp_path, broker):
    """mosquitto_passwd makes lines that we know, and mosquitto takes ours: each test here connects."""
    with open(tmp_path / "passwd", "w") as file:
        file.write("me:secret word\n")
    subprocess.run(["mosquitto_passwd", "-U", tmp_path / "passwd"], check=True)
    line = (tmp_path / "passwd").read_text().strip()
    assert line.startswith("me:$7$") and mosquitto.has_password(line, "secret word")
    assert not mosquitto.has_password(line, "secret wore") and not mosquitto.has_password("me:$6$x", "")
    assert mosquitto.has_password(mosquitto.password_line("me", "x"), "x")


def test_a_second_time(home, tmp_path_factory, knocklet):
    place = tmp_path_factory.mktemp("again")
    with RealBroker(place) as broker:
        files = broker.files
        names = ["ca.crt", "ca.key", "server.crt", "server.key", "passwd", "agent-home.json"]
        names += ["passwords/home", "passwords/admin"]
        before = {name: (files / name).read_bytes() for name in names}
        broker.setup("home")
        assert {name: (files / name).read_bytes() for name in names} == before   # attic stays, too
        assert "new users: cellar; the server's certificate stays" in broker.setup("cellar").stdout
        broker.stop()
        broker.start()
        for user in ("home", "attic", "cellar", "admin", "homeassistant"):
            with broker.link(user):
                pass
        # A lost file of hashes comes back from the passwords; other names make another certificate of the same CA.
        (files / "passwd").unlink()
        result = knocklet("broker", "setup", files, "--host", "127.0.0.1", "--port", broker.port, "--place", files)
        assert result.exit_code == 0 and "the server's certificate is new" in result.stdout
        assert (files / "ca.crt").read_bytes() == before["ca.crt"]


def test_the_known_gateways_are_taken(home, knocklet):
    knocklet("gateway", "add", "shed")
    found = json.loads(knocklet("broker", "setup", home / "b", "--host", "h.example", "--json").stdout)
    assert found["new"] == ["admin", "homeassistant", "shed"] and (home / "b" / "agent-shed.json").exists()
    text = (home / "b" / "knocklet.conf").read_text()
    assert "listener 8883\ncafile /etc/mosquitto/knocklet/ca.crt\n" in text


def test_certificates(broker):
    """As openssl sees them."""
    files = broker.files
    for host in (["-verify_hostname", "localhost"], ["-verify_ip", "127.0.0.1"]):
        words = ["openssl", "verify", "-x509_strict", "-CAfile", files / "ca.crt", *host, "-purpose", "sslserver"]
        done = subprocess.run([*words, files / "server.crt"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    words = ["openssl", "verify", "-CAfile", files / "ca.crt", "-verify_hostname", "other.example", files / "server.crt"]
    assert subprocess.run(words, capture_output=True).returncode != 0
    ca = x509.load_pem_x509_certificate((files / "ca.crt").read_bytes())
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


@pytest.mark.parametrize("damage", ["ca.key gone", "ca.crt gone", "ca.key of another", "ca.key readable"])
def test_a_damaged_ca(home, knocklet, damage):
    """Never replaced by a new one: gateways believe the old."""
    words = ["broker", "setup", home / "b", "--host", "h", "--gateway", "shed"]
    assert knocklet(*words).exit_code == 0
    name = damage.split()[0]
    if damage.endswith("gone"):
        (home / "b" / name).unlink()
    elif damage.endswith("another"):
        (home / "b" / name).write_bytes((home / "b" / "server.key").read_bytes())
    else:
        (home / "b" / name).chmod(0o644)
    before = {path: path.read_bytes() for path in (home / "b").iterdir() if path.is_file()}
    result = knocklet(*words)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in (home / "b").iterdir() if path.is_file()} == before


def test_a_gateways_user(broker):
    """It writes what a gateway says and nothing else, and nothing large, also when it was taken over."""
    said = ("status", "info", "state", "grants", "config", "event", "response/close")
    with broker.link("home") as link:
        for below in said:
            assert link.publish("knocklet/home/" + below, b"{}") < 0x80, below
        for below in ("x", "event/x", "status/x", "set", "request/close", "states"):
            assert link.publish("knocklet/home/" + below, b"{}") == 0x87, below
        assert link.publish("knocklet/home/event", bytes(128 * 1024)) < 0x80
        try:
            assert link.publish("knocklet/home/event", bytes(128 * 1024 + 1)) >= 0x80
        except BrokerError as error:   # mosquitto 2.0 ends the connection instead
            assert "the connection ended" in str(error)


def test_home_assistants_user(broker):
    """Reads, and closes; writes nothing else of a gateway."""
    with broker.link("homeassistant") as link:
        for topic in ("knocklet/home/request/close", "knocklet/home/request/close_all", "homeassistant/status"):
            assert link.publish(topic, b"{}") < 0x80, topic
        for topic in ("set", "request/open", "status", "event", "state", "grants", "request/approve", "response/close"):
            assert link.publish("knocklet/home/" + topic, b"{}") == 0x87, topic


def test_secrets_are_nowhere_to_be_seen(home, knocklet, known):
    """Not in what commands print, nor in what ps shows, nor in a traceback."""
    password = known.password_file("admin").read_text().strip()
    with Process(home, "watch", "--for", "30") as process:
        process.listens()
        for name in ("cmdline", "environ"):
            shown = open(f"/proc/{process.pid}/{name}", "rb").read()
            assert password.encode() not in shown and bytes(range(32)).hex().encode() not in shown
        assert process.end() == 130
        assert password not in process.stderr + process.stdout
    with pytest.raises(BrokerError) as caught:
        Link(replace(known.as_user("admin"), password="hunter2"))
    assert "hunter2" not in str(caught.value) and "hunter2" not in repr(caught.traceback)
