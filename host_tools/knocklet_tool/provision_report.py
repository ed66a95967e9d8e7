"""What `provision` shows: what it found, what it will do and what not; and at the end what became of it."""

from dataclasses import dataclass, field
from typing import Any

from .output import Line
from .provision_plan import Plan


@dataclass
class PlanReport:
    """`where`: the target, as a person calls it."""

    where: str
    plan: Plan

    def _found(self) -> dict[str, str]:
        facts, wanted = self.plan.facts, self.plan.wanted
        version = ".".join(map(str, facts.micropython))
        room = f"{_mb(facts.flash_kb)} of flash free, {_mb(facts.memory_kb)} of memory, {_mb(facts.available_kb)} of it free"
        return {
            "board": f"{wanted.board.name}: {facts.release or wanted.board.model.title}, {facts.machine}, Linux {facts.kernel}",
            "packages": ", ".join(facts.managers),
            "MicroPython": f"{version}, with {', '.join(facts.modules) or 'no modules'}" if version else "none",
            "room": room,
            "firewall": ", ".join(facts.firewalls) or "none",
            "clock": "set by NTP" if facts.ntp else "not known to be set by NTP",
            "knocks from": ", ".join(wanted.file.values.get("interfaces") or facts.knocks),
            "Knocklet": f"{facts.version or 'there'}, {'runs' if facts.running else 'does not run'}" if facts.there else "none",
        }

    def as_lines(self) -> list[Line]:
        name = self.plan.wanted.file.name
        todo, alone = self.plan.todo(), self.plan.left_alone
        lines: list[Line] = [(f"{name}, at {self.where}:", "bold")]
        lines += [(f"  {key:12} {value}", "") for key, value in self._found().items()]
        lines += [(f"  {'to do' if not at else '':12} {each}", "") for at, each in enumerate(todo or ["nothing"])]
        lines += [(f"  {'left alone' if not at else '':12} {each}", "") for at, each in enumerate(alone)]
        return lines + [(f"{name}: {doubt}", "yellow") for doubt in self.plan.doubts]

    def as_json(self) -> dict[str, Any]:
        return {
            "gateway": self.plan.wanted.file.name, "at": self.where, "board": self.plan.wanted.board.name,
            "found": self._found(), "to_do": self.plan.todo(), "left_alone": self.plan.left_alone, "doubts": self.plan.doubts,
        }  # fmt: skip


def _mb(kb: int | None) -> str:
    return "?" if kb is None else f"{kb / 1024:.0f} MB" if kb >= 10_240 else f"{kb} kB"


@dataclass
class DoneReport:
    """`done`: what was. `proved`: what was seen to work, and from where. `next`: what is left to a person."""

    gateway: str
    done: list[str]
    proved: list[str]
    next: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_lines(self) -> list[Line]:
        name = self.gateway
        lines: list[Line] = [(f"{name}: nothing to do, it is as it should be", "")] if not self.done else []
        lines += [(f"{name}: {each}", "green") for each in self.proved]
        lines += [(f"{name}: warning: {each}", "yellow") for each in self.warnings]
        return lines + [(f"next: {each}", "") for each in self.next]

    def as_json(self) -> dict[str, Any]:
        return {
            "gateway": self.gateway, "changed": bool(self.done), "done": self.done, "proved": self.proved, "next": self.next,
            "warnings": self.warnings,
        }  # fmt: skip
