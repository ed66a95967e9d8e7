"""`knocklet status` and `grants`: what the broker keeps of a gateway, and what of it is believed."""

import json
import time

import pytest
from host.fake_gateway import OTHER_KEY

NOW = int(time.time())


def info(gateway, **more):
    gateway.say("info", version="0.3", board="openwrt", interfaces=["wan0"], firewall="nft", **more)


def state(gateway, **more):
    gateway.say("state", **{"grants_open": 2, "refused_total": 3, "firewall": "ok", "warnings": 0, **more})


def grants(gateway, *found, more=0, **rest):
    gateway.say("grants", grants=list(found), more=more, **rest)


GRANT = {"service": "ssh", "client": "family", "source": "198.51.100.2", "since": NOW, "ends": NOW + 3600}


def test_status(knocklet, gateway):
    gateway.status()
    info(gateway)
    state(gateway)
    gateway.say("config", services=["ssh", "camera"], clients=["family"], sha256="ab" * 32)
    result = knocklet("status", "home")
    assert (result.exit_code, result.stderr) == (0, "")
    for text in ("home  online", "version=0.3", "grants_open=2", "firewall=ok", "services=ssh,camera"):
        assert text in result.stdout
    found = json.loads(knocklet("status", "--json").stdout)["gateways"][0]
    assert (found["gateway"], found["status"]) == ("home", "online")
    assert found["state"]["grants_open"] == 2 and found["config"]["clients"] == ["family"]
    assert found["info"]["interfaces"] == ["wan0"] and "mac" not in found["info"]


def test_grants(knocklet, gateway):
    gateway.status()
    grants(gateway, GRANT, more=4)
    asked_s = int(time.time()) - NOW   # a whole run takes longer than a grant
    result = knocklet("grants")
    assert result.exit_code == 0
    assert "home  ssh for 198.51.100.2 by family" in result.stdout and "and 4 more" in result.stdout
    assert 3500 < int(result.stdout.split(" s left")[0].split()[-1]) + asked_s <= 3600
    found = json.loads(knocklet("grants", "home", "--json").stdout)["gateways"][0]
    assert found["grants"] == [GRANT] and found["more"] == 4


def test_nobody_is_in(knocklet, gateway):
    gateway.status()
    grants(gateway)
    assert knocklet("grants").stdout == "home  nobody is in\n"


def test_offline(knocklet, gateway):
    gateway.status(b"offline")
    grants(gateway, GRANT)
    state(gateway)
    result = knocklet("grants")
    assert result.exit_code == 0 and "not online now" in result.stdout
    assert "home  offline" in knocklet("status", "--wait", "1").stdout


@pytest.mark.parametrize("command", ["status", "grants"])
def test_said_nothing(knocklet, known, command):
    result = knocklet(command, "--wait", "0.5")
    assert result.exit_code == 5 and "home" in result.stdout


@pytest.mark.parametrize("command", ["status", "grants"])
@pytest.mark.parametrize("forgery", ["key", "topic", "cut", "nothing", "text"])
def test_forged(knocklet, gateway, command, forgery):
    below = {"status": "state", "grants": "grants"}[command]
    fields = {"grants": [GRANT], "more": 0, "grants_open": 77}
    if forgery == "key":
        gateway.say(below, key=OTHER_KEY, **fields)
    elif forgery == "topic":
        gateway.raw(below, gateway.say("info", **fields, retain=False), retain=True)
    elif forgery == "cut":
        gateway.raw(below, gateway.say("state", **fields, retain=False)[:-1], retain=True)
    else:
        gateway.raw(below, b"\xff\x00" if forgery == "nothing" else json.dumps(fields).encode(), retain=True)
    result = knocklet(command, "--wait", "0.7")
    assert result.exit_code == 6
    assert "198.51.100.2" not in result.stdout and "77" not in result.stdout
    assert "did not come from the gateway (forged)" in result.stderr


def test_stale(knocklet, gateway):
    """The broker gives back an old list: it verifies, and is not believed any more."""
    old = gateway.say("grants", grants=[GRANT], more=0)
    grants(gateway)
    assert knocklet("grants", "--wait", "0.5").exit_code == 0
    gateway.raw("grants", old, retain=True)
    result = knocklet("grants", "--wait", "0.5")
    assert result.exit_code == 6 and "198.51.100.2" not in result.stdout
    assert "older than what is known (stale)" in result.stderr
    gateway.boot = 2   # and after a new start, with seq 1, it is again
    grants(gateway, GRANT)
    assert knocklet("grants", "--wait", "0.5").exit_code == 0
    gateway.say("grants", boot=1, seq=9, grants=[], more=0)
    assert knocklet("grants", "--wait", "0.5").exit_code == 6


def test_odd(knocklet, gateway):
    for fields in ({"grants": "no list", "more": {}}, {"grants": [1, [], {}, {"ends": "x", "since": None, "source": []}]}):
        gateway.say("grants", **fields)
        assert knocklet("grants", "--wait", "0.5").exit_code == 0
        assert knocklet("grants", "--wait", "0.5", "--json").exit_code == 0
    gateway.raw("grants", b"[]", retain=True)
    assert knocklet("grants", "--wait", "0.5").exit_code == 6


def test_which_gateway(knocklet, known):
    result = knocklet("status", "attic")
    assert result.exit_code == 2 and "gateway 'attic' is not known; known: home" in result.stderr


def test_the_broker_is_away(knocklet, home):
    knocklet("gateway", "add", "home")
    result = knocklet("status")
    assert result.exit_code == 2 and "which broker? knocklet broker use HOST" in result.stderr
    knocklet("broker", "use", "127.0.0.1", "--port", "1", "--no-tls")
    for words in (["status"], ["grants"], ["watch"], ["close", "home", "ssh"], ["unprovision", "home", "--mqtt"]):
        result = knocklet(*words)
        assert result.exit_code == 4 and result.stdout == "", words
        assert result.stderr == "knocklet: broker 127.0.0.1:1: Connection refused\n"


def test_the_broker_does_not_believe_us(knocklet, known, home):
    (home / "wrong").write_text("wrong\n")
    words = ["--port", known.port, "--ca", known.files / "ca.crt", "--password-file", home / "wrong"]
    assert knocklet("broker", "use", "localhost", *words).exit_code == 0
    result = knocklet("status")
    assert result.exit_code == 4 and "it does not let us in" in result.stderr and "wrong" not in result.stderr


def test_we_do_not_believe_the_broker(knocklet, known):
    """Another CA, the system's, another name: nothing is sent."""
    words = ["--port", known.port, "--password-file", known.password_file("admin")]
    assert knocklet("broker", "use", "localhost", *words).exit_code == 0
    result = knocklet("status")
    assert result.exit_code == 4 and "its certificate is not believed" in result.stderr
    assert knocklet("broker", "use", "127.0.0.2", *words, "--ca", known.files / "ca.crt").exit_code == 0
    result = knocklet("status")
    assert result.exit_code == 4 and "its certificate is not believed" in result.stderr


NASTY = ["\x1b[31m", "a\nb", "\r", "\0", "'\"\\", "+/#", "\x9b2J", "\u202e", "\ud800", "%s%n", "[bold]", "x" * 9000]


@pytest.mark.parametrize("text", NASTY)
def test_hostile_strings_in_every_field(knocklet, gateway, text):
    grant = dict.fromkeys(("service", "client", "source", "since", "ends", text), text)
    gateway.status(text.encode("utf-8", "replace"))
    gateway.say("grants", grants=[grant, text, [text]], more=text)
    fields = dict.fromkeys(("version", "board", "firewall", "warnings", text), text)
    for below in ("info", "state"):
        gateway.say(below, interfaces=[text], nested={text: [text]}, **fields)
    gateway.say("config", services=[text], clients=text, sha256=[text])
    for command, lines in (("status", 4), ("grants", 3)):
        result = knocklet(command)
        assert result.exit_code == 0
        assert lines <= result.stdout.count("\n") <= lines + 1 and len(result.stdout) < 6000
        assert all(line.isprintable() for line in result.stdout.split("\n"))
        found = json.loads(knocklet(command, "--json").stdout)["gateways"][0]
        assert found["status"] is None
        if command == "status":
            assert found["state"][text] == text
        else:
            assert found["grants"][0][text] == text
