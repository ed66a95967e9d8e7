"""One figure: what was measured, as it is, beside what it should reach and what the others did in the same run."""

from dataclasses import asdict, dataclass, field


@dataclass
class Figure:
    """`value` is never adjusted; `ok`: it reaches `target`, a text. `peers`: other values of the same run, by name."""

    name: str
    value: float
    unit: str
    target: str
    ok: bool
    peers: dict = field(default_factory=dict)

    def as_dict(self):
        return {key: asdict(self)[key] for key in ("name", "value", "unit", "target", "peers", "ok")}


def at_most(name, value, unit, limit, peers=None):
    return Figure(name, value, unit, f"<= {limit:g}", value <= limit, peers or {})
