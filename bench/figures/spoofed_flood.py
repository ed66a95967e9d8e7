"""Honest knocks while strangers send first steps from ever new addresses, 20,000 a second as counted at the gateway."""

import heapq
import time
from contextlib import ExitStack

from ..figure import Figure
from ..outsider import Outsider
from ..peers.knockd import Knockd
from ..peers.knocklet import Knocklet
from ..process import memory_kb
from ..race import candidates

NAMES = ("spoofed_flood_opened_of_20",)
_KNOCKS = 20
_RATE = 20_000
_GROWTH_LIMIT_KB = 128
_FILL_S = 2.0  # of flood before the first knock: the engine's table is full by then
_APART_S = 0.05  # one knock starts after the other; they overlap, each from an address of its own
_TRIES, _TRY_AGAIN_S = 20, 0.05  # at the door, after the last step


def measure():
    with candidates("ipset", Knocklet, Knockd) as (engine, knockd):
        rss_kb = memory_kb(engine.pid)["Rss"]
        opened, rate = _flooded(engine, (0.1, 0.3, 1.0))
        growth_kb = memory_kb(engine.pid)["Rss"] - rss_kb
        theirs, their_rate = _flooded(knockd, (0.1,))
    enough = opened[0.1] == _KNOCKS and growth_kb < _GROWTH_LIMIT_KB and rate >= _RATE
    target = f"{_KNOCKS}, RSS grows < {_GROWTH_LIMIT_KB} kB, >= {_RATE} packets/s"
    more = {"300 ms": opened[0.3], "1 s": opened[1.0], "RSS grows kB": growth_kb, "packets/s": rate}
    return [Figure(NAMES[0], opened[0.1], "", target, enough, {"knockd": theirs[0.1], "knockd packets/s": their_rate, **more})]


def _flooded(candidate, gaps_s):
    """({seconds between steps: knocks that opened}, packets a second) under a flood of the candidate's first step."""
    with candidate.place.lab.flood(f"{candidate.first_step}/tcp", rate=_RATE + 500) as flood:
        time.sleep(_FILL_S)
        opened = {gap_s: _opened(candidate, gap_s) for gap_s in gaps_s}
        return opened, round(flood.rate())


def _opened(candidate, gap_s):
    """How many of the knocks, `gap_s` between their steps, open the door. Each begins with proof that it is closed."""
    place, door = candidate.place, candidate.DOOR
    sources = [place.source() for _ in range(_KNOCKS)]
    begin = time.monotonic()
    plan = [(begin + number * _APART_S, number, 0) for number in range(_KNOCKS)]  # (when, whose, which step or try at the door)
    opened = 0
    with place.client.inside(), ExitStack() as stack:
        outsiders = [stack.enter_context(Outsider(place.gateway.ip4, source)) for source in sources]
        while plan:
            when, number, step = heapq.heappop(plan)
            time.sleep(max(0.0, when - time.monotonic()))
            outsider, packets = outsiders[number], candidate.packets(sources[number])
            if step == 0 and outsider.is_open(door):
                raise RuntimeError(f"{candidate.NAME}: the door was open before the knock")
            if step < len(packets):
                outsider.send(*packets[step])
                heapq.heappush(plan, (time.monotonic() + gap_s, number, step + 1))
            elif outsider.is_open(door):
                opened += 1
            elif step < len(packets) + _TRIES:
                heapq.heappush(plan, (time.monotonic() + _TRY_AGAIN_S, number, step + 1))
    for source in sources:
        candidate.end(source)
    return opened
