"""`knocklet push`: shown, asked, sealed, tried, confirmed; and what is said where that does not go through."""

import json
import os
import re
import time

import pytest
from host.conftest import CONFIG, FILE
from host.process import Process

from knocklet_tool import config_history, in_force
from knocklet_tool.delivery import Plan
from lab.waiting import wait_until


def config(gateway):
    return json.loads(gateway.text)


def test_push(knocklet, sealed_home, moved):
    before = time.time_ns() // 1000
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 0, result.stderr
    first, second, third = result.stdout.splitlines()
    assert (first, second) == ("home:", "~ services.camera.port = 8080 -> 8081")
    assert third.startswith("home: in force, version 20") and third.endswith(" s")
    assert sealed_home.commands() == ["pull", "set", "confirm"]
    assert sealed_home.trial is None and config(sealed_home)["services"]["camera"]["port"] == 8081
    sent = sealed_home.sent("set")
    assert sent["confirm_s"] == 90 and before < sent["version"] == sealed_home.version
    assert 590 < sent["expires"] - time.time() < 601
    assert sealed_home.sent("confirm")["request"]["version"] == f"{sent['version']:016x}"
    assert "host" not in config(sealed_home) and "groups" not in config(sealed_home)


def test_the_next_one_differs_from_what_this_computer_pushed(knocklet, sealed_home, moved, file_of):
    """Without asking the gateway for all of it again."""
    knocklet("push", "home", "--yes")
    file_of("home", "port = 8080", "port = 8082")
    result = knocklet("push", "--yes")
    assert result.exit_code == 0 and "~ services.camera.port = 8081 -> 8082" in result.stdout
    assert sealed_home.commands() == ["pull", "set", "confirm", "set", "confirm"]


def test_nothing_to_do(knocklet, sealed_home, file_of):
    result = knocklet("push", "home", "--yes")
    assert (result.exit_code, result.stdout) == (0, "home: nothing to do\n")
    assert sealed_home.commands() == ["pull"]


def test_dry_run(knocklet, sealed_home, moved):
    result = knocklet("push", "home", "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "home:\n~ services.camera.port = 8080 -> 8081\n")
    assert sealed_home.commands() == ["pull"]


def test_json(knocklet, sealed_home, moved):
    result = knocklet("push", "home", "--yes", "--json")
    (found,) = json.loads(result.stdout)["gateways"]
    assert (found["gateway"], found["outcome"], found["warnings"]) == ("home", "in force", [])
    assert found["changes"] == [{"key": "services.camera.port", "old": "8080", "new": "8081"}]
    assert found["version"] == sealed_home.version and 0 < found["took_s"]


def test_without_a_terminal_it_is_not_asked(knocklet, sealed_home, moved):
    result = knocklet("push", "home")
    assert result.exit_code == 2 and "--yes says it beforehand" in result.stderr
    assert sealed_home.commands() == ["pull"]


@pytest.mark.parametrize("typed, pushed", [(b"y\n", True), (b"yes\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)])
def test_asked_at_a_terminal(home, sealed_home, moved, typed, pushed):
    screen, terminal = os.openpty()
    with Process(home, "push", "home", terminal=terminal) as pushing:
        pushing.says("push? [y/N]")
        os.write(screen, typed)
        assert pushing.wait() == (0 if pushed else 2)
        assert "8080 -> 8081" in pushing.stdout
        assert ("in force" in pushing.stdout) is pushed and ("nothing was pushed" in pushing.stderr) is not pushed
    assert ("set" in sealed_home.commands()) is pushed


LOCKS_OUT = ('open = ["camera", "ssh"]', 'close = ["camera", "ssh"]'), ('["wan0"]', '["eth0"]')


@pytest.mark.parametrize("old, new", LOCKS_OUT)
def test_what_may_lock_you_out_is_asked_about(home, knocklet, sealed_home, moved, file_of, old, new):
    assert knocklet("push", "--yes").exit_code == 0
    file_of("home", old, new)
    screen, terminal = os.openpty()
    with Process(home, "push", terminal=terminal) as pushing:
        pushing.says("push, although it may lock you out? [y/N]")
        assert "home.toml:" in pushing.stderr
        os.write(screen, b"n\n")
        assert pushing.wait() == 2
    assert sealed_home.commands().count("set") == 1


def test_other_weak_choices_are_counted(knocklet, sealed_home, moved):
    result = knocklet("push", "--yes")
    assert result.exit_code == 0 and re.search(r"home: [1-9] weak choices?; knocklet lint home tells more", result.stderr)


TAKEN = {
    "a sequence": (FILE[FILE.index("[sequences.family]") :], ""),
    "a right": ('open = ["camera", "ssh"]', 'open = ["ssh"]'),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_only_takes_away_waits_for_no_trial(knocklet, sealed_home, file_of, name):
    file_of("home", *TAKEN[name])
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 0 and "in force" in result.stdout
    assert sealed_home.commands() == ["pull", "set"] and sealed_home.sent("set")["confirm_s"] == 0


def test_a_service_that_goes_is_tried(knocklet, sealed_home, file_of):
    """From then on nothing of ours closes its port."""
    file_of("home", FILE[FILE.index("[services.ssh]") :])
    assert knocklet("push", "home", "--yes").exit_code == 0
    assert sealed_home.commands() == ["pull", "set", "confirm"] and sealed_home.sent("set")["confirm_s"] == 90


@pytest.mark.parametrize("words, confirm_s", [(["--confirm-s", 60], 60), (["--no-confirm"], 90)])
def test_unless_a_trial_is_wanted(knocklet, sealed_home, file_of, words, confirm_s):
    file_of("home", *TAKEN["a sequence"])
    assert knocklet("push", "home", "--yes", *words).exit_code == 0
    assert sealed_home.sent("set")["confirm_s"] == confirm_s


def test_no_confirm_then_confirm(knocklet, sealed_home, moved):
    result = knocklet("push", "home", "--yes", "--no-confirm", "--confirm-s", 300)
    assert result.exit_code == 0
    assert "on trial for 300 s; knocklet confirm home keeps it, knocklet rollback home ends it" in result.stdout
    assert sealed_home.trial and "on trial" in knocklet("history").stdout
    result = knocklet("confirm", "home")
    assert result.exit_code == 0 and "home: in force, version 20" in result.stdout
    assert sealed_home.trial is None and config(sealed_home)["services"]["camera"]["port"] == 8081
    assert "in force" in knocklet("history", "home").stdout
    result = knocklet("confirm", "home")
    assert result.exit_code == 7 and "nothing is on trial at home" in result.stderr


def test_no_confirm_then_rollback(knocklet, sealed_home, moved):
    knocklet("push", "home", "--yes", "--no-confirm")
    result = knocklet("rollback", "home")
    assert result.exit_code == 0 and "has ended" in result.stdout
    assert sealed_home.trial is None and config(sealed_home) == CONFIG
    assert "rolled back" in knocklet("history", "home").stdout


def test_rollback_to_the_one_before(knocklet, sealed_home, moved, file_of):
    assert knocklet("rollback", "home", "--yes").exit_code == 2
    for port in (8081, 8082):
        file_of("home", "port = 8080", f"port = {port}")
        assert knocklet("push", "home", "--yes").exit_code == 0
    second = sealed_home.version
    result = knocklet("rollback", "home")
    assert result.exit_code == 2 and "~ services.camera.port = 8082 -> 8081" in result.stdout and sealed_home.version == second
    result = knocklet("rollback", "home", "--yes")
    assert result.exit_code == 0 and config(sealed_home)["services"]["camera"]["port"] == 8081
    assert sealed_home.version > second   # as a new one: no gateway takes an old version again


def test_warnings_of_the_gateway(knocklet, sealed_home, moved):
    sealed_home.data["warnings"] = ["decoys: 0\x1b[2J"]
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 0 and "home: warning: decoys: 0?[2J" in result.stdout


@pytest.mark.parametrize("verb", ["set", "confirm"])
def test_refused(knocklet, sealed_home, moved, verb):
    sealed_home.refuses[verb] = "the clock is not trusted"
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 7 and "home: refused: the clock is not trusted" in result.stdout
    assert config(sealed_home) == CONFIG and "refused" in knocklet("history").stdout


def test_with_the_collectors_key(knocklet, home, known, moved):
    (home / "collector").write_bytes(bytes(32))
    knocklet("gateway", "remove", "home")
    knocklet("gateway", "add", "home", "--collector-key-file", home / "collector")
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 2 and "only the collector's key of home is known here" in result.stderr


def test_ctrl_c(home, sealed_home, moved):
    sealed_home.saying = lambda below, payload: [] if below.endswith("set") else [(below, payload)]
    with Process(home, "push", "home", "--yes", "--wait", "60") as pushing:
        wait_until(lambda: "set" in sealed_home.commands(), "it came", timeout_s=20, interval_s=0.02)
        assert pushing.end() == 130
        assert "Traceback" not in pushing.stderr


def test_no_secret_is_shown(knocklet, home, sealed_home, moved):
    """Neither a client's key nor steps; and the gateway has them."""
    assert knocklet("client", "add", "anna", "--gateway", "home", "--open", "ssh", "--kind", "otp").exit_code == 0
    told = [knocklet("diff"), knocklet("push", "--yes", "--dry-run"), knocklet("push", "--yes", "--json")]
    key = config(sealed_home)["clients"]["anna"]["key"]
    knocklet("client", "rotate", "anna", "--gateway", "home")
    told += [knocklet("push", "--yes"), knocklet("history"), knocklet("pull"), knocklet("rollback", "--yes")]
    new = json.loads(config_history.load("home")[1].text)["clients"]["anna"]["key"]
    assert all(result.exit_code == 0 for result in told) and key != new
    assert "clients.anna.key: changed" in told[3].stdout
    for secret in (key, new, sealed_home.key.hex(), "41822"):
        assert all(secret not in result.output for result in told), secret
    shown = repr([config_history.load("home"), in_force.InForce(None, key.encode()), Plan(None, key.encode(), None, None, 0)])
    assert key not in shown


def test_rollback_of_what_is_not_told(knocklet, known, home, sealed_home):
    sealed_home.stop()
    with known.link("admin") as admin:
        admin.must_publish("knocklet/home/config", b"", retain=True)
    result = knocklet("rollback", "home", "--yes")
    assert result.exit_code == 5 and "home has not said which configuration it has" in result.stderr
