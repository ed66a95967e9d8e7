"""How long the engine takes to put a sealed configuration of 64 services and 200 clients into force: from its arrival to the
answer, on both interpreters (the 32-bit one with twice its own heap: the 1 MB that it takes by itself are too little).
"""

import json
import time

from net.big_config import big_config
from net.holder import KEY, NAME, Holder

from ..figure import at_most
from ..paths import MICROPYTHON
from ..peers.knocklet import Knocklet
from ..place import place
from ..process import memory_kb
from ..race import median

NAMES = ("apply_64x200_s",)
_TIMES = 9
_LIMIT_S = 1


class Configured(Knocklet):
    HEAP = ""

    def write_config(self):
        self.id = NAME
        self.trust_clock()
        super().write_config()
        key = self.config.with_name("key")
        key.write_bytes(KEY)
        key.chmod(0o600)


class Small(Configured):
    HEAP = "2M"


def measure():
    took, memory = {}, 0
    for engine, bits in ((Configured, 64), (Small, 32)):
        with place("nft") as here:
            running = engine(here, MICROPYTHON[bits])
            running.start()
            took[bits] = sorted(_applied(running))
            memory = memory or memory_kb(running.pid)["Anonymous"]
            running.stop()
    peers = {"longest": round(took[64][-1], 3), "32-bit": round(median(took[32]), 3), "anonymous kB": memory}
    return [at_most(NAMES[0], round(median(took[64]), 3), "s", _LIMIT_S, peers)]


def _applied(running):
    """Seconds, each time with other keys."""
    with Holder(running) as holder:
        for number in range(_TIMES):
            config = big_config(seed=number) | {"firewall": running.place.lab.firewall}
            message = holder.config_message(json.dumps(config).encode())
            began = time.perf_counter()
            answer = holder.say(message, "set")
            taken_s = time.perf_counter() - began
            if answer["status"] != "ok":
                raise RuntimeError(answer["error"])
            yield taken_s
