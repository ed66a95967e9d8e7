"""`knocklet client revoke` and `client rotate`: secrets that shall never open anything again, without or with new ones."""

from . import client_secrets, clients, workspace
from .client_description import Client
from .errors import InputError
from .gateway_file import GatewayFile
from .options import ClientName, MaybeDescribed
from .output import Output

_FORGOTTEN = "[revoked] was full: {} of the oldest left it. The gateway has known them for long."


def revoke(name: ClientName, gateway: MaybeDescribed = None) -> None:
    """Take a client out of the gateway's file. Its secrets are listed as revoked, and forgotten here.

    knocklet client revoke anna --gateway home
    """
    store = clients.load()
    file, client = _find(store, name, gateway, "knocklet client remove")
    with file.edit() as edit:
        edit.remove_table("clients", name)
        gone = client_secrets.revoke(edit, client) if client else 0
    # After the file: a secret that is forgotten first could not be revoked any more.
    with clients.edit() as store:
        store.remove(file.name, name)
    told = Output()
    if client is None:
        told.message(f"Client {name} of {file.name} is taken out. Its secret was not here: it is not listed as revoked.")
    else:
        told.message(f"Client {name} of {file.name} is taken out, and its secrets are revoked.")
    _end(told, file, gone)


def rotate(name: ClientName, gateway: MaybeDescribed = None) -> None:
    """Make new secrets for a client, and revoke the old ones. The rest stays.

    knocklet client rotate anna --gateway home
    """
    store = clients.load()
    file, old = _find(store, name, gateway, "knocklet client add")
    if old:
        with file.edit() as edit:
            gone = client_secrets.revoke(edit, old)
    else:
        gone = 0
    client = file.model.clients[name]
    new = client_secrets.new_client(name, file.name, tuple(client.open), tuple(client.kinds), client.source)
    with clients.edit() as store:
        store.add(new)
    told = Output()
    told.message(f"Client {name} of {file.name} has new secrets{', and the old ones are revoked' if old else ''}.")
    told.message(f"Who uses it needs them: knocklet client export {name} --gateway {file.name}, or page, qr, fwknoprc.")
    _end(told, file, gone)


def _find(store: clients.Store, name: str, gateway: str | None, otherwise: str) -> tuple[GatewayFile, Client | None]:
    """The file that has it, and the client, None where its secret is not here. Raises InputError."""
    at = [each for each in store.gateways if name in store.names(each) and gateway in (None, each)]
    if len(at) > 1:
        raise InputError(f"client {name} is at {', '.join(at)}; --gateway says which")
    if not at:
        store.client(name, gateway)   # says who is known
    file = workspace.file_of(at[0])
    if file is None:
        raise InputError(f"{at[0]} has no file in the workspace; {otherwise} is for who only knocks from here")
    return file, store.clients[at[0]].get(name)


def _end(told: Output, file: GatewayFile, gone: int) -> None:
    if gone:
        told.message(_FORGOTTEN.format(gone))
    told.remark(f"next: knocklet push {file.name}")
