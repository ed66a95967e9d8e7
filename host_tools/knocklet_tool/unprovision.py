"""`knocklet unprovision --mqtt`: take off the broker what it keeps of a gateway. A second time there is nothing left to do."""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from knocklet.wire.topics import DISCOVERY, HOME_ASSISTANT, RETAINED, STATUS, topic

from . import settings
from .errors import BrokerError, InputError
from .mqtt import Link
from .options import Json, Name
from .output import Line, Output

_WAIT_S = 1.0   # after the broker has taken a subscription, for what it keeps

_Mqtt = Annotated[bool, typer.Option("--mqtt", metavar=" ", help="Its retained topics at the broker.")]


@dataclass
class RemovedReport:
    gateway: str
    removed: list[str]

    def as_lines(self) -> list[Line]:
        return [(f"removed {name}", "") for name in self.removed] or [(f"nothing of {self.gateway} was at the broker", "")]

    def as_json(self) -> dict[str, Any]:
        return {"gateway": self.gateway, "removed": self.removed}


def unprovision(name: Name, mqtt: _Mqtt = False, json: Json = False) -> None:
    """Remove what the broker keeps of a gateway; stop the gateway first, or it comes back.

    knocklet unprovision home --mqtt
    """
    if not mqtt:
        raise InputError("remove what? --mqtt for its retained topics at the broker")
    settings.check_name(name)   # it may be forgotten here already
    topics = [*(topic(name, below) for below in (STATUS, *RETAINED)), HOME_ASSISTANT + DISCOVERY % name]
    with Link(settings.load().the_broker()) as link:
        before = _kept(link, topics)
        for each in topics:
            link.must_publish(each, b"", retain=True)
    with Link(settings.load().the_broker()) as link:
        if left := _kept(link, topics):
            raise BrokerError(f"{', '.join(left)}: still there; is the gateway still running?", again=False)
    Output(json).result(RemovedReport(name, before))


def _kept(link: Link, topics: list[str]) -> list[str]:
    """Those that the broker keeps something of, in their order."""
    link.must_subscribe(topics)
    end = time.monotonic() + _WAIT_S
    found = set()
    while (left := end - time.monotonic()) > 0:
        found |= {message.topic for message in link.receive(left) if message.retained and message.payload}
    return [each for each in topics if each in found]
