"""Where the decoys lie."""

import unittest

from common.numbers import Numbers
from knocklet.core import decoys


class Service:
    def __init__(self, port, to6_port=0):
        self.port, self.to6_port = port, to6_port


class Sequence:
    def __init__(self, *steps):
        self.steps = list(steps)


class Otp:
    pairs = ()


class Policy:
    def __init__(self, count, sequences=(), services=()):
        self.decoys, self.sequences, self.services = count, sequences, services
        self.spa_port = self.fwknop_port = 0
        self.otp = Otp()


def tcp(*ports):
    return Sequence(*[(6, port) for port in ports])


def chosen(policy, busy=(), seed=1):
    return decoys.choose(policy, busy, Numbers(seed).below)


def between(ports, low, high):
    return [port for port in ports if low < port < high]


class TestDecoys(unittest.TestCase):
    def test_count_and_range(self):
        for count in (3, 4, 64, 256):
            for seed in range(1, 6):
                with self.subTest(count=count, seed=seed):
                    ports = chosen(Policy(count, [tcp(7000, 9000)]), seed=seed)
                    self.assertEqual(len(ports), count)
                    self.assertEqual(ports, sorted(set(ports)))
                    self.assertTrue(1024 <= ports[0] and ports[-1] <= 65535)

    def test_none(self):
        self.assertEqual(chosen(Policy(0, [tcp(7000, 9000)])), [])
        self.assertEqual(chosen(Policy(64)), [])  # nothing to guard: nothing should wake the engine

    def test_one_between_each_two_steps(self):
        policy = Policy(64, [tcp(7000, 7002, 7004), Sequence((6, 9000), (17, 9010)), tcp(500, 400)])
        for seed in range(1, 30):
            ports = chosen(policy, seed=seed)
            with self.subTest(seed=seed):
                for low, high in ((7000, 7002), (7002, 7004), (9000, 9010), (400, 500)):
                    self.assertTrue(between(ports, low, high), (low, high))
                self.assertEqual(len(ports), 64)

    def test_one_below_and_one_above(self):
        for steps in ((1025, 65534), (1024, 50000), (443, 60000), (2, 4), (40000, 41000)):
            for seed in range(1, 10):
                ports = chosen(Policy(1, [tcp(*steps)]), seed=seed)
                with self.subTest(steps, seed=seed):
                    self.assertTrue(between(ports, 0, steps[0]))
                    self.assertTrue(between(ports, steps[0], steps[1]))
                    self.assertTrue(between(ports, steps[1], 65536))
                    self.assertEqual(len(ports), 3)

    def test_the_first_and_the_last_port(self):
        """Nothing lies beyond them."""
        self.assertEqual(len(between(chosen(Policy(2, [tcp(1, 65535)])), 1, 65535)), 2)

    def test_one_decoy_serves_two_sequences(self):
        ports = chosen(Policy(3, [tcp(7000, 8000), tcp(7000, 8000), tcp(8000, 7000)]))
        self.assertEqual(len(between(ports, 7000, 8000)), 1)

    def test_never_a_step_or_a_protected_port(self):
        """Also where nearly all ports are taken."""
        sequence = tcp(*range(3000, 3064, 2))
        services = [Service(port, port + 1000) for port in range(3001, 3063, 4)]
        policy = Policy(256, [sequence, tcp(*range(1024, 1300))], services)
        never = {port for _, port in sequence.steps} | set(range(1024, 1300))
        never |= {service.port for service in services} | {service.to6_port for service in services}
        for seed in range(1, 10):
            with self.subTest(seed=seed):
                self.assertEqual([port for port in chosen(policy, seed=seed) if port in never], [])

    def test_busy_ports_only_where_nothing_else_is_free(self):
        policy = Policy(10, [tcp(7000, 7010), tcp(8000, 8003)])
        busy = set(range(7001, 7009)) | {8001, 8002} | set(range(30000, 32000))
        for seed in range(1, 41):
            ports = chosen(policy, busy, seed)
            with self.subTest(seed=seed):
                self.assertEqual(between(ports, 7000, 7010), [7009])
                self.assertEqual(len(between(ports, 8000, 8003)), 1)
                self.assertEqual([port for port in ports if port in busy and not 8000 < port < 8003], [])

    def test_spread(self):
        """A quarter of the ports has about a quarter of the decoys."""
        ports = [port for seed in range(1, 9) for port in chosen(Policy(256, [tcp(7000, 9000)]), seed=seed)]
        for quarter in range(4):
            low = 1024 + quarter * 16128
            self.assertTrue(430 < len(between(ports, low - 1, low + 16128)) < 600)

    def test_others_with_other_numbers(self):
        """They are secret: two gateways share few."""
        one, other = [chosen(Policy(64, [tcp(7000, 9000)]), seed=seed) for seed in (1, 2)]
        self.assertLessEqual(len(set(one) & set(other)), 3)

    def test_any_policy(self):
        """As many as asked for, or as the gaps need; a gap, once served, is not served again."""
        numbers = Numbers(9)
        for _ in range(40):
            sequences = [
                Sequence(*[((6, 17)[numbers.below(2)], 2 * (1 + numbers.below(32000))) for _ in range(1 + numbers.below(32))])
                for _ in range(1 + numbers.below(16))
            ]  # even ports: a free one lies between any two
            policy = Policy(1 + numbers.below(256), sequences, [Service(2 * (1 + numbers.below(32000)))])
            ports = decoys.choose(policy, (), numbers.below)
            gaps = 0
            for sequence in sequences:
                for (_, one), (_, two) in zip(sequence.steps, sequence.steps[1:]):
                    gaps += 1
                    if one != two:
                        self.assertTrue(between(ports, min(one, two), max(one, two)))
            self.assertTrue(policy.decoys <= len(ports) <= max(policy.decoys, gaps + 2))
            steps = {port for sequence in sequences for _, port in sequence.steps}
            self.assertFalse(steps & set(ports))
