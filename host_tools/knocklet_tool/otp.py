"""`knocklet otp`: the one-time ports that are valid now, for any program that knocks."""

import time
from dataclasses import dataclass
from typing import Any

from knocklet.wire.otp_ports import SLOT_S, SLOTS_VALID

from . import clients
from .client_description import OTP
from .errors import InputError
from .gateway_description import GatewayDescription
from .options import Described, Json, MaybeClient, Service
from .otp_sender import present_slot, steps_of
from .output import Line, Output


@dataclass
class OtpReport:
    """`until`: unix seconds."""

    gateway: GatewayDescription
    client: str
    service: str
    ports: list[int]
    until: int

    def as_lines(self) -> list[Line]:
        # As the `knock` of Debian's package knockd takes them, and the shell the rest.
        udp = "-u " if self.gateway.otp.protocol_name == "udp" else ""
        until = time.strftime("%H:%M:%S", time.localtime(self.until))
        return [(f"knock {udp}{self.gateway.host} {' '.join(map(str, self.ports))}   # once, until {until}", "")]

    def as_json(self) -> dict[str, Any]:
        return {
            "gateway": self.gateway.name, "service": self.service, "client": self.client, "host": self.gateway.host,
            "protocol": self.gateway.otp.protocol_name, "ports": self.ports, "until": self.until,
        }  # fmt: skip


def otp(gateway: Described, service: Service, client: MaybeClient = None, json: Json = False) -> None:
    """The one-time ports that open a service now, for any program that knocks. They work once.

    knocklet otp home ssh
    """
    store = clients.load()
    at = store.gateway(gateway)
    who = store.client_of(at.name, client)
    wanted = at.service(service)
    who.check_may_open(service)
    if OTP not in who.kinds:
        raise InputError(f"client {who.name} has {', '.join(who.kinds)}, not {OTP}")
    slot = present_slot()
    ports = [port for _, port in steps_of(who, at, wanted, slot)]
    Output(json).result(OtpReport(at, who.name, service, ports, (slot + SLOTS_VALID + 1) * SLOT_S))
