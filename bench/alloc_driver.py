"""The engine's real parts and its real loop, in MicroPython, told to count what they take from the heap.

    micropython alloc_driver.py FIRMWARE CONFIG RUN_DIR FRAMES

Prints {"decoys": [ports]} when it listens and {"taken": bytes, "kept": bytes, "packets": {verdict: count}} after FRAMES
frames of the ring. "taken" counts all that was taken from the heap, also what was given back at once (frames of calls);
"kept" is the growth of gc.mem_alloc(). The collector is off. Some frames before that do not count: poll makes its tuple at
the first packet, and the first sweep is told.
"""

import gc
import json
import sys

sys.path[:] = [sys.argv[1]]
from micropython import mem_total  # noqa: E402

from knocklet.edge import run_dir  # noqa: E402  (only after the path is set)
from knocklet.edge.log import Log  # noqa: E402
from knocklet.engine import Engine  # noqa: E402

_BEFORE = 2000
_LONGEST_MS = 10_000


def seen(counts):
    total = 0
    i = 0
    while i < len(counts):
        total += counts[i]
        i += 1
    return total


def turn_until(engine, frames):
    """Turn the loop until so many frames have been judged. Hot: takes nothing from the heap itself."""
    counts = engine.knocks.counts
    loop = engine.loop
    while seen(counts) < frames:
        loop.turn(_LONGEST_MS)


_, _, config, directory, frames = sys.argv
run_dir.prepare(directory)
engine = Engine(config, directory, Log())
engine.start()
print(json.dumps({"decoys": engine.ports.decoys}))
while engine._tidy[0] >= 0:  # the heap is given back once, some time after the start: that takes all of it for a moment
    engine.loop.turn(100)
turn_until(engine, _BEFORE)
gc.collect()
gc.disable()
last = seen(engine.knocks.counts) + int(frames)
kept, taken = gc.mem_alloc(), mem_total()
turn_until(engine, last)
taken, kept = mem_total() - taken, gc.mem_alloc() - kept
print(json.dumps({"taken": taken, "kept": kept, "packets": engine.packet_counts()}))
