"""Orders: a sealed message, from its arrival to the answer. What is not the owner's, or not new, is counted, no more."""

import gc

from ..core import command
from ..core.errors import NEEDS_MEMORY, KnockletError, Refused
from ..core.sealed_gate import SealedGate
from ..wire import sealed
from .commands import Commands
from .loop import now_ms


class Orders:
    """gate: core.sealed_gate.SealedGate, with its counts."""

    def __init__(self, engine, name, key):
        keys = sealed.SealKeys(key, name)
        self.gate = SealedGate(keys)
        self._engine = engine
        self._name = name
        self._floors = engine.floors
        self._commands = Commands(engine, keys)
        self._seen = {}  # kind -> version of the last authentic message of this start

    def has_room(self):
        """May one more message be read?"""
        return self.gate.has_room(now_ms())

    def _floor(self, kind):
        """A store that was made anew has its own floor: nobody knows what was taken before. What a message says is read
        once, also when it is refused: whoever carries it could else have it read again and again, and until it is obeyed."""
        in_force = self._engine.configuration.version if kind == sealed.CONFIG else 0
        return max(self._floors.last(kind), in_force, self._engine.clients.store.floor_us or 0, self._seen.get(kind, 0))

    def obey(self, message):
        """(verb, the answer: a dict), or None when nobody is to be answered."""
        clock = self._engine.clients.clock
        trusted, now_us = clock.trusted, clock.now_us()
        found = self.gate.header(message, self._floor)
        if found is None:
            return None
        answer = {"data": {}, "status": "error", "transaction": "", "version": "%016x" % found.version}
        verb = "set" if found.kind == sealed.CONFIG else "command"
        try:
            self.gate.check(found, self._floor(found.kind), now_us, trusted)
            self._seen[found.kind] = found.version
            text = self.gate.text(message)
            if found.kind == sealed.CONFIG:
                if self._engine.clients.store.floor_us is None:
                    raise Refused("what was taken before is lost: a configuration is taken when the clock is trusted")
                answer["transaction"] = answer["version"]
                answer["data"] = self._engine.configuration.take(self._name, found, message, text, self._floors)
            else:
                asked = command.Command(text)
                verb, answer["transaction"] = asked.verb, asked.transaction
                fields = asked.fields(trusted)
                self._remember(asked, found.version)
                answer["data"] = self._commands.do(asked.verb, fields, found.version)
            answer["status"] = "ok"
        except KnockletError as error:
            answer["error"] = str(error)
        except OSError as error:
            answer["error"] = "the system refused: %s" % error
        except MemoryError:
            gc.collect()
            answer["error"] = NEEDS_MEMORY
        self._engine.changed()
        return verb, answer

    def _remember(self, asked, version):
        """Before it acts: it is not taken again. What does no harm goes on with storage that has failed."""
        if not self._floors.remember(sealed.COMMAND, version, now_ms()) and not asked.harmless:
            raise Refused("%s: that it was used cannot be stored" % asked.verb)
