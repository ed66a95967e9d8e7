"""Tables of what a configuration is refused for, and the line that says so."""

from knocklet.core.errors import ConfigError


def error_of(load, *arguments):
    """The line with which load(*arguments) refuses, or None."""
    try:
        load(*arguments)
    except ConfigError as error:
        return str(error)
    return None


class Refusals:
    """Mixed into a TestCase that has REFUSED, [(where, value, how the line begins, what it holds besides)], and
    line_of(where, value): the line for a configuration with this value there."""

    def test_each(self):
        for where, value, begins, holds in self.REFUSED:
            with self.subTest(where, value=value):
                line = self.line_of(where, value)
                self.assertTrue(line is not None, "taken")
                self.assertEqual(line[: len(begins)], begins)
                self.assertIn(holds, line)
