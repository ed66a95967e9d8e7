"""How the keys of a gateway's file have to agree: the rules of its engine, told before anything is sent.

tests/host/test_gateway_rules.py holds both against each other.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from knocklet.wire.addresses import parse_endpoint
from knocklet.wire.steps import TCP, UDP, format_step

from .client_description import FWKNOP, OTP, SPA
from .gateway_model import Gateway, Sequence, Service
from .toml_lines import Path

FWKNOP_CLIENTS, OTP_PAIRS, _OTP_STEPS = 16, 64, 384
_OTP_SPAN = 9_999
_SAME_START = 6
_PROTOCOLS = {"tcp": TCP, "udp": UDP}

Step = tuple[int, int]   # protocol, port


class WrongValues(Exception):
    """`found`: (path of a key, what was found there and what is allowed) of each that is wrong."""

    def __init__(self, found: list[tuple[Path, str]]) -> None:
        super().__init__(f"{len(found)} keys")
        self.found = found


class Misfit(WrongValues):
    """One that does not agree with the others."""

    def __init__(self, path: Path, found: object, allowed: str) -> None:
        super().__init__([(path, f"found {found}; allowed: {allowed}")])


def read(values: dict[str, Any], name: str) -> Gateway:
    """The values, each checked, and that they agree. name: of the file. Raises WrongValues."""
    try:
        gateway = Gateway.model_validate(values)
    except ValidationError as error:
        raise WrongValues([_told(each) for each in error.errors()]) from None
    _check(gateway, name)
    return gateway


def _told(error: Any) -> tuple[Path, str]:
    path = tuple(part for part in error["loc"] if part != "[key]")
    if error["type"] == "unknown":
        return (*path, error["ctx"]["key"]), error["msg"]
    return path, "missing" if error["type"] == "missing" else error["msg"]


def _check(gateway: Gateway, name: str) -> None:
    if gateway.id != name:
        raise Misfit(("id",), f"'{gateway.id}'", f"'{name}', as the file is called")
    for each, service in gateway.services.items():
        _check_service(("services", each), service)
    _check_services(gateway)
    for each, sequence in gateway.sequences.items():
        _check_sequence(("sequences", each), sequence, gateway)
    for each, client in gateway.clients.items():
        _check_names(("clients", each, "open"), client.open, gateway)
        if each in gateway.sequences:
            raise Misfit(("clients", each), "the name of a sequence", "a name of its own")
    _check_clients(gateway)
    _check_knock_ports(gateway)
    for at, index in enumerate(gateway.retired):
        if index in (service.index for service in gateway.services.values()):
            raise Misfit(("retired", at), index, "indexes of no service; an index is given out once")


def _check_service(path: Path, service: Service) -> None:
    if service.has("masquerade") and not service.to:
        raise Misfit((*path, "masquerade"), "it without 'to'", "'masquerade' only beside 'to'")
    if bool(service.idle) != bool(service.max) or service.idle and service.idle >= service.max:
        found = service.idle or "nothing"
        raise Misfit((*path, "idle" if service.idle else "max"), found, "'idle' and 'max' together, 'idle' shorter than 'max'")
    if service.idle and service.has("ttl"):
        raise Misfit((*path, "ttl"), service.ttl, "either 'ttl' or 'idle' with 'max'")
    if service.one_shot and (service.idle or service.cut):
        raise Misfit((*path, "one_shot"), "true", "'one_shot' without 'idle' and 'cut': its first connection uses the entry up")


def _check_services(gateway: Gateway) -> None:
    """No two share an index, or are reached at one port; to one device's port all or none cut."""
    indexes: dict[int, str] = {}
    doors: dict[tuple[object, ...], str] = {}
    devices: dict[tuple[object, ...], tuple[str, bool]] = {}
    for name, service in gateway.services.items():
        path = "services", name
        if (other := indexes.setdefault(service.index, name)) != name:
            raise Misfit((*path, "index"), f"{service.index}, which is {other}'s", "an index of its own")
        for family in service.families:
            forwarded = family == 6 and service.to6
            place = parse_endpoint(service.to6) if forwarded else (None, service.port)
            if (other := doors.setdefault((family, service.protocol, *place), name)) != name:
                key = "to6" if forwarded else "port"
                raise Misfit((*path, key), f"{place[1]}, which is {other}'s", "a port of its own")
        if service.to:
            at = devices.setdefault((service.protocol, *parse_endpoint(service.to)), (name, service.cut))
            if at[1] != service.cut:
                found = f"another 'cut' than {at[0]}, which leads to the same place"
                raise Misfit((*path, "cut") if service.has("cut") else path, found, "the same 'cut' for both")


def _check_names(path: Path, names: list[str], gateway: Gateway) -> None:
    for at, name in enumerate(names):
        if name not in gateway.services:
            raise Misfit((*path, at), f"'{name}'", f"names of services: {', '.join(sorted(gateway.services)) or 'none yet'}")


def _check_sequence(path: Path, sequence: Sequence, gateway: Gateway) -> None:
    """A step may not be a protected port, and a sweep needs a decoy to fall over between two steps."""
    if sequence.has("open") == sequence.has("close"):
        found = "both" if sequence.has("open") else "none"
        raise Misfit(path, found, "exactly one of 'open' and 'close', a list of names of services")
    for key, names in (("open", sequence.open), ("close", sequence.close)):
        _check_names((*path, key), names, gateway)
    protected = {(_PROTOCOLS[service.protocol], service.port): name for name, service in gateway.services.items()}
    starts = [each.parsed[0] for each in gateway.sequences.values() if each.steps]
    seen: set[int] = set()
    for at, step in enumerate(sequence.parsed):
        where, text = (*path, "steps", at), format_step(*step)
        if step[1] in seen:
            raise Misfit(where, text, "each port once: a repeated step looks like a retransmission")
        seen.add(step[1])
        if step in protected:
            raise Misfit(where, f"{text}, the port of service {protected[step]}", "ports of no service")
        if gateway.decoys and step[1] in (1, 65535):
            raise Misfit(where, f"{text}, which has no port beyond it for a decoy", "2-65534")
        if starts.count(step) > _SAME_START:
            raise Misfit(where, f"{text}, which begins {starts.count(step)} sequences", str(_SAME_START))
    never = _no_decoys(gateway)
    for at, (one, two) in enumerate(zip(sequence.parsed, sequence.parsed[1:])):
        low, high = min(one[1], two[1]), max(one[1], two[1])
        if gateway.decoys and all(port in never for port in range(low + 1, high)):
            found = f"{format_step(*one)} and {format_step(*two)}, with no free port between them for a decoy"
            raise Misfit((*path, "steps", at), found, "steps further apart")


def _no_decoys(gateway: Gateway) -> set[int]:
    """The ports that cannot be decoys, whatever their protocol."""
    steps = {port for sequence in gateway.sequences.values() for _, port in sequence.parsed}
    knocks = {port for kind, port in _knock_ports(gateway)}
    to6 = {parse_endpoint(service.to6)[1] for service in gateway.services.values() if service.to6}
    return steps | knocks | to6 | {service.port for service in gateway.services.values()}


def _knock_ports(gateway: Gateway) -> Iterator[tuple[str, int]]:
    """Of the kinds that some client has."""
    for kind, port in ((SPA, gateway.spa_port), (FWKNOP, gateway.fwknop_port)):
        if any(kind in client.kinds for client in gateway.clients.values()):
            yield kind, port


def _check_clients(gateway: Gateway) -> None:
    otp, clients = gateway.otp, gateway.clients.values()
    if otp.high - otp.low < _OTP_SPAN:
        raise Misfit(("otp", "high"), otp.high, f"at least 'low' + {_OTP_SPAN}: few ports are soon tried")
    if (count := sum(FWKNOP in client.kinds for client in clients)) > FWKNOP_CLIENTS:
        raise Misfit(("clients",), f"{count} of kind fwknop", str(FWKNOP_CLIENTS))
    pairs = sum(len(client.open) for client in clients if OTP in client.kinds)
    if pairs > OTP_PAIRS:
        raise Misfit(("clients",), f"{pairs} pairs of client and service with otp", str(OTP_PAIRS))
    if pairs * otp.count > _OTP_STEPS:
        most = f"at most {_OTP_STEPS // pairs} for {pairs} pairs of client and service"
        raise Misfit(("otp", "count"), otp.count, most)


def _check_knock_ports(gateway: Gateway) -> None:
    taken = {service.port for service in gateway.services.values() if service.protocol == "udp"}
    taken |= {port for sequence in gateway.sequences.values() for protocol, port in sequence.parsed if protocol == UDP}
    otp = gateway.otp
    ranges = otp.protocol == "udp" and any(OTP in client.kinds for client in gateway.clients.values())
    for kind, port in _knock_ports(gateway):
        if port in taken or ranges and otp.low <= port <= otp.high:
            raise Misfit((f"{kind}_port",), port, "a UDP port of no service, step or one-time sequence")
