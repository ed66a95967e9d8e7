"""Clients in the policy: what a good configuration becomes, and every refusal, with a line that names the key and no secret."""

import json
import unittest

from common import refusals
from common.numbers import Numbers
from common.refusals import Refusals
from knocklet.core import bpf, decoys, filter, policy
from knocklet.core.errors import ConfigError
from knocklet.core.otp import SLOT_US, Otp
from knocklet.wire.keys import ClientKeys

KEYS = ["%064x" % (0xFEED + number) for number in range(520)]
FWKNOP = {"key": "c3dvcmRmaXNo", "hmac_key": "bm8gc2VjcmV0IGF0IGFsbA==", "hmac": "sha1"}
GOOD = {
    "id": "home",
    "interfaces": ["wan0"],
    "services": {
        "ssh": {"index": 1, "port": 22},
        "vpn": {"index": 3, "protocol": "udp", "port": 51820},
    },
    "sequences": {"family": {"steps": ["7000/tcp", "9100/udp"], "open": ["ssh"]}},
    "clients": {
        "phone": {"key": KEYS[0], "open": ["ssh", "vpn"], "kinds": ["spa", "otp"], "source": "any", "issued": 1795454680},
        "laptop": {"key": KEYS[1], "open": ["ssh"]},
        "oldphone": {"open": ["ssh"], "kinds": ["fwknop"], "fwknop": FWKNOP},
    },
    "otp": {"protocol": "udp", "count": 8, "low": 30000, "high": 40000, "window": 25},
    "spa_port": 4000,
    "fwknop_port": 62201,
}
GONE = "(gone)"
PHONE = "clients.phone."
OLD = "clients.oldphone."
# Where in GOOD, what is put there, how the line begins, what it must hold besides.
REFUSED = (
    ("id", GONE, "id: found nothing", "clients' keys"),
    ("clients", [], "clients: ", "an object"),
    ("clients", [KEYS[5]], "clients: found a list", "at most 512"),
    ("clients", KEYS[5], "clients: found a text", "at most 512"),
    ("clients.Phone", {}, "clients: found 'Phone'", "names of 1-32"),
    ("clients.phone", 5, "clients.phone: found 5", "an object in braces"),
    ("clients.phone", KEYS[5], "clients.phone: found a text", "an object in braces"),
    ("clients.phone", [KEYS[5]], "clients.phone: found a list", "an object in braces"),
    (PHONE + "surprise", 1, PHONE + "surprise: unknown key", "issued, key, kinds, open, source"),
    (PHONE + "key", GONE, PHONE + "key: found nothing", "64 hex digits"),
    (PHONE + "key", "", PHONE + "key: found something else", ""),
    (PHONE + "key", 64 * "0", PHONE + "key: found something else", ""),
    (PHONE + "key", KEYS[5][:-1], PHONE + "key: found something else", ""),
    (PHONE + "key", KEYS[5][:-2], PHONE + "key: found something else", ""),
    (PHONE + "key", KEYS[5] + "0", PHONE + "key: found something else", ""),
    (PHONE + "key", KEYS[5] + "00", PHONE + "key: found something else", ""),
    (PHONE + "key", KEYS[5].upper(), PHONE + "key: found something else", "small letters"),
    (PHONE + "key", KEYS[5][:-1] + "g", PHONE + "key: found something else", ""),
    (PHONE + "key", 5, PHONE + "key: found something else", ""),
    (PHONE + "key", [], PHONE + "key: found something else", ""),
    (PHONE + "key", KEYS[1], "clients.phone: has the key of laptop", ""),
    (PHONE + "kinds", [], PHONE + "kinds: ", "1 to 3"),
    (PHONE + "kinds", "spa", PHONE + "kinds: found 'spa'", "a list"),
    (PHONE + "kinds", ["spy"], PHONE + "kinds: found 'spy'", "spa, otp, fwknop"),
    (PHONE + "kinds", ["spa", "spa"], PHONE + "kinds: found 'spa'", "each once"),
    (PHONE + "kinds", ["spa", "otp", "fwknop", "spa"], PHONE + "kinds: ", "1 to 3"),
    (PHONE + "kinds", ["fwknop"], PHONE + "fwknop: ", "required"),
    (PHONE + "source", "all", PHONE + "source: found 'all'", '"packet", "stated", "any"'),
    (PHONE + "issued", 0, PHONE + "issued: found 0", "1-9999999999"),
    (PHONE + "issued", -1, PHONE + "issued: found -1", ""),
    (PHONE + "issued", "1795454680", PHONE + "issued: ", ""),
    (PHONE + "open", GONE, PHONE + "open: ", "required"),
    (PHONE + "open", [], PHONE + "open: ", "1 to 2"),
    (PHONE + "open", ["ssh", "vpn", "ssh"], PHONE + "open: ", "1 to 2"),
    (PHONE + "open", ["ssh", "ssh"], PHONE + "open: found 'ssh'", "each once"),
    (PHONE + "open", ["sshd"], PHONE + "open: found 'sshd'", "ssh, vpn"),
    (PHONE + "open", "ssh", PHONE + "open: found 'ssh'", "a list"),
    (PHONE + "open", {"key": KEYS[5]}, PHONE + "open: found an object with 1 entries", "a list"),
    ("clients.family", {"key": KEYS[7], "open": ["ssh"]}, "clients.family: a sequence has this name", ""),
    (PHONE + "fwknop", FWKNOP, PHONE + "fwknop: unknown key", ""),
    (OLD + "key", KEYS[7], OLD + "key: unknown key", ""),
    (OLD + "fwknop", [], OLD + "fwknop: found a list", "an object in braces"),
    (OLD + "fwknop", FWKNOP["key"], OLD + "fwknop: found a text", "an object in braces"),
    (OLD + "fwknop.rijndael", "", OLD + "fwknop.rijndael: unknown key", "hmac, hmac_key, key"),
    (OLD + "fwknop.key", GONE, OLD + "fwknop.key: found nothing", "base64 of 1-32 bytes"),
    (OLD + "fwknop.key", "", OLD + "fwknop.key: found something else", ""),
    (OLD + "fwknop.key", "====", OLD + "fwknop.key: found something else", ""),
    (OLD + "fwknop.key", "not base64!", OLD + "fwknop.key: found something else", ""),
    (OLD + "fwknop.key", "QQ==\n", OLD + "fwknop.key: found something else", ""),
    (OLD + "fwknop.key", "A" * 44, OLD + "fwknop.key: found something else", ""),
    (OLD + "fwknop.key", FWKNOP["hmac_key"], OLD + "fwknop.hmac_key: found 'the same'", "another one"),
    (OLD + "fwknop.hmac_key", GONE, OLD + "fwknop.hmac_key: found nothing", "base64 of 1-128 bytes"),
    (OLD + "fwknop.hmac_key", "A" * 172, OLD + "fwknop.hmac_key: found something else", ""),
    (OLD + "fwknop.hmac", "sha512", OLD + "fwknop.hmac: found 'sha512'", '"sha256", "sha1", "md5"'),
    ("otp", [], "otp: ", "an object in braces"),
    ("otp.steps", 6, "otp.steps: unknown key", "count, high, low, protocol, window"),
    ("otp.protocol", "icmp", "otp.protocol: found 'icmp'", '"tcp", "udp"'),
    ("otp.count", 3, "otp.count: found 3", "4-16"),
    ("otp.count", 17, "otp.count: found 17", "4-16"),
    ("otp.low", 1023, "otp.low: found 1023", "1024-65535"),
    ("otp.low", 65536, "otp.low: found 65536", ""),
    ("otp.low", 30002, "otp.high: found 40000", "'low' + 9999"),
    ("otp.high", 39998, "otp.high: found 39998", "few ports are soon tried"),
    ("otp.high", 65536, "otp.high: found 65536", "1024-65535"),
    ("otp.high", 1024, "otp.high: found 1024", ""),
    ("otp.window", 0, "otp.window: found 0", "1-25"),
    ("otp.window", 26, "otp.window: found 26", "1-25"),
    ("spa_port", 0, "spa_port: found 0", "1-65535"),
    ("spa_port", 65536, "spa_port: found 65536", "1-65535"),
    ("spa_port", 51820, "spa_port: found 51820", "of no service, step or one-time sequence"),
    ("spa_port", 9100, "spa_port: found 9100", ""),
    ("spa_port", 30000, "spa_port: found 30000", ""),
    ("spa_port", 40000, "spa_port: found 40000", ""),
    ("fwknop_port", 0, "fwknop_port: found 0", "1-65535"),
    ("fwknop_port", 51820, "fwknop_port: found 51820", ""),
)


def text(config):
    return json.dumps(config).encode()


def changed(where, value, config=GOOD):
    """The configuration with another value at `where`, or without it."""
    config = json.loads(json.dumps(config))
    table = config
    keys = where.split(".")
    for key in keys[:-1]:
        table = table[key]
    if value == GONE:
        del table[keys[-1]]
    else:
        table[keys[-1]] = value
    return config


def load(config):
    return policy.load(text(config))


def error_of(config):
    return refusals.error_of(load, config)


class TestGood(unittest.TestCase):
    def setUp(self):
        self.policy = load(GOOD)
        self.services = {service.name: service for service in self.policy.services}
        self.clients = {client.name: client for client in self.policy.clients}

    def test_names(self):
        self.assertEqual([client.name for client in self.policy.clients], ["laptop", "oldphone", "phone"])

    def test_of_all_keys(self):
        phone = self.clients["phone"]
        self.assertEqual((phone.kinds, phone.source, phone.issued_us), (["spa", "otp"], "any", 1_795_454_680_000_000))
        self.assertEqual(phone.services, [self.services["ssh"], self.services["vpn"]])
        expected = ClientKeys(bytes.fromhex(KEYS[0]), "home")
        self.assertEqual((phone.keys.mac, phone.keys.tag), (expected.mac, expected.tag))
        self.assertEqual(phone.fingerprint, expected.fingerprint)
        self.assertEqual((phone.fwknop, phone.fwknop_fingerprint), (None, None))

    def test_least(self):
        laptop = self.clients["laptop"]
        self.assertEqual((laptop.kinds, laptop.source, laptop.issued_us), (["spa"], "packet", 0))

    def test_otp_alone_has_the_key_too(self):
        made = load(changed("clients.phone.kinds", ["otp"])).clients[2]
        self.assertEqual(made.fingerprint, self.clients["phone"].fingerprint)

    def test_fwknop(self):
        old = self.clients["oldphone"]
        self.assertEqual((old.keys, old.fingerprint), (None, None))
        self.assertEqual((old.fwknop.key, old.fwknop.hmac_key, old.fwknop.digest), (b"swordfish", b"no secret at all", "sha1"))
        self.assertEqual(len(old.fwknop_fingerprint), 8)
        self.assertEqual(load(changed("clients.oldphone.fwknop.hmac", GONE)).clients[1].fwknop.digest, "sha256")

    def test_fwknop_keys_of_every_length(self):
        for key, size in (("QQ", 1), ("QQ==", 1), ("A" * 43, 32)):
            self.assertEqual(len(load(changed("clients.oldphone.fwknop.key", key)).clients[1].fwknop.key), size)
        made = load(changed("clients.oldphone.fwknop.hmac_key", "A" * 171)).clients[1]
        self.assertEqual(len(made.fwknop.hmac_key), 128)

    def test_another_fwknop_key_has_another_fingerprint(self):
        before = self.clients["oldphone"].fwknop_fingerprint
        for where, value in (("key", "QQ"), ("hmac_key", "QQ")):
            made = load(changed("clients.oldphone.fwknop." + where, value)).clients[1]
            self.assertNotEqual(made.fwknop_fingerprint, before)

    def test_all_kinds_at_once(self):
        config = changed("clients.phone.kinds", ["otp", "fwknop", "spa"])
        config["clients"]["phone"]["fwknop"] = {"key": "QQ", "hmac_key": "QUE"}
        phone = load(config).clients[2]
        self.assertTrue(phone.fingerprint and phone.fwknop_fingerprint and phone.keys and phone.fwknop)

    def test_otp(self):
        otp = self.policy.otp
        self.assertEqual((otp.protocol, otp.count, otp.low, otp.high, otp.window_ms), (17, 8, 30000, 40000, 25_000))
        pairs = [(client.name, service.name) for client, service in otp.pairs]
        self.assertEqual(pairs, [("phone", "ssh"), ("phone", "vpn")])
        least = load(changed("otp", {})).otp
        self.assertEqual((least.protocol, least.count, least.low, least.high, least.window_ms), (6, 6, 20000, 59999, 10_000))

    def test_ports(self):
        self.assertEqual((self.policy.spa_port, self.policy.fwknop_port), (4000, 62201))
        for where, ports in (("spa_port", (62201, 62201)), ("fwknop_port", (4000, 62201))):
            made = load(changed(where, GONE))
            self.assertEqual((made.spa_port, made.fwknop_port), ports)
        self.assertEqual(load(changed("fwknop_port", 4000)).fwknop_port, 4000)  # told apart by length

    def test_no_port_without_clients_of_the_kind(self):
        made = load(changed("clients.oldphone", GONE))
        self.assertEqual((made.spa_port, made.fwknop_port), (4000, 0))
        made = load(changed("clients", {"oldphone": GOOD["clients"]["oldphone"]}))
        self.assertEqual((made.spa_port, made.fwknop_port), (0, 62201))

    def test_ports_that_are_free_for_it(self):
        """Those of TCP, and, where nobody has one-time sequences by UDP, those of them."""
        self.assertEqual(load(changed("spa_port", 7000)).spa_port, 7000)
        self.assertEqual(load(changed("spa_port", 22)).spa_port, 22)
        self.assertEqual([load(changed("spa_port", port)).spa_port for port in (29999, 40001)], [29999, 40001])
        config = changed("spa_port", 35000)
        self.assertEqual(load(changed("otp.protocol", "tcp", config)).spa_port, 35000)
        self.assertEqual(load(changed("clients.phone.kinds", ["spa"], config)).spa_port, 35000)

    def test_no_decoys_on_them(self):
        made = load(GOOD)
        self.assertTrue({4000, 62201} <= policy.no_decoys(made))

    def test_edges(self):
        by_tcp = changed("otp.protocol", "tcp")
        for where, values in (
            ("otp.count", (4, 16)), ("otp.low", (1024, 30001)), ("otp.high", (39999, 65535)), ("otp.window", (1, 25)),
            ("spa_port", (1, 65535)), ("clients.phone.issued", (1, 9_999_999_999)),
        ):  # fmt: skip
            for value in values:
                self.assertIsNone(error_of(changed(where, value, by_tcp)))

    def test_one_time_sequences_want_decoys(self):
        config = changed("sequences", {})
        config["decoys"] = 0
        self.assertEqual([line[:10] for line in load(config).warnings], ["decoys: 0:"])
        del config["clients"]["phone"]
        self.assertEqual(load(config).warnings, [])

    def test_a_file_of_their_own(self):
        config = changed("clients", GONE)
        made = policy.load(text(config), text({"clients": GOOD["clients"]}))
        self.assertEqual([client.name for client in made.clients], ["laptop", "oldphone", "phone"])
        for data, begins in (
            (b"", "clients.json: "),
            (b"[]", "clients.json: "),
            (text({"client": {}}), "client: unknown key"),
            (text({"clients": {}, "id": "home"}), "id: unknown key"),
            (text({"clients": []}), "clients: "),
        ):
            with self.assertRaises(ConfigError) as caught:
                policy.load(text(config), data)
            self.assertEqual(str(caught.exception)[: len(begins)], begins)
        with self.assertRaises(ConfigError) as caught:
            policy.load(text(GOOD), text({"clients": {}}))
        self.assertIn("found here and in clients.json", str(caught.exception))


class TestRefused(Refusals, unittest.TestCase):
    REFUSED = REFUSED

    def line_of(self, where, value):
        return error_of(changed(where, value))

    def test_no_secret_in_a_line(self):
        """Nor a part of one: whatever is wrong with it."""
        for where, value, _, _ in REFUSED:
            line = error_of(changed(where, value))
            for secret in KEYS[:8] + [FWKNOP["key"], FWKNOP["hmac_key"], "not base64", "AAAA"]:
                self.assertFalse(secret[-12:] in line, line)

    def test_two_with_one_hmac_key(self):
        """A packet would be the first one's."""
        config = changed("clients.two", {"open": ["ssh"], "kinds": ["fwknop"], "fwknop": changed("key", "QQ", FWKNOP)})
        self.assertIn("clients.two: has the hmac_key of oldphone", error_of(config))
        self.assertIsNone(error_of(changed("clients.two.fwknop.hmac_key", "QUE", config)))

    def test_two_with_the_same_fwknop_keys(self):
        config = changed("clients.two", {"open": ["ssh"], "kinds": ["fwknop"], "fwknop": FWKNOP})
        self.assertIn("clients.two: has the key of oldphone", error_of(config))


class TestRevoked(unittest.TestCase):
    """A client with a revoked key is none: whether the configuration says so, or is_revoked()."""

    def setUp(self):
        self.clients = {client.name: client for client in load(GOOD).clients}

    def load(self, revoked=(), is_revoked=None):
        return policy.load(text(changed("revoked", [one.hex() for one in revoked])), None, is_revoked)

    def test_left_out(self):
        for name, key in (("phone", "fingerprint"), ("oldphone", "fwknop_fingerprint")):
            fingerprint = getattr(self.clients[name], key)
            for made in (self.load([fingerprint]), self.load([], lambda one, revoked=fingerprint: one == revoked)):
                self.assertEqual([one.name for one in made.clients], sorted(set(self.clients) - {name}))
                self.assertEqual(made.warnings, ["clients.%s: its key is revoked: it opens nothing" % name])
                self.assertEqual([one.name for one, _ in made.otp.pairs], [] if name == "phone" else ["phone", "phone"])
                self.assertEqual((made.spa_port, made.fwknop_port), (4000, 0) if name == "oldphone" else (4000, 62201))

    def test_both_keys_of_one(self):
        config = json.loads(json.dumps(GOOD))
        config["clients"]["phone"].update(kinds=["spa", "fwknop"], fwknop=config["clients"].pop("oldphone")["fwknop"])
        one = load(config).clients[1]
        config["revoked"] = [one.fingerprint.hex(), one.fwknop_fingerprint.hex()]
        made = load(config)
        self.assertEqual([one.name for one in made.clients], ["laptop"])
        self.assertEqual(len(made.warnings), 1)

    def test_nobody(self):
        made = self.load([b"8 bytes."], lambda _one: False)
        self.assertEqual(len(made.clients), 3)
        self.assertEqual((made.revoked, made.warnings), ([b"8 bytes."], []))
        self.assertEqual(load(GOOD).revoked, [])

    def test_later(self):
        for name, key in (("phone", "fingerprint"), ("oldphone", "fwknop_fingerprint")):
            made = load(GOOD)
            made.leave_out(getattr(self.clients[name], key))
            self.assertEqual([one.name for one in made.clients], sorted(set(self.clients) - {name}))
            self.assertEqual(len(made.otp.pairs), 0 if name == "phone" else 2)

    def test_refused(self):
        for wrong in ("", "0" * 15, "0" * 17, "A" * 16, "g" * 16, " " * 16):
            self.assertIn("revoked: found '%s'; allowed: fingerprints of keys, 16 hex digits" % wrong,
                          error_of(changed("revoked", ["0" * 16, wrong])))  # fmt: skip
        self.assertIsNone(error_of(changed("revoked", ["%016x" % number for number in range(128)])))
        self.assertIn("0 to 128", error_of(changed("revoked", ["%016x" % number for number in range(129)])))


class TestLimits(unittest.TestCase):
    def with_clients(self, count, services=1, **more):
        config = changed("services", {"s%d" % i: {"index": i + 1, "port": 100 + i} for i in range(32)})
        config["clients"] = {
            "c%d" % i: dict({"key": KEYS[i], "open": ["s%d" % j for j in range(services)]}, **more) for i in range(count)
        }
        config["sequences"], config["otp"] = {}, {}
        return config

    def test_without_services(self):
        config = changed("services", {}, changed("sequences", {}))
        self.assertEqual(error_of(config)[:35], "clients.laptop.open: found 'ssh'; a")

    def test_clients(self):
        self.assertEqual(len(load(self.with_clients(512)).clients), 512)
        self.assertEqual("clients: found an object with 513 entries; allowed: an object with at most 512 entries",
                         error_of(self.with_clients(513)))  # fmt: skip

    def test_services_of_one(self):
        self.assertEqual(len(load(self.with_clients(1, 32)).clients[0].services), 32)

    def test_one_time_pairs(self):
        for clients, services in ((64, 1), (2, 32)):
            self.assertEqual(len(load(self.with_clients(clients, services, kinds=["otp"])).otp.pairs), 64)
        self.assertIn("clients: 65 pairs of client and service with otp; allowed: 64",
                      error_of(self.with_clients(65, kinds=["otp"])))  # fmt: skip

    def test_one_time_steps(self):
        for clients, most in ((64, 6), (48, 8), (24, 16), (40, 9)):
            config = self.with_clients(clients, kinds=["otp"])
            config["otp"] = {"count": most}
            self.assertIsNone(error_of(config))
            config["otp"] = {"count": most + 1}
            self.assertIn("otp.count: found %d; allowed: " % (most + 1), error_of(config))
        self.assertIn("allowed: at most 9 for 40 pairs of client and service", error_of(config))

    def test_fwknop_clients(self):
        config = changed("clients", {})
        for i in range(17):
            keys = {"key": "QQ", "hmac_key": "QUE%s" % "ABCDEFGHIJKLMNOPQ"[i]}
            config["clients"]["c%d" % i] = {"open": ["ssh"], "kinds": ["fwknop"], "fwknop": keys}
            self.assertEqual(error_of(config), None if i < 16 else "clients: more than 16 of kind fwknop")


class TestFilterFits(unittest.TestCase):
    def test_the_largest_policy(self):
        """As many steps, decoys and one-time steps as a policy can have: the kernel takes the filter, with slots of packets."""
        steps = list(range(2000, 62000, 117))[:512]
        config = changed("sequences", {
            "s%d" % i: {"steps": ["%d/tcp" % port for port in steps[i::16]], "open": ["ssh"]} for i in range(16)
        })  # fmt: skip
        config["decoys"] = 256
        for pairs, count, protocol in ((64, 6, "tcp"), (24, 16, "tcp"), (64, 6, "udp")):
            config["clients"] = {
                "c%d" % i: {"key": KEYS[i], "open": ["ssh"], "kinds": ["spa", "otp"]} for i in range(pairs)
            }
            config["clients"]["old"] = GOOD["clients"]["oldphone"]
            config["otp"] = {"count": count, "protocol": protocol}
            made = load(config)
            otp = Otp(made.otp)
            otp.set_time(59_000_000 * SLOT_US)
            one_time = {step for number in otp.sequences for step in otp.sequences[number].steps}
            chosen = decoys.choose(made, (), Numbers(1).below)
            ports = {6: set(chosen), 17: set(chosen)}
            for sequence in made.sequences:
                for proto, port in sequence.steps:
                    ports[proto].add(port)
            for proto, port in one_time:
                ports[proto].add(port)
            self.assertGreaterEqual(len(ports[6]) + len(ports[17]), 512 + 2 * 480 + 1100)
            program = filter.program(ports[6], ports[17], 4000, filter.spa_slots((1, 2, 3)), 62201)
            self.assertLessEqual(bpf.size(program), bpf.LIMIT)


if __name__ == "__main__":
    unittest.main()
