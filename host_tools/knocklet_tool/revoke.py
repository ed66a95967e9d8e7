"""`knocklet revoke`: a lost phone opens nothing from now on. The configuration has to follow."""

from typing import Annotated

import typer

from . import settings
from .client_description import check_name
from .command_report import CommandReport
from .event_report import short
from .options import Json, Name, Wait, complete_client
from .output import Output
from .sealed_request import WAIT_S, command

_Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Whose keys count no more.", autocompletion=complete_client)]


def revoke(name: Name, client: _Client, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Take a client's rights at once, and close what it has open. No rollback brings its keys back.

    knocklet revoke home tablet
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    data = command(stored.the_broker(), gateway, "revoke", {"client": check_name(client)}, wait, output).data
    closed = data.get("closed")
    cut = f", {short(closed)} closed" if closed else ""
    output.result(CommandReport(gateway.name, f"{client} is revoked{cut}", data))
    file = f"knocklet client revoke {client} --gateway {gateway.name}, then knocklet push {gateway.name}"
    output.remark(f"Take it out of the gateway's file, too: {file}")
