"""`knocklet open`: open a service for an address over the broker. Sealed: the broker cannot open anything itself."""

import time
from typing import Annotated

import typer

from . import settings
from .command_report import CommandReport
from .event_report import short
from .local_time import at
from .options import Json, Name, Wait
from .output import Output
from .request_fields import address
from .sealed_request import WAIT_S, command

_DAY_S = 86_400

_Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service to open.")]
_Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="For this address.")]
_Ttl = Annotated[int | None, typer.Option(min=1, max=_DAY_S, metavar="S", help="Seconds, if less than the service's own.")]


def open_(
    name: Name, service: _Service, source: _Address, ttl: _Ttl = None, wait: Wait = WAIT_S, json: Json = False
) -> None:
    """Open a service for an address without a knock.

    knocklet open home ssh 198.51.100.2
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    fields = {"service": service, "source": address("ADDRESS", source)} | ({} if ttl is None else {"ttl": ttl})
    output = Output(json)
    data = command(stored.the_broker(), gateway, "open", fields, wait, output).data
    left_s = data.get("ends_s")
    until = f" until {at(int(time.time()) + left_s)}" if type(left_s) is int and left_s < 1 << 31 else ""
    output.result(CommandReport(gateway.name, f"{short(service)} is open for {fields['source']}{until}", data))
