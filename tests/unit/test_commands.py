"""What each command does, to which doors, and with which words it is refused; and that it does nothing then."""

import json
import unittest
from binascii import a2b_base64

from common.accepting import SOURCE4
from common.gateway import BOOT, CONFIG_FILE, KEYS, Gateway, Time, changed, text
from knocklet.core import policy
from knocklet.core.errors import KnockletError
from knocklet.wire import sealed
from knocklet.wire.addresses import format_address

HERE, THERE = "198.51.100.2", "2001:db8::9"
THERE6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"


class Base(unittest.TestCase):
    def setUp(self):
        self.one = Gateway()
        self.services = {service.name: service for service in self.one.policy.services}
        self.one.done.clear()

    def tearDown(self):
        self.one.end()

    def good(self, verb, **fields):
        """The answer's data."""
        answer = self.one.do(verb, **fields)
        self.assertEqual(answer["status"], "ok", answer.get("error"))
        return answer["data"]

    def refused(self, verb, **fields):
        """The line."""
        answer = self.one.do(verb, **fields)
        self.assertEqual(answer["status"], "error")
        return answer["error"]

    def deeds(self):
        """What was done since the last time, but for what was stored."""
        done = [one for one in self.one.done if one[0] != "store"]
        self.one.done.clear()
        return done

    def put(self, name, source=SOURCE4, client="front"):
        self.one.doors.grants.put(self.services[name], source, client, Time.ms)


class TestOpen(Base):
    def test_open(self):
        self.assertEqual(self.good("open", service="ssh", source=HERE), {"ends_s": 30})
        self.assertEqual(self.deeds(), [("open", 1, SOURCE4, "(owner)", 0)])

    def test_for_less(self):
        self.assertEqual(self.good("open", service="ssh", source=THERE, ttl=9), {"ends_s": 9})
        self.assertEqual(self.deeds(), [("open", 1, THERE6, "(owner)", 9)])
        self.assertEqual(self.good("open", service="ssh", source=THERE, ttl=9999), {"ends_s": 30})
        self.assertEqual(self.good("open", service="camera", source=HERE), {"ends_s": 120})  # no approval: he is the owner
        self.assertEqual(self.good("open", service="camera", source=HERE, ttl=60), {"ends_s": 60})

    def test_no_such_service(self):
        self.assertEqual(self.refused("open", service="sshd", source=HERE), "service: found 'sshd'; allowed: camera, ssh")
        self.assertEqual(self.deeds(), [])

    def test_doors_that_refuse(self):
        self.one.doors.opens = False
        self.assertEqual(self.refused("open", service="ssh", source=HERE), "ssh did not open: the event 'refused' says why")


class TestClose(Base):
    def setUp(self):
        Base.setUp(self)
        for name, source in (("ssh", SOURCE4), ("ssh", THERE6), ("camera", SOURCE4)):
            self.put(name, source)

    def left(self):
        return [(grant.service.name, format_address(grant.address)) for grant in self.one.doors.grants.live]

    def test_service(self):
        self.assertEqual(self.good("close", service="ssh"), {"closed": 2})
        self.assertEqual(self.left(), [("camera", HERE)])
        self.assertEqual([one[-1] for one in self.deeds()], [True, True])  # connections are cut

    def test_source(self):
        self.assertEqual(self.good("close", service="ssh", source=THERE), {"closed": 1})
        self.assertEqual(self.left(), [("ssh", HERE), ("camera", HERE)])
        self.assertEqual(self.good("close", service="ssh", source="198.51.100.3"), {"closed": 0})

    def test_all(self):
        self.assertEqual(self.good("close_all"), {"closed": 3})
        self.assertEqual(self.left(), [])

    def test_no_such_service(self):
        self.assertEqual(self.refused("close", service="no"), "service: found 'no'; allowed: camera, ssh")
        self.assertEqual(len(self.left()), 3)


class TestApproval(Base):
    def setUp(self):
        Base.setUp(self)
        self.one.wishes.open(self.services["camera"], SOURCE4, "anna", Time.ms, 40)
        seq = self.one.events.seq
        self.asked = {"boot": BOOT, "seq": seq, "client": "anna", "service": "camera", "source": HERE}
        self.named = {"client": "anna", "service": "camera", "source": HERE}
        self.deeds()

    def test_approved(self):
        self.assertEqual(self.good("approve", **self.asked), {})
        self.assertEqual(self.deeds(), [("approved", self.named), ("open", 2, SOURCE4, "anna", 40)])
        self.assertEqual(self.refused("approve", **self.asked)[:21], "no such request waits")
        self.assertEqual(self.deeds(), [])

    def test_denied(self):
        self.assertEqual(self.good("deny", **self.asked), {})
        self.assertEqual(self.deeds(), [("denied", self.named)])
        self.assertEqual(self.refused("approve", **self.asked)[:21], "no such request waits")

    def test_another_one(self):
        for key, value in (("seq", 99), ("client", "bob"), ("service", "ssh"), ("source", THERE)):
            for verb in ("approve", "deny"):
                self.assertEqual(self.refused(verb, **changed(self.asked, **{key: value}))[:21], "no such request waits")
        self.assertEqual((self.deeds(), len(self.one.wishes.waiting)), ([], 1))

    def test_of_a_start_before(self):
        for verb in ("approve", "deny"):
            line = self.refused(verb, **changed(self.asked, boot=BOOT - 1))
            self.assertEqual(line, "no such request waits: the engine has started anew")
        self.assertEqual((self.deeds(), len(self.one.wishes.waiting)), ([], 1))

    def test_doors_that_refuse(self):
        self.one.doors.opens = False
        self.assertEqual(self.refused("approve", **self.asked), "camera did not open: the event 'refused' says why")

    def test_whoever_may_not_any_more(self):
        """By the configuration that is in force when the answer comes."""
        clients = CONFIG_FILE["clients"]
        anna = changed(clients["anna"], open=["ssh"])
        for those in (dict(clients, anna=anna), {"bob": clients["bob"]}):
            self.assertEqual(self.one.push(changed(CONFIG_FILE, clients=those))["status"], "ok")
            self.deeds()
            self.assertEqual(self.refused("approve", **self.asked), "anna may not open camera any more")
            self.assertEqual(self.deeds(), [])
            self.tearDown()
            self.setUp()

    def test_a_service_that_is_gone(self):
        config = changed(CONFIG_FILE, services={"ssh": CONFIG_FILE["services"]["ssh"]}, clients={})
        self.one.push(config)
        self.deeds()
        self.assertEqual(self.refused("approve", **self.asked), "service: found 'camera'; allowed: ssh")
        self.assertEqual(self.deeds(), [])

    def test_disarmed_meanwhile(self):
        """Who disarms wants nobody to come in, by no request of before either."""
        self.good("disarm")
        self.assertEqual([one[0] for one in self.deeds()], ["lapsed"])
        self.good("arm")
        self.assertEqual(self.refused("approve", **self.asked), "no such request waits: it may have lapsed, or be answered")
        self.assertEqual(self.deeds(), [])

    def test_of_a_sequence(self):
        front = {"front": {"steps": ["7000", "8000"], "open": ["camera"]}}
        self.one.push(changed(CONFIG_FILE, sequences=front))
        self.one.confirm()
        camera = [service for service in self.one.policy.services if service.name == "camera"][0]
        self.one.wishes.open(camera, SOURCE4, "front", Time.ms)
        asked = changed(self.asked, client="front", seq=self.one.events.seq)
        self.deeds()
        self.assertEqual(self.good("approve", **asked), {})
        self.assertEqual([one[0] for one in self.deeds()], ["approved", "open"])


class TestArm(Base):
    def test_disarm_and_arm(self):
        for verb, armed in (("disarm", False), ("arm", True)):
            self.assertEqual(self.good(verb), {"armed": armed})
            self.assertIs(self.one.wishes.armed, armed)

    def test_not_stored(self):
        """Disarmed it is all the same; armed it would be in one start and not in the next."""
        real = self.one.clients.stored
        self.one.clients.stored = lambda name, what, value, at_ms: real(name, what, value, at_ms) and what == sealed.COMMAND
        self.assertEqual(self.good("disarm"), {"armed": False})
        self.assertEqual(self.refused("arm"), "it cannot be stored")
        self.assertIs(self.one.wishes.armed, False)
        self.one.start()
        self.assertIs(self.one.wishes.armed, False)


class TestRevoke(Base):
    def test_revoked(self):
        self.put("ssh", client="anna")
        self.put("ssh", client="bob")
        self.assertEqual(self.good("revoke", client="anna"), {"closed": 1})
        self.assertEqual(self.deeds(), [("close", 1, SOURCE4, "anna", "config", True)])
        self.assertEqual(self.one.names()[1], ["bob"])
        self.assertTrue(self.one.is_revoked("anna"))
        self.one.start()
        self.assertEqual(self.one.names()[1], ["bob"])

    def test_both_keys(self):
        fwknop = {"open": ["ssh"], "kinds": ["fwknop", "spa"], "key": "%064x" % 0xC,
                  "fwknop": {"key": "c3dvcmRmaXNo", "hmac_key": "bm8gc2VjcmV0IGF0IGFsbA=="}}  # fmt: skip
        carol = policy.load(text(changed(CONFIG_FILE, clients={"carol": fwknop}))).clients[0]
        self.one.policy.clients.append(carol)
        self.good("revoke", client="carol")
        revoked = [key for key, value in self.one.store.used.items() if value == 1 << 62]
        self.assertEqual(sorted(revoked), sorted([(carol.fingerprint, 0), (carol.fwknop_fingerprint, 0)]))

    def test_in_a_trial(self):
        """The key that is tried and the one that is confirmed: neither comes back, whichever of them is in force later."""
        def client(number):
            return {"key": "%064x" % number, "open": ["ssh"]}

        before = self.one.policy.clients[0]
        self.one.push(changed(CONFIG_FILE, clients={"anna": client(0xD), "carol": client(0xE)}))
        tried = self.one.policy.clients[0]
        self.assertEqual(self.one.configuration.keys_of("anna"), sorted([before.fingerprint, tried.fingerprint]))
        self.good("revoke", client="anna")
        self.assertEqual(self.one.names()[1], ["carol"])
        self.good("revoke", client="bob")  # who is in what is confirmed alone
        for _ in range(2):
            self.one.push(changed(CONFIG_FILE, clients={"anna": client(0xD), "carol": client(0xE)}))
            self.assertEqual(self.one.names()[1], ["carol"])
            self.good("rollback")
            self.assertEqual(self.one.names()[1], [])

    def test_nobody(self):
        self.assertEqual(self.refused("revoke", client="front"), "client: found 'front'; allowed: anna, bob")
        self.assertEqual(self.one.names()[1], ["anna", "bob"])

    def test_not_stored(self):
        self.put("ssh", client="anna")
        self.one.store.writes = False
        line = "it is refused from now on, but that cannot be stored: a restart forgets it"
        self.assertEqual(self.refused("revoke", client="anna"), line)
        self.assertEqual((self.one.names()[1], self.one.doors.grants.live), (["bob"], []))


class TestOther(Base):
    def test_reload(self):
        self.one.write_config(changed(CONFIG_FILE, sequences={"one": {"steps": ["7000"], "open": ["ssh"]}}))
        self.assertEqual(self.good("reload"), {"warnings": ["sequences.one: one step: any scan of that port does it"]})
        self.one.write_config({})
        self.assertEqual(self.refused("reload")[:11], "interfaces:")

    def test_selftest(self):
        checks = {"wan0": "ok", "clock": "ok", "store": "ok", "warnings": "ok", "firewall": "ok"}
        in_force = {"config": "0" * 16, "sha256": self.one.configuration.digest, "trial": False}
        self.assertEqual(self.good("selftest"), dict(in_force, checks=checks))
        for change, key, line in (
            (lambda: setattr(self.one.all[0], "up", False), "wan0", "down"),
            (lambda: setattr(self.one.store, "failing", True), "store", "cannot be written"),
            (lambda: self.one.warnings.append("line"), "warnings", "1, see status"),
            (lambda: setattr(self.one.doors, "entries_fail", KnockletError("no sets")), "firewall", "no sets"),
        ):
            change()
            self.one.orders._remember = lambda asked, version: None  # a store that fails would refuse it
            self.assertEqual(self.good("selftest"), dict(in_force, checks=changed(checks, **{key: line})))
            checks[key] = line
        self.one.clients.clock.trusted = False
        self.assertEqual(self.one.orders._commands._selftest({})["checks"]["clock"], "not trusted")

    def test_pull(self):
        """For the holder of the key alone."""
        message = a2b_base64(self.good("pull")["config"])
        found = sealed.header(message, KEYS.gateway_id)
        self.assertTrue(sealed.is_from(KEYS, message))
        self.assertEqual((found.kind, found.version), (sealed.ANSWER, self.one.version))
        self.assertEqual(json.loads(sealed.decrypted(KEYS, message)), CONFIG_FILE)
        ivs = {bytes(a2b_base64(self.good("pull")["config"])[56:72]) for _ in range(3)}
        self.assertEqual(len(ivs), 3)

    def test_more_than_fits(self):
        values = {"a": "x" * (44_000 - len('{"a": ""}'))}
        self.one.configuration.values = lambda: values
        self.assertLessEqual(len(self.good("pull")["config"]), 60_000)
        values["a"] += "x"
        self.assertEqual(self.refused("pull"), "the configuration: found 44001 bytes; allowed: 44000")


if __name__ == "__main__":
    unittest.main()
