"""`knocklet init`: the workspace, a folder with one commented TOML file for each gateway; and a new file in it."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from . import clients, config_history, gateway_template, places, secret_files, settings, store_files, workspace_folder
from .checked_json import Table, read_object
from .client_description import Client, client_from
from .errors import InputError
from .gateway_file import GatewayFile, key_of
from .gateway_model import CLIENTS
from .gateway_rules import WrongValues, read
from .output import Output

_LIMIT = 1 << 20
_SECRET_KEYS = "issued", "key", "fwknop"

_Folder = Annotated[str | None, typer.Argument(metavar="[FOLDER]", help="Where; the one that is known, else this folder.")]
_Gateway = Annotated[str | None, typer.Option("--gateway", metavar="NAME", help="Make the file of this gateway.")]
_Host = Annotated[str | None, typer.Option(metavar="HOST", help="Its name or address, as it is reached from outside.")]
_Interfaces = Annotated[
    list[str] | None, typer.Option("--interface", metavar="NAME", help="Where knocks come in, not as it is set up; repeatable.")
]
_From = Annotated[str | None, typer.Option("--from", metavar="CONFIG.json", help="Of its configuration, - for standard input.")]
_Keyring = Annotated[
    bool, typer.Option("--keyring", metavar=" ", help="Seal secrets under a key in the operating system's keyring from now on.")
]
_Clients = Annotated[str | None, typer.Option("--clients", metavar="CLIENTS.json", help="With --from: the clients beside it.")]


def init(
    folder: _Folder = None,
    gateway: _Gateway = None,
    host: _Host = None,
    interfaces: _Interfaces = None,
    config: _From = None,
    clients_file: _Clients = None,
    keyring: _Keyring = False,
) -> None:
    """Make the workspace, and a gateway's file in it; never over one that is there.

    knocklet init gateways --gateway home --host home.example.net

    ssh root@home cat /etc/knocklet/config.json | knocklet init --from - --host home.example.net
    """
    if clients_file is not None and config is None:
        raise InputError("--clients: only with --from")
    values = {} if config is None else _read("--from", config)
    name = Table(values, str(config)).text("id") if "id" in values else gateway
    if gateway is not None and name != gateway:
        raise InputError(f"{config}: id: {name[:60]!r}; allowed: {gateway!r}, every key is made for this name")
    if name is None and (host is not None or interfaces or config is not None):
        raise InputError("--gateway: what is its name?")
    if name is not None:
        settings.check_name(name)
    place = _folder(folder)
    told = Output()
    told.message(f"The workspace is {place}.")
    if keyring:
        told.message(f"Secrets are sealed from now on, under a key in {_to_keyring()}.")
    if name is None:
        told.remark("next: knocklet init --gateway NAME --host HOST")
        return
    file = _make(place, name, host, values | ({"interfaces": interfaces} if interfaces else {}), config, clients_file)
    told.message(f"{file.path} is new: {', '.join(file.model.services) or 'no services'}.")
    if file.model.clients or file.hidden:
        told.message("Keys and steps are not in it: they are among your secrets on this computer, and nowhere else here.")
    for step in _next(file):
        told.remark(f"next: {step}")


def _to_keyring() -> str:
    with settings.edit(), store_files.edit():   # these are sealed when they are written at the end, and nobody else writes them
        return secret_files.use_keyring(config_history.files())


def _folder(name: str | None) -> Path:
    """The workspace, made and remembered. Raises InputError."""
    variable = os.environ.get(workspace_folder.VARIABLE)
    place = Path(name or variable or settings.workspace() or ".").absolute()
    if variable and place != Path(variable).absolute():
        raise InputError(f"{workspace_folder.VARIABLE} names another folder, {variable}, and counts more; allowed: without it")
    places.private_directory(place)
    if not variable:
        with settings.edit() as stored:
            stored.workspace = str(place)
    return place


def _make(
    place: Path, name: str, host: str | None, values: dict[str, Any], config: str | None, clients_file: str | None
) -> GatewayFile:
    path = place / f"{name}.toml"
    if path.exists():
        raise InputError(f"{path}: is there already; edit it")
    described = clients.load().gateways.get(name)
    if described and config is None:
        raise InputError(f"gateway {name} is described here already; --from CONFIG.json makes its file of what it has")
    host = host or described and described.host
    if host is None:
        raise InputError("--host: its name or address, as it is reached from outside")
    if isinstance(values.get("revoked"), list):   # whose they were the gateway does not know
        values["revoked"] = {f"key-{each}": each for each in values["revoked"]}
    with store_files.edit() as files:
        found = _clients(name, values, config, clients_file, files)
        try:
            read({**values, "id": name, "host": host}, name)
        except WrongValues as error:
            wrong, why = error.found[0]
            raise InputError(f"{config or path}: {key_of(wrong)}{why}") from None
        steps = _take_steps(values)
        data = gateway_template.text(name, host, values).encode()
        file = GatewayFile(path, data, steps)
        secrets = files.secrets.setdefault(name, {})
        for client in found:
            known, made = secrets.get(client.name, {}), client.secrets()
            if any(known.get(key, made[key]) != made[key] for key in made):
                raise InputError(f"client {client.name} of {name} is known here, with another secret than in {config}")
            secrets[client.name] = {"issued": client.issued, **made}
        if steps:
            files.steps[name] = steps
    places.write(path, data)   # after the secrets, which it would be of no use without
    return file


def _clients(
    name: str, values: dict[str, Any], config: str | None, clients_file: str | None, files: store_files.StoreFiles
) -> list[Client]:
    """Those of the configuration, of the file beside it, or those that are known here; `values` keeps what is no secret."""
    source = config
    if clients_file is not None:
        if "clients" in values:
            raise InputError(f"{config}: clients: it has some; allowed: here, or in {clients_file}")
        values["clients"], source = _read("--clients", clients_file).get("clients", {}), clients_file
    elif "clients" not in values and files.clients.get(name):
        known = files.clients[name]
        values["clients"], source = {each: known[each] | files.secrets[name][each] for each in known}, store_files.PLAIN
    found = []
    for each in Table(values, str(source)).tables("clients", CLIENTS):
        table = values["clients"][each]
        found.append(client_from(each, name, Table({"issued": int(time.time())} | table, str(source), f"clients.{each}.")))
        values["clients"][each] = {key: value for key, value in table.items() if key not in _SECRET_KEYS}
    return found


def _take_steps(values: dict[str, Any]) -> dict[str, Any]:
    """The steps of each sequence, no longer in `values`."""
    sequences = values.get("sequences", {})
    tables = sequences.items() if isinstance(sequences, dict) else ()
    return {name: each.pop("steps") for name, each in tables if isinstance(each, dict) and "steps" in each}


def _read(where: str, name: str) -> dict[str, Any]:
    return read_object(name, places.read_secret(where, name, _LIMIT))


def _next(file: GatewayFile) -> list[str]:
    known = settings.load()
    steps = []
    if file.name not in known.gateways:
        steps.append(f"knocklet gateway add {file.name}")
    if known.broker is None:
        steps.append("knocklet broker use HOST, which `push` goes through")
    if not file.model.clients:
        steps.append(f"knocklet client add NAME --gateway {file.name} --open SERVICE")
    steps.append(f"knocklet lint {file.name}")
    return [
        *steps,
        f"knocklet provision {file.name}, which sets the gateway up; one that works already: knocklet push {file.name}",
    ]
