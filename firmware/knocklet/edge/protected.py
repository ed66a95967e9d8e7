"""What the rules protect: the names of the sets, the doors on the gateway, the devices behind it. Pure; for both rule writers.

A service whose rules would say anything else than before gets sets of other names (a tag of its shape is in them): so old
entries never open a new thing, and install() can keep or delete whole sets by name alone.
"""

from hashlib import sha256

from ..wire.addresses import format_address
from .firewall import FirewallError

TCP = 6
UDP = 17
GRANTED = 0x4B000000  # these bits of the packet mark (nft) say "granted"; of the connection mark: a one-shot's connection
OTHERS = 0xB4FFFFFF  # all the other bits: somebody else's
SET_LIMIT = 1024  # entries of one set; the engine holds 256 grants at most
DEFAULT_S = 30  # for an entry that somebody adds by hand without a time: none may be for ever
_DAY_S = 86_400
_INTERFACE_BYTES = 15
_INTERFACE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."


def check(policy):
    """Everything that goes into the text of a rule is a number in its range or a safe name, whoever made the policy."""
    if policy.zone not in ("drop", "reject", "accept"):
        raise FirewallError("zone: allowed: drop, reject, accept")
    for name in policy.interfaces:
        if not 0 < len(name) <= _INTERFACE_BYTES or name[0] in "-." or any(c not in _INTERFACE for c in name):
            raise FirewallError("interfaces: a name that cannot stand in a rule")
    for service in policy.services:
        for key, low, high in (
            ("index", 1, 255),
            ("port", 1, 65535),
            ("ttl_s", 0, _DAY_S),
            ("idle_s", 0, _DAY_S),
            ("max_s", 0, _DAY_S),
            ("to_port", 0 if service.to is None else 1, 65535),
            ("to6_port", 0 if service.to6 is None else 1, 65535),
        ):
            value = getattr(service, key)
            if type(value) is not int or not low <= value <= high:
                raise FirewallError("service %d: %s cannot stand in a rule" % (policy.services.index(service), key))
        if service.protocol not in (TCP, UDP):
            raise FirewallError("service %d: protocol 6 or 17" % service.index)
        for address, length in ((service.to, 4), (service.to6, 16)):
            if address is not None and (type(address) is not bytes or len(address) != length):
                raise FirewallError("service %d: an address of the wrong length" % service.index)
    for family in (4, 6):
        for _, _, _, services in devices(policy, family):
            if any(service.cut != services[0].cut for service in services):
                raise FirewallError("services %s lead to one place: allowed: the same 'cut' for all of them"
                                    % ", ".join([service.name for service in services]))  # fmt: skip


def set_names(service, family):
    """The sets that an address must be in: one, or (idle, max)."""
    tag = "".join(["%02x" % byte for byte in sha256(str(service.shape()).encode()).digest()[:4]])
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
