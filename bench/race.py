"""Candidates in turn, in one run: what disturbs the machine disturbs them all.

Client and gateway are two machines: the client gets a core of its own, the gateway's processes the others. Without that the
client's probes and the daemon that they wait for stand in line for one core.
"""

import os
from contextlib import contextmanager

from .sample import sample_ms


def race(place, rounds, *candidates):
    """Start all of `candidates`, pairs of (candidate, samples), and take a sample of each in turn, `rounds` times.

    A candidate with fewer samples takes part in every so-maniest round; another one begins each time.
    Returns candidate's NAME -> its milliseconds, sorted.
    """
    for candidate, _ in candidates:
        candidate.start()
        warm_up(place, candidate)
    with apart([candidate.pid for candidate, _ in candidates if candidate.pid]):
        return _in_turn(place, rounds, candidates)


def _in_turn(place, rounds, candidates):
    taken = {candidate.NAME: [] for candidate, _ in candidates}
    for number in range(rounds):
        here = [candidate for candidate, samples in candidates if number % (rounds // samples) == 0]
        first = number % len(here)
        for candidate in here[first:] + here[:first]:
            taken[candidate.NAME].append(sample_ms(place, candidate))
    return {name: sorted(values) for name, values in taken.items()}


@contextmanager
def apart(pids):
    """This process has the first core for itself, the gateway's processes (and what they start) have the rest."""
    cores = os.sched_getaffinity(0)
    client = {min(cores)}
    for pid in pids:
        os.sched_setaffinity(pid, cores - client or cores)
    os.sched_setaffinity(0, client)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def warm_up(place, candidate, tries=5):
    """A few knocks that do not count, until two in a row have opened: it is up, and nothing happens for the first time."""
    opened = 0
    for _ in range(tries):
        opened = opened + 1 if sample_ms(place, candidate) < 1000 else 0
        if opened == 2:
            return
    raise RuntimeError(f"{candidate.NAME}: its knocks do not open")


def median(values):
    return values[len(values) // 2]


def p99(values):
    """Of sorted values, the one that 99 of 100 do not exceed."""
    return values[-(-99 * len(values) // 100) - 1]
