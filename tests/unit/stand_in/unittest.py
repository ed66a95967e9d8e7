"""Stands in for micropython-lib's unittest where that cannot be had: those of its names that our unit tests use."""

import sys


class Block:
    """For `with`: assertRaises gives one that expects an exception, subTest one that says where it came from."""

    def __init__(self, expected=None, about=None): self.expected, self.about = expected, about
    def __enter__(self): return self

    def __exit__(self, kind, exception, traceback):
        self.exception = exception
        assert kind or not self.expected, "%s not raised" % self.expected
        if kind and self.about:
            print("in subTest", self.about)
        return bool(self.expected) and issubclass(kind, self.expected)


class TestCase:
    def setUp(self): pass
    def tearDown(self): pass
    def subTest(self, msg="", **parameters): return Block(about=(msg, parameters))
    def fail(self, msg=""): raise AssertionError(msg)
    def check(self, holds, msg, *values): holds or self.fail(msg or "not so: " + " ".join(repr(v) for v in values))
    def assertTrue(self, a, msg=""): self.check(a, msg, a)
    def assertFalse(self, a, msg=""): self.check(not a, msg, "not", a)
    def assertEqual(self, a, b, msg=""): self.check(a == b, msg, a, "==", b)
    def assertNotEqual(self, a, b, msg=""): self.check(a != b, msg, a, "!=", b)
    def assertLessEqual(self, a, b, msg=""): self.check(a <= b, msg, a, "<=", b)
    def assertGreaterEqual(self, a, b, msg=""): self.check(a >= b, msg, a, ">=", b)
    def assertIs(self, a, b, msg=""): self.check(a is b, msg, a, "is", b)
    def assertIsNot(self, a, b, msg=""): self.check(a is not b, msg, a, "is not", b)
    def assertIsNone(self, a, msg=""): self.check(a is None, msg, a, "is None")
    def assertIsNotNone(self, a, msg=""): self.check(a is not None, msg, a, "is not None")
    def assertIn(self, a, b, msg=""): self.check(a in b, msg, a, "in", b)
    def assertIsInstance(self, a, b, msg=""): self.check(isinstance(a, b), msg, a, "is a", b)
    def assertRaises(self, expected): return Block(expected)


class TestSuite(list):
    def addTest(self, case): self.append(case)


class TestRunner:
    testsRun = failuresNum = errorsNum = skippedNum = 0   # it is its own result

    def run(self, suite):
        for case, name in [(c, n) for c in suite for n in dir(c) if n.startswith("test")]:
            self.testsRun += 1
            test = case()
            try:
                test.setUp()
                try: getattr(test, name)()
                finally: test.tearDown()
            except BaseException as exception:   # a test that exits failed too
                self.failuresNum += 1
                print("FAIL", name)
                sys.print_exception(exception)
        return self
