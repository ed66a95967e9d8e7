"""`knocklet sequence`: fixed sequences of ports. They hide a port from scanners; whoever sees one can copy it."""

from dataclasses import dataclass
from secrets import SystemRandom
from typing import Annotated, Any

import typer

from knocklet.wire.steps import TCP, format_step

from . import store_files, workspace
from .errors import InputError
from .gateway_file import GatewayFile
from .gateway_model import Gateway
from .options import FileName, Json, complete_file
from .output import Line, Output
from .sequence_rules import FEWEST, Step, weaknesses

app = typer.Typer(help="Fixed sequences of ports. They hide a port from scanners; whoever sees one can copy it.")

_LOWEST, _HIGHEST = 1024, 65534
_MOST = 16

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The sequence's name.")]
_Open = Annotated[list[str] | None, typer.Option("--open", metavar="SERVICE", help="What it opens; may be repeated.")]
_Close = Annotated[
    list[str] | None, typer.Option("--close", metavar="SERVICE", help="Instead: what it closes; may be repeated.")
]
_Steps = Annotated[int, typer.Option(min=FEWEST, max=_MOST, metavar="N", help="How many ports.")]
_MaybeFile = Annotated[
    str | None,
    typer.Argument(metavar="[GATEWAY]", help="Of this one; of all if not given.", autocompletion=complete_file),
]
_Secret = Annotated[bool, typer.Option("--secret", metavar=" ", help="The steps too, on the screen.")]


@dataclass
class SequenceList:
    files: list[GatewayFile]
    secret: bool

    def as_lines(self) -> list[Line]:
        lines = []
        for each in self.as_json()["sequences"]:
            does = f"opens {', '.join(each['open'])}" if each["open"] else f"closes {', '.join(each['close'])}"
            steps = " ".join(each["steps"]) if self.secret else f"{each['count']} steps"
            lines.append((f"{each['gateway']}  {each['name']}  {does}  {steps}", ""))
        return lines or [("no sequence yet", "")]

    def as_json(self) -> dict[str, Any]:
        found = []
        for file in self.files:
            for name, each in sorted(file.model.sequences.items()):
                fields = {"gateway": file.name, "name": name, "open": each.open, "close": each.close, "count": len(each.steps)}
                found.append(fields | ({"steps": [format_step(*step) for step in each.parsed]} if self.secret else {}))
        return {"sequences": found}


@app.command()
def new(gateway: FileName, name: _Name, opens: _Open = None, closes: _Close = None, steps: _Steps = FEWEST) -> None:
    """Make a good sequence, its steps among your secrets; or new steps for one that is there.

    knocklet sequence new home family --open camera
    """
    file = workspace.the_file(gateway)
    with file.edit() as edit, store_files.edit() as files:
        known = name in edit.document.get("sequences", {})
        if known and (opens or closes):
            raise InputError(f"sequence {name} is in {file.path} already; without --open and --close it gets new steps")
        if not known and bool(opens) == bool(closes):
            raise InputError("--open or --close: one of them, with the names of services")
        if known:
            edit.document["sequences"][name].pop("steps", None)
        else:
            edit.add_table("sequences", name, {"open": opens} if opens else {"close": closes})
        made = _steps(file.model, name, steps)
        files.steps.setdefault(file.name, {})[name] = [format_step(*step) for step in made]
    told = Output()
    told.message(f"Sequence {name} of {file.name} has {steps} {'new ' if known else ''}steps, among your secrets.")
    told.remark(f"To see them: knocklet sequence list {file.name} --secret")
    told.remark(f"next: knocklet push {file.name}")


@app.command("list")
def list_(gateway: _MaybeFile = None, secret: _Secret = False, json: Json = False) -> None:
    """The sequences in the workspace. Their steps only with --secret."""
    files = workspace.chosen([gateway] if gateway else [], not gateway, None)
    told = Output(json)
    if secret:
        told.message("These are the secrets: whoever sees them can knock.")
    told.result(SequenceList(files, secret))


def _steps(gateway: Gateway, name: str, count: int) -> list[Step]:
    """At random, and nothing is weak about them; TCP, which every program can knock."""
    others = [each.parsed for other, each in gateway.sequences.items() if other != name]
    never = {port for steps in others for _, port in steps} | {service.port for service in gateway.services.values()}
    never |= {gateway.spa_port, gateway.fwknop_port}
    random = SystemRandom()
    ports = [port for port in range(_LOWEST, _HIGHEST + 1) if port not in never]
    while True:
        made = [(TCP, port) for port in random.sample(ports, count)]
        if not any(weaknesses(made)) and all(abs(one[1] - two[1]) > _MOST for one, two in zip(made, made[1:])):
            return made
