"""A sweep of all ports never opens a sequence: in port order never at all, in random order not in 2,000 trials.

Only ports that are steps or decoys matter to the matcher (test_matcher.py), so only those are sent, in the order of the sweep.
In half of the random trials the steps come in order by construction: those are the ones that a decoy must stop, and without
decoys the same trials open.
"""

import unittest

from common.knocking import Knocking
from common.numbers import Numbers
from common.packets import TCP, UDP
from knocklet.core import decoys, policy, verdict
from knocklet.core.errors import ConfigError

TRIALS = 2000


def load(steps, count):
    """A policy with these sequences (lists of steps) and `count` decoys."""
    sequences = ", ".join(
        ['"s%d": {"steps": [%s], "open": ["ssh"]}' % (i, ", ".join(['"%s"' % step for step in list_]))
         for i, list_ in enumerate(steps)]
    )  # fmt: skip
    text = '{"interfaces": ["wan0"], "decoys": %d, "services": {"ssh": {"index": 1, "port": 22}}, "sequences": {%s}}'
    return policy.load((text % (count, sequences)).encode())


def opens(knocking, number, order):
    """Does one source (made of `number`), which sends to these (protocol, port), complete a sequence?"""
    source = bytes([10, number >> 16, number >> 8 & 255, number & 255])
    now_ms = 11_000 * number & 0x3FFFFFFF  # attempts of the trial before have been outlived
    found = False
    for protocol, port in order:
        found |= knocking.knock(source, protocol, port, now_ms) == verdict.COMPLETE
        now_ms = now_ms + 1 & 0x3FFFFFFF
    return found


def port_orders(ports):
    """(name, the order in which a scanner sends to these ports) of the sweeps that go through the ports up or down."""
    up = sorted(ports)
    for name, there in (("up", up), ("down", list(reversed(up)))):
        tcp = [(TCP, port) for port in there]
        udp = [(UDP, port) for port in there]
        yield name + ", tcp", tcp
        yield name + ", udp", udp
        yield name + ", tcp, then udp", tcp + udp
        yield name + ", udp, then tcp", udp + tcp
        yield name + ", tcp, then udp back", tcp + list(reversed(udp))
        yield name + ", udp, then tcp back", udp + list(reversed(tcp))
        yield name + ", both to each port", [one for pair in zip(tcp, udp) for one in pair]
        yield name + ", both to each port, udp first", [one for pair in zip(udp, tcp) for one in pair]
        yield name + ", every packet twice", [one for one in tcp for _ in range(2)]
        yield name + ", three times over", tcp * 3


class TestPortOrder(unittest.TestCase):
    def test_never_opens(self):
        below = Numbers(11).below
        tried = opened_without = 0
        while tried < 60:
            low = (1, 1024, 7000, 40000)[below(4)]
            span = (40, 500, 20000)[below(3)]
            steps = [
                ["%d/%s" % (low + 1 + below(span), ("tcp", "udp")[below(2)]) for _ in range(2 + below(4))]
                for _ in range(1 + below(3))
            ]
            try:
                made = load(steps, (1, 64)[below(2)])
            except ConfigError:  # no room for a decoy between two steps, or a port twice
                continue
            tried += 1
            ports = decoys.choose(made, (), below)
            relevant = set(ports) | {port for sequence in made.sequences for _, port in sequence.steps}
            guarded = Knocking(made.sequences, ports)
            for number, (name, order) in enumerate(port_orders(relevant)):
                if opens(guarded, number, order):
                    self.fail("%s opens %s with decoys %s" % (name, steps, ports))
            bare = Knocking(made.sequences)
            orders = [order for _, order in port_orders(relevant)]
            opened_without += any(opens(bare, number, order) for number, order in enumerate(orders))
        self.assertGreaterEqual(opened_without, 20)

    def test_every_nth_port(self):
        """From one address: whatever n, as long as it is less than what lies between two steps."""
        for steps in ([20000, 31000, 40000, 52000], [7000, 8200, 9400, 10600], [5003, 5010, 5031], [9000, 7700, 6600]):
            made = load([[str(step) for step in steps]], 64)
            for seed in range(10):
                ports = decoys.choose(made, (), Numbers(seed).below)
                relevant = sorted(set(ports) | set(steps), reverse=steps[0] > steps[1])
                for n in range(1, min([abs(one - two) for one, two in zip(steps, steps[1:])])):
                    order = [(TCP, port) for port in relevant if (port - steps[0]) % n == 0]
                    if not set(made.sequences[0].steps) <= set(order):
                        continue
                    with self.subTest(steps=steps, n=n):
                        self.assertFalse(opens(Knocking(made.sequences, ports), 1, order))
                        self.assertTrue(opens(Knocking(made.sequences), 1, order))

    def test_ascending_steps_of_any_protocol(self):
        """The plainest case: without decoys it opens."""
        for steps, name in (
            (["7000", "8000", "9000", "10000"], "up, tcp"),
            (["7000/udp", "8000/udp", "9000/udp", "10000/udp"], "up, udp"),
            (["7000", "8000/udp", "9000", "10000/udp"], "up, both to each port"),
            (["10000/udp", "9000", "8000", "7000"], "down, both to each port"),
            (["7000", "8000/udp"], "up, tcp, then udp"),
            (["8000", "7000/udp"], "up, tcp, then udp"),
        ):
            with self.subTest(steps):
                made = load([steps], 1)
                ports = decoys.choose(made, (), Numbers(3).below)
                order = dict(port_orders(set(ports) | {port for _, port in made.sequences[0].steps}))[name]
                self.assertFalse(opens(Knocking(made.sequences, ports), 1, order))
                self.assertTrue(opens(Knocking(made.sequences), 1, order))


class TestRandomOrder(unittest.TestCase):
    def opened(self, made, ports):
        """How many of the trials complete the sequence; every second has its steps in order."""
        numbers = Numbers(2026)
        steps = made.sequences[0].steps
        knocking = Knocking(made.sequences, ports)
        count = 0
        for trial in range(TRIALS):
            order = steps + [(TCP, port) for port in ports]
            numbers.shuffle(order)
            if trial % 2:
                places = [at for at, one in enumerate(order) if one in steps]
                for at, one in zip(places, steps):
                    order[at] = one
            count += opens(knocking, trial, order)
        return count

    def test_four_steps(self):
        made = load([["7000", "8000", "9000", "10000"]], 64)
        ports = decoys.choose(made, (), Numbers(3).below)
        self.assertEqual(len(ports), 64)
        self.assertEqual(self.opened(made, ports), 0)
        self.assertGreaterEqual(self.opened(made, []), TRIALS // 2)
