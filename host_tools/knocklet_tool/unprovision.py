"""`knocklet unprovision`: take it off a gateway, or off the broker what it keeps. A second time there is nothing left to do."""

import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from knocklet.wire.topics import DISCOVERY, HOME_ASSISTANT, RETAINED, STATUS, topic

from . import provision_steps, settings, target_board, target_way, unprovision_steps, workspace
from .errors import BrokerError, InputError
from .mqtt import Link
from .options import Json, Name
from .output import Line, Output
from .question import sure
from .target_way import SSH, BoardOption, DryRun, To, Via, Yes

_WAIT_S = 1.0   # after the broker has taken a subscription, for what it keeps

_Mqtt = Annotated[bool, typer.Option("--mqtt", metavar=" ", help="Its retained topics at the broker, and nothing else.")]


@dataclass
class RemovedReport:
    """`at`: where it was removed from. `stays`: what could not be removed, and why."""

    gateway: str
    at: str
    removed: list[str]
    stays: list[str] = field(default_factory=list)

    def as_lines(self) -> list[Line]:
        lines: list[Line] = [(f"removed {name}", "") for name in self.removed]
        lines += [(each, "yellow") for each in self.stays]
        return lines or [(f"nothing of {self.gateway} was at {self.at}", "")]

    def as_json(self) -> dict[str, Any]:
        return {"gateway": self.gateway, "removed": self.removed, "stays": self.stays}


def unprovision(
    name: Name,
    mqtt: _Mqtt = False,
    via: Via = SSH,
    to: To = None,
    board: BoardOption = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Take Knocklet off a gateway, which is then as it was before; with --mqtt remove what the broker keeps of it.

    knocklet unprovision home --to root@192.168.1.1

    knocklet unprovision home --mqtt
    """
    settings.check_name(name)   # it may be forgotten here already
    if mqtt:
        Output(json).result(_from_the_broker(name))
        return
    file = workspace.file_of(name)
    output = Output(json)
    with target_way.channel(via, to, file.model.ssh if file else "", board) as channel:
        stays: list[str] = []
        todo = unprovision_steps.steps(*target_board.look(channel, board), stays)
        for step in todo if dry_run or not json else ():
            output.message(f"  to do: {step.title}")
        if dry_run:
            return
        if todo and not sure(f"{name}: its keys, and what it knows of used knocks, are gone for good: take it off?", yes):
            raise InputError("nothing was changed")
        provision_steps.do(channel, todo, output)
        removed = [what for step in todo if (what := step.title.removeprefix("removing ")) != step.title]
        output.result(RemovedReport(name, channel.where, removed, stays))
    if todo:
        output.remark(f"next: knocklet unprovision {name} --mqtt; knocklet gateway remove {name}")


def _from_the_broker(name: str) -> RemovedReport:
    topics = [*(topic(name, below) for below in (STATUS, *RETAINED)), HOME_ASSISTANT + DISCOVERY % name]
    with Link(settings.load().the_broker()) as link:
        before = _kept(link, topics)
        for each in topics:
            link.must_publish(each, b"", retain=True)
    with Link(settings.load().the_broker()) as link:
        if left := _kept(link, topics):
            raise BrokerError(f"{', '.join(left)}: still there; is the gateway still running?", again=False)
    return RemovedReport(name, "the broker", before)


def _kept(link: Link, topics: list[str]) -> list[str]:
    """Those that the broker keeps something of, in their order."""
    link.must_subscribe(topics)
    end = time.monotonic() + _WAIT_S
    found = set()
    while (left := end - time.monotonic()) > 0:
        found |= {message.topic for message in link.receive(left) if message.retained and message.payload}
    return [each for each in topics if each in found]
