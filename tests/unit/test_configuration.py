"""Which configuration is in force after each step, on real files: set, confirmed, rolled back, not confirmed in time, started
anew; and for each thing that can be wrong with a new one, that everything is as it was.
"""

import os
import unittest

from common.gateway import CONFIG_FILE, KEY, KEYS, NAME, Gateway, changed, text, whole_file
from knocklet.core.errors import ConfigError, KnockletError, Refused
from knocklet.edge.configuration import Configuration
from knocklet.wire import sealed
from knocklet.wire.sealed import COMMAND, CONFIG, SealKeys

CLIENTS = CONFIG_FILE["clients"]
MORE = changed(CONFIG_FILE, services=dict(CONFIG_FILE["services"], heat={"index": 3, "port": 8443}))
OTHER = changed(MORE, zone="reject")
LESS_OF_MORE = changed(MORE, clients={"bob": CLIENTS["bob"]})
LESS = changed(CONFIG_FILE, clients={"bob": CLIENTS["bob"]})
SERVICES = ["camera", "ssh"]
MORE_SERVICES = ["camera", "heat", "ssh"]
CANNOT = "it cannot be stored"


class Base(unittest.TestCase):
    def setUp(self):
        self.one = Gateway()
        self.one.what()

    def tearDown(self):
        self.one.end()

    def again(self):
        self.tearDown()
        self.setUp()

    def state(self):
        """All that a refused configuration must leave as it is."""
        one = self.one.configuration
        return one.version, one.digest, one.trial, self.one.names(), self.one.policy, self.one.warnings

    def pushed(self, config, confirm_s=30):
        answer = self.one.push(config, confirm_s)
        self.assertEqual(answer["status"], "ok", answer.get("error"))
        return self.one.version

    def kept(self, config):
        version = self.pushed(config)
        self.assertEqual(self.one.confirm()["status"], "ok")
        self.one.done.clear()
        return version

    def refused(self, config, confirm_s=30):
        """The line with which it is refused."""
        answer = self.one.push(config, confirm_s)
        self.assertEqual((answer["status"], answer["data"]), ("error", {}))
        return answer["error"]

    def told(self):
        """The events since the last time."""
        events = [one for one in self.one.done if one[0][:7] == "config_"]
        self.one.done.clear()
        return events

    def in_force(self, version, trial, services):
        one = self.one.configuration
        self.assertEqual((one.version, one.trial, self.one.names()[0]), (version, trial, services))

    def state_files(self):
        return sorted(os.listdir(self.one.folder + "/state"))

    def state_file(self, name):
        return self.one.folder + "/state/config." + name


def hex_of(version):
    return "%016x" % version


def full(*_message):
    """A disk."""
    raise OSError(28, "full")


class TestTrial(Base):
    def test_the_file_at_first(self):
        self.in_force(0, False, SERVICES)
        self.assertEqual(len(self.one.configuration.digest), 64)

    def test_tried_and_kept(self):
        answer = self.one.push(MORE)
        version = self.one.version
        self.assertEqual(answer["data"], {"trial": True, "confirm_s": 30, "warnings": []})
        self.assertEqual((answer["transaction"], answer["version"]), (hex_of(version), hex_of(version)))
        self.in_force(version, True, MORE_SERVICES)
        self.assertEqual(self.told(), [("config_trial", {"version": hex_of(version), "confirm_s": 30})])
        self.assertEqual(self.one.confirm()["data"], {"config": hex_of(version)})
        self.in_force(version, False, MORE_SERVICES)
        self.assertEqual(self.told(), [("config_applied", {"version": hex_of(version)})])
        self.assertFalse(self.one.loop._has_timer)  # nothing wakes it any more
        self.one.wait(31_000)
        self.one.start()
        self.in_force(version, False, MORE_SERVICES)
        self.assertEqual(self.told(), [])

    def test_rolled_back(self):
        version = self.pushed(MORE)
        self.one.done.clear()
        self.assertEqual(self.one.do("rollback")["data"], {"config": hex_of(0)})
        self.in_force(0, False, SERVICES)
        self.assertEqual(self.told(), [("config_rolled_back", {"version": hex_of(version), "reason": "owner"})])
        self.one.start()
        self.in_force(0, False, SERVICES)
        self.assertEqual(self.told(), [])  # nobody tells it twice

    def test_not_confirmed(self):
        for confirm_s in (30, 600):
            version = self.pushed(MORE, confirm_s)
            self.one.done.clear()
            self.one.wait(1000 * confirm_s - 1)
            self.in_force(version, True, MORE_SERVICES)
            self.one.wait(1)
            self.in_force(0, False, SERVICES)
            self.assertEqual(self.told(), [("config_rolled_back", {"version": hex_of(version), "reason": "not confirmed"})])

    def test_not_confirmed_and_the_firewall_is_busy(self):
        """It is tried again and again."""
        for error in (KnockletError("busy"), OSError(12), MemoryError()):
            self.pushed(MORE)
            self.one.done.clear()
            self.one.refuses = error
            self.one.wait(30_000)
            self.in_force(self.one.version, True, MORE_SERVICES)
            self.assertEqual(self.told(), [])
            self.one.wait(1000)
            self.in_force(0, False, SERVICES)
            self.assertEqual(len(self.told()), 1)

    def test_a_restart_in_a_trial(self):
        kept = self.kept(MORE)
        version = self.pushed(OTHER)
        self.one.done.clear()
        self.one.start()
        self.in_force(kept, False, MORE_SERVICES)
        self.assertEqual(self.one.policy.zone, "drop")
        self.assertEqual(self.told(), [("config_rolled_back", {"version": hex_of(version), "reason": "restart"})])
        self.one.start()
        self.assertEqual(self.told(), [])

    def test_a_reload_in_a_trial(self):
        version = self.pushed(MORE)
        self.one.done.clear()
        self.one.apply()
        self.in_force(0, False, SERVICES)
        self.assertEqual(self.told(), [("config_rolled_back", {"version": hex_of(version), "reason": "restart"})])
        self.one.wait(30_000)
        self.assertEqual(self.told(), [])

    def test_a_new_trial_replaces_the_one_before(self):
        """The way back is still what was confirmed, and the time begins anew."""
        kept = self.kept(MORE)
        self.pushed(OTHER)
        self.one.wait(29_999)
        version = self.pushed(changed(MORE, zone="accept"))
        self.one.wait(29_999)
        self.in_force(version, True, MORE_SERVICES)
        self.assertEqual(self.one.policy.zone, "accept")
        self.one.wait(1)
        self.in_force(kept, False, MORE_SERVICES)
        self.assertEqual(self.one.policy.zone, "drop")

    def test_kept_while_another_one_is_tried(self):
        """What only takes away from what is confirmed ends the trial."""
        self.pushed(MORE)
        version = self.pushed(LESS, 0)
        self.in_force(version, False, SERVICES)
        self.one.wait(60_000)
        self.in_force(version, False, SERVICES)

    def test_confirm_of_another_one(self):
        version = self.pushed(MORE)
        for other in (version - 1, version + 1, 1 << 62):
            line = self.one.confirm(other)["error"]
            self.assertEqual(line, "no trial of %s; in force: %s, tried" % (hex_of(other), hex_of(version)))
        self.in_force(version, True, MORE_SERVICES)

    def test_confirm_and_roll_back_without_a_trial(self):
        self.assertEqual(self.one.confirm(0)["error"], "no trial of %s; in force: %s" % (hex_of(0), hex_of(0)))
        self.assertEqual(self.one.do("rollback")["error"], "no trial; in force: " + hex_of(0))
        version = self.kept(MORE)
        self.assertEqual(self.one.confirm()["error"], "no trial of %s; in force: %s" % (hex_of(version), hex_of(version)))
        self.assertEqual(self.one.do("rollback")["status"], "error")
        self.in_force(version, False, MORE_SERVICES)

    def test_after_a_trial_it_cannot_be_confirmed(self):
        version = self.pushed(MORE)
        self.one.wait(30_000)
        self.assertEqual(self.one.confirm(version)["status"], "error")
        self.one.start()
        self.in_force(0, False, SERVICES)


class TestWithoutATrial(Base):
    def test_what_only_takes_away(self):
        version = self.pushed(LESS, 0)
        self.in_force(version, False, SERVICES)
        self.assertEqual(self.one.names()[1], ["bob"])
        self.assertEqual(self.told(), [("config_applied", {"version": hex_of(version)})])
        self.one.wait(60_000)
        self.one.start()
        self.in_force(version, False, SERVICES)

    def test_what_gives(self):
        before = self.state()
        line = "confirm_s 0: allowed: where something is only taken away; else 30-600"
        self.assertEqual(self.refused(MORE, 0), line)
        self.assertEqual(self.state(), before)

    def test_compared_with_what_is_confirmed(self):
        """Neither with the file, nor with what is only tried."""
        self.kept(LESS)
        self.assertEqual(self.refused(CONFIG_FILE, 0)[:11], "confirm_s 0")
        self.pushed(MORE)
        self.assertEqual(self.refused(changed(MORE, clients={}), 0)[:11], "confirm_s 0")
        self.pushed(changed(LESS, clients={}), 0)

    def test_with_the_clients_in_a_file_of_their_own(self):
        one = changed(CONFIG_FILE)
        clients = {"clients": one.pop("clients")}
        self.one.write_config(one)
        whole_file.write(self.one.folder + "/clients.json", text(clients))
        self.one.start()
        self.assertEqual(self.one.names()[1], ["anna", "bob"])
        self.assertEqual(self.refused(MORE, 0)[:11], "confirm_s 0")
        self.pushed(LESS, 0)

    def test_storage_that_fails_when_it_is_in_force(self):
        """It stays so until a restart."""
        self.one.configuration._slots.confirm = full
        self.assertEqual(self.refused(LESS, 0), CANNOT + " (error 28)")
        self.in_force(self.one.version, False, SERVICES)
        self.assertEqual(self.one.names()[1], ["bob"])
        self.one.start()
        self.assertEqual(self.one.names()[1], ["anna", "bob"])


class TestRefused(Base):
    def test_texts(self):
        """With a line, and nothing is stored."""
        before = self.state()
        for wrong, line in (
            (b"", "line 1: expected a value"),
            (b"{", "line 1: expected a key"),
            (b"[]", "the configuration: found a list"),
            (b"\xff", "line 1: byte 0xff"),
            (changed(MORE, new=1), "new: unknown key"),
            (changed(MORE, zone="open"), "zone: found 'open'"),
            (changed(MORE, interfaces=[]), "interfaces: "),
            (changed(MORE, id="office"), "id: found 'office'; allowed: 'home'"),
            (changed(MORE, id=""), "id: "),
            ({key: MORE[key] for key in MORE if key not in ("id", "clients")}, "id: found ''; allowed: 'home'"),
        ):
            for confirm_s in (0, 30):
                found = self.refused(wrong, confirm_s)
                if confirm_s:
                    self.assertEqual(found[: len(line)], line)
                self.assertEqual(self.state(), before)
        self.assertEqual(self.one.done, [])
        self.assertEqual(self.one.floors.last(CONFIG), 0)

    def test_a_firewall_that_refuses(self):
        before = self.state()
        for error, line in ((KnockletError("no sets"), "%s"), (OSError(12), "the system refused: %s")):
            self.one.refuses = error
            self.assertEqual(self.refused(MORE), line % error)
            self.assertEqual(self.state(), before)
            self.one.wait(60_000)
            self.assertEqual(self.told(), [])
            self.assertEqual(self.state_files(), [])
        self.one.start()
        self.in_force(0, False, SERVICES)
        self.assertEqual(self.told(), [])

    def test_memory_that_is_full(self):
        """It may be half in force: what was before is put into force again."""
        kept = self.kept(MORE)
        self.one.refuses = MemoryError()
        self.assertEqual(self.refused(OTHER)[:34], "the configuration needs more memor")
        self.in_force(kept, False, MORE_SERVICES)
        self.assertEqual(self.state_files(), ["config.sealed"])
        self.assertEqual(self.one.what(), "force config_rolled_back")
        self.one.start()
        self.assertEqual(self.told(), [])

    def test_its_version_is_used_up(self):
        self.one.refuses = KnockletError("no sets")
        message = self.one.config(MORE)
        self.one.orders.obey(message)
        self.assertIsNone(self.one.orders.obey(message))
        self.in_force(0, False, SERVICES)

    def test_not_stored(self):
        before = self.state()
        self.one.store.writes = False
        for confirm_s, config in ((30, MORE), (0, LESS)):
            self.assertEqual(self.refused(config, confirm_s), CANNOT)
            self.assertEqual(self.state(), before)
        self.assertEqual(self.one.what(), "")

    def test_no_room_for_the_trial(self):
        before = self.state()
        self.one.configuration._slots.prepare_trial = full
        for confirm_s, config in ((30, MORE), (0, LESS)):
            self.assertEqual(self.refused(config, confirm_s), CANNOT + " (error 28)")
            self.assertEqual(self.state(), before)
        self.assertEqual(self.one.what(), "")

    def test_a_trial_that_gets_no_name(self):
        """It is in force already: what was before comes back at once."""
        kept = self.kept(MORE)
        self.one.configuration._slots.put_trial = full
        for confirm_s, config in ((30, OTHER), (0, LESS_OF_MORE)):
            self.assertEqual(self.refused(config, confirm_s), CANNOT + " (error 28)")
            self.in_force(kept, False, MORE_SERVICES)
            back = {"version": hex_of(self.one.version), "reason": "not stored"}
            self.assertEqual(self.told(), [("config_rolled_back", back)])
            self.assertFalse(self.one.loop._has_timer)

    def test_a_trial_that_gets_no_name_while_others_are_at_the_firewall(self):
        """It is tried again when its time is over."""
        kept = self.kept(MORE)
        self.one.configuration._slots.put_trial = full
        real = self.one.force

        def force(new, warnings):
            real(new, warnings)
            self.one.refuses = KnockletError("busy")
            self.one.force = real

        self.one.force = force
        self.assertEqual(self.refused(OTHER), "busy")
        self.in_force(self.one.version, True, MORE_SERVICES)
        self.one.wait(30_000)
        self.in_force(kept, False, MORE_SERVICES)

    def failing_half_way(self, error, and_then=None):
        """force() fails once when the policy is in force already; and_then: with what the next one fails."""
        real = self.one.force

        def force(new, warnings):
            real(new, warnings)
            self.one.force, self.one.refuses = real, and_then
            raise error

        self.one.force = force

    def test_half_way(self):
        """The policy is in force, and what follows it is not: what was before is put into force again, also from a trial."""
        kept = self.kept(MORE)
        for in_a_trial in (False, True):
            for error in (KnockletError("busy"), OSError(12), MemoryError()):
                if in_a_trial:
                    self.pushed(changed(MORE, zone="accept"))
                self.failing_half_way(error)
                self.one.done.clear()
                self.refused(OTHER)
                self.in_force(kept, False, MORE_SERVICES)
                self.assertEqual(self.one.policy.zone, "drop")
                back = {"version": hex_of(self.one.version), "reason": "failed"}
                self.assertEqual(self.told(), [("config_rolled_back", back)])
                self.assertEqual((self.state_files(), self.one.loop._has_timer), (["config.sealed"], False))

    def test_half_way_and_the_way_back_fails(self):
        """It is tried again and again, by itself; and nobody can confirm it meanwhile."""
        kept = self.kept(MORE)
        for and_then in (KnockletError("busy"), OSError(12), MemoryError()):
            self.failing_half_way(KnockletError("busy"), and_then)
            self.refused(OTHER)
            version = self.one.version
            self.in_force(version, True, MORE_SERVICES)
            self.assertEqual(self.one.confirm(version)["status"], "error")
            self.one.done.clear()
            self.one.refuses = KnockletError("busy")
            for _ in range(2):
                self.assertEqual(self.told(), [])
                self.one.wait(1000)
            self.in_force(kept, False, MORE_SERVICES)
            self.assertEqual(self.one.policy.zone, "drop")
            self.assertEqual([one[0] for one in self.told()], ["config_rolled_back"])

    def test_in_a_trial(self):
        """That goes on, and can be confirmed."""
        for error in (KnockletError("no sets"), OSError(12)):
            version = self.pushed(MORE)
            before = self.state()
            self.one.refuses = error
            self.refused(OTHER)
            self.assertEqual(self.state(), before)
            self.assertEqual(self.one.confirm(version)["status"], "ok")
            self.one.start()
            self.in_force(version, False, MORE_SERVICES)
            self.again()

    def test_memory_that_is_full_in_a_trial(self):
        """Neither of the two is left."""
        self.pushed(MORE)
        self.one.done.clear()
        self.one.refuses = MemoryError()
        self.refused(OTHER)
        self.in_force(0, False, SERVICES)
        self.assertEqual(self.told(), [("config_rolled_back", {"version": hex_of(self.one.version), "reason": "failed"})])
        self.one.start()
        self.assertEqual(self.told(), [])

    def test_confirmed_and_not_stored(self):
        """It is tried on, and may be confirmed later."""
        version = self.pushed(MORE)
        real = self.one.configuration._slots.confirm
        self.one.configuration._slots.confirm = full
        self.assertEqual(self.one.confirm()["error"], CANNOT + " (error 28)")
        self.in_force(version, True, MORE_SERVICES)
        self.one.configuration._slots.confirm = real
        self.assertEqual(self.one.confirm()["status"], "ok")
        self.in_force(version, False, MORE_SERVICES)


class TestBoardInterfaces(Base):
    """A configuration without interfaces is good where the board names them, and is refused elsewhere."""

    def test_pushed_and_started_with(self):
        without = {key: MORE[key] for key in MORE if key != "interfaces"}
        self.assertIn("interfaces: found nothing", self.refused(without))
        self.one.board_interfaces = ["eth1"]
        self.one.start()
        self.assertEqual(self.one.policy.interfaces, CONFIG_FILE["interfaces"])
        version = self.kept(without)
        self.one.start()
        self.in_force(version, False, MORE_SERVICES)
        self.assertEqual(self.one.policy.interfaces, ["eth1"])
        self.one.board_interfaces = None
        self.one.start()
        self.in_force(0, False, SERVICES)

    def test_in_the_file(self):
        self.one.board_interfaces = ["eth1"]
        without = {key: MORE[key] for key in MORE if key != "interfaces"}
        whole_file.write(self.one.folder + "/config.json", text(without))
        self.one.start()
        self.assertEqual(self.one.policy.interfaces, ["eth1"])


class TestStart(Base):
    def test_what_lies_in_the_slots(self):
        """Only what this gateway's key has sealed as a configuration; else the one before, else the file."""
        first = self.kept(MORE)
        second = self.kept(OTHER)
        good = whole_file.read(self.state_file("sealed"), sealed.LIMIT_BYTES)
        other_key = SealKeys(bytes(32), NAME)
        for wrong, why in (
            (good[:-1], "%d bytes of text" % len(text(OTHER))),
            (good[:-1] + bytes([good[-1] ^ 1]), "damaged"),
            (good[:100] + bytes(20) + good[120:], "damaged"),
            (b"x", "1 bytes"),
            (self.one.sealed(CONFIG, text(OTHER), keys=other_key), "damaged"),
            (self.one.sealed(COMMAND, text(OTHER)), "damaged"),
            (self.one.sealed(CONFIG, b"{}"), "interfaces: "),
        ):
            whole_file.write(self.state_file("sealed"), wrong)
            self.one.start()
            self.in_force(first, False, MORE_SERVICES)
            self.assertEqual(self.one.policy.zone, "drop")
            self.assertEqual(len(self.one.warnings), 1)
            self.assertIn("a configuration from MQTT is not used: " + why, self.one.warnings[0])
        whole_file.write(self.state_file("before"), b"x")
        self.one.start()
        self.in_force(0, False, SERVICES)
        self.assertEqual(len(self.one.warnings), 2)
        whole_file.write(self.state_file("sealed"), good)
        self.one.start()
        self.in_force(second, False, MORE_SERVICES)

    def test_what_cannot_be_read(self):
        """It is not as if nothing lay there: what was before is in force, and the owner hears why."""
        first = self.kept(MORE)
        self.kept(OTHER)
        path = self.state_file("sealed")
        for break_it in (lambda: whole_file.write(path, b""), lambda: (os.remove(path), os.mkdir(path))):
            break_it()
            self.one.done.clear()
            self.one.start()
            self.in_force(first, False, MORE_SERVICES)
            line = "a configuration from MQTT is not used: 0 bytes"
            self.assertEqual(self.one.warnings, [line])
            self.assertEqual([one for one in self.one.done if one[0] == "store_failed"], [("store_failed", {"reason": line})])

    def test_another_key(self):
        self.kept(MORE)
        whole_file.write(self.one.folder + "/key", bytes(31) + b"\1")
        self.one.start()
        self.in_force(0, False, SERVICES)
        self.assertIn("damaged, or sealed with another key", self.one.warnings[0])

    def test_no_key(self):
        """Nothing of MQTT counts then."""
        self.kept(MORE)
        whole_file.remove(self.one.folder + "/key")
        self.one.start()
        self.in_force(0, False, SERVICES)
        self.assertIsNone(self.one.clients)
        self.assertEqual(self.one.warnings, [])

    def test_the_file_again_and_storage_fails(self):
        """It is in force, and the owner hears that it may not be after a restart."""
        version = self.kept(MORE)
        self.one.configuration._slots.forget = full
        with self.assertRaises(Refused):
            self.one.apply(True)
        self.in_force(0, False, SERVICES)
        self.one.start()
        self.in_force(version, False, MORE_SERVICES)
        self.one.apply(True)
        self.one.configuration._slots.forget = full  # there is nothing to forget
        self.one.apply(True)

    def test_a_path_without_a_folder(self):
        self.assertEqual(Configuration("config.json", self.one.loop, self.one.events, self.one).folder, ".")

    def test_the_file_again(self):
        self.kept(MORE)
        self.pushed(OTHER)
        self.one.apply(True)
        self.in_force(0, False, SERVICES)
        self.one.start()
        self.in_force(0, False, SERVICES)

    def test_a_reload_takes_what_is_confirmed(self):
        version = self.kept(MORE)
        self.one.write_config(OTHER)
        self.one.apply()
        self.in_force(version, False, MORE_SERVICES)
        self.assertEqual(self.one.policy.zone, "drop")

    def test_the_file_again_and_it_is_wrong(self):
        """What there was stays, over a restart, too."""
        version = self.kept(MORE)
        whole_file.write(self.one.folder + "/config.json", b"{")
        with self.assertRaises(ConfigError):
            self.one.apply(True)
        self.in_force(version, False, MORE_SERVICES)
        self.one.start()
        self.in_force(version, False, MORE_SERVICES)

    def test_a_file_that_is_wrong(self):
        before = self.state()
        whole_file.write(self.one.folder + "/config.json", b"{")
        with self.assertRaises(ConfigError):
            self.one.apply()
        self.assertEqual(self.state(), before)

    def test_a_reload_that_fails_in_a_trial(self):
        """That goes on, and can be confirmed."""
        version = self.pushed(MORE)
        before = self.state()
        whole_file.write(self.one.folder + "/config.json", b"{")
        self.one.done.clear()
        with self.assertRaises(ConfigError):
            self.one.apply()
        self.assertEqual((self.state(), self.told()), (before, []))
        self.assertEqual(self.one.confirm(version)["status"], "ok")
        self.one.apply()
        self.in_force(version, False, MORE_SERVICES)

    def test_a_key_that_others_may_read(self):
        before = self.state()
        whole_file.write(self.one.folder + "/key", KEY, 0o644)
        with self.assertRaises(KnockletError):
            self.one.apply()
        self.assertEqual(self.state(), before)


class TestRevoked(Base):
    def revoking(self, name, config):
        for one in self.one.policy.clients:
            if one.name == name:
                return changed(config, revoked=[one.fingerprint.hex()])

    def test_whatever_becomes_of_the_configuration(self):
        """It holds over a rollback, a trial that nobody confirms, a restart, an older slot and the file."""
        for end in (lambda: self.one.do("rollback"), lambda: self.one.wait(30_000), lambda: self.one.start(),
                    lambda: self.one.apply(), lambda: self.one.confirm()):  # fmt: skip
            self.again()
            self.kept(MORE)
            self.pushed(self.revoking("anna", OTHER))
            self.assertEqual(self.one.names()[1], ["bob"])
            end()
            self.assertEqual(self.one.names()[1], ["bob"])
            self.assertTrue(self.one.is_revoked("anna"))
            self.assertFalse(self.one.is_revoked("bob"))
            self.kept(CONFIG_FILE)
            self.assertEqual(self.one.names()[1], ["bob"])
            self.one.apply(True)
            self.assertEqual(self.one.names()[1], ["bob"])

    def test_without_a_trial(self):
        self.pushed(self.revoking("anna", CONFIG_FILE), 0)
        self.assertEqual(self.one.names()[1], ["bob"])
        self.pushed(CONFIG_FILE, 0)
        self.assertEqual(self.one.names()[1], ["bob"])

    def test_also_where_the_rest_is_refused(self):
        """The keys are stored first: what is refused then changes nothing else."""
        self.one.refuses = KnockletError("no sets")
        self.refused(self.revoking("anna", MORE))
        self.in_force(0, False, SERVICES)
        self.assertEqual(self.one.names()[1], ["bob"])

    def test_not_stored(self):
        real = self.one.clients.stored
        self.one.clients.stored = lambda name, what, value, at_ms: real(name, what, value, at_ms) and value != 1 << 62
        self.assertEqual(self.refused(self.revoking("anna", MORE)), "revoked: they cannot be stored")
        self.in_force(0, False, SERVICES)
        self.assertEqual(self.one.names()[1], ["bob"])  # as long as this engine lives

    def test_by_the_file(self):
        """What comes over MQTT later does not bring it back."""
        config = self.revoking("anna", CONFIG_FILE)
        self.one.write_config(config)
        self.one.start()
        self.assertTrue(self.one.is_revoked("anna"))
        self.pushed(CONFIG_FILE, 0)
        self.assertEqual(self.one.names()[1], ["bob"])

    def test_by_the_file_of_a_gateway_without_a_key(self):
        self.one.write_config(self.revoking("anna", CONFIG_FILE))
        whole_file.remove(self.one.folder + "/key")
        self.one.start()
        self.assertEqual((self.one.names()[1], self.one.clients), (["bob"], None))

    def test_stored_once(self):
        config = self.revoking("anna", MORE)
        self.kept(config)
        self.pushed(config)
        self.assertEqual([one[0] for one in self.one.done], ["store", "force", "config_trial"])  # only the version


class TestSaid(Base):
    def test_kept_but_perhaps_not_for_good(self):
        version = self.pushed(MORE)
        real = self.one.configuration._slots.confirm
        self.one.configuration._slots.confirm = lambda: real() and False
        self.assertIn("a power cut may bring back what was before", self.one.confirm()["error"])
        self.in_force(version, False, MORE_SERVICES)

    def test_keys_of_a_client(self):
        """Of what is tried, and of what comes back after it; of nobody else."""
        keys_of = self.one.configuration.keys_of
        anna, bob = keys_of("anna"), keys_of("bob")
        self.assertEqual((len(anna), len(bob), anna == bob), (1, 1, False))
        self.pushed(changed(MORE, clients=dict(CLIENTS, anna=dict(CLIENTS["anna"], key="%064x" % 0xC))))
        self.assertEqual((len(keys_of("anna")), anna[0] in keys_of("anna"), keys_of("bob")), (2, True, bob))
        self.assertEqual(keys_of("carol"), [])


class TestPulled(Base):
    def test_values(self):
        """Those that are confirmed, also in a trial."""
        values = self.one.configuration.values
        self.assertEqual(values(), CONFIG_FILE)
        self.pushed(MORE)
        self.assertEqual(values(), CONFIG_FILE)
        self.one.confirm()
        self.assertEqual(values(), MORE)
        self.pushed(OTHER)
        self.assertEqual(values(), MORE)
        self.one.write_config(OTHER)
        self.one.do("rollback")
        self.assertEqual(values(), MORE)
        self.one.apply(True)
        self.assertEqual(values(), OTHER)

    def test_of_the_one_that_is_in_force(self):
        """Not of one that lies there and is no good, nor of one that another key could open."""
        version = self.kept(MORE)
        self.kept(OTHER)
        for wrong in (self.one.sealed(CONFIG, b"{}"), sealed.seal(KEYS, CONFIG, 1, b"{}", bytes(16)), b"x"):
            whole_file.write(self.state_file("sealed"), wrong)
            self.one.start()
            self.in_force(version, False, MORE_SERVICES)
            self.assertEqual(self.one.configuration.values(), MORE)
        whole_file.write(self.state_file("before"), b"x")
        with self.assertRaises(Refused):  # not the file instead
            self.one.configuration.values()

    def test_another_key_wants_a_restart(self):
        """Else the old one would go on being obeyed."""
        version = self.kept(MORE)
        for key in (None, bytes(32)):
            whole_file.remove(self.one.folder + "/key")
            if key:
                whole_file.write(self.one.folder + "/key", b"\1" + key[1:])
            with self.assertRaises(KnockletError):
                self.one.apply()
            self.in_force(version, False, MORE_SERVICES)

    def test_refused_by_name(self):
        """A Refused is a KnockletError, and nothing else is raised by the owner's mistakes."""
        with self.assertRaises(Refused):
            self.one.configuration.confirm(hex_of(0))
        with self.assertRaises(Refused):
            self.one.configuration.roll_back("owner")


if __name__ == "__main__":
    unittest.main()
