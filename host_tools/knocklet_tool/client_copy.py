"""`knocklet client export` and `client import`: a client's secret and where it knocks, from one computer to another."""

import json
from typing import Annotated

import typer

from . import clients, gateway_description, output, places
from .checked_json import Table, read_object
from .client_description import check_name, client_from
from .errors import InputError
from .options import ClientName, MaybeDescribed
from .output import Output

_LIMIT = 1 << 16

_File = Annotated[str, typer.Argument(metavar="FILE", help="What `client export` wrote, - for standard input.")]


def export(name: ClientName, gateway: MaybeDescribed = None) -> None:
    """Write all that another computer needs to knock, into a pipe or a file. It is a secret.

    knocklet client export anna | ssh laptop knocklet client import -
    """
    client, at = clients.find(name, gateway)
    fields = {"gateway": at.as_json(), "client": {"name": client.name, **client.as_json()}}
    output.secret(json.dumps(fields, indent=2).encode() + b"\n")


def import_(file: _File) -> None:
    """Take what `client export` wrote on another computer.

    ssh desk knocklet client export anna | knocklet client import -
    """
    table = Table(read_object(file, places.read_secret("FILE", file, _LIMIT)), file)
    at = gateway_description.from_table(table.table("gateway"))
    fields = table.table("client")
    client = client_from(check_name(fields.text("name")), at.name, fields)
    with clients.edit() as store:
        if (file := store.files.get(at.name)) and client.name not in file.model.clients:
            raise InputError(f"{file.path}: has no client {client.name}; knocklet client add makes one")
        known = store.clients.get(at.name, {}).get(client.name)
        if known and (known.key, known.fwknop) != (client.key, client.fwknop):
            raise InputError(
                f"client {client.name} of {at.name} is known already, with another secret; knocklet client remove forgets it"
            )
        changed = not file and store.gateways.get(at.name, at) != at
        store.gateways[at.name] = at
        store.add(client)
    told = Output()
    told.message(f"Client {client.name} of {at.name} is known here, and may open {', '.join(client.open)}.")
    if changed:
        told.message(f"{at.name} was described otherwise here; the new description counts.")
    told.remark(f"Now: knocklet knock {at.name} {client.open[0]}")
