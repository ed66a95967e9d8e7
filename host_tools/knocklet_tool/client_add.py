"""`knocklet client add`: make the secrets of a new client."""

import secrets
import time
from typing import Annotated

import typer

from knocklet.wire.keys import KEY_BYTES

from . import clients
from .client_description import FWKNOP, KINDS, OTP, PACKET, SOURCES, SPA, Client, Fwknop, check_name
from .client_file import TO_GATEWAY
from .errors import InputError
from .options import MaybeDescribed, complete_service
from .output import Output

_FWKNOP_KEY_BYTES, _FWKNOP_HMAC_KEY_BYTES = 32, 64   # as fwknop itself makes them
_CLIENTS, _FWKNOP_CLIENTS, _OTP_PAIRS = 512, 16, 64   # what a gateway allows

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
    with clients.edit() as store:
        at = store.gateway(gateway)
        for service in services:
            at.service(service)
        if name in store.clients.get(at.name, {}):
            raise InputError(f"client {name} is known already at {at.name}; knocklet client remove {name} forgets its secret")
        key = secrets.token_bytes(KEY_BYTES) if SPA in chosen or OTP in chosen else None
        fwknop = None
        if FWKNOP in chosen:
            fwknop = Fwknop(secrets.token_bytes(_FWKNOP_KEY_BYTES), secrets.token_bytes(_FWKNOP_HMAC_KEY_BYTES))
        store.add(Client(name, at.name, int(time.time()), tuple(dict.fromkeys(services)), chosen, source, key, fwknop))
        _check_limits(list(store.clients[at.name].values()))
    told = Output()
    told.message(f"Client {name} of {at.name} has a new secret, and may open {', '.join(dict.fromkeys(services))}.")
    told.remark(
        f"To the gateway: knocklet client file --gateway {at.name} | ssh root@{at.name} '{TO_GATEWAY}', "
        "then knockletctl reload there"
    )


def _check_limits(found: list[Client]) -> None:
    """What the gateway would refuse."""
    for what, count, limit in (
        ("clients", len(found), _CLIENTS),
        ("clients of kind fwknop", sum(FWKNOP in client.kinds for client in found), _FWKNOP_CLIENTS),
        ("pairs of client and service with otp", sum(len(client.open) for client in found if OTP in client.kinds), _OTP_PAIRS),
    ):
        if count > limit:
            raise InputError(f"{count} {what} at {found[0].gateway}; allowed: {limit}")
