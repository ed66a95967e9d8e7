"""Brings configurations to their gateways over one connection, each as soon as its gateway is there."""

import time

from knocklet.wire.topics import STATUS

from . import settings
from .delivery import DONE, WAITING, Delivery, Plan
from .errors import BrokerError
from .event_history import History
from .event_report import Doubts
from .intake import Intake, split
from .mqtt import Link
from .output import Output

_FIRST_S, _LAST_S = 1.0, 60.0   # before a broker that went away is tried again, each time twice as long
_TICK_S = 0.5


def deliver(broker: settings.Broker, plans: list[Plan], wait_s: float, output: Output, doubts: Doubts) -> list[Delivery]:
    """Each to its end, or as far as it came within wait_s. Raises BrokerError where waiting does not help, HistoryError."""
    deliveries = {plan.gateway.name: Delivery(plan, wait_s, output) for plan in plans}
    end = time.monotonic() + wait_s
    gateways = [plan.gateway for plan in plans]
    with History(gateways) as history:
        intake = history.intake(gateways)
        why, pause_s = "", _FIRST_S
        while _open(deliveries) and time.monotonic() < end:
            try:
                with Link(broker) as link:
                    why, pause_s = "", _FIRST_S
                    link.must_subscribe(below for delivery in deliveries.values() for below in delivery.topics())
                    _follow(link, intake, history, deliveries, end, doubts, output)
            except BrokerError as error:
                if not error.again:
                    raise
                why = str(error)
                for delivery in deliveries.values():
                    delivery.lost()
                output.message(f"{error}; trying again.")
                time.sleep(max(0.0, min(pause_s, end - time.monotonic())))
                pause_s = min(2 * pause_s, _LAST_S)
        history.commit()
    for delivery in _open(deliveries):
        delivery.give_up(why or "it is not there")
    doubts.tell(at_once=True)
    return list(deliveries.values())


def _follow(
    link: Link, intake: Intake, history: History, deliveries: dict[str, Delivery], end: float, doubts: Doubts, output: Output
) -> None:
    """Until all are done; those that wait for their gateway, until `end`."""
    told: set[str] = set()
    settled = False   # the broker has told what it keeps
    while left := _open(deliveries):
        now = time.monotonic()
        if now >= end and all(delivery.phase == WAITING for delivery in left):
            return
        messages = link.receive(_TICK_S)
        for message in messages:
            try:
                name, below = split(message.topic)
                if below == STATUS and name in deliveries:
                    deliveries[name].status(message.payload)
                    continue
                report = intake.take(message.topic, message.payload)
            except KeyError:
                continue
            doubts.take(report)
            history.add([report])
            deliveries[report.gateway].take(link, report)
        for delivery in left:
            delivery.step(link, time.monotonic())
        settled = settled or not messages
        for delivery in left if settled else ():
            if delivery.phase == WAITING and delivery.name not in told:
                told.add(delivery.name)
                output.message(f"{delivery.name}: it is not there; waiting for it, {max(0.0, end - now):.0f} s at most.")
        doubts.tell()


def _open(deliveries: dict[str, Delivery]) -> list[Delivery]:
    return [delivery for delivery in deliveries.values() if delivery.phase != DONE]
