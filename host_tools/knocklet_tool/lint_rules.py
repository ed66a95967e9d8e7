"""What is allowed in a gateway's file, and weak; or locks its owner out. Each with the reason, and what to do."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from knocklet.wire.steps import parse_step

from .client_description import OTP, Client, no_secret
from .gateway_file import GatewayFile, no_steps
from .gateway_model import KNOCK_PORT, Gateway, Otp
from .sequence_rules import begins, weaknesses
from .toml_lines import Path

_LONG_S = 3600
_ADMIN = "tcp", 22   # who cannot open this any more has to go to the gateway


class Warning(NamedTuple):
    path: Path
    weak: str
    do: str


def warnings(file: GatewayFile, secrets: dict[str, Any], last: bytes | None) -> Iterator[Warning]:
    """secrets: of its clients; last: the configuration that was pushed last, if any. Raises InputError."""
    clients, without = file.clients(secrets)
    for name in without:
        yield Warning(("clients", name), *no_secret(name, file.name).split("; ", 1))
    revoked = set(file.model.revoked.values())
    for name in [name for name, client in clients.items() if revoked & set(client.fingerprints().values())]:
        yield Warning(("clients", name), "its key is revoked: it opens nothing", f"knocklet client rotate {name} makes another")
    yield from _services(file.model)
    yield from _sequences(file)
    yield from _shut(file)
    yield from lock_out(file, clients, last)


def _services(gateway: Gateway) -> Iterator[Warning]:
    for name, service in gateway.services.items():
        for key in ("ttl", "idle"):
            if (seconds := getattr(service, key)) > _LONG_S:
                why = f"{seconds} s: open for long after it was needed, to all behind the same address"
                yield Warning(("services", name, key), why, f"{_LONG_S} or less; a knock renews it")


def _sequences(file: GatewayFile) -> Iterator[Warning]:
    gateway = file.model
    if not gateway.decoys and (gateway.sequences or any(OTP in client.kinds for client in gateway.clients.values())):
        yield Warning(("decoys",), "0: a sweep of all ports can do an ascending sequence", "leave it at 64")
    for name, sequence in gateway.sequences.items():
        path, steps = ("sequences", name), sequence.parsed
        again = f"knocklet sequence new {file.name} {name}"
        if not steps:
            yield Warning(path, *no_steps(name, file.name).split("; ", 1))
            continue
        weak = list(weaknesses(steps)) if sequence.open else []
        better = f"{again} makes better ones"
        if name not in file.hidden:
            readable = "whoever can read this file, or its history in git, can knock"
            yield Warning((*path, "steps"), readable, f"{again} makes secret ones")
            for number, why in weak:
                yield Warning((*path, "steps") if number is None else (*path, "steps", number), why, better)
        elif weak:
            yield Warning(path, "its secret steps are easy to sweep or to guess", better)
        for other, longer in gateway.sequences.items():
            if other != name and begins(steps, longer.parsed):
                yield Warning(path, f"who knocks {other} does this one on the way", f"{again} makes another beginning")
        if alone := [each for each in sequence.open if not gateway.services[each].approval]:
            what = f"whoever has seen it once can open {', '.join(alone)}: nothing else is asked"
            yield Warning((*path, "open"), what, "a client with a key instead, or approval = true for the service")


def _shut(file: GatewayFile) -> Iterator[Warning]:
    gateway = file.model
    if not gateway.services:
        do = f"knocklet service add NAME --port PORT --gateway {file.name}"
        yield Warning(("services",), "there are none: nothing is hidden", do)
    shut = _nobody_opens(gateway)
    if len(shut) < len(gateway.services):
        yield from (_no_way(file, name, "nobody can open it") for name in shut)


def _no_way(file: GatewayFile, service: str, why: str) -> Warning:
    do = f"knocklet client add NAME --gateway {file.name} --open {service}, or put it into a client's `open`"
    return Warning(("services", service), why, do)


def lock_out(file: GatewayFile, clients: dict[str, Client], last: bytes | None) -> Iterator[Warning]:
    """Those of warnings() after which the owner may stand outside: `push` asks about them."""
    shut = _nobody_opens(file.model)
    if len(shut) == len(file.model.services):
        yield from (_no_way(file, name, "nobody can open it, or any other service: you are locked out") for name in shut)
    if last is not None:
        yield from _against(json.loads(last), file, clients)


def _nobody_opens(gateway: Gateway) -> list[str]:
    return [name for name in gateway.services if not _who_opens(gateway, name)]


def _who_opens(gateway: Gateway, service: str) -> list[str]:
    tables = (gateway.clients | gateway.sequences).items()
    return [name for name, each in tables if service in each.open]


def _against(last: dict[str, Any], file: GatewayFile, clients: dict[str, Client]) -> Iterator[Warning]:
    """What used to work with what people have now."""
    gateway = file.model
    if gateway.interfaces != last.get("interfaces", []):
        was = ", ".join(last.get("interfaces", [])) or "left out"
        why = f"was {was} at the last push: knocks count there alone, and a wrong name locks you out"
        yield Warning(("interfaces",), why, "knock from outside before you confirm it")
    otp, old_otp = gateway.otp, Otp(**last.get("otp", {}))
    moved = [(key,) for key in ("spa_port", "fwknop_port") if getattr(gateway, key) != last.get(key, KNOCK_PORT)]
    moved += [("otp", key) for key in ("protocol", "count", "low", "high") if getattr(otp, key) != getattr(old_otp, key)]
    moved += [("services", name, "index") for name, each in gateway.services.items()
              if each.index != last.get("services", {}).get(name, {}).get("index", each.index)]   # fmt: skip
    for path in moved:
        why = "was another at the last push: other computers knock as before, and in vain"
        yield Warning(path, why, "knocklet client export for each, page or qr")
    for name, service in last.get("services", {}).items():
        if (service.get("protocol", "tcp"), service["port"]) == _ADMIN and name in gateway.services:
            before = _ways(last, name)
            if before and not before & _ways(_now(file, clients), name):
                who = ", ".join(sorted({each for each, _ in before}))
                why = f"nobody who could open {name} at the last push still can, with what they have: {who}"
                path = ("services", name)
                yield Warning(path, why, "keep one of them until somebody else has opened it")


def _now(file: GatewayFile, clients: dict[str, Client]) -> dict[str, Any]:
    sequences = {name: {"steps": each.steps, "open": each.open} for name, each in file.model.sequences.items()}
    return {"clients": {name: client.as_json() for name, client in clients.items()}, "sequences": sequences}


def _ways(config: dict[str, Any], service: str) -> set[tuple[str, object]]:
    """(name, what is sent) of all that open it; never shown."""
    found: set[tuple[str, object]] = set()
    for name, client in config.get("clients", {}).items():
        if service in client["open"]:
            found |= {(name, secret) for secret in (client.get("key"), client.get("fwknop", {}).get("hmac_key")) if secret}
    for name, sequence in config.get("sequences", {}).items():
        if service in sequence.get("open", []):
            found.add((name, tuple(map(parse_step, sequence["steps"]))))
    return found
