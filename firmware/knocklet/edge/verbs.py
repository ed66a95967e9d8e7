"""What the control socket can ask for: status, grants, close, reload. Only root asks, and is checked all the same."""

import gc

from .. import VERSION
from ..core.clock import age, left
from ..core.errors import KnockletError
from ..wire.addresses import format_address, parse_address
from .loop import now_ms


class Verbs:
    """Functions request (dict) -> answer (dict); they raise KnockletError with one line."""

    def __init__(self, engine):
        self._engine = engine

    def table(self):
        return {"status": self._status, "grants": self._grants, "close": self._close, "reload": self._reload,
                "arm": self._arm, "disarm": self._arm}

    def _status(self, _request):
        engine = self._engine
        return {
            "version": VERSION,
            "uptime_s": age(now_ms(), engine.started_ms) // 1000,
            "interfaces": [
                {"name": i.name, "up": i.up, "ring_dropped": i.ring.count_dropped(), "addresses_left_out": i.own.left_out,
                 "filter": engine.ports.filter_of(i)}
                for i in engine.interfaces.all
            ],
            "zone": engine.policy.zone,
            "firewall": engine.doors.firewall.NAME,
            "firewall_why": engine.firewall_why,
            "services": len(engine.policy.services),
            "sequences": len(engine.policy.sequences),
            "clients": len(engine.policy.clients),
            "decoys": len(engine.ports.decoys),
            "warnings": engine.warnings,
            "grants": len(engine.doors.grants.live),
            "counts": engine.doors.counts,
            "packets": engine.packet_counts(),
            "attempts": engine.attempts.live(now_ms()),
            "wakeups": engine.loop.turns,
            "heap_alloc_bytes": gc.mem_alloc(),
            "heap_free_bytes": gc.mem_free(),
            "log_dropped": engine.log.dropped,
            "keys": engine.clients.status() if engine.clients else "no clients",
            "config": "the file" if not engine.configuration.version else "%016x from MQTT%s"
                      % (engine.configuration.version, ", tried" if engine.configuration.trial else ""),
            "armed": engine.wishes.armed,
            "requests": [request.fields() for request in engine.wishes.waiting],
            "sealed_dropped": engine.orders.gate.dropped if engine.orders else "no key",
            "agent": engine.agent.counts if engine.agent else "no id, or see warnings",
        }

    def _grants(self, _request):
        at_ms = now_ms()
        return {
            "grants": [
                {
                    "service": grant.service.name,
                    "client": grant.client,
                    "source": format_address(grant.address),
                    "since_s": age(at_ms, grant.since_ms) // 1000,
                    "left_s": max(0, left(at_ms, grant.end_ms) // 1000),
                    "max_left_s": max(0, left(at_ms, grant.max_end_ms) // 1000) if grant.service.max_s else 0,
                }
                for grant in self._engine.doors.grants.live
            ]
        }

    def _close(self, request):
        """{"service": name} with or without {"source": address}, or {"all": true}. Always cuts connections."""
        name = source = None
        if request.get("all") is not True:
            name = request.get("service")
            if name not in [service.name for service in self._engine.policy.services]:
                raise KnockletError("close: no service '%s'" % name)
            if "source" in request:
                source = _address(request["source"])

        def wanted(service, address):
            return (name is None or service.name == name) and (source is None or address == source)

        return {"closed": self._engine.doors.close_for_owner(wanted, now_ms())}

    def _arm(self, request):
        """Knocks open something, or nothing: from now on, and after a restart where the gateway has a key."""
        engine = self._engine
        armed = request["verb"] == "arm"
        if engine.floors and not engine.floors.arm(armed, engine.floors.next_version(engine.clients.clock.now_us()), now_ms()):
            engine.log.write("knocklet-engine: %s: a restart forgets it, it cannot be stored" % request["verb"])
        engine.wishes.arm(armed, now_ms())
        engine.changed()
        return {"armed": armed}

    def _reload(self, request):
        """{"file": true}: from now on what lies in the file, not what came over MQTT."""
        self._engine.apply(request.get("file") is True)
        return {"warnings": self._engine.warnings}


def _address(text):
    if not isinstance(text, str):
        raise KnockletError("close: source: a text")
    try:
        return parse_address(text)
    except ValueError:
        raise KnockletError("close: '%s' is not an address" % text)
