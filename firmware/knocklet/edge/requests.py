"""Plain requests, which anybody at the broker may have sent: they can close, and nothing else.

    request/close      {"service": name, "source": address (optional), "transaction": text (optional)}
    request/close_all  {"transaction": text (optional)} or nothing

The answer repeats the transaction, so that whoever asked knows his own.
"""

from ..core.checked_table import REQUIRED, Table
from ..core.errors import KnockletError
from ..core.strict_json import loads

_TRANSACTION = 64  # characters


def answer(verb, payload, close):
    """The answer (dict) to one of topics.PLAIN_VERBS. close: function of the same requests as knockletctl's (edge/verbs.py)."""
    transaction = ""
    try:
        table = Table(loads(payload) if payload.strip() else {}, "the request")
        transaction = table.text("transaction", "")[:_TRANSACTION]
        if verb == "close_all":
            request = {"all": True}
        elif verb == "close":
            request = {"service": table.text("service", REQUIRED)}
            source = table.text("source", "")
            if source:
                request["source"] = source
        else:
            raise KnockletError("%s: allowed: close, close_all" % verb)
        table.done()
        made = {"data": close(request), "status": "ok"}
    except (KnockletError, OSError) as error:
        made = {"data": {}, "status": "error", "error": str(error)}
    made["transaction"] = transaction
    return made
