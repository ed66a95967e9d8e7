"""The words of a command line, for the processes that stay."""

from ..core.errors import KnockletError


def read(argv, values, flags, allowed):
    """Put what is given into `values` (option -> default). Returns the given ones of `flags`, which take no value, in order.

    allowed: all of them as a person reads it. Raises KnockletError.
    """
    given = []
    while argv:
        word = argv.pop(0)
        if word in flags:
            given.append(word)
        elif word in values and argv:
            values[word] = argv.pop(0)
        else:
            raise KnockletError("%s: allowed: %s" % (word, allowed))
    return given
