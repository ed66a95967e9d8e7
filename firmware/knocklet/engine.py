"""The engine: starts the parts in order, puts a policy into force, and turns the loop. Crash-only: nothing to do at the end.

    knocklet_engine.py [--config FILE] [--run-dir DIR] [--interfaces NAME,...] [--agent-user NAME] [--clock FILE] [--syslog]
                       [--safe | --check | --uninstall]

Beside the configuration lie the clients' secrets (`clients.json`), the gateway's key (`key`) and what must outlive a power cut
(`state/`). --interfaces: where knocks come from, when the configuration does not say. --clock: what NTP touches when it has
set the clock, or "battery" for a board whose clock is right by itself. --safe: doors and knocks alone, for an hour, after too
many starts (start.sh).
Exit codes: 2 bad configuration, missing part or wrong use; 3 another engine runs; 4 the hour of --safe is over.
"""

import gc
import os
import sys
from hashlib import sha256

from . import VERSION
from .core import agent_messages, decoys, policy, verdict
from .core.attempts import KEY_BYTES, Attempts
from .core.errors import NEEDS_MEMORY, KnockletError
from .core.matcher import Matcher
from .core.outbox import BYTES, Outbox
from .core.rights import Rights
from .edge import (
    boot_counter,
    conntrack,
    firewall,
    floors,
    heap,
    listening,
    options,
    policy_file,
    privileges,
    requests,
    run_dir,
    users,
)
from .edge.agent_socket import AgentSocket
from .edge.configuration import Configuration
from .edge.control import Control
from .edge.doors import Doors
from .edge.events import Events
from .edge.interfaces import Interfaces, close_rings
from .edge.knocks import Knocks
from .edge.log import Log
from .edge.loop import Loop, now_ms
from .edge.mapped_file import open_mapped
from .edge.nft_watch import Watch
from .edge.ports import Ports
from .edge.reports import Reports
from .edge.rtnetlink import Rtnetlink
from .edge.verbs import Verbs
from .edge.wishes import Wishes
from .wire.keys import event_key

_CONFIG = "/etc/knocklet/config.json"
_AGENT_USER = "knocklet"
_CLOCK = "/run/systemd/timesync/synchronized"
_DAY_MS = 86_400_000
_TIDY_MS = 2000  # after a change: its answer is given, and what was read is garbage
_SAFE_MS = 3_600_000
_SAFE_MODE = ("safe mode, after five starts in ten minutes: knocks open; no reports, nothing from MQTT; "
              "it ends in an hour, or by a restart of the service")  # fmt: skip
# Collect after so much, instead of when the heap is full: what is touched stays small, and what stays lies close together.
_GC_BYTES = 65536


class Engine:
    """The parts of one engine, wired together. `policy` is what is in force."""

    def __init__(self, config_path, directory, log, agent_user=_AGENT_USER, clock=_CLOCK, interfaces=None, safe=False):
        # The big tables first, while the heap is in one piece.
        self.attempts = Attempts(_random(KEY_BYTES))
        self._matcher = Matcher(self.attempts)
        self.directory = directory
        self.policy = None
        self.firewall_why = ""
        self.clients = None  # ClientKnocks, where there are clients with keys
        self.warnings = []
        self.started_ms = now_ms()
        self.agent = None  # AgentSocket, where there is something to report and somebody to take it
        self.floors = None  # Floors, where there is a key
        self.orders = None  # Orders, where there is an agent
        self.log = log
        self.loop = Loop()
        self.events = Events(self.log.write, self.loop)
        self.doors = Doors(self.loop, self.events, conntrack.cut)
        self.wishes = Wishes(self.loop, self.doors, self.events)
        self.configuration = Configuration(config_path, self.loop, self.events, self, interfaces)
        self.interfaces = Interfaces(self.loop, self.events)
        self.knocks = Knocks(self.interfaces, self._matcher, self.doors, self.wishes, self.events)
        self.ports = Ports(self._matcher, self.interfaces, self.knocks)
        self.loop.rings_ready = self.knocks.rings_ready
        self._agent_user = agent_user
        self._clock = clock
        self._verbs = Verbs(self).table()
        self._rights = Rights()
        self._safe = safe
        self._routes = None
        self._daily = self.loop.timer(self._forget_old)
        self._tidy = self.loop.timer(_give_back)

    def start(self):
        """Everything up to the first turn. Raises KnockletError."""
        gc.threshold(_GC_BYTES)
        self._routes = Rtnetlink(self.loop, self.interfaces)
        self._routes.refresh(now_ms())
        self.apply()
        watch = Watch()
        self.loop.add(watch.socket, lambda _flags: watch.drain() and self.doors.firewall_changed(now_ms()))
        Control(self.directory, self.loop, self.events, self._verbs)
        self.loop.start(self._daily, now_ms(), _DAY_MS)
        if self._safe:
            self.loop.start(self.loop.timer(_safe_mode_ends), now_ms(), _SAFE_MS)
        gc.collect()
        restored = len(self.doors.grants.live)
        self.events.tell(now_ms(), "started", version=VERSION, firewall=self.doors.firewall.NAME, restored=restored)

    def _report(self):
        """From now on report, if the gateway has a key and an agent. Else say what is missing: a reload tries again."""
        user = users.find(self._agent_user)
        folder, key = self.configuration.folder, self.configuration.key
        if not key or not user:
            what = "user " + self._agent_user if key else "file " + folder + "/key"
            self.warnings.append("nothing is reported: no " + what)
            return
        boot, stored = boot_counter.advance(folder + "/state", self.directory)
        secret = event_key(key, self.policy.name)
        owner = int.from_bytes(sha256(secret).digest()[:4], "big")
        outbox = Outbox(open_mapped(self.directory + "/outbox", BYTES), owner)
        reports = Reports(self, self.policy.name, secret, boot, outbox)
        directory = self.directory + agent_messages.DIRECTORY
        from .edge.orders import Orders  # only whoever has a key can give any

        self.orders = Orders(self, self.policy.name, key)
        self.agent = AgentSocket(directory, user, self.loop, reports, self._plain_request, self.orders, now_ms)
        self.events.reports = reports
        if not stored:
            self.events.tell(now_ms(), "store_failed", reason="the count of starts")

    def _plain_request(self, verb, payload):
        return requests.answer(verb, payload, self._verbs["close"])

    def apply(self, from_file=False):
        """What is confirmed, or in the file, is put into force (again), or everything stays as it is. Raises KnockletError."""
        gc.collect()
        try:
            self.configuration.apply(from_file)
        except MemoryError:
            raise KnockletError(NEEDS_MEMORY)
        for line in self.warnings:
            say(line)

    def force(self, new, warnings):
        """Put this policy into force, or leave everything as it is. Raises KnockletError."""
        if self.agent and new.name != self.policy.name:
            raise KnockletError("id: '%s' in force; allowed: another one only with a restart" % self.policy.name)
        for service in new.services:
            if service.masquerade == "auto":
                service.masquerade = service.to is not None and self._routes.leaves_by(service.to) in new.interfaces
        backend, why = firewall.choose(new, self.directory)
        chosen = decoys.choose(new, listening.ports(), _random_below)
        rings = self.interfaces.open_rings(new.interfaces)
        try:
            self.doors.apply(new, backend, now_ms())
        except (KnockletError, OSError):
            close_rings(rings)
            raise
        self.policy = new
        self._apply_clients()
        self.interfaces.set(new.interfaces, rings, self.ports.apply(new, chosen), now_ms())
        self.firewall_why = why
        self.warnings = new.warnings + warnings + conntrack.warnings()
        if self._safe:
            self.warnings.append(_SAFE_MODE)
        elif new.name and not self.agent:
            try:
                self._report()
            except (KnockletError, OSError) as error:  # doors are more than reports
                self.warnings.append("nothing is reported: %s" % error)
        if self.clients:
            self.clients.tell(now_ms())
        self.changed()
        self.loop.start(self._tidy, now_ms(), _TIDY_MS)

    def changed(self):
        """What is retained at the broker is to be told anew."""
        if self.events.reports:
            self.events.reports.all_changed()

    def need_clients(self):
        """ClientKnocks, also where no client has a key yet. A gateway without any key has room for other things."""
        if not self.clients:
            from .edge.client_knocks import ClientKnocks

            places = (self.configuration.folder + "/state", self.directory, self._clock)
            seed = _random_below(1 << 16)
            changed = self.ports.time_changed
            self.clients = ClientKnocks(places, self.loop, self.doors, self.wishes, self.events, changed, seed)
            self.knocks.clients = self.ports.clients = self.clients
        return self.clients

    def _apply_clients(self):
        """After a change of the policy."""
        at_ms = now_ms()
        live = self.doors.grants.live
        lost = self._rights.lost(self.policy, live + self.wishes.waiting)
        self.wishes.forget(lost, at_ms)
        self.doors.close([one for one in lost if one in live], "config", at_ms, True)
        if self.policy.clients or self.configuration.key:
            self.need_clients()
        if self.configuration.key and self.policy.name and not self.floors:
            self.floors = floors.Floors(self.clients, self.policy.name)
            self.wishes.armed = self.floors.armed()
        if self.clients:
            self.clients.apply(self.policy, now_ms())

    def revoke(self, fingerprints):
        """Refuse these keys for ever. Returns whether that is on storage; in force it is in any case."""
        stored = [floors.revoke(self.clients, fingerprint, now_ms()) for fingerprint in fingerprints]
        for fingerprint in fingerprints:
            self.policy.leave_out(fingerprint)
        if fingerprints:
            self._apply_clients()
            self.ports.time_changed(now_ms())
        return all(stored)

    def _forget_old(self, at_ms):
        self.attempts.forget_old(at_ms)
        return _DAY_MS

    def packet_counts(self):
        """What became of the packets that passed the filter: name -> how many, those that occurred."""
        return {verdict.NAMES[i]: count for i, count in enumerate(self.knocks.counts) if count}


def _give_back(_at_ms):
    heap.give_back(_GC_BYTES)
    return -1


def _safe_mode_ends(_at_ms):
    say("safe mode ends: the service manager starts all of it")
    sys.exit(4)


def _random(count):
    data = os.urandom(count)
    if len(data) != count or not any(data):
        raise KnockletError("the system's random source gave nothing")
    return data


def _random_below(n):
    return int.from_bytes(_random(6), "big") % n


def say(line):
    """A line for a person, on standard error."""
    sys.stderr.write("knocklet-engine: %s\n" % line)


def main(argv):
    directory = None  # once it is ours
    try:
        values = {"--config": _CONFIG, "--run-dir": run_dir.DEFAULT, "--agent-user": _AGENT_USER, "--clock": _CLOCK,
                  "--interfaces": ""}  # fmt: skip
        given = options.read(argv, values, ("--syslog", "--safe", "--check", "--uninstall"))
        config_path = values["--config"]
        interfaces = policy.interfaces_of(values["--interfaces"])
        if "--check" in given:
            new, _, warnings = policy_file.read(config_path, None, interfaces)
            for line in new.warnings + warnings:
                say(line)
            counts = (config_path, len(new.services), len(new.sequences), len(new.clients))
            print("%s: %d services, %d sequences, %d clients: good" % counts)
            return 0
        privileges.need((("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13)))
        run_dir.prepare(values["--run-dir"])
        lock = run_dir.lock(values["--run-dir"])
        if not lock:
            say("another engine runs with run directory %s" % values["--run-dir"])
            return 3
        directory = values["--run-dir"]
        if "--uninstall" in given:
            firewall.uninstall(directory)
            print("rules and sets are gone: what is not closed by another firewall is open")
            return 0
        log = Log("--syslog" in given)
        engine = Engine(config_path, directory, log, values["--agent-user"], values["--clock"], interfaces, "--safe" in given)
        engine.start()
    except (KnockletError, OSError) as error:
        say(str(error))
        if directory:
            run_dir.ended(directory, str(error))
        return 2
    run_dir.started(directory)
    engine.log.write("knocklet-engine: ready, firewall %s (%s)" % (engine.doors.firewall.NAME, engine.firewall_why))
    while lock:  # held as long as this runs
        engine.loop.turn()
