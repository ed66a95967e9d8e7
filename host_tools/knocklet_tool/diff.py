"""`knocklet diff`: what a push would change."""

import json as json_

from . import in_force, settings, workspace
from .config_difference import changes
from .difference_report import DifferenceReport
from .errors import GatewayError
from .options import Everything, Group, Json, MaybeName, Wait
from .output import Output
from .sealed_request import WAIT_S


def diff(
    name: MaybeName = None, everything: Everything = False, group: Group = None, wait: Wait = WAIT_S, json: Json = False
) -> None:
    """A gateway's file against what is in force there, key by key. Secrets are not shown.

    knocklet diff home
    """
    files = workspace.chosen([name] if name else [], everything, group)
    stored = settings.load()
    texts = {file.name: file.plaintext() for file in files}
    output = Output(json)
    found = in_force.look(stored, [stored.gateway(name) for name in texts], wait, output)
    for name, text in texts.items():
        old = found[name].config
        output.result(DifferenceReport(name, None if old is None else changes(old, json_.loads(text)), found[name].why))
    if any(each.text is None for each in found.values()):
        raise GatewayError("not every gateway has told what is in force there")
