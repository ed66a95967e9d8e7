"""One sample, taken the same way for every candidate: from just before the last knock packet is sent until the door answers."""

import gc
import random
from time import perf_counter_ns, sleep

from .outsider import Outsider

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
    sleep(random.uniform(*_REST_S))
    with place.client.inside(), Outsider(place.gateway.ip4, source) as outsider:
        gc.disable()
        try:
            if outsider.is_open(candidate.DOOR):
                raise RuntimeError(f"{candidate.NAME}: the door was open before the knock")
            began = knock(outsider, packets, candidate.GAP_S)
            taken_ms = _until_open_ms(outsider, candidate.DOOR, began)
        finally:
            gc.enable()
    candidate.end(source)
    return taken_ms


def knock(outsider, packets, gap_s):
    """Send the packets of a knock, [(port, UDP payload or None for a TCP SYN)]. Returns the time just before the last."""
    for number, packet in enumerate(packets):
        if number:
            sleep(gap_s)
        began = outsider.send(*packet)
    return began


def _until_open_ms(outsider, door, began):
    while True:
        answered = outsider.answered(door)
        taken_ms = (perf_counter_ns() - began) / 1e6
        if answered:
            return taken_ms
        if taken_ms > _GIVE_UP_MS:
            return _GIVE_UP_MS
