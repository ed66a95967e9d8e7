"""`knocklet pull` and `diff`: what is in force, from the gateway alone, and no secret on the screen."""

import json
from base64 import b64encode

import pytest
from host.conftest import CONFIG
from host.process import Process, refuses_the_screen
from host.sealed_gateway import ANSWER, COMMAND, SealedGateway, seal
from host.sealed_gateway import KEY as KEY_OF_HOME

KEY = "ab" * 32
WITH_SECRETS = CONFIG | {"clients": {"anna": {"key": KEY, "issued": 1_790_000_000, "open": ["ssh"]}}}
OTHER = bytes(32)


@pytest.fixture
def secretive(known):
    with SealedGateway(known, WITH_SECRETS) as running:
        yield running


def test_pull(knocklet, secretive):
    result = knocklet("pull", "home")
    assert result.exit_code == 0
    assert "services.ssh.port = 22" in result.stdout.splitlines() and "clients.anna.key = (secret)" in result.stdout
    assert KEY not in result.output and "41822" not in result.output
    result = knocklet("pull", "--json")
    found = json.loads(result.stdout)
    assert found["gateway"] == "home" and found["config"]["services"] == CONFIG["services"]
    assert found["config"]["clients"]["anna"]["key"] == "(secret)" and KEY not in result.output


def test_into_a_file(knocklet, secretive, home):
    result = knocklet("pull", "home", "--output", home / "config.json")
    assert (result.exit_code, result.stdout) == (0, "") and KEY not in result.stderr
    assert json.loads((home / "config.json").read_text()) == WITH_SECRETS
    assert (home / "config.json").stat().st_mode & 0o777 == 0o600


def test_into_a_pipe(home, secretive):
    """For `knocklet init --from -`; never to the screen."""
    with Process(home, "pull", "home", "--output", "-") as pulling:
        assert pulling.wait() == 0 and json.loads(pulling.stdout) == WITH_SECRETS
    refuses_the_screen(home, "pull", "home", "--output", "-")


TEXT = json.dumps(CONFIG).encode()


def answer_of(name="home", key=KEY_OF_HOME, kind=ANSWER, ahead=0, text=TEXT, end=b""):
    """What a gateway's answer would hold, for the request of that version."""
    return lambda version: seal(key, name, kind, version + ahead, text) + end


def with_another_port(version):
    """The keystream hides the text, and does not keep anybody from changing it: the mac does."""
    message = bytearray(answer_of()(version))
    message[72 + TEXT.index(b"8080")] ^= ord("8") ^ ord("9")
    return bytes(message)


FORGED = {
    "another port": with_another_port,
    "another key": answer_of(key=OTHER),
    "of another gateway": answer_of(name="attic"),
    "a command": answer_of(kind=COMMAND),
    "to an earlier request": answer_of(ahead=-1),
    "longer": answer_of(end=b"\0"),
    "no JSON": answer_of(text=b"{"),
    "no object": answer_of(text=b"[]"),
    "short": lambda version: b"KLE1",
}


@pytest.mark.parametrize("name", FORGED)
def test_not_sealed_as_it_should_be(knocklet, secretive, name, monkeypatch):
    """Even where the report around it is the gateway's own."""
    command = secretive._command
    make = FORGED[name]
    monkeypatch.setattr(secretive, "_command", lambda request, found: command(request, found) and {
        "config": b64encode(make(found["version"])).decode()
    })  # fmt: skip
    result = knocklet("pull", "home")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "the configuration in its answer is not sealed as it should be" in result.stderr


@pytest.mark.parametrize("data", [{}, {"config": 1}, {"config": "no base64!"}])
def test_no_configuration(knocklet, secretive, data):
    secretive.data["pull"] = data
    assert knocklet("pull", "home").exit_code == 6


def test_diff(knocklet, sealed_home, file_of):
    result = knocklet("diff", "home")
    assert (result.exit_code, result.stdout) == (0, "home: no difference\n")
    file_of("home", "port = 8080", "port = 8081\nttl = 60")
    result = knocklet("diff")
    assert result.stdout == "home:\n~ services.camera.port = 8080 -> 8081\n+ services.camera.ttl = 60\n"
    found = json.loads(knocklet("diff", "--json").stdout)
    assert [change["key"] for change in found["changes"]] == ["services.camera.port", "services.camera.ttl"]
    assert sealed_home.commands() == ["pull"] * 3


def test_diff_shows_no_secret(knocklet, secretive, file_of):
    file_of("home", '"30955/tcp"', '"30956/tcp"')
    result = knocklet("diff")
    assert "~ sequences.family.steps: changed" in result.stdout and "- clients.anna.key = (secret)" in result.stdout
    assert KEY not in result.output and "30956" not in result.output


def test_diff_when_it_is_away(knocklet, sealed_home, file_of):
    sealed_home.stop()
    result = knocklet("diff", "home")
    assert result.exit_code == 5 and "home: what differs is not known: home is offline" in result.stdout
