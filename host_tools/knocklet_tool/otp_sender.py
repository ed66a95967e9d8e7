"""Knocks one-time ports, at one address: a slot opens once, for the first who completes it."""

import time

from knocklet.wire.otp_ports import SLOT_S, otp_ports

from .client_description import Client
from .gateway_description import GatewayDescription, Service
from .knock_sender import Step, send_knock
from .resolve import Target
from .stamps import next_slot

_DELAY_S = 0.1   # between steps
_PAUSE_S = 1.0   # a late packet of one sequence must not come among those of the next


def present_slot() -> int:
    return int(time.time()) // SLOT_S


def steps_of(client: Client, gateway: GatewayDescription, service: Service, slot: int) -> list[Step]:
    otp = gateway.otp
    ports = otp_ports(client.keys().otp, service.index, slot, otp.count, otp.low, otp.high)
    return [(otp.protocol, port) for port in ports]


class OtpSender:
    """`wait_s`: before it is sent again, up to three times in all; 0: only once."""

    def __init__(
        self, client: Client, gateway: GatewayDescription, service: Service, wait_s: float, source: Target | None
    ) -> None:
        now = present_slot()
        slot, to_pass = next_slot(client, service, now)
        fresh_in_s = (now + to_pass) * SLOT_S - int(time.time())
        self.warning = f"The one-time ports that are valid now have been used; fresh ones in {fresh_in_s} s." if to_pass else ""
        self.waits_s = (max(_PAUSE_S, wait_s),) * 2 if wait_s else ()
        self._steps = steps_of(client, gateway, service, slot)
        self._source = source

    def send(self, targets: list[Target]) -> dict[Target, float | OSError]:
        """As send_knock()."""
        return send_knock(targets, self._steps, _DELAY_S, self._source)
