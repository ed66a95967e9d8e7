"""`knocklet push` while a gateway is away, or the broker goes; and to several gateways."""

import json
import time

import pytest
from host.conftest import CONFIG, MOVED
from host.process import Process
from host.sealed_gateway import SealedGateway

from knocklet_tool import config_history
from lab.waiting import wait_until


def config(gateway):
    return json.loads(gateway.text)


@pytest.fixture
def away(knocklet, sealed_home, file_of):
    """home is offline, and has what this computer pushed."""
    file_of("home", "port = 8080", "port = 9000")
    assert knocklet("push", "home", "--yes").exit_code == 0
    sealed_home.came.clear()
    sealed_home.stop()
    file_of("home", *MOVED)
    return sealed_home


def test_it_stays_offline(knocklet, away, known):
    result = knocklet("push", "home", "--yes", "--wait", "1")
    assert result.exit_code == 5
    assert "home: not sent: it is not there" in result.stdout and "waiting for it, 1 s at most" in result.stderr
    assert "8081" not in json.dumps([pushed.text.decode() for pushed in config_history.load("home")])
    with known.link("admin") as admin:   # nothing waits at the broker
        admin.must_subscribe(["knocklet/home/set", "knocklet/home/request/#"])
        assert admin.receive(0.5) == []


def test_it_comes_back(home, away):
    with Process(home, "push", "home", "--yes", "--wait", "60") as pushing:
        pushing.says("waiting for it")
        away.start()
        assert pushing.wait() == 0, pushing.stderr
        assert "in force" in pushing.stdout
    assert away.commands() == ["set", "confirm"] and config(away)["services"]["camera"]["port"] == 8081


def test_it_says_online_and_nobody_listens(knocklet, away, known):
    with known.link("home") as liar:
        liar.must_publish("knocklet/home/status", b"online", retain=True)
    result = knocklet("push", "home", "--yes", "--wait", "1")
    assert result.exit_code == 5 and "not sent" in result.stdout


def test_another_computer_was_quicker(home, away):
    """It is not thrown over what somebody else pushed while we waited."""
    with Process(home, "push", "home", "--yes", "--wait", "60") as pushing:
        pushing.says("waiting for it")
        away.text, away.version = json.dumps(CONFIG).encode(), time.time_ns() // 1000
        away.start()
        assert pushing.wait() == 5
        assert "another configuration came there meanwhile" in pushing.stdout
    assert "set" not in away.commands()


def test_it_restarts_before_it_has_answered(home, sealed_home, moved):
    """Sealed anew: what was sent is not sent again."""
    sealed_home.saying = lambda below, payload: [] if below.endswith("set") else [(below, payload)]
    with Process(home, "push", "home", "--yes", "--wait", "60") as pushing:
        wait_until(lambda: "set" in sealed_home.commands(), "it came", timeout_s=20, interval_s=0.02)
        sealed_home.stop()
        sealed_home.saying = lambda below, payload: [(below, payload)]
        sealed_home.start()
        assert pushing.wait() == 0, pushing.stderr
    first, second = [found["version"] for below, found in sealed_home.came if below == "set"]
    assert first < second == sealed_home.version and sealed_home.dropped == 0


def test_the_clock_here_is_behind(knocklet, sealed_home, moved):
    """Later than what the gateway has, whatever the clock says."""
    ahead = time.time_ns() // 1000 + 3_600_000_000
    sealed_home.config_is(sealed_home.text, ahead)
    wait_until(lambda: json.loads(knocklet("status", "--json").stdout)["gateways"][0]["config"]["version"] == f"{ahead:016x}",
               "it says so", timeout_s=20, interval_s=0.1)  # fmt: skip
    assert knocklet("push", "home", "--yes").exit_code == 0
    assert sealed_home.version == ahead + 1


def test_the_broker_goes_and_comes_back(home, sealed_home, moved, known):
    """What the gateway reports then is as good as its answer."""
    sealed_home.saying = lambda below, payload: [] if below.endswith("set") else [(below, payload)]
    with Process(home, "push", "home", "--yes", "--wait", "60") as pushing:
        wait_until(lambda: "set" in sealed_home.commands(), "it came", timeout_s=20, interval_s=0.02)
        known.stop()
        pushing.says("trying again")
        sealed_home.stop()
        trial = sealed_home.trial
        known.start()
        start, sealed_home.start = sealed_home.start, None
        start()   # the gateway, which did not restart itself, is back
        sealed_home.trial = trial
        sealed_home.later(sealed_home._report)
        assert pushing.wait() == 0, pushing.stderr
        assert "in force" in pushing.stdout


def test_the_broker_goes_for_good(home, sealed_home, moved, known):
    sealed_home.saying = lambda below, payload: [] if below.endswith("set") else [(below, payload)]
    try:
        with Process(home, "push", "home", "--yes", "--wait", "3") as pushing:
            wait_until(lambda: "set" in sealed_home.commands(), "it came", timeout_s=20, interval_s=0.02)
            known.stop()
            assert pushing.wait() == 5
            assert "sent, version 20" in pushing.stdout and "not answered: broker localhost" in pushing.stdout
            assert "a trial would end by itself after 90 s" in pushing.stdout
    finally:
        sealed_home.stop()
        known.start()


@pytest.fixture
def two(knocklet, home, sealed_home, file_of, known):
    """home and attic, each with a new camera port to be pushed."""
    (home / "attic-key").write_bytes(bytes(range(1, 33)))
    knocklet("gateway", "add", "attic", "--key-file", home / "attic-key")
    file_of("home", *MOVED)
    file_of("attic", *MOVED)
    with SealedGateway(known, CONFIG | {"id": "attic"}, "attic", bytes(range(1, 33))) as attic:
        yield sealed_home, attic


@pytest.mark.parametrize("words", [["--all"], ["--group", "all-of-them"]])
def test_several(knocklet, two, words):
    result = knocklet("push", *words, "--yes")
    assert result.exit_code == 0, result.output
    assert "home: in force" in result.stdout and "attic: in force" in result.stdout
    assert [config(gateway)["services"]["camera"]["port"] for gateway in two] == [8081, 8081]


def test_a_group(knocklet, two):
    assert knocklet("push", "--group", "attic-only", "--yes").exit_code == 0
    assert [gateway.commands() for gateway in two] == [[], ["pull", "set", "confirm"]]
    for command in ("status", "grants"):
        result = knocklet(command, "--group", "attic-only", "--wait", "0.5")
        assert "attic" in result.stdout and "home" not in result.stdout
    assert "home" in knocklet("status", "--all").stdout
    assert knocklet("status", "home", "--all").exit_code == knocklet("log", "--all", "--group", "x").exit_code == 2


def test_one_of_two_is_away(knocklet, two):
    two[0].stop()
    result = knocklet("push", "--all", "--yes", "--wait", "1")
    assert result.exit_code == 5
    assert "attic: in force" in result.stdout and "home: not sent" in result.stdout
    assert "what differs is not known: home is offline" in result.stdout


def test_one_of_two_comes_later(home, two):
    two[0].stop()
    with Process(home, "push", "--all", "--yes", "--wait", "60") as pushing:
        wait_until(lambda: "confirm" in two[1].commands(), "attic has it", timeout_s=20, interval_s=0.02)
        two[0].start()
        assert pushing.wait() == 0, pushing.stderr
    assert config(two[0])["services"]["camera"]["port"] == 8081


def test_which(knocklet, two):
    assert knocklet("push", "--yes").exit_code == 2
    assert knocklet("push", "nowhere", "--yes").exit_code == 2
