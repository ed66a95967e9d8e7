"""Candidates in turn, in one run: what disturbs the machine disturbs them all."""

from .sample import sample_ms


def race(place, rounds, *candidates):
    """Start all of `candidates`, pairs of (candidate, samples), and take a sample of each in turn, `rounds` times.

    A candidate with fewer samples takes part in every so-maniest round; another one begins each time.
    Returns candidate's NAME -> its milliseconds, sorted.
    """
    for candidate, _ in candidates:
        candidate.start()
        warm_up(place, candidate)
    taken = {candidate.NAME: [] for candidate, _ in candidates}
    for number in range(rounds):
        here = [candidate for candidate, samples in candidates if number % (rounds // samples) == 0]
        first = number % len(here)
        for candidate in here[first:] + here[:first]:
            taken[candidate.NAME].append(sample_ms(place, candidate))
    return {name: sorted(values) for name, values in taken.items()}


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
