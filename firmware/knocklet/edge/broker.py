"""The broker: connects, keeps one MQTT session going over one link, and begins anew after a growing wait when it ends."""

import os

from ..core import mqtt_session
from ..core.backoff import Backoff
from ..core.clock import after, age
from ..core.mqtt_session import Session, SessionError
from .loop import now_ms
from .mqtt_link import Link, LinkError

_READS = 8  # of 2 kB a turn: a broker that floods does not keep the rest waiting


class Broker:
    """config: AgentConfig. The owner gets connected(), message(topic, payload, retained), acknowledged(token) and lost()."""

    def __init__(self, loop, config, log, owner):
        self.session = None
        self._config = config
        self._log = log
        self._owner = owner
        self._where = "broker %s, port %d" % (config.host, config.port)
        self._link = Link(loop, config.host, config.port, config.tls, config.server_name, self._changed)
        self._loop = loop
        self._timer = loop.timer(self._due)
        self._backoff = Backoff()
        self._name = None
        self._filters = None
        self._connected_ms = 0
        self._end_ms = 0  # of the connection attempt
        self._flowing = False
        self._told = ""  # the last reason in the log: the same one again is not said again

    def use(self, name, filters):
        """Connect as this gateway, subscribing to these topic filters; as another one: anew."""
        if name != self._name:
            self._name, self._filters = name, filters
            if self.session:
                self._end("the gateway has another name", now_ms())
            self._loop.start(self._timer, now_ms(), 0)

    def connected(self):
        """Has the broker taken us in?"""
        return bool(self.session) and self.session.connected

    def room(self):
        """How many publishes may be sent now."""
        return self.session.room() if self.session else 0

    def publish(self, topic, payload, retain, token):
        """Only when there is room()."""
        self.session.publish(topic, payload, retain, token, now_ms())
        if not self._flowing:  # else it goes when what it answers has been handled
            self._flow()

    def _due(self, at_ms):
        """The timer: the next attempt, the next address, a ping, or a deadline."""
        if self.session is None:
            self._begin()
        elif not self._link.connected:
            self._next_address(at_ms)
        else:
            self._flow()
        return -1  # each of them has set the timer anew

    def _begin(self):
        try:
            self._link.open()
        except LinkError as error:
            self._end(str(error), now_ms())
            return
        at_ms = now_ms()  # a slow resolver takes nothing away from the connection's time
        self.session = Session(self._name, self._config.password, self._filters, at_ms)
        self._end_ms = after(at_ms, mqtt_session.HELLO_MS)
        self._next_address(at_ms)

    def _next_address(self, at_ms):
        try:
            self._loop.start(self._timer, at_ms, self._link.next_address(at_ms, self._end_ms))
        except LinkError as error:
            self._end(str(error), at_ms)

    def _changed(self):
        """The link has something."""
        if self._link.connected:
            self._flow()
            return
        try:
            if not self._link.established():
                self._next_address(now_ms())
                return
        except LinkError as error:
            self._end(str(error), now_ms())
            return
        self.session.opened(now_ms())
        self._flow()

    def _flow(self):
        """Write and read as much as goes, then wait for what is missing."""
        session = self.session
        self._flowing = True
        try:
            self._write()
            reads = 0
            while session.hungry() and reads < _READS:
                data = self._link.read()
                if data is None:
                    break
                reads += 1
                for happened in session.receive(data, now_ms()):
                    self._tell(happened)
                self._write()
            wait_ms = session.tick(now_ms())
            self._write()
            self._link.wait_for(session.hungry(), len(session.waiting()) > 0)
        except (LinkError, SessionError) as error:
            self._end(str(error), now_ms())
            return
        finally:
            self._flowing = False
        self._loop.start(self._timer, now_ms(), 0 if reads == _READS and session.hungry() else wait_ms)

    def _write(self):
        session = self.session
        data = session.waiting()
        while len(data):
            count = self._link.write(data)
            if not count:
                return
            session.sent(count, now_ms())
            data = session.waiting()

    def _tell(self, happened):
        kind = happened[0]
        if kind == mqtt_session.CONNECTED:
            self._connected_ms = now_ms()
            self._told = ""
            self._log("%s: connected" % self._where)
            self._owner.connected()
        elif kind == mqtt_session.MESSAGE:
            self._owner.message(happened[1], happened[2], happened[3])
        elif kind == mqtt_session.ACKNOWLEDGED:
            self._owner.acknowledged(happened[1])
        else:
            self._log("%s: it refuses the subscription to %s" % (self._where, ", ".join(happened[1])))

    def _end(self, why, at_ms):
        """The attempt or the session is over."""
        was_connected = self.connected()
        self._link.close_socket()
        self.session = None
        lived_ms = age(at_ms, self._connected_ms) if was_connected else 0
        wait_ms = self._backoff.ended(lived_ms, int.from_bytes(os.urandom(2), "big"))
        if why != self._told:
            self._told = why
            text = "lost" if was_connected else "not reached"
            self._log("%s: %s: %s; next try in %d s" % (self._where, text, why, (wait_ms + 999) // 1000))
        self._loop.start(self._timer, at_ms, wait_ms)
        if was_connected:
            self._owner.lost()
