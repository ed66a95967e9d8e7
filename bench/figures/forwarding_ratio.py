"""Routed throughput from wan to lan with the engine attached, divided by that without: TCP, one connection, whole packets.

A pair is without - with - without; the second "without" divided by the first (A/A) shows what the machine does by itself.
"""

import socket
import threading
import time
from statistics import median

from ..figure import Figure
from ..peers.knocklet import Knocklet
from ..place import place

NAMES = ("forwarding_ratio",)
_PAIRS = 9
_RUN_S = 0.6
_WARM_UP_S = 0.15  # of a connection: slow start
_PORT = 5001
_CHUNK = bytes(65536)
_AT_LEAST = 0.95


def measure():
    with place("ipset") as here:
        engine = Knocklet(here)
        here.door(engine.DOOR)
        _megabits(here)  # a first one that does not count
        pairs = [_pair(here, engine) for _ in range(_PAIRS)]
    ratio = round(median(with_ / without for without, with_, _ in pairs), 3)
    same = round(median(again / without for without, _, again in pairs), 3)
    spread = sorted(round(with_ / without, 2) for without, with_, _ in pairs)
    throughput = round(median(without for without, _, _ in pairs))
    peers = {"A/A": same, "lowest": spread[0], "highest": spread[-1], "Mbit/s without": throughput}
    return [Figure(NAMES[0], ratio, "", f">= {_AT_LEAST}", ratio >= _AT_LEAST, peers)]


def _pair(here, engine):
    without = _megabits(here)
    engine.attach()
    with_ = _megabits(here)
    engine.kill()
    here.lab.reset()  # takes the engine's rules and sets away
    here.route_pool()
    return without, with_, _megabits(here)


def _megabits(here):
    """Throughput of a connection from lan to the client, the way a download goes, in megabits a second."""
    with here.client.inside(), socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((here.client.ip4, _PORT))
        listening.listen()
        with here.camera.inside():
            receiving = socket.create_connection((here.client.ip4, _PORT), timeout=5)
        sending, _ = listening.accept()
    sender = threading.Thread(target=_send, args=(sending,))
    sender.start()
    try:
        with receiving:
            _receive(receiving, _WARM_UP_S)
            count, seconds = _receive(receiving, _RUN_S)
    finally:
        sender.join()
    return count * 8 / seconds / 1e6


def _send(sending):
    with sending:
        try:
            while True:
                sending.sendall(_CHUNK)
        except OSError:  # the receiver has enough
            pass


def _receive(receiving, seconds):
    """(bytes, seconds) of about so long."""
    buffer, count, begin = bytearray(1 << 18), 0, time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        count += receiving.recv_into(buffer)
    return count, passed
