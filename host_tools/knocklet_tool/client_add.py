"""`knocklet client add`: make the secrets of a new client."""

from contextlib import nullcontext
from typing import Annotated, Any

import typer

from . import clients, workspace
from .client_description import FWKNOP, KINDS, OTP, PACKET, SOURCES, SPA, Client, check_name
from .client_file import TO_GATEWAY
from .client_secrets import new_client
from .errors import InputError
from .gateway_model import CLIENTS
from .gateway_rules import FWKNOP_CLIENTS, OTP_PAIRS
from .options import MaybeDescribed, complete_service
from .output import Output

_Name = Annotated[str, typer.Argument(metavar="NAME", help="A name for this computer or phone.")]
_Open = Annotated[
    list[str],
    typer.Option("--open", metavar="SERVICE", help="What it may open; may be repeated.", autocompletion=complete_service),
]
_Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="spa: signed packets; otp: one-time ports; fwknop: for phone apps. spa if not given; may be repeated.",
        autocompletion=lambda: list(KINDS),
    ),
]
_Source = Annotated[
    str,
    typer.Option(
        metavar="SOURCE",
        help="Opens for: packet, where it came from; stated, the same and named in it; any, whatever address it names.",
        autocompletion=lambda: list(SOURCES),
    ),
]


def add(name: _Name, services: _Open, gateway: MaybeDescribed = None, kinds: _Kinds = None, source: _Source = PACKET) -> None:
    """Make the secret of a computer or phone that may knock.

    knocklet client add anna --gateway home --open ssh --open camera --kind spa --kind otp
    """
    check_name(name)
    chosen = tuple(dict.fromkeys(kinds or [SPA]))
    for kind in chosen:
        if kind not in KINDS:
            raise InputError(f"--kind {kind!r}: allowed: {', '.join(KINDS)}")
    if source not in SOURCES:
        raise InputError(f"--source {source!r}: allowed: {', '.join(SOURCES)}")
    opens = tuple(dict.fromkeys(services))
    at = clients.load().gateway(gateway)
    file = workspace.file_of(at.name)
    # The secret is written first: a client without its key would be damage, a key without its client is none.
    with file.edit() if file else nullcontext() as edit, clients.edit() as store:
        for service in opens:
            store.gateway(at.name).service(service)
        if name in store.names(at.name):
            forget = "revoke" if file else "remove"
            raise InputError(f"client {name} is known already at {at.name}; knocklet client {forget} {name} forgets its secret")
        store.add(new_client(name, at.name, opens, chosen, source))
        if edit:
            edit.add_table("clients", name, _fields(opens, chosen, source))
        else:
            _check_limits(list(store.clients[at.name].values()))
    told = Output()
    told.message(f"Client {name} of {at.name} has a new secret, and may open {', '.join(opens)}.")
    if file:
        told.remark(f"next: knocklet push {at.name}")
    else:
        told.remark(
            f"To the gateway: knocklet client file --gateway {at.name} | ssh root@{at.name} '{TO_GATEWAY}', "
            "then knockletctl reload there"
        )


def _fields(opens: tuple[str, ...], kinds: tuple[str, ...], source: str) -> dict[str, Any]:
    """As in the gateway's file: what goes without saying is not said."""
    fields: dict[str, Any] = {"open": list(opens)}
    if kinds != (SPA,):
        fields["kinds"] = list(kinds)
    if source != PACKET:
        fields["source"] = source
    return fields


def _check_limits(found: list[Client]) -> None:
    """What the gateway would refuse."""
    for what, count, limit in (
        ("clients", len(found), CLIENTS),
        ("clients of kind fwknop", sum(FWKNOP in client.kinds for client in found), FWKNOP_CLIENTS),
        ("pairs of client and service with otp", sum(len(client.open) for client in found if OTP in client.kinds), OTP_PAIRS),
    ):
        if count > limit:
            raise InputError(f"{count} {what} at {found[0].gateway}; allowed: {limit}")
