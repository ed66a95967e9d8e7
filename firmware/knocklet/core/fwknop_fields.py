"""What a client of fwknop asks for, field by field. He has the key; what he says is still checked in everything.

    random(16 digits) : user : timestamp : version : type : message [: nat] [: server_auth] [: timeout]

user, message, nat and server_auth are base64 without "=". message: "address,protocol/port[,protocol/port...]", nat:
"address,port", where the message's port leads. type: 0 command, 1 access, 2 access by NAT, 3 and 4 the same with a timeout,
5 and 6 by NAT to the gateway itself. user, version and server_auth (obsolete) mean nothing here.
"""

from ..wire.addresses import family_of, format_address, is_unicast, parse_ipv4
from ..wire.steps import parse_port
from .base64 import decode
from .packet import TCP, UDP
from .verdict import BAD_SOURCE_FIELD, COMMAND, NOT_ALLOWED, PARSED

_ACCESS, _NAT, _TIMEOUT = "1234", "24", "34"  # types
_RANDOM_DIGITS = 16
_USER_CHARACTERS = 64
_STAMP_DIGITS = 12
_VERSION_CHARACTERS = 8
_TIMEOUT_S = 65536
_DIGITS = "0123456789"
_NOT_IN_USER = '"/\\[]:;|=,+*?<>'
_PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": 1, "none": 0}


def read(request, text):
    """Put into the Request what the fields (a str of printable ASCII) ask for; its address is the packet's source so far.

    Returns PARSED or the verdict that refuses it. Raises ValueError when they do not read.
    """
    fields = text.split(":")
    random, user, stamp, version, kind, message = fields[:6]  # with fewer of them: ValueError
    if len(random) != _RANDOM_DIGITS or not 0 < len(version) <= _VERSION_CHARACTERS or len(kind) != 1:
        raise ValueError("length")
    _number(random, _RANDOM_DIGITS)
    if len(user) > _USER_CHARACTERS or any(c in _NOT_IN_USER for c in _text(user)):
        raise ValueError("user")
    request.stamp_us = 1_000_000 * _number(stamp, _STAMP_DIGITS)
    if kind not in _ACCESS:
        return COMMAND if _number(kind, 1) == 0 else NOT_ALLOWED
    rest = fields[6:]
    needed = (kind in _NAT) + (kind in _TIMEOUT)
    if not needed <= len(rest) <= needed + 1:
        raise ValueError("too few or too many")
    nat = _text(rest.pop(0)) if kind in _NAT else None
    request.ttl_s = _number(rest.pop(), len(str(_TIMEOUT_S))) if kind in _TIMEOUT else 0
    if request.ttl_s > _TIMEOUT_S:
        raise ValueError("timeout")
    for server_auth in rest:
        _text(server_auth)
    words = _text(message).split(",")
    address, doors = parse_ipv4(words[0]), [_door(word) for word in words[1:]]
    if not doors:
        raise ValueError("no port")
    return _address(request, address) or _services(request, doors, nat) or PARSED


def _address(request, address):
    """The verdict that refuses the stated address, or None."""
    if not any(address):  # the packet's source is meant
        return None
    request.address = address
    request.stated = True
    return None if is_unicast(address) else BAD_SOURCE_FIELD


def _services(request, doors, nat):
    """The verdict that refuses these doors, or None. doors: (protocol, port) on the gateway's outside; nat: where one leads."""
    family = family_of(request.address)
    services = [service for service in request.client.services if family in service.families]
    for door in doors:
        found = [service for service in services if (service.protocol, service.port) == door]
        if not found:
            return NOT_ALLOWED
        if found[0] not in request.services:
            request.services.append(found[0])
    if nat is None:
        return None
    service = request.services[0]
    leads_there = service.to is not None and nat == "%s,%d" % (format_address(service.to), service.to_port)
    return None if leads_there and len(doors) == 1 else NOT_ALLOWED


def _door(text):
    protocol, _, port = text.partition("/")
    if protocol not in _PROTOCOLS:
        raise ValueError("protocol")
    return _PROTOCOLS[protocol], parse_port(port)


def _number(text, digits):
    if not 0 < len(text) <= digits or any(c not in _DIGITS for c in text):
        raise ValueError("no number")
    return int(text)


def _text(field):
    """What a field of base64 says: printable ASCII."""
    data = decode(field.encode())
    if not data or any(not 32 <= byte < 127 for byte in data):
        raise ValueError("no text")
    return data.decode()
