"""Memory of the engine after some knocks, beside knockd and fwknopd in the same run."""

from ..figure import Figure, at_most
from ..peers.fwknop import Fwknopd
from ..peers.knockd import Knockd
from ..peers.knocklet import Knocklet
from ..place import place
from ..process import memory_kb
from ..race import race

NAMES = ("engine_rss_kb", "engine_anon_kb")
_KNOCKS = 20


def measure():
    with place("ipset") as here:
        candidates = [kind(here) for kind in (Knocklet, Knockd, Fwknopd)]
        race(here, _KNOCKS, *((candidate, _KNOCKS) for candidate in candidates))
        memory = {candidate.NAME: memory_kb(candidate.pid) for candidate in candidates}
    rss = {name: kb["Rss"] for name, kb in memory.items()}
    anonymous = {name: kb["Anonymous"] for name, kb in memory.items()}
    ours = rss.pop("Knocklet")
    return [
        Figure(NAMES[0], ours, "kB", f"< {rss['knockd']} (knockd's)", ours < rss["knockd"], rss),
        at_most(NAMES[1], anonymous.pop("Knocklet"), "kB", 1023, anonymous),
    ]
