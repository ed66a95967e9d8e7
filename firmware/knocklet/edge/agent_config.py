"""The agent's configuration, /etc/knocklet/agent.json: which broker, and whether Home Assistant is told.

    {"broker": {"host": "192.168.1.5", "password": "..."}, "home_assistant": true}

broker: `host` (name or address), `port` (8883, or 1883 without TLS), `tls` (true), `ca` (PEM itself, or a PEM or DER file;
the system's when there is one), `server_name` (the host; what the certificate must say), `password` (the user name is the
gateway's name).
Besides: `home_assistant` (true), `prefix` of its discovery topics (homeassistant). A mistake refuses the whole file.
"""

from ..core import strict_json
from ..core.checked_table import REQUIRED, Table
from ..core.errors import ConfigError, printable
from ..wire import topics
from . import config_file, tls_context

_SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
_READABLE_BY_ALL = 0o004  # its group may: that is how a service manager lets the agent's user read it
_PASSWORD_BYTES = 256
_HOST_BYTES = 253  # of a DNS name
_PREFIX_BYTES = 40
_HOST_SIGNS = "-_.:"  # and letters and digits
_PREFIX_SIGNS = "-_/"


class AgentConfig:
    """host, port, tls: TLS context or None, server_name, password: text or None, home_assistant: prefix or None."""


def load(path):
    """Read whole, with the certificates that it names. Raises ConfigError."""
    data, warnings = config_file.read(path, "password", _READABLE_BY_ALL)
    if warnings:
        raise ConfigError(warnings[0])
    root = Table(strict_json.loads(data), "configuration")
    new = AgentConfig()
    enabled = root.choice("home_assistant", True, (True, False))
    prefix = _text(root, "prefix", topics.HOME_ASSISTANT, _PREFIX_SIGNS, _PREFIX_BYTES)
    new.home_assistant = prefix if enabled else None
    _broker(new, root.table("broker"))
    root.done()
    return new


def _broker(new, table):
    tls = table.choice("tls", True, (True, False))
    if tls and not tls_context.AVAILABLE:
        raise ConfigError("broker.tls: found true, this MicroPython has no TLS; allowed: false, or install micropython-mbedtls")
    new.host = _text(table, "host", REQUIRED, _HOST_SIGNS, _HOST_BYTES)
    new.port = table.integer("port", 8883 if tls else 1883, 1, 65535)
    new.server_name = _text(table, "server_name", new.host, _HOST_SIGNS, _HOST_BYTES)
    password = table.values.get("password", "")
    if type(password) is not str or len(password) > _PASSWORD_BYTES:  # what was found is not shown
        raise ConfigError("broker.password: allowed: a text in quotes of at most %d characters" % _PASSWORD_BYTES)
    new.password = table.text("password", "") or None
    ca = table.text("ca", _SYSTEM_CA if tls else "")
    table.done()
    new.tls = tls_context.make(_certificates(ca)) if tls else None


def _text(table, key, default, signs, limit):
    found = table.text(key, default)
    if len(found) > limit or not all(sign.isalpha() or sign.isdigit() or sign in signs for sign in found):
        table.fail(key, found, "at most %d letters, digits and %s" % (limit, signs))
    return found


def _certificates(path):
    if path.startswith("-----BEGIN"):
        return "the text", path.encode()
    try:
        with open(path, "rb") as file:
            return path, file.read()
    except OSError as error:
        raise ConfigError("broker.ca: %s cannot be read (error %d); allowed: the broker's CA, PEM or a file"
                          % (printable(path), error.errno))  # fmt: skip
