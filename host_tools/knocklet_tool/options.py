"""Arguments and options that several commands have."""

from typing import Annotated

import typer

from . import settings
from .errors import ToolError


def complete_gateway(incomplete: str) -> list[str]:
    """The known gateways, for the shell; none rather than an error while somebody types."""
    try:
        return [name for name in settings.load().gateways if name.startswith(incomplete)]
    except ToolError:
        return []


Name = Annotated[str, typer.Argument(metavar="NAME", help="The gateway's name.", autocompletion=complete_gateway)]
MaybeName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="The gateway; not needed when there is one.", autocompletion=complete_gateway),
]
Json = Annotated[bool, typer.Option("--json", metavar=" ", help="Print JSON.")]
Wait = Annotated[float, typer.Option(min=0.1, max=600, metavar="S", help="Seconds to wait for an answer.")]
