"""Names that people type: of gateways, services, sequences, clients."""

LIMIT = 32
ALLOWED = "1-32 characters of a-z, 0-9 and '-', first a letter"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALLOWED = _LETTERS + "0123456789-"


def is_name(text):
    """1 to 32 characters of a-z, 0-9 and '-', the first a letter."""
    return 0 < len(text) <= LIMIT and text[0] in _LETTERS and all(c in _ALLOWED for c in text)
