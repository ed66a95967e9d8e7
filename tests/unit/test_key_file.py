"""The gateway's key: a file that root alone can read, or none; anything else is told in one line, and is no missing key."""

import os
import unittest

from common.files import make_folder, remove_folder, whole_file
from knocklet.core.errors import KnockletError
from knocklet.edge import key_file

KEY = bytes(range(32))


class TestRead(unittest.TestCase):
    def setUp(self):
        self.folder = make_folder()
        self.path = self.folder + "/key"

    def tearDown(self):
        remove_folder(self.folder)

    def refused(self, path, line):
        try:
            key_file.read(path)
        except KnockletError as error:
            self.assertEqual(str(error), "%s: %s" % (path, line))
        else:
            self.fail(line)

    def test_read(self):
        self.assertIsNone(key_file.read(self.path))
        whole_file.write(self.path, KEY)
        self.assertEqual(key_file.read(self.path), KEY)

    def test_no_key(self):
        for data in (b"", KEY[1:], KEY + b"\0", bytes(32)):
            whole_file.write(self.path, data)
            self.refused(self.path, "found %d bytes; allowed: the 32 of `knocklet gateway key NAME`" % len(data))

    def test_others(self):
        for mode in (0o640, 0o604, 0o602):
            whole_file.write(self.path, KEY, mode)
            self.refused(self.path, "others may read or write it; allowed: owner root, mode 0600")

    def test_cannot_be_read(self):
        """Then it is not known whether there is one: a gateway with a key must not start as one without."""
        whole_file.write(self.path, KEY)
        self.refused(self.path + "/key", "cannot be read (error 20)")
        directory = self.folder + "/directory"
        os.mkdir(directory)
        whole_file.libc.chmod(directory, 0o700)
        self.refused(directory, "cannot be read (error 21)")


if __name__ == "__main__":
    unittest.main()
