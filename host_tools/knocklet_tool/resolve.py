"""From a host name to the addresses that are knocked: all of them, since a grant is per address."""

import socket
from dataclasses import dataclass

from knocklet.wire.addresses import parse_ipv4, parse_ipv6

from .errors import InputError, NetworkError

FAMILY_NAMES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
_NAME_MARKS = "-._"


@dataclass(frozen=True)
class Target:
    """One address of the host, or one of this computer to send from."""

    family: socket.AddressFamily
    address: str
    scope: int = 0   # of a link-local address: number of the interface

    def at(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """As sockets want it."""
        return (self.address, port) if self.family == socket.AF_INET else (self.address, port, 0, self.scope)

    def __str__(self) -> str:
        return f"{self.address}%{socket.if_indextoname(self.scope)}" if self.scope else self.address


@dataclass(frozen=True)
class Door(Target):
    """Where a service is that does not stand at the knocked address: at a port of its own, whatever port is asked for."""

    port: int = 0

    def at(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        return super().at(self.port)

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}"


def resolve(host: str, families: tuple[socket.AddressFamily, ...]) -> list[Target]:
    """The addresses of `host`, each once, as the resolver orders them.

    Raises InputError for what cannot be a host, NetworkError for one without an address of these families.
    """
    check_host(host)
    targets = _look_up(host.strip("[]"), 0)
    wanted = [target for target in targets if target.family in families]
    if not wanted:
        raise NetworkError(f"{host} has no {FAMILY_NAMES[families[0]]} address, only {', '.join(map(str, targets))}")
    return wanted


def read_source(text: str) -> Target:
    """An address of this computer, for --source. Raises InputError, NetworkError."""
    if not _is_address(text):
        raise InputError(f"--source {text!r}: allowed: an IPv4 or IPv6 address of this computer")
    return _look_up(text, socket.AI_NUMERICHOST)[0]


def _look_up(host: str, flags: int) -> list[Target]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror as error:
        again = error.errno == socket.EAI_AGAIN
        raise NetworkError(f"{host}: " + ("no name server answers" if again else "no such name")) from error
    except UnicodeError as error:   # a label of more than 63 characters
        raise InputError(f"{host[:60]!r} is no host name") from error
    targets = [
        Target(family, str(address[0]), int(address[3]) if len(address) == 4 else 0)
        for family, _, _, _, address in found
        if family in FAMILY_NAMES
    ]
    return list(dict.fromkeys(targets))


def _is_address(text: str) -> bool:
    address = text.partition("%")[0] if ":" in text else text
    try:
        return bool(parse_ipv6(address) if ":" in address else parse_ipv4(address))
    except ValueError:
        return False


def check_host(host: str) -> None:
    """Raises InputError for what cannot be one."""
    if host[:1] == "[" and host[-1:] == "]" and ":" in host:
        if _is_address(host[1:-1]):
            return
    elif _is_address(host):
        return
    # The resolver would take 7000, or 1.2.3, for an address in an old notation, and we would knock at a stranger.
    elif host.rpartition(".")[2].isdigit():
        raise InputError(f"{host[:60]!r} is no host; the host comes first, then the steps")
    if not host.strip(".") or not all(c.isalnum() or c in _NAME_MARKS for c in host) or host[0] == "-":
        raise InputError(f"{host[:60]!r} is no host; allowed: a name or an address, without a port")
