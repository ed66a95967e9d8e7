"""Does a captured agent slow knocks down? Two engines in turn: one whose agent floods it with messages, and one without.

The flood comes from the agent's own connection, as fast as the socket takes it, with everything that the protocol has.
"""

import subprocess
import sys
from contextlib import contextmanager

from lab.owner import NAME, Owner

from ..figure import Figure
from ..peers.knocklet import Knocklet
from ..race import candidates, median, race

NAMES = ("captured_agent_open_ms_median",)
_KNOCKS = 200
_MORE_MS = 0.1
_FLOOD = """
import random, socket, sys
stock = [b"S", b"A\\0\\0\\0\\1", b"A\\xff\\xff\\xff\\xff", b"R\\5close{}", b"R\\4open{}", b"R\\tclose_all{}"]
stock += [b"Z" * 1000, random.randbytes(50)]
stock += [b"MKLE1" + random.randbytes(count) for count in (250, 66_000)]  # sealed, it says
while True:
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        agent.connect(sys.argv[1])
        while True:
            agent.send(random.choice(stock))
    except OSError:
        agent.close()
"""


class Watched(Knocklet):
    """It reports, or would if its agent did not do other things."""

    NAME = "captured agent"

    def start(self):
        self.id = NAME
        Owner(self.place.lab, self.place.directory, self.run_dir).set_up()
        super().start()


def measure():
    with candidates("nft", Watched, Knocklet) as made, _flood(made[0]):
        taken = race(_KNOCKS, dict.fromkeys(made, _KNOCKS))
        messages = made[0].status()["agent"]["messages"]
    flooded, quiet = median(taken["captured agent"]), median(taken["Knocklet"])
    limit = round(quiet + _MORE_MS, 3)
    target = f"<= {limit} (without + {_MORE_MS})"
    peers = {"without": round(quiet, 3), "messages taken": messages}
    return [Figure(NAMES[0], round(flooded, 3), "ms", target, flooded <= limit and messages > 0, peers)]


@contextmanager
def _flood(watched):
    command = [sys.executable, "-c", _FLOOD, f"{watched.run_dir}-agent/engine"]
    process = watched.place.gateway.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    process.kill()
