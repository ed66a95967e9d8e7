"""Sweeps of all ports: in which order, from where, and that every packet of them has arrived and was judged."""

from collections import Counter
from ipaddress import ip_address
from typing import NamedTuple

from lab.waiting import wait_until

CHUNK = 256  # ports; TCP to so many, then UDP, where a sweep sends both


class Sweep(NamedTuple):
    name: str
    ports: list  # in the order of sending
    protocols: tuple = ("tcp",)
    family: int = 4
    to: str = "gateway"
    good_checksum: bool = True
    good_header: bool = True

    def opens(self, sequences):
        """The names of those sequences (name -> ["7000/tcp", ...]) that it does where nothing protects."""
        return completed(self.ports, self.protocols, sequences) if self.good_header and self.to == "gateway" else set()


def completed(ports, protocols, sequences):
    """The sequences of which this order of sending has every step in turn."""
    places = {port: place for place, port in enumerate(ports)}

    def sent(step):
        port, _, protocol = step.partition("/")
        place = places[int(port)]
        return place // CHUNK, protocols.index(protocol), place

    possible = {name: steps for name, steps in sequences.items() if {step[-3:] for step in steps} <= set(protocols)}
    return {name for name, steps in possible.items() if sorted(steps, key=sent) == steps}


# Orders of sending


def every_tenth():
    """Ten passes, each of every tenth port."""
    return [port for first in range(1, 11) for port in range(first, 65536, 10)]


def ten_in_turn():
    """Ten scanners behind one address take turns, each with a tenth of the ports."""
    return [port for first in range(1, 6555) for port in range(first, 65536, 6554)]


# Sending and counting


def source_of(number, family):
    """An address outside that no sweep before had."""
    return str(ip_address("16.1.0.0" if family == 4 else "2001:db8:f::") + number)


def seen(dut):
    """What became of the packets that passed the engine's filter; not one may be missing because the ring was full."""
    status = dut.ctl("status")
    assert [interface["ring_dropped"] for interface in status["interfaces"]] == [0]
    return Counter(status["packets"])


def send(lab, sweep, source):
    """Send it all; every packet arrives at the gateway's interface."""
    host = getattr(lab, sweep.to)
    to = host.ip4 if sweep.family == 4 else host.ip6
    received = lab.received_from_wan()
    with lab.generator() as wire:
        step = CHUNK if len(sweep.protocols) > 1 else len(sweep.ports)
        for start in range(0, len(sweep.ports), step):
            for protocol in sweep.protocols:
                ports = sweep.ports[start : start + step]
                wire.sweep(source, to, ports, protocol, sweep.good_checksum, sweep.good_header)
    sent = len(sweep.protocols) * len(sweep.ports)
    wait_until(lambda: lab.received_from_wan() - received >= sent, f"{sent} packets at wan0")


def judged(dut, before, count, what):
    """What became of the next `count` packets that pass the filter."""

    def enough():
        became = seen(dut) - before
        return became if became.total() >= count else None

    became = wait_until(enough, f"{count} steps and decoys of {what}")
    assert became.total() == count
    return became
