"""Connections that are already going, in the kernel's connection tracking, over ctnetlink.

cut() ends the ones of a source to a service: without its entry in the table, a packet in the middle of a connection is a
new one, which the rules let in only with a grant. Each is deleted by its exact tuple: a deletion by filter, which newer
kernels have, empties the whole table on older ones.

    entry:  TUPLE_ORIG { IP { V4_SRC, V4_DST | V6_SRC, V6_DST }, PROTO { NUM, SRC_PORT, DST_PORT } }   ID   ZONE ...

Source: linux/netfilter/nfnetlink_conntrack.h.
"""

from struct import pack

from .netlink import ACK, DUMP, REQUEST, Netlink, attribute, attributes, message

_SUBSYS = 1 << 8
_GET, _DELETE = 1, 2
_TUPLE_ORIG, _ID, _ZONE = 1, 12, 18
_IP, _PROTO = 1, 2
_SRC = {4: 1, 6: 3}
_DST = {4: 2, 6: 4}
_NUM, _DST_PORT = 1, 3
_NFPROTO = {4: 2, 6: 10}
_AT_ONCE = 64  # connections of one pass; passes go on until none is left
_PASSES = 64


def cut(service, address):
    """End the connections of `address` (4 or 16 bytes) to the service, also half-open ones. Returns how many ended.

    Best effort: where the kernel has no connection tracking, or does not tell, there is nothing to cut.
    """
    family = 4 if len(address) == 4 else 6
    asking = Netlink()
    count = 0
    try:
        for _ in range(_PASSES):
            found = _find(asking, service, family, address)
            for body in found:
                if not asking.ask(bytearray(message(_SUBSYS | _DELETE, REQUEST | ACK, _NFPROTO[family], body))):
                    count += 1
            if len(found) < _AT_ONCE:
                break
    except OSError:
        pass
    finally:
        asking.close()
    return count


def _find(asking, service, family, address):
    """What identifies each such connection (at most _AT_ONCE), as attributes for a deletion."""

    def take(out, data, at, end):
        if len(out) < _AT_ONCE:
            found = attributes(data, at + 4, end)
            if _leads_to(service, family, address, found.get(_TUPLE_ORIG, b"")):
                body = b""
                for kind in (_TUPLE_ORIG, _ID, _ZONE):
                    if kind in found:
                        body += attribute(kind | (0x8000 if kind == _TUPLE_ORIG else 0), found[kind])
                out.append(body)

    return asking.dump(message(_SUBSYS | _GET, REQUEST | DUMP, _NFPROTO[family], b""), take, address)


def _leads_to(service, family, address, original):
    """Does a connection with this original direction come from `address` and lead to the service?"""
    parts = attributes(original, 0, len(original))
    ip = attributes(parts[_IP], 0, len(parts[_IP])) if _IP in parts else {}
    proto = attributes(parts[_PROTO], 0, len(parts[_PROTO])) if _PROTO in parts else {}
    if ip.get(_SRC[family]) != address or proto.get(_NUM) != bytes([service.protocol]):
        return False
    device, port = (service.to, service.to_port) if family == 4 else (service.to6, service.to6_port)
    place = (ip.get(_DST[family]), proto.get(_DST_PORT))
    # By the gateway's port, on whichever address of its own; or by the device's own address, where that is routed.
    return place[1] == pack(">H", service.port) or place == (device, pack(">H", port))
