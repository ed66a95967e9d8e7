"""The policy, from the configuration and the file of clients beside it; refused where this MicroPython cannot serve it."""

from hashlib import sha256

from ..core import policy
from ..core.errors import ConfigError
from ..wire.hmac import hex_text
from . import config_file, whole_file

_CLIENTS_BYTES = 131_072  # 512 clients


def texts(path):
    """(the configuration, the clients' file or None, warnings: list of lines). Raises ConfigError."""
    data, warnings = config_file.read(path)
    clients_path = (path.rpartition("/")[0] or ".") + "/" + policy.CLIENTS_FILE
    clients = None
    if whole_file.is_there(clients_path):
        clients, more = config_file.read(clients_path, "keys", limit_bytes=_CLIENTS_BYTES)
        warnings += more
    return data, clients, warnings


def read(path, is_revoked=None, interfaces=None):
    """(the Policy, the digest of what it was read from, warnings). Raises ConfigError."""
    data, clients, warnings = texts(path)
    return make(data, clients, is_revoked, interfaces) + (warnings,)


def make(data, clients=None, is_revoked=None, interfaces=None):
    """(the Policy, the digest). As core.policy.load()."""
    new = policy.load(data, clients, is_revoked, interfaces)
    if new.fwknop_port:
        from . import ciphers  # not every MicroPython has what it needs

        line = ciphers.missing(new)
        if line:
            raise ConfigError(line)
    return new, hex_text(sha256(data + (clients or b"")).digest())
