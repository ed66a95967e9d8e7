"""A gateway as its owner's sealed messages meet it: configuration, slots, floors, orders, commands and wishes are real, with
files in a folder of its own. Clock, storage of what was used, doors and events only write down what is asked of them.
"""

import json
import os

from knocklet.core import policy
from knocklet.core.admission import STAMPS
from knocklet.core.errors import KnockletError
from knocklet.core.rights import Rights
from knocklet.edge import floors
from knocklet.wire import sealed
from knocklet.wire.sealed import COMMAND, CONFIG, SealKeys

from . import accepting
from .clients import NOW_US
from .files import make_folder, remove_folder, whole_file

from knocklet.edge import commands, configuration, orders, wishes  # isort: skip  (after files: that lets them be imported)
from knocklet.edge.loop import Loop  # isort: skip

NAME = "home"
KEY = bytes(range(32))
KEYS = SealKeys(KEY, NAME)
S = 1_000_000
BOOT = 7
CONFIG_FILE = {
    "id": NAME,
    "interfaces": ["wan0"],
    "services": {
        "ssh": {"index": 1, "port": 22},
        "camera": {"index": 2, "port": 8080, "idle": 20, "max": 120, "approval": True},
    },
    "sequences": {"front": {"steps": ["7000", "8000"], "open": ["ssh"]}},
    "clients": {
        "anna": {"key": "%064x" % 0xA, "open": ["ssh", "camera"]},
        "bob": {"key": "%064x" % 0xB, "open": ["ssh"], "kinds": ["otp", "spa"]},
    },
}


def text(config):
    return json.dumps(config).encode()


def changed(config, **more):
    """A copy with other values on top."""
    made = json.loads(json.dumps(config))
    made.update(more)
    return made


class Time:
    ms = 0


for _module in (configuration, orders, commands):
    _module.now_ms = lambda: Time.ms


class Events:
    boot = BOOT

    def __init__(self, done):
        self.reports = self
        self.seq = 0
        self._done = done

    def tell(self, _now_ms, event_type, **fields):
        self._done.append((event_type, fields))
        self.seq += 1
        return self.seq


class Doors(accepting.Doors):
    """entries_fail: a KnockletError of the firewall."""

    def __init__(self, done):
        accepting.Doors.__init__(self, done)
        self.firewall = self
        self.entries_fail = None

    def entries(self):
        if self.entries_fail:
            raise self.entries_fail
        return []

    def refuse(self, _now_ms, service, client, address, reason):
        self._done.append(("refuse", service.index, client, address, reason))
        return False

    def close_for_owner(self, wanted, now_ms):
        return self.close([grant for grant in self.grants.live if wanted(grant.service, grant.address)], "owner", now_ms, True)


class Clients:
    """As edge.client_knocks.ClientKnocks, as far as orders need it."""

    def __init__(self, store):
        self.store = store
        self.clock = accepting.Clock()
        self.always = []

    def keep_always(self, pairs):
        self.always = pairs

    def stored(self, fingerprint, what, value, _now_ms):
        return self.store.store(fingerprint, what, value)


class Interface:
    def __init__(self, name, up):
        self.name = name
        self.up = up


class Gateway:
    """done: what was asked of storage, doors and events, and policies that were put into force ("force", its services).
    refuses: an exception that force() raises, once; version: of the message sent last."""

    def __init__(self, config=CONFIG_FILE, make_store=None):
        self.folder = make_folder()
        self.done = []
        self.version = NOW_US
        self.store = accepting.Store(self.done)
        self._make_store = make_store or (lambda _folder: self.store)
        whole_file.write(self.folder + "/key", KEY)
        self.write_config(config)
        try:
            self.start()
        except Exception:  # a test whose setUp() fails has no tearDown()
            self.end()
            raise

    def write_config(self, config):
        """Into the file."""
        whole_file.write(self.folder + "/config.json", text(config))

    board_interfaces = None  # of the command line

    def start(self):
        """As an engine that starts, on what there is on storage."""
        self.loop = Loop()
        self.events = Events(self.done)
        self.doors = Doors(self.done)
        self.wishes = wishes.Wishes(self.loop, self.doors, self.events)
        path = self.folder + "/config.json"
        self.configuration = configuration.Configuration(path, self.loop, self.events, self, self.board_interfaces)
        self.interfaces = self
        self.all = [Interface("wan0", True)]
        self.clients = self.floors = self.policy = self.refuses = self.orders = None
        self.warnings = []
        self.changes = 0
        self._rights = Rights()
        self.apply()
        self.orders = orders.Orders(self, NAME, KEY) if self.clients else None

    def end(self):
        remove_folder(self.folder)

    # What an engine has

    def apply(self, from_file=False):
        self.configuration.apply(from_file)

    def force(self, new, warnings):
        if self.refuses:
            error, self.refuses = self.refuses, None
            raise error
        if self.policy and new.name != self.policy.name:
            raise KnockletError("id")
        self.policy = new
        self.warnings = new.warnings + warnings
        self.done.append(("force", [service.name for service in new.services]))
        if self.clients and not self.floors:
            self.floors = floors.Floors(self.clients, new.name)
            self.wishes.armed = self.floors.armed()
        self._close_lost()

    def _close_lost(self):
        self.doors.close(self._rights.lost(self.policy, self.doors.grants.live), "config", Time.ms, True)

    def need_clients(self):
        if not self.clients:
            self.clients = Clients(self._make_store(self.folder))
        return self.clients

    def revoke(self, fingerprints):
        stored = [floors.revoke(self.clients, fingerprint, Time.ms) for fingerprint in fingerprints]
        for fingerprint in fingerprints:
            self.policy.leave_out(fingerprint)
        self._close_lost()
        return all(stored)

    def changed(self):
        self.changes += 1

    # What its owner and time do to it

    def config(self, config, confirm_s=30, **more):
        """A sealed one, newer than all before."""
        return self.sealed(CONFIG, config if isinstance(config, bytes) else text(config), confirm_s=confirm_s, **more)

    def command(self, verb, **fields):
        """A sealed one, newer than all before."""
        made = self.sealed
        return made(COMMAND, text(dict(fields, verb=verb, transaction="t")), expires=(self.version + 1) // S + 60)

    def sealed(self, kind, plaintext, version=None, keys=KEYS, **more):
        self.version = version or self.version + 1
        return sealed.seal(keys, kind, self.version, plaintext, os.urandom(16), **more)

    def push(self, config, confirm_s=30, **more):
        """The answer."""
        return self.orders.obey(self.config(config, confirm_s, **more))[1]

    def do(self, verb, **fields):
        """The answer."""
        return self.orders.obey(self.command(verb, **fields))[1]

    def confirm(self, version=None):
        """The answer."""
        return self.do("confirm", version="%016x" % (version or self.configuration.version))

    def wait(self, ms):
        Time.ms = (Time.ms + ms) & 0x3FFFFFFF
        if self.loop._has_timer:
            self.loop._timers_due(Time.ms)

    def what(self):
        """The first words of what was done since the last time, but for what was stored."""
        words = " ".join([one[0] for one in self.done if one[0] != "store"])
        self.done.clear()
        return words

    def names(self):
        """(services, clients) in force."""
        return [one.name for one in self.policy.services], [one.name for one in self.policy.clients]

    def is_revoked(self, name, config=CONFIG_FILE):
        """Of a client in a configuration, by its key."""
        found = [one.fingerprint for one in policy.load(text(config)).clients if one.name == name][0]
        return self.clients.store.last(found, STAMPS) == 1 << 62
