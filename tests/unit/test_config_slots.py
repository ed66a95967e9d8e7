"""The slots on real files: which configurations there are after each step, and after one that storage refused."""

import os
import unittest

from common.files import make_folder, remove_folder, whole_file
from knocklet.edge.config_slots import ConfigSlots
from knocklet.wire import sealed
from knocklet.wire.sealed import CONFIG, SealKeys

KEYS = SealKeys(bytes(range(32)), "home")
A, B, C = [sealed.seal(KEYS, CONFIG, version, b"{}", bytes(16)) for version in (1, 0x0123456789ABCDEF, 3)]


class TestSlots(unittest.TestCase):
    def setUp(self):
        self.folder = make_folder()
        self.slots = ConfigSlots(self.folder + "/state")

    def tearDown(self):
        remove_folder(self.folder)

    def files(self):
        return sorted(os.listdir(self.folder + "/state"))

    def tried(self, message):
        self.slots.prepare_trial(message)
        self.slots.put_trial()

    def kept(self, *messages):
        for message in messages:
            self.tried(message)
            self.slots.confirm()

    def test_none(self):
        self.assertEqual(self.slots.confirmed(), [])
        self.assertEqual(self.slots.trial_version(), 0)
        self.slots.end_trial()

    def test_a_trial_is_not_confirmed(self):
        self.tried(B)
        self.assertEqual(self.slots.confirmed(), [])
        self.assertEqual(self.slots.trial_version(), 0x0123456789ABCDEF)
        self.assertEqual(self.files(), ["config.trial"])
        self.slots.end_trial()
        self.assertEqual((self.slots.trial_version(), self.files()), (0, []))

    def test_kept(self):
        self.kept(A)
        self.assertEqual((self.slots.confirmed(), self.slots.trial_version()), ([A], 0))
        self.kept(B)
        self.assertEqual(self.slots.confirmed(), [B, A])
        self.kept(C)
        self.assertEqual(self.slots.confirmed(), [C, B])
        self.assertEqual(self.files(), ["config.before", "config.sealed"])

    def test_one_that_cannot_be_read(self):
        """It is there, and empty: whoever reads them can tell that something is wrong."""
        self.kept(A, B)
        path = self.folder + "/state/config.sealed"
        whole_file.write(path, b"")
        self.assertEqual(self.slots.confirmed(), [b"", A])
        os.remove(path)
        os.mkdir(path)
        self.assertEqual(self.slots.confirmed(), [b"", A])

    def test_a_trial_changes_nothing_that_is_kept(self):
        self.kept(A, B)
        self.tried(C)
        self.assertEqual(self.slots.confirmed(), [B, A])
        self.slots.end_trial()
        self.assertEqual(self.slots.confirmed(), [B, A])

    def test_a_trial_instead_of_another_one(self):
        self.tried(A)
        self.tried(B)
        self.slots.confirm()
        self.assertEqual(self.slots.confirmed(), [B])

    def test_one_that_never_came_into_force(self):
        """What was tried before still is."""
        self.tried(A)
        self.slots.prepare_trial(B)
        self.slots.drop_trial()
        self.assertEqual((self.slots.trial_version(), self.files()), (1, ["config.trial"]))
        with self.assertRaises(OSError):
            self.slots.put_trial()
        self.slots.confirm()
        self.assertEqual(self.slots.confirmed(), [A])

    def test_forgotten(self):
        self.kept(A, B)
        self.tried(C)
        self.slots.forget()
        self.assertEqual((self.slots.confirmed(), self.slots.trial_version(), self.files()), ([], 0, []))

    def test_only_for_root(self):
        self.tried(A)
        self.assertEqual(os.stat(self.folder + "/state")[0] & 0o777, 0o700)
        self.assertEqual(os.stat(self.folder + "/state/config.trial")[0] & 0o777, 0o600)
        self.slots.confirm()
        self.assertEqual(os.stat(self.folder + "/state/config.sealed")[0] & 0o777, 0o600)

    def test_no_trial_no_confirm(self):
        self.kept(A, B)
        with self.assertRaises(OSError):
            self.slots.confirm()
        self.assertEqual(self.slots.confirmed()[0], B)  # by whatever name

    def test_what_cannot_be_written(self):
        """All is as it was, and no part of it is left."""
        self.kept(A)
        self.tried(B)
        real = whole_file.libc

        class Libc:
            @staticmethod
            def fchmod(_fd, _mode):
                raise OSError(28)

        whole_file.libc = Libc
        try:
            with self.assertRaises(OSError):
                self.tried(C)
        finally:
            whole_file.libc = real
        self.assertEqual((self.slots.confirmed(), self.slots.trial_version()), ([A], 0x0123456789ABCDEF))
        self.assertEqual(self.files(), ["config.sealed", "config.trial"])

    def test_every_part_of_a_file(self):
        """A file is never read beyond its limit, and nothing that is short is taken for a version."""
        self.tried(B[:24])
        self.assertEqual(self.slots.trial_version(), 0)
        self.kept(bytes(sealed.LIMIT_BYTES + 5))
        self.assertEqual(len(self.slots.confirmed()[0]), sealed.LIMIT_BYTES + 1)


if __name__ == "__main__":
    unittest.main()
