"""Errors by whose fault they are. Each text is one line: what, where, what is allowed."""


class KnockletError(Exception):
    """Base of all errors that are told to a person in one line."""


class ConfigError(KnockletError):
    """The configuration says something that it may not."""
