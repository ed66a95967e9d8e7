"""The agent: carries the engine's reports to the broker, requests and sealed messages back. It decides nothing, has no rights.

    knocklet_agent.py [--config FILE] [--run-dir DIR] [--user NAME] [--check]

Started as root it reads its configuration, becomes NAME for good, and only then talks to anybody.
Exit codes: 2 bad configuration, missing user or wrong use.
"""

import gc
import json
import os
import sys

from . import VERSION
from .core import agent_messages, discovery
from .core.errors import KnockletError
from .core.request_gate import Gate
from .edge import agent_config, engine_link, options, privileges, run_dir, tls_context
from .edge.broker import Broker
from .edge.log import Log
from .edge.loop import Loop, now_ms
from .wire import topics

_CONFIG = "/etc/knocklet/agent.json"
_USER = "knocklet"
_GC_BYTES = 65536
_AWAY_MS = 10_000  # without its engine for so long, a gateway is offline
_BIRTH_MS = 1000, 9000  # Home Assistant has come up: wait for one and up to nine seconds more
_SUM_MS = 60_000
_OWN = None  # token of what the agent itself publishes


class Agent:
    """The parts of one agent, wired together."""

    def __init__(self, config, directory):
        self.loop = Loop()
        self.loop.rings_ready = _no_rings
        self.log = Log()
        self._say = lambda line: self.log.write("knocklet-agent: " + line)
        self._prefix = config.home_assistant
        self._run_dir = directory + agent_messages.DIRECTORY
        self._broker = Broker(self.loop, config, self._say, self)
        self._engine = engine_link.EngineLink(self.loop, directory, self)
        self._away = self.loop.timer(self._engine_away)
        self._birth = self.loop.timer(self._home_assistant_up)
        self._sums = self.loop.timer(self._sum)
        self._name = None
        self._gate = None
        self._engine_here = False
        self._skipping = False
        self._own = []  # (topic, payload) of the agent's own that wait for room, all retained

    def start(self):
        self._engine.start()

    # What the engine link tells.

    def hello(self, name):
        self._say("engine connected, gateway %s" % name)
        self._engine_here = True
        self.loop.start(self._away, now_ms(), -1)
        if name != self._name:
            self._name = name
            self._gate = Gate(name)
        filters = [topics.topic(name, topics.REQUEST + "+"), topics.topic(name, topics.SET)]
        if self._prefix:
            filters.append(self._prefix + "/status")
        self._broker.use(name, filters)
        if self._broker.connected():
            self._online()

    def report(self, flags, token, topic, payload):
        """Without a broker it is let go: the engine keeps what is not acknowledged, and sends it after the next START."""
        if self._broker.room() and not self._skipping:
            retain = bool(flags & agent_messages.RETAIN)
            self._broker.publish(topics.topic(self._name, topic), payload, retain, (self._engine.generation, token))
        self._pump()

    def engine_missing(self):
        self._say("no engine in %s: trying again each second (does it run, with an id and a key?)" % self._run_dir)

    def engine_lost(self):
        self._say("engine lost: trying again each second")
        self._engine_here = False
        self.loop.start(self._away, now_ms(), _AWAY_MS)

    def _engine_away(self, _at_ms):
        self._publish_own(topics.topic(self._name, topics.STATUS), topics.OFFLINE)
        return -1

    # What the broker tells.

    def connected(self):
        self._own = []
        if self._engine_here:
            self._online()
        else:
            self._engine_away(now_ms())  # what is retained there may be of better times

    def message(self, topic, payload, retained):
        if self._prefix and topic == (self._prefix + "/status").encode():
            if payload == topics.ONLINE and not retained:
                wait_ms = _BIRTH_MS[0] + int.from_bytes(os.urandom(2), "big") % _BIRTH_MS[1]
                self.loop.sooner(self._birth, now_ms(), wait_ms)
            return
        made = self._gate.message(topic, payload, retained, now_ms())
        if made:
            self._engine.send(made)
        self.loop.sooner(self._sums, now_ms(), _SUM_MS)

    def acknowledged(self, token):
        if token and token[0] == self._engine.generation and token[1]:
            self._engine.send(agent_messages.acknowledge(token[1]))
        self._pump()

    def lost(self):
        self._own = []
        self._pump()

    def _sum(self, _at_ms):
        """A line a minute about what was not passed on, as long as there is something."""
        dropped = self._gate.dropped + self._engine.dropped
        if dropped:
            self._say("%d messages from the broker dropped, %d passed on" % (dropped, self._gate.passed))
            self._gate.dropped = self._gate.passed = self._engine.dropped = 0
        return -1

    # Together.

    def _online(self):
        """Both are here: the gateway is online, and everything is sent again that is retained or not acknowledged.

        What the engine has sent before that would otherwise arrive ahead of older ones that come again.
        """
        self._skipping = True
        self._engine.skip()
        self._skipping = False
        self._publish_own(topics.topic(self._name, topics.STATUS), topics.ONLINE)
        self._discovery()
        self._engine.send(agent_messages.START)

    def _home_assistant_up(self, _at_ms):
        if self._engine_here and self._broker.connected():
            self._discovery()
            self._engine.send(agent_messages.START)
        return -1

    def _discovery(self):
        if self._prefix:
            payload = json.dumps(discovery.payload(self._name, VERSION), separators=(",", ":"))
            self._publish_own(discovery.topic(self._prefix, self._name), payload.encode())

    def _publish_own(self, topic, payload):
        self._own = [waiting for waiting in self._own if waiting[0] != topic] + [(topic, payload)]
        self._pump()

    def _pump(self):
        """The agent's own first; then the engine is read, as long as the broker takes more. Without a broker, always."""
        while self._own and self._broker.room():
            topic, payload = self._own.pop(0)
            self._broker.publish(topic, payload, True, _OWN)
        self._engine.watch(not self._broker.connected() or self._broker.room() > 0)


def _no_rings(_at_ms):
    return False


def say(line):
    """A line for a person, on standard error."""
    sys.stderr.write("knocklet-agent: %s\n" % line)


def main(argv):
    try:
        values = {"--config": _CONFIG, "--run-dir": run_dir.DEFAULT, "--user": _USER}
        check = options.read(argv, values, ("--check",))
        path = values["--config"]
        config = agent_config.load(path)
        if check:
            print("%s: good" % path)
            return 0
        privileges.drop(values["--user"])
        if not config.tls:
            say("the connection to the broker is plain: %s" % ("no TLS in this MicroPython" if not tls_context.AVAILABLE
                                                               else "the configuration says so"))  # fmt: skip
        agent = Agent(config, values["--run-dir"])
        agent.start()
    except (KnockletError, OSError) as error:
        say(str(error))
        return 2
    gc.threshold(_GC_BYTES)
    gc.collect()
    while True:
        agent.loop.turn()
