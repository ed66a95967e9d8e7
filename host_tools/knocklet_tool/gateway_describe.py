"""`knocklet gateway describe`: learn from a gateway's configuration what has to be known to knock there."""

from typing import Annotated

import typer

from . import clients, places, settings, workspace_folder
from .checked_json import Table, read_object
from .errors import InputError
from .gateway_description import from_table
from .options import Name
from .output import Output

_LIMIT = 1 << 20

_Config = Annotated[str, typer.Argument(metavar="CONFIG.json", help="The gateway's configuration, - for standard input.")]
_Host = Annotated[str, typer.Option(metavar="HOST", help="The gateway's name or address, as it is reached from outside.")]


def describe(name: Name, config: _Config, host: _Host) -> None:
    """Learn which services a gateway has and where to knock. Again after its configuration has changed.

    ssh root@home cat /etc/knocklet/config.json | knocklet gateway describe home - --host home.example.net
    """
    settings.check_name(name)
    data = places.read_secret("CONFIG.json", config, _LIMIT)   # a secret, where the clients are in it
    gateway = from_table(Table(read_object(config, data), config), host)
    if gateway.name != name:
        raise InputError(f"{config}: id: {gateway.name!r}; allowed: {name!r}, every key is made for this name")
    with clients.edit() as store:
        if name in workspace_folder.names():
            raise InputError(f"gateway {name} has a file, which describes it: {workspace_folder.path_of(name)}")
        store.gateways[name] = gateway
        found = list(store.clients.get(name, {}).values())
    told = Output()
    told.message(f"{name} is described: {host}, {', '.join(map(str, gateway.services.values())) or 'no services'}.")
    for client in found:
        if gone := [service for service in client.open if service not in gateway.services]:
            told.message(f"Client {client.name} may open what {name} no longer has: {', '.join(gone)}.")
    if not found:
        told.remark(f"Next: knocklet client add NAME --gateway {name} --open SERVICE")
