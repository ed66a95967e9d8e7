"""How long the engine takes for a new minute with 500 clients: their tags, the filter, the kernel's taking it."""

import subprocess

from ..figure import at_most
from ..paths import MICROPYTHON, ROOT
from ..race import median

NAMES = ("filter_swap_ms_500",)
_CLIENTS, _TIMES = 500, 40
_FIRST = 3  # of the first minute all three slots are new; and the heap is not warm yet
_LIMIT_MS = 10


def measure():
    took = {}
    for clients in (_CLIENTS, 50):
        command = [MICROPYTHON[64], ROOT / "bench" / "filter_driver.py", clients, _TIMES]
        done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        took[clients] = sorted([float(line) for line in done.stdout.split()][_FIRST:])
    peers = {"longest": round(took[_CLIENTS][-1], 2), "50 clients": round(median(took[50]), 2)}
    return [at_most(NAMES[0], round(median(took[_CLIENTS]), 2), "ms", _LIMIT_MS, peers)]
