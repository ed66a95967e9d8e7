"""`knocklet gateway` and `broker use`: what is stored, who may read it, and that no secret gets anywhere else."""

import json
import os
import stat

import pytest
from host.fake_gateway import KEY
from host.process import Process, refuses_the_screen

from knocklet.wire.keys import event_key
from knocklet_tool import settings

pytestmark = pytest.mark.usefixtures("home", "no_sockets")


def files(home):
    return {path.name: path for path in (home / "config" / "knocklet").iterdir()}


def test_a_new_key(knocklet, home):
    result = knocklet("gateway", "add", "home")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "home is known now: a new key." in result.stderr and "knocklet gateway key home | ssh root@home" in result.stderr
    key = knocklet("gateway", "key", "home").stdout_bytes
    assert len(key) == 32
    assert knocklet("gateway", "collector-key", "home").stdout_bytes == event_key(key, "home")
    knocklet("gateway", "add", "attic")
    assert knocklet("gateway", "key", "attic").stdout_bytes != key


@pytest.mark.parametrize("data", [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n"])
def test_a_key_from_a_file(knocklet, home, data):
    (home / "key").write_bytes(data)
    assert knocklet("gateway", "add", "home", "--key-file", home / "key").exit_code == 0
    assert knocklet("gateway", "key", "home").stdout_bytes == KEY


def test_a_key_from_standard_input(home):
    reader, writer = os.pipe()
    os.write(writer, KEY)
    os.close(writer)
    stdin = os.dup(0)
    os.dup2(reader, 0)
    try:
        assert settings.read_key("--key-file", "-") == KEY
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
        os.close(reader)


def test_a_collectors_key(knocklet, home):
    (home / "evt").write_bytes(event_key(KEY, "home"))
    assert knocklet("gateway", "add", "home", "--collector-key-file", home / "evt").exit_code == 0
    assert knocklet("gateway", "collector-key", "home").stdout_bytes == event_key(KEY, "home")
    result = knocklet("gateway", "key", "home")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "knocklet: only the collector's key of home is known here\n"


def test_list_and_remove(knocklet, home):
    (home / "evt").write_bytes(event_key(KEY, "home"))
    assert knocklet("gateway", "list").stdout == "no gateway yet\n"
    knocklet("gateway", "add", "home", "--collector-key-file", home / "evt")
    knocklet("gateway", "add", "cellar-2")
    assert knocklet("gateway", "list").stdout == "home      collector's key only\ncellar-2  key\n"
    nowhere = {"host": None, "services": None}
    told = {"gateways": [{"name": "home", "key": False, **nowhere}, {"name": "cellar-2", "key": True, **nowhere}]}
    assert json.loads(knocklet("gateway", "list", "--json").stdout) == told
    assert knocklet("gateway", "remove", "home").exit_code == 0
    assert knocklet("gateway", "list").stdout == "cellar-2  key\n"
    assert event_key(KEY, "home").hex() not in files(home)["secrets.json"].read_text()
    assert knocklet("gateway", "remove", "home").exit_code == 2


def test_a_key_is_not_for_the_screen(knocklet, home):
    knocklet("gateway", "add", "home")
    for command in ("key", "collector-key"):
        refuses_the_screen(home, "gateway", command, "home")


@pytest.mark.parametrize(
    "words, line",
    [
        (["add", "Home"], "gateway 'Home': allowed: 1-32 of a-z"),
        (["add", ""], "gateway '': allowed"),
        (["add", "a" * 33], "allowed: 1-32"),
        (["add", "a/b"], "gateway 'a/b'"),
        (["add", "+"], "gateway '+'"),
        (["add", "a\x1b[2J\n"], r"gateway 'a\x1b[2J\n'"),
        (["add", "home"], "gateway home is known already"),
        (["add", "new", "--key-file", "{home}/none"], "--key-file {home}/none: No such file or directory"),
        (["add", "new", "--key-file", "{home}"], "--key-file {home}: Is a directory"),
        (["add", "new", "--key-file", "{home}/short"], "--key-file {home}/short: 31 bytes; allowed: 32 bytes, or 64 hex"),
        (["add", "new", "--key-file", "{home}/empty"], "--key-file {home}/empty: empty"),
        (["add", "new", "--key-file", "{home}/endless"], "--key-file {home}/endless: too long"),
        (["add", "new", "--key-file", "{home}/hex", "--collector-key-file", "{home}/hex"], "one of them"),
        (["key", "attic"], "gateway 'attic' is not known; known: home"),
        (["key"], "Missing argument 'NAME'"),
    ],
)
def test_mistakes(knocklet, home, words, line):
    knocklet("gateway", "add", "home")
    (home / "short").write_bytes(KEY[1:])
    (home / "empty").write_bytes(b"")
    (home / "hex").write_text(KEY.hex())
    (home / "endless").symlink_to("/dev/zero")
    result = knocklet("gateway", *(word.replace("{home}", str(home)) for word in words))
    assert (result.exit_code, result.stdout) == (2, "")
    assert line.replace("{home}", str(home)) in result.stderr
    assert result.stderr.count("\n") == 1 and result.stderr[:-1].isprintable()
    assert KEY.hex() not in result.stderr


def test_modes(knocklet, home):
    os.umask(old := os.umask(0))
    try:
        os.umask(0)
        knocklet("gateway", "add", "home")
        use(knocklet, home)
    finally:
        os.umask(old)
    assert stat.S_IMODE((home / "config" / "knocklet").stat().st_mode) == 0o700
    found = files(home)
    assert {"settings.json", "secrets.json", "broker-ca.crt"} <= set(found)
    for path in found.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_secrets_that_others_may_read(knocklet, home, mode):
    knocklet("gateway", "add", "home")
    files(home)["secrets.json"].chmod(mode)
    for words in (["gateway", "list"], ["gateway", "key", "home"], ["gateway", "add", "attic"], ["status"]):
        result = knocklet(*words)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert f"secrets.json: mode {mode:04o} lets others read it; allowed: 0600" in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["settings.json", "secrets.json"])
@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "\0", "[" * 100_000, '{"gateways": ["home"]}', '{"gateways": ["+"]}', '{"gateways": {"home": {}}}',
        '{"gateways": {"home": 3}}', '{"gateways": {"home": {"key": "zz"}}}', '{"gateways": {"home": {"key": "00"}}}',
        '{"broker": {"secret": 1}}', '{"broker": {"host": 5, "port": 1}}', '{"broker": {"host": "h", "port": "1"}}',
    ],
)  # fmt: skip
def test_damaged_files(knocklet, home, name, text):
    """One line, that quotes nothing of it."""
    knocklet("gateway", "add", "home")
    files(home)[name].write_text(text)
    result = knocklet("gateway", "list")
    if result.exit_code:
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1 and "zz" not in result.stderr
    else:
        assert name == "settings.json" or text == '{"gateways": {"home": 3}}'


def test_a_write_that_fails_leaves_what_was(knocklet, home, monkeypatch):
    knocklet("gateway", "add", "home")
    before = {name: path.read_bytes() for name, path in files(home).items()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("knocklet_tool.places.os.fsync", fail)
    result = knocklet("gateway", "add", "attic")
    assert result.exit_code == 2 and "No space left on device" in result.stderr
    assert {name: path.read_bytes() for name, path in files(home).items()} == before


def use(knocklet, home, *words, password="hunter2 \u00fc"):
    from knocklet_tool.certificates import make

    (home / "broker").mkdir(exist_ok=True)
    make(home / "broker", ["localhost"])
    (home / "password").write_text(password + "\n")
    words = ["--ca", home / "broker" / "ca.crt", "--password-file", home / "password", *words]
    return knocklet("broker", "use", "h.example", *words)


def test_broker_use(knocklet, home):
    result = use(knocklet, home)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Broker h.example:8883, user admin.\n")
    stored = settings.load().broker
    assert (stored.host, stored.port, stored.tls, stored.user) == ("h.example", 8883, True, "admin")
    assert stored.password == "hunter2 \u00fc"
    assert "hunter2" not in repr(stored) and "hunter2" not in files(home)["settings.json"].read_text()
    (home / "broker" / "ca.crt").unlink()   # a copy was kept
    assert "BEGIN CERTIFICATE" in open(stored.ca).read()
    assert knocklet("broker", "use", "h.example", "--no-tls").stderr == "Broker h.example:1883, no user, without TLS.\n"
    assert "hunter2" not in files(home)["secrets.json"].read_text()
    result = knocklet("broker", "use", "h.example", "--no-tls", "--password-file", home / "password", "--user", "me")
    assert "whoever is on the way can read the password" in result.stderr


@pytest.mark.parametrize(
    "words, line",
    [
        (["use", "h:1883"], "host 'h:1883': allowed: a name or an address, without a port"),
        (["use", ""], "host ''"),
        (["use", "a b"], "host 'a b'"),
        (["use", "h\x1b[2J"], r"host 'h\x1b[2J'"),
        (["use", "h", "--port", "0"], "--port"),
        (["use", "h", "--user", "me"], "--user needs --password-file"),
        (["use", "h", "--password-file", "hunter2"], "--password-file hunter2: No such file"),
        (["use", "h", "--password-file", "{home}/two"], "allowed: one line of text"),
        (["use", "h", "--password-file", "{home}/bytes"], "allowed: one line of text"),
        (["use", "h", "--ca", "{home}/two"], "no certificates in it"),
        (["use", "h", "--ca", "{home}/two", "--no-tls"], "--ca is for TLS"),
        (["use", "h", "--user", "a\nb", "--password-file", "{home}/two"], "allowed: 1-128 printable"),
        (["setup", "{home}/b"], "Missing option '--host'"),
        (["setup", "{home}/b", "--host", "h:1"], "host 'h:1'"),
        (["setup", "{home}/b", "--host", "h", "--gateway", "#"], "gateway '#'"),
        (["setup", "{home}/b", "--host", "h", "--gateway", "admin"], "the broker's own user has this name"),
        (["setup", "{home}/b", "--host", "h", "--gateway", "homeassistant"], "the broker's own user has this name"),
        (["setup", "{home}/b", "--host", "h", "--place", "a/b"], "allowed: an absolute path"),
        (["setup", "{home}/b", "--host", "h", "--place", "/a\nlistener 1"], "allowed: an absolute path"),
        (["setup", "{home}/two/b", "--host", "h"], "Not a directory"),
        (["check", "--gateway", "a", "--other", "a", "--password-file", "x"], "two different ones"),
        (["check", "--gateway", "a/#", "--other", "b", "--password-file", "x"], "gateway 'a/#'"),
        (["check", "--gateway", "a", "--other", "+", "--password-file", "x"], "gateway '+'"),
    ],
)
def test_broker_mistakes(knocklet, home, words, line):
    (home / "two").write_text("one\ntwo\n")
    (home / "bytes").write_bytes(b"\xff\xfe")
    result = knocklet("broker", *(word.replace("{home}", str(home)) for word in words))
    assert (result.exit_code, result.stdout) == (2, "")
    assert line in result.stderr and result.stderr.count("\n") == 1 and result.stderr[:-1].isprintable()


def test_completion_of_names(home, knocklet, monkeypatch):
    knocklet("gateway", "add", "home")
    knocklet("gateway", "add", "hut")
    cases = ("knocklet status ", ["home", "hut"]), ("knocklet grants hu", ["hut"]), ("knocklet watch ho", ["home"])
    for typed, names in cases:
        monkeypatch.setenv("_KNOCKLET_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", "2")
        with Process(home) as done:
            assert done.wait() == 0
            assert done.stdout.split() == names
    monkeypatch.setenv("COMP_WORDS", "knocklet watch --type sw")
    monkeypatch.setenv("COMP_CWORD", "3")
    with Process(home) as done:
        done.wait()
        assert done.stdout.split() == ["sweep"]
    files(home)["secrets.json"].chmod(0o644)   # nothing, rather than an error in the middle of a line
    monkeypatch.setenv("COMP_WORDS", "knocklet status ")
    monkeypatch.setenv("COMP_CWORD", "2")
    with Process(home) as done:
        done.wait()
        assert done.stdout.split() == [] and done.stderr == ""


def test_no_secret_has_a_repr(knocklet, home):
    (home / "key").write_bytes(KEY)
    knocklet("gateway", "add", "home", "--key-file", home / "key")
    use(knocklet, home)
    told = repr(settings.load())
    for secret in (KEY, event_key(KEY, "home")):
        assert repr(secret)[2:12] not in told and secret.hex() not in told
    assert "home" in told and "hunter2" not in told
