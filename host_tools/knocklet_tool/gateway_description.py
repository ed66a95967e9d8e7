"""What has to be known of a gateway to knock there: read from its config.json, stored here, told to other computers."""

from dataclasses import dataclass
from typing import Any

from knocklet.wire import otp_ports
from knocklet.wire.addresses import format_address, parse_endpoint
from knocklet.wire.steps import TCP, UDP, format_step

from .checked_json import REQUIRED, Table
from .errors import InputError
from .knock_sender import Step
from .resolve import Door, Target, check_host

SERVICES = 64   # what a gateway allows
_PORT = 62201   # fwknop's own, and of the knock packet
_PROTOCOLS = {"tcp": TCP, "udp": UDP}
_COUNTS = 4, 16
_LOWEST = 1024   # of one-time ports
_SPAN = 10_000   # of those, at least


@dataclass(frozen=True)
class Service:
    """`to`: leads to a device over IPv4; `to6`: that device's own address and port, used over IPv6."""

    name: str
    index: int
    protocol: int
    port: int
    one_shot: bool = False
    to: bool = False
    to6: tuple[str, int] | None = None

    def __str__(self) -> str:
        return f"{self.name} {format_step(self.protocol, self.port)}"

    @property
    def protocol_name(self) -> str:
        return _protocol_name(self.protocol)

    @property
    def step(self) -> Step:
        return self.protocol, self.port

    @property
    def families(self) -> tuple[int, ...]:
        """Of the addresses it opens for: 4, 6 or both."""
        return ((4,) if self.to else ()) + ((6,) if self.to6 else ()) or (4, 6)

    def door(self, knocked: Target) -> Target:
        """Where it is reached after a knock at this address of the gateway."""
        return Door(knocked.family, self.to6[0], 0, self.to6[1]) if self.to6 and ":" in knocked.address else knocked

    def as_json(self) -> dict[str, Any]:
        found = {"index": self.index, "protocol": self.protocol_name, "port": self.port, "one_shot": self.one_shot}
        if self.to:
            found["to"] = True   # where in the LAN concerns nobody who knocks
        if self.to6:
            found["to6"] = "[%s]:%d" % self.to6
        return found


@dataclass(frozen=True)
class Otp:
    """How one-time sequences are made of a client's key there."""

    protocol: int = TCP
    count: int = otp_ports.COUNT
    low: int = otp_ports.LOW
    high: int = otp_ports.HIGH

    @property
    def protocol_name(self) -> str:
        return _protocol_name(self.protocol)


@dataclass(frozen=True)
class GatewayDescription:
    """`host`: name or address, as seen from outside."""

    name: str
    host: str
    spa_port: int
    fwknop_port: int
    otp: Otp
    services: dict[str, Service]

    def service(self, name: str) -> Service:
        """Raises InputError."""
        if name not in self.services:
            raise InputError(f"{self.name} has no service {name[:60]!r}; it has: {', '.join(self.services) or 'none'}")
        return self.services[name]

    def as_json(self) -> dict[str, Any]:
        """What from_table() reads back."""
        return {
            "id": self.name,
            "host": self.host,
            "spa_port": self.spa_port,
            "fwknop_port": self.fwknop_port,
            "otp": {**vars(self.otp), "protocol": self.otp.protocol_name},
            "services": {service.name: service.as_json() for service in self.services.values()},
        }


def from_table(table: Table, host: str | None = None) -> GatewayDescription:
    """From a gateway's configuration, or as_json(). `host`: None where the table has it. Raises InputError."""
    if "id" not in table:
        raise table.wrong("id", "missing; allowed: the gateway's name, which every key is made for")
    services = {name: _service(name, each) for name, each in sorted(table.tables("services", SERVICES).items())}
    indexes = [service.index for service in services.values()]
    for service in services.values():
        if indexes.count(service.index) > 1:
            raise table.fail(f"services.{service.name}.index", service.index, "an index of its own")
    host = table.text("host") if host is None else host
    check_host(host)
    return GatewayDescription(
        table.name("id"),
        host,
        table.integer("spa_port", _PORT, 1, 65535),
        table.integer("fwknop_port", _PORT, 1, 65535),
        _otp(table.table("otp", {})),
        services,
    )


def _service(name: str, table: Table) -> Service:
    return Service(
        name,
        table.integer("index", REQUIRED, 1, 255),
        _PROTOCOLS[table.choice("protocol", "tcp", tuple(_PROTOCOLS))],
        table.integer("port", REQUIRED, 1, 65535),
        table.flag("one_shot"),
        "to" in table,
        _endpoint(table, "to6"),
    )


def _endpoint(table: Table, key: str) -> tuple[str, int] | None:
    if key not in table:
        return None
    text = table.text(key)
    try:
        address, port = parse_endpoint(text)
    except ValueError:
        address = b""
    if len(address) != 16:
        raise table.fail(key, text, "an IPv6 address and port as [fd00::50]:443")
    return format_address(address), port


def _otp(table: Table) -> Otp:
    low, high = (table.integer(key, usual, _LOWEST, 65535) for key, usual in (("low", otp_ports.LOW), ("high", otp_ports.HIGH)))
    if high - low + 1 < _SPAN:
        raise table.fail("high", high, f"at least 'low' + {_SPAN - 1}")
    count = table.integer("count", otp_ports.COUNT, *_COUNTS)
    return Otp(_PROTOCOLS[table.choice("protocol", "tcp", tuple(_PROTOCOLS))], count, low, high)


def _protocol_name(protocol: int) -> str:
    return "udp" if protocol == UDP else "tcp"
