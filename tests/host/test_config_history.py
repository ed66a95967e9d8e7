"""What was pushed: kept for the owner alone, at most 50 of each gateway, and what was in force before is found."""

import json
import time

import pytest

from knocklet_tool import config_history
from knocklet_tool.config_history import APPLIED, REFUSED, ROLLED_BACK, SENT, TRIAL, Pushed
from knocklet_tool.errors import InputError

NOW = time.time_ns() // 1000


def push(*texts, outcome=APPLIED):
    with config_history.edit("home") as pushed:
        for text in texts:
            pushed.append(Pushed(NOW + len(pushed), text, 90, outcome))


def test_last_and_before(home):
    assert config_history.last("home") is None and config_history.before("home", "") is None
    push(b"one", b"two")
    for outcome in (SENT, TRIAL, REFUSED, ROLLED_BACK):
        push(b"never", outcome=outcome)
    assert config_history.last("home") == b"two"
    digest = {text: Pushed(0, text).sha256 for text in (b"one", b"two", b"never")}
    assert config_history.before("home", digest[b"two"]) == b"one"
    assert config_history.before("home", digest[b"one"]) is None
    assert config_history.before("home", "that of another computer") == b"two"
    push(b"two", b"one")
    assert config_history.before("home", digest[b"one"]) == b"two"
    assert config_history.with_sha256("home", digest[b"never"]) == b"never"
    assert config_history.with_sha256("home", "0") is None and config_history.last("attic") is None


def test_it_is_the_owners_alone(home):
    push(b'{"clients": "secret"}')
    path = home / "data" / "knocklet" / "pushed" / "home.json"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert "secret" not in repr(config_history.load("home"))
    path.chmod(0o644)
    with pytest.raises(InputError, match="mode 0644 lets others read it"):
        config_history.load("home")


def test_at_most_fifty(home):
    push(*(b"%d" % number for number in range(60)))
    found = config_history.load("home")
    assert (len(found), found[0].text, found[-1].text) == (50, b"10", b"59")


def test_note(home):
    push(b"one", outcome=SENT)
    config_history.note("home", NOW + 7, APPLIED)   # another computer's
    assert config_history.load("home")[0].outcome == SENT
    config_history.note("home", NOW, APPLIED)
    assert config_history.last("home") == b"one"


def test_a_trial_that_nobody_confirmed(home):
    now = time.time_ns() // 1000
    assert Pushed(now, b"", 600, TRIAL).told == TRIAL
    assert Pushed(now - 91_000_000, b"", 90, TRIAL).told == "not confirmed"
    assert Pushed(now - 91_000_000, b"", 90, APPLIED).told == APPLIED


ODD = [{"version": "x", "text": "secret", "confirm_s": 0, "outcome": "in force"}]


@pytest.mark.parametrize("data", ["{", "1", "[1]", "[{}]", "[" * 10_000, json.dumps(ODD)])
def test_damaged(home, data):
    push(b"one")
    (home / "data" / "knocklet" / "pushed" / "home.json").write_text(data)
    with pytest.raises(InputError, match="not as this tool writes it; allowed: remove it") as error:
        config_history.load("home")
    assert "secret" not in str(error.value)


def test_history(knocklet, known):
    assert knocklet("history").stdout == "nothing was pushed from here\n"
    push(b"one")
    push(b"secret", outcome=REFUSED)
    lines = knocklet("history", "home").stdout.splitlines()
    assert [line.split("  ")[3] for line in lines] == ["in force", "refused"]
    (found,) = json.loads(knocklet("history", "--json").stdout)["gateways"]
    assert found["pushed"][0] == {"version": NOW, "sha256": Pushed(0, b"one").sha256, "confirm_s": 90, "outcome": "in force"}
    assert "secret" not in knocklet("history", "--json").stdout + knocklet("history").stdout
