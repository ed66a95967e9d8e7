"""An honest client under a flood: strangers who send first steps only, from ever new addresses, at 20,000 a second.

The clock is simulated; the table, its key and its hash are the real ones. 1,000 clients knock three steps each, one after
the other, while the flood goes on.
"""

import random
from collections import Counter

import pytest

from common.knocking import Knocking, Sequence
from knocklet.core import verdict

FLOOD_PER_MS = 20
CLIENTS = 1000
GAPS = {100: 0.999, 300: 0.99}  # ms between steps: share of steps that must count
TCP = 6


@pytest.fixture(scope="module")
def survived():
    """{gap between steps in ms: (steps that were due, steps that counted, whole knocks)}; none is due after a lost one."""
    numbers = random.Random(3)
    knocking = Knocking([Sequence("7000 8000 9000")])
    plan = {}  # ms -> [(address, port, gap)]
    for i, gap_ms in enumerate(GAPS):
        for client in range(CLIENTS):
            address = bytes([100 + i, client >> 8, client & 255, 9])
            start = 2_000 + numbers.randrange(8_000)  # the table is full after one second
            for step, port in enumerate((7000, 8000, 9000)):
                plan.setdefault(start + step * gap_ms, []).append((address, port, gap_ms))
    due, counted, whole = Counter(), Counter(), Counter()
    for now_ms in range(11_000):
        for _ in range(FLOOD_PER_MS):
            knocking.knock(numbers.randbytes(4), TCP, 7000, now_ms)
        for address, port, gap_ms in plan.get(now_ms, ()):
            found = knocking.knock(address, TCP, port, now_ms)
            counted[gap_ms] += found in (verdict.STEP_ADVANCED, verdict.COMPLETE)
            due[gap_ms] += found in (verdict.STEP_STARTED, verdict.STEP_ADVANCED)  # the step after this one
            whole[gap_ms] += found == verdict.COMPLETE
    assert knocking.attempts.live(11_000) > 16_000  # it was full indeed
    return {gap_ms: (due[gap_ms], counted[gap_ms], whole[gap_ms]) for gap_ms in GAPS}


@pytest.mark.parametrize(("gap_ms", "at_least"), GAPS.items())
def test_steps_survive(survived, gap_ms, at_least):
    due, counted, whole = survived[gap_ms]
    assert due >= CLIENTS
    assert counted >= at_least * due, f"{counted} of {due} steps, {whole} of {CLIENTS} knocks"
