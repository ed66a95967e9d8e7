"""What the owner's sealed commands do. Each function takes the checked fields (core/command.py) and gives the answer's data."""

import json
from binascii import b2a_base64

from ..core.errors import KnockletError, Refused
from ..wire import sealed
from ..wire.addresses import format_address
from ..wire.hmac import hmac
from .loop import now_ms

_OWNER = "(owner)"  # client of a grant that the owner's command has opened: no sequence's or client's name
_PULLED_BYTES = 44_000  # in base64 it has to fit a report (core/agent_messages.py)


class Commands:
    """They raise KnockletError with one line."""

    def __init__(self, engine, keys):
        """keys: wire.sealed.SealKeys."""
        self._engine = engine
        self._keys = keys
        self._verbs = {
            "open": self._open,
            "close": self._close,
            "close_all": self._close_all,
            "revoke": self._revoke,
            "reload": self._reload,
            "selftest": self._selftest,
        }

    def do(self, verb, fields, version):
        """version: of the message."""
        if verb in ("confirm", "rollback"):
            return self._trial(verb, fields)
        if verb in ("approve", "deny"):
            return self._answer(verb, fields)
        if verb in ("arm", "disarm"):
            return self._arm(verb == "arm", version)
        if verb == "pull":
            return self._pull(version)
        return self._verbs[verb](fields)

    def _trial(self, verb, fields):
        configuration = self._engine.configuration
        if verb == "confirm":
            configuration.confirm(fields["version"])
        else:
            configuration.roll_back("owner")
        return {"config": "%016x" % configuration.version}

    def _open(self, fields):
        service = self._service(fields["service"])
        wanted_s = fields.get("ttl", 0)
        if not self._engine.doors.open(service, fields["source"], _OWNER, now_ms(), wanted_s):
            raise Refused("%s did not open: the event 'refused' says why" % service.name)
        life_s, max_s = service.life_s(wanted_s)
        return {"ends_s": max_s or life_s}

    def _close(self, fields):
        self._service(fields["service"])

        def wanted(service, address):
            return service.name == fields["service"] and address == fields.get("source", address)

        return {"closed": self._engine.doors.close_for_owner(wanted, now_ms())}

    def _close_all(self, _fields):
        return {"closed": self._engine.doors.close_for_owner(lambda _service, _address: True, now_ms())}

    def _answer(self, verb, fields):
        """A knock that asked for approval."""
        engine = self._engine
        at_ms = now_ms()
        seq, boot = fields.pop("seq"), fields.pop("boot")
        if boot != engine.events.reports.boot:
            raise Refused("no such request waits: the engine has started anew")
        request = engine.wishes.answer(seq, dict(fields, source=format_address(fields["source"])), at_ms)
        if verb == "deny":
            engine.events.tell(at_ms, "denied", **request.fields())
            return {}
        service = self._service(request.service.name)
        if not self._may_still(request.client, service):
            raise Refused("%s may not open %s any more" % (request.client, service.name))
        engine.events.tell(at_ms, "approved", **request.fields())
        if not engine.doors.open(service, request.address, request.client, at_ms, request.wanted_s):
            raise Refused("%s did not open: the event 'refused' says why" % service.name)
        return {}

    def _may_still(self, name, service):
        policy = self._engine.policy
        return any(one.name == name and service in one.services for one in policy.clients + policy.sequences)

    def _arm(self, armed, version):
        floors = self._engine.floors
        if not floors.arm(armed, floors.next_version(version), now_ms()) and armed:  # one given here may be of a wrong clock
            raise Refused("it cannot be stored")
        self._engine.wishes.arm(armed, now_ms())
        return {"armed": armed}

    def _revoke(self, fields):
        """A client's key, for ever; what it has opened is closed and cut."""
        engine = self._engine
        keys = engine.configuration.keys_of(fields["client"])
        if not keys:
            allowed = ", ".join([client.name for client in engine.policy.clients])
            raise Refused("client: found '%s'; allowed: %s" % (fields["client"], allowed))
        before = len(engine.doors.grants.live)
        if not engine.revoke(keys):
            raise Refused("it is refused from now on, but that cannot be stored: a restart forgets it")
        return {"closed": before - len(engine.doors.grants.live)}

    def _reload(self, _fields):
        self._engine.apply()
        return {"warnings": self._engine.warnings}

    def _selftest(self, _fields):
        """By name: "ok", or what is wrong; and which configuration is in force, fresher than any report at the broker."""
        engine = self._engine
        checks = {interface.name: "ok" if interface.up else "down" for interface in engine.interfaces.all}
        checks["clock"] = "ok" if engine.clients.clock.trusted else "not trusted"
        checks["store"] = "cannot be written" if engine.clients.store.failing else "ok"
        checks["warnings"] = "ok" if not engine.warnings else "%d, see status" % len(engine.warnings)
        try:
            engine.doors.firewall.entries()
            checks["firewall"] = "ok"
        except KnockletError as error:
            checks["firewall"] = str(error)
        configuration = engine.configuration
        return {
            "checks": checks,
            "config": "%016x" % configuration.version,
            "sha256": configuration.digest,
            "trial": configuration.trial,
        }

    def _pull(self, version):
        """What is in force, for the holder of the key alone."""
        text = json.dumps(self._engine.configuration.values()).encode()
        if len(text) > _PULLED_BYTES:
            raise Refused("the configuration: found %d bytes; allowed: %d" % (len(text), _PULLED_BYTES))
        iv = hmac(self._keys.mac, b"iv", version.to_bytes(8, "big"), text)[: sealed.IV_BYTES]  # another one for each answer
        message = sealed.seal(self._keys, sealed.ANSWER, version, text, iv)
        return {"config": str(b2a_base64(message), "ascii").strip()}

    def _service(self, name):
        services = self._engine.policy.services
        for service in services:
            if service.name == name:
                return service
        raise Refused("service: found '%s'; allowed: %s" % (name, ", ".join([service.name for service in services])))
