"""What becomes of one configuration, step by step, without a broker."""

import json

import pytest
from host import fake_gateway, sealed_gateway

from knocklet.wire.keys import event_key
from knocklet_tool import config_history
from knocklet_tool.config_history import APPLIED, SENT
from knocklet_tool.config_report import ConfigReport
from knocklet_tool.delivery import DONE, NOT_SENT, WAITING, Delivery, Plan
from knocklet_tool.errors import BrokerError
from knocklet_tool.event_report import Doubts
from knocklet_tool.intake import Intake
from knocklet_tool.mqtt import NO_SUBSCRIBERS
from knocklet_tool.output import Output
from knocklet_tool.push_report import PushReport
from knocklet_tool.settings import Gateway

KEY = fake_gateway.KEY
HOME = Gateway("home", event_key(KEY, "home"), KEY)


class FakeLink:
    """Keeps what is published. `code`: the broker's; `fails`: the connection ends instead."""

    def __init__(self):
        self.sent = []
        self.code, self.fails = 0, False

    def must_publish(self, topic, payload):
        self.sent.append((topic.removeprefix("knocklet/home/"), sealed_gateway.opened(payload)))
        if self.fails:
            raise BrokerError("gone")
        return self.code


@pytest.fixture
def link(home):
    return FakeLink()


@pytest.fixture
def delivery(home):
    return Delivery(Plan(HOME, b"{}", ConfigReport(5, "", False), None, 90), 10, Output(quiet=True))


def reported(delivery, link, version, trial, seq=1):
    fields = {"version": f"{version:016x}", "sha256": "", "trial": trial}
    payload = fake_gateway.sealed("config", 1, seq, **fields)
    delivery.take(link, Intake({"home": HOME.event_key}).take("knocklet/home/config", payload))


def comes(delivery, link, times=1):
    """The broker says that it goes and is there again."""
    for _ in range(times):
        delivery.status(b"offline")
        delivery.status(b"online")
        delivery.step(link, 0)


def test_sealed_anew_each_time_and_noted_once(delivery, link):
    comes(delivery, link, 3)
    versions = [found["version"] for _, found in link.sent]
    assert len(versions) == 3 and versions == sorted(set(versions))
    assert [pushed.version for pushed in config_history.load("home")] == versions[-1:]


def test_a_broker_that_lets_it_come_and_go(delivery, link):
    comes(delivery, link, 30)
    assert len(link.sent) == 20 and (delivery.phase, delivery.outcome) == (DONE, SENT)
    assert "it came and went 20 times" in delivery.why


def test_nobody_listens(delivery, link):
    link.code = NO_SUBSCRIBERS
    comes(delivery, link)
    assert (delivery.phase, delivery.outcome, delivery.version) == (WAITING, NOT_SENT, 0)
    assert config_history.load("home") == []
    delivery.step(link, 0)   # not again before it comes
    assert len(link.sent) == 1


def test_the_connection_ends_while_it_is_sent(delivery, link):
    """It may have arrived: what the gateway reports then tells."""
    link.fails = True
    with pytest.raises(BrokerError):
        comes(delivery, link)
    delivery.lost()
    assert delivery.outcome == SENT and len(config_history.load("home")) == 1
    link.fails = False
    reported(delivery, link, delivery.version, trial=True)
    comes(delivery, link)
    assert [below for below, _ in link.sent] == ["set", "request/confirm"]
    assert json.loads(link.sent[1][1]["text"])["version"] == f"{delivery.version:016x}"
    reported(delivery, link, delivery.version, trial=False, seq=2)
    comes(delivery, link)
    assert (delivery.phase, delivery.outcome) == (DONE, APPLIED)
    assert config_history.last("home") == b"{}"


def test_another_came_meanwhile(delivery, link):
    reported(delivery, link, 6, trial=False)
    comes(delivery, link)
    assert link.sent == [] and (delivery.phase, delivery.outcome) == (DONE, NOT_SENT)


def test_in_force_but_storage_fails(delivery, link):
    """The gateway says no, and its report tells that it has it all the same: neither green nor refused."""
    delivery.plan.confirm_s = 0
    comes(delivery, link)
    reported(delivery, link, delivery.version, trial=False)
    fields = {"version": f"{delivery.version:016x}", "status": "error", "error": "it is kept, but storage fails", "data": {}}
    payload = fake_gateway.sealed("response/set", 1, 1, **fields)
    delivery.take(link, Intake({"home": HOME.event_key}).take("knocklet/home/response/set", payload))
    report = PushReport([delivery], [], Doubts(Output(quiet=True)))
    ((line, style),) = report.as_lines()
    assert line.startswith("home: in force, version 20") and line.endswith(", but it is kept, but storage fails")
    assert (delivery.outcome, style, report.exit_code()) == (APPLIED, "yellow", 7)
