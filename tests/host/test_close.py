"""`knocklet close`, sealed and plain, and `unprovision`: over the broker, and only the gateway's own answer counts."""

import json

import pytest
from host.fake_gateway import OTHER_KEY
from host.process import Process

from knocklet.wire.keys import event_key
from knocklet.wire.topics import ONLINE
from lab.waiting import wait_until


def answers(gateway, verb, request, **more):
    gateway.say("response/" + verb, **{"data": {"closed": 1}, "status": "ok", "error": "", **marks(request), **more})


def marks(request):
    """What its answer must have."""
    return {key: request[key] for key in ("transaction", "version") if key in request}


@pytest.fixture(params=["sealed", "plain"])
def form(request, knocklet, gateway, home):
    """With the gateway's key, and without it."""
    if request.param == "plain":
        (home / "collector").write_bytes(event_key(gateway.key, "home"))
        knocklet("gateway", "remove", "home")
        assert knocklet("gateway", "add", "home", "--collector-key-file", home / "collector").exit_code == 0
    return request.param


@pytest.mark.parametrize(
    "words, verb, asked, said",
    [
        (["ssh"], "close", {"service": "ssh"}, "home: ssh closed  closed=1"),
        (["ssh", "2001:db8::1"], "close", {"service": "ssh", "source": "2001:db8::1"}, "home: ssh for 2001:db8::1 closed"),
        (["--all"], "close_all", {}, "home: everything closed"),
    ],
)
@pytest.mark.parametrize("name", [["home"], []])
def test_close(knocklet, gateway, form, words, verb, asked, said, name):
    if words != ["--all"]:
        name = ["home"]   # only the words tell what is a service
    came = gateway.answer(answers)
    result = knocklet("close", *name, *words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert said in result.stdout
    got_verb, request = came[0]
    assert len(request.pop("transaction")) == 32
    if form == "sealed":
        assert request.pop("verb") == verb and request.pop("version")
    assert (got_verb, request) == (verb, asked)


def test_json(knocklet, gateway):
    gateway.answer(answers)
    assert json.loads(knocklet("close", "home", "ssh", "--json").stdout) == {"gateway": "home", "data": {"closed": 1}}


def test_refused(knocklet, gateway):
    gateway.answer(lambda *words: answers(*words, status="error", error="no service 'ssh\x1b[2J'\nx", data={}))
    result = knocklet("close", "home", "ssh")
    assert (result.exit_code, result.stdout) == (7, "")
    assert result.stderr == "knocklet: home refused: no service 'ssh?[2J'?x\n"


def test_nobody_listens(knocklet, known):
    result = knocklet("close", "home", "ssh")
    assert result.exit_code == 5 and "nobody there listens" in result.stderr


def test_no_answer(knocklet, gateway):
    gateway.answer(lambda *words: None)
    result = knocklet("close", "home", "ssh", "--wait", "0.7")
    assert result.exit_code == 5 and "home did not answer within 0.7 s" in result.stderr


FORGERIES = {
    "another key": lambda gateway, verb, request: gateway.say(
        "response/" + verb, key=OTHER_KEY, data={}, status="ok", error="", **marks(request)
    ),
    "no mac": lambda gateway, verb, request: gateway.raw(
        "response/" + verb, json.dumps({"data": {}, "status": "ok", **marks(request)}).encode()
    ),
    "another topic": lambda gateway, verb, request: gateway.raw(
        "response/" + verb, gateway.say("response/other", data={}, status="ok", **marks(request))
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged(knocklet, gateway, form, name):
    gateway.answer(FORGERIES[name])
    result = knocklet("close", "home", "ssh", "--wait", "0.7")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "home did not answer; what came instead was forged" in result.stderr


@pytest.mark.parametrize("mark", ["transaction", "version"])
def test_an_earlier_answer_played_again(knocklet, gateway, form, mark):
    if (form, mark) == ("plain", "version"):
        mark = "transaction"   # a plain one has no version
    gateway.answer(lambda gateway, verb, request: answers(gateway, verb, request | {mark: "0" * len(request[mark])}))
    result = knocklet("close", "home", "ssh", "--wait", "0.7")
    assert (result.exit_code, result.stdout) == (5, "")


def test_forged_and_true(knocklet, gateway):
    """The forgery does not hide the answer."""

    def both(*words):
        FORGERIES["another key"](*words)
        answers(*words)

    gateway.answer(both)
    result = knocklet("close", "home", "ssh")
    assert result.exit_code == 0 and "(forged)" in result.stderr


def test_ctrl_c(knocklet, gateway, home):
    came = gateway.answer(lambda *words: None)
    with Process(home, "close", "home", "ssh", "--wait", "60") as closing:
        wait_until(lambda: came, "it has asked", timeout_s=20, interval_s=0.02)
        assert closing.end() == 130
        assert closing.stdout == closing.stderr == ""


def test_by_home_assistants_user(knocklet, gateway, known):
    words = ["--port", known.port, "--ca", known.files / "ca.crt", "--user", "homeassistant"]
    knocklet("broker", "use", "localhost", *words, "--password-file", known.password_file("homeassistant"))
    gateway.answer(answers)
    assert knocklet("close", "home", "--all").exit_code == 0
    result = knocklet("unprovision", "home", "--mqtt")
    assert result.exit_code == 4 and "may not be written by user homeassistant" in result.stderr


@pytest.mark.parametrize("words", [["home"], ["home", "ssh", "--all"], [], ["attic", "ssh"], ["home", "ssh", "--wait", "0"]])
def test_mistakes(knocklet, known, words):
    result = knocklet("close", *words)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


def test_unprovision(knocklet, gateway, known):
    with known.link("attic") as attic, known.link("admin") as admin:
        assert attic.publish("knocklet/attic/status", ONLINE, retain=True) < 0x80
        gateway.status()
        for below in ("info", "state", "grants", "config"):
            gateway.say(below)
        admin.must_publish("homeassistant/device/home/config", b"{}", retain=True)
        admin.must_publish("homeassistant/device/attic/config", b"{}", retain=True)
        admin.must_publish("homeassistant/status", b"online", retain=True)
    below = ["status", "info", "state", "grants", "config"]
    topics = [*("knocklet/home/" + each for each in below), "homeassistant/device/home/config"]
    result = knocklet("unprovision", "home", "--mqtt")
    assert (result.exit_code, result.stdout.splitlines()) == (0, ["removed " + topic for topic in topics])
    with known.link("admin") as admin:
        admin.must_subscribe(["knocklet/#", "homeassistant/#"])
        left = {message.topic for _ in range(3) for message in admin.receive(0.3)}
    assert left == {"knocklet/attic/status", "homeassistant/device/attic/config", "homeassistant/status"}
    result = knocklet("unprovision", "home", "--mqtt")
    assert (result.exit_code, result.stdout) == (0, "nothing of home was at the broker\n")
    found = json.loads(knocklet("unprovision", "home", "--mqtt", "--json").stdout)
    assert found == {"gateway": "home", "removed": [], "stays": []}


@pytest.mark.parametrize(
    "words", [["home"], ["+", "--mqtt"], ["#", "--mqtt"], ["", "--mqtt"], ["home/x", "--mqtt"], ["--mqtt"]]
)
def test_unprovision_mistakes(knocklet, known, words):
    result = knocklet("unprovision", *words)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


def test_unprovision_of_one_that_is_forgotten(knocklet, gateway):
    gateway.status()
    knocklet("gateway", "remove", "home")
    assert knocklet("unprovision", "home", "--mqtt").stdout == "removed knocklet/home/status\n"
