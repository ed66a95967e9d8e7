"""Last knock packet -> first answer through the opened port: Knocklet (ipset), kernel rules, knockd and fwknopd in turn."""

from ..figure import Figure, at_most
from ..peers.fwknop import Fwknopd
from ..peers.kernel_recipe import KernelRecipe
from ..peers.knockd import Knockd
from ..peers.knocklet import Knocklet
from ..race import candidates, median, p99, race

NAMES = ("sequence_open_ms_median", "sequence_open_ms_p99", "sequence_open_vs_knockd")
_KNOCKS = 300
_KNOCKD_KNOCKS = 150  # it takes packets by the clock: fewer give another median each time
_FWKNOPD_KNOCKS = 60  # takes a tenth of a second each
_ABOVE_KERNEL_MS = {"median": 0.15, "p99": 3.0}
_TIMES_BELOW_KNOCKD = 100


def measure():
    with candidates("ipset", Knocklet, KernelRecipe, Knockd, Fwknopd) as made:
        taken = race(_KNOCKS, dict(zip(made, (_KNOCKS, _KNOCKS, _KNOCKD_KNOCKS, _FWKNOPD_KNOCKS))))
    times = round(median(taken["knockd"]) / median(taken["Knocklet"]), 1)
    return [
        *beside_kernel("sequence_open_ms_", ("median", "p99"), taken),
        Figure(NAMES[2], times, "x", f">= {_TIMES_BELOW_KNOCKD}", times >= _TIMES_BELOW_KNOCKD,
               {"knockd": round(median(taken["knockd"]), 1)}),
    ]  # fmt: skip


def beside_kernel(prefix, kinds, taken, above_ms=_ABOVE_KERNEL_MS):
    """The figures of Knocklet that have kernel rules' own for their measure; above_ms: how much more each kind may be."""
    made = []
    for kind in kinds:
        values = {name: round({"median": median, "p99": p99}[kind](values), 3) for name, values in taken.items()}
        ours = values.pop("Knocklet")
        figure = at_most(prefix + kind, ours, "ms", round(values["kernel rules"] + above_ms[kind], 3), values)
        figure.target += f" (kernel rules + {above_ms[kind]:g})"
        made.append(figure)
    return made
