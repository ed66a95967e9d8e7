"""One JSON object of a configuration: its values are taken out one by one, each checked, and none may be left over."""

from ..wire.names import ALLOWED, is_name
from .errors import ConfigError, printable

REQUIRED = "_"  # stands for "no default"


class Table:
    """`where` names it in an error, `prefix` stands before its keys there: "services.ssh."."""

    def __init__(self, values, where, prefix=""):
        if not isinstance(values, dict):
            raise ConfigError("%s: found %s; allowed: an object in braces" % (where, _kind(values)))
        self.values = values
        self.prefix = prefix
        self._known = []

    def fail(self, key, found, allowed):
        raise ConfigError("%s%s: found %s; allowed: %s" % (self.prefix, key, _shown(found), allowed))

    def _take(self, key, default):
        self._known.append(key)
        if key not in self.values:
            if default is REQUIRED:
                self.fail(key, "nothing", "a value: it is required")
            return default
        return self.values[key]

    def choice(self, key, default, allowed):
        found = self._take(key, default)
        for value in allowed:
            if found == value and type(found) is type(value):
                return value
        self.fail(key, found, ", ".join(['"%s"' % v if isinstance(v, str) else _shown(v) for v in allowed]))

    def integer(self, key, default, low, high):
        """A whole number; the default may lie outside: it stands for none."""
        found = self._take(key, default)
        if key in self.values and (type(found) is not int or not low <= found <= high):
            self.fail(key, found, "a whole number, %d-%d" % (low, high))
        return found

    def text(self, key, default):
        found = self._take(key, default)
        if type(found) is not str or key in self.values and not found:
            self.fail(key, found, "a text in quotes")
        return found

    def secret(self, key, read, allowed):
        """What read(text) makes of a text that no log shall show. read may raise ValueError."""
        found = self._take(key, None)
        try:
            if type(found) is str:
                return read(found)
        except ValueError:
            pass
        raise ConfigError("%s%s: found %s; allowed: %s"
                          % (self.prefix, key, "nothing" if found is None else "something else", allowed))  # fmt: skip

    def texts(self, key, low, high, default=REQUIRED):
        """The default may be shorter: it stands for none."""
        found = self._take(key, default)
        wrong = type(found) is not list or not low <= len(found) <= high or any(type(text) is not str for text in found)
        if key in self.values and wrong:
            self.fail(key, found, "a list of %d to %d texts" % (low, high))
        return found

    def table(self, key, default=REQUIRED):
        """The table of an object."""
        return Table(self._take(key, default), self.prefix + key, "%s%s." % (self.prefix, key))

    def tables(self, key, high):
        """The (name, table) pairs of an object of objects, by name; each is taken out of it as it comes: there may be many."""
        found = self._take(key, {})
        if type(found) is not dict or len(found) > high:
            raise ConfigError("%s%s: found %s; allowed: an object with at most %d entries"
                              % (self.prefix, key, _kind(found), high))  # fmt: skip
        for name in found:
            if not is_name(name):
                self.fail(key, name, "names of " + ALLOWED)
        return ((name, Table(found.pop(name), key + "." + name, "%s.%s." % (key, name))) for name in sorted(found))

    def done(self):
        for key in sorted(self.values):
            if key not in self._known:
                raise ConfigError("%s%s: unknown key; allowed: %s"
                                  % (self.prefix, printable(key), ", ".join(sorted(self._known))))  # fmt: skip


def _shown(value):
    if value is True or value is False or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return _kind(value)
    if isinstance(value, str):
        return "'%s'" % printable(value)
    return printable(str(value))


def _kind(value):
    """Of what stands where an object should: it may hold secrets, and be long."""
    if isinstance(value, dict):
        return "an object with %d entries" % len(value)
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else _shown(value)
