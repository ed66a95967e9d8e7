"""The configuration: which one is in force, and how one that came over MQTT is tried before it is kept.

    in force --set--> trial --confirm--> in force
                        '--rollback, no confirm in time, a restart or reload--> what was in force before

In force is the last one that was confirmed; without any, the file. What only takes away needs no trial.
"""

import gc

from ..core import policy
from ..core.errors import ConfigError, KnockletError, Refused
from ..core.policy_change import only_takes_away
from ..core.strict_json import loads
from ..wire import sealed
from . import key_file, policy_file
from .config_slots import ConfigSlots
from .floors import is_revoked
from .loop import now_ms

_RETRY_MS = 1000  # when what was before could not be put into force: others are at the firewall


class Configuration:
    """version: of what is in force, 0: the file; digest: its SHA-256 in hex; trial: is it tried only? key: the gateway's."""

    def __init__(self, path, loop, events, engine, interfaces=None):
        """engine: has force(policy, warnings), need_clients() and revoke(fingerprints); interfaces: see core.policy.load()."""
        self.folder = path.rpartition("/")[0] or "."
        self.version = 0
        self.digest = ""
        self.trial = False
        self.key = None
        self._path = path
        self._kept = 0  # version of what is confirmed, 0: the file
        self._problems = []  # why something that lies there is not in force
        self._slots = ConfigSlots(self.folder + "/state")
        self._engine = engine
        self._interfaces = interfaces
        self._store = None  # ReplayStore, where there is a key
        self._events = events
        self._loop = loop
        self._over = loop.timer(self._not_confirmed)
        self._left = self._slots.trial_version()  # of a trial that a restart has ended

    def apply(self, from_file=False):
        """At start, and for a reload: what is confirmed is in force; from_file: what is in the file. Raises KnockletError, and
        then all is as it was."""
        key = key_file.read(self.folder + "/key")
        if self._engine.orders and key != self.key:
            raise KnockletError("key: another one is in force; allowed: another one only with a restart")
        self.key = key
        if self.key:
            self._store = self._engine.need_clients().store
        left = self.version if self.trial else self._left
        self._restore(from_file)
        self._slots.end_trial()
        self._left = 0
        if left:
            self._tell_back(left, "restart")
        if from_file and self._slots.confirmed():  # only now: a file that is no good leaves what there was
            self._stored(self._slots.forget)

    def _restore(self, from_file=False):
        new, digest, warnings, version = self._confirmed(from_file)
        self._engine.force(new, warnings)
        self._in_force(version, digest, False)
        if self._problems:
            self._events.tell(now_ms(), "store_failed", reason=self._problems[0])
        if self._store:
            self._revoke(new)

    def _in_force(self, version, digest, trial):
        self.version, self.digest, self.trial = version, digest, trial
        if not trial:
            self._kept = version
            self._loop.start(self._over, now_ms(), -1)

    def _confirmed(self, from_file):
        """(the Policy, digest, warnings, version). Raises KnockletError."""
        problems = self._problems = []
        for message in self._slots.confirmed() if self.key and not from_file else ():
            try:
                text, version = self._text(message)
                new, digest = policy_file.make(text, None, self._is_revoked, self._interfaces)
                return new, digest, problems, version
            except KnockletError as error:
                problems.append("a configuration from MQTT is not used: %s" % error)
        new, digest, warnings = policy_file.read(self._path, self._is_revoked if self._store else None, self._interfaces)
        return new, digest, warnings + problems, 0

    def _text(self, message):
        """(its text, its version). It lies where root alone writes, and is checked all the same. Raises ConfigError."""
        try:
            keys = sealed.SealKeys(self.key, sealed.gateway_of(message))
            found = sealed.header(message, keys.gateway_id)
        except ValueError as error:
            raise ConfigError(str(error))
        if found.kind != sealed.CONFIG or not sealed.is_from(keys, message):
            raise ConfigError("damaged, or sealed with another key")
        return sealed.decrypted(keys, message), found.version

    def _is_revoked(self, fingerprint):
        return is_revoked(self._store, fingerprint)

    def _revoke(self, new):
        """What it revokes is refused whatever is in force later. Returns whether that is on storage."""
        return self._engine.revoke([key for key in new.revoked if not is_revoked(self._store, key)])

    def values(self):
        """What is confirmed, as values (core.policy.merged)."""
        for message in self._slots.confirmed() if self.key else ():
            try:
                text, version = self._text(message)
                if version == self._kept:
                    return loads(text)
            except ConfigError:
                pass
        if self._kept:
            raise Refused("what is in force cannot be read from storage")
        data, clients, _ = policy_file.texts(self._path)
        return policy.merged(data, clients)

    def keys_of(self, name):
        """Fingerprints of this client's keys, as it is tried and as it is confirmed. Raises KnockletError."""
        clients = self._engine.policy.clients
        if self.trial:
            clients = clients + self._confirmed(False)[0].clients
        keys = [key for one in clients if one.name == name for key in (one.fingerprint, one.fwknop_fingerprint)]
        return sorted({key for key in keys if key})

    def take(self, name, found, message, text, floors):
        """Try a new one, or put it into force. found: its Header; text: what it says. Returns the answer's data. Raises
        KnockletError; then all is as it was, but what it revokes may be revoked, and its version is used up."""
        if not found.confirm_s and not only_takes_away(self.values(), loads(text)):
            raise Refused("confirm_s 0: allowed: where something is only taken away; else %d-%d" % sealed.TRIAL_S)
        gc.collect()
        new, digest = policy_file.make(text, None, self._is_revoked, self._interfaces)
        if new.name != name:
            raise ConfigError("id: found '%s'; allowed: '%s'" % (new.name, name))
        at_ms = now_ms()
        if not floors.remember(sealed.CONFIG, found.version, at_ms):
            raise Refused("it cannot be stored")
        self._stored(lambda: self._slots.prepare_trial(message))
        try:
            if not self._revoke(new):
                raise Refused("revoked: they cannot be stored")
            self._engine.force(new, [])
        except (KnockletError, OSError, MemoryError) as error:
            self._slots.drop_trial()
            if self._engine.policy is new or isinstance(error, MemoryError):  # in the middle of it
                new = None
                self._in_force(found.version, digest, True)
                self._loop.start(self._over, at_ms, self._back("failed"))
            raise
        self._in_force(found.version, digest, True)
        self._loop.start(self._over, at_ms, 1000 * found.confirm_s)
        try:
            self._stored(self._slots.put_trial)
        except Refused:
            self.roll_back("not stored")
            raise
        if found.confirm_s:
            self._events.tell(at_ms, "config_trial", version=_hex(found.version), confirm_s=found.confirm_s)
        else:
            self._applied()  # where storing fails, it is in force until a restart
            self._kept_for_good(self._stored(self._slots.confirm))
        return {"trial": self.trial, "confirm_s": found.confirm_s, "warnings": new.warnings}

    def _stored(self, write):
        try:
            return write()
        except OSError as error:
            raise Refused("it cannot be stored (error %d)" % error.errno)

    def _kept_for_good(self, flushed):
        if not flushed:
            raise Refused("it is kept, but storage fails: a power cut may bring back what was before")

    def confirm(self, version):
        """version: as 16 hex digits. Raises Refused."""
        if not self.trial or version != _hex(self.version):
            raise Refused("no trial of %s; in force: %s%s" % (version, _hex(self.version), ", tried" if self.trial else ""))
        flushed = self._stored(self._slots.confirm)
        self._applied()
        self._kept_for_good(flushed)

    def _applied(self):
        self._in_force(self.version, self.digest, False)
        self._events.tell(now_ms(), "config_applied", version=_hex(self.version))

    def roll_back(self, why):
        """Raises Refused, KnockletError."""
        if not self.trial:
            raise Refused("no trial; in force: %s" % _hex(self.version))
        self._slots.end_trial()
        version = self.version
        self._restore()
        self._tell_back(version, why)

    def _tell_back(self, version, why):
        self._events.tell(now_ms(), "config_rolled_back", version=_hex(version), reason=why)

    def _not_confirmed(self, _at_ms):
        return self._back("not confirmed")

    def _back(self, why):
        """Returns the wait to the next try, -1 when it is done."""
        try:
            self.roll_back(why)
        except (KnockletError, OSError, MemoryError):
            return _RETRY_MS
        return -1


def _hex(version):
    return "%016x" % version
