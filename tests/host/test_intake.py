"""What is believed of a gateway's bytes, without any broker: forged, repeated, missing, stale, old starts, odd content."""

import json
import random

import pytest
from host.fake_gateway import KEY, OTHER_KEY, sealed

from knocklet.wire import report
from knocklet.wire.keys import event_key
from knocklet_tool.intake import FORGED, NEW, ODD, REPEATED, STALE, Intake, Seen, verified

pytestmark = pytest.mark.usefixtures("no_sockets")

EVENT_KEY = event_key(KEY, "home")


@pytest.fixture
def intake():
    return Intake({"home": EVENT_KEY})


def event(intake, boot, seq, **more):
    return intake.take("knocklet/home/event", sealed("event", boot, seq, event_type="opened", **more))


def story(intake, *places):
    """[(verdict, missing)] of events with these (boot, seq)."""
    return [(found.verdict, found.missing) for found in (event(intake, *place) for place in places)]


# (boot, seq) as they come; for each the verdict, and what is told as missing before it
STORIES = {
    "in order": (((1, 1), NEW, []), ((1, 2), NEW, []), ((1, 3), NEW, [])),
    "nobody knows what was before": (((4, 70), NEW, []), ((4, 71), NEW, [])),
    "a gap": (((1, 1), NEW, []), ((1, 5), NEW, [(2, 4)]), ((1, 6), NEW, [])),
    "a gap is filled late": (((1, 1), NEW, []), ((1, 4), NEW, [(2, 3)]), ((1, 3), NEW, []), ((1, 3), REPEATED, []),
                             ((1, 2), NEW, []), ((1, 2), REPEATED, [])),
    "repeated": (((1, 1), NEW, []), ((1, 1), REPEATED, []), ((1, 2), NEW, []), ((1, 1), REPEATED, [])),
    "a new start": (((1, 8), NEW, []), ((2, 1), NEW, []), ((2, 2), NEW, [])),
    "the beginning of a new start is missing": (((1, 8), NEW, []), ((2, 3), NEW, [(1, 2)]), ((2, 1), NEW, [])),
    "starts that nobody saw": (((1, 8), NEW, []), ((5, 1), NEW, [])),
    "an earlier start, late": (((3, 1), NEW, []), ((2, 40), NEW, []), ((2, 42), NEW, [(41, 41)]), ((3, 2), NEW, [])),
    "before the first that was seen": (((1, 9), NEW, []), ((1, 3), NEW, []), ((1, 3), REPEATED, [])),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_stories(intake, name):
    told = STORIES[name]
    assert story(intake, *(place for place, _, _ in told)) == [(verdict, missing) for _, verdict, missing in told]


def test_seqs_are_counted_for_each_start_and_gateway():
    intake = Intake({"home": EVENT_KEY, "attic": event_key(KEY, "attic")})
    for name in ("home", "attic"):
        for boot in (1, 2):
            found = intake.take(f"knocklet/{name}/event", sealed("event", boot, 1, name=name, event_type="opened"))
            assert (found.gateway, found.verdict, found.missing) == (name, NEW, [])


def test_forged(intake):
    good = sealed("event", 1, 1, event_type="opened", service="ssh")
    for bad in (
        b"", b"{}", b'{"mac":""}', good[:-1], good + b" ", good[1:], good.replace(b"ssh", b"sss"), good.upper(),
        sealed("event", 1, 1, OTHER_KEY, event_type="opened"), sealed("event", 1, 1, name="attic", event_type="opened"),
        sealed("state", 1, 1, event_type="opened"), b"\xff" * 200, b'{"event_type":"opened","boot":1,"seq":1,"ts":1}',
    ):  # fmt: skip
        assert intake.take("knocklet/home/event", bad).verdict == FORGED, bad
    assert intake.take("knocklet/home/grants", good).verdict == FORGED
    assert intake.take("knocklet/home/event", good).verdict == NEW   # none of these has used up its place


@pytest.mark.parametrize(
    "topic",
    ["", "knocklet/", "knocklet/home", "knocklet/home/status", "knocklet/home/set", "knocklet/attic/event", "home/event",
     "knocklet/home/event/more", "x/knocklet/home/event", "knocklet/home/request/close", "knocklet/ho\0me/event"],
)  # fmt: skip
def test_other_topics(intake, topic):
    with pytest.raises(KeyError):
        intake.take(topic, sealed("event", 1, 1, event_type="opened"))


@pytest.mark.parametrize(
    "body",
    ["[]", "1", '"x"', "{}", '{"boot":1,"seq":1}', '{"boot":1,"seq":1,"ts":1}', '{"boot":0,"seq":1,"ts":1,"event_type":"x"}',
     '{"boot":1,"seq":-1,"ts":1,"event_type":"x"}', '{"boot":true,"seq":1,"ts":1,"event_type":"x"}',
     '{"boot":1.0,"seq":1,"ts":1,"event_type":"x"}', '{"boot":1,"seq":1,"ts":1,"event_type":7}',
     '{"boot":1,"seq":1,"ts":-1,"event_type":"x"}', '{"boot":1,"seq":%d,"ts":1,"event_type":"x"}' % 2**60,
     '{"boot":1,"seq":1,"ts":1,"event_type":"x","a":NaN}', '{"boot":1,"seq":1,"ts":1,"event_type":"x","a":1e999}',
     '{"boot":1,"seq":1,"ts":1,"event_type":"x","a":[[-Infinity]]}', '{"boot":1,"seq":1,"ts":1,"event_type":"x",}',
     '{"boot":1,"seq":1,"ts":1,"event_type":"x","a":%s1%s}' % ("[" * 900, "]" * 900), '{"boot":1', '{"boot":"1'],
)  # fmt: skip
def test_odd(intake, body):
    """Sealed with the right key, and still no report."""
    assert intake.take("knocklet/home/event", report.seal(EVENT_KEY, "event", body.encode())).verdict == ODD
    assert intake.take("knocklet/home/event", report.seal(EVENT_KEY, "event", b'{"a":"\xff"}')).verdict == ODD


def test_of_retained_topics_the_newest_wins(intake):
    def take(boot, seq, below="grants"):
        return intake.take("knocklet/home/" + below, sealed(below, boot, seq, grants=[])).verdict

    assert [take(2, 5), take(2, 5), take(2, 4), take(1, 99), take(2, 6), take(3, 1), take(2, 7)] == [
        NEW, NEW, STALE, STALE, NEW, NEW, STALE,
    ]  # fmt: skip
    assert take(1, 1, "state") == NEW   # each topic for itself


def test_events_of_starts_that_are_not_remembered(intake):
    """Played again when nobody knows any more whether they were seen."""
    told = [verdict for verdict, _ in story(intake, (3, 7), *((boot, 1) for boot in range(100, 115)), (3, 7), (2, 1))]
    assert told == [NEW] * 16 + [REPEATED, STALE]   # all 16 starts are remembered
    assert story(intake, (115, 1), (3, 7), (3, 8), (99, 1)) == [(NEW, []), (STALE, []), (STALE, []), (STALE, [])]
    assert story(intake, (100, 1), (100, 2)) == [(REPEATED, []), (NEW, [])]
    assert story(intake, (117, 1), (116, 1), (100, 2), (101, 1), (102, 1)) == [
        (NEW, []), (NEW, []), (STALE, []), (STALE, []), (REPEATED, []),
    ]  # fmt: skip


def test_both_verifications_agree():
    """The quick one of the tool and the gateway's own."""
    chance = random.Random(1)
    good = sealed("event", 7, 12, event_type="opened", text="caf\u00e9 \"\\ \x00")
    cases = [good, b"", b"{}", b'{"a":1}', sealed("event", 1, 1, OTHER_KEY), good.replace(b'"mac"', b'"Mac"'), good.upper()]
    for _ in range(3000):
        changed = bytearray(good)
        for _ in range(chance.randrange(3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        cases.append(bytes(changed[: chance.choice((len(changed), chance.randrange(len(changed))))]))
    accepted = 0
    for case in cases:
        for below in ("event", "state"):
            try:
                wire = report.verified(EVENT_KEY, below, case)
            except ValueError:
                wire = None
            assert verified(EVENT_KEY, below, case) == wire, case
            accepted += wire is not None
    assert accepted > 100


def test_seen_is_a_set():
    """Against a plain set, in any order."""
    chance = random.Random(2)
    for _ in range(200):
        seen, plain = Seen(), set()
        for _ in range(60):
            seq = chance.randrange(1, 40)
            assert seen.take(seq) == (seq not in plain)
            plain.add(seq)
            unseen = {number for first, last in seen.unseen for number in range(first, last + 1)}
            assert unseen == set(range(1, seen.highest + 1)) - plain


def test_a_gateway_that_loses_everything_costs_little():
    seen = Seen()
    for seq in range(1, 100_001, 2):
        assert seen.take(seq)
    assert len(seen.unseen) == 1000


def test_hostile_strings_come_through_as_they_are(intake):
    nasty = "\"'\\\n\r\x00\x1b[31m\u202e#+/$SYS\U0001f600\udc80"
    found = event(intake, 1, 1, service=nasty, **{nasty: nasty})
    assert found.verdict == NEW and found.fields["service"] == nasty and found.fields[nasty] == nasty
    assert json.loads(found.body)[nasty] == nasty
