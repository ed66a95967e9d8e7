"""Which kernel ipsets are ours, by name. Both backends want to know. Source: linux/netfilter/ipset/ip_set.h."""

from struct import pack

from .netlink import NET_BYTEORDER, REQUEST, attribute, attributes, message

SUBSYS = 6 << 8
VERSION = attribute(1, bytes([6]))  # IPSET_ATTR_PROTOCOL: IPSET_PROTOCOL_MIN, of every kernel since 2.6.39
LIST = 7
SETNAME = 2
_FLAGS = 6
_FLAG_LIST_SETNAME = 1 << 1  # only names: others' sets may be large


def ours(asking):
    """Names of our sets; none where the kernel has no ipsets. `asking`: a Netlink."""
    body = VERSION + attribute(_FLAGS | NET_BYTEORDER, pack(">I", _FLAG_LIST_SETNAME))
    try:
        names = asking.dump(message(SUBSYS | LIST, REQUEST, 0, body), _take)
    except OSError:
        return []
    return [name[:-1].decode() for name in names if name.startswith(b"knocklet_")]


def _take(out, data, at, end):
    out.append(attributes(data, at + 4, end).get(SETNAME, b""))
