"""The decoy ports: closed like all others, and whoever walks into one while knocking is sweeping.

One lies between each two consecutive steps of a sequence, one below the lowest and one above the highest step (where
there is a port), so that a sweep in either direction, of TCP and UDP in turn or one after the other, falls over one
before it is through; the rest is spread at random against sweeps in random order. Ten hosts that share a sweep may take
every tenth port each: where all the steps are on the way of one, so are the decoys between them.
"""

from .policy import no_decoys
from .sequences import neighbours

_LOWEST = 1024  # ordinary visitors go to well-known ports
_HIGHEST = 65535


def choose(policy, busy, random_below):
    """Decoy ports for `policy`: a sorted list of at most policy.decoys distinct ports (more where steps need more).

    busy: ports that carry real traffic (listening sockets); random_below(n) gives an integer 0 .. n - 1.
    """
    if not policy.decoys or not (policy.sequences or policy.otp.pairs):
        return []
    steps = [port for sequence in policy.sequences for _, port in sequence.steps]
    never = no_decoys(policy)
    never_or_busy = never | set(busy)
    chosen = set()

    def pick(after, before, stride=1):
        """One free port between the two, a multiple of `stride` away if there is one; a busy one only where all are."""
        for avoid in (never_or_busy, never):
            for step in (stride, 1):
                count = (before - after - 1) // step
                start = random_below(count) if count > 0 else 0
                for i in range(count):
                    port = after + ((start + i) % count + 1) * step
                    if port not in avoid and port not in chosen:
                        chosen.add(port)
                        return

    for sequence in policy.sequences:
        stride = _stride(sequence)
        parts = _parts(stride)
        for number, (one, two) in enumerate(neighbours(sequence)):
            low, high = min(one[1], two[1]), max(one[1], two[1])
            step = stride if high - low > stride else parts[number % len(parts)]
            if not any(low < port < high and (port - low) % step == 0 for port in chosen):
                pick(low, high, step)
    if steps:
        pick(max(steps), _HIGHEST + 1)
        pick(_LOWEST - 1 if min(steps) > _LOWEST else 0, min(steps))
    for _ in range(policy.decoys - len(chosen)):
        pick(_LOWEST - 1, _HIGHEST + 1)
    return sorted(chosen)


def beside(ports, taken, never):
    """The decoys, those that one-time sequences have `taken` (a set of ports) moved to a free port near by; not across one of
    `never` (no_decoys), or nothing might lie between two steps. One that has no such place is left out."""
    there = set(ports)
    for port in sorted(there & taken):
        there.remove(port)
        moved = _next_free(port, 1, taken | there, never) or _next_free(port, -1, taken | there, never)
        if moved:
            there.add(moved)
    return sorted(there)


def _next_free(port, way, taken, never):
    """The first port in this direction that is free, 0 when one of `never` comes before it or the end of all ports."""
    while port in taken:
        port += way
    return 0 if port in never or not _LOWEST <= port <= _HIGHEST else port


def _stride(sequence):
    """The greatest n for which a sweep of every nth port can meet all steps: the greatest common divisor of their distances."""
    stride = 0
    for one, two in neighbours(sequence):
        rest = abs(one[1] - two[1])
        while rest:
            stride, rest = rest, stride % rest
    return stride


def _parts(stride):
    """For steps that lie one stride apart: it divided by each of its prime factors, the largest that come by in between."""
    parts = []
    rest, factor = stride, 2
    while rest > 1:
        if rest % factor == 0:
            parts.append(stride // factor)
        while rest % factor == 0:
            rest //= factor
        factor += 1
    return parts or [1]
