"""How often an engine with signed and one-time knocks wakes up when nobody knocks: slots of 30 s, and nothing else."""

import time

from ..figure import at_most
from ..peers.fwknop import Fwknopd
from ..peers.knocklet_spa import KnockletSpa
from ..process import sleeps
from ..race import candidates

NAMES = ("idle_spa_wakeups_per_s",)
_STILL_S = 120
_SETTLE_S = 2


class Idle(KnockletSpa):
    CLIENTS = 20
    KINDS = ("spa", "otp")


def measure():
    with candidates("ipset", Idle, Fwknopd) as made:
        time.sleep(_SETTLE_S)
        before = [sleeps(candidate.pid) for candidate in made]
        time.sleep(_STILL_S)
        ours, theirs = [(sleeps(one.pid) - count) / _STILL_S for one, count in zip(made, before)]
    return [at_most(NAMES[0], round(ours, 4), "1/s", 0.05, {"fwknopd": round(theirs, 1)})]
