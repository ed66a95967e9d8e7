"""`knocklet provision`: takes a gateway from bare to working, over ssh, its serial console, or as files for its image."""

import time
from pathlib import Path
from typing import Annotated

import typer

from . import (
    kept_package,
    provision_plan,
    provision_proof,
    provision_steps,
    settings,
    target_board,
    target_files,
    target_package,
    target_way,
)
from .board_image_files import image_files_
from .channel import Channel
from .errors import NO_ANSWER, InputError
from .gateway_file import GatewayFile
from .knock_from import knock_from as knock_from_
from .options import FileName, Json
from .output import Output
from .provision_plan import Plan, Wanted
from .provision_report import DoneReport, PlanReport
from .question import sure
from .target_files import AGENT
from .target_way import IMAGE, SSH, BoardOption, DryRun, To, Via, Yes

_KnockFrom = Annotated[
    str | None, typer.Option(metavar="HOST", help="Try a knock from this computer outside, which ssh reaches: user@host.")
]


def provision(
    name: FileName,
    via: Via = SSH,
    to: To = None,
    board: BoardOption = None,
    knock_from: _KnockFrom = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Look at a gateway, say what there is to do, do it, and prove that it works. A second time there is nothing to do.

    knocklet provision home --to root@192.168.1.1
    """
    if via == IMAGE:
        _image(name, to, board, dry_run, json)
        return
    output = Output(json)
    file = GatewayFile.load(name)
    stored = settings.load()
    files = target_files.collect(name)
    with target_way.channel(via, to, file.model.ssh, board) as channel:
        with output.working(f"looking at {channel.where}"):
            plan = _look(channel, file, files, board)
        if dry_run or not json:
            output.result(PlanReport(channel.where, plan))
        if dry_run:
            return
        report = DoneReport(name, plan.todo(), [], warnings=list(plan.doubts) if json else [])   # else they were shown
        if plan.anything:
            if not sure("go on, although of that?" if plan.doubts else "go on?", yes):
                raise InputError("nothing was changed")
            provision_steps.do(channel, provision_steps.steps(plan), output)
        kept_package.keep(name, plan.wanted.package)
        provision_proof.from_status(report, provision_steps.wait_for_engine(channel, plan.wanted.board))
    if AGENT in files and stored.broker:
        with output.working("waiting for its report"):
            provision_proof.over_the_broker(report, stored, output, provision_proof.HELLO_S)
    else:
        report.next.append(f"knocklet broker setup, knocklet broker use, and this again: until then {name} reports to nobody")
    opened = True
    if knock_from:
        opened = knock_from_(report, file, knock_from, output)
    else:
        provision_proof.how_to_knock(report, file)
    output.result(report)
    if not opened:
        raise typer.Exit(NO_ANSWER)


def _image(name: str, to: str | None, board: str | None, dry_run: bool, json: bool) -> None:
    """Raises InputError."""
    if board is None or to is None:
        raise InputError("--via image: --board and --to, a folder; allowed: with both")
    if dry_run:
        raise InputError("--dry-run: nothing but files in a folder is made by --via image; allowed: without it")
    image_files_(board, name, Path(to), json)


def _look(channel: Channel, file: GatewayFile, files: provision_plan.Files, board: str | None) -> Plan:
    """What there is, and what there is to do; nothing is changed. Raises InputError, NetworkError, RefusedError."""
    facts, found, format_name = target_board.look(channel, board)
    package = target_package.make(found, format_name)
    # An upgrade of OpenWrt keeps the files, and its package manager forgets whose they are and what they need.
    same = bool(facts.version) and target_package.is_there(channel, package)
    return provision_plan.make(channel.where, Wanted(file, found, package, files), facts, same, time.time())
