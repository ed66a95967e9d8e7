"""What came of a knock for a service of a known gateway."""

from dataclasses import dataclass
from typing import Any

from .client_description import FWKNOP, OTP, SPA, STATED, Client
from .gateway_description import Service
from .knock_report import KnockReport
from .output import Line
from .resolve import Target

_SENT = {SPA: "a signed knock", OTP: "one-time ports", FWKNOP: "a fwknop knock"}
_ONCE = {1: "once", 2: "twice"}


@dataclass(kw_only=True)
class ServiceReport(KnockReport):
    """`why_not_tried`: for what reason nobody tries whether it answers, or ""."""

    client: Client
    service: Service
    kind: str
    op: str
    why_not_tried: str

    def _line(self, target: Target) -> Line:
        if self.last_step_at(target) is None:
            return f"not knocked at {self.not_sent(target)}", "yellow"
        if self.then:
            return self._answer_line(target, self.service.name, self.service.door(target), "the knock")
        times = _ONCE.get(self.tries) or f"{self.tries} times"
        return f"sent {_SENT[self.kind]} to {self.op} {self.service.name}, {times}, to {target}", ""

    def hints(self) -> list[str]:
        if self.answered is not False:
            return [self.why_not_tried] if self.why_not_tried else super().hints()
        found = [
            f"Knocked {self.tries} times without an answer. Does the gateway have this client, are both clocks right, "
            "and does the service run?"
        ]
        if self.client.source == STATED and self.kind == SPA:
            found.append("This client names the address it sends from. Behind NAT the gateway sees another: --state ADDRESS.")
        return found

    def as_json(self) -> dict[str, Any]:
        found = super().as_json()
        del found["steps"], found["then"]
        names = {"gateway": self.client.gateway, "service": self.service.name, "client": self.client.name}
        return {**names, "kind": self.kind, "op": self.op, **found}
