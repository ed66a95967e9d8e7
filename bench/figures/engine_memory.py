"""Memory of the engine after some knocks, beside knockd and fwknopd in the same run."""

from ..figure import Figure, at_most
from ..peers.fwknop import Fwknopd
from ..peers.knockd import Knockd
from ..peers.knocklet import Knocklet
from ..process import memory_kb
from ..race import candidates, race

NAMES = ("engine_rss_kb", "engine_anon_kb")
_KNOCKS = 20


def measure():
    with candidates("ipset", Knocklet, Knockd, Fwknopd) as made:
        race(_KNOCKS, dict.fromkeys(made, _KNOCKS))
        memory = {candidate.NAME: memory_kb(candidate.pid) for candidate in made}
    rss = {name: kb["Rss"] for name, kb in memory.items()}
    anonymous = {name: kb["Anonymous"] for name, kb in memory.items()}
    ours = rss.pop("Knocklet")
    return [
        Figure(NAMES[0], ours, "kB", f"< {rss['knockd']} (knockd's)", ours < rss["knockd"], rss),
        at_most(NAMES[1], anonymous.pop("Knocklet"), "kB", 1023, anonymous),
    ]
