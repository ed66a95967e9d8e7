"""`knocklet collect` and `log`: nothing that was acknowledged is lost, whoever is restarted; and what is shown of it."""

import json
import signal
import sqlite3
import time

import pytest
from host.fake_gateway import OTHER_KEY, FakeGateway
from host.process import Process

from lab.waiting import wait_until


@pytest.fixture
def collect(home, known):
    """`collect()`: the running command, listening."""
    running = []

    def start():
        running.append(Process(home, "collect"))
        return running[-1].listens()

    yield start
    for process in running:
        process.__exit__()


@pytest.fixture
def stored(knocklet):
    """`stored()`: the seqs in the history, in its order."""

    def read(*words):
        return [json.loads(line)["seq"] for line in knocklet("log", "--json", "--limit", 100_000, *words).stdout.splitlines()]

    return read


def all_stored(stored, count):
    wait_until(lambda: len(stored()) >= count, f"{count} events are stored", timeout_s=60, interval_s=0.1)
    assert stored() == list(range(1, count + 1))


def test_collect(collect, gateway, stored):
    collecting = collect()
    for _ in range(300):
        gateway.event()
    all_stored(stored, 300)
    assert collecting.end(signal.SIGTERM) == 0
    assert "stored 300 events; missing 0, forged 0, repeated 0" in collecting.stdout
    assert "Traceback" not in collecting.stderr


def test_what_came_while_it_was_away(collect, gateway, stored):
    """The broker keeps the session."""
    collect().end()
    for _ in range(50):
        gateway.event()
    collect()
    all_stored(stored, 50)


def test_killed_at_any_moment(collect, gateway, stored):
    """What was not committed was not acknowledged, so it comes again; what was committed is not stored twice."""
    for _ in range(6):
        collecting = collect()
        for _ in range(40):
            gateway.event()
        collecting.end(signal.SIGKILL)
    collect()
    all_stored(stored, 240)


def test_the_broker_restarts(collect, known, stored):
    """With events under way: publishing goes on as soon as it is back."""
    collecting = collect()
    seq = 0
    for _ in range(2):
        with FakeGateway(known) as gateway:
            for _ in range(100):
                seq += 1
                gateway.event(seq=seq)
        known.stop()
        collecting.says("trying again")
        known.start()
    with FakeGateway(known) as gateway:
        gateway.event(seq=seq + 1)
    all_stored(stored, seq + 1)
    assert "missing" not in collecting.stderr


def test_the_broker_is_away_at_the_start(home, known, stored):
    known.stop()
    with Process(home, "collect") as collecting:
        collecting.says("Connection refused; trying again")
        known.start()
        collecting.listens()
        with FakeGateway(known) as gateway:
            gateway.event()
            all_stored(stored, 1)


def test_the_history_is_locked(collect, gateway, stored, home):
    collecting = collect()
    gateway.event()
    all_stored(stored, 1)
    with sqlite3.connect(home / "data" / "knocklet" / "events.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(100):
            gateway.event()
        collecting.says("Another process has the history; what comes waits at the broker")
        assert len(stored()) == 1
        other.execute("ROLLBACK")
    all_stored(stored, 101)


def test_killed_while_the_history_is_locked(collect, gateway, stored, home):
    """Nothing was acknowledged that was not stored."""
    collecting = collect()
    gateway.event()
    all_stored(stored, 1)
    with sqlite3.connect(home / "data" / "knocklet" / "events.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(30):
            gateway.event()
        collecting.says("Another process has the history")
        collecting.end(signal.SIGKILL)
        other.execute("ROLLBACK")
    collect()
    all_stored(stored, 31)


def test_forged_repeated_missing(collect, gateway, stored):
    collecting = collect()
    gateway.event(seq=1)
    gateway.event(seq=1)
    gateway.event(seq=2, key=OTHER_KEY)
    gateway.event(seq=4)
    wait_until(lambda: stored() == [1, 4], "the good ones are stored", timeout_s=20, interval_s=0.1)
    collecting.says("home: missing 2 events (start 1, number 2-3)")
    collecting.says("(forged)")
    assert collecting.end() == 130
    assert "stored 2 events; missing 2, forged 1, repeated 1" in collecting.stdout


def test_one_is_enough(collect, knocklet, home):
    collect()
    with Process(home, "collect") as second:
        assert second.wait() == 2
        assert "another knocklet collect of this user is running" in second.stderr


def test_it_does_not_wait_where_that_is_no_use(home, known, knocklet):
    (home / "wrong").write_text("wrong")
    words = ["--port", known.port, "--ca", known.files / "ca.crt", "--password-file", home / "wrong"]
    assert knocklet("broker", "use", "localhost", *words).exit_code == 0
    with Process(home, "collect") as collecting:
        assert collecting.wait() == 4
        assert "it does not let us in" in collecting.stderr


def test_a_collector_without_the_gateways_key(knocklet, gateway, known, home, collect, stored):
    """It has the event key, and Home Assistant's user at the broker, who may only read and close."""
    (home / "evt").write_bytes(knocklet("gateway", "collector-key", "home").stdout_bytes)
    assert knocklet("gateway", "remove", "home").exit_code == 0
    assert knocklet("gateway", "add", "home", "--collector-key-file", home / "evt").exit_code == 0
    words = ["--port", known.port, "--ca", known.files / "ca.crt", "--user", "homeassistant"]
    knocklet("broker", "use", "localhost", *words, "--password-file", known.password_file("homeassistant"))
    collect()
    gateway.event()
    all_stored(stored, 1)


def test_log(home, gateway, collect, stored, knocklet, known):
    collect()
    now = int(time.time())
    gateway.event("opened", service="ssh", source="198.51.100.2", ts=now - 3600)
    gateway.event("refused", source="203.0.113.9", ts=now - 60)
    gateway.event("closed", service="ssh", source="198.51.100.2", ts=now)
    all_stored(stored, 3)
    gateway.event("closed", seq=6, ts=now)
    wait_until(lambda: len(stored()) == 4, "the last is stored", timeout_s=20, interval_s=0.1)
    known.stop()   # it needs no broker
    try:
        result = knocklet("log")
        assert [line.split()[3] for line in result.stdout.splitlines()] == ["opened", "refused", "closed", "closed"]
        assert result.stderr == "home: missing 2 events (start 1, number 4-5)\n"
        for words, seqs in (
            (["--type", "refused"], [2]), (["--service", "ssh"], [1, 3]), (["--source", "203.0.113.9"], [2]),
            (["--since", "30m"], [2, 3, 6]), (["--since", "2h"], [1, 2, 3, 6]), (["--since", "9d", "--type", "closed"], [3, 6]),
            (["--since", "2020-01-01"], [1, 2, 3, 6]), (["--since", "2100-01-01 12:00"], []), (["home"], [1, 2, 3, 6]),
        ):  # fmt: skip
            assert stored(*words) == seqs, words
        assert len(knocklet("log", "--limit", 2).stdout.splitlines()) == 2
        assert "closed" in knocklet("log", "--limit", 1).stdout
    finally:
        known.start()


@pytest.mark.parametrize("when", ["", "yesterday", "5", "-5m", "5w", "2026-13-01", "9" * 30 + "d", "\x1b[31m"])
def test_since(knocklet, known, when):
    result = knocklet("log", "--since", when)
    assert result.exit_code == 2 and result.stderr.startswith("knocklet: --since ")
    assert result.stderr[:-1].isprintable()


def test_no_history_yet(knocklet, known):
    result = knocklet("log", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_damaged_history(knocklet, known, home):
    (home / "data" / "knocklet").mkdir(parents=True)
    (home / "data" / "knocklet" / "events.db").write_bytes(b"no database, but as long as the beginning of one" * 10)
    result = knocklet("log")
    assert result.exit_code == 8 and result.stderr.endswith("events.db: file is not a database\n")
