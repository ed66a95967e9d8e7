"""What the rules protect: the names of the sets, the doors on the gateway, the devices behind it. Pure; for both rule writers.

A service whose rules would say anything else than before gets sets of other names (a tag of its shape is in them): so old
entries never open a new thing, and install() can keep or delete whole sets by name alone.

All that gets into the text of a rule is a number written by %d, an address written from its bytes, or the name of an
interface, which core/policy.py has checked.
"""

from hashlib import sha256

from ..wire.addresses import format_address
from ..wire.hmac import hex_text

TCP = 6
UDP = 17
GRANTED = 0x4B000000  # these bits of a connection's mark say "granted" (nft), for the other firewall
USED = 0x4F000000  # and these that it has used a one-shot grant up
OTHERS = 0xB0FFFFFF  # all the other bits: somebody else's
# ICMP types that the kernel sends about a packet before it gets to any chain that could drop it, to IPv4 options, to the
# last hop, to detours, to hop-by-hop options: unreachable, redirect or too big, time exceeded, parameter problem, redirect.
UNASKED = {4: (3, 5, 11, 12), 6: (1, 2, 3, 4, 137)}
SET_LIMIT = 1024  # entries of one set; the engine holds 256 grants at most
DEFAULT_S = 30  # for an entry that somebody adds by hand without a time: none may be for ever


def set_names(service, family):
    """The sets that an address must be in: one, or (idle, max)."""
    tag = hex_text(sha256(str(service.shape()).encode()).digest()[:4])
    name = "knocklet_%d_%d_%s" % (service.index, family, tag)
    return (name + "_idle", name + "_max") if service.idle_s else (name,)


def all_sets(policy):
    """[(name, family)] of a policy."""
    return [(name, family) for service in policy.services for family in service.families
            for name in set_names(service, family)]  # fmt: skip


def doors(policy):
    """The services that have a port on the gateway itself: it is closed there for both families, whatever is behind."""
    return [service for service in policy.services if service.to is not None or service.to6 is None]


def devices(policy, family):
    """What is protected behind the gateway: [(address as text, protocol, port, services that lead there)]."""
    found = {}
    for service in policy.services:
        address, port = (service.to, service.to_port) if family == 4 else (service.to6, service.to6_port)
        if address is not None:
            found.setdefault((format_address(address), service.protocol, port), []).append(service)
    return [key + (found[key],) for key in sorted(found)]


def protocol_name(service):
    return "tcp" if service.protocol == TCP else "udp"
