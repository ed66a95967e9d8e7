"""From a sealed message to its answer: nothing is said to what is not the owner's or not new; what was taken is stored before
it acts, and is never taken again.
"""

import unittest

from common.gateway import CONFIG_FILE, KEY, NAME, Gateway, S, Time, changed, orders, text
from knocklet.wire.sealed import ANSWER, COMMAND, CONFIG, SealKeys

LESS = changed(CONFIG_FILE, clients={})


class Base(unittest.TestCase):
    def setUp(self):
        self.one = Gateway()
        self.one.done.clear()

    def tearDown(self):
        self.one.end()

    def floor(self, kind):
        return self.one.floors.last(kind)

    def floors(self):
        return self.floor(CONFIG), self.floor(COMMAND)


class TestSilence(Base):
    def test_nothing_is_done_or_said(self):
        one = self.one
        other = SealKeys(bytes(31) + b"\1", NAME)
        good = one.command("close_all")
        for message in (
            b"", good[:-1], good + b"\0", good[:-1] + bytes([good[-1] ^ 1]),
            one.sealed(COMMAND, text({"verb": "close_all", "transaction": "t"}), keys=other, expires=one.version // S + 60),
            one.sealed(CONFIG, text(LESS), keys=other), one.sealed(CONFIG, text(LESS), keys=SealKeys(KEY, "office")),
            one.sealed(ANSWER, text(LESS)),
        ):  # fmt: skip
            self.assertIsNone(one.orders.obey(message))
        self.assertEqual((one.done, one.changes, self.floors()), ([], 0, (0, 0)))
        self.assertEqual(sum(one.orders.gate.dropped.values()), 8)

    def test_each_once(self):
        one = self.one
        for message in (one.command("close_all"), one.config(LESS, 0)):
            self.assertEqual(one.orders.obey(message)[1]["status"], "ok")
            one.done.clear()
            for _ in range(2):
                self.assertIsNone(one.orders.obey(message))
            one.start()
            self.assertIsNone(one.orders.obey(message))
        self.assertEqual(one.orders.gate.dropped, {"old": 1})

    def test_in_their_order(self):
        """What is held back is older than what came before it; each kind by itself."""
        one = self.one
        first, config, second = one.command("close_all"), one.config(LESS, 0), one.command("close_all")
        self.assertEqual(one.orders.obey(second)[1]["status"], "ok")
        self.assertIsNone(one.orders.obey(first))
        self.assertEqual(one.orders.obey(config)[1]["status"], "ok")
        self.assertEqual(one.orders.gate.dropped, {"old": 1})

    def test_not_older_than_what_is_in_force(self):
        """Also where the store was made anew and knows no floor."""
        one = self.one
        old = one.config(CONFIG_FILE)
        one.push(LESS, 0)
        one.store.used.clear()
        self.assertIsNone(one.orders.obey(old))
        self.assertEqual(self.floors(), (0, 0))
        self.assertEqual(one.do("close_all")["status"], "ok")  # of the other kind none is in force
        one.push(LESS, 0)
        self.assertEqual(one.do("pull")["status"], "ok")

    def test_a_store_that_was_made_anew(self):
        """Nobody knows what was taken before: nothing sealed before that, and no configuration until the clock is trusted."""
        one = self.one
        one.store.floor_us = one.version + 1
        for message in (one.command("close_all"), one.config(LESS, 0, version=one.version)):
            self.assertIsNone(one.orders.obey(message))
        self.assertEqual(one.do("close_all")["status"], "ok")
        one.store.floor_us = None
        lost = "what was taken before is lost: a configuration is taken when the clock is trusted"
        self.assertEqual(one.push(LESS, 0)["error"], lost)
        self.assertEqual(one.do("close_all")["status"], "ok")
        one.store.floor_us = one.version
        self.assertEqual(one.push(LESS, 0)["status"], "ok")

    def test_refused_once_it_is_refused_for_good(self):
        """Whoever carries it could else keep it for the moment when it would be obeyed. What is stored does not move: a refusal
        costs nobody his next message, nor storage a write."""
        one = self.one
        opens, reads = one.command("open", service="ssh", source="198.51.100.7"), one.command("close", service="heat")
        config = one.config(LESS, 0)
        one.clients.clock.trusted = False
        self.assertIn("clock is not trusted", one.orders.obey(opens)[1]["error"])
        one.clients.clock.trusted = True
        self.assertIsNone(one.orders.obey(opens))
        self.assertIn("service: found 'heat'", one.orders.obey(reads)[1]["error"])
        one.store.floor_us = None
        self.assertIn("is lost", one.orders.obey(config)[1]["error"])
        one.store.floor_us = 0
        for message in (opens, reads, config):
            self.assertIsNone(one.orders.obey(message))
        self.assertEqual((one.orders.gate.dropped, self.floor(CONFIG)), ({"old": 4}, 0))
        self.assertEqual([done[0] for done in one.done if done[0] != "store"], [])
        self.assertEqual(one.do("close_all")["status"], "ok")
        self.assertEqual(one.push(LESS, 0)["status"], "ok")

    def test_a_wrong_clock_shuts_nobody_out(self):
        """What is ahead of the gateway's clock is refused with a line, and what has the right time comes through after it."""
        one = self.one
        now = one.version
        for kind, message in ((COMMAND, {"verb": "close_all", "transaction": "t"}), (CONFIG, LESS)):
            version = one.clients.clock.time_us + 90_000 * S
            expires = version // S + 60 if kind == COMMAND else 0
            answer = one.orders.obey(one.sealed(kind, text(message), version=version, expires=expires))[1]
            self.assertIn("its version is 90000 s ahead of the gateway's clock", answer["error"])
        one.version = now
        self.assertEqual(one.do("close_all")["status"], "ok")
        self.assertEqual(one.push(LESS, 0)["status"], "ok")

    def test_a_command_is_not_older_than_a_configuration(self):
        """That counts for itself, also when it comes later."""
        one = self.one
        command = one.command("close_all")
        one.push(LESS, 0)
        self.assertEqual(one.orders.obey(command)[1]["status"], "ok")

    def test_room(self):
        """4 at once, and 4 a second."""
        have = [self.one.orders.has_room() for _ in range(6)]
        self.assertEqual(have, [True] * 4 + [False] * 2)
        Time.ms += 250
        self.assertEqual([self.one.orders.has_room() for _ in range(2)], [True, False])


class TestAnswer(Base):
    def test_of_a_command(self):
        verb, answer = self.one.orders.obey(self.one.command("close_all"))
        self.assertEqual(verb, "close_all")
        version = "%016x" % self.one.version
        self.assertEqual(answer, {"data": {"closed": 0}, "status": "ok", "transaction": "t", "version": version})
        self.assertEqual(self.one.changes, 1)

    def test_of_a_configuration(self):
        verb, answer = self.one.orders.obey(self.one.config(LESS, 0))
        version = "%016x" % self.one.version
        data = {"trial": False, "confirm_s": 0, "warnings": []}
        self.assertEqual(verb, "set")
        self.assertEqual(answer, {"data": data, "status": "ok", "transaction": version, "version": version})
        self.assertEqual(self.one.changes, 1)

    def test_of_one_that_is_refused(self):
        """As much as is known of it."""
        one = self.one
        expires = one.version // S + 60
        fly = text({"verb": "fly", "transaction": "t"})
        for message, verb, transaction, line in (
            (one.config(LESS, 29), "set", "", "confirm_s 29"),
            (one.config(LESS, 0, expires=1), "set", "", "it expired"),
            (one.config(b"{", 0), "set", None, "line 1: "),
            (one.sealed(COMMAND, b"{", expires=expires), "command", "", "line 1: "),
            (one.sealed(COMMAND, b"{}", expires=0), "command", "", "expires: "),
            (one.sealed(COMMAND, fly, expires=expires), "command", "", "verb: found 'fly'"),
            (one.command("close"), "close", "t", "service: found 'nothing'"),
            (one.command("close", service="no"), "close", "t", "service: found 'no'; allowed: camera, ssh"),
        ):
            found, answer = one.orders.obey(message)
            self.assertEqual((found, answer["status"], answer["data"]), (verb, "error", {}))
            self.assertEqual(answer["transaction"], answer["version"] if transaction is None else transaction)
            self.assertEqual(answer["error"][: len(line)], line)

    def test_of_one_that_the_kernel_refuses(self):
        for error in (OSError(12), MemoryError()):
            self.one.refuses = error
            self.assertEqual(self.one.push(CONFIG_FILE)["status"], "error")

    def test_other_mistakes_are_ours(self):
        """They end the engine: a configuration that is half in force must not stay."""
        self.one.refuses = TypeError("ours")
        with self.assertRaises(TypeError):
            self.one.push(CONFIG_FILE)


class TestFloor(Base):
    def test_stored_before_it_acts(self):
        one = self.one
        one.do("open", service="ssh", source="198.51.100.7")
        self.assertEqual([done[0] for done in one.done], ["store", "open"])
        self.assertEqual((one.done[0], self.floors()), (("store", COMMAND, one.version), (0, one.version)))
        one.done.clear()
        one.push(CONFIG_FILE)
        self.assertEqual([done[0] for done in one.done], ["store", "force", "config_trial"])
        self.assertEqual(one.done[0], ("store", CONFIG, one.version))

    def test_what_is_refused_moves_none(self):
        one = self.one
        for message in (
            one.command("close"), one.command("fly"), one.config(LESS, 29), one.config(b"{"), one.config(changed(LESS, id="x")),
        ):  # fmt: skip
            self.assertEqual(one.orders.obey(message)[1]["status"], "error")
            self.assertEqual(self.floors(), (0, 0))
        one.clients.clock.trusted = False
        self.assertEqual(one.do("open", service="ssh", source="198.51.100.7")["status"], "error")
        self.assertEqual(self.floors(), (0, 0))

    def test_not_stored(self):
        """Only what does no harm is done then."""
        one = self.one
        one.store.writes = False
        one.doors.grants.put(one.policy.services[1], bytes([10, 0, 0, 1]), "front", 0)
        for verb, fields, good in (
            ("open", {"service": "ssh", "source": "198.51.100.7"}, False), ("arm", {}, False), ("reload", {}, False),
            ("selftest", {}, True), ("pull", {}, True), ("close_all", {}, True), ("disarm", {}, True),
        ):  # fmt: skip
            answer = one.do(verb, **fields)
            self.assertEqual(answer["status"], "ok" if good else "error")
            if not good:
                self.assertEqual(answer["error"], verb + ": that it was used cannot be stored")
        self.assertEqual([done[0] for done in one.done if done[0] != "store"], ["close"])


class TestClock(Base):
    def test_times_only_by_a_trusted_clock(self):
        one = self.one
        late = one.command("close_all")
        one.clients.clock.time_us += 3600 * S
        self.assertIn("it expired 35", one.orders.obey(late)[1]["error"])
        one.clients.clock.trusted = False
        self.assertEqual(one.orders.obey(late)[1]["status"], "ok")

    def test_what_gives_wants_a_trusted_clock(self):
        one = self.one
        one.clients.clock.trusted = False
        for verb, good in (("arm", False), ("disarm", True), ("close_all", True), ("pull", True), ("reload", False)):
            self.assertEqual(one.do(verb)["status"], "ok" if good else "error")


class TestArmed(Base):
    def test_over_a_restart(self):
        one = self.one
        for verb, armed in (("disarm", False), ("arm", True), ("disarm", False)):
            self.assertEqual(one.do(verb)["data"], {"armed": armed})
            self.assertIs(one.wishes.armed, armed)
            one.start()
            self.assertIs(one.wishes.armed, armed)


class TestMemory(Base):
    def test_it_is_collected(self):
        """Before the answer is made: it needs some, too."""
        real, collected = orders.gc, []

        class Gc:
            @staticmethod
            def collect():
                collected.append(1)

        orders.gc = Gc
        try:
            self.one.refuses = MemoryError()
            self.assertIn("needs more memory", self.one.push(CONFIG_FILE)["error"])
            self.assertEqual(collected, [1])
        finally:
            orders.gc = real


if __name__ == "__main__":
    unittest.main()
