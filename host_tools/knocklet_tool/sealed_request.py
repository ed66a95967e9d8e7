"""What only a holder of the gateway's key can ask: sealed, each with a version of its own, sent before the next one is made."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from knocklet.wire import sealed
from knocklet.wire.topics import REQUEST, RESPONSE, topic

from . import gateway_answer, stamps
from .errors import GatewayError, InputError
from .gateway_answer import UNREAD
from .mqtt import NO_SUBSCRIBERS, Link
from .output import Output
from .settings import Broker, Gateway

WAIT_S = 10.0
_COMMAND_S, _CONFIG_S = 60, 600   # until it expires: whoever holds it back longer than that has nothing
_NAMES = {sealed.CONFIG: "config", sealed.COMMAND: "command"}


@dataclass(frozen=True)
class Answer:
    """`version`: of the message that it answers."""

    version: int
    data: dict[str, Any]


def keys_of(gateway: Gateway) -> sealed.SealKeys:
    """Raises InputError for one who only collects."""
    if gateway.key is None:
        raise InputError(f"only the collector's key of {gateway.name} is known here; allowed: with the gateway's key")
    return sealed.SealKeys(gateway.key, gateway.name)


def hex_version(version: int) -> str:
    """As it travels in JSON."""
    return f"{version:016x}"


@contextmanager
def sealed_config(gateway: Gateway, text: bytes, confirm_s: int, after: int) -> Iterator[tuple[int, bytes]]:
    """(version, message), to be sent within the block. after: the version that the gateway is known to have."""
    with _sealed(gateway, sealed.CONFIG, text, after, confirm_s=confirm_s) as made:
        yield made


@contextmanager
def sealed_command(gateway: Gateway, verb: str, fields: dict[str, Any]) -> Iterator[tuple[dict[str, str], bytes]]:
    """(what its answer must have, message), to be sent within the block."""
    transaction = secrets.token_hex(16)
    text = json.dumps({"verb": verb, "transaction": transaction, **fields}, separators=(",", ":")).encode()
    with _sealed(gateway, sealed.COMMAND, text) as (version, message):
        yield {"transaction": transaction, "version": hex_version(version)}, message


@contextmanager
def _sealed(gateway: Gateway, kind: int, text: bytes, after: int = 0, confirm_s: int = 0) -> Iterator[tuple[int, bytes]]:
    keys = keys_of(gateway)
    with stamps.next_version(gateway.name, _NAMES[kind], after) as version:
        expires = version // 1_000_000 + _COMMAND_S if kind == sealed.COMMAND else int(time.time()) + _CONFIG_S
        try:
            message = sealed.seal(keys, kind, version, text, os.urandom(sealed.IV_BYTES), expires=expires, confirm_s=confirm_s)
        except ValueError as error:
            raise InputError(f"{gateway.name}: the {_NAMES[kind]} cannot be sealed: {error}") from None
        yield version, message


def command(
    broker: Broker, gateway: Gateway, verb: str, fields: dict[str, Any], wait_s: float, output: Output
) -> Answer:
    """Ask, and wait for the answer that is the gateway's own. Raises BrokerError, GatewayError, ForgedError, RefusedError."""
    keys_of(gateway)   # before anything is connected
    with Link(broker) as link:
        link.must_subscribe(topic(gateway.name, below) for below in (RESPONSE + verb, UNREAD))
        with sealed_command(gateway, verb, fields) as (marks, message):
            must_reach(link, gateway, REQUEST + verb, message)
        data = gateway_answer.wait_for(link, gateway, marks, wait_s, output)
    return Answer(int(marks["version"], 16), data)


def must_reach(link: Link, gateway: Gateway, below: str, payload: bytes) -> None:
    """Publish it. Raises BrokerError, and GatewayError when nobody listens."""
    if link.must_publish(topic(gateway.name, below), payload) == NO_SUBSCRIBERS:
        raise GatewayError(f"{gateway.name} is not connected to the broker: nobody there listens for requests to it")
