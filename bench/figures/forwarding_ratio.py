"""Routed throughput from wan to lan with the engine attached, divided by that without: TCP, whole packets, one connection.

Five labs are up: with and without the engine for each firewall, and one more without. Each has a connection that carries
something only while it is read from. They are read in turn, 30 ms each, so that a pair is measured in the same seconds; the
one more divided by its like (A/A) shows what the machine does by itself. The figure is the lower one of the two firewalls.
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
_PAIRS = 9
_TURNS = 20  # of each lab in a pair
_TURN_S = 0.03
_PORT = 5001
_CHUNK = bytes(65536)
_WAITING_BYTES = 65536  # of the receiver: what is under way from an earlier turn is nothing beside what a turn carries
_AT_LEAST = 0.95


def measure():
    with ExitStack() as open_:
        places = [open_.enter_context(place(firewall)) for firewall in ("ipset", "ipset", "ipset", "nft", "nft")]
        for with_engine in (places[1], places[4]):
            Knocklet(with_engine).start()
        receivers = [open_.enter_context(_download(here)) for here in places]
        _pair(receivers)  # a first one that does not count
        pairs = [_pair(receivers) for _ in range(_PAIRS)]
    ipset, again, nft = (_ratio(pairs, *which) for which in ((1, 0), (2, 0), (4, 3)))
    throughput = round(median(without for without, *_ in pairs))
    peers = {"ipset": ipset, "nft": nft, "A/A": again, "Mbit/s without": throughput}
    value = min(ipset, nft)
    return [Figure(NAMES[0], value, "", f">= {_AT_LEAST}", value >= _AT_LEAST, peers)]


def _ratio(pairs, one, other):
    return round(median(pair[one] / pair[other] for pair in pairs), 3)


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
