"""Errors by whose fault they are. Each text is one line: what, where, what is allowed."""

NEEDS_MEMORY = "the configuration needs more memory; allowed: fewer clients, or a larger heap (KNOCKLET_HEAP=4M)"


class KnockletError(Exception):
    """Base of all errors that are told to a person in one line."""


class ConfigError(KnockletError):
    """The configuration says something that it may not."""


class Refused(KnockletError):
    """What the owner asked for is not done: he is told why."""


def printable(text, limit=60):
    """A piece of the input for a line: short, in one line, without what a terminal would obey."""
    return "".join([c if 32 <= ord(c) < 127 else "?" for c in text[:limit]])
