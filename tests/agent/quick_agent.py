"""The agent from its source with short deadlines: a hostile broker is given up in a second, and tried again after less.

The deadlines are constants: the compiled firmware has none that could be set, and the product has no option for them.
Some host names are known here besides the system's.
"""

import gc
import sys
import time

gc.threshold(16384)
here = sys.argv[0].rpartition("/")[0] or "."
sys.path[:] = [here + "/../../firmware"]
from knocklet import agent  # noqa: E402  (only after the path is set)
from knocklet.core import backoff, mqtt_session  # noqa: E402
from knocklet.edge import mqtt_link  # noqa: E402

mqtt_session.HELLO_MS = 1000
mqtt_session.WRITE_MS = 1000
mqtt_session.KEEP_ALIVE_MS = 1000
mqtt_session.SILENCE_MS = 1500
backoff.FIRST_MS = 5
backoff.LONGEST_MS = 10
agent._AWAY_MS = 1000
agent._SUM_MS = 200
agent._BIRTH_MS = (10, 20)


class Names:
    """socket, with names of its own: name -> (addresses, after how many failed look-ups)."""

    known = {
        "many.example": (("::1", "127.0.0.9", "127.0.0.1"), 0),
        "late.example": (("127.0.0.1",), 3),
        "slow.example": (("127.0.0.1",), 0),
        "deaf.example": (("127.0.0.9",), 0),
    }
    asked = 0

    def __init__(self, module):
        self.socket, self.SOCK_STREAM, self._look_up = module.socket, module.SOCK_STREAM, module.getaddrinfo

    def getaddrinfo(self, host, *more):
        addresses, failures = self.known.get(host, ((host,), 0))
        self.asked += 1
        if host == "slow.example":
            time.sleep_ms(2 * mqtt_session.HELLO_MS)
        if self.asked <= failures:
            raise OSError("[addrinfo error -2]")
        return [self._look_up(address, *more)[0] for address in addresses]


mqtt_link.socket = Names(mqtt_link.socket)
sys.exit(agent.main(sys.argv[1:]))
