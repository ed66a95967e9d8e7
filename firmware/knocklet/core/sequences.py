"""Fixed port sequences in the policy: their steps, and what they open or close. Read strictly, as all of the policy."""

from ..wire.steps import format_step, parse_step
from . import services
from .errors import ConfigError

WINDOW_S = 10  # unless it says otherwise
_STEPS = 32
_SAME_START = 6  # of the 8 places that a source has in the table of attempts


class Sequence:
    """A fixed one: name, steps: list of (protocol, port), window_ms, opens (else it closes), services: list of Service."""


def read(name, table, by_name):
    """The Sequence in a checked table; by_name: service name -> Service. Raises ConfigError."""
    sequence = Sequence()
    sequence.name = name
    sequence.steps = []
    for text in table.texts("steps", 1, _STEPS):
        try:
            step = parse_step(text)
        except ValueError:
            table.fail("steps", text, "steps as 7000/tcp or 7000/udp, ports 1-65535")
        if step[1] in [port for _, port in sequence.steps]:
            table.fail("steps", text, "each port once: a repeated step looks like a retransmission")
        sequence.steps.append(step)
    sequence.window_ms = 1000 * table.integer("window", WINDOW_S, 1, 60)
    if ("open" in table.values) == ("close" in table.values):
        table.fail("open", "both or none", "exactly one of 'open' and 'close', a list of service names")
    sequence.opens = "open" in table.values
    key = "open" if sequence.opens else "close"
    sequence.services = services.named(table, key, by_name, services.LIMIT)
    table.done()
    return sequence


def check(policy, never):
    """A step may not be a protected port, and a sweep needs a decoy to fall over between two steps.

    never: the ports that cannot be one (core.policy.no_decoys). Raises ConfigError.
    """
    protected = {(service.protocol, service.port): service for service in policy.services}
    starts = [sequence.steps[0] for sequence in policy.sequences]
    for sequence in policy.sequences:
        where = "sequences.%s.steps: " % sequence.name
        for step in sequence.steps:
            if step in protected:
                raise ConfigError(where + "%s is the port of service %s; allowed: ports of no service"
                                  % (format_step(*step), protected[step].name))  # fmt: skip
            if policy.decoys and step[1] in (1, 65535):
                raise ConfigError(where + "%s has no port beyond it for a decoy; allowed: 2-65534" % format_step(*step))
            if starts.count(step) > _SAME_START:
                raise ConfigError(where + "%s begins %d sequences; allowed: %d"
                                  % (format_step(*step), starts.count(step), _SAME_START))  # fmt: skip
        for one, two in neighbours(sequence) if policy.decoys else ():
            low, high = min(one[1], two[1]), max(one[1], two[1])
            if all(port in never for port in range(low + 1, high)):
                raise ConfigError(where + "%s and %s have no free port between them for a decoy; allowed: steps further apart"
                                  % (format_step(*one), format_step(*two)))  # fmt: skip


def neighbours(sequence):
    """The pairs of consecutive steps, of either protocol: a sweep may send TCP and UDP to each port in turn."""
    return [(sequence.steps[i], sequence.steps[i + 1]) for i in range(len(sequence.steps) - 1)]
