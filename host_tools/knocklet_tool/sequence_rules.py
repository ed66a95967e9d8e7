"""What makes a sequence of steps easy to meet by a sweep, or to guess."""

from collections.abc import Iterator
from math import gcd

from .traffic_ports import traffic_at

Step = tuple[int, int]   # protocol, port

FEWEST = 4   # with 64 decoys, a sweep in random order does so many once in 300,000
_STRIDE = 10
_NARROW = 1000
_GUESSED = {1234, 4321, 12345, 23456, 31337, 34567, 45678, 54321, *range(1111, 10_000, 1111), *range(11_111, 65_536, 11_111)}


def weaknesses(steps: list[Step]) -> Iterator[tuple[int | None, str]]:
    """(number of the step from 0, or None for all of them; what is weak about it)."""
    ports = [port for _, port in steps]
    apart = [two - one for one, two in zip(ports, ports[1:])]
    if len(steps) < FEWEST:
        yield None, f"{len(steps)} of {FEWEST} steps or more: a sweep of all ports does it by chance"
    if len(apart) > 1 and (min(apart) > 0 or max(apart) < 0):
        yield None, "its ports only go one way, as those of a sweep do"
    if len(apart) > 1 and len(set(apart)) == 1:
        yield None, "its ports are equally far apart: easy to guess"
    elif len(apart) > 1 and (stride := gcd(*apart)) >= _STRIDE:
        yield None, f"a sweep of every {stride}th port meets all of its steps"
    if len(steps) > 1 and max(ports) - min(ports) < _NARROW:
        yield None, f"all its ports are within {_NARROW}: a sweep of few ports meets them"
    for number, (protocol, port) in enumerate(steps):
        if what := traffic_at(protocol, port):
            yield number, f"real traffic goes to this port: {what}"
        elif port in _GUESSED:
            yield number, "everybody's first guess"


def begins(one: list[Step], other: list[Step]) -> bool:
    """Is it done before, or together with, the other one?"""
    return bool(one) and one == other[: len(one)]
