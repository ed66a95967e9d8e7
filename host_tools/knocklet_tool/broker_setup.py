"""`knocklet broker setup`: write all that a mosquitto for gateways needs. Again with more gateways: what is there stays."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from . import certificates, mosquitto, places, settings
from .errors import InputError
from .options import Json
from .output import Line, Output

_PLACE = "/etc/mosquitto/knocklet"

_Directory = Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where to write; made when it is not there.")]
_Hosts = Annotated[list[str], typer.Option("--host", metavar="NAME", help="The broker's name or address; may be repeated.")]
_Gateways = Annotated[
    list[str] | None, typer.Option("--gateway", metavar="NAME", help="A gateway that may connect; all known ones if not given.")
]
_Port = Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="The port to listen on.")]
_Place = Annotated[str, typer.Option(metavar="PATH", help="Where the files will lie on the broker.")]


@dataclass
class SetupReport:
    """`new`: users that were made now."""

    directory: Path
    place: str
    users: list[str]
    new: list[str]
    new_certificate: bool

    def as_lines(self) -> list[Line]:
        here = self.directory
        lines = [
            f"Written to {here}; new users: {', '.join(self.new) or 'none'}; the server's certificate "
            f"{'is new' if self.new_certificate else 'stays'}.",
            "On the broker:",
            f"  ca.crt server.crt server.key passwd acl -> {self.place}/   (owner mosquitto, mode 0600)",
            "  knocklet.conf -> /etc/mosquitto/conf.d/   then restart mosquitto",
            "On each gateway:",
            *(f"  agent-{user}.json -> /etc/knocklet/agent.json on {user}" for user in self.users if user not in _OTHERS),
            "Here:",
            f"  knocklet broker use HOST --ca {here}/ca.crt --password-file {here}/passwords/{mosquitto.ADMIN}",
            f"In Home Assistant: user {mosquitto.HASS}, its password is in {here}/passwords/{mosquitto.HASS}",
            "ca.key stays here, and nowhere else.",
        ]
        return [(line, "") for line in lines]

    def as_json(self) -> dict[str, Any]:
        return {
            "directory": str(self.directory), "place": self.place, "users": self.users, "new": self.new,
            "new_certificate": self.new_certificate,
        }  # fmt: skip


_OTHERS = mosquitto.ADMIN, mosquitto.HASS


def setup(
    directory: _Directory,
    hosts: _Hosts,
    gateways: _Gateways = None,
    port: _Port = 8883,
    place: _Place = _PLACE,
    json: Json = False,
) -> None:
    """Write a mosquitto configuration: TLS with a CA of its own, and one user for each gateway, bound to its topics.

    knocklet broker setup broker --host mqtt.home.arpa --gateway home
    """
    wanted = list(gateways) if gateways else list(settings.load().gateways)
    for name in wanted:
        settings.check_name(name)
        if name in _OTHERS:
            raise InputError(f"gateway {name}: the broker's own user has this name; allowed: any other")
    if not place.startswith("/") or not place.isprintable() or " " in place:
        raise InputError(f"--place {place!r}: allowed: an absolute path without spaces")
    places.private_directory(directory)
    report = _write(directory, hosts, wanted, port, place.rstrip("/"))
    with settings.edit() as stored:
        stored.broker_files = str(directory.absolute())   # where target_files.py looks for what a gateway's agent gets
    Output(json).result(report)


def _write(directory: Path, hosts: list[str], wanted: list[str], port: int, place: str) -> SetupReport:
    new_certificate = certificates.make(directory, hosts)
    passwords = places.private_directory(directory / "passwords")
    lines = {line.partition(":")[0]: line for line in (places.read_private(directory / "passwd") or b"").decode().splitlines()}
    ca = (places.read(directory / "ca.crt") or b"").decode()
    users = list(dict.fromkeys([*_OTHERS, *lines, *wanted]))
    new = []
    for user in users:
        if user not in lines and places.read_private(passwords / user) is None:
            new.append(user)
            places.write(passwords / user, secrets.token_urlsafe(24).encode() + b"\n")
        password = (places.read_private(passwords / user) or b"").decode().strip()
        if password and not mosquitto.has_password(lines.get(user, ""), password):
            lines[user] = mosquitto.password_line(user, password)
        if user not in _OTHERS and password:
            places.write(directory / f"agent-{user}.json", _agent(hosts[0], port, ca, password))
    places.write(directory / "passwd", "".join(f"{lines[user]}\n" for user in users).encode())
    places.write(directory / "acl", mosquitto.acl())
    places.write(directory / "knocklet.conf", mosquitto.configuration(place, port), 0o644)
    return SetupReport(directory, place, users, new, new_certificate)


def _agent(host: str, port: int, ca: str, password: str) -> bytes:
    broker = {"host": host, "port": port, "tls": True, "ca": ca, "password": password}
    return json.dumps({"broker": broker}, indent=2).encode() + b"\n"
