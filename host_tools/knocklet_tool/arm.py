"""`knocklet arm` and `disarm`: does the gateway open to knocks at all?"""

from . import settings
from .command_report import CommandReport
from .options import Json, MaybeName, Wait
from .output import Output
from .sealed_request import WAIT_S, command


def arm(name: MaybeName = None, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Let knocks open again.

    knocklet arm home
    """
    _set(name, "arm", "knocks open", wait, json)


def disarm(name: MaybeName = None, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Let no knock open anything, until it is armed again.

    knocklet disarm home
    """
    _set(name, "disarm", "no knock opens anything", wait, json)


def _set(name: str | None, verb: str, said: str, wait_s: float, json: bool) -> None:
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    data = command(stored.the_broker(), gateway, verb, {}, wait_s, output).data
    output.result(CommandReport(gateway.name, f"{verb}ed: {said}", data))
