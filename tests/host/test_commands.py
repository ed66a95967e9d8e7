"""Sealed commands: what is asked, that only the answer to it is believed, and what is said of it."""

import json
import time

import pytest
from host.fake_gateway import OTHER_KEY, sealed

from knocklet_tool import sealed_request
from knocklet_tool.errors import ForgedError, GatewayError, RefusedError
from knocklet_tool.output import Output
from knocklet_tool.settings import load

CASES = [
    (["open", "home", "ssh", "2001:DB8::0:1"], {"service": "ssh", "source": "2001:db8::1"}, {"ends_s": 30},
     "home: ssh is open for 2001:db8::1 until 20"),
    (["open", "home", "ssh", "198.51.100.2", "--ttl", 60], {"service": "ssh", "source": "198.51.100.2", "ttl": 60}, {},
     "home: ssh is open for 198.51.100.2"),
    (["close", "home", "ssh"], {"service": "ssh"}, {"closed": 1}, "home: ssh closed  closed=1"),
    (["close", "--all"], {}, {"closed": 2}, "home: everything closed  closed=2"),
    (["arm"], {}, {"armed": True}, "home: armed: knocks open"),
    (["disarm", "home"], {}, {"armed": False}, "home: disarmed: no knock opens anything"),
    (["revoke", "home", "tablet"], {"client": "tablet"}, {"closed": 1}, "home: tablet is revoked, 1 closed"),
    (["reload"], {}, {"warnings": []}, "home: reloaded"),
    (["selftest"], {}, {"checks": {"clock": "ok", "store": "ok"}}, "home: all is well"),
]  # fmt: skip


@pytest.mark.parametrize("words, fields, data, said", CASES, ids=[" ".join(map(str, case[0])) for case in CASES])
def test_what_is_asked_and_said(knocklet, sealed_home, words, fields, data, said):
    verb = "close_all" if "--all" in words else words[0]
    sealed_home.data[verb] = data
    before = time.time_ns() // 1000
    result = knocklet(*words)
    assert result.exit_code == 0, result.output
    assert said in result.stdout
    ((below, found),) = sealed_home.came
    request = found["request"]
    assert below == "request/" + verb and request.pop("verb") == verb and len(request.pop("transaction")) == 32
    assert request == fields
    # Whoever holds it back for longer than a minute has nothing.
    assert before < found["version"] and found["expires"] == found["version"] // 1_000_000 + 60
    assert found["not_before"] == found["confirm_s"] == 0


@pytest.mark.parametrize("words", [case[0] for case in CASES], ids=[case[0][0] for case in CASES])
def test_json(knocklet, sealed_home, words):
    sealed_home.data |= {"selftest": {"checks": {"clock": "ok"}}}
    assert json.loads(knocklet(*words, "--json").stdout)["gateway"] == "home"


@pytest.mark.parametrize("verb", ["open", "arm", "disarm", "revoke", "reload", "selftest", "pull"])
def test_refused(knocklet, sealed_home, verb):
    sealed_home.refuses[verb] = "no\x1b[2J"
    words = {"open": ["ssh", "198.51.100.2"], "revoke": ["anna"]}.get(verb, [])
    result = knocklet(verb, "home", *words)
    assert (result.exit_code, result.stdout) == (7, "")
    assert result.stderr == "knocklet: home refused: no?[2J\n"


def test_a_selftest_that_finds_something(knocklet, sealed_home):
    sealed_home.data["selftest"] = {"checks": {"clock": "not trusted", "store": "ok"}}
    result = knocklet("selftest", "home")
    assert result.exit_code == 1 and "clock                not trusted" in result.stdout
    for nothing in ({}, {"checks": {}}, {"checks": []}):   # says nothing, so is no proof that all is well
        sealed_home.data["selftest"] = nothing
        assert knocklet("selftest", "home").exit_code == 1


def test_a_reload_that_warns(knocklet, sealed_home):
    sealed_home.data["reload"] = {"warnings": ["decoys: 0"]}
    assert "home: warning: decoys: 0" in knocklet("reload", "home").stderr


def test_each_has_a_later_version_and_a_transaction_of_its_own(knocklet, sealed_home, monkeypatch):
    """Also with a clock that stands, or was set back."""
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    for _ in range(3):
        assert knocklet("arm").exit_code == 0
    versions = [found["version"] for _, found in sealed_home.came]
    assert versions == [versions[0], versions[0] + 1, versions[0] + 2]
    assert len({found["request"]["transaction"] for _, found in sealed_home.came}) == 3


def ask(wait_s=0.7):
    stored = load()
    return sealed_request.command(stored.the_broker(), stored.gateway("home"), "selftest", {}, wait_s, Output())


def changed(payload, key=None, **fields):
    found = json.loads(payload) | fields
    found.pop("mac")
    return sealed(**found, **({"key": key} if key else {}))


NOT_BELIEVED = {
    "another's mac": (ForgedError, lambda below, payload: [(below, changed(payload, OTHER_KEY, below=below))]),
    "cut": (ForgedError, lambda below, payload: [(below, payload[:-1])]),
    "another transaction": (GatewayError, lambda below, payload: [(below, changed(payload, below=below, transaction="0"))]),
    "another version": (GatewayError, lambda below, payload: [(below, changed(payload, below=below, version="0" * 16))]),
    "no version": (GatewayError, lambda below, payload: [(below, changed(payload, below=below, version=None))]),
    "held back": (GatewayError, lambda below, payload: []),
}


@pytest.mark.parametrize("name", NOT_BELIEVED)
def test_not_believed(sealed_home, name):
    error, sealed_home.saying = NOT_BELIEVED[name]
    with pytest.raises(error):
        ask()
    assert sealed_home.verbs() == ["selftest"]   # and it is not asked again


def test_an_earlier_answer_again(sealed_home):
    ask(10)
    earlier = sealed_home.said[-1]
    sealed_home.saying = lambda below, payload: [earlier]
    with pytest.raises(GatewayError):
        ask()


def test_refused_before_it_was_read(sealed_home):
    """It tells the version only; nothing but a refusal is believed there, and only of this message."""
    why = {"transaction": "", "status": "error", "error": "it expired 90 s ago, by the gateway's clock"}

    def refuse(below, payload, **more):
        return [("response/command", changed(payload, below="response/command", **why | more))]

    sealed_home.saying = refuse
    with pytest.raises(RefusedError, match="it expired 90 s ago"):
        ask(10)
    for more in ({"status": "ok"}, {"version": "0" * 16}):
        sealed_home.saying = lambda below, payload, more=more: refuse(below, payload, **more)
        with pytest.raises(GatewayError):
            ask()


def test_nobody_listens(knocklet, known):
    result = knocklet("arm", "home")
    assert result.exit_code == 5 and "nobody there listens" in result.stderr


def test_nothing_is_kept_by_the_broker(knocklet, sealed_home, known):
    knocklet("arm", "home")
    with known.link("admin") as admin:
        admin.must_subscribe(["knocklet/home/set", "knocklet/home/request/#"])
        assert admin.receive(0.3) == []


@pytest.mark.parametrize(
    "words, line",
    [
        (["open", "home", "ssh", "nowhere"], "ADDRESS 'nowhere': allowed: an IPv4 or IPv6 address"),
        (["open", "home", "ssh", "198.51.100.2", "--ttl", "0"], "--ttl"),
        (["open", "attic", "ssh", "198.51.100.2"], "gateway 'attic' is not known"),
        (["revoke", "home", "An na"], "client 'An na': allowed: 1-32 of a-z"),
    ],
)
def test_mistakes(knocklet, known, words, line):
    result = knocklet(*words)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and line in result.stderr


def test_with_the_collectors_key(knocklet, known, home):
    (home / "collector").write_bytes(bytes(32))
    knocklet("gateway", "remove", "home")
    knocklet("gateway", "add", "home", "--collector-key-file", home / "collector")
    for words in (["arm"], ["open", "home", "ssh", "198.51.100.2"], ["approve"], ["pull"], ["confirm", "home"]):
        result = knocklet(*words, "--wait", "0.5")
        assert result.exit_code in (2, 5) and "in force" not in result.stdout, words
    assert "only the collector's key of home is known here" in knocklet("arm").stderr
