"""Sends signed knocks: to each address one packet of its own, with a stamp and an iv that are never used again."""

import os
import socket
import time

from knocklet.wire import spa_packet
from knocklet.wire.addresses import is_unicast, parse_address
from knocklet.wire.steps import UDP

from .client_description import STATED, Client
from .gateway_description import GatewayDescription, Service
from .knock_sender import open_socket
from .resolve import Target
from .stamps import next_stamp

_AHEAD_S = 60   # of the gateway's clock, what it takes


class SpaSender:
    """`stated`: the address to open for, None for the sender's own."""

    # From one packet to the next: after 0, 300, 900 and 1,800 ms. Where one in ten is lost, one knock in 10,000 is. All are
    # within the two seconds in which the gateway takes them for one knock.
    waits_s = (0.3, 0.6, 0.9)

    def __init__(
        self, client: Client, gateway: GatewayDescription, service: Service, op: int, ttl_s: int, stated: bytes | None,
        source: Target | None,
    ) -> None:  # fmt: skip
        self._ahead_s = 0.0   # of the clock, the highest stamp
        self._client = client
        self._keys = client.keys()
        self._port = gateway.spa_port
        self._service = service
        self._op = op
        self._ttl_s = ttl_s
        self._stated = stated
        self._source = source
        self._forward = True

    @property
    def warning(self) -> str:
        if self._ahead_s <= _AHEAD_S:
            return ""
        return (
            f"This computer's clock is {self._ahead_s / 60:.0f} minutes behind the newest knock of client {self._client.name}: "
            "the gateway refuses until the clock has caught up; a fresh key helps (client remove, client add)."
        )

    def send(self, targets: list[Target]) -> dict[Target, float | OSError]:
        """For each target the monotonic time in seconds when its packet had left, or why it could not be sent."""
        # Of two packets on different ways the later one can arrive first, and the other is then refused as old: so the
        # next time they go in the opposite order.
        order = targets if self._forward else targets[::-1]
        self._forward = not self._forward
        return {target: self._send(target) for target in order}

    def _send(self, target: Target) -> float | OSError:
        try:
            with open_socket(target, UDP, self._source) as sender:
                sender.connect(target.at(self._port))
                stated = self._stated
                if stated is None and self._client.source == STATED:
                    stated = _own_address(sender)
                with next_stamp(self._client) as stamp_us:
                    text = spa_packet.plaintext(self._op, self._service.index, self._ttl_s, stamp_us, stated)
                    sender.send(spa_packet.seal(self._keys, os.urandom(spa_packet.IV_BYTES), text))
                    self._ahead_s = max(self._ahead_s, stamp_us / 1e6 - time.time())
            return time.monotonic()
        except OSError as error:
            return error


def _own_address(connected: socket.socket) -> bytes:
    """What this computer sends from, as far as it knows: 4 or 16 bytes."""
    return parse_address(connected.getsockname()[0].partition("%")[0])


def read_stated(text: str) -> bytes:
    """An address that a gateway opens for: 4 or 16 bytes. Raises ValueError."""
    address: bytes = parse_address(text)
    if not is_unicast(address):
        raise ValueError("nobody's")
    return address
