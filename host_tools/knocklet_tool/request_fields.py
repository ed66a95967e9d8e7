"""What a request names, checked before it is sent, and as gateways write it."""

from knocklet.wire.addresses import format_address, parse_address

from .errors import InputError


def address(where: str, text: str) -> str:
    """Raises InputError."""
    try:
        return str(format_address(parse_address(text)))
    except ValueError:
        raise InputError(f"{where} {text[:60]!r}: allowed: an IPv4 or IPv6 address") from None
