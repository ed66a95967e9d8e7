"""Arguments and options that several commands have."""

from typing import Annotated

import typer

from . import clients, settings, workspace_folder
from .errors import ToolError


def complete_gateway(incomplete: str) -> list[str]:
    """The known gateways, for the shell; none rather than an error while somebody types."""
    try:
        return [name for name in settings.load().gateways if name.startswith(incomplete)]
    except ToolError:
        return []


def complete_described(incomplete: str) -> list[str]:
    """The gateways one can knock at."""
    try:
        return [name for name in clients.load().gateways if name.startswith(incomplete)]
    except ToolError:
        return []


def complete_file(incomplete: str) -> list[str]:
    """The gateways that have a file in the workspace."""
    try:
        return [name for name in workspace_folder.names() if name.startswith(incomplete)]
    except ToolError:
        return []


def complete_client(incomplete: str) -> list[str]:
    try:
        found = [name for at_gateway in clients.load().clients.values() for name in at_gateway]
        return [name for name in dict.fromkeys(found) if name.startswith(incomplete)]
    except ToolError:
        return []


def complete_service(context: typer.Context, incomplete: str) -> list[str]:
    """Those of the gateway that was typed before."""
    try:
        gateway = clients.load().gateway(context.params.get("gateway") or context.params.get("host"))
        return [name for name in gateway.services if name.startswith(incomplete)]
    except ToolError:
        return []


Name = Annotated[str, typer.Argument(metavar="NAME", help="The gateway's name.", autocompletion=complete_gateway)]
MaybeName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="The gateway; not needed when there is one.", autocompletion=complete_gateway),
]
Described = Annotated[
    str, typer.Argument(metavar="GATEWAY", help="A gateway that is described here.", autocompletion=complete_described)
]
MaybeDescribed = Annotated[
    str | None,
    typer.Option(
        "--gateway", metavar="NAME", help="Of this gateway; not needed when it is clear.", autocompletion=complete_described
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Gateways that have a file in the workspace.", autocompletion=complete_file),
]
FileName = Annotated[
    str, typer.Argument(metavar="GATEWAY", help="A gateway that has a file in the workspace.", autocompletion=complete_file)
]
MaybeFileName = Annotated[
    str | None,
    typer.Option(
        "--gateway", metavar="NAME", help="In the file of this gateway; not needed with one.", autocompletion=complete_file
    ),
]
ClientName = Annotated[str, typer.Argument(metavar="NAME", help="The client's name.", autocompletion=complete_client)]
MaybeClient = Annotated[
    str | None,
    typer.Option("--client", metavar="NAME", help="As this client; not needed with one.", autocompletion=complete_client),
]
MaybeService = Annotated[
    str | None,
    typer.Argument(metavar="[SERVICE]", help="ssh if not given, or the only one.", autocompletion=complete_service),
]
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name.", autocompletion=complete_service)]
Everything = Annotated[bool, typer.Option("--all", metavar=" ", help="Every gateway.")]
Group = Annotated[str | None, typer.Option("--group", metavar="NAME", help="Those with this name in their `groups`.")]
Json = Annotated[bool, typer.Option("--json", metavar=" ", help="Print JSON.")]
Wait = Annotated[float, typer.Option(min=0.1, max=600, metavar="S", help="Seconds to wait for an answer.")]
