"""One sample, taken the same way for every candidate: from just before the last knock packet is sent until the door answers."""

import gc
import random
import socket
from time import perf_counter_ns, sleep

from .probe import Probe

# Before each: whatever an earlier sample has started is over; at random, because some daemons take packets by the clock.
_REST_S = (0.02, 0.07)
_GIVE_UP_MS = 3000.0


def sample_ms(candidate):
    """Milliseconds from a knock's last packet to the first answer. A knock that never opens counts as 3000.

    Raises RuntimeError when the door was open before the knock.
    """
    place = candidate.place
    source = place.source()
    packets = candidate.packets(source)
    to = place.gateway.ip4
    sleep(random.uniform(*_REST_S))
    with place.client.inside(), Probe(to, candidate.DOOR, source) as probe:
        gc.disable()
        try:
            if probe.is_open():
                raise RuntimeError(f"{candidate.NAME}: the door was open before the knock")
            began = knock(to, source, packets, candidate.GAP_S)
            taken_ms = _until_open_ms(probe, began)
        finally:
            gc.enable()
    candidate.end(source)
    return taken_ms


def _until_open_ms(probe, began):
    while True:
        answered = probe.answered()
        taken_ms = (perf_counter_ns() - began) / 1e6
        if answered:
            return taken_ms
        if taken_ms > _GIVE_UP_MS:
            return _GIVE_UP_MS


def knock(to, source, packets, gap_s):
    """Send the packets of a knock, [(port, UDP payload or None for a TCP SYN)]. Returns the time just before the last."""
    for number, (port, payload) in enumerate(packets):
        if number:
            sleep(gap_s)
        began = send(to, source, port, payload)
    return began


def send(to, source, port, payload=None):
    """One packet of a knock from a fresh source port. Returns the time just before it left."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if payload is None else socket.SOCK_DGRAM) as made:
        made.bind((source, 0))
        made.setblocking(False)
        began = perf_counter_ns()
        if payload is None:
            made.connect_ex((to, port))  # closed before a second SYN is due
        else:
            made.sendto(payload, (to, port))
    return began
