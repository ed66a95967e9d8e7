"""Connections that are already going, in the kernel's connection tracking, over ctnetlink.

adopt() makes those known that began before anybody tracked connections: without it the first rules would lock their owner
out, on a machine that had no firewall before.

cut() ends the ones of a source to a service: without its entry in the table, a packet in the middle of a connection is a
new one, which the rules let in only with a grant. Each is deleted by its exact tuple: a deletion by filter, which newer
kernels have, empties the whole table on older ones.

    entry:  TUPLE_ORIG { IP { V4_SRC, V4_DST | V6_SRC, V6_DST }, PROTO { NUM, SRC_PORT, DST_PORT } }   ID   ZONE ...

Source: linux/netfilter/nfnetlink_conntrack.h.
"""

from struct import pack

from ..core.errors import KnockletError
from ..wire.addresses import family_of
from . import protected
from .netlink import ACK, CREATE, DUMP, EXCL, NESTED, REQUEST, Netlink, attribute, attributes, message, nest

_SUBSYS = 1 << 8
_NEW, _GET, _DELETE, _GET_STATS = 0, 1, 2, 5
_TUPLE_ORIG, _TUPLE_REPLY, _STATUS, _PROTOINFO, _TIMEOUT, _ID, _ZONE = 1, 2, 3, 4, 7, 12, 18
_IP, _PROTO = 1, 2
_SRC = {4: 1, 6: 3}
_DST = {4: 2, 6: 4}
_NUM, _SRC_PORT, _DST_PORT = 1, 2, 3
_NFPROTO = {4: 2, 6: 10}
AT_ONCE = 256  # connections that one call ends: the engine does other things in between

_SEEN_REPLY_ASSURED_CONFIRMED = 2 | 4 | 8
_ESTABLISHED_S = 432_000  # the kernel's default of nf_conntrack_tcp_timeout_established
_PROTOINFO_TCP = 1
_STATE, _FLAGS_ORIGINAL, _FLAGS_REPLY = 1, 4, 5
_STATE_ESTABLISHED = 3
_BE_LIBERAL = bytes([8, 8])  # flag and mask: the sequence numbers so far are not known
_SOCKET_ESTABLISHED = "01"  # in /proc/net/tcp
_SOCKETS = 256  # that are looked at


def _open():
    """A Netlink, or None where the kernel has no netfilter to ask."""
    try:
        return Netlink()
    except (KnockletError, OSError):
        return None


def warnings():
    """A list of lines: what the kernel cannot do here. Its part for connections may be missing."""
    asking = _open()
    failed = True
    if asking:
        failed = asking.ask(bytearray(message(_SUBSYS | _GET_STATS, REQUEST | ACK, 0, b"")))
        asking.close()
    return ["connections cannot be cut: the kernel lacks nf_conntrack_netlink"] if failed else []


def cut(services, address):
    """End the connections of `address` (4 or 16 bytes) to these services, also half-open ones.

    Returns how many were found, at most AT_ONCE: as long as it is that many, there may be more. Best effort: where the kernel
    has no connection tracking, or does not tell, there is nothing to cut.
    """
    family = family_of(address)
    found = []
    asking = _open()
    if not asking:
        return 0
    try:
        found = _find(asking, services, family, address)
        for body in found:
            asking.ask(bytearray(message(_SUBSYS | _DELETE, REQUEST | ACK, _NFPROTO[family], body)))
    except OSError:
        pass
    finally:
        asking.close()
    return len(found)


def _find(asking, services, family, address):
    """What identifies each such connection (at most AT_ONCE), as attributes for a deletion."""

    def take(out, data, at, end):
        if len(out) < AT_ONCE:
            found = attributes(data, at + 4, end)
            original = found.get(_TUPLE_ORIG, b"")
            if any(_leads_to(service, family, address, original) for service in services):
                body = b""
                for kind in (_TUPLE_ORIG, _ID, _ZONE):
                    if kind in found:
                        body += attribute(kind | (NESTED if kind == _TUPLE_ORIG else 0), found[kind])
                out.append(body)

    return asking.dump(message(_SUBSYS | _GET, REQUEST | DUMP, _NFPROTO[family], b""), take, address)


def _leads_to(service, family, address, original):
    """Does a connection with this original direction come from `address` and lead to the service?"""
    parts = attributes(original, 0, len(original))
    ip, proto = [attributes(part, 0, len(part)) for part in (parts.get(_IP, b""), parts.get(_PROTO, b""))]
    if ip.get(_SRC[family]) != address or proto.get(_NUM) != bytes([service.protocol]):
        return False
    device, port = (service.to, service.to_port) if family == 4 else (service.to6, service.to6_port)
    place = (ip.get(_DST[family]), proto.get(_DST_PORT))
    # By the gateway's port, on whichever address of its own; or by the device's own address, where that is routed.
    return place[1] == pack(">H", service.port) or place == (device, pack(">H", port))


def adopt(policy):
    """Make the TCP connections known that the gateway's protected ports have now. Those that are known stay as they are.

    Best effort, and only before the first rules: later, a connection without an entry is one that was cut.
    """
    ports = [service.port for service in protected.doors(policy) if service.protocol == protected.TCP and not service.cut]
    asking = _open()
    if not asking:
        return
    for client, gateway in _sockets("/proc/net/tcp", ports) + _sockets("/proc/net/tcp6", ports):
        family = family_of(client[0])
        body = _tuple(_TUPLE_ORIG, family, client, gateway) + _tuple(_TUPLE_REPLY, family, gateway, client) + _RUNNING
        asking.ask(bytearray(message(_SUBSYS | _NEW, REQUEST | ACK | CREATE | EXCL, _NFPROTO[family], body)))
    asking.close()


def _tuple(kind, family, source, to):
    """A direction of a connection between two (address, port)."""
    return nest(
        kind,
        nest(_IP, attribute(_SRC[family], source[0]), attribute(_DST[family], to[0])),
        nest(
            _PROTO,
            attribute(_NUM, bytes([protected.TCP])),
            attribute(_SRC_PORT, pack(">H", source[1])),
            attribute(_DST_PORT, pack(">H", to[1])),
        ),
    )


_RUNNING = (
    attribute(_STATUS, pack(">I", _SEEN_REPLY_ASSURED_CONFIRMED))
    + attribute(_TIMEOUT, pack(">I", _ESTABLISHED_S))
    + nest(
        _PROTOINFO,
        nest(
            _PROTOINFO_TCP,
            attribute(_STATE, bytes([_STATE_ESTABLISHED])),
            attribute(_FLAGS_ORIGINAL, _BE_LIBERAL),
            attribute(_FLAGS_REPLY, _BE_LIBERAL),
        ),
    )
)


def _sockets(path, ports):
    """[((client address, port), (own address, port))] of the established sockets on these ports of ours."""
    found = []
    try:
        with open(path) as file:
            for line in file:
                words = line.split()
                if len(words) > 3 and words[3] == _SOCKET_ESTABLISHED and len(found) < _SOCKETS:
                    own = _endpoint(words[1])
                    if own[1] in ports:
                        found.append((_endpoint(words[2]), own))
    except OSError:
        pass  # no IPv6
    return found


def _endpoint(word):
    """0100007F:0016 -> (4 or 16 bytes, port): each group of 8 digits is a number in the machine's byte order."""
    digits, port = word.split(":")
    address = b"".join([pack("@I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8)])
    if address[:12] == bytes(10) + b"\xff\xff":  # an IPv4 client of an IPv6 socket
        address = address[12:]
    return address, int(port, 16)
