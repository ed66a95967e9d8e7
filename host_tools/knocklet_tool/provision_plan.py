"""What there is to do on a target, from what it is and what it should have; and why it cannot work, before anything is done."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from .board_folder import Board
from .errors import RefusedError
from .gateway_file import GatewayFile
from .target_facts import MICROPYTHON, Facts
from .target_files import AGENT, CONFIG, FOLDER, KEY
from .target_manager import package_manager
from .target_package import TargetPackage

CLOCK_S = 60   # what a signed packet may be off
CLIENTS = f"{FOLDER}/clients.json"
INSTALLED = f"{FOLDER}/installed"   # what `unprovision` takes off besides: packages, one a line
_MICROPYTHON_KB = 1_500   # with the libraries that it needs
_SPARE_KB = 100   # for state and configuration

Files = dict[str, tuple[int, bytes]]   # by path: mode, contents


@dataclass
class Wanted:
    """What a gateway gets. `file`: of the workspace."""

    file: GatewayFile
    board: Board
    package: TargetPackage
    files: Files = field(repr=False)


@dataclass
class Plan:
    """`package`: it is to be installed; `files`: those that are to be put; `clock`: it is to be set."""

    wanted: Wanted
    facts: Facts
    clock: bool = False
    micropython: bool = False
    package: bool = False
    files: list[str] = field(default_factory=list)
    start: bool = False
    left_alone: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        return self.clock or self.micropython or self.package or bool(self.files) or self.start

    @property
    def new(self) -> bool:
        return not self.facts.there

    def todo(self) -> list[str]:
        """As a person reads it, in order."""
        board = self.wanted.board.model
        lines = ["set its clock to this computer's"] if self.clock else []
        if self.micropython:
            lines.append(f"install {board.micropython.package}")
        if self.package:
            package = self.wanted.package
            before = f", instead of {self.facts.version}" if self.facts.version not in ("", package.version) else ""
            lines.append(f"install {package.name}, {len(package.data) // 1024 + 1} kB{before}")
        lines += [f"write {path}" for path in self.files]
        return [*lines, "start it, now and at every boot"] if self.start else lines


def make(where: str, wanted: Wanted, facts: Facts, same_package: bool, now_s: float) -> Plan:
    """same_package: every file of it is there already. Raises RefusedError where it cannot work."""
    plan = Plan(wanted, facts)
    _check(where, wanted, facts)
    off_s = facts.time - now_s
    plan.clock = abs(off_s) > CLOCK_S and not facts.ntp
    if abs(off_s) > CLOCK_S and facts.ntp:
        plan.doubts.append(f"its clock, set by NTP, is {off_s:+.0f} s from this computer's: signed knocks may be {CLOCK_S} off")
    plan.micropython = facts.micropython < MICROPYTHON
    plan.package = not same_package
    check_room(where, facts, wanted.package if plan.package else None, _MICROPYTHON_KB if plan.micropython else 0)
    _files(plan)
    _zone(plan)
    plan.start = plan.micropython or plan.package or bool(plan.files) or not facts.running
    if plan.start:
        _line(plan)
    _lock_out(plan)
    plan.left_alone.append("its network, users, and the rules of its firewall")
    return plan


def _check(where: str, wanted: Wanted, facts: Facts) -> None:
    if facts.micropython < MICROPYTHON and not package_manager(facts.managers):
        found = "too old a MicroPython" if facts.micropython else "no MicroPython"
        raise RefusedError(f"{where}: {found}, and nothing that fetches packages; allowed: 1.23 or newer, installed by hand")
    needed = [name for name in ("ffi", *(("tls",) if _has_tls(wanted.files) else ())) if name not in facts.modules]
    if facts.micropython >= MICROPYTHON and needed:
        package = wanted.board.model.micropython.package
        raise RefusedError(f"{where}: its MicroPython has no {needed[0]}; allowed: the one of {package}, install it instead")
    interfaces = wanted.file.values.get("interfaces") or facts.knocks
    missing = [name for name in interfaces if name not in facts.interfaces]
    there = ", ".join(name for name in facts.interfaces if name != "lo") or "none"
    if missing:
        raise RefusedError(f"{where}: interfaces: {', '.join(missing)} is not there; allowed: {there}; see {wanted.file.path}")
    if not interfaces:
        allowed = f"one that does, or `interfaces` in {wanted.file.path}, of {there}"
        raise RefusedError(f"{where}: no interface leads outside now; allowed: {allowed}")


def check_room(where: str, facts: Facts, package: TargetPackage | None, more_kb: int = 0, more_tmp_kb: int = 0) -> None:
    """package: that is to be installed. more_kb: of flash, for what comes besides. Raises RefusedError."""
    need = more_kb + (package.unpacked_kb + _SPARE_KB if package else 0)
    if facts.flash_kb is not None and facts.flash_kb < need:
        raise RefusedError(f"{where}: {facts.flash_kb} kB of flash are free; allowed: {need} or more")
    if package and facts.tmp_kb is not None and facts.tmp_kb < (need := len(package.data) // 1024 + 1 + more_tmp_kb):
        raise RefusedError(f"{where}: {facts.tmp_kb} kB are free in /var/run; allowed: {need} or more, for {package.name}")


def _files(plan: Plan) -> None:
    facts, wanted = plan.facts, plan.wanted.files
    plan.files = [path for path, (_, data) in wanted.items() if facts.sha256.get(path) != sha256(data).hexdigest()]
    if KEY in plan.files and KEY in facts.sha256:
        plan.doubts.append("its key is another than the one here: what was pushed with that one counts no more")
    elif facts.pushed and CONFIG in plan.files:
        plan.files.remove(CONFIG)
        name = plan.wanted.file.name
        plan.left_alone.append(f"its configuration: what was pushed is in force; knocklet diff {name} compares")
    if CLIENTS in facts.sha256 and CLIENTS not in wanted and CONFIG in plan.files:
        plan.doubts.append(f"{CLIENTS} is there, and the configuration has clients of its own: it is removed")


def _line(plan: Plan) -> None:
    """A router on the desk has none outside yet."""
    for name in plan.wanted.file.values.get("interfaces") or plan.facts.knocks:
        if name in plan.facts.down:
            plan.doubts.append(f"{name} has no line now: no knock comes by it before it has one")


def _zone(plan: Plan) -> None:
    """Ports that answer another way than all others show which they are."""
    file, usual = plan.wanted.file, plan.wanted.board.model.firewall.zone
    if plan.new and file.model.zone != usual:
        doubt = f'zone is "{file.model.zone}" in {file.path}; of {plan.wanted.board.model.title} it usually is "{usual}"'
        plan.doubts.append(f"{doubt}: the hidden ports are to answer as its other closed ones do")


def _lock_out(plan: Plan) -> None:
    facts, file = plan.facts, plan.wanted.file
    interfaces = file.values.get("interfaces") or facts.knocks
    for name, service in file.model.services.items():
        mine = service.protocol == "tcp" and service.port == facts.ssh_port and facts.ssh_interface in interfaces
        if mine and (CONFIG in plan.files or not facts.running):
            way = f"port {facts.ssh_port} on {facts.ssh_interface}"
            plan.doubts.append(f"you came in by {way}, which is {name}: from then on only who knocks gets in there")


def _has_tls(files: Files) -> bool:
    if AGENT not in files:
        return False
    broker: dict[str, Any] = json.loads(files[AGENT][1]).get("broker", {})
    return bool(broker.get("tls", True))
