"""Runs on MicroPython and takes sealed messages as an engine does, a JSON line at a time; a firewall is not needed for that.

micropython config_driver.py FIRMWARE_FOLDER
"""

import sys
import time
from binascii import unhexlify

sys.path[:] = [sys.argv[1], sys.argv[0].rpartition("/")[0] + "/.."]

from common.orders import obey  # noqa: E402  (only after the path is set)
from knocklet.edge import floors  # noqa: E402
from knocklet.edge.configuration import Configuration  # noqa: E402
from knocklet.edge.loop import Loop  # noqa: E402
from knocklet.edge.orders import Orders  # noqa: E402
from knocklet.edge.replay_store import ReplayStore  # noqa: E402


class Clock:
    trusted = False

    def now_us(self):
        return time.time_ns() // 1000


class Clients:
    def __init__(self, state_dir, run_dir):
        self.store = ReplayStore(state_dir, run_dir)
        self.clock = Clock()

    def keep_always(self, pairs):
        pass

    def stored(self, fingerprint, what, value, _now_ms):
        return self.store.store(fingerprint, what, value)


class Events:
    def __init__(self):
        self.told = []

    def tell(self, _now_ms, event_type, **fields):
        self.told.append(event_type)


class Wishes:
    armed = True

    def arm(self, armed, _now_ms):
        self.armed = armed


class Grants:
    live = ()


class Doors:
    grants = Grants()


class Engine:
    """What Configuration and Orders ask of the real one."""

    doors = Doors()

    def __init__(self, folder):
        self.events = Events()
        self.wishes = Wishes()
        self.policy = self.clients = self.orders = None
        self._folder = folder
        self.configuration = Configuration(folder + "/config.json", Loop(), self.events, self)
        self.configuration.apply()
        self.floors = floors.Floors(self.clients, self.policy.name)
        self.wishes.armed = self.floors.armed()
        self.orders = Orders(self, self.policy.name, self.configuration.key)

    def need_clients(self):
        self.clients = self.clients or Clients(self._folder + "/state", self._folder + "/run")
        return self.clients

    def force(self, policy, _warnings):
        self.policy = policy

    def revoke(self, fingerprints):
        stored = [floors.revoke(self.clients, fingerprint, 0) for fingerprint in fingerprints]
        for fingerprint in fingerprints:
            self.policy.leave_out(fingerprint)
        return all(stored)

    def changed(self):
        pass


class Driver:
    def open(self, folder):
        """As an engine that starts. Returns what is in force, as state()."""
        self.engine = Engine(folder)
        return self.state()

    def state(self):
        engine = self.engine
        store = engine.clients.store
        return {
            "version": engine.configuration.version,
            "trial": engine.configuration.trial,
            "sequences": sorted([sequence.name for sequence in engine.policy.sequences]),
            "clients": sorted([client.name for client in engine.policy.clients]),
            "floors": [engine.floors.last(1), engine.floors.last(2)],
            "armed": engine.floors.armed(),
            "told": engine.events.told,
            "made_anew": store.made_anew,
        }

    def say(self, message):
        """A sealed message, in hex. Returns the answer's status."""
        engine = self.engine
        engine.orders.gate = type(engine.orders.gate)(engine.orders.gate._keys)  # its rate is not of interest here
        answer = engine.orders.obey(unhexlify(message))
        return answer and (answer[1]["status"], answer[1].get("error", ""))

    def use_file(self):
        self.engine.configuration.apply(True)

    def settle(self):
        return self.engine.clients.store.settle()


obey(Driver())
