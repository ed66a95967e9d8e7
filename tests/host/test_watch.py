"""`knocklet watch`: events as they happen, each once; what is missing or forged; and nothing raw on the terminal."""

import json
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from host.fake_gateway import OTHER_KEY, FakeGateway, sealed
from host.process import Process

from knocklet.wire.report import EVENT_TYPES
from lab.waiting import wait_until


@pytest.fixture
def watch(home, gateway):
    """`watch("--count", 1)`: the running command, listening."""
    running = []

    def start(*words):
        running.append(Process(home, "watch", *words))
        return running[-1].listens()

    yield start
    for process in running:
        process.__exit__()


def test_every_type(watch, gateway):
    shown = watch("home", "--count", len(EVENT_TYPES))
    for event_type in EVENT_TYPES:
        gateway.event(event_type)
    assert shown.wait() == 0
    assert [line.split()[3] for line in shown.stdout.splitlines()] == list(EVENT_TYPES)
    assert shown.stderr.splitlines()[1:] == []


def test_words(watch, gateway):
    shown = watch("--count", 2)
    gateway.event("opened", service="ssh", client="family", source="198.51.100.2", ends_s=30)
    gateway.event("sweep", source="203.0.113.9", untold=12)
    assert shown.wait() == 0
    first, second = shown.stdout.splitlines()
    assert first[19:] == "  home  opened              ssh for 198.51.100.2 by family  ends_s=30"
    assert second[19:] == "  home  sweep               203.0.113.9  untold=12"


def test_json(watch, gateway):
    shown = watch("--count", 2, "--json")
    gateway.event("opened", service="ssh")
    gateway.event("refused", gateway="another", boot=1)
    assert shown.wait() == 0
    first, second = map(json.loads, shown.stdout.splitlines())
    assert first == {"event_type": "opened", "service": "ssh", "gateway": "home", "boot": 1, "seq": 1, "ts": 1_790_000_000}
    assert second["gateway"] == "home"   # no field of the payload stands in for it


def test_filters(watch, gateway):
    shown = watch("--count", 1, "--type", "opened", "--type", "closed", "--service", "ssh", "--source", "2001:DB8::0:1")
    gateway.event("opened", service="ssh", source="198.51.100.2")
    gateway.event("refused", service="ssh", source="2001:db8::1")
    gateway.event("opened", service="camera", source="2001:db8::1")
    gateway.event("closed", service="ssh", source="2001:db8::1")
    assert shown.wait() == 0
    assert shown.stdout.count("\n") == 1 and "closed" in shown.stdout


@pytest.mark.parametrize(
    "words, line",
    [
        (["--type", "opend"], "--type 'opend': allowed: opened, renewed,"),
        (["--source", "host"], "--source 'host': allowed: an IPv4 or IPv6 address"),
        (["--for", "0"], "--for"),
        (["--count", "0"], "--count"),
    ],
)
def test_mistakes(knocklet, known, words, line):
    result = knocklet("watch", *words)
    assert result.exit_code == 2 and line in result.stderr and result.stdout == ""


def test_repeated_missing_forged_odd(watch, gateway, knocklet):
    shown = watch("--count", 4, "--json")
    gateway.event(seq=1)
    gateway.event(seq=1)
    gateway.event(seq=5)
    gateway.event(seq=6, key=OTHER_KEY)
    gateway.raw("event", b'{"event_type":"opened","boot":1,"seq":7,"ts":1}')
    gateway.raw("event", sealed("event", 1, 8, seqs="no event_type"))
    gateway.event("opened", boot=2, seq=3)
    gateway.event(boot=2, seq=1)
    assert shown.wait() == 0
    found = [(event["boot"], event["seq"]) for event in map(json.loads, shown.stdout.splitlines())]
    assert found == [(1, 1), (1, 5), (2, 3), (2, 1)]
    assert "home: missing 3 events (start 1, number 2-4)" in shown.stderr
    assert "home: missing 2 events (start 2, number 1-2)" in shown.stderr
    assert "home: ignored 2 that did not come from the gateway (forged)" in shown.stderr
    assert "home: ignored 1 that are not as reports are" in shown.stderr
    assert [json.loads(line)["seq"] for line in knocklet("log", "--json").stdout.splitlines()] == [1, 5, 3, 1]


def test_an_unknown_type(watch, gateway):
    shown = watch("--count", 1)
    gateway.event("self_destruct\x1b[2J")
    assert shown.wait() == 0
    assert r"unknown event 'self_destruct\x1b[2J'" in shown.stdout


NASTY = ("\x1b[31m", "a\nb", "\r", "\0", "'\"\\", "#", "+/#", "\x9b2J", "\u202e", "\ud800", "{}", "%s%n", "$SYS/#", "[bold]",
         "x" * 9000)  # fmt: skip


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_hostile_strings_in_every_field(watch, gateway, knocklet, words):
    shown = watch("--count", 2 * len(NASTY), *words)
    for text in NASTY:
        gateway.event("refused", service=text, client=text, source=text, reason=text, interface=text, **{text: [text]})
        gateway.event(text)
    assert shown.wait() == 0
    for output in (shown.stdout, knocklet("log", *words).stdout):
        lines = output.split("\n")[:-1]
        assert len(lines) == 2 * len(NASTY)
        for line in lines:
            assert line.isprintable()
        if words:
            for text, line in zip(NASTY, lines[::2]):
                event = json.loads(line)
                assert event["service"] == text and event[text] == [text]
        else:
            assert max(map(len, lines)) < 2000


def test_ctrl_c(watch, gateway, knocklet):
    shown = watch()
    gateway.event(service="ssh")
    shown_first(shown)
    assert shown.end(signal.SIGINT) == 130
    assert "Traceback" not in shown.stderr and "Aborted" not in shown.stderr
    assert knocklet("log").stdout == shown.stdout   # stored, too


def test_it_ends_by_itself(home, gateway):
    with Process(home, "watch", "--for", "0.2") as shown:
        assert shown.wait() == 0 and shown.stdout == ""


def test_a_reader_that_has_gone(watch, gateway, home, knocklet):
    """`knocklet watch | head -1`: ends without a traceback."""
    command = f"{sys.executable} -c 'from knocklet_tool.main import main; main()' watch --json 2>{home}/err | head -1"
    piped = subprocess.Popen(["bash", "-o", "pipefail", "-c", command], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(100):
            gateway.event()
            if piped.poll() is not None:
                break
            time.sleep(0.1)
        assert piped.wait(20) != 0
    finally:
        piped.kill()
        piped.wait()
    assert "Traceback" not in (home / "err").read_text()


def test_the_broker_restarts(home, gateway, knocklet, known, watch):
    shown = watch("--count", 2)
    gateway.event(service="before")
    shown_first(shown)
    known.stop()
    shown.says("trying again")
    known.start()
    with FakeGateway(known) as again:
        for seq in range(2, 100):   # until it listens again
            again.event(seq=seq, service="after")
            try:
                shown._process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                pass
    assert shown.wait() == 0
    assert "before" in shown.stdout and "after" in shown.stdout


def test_the_history_is_locked(watch, gateway, home, knocklet):
    """It shows what comes, and stores it when it can."""
    shown = watch("--count", 2)
    gateway.event(service="first")
    shown_first(shown)
    with sqlite3.connect(home / "data" / "knocklet" / "events.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        gateway.event(service="second")
        assert shown.wait() == 0
        other.execute("ROLLBACK")
    assert "second" in shown.stdout
    assert "1 events are not stored: another process has the history" in shown.stderr


def shown_first(shown):
    wait_until(lambda: shown.stdout, "an event is shown", timeout_s=20, interval_s=0.02)
