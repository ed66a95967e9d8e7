"""The gateway's key: 32 bytes in a file that root alone can read. Only the engine knows it."""

import os

from ..core.errors import KnockletError
from ..wire.keys import KEY_BYTES

_OTHERS = 0o077
_ENOENT = 2


def read(path):
    """The key, or None when there is no such file. Raises KnockletError when others could have read it."""
    try:
        found = os.stat(path)
        with open(path, "rb") as file:
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        if error.errno != _ENOENT:
            raise KnockletError("%s: cannot be read (error %d)" % (path, error.errno))
        return None
    if found[4] != 0 or found[0] & _OTHERS:
        raise KnockletError("%s: others may read or write it; allowed: owner root, mode 0600" % path)
    if len(key) != KEY_BYTES or not any(key):
        raise KnockletError("%s: found %d bytes; allowed: the %d of `knocklet gateway key NAME`" % (path, found[6], KEY_BYTES))
    return key
