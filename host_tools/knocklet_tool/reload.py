"""`knocklet reload`: the gateway reads its configuration and its files again."""

from . import settings
from .command_report import CommandReport
from .options import Json, MaybeName, Wait
from .output import Output
from .sealed_request import WAIT_S, command


def reload(name: MaybeName = None, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Have the gateway read its configuration again, and its firewall rules looked after.

    knocklet reload home
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    data = command(stored.the_broker(), gateway, "reload", {}, wait, output).data
    output.result(CommandReport(gateway.name, "reloaded", data))
