"""nf_tables over netlink: what is there, and elements of sets as whole transactions.

    a transaction:  BATCH_BEGIN (res_id: the subsystem)   messages   BATCH_END
    an element:     TABLE, SET, ELEMENTS { LIST_ELEM { KEY { VALUE }, TIMEOUT (u64 ms, network order) } }
                    the lists and nests are at the end, so an element's key and time are found from there

Source: linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h.
"""

from struct import unpack_from

from ..core import bpf
from .netlink import ACK, CREATE, DUMP, EXCL, HEADER_BYTES, OUR_PORTS, REQUEST, attribute, attributes, message, nest, text, walk

TABLE = "knocklet"  # of family inet: ours
INET = 1  # NFPROTO_INET
_SUBSYS = 10 << 8
_BATCH_BEGIN, _BATCH_END = 16, 17
_SUBSYS_NFTABLES = 10
_GETTABLE, _DELTABLE, _GETCHAIN, _GETRULE, _GETSET = 1, 2, 4, 7, 10
_NEWSETELEM, _GETSETELEM, _DELSETELEM, _NEWGEN, _GETGEN = 12, 13, 14, 15, 16
_TABLE, _NAME = 1, 2  # a table's own name, and the table that something is in; the name of a set
_CHAIN_NAME = 3
_RULE_CHAIN, _RULE_HANDLE = 2, 3
_SET, _ELEMENTS = 2, 3
_LIST_ELEM = 1
_KEY, _TIMEOUT, _EXPIRATION = 1, 4, 5
_VALUE = 1
TIME_AFTER_KEY = 4 + 4  # the head of TIMEOUT and its upper half
_GEN_ID = 1

ADD = _NEWSETELEM
DELETE = _DELSETELEM


def generation(asking):
    """A number that every change of nf_tables in this network namespace raises; None where there is no nf_tables."""
    try:
        found = asking.dump(message(_SUBSYS | _GETGEN, REQUEST | ACK, 0, b""), _take_generation)
        return found[0] if found else None
    except OSError:
        return None


def _take_generation(out, data, at, end):
    out.append(bytes(attributes(data, at + 4, end).get(_GEN_ID, b"")))


def tables(asking):
    """Names of the tables of family inet; none where there is no nf_tables."""
    try:
        return _names(asking, _GETTABLE, None, _TABLE)
    except OSError:
        return []


def chains(asking, table):
    return _names(asking, _GETCHAIN, table, _CHAIN_NAME)


def sets(asking, table):
    """Names of the sets of a table, without those that the kernel made for a rule."""
    return [name for name in _names(asking, _GETSET, table, _NAME) if name[:2] != "__"]


def _names(asking, kind, table, name):
    return [found[name][:-1].decode() for found in _list(asking, kind, table) if name in found]


def rules(asking, table):
    """Chain and handle of each rule of a table, as bytes: a rule that was made anew has another handle."""
    return [found[_RULE_CHAIN] + found[_RULE_HANDLE] for found in _list(asking, _GETRULE, table, (_RULE_CHAIN, _RULE_HANDLE))]


def _list(asking, kind, table, only=None):
    """The attributes of each thing of a kind in a table of family inet. Old kernels tell of all tables."""
    wanted = table and table.encode() + b"\0"

    def take(out, data, at, end):
        found = attributes(data, at + 4, end)
        if data[at] == INET and (wanted is None or found.get(_TABLE) == wanted):
            out.append({key: found[key] for key in only} if only else found)

    return asking.dump(message(_SUBSYS | kind, REQUEST | DUMP, INET, text(_TABLE, table) if table else b""), take)


def elements(asking, name):
    """key -> milliseconds left, of a set in our table. Raises OSError."""
    body = text(_TABLE, TABLE) + text(_SET, name)
    return dict(asking.dump(message(_SUBSYS | _GETSETELEM, REQUEST | DUMP, INET, body), _take_elements))


def _take_elements(out, data, at, end):
    for kind, start, stop in walk(data, at + 4, end):
        if kind == _ELEMENTS:
            for _, first, last in walk(data, start, stop):
                found = attributes(data, first, last)
                if _KEY in found and _EXPIRATION in found:
                    out.append((found[_KEY][4:], unpack_from(">II", found[_EXPIRATION])[1]))


def batch(kinds, name, key):
    """A transaction with one message of each of `kinds` (ADD, DELETE) for the element `key`, for Netlink.ask().

    Returns (buffer, heads, at): heads has the transaction's beginning first and then each message; `at` is where the last
    message has the key, and TIME_AFTER_KEY bytes behind it an ADD has the milliseconds (u32): both may be written anew.
    """
    parts = []
    for kind in kinds:
        element = nest(_KEY, attribute(_VALUE, key))
        if kind == ADD:
            element += attribute(_TIMEOUT, bytes(8))
        body = text(_TABLE, TABLE) + text(_SET, name) + nest(_ELEMENTS, nest(_LIST_ELEM, element))
        flags = REQUEST | (CREATE | EXCL if kind == ADD else 0) | (ACK if len(parts) + 1 == len(kinds) else 0)
        parts.append(message(_SUBSYS | kind, flags, INET, body))
    buffer, heads = _transaction(parts)
    return buffer, heads, len(buffer) - HEADER_BYTES - len(key) - (4 + 8 if kind == ADD else 0)


def _transaction(parts):
    """(buffer, heads) of a batch of messages."""
    buffer = bytearray(message(_BATCH_BEGIN, REQUEST, 0, b"", _SUBSYS_NFTABLES))
    heads = [0]
    for part in parts:
        heads.append(len(buffer))
        buffer += part
    return buffer + message(_BATCH_END, REQUEST, 0, b"", _SUBSYS_NFTABLES), heads


def delete_table(asking, table):
    """Returns None or {..: errno} as Netlink.ask()."""
    return asking.ask(*_transaction([message(_SUBSYS | _DELTABLE, REQUEST | ACK, INET, text(_TABLE, table))]))


KEEP = 64  # bytes of an announcement: more than is looked at


def deletions(byteorder):
    """A BPF program for a socket that hears of changes: passes those that may have taken something of ours away.

    The kernel packs a transaction's messages into one datagram and a filter sees only the first of them, so all passes but
    elements and the new generation number. Of elements, only those pass that somebody else deletes from our table.
    Numbers of netlink headers are in the machine's byte order, the BPF machine reads network order.
    Source: nf_tables_api.c (nft_commit_notify).
    """
    little = byteorder == "little"
    kind_at = 4 if little else 5  # the low byte of nlmsghdr.type
    port_at = 14 if little else 12  # the upper half of nlmsghdr.port: whose change it is
    ours = (OUR_PORTS & 0xFF) << 8 | OUR_PORTS >> 8 if little else OUR_PORTS
    elements = []
    for at, four in ((0, b"knoc"), (4, b"klet")):  # the table's name is the first attribute
        elements.append(bpf.instruction(bpf.LD_W, HEADER_BYTES + 4 + at))
        elements += bpf.otherwise_drop(bpf.JEQ, int.from_bytes(four, "big"))
    elements += [bpf.instruction(bpf.LD_H, port_at)] + bpf.drop_if(bpf.JEQ, ours)
    keep = [bpf.instruction(bpf.RET, KEEP)]
    kind = [bpf.instruction(bpf.LD_B, kind_at)] + bpf.drop_if(bpf.JEQ, _NEWGEN) + bpf.drop_if(bpf.JEQ, _NEWSETELEM)
    return kind + bpf.either(bpf.JEQ, _DELSETELEM, elements + keep, keep)
