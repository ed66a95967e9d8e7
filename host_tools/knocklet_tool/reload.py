"""`knocklet reload`: the gateway reads its configuration and its files again."""

from . import settings
from .command_report import CommandReport, warning_lines
from .options import Json, MaybeName, Wait
from .output import Output
from .sealed_request import WAIT_S, command


def reload(name: MaybeName = None, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Have the gateway read its configuration again, and make its firewall rules anew. It ends a trial.

    knocklet reload home
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    data = command(stored.the_broker(), gateway, "reload", {}, wait, output).data
    output.result(CommandReport(gateway.name, "reloaded", data))
    for line in warning_lines(data):
        output.message(f"{gateway.name}: warning: {line}")
