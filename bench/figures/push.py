"""How long a change takes from the owner's computer: `knocklet push` with a real broker, agent and engine.

    knocklet push (mgmt) -> mosquitto (mgmt) -> agent -> engine (gateway), tried, confirmed, answered

push_s: from the sealed configuration at the broker to the answer that it is kept, as a subscriber there sees them. The whole
command, with its start and the questions before, is told beside it.
"""

import json
import queue
import time

from lab.owner import NAME

from ..figure import at_most
from ..race import median
from . import agent

NAMES = ("push_s",)
_TIMES = 11
_FIRST = 1  # the broker's and the agent's first message of that size
_LIMIT_S = 0.5
_ANSWER_S = 10


def measure():
    took, command = [], []
    with agent.watched(True) as (engine, owner, _), agent.subscriber(owner, True, seen := queue.SimpleQueue(), "#"):
        files = owner.lab.directory / "gateways"
        owner.knocklet("init", files, "--from", engine.config, "--host", owner.lab.gateway.ip4)
        for number in range(_TIMES):
            file = files / f"{NAME}.toml"
            file.write_text(file.read_text().replace("ttl = ", f"ttl = {number + 1}0 # ", 1))
            began = time.perf_counter()
            done = json.loads(owner.knocklet("push", NAME, "--yes", "--json").stdout)["gateways"][0]
            command.append(time.perf_counter() - began)
            if done["outcome"] != "in force":
                raise RuntimeError(f"knocklet push: {done}")
            took.append(_between(seen, "set", "response/confirm"))
    took, command = sorted(took[_FIRST:]), sorted(command[_FIRST:])
    peers = {"longest": round(took[-1], 3), "whole command": round(median(command), 2)}
    return [at_most(NAMES[0], round(median(took), 3), "s", _LIMIT_S, peers)]


def _between(seen, first, last):
    """Seconds between messages on these topics."""
    began = None
    while True:
        at_ns, topic = seen.get(timeout=_ANSWER_S)
        if topic == f"knocklet/{NAME}/{first}":
            began = at_ns
        elif topic == f"knocklet/{NAME}/{last}" and began:
            return (at_ns - began) / 1e9
