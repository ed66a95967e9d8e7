"""`knocklet upgrade`: a new version on a gateway, which keeps its configuration and what it knows of used knocks."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from knocklet import VERSION

from . import kept_package, provision_proof, provision_steps, settings, target_board, target_package, target_way
from .board_folder import Board
from .channel import Channel
from .errors import InputError, NetworkError, RefusedError, ToolError
from .event_report import short
from .gateway_file import GatewayFile
from .gateway_files import AGENT
from .options import FileName, Json
from .output import Line, Output
from .provision_report import DoneReport
from .provision_steps import Step
from .question import sure
from .sealed_request import command
from .target_way import SSH, BoardOption, DryRun, To, Via, Yes
from .way_back import WayBack

_WAIT_S = 60
_NOW_S = 5.0
_TIMER_S = 300   # more than all of it takes

_Wait = Annotated[int, typer.Option(min=1, max=120, metavar="S", help="Seconds that it has to report in.")]


@dataclass
class UpgradePlan:
    """`before`, `after`: versions. `back`: is there a way back?"""

    gateway: str
    before: str
    after: str
    needed: bool
    back: bool

    def as_lines(self) -> list[Line]:
        if not self.needed:
            return [(f"{self.gateway}: nothing to do, it has {self.after}", "")]
        lines: list[Line] = [(f"{self.gateway}: {self.before or 'unknown'} -> {self.after}; configuration and state stay", "")]
        if self.back:
            return [*lines, (f"{self.gateway}: back to {self.before or 'it'} by itself when it does not report in", "")]
        no_way = "what is there now was not installed from this computer: if the new one does not work, there is no way back"
        return [*lines, (f"{self.gateway}: {no_way}", "yellow")]

    def as_json(self) -> dict[str, Any]:
        return {"gateway": self.gateway, "before": self.before, "after": self.after, "needed": self.needed, "back": self.back}


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
        if not facts.there:
            raise RefusedError(f"{channel.where}: no Knocklet is there; knocklet provision {name}")
        plan = UpgradePlan(name, facts.version, package.version, needed, before is not None)
        if dry_run or not json or not plan.needed:
            output.result(plan)
        if dry_run or not plan.needed:
            return
        if not sure("upgrade?" if before else "upgrade, without a way back?", yes):
            raise InputError("nothing was changed")
        agent = AGENT in facts.sha256 and _reports_now(name, output)
        way = WayBack(found, before) if before else None
        report = DoneReport(name, [f"{plan.before} -> {plan.after}"], [])
        todo = [
            *([Step("keeping the way back", lambda channel: way.prepare(channel, _TIMER_S))] if way else []),
            Step(f"installing {package.name}", lambda channel: target_package.install(channel, package)),
            Step("starting it", lambda channel: provision_steps.start(channel, found)),
        ]
        try:
            provision_steps.do(channel, todo, output)
            _reports_in(channel, found, report, agent, wait, output)
        except ToolError as error:
            if way is None:
                raise
            raise _went_back(name, way, channel, found, error, output) from None
        if way:
            way.give_up(channel)
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


def _reports_in(channel: Channel, board: Board, report: DoneReport, agent: bool, wait_s: int, output: Output) -> None:
    """By its own word there, and over the broker where it has one. Raises ToolError when it does not."""
    status = provision_steps.wait_for_engine(channel, board)
    if status.get("version") != VERSION:
        raise RefusedError(f"{channel.where}: version {short(status.get('version'))} runs; allowed: {VERSION}")
    provision_proof.from_status(report, status)
    if agent:
        with output.working("waiting for its report"):
            provision_proof.over_the_broker(report, settings.load(), output, wait_s)


def _went_back(name: str, way: WayBack, channel: Channel, board: Board, error: ToolError, output: Output) -> ToolError:
    try:
        with output.working("going back"):
            way.take(channel)
            provision_steps.wait_for_engine(channel, board)
        return RefusedError(f"{error}; {name} has the version before again")
    except NetworkError as lost:
        return NetworkError(f"{error}; {lost}; {name} goes back by itself, {_TIMER_S} s after the upgrade began")
    except ToolError as again:
        return RefusedError(f"{error}; going back did not work either: {again}")
