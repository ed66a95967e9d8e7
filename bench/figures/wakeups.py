"""How often the engine is woken for nothing: by packets outside its filter, by an interface that is down, by itself.

Counted by the kernel (voluntary context switches). Beside it the engine's own count of its turns, told by `knockletctl
status`, which itself takes the turns that are told as "asking alone".
"""

import time

from ..figure import at_most
from ..peers.fwknop import Fwknopd
from ..peers.knockd import Knockd
from ..peers.knocklet import Knocklet
from ..process import sleeps
from ..race import candidates

NAMES = ("filtered_flood_wakeups", "down_wakeups_per_s", "idle_wakeups_per_s")
_FLOOD_S = 3
_STILL_S = 5
_SETTLE_S = 1.5  # after knocks and other changes: the engine looks at the firewall while grants end
_ASLEEP_S = 0.3  # after a question: the engine sleeps again, and what it does for the question is not counted
_OUTSIDE = "443/tcp"  # no step, and decoys lie above 1023


def measure():
    with candidates("ipset", Knocklet, Knockd, Fwknopd) as made:
        idle = _idle(made)
        return [_filtered(made[0]), _down(made[0]), idle]


def _filtered(engine):
    with engine.place.lab.flood(_OUTSIDE, rate=None) as flood:
        woken, turns = _still([engine], _FLOOD_S)
        rate = round(flood.rate())
    return at_most(NAMES[0], woken["Knocklet"], "", 0, {**turns, "packets/s": rate})


def _down(engine):
    engine.place.gateway.ip("link set wan0 down")
    return _per_second(NAMES[1], *_still([engine], _STILL_S))


def _idle(made):
    return _per_second(NAMES[2], *_still(made, _STILL_S))


def _per_second(name, woken, turns):
    rates = {candidate: round(count / _STILL_S, 1) for candidate, count in woken.items()}
    return at_most(name, rates.pop("Knocklet"), "1/s", 0, {**rates, **turns})


def _still(made, seconds):
    """(wake-ups of each by name, turns that the engine tells) of some seconds; the engine is the first of `made`."""
    engine = made[0]
    time.sleep(_SETTLE_S)
    first = engine.status()["wakeups"]
    second = engine.status()["wakeups"]
    time.sleep(_ASLEEP_S)
    before = {candidate.NAME: sleeps(candidate.pid) for candidate in made}
    time.sleep(seconds)
    woken = {candidate.NAME: sleeps(candidate.pid) - before[candidate.NAME] for candidate in made}
    return woken, {"turns told": engine.status()["wakeups"] - second, "asking alone": second - first}
