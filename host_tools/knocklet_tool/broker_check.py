"""`knocklet broker check`: prove by trying that a gateway's user can neither read nor write what is another's.

What the broker answers is one witness (MQTT 5 has reason codes), what the admin or the gateway's user then receives is the
other. Every attempt to write is followed by a message that is allowed, on the same connection, so that what had not come by
then does not come. Nothing is retained; gateways and collectors ignore it as not theirs or forged.
"""

import json as json_text
import secrets
import socket
import time
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import typer

from knocklet.wire.topics import BASE, CONFIG, DISCOVERY, EVENT, GRANTS, HOME_ASSISTANT, INFO, RESPONSE, STATE, STATUS, topic

from . import secret_line, settings
from .errors import FAILED_CHECK, BrokerError, InputError
from .mqtt import Link
from .options import Json, complete_gateway
from .output import Line, Output
from .settings import Broker

_WAIT_S = 10.0
_PLAIN_PORT = 1883
_BELOW = (
    STATUS, INFO, STATE, GRANTS, EVENT, CONFIG, "set", "request/close", "request/close_all", "request/open", "response/close",
)  # fmt: skip
_CHECK = "check"   # the verb that is used to see that something does arrive; by itself, a topic that is nobody's
_PLAIN_CONNECT = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x05\x00\x00\x00"   # MQTT 5, clean start, no user

_Gateway = Annotated[
    str, typer.Option(metavar="NAME", help="The gateway whose user is tried.", autocompletion=complete_gateway)
]
_Other = Annotated[str, typer.Option(metavar="NAME2", help="Another gateway, which needs not be there.")]
_Password = Annotated[str, typer.Option(metavar="FILE", help="A file with that gateway's password, - for standard input.")]
_Plain = Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="Where a broker without TLS would be.")]


@dataclass
class CheckReport:
    checks: list[tuple[str, str]] = field(default_factory=list)   # what should hold, why it does not or ""

    @property
    def ok(self) -> bool:
        return not any(why for _, why in self.checks)

    def as_lines(self) -> list[Line]:
        return [(f"FAILED  {name}: {why}", "red") if why else (f"ok      {name}", "green") for name, why in self.checks]

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "checks": [{"name": name, "ok": not why, "why": why} for name, why in self.checks]}


def check(
    gateway: _Gateway, other: _Other, password_file: _Password, plain_port: _Plain = _PLAIN_PORT, json: Json = False
) -> None:
    """Prove by trying that a gateway's user can neither read nor write another's topics. Best before gateways are in use.

    knocklet broker check --gateway home --other attic --password-file broker/passwords/home
    """
    settings.check_name(gateway)
    settings.check_name(other)
    if gateway == other:
        raise InputError("--gateway and --other: two different ones")
    broker = settings.load().the_broker()
    password = secret_line.read("--password-file", password_file)
    report = CheckReport()
    _doors(report, broker, plain_port)
    with Link(broker) as admin, Link(replace(broker, user=gateway, password=password)) as tried:
        _Trial(report, admin, tried, gateway, other).run()
    Output(json).result(report)
    if not report.ok:
        raise typer.Exit(FAILED_CHECK)


def _doors(report: CheckReport, broker: Broker, plain_port: int) -> None:
    for name, user, password in (
        ("nobody gets in without a user", None, None),
        ("nobody gets in with a wrong password", broker.user, secrets.token_hex(16)),
        ("nobody gets in with an unknown user", secrets.token_hex(8), secrets.token_hex(16)),
    ):
        report.checks.append((name, _let_in(replace(broker, user=user, password=password))))
    for port in dict.fromkeys((broker.port, plain_port)):
        why = "it answers there without TLS" if _speaks_plain(broker.host, port) else ""
        report.checks.append((f"no MQTT without TLS on port {port}", why))


def _let_in(broker: Broker) -> str:
    try:
        Link(broker).close()
    except BrokerError as error:
        if error.again:   # not an answer to the question
            raise
        return ""
    return "it was let in"


def _speaks_plain(host: str, port: int) -> bool:
    """Does an MQTT broker answer there in clear text, whatever it answers?"""
    try:
        with socket.create_connection((host, port), timeout=3) as plain:
            plain.sendall(_PLAIN_CONNECT)
            return plain.recv(1)[:1] == b"\x20"   # CONNACK; TLS answers with an alert, 0x15
    except OSError:
        return False


class _Trial:
    """Two connections, of the admin and of the gateway's user, and what each received of the other."""

    def __init__(self, report: CheckReport, admin: Link, tried: Link, gateway: str, other: str) -> None:
        self._report = report
        self._admin = admin
        self._tried = tried
        self._gateway = gateway
        self._other = other
        self._payload = json_text.dumps({"check": secrets.token_hex(8)}).encode()
        self._own = topic(gateway, RESPONSE + _CHECK)
        self._foreign = [topic(other, below) for below in _BELOW] + [HOME_ASSISTANT + DISCOVERY % other]

    def run(self) -> None:
        self._admin.must_subscribe([topic(name, "#") for name in (self._gateway, self._other)], retained=False)
        self._admin.must_subscribe([HOME_ASSISTANT + DISCOVERY % self._other], retained=False)
        self._write_own()
        self._write_foreign()
        self._read()

    def _write_own(self) -> None:
        """Else all that follows would prove nothing."""
        code = self._tried.publish(self._own, self._payload)
        came = self._arrived(self._admin, self._own, only_ours=True)
        why = f"{self._own} did not arrive (code 0x{code:02x})"
        self._tell("it can write its own topics", self._own in came and code < 0x80, why)

    def _write_foreign(self) -> None:
        topics = [*self._foreign, topic(self._gateway, _CHECK)]   # the last: below its own name, but none of its topics
        codes = {each: self._tried.publish(each, self._payload) for each in topics}
        self._tried.publish(self._own, self._payload)
        came = self._arrived(self._admin, self._own, only_ours=True)
        for each in topics:
            self._tell(f"it cannot write {each}", each not in came, "it arrived")
            if each not in came:
                self._tell(f"it is told so of {each}", codes[each] >= 0x80, f"the broker answered 0x{codes[each]:02x}")

    def _read(self) -> None:
        wide = [topic(self._other, "#"), BASE + "#", BASE + "+/grants", HOME_ASSISTANT + "/#", "#", "$SYS/#"]
        own = topic(self._gateway, "request/" + _CHECK)
        self._tried.subscribe([own, *wide, *self._foreign])
        for each in self._foreign:
            self._admin.publish(each, self._payload)
        self._admin.publish(own, self._payload)
        came = self._arrived(self._tried, own, only_ours=False)
        self._tell("it can read its own requests", own in came, f"{own} did not arrive")
        for each in self._foreign:
            self._tell(f"it cannot read {each}", each not in came, "it arrived")
        mine = (BASE + self._gateway + "/", HOME_ASSISTANT + "/status")
        more = sorted(each for each in came if not each.startswith(mine) and each not in self._foreign)
        self._tell("it reads nothing else, nor $SYS", not more, f"{', '.join(more[:3])} arrived")

    def _arrived(self, link: Link, last: str, only_ours: bool) -> set[str]:
        """The topics of what came until `last` did. only_ours: not what gateways say to the admin meanwhile."""
        came: set[str] = set()
        end = time.monotonic() + _WAIT_S
        while last not in came and (left := end - time.monotonic()) > 0:
            came |= {each.topic for each in link.receive(left) if not only_ours or each.payload == self._payload}
        return came

    def _tell(self, name: str, holds: bool, otherwise: str) -> None:
        self._report.checks.append((name, "" if holds else otherwise))

