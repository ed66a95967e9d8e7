"""The policy: what is protected, for how long it opens, and which sequences open or close it. Read strictly.

Every key is known, every type and range is checked; one wrong thing refuses the whole, with a line that names the key,
what was found and what is allowed.
"""

from ..wire import otp_ports
from ..wire.addresses import parse_endpoint
from ..wire.names import is_name
from ..wire.steps import format_step, parse_step
from . import clients
from .checked_table import REQUIRED, Table
from .errors import ConfigError
from .matcher import SEQUENCES
from .packet import TCP, UDP
from .strict_json import loads

DECOYS = 64
_INTERFACES = 8
_SERVICES = 32
_STEPS = 32
_SAME_START = 6  # of the 8 places that a source has in the table of attempts
_DAY_S = 86_400
_TTL_S = 30
_WINDOW_S = 10
CLIENTS_FILE = "clients.json"  # beside the configuration
OTP_PAIRS = 64  # of client and service
_OTP_STEPS = 384  # of all pairs in one slot: the kernel filter has to hold those of three
_OTP_SPAN = 9_999
_OTP_WINDOW_S = 25  # an attempt has ended when its number is used for another slot (otp.py)
_KNOCK_PORT = 62201  # of fwknop: told apart by length


class Policy:
    """name: the gateway's, or ""; interfaces, zone, firewall: as in the file; decoys: how many; services, sequences, clients:
    lists; otp: Otp; spa_port, fwknop_port: UDP, 0 where no client has that kind; warnings: lines."""


class Otp:
    """How one-time sequences are made: protocol, count, low, high, window_ms; pairs: list of (Client, Service)."""


class Service:
    """index, name, protocol, port, to, to_port, to6, to6_port, masquerade, ttl_s, idle_s, max_s, one_shot, cut, families.

    ttl_s is 0 where idle_s and max_s are set, and the other way round. to: 4 bytes or None; to6: 16 bytes or None.
    families: the address families it can be opened for, a tuple of 4 and 6.
    """

    def life_s(self, wanted_s=0):
        """(how long a grant lives that nobody renews, how long at most), in seconds; wanted_s: less, if that is asked for."""
        life_s, max_s = self.idle_s or self.ttl_s, self.max_s
        if not wanted_s:
            return life_s, max_s
        return min(life_s, wanted_s), min(max_s, wanted_s)

    def shape(self):
        """All that the firewall's rules say of this service: where it is equal, grants live on over a reload."""
        return tuple(getattr(self, key) for key in _SHAPE)


_SHAPE = (
    "index", "name", "protocol", "port", "to", "to_port", "to6", "to6_port", "masquerade",
    "ttl_s", "idle_s", "max_s", "one_shot", "cut",
)  # fmt: skip


class Sequence:
    """A fixed one: name, steps: list of (protocol, port), window_ms, opens (else it closes), services: list of Service."""


def load(data, clients_data=None):
    """The Policy in `data` (bytes of a JSON file). clients_data: the same of a file for clients alone. Raises ConfigError."""
    values = loads(data)
    if clients_data is not None and isinstance(values, dict):
        _add_clients(values, clients_data)
    top = Table(values, "the configuration")
    policy = Policy()
    policy.name = top.text("id", "")
    if policy.name and not is_name(policy.name):
        top.fail("id", policy.name, "1-32 characters of a-z, 0-9 and '-', first a letter")
    policy.interfaces = _interfaces(top)
    policy.zone = top.choice("zone", "drop", ("drop", "reject", "accept"))
    policy.firewall = top.choice("firewall", "auto", ("auto", "ipset", "nft"))
    policy.decoys = top.integer("decoys", DECOYS, 0, 256)
    policy.services = [_service(name, table) for name, table in top.tables("services", _SERVICES)]
    by_name = {service.name: service for service in policy.services}
    policy.sequences = [_sequence(name, table, by_name) for name, table in top.tables("sequences", SEQUENCES)]
    policy.clients = [clients.read(name, table, by_name, policy.name) for name, table in top.tables("clients", clients.LIMIT)]
    policy.otp = _otp(top.table("otp", {}), policy.clients)
    policy.spa_port = _knock_port(top, "spa", policy)
    policy.fwknop_port = _knock_port(top, "fwknop", policy)
    top.done()
    _check_services(policy.services)
    _check_steps(policy)
    _check_clients(policy)
    policy.warnings = _warnings(policy)
    return policy


def _add_clients(values, data):
    """The secrets may lie in a file of their own."""
    if "clients" in values:
        raise ConfigError("clients: found here and in %s; allowed: one of them" % CLIENTS_FILE)
    try:
        table = Table(loads(data), CLIENTS_FILE)
    except ConfigError as error:
        raise ConfigError("%s: %s" % (CLIENTS_FILE, error))
    table.tables("clients", clients.LIMIT)
    table.done()
    values.update(table.values)


def _interfaces(top):
    names = top.texts("interfaces", 1, _INTERFACES)
    for name in names:
        # dev_valid_name() of the kernel takes more; what is taken here is safe in a rule.
        if not 0 < len(name) < 16 or any(not (c.isalpha() or c.isdigit() or c in "-_.") for c in name):
            top.fail("interfaces", name, "interface names of 1-15 letters, digits, '-', '_', '.'")
        if name[0] in "-." or names.count(name) > 1:
            top.fail("interfaces", name, "each interface once, beginning with a letter or digit")
    return names


def _service(name, table):
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
            good = len(address) == 4 and address[0] not in (0, 127) and address[0] < 224
        else:  # neither unspecified, loopback, IPv4-mapped nor link-local nor multicast
            good = len(address) == 16 and any(address[:10]) and address[0] < 0xFE
    except ValueError:
        good = False
    if not good:
        table.fail(key, text, allowed)
    return address, port


def _sequence(name, table, by_name):
    sequence = Sequence()
    sequence.name = name
    sequence.steps = []
    for text in table.texts("steps", 1, _STEPS):
        try:
            step = parse_step(text)
        except ValueError:
            table.fail("steps", text, "steps as 7000/tcp or 7000/udp, ports 1-65535")
        if step[1] in [port for _, port in sequence.steps]:
            table.fail("steps", text, "each port once: a repeated step looks like a retransmission")
        sequence.steps.append(step)
    sequence.window_ms = 1000 * table.integer("window", _WINDOW_S, 1, 60)
    if ("open" in table.values) == ("close" in table.values):
        table.fail("open", "both or none", "exactly one of 'open' and 'close', a list of service names")
    sequence.opens = "open" in table.values
    key = "open" if sequence.opens else "close"
    sequence.services = []
    for service in table.texts(key, 1, _SERVICES):
        if service not in by_name or by_name[service] in sequence.services:
            table.fail(key, service, "names of services, each once: " + ", ".join(sorted(by_name)))
        sequence.services.append(by_name[service])
    table.done()
    return sequence


def _otp(table, all_clients):
    otp = Otp()
    otp.protocol = UDP if table.choice("protocol", "tcp", ("tcp", "udp")) == "udp" else TCP
    otp.count = table.integer("count", otp_ports.COUNT, 4, 16)
    otp.low = table.integer("low", otp_ports.LOW, 1024, 65535)
    otp.high = table.integer("high", otp_ports.HIGH, 1024, 65535)
    if otp.high - otp.low < _OTP_SPAN:
        table.fail("high", otp.high, "at least 'low' + %d: few ports are soon tried" % _OTP_SPAN)
    otp.window_ms = 1000 * table.integer("window", _WINDOW_S, 1, _OTP_WINDOW_S)
    table.done()
    otp.pairs = [(client, service) for client in all_clients if "otp" in client.kinds for service in client.services]
    if len(otp.pairs) > OTP_PAIRS:
        raise ConfigError("clients: %d pairs of client and service with otp; allowed: %d" % (len(otp.pairs), OTP_PAIRS))
    if len(otp.pairs) * otp.count > _OTP_STEPS:
        most = _OTP_STEPS // len(otp.pairs)
        table.fail("count", otp.count, "at most %d for %d pairs of client and service" % (most, len(otp.pairs)))
    return otp


def _knock_port(top, kind, policy):
    """The UDP port for packets of this kind, 0 when no client has it."""
    port = top.integer(kind + "_port", _KNOCK_PORT, 1, 65535)
    if not any(kind in client.kinds for client in policy.clients):
        return 0
    taken = [service.port for service in policy.services if service.protocol == UDP]
    taken += [step for sequence in policy.sequences for protocol, step in sequence.steps if protocol == UDP]
    in_otp = policy.otp.pairs and policy.otp.protocol == UDP and policy.otp.low <= port <= policy.otp.high
    if port in taken or in_otp:
        top.fail(kind + "_port", port, "a UDP port of no service, step or one-time sequence")
    return port


def _check_clients(policy):
    """Names mean one thing in events, and fingerprints one client in the replay store."""
    if policy.clients and not policy.name:
        raise ConfigError("id: found nothing; allowed: the gateway's name, it is in the clients' keys")
    names = [sequence.name for sequence in policy.sequences]
    seen = {}
    for client in policy.clients:
        if client.name in names:
            raise ConfigError("clients.%s: a sequence has this name; allowed: a name of its own" % client.name)
        for fingerprint in (client.fingerprint, client.fwknop_fingerprint):
            other = seen.setdefault(fingerprint, client) if fingerprint else client
            if other is not client:
                raise ConfigError("clients.%s: has the key of %s; allowed: a key of its own" % (client.name, other.name))
    macs = {}
    for client in policy.clients:
        other = macs.setdefault(client.fwknop.hmac_key, client) if client.fwknop else client
        if other is not client:
            raise ConfigError("clients.%s: has the hmac_key of %s; allowed: one of its own" % (client.name, other.name))
    if sum(client.fwknop is not None for client in policy.clients) > clients.FWKNOP_LIMIT:
        raise ConfigError("clients: more than %d of kind fwknop" % clients.FWKNOP_LIMIT)


def _check_services(services):
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


def _check_steps(policy):
    """A step may not be a protected port, and a sweep needs a decoy to fall over between two steps."""
    protected = {(service.protocol, service.port): service for service in policy.services}
    never = no_decoys(policy)
    starts = [sequence.steps[0] for sequence in policy.sequences]
    for sequence in policy.sequences:
        where = "sequences.%s.steps: " % sequence.name
        for step in sequence.steps:
            if step in protected:
                raise ConfigError(where + "%s is the port of service %s; allowed: ports of no service"
                                  % (format_step(*step), protected[step].name))  # fmt: skip
            if policy.decoys and step[1] in (1, 65535):
                raise ConfigError(where + "%s has no port beyond it for a decoy; allowed: 2-65534" % format_step(*step))
            if starts.count(step) > _SAME_START:
                raise ConfigError(where + "%s begins %d sequences; allowed: %d"
                                  % (format_step(*step), starts.count(step), _SAME_START))  # fmt: skip
        for one, two in neighbours(sequence) if policy.decoys else ():
            low, high = min(one[1], two[1]), max(one[1], two[1])
            if all(port in never for port in range(low + 1, high)):
                raise ConfigError(where + "%s and %s have no free port between them for a decoy; allowed: steps further apart"
                                  % (format_step(*one), format_step(*two)))  # fmt: skip


def neighbours(sequence):
    """The pairs of consecutive steps, of either protocol: a sweep may send TCP and UDP to each port in turn."""
    return [(sequence.steps[i], sequence.steps[i + 1]) for i in range(len(sequence.steps) - 1)]


def no_decoys(policy):
    """The ports that may not be decoys: steps and protected ports, whatever their protocol."""
    steps = {port for sequence in policy.sequences for _, port in sequence.steps} | {policy.spa_port, policy.fwknop_port}
    return steps | {service.port for service in policy.services} | {service.to6_port for service in policy.services}


def _warnings(policy):
    lines = []
    for sequence in policy.sequences:
        if len(sequence.steps) == 1:
            lines.append("sequences.%s: one step: any scan of that port does it" % sequence.name)
    if (policy.sequences or policy.otp.pairs) and not policy.decoys:
        lines.append("decoys: 0: a sweep of all ports can do an ascending sequence")
    return lines
