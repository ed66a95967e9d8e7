"""The configuration file: read whole, and only if root alone can have written it, or we ourselves: systemd gives the agent a
copy of its own."""

import os

from ..core.errors import ConfigError
from . import libc

_LIMIT_BYTES = 65536
_WRITABLE_BY_OTHERS = 0o022
_READABLE_BY_OTHERS = 0o044


def read(path, secret="sequences", readers=_READABLE_BY_OTHERS, limit_bytes=_LIMIT_BYTES):
    """(its bytes, warnings: list of lines). secret: what it hides, from whom: mode bits `readers`. Raises ConfigError."""
    try:
        found = os.stat(path)
        if found[4] and found[4] != libc.getuid() or found[0] & _WRITABLE_BY_OTHERS:
            raise ConfigError("%s: others may write it; allowed: owner root, mode 0600" % path)
        if found[6] > limit_bytes:
            raise ConfigError("%s: %d bytes; allowed: %d" % (path, found[6], limit_bytes))
        with open(path, "rb") as file:
            data = file.read(found[6])  # takes room for so many at once
    except OSError as error:
        raise ConfigError("%s: cannot be read (error %d)" % (path, error.errno))
    if found[0] & readers:
        return data, ["%s: others may read the %s in it; chmod 600 it" % (path, secret)]
    return data, []
