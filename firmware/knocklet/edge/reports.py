"""Reports: what the gateway tells over MQTT, each with boot, seq, ts and mac (wire/report.py). Only the engine can make them.

Events go to the outbox and wait there until the broker has them. What is retained at the broker (info, state, grants,
config) is made anew when it is sent, from what is true then: only that it has changed is remembered.
"""

import json
import sys
import time
from collections import OrderedDict

from .. import VERSION
from ..core.clock import age, left
from ..core.errors import printable
from ..core.outbox import GRANT, NOISE, PLACES
from ..core.summary import KINDS
from ..wire import report, topics
from ..wire.addresses import format_address

_TEXT = 96  # characters of one field: an event with all its fields fits a place of the outbox
_GRANTS = 64  # that are listed; how many more there are is said
_MODELS = ("/tmp/sysinfo/model", "/proc/device-tree/model")  # OpenWrt, Raspberry Pi


class Reports:
    def __init__(self, engine, name, key, boot, outbox):
        """name: the gateway's; key: its event key (wire/keys.py). boot: the number of this start."""
        self.name = name
        self._engine = engine
        self._key = key
        self.boot = boot
        self._seq = {}  # topic -> of the last one made
        self.outbox = outbox
        self.changed = set(topics.RETAINED)  # topics that have something new
        self._retained = {
            topics.INFO: self._info, topics.STATE: self._state, topics.GRANTS: self._grants, topics.CONFIG: self._config
        }  # fmt: skip
        self._dropped_told = 0
        self.wake = None  # called when there is something to send; the agent socket sets it

    def event(self, event):
        """Queue one (an OrderedDict of plain values). Returns its seq."""
        self.room()
        about_grant = "service" in event and event["event_type"] not in KINDS
        self.outbox.put(self.make(topics.EVENT, event), GRANT if about_grant else NOISE)
        self.changed.add(topics.STATE)
        if "service" in event:
            self.changed.add(topics.GRANTS)
        seq = self._seq[topics.EVENT]
        if self.wake:
            self.wake()
        return seq

    def all_changed(self):
        """Everything retained is to be sent anew."""
        self.changed.update(topics.RETAINED)
        if self.wake:
            self.wake()

    def room(self):
        """There may be room in the outbox: if events were dropped, tell how many. Only when half is free again, so that
        what is told of noise takes no place from a grant's event."""
        count, grants = self.outbox.dropped()
        if count and self.outbox.waiting() <= PLACES // 2:
            event = OrderedDict((("event_type", "dropped"), ("count", count), ("grants", grants)))
            self.outbox.put(self.make(topics.EVENT, event), GRANT if grants else NOISE)
            self._dropped_told += count
            self.outbox.forget_dropped()

    def make(self, topic, fields):
        """The payload for a topic below knocklet/<id>/."""
        self._seq[topic] = self._seq.get(topic, 0) + 1
        body = OrderedDict()
        for key in fields:
            value = fields[key]
            body[key] = printable(value, _TEXT) if isinstance(value, str) else value
        body["boot"] = self.boot
        body["seq"] = self._seq[topic]
        body.setdefault("ts", int(time.time()))
        return report.seal(self._key, topic, json.dumps(body, separators=(",", ":")).encode())

    def retained(self, topic, now_ms):
        """The payload of a retained topic as of now."""
        self.changed.discard(topic)
        return self.make(topic, self._retained[topic](now_ms))

    def _info(self, _now_ms):
        engine = self._engine
        return {
            "version": VERSION,
            "board": _board(),
            "micropython": "%d.%d.%d" % sys.implementation[1][:3],
            "firewall": engine.doors.firewall.NAME,
            "firewall_why": engine.firewall_why,
            "interfaces": [interface.name for interface in engine.interfaces.all],
        }

    def _state(self, _now_ms):
        engine = self._engine
        state = {
            "grants_open": len(engine.doors.grants.live),
            "opened_total": engine.doors.counts["opened"],
            "refused_total": engine.doors.counts["refused"],
            "firewall": "failed" if engine.doors.failing else "ok",
            "dropped_total": self._dropped_told + self.outbox.dropped()[0],
            "waiting": self.outbox.waiting(),
            "warnings": len(engine.warnings),
            "armed": engine.wishes.armed,
            "config": "%016x" % engine.configuration.version,
            "trial": engine.configuration.trial,
            "sealed_dropped": engine.orders.gate.dropped,
        }
        if engine.clients:
            state["clock_trusted"] = engine.clients.clock.trusted
            state["store"] = "failed" if engine.clients.store.failing else "ok"
        return state

    def _grants(self, now_ms):
        live = self._engine.doors.grants.live
        now_s = int(time.time())
        listed = [
            {
                "service": grant.service.name,
                "client": grant.client,
                "source": format_address(grant.address),
                "since": now_s - age(now_ms, grant.since_ms) // 1000,
                "ends": now_s + max(0, left(now_ms, grant.end_ms)) // 1000,
            }
            for grant in live[-_GRANTS:]
        ]
        return {"grants": listed, "more": len(live) - len(listed)}

    def _config(self, _now_ms):
        policy = self._engine.policy
        configuration = self._engine.configuration
        return {
            "version": "%016x" % configuration.version,
            "sha256": configuration.digest,
            "trial": configuration.trial,
            "services": [service.name for service in policy.services],
            "clients": [one.name for one in policy.sequences + policy.clients],
            "revoked": len(policy.revoked),
        }


def _board():
    """The name of the machine's model, as far as it says one."""
    for path in _MODELS:
        try:
            with open(path, "rb") as file:
                return "".join([chr(byte) for byte in file.read(64) if 32 <= byte < 127])
        except OSError:
            pass
    return sys.platform
