"""What became of what was pushed, and the exit code that says so."""

from dataclasses import dataclass
from typing import Any

from .config_history import APPLIED, REFUSED, SENT, TRIAL
from .config_report import version_text
from .delivery import NOT_SENT, Delivery, Plan
from .errors import ForgedError, GatewayError, RefusedError
from .event_report import Doubts
from .intake import FORGED
from .output import Line

_STYLES = {APPLIED: "green", TRIAL: "yellow", SENT: "red", REFUSED: "red", NOT_SENT: "red"}


@dataclass
class PushReport:
    """`same`: of the gateways that have it already. `doubts`: what came besides."""

    deliveries: list[Delivery]
    same: list[Plan]
    doubts: Doubts

    def as_lines(self) -> list[Line]:
        lines: list[Line] = [self._nothing(plan) for plan in self.same]
        for delivery in self.deliveries:
            style = "yellow" if delivery.why and delivery.outcome == APPLIED else _STYLES[delivery.outcome]
            lines.append((f"{delivery.name}: {self._words(delivery)}", style))
            lines += [(f"{delivery.name}: warning: {line}", "yellow") for line in delivery.warnings]
        return lines

    def _nothing(self, plan: Plan) -> Line:
        name = plan.gateway.name
        if plan.report and plan.report.trial:
            return f"{name}: nothing to do, but it is on trial; knocklet confirm {name} keeps it", "yellow"
        return f"{name}: nothing to do", ""

    def _words(self, delivery: Delivery) -> str:
        if delivery.outcome == REFUSED:
            return delivery.why.removeprefix(f"{delivery.name} ")
        if delivery.outcome == NOT_SENT:
            return f"not sent: {delivery.why}"
        version = version_text(delivery.version)
        if delivery.outcome == SENT:
            forged = "; what came instead was forged" if self._forged(delivery) else ""
            back = f"; a trial would end by itself after {delivery.plan.confirm_s} s" if delivery.plan.confirm_s else ""
            return f"sent, {version}, not answered: {delivery.why}{forged}; knocklet status {delivery.name} may tell{back}"
        if delivery.outcome == TRIAL:
            name, left = delivery.name, f"{version}, on trial for {delivery.confirm_s} s"
            if delivery.why:
                return f"{left}, not confirmed: {delivery.why}; knocklet confirm {name} keeps it, else it ends by itself"
            return f"{left}; knocklet confirm {name} keeps it, knocklet rollback {name} ends it"
        if delivery.why:
            return f"{APPLIED}, {version}, but {delivery.why.removeprefix(f'{delivery.name} refused: ')}"
        return f"{APPLIED}, {version}, {delivery.took_s:.2f} s"

    def _forged(self, delivery: Delivery) -> bool:
        return (delivery.name, FORGED) in self.doubts.counts

    def as_json(self) -> dict[str, Any]:
        same = [{"gateway": plan.gateway.name, "outcome": "nothing to do"} for plan in self.same]
        return {"gateways": same + [self._json(delivery) for delivery in self.deliveries]}

    def _json(self, delivery: Delivery) -> dict[str, Any]:
        changes = delivery.plan.changes
        return {
            "gateway": delivery.name,
            "outcome": delivery.outcome,
            "why": delivery.why,
            "version": delivery.version,
            "confirm_s": delivery.confirm_s,
            "took_s": delivery.took_s,
            "warnings": delivery.warnings,
            "changes": None if changes is None else [vars(change) for change in changes],
        }

    def exit_code(self) -> int:
        """Refused before forged before missing."""
        outcomes = [delivery.outcome for delivery in self.deliveries]
        missing = [d for d in self.deliveries if d.outcome in (NOT_SENT, SENT) or d.outcome == TRIAL and d.why]
        if REFUSED in outcomes or any(d.outcome == APPLIED and d.why for d in self.deliveries):
            return RefusedError.exit_code
        if any(self._forged(delivery) for delivery in missing):
            return ForgedError.exit_code
        return GatewayError.exit_code if missing else 0
