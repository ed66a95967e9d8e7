"""The list of verdicts is one list: numbers, names and order agree."""

import unittest

from knocklet.core import verdict


class TestVerdict(unittest.TestCase):
    def test_numbers_and_names(self):
        constants = {name: getattr(verdict, name) for name in dir(verdict) if name == name.upper() and name[0] != "_"}
        for name in ("NAMES", "COUNT", "PARSED", "CHECK"):
            constants.pop(name)
        self.assertEqual(sorted(constants.values()), list(range(verdict.COUNT)))
        self.assertEqual(len(verdict.NAMES), verdict.COUNT)
        for name, value in constants.items():
            with self.subTest(name):
                self.assertEqual(verdict.NAMES[value], name.lower())

    def test_go_on_is_no_verdict(self):
        self.assertTrue(verdict.COUNT <= verdict.PARSED < verdict.CHECK)

    def test_the_order_of_progress(self):
        """Where one packet means something to several sequences, the highest is told: complete above all."""
        order = ("OTHER_PORT", "STEP_ALONE", "STEP_OUT_OF_TURN", "STEP_STARTED", "STEP_ADVANCED", "COMPLETE")
        values = [getattr(verdict, name) for name in order]
        self.assertEqual(values, sorted(values))
