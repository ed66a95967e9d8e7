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
from .target_files import AGENT
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
            facts, found, format_name = target_board.look(channel, board)
            package = target_package.make(found, format_name)
            before = kept_package.of(name, package.format, channel)
            needed = not target_package.is_there(channel, package)
            plan = UpgradePlan(name, facts.version, package.version, needed, before is not None)
            plan.pending = not needed and upgrade_back.pending(channel)
        if not facts.there:
            raise RefusedError(f"{channel.where}: no Knocklet is there; knocklet provision {name}")
        if not facts.running:
            plan.doubts.append("it does not run now, and is not started: whether the new one works is not seen")
        if dry_run or not json or not (plan.needed or plan.pending):
            output.result(plan)
        if dry_run or not (plan.needed or plan.pending):
            return
        report = DoneReport(name, [f"{plan.before} -> {plan.after}"], [])
        if plan.pending:
            stored = settings.load()
            ask = AGENT in facts.sha256 and bool(stored.broker) and name in stored.gateways
            _reports_in(channel, found, report, ask, wait, output)
            upgrade_back.finish(channel)
        else:
            before_kb = len(before.data) // 1024 + 1 if before else 0
            check_room(channel.where, facts, package, more_tmp_kb=before_kb)
            if not sure("upgrade?" if before else "upgrade, without a way back?", yes):
                raise InputError("nothing was changed")
            ask = facts.running and AGENT in facts.sha256 and _reports_now(name, output)
            way = WayBack(found, before, facts.running) if before else None
            if way:
                prepare = Step("keeping the way back", lambda channel: way.prepare(channel, _TIMER_S))
                provision_steps.do(channel, [prepare], output)
            arm = way.arm if way else ""
            install = lambda channel: target_package.install(channel, package, facts.version, arm)   # noqa: E731
            todo = [Step(f"installing {package.name}", install)]
            if facts.running:
                todo.append(Step("starting it", lambda channel: provision_steps.restart(channel, found)))
            try:
                provision_steps.do(channel, todo, output)
                if facts.running:
                    _reports_in(channel, found, report, ask, wait, output)
                if way:
                    way.give_up(channel)
            except ToolError as error:
                if way is None:
                    raise
                raise _went_back(name, way, channel, found if facts.running else None, error, output) from None
            except KeyboardInterrupt:
                if arm:
                    output.message(f"{name}: {_BY_ITSELF}; knocklet upgrade {name} looks again whether it may stay")
                raise
    kept_package.keep(name, package)
    output.result(report)


def _reports_now(name: str, output: Output) -> bool:
    """A new version can be judged by its report only where the old one gives one."""
    try:
        stored = settings.load()
        command(stored.the_broker(), stored.gateway(name), "selftest", {}, _NOW_S, output)
        return True
    except ToolError as error:
        output.message(f"{error}; so {name} is believed by its own word there")
        return False


def _reports_in(channel: Channel, board: Board, report: DoneReport, ask: bool, wait_s: int, output: Output) -> None:
    """By its own word there, and over the broker where it can be asked. Raises ToolError when it does not."""
    status = provision_steps.wait_for_engine(channel, board)
    if status.get("version") != VERSION:
        raise RefusedError(f"{channel.where}: version {short(status.get('version'))} runs; allowed: {VERSION}")
    provision_proof.from_status(report, status)
    if ask:
        with output.working("waiting for its report"):
            provision_proof.over_the_broker(report, settings.load(), output, wait_s)


def _went_back(name: str, way: WayBack, channel: Channel, board: Board | None, error: ToolError, output: Output) -> ToolError:
    """board: None where it did not run before."""
    try:
        with output.working("going back"):
            way.take(channel)
            if board:
                provision_steps.wait_for_engine(channel, board)
        return RefusedError(f"{error}; {name} has the version before again")
    except NetworkError as lost:
        return NetworkError(f"{error}; {lost}{f'; {name}: {_BY_ITSELF}' if board else ''}")
    except ToolError as again:
        return RefusedError(f"{error}; going back did not work either: {again}")
