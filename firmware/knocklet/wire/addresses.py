"""IP addresses as text and as bytes, with or without a port. IPv6 is read by RFC 4291 and written by RFC 5952."""

from .steps import parse_port

_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"


def _unreadable(text, why):
    return ValueError("%r: %s" % (text[:60], why))  # %r: a line break in it stays on the one line


def parse_ipv4(text):
    """4 bytes. Four plain decimal numbers, no leading zeros. Raises ValueError."""
    parts = text.split(".")
    if len(parts) != 4:
        raise _unreadable(text, "not an IPv4 address")
    for part in parts:
        if not 0 < len(part) <= 3 or any(c not in _DIGITS for c in part) or int(part) > 255 or str(int(part)) != part:
            raise _unreadable(text, "not an IPv4 address")
    return bytes([int(part) for part in parts])


def parse_ipv6(text):
    """16 bytes. No zone; the last 32 bits may be dotted. Raises ValueError."""
    first, gap, rest = text.partition("::")
    try:
        before, after = _groups(first, not gap), _groups(rest, True)
        missing = 16 - len(before) - len(after)
        if missing >= 2 if gap else missing == 0:
            return before + bytes(missing) + after
    except ValueError:
        pass
    raise _unreadable(text, "not an IPv6 address")


def parse_address(text):
    """4 or 16 bytes. Raises ValueError."""
    return parse_ipv6(text) if ":" in text else parse_ipv4(text)


def family_of(address):
    """4 or 6, of 4 or 16 bytes."""
    return 4 if len(address) == 4 else 6


def is_unicast(address):
    """Can one host have it? 4 or 16 bytes; not: unspecified, "this network", loopback, multicast, IPv4 within IPv6."""
    if len(address) == 4:
        return address[0] not in (0, 127) and address[0] < 224
    return any(address[:10]) and address[0] != 0xFF


def _groups(text, last):
    """The bytes of the groups between colons, none for an empty text; only the `last` ones may end in a dotted IPv4."""
    found = b""
    parts = text.split(":") if text else []
    for i, part in enumerate(parts):
        if "." in part and last and i == len(parts) - 1:
            found += parse_ipv4(part)
        elif 0 < len(part) <= 4 and all(c in _HEX for c in part):
            found += bytes((int(part, 16) >> 8, int(part, 16) & 255))
        else:
            raise ValueError(part)
    return found


def format_address(address):
    """The usual text of 4 or 16 bytes: the longest run of zero groups, the first of equals, becomes '::'."""
    if len(address) == 4:
        return "%d.%d.%d.%d" % tuple(address)
    groups = [address[i] << 8 | address[i + 1] for i in range(0, 16, 2)]
    start, length = 0, 1  # a single zero group is not shortened
    for i in range(8):
        run = 0
        while i + run < 8 and not groups[i + run]:
            run += 1
        if run > length:
            start, length = i, run
    text = ["%x" % group for group in groups]
    if length == 1:
        return ":".join(text)
    return ":".join(text[:start]) + "::" + ":".join(text[start + length :])


def parse_endpoint(text):
    """(address, port) of `192.168.1.50:80` or `[fd00::50]:80`; address is 4 or 16 bytes. Raises ValueError."""
    if text[:1] == "[":
        address, bracket, port = text[1:].partition("]:")
        if not bracket:
            raise _unreadable(text, "expected [address]:port")
        return parse_ipv6(address), parse_port(port)
    address, colon, port = text.partition(":")
    if not colon:
        raise _unreadable(text, "expected address:port")
    return parse_ipv4(address), parse_port(port)
