"""Answers to `knocklet push` that are forged, changed, played again or held back: nothing of them is believed."""

import json

import pytest
from host.fake_gateway import OTHER_KEY, sealed


def forged(gateway, below, payload, **changed):
    """The same answer by somebody who has not the key."""
    fields = json.loads(payload) | changed
    fields.pop("mac")
    return sealed(below, key=OTHER_KEY, **fields)


def changed(gateway, below, payload, **fields):
    """An answer of the gateway's own, but to something else."""
    found = json.loads(payload) | fields
    found.pop("mac")
    return sealed(below, **found)


OTHER_TOPIC = {"response/set": "response/confirm", "response/confirm": "response/set"}
BAD = {
    "another's mac": (lambda *words: [(words[1], forged(*words))], 6),
    "no mac": (lambda gateway, below, payload: [(below, json.dumps(json.loads(payload) | {"mac": ""}).encode())], 6),
    "for another topic": (lambda _, below, payload: [(OTHER_TOPIC[below], payload)], 6),
    "to another version": (lambda *words: [(words[1], changed(*words, version="0" * 15 + "1"))], 5),
    "to another transaction": (lambda *words: [(words[1], changed(*words, transaction="0" * 15 + "1"))], 5),
    "held back": (lambda *words: [], 5),
}


@pytest.mark.parametrize("name, verb", [(name, verb) for name in BAD for verb in ("set", "confirm")
                                         if (name, verb) != ("to another transaction", "set")])   # it has its version alone
def test_an_answer_that_is_not_believed(knocklet, sealed_home, moved, name, verb):
    """The gateway has it, and we do not know: we say so, and confirm nothing that it did not tell."""
    sealed_home.reports = False
    bad, code = BAD[name]
    sealed_home.saying = lambda below, payload: bad(sealed_home, below, payload) if below.endswith(verb) else [(below, payload)]
    result = knocklet("push", "home", "--yes", "--wait", "1")
    assert result.exit_code == code, result.output
    assert "in force" not in result.stdout
    if verb == "set":
        assert "not answered: no answer within 1 s" in result.stdout
        assert sealed_home.commands() == ["pull", "set"] and sealed_home.trial
        assert "not answered" in knocklet("history").stdout
    else:
        assert "not confirmed: no answer within 1 s" in result.stdout
        assert "on trial" in knocklet("history").stdout
    assert ("forged" in result.output) is (code == 6)


@pytest.mark.parametrize("verb", ["set", "confirm"])
def test_the_answer_to_an_earlier_push_again(knocklet, sealed_home, moved, file_of, verb):
    assert knocklet("push", "home", "--yes").exit_code == 0
    earlier = dict(sealed_home.said)["response/" + verb]
    sealed_home.reports = False
    sealed_home.saying = lambda below, payload: [(below, earlier if below.endswith(verb) else payload)]
    file_of("home", "port = 8080", "port = 8082")
    result = knocklet("push", "home", "--yes", "--wait", "1")
    assert result.exit_code == 5 and "in force" not in result.stdout


@pytest.mark.parametrize("verb", ["set", "confirm"])
def test_a_forgery_does_not_hide_the_answer(knocklet, sealed_home, moved, verb):
    no = {"status": "error", "error": "no"}
    sealed_home.saying = lambda below, payload: [(below, forged(None, below, payload, **no)), (below, payload)]
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 0 and "in force" in result.stdout and "(forged)" in result.stderr


@pytest.mark.parametrize("verb", ["set", "confirm"])
def test_an_answer_is_lost_and_the_report_is_not(knocklet, sealed_home, moved, verb):
    sealed_home.saying = lambda below, payload: [] if below.endswith(verb) else [(below, payload)]
    result = knocklet("push", "home", "--yes", "--wait", "1")
    assert result.exit_code == 0 and "in force" in result.stdout


@pytest.mark.parametrize("verb", ["set", "confirm"])
def test_in_force_but_storage_fails(knocklet, sealed_home, file_of, verb):
    """Neither in force as if all were well, nor refused."""
    kept = {"status": "error", "error": "it is kept, but storage fails", "data": {}}

    def say(below, payload):
        if not below.endswith(verb):
            return [(below, payload)]
        sealed_home._report()   # before the answer, as the engine does
        return [(below, changed(None, below, payload, **kept))]

    sealed_home.saying = say
    file_of("home", *({"set": ('open = ["camera", "ssh"]', 'open = ["ssh"]'), "confirm": ("port = 8080", "port = 8081")}[verb]))
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 7, result.output
    assert "home: in force, version 20" in result.stdout and ", but it is kept, but storage fails" in result.stdout
    assert "in force" in knocklet("history", "home").stdout


@pytest.fixture
def behind(knocklet, sealed_home, file_of):
    """Another computer's configuration is in force, and the broker shows the report of what this one pushed before."""
    file_of("home", "port = 8080", "port = 8081")
    assert knocklet("push", "home", "--yes").exit_code == 0
    sealed_home.reports = False   # it never leaves the broker
    others = json.loads(sealed_home.text)
    others["services"]["camera"]["port"] = 9000
    sealed_home.config_is(json.dumps(others).encode(), sealed_home.version + 1)
    sealed_home.came.clear()
    file_of("home", "port = 8080", "port = 8082")
    return sealed_home


def test_an_older_report_is_not_compared_with(knocklet, behind):
    """It has the right mac: the gateway itself is asked."""
    for words in (["diff"], ["push", "--dry-run"]):
        assert "~ services.camera.port = 9000 -> 8082" in knocklet(*words).stdout
    assert behind.verbs() == ["selftest", "pull"] * 2


def test_nothing_is_thrown_over_by_an_older_report(knocklet, behind):
    """What the broker shows and what the gateway says are two things: nothing is sent."""
    others = behind.text
    result = knocklet("push", "home", "--yes", "--wait", "1")
    assert result.exit_code == 5 and "not sent: another configuration came there meanwhile" in result.stdout
    assert "~ services.camera.port = 9000 -> 8082" in result.stdout
    assert "set" not in behind.commands() and behind.text == others


def test_a_selftest_that_does_not_tell_it(knocklet, sealed_home, moved):
    """A report at the broker may be an older one: nothing is compared with it."""
    sealed_home.data["selftest"] = {"checks": {"clock": "ok"}}
    result = knocklet("push", "home", "--yes")
    assert result.exit_code == 0 and "what differs is not known: home did not say what is in force" in result.stdout
    assert sealed_home.verbs() == ["selftest", "set", "confirm"]


@pytest.mark.parametrize("refused", [True, False])
def test_no_answer_to_the_selftest(knocklet, sealed_home, moved, refused):
    """It stops nothing, and the report, which the broker may have chosen, is not compared with."""
    assert knocklet("push", "home", "--yes").exit_code == 0
    sealed_home.came.clear()
    if refused:
        sealed_home.refuses["selftest"] = "no"
    else:
        sealed_home.saying = lambda below, payload: [] if below.endswith("selftest") else [(below, payload)]
    result = knocklet("push", "home", "--yes", "--wait", "1")
    assert result.exit_code == 0 and "what differs is not known: home did not say what is in force" in result.stdout
    assert sealed_home.verbs() == ["selftest", "set", "confirm"]
