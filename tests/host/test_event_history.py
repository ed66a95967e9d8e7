"""The database: each event once, what is missing, other processes that have it locked, and who may read it."""

import sqlite3
import stat

import pytest
from host.fake_gateway import KEY, OTHER_KEY, sealed

from knocklet.wire.keys import event_key
from knocklet_tool import event_history as module
from knocklet_tool.errors import HistoryError
from knocklet_tool.event_history import History
from knocklet_tool.settings import Gateway

pytestmark = pytest.mark.usefixtures("home", "no_sockets")

HOME = Gateway("home", event_key(KEY, "home"))


@pytest.fixture
def history(home):
    with History([HOME]) as opened:
        yield opened


def store(history, *places, gateway=HOME, key=KEY):
    """Take and store events of these (boot, seq); the verdicts."""
    intake = history.intake([gateway])
    found = [intake.take("knocklet/home/event", sealed("event", *place, key, event_type="opened", ts=5)) for place in places]
    history.add(found)
    assert history.commit() and not history.waiting
    return [report.verdict for report in found]


def stored(history, **which):
    return [row.body for row in history.events([HOME], which.get("since"), which.get("types", []))]


def test_each_once(history):
    assert store(history, (1, 1), (1, 1), (1, 2)) == ["new", "repeated", "new"]
    assert store(history, (1, 2), (1, 3), (1, 1)) == ["repeated", "new", "repeated"]   # by another process, later
    assert len(stored(history)) == 3


def test_two_processes_that_saw_the_same(history):
    with History([HOME]) as other:
        intakes = history.intake([HOME]), other.intake([HOME])
        for opened, intake in zip((history, other), intakes):
            opened.add([intake.take("knocklet/home/event", sealed("event", 1, 1, event_type="opened"))])
            assert opened.commit()
    assert len(stored(history)) == 1


def test_the_newest_first(history):
    store(history, (2, 1), (1, 7), (2, 2))
    assert ['"boot": 2, "seq": 2' in body for body in stored(history)] == [True, False, False]
    assert stored(history, since=6) == [] and len(stored(history, since=5)) == 3
    assert stored(history, types=["closed"]) == [] and len(stored(history, types=["closed", "opened"])) == 3


@pytest.mark.parametrize(
    "places, missing",
    [
        ([(1, 1), (1, 2)], []),
        ([(1, 5), (1, 7)], [(1, 6, 6)]),   # nobody knows what was before the first
        ([(1, 5), (1, 9), (1, 7)], [(1, 6, 6), (1, 8, 8)]),
        ([(1, 5), (2, 3)], [(2, 1, 2)]),
        ([(2, 3), (1, 5)], []),
        ([(1, 1), (3, 1), (3, 4)], [(3, 2, 3)]),
    ],
)
def test_missing(history, places, missing):
    store(history, *places)
    assert history.missing("home") == missing
    assert store(history, *places) == ["repeated"] * len(places)


def test_what_the_intake_tells_is_what_the_database_tells(history):
    """Started anew in between."""
    places = [(3, 4), (3, 9), (3, 6), (2, 8), (4, 2), (4, 5), (3, 5), (4, 1)]
    told = set()
    for place in places:
        intake = history.intake([HOME])
        found = intake.take("knocklet/home/event", sealed("event", *place, event_type="opened"))
        told |= {(place[0], seq) for first, last in found.missing for seq in range(first, last + 1)}
        history.add([found])
        assert history.commit()
    left = {(boot, seq) for boot, first, last in history.missing("home") for seq in range(first, last + 1)}
    assert left == told - set(places)


def test_the_newest_of_retained_topics(history):
    intake = history.intake([HOME])
    history.add([intake.take("knocklet/home/grants", sealed("grants", 2, 5))])
    assert history.commit()
    history.add([history.intake([HOME]).take("knocklet/home/grants", sealed("grants", 2, 9))])
    assert history.commit()
    again = history.intake([HOME])
    assert again.take("knocklet/home/grants", sealed("grants", 2, 8)).verdict == "stale"
    assert again.take("knocklet/home/grants", sealed("grants", 2, 9)).verdict == "new"


def test_an_old_event_is_not_new_again(history):
    """Of a start before those that are looked up."""
    store(history, (3, 7), *((boot, 1) for boot in range(100, 115)))
    assert store(history, (3, 7), (2, 1)) == ["repeated", "stale"]
    assert store(history, (115, 1)) == ["new"]
    assert store(history, (3, 7), (3, 8), (100, 1), (100, 2)) == ["stale", "stale", "repeated", "new"]
    assert len(stored(history)) == 18


def test_a_new_key_begins_anew(history):
    store(history, (9, 1))
    fresh = Gateway("home", event_key(OTHER_KEY, "home"))
    with History([fresh]) as opened:
        assert store(opened, (1, 3), gateway=fresh, key=OTHER_KEY) == ["new"]
        assert opened.missing("home") == []


def test_locked_by_another_process(history, monkeypatch):
    intake = history.intake([HOME])
    history.add([intake.take("knocklet/home/event", sealed("event", 1, 1, event_type="opened"))])
    with sqlite3.connect(history.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not history.commit() and len(history.waiting) == 1
        assert stored(history) == []   # reading does not wait
        with History([HOME]):
            pass
        other.execute("ROLLBACK")
    assert history.commit() and len(stored(history)) == 1


def test_modes(history):
    store(history, (1, 1))
    assert stat.S_IMODE(history.path.parent.stat().st_mode) == 0o700
    for path in history.path.parent.glob("events.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_no_database(home):
    (home / "data" / "knocklet").mkdir(parents=True)
    (home / "data" / "knocklet" / "events.db").write_bytes(b"no database at all, but long enough to look" * 10)
    with pytest.raises(HistoryError, match="events.db: file is not a database"):
        History([HOME])


def test_of_a_later_version(history):
    with sqlite3.connect(history.path) as other:
        other.execute("PRAGMA user_version = 2")
    with pytest.raises(HistoryError, match="version 2, of another knocklet"):
        History([HOME])


def test_it_does_not_grow_for_ever(history, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 50)
    monkeypatch.setattr(module, "_PRUNE_EVERY", 20)
    for start in range(1, 301, 20):
        store(history, *((1, seq) for seq in range(start, start + 20)))
    bodies = stored(history)
    assert len(bodies) <= 50 + 20 and '"seq": 300,' in bodies[0]
    assert history.missing("home") == []


def test_what_is_committed_is_on_the_disk(history):
    """It is acknowledged to the broker then, which forgets it."""
    pragmas = [history._db.execute("PRAGMA " + name).fetchone()[0] for name in ("synchronous", "journal_mode")]
    assert pragmas == [2, "wal"]
