"""The configuration that a gateway has now: what this computer pushed, if it is that one; else as the gateway tells it."""

import json
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from knocklet.wire import sealed
from knocklet.wire.topics import CONFIG, OFFLINE

from . import config_history
from .config_report import ConfigReport, from_fields
from .errors import ForgedError, GatewayError, RefusedError
from .output import Output
from .retained import ask
from .sealed_request import command, keys_of
from .settings import Gateway, Settings

_LOOK_S = 3.0   # for what the broker keeps


@dataclass
class InForce:
    """`report`, `text`: None where it is not known. `why`: then."""

    report: ConfigReport | None
    text: bytes | None = field(repr=False)
    why: str = ""

    @property
    def config(self) -> dict[str, Any] | None:
        return None if self.text is None else json.loads(self.text)


def look(stored: Settings, gateways: list[Gateway], wait_s: float, output: Output) -> dict[str, InForce]:
    """By gateway. One that does not tell stops nobody. Raises BrokerError, HistoryError, InputError."""
    for gateway in gateways:
        keys_of(gateway)
    found = {}
    for gateway, kept in zip(gateways, ask(stored, gateways, (CONFIG,), min(wait_s, _LOOK_S), output)):
        report = from_fields(kept.fields(CONFIG))
        told = _asked(stored, gateway, wait_s, output) if kept.status != OFFLINE.decode() else report
        report = told or report
        text = config_history.with_sha256(gateway.name, report.sha256) if told else None
        found[gateway.name] = InForce(report, text)
        if kept.status != OFFLINE.decode() and told is None:
            found[gateway.name].why = f"{gateway.name} did not say what is in force"
        elif text is None and kept.status == OFFLINE.decode():
            found[gateway.name].why = f"{gateway.name} is offline, and this computer did not push what is in force there"
        elif text is None:
            try:
                found[gateway.name].text = pull(stored, gateway, wait_s, output)
            except (GatewayError, RefusedError) as error:
                found[gateway.name].why = str(error)
    return found


def _asked(stored: Settings, gateway: Gateway, wait_s: float, output: Output) -> ConfigReport | None:
    """From the gateway itself: a broker may show an older report. None from one that does not answer, or does not tell."""
    try:
        data = command(stored.the_broker(), gateway, "selftest", {}, min(wait_s, _LOOK_S), output).data
    except (ForgedError, GatewayError, RefusedError):
        return None
    return from_fields({**data, "version": data.get("config")})


def pull(stored: Settings, gateway: Gateway, wait_s: float, output: Output) -> bytes:
    """Its text, from the gateway itself. Raises BrokerError, GatewayError, ForgedError, RefusedError."""
    answer = command(stored.the_broker(), gateway, "pull", {}, wait_s, output)
    try:
        text = _opened(gateway, b64decode(answer.data["config"], validate=True), answer.version)
        if type(json.loads(text)) is not dict:
            raise ValueError("no object")
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ForgedError(f"{gateway.name}: the configuration in its answer is not sealed as it should be") from None
    return text


def _opened(gateway: Gateway, message: bytes, version: int) -> bytes:
    """Raises ValueError for what is not the gateway's answer to the request of this version."""
    keys = keys_of(gateway)
    found = sealed.header(message, keys.gateway_id)
    if found.kind != sealed.ANSWER or found.version != version or not sealed.is_from(keys, message):
        raise ValueError("not the answer")
    return sealed.decrypted(keys, message)
