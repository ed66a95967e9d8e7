"""A sweep of all ports never opens a sequence: in port order never at all, in random order not in 2,000 trials.

Only ports that are steps or decoys matter to the matcher (test_matcher.py), so only those are sent, in the order of the sweep.
In half of the random trials the steps come in order by construction: those are the ones that a decoy must stop, and without
decoys the same trials open.
"""

import unittest

from common.clients import client, service
from common.knocking import Knocking
from common.numbers import Numbers
from common.packets import TCP, UDP
from knocklet.core import decoys, policy, verdict
from knocklet.core.errors import ConfigError
from knocklet.core.otp import SLOT_US, Otp

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


class TestOneTime(unittest.TestCase):
    """The same of one-time sequences, three slots of each pair at once. Their steps are in random order, so that most sweeps
    do none of them in any case: the ones that could are looked for, slot by slot, or made so.
    """

    SSH = service(1)

    def policy(self, pairs, count=6, protocol=TCP):
        """Without fixed sequences, with 64 decoys."""
        made = policy.load(b'{"interfaces": ["wan0"]}')
        made.otp.pairs = [(client(number, [self.SSH]), self.SSH) for number in range(pairs)]
        made.otp.count, made.otp.protocol = count, protocol
        return made

    def at(self, otp, slot, chosen):
        """(knocking at this time, its decoys, all its steps); without decoys when `chosen` has none."""
        otp.set_time(slot * SLOT_US)
        steps = {step for number in otp.sequences for step in otp.sequences[number].steps}
        ports = decoys.beside(chosen, {port for _, port in steps}, ())
        knocking = Knocking([])
        knocking.matcher.set_sequences(otp.sequences, ports)
        return knocking, ports, steps

    def test_of_64_pairs(self):
        """192 sequences, in port order and in random order, of all ports and of every tenth one."""
        for protocol in (TCP, UDP):
            made = self.policy(64, protocol=protocol)
            otp, numbers = Otp(made.otp), Numbers(17 + protocol)
            for slot in range(60_000_000, 60_000_006, 3):
                knocking, ports, steps = self.at(otp, slot, decoys.choose(made, (), numbers.below))
                self.assertEqual((len(otp.sequences), len(ports)), (192, 64))
                relevant = set(ports) | {port for _, port in steps}
                source = 0
                for _, order in port_orders(relevant):
                    self.assertFalse(opens(knocking, source, order))
                    source += 1
                for rest in range(10):
                    some = [port for port in relevant if port % 10 == rest]
                    for _, order in port_orders(some):
                        self.assertFalse(opens(knocking, source, order))
                        source += 1
                for _ in range(10):
                    order = [(protocol, port) for port in relevant]
                    numbers.shuffle(order)
                    self.assertFalse(opens(knocking, source, order))
                    source += 1
        opened_without = 0
        for slot in range(60_000_000, 60_000_090, 3):
            bare, _, steps = self.at(otp, slot, [])
            opened_without += opens(bare, 0, sorted(steps)) + opens(bare, 1, sorted(steps, reverse=True))
        self.assertGreaterEqual(opened_without, 1)

    def slots(self, made, count, fits):
        """The first so many slots with a sequence of the only pair of which fits(ports) is true."""
        otp = Otp(made.otp)
        slot, found = 60_000_001, []
        while len(found) < count:
            otp.set_time(slot * SLOT_US)
            if any(fits([port for _, port in one.steps]) for one in otp.sequences.values()):
                found.append(slot)
            slot += 3
        return found

    def test_steps_in_port_order(self):
        for count, slots in ((6, 3), (4, 20)):
            made = self.policy(1, count)
            otp, below = Otp(made.otp), Numbers(count).below
            for slot in self.slots(made, slots, lambda ports: sorted(ports) in (ports, list(reversed(ports)))):
                guarded, ports, steps = self.at(otp, slot, decoys.choose(made, (), below))
                orders = [order for _, order in port_orders(set(ports) | {port for _, port in steps})]
                for number, order in enumerate(orders):
                    self.assertFalse(opens(guarded, number, order))
                bare = self.at(otp, slot, [])[0]
                self.assertTrue(any(opens(bare, number, order) for number, order in enumerate(orders)))

    def test_every_nth_port(self):
        """Steps that a sweep of every second or third port meets in turn."""
        for n in (2, 3):
            made = self.policy(1, 4)
            otp, below = Otp(made.otp), Numbers(40 + n).below

            def fits(ports, n=n):
                return sorted(ports) == ports and len({port % n for port in ports}) == 1

            for slot in self.slots(made, 4, fits):
                guarded, ports, steps = self.at(otp, slot, decoys.choose(made, (), below))
                relevant = sorted(set(ports) | {port for _, port in steps})
                orders = [[(TCP, port) for port in relevant if port % n == rest] for rest in range(n)]
                for number, order in enumerate(orders):
                    self.assertFalse(opens(guarded, number, order))
                bare = self.at(otp, slot, [])[0]
                self.assertTrue(any(opens(bare, number, order) for number, order in enumerate(orders)))

    def test_random_order(self):
        """Every second time with the steps of one slot in order."""
        trials = TRIALS // 4
        made = self.policy(1)
        otp = Otp(made.otp)
        chosen = decoys.choose(made, (), Numbers(3).below)
        for ports, least, most in ((chosen, 0, 0), ([], trials // 2, trials)):
            numbers = Numbers(2027)
            knocking, ports, steps = self.at(otp, 60_000_000, ports)
            count = 0
            for trial in range(trials):
                order = sorted(steps) + [(TCP, port) for port in ports]
                numbers.shuffle(order)
                if trial % 2:
                    one = otp.sequences[sorted(otp.sequences)[numbers.below(3)]].steps
                    places = [at for at, step in enumerate(order) if step in one]
                    for at, step in zip(places, one):
                        order[at] = step
                count += opens(knocking, trial, order)
            self.assertTrue(least <= count <= most, count)
