"""A configuration on its way to one gateway: sent when it is there, confirmed when it answers, and what is known at the end.

    WAITING     the gateway is not there, as far as the broker says; sent as soon as it is
    ASKED       its answer is awaited; then it is confirmed at once
    CONFIRMING  the answer to that is awaited
    DONE        `outcome` stands

A connection that is lost, or a gateway that goes, leads back to WAITING: what the gateway then reports of its configuration
tells whether it has this one. If not, it is sealed anew. No MQTT here but the two messages that are sent.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from knocklet.wire.topics import CONFIG, ONLINE, REQUEST, RESPONSE, SET, STATUS, topic

from . import config_history, gateway_answer
from .command_report import warning_lines
from .config_difference import Change
from .config_history import APPLIED, REFUSED, SENT, TRIAL, Pushed
from .config_report import ConfigReport, from_fields
from .errors import RefusedError
from .intake import NEW, Report
from .mqtt import NO_SUBSCRIBERS, Link
from .output import Output
from .sealed_request import hex_version, sealed_command, sealed_config
from .settings import Gateway

WAITING, ASKED, CONFIRMING, DONE = range(4)
NOT_SENT = "not sent"   # besides the outcomes of config_history
_ANSWER_S = 10.0
_SENDS = 20   # of one configuration
_CONFIRM = "confirm"
_ASKED_AT, _CONFIRMED_AT = (RESPONSE + SET,), (RESPONSE + _CONFIRM, gateway_answer.UNREAD)   # the topics of the answers


@dataclass
class Plan:
    """What is to be pushed. `report`: of what it is to replace. `changes`: None where that is not known.
    `confirm_s`: 0 for no trial; `keep`: confirm it at once."""

    gateway: Gateway
    text: bytes = field(repr=False)
    report: ConfigReport | None
    changes: list[Change] | None
    confirm_s: int
    keep: bool = True


class Delivery:
    """`outcome`, `why`, `version`, `warnings`, `took_s` are for whoever tells."""

    def __init__(self, plan: Plan, wait_s: float, output: Output) -> None:
        self.plan = plan
        self.phase = WAITING
        self.outcome = NOT_SENT
        self.why = ""
        self.version = 0
        self.confirm_s = 0   # of the trial that runs
        self.warnings: list[str] = []
        self.took_s: float | None = None
        self._answer_s = min(wait_s, _ANSWER_S)
        self._until = 0.0   # when an answer is no longer waited for
        self._began = 0.0
        self._sends = 0
        self._online = False
        self._reported = plan.report
        self._marks: dict[str, str] = {}   # of the answer that is awaited
        self._output = output

    @property
    def name(self) -> str:
        return self.plan.gateway.name

    def topics(self) -> list[str]:
        """The configuration's report first: it has to be known when the gateway is found to be there."""
        return [topic(self.name, below) for below in (CONFIG, *_ASKED_AT, *_CONFIRMED_AT, STATUS)]

    # What comes.

    def status(self, payload: bytes) -> None:
        self._online = payload == ONLINE
        if not self._online:
            self.lost()

    def lost(self) -> None:
        self._online = False
        if self.phase != DONE:
            self.phase = WAITING

    def take(self, link: Link, report: Report) -> None:
        if report.verdict == NEW and report.below == CONFIG:
            self._reported = from_fields(report.fields) or self._reported
        elif report.below in self._awaited and gateway_answer.fits(report, self._marks):
            try:
                self._answered(link, gateway_answer.data(report))
            except RefusedError as error:
                self._end(APPLIED if self._reported_as(trial=False) else REFUSED, str(error))

    @property
    def _awaited(self) -> tuple[str, ...]:
        return {ASKED: _ASKED_AT, CONFIRMING: _CONFIRMED_AT}.get(self.phase, ())

    def step(self, link: Link, now: float) -> None:
        """Whatever there is to do now."""
        if self.phase == WAITING and self._online:
            self._resume(link) if self.version else self._send(link)
        elif self.phase in (ASKED, CONFIRMING) and now >= self._until:
            if not self._goes_on_as_reported(link):
                self._end(self.outcome, f"no answer within {self._answer_s:g} s")

    # What is done.

    def _resume(self, link: Link) -> None:
        if not self._goes_on_as_reported(link):
            self._send(link)

    def _goes_on_as_reported(self, link: Link) -> bool:
        """The gateway's report of its configuration is as good as an answer that got lost."""
        if self._reported_as(trial=False):
            self._end(APPLIED)
        elif self._reported_as(trial=True) and self.phase != CONFIRMING:
            self._tried(link, self.plan.confirm_s)
        else:
            return False
        return True

    def _reported_as(self, trial: bool) -> bool:
        return self._reported is not None and (self._reported.version, self._reported.trial) == (self.version, trial)

    def _send(self, link: Link) -> None:
        known, now = self.plan.report, self._reported
        if known and now and now.version not in (known.version, self.version):
            return self._end(NOT_SENT, "another configuration came there meanwhile: knocklet diff shows it")
        if self._sends == _SENDS:   # the broker alone says that it comes and goes
            return self._end(self.outcome, f"it came and went {_SENDS} times")
        self._sends += 1
        before, after = (self.version, self.outcome), now.version if now else 0
        with sealed_config(self.plan.gateway, self.plan.text, self.plan.confirm_s, after) as (version, message):
            self._note_sent(version)   # before it leaves: what is in force there can be found here
            self._began = time.monotonic()
            self.version, self.outcome = version, SENT   # also where the connection ends just now
            there = link.must_publish(topic(self.name, SET), message) != NO_SUBSCRIBERS
        if not there:
            self._note_sent(before[0])
            self.version, self.outcome = before
            return self.lost()
        self.phase = ASKED
        self._await({"version": hex_version(version)})
        self._output.remark(f"{self.name}: sent, {len(message)} bytes")

    def _note_sent(self, version: int) -> None:
        """One entry for all times that it was sent; none, where it was not."""
        with config_history.edit(self.name) as pushed:
            pushed[:] = [each for each in pushed if each.version != self.version]
            if version:
                pushed.append(Pushed(version, self.plan.text, self.plan.confirm_s))

    def _answered(self, link: Link, data: dict[str, Any]) -> None:
        if self.phase == CONFIRMING:
            return self._end(APPLIED) if data.get("config") == hex_version(self.version) else None
        self.warnings = warning_lines(data)
        if data.get("trial") is True:
            told = data.get("confirm_s")
            self._tried(link, told if type(told) is int else self.plan.confirm_s)
        else:
            self._end(APPLIED)

    def _tried(self, link: Link, confirm_s: int) -> None:
        self.confirm_s, self.outcome = confirm_s, TRIAL
        if not self.plan.keep:
            return self._end(TRIAL)
        self._output.remark(f"{self.name}: works under it; confirming")
        with sealed_command(self.plan.gateway, _CONFIRM, {"version": hex_version(self.version)}) as (marks, message):
            there = link.must_publish(topic(self.name, REQUEST + _CONFIRM), message) != NO_SUBSCRIBERS
        if not there:
            return self.lost()
        self.phase = CONFIRMING
        self._await(marks)

    def _await(self, marks: dict[str, str]) -> None:
        self._marks = marks
        self._until = time.monotonic() + self._answer_s

    def give_up(self, why: str) -> None:
        """Nothing is waited for any longer."""
        self._end(self.outcome, why)

    def _end(self, outcome: str, why: str = "") -> None:
        self.phase, self.outcome, self.why = DONE, outcome, why
        self.took_s = time.monotonic() - self._began if self._began else None
        if self.version:
            config_history.note(self.name, self.version, outcome)
