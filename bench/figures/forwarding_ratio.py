"""Routed throughput from wan to lan with the engine attached, divided by that without: TCP, whole packets, one connection.

For each firewall two labs are up, and each has a connection that carries something only while it is read from. They are read
in turn, 30 ms each, so that a pair is measured in the same seconds. The engine changes places after every pair, rules and all,
and the ratio is the geometric mean of both places: two labs are never quite alike. Beside it the same with no engine at all
(A/A), which shows what the machine does by itself.
"""

import socket
import threading
import time
from contextlib import ExitStack
from statistics import median

from ..figure import Figure
from ..peers.knocklet import Knocklet
from ..place import place

NAMES = ("forwarding_ratio",)
_PAIRS = 9  # with the engine in the one lab, and as many with it in the other
_TURNS = 20  # of each lab in a pair
_TURN_S = 0.03
_PORT = 5001
_CHUNK = bytes(65536)
_WAITING_BYTES = 65536  # of the receiver: what is under way from an earlier turn is nothing beside what a turn carries
_AT_LEAST = 0.95


def measure():
    ratios, again, throughput = {}, {}, []
    for firewall in ("ipset", "nft"):
        with ExitStack() as open_:
            places = [open_.enter_context(place(firewall)) for _ in range(2)]
            receivers = [open_.enter_context(_download(here)) for here in places]
            _pair(receivers)  # a first one that does not count
            again[firewall] = _ratio([_pair(receivers)[:: 1 if number % 2 else -1] for number in range(2 * _PAIRS)])
            pairs = []
            for number in range(2 * _PAIRS):
                engine = Knocklet(places[number % 2])
                engine.start()
                with_engine, without = _pair(receivers)[:: 1 if number % 2 == 0 else -1]
                engine.stop()
                throughput.append(without)
                pairs.append((with_engine, without))
            ratios[firewall] = _ratio(pairs)
    peers = {**ratios, **{f"A/A {name}": value for name, value in again.items()}, "Mbit/s without": round(median(throughput))}
    value = min(ratios.values())
    return [Figure(NAMES[0], value, "", f">= {_AT_LEAST}", value >= _AT_LEAST, peers)]


def _ratio(pairs):
    """Of [(one, other)], every second one with the labs exchanged."""
    places = [median(one / other for one, other in pairs[first::2]) for first in (0, 1)]
    return round((places[0] * places[1]) ** 0.5, 3)


def _download(here):
    """A connection from lan to the client that brings as much as is read from it. Returns its socket in lan."""
    with here.client.inside(), socket.socket() as listening:
        listening.bind((here.client.ip4, _PORT))
        listening.listen()
        with here.camera.inside():
            receiving = socket.socket()
            receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WAITING_BYTES)
            receiving.settimeout(5)
            receiving.connect((here.client.ip4, _PORT))
        sending, _ = listening.accept()
    threading.Thread(target=_send, args=(sending,), daemon=True).start()
    return receiving


def _send(sending):
    with sending:
        try:
            while True:
                sending.sendall(_CHUNK)
        except OSError:  # the receiver has gone
            pass


def _pair(receivers):
    """Megabits a second of each: the median of its turns. Every turn follows another's, so each has to get going anew."""
    turns = [[_megabits(receiving) for receiving in receivers] for _ in range(_TURNS)]
    return [median(of_one) for of_one in zip(*turns)]


def _megabits(receiving):
    """Megabits a second of one turn."""
    buffer, count, begin = bytearray(1 << 18), 0, time.monotonic()
    while (passed := time.monotonic() - begin) < _TURN_S:
        count += receiving.recv_into(buffer)
    return count * 8 / passed / 1e6
