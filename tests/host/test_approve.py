"""`knocklet approve` and `deny`, and what `watch` asks at a terminal: who it is, and only while it waits."""

import os
import time

import pytest
from host.process import Process

from knocklet_tool.approval import Request, request_of
from knocklet_tool.event_report import EventReport
from lab.waiting import wait_until

WHO = {"service": "ssh", "client": "anna", "source": "198.51.100.2"}


@pytest.fixture
def asks(sealed_home):
    """`asks(service="camera")`: a knock that waits for approval. Returns (boot, seq) of its event."""

    def ask(event_type="request", at=0, **fields):
        payload = sealed_home.payload("event", event_type=event_type, lapses_s=60, **WHO | fields)
        sealed_home.later(lambda: sealed_home._publish("event", payload))
        return sealed_home.boot, sealed_home._seqs["event", sealed_home.boot]

    return ask


def asked(gateway):
    return [found["request"] for below, found in gateway.came]


@pytest.mark.parametrize("verb, said", [("approve", "approved"), ("deny", "denied")])
def test_the_next_one(home, sealed_home, asks, verb, said):
    words = ["--yes"] if verb == "approve" else []
    with Process(home, verb, "home", "ssh", *words) as answering:
        answering.says("waiting for a request")
        asks(service="camera")   # not what is waited for
        boot, seq = asks()
        assert answering.wait() == 0, answering.stderr
        assert answering.stdout == f"home: {said}: ssh for 198.51.100.2 by anna\n"
    (request,) = asked(sealed_home)
    request.pop("transaction")
    assert request == {"verb": verb, "boot": boot, "seq": seq, **WHO}


@pytest.mark.parametrize("typed, approved", [(b"y\n", True), (b"n\n", False), (b"\n", False)])
def test_it_names_who_it_is_and_asks(home, sealed_home, asks, typed, approved):
    screen, terminal = os.openpty()
    with Process(home, "approve", terminal=terminal) as approving:
        approving.says("waiting for a request")
        asks()
        approving.says("home: anna wants ssh from 198.51.100.2: approve? [y/N]")
        os.write(screen, typed)
        assert approving.wait() == (0 if approved else 2)
    assert [request["verb"] for request in asked(sealed_home)] == ["approve"] * approved


def test_without_a_terminal_it_is_not_asked(home, sealed_home, asks):
    with Process(home, "approve") as approving:
        approving.says("waiting for a request")
        asks()
        assert approving.wait() == 2 and "--yes says it beforehand" in approving.stderr
    assert asked(sealed_home) == []


def stored(home, asks, *events):
    with Process(home, "watch", "--count", len(events)) as watching:
        watching.listens()
        for event in events:
            made = asks(**event)
        assert watching.wait() == 0
        return made


def test_one_that_waits_already(home, knocklet, sealed_home, asks):
    boot, seq = stored(home, asks, {})
    result = knocklet("approve", "home", "ssh", "--yes")
    assert result.exit_code == 0 and "home: approved: ssh" in result.stdout
    assert (asked(sealed_home)[0]["boot"], asked(sealed_home)[0]["seq"]) == (boot, seq)


@pytest.mark.parametrize("end", ["approved", "denied", "lapsed"])
def test_one_that_was_answered_does_not_wait(home, knocklet, sealed_home, asks, end):
    stored(home, asks, {}, {"event_type": end})
    result = knocklet("approve", "home", "--yes", "--wait", "0.5")
    assert result.exit_code == 5 and "nobody has asked for anything at home within 0.5 s" in result.stderr
    assert asked(sealed_home) == []


def test_refused(knocklet, home, sealed_home, asks):
    sealed_home.refuses["approve"] = "no such request waits"
    stored(home, asks, {})
    result = knocklet("approve", "--yes")
    assert result.exit_code == 7 and "home refused: no such request waits" in result.stderr


def event(ts, **fields):
    return EventReport("home", 1, 2, ts, {"event_type": "request", "lapses_s": 60, **WHO, **fields})


def test_one_that_has_lapsed_is_none():
    now = int(time.time())
    assert request_of(event(now)) == Request("home", 1, 2, "anna", "ssh", "198.51.100.2", now + 60)
    assert request_of(event(now - 61)) is None
    assert request_of(event(now - 61, lapses_s=10**9)) is None   # not for ever, whoever says so
    assert request_of(event(now, client=1)) is None and request_of(event(now, lapses_s="x")) is None


@pytest.fixture
def watching(home, sealed_home):
    """`knocklet watch` at a terminal, and how to type there."""
    screen, terminal = os.openpty()
    with Process(home, "watch", terminal=terminal) as running:
        running.listens()
        running.type = lambda text: os.write(screen, text)
        yield running


@pytest.mark.parametrize("typed, verb", [(b"y\n", "approve"), (b"n\n", "deny"), (b"\n", "deny")])
def test_watch_asks(watching, sealed_home, asks, typed, verb):
    boot, seq = asks()
    watching.says("home: anna wants ssh from 198.51.100.2: approve? [y/N]")
    watching.type(typed)
    wait_until(lambda: asked(sealed_home), "it is told", timeout_s=20, interval_s=0.02)
    (request,) = asked(sealed_home)
    assert (request["verb"], request["boot"], request["seq"]) == (verb, boot, seq)


def test_watch_goes_on_while_it_asks(watching, sealed_home, asks):
    asks()
    watching.says("approve? [y/N]")
    asks("opened", service="camera")
    wait_until(lambda: "opened" in watching.stdout, "it is shown", timeout_s=20, interval_s=0.02)
    wait_until(lambda: watching.stderr.count("anna wants ssh") == 2, "and it asks again", timeout_s=20, interval_s=0.02)
    asks(client="ben")
    watching.type(b"y\n")
    wait_until(lambda: "ben wants ssh" in watching.stderr, "it asks for the next one", timeout_s=20, interval_s=0.02)
    watching.type(b"n\n")
    wait_until(lambda: len(asked(sealed_home)) == 2, "both are told", timeout_s=20, interval_s=0.02)
    assert [(request["verb"], request["client"]) for request in asked(sealed_home)] == [("approve", "anna"), ("deny", "ben")]


@pytest.mark.parametrize("end", ["approved", "denied", "lapsed"])
def test_what_is_typed_after_its_end_answers_nothing(watching, sealed_home, asks, end):
    asks()
    watching.says("approve? [y/N]")
    asks(end)
    wait_until(lambda: end in watching.stdout, "it has ended", timeout_s=20, interval_s=0.02)
    watching.type(b"y\n")
    asks(client="ben")
    watching.says("ben wants ssh")
    watching.type(b"n\n")
    wait_until(lambda: asked(sealed_home), "it is told", timeout_s=20, interval_s=0.02)
    assert [(request["verb"], request["client"]) for request in asked(sealed_home)] == [("deny", "ben")]


def test_watch_goes_on_when_it_is_refused(watching, sealed_home, asks):
    sealed_home.refuses["approve"] = "it may have lapsed"
    asks()
    watching.says("approve? [y/N]")
    watching.type(b"y\n")
    watching.says("home refused: it may have lapsed")
    asks("opened")
    wait_until(lambda: "opened" in watching.stdout, "it is shown", timeout_s=20, interval_s=0.02)


def test_watch_without_a_terminal_does_not_ask(home, sealed_home, asks):
    with Process(home, "watch", "--count", 1) as running:
        running.listens()
        asks()
        assert running.wait() == 0 and "approve?" not in running.stderr
