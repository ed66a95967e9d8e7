"""Sealed commands: what their text may say, read strictly, and which of them may be obeyed without a trusted clock.

    {"verb": "open", "transaction": "any text", "service": "ssh", "source": "198.51.100.7", "ttl": 60}
"""

from ..wire.addresses import is_unicast, parse_address
from ..wire.names import ALLOWED, is_name
from .checked_table import REQUIRED, Table
from .errors import Refused
from .strict_json import loads

_TRANSACTION = 64  # characters
_HIGHEST = 9_999_999_999
_DAY_S = 86_400
# verb -> (the fields it must have, those it may have). These take away, keep or tell what is: an old one does no harm.
_ALWAYS = {
    "close": (("service",), ("source",)),
    "close_all": ((), ()),
    "deny": (("boot", "seq", "client", "service", "source"), ()),
    "disarm": ((), ()),
    "revoke": (("client",), ()),
    "confirm": (("version",), ()),
    "rollback": ((), ()),
    "selftest": ((), ()),
    "pull": ((), ()),
}
_BY_THE_CLOCK = {
    "open": (("service", "source"), ("ttl",)),
    "approve": (("boot", "seq", "client", "service", "source"), ()),
    "arm": ((), ()),
    "reload": ((), ()),
}


class Command:
    """verb; transaction: who has asked knows his answer by it; harmless: it does no harm whenever it comes."""

    def __init__(self, text):
        """text: bytes. Raises ConfigError."""
        self._table = Table(loads(text), "the command")
        self.verb = self._table.choice("verb", REQUIRED, sorted(_ALWAYS) + sorted(_BY_THE_CLOCK))
        self.harmless = self.verb in _ALWAYS
        self.transaction = self._table.text("transaction", REQUIRED)
        if len(self.transaction) > _TRANSACTION:
            self._table.fail("transaction", self.transaction, "at most %d characters" % _TRANSACTION)

    def fields(self, trusted):
        """The rest as a dict of checked values. trusted: is the clock? Raises ConfigError, Refused."""
        table = self._table
        if not trusted and not self.harmless:
            allowed = ", ".join(sorted(_ALWAYS))
            raise Refused("%s: while the gateway's clock is not trusted, allowed: %s" % (self.verb, allowed))
        must, may = _ALWAYS.get(self.verb) or _BY_THE_CLOCK[self.verb]
        found = {key: _field(table, key) for key in must + may if key in must or key in table.values}
        table.done()
        return found


def _field(table, key):
    if key in ("boot", "seq"):
        return table.integer(key, REQUIRED, 0, _HIGHEST)
    if key == "ttl":
        return table.integer(key, REQUIRED, 1, _DAY_S)
    found = table.text(key, REQUIRED)
    if key == "source":
        try:
            address = parse_address(found)
        except ValueError:
            address = b""
        if not is_unicast(address):
            table.fail(key, found, "the address of a device")
        return address
    if key in ("service", "client") and not is_name(found):
        table.fail(key, found, "a name: " + ALLOWED)
    if key == "version" and (len(found) != 16 or any(digit not in "0123456789abcdef" for digit in found)):
        table.fail(key, found, "16 hex digits")
    return found
