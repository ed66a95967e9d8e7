"""Honest signed knocks over a bad line: every packet has its own luck. Which ones opened, the log of the engine tells; clients
whose door answers send no more.
"""

import json
import random
import time
from heapq import heappop, heappush

from net.clients import PORT

from ..figure import Figure
from ..outsider import Outsider
from ..peers.knocklet_spa import SERVICE, KnockletSpa
from ..race import candidates

NAMES = ("spa_lossy_opened_ratio",)
_CLIENTS = 100
_ROUNDS = 50  # knocks of each client, one a second
_LOST, _TWICE, _SWAPPED = 0.10, 0.05, 0.25
_SENDS_S = (0, 0.3, 0.9, 1.8)  # as knocklet knock does
_LEAST = 0.999


class Crowd(KnockletSpa):
    CLIENTS = _CLIENTS
    TTL_S = 1


def measure():
    with candidates("ipset", Crowd) as (engine,):
        doors = _Doors(engine)
        knocked = _knock(engine, doors)
        time.sleep(0.5)
        opened = doors.opened()
    ratio = round(len(knocked & opened) / len(knocked), 5)
    stray = len(opened - knocked)  # the warming up's
    target = f">= {_LEAST} of {len(knocked)}"
    return [Figure(NAMES[0], ratio, "", target, ratio >= _LEAST, {"not opened": len(knocked - opened), "others": stray})]


class _Doors:
    """Who was let in, as the engine has told so far."""

    def __init__(self, engine):
        self._log = engine.log.open()
        self._begun = ""   # of a line that is not whole yet
        self._opened = set()

    def opened(self):
        *lines, self._begun = (self._begun + self._log.read()).split("\n")
        events = [json.loads(line) for line in lines if line.startswith("{")]
        self._opened |= {event["source"] for event in events if event["event_type"] == "opened"}
        return self._opened


def _knock(engine, doors):
    """Let all knock. Returns the sources that did."""
    place, luck = engine.place, random.Random()
    begin = time.monotonic()
    plan, knocked, held = [], {}, {}
    for number in range(_CLIENTS * _ROUNDS):  # (when, knock, which sending of it)
        heappush(plan, (begin + number / _CLIENTS, number, 0))
    with place.client.inside():
        while plan:
            when, number, sending = heappop(plan)
            time.sleep(max(0.0, when - time.monotonic()))
            if not sending:
                knocked[number] = place.source()
            elif knocked[number] in doors.opened():
                continue
            client, packets = number % _CLIENTS, []
            packet = (knocked[number], engine.clients[client].packet(SERVICE))
            fate = luck.random()
            if fate >= _LOST:
                packets = [packet] * (2 if fate < _LOST + _TWICE else 1)
            if luck.random() < _SWAPPED and client not in held:
                held[client] = packets  # until the client's next one has gone
            else:
                packets += held.pop(client, [])
                for source, payload in packets:
                    with Outsider(place.gateway.ip4, source) as outsider:
                        outsider.send(PORT, payload)
            if sending + 1 < len(_SENDS_S):
                heappush(plan, (when + _SENDS_S[sending + 1] - _SENDS_S[sending], number, sending + 1))
    return set(knocked.values())
