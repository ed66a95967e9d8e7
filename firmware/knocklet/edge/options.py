"""The words of a command line, for the processes that stay."""

from ..core.errors import KnockletError


def read(argv, values, flags):
    """Put what is given into `values` (option -> default). Returns the given ones of `flags`, which take no value, in order.
    Raises KnockletError."""
    given = []
    while argv:
        word = argv.pop(0)
        if word in flags:
            given.append(word)
        elif word in values and argv:
            values[word] = argv.pop(0)
        else:
            with_value = [option + " VALUE" for option in sorted(values)]
            raise KnockletError("%s: allowed: %s" % (word, ", ".join(with_value + sorted(flags))))
    return given
