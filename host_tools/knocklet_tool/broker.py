"""`knocklet broker`: which broker is used, how one is set up, and whether it keeps gateways apart."""

from typing import Annotated

import typer
from cryptography import x509

from . import broker_check, broker_setup, places, secret_line, settings
from .certificates import check_host
from .errors import InputError
from .output import Output
from .settings import Broker

_TLS_PORT, _PLAIN_PORT = 8883, 1883

app = typer.Typer(help="Which broker is used, how one is set up, and whether it keeps gateways apart.")
app.command()(broker_setup.setup)
app.command()(broker_check.check)

_Host = Annotated[str, typer.Argument(metavar="HOST", help="The broker's name or address.")]
_Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, metavar="PORT", help=f"{_TLS_PORT} if not given, {_PLAIN_PORT} without TLS."),
]
_Ca = Annotated[str | None, typer.Option(metavar="FILE", help="Believe these certificates instead of the system's.")]
_User = Annotated[str | None, typer.Option(metavar="USER", help="admin if not given, with a password.")]
_Password = Annotated[str | None, typer.Option(metavar="FILE", help="A file with the password, - for standard input.")]
_NoTls = Annotated[bool, typer.Option("--no-tls", metavar=" ", help="Without encryption: others can read along.")]


@app.command()
def use(
    host: _Host,
    port: _Port = None,
    ca: _Ca = None,
    user: _User = None,
    password_file: _Password = None,
    no_tls: _NoTls = False,
) -> None:
    """Say once which broker the other commands talk to.

    knocklet broker use mqtt.home.arpa --ca broker/ca.crt --password-file broker/passwords/admin
    """
    check_host(host)
    if no_tls and ca is not None:
        raise InputError("--ca is for TLS, --no-tls is without it")
    if user is not None and password_file is None:
        raise InputError("--user needs --password-file FILE, or - for standard input")
    if user is not None and (not user.isprintable() or not 0 < len(user) <= 128):
        raise InputError(f"--user {user[:130]!r}: allowed: 1-128 printable characters")
    password = None if password_file is None else secret_line.read("--password-file", password_file)
    certificates = None if ca is None else _certificates(ca)
    with settings.edit() as stored:
        path = None if certificates is None else settings.store_ca(certificates)
        name = (user or "admin") if password is not None else None
        stored.broker = Broker(host, port or (_PLAIN_PORT if no_tls else _TLS_PORT), not no_tls, path, name, password)
    Output().message(f"Broker {stored.broker}, {f'user {name}' if name else 'no user'}{', without TLS' if no_tls else ''}.")
    if no_tls and password:
        Output().message("Without TLS whoever is on the way can read the password.")


def _certificates(name: str) -> bytes:
    data = places.read_secret("--ca", name, 1 << 20)
    try:
        x509.load_pem_x509_certificates(data)
    except ValueError:
        raise InputError(f"--ca {name}: no certificates in it; allowed: PEM") from None
    return data
