"""How many MACs this board may check in a window of the budget: what fits a part of its time, measured once at start."""

import time

from ..core.mac_budget import LIMIT, WINDOW_MS
from ..core.spa import author
from ..wire import spa_packet
from ..wire.keys import ClientKeys

_PART = 8  # percent of the time; what else there is to do for a packet with a wrong MAC makes a quarter of it
_ROUNDS, _CHECKS = 3, 8


class _Client:
    keys = ClientKeys(bytes(range(32)), "speed")


def checks():
    """For core.gate.Gate."""
    ring = bytearray(2 * spa_packet.BYTES)
    clients = [_Client]
    best_us = 0
    for _ in range(_ROUNDS):  # the machine may have something else to do in one of them
        began = time.ticks_us()
        for _ in range(_CHECKS):
            author(clients, bytes(ring[: spa_packet.BYTES]))
        took_us = max(1, time.ticks_diff(time.ticks_us(), began) // _CHECKS)
        best_us = min(best_us or took_us, took_us)
    return min(LIMIT, max(1, WINDOW_MS * 10 * _PART // best_us))
