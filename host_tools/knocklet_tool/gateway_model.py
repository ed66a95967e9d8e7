"""A gateway's TOML file, key by key: what each may hold. How the keys agree with each other is gateway_rules.py.

The keys are those of the gateway's own configuration, and the same values are good. Besides: `host`, `ssh`, `groups`, `retired`
and `revoked` are the owner's; secrets are in no key, and `steps` may be left out.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from knocklet.wire import otp_ports
from knocklet.wire.addresses import is_unicast, parse_endpoint
from knocklet.wire.keys import FINGERPRINT_BYTES
from knocklet.wire.names import is_name
from knocklet.wire.steps import parse_step

from . import ssh_target
from .client_description import KINDS, PACKET, SOURCES, SPA
from .errors import InputError
from .gateway_description import SERVICES
from .resolve import check_host

SEQUENCES, CLIENTS, STEPS, REVOKED, GROUPS = 16, 512, 32, 128, 16
DECOYS, WINDOW_S, KNOCK_PORT = 64, 10, 62201
_DAY_S = 86_400
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_REVOKED_NAME = re.compile(r"[a-z0-9-]{1,64}")
_NAMES = "1-32 characters of a-z, 0-9 and '-', first a letter"


def shown(value: Any) -> str:
    """What was found, for an error."""
    if isinstance(value, dict):
        return f"a table with {len(value)} entries"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)[:60] if isinstance(value, str) else str(value)[:60]


def _allowed(text: str, good: Callable[[Any], bool] = lambda value: True) -> WrapValidator:
    """Says what is allowed, whatever is wrong with the value itself; what is wrong within it says so for itself."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            found = handler(value)
            if good(found):
                return found
        except ValidationError as error:
            if any(each["loc"] for each in error.errors()):
                raise
        raise PydanticCustomError("allowed", "found {found}; allowed: {allowed}", {"found": shown(value), "allowed": text})

    return WrapValidator(check)


def _whole(low: int, high: int) -> Any:
    return Annotated[int, Field(ge=low, le=high), _allowed(f"a whole number, {low}-{high}")]


def _choice(*values: str | bool) -> Any:
    told = ", ".join(str(value).lower() if isinstance(value, bool) else f'"{value}"' for value in values)
    return Annotated[Any, _allowed(told, lambda found: any(found == value and type(found) is type(value) for value in values))]


def _text(allowed: str, good: Callable[[str], bool]) -> Any:
    return Annotated[str, _allowed(allowed, good)]


def _list(of: Any, low: int, high: int, allowed: str) -> Any:
    """Each once."""
    told = _allowed(f"a list of {low} to {high} {allowed}, each once", lambda found: len(set(found)) == len(found))
    return Annotated[list[of], Field(min_length=low, max_length=high), told]


def _tables(of: Any, high: int) -> Any:
    return Annotated[dict[_Name, of], Field(max_length=high), _allowed(f"a table with at most {high} entries")]


def _reads(read: Callable[[str], Any], error: type[Exception] = ValueError) -> Callable[[str], bool]:
    def good(text: str) -> bool:
        try:
            read(text)
            return True
        except error:
            return False

    return good


def _is_endpoint(length: int) -> Callable[[str], bool]:
    """A device's address, 4 or 16 bytes, and port."""

    def good(text: str) -> bool:
        try:
            address, _ = parse_endpoint(text)
        except ValueError:
            return False
        return len(address) == length and is_unicast(address) and (length == 4 or address[0] < 0xFE)   # not link-local

    return good


_Flag = _choice(True, False)
_Port = _whole(1, 65535)
_Name = _text(_NAMES, is_name)
_ServiceNames = _list(_Name, 1, SERVICES, "names of services")
_Interface = _text("interface names of 1-15 letters, digits, '-', '_', '.'", lambda text: bool(_INTERFACE.fullmatch(text)))
_Step = _text("steps as 7000/tcp or 7000/udp, ports 1-65535", _reads(parse_step))
_Fingerprint = _text(
    f"{2 * FINGERPRINT_BYTES} hex digits", lambda text: bool(re.fullmatch("[0-9a-f]{%d}" % (2 * FINGERPRINT_BYTES), text))
)
_RevokedName = _text("1-64 of a-z, 0-9 and '-'", lambda text: bool(_REVOKED_NAME.fullmatch(text)))


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        if type(values) is not dict:
            raise PydanticCustomError("allowed", "found {found}; allowed: a table", {"found": shown(values)})
        for key in values:
            if key not in cls.model_fields:   # its value may be a secret that somebody put there
                told = {"key": key, "known": ", ".join(sorted(cls.model_fields))}
                raise PydanticCustomError("unknown", "unknown key; allowed: {known}", told)
        return values

    def has(self, key: str) -> bool:
        return key in self.model_fields_set


class Service(_Table):
    """0 and "" stand for what is not there."""

    index: _whole(1, 255)
    protocol: _choice("tcp", "udp") = "tcp"
    port: _Port
    to: _text("an IPv4 address and port as 192.168.1.50:443", _is_endpoint(4)) = ""
    to6: _text("an IPv6 address and port as [fd00::50]:443", _is_endpoint(16)) = ""
    masquerade: _choice("auto", True, False) = "auto"
    ttl: _whole(1, _DAY_S) = 0
    idle: _whole(1, _DAY_S) = 0
    max: _whole(1, _DAY_S) = 0
    one_shot: _Flag = False
    cut: _Flag = False
    approval: _Flag = False

    @property
    def families(self) -> tuple[int, ...]:
        return ((4,) if self.to else ()) + ((6,) if self.to6 else ()) or (4, 6)


class Sequence(_Table):
    steps: _list(_Step, 1, STEPS, "steps") = []
    window: _whole(1, 60) = WINDOW_S
    open: _ServiceNames = []
    close: _ServiceNames = []

    @property
    def parsed(self) -> list[tuple[int, int]]:
        """(protocol, port) of each step."""
        return [parse_step(text) for text in self.steps]


class Client(_Table):
    kinds: _list(_choice(*KINDS), 1, len(KINDS), "kinds") = [SPA]
    open: _ServiceNames
    source: _choice(*SOURCES) = PACKET


class Otp(_Table):
    protocol: _choice("tcp", "udp") = "tcp"
    count: _whole(4, 16) = otp_ports.COUNT
    low: _whole(1024, 65535) = otp_ports.LOW
    high: _whole(1024, 65535) = otp_ports.HIGH
    window: _whole(1, 25) = WINDOW_S


class Gateway(_Table):
    id: _Name
    host: _text("a name or an address, without a port", _reads(check_host, InputError))
    ssh: _text(ssh_target.ALLOWED, ssh_target.is_target) = ""
    groups: _list(_Name, 0, GROUPS, "names of groups") = []
    interfaces: _list(_Interface, 1, 8, "interface names") = []   # none: the gateway's own settings say
    zone: _choice("drop", "reject", "accept") = "drop"
    firewall: _choice("auto", "ipset", "nft") = "auto"
    decoys: _whole(0, 256) = DECOYS
    spa_port: _Port = KNOCK_PORT
    fwknop_port: _Port = KNOCK_PORT
    otp: Otp = Otp()
    services: _tables(Service, SERVICES) = {}
    sequences: _tables(Sequence, SEQUENCES) = {}
    clients: _tables(Client, CLIENTS) = {}
    retired: _list(_whole(1, 255), 0, 255, "indexes") = []
    revoked: Annotated[
        dict[_RevokedName, _Fingerprint], Field(max_length=REVOKED), _allowed(f"a table with at most {REVOKED} entries")
    ] = {}
