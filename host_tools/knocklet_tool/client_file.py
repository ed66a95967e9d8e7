"""`knocklet client file`: the clients of a gateway as it reads them, with their secrets."""

import json
from typing import Annotated

import typer

from . import clients, output
from .errors import InputError
from .options import complete_described

_LIMIT = 131_072   # what a gateway reads

_Gateway = Annotated[
    str | None,
    typer.Option("--gateway", metavar="NAME", help="Not needed when there is one.", autocompletion=complete_described),
]


# Whole or not at all: where the left side of the pipe fails, nothing comes.
TO_GATEWAY = "umask 077; cd /etc/knocklet && cat >clients.new && [ -s clients.new ] && mv clients.new clients.json"


def file(gateway: _Gateway = None) -> None:
    """Write a gateway's clients.json into a pipe or a file. It is a secret.

    knocklet client file --gateway home >clients.json
    """
    store = clients.load()
    at = store.gateway(gateway)
    found = store.clients.get(at.name, {})
    for client in found.values():
        for service in client.open:
            if service not in at.services:   # the gateway would refuse the file
                raise InputError(f"client {client.name} may open {service!r}, which {at.name} does not have")
    lines = ",\n".join(f'"{client.name}": {json.dumps(client.as_json())}' for client in found.values())
    data = f'{{"clients": {{\n{lines}\n}}}}\n'.encode()
    if len(data) > _LIMIT:
        raise InputError(f"{at.name}: {len(data)} bytes of clients; allowed: {_LIMIT}")
    output.secret(data)
