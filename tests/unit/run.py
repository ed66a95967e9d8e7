"""Runs one unit test file on MicroPython: micropython tests/unit/run.py tests/unit/test_packet.py

The same files run on CPython under pytest. Here unittest is micropython-lib's where the interpreter finds one, else
the stand-in beside this file. Prints "N passed, M failed"; exits 1 if a test failed or there was none.
"""

import sys

here = sys.argv[0].rsplit("/", 1)[0] if "/" in sys.argv[0] else "."
folder, _, name = sys.argv[1].rpartition("/")

# MicroPython puts the folder of this script first: the firmware goes there instead, and tests/ for what tests share.
sys.path[0:1] = [here + "/../../firmware", here + "/..", folder or "."]
try:
    import unittest
except ImportError:
    sys.path.append(here + "/stand_in")
    import unittest

module = __import__(name.rsplit(".", 1)[0])
suite = unittest.TestSuite()
for member in (getattr(module, text) for text in dir(module)):
    if isinstance(member, type) and issubclass(member, unittest.TestCase) and member is not unittest.TestCase:
        suite.addTest(member)

result = unittest.TestRunner().run(suite)
failed = result.failuresNum + result.errorsNum
passed = max(0, result.testsRun - failed - result.skippedNum)   # each subTest of a test may count as a failure
print("%d passed, %d failed" % (passed, failed))
sys.exit(0 if passed and not failed else 1)
