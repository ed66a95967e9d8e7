"""`knocklet push`: brings a gateway's file into force there, over the broker, and goes back where that does not work."""

import json as json_
from typing import Annotated

import typer

from knocklet.wire.sealed import TRIAL_S

from . import in_force, settings, workspace
from .config_difference import changes, only_takes_away
from .deliver import deliver
from .delivery import Plan
from .difference_report import DifferenceReport
from .errors import InputError
from .event_report import Doubts
from .in_force import InForce
from .options import Everything, Group, Json, MaybeName
from .output import Output
from .push_lint import may_lock_out
from .push_report import PushReport
from .question import sure
from .settings import Gateway, Settings

_WAIT_S = 10.0
_CONFIRM_S = 90
_WEEK_S = 604_800

DryRun = Annotated[bool, typer.Option("--dry-run", metavar=" ", help="Show what would change, and send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", metavar=" ", help="Do not ask.")]
ConfirmS = Annotated[
    int | None,
    typer.Option("--confirm-s", min=TRIAL_S[0], max=TRIAL_S[1], metavar="S", help="Seconds of trial; 90 if not given."),
]
NoConfirm = Annotated[
    bool, typer.Option("--no-confirm", metavar=" ", help="Leave it on trial: it ends by itself unless `confirm` keeps it.")
]
Wait = Annotated[float, typer.Option(min=0.1, max=_WEEK_S, metavar="S", help="Seconds to wait for a gateway that is away.")]


def push(
    name: MaybeName = None,
    everything: Everything = False,
    group: Group = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    confirm_s: ConfirmS = None,
    no_confirm: NoConfirm = False,
    wait: Wait = _WAIT_S,
    json: Json = False,
) -> None:
    """Show what differs, ask, and bring it into force: on trial first, and for good as soon as the gateway answers under it.

    knocklet push home
    """
    files = workspace.chosen([name] if name else [], everything, group)
    stored = settings.load()
    wanted = [(stored.gateway(file.name), file.plaintext()) for file in files]
    output = Output(json)
    question = "push, although it may lock you out?" if may_lock_out(files, output) else "push?"
    push_texts(stored, wanted, question, dry_run, yes, confirm_s, not no_confirm, wait, output, json)


def push_texts(
    stored: Settings, wanted: list[tuple[Gateway, bytes]], question: str, dry_run: bool, yes: bool, confirm_s: int | None,
    keep: bool, wait_s: float, output: Output, json: bool,
) -> None:  # fmt: skip
    """Show what differs, ask, deliver, tell; ends with the exit code that fits."""
    found = in_force.look(stored, [gateway for gateway, _ in wanted], wait_s, output)
    plans = [plan(gateway, text, found[gateway.name], confirm_s, keep) for gateway, text in wanted]
    todo = [each for each in plans if each.changes != []]
    if dry_run or not json:
        for each in plans if dry_run else todo:
            output.result(DifferenceReport(each.gateway.name, each.changes, found[each.gateway.name].why))
    if dry_run:
        return
    if todo and not sure(question, yes):
        raise InputError("nothing was pushed")
    doubts = Doubts(output)
    done = deliver(stored.the_broker(), todo, wait_s, output, doubts) if todo else []
    report = PushReport(done, [each for each in plans if each.changes == []], doubts)
    output.result(report)
    if code := report.exit_code():
        raise typer.Exit(code)


def plan(gateway: Gateway, text: bytes, now: InForce, confirm_s: int | None, keep: bool) -> Plan:
    """confirm_s: None to decide here. What only takes away does not wait for a trial: a revocation must not. But whoever
    wants to confirm it himself gets one.
    """
    old, new = now.config, json_.loads(text)
    trial = now.report is not None and now.report.trial
    if confirm_s is None:
        confirm_s = 0 if keep and old is not None and not trial and only_takes_away(old, new) else _CONFIRM_S
    return Plan(gateway, text, now.report, None if old is None else changes(old, new), confirm_s, keep)
