"""One signed packet -> first answer through the opened port, with the replay store on tmpfs and, beside it, on a disk, flushed;
kernel rules and fwknopd in turn."""

import shutil

from ..figure import Figure
from ..paths import ROOT
from ..peers.fwknop import Fwknopd
from ..peers.kernel_recipe import KernelRecipe
from ..peers.knocklet_spa import KnockletSpa
from ..race import candidates, median, race
from .sequence_open import beside_kernel

NAMES = ("spa_open_ms_median", "spa_open_ms_p99", "spa_open_vs_fwknopd")
_KNOCKS = 300
_FWKNOPD_KNOCKS = 60  # takes a tenth of a second each
_ABOVE_KERNEL_MS = {"median": 0.4, "p99": 5.0}
_TIMES_BELOW_FWKNOPD = 200
_ON_DISK = ROOT / "build" / "bench_store"


class OnDisk(KnockletSpa):
    NAME = "on disk"

    def etc(self):
        shutil.rmtree(_ON_DISK, ignore_errors=True)
        _ON_DISK.mkdir(mode=0o700)
        return _ON_DISK


def measure():
    with candidates("ipset", KnockletSpa, OnDisk, KernelRecipe, Fwknopd) as made:
        taken = race(_KNOCKS, dict(zip(made, (_KNOCKS, _KNOCKS, _KNOCKS, _FWKNOPD_KNOCKS))))
    shutil.rmtree(_ON_DISK)
    times = round(median(taken["fwknopd"]) / median(taken["Knocklet"]), 1)
    target = f">= {_TIMES_BELOW_FWKNOPD}"
    peers = {"fwknopd": round(median(taken["fwknopd"]), 1)}
    figures = beside_kernel("spa_open_ms_", ("median", "p99"), taken, _ABOVE_KERNEL_MS)
    return [*figures, Figure(NAMES[2], times, "x", target, times >= _TIMES_BELOW_FWKNOPD, peers)]
