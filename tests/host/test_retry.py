"""A second knock makes good what the first one lost: the gateway's own matcher is the judge."""

import itertools

import pytest

from knocklet.core import verdict
from knocklet.core.attempts import KEY_BYTES, Attempts
from knocklet.core.matcher import Matcher
from knocklet_tool.sequence_knock import _PAUSE_S, WAIT_S

pytestmark = pytest.mark.usefixtures("no_sockets")

STEPS = [(6, 7001), (17, 7002), (6, 7003), (6, 7004)]
DELAY_MS = 100
PROBE_MS = int(max(WAIT_S, _PAUSE_S) * 1000)
KNOCK_MS = DELAY_MS * (len(STEPS) - 1) + PROBE_MS   # from the first step of a try to that of the next


LOSSES = [lost for count in range(1, 5) for lost in itertools.combinations(range(4), count)]   # steps that get lost


class Sequence:
    steps = STEPS
    window_ms = 10_000


class Packet:
    source, address_bytes = 0, 4

    def __init__(self, protocol, port):
        self.protocol = protocol
        self.port = port


@pytest.fixture
def gateway():
    matcher = Matcher(Attempts(bytes(KEY_BYTES)))
    matcher.set_sequences({0: Sequence}, [])
    return matcher


def knock(gateway, at_ms, lost=(), address=b"\1\2\3\4"):
    """The verdict on the last step that arrived, of a whole knock that begins at at_ms."""
    result = None
    for number, step in enumerate(STEPS):
        if number not in lost:
            result = gateway.knock(Packet(*step), address, at_ms + number * DELAY_MS)
    return result


@pytest.mark.parametrize("lost", LOSSES)
def test_the_second_try_opens(gateway, lost):
    assert knock(gateway, 0, lost) != verdict.COMPLETE
    assert knock(gateway, KNOCK_MS) == verdict.COMPLETE


@pytest.mark.parametrize("lost", LOSSES)
def test_the_third_try_opens_at_the_latest(gateway, lost):
    for second in LOSSES:
        gateway.set_sequences({0: Sequence}, [])   # forgets attempts
        knock(gateway, 0, lost)
        knock(gateway, KNOCK_MS, second)
        assert knock(gateway, 2 * KNOCK_MS) == verdict.COMPLETE, second


def test_three_tries_end_within_the_window_of_the_first():
    assert 2 * KNOCK_MS + DELAY_MS * (len(STEPS) - 1) < Sequence.window_ms


@pytest.mark.parametrize("lost", LOSSES)
def test_a_window_that_ends_meanwhile_costs_one_try(gateway, monkeypatch, lost):
    for window_ms in range(500, 10_000, 50):
        monkeypatch.setattr(Sequence, "window_ms", window_ms)
        gateway.set_sequences({0: Sequence}, [])
        knock(gateway, 0, lost)
        assert verdict.COMPLETE in (knock(gateway, KNOCK_MS), knock(gateway, 2 * KNOCK_MS)), window_ms


@pytest.mark.parametrize("late", range(4))
def test_a_packet_that_is_late_by_less_than_the_pause(gateway, late):
    """It comes before the second knock begins, so it cannot be out of turn there."""
    knock(gateway, 0, [late])
    gateway.knock(Packet(*STEPS[late]), b"\1\2\3\4", KNOCK_MS - 1)
    assert knock(gateway, KNOCK_MS) == verdict.COMPLETE
