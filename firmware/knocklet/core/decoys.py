"""The decoy ports: closed like all others, and whoever walks into one while knocking is sweeping.

One lies between each two consecutive steps of a sequence, one below the lowest and one above the highest step (where
there is a port), so that a sweep in either direction, of TCP and UDP in turn or one after the other, falls over one
before it is through; the rest is spread at random against sweeps in random order.
"""

from .policy import neighbours, no_decoys

_LOWEST = 1024  # ordinary visitors go to well-known ports
_HIGHEST = 65535


def choose(policy, busy, random_below):
    """Decoy ports for `policy`: a sorted list of at most policy.decoys distinct ports (more where steps need more).

    busy: ports that carry real traffic (listening sockets); random_below(n) gives an integer 0 .. n - 1.
    """
    if not policy.decoys:
        return []
    steps = [port for sequence in policy.sequences for _, port in sequence.steps]
    never = no_decoys(policy)
    never_or_busy = never | set(busy)
    chosen = set()

    def pick(low, high):
        """One free port of low..high, a busy one only where nothing else is free; none when all are taken."""
        start = random_below(high - low + 1) if high >= low else 0
        for avoid in (never_or_busy, never):
            for i in range(high - low + 1):
                port = low + (start + i) % (high - low + 1)
                if port not in avoid and port not in chosen:
                    chosen.add(port)
                    return

    for sequence in policy.sequences:
        for one, two in neighbours(sequence):
            low, high = min(one[1], two[1]) + 1, max(one[1], two[1]) - 1
            if not any(low <= port <= high for port in chosen):
                pick(low, high)
    if steps:
        pick(max(steps) + 1, _HIGHEST)
        pick(_LOWEST if min(steps) > _LOWEST else 1, min(steps) - 1)
    for _ in range(policy.decoys - len(chosen)):
        pick(_LOWEST, _HIGHEST)
    return sorted(chosen)
