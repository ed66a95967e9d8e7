"""`knocklet client`: the computers and phones that may knock. Each has a secret of its own at each gateway."""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from . import client_add, client_copy, client_file, client_fwknoprc, client_page, client_qr, client_revoke, clients
from .client_description import Client, no_secret
from .errors import InputError
from .options import ClientName, Json, MaybeDescribed
from .output import Line, Output

app = typer.Typer(help="The computers and phones that may knock, and their secrets.")
for command in (
    client_add.add, client_revoke.revoke, client_revoke.rotate, client_copy.export, client_file.file, client_qr.qr,
    client_fwknoprc.fwknoprc, client_page.page,
):  # fmt: skip
    app.command()(command)
app.command("import")(client_copy.import_)

_Secret = Annotated[bool, typer.Option("--secret", metavar=" ", help="Its secret too, on the screen.")]


@dataclass
class ClientList:
    clients: list[Client]

    def as_lines(self) -> list[Line]:
        rows = [(each.gateway, each.name, ",".join(each.kinds), ",".join(each.open)) for each in self.clients]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
        return [(line, "") for line in lines] or [("no client yet", "")]

    def as_json(self) -> dict[str, Any]:
        return {"clients": [ClientReport(each).as_json() for each in self.clients]}


@dataclass
class ClientReport:
    client: Client
    secret: bool = False

    def as_lines(self) -> list[Line]:
        client = self.client
        issued = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(client.issued))
        lines = [f"{client.name} at {client.gateway}", f"  opens   {', '.join(client.open)}"]
        lines += [f"  kinds   {', '.join(client.kinds)}", f"  source  {client.source}", f"  made    {issued}"]
        if self.secret and client.key:
            lines.append(f"  key               {client.key.hex()}")
        if self.secret and client.fwknop:
            fwknop = client.fwknop.as_json()
            lines += [f"  KEY_BASE64        {fwknop['key']}", f"  HMAC_KEY_BASE64   {fwknop['hmac_key']}"]
        return [(line, "") for line in lines]

    def as_json(self) -> dict[str, Any]:
        fields = self.client.as_json() if self.secret else self.client.plain()
        return {"gateway": self.client.gateway, "name": self.client.name, **fields}


@app.command("list")
def list_(json: Json = False) -> None:
    """The clients that are known here."""
    store = clients.load()
    output = Output(json)
    for error in store.broken.values():
        output.message(str(error))
    for gateway, name in [(gateway, name) for gateway, names in store.without_secret.items() for name in names]:
        output.message(f"{gateway} also has {name}: {no_secret(name, gateway)}")
    output.result(ClientList([client for at_gateway in store.clients.values() for client in at_gateway.values()]))


@app.command()
def show(name: ClientName, gateway: MaybeDescribed = None, secret: _Secret = False, json: Json = False) -> None:
    """What a client may do. Its secret only with --secret."""
    client = clients.load().client(name, gateway)
    output = Output(json)
    if secret:
        output.message("This is the secret: whoever sees it can knock.")
    output.result(ClientReport(client, secret))


@app.command()
def remove(name: ClientName, gateway: MaybeDescribed = None) -> None:
    """Forget a client and its secret, where the gateway has no file in a workspace: else `revoke` is for that.

    The gateway lets it in until it has a new clients.json, and a reload.
    """
    with clients.edit() as store:
        client = store.client(name, gateway)
        if client.gateway in store.files:
            path = store.files[client.gateway].path
            raise InputError(f"client {name} is in {path}; knocklet client revoke {name} takes it out")
        store.remove(client.gateway, name)
    told = Output()
    told.message(f"Client {name} of {client.gateway} is forgotten here, and its secret.")
    told.remark(f"{client.gateway} takes its knocks until it has the new file: knocklet client file --gateway {client.gateway}")
