"""`knocklet upgrade`: a new version on a gateway, which keeps its configuration and what it knows of used knocks."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from knocklet import VERSION

from . import kept_package, provision_proof, provision_steps, settings, target_board, target_package, target_way, upgrade_back
from .board_folder import Board
from .channel import LIMIT_S, Channel
from .errors import InputError, NetworkError, RefusedError, ToolError
from .event_report import short
from .gateway_file import GatewayFile
from .options import FileName, Json
from .output import Line, Output
from .provision_plan import check_room
from .provision_report import DoneReport
from .provision_steps import RESTART_S, RUNNING_S, Step
from .question import sure
from .sealed_request import command
from .target_facts import Facts
from .target_files import AGENT
from .target_package import TargetPackage
from .target_way import SSH, BoardOption, DryRun, To, Via, Yes
from .upgrade_back import WayBack

_NOW_S = 5.0
_WAIT_S, _LONGEST_WAIT_S = 60, 120
# More than all of it takes once it is installed: a look at its files, its start, its report, and the word that it may stay.
_TIMER_S = int(4 * LIMIT_S + RESTART_S + RUNNING_S + _LONGEST_WAIT_S + 60)
_BY_ITSELF = f"if something new is installed, it goes back by itself {_TIMER_S // 60} minutes after that, unless it reboots"

_Wait = Annotated[int, typer.Option(min=1, max=_LONGEST_WAIT_S, metavar="S", help="Seconds that it has to report in.")]


@dataclass
class UpgradePlan:
    """`before`, `after`: versions. `back`: is there a way back? `pending`: installed, and broken off then. `doubts`: what
    cannot be seen.
    """

    gateway: str
    before: str
    after: str
    needed: bool
    back: bool
    pending: bool = False
    doubts: list[str] = field(default_factory=list)

    def as_lines(self) -> list[Line]:
        if self.pending:
            what = f"{self.after} was installed, and nobody has said yet that it may stay: looking again"
            return [(f"{self.gateway}: {what}", "")]
        if not self.needed:
            return [(f"{self.gateway}: nothing to do, it has {self.after}", "")]
        lines: list[Line] = [(f"{self.gateway}: {self.before or 'unknown'} -> {self.after}; configuration and state stay", "")]
        lines += [(f"{self.gateway}: {each}", "yellow") for each in self.doubts]
        if self.back:
            return [*lines, (f"{self.gateway}: back to {self.before or 'it'} by itself when it does not report in", "")]
        no_way = "what is there now was not installed from this computer: if the new one does not work, there is no way back"
        return [*lines, (f"{self.gateway}: {no_way}", "yellow")]

    def as_json(self) -> dict[str, Any]:
        return {
            "gateway": self.gateway, "before": self.before, "after": self.after, "needed": self.needed, "back": self.back,
            "pending": self.pending, "doubts": self.doubts,
        }  # fmt: skip


def upgrade(
    name: FileName,
    via: Via = SSH,
    to: To = None,
    board: BoardOption = None,
    wait: _Wait = _WAIT_S,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Bring this version to a gateway that has another one; back to that one when the new one does not report in.

    knocklet upgrade home
    """
    output = Output(json)
    file = GatewayFile.load(name)
    with target_way.channel(via, to, file.model.ssh, board) as channel:
        with output.working(f"looking at {channel.where}"):
            at = _look(name, channel, board)
            plan = _plan(at)
        if not at.facts.there:
            raise RefusedError(f"{channel.where}: no Knocklet is there; knocklet provision {name}")
        todo = plan.needed or plan.pending
        if dry_run or not json or not todo:
            output.result(plan)
        if dry_run or not todo:
            return
        report = DoneReport(name, [f"{plan.before} -> {plan.after}"], [])
        if plan.pending:
            _see_through(at, report, wait, output)
        else:
            _check_room(at)
            if not sure("upgrade?" if at.before else "upgrade, without a way back?", yes):
                raise InputError("nothing was changed")
            _bring(at, report, wait, output)
    kept_package.keep(name, at.package)
    output.result(report)


@dataclass
class _Target:
    """A gateway, and the package it is to have. `before`: the one to go back to, None where there is none."""

    name: str
    channel: Channel
    board: Board
    facts: Facts
    package: TargetPackage
    before: TargetPackage | None


def _look(name: str, channel: Channel, board: str | None) -> _Target:
    """Nothing is changed. Raises InputError, NetworkError, RefusedError."""
    facts, found, format_name = target_board.look(channel, board)
    package = target_package.make(found, format_name)
    return _Target(name, channel, found, facts, package, kept_package.of(name, package.format, channel))


def _check_room(at: _Target) -> None:
    """Also for the package before, which lies there meanwhile. Raises RefusedError."""
    before_kb = len(at.before.data) // 1024 + 1 if at.before else 0
    check_room(at.channel.where, at.facts, at.package, more_tmp_kb=before_kb)


def _plan(at: _Target) -> UpgradePlan:
    """Raises NetworkError."""
    needed = not target_package.is_there(at.channel, at.package)
    plan = UpgradePlan(at.name, at.facts.version, at.package.version, needed, at.before is not None)
    plan.pending = not needed and upgrade_back.pending(at.channel)
    if not at.facts.running:
        plan.doubts.append("it does not run now, and is not started: whether the new one works is not seen")
    return plan


def _see_through(at: _Target, report: DoneReport, wait_s: float, output: Output) -> None:
    """An upgrade that was broken off when all was installed: it may stay when it reports in. Raises ToolError."""
    stored = settings.load()
    ask = AGENT in at.facts.sha256 and bool(stored.broker) and at.name in stored.gateways
    _reports_in(at, report, ask, wait_s, output)
    upgrade_back.finish(at.channel)


def _bring(at: _Target, report: DoneReport, wait_s: float, output: Output) -> None:
    """Install it, and go back when it does not report in. Raises ToolError."""
    ask = at.facts.running and AGENT in at.facts.sha256 and _reports_now(at.name, output)
    way = WayBack(at.board, at.before, at.facts.running) if at.before else None
    if way:
        provision_steps.do(at.channel, [Step("keeping the way back", lambda channel: way.prepare(channel, _TIMER_S))], output)
    try:
        provision_steps.do(at.channel, _steps(at, way.arm if way else ""), output)
        if at.facts.running:
            _reports_in(at, report, ask, wait_s, output)
        if way:
            way.give_up(at.channel)
    except ToolError as error:
        if way is None:
            raise
        raise _went_back(at, way, error, output) from None
    except KeyboardInterrupt:
        if way and way.arm:
            output.message(f"{at.name}: {_BY_ITSELF}; knocklet upgrade {at.name} looks again whether it may stay")
        raise


def _steps(at: _Target, arm: str) -> list[Step]:
    """arm: what starts the time of the way back, once it is installed."""

    def install(channel: Channel) -> None:
        target_package.install(channel, at.package, at.facts.version, arm)

    steps = [Step(f"installing {at.package.name}", install)]
    if at.facts.running:
        steps.append(Step("starting it", lambda channel: provision_steps.restart(channel, at.board)))
    return steps


def _reports_now(name: str, output: Output) -> bool:
    """A new version can be judged by its report only where the old one gives one."""
    try:
        stored = settings.load()
        command(stored.the_broker(), stored.gateway(name), "selftest", {}, _NOW_S, output)
        return True
    except ToolError as error:
        output.message(f"{error}; so {name} is believed by its own word there")
        return False


def _reports_in(at: _Target, report: DoneReport, ask: bool, wait_s: float, output: Output) -> None:
    """By its own word there, and over the broker where it can be asked. Raises ToolError when it does not."""
    status = provision_steps.wait_for_engine(at.channel, at.board)
    if status.get("version") != VERSION:
        raise RefusedError(f"{at.channel.where}: version {short(status.get('version'))} runs; allowed: {VERSION}")
    provision_proof.from_status(report, status)
    if ask:
        with output.working("waiting for its report"):
            provision_proof.over_the_broker(report, settings.load(), output, wait_s)


def _went_back(at: _Target, way: WayBack, error: ToolError, output: Output) -> ToolError:
    """Started again only where it ran before."""
    runs = at.facts.running
    try:
        with output.working("going back"):
            way.take(at.channel)
            if runs:
                provision_steps.wait_for_engine(at.channel, at.board)
        return RefusedError(f"{error}; {at.name} has the version before again")
    except NetworkError as lost:
        return NetworkError(f"{error}; {lost}{f'; {at.name}: {_BY_ITSELF}' if runs else ''}")
    except ToolError as again:
        return RefusedError(f"{error}; going back did not work either: {again}")
