"""What only takes away needs no trial: every change of a whole configuration, and which of them do."""

import json
import unittest

from knocklet.core.policy_change import only_takes_away

OLD = {
    "id": "home",
    "interfaces": ["wan0", "wan1"],
    "zone": "reject",
    "decoys": 32,
    "spa_port": 4000,
    "otp": {"count": 8},
    "services": {"ssh": {"index": 1, "port": 22}, "camera": {"index": 2, "port": 8080, "idle": 20, "max": 120}},
    "sequences": {
        "front": {"steps": ["7000", "8000"], "open": ["ssh", "camera"]},
        "shut": {"steps": ["9000"], "close": ["ssh"]},
    },
    "clients": {
        "anna": {"key": "k" * 64, "open": ["ssh", "camera"], "kinds": ["spa", "otp", "fwknop"],
                 "fwknop": {"key": "a", "hmac_key": "b"}, "source": "packet"},
        "bob": {"key": "l" * 64, "open": ["ssh"]},
    },
}
GONE = "(gone)"
# Where in OLD, what is put there, and does that only take away?
CHANGES = (
    ("services.ssh", GONE, False),
    ("services", {}, False),
    ("services", GONE, False),
    ("sequences.front", GONE, True),
    ("sequences", GONE, True),
    ("clients.anna", GONE, True),
    ("clients", {}, True),
    ("clients", GONE, True),
    ("clients.anna.open", ["ssh"], True),
    ("clients.anna.open", ["camera"], True),
    ("clients.anna.open", ["camera", "ssh"], True),
    ("clients.anna.kinds", ["otp"], True),
    ("clients.anna.kinds", ["fwknop"], True),
    ("clients.anna.key", GONE, True),
    ("clients.anna.fwknop", GONE, True),
    ("sequences.front.open", ["ssh"], True),
    ("revoked", ["0123456789abcdef"], True),
    # What gives something, or something else, or is not known to take away.
    ("services.new", {"index": 3, "port": 23}, False),
    ("services.ssh.port", 23, False),
    ("services.ssh.ttl", 1, False),
    ("services.camera.max", 60, False),
    ("services.camera.idle", GONE, False),
    ("services.ssh", [], False),
    ("services", [], False),
    ("services", ["ssh"], False),
    ("sequences.new", {"steps": ["1000"], "open": ["ssh"]}, False),
    ("sequences.front.open", ["ssh", "heat"], False),
    ("sequences.front.steps", ["7000"], False),
    ("sequences.front.window", 5, False),
    ("sequences.shut.close", ["camera"], False),
    ("sequences.shut.open", ["ssh"], False),
    ("sequences", None, False),
    ("clients.carol", {"key": "m" * 64, "open": ["ssh"]}, False),
    ("clients.anna.open", ["ssh", "camera", "heat"], False),
    ("clients.bob.open", ["camera"], False),
    ("clients.anna.open", "ssh", False),
    ("clients.anna.open", GONE, False),
    ("clients.bob.kinds", ["spa", "fwknop"], False),
    ("clients.anna.kinds", GONE, False),
    ("clients.bob.kinds", ["spa"], False),
    ("clients.anna.key", "m" * 64, False),
    ("clients.anna.fwknop", {"key": "a", "hmac_key": "c"}, False),
    ("clients.bob.fwknop", {"key": "a", "hmac_key": "b"}, False),
    ("clients.anna.source", "any", False),
    ("clients.anna.source", GONE, False),
    ("clients.anna.issued", 1, False),
    ("clients.anna", [], False),
    ("clients", [], False),
    ("id", "office", False),
    ("interfaces", ["wan0"], False),
    ("zone", GONE, False),
    ("decoys", 31, False),
    ("spa_port", 4001, False),
    ("otp", {}, False),
    ("firewall", "nft", False),
    ("new", 1, False),
)


def changed(where, value, old=OLD):
    new = json.loads(json.dumps(old))
    table = new
    keys = where.split(".")
    for key in keys[:-1]:
        table = table[key]
    if value == GONE:
        del table[keys[-1]]
    else:
        table[keys[-1]] = value
    return new


class TestChanges(unittest.TestCase):
    def test_each(self):
        for where, value, less in CHANGES:
            with self.subTest(where, value=value):
                self.assertIs(only_takes_away(OLD, changed(where, value)), less)

    def test_none(self):
        self.assertTrue(only_takes_away(OLD, changed("zone", "reject")))

    def test_two_at_once(self):
        """What is taken away does not make up for what is given."""
        less = changed("clients.bob", GONE)
        for where, value, only_less in CHANGES:
            if not where.startswith("clients.bob"):
                self.assertIs(only_takes_away(OLD, changed(where, value, less)), only_less)

    def test_what_was_no_object_before(self):
        for kind in ("services", "sequences", "clients"):
            self.assertFalse(only_takes_away(changed(kind, ["ssh"]), OLD))
            self.assertFalse(only_takes_away(changed(kind, GONE), OLD))
        for name in ("anna", "bob"):
            self.assertFalse(only_takes_away(changed("clients." + name, []), OLD))
            self.assertFalse(only_takes_away(changed("clients.%s.open" % name, "ssh"), OLD))

    def test_what_is_no_object(self):
        """Nothing is raised: of a client that has nothing but rights nothing else is left to compare."""
        client, other = {"clients": {"anna": {"open": ["ssh"]}}}, {"clients": {"anna": []}}
        self.assertFalse(only_takes_away(client, other))
        self.assertFalse(only_takes_away(other, client))

    def test_what_is_no_configuration(self):
        """Nothing is raised either, and two that are equal are no less."""
        for other in ([], ["clients"], [{}], "clients", 5, None):
            self.assertFalse(only_takes_away(other, OLD))
            self.assertFalse(only_takes_away(OLD, other))
            self.assertFalse(only_takes_away(other, other))
            self.assertFalse(only_takes_away(other, {}))
            self.assertFalse(only_takes_away({}, other))

    def test_names_in_a_list(self):
        self.assertFalse(only_takes_away(changed("clients", ["anna", "bob"]), OLD))
        self.assertFalse(only_takes_away(changed("sequences", list(OLD["sequences"])), OLD))

    def test_revoked(self):
        """What is no longer listed stays revoked: it is stored."""
        self.assertTrue(only_takes_away(changed("revoked", ["0123456789abcdef"]), OLD))


if __name__ == "__main__":
    unittest.main()
