"""The policy: what a good configuration becomes, and every refusal with the key in its line."""

import json
import unittest

from common import refusals
from common.numbers import Numbers
from common.refusals import Refusals
from knocklet.core import policy
from knocklet.core.errors import ConfigError

# The whole of what a configuration can hold.
GOOD = {
    "interfaces": ["wan0", "pppoe-wan", "eth0.2"],
    "zone": "reject",
    "firewall": "nft",
    "decoys": 32,
    "services": {
        "ssh": {"index": 1, "protocol": "tcp", "port": 22, "ttl": 60},
        "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "to6": "[fd00:1::50]:80",
                   "masquerade": True, "idle": 20, "max": 120},
        "heat": {"index": 3, "port": 8443, "to": "192.168.1.60:443", "one_shot": True, "approval": True},
        "vpn": {"index": 255, "protocol": "udp", "port": 22, "ttl": 86400, "cut": True},
        "six": {"index": 5, "port": 9999, "to6": "[2001:db8::7]:443"},
    },
    "sequences": {
        "front": {"steps": ["7000/tcp", "9100/udp", "8000"], "window": 60, "open": ["ssh", "camera"]},
        "front-shut": {"steps": ["8000/tcp", "7000/tcp"], "close": ["ssh"]},
    },
}  # fmt: skip

# Where in GOOD, what is put there (None: the key is taken out), how the line begins, what it must hold besides.
GONE = "(gone)"
REFUSED = (
    ("", [], "the configuration: ", "an object in braces"),
    ("surprise", 1, "surprise: unknown key", "interfaces, otp, revoked, sequences, services, spa_port, zone"),
    ("Zone", "drop", "Zone: unknown key", ""),
    ("interfaces", "_", "interfaces: found '_'", "a list"),
    ("interfaces", None, "interfaces: found null", "a list"),
    ("interfaces", [], "interfaces: ", "1 to 8"),
    ("interfaces", ["a", "b", "c", "d", "e", "f", "g", "h", "i"], "interfaces: ", "1 to 8"),
    ("interfaces", "wan0", "interfaces: found 'wan0'", "a list"),
    ("interfaces", [1], "interfaces: ", "texts"),
    ("interfaces", ["wan0", "wan0"], "interfaces: found 'wan0'", "once"),
    ("interfaces", [""], "interfaces: found ''", "1-15"),
    ("interfaces", ["a234567890123456"], "interfaces: ", "1-15"),
    ("interfaces", ["wan 0"], "interfaces: found 'wan 0'", ""),
    ("interfaces", ['wan"0'], "interfaces: found 'wan\"0'", ""),
    ("interfaces", ["wan0;"], "interfaces: ", ""),
    ("interfaces", ["wan+"], "interfaces: ", ""),
    ("interfaces", ["-o"], "interfaces: found '-o'", "beginning"),
    ("interfaces", ["."], "interfaces: ", ""),
    ("interfaces", ["a/b"], "interfaces: ", ""),
    ("interfaces", ["wan\n"], "interfaces: found 'wan?'", ""),
    ("zone", "open", "zone: found 'open'", '"drop", "reject", "accept"'),
    ("zone", None, "zone: found null", ""),
    ("firewall", "iptables", "firewall: found 'iptables'", '"auto", "ipset", "nft"'),
    ("decoys", 257, "decoys: found 257", "0-256"),
    ("decoys", -1, "decoys: found -1", "0-256"),
    ("decoys", True, "decoys: found true", "0-256"),
    ("decoys", "64", "decoys: found '64'", "0-256"),
    ("services", [], "services: ", "an object"),
    ("services.ssh", 5, "services.ssh: found 5", "an object in braces"),
    ("services.Ssh", {"index": 9, "port": 1}, "services: found 'Ssh'", "names of 1-32"),
    ("services.a'b", {"index": 9, "port": 1}, "services: found 'a'b'", ""),
    ('services.a"b', {"index": 9, "port": 1}, "services: found 'a\"b'", ""),
    ("services.", {"index": 9, "port": 1}, "services: found ''", ""),
    ("services.-a", {"index": 9, "port": 1}, "services: found '-a'", ""),
    ("services." + 33 * "a", {"index": 9, "port": 1}, "services: found 'aaa", ""),
    ("services.ssh.prot", "tcp", "services.ssh.prot: unknown key", "protocol"),
    ("services.ssh.index", GONE, "services.ssh.index: ", "required"),
    ("services.ssh.index", 0, "services.ssh.index: found 0", "1-255"),
    ("services.ssh.index", 256, "services.ssh.index: found 256", "1-255"),
    ("services.ssh.index", "1", "services.ssh.index: found '1'", "1-255"),
    ("services.vpn.index", 1, "services.vpn.index: 1 is ssh's", ""),
    ("services.ssh.protocol", "sctp", "services.ssh.protocol: found 'sctp'", '"tcp", "udp"'),
    ("services.ssh.protocol", 6, "services.ssh.protocol: found 6", ""),
    ("services.ssh.port", GONE, "services.ssh.port: ", "required"),
    ("services.ssh.port", 65558, "services.ssh.port: found 65558", "1-65535"),
    ("services.ssh.port", 0, "services.ssh.port: found 0", "1-65535"),
    ("services.ssh.port", -22, "services.ssh.port: found -22", "1-65535"),
    ("services.ssh.port", [22], "services.ssh.port: found [22]", ""),
    ("services.ssh.port", 8080, "services.ssh.port: 8080 is camera's", ""),
    ("services.vpn.protocol", "tcp", "services.vpn.port: 22 is ssh's", ""),
    ("services.six.to6", "[fd00:1::50]:80", "services.six.to6: 80 is camera's", ""),
    ("services.ssh.ttl", 0, "services.ssh.ttl: found 0", "1-86400"),
    ("services.ssh.ttl", 86401, "services.ssh.ttl: found 86401", "1-86400"),
    ("services.ssh.idle", 20, "services.ssh.idle: ", "'idle' and 'max' together"),
    ("services.ssh.max", 20, "services.ssh.idle: ", "'idle' and 'max' together"),
    ("services.camera.idle", 120, "services.camera.idle: found 120", "shorter"),
    ("services.camera.idle", 0, "services.camera.idle: found 0", "1-86400"),
    ("services.camera.max", 86401, "services.camera.max: found 86401", "1-86400"),
    ("services.camera.ttl", 30, "services.camera.ttl: found 30", "either"),
    ("services.camera.one_shot", True, "services.camera.one_shot: found true", "without"),
    ("services.heat.cut", True, "services.heat.one_shot: found true", "without"),
    ("services.heat.cut", 1, "services.heat.cut: found 1", "true, false"),
    ("services.heat.one_shot", "yes", "services.heat.one_shot: found 'yes'", "true, false"),
    ("services.heat.one_shot", None, "services.heat.one_shot: found null", ""),
    ("services.ssh.masquerade", True, "services.ssh.masquerade: found true", "beside 'to'"),
    ("services.six.masquerade", "auto", "services.six.masquerade: found 'auto'", "beside 'to'"),
    ("services.heat.masquerade", "no", "services.heat.masquerade: found 'no'", '"auto", true, false'),
    ("services.heat.masquerade", 1, "services.heat.masquerade: found 1", ""),
    ("services.heat.to", "", "services.heat.to: found ''", ""),
    ("services.heat.to", 5, "services.heat.to: found 5", ""),
    ("services.heat.to", "192.168.1.60", "services.heat.to: ", "192.168.1.50:443"),
    ("services.heat.to", "192.168.1.256:80", "services.heat.to: ", ""),
    ("services.heat.to", "192.168.1.60:65536", "services.heat.to: ", ""),
    ("services.heat.to", "192.168.1.60:0", "services.heat.to: ", ""),
    ("services.heat.to", "camera.lan:80", "services.heat.to: ", ""),
    ("services.heat.to", "0.0.0.0:80", "services.heat.to: ", ""),
    ("services.heat.to", "127.0.0.1:80", "services.heat.to: ", ""),
    ("services.heat.to", "224.0.0.1:80", "services.heat.to: ", ""),
    ("services.heat.to", "255.255.255.255:80", "services.heat.to: ", ""),
    ("services.heat.to", "[fd00::1]:80", "services.heat.to: ", ""),
    ("services.heat.to", "192.168.1.60:80\n", "services.heat.to: ", ""),
    ("services.six.to6", "192.168.1.60:80", "services.six.to6: ", "[fd00::50]:443"),
    ("services.six.to6", "fd00::50:443", "services.six.to6: ", ""),
    ("services.six.to6", "[::]:443", "services.six.to6: ", ""),
    ("services.six.to6", "[::1]:443", "services.six.to6: ", ""),
    ("services.six.to6", "[ff02::1]:443", "services.six.to6: ", ""),
    ("services.six.to6", "[fd00::50%eth0]:443", "services.six.to6: ", ""),
    ("sequences", None, "sequences: found null", "an object"),
    ("sequences.Front", {}, "sequences: found 'Front'", "names of 1-32"),
    ("sequences.front", [], "sequences.front: ", "an object in braces"),
    ("sequences.front.step", [], "sequences.front.step: unknown key", "steps"),
    ("sequences.front.steps", GONE, "sequences.front.steps: ", "required"),
    ("sequences.front.steps", [], "sequences.front.steps: ", "1 to 32"),
    ("sequences.front.steps", ["%d" % (1000 + 10 * i) for i in range(33)], "sequences.front.steps: ", "1 to 32"),
    ("sequences.front.steps", [7000, 8000], "sequences.front.steps: ", "texts"),
    ("sequences.front.steps", ["7000/icmp"], "sequences.front.steps: found '7000/icmp'", "7000/udp"),
    ("sequences.front.steps", ["65558/tcp"], "sequences.front.steps: found '65558/tcp'", "1-65535"),
    ("sequences.front.steps", ["0"], "sequences.front.steps: found '0'", ""),
    ("sequences.front.steps", [""], "sequences.front.steps: found ''", ""),
    ("sequences.front.steps", ["7000/tcp\n"], "sequences.front.steps: found '7000/tcp?'", ""),
    ("sequences.front.steps", ["7000", "8000", "7000"], "sequences.front.steps: found '7000'", "each port once"),
    ("sequences.front.steps", ["7000", "8000", "7000/udp"], "sequences.front.steps: found '7000/udp'", "each port once"),
    ("sequences.front.steps", ["7000", "22"], "sequences.front.steps: 22/tcp is the port of service ssh", ""),
    ("sequences.front.steps", ["22/udp", "70"], "sequences.front.steps: 22/udp is the port of service vpn", ""),
    ("sequences.front.steps", ["7000", "7001"], "sequences.front.steps: 7000/tcp and 7001/tcp have no free port", ""),
    ("sequences.front.steps", ["7001", "7000/udp"], "sequences.front.steps: 7001/tcp and 7000/udp have no free", ""),
    ("sequences.front.steps", ["8079", "8081"], "sequences.front.steps: 8079/tcp and 8081/tcp have no free", ""),
    ("sequences.front.steps", ["442", "444/udp"], "sequences.front.steps: 442/tcp and 444/udp have no free", ""),
    ("sequences.front.steps", ["6999/udp", "7001"], "sequences.front.steps: 6999/udp and 7001/tcp have no free", ""),
    ("sequences.front.window", 0, "sequences.front.window: found 0", "1-60"),
    ("sequences.front.window", 61, "sequences.front.window: found 61", "1-60"),
    ("sequences.front.open", GONE, "sequences.front.open: ", "exactly one"),
    ("sequences.front.close", ["ssh"], "sequences.front.open: ", "exactly one"),
    ("sequences.front.open", [], "sequences.front.open: ", "1 to 64"),
    ("sequences.front.open", "ssh", "sequences.front.open: found 'ssh'", "a list"),
    ("sequences.front.open", ["sshd"], "sequences.front.open: found 'sshd'", "camera, heat, six, ssh, vpn"),
    ("sequences.front.open", ["ssh", "ssh"], "sequences.front.open: found 'ssh'", "each once"),
    ("sequences.front-shut.close", ["nobody"], "sequences.front-shut.close: found 'nobody'", ""),
)


def text(config):
    return json.dumps(config).encode()


def changed(where, value):
    """GOOD as bytes, with another value at `where`."""
    config = json.loads(json.dumps(GOOD))
    if not where:
        return text(value)
    table = config
    keys = where.split(".", 2)
    for key in keys[:-1]:
        table = table[key]
    if value == GONE:
        del table[keys[-1]]
    else:
        table[keys[-1]] = value
    return text(config)


def error_of(data):
    return refusals.error_of(policy.load, data)


class TestGood(unittest.TestCase):
    def setUp(self):
        self.policy = policy.load(text(GOOD))
        self.services = {service.name: service for service in self.policy.services}
        self.sequences = {sequence.name: sequence for sequence in self.policy.sequences}

    def test_top(self):
        made = self.policy
        self.assertEqual(made.interfaces, ["wan0", "pppoe-wan", "eth0.2"])
        self.assertEqual((made.zone, made.firewall, made.decoys), ("reject", "nft", 32))
        self.assertEqual([service.name for service in made.services], ["camera", "heat", "six", "ssh", "vpn"])
        self.assertEqual(made.warnings, [])

    def test_interfaces_of_the_board(self):
        """They count where the configuration names none."""
        board = policy.interfaces_of("eth1,pppoe-wan")
        for where, expected in (({"interfaces": ["eth0"]}, ["eth0"]), ({}, ["eth1", "pppoe-wan"])):
            self.assertEqual(policy.load(text(where), None, None, board).interfaces, expected)

    def test_no_interfaces(self):
        line = refusals.error_of(policy.load, b"{}", None, None, policy.interfaces_of(""))
        self.assertEqual(line, "interfaces: found nothing; allowed: names here, or as the engine's option --interfaces")

    def test_wrong_interfaces_of_the_board(self):
        for given in (",", "eth0,", "eth0,eth0", "eth 0", "-o", "a234567890123456", "a,b,c,d,e,f,g,h,i"):
            self.assertTrue(refusals.error_of(policy.interfaces_of, given).startswith("--interfaces: found "), given)

    def test_least(self):
        made = policy.load(b'{"interfaces": ["eth0"]}')
        self.assertEqual((made.zone, made.firewall, made.decoys), ("drop", "auto", 64))
        self.assertEqual((made.services, made.sequences, made.warnings), ([], [], []))

    def test_least_service(self):
        made = policy.load(b'{"interfaces": ["eth0"], "services": {"a": {"index": 7, "port": 65535}}}').services[0]
        self.assertEqual((made.index, made.name, made.protocol, made.port), (7, "a", 6, 65535))
        self.assertEqual((made.to, made.to_port, made.to6, made.to6_port), (None, 0, None, 0))
        self.assertEqual((made.ttl_s, made.idle_s, made.max_s, made.masquerade), (30, 0, 0, "auto"))
        self.assertIs(made.one_shot, False)
        self.assertIs(made.cut, False)

    def test_services(self):
        camera, vpn, heat = self.services["camera"], self.services["vpn"], self.services["heat"]
        self.assertEqual((camera.to, camera.to_port), (bytes([192, 168, 1, 50]), 80))
        self.assertEqual((camera.to6, camera.to6_port), (b"\xfd\0\0\1" + bytes(11) + b"\x50", 80))
        self.assertEqual((camera.ttl_s, camera.idle_s, camera.max_s, camera.masquerade), (0, 20, 120, True))
        self.assertEqual((vpn.protocol, vpn.port, vpn.index, vpn.ttl_s, vpn.cut), (17, 22, 255, 86400, True))
        self.assertIs(heat.one_shot, True)
        self.assertEqual([name for name in self.services if self.services[name].approval], ["heat"])

    def test_families(self):
        families = {name: service.families for name, service in self.services.items()}
        self.assertEqual(families, {"ssh": (4, 6), "vpn": (4, 6), "camera": (4, 6), "heat": (4,), "six": (6,)})

    def test_life(self):
        ssh, camera = self.services["ssh"], self.services["camera"]
        self.assertEqual([ssh.life_s(wanted_s) for wanted_s in (0, 59, 60, 61)], [(60, 0), (59, 0), (60, 0), (60, 0)])
        self.assertEqual([camera.life_s(wanted_s) for wanted_s in (0, 5, 60, 121)], [(20, 120), (5, 5), (20, 60), (20, 120)])

    def test_shape(self):
        """Every setting that a rule can hold changes it, and nothing else does."""
        shape = self.services["camera"].shape()
        self.assertEqual(policy.load(text(GOOD)).services[0].shape(), shape)
        for key, value in (
            ("index", 77), ("port", 81), ("protocol", "udp"), ("to", "192.168.1.50:81"), ("to", "192.168.1.51:80"),
            ("to6", "[fd00:1::50]:81"), ("to6", GONE), ("masquerade", False), ("idle", 21), ("cut", True),
        ):  # fmt: skip
            with self.subTest(key, value=value):
                self.assertTrue(policy.load(changed("services.camera." + key, value)).services[0].shape() != shape)
        for name, key, value in (("camera", "max", 121), ("ssh", "ttl", 61), ("heat", "approval", False)):
            with self.subTest(key, value=value):
                before = self.services[name].shape()
                made = {one.name: one for one in policy.load(changed("services.%s.%s" % (name, key), value)).services}
                self.assertEqual(made[name].shape(), before)

    def test_sequences(self):
        front, shut = self.sequences["front"], self.sequences["front-shut"]
        self.assertEqual(front.steps, [(6, 7000), (17, 9100), (6, 8000)])
        self.assertEqual((front.window_ms, shut.window_ms), (60_000, 10_000))
        self.assertIs(front.opens, True)
        self.assertIs(shut.opens, False)
        self.assertEqual(front.services, [self.services["ssh"], self.services["camera"]])
        self.assertEqual(shut.services, [self.services["ssh"]])

    def test_no_step_where_no_decoy_can_lie_beyond(self):
        """65535/tcp, then 1/udp: a sweep of TCP, then of UDP, would meet nothing in between."""
        for step in ("1/tcp", "65535/udp"):
            config = changed("sequences.front.steps", ["7000/tcp", step])
            self.assertIn("sequences.front.steps: %s has no port beyond it" % step, error_of(config))

    def test_not_too_many_sequences_with_one_beginning(self):
        sequences = {}
        for i in range(7):
            sequences["s%d" % i] = {"steps": ["7000/tcp", "%d/tcp" % (8000 + 10 * i)], "open": ["ssh"]}
            error = error_of(changed("sequences", sequences))
            self.assertEqual(error is None, i < 6)
        self.assertIn("7000/tcp begins 7 sequences; allowed: 6", error)

    def test_a_device_has_a_routable_address(self):
        for address in ("fe80::1", "ff02::1", "::1", "::", "::ffff:192.168.1.50"):
            self.assertIn("services.six.to6: ", error_of(changed("services.six.to6", "[%s]:443" % address)))

    def test_without_decoys_steps_may_be_close(self):
        config = json.loads(json.dumps(GOOD))
        config["decoys"] = 0
        config["sequences"]["front"]["steps"] = ["7000", "7001"]
        made = policy.load(text(config))
        self.assertEqual(len(made.warnings), 1)
        self.assertIn("decoys: 0", made.warnings[0])

    def test_one_free_port_between_is_enough(self):
        self.assertIsNone(error_of(changed("sequences.front.steps", ["7001", "7003"])))

    def test_one_step_is_warned_of(self):
        made = policy.load(changed("sequences.front.steps", ["7000"]))
        self.assertEqual([line[:21] for line in made.warnings], ["sequences.front: one "])

    def test_limits(self):
        """As many as allowed, and one more."""
        services = {"s%d" % i: {"index": i + 1, "port": 100 + i} for i in range(65)}
        sequences = {"q%d" % i: {"steps": ["%d" % (5000 + 2 * i)], "open": ["s0"]} for i in range(17)}
        config = {"interfaces": ["eth0"], "services": services, "sequences": sequences}
        self.assertIn("services: ", error_of(text(config)))
        del services["s64"]
        self.assertIn("sequences: ", error_of(text(config)))
        del sequences["q16"]
        self.assertEqual(len(policy.load(text(config)).sequences), 16)


class TestRefused(Refusals, unittest.TestCase):
    REFUSED = REFUSED

    def line_of(self, where, value):
        return error_of(changed(where, value))

    def test_one_printable_line(self):
        for where, value, _, _ in REFUSED:
            line = error_of(changed(where, value))
            with self.subTest(where, value=value):
                self.assertEqual([c for c in line if not 32 <= ord(c) < 127], [])
                self.assertLessEqual(len(line), 250)


class TestMutated(unittest.TestCase):
    def test_nothing_but_a_config_error(self):
        """Bytes changed, taken out, doubled: a policy or one line, never anything else."""
        numbers = Numbers(8)
        good = text(GOOD)
        pieces = [bytes([c]) for c in b'"{}[],:\\\n-09/\xff'] + [b"true", b"null", b"\\n"]
        taken = refused = 0
        for _ in range(2000):
            data = good
            for _ in range(1 + numbers.below(3)):
                at = numbers.below(len(data))
                piece = pieces[numbers.below(len(pieces))] if numbers.below(2) else bytes([numbers.below(256)])
                data = data[:at] + (piece, b"", data[at : at + 9] * 2)[numbers.below(3)] + data[at + numbers.below(4) :]
            try:
                policy.load(data)
                taken += 1
            except ConfigError as error:
                refused += 1
                self.assertEqual([c for c in str(error) if not 32 <= ord(c) < 127], [])
        self.assertGreaterEqual(taken, 30)
        self.assertGreaterEqual(refused, 1000)

    def test_any_value_anywhere(self):
        """Each value of GOOD replaced by one of every kind: a policy or one line."""
        values = (None, True, 0, -1, 9999999999, "", "a", "\n", [], {}, [[]], [{}], {"a": 1}, [None], ["a", 1])
        for where in list(_paths(GOOD, "")) + ["services.new", "sequences.new", "new"]:
            for value in values:
                line = error_of(changed(where, value))
                if line is not None:
                    self.assertEqual([c for c in line if not 32 <= ord(c) < 127], [])


def _paths(table, prefix):
    for key in table:
        yield prefix + key
        if isinstance(table[key], dict):
            yield from _paths(table[key], prefix + key + ".")
