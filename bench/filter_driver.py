"""How long a new minute takes with many clients: the new slot's tags, the program, the kernel's taking it. Under MicroPython.

    micropython bench/filter_driver.py CLIENTS TIMES       prints milliseconds, one line each
"""

import gc
import sys
import time

# The source: in the build, the names of its parts are short.
sys.path[0:1] = [(sys.argv[0].rpartition("/")[0] or ".") + "/../firmware"]

from knocklet.core import bpf, filter  # noqa: E402  (only after the path is set)
from knocklet.core.gate import Gate  # noqa: E402
from knocklet.edge.capture import Capture  # noqa: E402
from knocklet.wire.keys import ClientKeys  # noqa: E402


class Client:
    def __init__(self, number):
        self.keys = ClientKeys(bytes([number >> 8, number & 255]) + bytes(range(30)), "home")


def main():
    gc.threshold(65536)  # as the engine has it
    gate = Gate(1000, 7)
    gate.set_clients([Client(number) for number in range(int(sys.argv[1]))])
    ring = Capture(1)
    blocks = {}
    for minute in range(29_000_000, 29_000_000 + int(sys.argv[2])):
        began = time.ticks_us()
        gate.set_slots((minute - 1, minute, minute + 1))
        blocks = {table.slot: blocks.get(table.slot) or filter.tags_block(table.values()) for table in gate.tables}
        program = filter.program([], [], 62201, filter.spa_tags(blocks))
        place = ring.attach([program])
        took_us = time.ticks_diff(time.ticks_us(), began)
        if place:
            raise SystemExit("%d instructions did not fit" % bpf.size(program))
        print(took_us / 1000)


main()
