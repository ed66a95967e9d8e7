"""Heap taken by 100,000 frames of the ring, through the whole loop of the engine; none of them completes a knock."""

import itertools
import json
import subprocess
import time
from ipaddress import IPv4Address

from lab import packets

from ..figure import at_most
from ..paths import MICROPYTHON, ROOT
from ..peers.knocklet import STEPS, Knocklet
from ..place import place

NAMES = ("alloc_bytes_64", "alloc_bytes_32")
_FRAMES = 100_000
_PAUSE_S = 0.002  # between sources: the ring runs empty now and then, and the engine goes to sleep


def measure():
    return [_measure(name, bits) for name, bits in zip(NAMES, MICROPYTHON)]


def _measure(name, bits):
    with place("ipset") as here:
        here.door(Knocklet.DOOR)
        engine = Knocklet(here)
        engine.write_config()
        driver = ROOT / "bench" / "alloc_driver.py"
        command = [MICROPYTHON[bits], driver, ROOT / "firmware", engine.config, here.directory / "knocklet", _FRAMES]
        process = here.gateway.popen(command, stdout=subprocess.PIPE, text=True)
        told = _told(process, "decoys")
        _send_all_kinds(here, process, told["decoys"])
        found = _told(process, "taken")
        process.wait()
    return at_most(name, found["taken"], "bytes", 0, {"kept": found["kept"], **found["packets"]})


def _told(process, key):
    """The driver's line with this key; the engine's own events come between."""
    for line in process.stdout:
        if line.startswith("{") and key in (found := json.loads(line)):
            return found
    raise RuntimeError(f"the driver ended without telling {key}: exit {process.wait()}")


def _send_all_kinds(here, process, decoys):
    """Every kind of packet that passes the kernel filter, from ever new sources, until the driver has ended."""
    sources = itertools.count(int(IPv4Address("16.0.0.1")))
    with here.lab.generator() as generator:
        while process.poll() is None:
            for number in range(20):
                generator.send(*_of_one_source(str(IPv4Address(next(sources))), here, decoys, number))
            time.sleep(_PAUSE_S)


def _of_one_source(source, here, decoys, number):
    """What one stranger sends, one of these for each `number`."""
    first, second, third = STEPS
    decoy = decoys[number % len(decoys)]
    ports = (
        [first],
        [first, first, first],  # repeated
        [first, second, second, first],
        [first, third, first],  # out of turn
        [second, third, decoy],  # without an attempt
        [first, decoy] * 2,
        [first, decoy] * 4,  # a sweep
    )[number % 7]
    to4, to6 = here.gateway.ip4, here.gateway.ip6
    kinds = (
        {},
        {},
        {"good_header": False},
        {"protocol": "udp"},
        {"options": packets.NO_OPERATION},
        {"source": f"2001:db8:f::{source.replace('.', ':')}", "destination": to6},
        {"source": "127.0.0.1"},
        {"source": to4},
        {"destination": here.camera.ip4},
    )[number % 9]
    return [packets.packet(**{"source": source, "destination": to4, "port": port, **kinds}) for port in ports]
