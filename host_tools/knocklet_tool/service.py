"""`knocklet service`: what a gateway hides, in its file."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from . import workspace
from .errors import InputError
from .gateway_file import GatewayFile
from .options import Json, MaybeFileName
from .output import Line, Output

app = typer.Typer(help="What a gateway hides, and where it leads.")

_INDEXES = range(1, 256)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The service's name.")]
_Port = Annotated[int, typer.Option(metavar="PORT", help="Where it is reached on the gateway's outside.")]
_Protocol = Annotated[str | None, typer.Option(metavar="tcp|udp", help="tcp if not given.")]
_To = Annotated[str | None, typer.Option(metavar="ADDRESS:PORT", help="Forward it to this device of the LAN (IPv4).")]
_To6 = Annotated[str | None, typer.Option(metavar="[ADDRESS]:PORT", help="Let it through to this device (IPv6).")]
_Ttl = Annotated[int | None, typer.Option(metavar="S", help="Seconds it stays open, 30 if not given.")]
_Idle = Annotated[int | None, typer.Option(metavar="S", help="Instead: until there was no traffic for so long. With --max.")]
_Max = Annotated[int | None, typer.Option("--max", metavar="S", help="With --idle: never longer than this.")]
_OneShot = Annotated[bool, typer.Option("--one-shot", metavar=" ", help="The first connection uses the grant up.")]
_Cut = Annotated[bool, typer.Option("--cut", metavar=" ", help="Established connections end with the grant.")]
_Approval = Annotated[bool, typer.Option("--approval", metavar=" ", help="You say yes to each knock.")]


@dataclass
class ServiceList:
    files: list[GatewayFile]

    def as_lines(self) -> list[Line]:
        rows = [(file.name, name, str(each.index), f"{each.port}/{each.protocol}", each.to or each.to6 or "the gateway itself")
                for file in self.files for name, each in sorted(file.model.services.items())]   # fmt: skip
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
        return [(line, "") for line in lines] or [("no service yet", "")]

    def as_json(self) -> dict[str, Any]:
        services = [(file.name, name, file.values["services"][name]) for file in self.files for name in file.model.services]
        return {"services": [{"gateway": gateway, "name": name, **fields} for gateway, name, fields in services]}


@app.command()
def add(
    name: _Name,
    port: _Port,
    gateway: MaybeFileName = None,
    protocol: _Protocol = None,
    to: _To = None,
    to6: _To6 = None,
    ttl: _Ttl = None,
    idle: _Idle = None,
    max_: _Max = None,
    one_shot: _OneShot = False,
    cut: _Cut = False,
    approval: _Approval = False,
) -> None:
    """Hide one more service. Its index is new: packets name services by it for ever.

    knocklet service add camera --gateway home --port 8080 --to 192.168.1.50:80 --idle 60 --max 3600
    """
    file = workspace.the_file(gateway)
    with file.edit() as edit:
        if name in edit.document.get("services", {}):
            raise InputError(f"service {name} is in {file.path} already")
        taken = {each["index"] for each in edit.document.get("services", {}).values()} | set(edit.document.get("retired", []))
        if not (free := sorted(set(_INDEXES) - taken)):
            raise InputError(f"{file.path}: all indexes from 1 to {_INDEXES[-1]} were given out once")
        fields = {"index": free[0], "port": port, "protocol": protocol, "to": to, "to6": to6, "ttl": ttl, "idle": idle}
        fields |= {"max": max_, "one_shot": one_shot or None, "cut": cut or None, "approval": approval or None}
        edit.add_table("services", name, {key: value for key, value in fields.items() if value is not None})
    told = Output()
    told.message(f"Service {name} of {file.name} is number {free[0]}. Whose `open` has it may open it, and nobody yet.")
    _next(told, file)


@app.command()
def remove(name: _Name, gateway: MaybeFileName = None) -> None:
    """Hide a service no longer. Clients and sequences that open others too lose it; its index is not given out again.

    knocklet service remove camera --gateway home
    """
    file = workspace.the_file(gateway)
    with file.edit() as edit:
        document = edit.document
        if name not in (there := document.get("services", {})):
            raise InputError(f"{file.path}: no service {name[:60]!r}; there: {', '.join(there) or 'none'}")
        for group in ("clients", "sequences"):
            for owner, table in document.get(group, {}).items():
                for key in ("open", "close"):
                    _take_out(f"{group}.{owner}.{key}", table.get(key, []), name)
        index = document["services"][name]["index"]
        if "retired" in document:
            document["retired"].append(index)
        edit.remove_table("services", name)
        if "retired" not in document:
            edit.add_value("retired", [index])
    told = Output()
    told.message(f"Service {name} of {file.name} is taken out. Its port is as the rest of the firewall has it.")
    _next(told, file)


def _take_out(where: str, names: list[str], name: str) -> None:
    if list(names) == [name]:
        raise InputError(f"service {name}: {where} has nothing else; take that out first")
    if name in names:
        names.remove(name)


@app.command("list")
def list_(gateway: MaybeFileName = None, json: Json = False) -> None:
    """The services in the workspace."""
    Output(json).result(ServiceList(workspace.chosen([gateway] if gateway else [], not gateway, None)))


def _next(told: Output, file: GatewayFile) -> None:
    told.remark(f"next: knocklet push {file.name}")
