"""Services in the policy: what is protected, where it leads, and for how long it opens. Read strictly, as all of the policy."""

from ..wire.addresses import is_unicast, parse_endpoint
from .checked_table import REQUIRED
from .errors import ConfigError
from .packet import TCP, UDP

LIMIT = 64
_DAY_S = 86_400
_TTL_S = 30


class Service:
    """index, name, protocol, port, to, to_port, to6, to6_port, masquerade, ttl_s, idle_s, max_s, one_shot, cut,
    approval, families.

    ttl_s is 0 where idle_s and max_s are set, and the other way round. to: 4 bytes or None; to6: 16 bytes or None.
    families: the address families it can be opened for, a tuple of 4 and 6. approval: the owner is asked before it opens.
    """

    def life_s(self, wanted_s=0):
        """(how long a grant lives that nobody renews, how long at most), in seconds; wanted_s: less, if that is asked for."""
        life_s, max_s = self.idle_s or self.ttl_s, self.max_s
        if not wanted_s:
            return life_s, max_s
        return min(life_s, wanted_s), min(max_s, wanted_s)

    def shape(self):
        """All that the firewall's rules say of this service: where it is equal, grants live on over a reload."""
        return (
            self.index, self.name, self.protocol, self.port, self.to, self.to_port, self.to6, self.to6_port, self.masquerade,
            self.idle_s, self.one_shot, self.cut,
        )  # fmt: skip


def read(name, table):
    """The Service in a checked table. Raises ConfigError."""
    service = Service()
    service.name = name
    service.index = table.integer("index", REQUIRED, 1, 255)
    service.protocol = UDP if table.choice("protocol", "tcp", ("tcp", "udp")) == "udp" else TCP
    service.port = table.integer("port", REQUIRED, 1, 65535)
    service.to, service.to_port = _endpoint(table, "to", 4, "an IPv4 address and port as 192.168.1.50:443")
    service.to6, service.to6_port = _endpoint(table, "to6", 16, "an IPv6 address and port as [fd00::50]:443")
    if service.to is None and "masquerade" in table.values:
        table.fail("masquerade", table.values["masquerade"], "'masquerade' only beside 'to'")
    service.masquerade = table.choice("masquerade", "auto", ("auto", True, False))
    service.idle_s = table.integer("idle", 0, 1, _DAY_S)
    service.max_s = table.integer("max", 0, 1, _DAY_S)
    service.one_shot = table.choice("one_shot", False, (True, False))
    service.cut = table.choice("cut", False, (True, False))
    service.approval = table.choice("approval", False, (True, False))
    if bool(service.idle_s) != bool(service.max_s) or service.idle_s and service.idle_s >= service.max_s:
        table.fail("idle", service.idle_s or "nothing", "'idle' and 'max' together, 'idle' shorter than 'max'")
    if service.idle_s and "ttl" in table.values:
        table.fail("ttl", table.values["ttl"], "either 'ttl' or 'idle' with 'max'")
    service.ttl_s = 0 if service.idle_s else table.integer("ttl", _TTL_S, 1, _DAY_S)
    if service.one_shot and (service.idle_s or service.cut):
        table.fail("one_shot", True, "'one_shot' without 'idle' and 'cut': its first connection uses the entry up")
    table.done()
    service.families = ((4,) if service.to else ()) + ((6,) if service.to6 else ()) or (4, 6)
    return service


def _endpoint(table, key, count, allowed):
    text = table.text(key, "")
    if not text:
        return None, 0
    try:
        address, port = parse_endpoint(text)
        if count == 4:  # neither "this network" nor loopback nor multicast
            good = len(address) == 4 and is_unicast(address)
        else:  # neither unspecified, loopback, IPv4-mapped nor link-local nor multicast
            good = len(address) == 16 and is_unicast(address) and address[0] < 0xFE
    except ValueError:
        good = False
    if not good:
        table.fail(key, text, allowed)
    return address, port


def named(table, key, by_name, limit):
    """The services (by_name: name -> Service) that a table names under this key. Raises ConfigError."""
    found = []
    for name in table.texts(key, 1, limit):
        if name not in by_name or by_name[name] in found:
            table.fail(key, name, "names of services, each once: " + ", ".join(sorted(by_name)))
        found.append(by_name[name])
    return found


def check(services):
    """No two services may share an index, or be reached at one port; to one device's port all or none cut."""
    indexes = {}
    doors = {}
    devices = {}
    for service in services:
        other = indexes.setdefault(service.index, service)
        if other is not service:
            raise ConfigError("services.%s.index: %d is %s's; allowed: an index of its own"
                              % (service.name, service.index, other.name))  # fmt: skip
        for family in service.families:
            forwarded = family == 6 and service.to6
            address, port = (service.to6, service.to6_port) if forwarded else (None, service.port)
            other = doors.setdefault((family, service.protocol, address, port), service)
            if other is not service:
                raise ConfigError("services.%s.%s: %d is %s's; allowed: a port of its own"
                                  % (service.name, "to6" if forwarded else "port", port, other.name))  # fmt: skip
        other = devices.setdefault((service.protocol, service.to, service.to_port), service)
        if service.to and other.cut != service.cut:
            raise ConfigError("services.%s.cut: %s leads to the same place; allowed: the same 'cut' for both"
                              % (service.name, other.name))  # fmt: skip
